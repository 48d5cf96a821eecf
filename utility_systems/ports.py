"""What we ask a utility's systems, and the facts they give back.

Facts are frozen and carry their units in their names; nothing here knows HTTP or the database.
Source: onboarding guide 8 (CIS, MDM, DER registry), spec/domain.md 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from identity.codes import CodeRequest, CodeSession, CodeVerdict


class Role(StrEnum):
    """How a person stands to a meter or a DER; one HOLDER of record per meter per instant, JOINT many."""

    OWNER = "OWNER"
    TENANT = "TENANT"
    JOINT = "JOINT"
    HOLDER = "HOLDER"
    OPERATOR = "OPERATOR"


class ConnectionType(StrEnum):
    RESIDENTIAL = "RESIDENTIAL"
    COMMERCIAL = "COMMERCIAL"
    INDUSTRIAL = "INDUSTRIAL"
    AGRICULTURAL = "AGRICULTURAL"
    UNKNOWN = "UNKNOWN"


class Phase(StrEnum):
    SINGLE = "SINGLE"
    THREE = "THREE"
    UNKNOWN = "UNKNOWN"


class Standing(StrEnum):
    GOOD = "GOOD"
    ARREARS = "ARREARS"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class CertificateKind(StrEnum):
    INTERCONNECTION = "INTERCONNECTION"
    EQUIPMENT = "EQUIPMENT"
    INSTALLER = "INSTALLER"


class DerType(StrEnum):
    """The types we know. A utility's unknown word is kept as `OTHER:<text>` and needs review."""

    SOLAR_PV = "SOLAR_PV"
    BATTERY_STORAGE = "BATTERY_STORAGE"
    EV = "EV"
    V2G_EV = "V2G_EV"
    EVSE = "EVSE"
    HEAT_PUMP = "HEAT_PUMP"
    WIND = "WIND"
    SMART_LOAD = "SMART_LOAD"


OTHER_DER = "OTHER:"


def der_type(text: str) -> str:
    """The known type's name, or `OTHER:<text>` with at most 60 characters of what was said."""
    if text.startswith(OTHER_DER):
        return text[: len(OTHER_DER) + 60]
    return text if text in DerType.__members__ else f"{OTHER_DER}{text[:60]}"


@dataclass(frozen=True, slots=True)
class Holder:
    """One person's relation to a meter. `until` is exclusive; None means it still holds."""

    subject_did: str
    utility_customer_id: str
    role: Role
    since: datetime
    until: datetime | None = None

    def holds_at(self, instant: datetime) -> bool:
        return self.since <= instant and (self.until is None or instant < self.until)


@dataclass(frozen=True, slots=True)
class EarlierNumber:
    """A number that hung at this metering point before: `until` is exclusive."""

    number: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class MeterFacts:
    umid: str
    utility_id: str
    meter_number: str
    connection_type: ConnectionType
    phase: Phase
    sanctioned_load_kw: float | None
    interval_capable: bool
    net_meter: bool
    site_id: str
    grid_area: str
    holders: tuple[Holder, ...]
    account_standing: Standing
    as_of: datetime
    sanctioned_export_kw: float | None = None
    earlier_numbers: tuple[EarlierNumber, ...] = ()
    is_stale: bool = False  # too old to refuse anybody by it

    def holders_at(self, instant: datetime) -> tuple[Holder, ...]:
        return tuple(holder for holder in self.holders if holder.holds_at(instant))

    def holder(self, subject_did: str, instant: datetime) -> Holder | None:
        """This person's relation to the meter at the instant, or None when there is none."""
        return next((h for h in self.holders_at(instant) if h.subject_did == subject_did), None)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`valid_until` is exclusive; None means no end was given."""

    kind: CertificateKind
    issuer: str
    capacity_kw: float | None
    valid_from: datetime
    valid_until: datetime | None = None

    def valid_at(self, instant: datetime) -> bool:
        return self.valid_from <= instant and (self.valid_until is None or instant < self.valid_until)


@dataclass(frozen=True, slots=True)
class DerFacts:
    der_id: str
    type: str  # a DerType, or OTHER:<text>
    rated_kw: float | None
    energy_kwh: float | None
    manufacturer: str
    model: str
    serial_digest: str
    commissioned_on: date | None
    umid: str
    bidirectional: bool
    owner_did: str
    certificates: tuple[Certificate, ...]
    as_of: datetime
    is_registered: bool = True  # False: no register knows it, the applicant declares it
    source: str = "UTILITY_API"  # who told it: UTILITY_API, MAKER or, where it is not registered, DECLARED
    is_stale: bool = False

    @property
    def is_known_type(self) -> bool:
        return not self.type.startswith(OTHER_DER)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    utility_customer_id: str
    standing: Standing
    connection_type: ConnectionType


class UtilityUnavailable(Exception):
    """The utility gave no usable answer; nothing may be concluded from it. Never means "not found"."""

    def __init__(self, utility_id: str, system: str, retry_after_seconds: float = 60.0, reason: str = "") -> None:
        super().__init__(f"{utility_id} {system}: {reason or 'no usable answer'}")
        self.utility_id = utility_id
        self.system = system
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason


class UtilityAdapter(Protocol):
    """One utility's systems. Every method may raise UtilityUnavailable; unknown ids are simply absent."""

    @property
    def utility_id(self) -> str: ...

    @property
    def time_zone(self) -> ZoneInfo: ...

    def meters(self, umids: Sequence[str]) -> tuple[MeterFacts, ...]: ...

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]: ...

    def ders_at(self, umids: Sequence[str]) -> tuple[DerFacts, ...]:
        """The registered DERs behind these meters."""

    def account(self, utility_customer_id: str) -> AccountFacts | None: ...

    def accounts_of(self, subject_did: str) -> tuple[str, ...]:
        """The ids of the accounts this person has here."""

    def meters_of(self, utility_customer_id: str) -> tuple[MeterFacts, ...]:
        """The meters of an account, as they are held today."""

    def request_code(self, asked: CodeRequest) -> CodeSession:
        """Have a one-time code sent. The answer is the same for a number that nobody has."""

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        """Ask whether the code of a session is right; each call is an attempt."""

    def notify(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
    ) -> None:
        """Ask the utility to tell its customer, at the contact the utility itself has registered (decision 57).

        `subject` and `text` are the words, in `locale`, for a utility that has none of its own for `template`.
        """

    def match_customer(self, *, account: str, mobile: str) -> str:
        """Whether there is such a customer and no more: MATCH, NO_MATCH or SEVERAL (`identity.contacts`)."""

    def write_to_customer(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
        notice_id: str = "",
    ) -> None:
        """`notify`, of an account or a meter number that may be nobody's: that is answered like any other."""

    def contact_changed_at(self, utility_customer_id: str) -> datetime | None:
        """When the registered contact last changed; None where the utility does not tell it."""
