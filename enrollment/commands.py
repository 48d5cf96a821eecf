"""What can be asked of the enrolment services, as frozen values without wire names.

Doors build these from their own grammar; services and the pure rules read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class OrderRef:
    """Which order of which BAP, and where its answers go (decision 9: found by order id, never by transaction).

    `profile`: in whose words the order came, and news of it goes out. `proven_subject`: who the customer proved to be
    in this very message; their orders may then be changed through a BAP that did not place them (decision 10).
    `proven_at`: the utilities that say so, each for orders on meters of its own; empty for a key of the customer's.
    `agency_id`: the agency the message is from; the orders of another one that sends through the same BAP are not its.
    """

    bap_id: str
    order_id: str
    bap_uri: str = ""
    transaction_id: str = ""
    domain: str = ""
    profile: str = ""
    proven_subject: str = ""
    proven_at: tuple[str, ...] = ()
    agency_id: str = ""


@dataclass(frozen=True)
class MeterRef:
    umid: str
    utility_id: str = ""
    utility_customer_id: str = ""


@dataclass(frozen=True)
class DerRef:
    der_id: str
    type: str = ""
    capacity_value: float | None = None
    capacity_unit: str = ""

    @property
    def declared_kw(self) -> float | None:
        return self.capacity_value if self.capacity_unit.lower() == "kw" else None

    @property
    def declared_kwh(self) -> float | None:
        return self.capacity_value if self.capacity_unit.lower() == "kwh" else None


@dataclass(frozen=True)
class PresentedCredential:
    """A credential as it came: `data` is the signed bytes; `position` its place in the message, for error paths."""

    credential_id: str
    type: str
    format: str
    data: str
    der_id: str = ""
    position: int = 0


@dataclass(frozen=True)
class Assistance:
    """Which enrolment agency acts, through whom and under which mandate (decision 48)."""

    agency_id: str
    operator_id: str = ""
    mandate_id: str = ""


@dataclass(frozen=True)
class ProvenIdentity:
    """One sign-in or one-time code that this message proved: who, at which utility, how strongly.

    `subject` is what the network calls the person (a DID, else `issuer#sub`); `method` is OIDC, OTP, LINK or MANDATE;
    `role` is PRIMARY or SECONDARY (personas P5). Meter and account ids are those the provider named; they stay out of
    repr.
    """

    utility_id: str
    subject: str = field(repr=False)
    method: str
    role: str = "PRIMARY"
    issuer: str = ""
    sub: str = field(default="", repr=False)
    acr: str = ""
    auth_time: datetime | None = None
    meter_ids: tuple[str, ...] = field(default=(), repr=False)
    utility_customer_ids: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Authority:
    """What the sender has shown about the subject (decision 56).

    `asserts_utilities`: utilities for which this participant may name a subject without that subject's own proof
    (`*` for all). `proven_subject`: the subject's identifier where its own token, code or presentation was proven;
    `identities`: every sign-in proven in the message, the primary one first, all of one person; `refusal_*`: what was
    wrong with it, and `refusal_field` where it stood. `mandate_id`: not the customer's own proof, but the mandate they
    gave the agency that asks (`enrollment.assisting`).
    """

    participant_id: str
    asserts_utilities: tuple[str, ...] = ()
    proven_subject: str = ""
    proven_utility: str = ""
    acr: str = ""
    identities: tuple[ProvenIdentity, ...] = ()
    mandate_id: str = ""
    refusal_field: str = "user_auth"
    refusal_code: str = ""
    refusal_sentence: str = ""
    refusal_details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        return self.proven_subject != ""

    def is_proven_at(self, utility_id: str) -> bool:
        """Has the customer shown who they are to this utility, or by a key that is theirs everywhere?"""
        at = {identity.utility_id for identity in self.identities} | {self.proven_utility}
        return self.is_proven and (utility_id in at or (at == {""} and not self.identities))

    @property
    def proven_at(self) -> tuple[str, ...]:
        """The utilities that vouch for who the customer is; empty for a key that is theirs everywhere."""
        if not self.identities and self.proven_utility:
            return (self.proven_utility,)
        return tuple(identity.utility_id for identity in self.identities)

    def may_assert(self, utility_id: str) -> bool:
        return "*" in self.asserts_utilities or utility_id in self.asserts_utilities


@dataclass(frozen=True)
class ConsentGrant:
    """One entry of `consents[]` in a confirm or CONSENT_GRANT (decision 34)."""

    type: str
    granted: bool
    granted_at: str = ""
    text_version: str = ""
    text_digest: str = ""
    locale: str = ""
    meters: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    from_utility: str = ""
    to_utility: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it consents to: a type, and for sharing between utilities the direction."""
        return self.type, self.from_utility, self.to_utility


@dataclass(frozen=True)
class SearchPrograms:
    """`is_narrowed_later`: the asker filters what is found, so that the answer's limit must not come first.

    `with_closed`: also programs that are closed now and say when they open.
    """

    text: str = ""
    kind: str = ""
    provider_id: str = ""
    utility_id: str = ""
    region: str = ""
    is_narrowed_later: bool = False
    with_closed: bool = False


@dataclass(frozen=True)
class SelectProgram:
    """A `select`. With proof of who asks, meters and DERs may be named; without any, all of theirs are meant."""

    order: OrderRef
    program_id: str
    provider_id: str = ""
    meters: tuple[MeterRef, ...] = ()
    ders: tuple[DerRef, ...] = ()


@dataclass(frozen=True)
class PrepareEnrollment:
    """An `init`: who wants which program for which meters and DERs, and what proves it."""

    order: OrderRef
    program_id: str
    provider_id: str
    fulfillment_id: str
    subject_did: str
    meters: tuple[MeterRef, ...]
    ders: tuple[DerRef, ...] = ()
    credentials: tuple[PresentedCredential, ...] = ()
    existing: tuple[PresentedCredential, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    end_as_given: str = ""
    person: Mapping[str, str] = field(default_factory=dict)
    locale: str = ""
    assisted_by: Assistance | None = None
    channel: str = "PORTAL"
    documents: tuple[str, ...] = ()
    batch_id: str = ""


@dataclass(frozen=True)
class ConfirmEnrollment:
    """A `confirm`. `meters is None`: the message names no meters and means those of its init."""

    order: OrderRef
    subject_did: str = ""
    meters: tuple[str, ...] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    end_as_given: str = ""
    consents: tuple[ConsentGrant, ...] = ()
    assisted_by: Assistance | None = None


@dataclass(frozen=True)
class WithdrawConsent:
    """An `update` CONSENT_REVOCATION. `claimed_at` is the client's own time: kept, not believed (decision 62)."""

    order: OrderRef
    consent_reference: str = ""
    consent_type: str = ""
    reason: str = ""
    claimed_at: str = ""
    effective_at: datetime | None = None


@dataclass(frozen=True)
class GrantConsents:
    """An `update` CONSENT_GRANT (decision 35)."""

    order: OrderRef
    consents: tuple[ConsentGrant, ...]


@dataclass(frozen=True)
class AddMeters:
    """An `update` ADD_METER: meters that join an enrolment, with what proves them and the consents for them (P2)."""

    order: OrderRef
    meters: tuple[MeterRef, ...]
    credentials: tuple[PresentedCredential, ...] = ()
    consents: tuple[ConsentGrant, ...] = ()


@dataclass(frozen=True)
class RemoveMeters:
    """An `update` REMOVE_METER: meters that leave an enrolment; with the last one it ends (R-P2.6)."""

    order: OrderRef
    meters: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class RepairEnrollment:
    """An `update` RESUME: new certificates in place of those that stopped holding (personas 6)."""

    order: OrderRef
    credentials: tuple[PresentedCredential, ...] = ()


@dataclass(frozen=True)
class EndEnrollment:
    """An `update` UNENROLLMENT or a `cancel` after confirm; `is_withdrawn` takes a future end back (decision 52)."""

    order: OrderRef
    enrollment_id: str = ""
    reason: str = ""
    effective_at: datetime | None = None
    revoke_all_consents: bool = True
    is_withdrawn: bool = False


@dataclass(frozen=True)
class Rating:
    """What somebody thinks of an order (or enrolment) by its id, on a scale. Words of theirs are not taken over."""

    reference: str
    value: float
    best: float = 5.0
    category: str = "ORDER"


@dataclass(frozen=True)
class AskStatus:
    order: OrderRef
