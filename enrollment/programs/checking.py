"""What is wrong with a draft, in words for whoever writes it. Pure: texts and settings are handed in.

A draft may be saved half done; `problems_of` says what keeps it from being published, and what only deserves a thought.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from enrollment.consents import ALWAYS_EXPLICIT, CROSS_UTILITY
from enrollment.criteria import CRITERIA, METER_ROLES
from enrollment.devices import CERTIFICATE_FILE, SOURCES
from enrollment.facts import DER_CERTIFICATION, METER_OWNERSHIP, PROGRAM_ELIGIBILITY
from enrollment.models import ProgramVersion
from enrollment.programs.content import Section
from enrollment.states import ConsentCapture, Control
from files.looking import FORMATS
from utility_systems.ports import ConnectionType, DerType, Standing

CREDENTIAL_TYPES = (METER_OWNERSHIP, PROGRAM_ELIGIBILITY, DER_CERTIFICATION)
CONSENT_MODES = ("VIEW", "STORE", "STREAM", "CONTROL")
SUBJECT_KINDS = ("PERSON", "ORGANISATION")
#: What each criterion with a choice may name; empty: whatever the owner's utilities call it.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "UTILITY": (),
    "REGION": (),
    "CONNECTION_TYPE": tuple(each.value for each in ConnectionType if each is not ConnectionType.UNKNOWN),
    "METER_ROLE": METER_ROLES,
    "SUBJECT_KIND": SUBJECT_KINDS,
    "ACCOUNT_STANDING": tuple(each.value for each in Standing if each is not Standing.UNKNOWN),
    "DER_TYPE": tuple(each.value for each in DerType),
}
MOST_HOLD_MINUTES = 24 * 60
MOST_CASE_DAYS = 366
CODE = re.compile(r"[A-Z][A-Z0-9_]{0,59}\Z")
GROUP = re.compile(r"[A-Z][A-Z0-9_]{0,39}\Z")
TEXT_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
PROGRAM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{2,199}\Z")
DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?\Z")


@dataclass(frozen=True)
class Problem:
    """One thing to mend, and in which section. Not blocking: a thought before publishing, no more."""

    section: Section
    sentence: str
    is_blocking: bool = True


@dataclass(frozen=True)
class Surroundings:
    """What a draft is judged against.

    `texts`: (consent type, version) → language → has a lawyer approved it. `must_be_reviewed`: in production nobody is
    shown words that nobody approved (decision 60). `utilities`: those of this deployment. `is_issuer_licensed`: what
    the DEG shape of a credential names of its issuer is configured.
    """

    now: datetime
    texts: Mapping[tuple[str, str], Mapping[str, bool]] = field(default_factory=dict)
    utilities: Collection[str] = ()
    most_bytes: int = 10 * 1024 * 1024
    is_issuer_licensed: bool = True
    must_be_reviewed: bool = True


def problems_of(version: ProgramVersion, around: Surroundings) -> tuple[Problem, ...]:
    """Everything worth mending, in the order of the sections."""
    return (
        *_words(version),
        *_who(version, around),
        *_proofs(version, around),
        *_consents(version, around),
        *_dates(version, around),
        *_control(version, around),
        *_languages(version),
    )


def blocking(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.is_blocking)


# --- words -----------------------------------------------------------------------------------------------------------


def _words(version: ProgramVersion) -> Iterable[Problem]:
    if not version.name.strip():
        yield Problem(Section.WORDS, _("Give the program a name."))
    if not version.short_description.strip():
        yield Problem(Section.WORDS, _("Say in one line what the program does for people."))
    if not any((version.support or {}).get(each) for each in ("phone", "email", "url")):
        yield Problem(
            Section.WORDS, _("Nobody can be reached about the program: give a phone, an e-mail or a page."), False
        )


# --- who may join ----------------------------------------------------------------------------------------------------


def _who(version: ProgramVersion, around: Surroundings) -> Iterable[Problem]:
    for utility_id in (*version.utilities, *version.secondary_utilities):
        if utility_id not in around.utilities:
            said = _("The utility %(utility)s is not configured here: none of its meters can join.")
            yield Problem(Section.WHO, said % {"utility": utility_id}, False)
    both = sorted(set(version.utilities) & set(version.secondary_utilities))
    if both:
        said = _("%(utility)s cannot be both the home's utility and the other one.")
        yield Problem(Section.WHO, said % {"utility": ", ".join(both)})
    seen: set[str] = set()
    for criterion in version.criteria:
        kind = criterion.get("kind") if isinstance(criterion, Mapping) else None
        if kind not in CRITERIA:
            yield Problem(Section.WHO, _("“%(kind)s” is not in the list of conditions.") % {"kind": kind})
            continue
        if kind in seen:
            yield Problem(Section.WHO, _("%(kind)s is asked twice: say it once.") % {"kind": kind})
        seen.add(kind)
        yield from _criterion(kind, criterion.get("parameters") or {})
        if not str(criterion.get("text", "")).strip():
            said = _("%(kind)s has no sentence: people read how the rule itself says it.")
            yield Problem(Section.WHO, said % {"kind": kind}, False)
    if not version.criteria:
        yield Problem(Section.WHO, _("There is no condition: whoever has a meter may join."), False)


def _criterion(kind: str, parameters: Mapping[str, Any]) -> Iterable[Problem]:
    if kind in CHOICES:
        named = parameters.get("anyOf")
        if not isinstance(named, list) or not named or not all(isinstance(each, str) and each for each in named):
            yield Problem(Section.WHO, _("%(kind)s names nothing: nobody could meet it.") % {"kind": kind})
        elif CHOICES[kind] and set(named) - set(CHOICES[kind]):
            unknown = ", ".join(sorted(set(named) - set(CHOICES[kind])))
            yield Problem(Section.WHO, _("%(kind)s knows no %(what)s.") % {"kind": kind, "what": unknown})
    if kind == "MIN_ACR" and not str(parameters.get("value", "")).strip():
        yield Problem(Section.WHO, _("Say how strong the sign-in has to be."))
    if kind == "SANCTIONED_LOAD":
        yield from _load(parameters.get("fromKw"), parameters.get("toKw"))
    if kind in ("DER_TYPE", "DER_CERTIFIED"):
        yield from _device(parameters)


def _load(low: object, high: object) -> Iterable[Problem]:
    if low is None and high is None:
        yield Problem(Section.WHO, _("The sanctioned load needs a lower or an upper limit."))
    if any(each is not None and not _is_number(each) for each in (low, high)):
        yield Problem(Section.WHO, _("The limits of the sanctioned load are numbers of kW."))
    elif isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Problem(Section.WHO, _("The lower limit of the sanctioned load is above the upper one: nobody meets it."))


def _device(parameters: Mapping[str, Any]) -> Iterable[Problem]:
    minimum, tolerance = parameters.get("minimumSource"), parameters.get("tolerancePercent")
    if minimum is not None and minimum not in SOURCES:
        yield Problem(
            Section.WHO, _("How well a device must be known is one of: %(list)s.") % {"list": ", ".join(SOURCES)}
        )
    if tolerance is not None and (not _is_number(tolerance) or not 0 <= float(str(tolerance)) <= 100):
        yield Problem(Section.WHO, _("The tolerance is a number of per cent from 0 to 100."))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


# --- proofs ----------------------------------------------------------------------------------------------------------


def _proofs(version: ProgramVersion, around: Surroundings) -> Iterable[Problem]:
    types = [str(each.get("type", "")) for each in version.required_credentials]
    for each in sorted(set(types)):
        if each not in CREDENTIAL_TYPES:
            yield Problem(Section.PROOFS, _("No credential of the kind “%(type)s” is known here.") % {"type": each})
        if types.count(each) > 1:
            yield Problem(Section.PROOFS, _("%(type)s is asked twice: say it once.") % {"type": each})
    if METER_OWNERSHIP not in types:
        said = _(
            "Proof that the meter is theirs is asked of everybody; people are not told so unless it is named here."
        )
        yield Problem(Section.PROOFS, said, False)
    for asked in version.required_credentials:
        if not str(asked.get("description", "")).strip():
            said = _("Say in a sentence what %(type)s is for.")
            yield Problem(Section.PROOFS, said % {"type": asked.get("type", "")}, False)
        unknown = sorted(set(asked.get("derTypes") or ()) - set(DerType.__members__))
        if unknown:
            yield Problem(Section.PROOFS, _("No device of the kind %(type)s is known.") % {"type": ", ".join(unknown)})
    for document in version.documents:
        yield from _document(document, around)


def _document(document: Mapping[str, Any], around: Surroundings) -> Iterable[Problem]:
    if document.get("kind") != CERTIFICATE_FILE:
        yield Problem(Section.PROOFS, _("The only file that can be asked for is a device's certificate."))
    formats = document.get("formats") or []
    if not formats or set(formats) - set(FORMATS):
        yield Problem(Section.PROOFS, _("A file is a PDF, a JPEG or a PNG."))
    size = document.get("maxBytes")
    if not isinstance(size, int) or not 0 < size <= around.most_bytes:
        most = around.most_bytes // 1024**2
        yield Problem(Section.PROOFS, _("A file may have at most %(most)d MB.") % {"most": most})


# --- consents --------------------------------------------------------------------------------------------------------


def _consents(version: ProgramVersion, around: Surroundings) -> Iterable[Problem]:
    seen: set[tuple[str, str, str]] = set()
    for consent in version.required_consents:
        name = str(consent.get("type", ""))
        key = (name, str(consent.get("fromUtility", "")), str(consent.get("toUtility", "")))
        if key in seen:
            yield Problem(Section.CONSENTS, _("%(type)s is asked twice: say it once.") % {"type": name})
        seen.add(key)
        yield from (Problem(Section.CONSENTS, f"{name}: {said}.") for _key, said in consent_problems(consent))
        yield from _consent_text(consent, name, around)
        if version.consent_capture == ConsentCapture.BY_CONFIRM and _is_sensitive(name):
            said = _("%(type)s: people are asked for it one by one all the same; a confirm never stands for it.")
            yield Problem(Section.CONSENTS, said % {"type": name}, False)
    if version.control == Control.DIRECT and not any(_is_control(each) for each in version.required_consents):
        said = _("The program switches devices itself, and nobody is asked to agree to that.")
        yield Problem(Section.CONSENTS, said, False)


def consent_problems(consent: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What is wrong with one of a program's consents: the entry's key and a sentence."""
    found: list[tuple[str, str]] = []
    name = str(consent.get("type", ""))
    if not CODE.match(name):
        found.append(("type", _("its name is capital letters and underscores, for example DATA_COLLECTION")))
    if not str(consent.get("description", "")).strip():
        found.append(("description", _("say in one line what is asked for")))
    if not consent.get("purposes") or not all(CODE.match(str(each)) for each in consent.get("purposes") or ()):
        found.append(("purposes", _("name at least one purpose, in capital letters, for example SETTLEMENT")))
    if not all(CODE.match(str(each)) for each in consent.get("data") or ()):
        found.append(("data", _("data are named in capital letters, for example INTERVAL_READINGS")))
    if not str(consent.get("grantee", "")).strip():
        found.append(("grantee", _("say who receives the data")))
    if consent.get("mode") not in CONSENT_MODES:
        found.append(("mode", _("its mode is one of %(list)s") % {"list": ", ".join(CONSENT_MODES)}))
    frequency = str(consent.get("frequency", ""))
    if frequency not in ("EVENT", "ONCE") and not DURATION.match(frequency):
        found.append(("frequency", _("how often is a period like PT15M or P1D, EVENT or ONCE")))
    validity = str(consent.get("validity", "ENROLLMENT"))
    if validity != "ENROLLMENT" and not DURATION.match(validity):
        found.append(("validity", _("how long it holds is ENROLLMENT or a period like P1Y")))
    if not TEXT_VERSION.match(str(consent.get("textVersion", ""))):
        found.append(("textVersion", _("name the version of the text that people read")))
    ends = [bool(consent.get("fromUtility")), bool(consent.get("toUtility"))]
    if any(ends) != all(ends) or (name == CROSS_UTILITY and not all(ends)):
        found.append(("fromUtility", _("sharing between utilities names both of them")))
    if all(ends) and consent.get("fromUtility") == consent.get("toUtility"):
        found.append(("toUtility", _("sharing is between two different utilities")))
    return tuple(found)


def _consent_text(consent: Mapping[str, Any], name: str, around: Surroundings) -> Iterable[Problem]:
    number = str(consent.get("textVersion", ""))
    texts = around.texts.get((name, number), {})
    told = {"type": name, "version": number}
    if not TEXT_VERSION.match(number):
        return
    if not texts:
        yield Problem(Section.CONSENTS, _("%(type)s: there is no text of version %(version)s yet.") % told)
    elif "en" not in texts:
        yield Problem(Section.CONSENTS, _("%(type)s: the text of version %(version)s is not there in English.") % told)
    unreviewed = sorted(locale for locale, is_reviewed in texts.items() if not is_reviewed)
    if unreviewed:
        told["locales"] = ", ".join(unreviewed)
        said = _("%(type)s: nobody has approved the text of version %(version)s (%(locales)s).") % told
        if around.must_be_reviewed:
            said += " " + _("Add it as a new version and say who approved it.")
        yield Problem(Section.CONSENTS, said, around.must_be_reviewed)


def _is_sensitive(name: str) -> bool:
    return any(word in name for word in ALWAYS_EXPLICIT)


def _is_control(consent: Mapping[str, Any]) -> bool:
    return consent.get("mode") == "CONTROL" or "CONTROL" in str(consent.get("type", ""))


# --- dates and numbers -----------------------------------------------------------------------------------------------


def _dates(version: ProgramVersion, around: Surroundings) -> Iterable[Problem]:
    if version.opens_at and version.closes_at and version.closes_at <= version.opens_at:
        yield Problem(Section.DATES, _("The program closes before it opens."))
    elif version.closes_at and version.closes_at <= around.now:
        yield Problem(Section.DATES, _("It would be closed from the start: choose a later day, or none."))
    if version.max_term_days is not None and not 0 < version.default_term_days <= version.max_term_days:
        yield Problem(Section.DATES, _("The usual term is longer than the longest one that is allowed."))
    if version.default_term_days == 0 and version.max_term_days is None:
        yield Problem(Section.DATES, _("Enrolments have no end unless somebody asks for one."), False)
    if version.max_meters == 0:
        yield Problem(Section.DATES, _("With no place at all nobody can join."))
    elif version.max_meters is not None:
        said = _("The cap counts meters that are enrolled under a version with a cap; earlier ones are not counted.")
        yield Problem(Section.DATES, said, False)
    if not 1 <= version.hold_minutes <= MOST_HOLD_MINUTES:
        yield Problem(Section.DATES, _("A place is kept for one minute to a day."))
    if not 1 <= version.case_days <= MOST_CASE_DAYS:
        yield Problem(Section.DATES, _("An application waits for one day to a year."))


# --- control and conflicts -------------------------------------------------------------------------------------------


def _control(version: ProgramVersion, around: Surroundings) -> Iterable[Problem]:
    if not GROUP.match(version.conflict_group):
        yield Problem(Section.CONTROL, _("The conflict group is capital letters, digits and underscores, like FLEX."))
    elif version.conflict_group == "CONTROL":
        said = _("CONTROL is kept for devices that a program switches itself: choose another conflict group.")
        yield Problem(Section.CONTROL, said)
    if version.credential_profile not in ("", "DEG"):
        yield Problem(Section.CONTROL, _("A credential has our own shape or that of the DEG network."))
    if version.credential_profile == "DEG" and not around.is_issuer_licensed:
        said = _("Credentials of the DEG shape name the issuer and its licence, and neither is configured here.")
        yield Problem(Section.CONTROL, said)


# --- languages -------------------------------------------------------------------------------------------------------


def _languages(version: ProgramVersion) -> Iterable[Problem]:
    texts: Mapping[str, Any] = (version.presentation or {}).get("texts") or {}
    unread = sorted(locale for locale, text in texts.items() if text.get("reviewed", True) is False)
    if unread:
        said = _("Nobody has read the translation (%(locales)s): people are told so.")
        yield Problem(Section.LANGUAGES, said % {"locales": ", ".join(unread)}, False)


def sentences(problems: Sequence[Problem]) -> list[str]:
    return [problem.sentence for problem in problems]
