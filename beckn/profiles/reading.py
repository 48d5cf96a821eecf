"""What profiles read in the same way: the enrolment's attributes of a request, whichever order they come in.

`attributes` is the request's `orderAttributes`. Source: onboarding guide 18, spec wire 4 and 7, decisions 34, 35, 48.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from beckn.profiles.schemas import instant
from enrollment.commands import (
    AddMeters,
    Assistance,
    ConsentGrant,
    EndEnrollment,
    GrantConsents,
    MeterRef,
    OrderRef,
    PresentedCredential,
    Rating,
    RemoveMeters,
    RepairEnrollment,
    SearchPrograms,
    WithdrawConsent,
)

Attributes = Mapping[str, Any]


def when(value: str | None) -> datetime | None:
    return instant(value) if value else None


def ref(context: Mapping[str, Any], order_id: str, *, profile: str) -> OrderRef:
    return OrderRef(
        bap_id=context["bap_id"],
        order_id=order_id,
        bap_uri=context.get("bap_uri", ""),
        transaction_id=context.get("transaction_id", ""),
        domain=context.get("domain", ""),
        profile=profile,
    )


def user_auth(attributes: Attributes) -> Mapping[str, Any] | None:
    """The customer's own sign-in or one-time code, where the message carries one (wire 4)."""
    found = attributes.get("userAuth")
    return found if isinstance(found, Mapping) else None


def identities(attributes: Attributes) -> list[Mapping[str, Any]]:
    """The sign-ins at several utilities that a message carries (personas P5; our extension)."""
    return list(attributes.get("additionalAttributes", {}).get("identities", ()))


def link_reference(attributes: Attributes) -> str:
    """What stands for sign-ins that our own portal has seen, so that no token need travel."""
    return str(attributes.get("additionalAttributes", {}).get("cross_utility_info", {}).get("linkReference", ""))


def presentation(attributes: Attributes) -> str | None:
    """The JWT by which the customer's own key shows who they are, where the message carries one (our extension)."""
    found = attributes.get("presentation")
    return str(found.get("presentationData", "")) if isinstance(found, Mapping) else None


def assisted_by(attributes: Attributes) -> Assistance | None:
    found = attributes.get("assistedBy")
    if not isinstance(found, Mapping):
        return None
    return Assistance(found["agencyId"], found.get("operatorId", ""), found.get("mandateId", ""))


def search(body: Mapping[str, Any]) -> SearchPrograms:
    """A `search` by intent, or a `discover` by text; its filter works on the answer (`filter_of`)."""
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
        is_narrowed_later=filter_of(body) != "",
        with_closed=intent.get("includeClosed", False),
    )


def filter_of(body: Mapping[str, Any]) -> str:
    """The JSONPath of a `discover`, or ""."""
    return str(body["message"].get("filters", {}).get("expression", ""))


def support(body: Mapping[str, Any]) -> tuple[str, str]:
    """(what is asked about, ORDER or ENROLLMENT)."""
    asked = body["message"]["support"]
    return asked["refId"], asked.get("refType", "ORDER")


def ratings(body: Mapping[str, Any]) -> tuple[Rating, ...]:
    return tuple(
        Rating(r["id"], r["ratingValue"], r.get("bestRating", 5.0), r.get("category", "ORDER"))
        for r in body["message"]["ratings"]
    )


def documents(attributes: Attributes) -> tuple[str, ...]:
    """The files that an init names, by their ids: each was uploaded to the address that on_init gave (decision 26)."""
    return tuple(dict.fromkeys(str(d["documentId"]) for d in attributes.get("documents", ())))


def consents(attributes: Attributes) -> tuple[ConsentGrant, ...]:
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
            from_utility=c.get("fromUtility", ""),
            to_utility=c.get("toUtility", ""),
        )
        for c in attributes.get("consents", [])
    )


def batch_id(attributes: Attributes) -> str:
    """What the sender calls the basket that this order belongs to (personas P2; our extension)."""
    return str(attributes.get("additionalAttributes", {}).get("batchId", ""))


def meters(entries: Sequence[Any]) -> tuple[MeterRef, ...]:
    """Meters named by their id alone, or as objects with `meterId` or `beckn:id`; each once (rule R-P2.1)."""
    named: dict[str, MeterRef] = {}
    for entry in entries:
        each = {"meterId": entry} if isinstance(entry, str) else entry
        umid = each.get("meterId") or each["beckn:id"]
        utility = each.get("utilityId") or each.get("beckn:utilityId", "")
        named.setdefault(umid, MeterRef(umid, utility, each.get("beckn:utilityCustomerId", "")))
    return tuple(named.values())


Update = WithdrawConsent | EndEnrollment | GrantConsents | RepairEnrollment | AddMeters | RemoveMeters


def update(order: OrderRef, attributes: Attributes, named: Sequence[Any] = ()) -> Update | None:
    """The command of an update, or None for an `updateType` that is not supported.

    `named`: the meters that the rest of the message names.
    """
    kind = attributes.get("updateType")
    if kind == "CONSENT_REVOCATION":
        asked = attributes.get("consentRevocation", {})
        return WithdrawConsent(
            order,
            consent_reference=asked.get("consentCredentialId", ""),
            consent_type=asked.get("consentType", ""),
            reason=asked.get("reason", ""),
            claimed_at=asked.get("revokedAt", ""),
            effective_at=when(asked.get("effectiveDate")),
        )
    if kind == "UNENROLLMENT":
        asked = attributes.get("unenrollment", {})
        return EndEnrollment(
            order,
            enrollment_id=asked.get("enrollmentId", ""),
            reason=asked.get("reason", ""),
            effective_at=when(asked.get("effectiveDate")),
            revoke_all_consents=asked.get("revokeAllConsents", True),
            is_withdrawn=asked.get("withdraw", False),
        )
    if kind == "CONSENT_GRANT":
        return GrantConsents(order, consents(attributes))
    if kind == "RESUME":
        return RepairEnrollment(order, _presented(attributes))
    asked_for = meters([*attributes.get("meters", ()), *named])
    if kind == "ADD_METER":
        return AddMeters(order, asked_for, _presented(attributes), consents(attributes))
    if kind == "REMOVE_METER":
        return RemoveMeters(order, tuple(ref.umid for ref in asked_for), str(attributes.get("reason", "")))
    return None


def _presented(attributes: Attributes) -> tuple[PresentedCredential, ...]:
    """What an update presents, in `orderAttributes.credentials[]`."""
    return tuple(
        PresentedCredential(
            c.get("credentialId", ""),
            c.get("type", ""),
            c.get("format", "VC-JWT"),
            c.get("credentialData", ""),
            c.get("derId", ""),
            position,
        )
        for position, c in enumerate(attributes.get("credentials", ()))
    )
