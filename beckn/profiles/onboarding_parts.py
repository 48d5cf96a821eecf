"""Profile A, outward: the parts that several answers share, and the error object (onboarding guide 18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.conflicts import Conflict
from enrollment.results import (
    ConsentLine,
    CredentialLine,
    EnrollmentLine,
    IssuedLine,
    MeterLine,
    MeterState,
    Order,
    Requirements,
)
from enrollment.states import CaseState, EnrollmentState

Json = dict[str, Any]

CONTEXT_URL = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/EnergyEnrollment/v0.2/context.jsonld"
)

_TYPES = {
    Code.CREDENTIAL_VERIFICATION_FAILED: "CREDENTIAL_ERROR",
    Code.AUTH_REQUIRED: "AUTH_ERROR",
    Code.TOKEN_INVALID: "AUTH_ERROR",
    Code.TOKEN_EXPIRED: "AUTH_ERROR",
    Code.OTP_INVALID: "AUTH_ERROR",
    Code.OTP_EXPIRED: "AUTH_ERROR",
    Code.IDP_UNAVAILABLE: "SYSTEM_ERROR",
    Code.UTILITY_UNAVAILABLE: "SYSTEM_ERROR",
    Code.INTERNAL: "SYSTEM_ERROR",
}
_SPELLINGS = {
    Code.NO_METER: "NO_METER_SPECIFIED",
    Code.CAPACITY_FULL: "PROGRAM_CAPACITY_FULL",
    Code.DUPLICATE: "DUPLICATE_ENROLLMENT",
}
_PATHS = {
    "credentials": "message.order.fulfillments[0].fulfillmentAttributes.credentials",
    "meters": "message.order.fulfillments[0].instrument.meters",
    "ders": "message.order.fulfillments[0].instrument.ders",
    "customer": "message.order.fulfillments[0].customer",
    "dates": "message.order.orderAttributes.startDate",
    "consents": "message.order.orderAttributes.consents",
    "consent": "message.order.orderAttributes.consentRevocation",
    "conflicts": "message.order.orderAttributes.conflictCheck",
    "update_type": "message.order.orderAttributes.updateType",
    "assisted_by": "message.order.orderAttributes.assistedBy",
    "user_auth": "message.order.orderAttributes.userAuth",
    "presentation": "message.order.orderAttributes.presentation",
    "program": "message.order.items[0]",
    "order": "message.order",
}

FULFILLMENT_STATES = {
    CaseState.SUBMITTED: "UNDER_REVIEW",
    CaseState.NEEDS_INPUT: "NEEDS_INPUT",
    CaseState.READY: "PENDING_CONFIRM",
    CaseState.CONFIRMED: "ENROLLED",
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}
ORDER_STATES = {
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}


def instant_text(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


def head(order: Order, status: str | None) -> Json:
    head: Json = {"@context": CONTEXT_URL, "@type": "beckn:Order", "beckn:id": order.order_id}
    if status:
        head["beckn:status"] = status
    return head


def parties(order: Order) -> Json:
    return {
        "beckn:provider": {"beckn:id": order.provider_id},
        "beckn:items": [{"beckn:id": order.program_id}],
    }


def fulfillment(order: Order, state: str, *, with_customer: bool, meters: list[Json] | None, ders: bool) -> Json:
    fulfillment: Json = {
        "beckn:id": order.fulfillment_id,
        "beckn:type": "PROGRAM_ENROLLMENT",
        "beckn:state": {"beckn:descriptor": {"schema:name": state}},
    }
    if with_customer:
        fulfillment["beckn:customer"] = {"beckn:id": order.subject_did}
    if meters is not None:
        fulfillment["beckn:instrument"] = {"meters": meters}
        if ders:
            fulfillment["beckn:instrument"]["ders"] = [
                {"beckn:id": d.der_id, **({"beckn:type": d.type} if d.type else {})} for d in order.ders
            ]
    return fulfillment


def attributes(content: Mapping[str, Any]) -> Json:
    return {"@context": CONTEXT_URL, "@type": "EnergyEnrollment", **content}


def error(refusal: Refusal) -> Json:
    """The guide's error object: type, code, message, path, details (18.5, decision 42)."""
    name, bracket, rest = refusal.field.partition("[")
    path = _PATHS.get(name, "message.order") + bracket + rest
    body: Json = {
        "type": _TYPES.get(refusal.code, "ENROLLMENT_ERROR"),
        "code": _SPELLINGS.get(refusal.code, refusal.code.value),
        "message": refusal.sentence,
        "path": path,
    }
    if refusal.details:
        body["details"] = _camel(refusal.details)
    return body


def _camel(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel_key(key): _camel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return instant_text(value) if isinstance(value, datetime) else value


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(other.capitalize() for other in others)


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


def rejected_meters(meters: Iterable[MeterLine]) -> Json:
    rejected = [
        {"meterId": m.umid, "code": _SPELLINGS.get(m.refusal.code, m.refusal.code.value), "message": m.refusal.sentence}
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


def _consent_asked(consent: Mapping[str, Any]) -> Json:
    return {"required": True, **{k: v for k, v in consent.items() if k != "outlivesEnrollment"}}


def issued(credential: IssuedLine) -> Json:
    return {
        "credentialId": credential.url,
        "type": "ProgramEnrollmentCredential",
        "format": "VC-JWT",
        "credentialUrl": credential.access_url,
        **({"offerUrl": credential.offer_url} if credential.offer_url else {}),
        "verificationUrl": credential.verification_url,
        "issuedAt": instant_text(credential.issued_at),
        "credentialData": f"sealed:credential:{credential.jwt_ref}",
        "statusListUrl": credential.status_list_url,
        "statusListIndex": credential.status_list_index,
    }


def credential_bytes(credential: IssuedLine) -> Json:
    """The signed bytes where a message tells them a second time."""
    return {"format": "VC-JWT", "credentialData": f"sealed:credential:{credential.jwt_ref}"}


def consent(consent: ConsentLine, *, with_data: bool) -> Json:
    told: Json = {
        "type": consent.type,
        "granted": consent.state == "GRANTED",
        "grantedAt": instant_text(consent.granted_at),
        "consentCredentialId": consent.credential.url,
        "status": consent.state,
    }
    if with_data:
        told["credentialData"] = f"sealed:credential:{consent.credential.jwt_ref}"
    if consent.revoked_at is not None:
        told["revokedAt"] = instant_text(consent.revoked_at)
    return told


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


def plain_meters(order: Order) -> list[Json]:
    return [{"beckn:id": m.umid} for m in order.meters]


def enrolled_meters(order: Order) -> list[Json]:
    return [
        {"beckn:id": m.umid, **({"beckn:enrollmentStatus": m.state.value} if m.state is not None else {})}
        for m in order.meters
    ]


def live_status(enrollment: EnrollmentLine) -> str:
    return "CANCELLED" if is_over(enrollment) else "ACTIVE"
