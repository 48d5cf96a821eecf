"""Which consents a confirm brings, and whether they do. Reads the consent texts, writes nothing.

Source: onboarding guide 5 and 17.6, decisions 6, 7, 34, 35.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.commands import ConsentGrant
from enrollment.models import ConsentText, ProgramVersion
from enrollment.states import ConsentCapture

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


def agreed_consents(
    version: ProgramVersion,
    grants: Sequence[ConsentGrant],
    umids: Sequence[str],
    der_ids: Sequence[str],
    *,
    now: datetime,
    only_given: bool = False,
) -> tuple[RecordedConsent, ...] | Refusal:
    """The consents to record, or CONSENT_REQUIRED with what is missing or not in our words.

    `only_given` (an update CONSENT_GRANT): what is not named is not asked for.
    """
    given = {g.type: g for g in grants}
    recorded: list[RecordedConsent] = []
    missing: list[str] = []
    for definition in version.required_consents:
        consent_type = definition["type"]
        grant = given.get(consent_type)
        if grant is not None and grant.granted:
            recorded.append(_recorded(version, definition, grant, umids, der_ids, basis="EXPLICIT"))
        elif grant is None and not only_given and _is_given_by_confirming(version, definition):
            recorded.append(_recorded(version, definition, None, umids, der_ids, basis="CONFIRM"))
        elif definition.get("required", True) and not only_given:
            missing.append(consent_type)
    unknown = sorted(set(given) - {d["type"] for d in version.required_consents})
    if missing or (unknown and only_given):
        return _consent_required(missing or unknown, "These consents are missing")
    stale = [r.type for r in recorded if r.basis == "EXPLICIT" and not _are_our_words(version, r)]
    if stale:
        return _consent_required(stale, "The consent texts shown are not the program's; fetch them again with select")
    return tuple(recorded)


def _is_given_by_confirming(version: ProgramVersion, definition: Mapping[str, Any]) -> bool:
    is_sensitive = any(word in definition["type"] for word in ALWAYS_EXPLICIT)
    return (
        version.consent_capture == ConsentCapture.BY_CONFIRM and definition.get("required", True) and not is_sensitive
    )


def _recorded(
    version: ProgramVersion,
    definition: Mapping[str, Any],
    grant: ConsentGrant | None,
    umids: Sequence[str],
    der_ids: Sequence[str],
    *,
    basis: str,
) -> RecordedConsent:
    text_version, digest, locale = definition.get("textVersion", ""), "", ""
    if grant is not None and (grant.text_digest or grant.text_version):
        text_version, digest, locale = grant.text_version or text_version, grant.text_digest, grant.locale
    else:
        shown = _default_text(version, definition["type"], text_version)
        digest, locale = (shown.digest, shown.locale) if shown else ("", "")
    keys = ("purposes", "data", "grantee", "mode", "frequency", "validity")
    chosen = tuple(m for m in grant.meters if m in umids) if grant is not None and grant.meters else tuple(umids)
    return RecordedConsent(
        consent_id=f"consent-{uuid.uuid4()}",
        type=definition["type"],
        basis=basis,
        is_required=bool(definition.get("required", True)),
        outlives_enrollment=bool(definition.get("outlivesEnrollment", False)),
        terms={key: definition[key] for key in keys if key in definition},
        meters=chosen,
        ders=tuple(der_ids),
        text_version=text_version,
        text_digest=digest,
        locale=locale,
        limits=dict(grant.limits) if grant is not None else {},
    )


def _default_text(version: ProgramVersion, consent_type: str, text_version: str) -> ConsentText | None:
    """The text that on_init named first: English where there is one."""
    texts = ConsentText.objects.filter(program_id=version.program_id, consent_type=consent_type, version=text_version)
    by_locale = {t.locale: t for t in texts}
    return by_locale.get("en") or next((by_locale[k] for k in sorted(by_locale)), None)


def _are_our_words(version: ProgramVersion, consent: RecordedConsent) -> bool:
    """A grant that echoes a digest must echo one of ours; one that echoes none is taken for the default text."""
    if not consent.text_digest:
        return True
    return ConsentText.objects.filter(
        program_id=version.program_id,
        consent_type=consent.type,
        version=consent.text_version,
        digest=consent.text_digest,
    ).exists()


def _consent_required(types: Sequence[str], why: str) -> Refusal:
    return Refusal(
        Code.CONSENT_REQUIRED, f"{why}: {', '.join(types)}.", field="consents", details={"missing": list(types)}
    )


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
        "limits": dict(consent.limits),
        "textDigest": consent.text_digest,
        "locale": consent.locale,
    }
