"""Profile A: the onboarding guide's own messages (`energy.enrollment`), in both directions.

`read_*` turn a message into a command of enrollment.commands, `write` a result into the body of its `on_*`. Key paths
that the guide's samples do not have are in `A_EXTENSIONS`; a participant marked strict never sees them in messages
that have a sample (decision 41). Source: onboarding guide 18, spec wire 4 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs

from beckn.profiles import ProfileProblem
from beckn.profiles.onboarding_answers import write
from beckn.profiles.onboarding_extensions import A_EXTENSIONS
from beckn.profiles.onboarding_parts import error
from beckn.profiles.onboarding_schema import SCHEMAS
from enrollment.commands import (
    AskStatus,
    Assistance,
    ConfirmEnrollment,
    ConsentGrant,
    DerRef,
    EndEnrollment,
    GrantConsents,
    MeterRef,
    OrderRef,
    PrepareEnrollment,
    PresentedCredential,
    SearchPrograms,
    SelectProgram,
    WithdrawConsent,
)

__all__ = ["A_EXTENSIONS", "error", "write"]

NAME = "A"
DOMAINS = frozenset({"energy.enrollment"})
VERSIONS = frozenset({"2.0.0"})
ACTIONS = frozenset(SCHEMAS)

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
        "beckn:person",
        "person",
        "beckn:utilityCustomerId",
        "utilityCustomerId",
        "credentialData",
        "presentationData",
        "schema:email",
        "email",
        "schema:telephone",
        "phone",
    }
)
#: The same for what we send: links that open something. Our credentials' bytes are put in when a message leaves.
SECRET_KEYS_OUT = frozenset({"credentialUrl", "offerUrl", "uploadUrl", "nguid"})

#: Beyond these years an instant is a slip of the pen, and sums of dates leave what the calendar can say.
_YEARS = range(1970, 3000)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def instant(text: str) -> datetime:
    """The instant of an RFC 3339 text, in UTC. Raises ValueError or OverflowError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _is_instant(text: str) -> bool:
    """RFC 3339 with a zone, written with T and Z, and one we can compute with: no leap second, no year 0."""
    try:
        return _RFC_3339.fullmatch(text) is not None and instant(text).year in _YEARS
    except (ValueError, OverflowError):
        return False


_VALIDATORS = {
    action: jsonschema_rs.validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
        validate_formats=True,
        formats={"instant": _is_instant},
    )
    for action, schema in SCHEMAS.items()
}


def validate(action: str, body: Mapping[str, Any]) -> ProfileProblem | None:
    """The first thing that is wrong with a message of this action, or None. Never raises on any JSON value."""
    error = next(iter(_VALIDATORS[action].iter_errors(body)), None)
    if error is None:
        return None
    # The library's sentence quotes the value it stumbled on, which may be somebody's token: say only what is wrong.
    return ProfileProblem(path_text(error.instance_path), _what(error))


def path_text(parts: list[str | int]) -> str:
    """`message.order.fulfillments[0].customer`: as error paths are written, without prefixes (decision 42)."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + part.removeprefix("beckn:")
    return text or "message"


def _what(error: jsonschema_rs.ValidationError) -> str:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    kind = error.kind
    if keyword == "required":
        return f"{getattr(kind, 'property', 'a field')} is missing"
    expected = error.schema_path and {
        "type": "has the wrong type",
        "minLength": "is empty",
        "maxLength": "is too long",
        "pattern": "is empty",
        "maxItems": "has too many entries",
        "minItems": "has too few entries",
        "maxProperties": "has too many fields",
        "format": "is not a date and time with zone, for example 2026-11-01T00:00:00Z",
        "enum": "is not one of the values that are accepted here",
        "minimum": "is too small",
        "maximum": "is too large",
    }.get(keyword)
    return expected or "is not what this field accepts"


# --- reading ---------------------------------------------------------------------------------------------------------


def order_ref(context: Mapping[str, Any], body: Mapping[str, Any]) -> OrderRef:
    order = body["message"].get("order", {})
    return OrderRef(
        bap_id=context["bap_id"],
        order_id=order.get("beckn:id", ""),
        bap_uri=context.get("bap_uri", ""),
        transaction_id=context.get("transaction_id", ""),
        domain=context.get("domain", ""),
    )


def user_auth(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The customer's own sign-in, where the message carries one (our extension in A, wire 4)."""
    found = _attributes(body).get("userAuth")
    return found if isinstance(found, Mapping) else None


def presentation(body: Mapping[str, Any]) -> str | None:
    """The JWT by which the customer's own key shows who they are, where the message carries one (our extension)."""
    found = _attributes(body).get("presentation")
    return str(found.get("presentationData", "")) if isinstance(found, Mapping) else None


def assisted_by(body: Mapping[str, Any]) -> Assistance | None:
    found = _attributes(body).get("assistedBy")
    if not isinstance(found, Mapping):
        return None
    return Assistance(found["agencyId"], found.get("operatorId", ""), found.get("mandateId", ""))


def read_search(body: Mapping[str, Any]) -> SearchPrograms:
    message = body["message"]
    intent = message.get("intent", {})
    descriptor, location = intent.get("descriptor", {}), intent.get("location", {})
    category = intent.get("category", {})
    return SearchPrograms(
        text=descriptor.get("name") or descriptor.get("schema:name") or message.get("text_search") or "",
        kind=category.get("id") or category.get("descriptor", {}).get("name") or "",
        provider_id=intent.get("provider", {}).get("id", ""),
        utility_id=location.get("utilityId", ""),
        region=location.get("region") or location.get("id") or "",
    )


def read_select(context: Mapping[str, Any], body: Mapping[str, Any]) -> SelectProgram:
    order = body["message"]["order"]
    return SelectProgram(order_ref(context, body), order["beckn:items"][0]["beckn:id"], _provider_id(order))


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
        starts_at=_when(attributes.get("startDate")),
        ends_at=_when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        person=_person(customer),
        locale=attributes.get("customer", {}).get("locale", ""),
        assisted_by=assistance,
        channel="EA" if assistance else "PORTAL",
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
        starts_at=_when(attributes.get("startDate")),
        ends_at=_when(attributes.get("endDate")),
        end_as_given=attributes.get("endDate", ""),
        consents=_consents(attributes),
        assisted_by=assistance,
    )


def read_update(
    context: Mapping[str, Any], body: Mapping[str, Any]
) -> WithdrawConsent | EndEnrollment | GrantConsents | None:
    """The command of an update, or None for an `updateType` that is not supported."""
    attributes, ref = _attributes(body), order_ref(context, body)
    kind = attributes.get("updateType")
    if kind == "CONSENT_REVOCATION":
        asked = attributes.get("consentRevocation", {})
        return WithdrawConsent(
            ref,
            consent_reference=asked.get("consentCredentialId", ""),
            consent_type=asked.get("consentType", ""),
            reason=asked.get("reason", ""),
            claimed_at=asked.get("revokedAt", ""),
            effective_at=_when(asked.get("effectiveDate")),
        )
    if kind == "UNENROLLMENT":
        asked = attributes.get("unenrollment", {})
        return EndEnrollment(
            ref,
            enrollment_id=asked.get("enrollmentId", ""),
            reason=asked.get("reason", ""),
            effective_at=_when(asked.get("effectiveDate")),
            revoke_all_consents=asked.get("revokeAllConsents", True),
            is_withdrawn=asked.get("withdraw", False),
        )
    if kind == "CONSENT_GRANT":
        return GrantConsents(ref, _consents(attributes))
    return None


def read_cancel(context: Mapping[str, Any], body: Mapping[str, Any]) -> EndEnrollment:
    return EndEnrollment(order_ref(context, body), reason=_attributes(body).get("reason", ""))


def read_status(context: Mapping[str, Any], body: Mapping[str, Any]) -> AskStatus:
    return AskStatus(order_ref(context, body))


def read_support(body: Mapping[str, Any]) -> tuple[str, str]:
    """(what is asked about, ORDER or ENROLLMENT)."""
    support = body["message"]["support"]
    return support["refId"], support.get("refType", "ORDER")


def _when(value: str | None) -> datetime | None:
    return instant(value) if value else None


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


def _consents(attributes: Mapping[str, Any]) -> tuple[ConsentGrant, ...]:
    return tuple(
        ConsentGrant(
            type=c["type"],
            granted=c["granted"],
            granted_at=c.get("grantedAt", ""),
            text_version=c.get("textVersion", ""),
            text_digest=c.get("textDigest", ""),
            locale=c.get("locale", ""),
            meters=tuple(c.get("meters", ())),
            limits=c.get("limits", {}),
        )
        for c in attributes.get("consents", [])
    )
