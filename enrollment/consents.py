"""Which consents a confirm brings, and whether they do. Reads the consent texts, writes nothing.

Source: onboarding guide 5 and 17.6, decisions 6, 7, 34, 35.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from enrollment import catalog
from enrollment.codes import Code, Refusal
from enrollment.commands import ConsentGrant
from enrollment.models import ProgramVersion
from enrollment.states import ConsentCapture

#: What a consent is to: its type and, for sharing between utilities, the direction (`fromUtility`, `toUtility`).
Key = tuple[str, str, str]
CROSS_UTILITY = "CROSS_UTILITY_SHARING"

#: In a grant's `meters`: all of the customer's meters in the program, also those that join it later (R-P2.4).
ALL_MY_METERS = "ALL_MY_METERS"

#: Consent types that a bare confirm can never stand for: control, telemetry, other utilities (decision 35).
ALWAYS_EXPLICIT = ("CONTROL", "TELEMETRY", "CROSS_UTILITY")


@dataclass(frozen=True)
class RecordedConsent:
    """A consent about to be written: what is allowed, in which words, and how the grant came (`basis`)."""

    consent_id: str
    type: str
    basis: str
    is_required: bool
    outlives_enrollment: bool
    terms: Mapping[str, Any]
    meters: tuple[str, ...]
    ders: tuple[str, ...]
    text_version: str = ""
    text_digest: str = ""
    locale: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    from_utility: str = ""
    to_utility: str = ""

    @property
    def key(self) -> Key:
        return self.type, self.from_utility, self.to_utility


def key_of(definition: Mapping[str, Any]) -> Key:
    """The key of one of a program's `required_consents`."""
    return definition["type"], definition.get("fromUtility", ""), definition.get("toUtility", "")


def agreed_consents(
    version: ProgramVersion,
    grants: Sequence[ConsentGrant],
    umids: Sequence[str],
    der_ids: Sequence[str],
    *,
    now: datetime,
    only_given: bool = False,
    by_confirming: bool = True,
) -> tuple[RecordedConsent, ...] | Refusal:
    """The consents to record, or CONSENT_REQUIRED with what is missing or not in our words.

    `only_given` (an update CONSENT_GRANT): what is not named is not asked for. `by_confirming`: sending confirm may be
    a grant, where the program says so (decision 35).
    """
    given = {g.key: g for g in grants}
    recorded: list[RecordedConsent] = []
    missing: list[Key] = []
    stale: list[Key] = []
    for definition in version.required_consents:
        key, is_required = key_of(definition), definition.get("required", True)
        grant = given.get(key)
        if grant is not None and grant.granted and _covers(grant, umids, is_required=is_required):
            words = _words(version, definition, grant)
            if words is None:
                stale.append(key)
            else:
                recorded.append(_recorded(definition, grant, words, umids, der_ids))
        elif grant is None and not only_given and by_confirming and _is_given_by_confirming(version, definition):
            words = _words(version, definition, None) or _Words()
            recorded.append(_recorded(definition, None, words, umids, der_ids))
        elif is_required and (not only_given or (grant is not None and grant.granted)):
            missing.append(key)
    unknown = sorted(set(given) - {key_of(d) for d in version.required_consents})
    if missing or (unknown and only_given):
        return _consent_required(missing or unknown, "These consents are missing or do not cover every meter")
    if stale:
        return _consent_required(stale, "The consent texts shown are not the program's; fetch them again with select")
    return tuple(recorded)


def _covers(grant: ConsentGrant, umids: Sequence[str], *, is_required: bool) -> bool:
    """A grant that names meters covers those; a required one must cover all that are enrolled."""
    if not grant.meters or ALL_MY_METERS in grant.meters:
        return True
    return set(umids) <= set(grant.meters) if is_required else bool(set(umids) & set(grant.meters))


def _is_given_by_confirming(version: ProgramVersion, definition: Mapping[str, Any]) -> bool:
    is_sensitive = any(word in definition["type"] for word in ALWAYS_EXPLICIT)
    return (
        version.consent_capture == ConsentCapture.BY_CONFIRM and definition.get("required", True) and not is_sensitive
    )


@dataclass(frozen=True)
class _Words:
    """Which of the program's texts was agreed to."""

    version: str = ""
    digest: str = ""
    locale: str = ""


def _words(version: ProgramVersion, definition: Mapping[str, Any], grant: ConsentGrant | None) -> _Words | None:
    """The text that was shown: the one whose version and digest the grant echoes, else the default one.

    The default is the grant's language where we have it, else English, else the first. None: the words are not ours.
    """
    number = str(definition.get("textVersion", ""))
    texts = dict(catalog.consent_texts(version.program_id, definition["type"], number))
    if grant is not None and grant.text_version not in ("", number):
        return None
    wish = grant.locale if grant is not None else ""
    if grant is not None and grant.text_digest:
        named = [locale for locale, digest in texts.items() if digest == grant.text_digest]
        if not named:
            return None
        return _Words(number, grant.text_digest, wish if wish in named else named[0])
    locale = next((each for each in (wish, "en", *sorted(texts)) if each in texts), "")
    return _Words(number, texts.get(locale, ""), locale)


def _recorded(
    definition: Mapping[str, Any],
    grant: ConsentGrant | None,
    words: _Words,
    umids: Sequence[str],
    der_ids: Sequence[str],
) -> RecordedConsent:
    keys = ("purposes", "data", "grantee", "mode", "frequency", "validity")
    is_for_all = grant is not None and ALL_MY_METERS in grant.meters
    names_some = grant is not None and grant.meters and not is_for_all
    chosen = tuple(m for m in grant.meters if m in umids) if grant is not None and names_some else tuple(umids)
    return RecordedConsent(
        consent_id=f"consent-{uuid.uuid4()}",
        type=definition["type"],
        basis="EXPLICIT" if grant is not None else "CONFIRM",
        is_required=bool(definition.get("required", True)),
        outlives_enrollment=bool(definition.get("outlivesEnrollment", False)),
        terms={
            **{key: definition[key] for key in keys if key in definition},
            **({"meterScope": ALL_MY_METERS} if is_for_all else {}),
        },
        meters=chosen,
        ders=tuple(der_ids),
        text_version=words.version,
        text_digest=words.digest,
        locale=words.locale,
        limits=dict(grant.limits) if grant is not None else {},
        from_utility=definition.get("fromUtility", ""),
        to_utility=definition.get("toUtility", ""),
    )


def _consent_required(keys: Sequence[Key], why: str) -> Refusal:
    types = list(dict.fromkeys(key[0] for key in keys))
    if types == [CROSS_UTILITY]:
        _, from_utility, to_utility = keys[0]
        return Refusal(
            Code.CROSS_UTILITY_CONSENT_REQUIRED,
            f"{why}: sharing from {from_utility or '(not named)'} to {to_utility or '(not named)'}.",
            field="consents",
            details={"from_utility": from_utility, "to_utility": to_utility},
        )
    return Refusal(
        Code.CONSENT_REQUIRED, f"{why}: {', '.join(types)}.", field="consents", details={"missing": list(types)}
    )


def _direction(consent: RecordedConsent) -> dict[str, str]:
    """For whom the sharing holds: part of what is signed, since it limits the consent."""
    if not consent.from_utility:
        return {}
    return {"fromUtility": consent.from_utility, "toUtility": consent.to_utility}


def _scope(consent: RecordedConsent) -> dict[str, str]:
    return {"meterScope": consent.terms["meterScope"]} if "meterScope" in consent.terms else {}


def consent_claims(consent: RecordedConsent, *, valid_from: datetime, valid_until: datetime | None) -> dict[str, Any]:
    """The EnergyConsentCredential's subject without its id (spec credentials 1)."""
    validity = {"start": valid_from.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if valid_until is not None:
        validity["end"] = valid_until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "consentId": consent.consent_id,
        "consentType": consent.type,
        "purposes": list(consent.terms.get("purposes", [])),
        "grantee": consent.terms.get("grantee", ""),
        "meters": list(consent.meters),
        "ders": list(consent.ders),
        "mode": consent.terms.get("mode", "STORE"),
        "frequency": consent.terms.get("frequency", ""),
        "validity": validity,
        "limits": {**consent.limits, **_direction(consent), **_scope(consent)},
        "textDigest": consent.text_digest,
        "locale": consent.locale,
    }
