"""Profile A, outward: the guide's order around what is said, and its error object (onboarding guide 18)."""

from __future__ import annotations

from beckn.profiles.words import AUTH_CODES, ENROLLMENT_CONTEXT, OUTAGE_CODES, Json, camel, is_over
from enrollment.codes import Code, Refusal
from enrollment.results import EnrollmentLine, Order
from enrollment.states import CaseState

_TYPES = {
    Code.CREDENTIAL_VERIFICATION_FAILED: "CREDENTIAL_ERROR",
    **dict.fromkeys(AUTH_CODES, "AUTH_ERROR"),
    **dict.fromkeys(OUTAGE_CODES, "SYSTEM_ERROR"),
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
    CaseState.IN_REVIEW: "UNDER_REVIEW",
    CaseState.READY: "PENDING_CONFIRM",
    CaseState.CONFIRMED: "ENROLLED",
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}


def head(order: Order, status: str | None) -> Json:
    head: Json = {"@context": ENROLLMENT_CONTEXT, "@type": "beckn:Order", "beckn:id": order.order_id}
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


def spell(code: Code) -> str:
    """The code as the guide writes it."""
    return _SPELLINGS.get(code, code.value)


def error(refusal: Refusal) -> Json:
    """The guide's error object: type, code, message, path, details (18.5, decision 42)."""
    name, bracket, rest = refusal.field.partition("[")
    path = _PATHS.get(name, "message.order") + bracket + rest
    body: Json = {
        "type": _TYPES.get(refusal.code, "ENROLLMENT_ERROR"),
        "code": spell(refusal.code),
        "message": refusal.sentence,
        "path": path,
    }
    if refusal.details:
        body["details"] = camel(refusal.details)
    return body


def plain_meters(order: Order) -> list[Json]:
    return [{"beckn:id": m.umid} for m in order.meters]


def enrolled_meters(order: Order) -> list[Json]:
    return [
        {"beckn:id": m.umid, **({"beckn:enrollmentStatus": m.state.value} if m.state is not None else {})}
        for m in order.meters
    ]


def live_status(enrollment: EnrollmentLine) -> str:
    return "CANCELLED" if is_over(enrollment) else "ACTIVE"
