"""Who may be in which programs at once: the rules of spec conflicts over claims. Pure.

The services hand in the live claims that overlap the wanted period on the wanted resources; `find` says which of
them are conflicts and of which kind, all of them, the primary first (order R8, R1, R2, R3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from enrollment.codes import Code, Refusal

#: The reserved group of a DER under direct control: two controllers of one device exclude each other (rule R2).
CONTROL_GROUP = "CONTROL"


class Rule(StrEnum):
    """In the order in which they are reported."""

    R8 = "R8"
    R1 = "R1"
    R2 = "R2"
    R3 = "R3"


_WIRE_TYPES = {
    Rule.R8: "DATE_OVERLAP",
    Rule.R1: "METER_ALREADY_ENROLLED",
    Rule.R2: "DER_ALREADY_ENROLLED",
    Rule.R3: "PROGRAM_CONFLICT",
}


def resource_key(kind: str, reference: str) -> int:
    """The one source of claim keys and lock numbers: a stable integer in [0, 2^62) for e.g. ("METER", "umid-001").

    Also used for conflict groups (`kind` "GROUP"). Source: decision 45.
    """
    digest = sha256(f"{kind}\x00{reference}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


@dataclass(frozen=True)
class Wanted:
    """One resource that a case wants in one conflict group."""

    kind: str
    reference: str
    group: str

    @property
    def resource(self) -> int:
        return resource_key(self.kind, self.reference)

    @property
    def group_key(self) -> int:
        return resource_key("GROUP", self.group)


@dataclass(frozen=True)
class Incumbent:
    """A live claim of somebody on a wanted resource, overlapping the wanted period.

    `ends_at` None: open-ended. `is_hold`: only reserved during another application, not enrolled. `group` is what it
    holds the resource in; `program_group` its program's own, which differs for a DER under direct control.
    """

    kind: str
    reference: str
    group: str
    starts_at: datetime
    ends_at: datetime | None
    is_hold: bool
    is_same_subject: bool
    program_id: str
    enrollment_id: str = ""
    program_group: str = ""


@dataclass(frozen=True)
class Conflict:
    """A conflict as it may be told: ids are empty where the other enrolment is another person's (spec, privacy)."""

    rule: Rule
    reference: str
    kind: str
    reason: str
    enrollment_id: str = ""
    program_id: str = ""
    free_from: datetime | None = None

    @property
    def conflict_type(self) -> str:
        return _WIRE_TYPES[self.rule]


def wanted_resources(
    umids: Iterable[str], der_ids: Iterable[str], *, group: str, is_direct_control: bool
) -> tuple[Wanted, ...]:
    """What an enrolment claims: its meters in the program's group, its DERs in CONTROL or the group (decision 45)."""
    der_group = CONTROL_GROUP if is_direct_control else group
    return tuple([Wanted("METER", u, group) for u in umids] + [Wanted("DER", d, der_group) for d in der_ids])


def find(
    wanted: Sequence[Wanted],
    incumbents: Iterable[Incumbent],
    *,
    program_id: str,
    denied_groups: Collection[str],
) -> tuple[Conflict, ...]:
    """All conflicts between what is wanted and who is there, the primary first.

    `denied_groups`: groups that the pair table sets to DENY with the program's own (rule R3).
    """
    by_resource: dict[tuple[str, str], str] = {(w.kind, w.reference): w.group for w in wanted}
    found: list[Conflict] = []
    # The earliest claim first, so that the primary conflict does not depend on the order in which rows came back.
    for incumbent in sorted(incumbents, key=lambda i: (i.starts_at, i.enrollment_id, i.program_id)):
        group = by_resource.get((incumbent.kind, incumbent.reference))
        if group is None:
            continue
        rule = _rule(incumbent, group, program_id, denied_groups)
        if rule is not None:
            found.append(_told(rule, incumbent))
    order = list(Rule)
    return tuple(sorted(found, key=lambda c: (order.index(c.rule), c.kind, c.reference)))


def _rule(incumbent: Incumbent, group: str, program_id: str, denied_groups: Collection[str]) -> Rule | None:
    is_same_program = incumbent.program_id == program_id
    if incumbent.kind == "METER" and incumbent.is_same_subject and is_same_program and not incumbent.is_hold:
        return Rule.R8
    if incumbent.group == group:
        return Rule.R1 if incumbent.kind == "METER" else Rule.R2
    if incumbent.group in denied_groups or incumbent.program_group in denied_groups:
        return Rule.R3
    return None


def _told(rule: Rule, incumbent: Incumbent) -> Conflict:
    # A hold ends by itself in minutes, so its claim period would be a wrong date to come back at.
    free_from = None if incumbent.is_hold else incumbent.ends_at
    if not incumbent.is_same_subject:
        reason = f"{_thing(incumbent)} is already enrolled in another program"
        return Conflict(rule, incumbent.reference, incumbent.kind, reason, free_from=free_from)
    if incumbent.is_hold:
        reason = f"{_thing(incumbent)} is reserved by another application for {incumbent.program_id}"
        return Conflict(rule, incumbent.reference, incumbent.kind, reason, program_id=incumbent.program_id)
    until = f" to {_day(incumbent.ends_at)}" if incumbent.ends_at else ""
    reason = (
        f"{_thing(incumbent)} is already enrolled in {incumbent.program_id} from {_day(incumbent.starts_at)}{until}"
    )
    return Conflict(
        rule,
        incumbent.reference,
        incumbent.kind,
        reason,
        enrollment_id=incumbent.enrollment_id,
        program_id=incumbent.program_id,
        free_from=free_from,
    )


def _thing(incumbent: Incumbent) -> str:
    return f"{'Meter' if incumbent.kind == 'METER' else 'Device'} {incumbent.reference}"


def _day(instant: datetime) -> date:
    return instant.date()


def refusal(conflicts: Sequence[Conflict]) -> Refusal:
    """The guide's 18.2.2 error for the primary conflict."""
    primary = conflicts[0]
    thing = "Meter" if primary.kind == "METER" else "Device"
    details: dict[str, Any] = {}
    if primary.enrollment_id:
        details["conflicting_enrollment_id"] = primary.enrollment_id
    if primary.free_from is not None:
        details["conflict_end_date"] = primary.free_from
    where = "this program under another order" if primary.rule is Rule.R8 else "another program"
    return Refusal(
        Code.ENROLLMENT_CONFLICT,
        f"Enrollment conflicts with existing enrollment. {thing} {primary.reference} is already enrolled in {where}.",
        field="conflicts",
        details=details,
    )
