"""What an enrolment wants of the claims table, and what stands in its way: the same for hold, claim and a moved end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from enrollment import claims, conflicts
from enrollment.dates import Period
from enrollment.models import EnrollmentCase, ProgramVersion
from enrollment.states import Control, Partial
from utility_systems import registry


@dataclass(frozen=True)
class Contest:
    """Under the locks: which meters are `free`, the conflicts `found` on the others, and whether they stop it all.

    A taken device stops everything; a taken meter only where none is left or the program takes all or nothing.
    """

    wanted: tuple[conflicts.Wanted, ...]
    free: tuple[str, ...]
    found: tuple[conflicts.Conflict, ...]
    is_stopped: bool

    @property
    def to_be_held(self) -> tuple[conflicts.Wanted, ...]:
        return tuple(w for w in self.wanted if w.kind == "DER" or w.reference in self.free)


def contest(
    case: EnrollmentCase,
    version: ProgramVersion,
    umids: Sequence[str],
    der_ids: Sequence[str],
    period: Period,
    *,
    utility_id: str,
    now: datetime,
) -> Contest:
    """Lock the resources until the transaction ends, release what may be released, and see who is there."""
    assert case.subject_id is not None
    wanted = wanted_of(version, umids, der_ids)
    claimant = claims.Claimant(case.pk, case.subject_id, version.program_id)
    claims.lock(wanted)
    claims.release_what_may_be_released(wanted, claimant, now)
    zone = registry.zone(utility_id)
    there = claims.incumbents(wanted, claimant, period.starts_at, period.ends_at, zone=zone, now=now)
    found = find_conflicts(version, wanted, there)
    blocked = {c.reference for c in found if c.kind == "METER"}
    free = tuple(umid for umid in umids if umid not in blocked)
    is_stopped = bool(found) and (
        not free or version.partial == Partial.ALL_OR_NOTHING or any(c.kind == "DER" for c in found)
    )
    return Contest(wanted, free, found, is_stopped)


def wanted_of(version: ProgramVersion, umids: Sequence[str], der_ids: Sequence[str]) -> tuple[conflicts.Wanted, ...]:
    return conflicts.wanted_resources(
        umids, der_ids, group=version.conflict_group, is_direct_control=version.control == Control.DIRECT
    )


def find_conflicts(
    version: ProgramVersion, wanted: Sequence[conflicts.Wanted], there: Sequence[conflicts.Incumbent]
) -> tuple[conflicts.Conflict, ...]:
    if not there:
        return ()
    return conflicts.find(
        wanted,
        there,
        program_id=version.program.program_id,
        denied_groups=claims.denied_groups(version.conflict_group),
    )
