"""Profile B, outward: the pilot's order around what is said, and how it spells errors (spec wire 4, domain 6)."""

from __future__ import annotations

from typing import Any

from beckn.profiles.words import AUTH_CODES, ENROLLMENT_CONTEXT, OUTAGE_CODES, Json, camel
from enrollment.codes import Code, Refusal
from enrollment.results import Order

CORE_CONTEXT = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/core/v2/context.jsonld"
)
#: The buyer while nobody is proven, and what stands where an order has to name something that nobody named.
UNKNOWN_BUYER = "pending-verification"
UNKNOWN = "unknown"
#: Positions of presented credentials: the one that has a key of its own, and those below deliveryAttributes.
OWNERSHIP = -1
IN_DELIVERY = 1000

_SPELLINGS = {Code.NO_METER: "BIZ_NO_METER_SPECIFIED"}
_SECURITY = AUTH_CODES | {Code.CREDENTIAL_VERIFICATION_FAILED}
_ATTRIBUTES = "message.order.orderAttributes"
_DELIVERY = "message.order.fulfillment.deliveryAttributes"
_PATHS = {
    "meters": f"{_ATTRIBUTES}.meters",
    "ders": f"{_DELIVERY}.ders",
    "customer": "message.order.buyer",
    "dates": f"{_ATTRIBUTES}.startDate",
    "consents": f"{_ATTRIBUTES}.consents",
    "consent": f"{_ATTRIBUTES}.consentRevocation",
    "conflicts": f"{_ATTRIBUTES}.conflictCheck",
    "update_type": f"{_ATTRIBUTES}.updateType",
    "assisted_by": f"{_ATTRIBUTES}.assistedBy",
    "user_auth": f"{_ATTRIBUTES}.userAuth",
    "presentation": f"{_ATTRIBUTES}.presentation",
    "program": "message.order.orderItems[0]",
    "order": "message.order",
}


def spell(code: Code) -> str:
    """The code with the prefix that says who is wrong: SEC_, NET_, SYS_, else BIZ_."""
    if code in _SPELLINGS:
        return _SPELLINGS[code]
    if code in _SECURITY:
        return f"SEC_{code.value}"
    if code in OUTAGE_CODES:
        return f"NET_{code.value}"
    return f"SYS_{code.value}" if code is Code.INTERNAL else f"BIZ_{code.value}"


def error(refusal: Refusal) -> Json:
    """The error beside `message`: code, message, details with the path; `reason` is the closed set (decision 42)."""
    details = camel(dict(refusal.details))
    code = details.pop("reasonCode", None)
    if code is not None:
        details["reason"] = code
    return {
        "code": spell(refusal.code),
        "message": refusal.sentence,
        "details": {"path": _path(refusal.field), **details},
    }


def _path(field: str) -> str:
    name, bracket, rest = field.partition("[")
    if name == "credentials":
        return _path_of_credential(rest.partition("]")[0])
    return _PATHS.get(name, "message.order") + bracket + rest


def _path_of_credential(position: str) -> str:
    if not position:
        return f"{_ATTRIBUTES}.credentials"
    number = int(position)
    if number == OWNERSHIP:
        return f"{_ATTRIBUTES}.meterOwnershipCredential"
    if number >= IN_DELIVERY:
        return f"{_DELIVERY}.credentials[{number - IN_DELIVERY}]"
    return f"{_ATTRIBUTES}.credentials[{number}]"


# --- the order -------------------------------------------------------------------------------------------------------


def envelope(
    *, order_id: str, status: str, provider_id: str, program_id: str, subject_did: str, order_number: str = ""
) -> Json:
    """An order with all that the closed schema requires; what nobody named is told as unknown."""
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": order_id,
        "beckn:orderStatus": status,
        **({"beckn:orderNumber": order_number} if order_number else {}),
        "beckn:seller": provider_id or UNKNOWN,
        "beckn:buyer": {
            "@context": CORE_CONTEXT,
            "@type": "beckn:Buyer",
            "beckn:id": subject_did or UNKNOWN_BUYER,
        },
        "beckn:orderItems": [{"beckn:orderedItem": program_id or UNKNOWN}],
    }


def fulfillment(order: Order, status: str) -> Json:
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Fulfillment",
        **({"beckn:id": order.fulfillment_id} if order.fulfillment_id else {}),
        "beckn:mode": "DIGITAL",
        "beckn:fulfillmentStatus": status,
        **({"beckn:deliveryAttributes": _delivery(order)} if order.ders else {}),
    }


def _delivery(order: Order) -> Json:
    ders: list[dict[str, Any]] = [{"derId": d.der_id, **({"type": d.type} if d.type else {})} for d in order.ders]
    return {"@context": ENROLLMENT_CONTEXT, "@type": "EnergyEnrollment", "ders": ders}
