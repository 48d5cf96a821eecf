"""What providers tell, as frozen values a page can show (`portals.reading` makes them). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from portals.plain import Json, texts


class Outcome(StrEnum):
    """What the answer to an init means for the person."""

    READY = "READY"
    NEEDS_INPUT = "NEEDS_INPUT"
    IN_REVIEW = "IN_REVIEW"
    WAITING = "WAITING"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class Criterion:
    """Who can join, one line: `kind` and `parameters` of decision 54, the provider's own words in `text` and `texts`.

    `result` is MET, NOT_MET or UNKNOWN where it was checked.
    """

    kind: str
    parameters: Json
    text: str
    texts: Mapping[str, str] = field(default_factory=dict)
    result: str = ""
    actual: Any = None
    needed: Any = None


@dataclass(frozen=True)
class WantedCredential:
    """`status` is PROVIDED, MISSING or "" where nothing was checked yet."""

    type: str
    description: str
    status: str = ""
    source: str = ""
    der_id: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedConsent:
    """A consent in one line; its page reads more of it (`portals.consents`)."""

    type: str
    description: str
    is_required: bool
    purposes: tuple[str, ...]
    data: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Why a verdict is as it is. `actual` and `needed` are the provider's values, in the criterion's unit."""

    code: str
    text: str
    criterion: str = ""
    actual: Any = None
    needed: Any = None


@dataclass(frozen=True)
class CellAction:
    """What the person can do about a verdict."""

    type: str
    credential_type: str = ""
    consent_type: str = ""
    der_id: str = ""


@dataclass(frozen=True)
class Cell:
    """The verdict on one meter for one program; `until` and `earliest_start` are instants."""

    meter_id: str
    utility_id: str
    program_id: str
    cell: str
    reasons: tuple[Reason, ...] = ()
    actions: tuple[CellAction, ...] = ()
    earliest_start: datetime | None = None
    until: datetime | None = None
    enrollment_id: str = ""
    number: str = ""
    connection_type: str = ""
    sanctioned_load_kw: float | None = None
    site_id: str = ""

    @property
    def can_be_chosen(self) -> bool:
        is_paused = self.cell == "NO_CONSENT" and self.enrollment_id != ""  # enrolled already, without its agreement
        return self.cell in ("CAN_ENROLL", "NEEDS_ACTION", "NO_CONSENT") and not is_paused


@dataclass(frozen=True)
class Der:
    """A device; capacity in `unit` (kW or kWh). `certificate` is CERTIFIED, NOT_CERTIFIED or EXPIRED."""

    der_id: str
    type: str
    meter_id: str = ""
    capacity: float | None = None
    unit: str = ""
    manufacturer: str = ""
    model: str = ""
    certificate: str = ""
    valid_until: datetime | None = None
    source: str = ""


@dataclass(frozen=True)
class ProgramView:
    """A program of the catalogue, in one language where the provider has it: `locale` is the one that was found.

    `is_reviewed`: a person has read that translation. `example` is one worked example in money, marked as such.
    `paper_review`: PROVIDER where the owner's staff reviews agencies' mandates on paper, and not the agency.
    """

    provider_id: str
    program_id: str
    name: str
    short: str
    long: str
    benefits: tuple[str, ...]
    example: str
    locale: str
    is_reviewed: bool
    kind: str
    control: str
    personas: tuple[str, ...]
    utilities: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    credentials: tuple[WantedCredential, ...]
    consents: tuple[WantedConsent, ...]
    documents: tuple[Json, ...]
    opens_at: datetime | None
    closes_at: datetime | None
    reopens_at: datetime | None
    minutes: int
    paper_review: str = ""
    statements: tuple[str, ...] = ()

    @property
    def der_types(self) -> tuple[str, ...]:
        """The kinds of device it is for; empty where it does not say."""
        found = (c.parameters.get("anyOf") for c in self.criteria if c.kind == "DER_TYPE")
        return tuple(each for types in found for each in texts(types))

    @property
    def needs_ders(self) -> bool:
        """Whether a device of the person's belongs to it: a certificate or a device is asked for."""
        kinds = {criterion.kind for criterion in self.criteria}
        types = {credential.type for credential in self.credentials}
        return bool(kinds & {"DER_TYPE", "DER_CERTIFIED"}) or "DERCertificationCredential" in types

    def is_open(self, now: datetime) -> bool:
        return not (self.opens_at and now < self.opens_at) and not (self.closes_at and now >= self.closes_at)


@dataclass(frozen=True)
class SelectedView:
    eligibility: tuple[Cell, ...] = ()
    ders: tuple[Der, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    credentials: tuple[WantedCredential, ...] = ()
    consents: tuple[WantedConsent, ...] = ()
    unavailable_utilities: tuple[str, ...] = ()
    refusal: RefusalView | None = None


@dataclass(frozen=True)
class RefusalView:
    """A refusal: `code` of spec domain 6, `reason` of its closed set, `sentence` the provider's own words."""

    code: str
    sentence: str
    reason: str = ""
    path: str = ""
    details: Json = field(default_factory=dict)


@dataclass(frozen=True)
class ConflictView:
    """What stands in the way, as far as the person may be told; `until` is the first instant at which it is free."""

    reason: str
    type: str
    enrollment_id: str = ""
    program_id: str = ""
    meter_id: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class DocumentView:
    """A file that is asked for or came. `status` ASKED, UNDER_REVIEW, APPROVED or REFUSED; `upload_url` is secret.

    `reason` (a code) and `text` (a reviewer's words) say why it, or the one before it, was not accepted.
    """

    id: str
    kind: str
    der_id: str
    formats: tuple[str, ...]
    max_bytes: int
    status: str
    scan: str = ""
    reason: str = ""
    text: str = field(default="", repr=False)
    upload_url: str = field(default="", repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class MeterLine:
    """A meter of an order: `status` ENROLLED, REJECTED, CANCELLED, PENDING or ""; why, where it was rejected."""

    meter_id: str
    status: str = ""
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class AvailableMeter:
    """A meter of the proven person that an order may name."""

    meter_id: str
    utility_id: str = ""
    number: str = ""
    connection_type: str = ""
    sanctioned_load_kw: float | None = None


@dataclass(frozen=True)
class Missing:
    """A credential that is still wanted, and for which meter or device."""

    type: str
    target: str = ""


@dataclass(frozen=True)
class NextStep:
    action: str
    message: str
    der_id: str = ""
    document_id: str = ""
    utility_id: str = ""


@dataclass(frozen=True)
class PreparedView:
    """What an init came to; `state` is None before any answer. `waits_for` names the utility that does not answer."""

    state: Outcome | None = None
    refusal: RefusalView | None = None
    conflicts: tuple[ConflictView, ...] = ()
    credentials: tuple[WantedCredential, ...] = ()
    findings: tuple[Criterion, ...] = ()
    consents: tuple[WantedConsent, ...] = ()
    documents: tuple[DocumentView, ...] = ()
    lines: tuple[MeterLine, ...] = ()
    meters: tuple[AvailableMeter, ...] = ()
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        return self.state

    @property
    def rejected_meters(self) -> tuple[MeterLine, ...]:
        return tuple(line for line in self.lines if line.status == "REJECTED")

    @property
    def questions(self) -> tuple[str, ...]:
        """The devices whose power in kW is asked for."""
        return tuple(step.der_id for step in self.next_steps if step.action == "PROVIDE_CAPACITY")

    @property
    def waits_for(self) -> str:
        return next((step.utility_id for step in self.next_steps if step.action == "WAIT"), "")


@dataclass(frozen=True)
class IssuedView:
    """A credential as the provider hands it over; `data` are its signed bytes, "" where they did not come along."""

    credential_id: str
    type: str
    data: str = field(default="", repr=False)
    access_url: str = field(default="", repr=False)
    offer_url: str = field(default="", repr=False)
    verification_url: str = ""
    issued_at: datetime | None = None
    status: str = ""
    supersedes: str = ""


@dataclass(frozen=True)
class GivenConsent:
    """A consent as the provider keeps it: `state` GRANTED or REVOKED; `until` where a withdrawal is scheduled."""

    type: str
    from_utility: str
    to_utility: str
    state: str
    granted_at: datetime | None
    revoked_at: datetime | None
    until: datetime | None
    credential: IssuedView

    @property
    def key(self) -> str:
        return f"{self.type}|{self.from_utility}|{self.to_utility}" if self.from_utility else self.type


@dataclass(frozen=True)
class EnrollmentView:
    """An enrolment as an on_confirm, on_status or on_update tells it."""

    enrollment_id: str = ""
    order_number: str = ""
    status: str = ""
    program_id: str = ""
    subject: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    enrolled_at: datetime | None = None
    ends_early_at: datetime | None = None
    cancelled_at: datetime | None = None
    meters: tuple[MeterLine, ...] = ()
    ders: tuple[str, ...] = ()
    credential: IssuedView | None = None
    consents: tuple[GivenConsent, ...] = ()
    conflicts: tuple[ConflictView, ...] = ()
    refusal: RefusalView | None = None
    update_type: str = ""
    suspension: Json = field(default_factory=dict)
    utility_notices: tuple[Json, ...] = ()
    history: tuple[Json, ...] = ()
    message: str = ""
    log_reference: str = ""

    @property
    def rejected_meters(self) -> tuple[MeterLine, ...]:
        return tuple(line for line in self.meters if line.status == "REJECTED")
