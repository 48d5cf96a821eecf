"""Profile B: the public pilot's messages (`beckn.one:deg:p2p-enrollment:2.0.0`), in both directions.

One order with `beckn:seller`, `beckn:buyer`, `beckn:orderItems[]` and one `beckn:fulfillment`; the customer's proof is
`orderAttributes.userAuth` from init on; an error stands beside `message`, with a complete order still there.
Source: spec wire 4, core schema 2.0 and EnergyEnrollment 0.2 of the pilot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from beckn.profiles import reading, schemas
from beckn.profiles.pilot_answers import error, support, write
from beckn.profiles.pilot_catalog import item
from beckn.profiles.pilot_parts import IN_DELIVERY, OWNERSHIP, UNKNOWN_BUYER
from beckn.profiles.pilot_schema import SCHEMAS
from beckn.profiles.reading import filter_of, when
from beckn.profiles.reading import ratings as read_ratings
from beckn.profiles.reading import search as read_search
from beckn.profiles.reading import support as read_support
from beckn.profiles.words import SECRET_KEYS_IN as _SECRET_KEYS_IN
from beckn.profiles.words import SECRET_KEYS_OUT
from enrollment.commands import (
    AskStatus,
    Assistance,
    ConfirmEnrollment,
    DerRef,
    EndEnrollment,
    MeterRef,
    OrderRef,
    PrepareEnrollment,
    PresentedCredential,
    SelectProgram,
    WithdrawConsent,
)

__all__ = [
    "SECRET_KEYS_OUT",
    "error",
    "filter_of",
    "item",
    "read_ratings",
    "read_search",
    "read_support",
    "support",
    "validate",
    "write",
]

NAME = "B"
DOMAINS = frozenset({"beckn.one:deg:p2p-enrollment:2.0.0"})
VERSIONS = frozenset({"2.0.0"})
ACTIONS = frozenset(SCHEMAS)
#: Keys of an order that only this profile has: they tell it whatever the domain says.
MARKS = frozenset({"beckn:orderStatus", "beckn:seller", "beckn:buyer", "beckn:orderItems", "beckn:fulfillment"})
#: All that a strict participant's schema knows of `updateType`.
STRICT_UPDATES: tuple[type, ...] = (WithdrawConsent, EndEnrollment)

SECRET_KEYS_IN = _SECRET_KEYS_IN | {
    "customer",
    "beckn:displayName",
    "beckn:telephone",
    "beckn:email",
    "beckn:taxID",
    "beckn:buyerAttributes",
}

validate = schemas.Checker(SCHEMAS).check


def order_ref(context: Mapping[str, Any], body: Mapping[str, Any]) -> OrderRef:
    return reading.ref(context, _order(body).get("beckn:id", ""), profile=NAME)


def asked_for(body: Mapping[str, Any]) -> tuple[str, str]:
    """(provider, program) as the message names them, for the answer about an order that we do not know."""
    order = _order(body)
    return order.get("beckn:seller", ""), _program_id(order)


def user_auth(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return reading.user_auth(_attributes(body))


def identities(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Sign-ins at several utilities (personas P5; our extension)."""
    return reading.identities(_attributes(body))


def link_reference(body: Mapping[str, Any]) -> str:
    return reading.link_reference(_attributes(body))


def presentation(body: Mapping[str, Any]) -> str | None:
    return reading.presentation(_attributes(body))


def assisted_by(body: Mapping[str, Any]) -> Assistance | None:
    return reading.assisted_by(_attributes(body))


def read_select(context: Mapping[str, Any], body: Mapping[str, Any]) -> SelectProgram:
    order, attributes = _order(body), _attributes(body)
    return SelectProgram(
        order_ref(context, body),
        _program_id(order),
        order.get("beckn:seller", ""),
        meters=tuple(MeterRef(m["meterId"], m.get("utilityId", "")) for m in _meters(body) or ()),
        ders=tuple(DerRef(d["derId"], d.get("type", "")) for d in _once(attributes.get("ders") or [], "derId")),
    )


def read_init(
    context: Mapping[str, Any], body: Mapping[str, Any], *, assistance: Assistance | None
) -> PrepareEnrollment:
    order, attributes, delivery = _order(body), _attributes(body), _delivery(body)
    customer = attributes.get("customer") or delivery.get("customer") or {}
    account = (user_auth(body) or {}).get("utilityCustomerId", "")
    return PrepareEnrollment(
        order=order_ref(context, body),
        program_id=_program_id(order),
        provider_id=order.get("beckn:seller", ""),
        fulfillment_id=order.get("beckn:fulfillment", {}).get("beckn:id", ""),
        subject_did=_subject_did(body),
        meters=tuple(MeterRef(m["meterId"], m.get("utilityId", ""), account) for m in _meters(body) or ()),
        ders=tuple(
            DerRef(d["derId"], d.get("type", ""), d.get("capacityValue"), d.get("capacityUnit", ""))
            for d in _once(attributes.get("ders") or delivery.get("ders", []), "derId")
        ),
        credentials=tuple(_credentials(attributes, delivery)),
        existing=tuple(
            PresentedCredential(
                c.get("credentialId", ""), "ProgramEnrollmentCredential", "VC-JWT", c.get("credentialData", "")
            )
            for place in (attributes, delivery)
            for c in place.get("existingEnrollments", [])
        ),
        starts_at=when(attributes.get("startDate")),
        ends_at=when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        person={key: customer[key] for key in ("name", "email", "phone") if customer.get(key)},
        locale=customer.get("locale", ""),
        assisted_by=assistance,
        channel="EA" if assistance else "PORTAL",
        documents=reading.documents(attributes),
        batch_id=reading.batch_id(attributes),
    )


def read_confirm(
    context: Mapping[str, Any], body: Mapping[str, Any], *, assistance: Assistance | None
) -> ConfirmEnrollment:
    attributes, meters = _attributes(body), _meters(body)
    return ConfirmEnrollment(
        order=order_ref(context, body),
        subject_did=_subject_did(body),
        meters=tuple(m["meterId"] for m in meters) if meters is not None else None,
        starts_at=when(attributes.get("startDate")),
        ends_at=when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        consents=reading.consents(attributes),
        assisted_by=assistance,
    )


def read_update(context: Mapping[str, Any], body: Mapping[str, Any]) -> reading.Update | None:
    return reading.update(order_ref(context, body), _attributes(body), _delivery(body).get("meters", ()))


def read_cancel(context: Mapping[str, Any], body: Mapping[str, Any]) -> EndEnrollment:
    return EndEnrollment(order_ref(context, body), reason=_attributes(body).get("reason", ""))


def read_status(context: Mapping[str, Any], body: Mapping[str, Any]) -> AskStatus:
    return AskStatus(order_ref(context, body))


# --- parts of a message ----------------------------------------------------------------------------------------------


def _order(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("message", {}).get("order", {})
    return found if isinstance(found, Mapping) else {}


def _attributes(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = _order(body).get("beckn:orderAttributes", {})
    return found if isinstance(found, Mapping) else {}


def _delivery(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the pilot's own sample of an init keeps meters and devices."""
    fulfillment = _order(body).get("beckn:fulfillment", {})
    found = fulfillment.get("beckn:deliveryAttributes", {}) if isinstance(fulfillment, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _program_id(order: Mapping[str, Any]) -> str:
    return next((str(line["beckn:orderedItem"]) for line in order.get("beckn:orderItems", [])), "")


def _subject_did(body: Mapping[str, Any]) -> str:
    """Whom the buyer names; where the message proves its customer, only a DID counts beside the proof.

    Peers put the token's own name of the person there, or what an earlier answer called the unknown.
    """
    named = str(_order(body).get("beckn:buyer", {}).get("beckn:id", ""))
    if named == UNKNOWN_BUYER or (user_auth(body) is not None and not named.startswith("did:")):
        return ""
    return named


def _meters(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Each meter once, wherever the message names them (rule R-P2.1); None where it names none at all."""
    for place in (_attributes(body), _delivery(body)):
        if "meters" in place:
            return _once(place["meters"], "meterId")
    return None


def _once(things: list[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    first: dict[str, Mapping[str, Any]] = {}
    for thing in things:
        first.setdefault(thing[key], thing)
    return list(first.values())


def _credentials(attributes: Mapping[str, Any], delivery: Mapping[str, Any]) -> Iterator[PresentedCredential]:
    """Every credential of the message; its position tells in an error which of the three places it had."""
    ownership = attributes.get("meterOwnershipCredential") or delivery.get("meterOwnershipCredential")
    if ownership is not None:
        yield _credential(ownership, OWNERSHIP, "MeterOwnershipCredential")
    for first, place in ((0, attributes), (IN_DELIVERY, delivery)):
        for position, credential in enumerate(place.get("credentials", []), start=first):
            yield _credential(credential, position)


def _credential(given: Mapping[str, Any], position: int, type_: str = "") -> PresentedCredential:
    return PresentedCredential(
        given["credentialId"],
        given.get("type") or type_,
        given.get("format", "VC-JWT"),
        given["credentialData"],
        given.get("derId", ""),
        position,
    )
