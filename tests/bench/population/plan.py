"""Who is in it: the arithmetic by which every table knows of the others without asking. Pure, the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

DAYS = 400
CONSENT_EACH = 2  # every second enrolment has a consent, with a credential of its own
OFFSET = 10_000_000  # keys of ours begin here: what the sandbox has loaded keeps its own
BAPS = tuple(f"portal-{number:02}.bench.example" for number in range(1, 51))
AGENCIES = tuple(f"ea-bench-{number:02}" for number in range(1, 41))
OPERATORS = 25  # of each agency
STAFF = tuple(f"{OFFSET + number}" for number in range(1, 31))
LOST = ("REJECTED",) * 12 + ("EXPIRED",) * 4 + ("WITHDRAWN",) * 3
OPEN = ("SUBMITTED", "NEEDS_INPUT", "IN_REVIEW", "READY")
CODES = (
    *("NOT_ELIGIBLE",) * 7,
    *("ENROLLMENT_CONFLICT",) * 4,
    *("METER_NOT_FOUND",) * 3,
    *("DER_NOT_CERTIFIED", "CONSENT_REQUIRED", "TOKEN_EXPIRED", "DATES_INVALID", "CAPACITY_FULL", "EA_NOT_CERTIFIED"),
)
_CHANNELS = ("PORTAL",) * 11 + ("EA",) * 6 + ("SDK",) * 2 + ("CSR",)
_STATES = ("ACTIVE",) * 33 + ("CANCELLED",) * 4 + ("EXPIRED",) + ("SUSPENDED",) + ("SCHEDULED",)
_SCATTER = 2_654_435_761  # Knuth's: neighbours get unlike values


@dataclass(frozen=True)
class Plan:
    """How much there is, and until when. Enrolments count from 1; each has a case, the cases that failed follow."""

    enrollments: int
    lines: int
    messages: int
    now: datetime

    @classmethod
    def of(cls, scale: float, now: datetime) -> Plan:
        """The whole is `scale` 1."""
        whole = now.replace(microsecond=0)
        return cls(int(1_000_000 * scale), int(5_000_000 * scale), int(3_000_000 * scale), whole)

    @property
    def failed(self) -> int:
        """Applications that came to nothing, or are still open."""
        return self.enrollments // 5

    @property
    def still_open(self) -> int:
        return min(10_000, self.failed // 10)

    @cached_property
    def begin(self) -> datetime:
        return self.now - timedelta(days=DAYS)

    def at(self, share: float) -> datetime:
        """The instant by which this share of all has happened: more and more comes each day, the last an hour ago."""
        seconds = (DAYS * 86_400 - 3_600) * share**0.7
        return self.begin + timedelta(seconds=int(seconds))

    def enrolled_at(self, number: int) -> datetime:
        return self.at(number / self.enrollments)

    def failed_at(self, number: int) -> datetime:
        return self.at(number / self.failed)

    def lost_state(self, number: int) -> str:
        """Of a case without enrolment; the newest are open."""
        if number > self.failed - self.still_open:
            return OPEN[number % len(OPEN)]
        return LOST[scattered(number, len(LOST))]

    def state(self, number: int) -> str:
        """Of an enrolment."""
        found = _STATES[scattered(number, len(_STATES))]
        return "ACTIVE" if found == "SCHEDULED" and number < self.enrollments * 0.9 else found


def scattered(number: int, among: int) -> int:
    """A value in range(among), the same for the same number."""
    return (number * _SCATTER >> 7) % among


def one_of(values: Sequence[str], number: int) -> str:
    return values[scattered(number, len(values))]


def channel(number: int) -> str:
    return _CHANNELS[scattered(number, len(_CHANNELS))]


def agency(number: int) -> str:
    return one_of(AGENCIES, number + 7)


def operator(number: int) -> str:
    return f"op-{scattered(number, OPERATORS):02}"


def subject(number: int) -> str:
    """The id of the subject of an enrolment, as text; those of failed cases are the same people's."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def credential(number: int, kind: int) -> str:
    """The id of an enrolment's credential (kind 1) or of its consent's (2)."""
    return f"{number:08x}-000{kind}-4000-8000-{number:012x}"


def line_id(number: int) -> UUID:
    return UUID(line_id_text(number))


def line_id_text(number: int) -> str:
    return f"{number * _SCATTER & 0xFFFFFFFF:08x}-{number >> 16 & 0xFFFF:04x}-4001-8000-{number:012x}"


def enrollment(number: int) -> str:
    return f"enrollment-{number:08x}"  # shorter than real ones: the whole shall fit on a small disk


def order_number(plan: Plan, number: int) -> str:
    return f"ENR-{plan.begin.year}-{number:07}"


def spelled(moment: datetime) -> str:
    """As the journal hashes it, and as COPY takes it. UTC only."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
