"""What profiles say in the same words: instants, states, credentials, consents, conflicts; and how a code is spelt.

The guide's `orderAttributes` and the pilot's are one vocabulary (spec wire 4); the profiles differ in what is around
it. Source: onboarding guide 18, spec wire 4 and 7, spec domain 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from enrollment.codes import Code
from enrollment.conflicts import Conflict
from enrollment.results import (
    AvailableMeter,
    CatalogEntry,
    ConsentLine,
    CredentialLine,
    CrossUtilityLine,
    DocumentLine,
    EnrollmentLine,
    HistoryLine,
    IssuedLine,
    MeterLine,
    MeterState,
    Requirements,
    UtilityLine,
)
from enrollment.states import CaseState, EnrollmentState
from identity.proofs import Method, Shown

Json = dict[str, Any]
Spell = Callable[[Code], str]

ENROLLMENT_CONTEXT = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/EnergyEnrollment/v0.2/context.jsonld"
)

#: Keys whose values are kept apart, encrypted, wherever they stand in a message (decision 27).
SECRET_KEYS_IN = frozenset(
    {
        "userAuth",
        "accessToken",
        "idToken",
        "refreshToken",
        "otp",
        "nguid",
        "mobile",
        "utilityCustomerId",
        "credentialData",
        "presentationData",
        "linkReference",
        "linkNonce",
        "uploadUrl",
        "reviewText",
        "email",
        "phone",
    }
)
#: The same for what we send: links that open something, and what a reviewer writes. Our credentials' bytes are put in
#: when a message leaves.
SECRET_KEYS_OUT = frozenset({"credentialUrl", "offerUrl", "uploadUrl", "nguid", "utilityCustomerId", "reviewText"})

#: Who is wrong, as both profiles sort it: the proof, the system, else the business.
AUTH_CODES = frozenset({Code.AUTH_REQUIRED, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.OTP_INVALID, Code.OTP_EXPIRED})
OUTAGE_CODES = frozenset({Code.IDP_UNAVAILABLE, Code.UTILITY_UNAVAILABLE})

ENDED_CASES = {
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}


def instant_text(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


def attributes(content: Mapping[str, Any]) -> Json:
    return {"@context": ENROLLMENT_CONTEXT, "@type": "EnergyEnrollment", **content}


def camel(value: Any) -> Any:
    """Details of a refusal as JSON: `free_from` becomes `freeFrom`, an instant its text, a meter its object."""
    if isinstance(value, AvailableMeter):
        return available_meter(value)
    if isinstance(value, Mapping):
        return {_camel_key(key): camel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [camel(item) for item in value]
    return instant_text(value) if isinstance(value, datetime) else value


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(other.capitalize() for other in others)


# --- who was proven, and what is theirs ------------------------------------------------------------------------------


def user_auth(shown: Shown) -> Json:
    """The `userAuth` of an answer; both kinds are closed objects (spec wire 4)."""
    told: Json = {
        "authMethod": shown.method.value,
        "verified": shown.is_verified,
        "verifiedAt": instant_text(shown.verified_at),
        "expiresAt": instant_text(shown.expires_at),
        "message": shown.message,
    }
    if shown.method is Method.OTP:
        told |= {
            "nguid": shown.nguid,
            "utilityId": shown.utility_id,
            "utilityCustomerId": shown.utility_customer_id,
        }
    else:
        told |= {"subject": shown.subject, "issuer": shown.issuer, "scope": shown.scope}
    return {key: value for key, value in told.items() if value is not None and value != ""}


_CONNECTIONS = frozenset({"residential", "commercial", "industrial", "agricultural"})


def available_meter(meter: AvailableMeter) -> Json:
    """A meter with its details; what is unknown is left out."""
    connection = meter.connection_type.lower()
    return {
        "meterId": meter.umid,
        **({"meterNumber": meter.meter_number} if meter.meter_number else {}),
        **({"sanctionedLoad": meter.sanctioned_load_kw} if meter.sanctioned_load_kw is not None else {}),
        **({"connectionType": connection} if connection in _CONNECTIONS else {}),
        **({"utilityId": meter.utility_id} if meter.utility_id else {}),
    }


# --- credentials, conflicts, requirements ----------------------------------------------------------------------------


def verification(credentials: Sequence[CredentialLine], *, in_full: bool) -> Json:
    status = "VERIFIED" if all(c.is_verified for c in credentials) else "FAILED"
    if not in_full:
        return {"status": status}
    return {
        "status": status,
        "verifiedCredentials": [
            {
                "credentialId": c.credential_id,
                "status": "VERIFIED" if c.is_verified else "FAILED",
                "verifiedAt": instant_text(c.checked_at),
            }
            for c in credentials
        ],
    }


def _conflict_json(conflict: Conflict) -> Json:
    told: Json = {"conflictReason": conflict.reason, "conflictType": conflict.conflict_type}
    if conflict.enrollment_id:
        told["enrollmentId"] = conflict.enrollment_id
    if conflict.program_id:
        told["programId"] = conflict.program_id
    return told


def conflict_check(conflicts: Sequence[Conflict], checked_at: datetime) -> Json:
    if not conflicts:
        return {
            "hasConflict": False,
            "checkedAt": instant_text(checked_at),
            "message": "No conflicts found with existing enrollments",
        }
    return {
        "hasConflict": True,
        "conflictingEnrollments": [_conflict_json(c) for c in conflicts],
        "checkedAt": instant_text(checked_at),
    }


def rejected_meters(meters: Iterable[MeterLine], spell: Spell) -> Json:
    rejected = [
        {"meterId": m.umid, "code": spell(m.refusal.code), "message": m.refusal.sentence}
        for m in meters
        if m.state is MeterState.REJECTED and m.refusal is not None
    ]
    return {"rejectedMeters": rejected} if rejected else {}


def requirements(requirements: Requirements) -> Json:
    return {
        "requiredCredentials": [dict(c) for c in requirements.credentials],
        "requiredConsents": [_consent_asked(c) for c in requirements.consents],
        "enrollmentCriteria": [dict(c) for c in requirements.criteria],
        **({"documents": [dict(d) for d in requirements.documents]} if requirements.documents else {}),
    }


def presentation(entry: CatalogEntry) -> Json:
    """What people are shown of a program, by language; nothing where its owner gave nothing."""
    return {"presentation": dict(entry.presentation)} if entry.presentation else {}


def documents(lines: Sequence[DocumentLine]) -> Json:
    """`documents[]` of decision 26; an address to upload to is there as long as the file is wanted."""
    return {"documents": [_document(line) for line in lines]} if lines else {}


def _document(line: DocumentLine) -> Json:
    upload = {"uploadUrl": line.upload_url, "expiresAt": instant_text(line.expires_at)} if line.upload_url else {}
    return {
        "documentId": line.document_id,
        "kind": line.kind,
        **({"derId": line.der_id} if line.der_id else {}),
        "formats": list(line.formats),
        "maxBytes": line.max_bytes,
        **upload,
        "status": line.status,
        **({"scan": line.scan} if line.scan else {}),
        **({"reason": line.reason} if line.reason else {}),
        **({"reviewText": line.text} if line.text else {}),
    }


def utility_notice(line: UtilityLine) -> Json:
    """Whether a utility is informed of the enrolment, or not yet."""
    return {
        "utilityId": line.utility_id,
        "event": line.event,
        "effectiveDate": instant_text(line.effective_at),
        "status": "INFORMED" if line.is_informed else "NOT_YET",
        **({"acknowledgedAt": instant_text(line.acknowledged_at)} if line.acknowledged_at else {}),
        **({"reference": line.reference} if line.reference else {}),
    }


def history(lines: Sequence[HistoryLine]) -> Json:
    """What happened to the order, oldest first; nothing where nobody asked."""
    if not lines:
        return {}
    told = [
        {"at": instant_text(line.at), "act": line.act, "by": line.by, **({"name": line.name} if line.name else {})}
        | camel(line.more)
        for line in lines
    ]
    return {"history": told}


def _consent_asked(consent: Mapping[str, Any]) -> Json:
    return {"required": True, **{k: v for k, v in consent.items() if k != "outlivesEnrollment"}}


def credential_bytes(credential: IssuedLine) -> Json:
    """The signed bytes where a message tells them a second time."""
    return {"format": "VC-JWT", "credentialData": f"sealed:credential:{credential.jwt_ref}"}


def cross_utility(lines: Sequence[CrossUtilityLine]) -> Json:
    """How each utility's part of an order stands, where it needs several (personas P5)."""
    if not lines:
        return {}
    told = [
        {
            "utilityId": line.utility_id,
            "identity": line.identity,
            "meters": [{"meterId": umid} for umid in line.meters],
            "status": line.status,
            **({"code": "UTILITY_UNAVAILABLE"} if line.status == "UNAVAILABLE" else {}),
        }
        for line in lines
    ]
    return {"additionalAttributes": {"crossUtility": told}}


def consent(consent: ConsentLine, *, with_data: bool) -> Json:
    told: Json = {
        "type": consent.type,
        **({"fromUtility": consent.from_utility, "toUtility": consent.to_utility} if consent.from_utility else {}),
        "granted": consent.state == "GRANTED",
        "grantedAt": instant_text(consent.granted_at),
        "consentCredentialId": consent.credential.url,
        **({"supersedes": consent.credential.supersedes} if consent.credential.supersedes else {}),
        "status": consent.state,
    }
    if with_data:
        told["credentialData"] = f"sealed:credential:{consent.credential.jwt_ref}"
    if consent.revoked_at is not None:
        told["revokedAt"] = instant_text(consent.revoked_at)
    return told


# --- the enrolment ---------------------------------------------------------------------------------------------------


def wire_status(enrollment: EnrollmentLine) -> str:
    """ACTIVE also while scheduled; expired is told as cancelled (decisions 4 and 52)."""
    return {
        EnrollmentState.SCHEDULED: "ACTIVE",
        EnrollmentState.EXPIRED: "CANCELLED",
    }.get(enrollment.state, enrollment.state.value)


def is_over(enrollment: EnrollmentLine) -> bool:
    return enrollment.state in (EnrollmentState.CANCELLED, EnrollmentState.EXPIRED)


def dates(enrollment: EnrollmentLine) -> Json:
    end = enrollment.end_as_given or instant_text(enrollment.ends_at)
    return {"startDate": instant_text(enrollment.starts_at), **({"endDate": end} if end else {})}
