"""What the enrolment services answer: values without wire names, which each profile writes in its own grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from enrollment.codes import Refusal
from enrollment.conflicts import Conflict
from enrollment.facts import Finding, MissingCredential, PendingReview, Question
from enrollment.states import CaseState, EnrollmentState
from utility_systems.ports import MeterFacts


class Stage(StrEnum):
    """How far a check got: decides which blocks an answer has (decision 41)."""

    DOOR = "DOOR"
    PROOFS = "PROOFS"
    RULES = "RULES"
    CONFLICTS = "CONFLICTS"
    DONE = "DONE"


class MeterState(StrEnum):
    ENROLLED = "ENROLLED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    PENDING = "PENDING"


@dataclass(frozen=True)
class MeterLine:
    umid: str
    is_proven: bool = False
    state: MeterState | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class DerLine:
    der_id: str
    type: str
    is_proven: bool = False


@dataclass(frozen=True)
class CredentialLine:
    """The verdict on one presented credential."""

    credential_id: str
    type: str
    is_verified: bool
    reason: str = ""
    checked_at: datetime | None = None


@dataclass(frozen=True)
class IssuedLine:
    """A credential of ours as the person gets it; `access_url` carries the link's token only when just issued.

    So does `offer_url`, where a wallet can have the credential; later it is "". `supersedes` is the address of the
    credential in whose place this one was issued.
    """

    credential_id: str
    url: str
    access_url: str
    verification_url: str
    jwt_ref: str
    issued_at: datetime
    status_list_url: str
    status_list_index: str
    offer_url: str = ""
    supersedes: str = ""
    status_list_id: int = 0
    is_revoked: bool = False
    revoked_at: datetime | None = None
    is_suspended: bool = False


@dataclass(frozen=True)
class ConsentLine:
    consent_id: str
    type: str
    state: str
    granted_at: datetime
    credential: IssuedLine
    revoked_at: datetime | None = None
    revoke_scheduled_for: datetime | None = None
    from_utility: str = ""
    to_utility: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.type, self.from_utility, self.to_utility


@dataclass(frozen=True)
class UtilityLine:
    """Whether a utility has acknowledged all it was to be told; `event` is the last of it (enrollment.told)."""

    utility_id: str
    event: str
    effective_at: datetime
    is_informed: bool
    acknowledged_at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True)
class EnrollmentLine:
    enrollment_id: str
    order_number: str
    state: EnrollmentState
    starts_at: datetime
    ends_at: datetime | None
    end_as_given: str
    enrolled_at: datetime
    log_reference: str
    credential: IssuedLine
    consents: tuple[ConsentLine, ...] = ()
    end_scheduled_for: datetime | None = None
    cancelled_at: datetime | None = None
    end_log_reference: str = ""
    suspended_at: datetime | None = None
    suspension_reason: str = ""
    repair_until: datetime | None = None
    utilities: tuple[UtilityLine, ...] = ()


@dataclass(frozen=True)
class Order:
    """One order as it stands. `stopped_at`: since its customer has said "this was not me"."""

    bap_id: str
    order_id: str
    transaction_id: str
    provider_id: str
    program_id: str
    fulfillment_id: str = ""
    subject_did: str = ""
    case_state: CaseState | None = None
    waiting_utility: str = ""
    batch_id: str = ""
    meters: tuple[MeterLine, ...] = ()
    ders: tuple[DerLine, ...] = ()
    enrollment: EnrollmentLine | None = None
    stopped_at: datetime | None = None

    def with_enrollment(self, line: EnrollmentLine) -> Order:
        return replace(self, enrollment=line)


@dataclass(frozen=True)
class Requirements:
    """What a program asks for, with how much of it the case already shows."""

    criteria: tuple[Mapping[str, Any], ...] = ()
    credentials: tuple[Mapping[str, Any], ...] = ()
    consents: tuple[Mapping[str, Any], ...] = ()
    documents: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class DocumentLine:
    """A file that is asked for or was uploaded. `upload_url` only where it may still be sent; it is a secret.

    `status` is ASKED, UNDER_REVIEW, APPROVED or REFUSED; `scan` CLEAN or NONE_CONFIGURED once there is a file. Where
    one was refused, `reason` is its code and `text` what a reviewer writes, also on the next that is asked for.
    """

    document_id: str
    kind: str
    der_id: str
    formats: tuple[str, ...]
    max_bytes: int
    status: str
    upload_url: str = field(default="", repr=False)
    expires_at: datetime | None = None
    scan: str = ""
    reason: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class AvailableMeter:
    """A meter of the proven customer that an order without meters may name. `connection_type` as in ports."""

    umid: str
    utility_id: str
    meter_number: str = ""
    connection_type: str = ""
    sanctioned_load_kw: float | None = None


@dataclass(frozen=True)
class CrossUtilityLine:
    """One utility's part of an order that needs several: `status` is OK or UNAVAILABLE (personas P5)."""

    utility_id: str
    identity: str
    meters: tuple[str, ...] = ()
    status: str = "OK"


@dataclass(frozen=True)
class Prepared:
    """The application is READY, NEEDS_INPUT with what is `missing` or asked, or IN_REVIEW with its `reviews`.

    Conflicts are looked for, and told, only where the application showed whose the meters are.
    """

    order: Order
    checked_at: datetime
    credentials: tuple[CredentialLine, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    findings: tuple[Finding, ...] = ()
    missing: tuple[MissingCredential, ...] = ()
    warnings: tuple[str, ...] = ()
    requirements: Requirements = field(default_factory=Requirements)
    are_conflicts_checked: bool = True
    available_meters: tuple[AvailableMeter, ...] = ()
    cross_utility: tuple[CrossUtilityLine, ...] = ()
    documents: tuple[DocumentLine, ...] = ()
    reviews: tuple[PendingReview, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class CodeSent:
    """An `init` that asked for a one-time code: the order is open and PENDING, nothing of it was checked yet.

    The same for known and unknown numbers; what the code's session is called travels beside it (`identity.proofs`).
    """

    order: Order
    checked_at: datetime
    requirements: Requirements = field(default_factory=Requirements)


@dataclass(frozen=True)
class Waiting:
    """A utility does not answer: nothing is refused, the check goes on by itself (decision 40)."""

    order: Order
    checked_at: datetime
    utility_id: str
    cross_utility: tuple[CrossUtilityLine, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A refusal with everything that was found before it. `order.case_state` says whether the case ended."""

    refusal: Refusal
    order: Order
    checked_at: datetime
    stage: Stage
    credentials: tuple[CredentialLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    documents: tuple[DocumentLine, ...] = ()


@dataclass(frozen=True)
class TradingLine:
    """What a trading platform is told of a P2P member, of the order's first meter. Loads in kW.

    `user_type` CONSUMER or PROSUMER; `is_active`: may trade now; `limit_kw`: the most it may commit to at a time.
    """

    user_type: str
    is_active: bool
    is_account_active: bool
    meter_number: str
    sanctioned_load_kw: float | None = None
    limit_kw: float | None = None


@dataclass(frozen=True)
class Confirmed:
    """`refused` names the meters of the order that could not be enrolled (decision 44); `trading`: P2P programs."""

    order: Order
    checked_at: datetime
    refused: tuple[MeterLine, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    trading: TradingLine | None = None


@dataclass(frozen=True)
class HistoryLine:
    """Something that happened to the order: `act` and `by` are closed codes (enrollment.history).

    `name` is the participant's or agency's id; `more` what belongs to the act: meters, consent types, a refusal's code.
    """

    at: datetime
    act: str
    by: str
    name: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The order as it stands now: answers `status`, and every message nobody asked for.

    `history` is told to who asks, not in messages that nobody asked for.
    `with_credentials`: the bytes of its credentials are told too, because they are others than those told before.
    """

    order: Order
    checked_at: datetime
    reason: str = ""
    refusal: Refusal | None = None
    with_credentials: bool = False
    history: tuple[HistoryLine, ...] = ()


@dataclass(frozen=True)
class ConsentWithdrawn:
    order: Order
    consent: ConsentLine
    checked_at: datetime
    is_pending: bool = False


@dataclass(frozen=True)
class ConsentsGranted:
    order: Order
    granted: tuple[ConsentLine, ...]
    checked_at: datetime


@dataclass(frozen=True)
class MetersChanged:
    """Meters joined or left: the enrolment's credential and the consents about them were issued anew.

    `superseded` are the old ones, revoked in the same transaction; empty where nothing was to be done. `refused`
    names the meters that were asked for and could not be added (R-P2.5).
    """

    order: Order
    checked_at: datetime
    log_reference: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_adding: bool = True
    superseded: tuple[IssuedLine, ...] = ()
    refused: tuple[MeterLine, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class Ended:
    """An unenrolment: done, or scheduled (`is_pending`) for `order.enrollment.end_scheduled_for`.

    `reason` is told where it was not the one who placed the order that ended it.
    """

    order: Order
    consents: tuple[ConsentLine, ...]
    checked_at: datetime
    log_reference: str
    is_pending: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Withdrawn:
    """The application was taken back before it was confirmed."""

    order: Order
    checked_at: datetime
    log_reference: str


@dataclass(frozen=True)
class OrderList:
    """All orders of a customer who proved to be it, whoever placed them, newest first (decision 25)."""

    snapshots: tuple[Snapshot, ...]
    checked_at: datetime


@dataclass(frozen=True)
class CatalogEntry:
    program_id: str
    provider_id: str
    kind: str
    name: str
    short_description: str
    long_description: str
    personas: tuple[str, ...]
    utilities: tuple[str, ...]
    opens_at: datetime | None
    closes_at: datetime | None
    requirements: Requirements
    presentation: Mapping[str, Any] = field(default_factory=dict)
    is_open: bool = True


@dataclass(frozen=True)
class Catalog:
    entries: tuple[CatalogEntry, ...]


class CellState(StrEnum):
    """A meter's verdict for a program (personas P2)."""

    ENROLLED = "ENROLLED"
    CAN_ENROLL = "CAN_ENROLL"
    NEEDS_ACTION = "NEEDS_ACTION"
    CONFLICT = "CONFLICT"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    WAITLIST = "WAITLIST"
    PENDING = "PENDING"
    NO_CONSENT = "NO_CONSENT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class CellReason:
    """Why: the code an init would be refused with, the criterion where it is one, and a sentence."""

    code: str
    text: str
    criterion: str = ""
    actual: str = ""
    needed: str = ""


@dataclass(frozen=True)
class CellAction:
    """What the customer can do about it: PRESENT_CREDENTIAL, UPLOAD_DOCUMENT, PROVIDE_CAPACITY or START_LATER."""

    type: str
    credential_type: str = ""
    consent_type: str = ""
    der_id: str = ""


@dataclass(frozen=True)
class Cell:
    """The verdict on one of the customer's own meters, as an init of this moment would come to it, without a hold.

    `meter` is None where the utility does not answer; `until` is the exclusive end of an enrolment that is there.
    """

    umid: str
    utility_id: str
    state: CellState
    reasons: tuple[CellReason, ...] = ()
    actions: tuple[CellAction, ...] = ()
    earliest_start: datetime | None = None
    until: datetime | None = None
    enrollment_id: str = ""
    meter: MeterFacts | None = None


@dataclass(frozen=True)
class DerLineInRegister:
    """A device that the register has behind one of the customer's meters. `certificate` is CERTIFIED, NOT_CERTIFIED or
    EXPIRED, by the register's own approvals.
    """

    der_id: str
    type: str
    umid: str
    rated_kw: float | None = None
    energy_kwh: float | None = None
    manufacturer: str = ""
    model: str = ""
    source: str = ""
    certificate: str = ""
    certified_until: datetime | None = None


@dataclass(frozen=True)
class Assessment:
    """The cells of one program, the customer's registered devices, and the utilities that did not answer."""

    cells: tuple[Cell, ...]
    ders: tuple[DerLineInRegister, ...] = ()
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selected:
    """`assessment`: only where the message showed who asks (decision 25)."""

    order_id: str
    entry: CatalogEntry
    assessment: Assessment | None = None
    checked_at: datetime | None = None


Result = (
    Prepared
    | CodeSent
    | Waiting
    | Refused
    | Confirmed
    | Snapshot
    | ConsentWithdrawn
    | ConsentsGranted
    | MetersChanged
    | Ended
    | Withdrawn
    | OrderList
    | Catalog
    | Selected
)

#: How a caller writes its answer: called as the last act of the service's own transaction (decision 23).
AlsoWrite = Callable[[Result], None]
