"""Profile A: the onboarding guide's own messages (`energy.enrollment`), in both directions.

`read_*` turn a message into a command of enrollment.commands, `write` a result into the body of its `on_*`. Key paths
that the guide's samples do not have are in `A_EXTENSIONS`; a participant marked strict never sees them in messages
that have a sample (decision 41). Source: onboarding guide 18, spec wire 4 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beckn.profiles import reading, schemas
from beckn.profiles.onboarding_answers import write
from beckn.profiles.onboarding_catalog import item
from beckn.profiles.onboarding_extensions import A_EXTENSIONS
from beckn.profiles.onboarding_parts import error
from beckn.profiles.onboarding_schema import SCHEMAS
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
)

__all__ = [
    "A_EXTENSIONS",
    "SECRET_KEYS_OUT",
    "error",
    "filter_of",
    "item",
    "read_ratings",
    "read_search",
    "read_support",
    "validate",
    "write",
]

NAME = "A"
DOMAINS = frozenset({"energy.enrollment"})
VERSIONS = frozenset({"2.0.0"})
ACTIONS = frozenset(SCHEMAS)
#: Keys of an order that only this profile has: they tell it whatever the domain says.
MARKS = frozenset({"beckn:status", "beckn:provider", "beckn:items", "beckn:fulfillments"})

SECRET_KEYS_IN = _SECRET_KEYS_IN | {
    "beckn:person",
    "person",
    "beckn:utilityCustomerId",
    "schema:email",
    "schema:telephone",
}

validate = schemas.Checker(SCHEMAS).check


def order_ref(context: Mapping[str, Any], body: Mapping[str, Any]) -> OrderRef:
    return reading.ref(context, body["message"].get("order", {}).get("beckn:id", ""), profile=NAME)


def asked_for(body: Mapping[str, Any]) -> tuple[str, str]:
    """(provider, program) as the message names them."""
    order = body.get("message", {}).get("order", {})
    return _provider_id(order), next((str(i["beckn:id"]) for i in order.get("beckn:items", [])), "")


def user_auth(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The customer's own sign-in, where the message carries one (our extension in A, wire 4)."""
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
    order = body["message"]["order"]
    fulfillment: Mapping[str, Any] = next(iter(order.get("beckn:fulfillments", [])), {})
    instrument = fulfillment.get("beckn:instrument", {})
    return SelectProgram(
        order_ref(context, body),
        order["beckn:items"][0]["beckn:id"],
        _provider_id(order),
        meters=reading.meters(instrument.get("meters", [])),
        ders=tuple(_der(d) for d in _unique(instrument.get("ders", []))),
    )


def read_init(
    context: Mapping[str, Any], body: Mapping[str, Any], *, assistance: Assistance | None
) -> PrepareEnrollment:
    order = body["message"]["order"]
    fulfillment = order["beckn:fulfillments"][0]
    customer, attributes = fulfillment.get("beckn:customer", {}), _attributes(body)
    slots = fulfillment.get("beckn:fulfillmentAttributes", {})
    instrument = fulfillment.get("beckn:instrument", {})
    return PrepareEnrollment(
        order=order_ref(context, body),
        program_id=order["beckn:items"][0]["beckn:id"],
        provider_id=_provider_id(order),
        fulfillment_id=fulfillment.get("beckn:id", ""),
        subject_did=customer.get("beckn:id", ""),
        meters=tuple(
            MeterRef(m["beckn:id"], m.get("beckn:utilityId", ""), m.get("beckn:utilityCustomerId", ""))
            for m in _unique(instrument.get("meters", []))
        ),
        ders=tuple(_der(d) for d in _unique(instrument.get("ders", []))),
        credentials=tuple(
            PresentedCredential(
                c["credentialId"],
                c["type"],
                c.get("format", "VC-JWT"),
                c["credentialData"],
                c.get("derId", ""),
                position,
            )
            for position, c in enumerate(slots.get("credentials", []))
        ),
        existing=tuple(
            PresentedCredential(
                c.get("credentialId", ""), "ProgramEnrollmentCredential", "VC-JWT", c.get("credentialData", "")
            )
            for c in slots.get("existingEnrollments", [])
        ),
        starts_at=when(attributes.get("startDate")),
        ends_at=when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        person=_person(customer),
        locale=attributes.get("customer", {}).get("locale", ""),
        assisted_by=assistance,
        channel="EA" if assistance else "PORTAL",
        documents=reading.documents(attributes),
        batch_id=reading.batch_id(attributes),
    )


def read_confirm(
    context: Mapping[str, Any], body: Mapping[str, Any], *, assistance: Assistance | None
) -> ConfirmEnrollment:
    order = body["message"]["order"]
    fulfillment: Mapping[str, Any] = next(iter(order.get("beckn:fulfillments", [])), {})
    meters = fulfillment.get("beckn:instrument", {}).get("meters")
    attributes = _attributes(body)
    return ConfirmEnrollment(
        order=order_ref(context, body),
        subject_did=fulfillment.get("beckn:customer", {}).get("beckn:id", ""),
        meters=tuple(m["beckn:id"] for m in _unique(meters)) if meters is not None else None,
        starts_at=when(attributes.get("startDate")),
        ends_at=when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        consents=reading.consents(attributes),
        assisted_by=assistance,
    )


def read_update(context: Mapping[str, Any], body: Mapping[str, Any]) -> reading.Update | None:
    fulfillment: Mapping[str, Any] = next(iter(body["message"]["order"].get("beckn:fulfillments", [])), {})
    meters = fulfillment.get("beckn:instrument", {}).get("meters", ())
    return reading.update(order_ref(context, body), _attributes(body), meters)


def read_cancel(context: Mapping[str, Any], body: Mapping[str, Any]) -> EndEnrollment:
    return EndEnrollment(order_ref(context, body), reason=_attributes(body).get("reason", ""))


def read_status(context: Mapping[str, Any], body: Mapping[str, Any]) -> AskStatus:
    return AskStatus(order_ref(context, body))


def _attributes(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("message", {}).get("order", {}).get("beckn:orderAttributes", {})
    return found if isinstance(found, Mapping) else {}


def _provider_id(order: Mapping[str, Any]) -> str:
    return str(order.get("beckn:provider", {}).get("beckn:id", ""))


def _unique(things: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each id once, in the order of the message (rule R-P2.1)."""
    first: dict[str, Mapping[str, Any]] = {}
    for thing in things:
        first.setdefault(thing["beckn:id"], thing)
    return list(first.values())


def _der(der: Mapping[str, Any]) -> DerRef:
    capacity = der.get("beckn:capacity", {})
    return DerRef(der["beckn:id"], der.get("beckn:type", ""), capacity.get("value"), capacity.get("unit", ""))


def _person(customer: Mapping[str, Any]) -> dict[str, str]:
    person = customer.get("beckn:person", {})
    named = {
        "name": person.get("schema:name"),
        "email": person.get("schema:email"),
        "phone": person.get("schema:telephone"),
    }
    return {key: value for key, value in named.items() if value}
