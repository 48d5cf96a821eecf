"""Who stands where when a program stops taking people: counted no further than somebody would read. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from enrollment.models import Enrollment, EnrollmentCase, Program
from enrollment.states import LIVE_ENROLLMENT_STATES, OPEN_CASE_STATES

#: What is more is told as "more than".
MOST = 10_000


@dataclass(frozen=True)
class Counted:
    """A number that was counted up to MOST."""

    number: int

    @property
    def is_more(self) -> bool:
        return self.number > MOST

    @property
    def shown(self) -> int:
        return min(self.number, MOST)


@dataclass(frozen=True)
class Stranded:
    """Open applications by their state, and enrolments that go on whatever becomes of the program."""

    cases: Mapping[str, int]
    enrolled: Counted

    @property
    def open_cases(self) -> Counted:
        return Counted(sum(self.cases.values()))


def of(program: Program) -> Stranded:
    """What a program has open, at most MOST + 1 of each."""
    states = [str(state) for state in OPEN_CASE_STATES]
    open_ = EnrollmentCase.objects.filter(program_id=program.program_id, state__in=states).order_by()
    counted = (
        EnrollmentCase.objects.filter(pk__in=open_.values("pk")[: MOST + 1])
        .order_by()
        .values_list("state")
        .annotate(Count("pk"))
    )
    versions = list(program.versions.values_list("pk", flat=True))
    living = Enrollment.objects.filter(program_version__in=versions, state__in=[str(s) for s in LIVE_ENROLLMENT_STATES])
    by_state = dict(counted)
    return Stranded({state: by_state[state] for state in states if by_state.get(state)}, capped(living))


def capped(rows: QuerySet[Enrollment]) -> Counted:
    """Count, but not further than MOST + 1."""
    return Counted(rows.order_by()[: MOST + 1].count())
