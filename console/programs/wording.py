"""How the fields of a program version are called on the console's pages, and its lists in lines a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from enrollment.models import ProgramVersion
from enrollment.programs.content import FIELDS, Section
from enrollment.programs.differences import said

SECTIONS: Mapping[Section, Promise] = {
    Section.WORDS: gettext_lazy("What it is"),
    Section.WHO: gettext_lazy("Who may join"),
    Section.PROOFS: gettext_lazy("What people show"),
    Section.CONSENTS: gettext_lazy("What people agree to"),
    Section.DATES: gettext_lazy("Dates, terms and places"),
    Section.CONTROL: gettext_lazy("Control and conflicts"),
    Section.LANGUAGES: gettext_lazy("What people read, by language"),
}

FIELD_NAMES: Mapping[str, Promise] = {
    "name": gettext_lazy("Name"),
    "short_description": gettext_lazy("In one line"),
    "long_description": gettext_lazy("In full"),
    "personas": gettext_lazy("Whom it is for"),
    "support": gettext_lazy("Help for people"),
    "change_note": gettext_lazy("What is new in this version"),
    "utilities": gettext_lazy("Utilities"),
    "secondary_utilities": gettext_lazy("Utilities of devices elsewhere"),
    "regions": gettext_lazy("Regions"),
    "criteria": gettext_lazy("Conditions"),
    "required_credentials": gettext_lazy("Credentials"),
    "documents": gettext_lazy("Files instead of a certificate"),
    "required_consents": gettext_lazy("Consents"),
    "consent_capture": gettext_lazy("How people agree"),
    "on_required_consent_revoked": gettext_lazy("When a required consent is taken back"),
    "opens_at": gettext_lazy("Opens (UTC)"),
    "closes_at": gettext_lazy("Closes (UTC)"),
    "default_term_days": gettext_lazy("Usual term in days"),
    "max_term_days": gettext_lazy("Longest term in days"),
    "max_meters": gettext_lazy("Most meters"),
    "hold_minutes": gettext_lazy("A place is kept for minutes"),
    "case_days": gettext_lazy("An application waits for days"),
    "conflict_group": gettext_lazy("Conflict group"),
    "control": gettext_lazy("Who switches devices"),
    "partial": gettext_lazy("Several meters at once"),
    "direction": gettext_lazy("Direction"),
    "payment_type": gettext_lazy("Paid for"),
    "notification": gettext_lazy("Told of events"),
    "credential_profile": gettext_lazy("Shape of the credential"),
    "presentation": gettext_lazy("What people read"),
}

CONDITIONS: Mapping[str, Promise] = {
    "UTILITY": gettext_lazy("The meter is of one of these utilities"),
    "REGION": gettext_lazy("The meter is in one of these regions"),
    "CONNECTION_TYPE": gettext_lazy("The connection is of one of these types"),
    "METER_ROLE": gettext_lazy("The person's role at the meter is one of these"),
    "SUBJECT_KIND": gettext_lazy("The applicant is a person or an organisation"),
    "MIN_ACR": gettext_lazy("The sign-in is strong enough"),
    "INTERVAL_METER": gettext_lazy("The meter records intervals (smart meter)"),
    "NET_METER": gettext_lazy("The meter is a net meter"),
    "SANCTIONED_LOAD": gettext_lazy("The sanctioned load lies within limits"),
    "ACCOUNT_STANDING": gettext_lazy("The account with the utility stands"),
    "DER_TYPE": gettext_lazy("There is a device of one of these types"),
    "DER_CERTIFIED": gettext_lazy("Every device is certified"),
    "DER_SOURCE": gettext_lazy("The device is known to be the person's"),
    "SANCTIONED_EXPORT": gettext_lazy("The device feeds in no more than the meter may"),
}

CREDENTIALS: Mapping[str, Promise] = {
    "MeterOwnershipCredential": gettext_lazy("Proof that the meter is theirs"),
    "ProgramEligibilityCredential": gettext_lazy("Proof that they meet the conditions"),
    "DERCertificationCredential": gettext_lazy("Certificate of each device"),
}

VALUES: Mapping[str, Mapping[str, Promise]] = {
    "consent_capture": {
        "EXPLICIT": gettext_lazy("one by one, each with Yes or No"),
        "BY_CONFIRM": gettext_lazy("by confirming, after the text was shown"),
    },
    "on_required_consent_revoked": {
        "KEEP": gettext_lazy("the enrolment goes on"),
        "SUSPEND": gettext_lazy("the enrolment is suspended until it is given again"),
        "CANCEL": gettext_lazy("the enrolment ends"),
    },
    "control": {
        "NONE": gettext_lazy("nobody from outside"),
        "VOLUNTARY": gettext_lazy("the person, when asked"),
        "DIRECT": gettext_lazy("the program itself"),
    },
    "partial": {
        "PER_METER": gettext_lazy("each meter by itself: those that fit join"),
        "ALL_OR_NOTHING": gettext_lazy("all together or none"),
    },
    "credential_profile": {
        "": gettext_lazy("our own"),
        "DEG": gettext_lazy("that of the DEG network"),
    },
    "payment_type": {
        "NONE": gettext_lazy("nothing"),
        "ENERGY": gettext_lazy("energy"),
        "CAPACITY": gettext_lazy("capacity that is ready"),
        "TRADE": gettext_lazy("trades"),
        "TARIFF": gettext_lazy("by another tariff"),
    },
    "notification": {
        "NONE": gettext_lazy("not at all"),
        "DAY_AHEAD": gettext_lazy("a day ahead"),
        "DAY_OF": gettext_lazy("on the day"),
        "CONTINUOUS": gettext_lazy("all the time"),
    },
    "direction": {
        "IMPORT": gettext_lazy("energy taken from the grid"),
        "EXPORT": gettext_lazy("energy fed into the grid"),
        "BOTH": gettext_lazy("both ways"),
    },
}

KINDS: Mapping[str, Promise] = {
    "DEMAND_FLEX": gettext_lazy("Flexible demand"),
    "EV_MANAGED_CHARGING": gettext_lazy("Managed charging of cars"),
    "V2G": gettext_lazy("Cars that feed in"),
    "P2P": gettext_lazy("Trading between neighbours"),
    "COMMUNITY_SOLAR": gettext_lazy("Community solar"),
    "REMOTE_SOLAR": gettext_lazy("Solar at another place"),
    "NET_METERING": gettext_lazy("Net metering"),
}

STATES: Mapping[str, Promise] = {
    "DRAFT": gettext_lazy("Draft"),
    "PUBLISHED": gettext_lazy("Published"),
    "RETIRED": gettext_lazy("Retired"),
}

CASE_STATES: Mapping[str, Promise] = {
    "SUBMITTED": gettext_lazy("being checked, or waiting for a utility"),
    "NEEDS_INPUT": gettext_lazy("waiting for something from the applicant"),
    "IN_REVIEW": gettext_lazy("waiting for two persons here to look at a file"),
    "READY": gettext_lazy("ready, waiting for the applicant to confirm"),
}


def kind_name(code: str) -> str:
    """What kind of program this is; a kind that we have no words for by its code, as a person would write it."""
    return str(KINDS.get(code) or code.replace("_", " ").capitalize())


def value_of(name: str, value: Any) -> str:
    """A field's value in words; "–" for nothing."""
    words = VALUES.get(name, {}).get(value) if isinstance(value, str) else None
    return str(words) if words is not None else said(value) or "–"


def lines_of(version: ProgramVersion, section: Section) -> list[tuple[str, str]]:
    """(name, value) of a section's plain fields; its lists have tables of their own."""
    plain = [name for name in FIELDS[section] if name not in (*LISTS, *ELSEWHERE)]
    lines = [(str(FIELD_NAMES[name]), value_of(name, getattr(version, name))) for name in plain]
    if section is Section.WORDS:
        lines.append((str(FIELD_NAMES["support"]), said(list((version.support or {}).values())) or "–"))
        lines.append((_("Minutes it takes to apply"), said((version.presentation or {}).get("minutes")) or "–"))
    if section is Section.PROOFS:
        review = ((version.presentation or {}).get("assistance") or {}).get("paperReview")
        by_us, by_agency = _("we do, among the cases to decide"), _("another person of the agency")
        lines.append((_("Who looks at a mandate on paper"), by_us if review == "PROVIDER" else by_agency))
    if section is Section.DATES:
        lines.append((_("Says that it opens again"), said((version.presentation or {}).get("reopensAt")) or "–"))
    return lines


LISTS = ("criteria", "required_credentials", "required_consents", "documents")
ELSEWHERE = ("presentation", "support", "change_note")


def condition_said(criterion: Mapping[str, Any]) -> str:
    """What a condition asks, in the rule's own words."""
    parameters = criterion.get("parameters") or {}
    parts = []
    if parameters.get("anyOf"):
        parts.append(_("one of: %(list)s") % {"list": ", ".join(map(str, parameters["anyOf"]))})
    if parameters.get("fromKw") is not None:
        parts.append(_("from %(kw)s kW") % {"kw": parameters["fromKw"]})
    if parameters.get("toKw") is not None:
        parts.append(_("up to %(kw)s kW") % {"kw": parameters["toKw"]})
    if parameters.get("value"):
        parts.append(_("at least level %(level)s") % {"level": parameters["value"]})
    if parameters.get("minimumSource"):
        parts.append(_("known at least by: %(source)s") % {"source": parameters["minimumSource"]})
    if parameters.get("needsKw"):
        parts.append(_("its power in kW is needed"))
    if parameters.get("tolerancePercent") is not None:
        parts.append(_("declared power within %(percent)s %%") % {"percent": parameters["tolerancePercent"]})
    if parameters.get("onCertificateEnd") == "END":
        parts.append(_("the enrolment ends with its certificate"))
    return "; ".join(parts) or "–"


def condition_name(kind: object) -> str:
    return str(CONDITIONS.get(str(kind), str(kind)))


def difference_name(name: str, entry: str) -> str:
    """What is different: the field, and which entry of it."""
    field = str(FIELD_NAMES.get(name, name))
    first, colon, rest = entry.partition(": ")
    known = CONDITIONS.get(first) if name == "criteria" else CREDENTIALS.get(first)
    return ": ".join(part for part in (field, str(known or first), rest if colon else "") if part)


def languages(texts: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(code, name, text) of every language of the deployment, and of others that are there already."""
    known = dict(names)
    return [(code, str(known.get(code, code)), texts.get(code) or {}) for code in dict.fromkeys((*known, *texts))]
