"""Which enrolments staff means: by state, program, channel, agency and day; for looking, and for acting on many.

What is narrowed walks an index in the order of the applications (`case`), so that a page costs a page among a million.
Source: issue of the console (3), screens C2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import QuerySet

from enrollment.models import Enrollment, ProgramVersion

#: Keys are given out in the order of enrolling, but for those that enrol at the same moment.
_OUT_OF_ORDER = 10_000


@dataclass(frozen=True)
class Filter:
    """`enrolled_from` and `enrolled_until` are days (UTC), both included; what is empty does not narrow."""

    state: str = ""
    program: str = ""
    channel: str = ""
    agency: str = ""
    enrolled_from: date | None = None
    enrolled_until: date | None = None

    @property
    def is_empty(self) -> bool:
        return not any(asdict(self).values())

    def rows(self) -> QuerySet[Enrollment]:
        """The enrolments that are meant, in no order."""
        rows: QuerySet[Enrollment] = Enrollment.objects.all()
        if self.state:
            rows = rows.filter(state=self.state)
        if self.program:
            # By the versions' keys, not by a join: the planner then knows how many there are of each.
            versions = ProgramVersion.objects.filter(program__program_id=self.program)
            rows = rows.filter(program_version__in=list(versions.values_list("pk", flat=True)))
        if self.channel:
            rows = rows.filter(case__channel=self.channel)
        if self.agency:
            rows = rows.filter(case__agency_id=self.agency)
        if self.enrolled_from:
            first = _midnight(self.enrolled_from)
            rows = rows.filter(enrolled_at__gte=first, pk__gte=_key_at(first) - _OUT_OF_ORDER)
        if self.enrolled_until:
            last = _midnight(self.enrolled_until + timedelta(days=1))
            rows = rows.filter(enrolled_at__lt=last, pk__lt=_key_at(last) + _OUT_OF_ORDER)
        return rows

    def rows_to_page(self) -> QuerySet[Enrollment]:
        """The same, for reading the newest of them; no part of another query, which would call the tables otherwise."""
        rows = self.rows()
        if self.channel or self.agency:
            # The newest applications are nobody's enrolment yet; the planner, which walks them, cannot know.
            newest = Enrollment.objects.order_by("-case_id").values_list("case_id", flat=True).first()
            rows = rows.extra(where=["enrollment_cases.id <= %s"], params=[newest or 0])
        return rows

    @property
    def key(self) -> str:
        """The field in whose order a page of them is read: the row's own key knows the days."""
        return "pk" if self.enrolled_from or self.enrolled_until else "case_id"

    def kept(self) -> dict[str, str]:
        """What of it is kept with an act (JSON), and stands in an address."""
        found = {name: value for name, value in asdict(self).items() if value}
        return {name: value.isoformat() if isinstance(value, date) else str(value) for name, value in found.items()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The filter that `kept` was made of."""
        first, last = kept.get("enrolled_from"), kept.get("enrolled_until")
        return cls(
            state=str(kept.get("state", "")),
            program=str(kept.get("program", "")),
            channel=str(kept.get("channel", "")),
            agency=str(kept.get("agency", "")),
            enrolled_from=date.fromisoformat(first) if first else None,
            enrolled_until=date.fromisoformat(last) if last else None,
        )

    @property
    def query(self) -> str:
        """It as the query of an address."""
        return urlencode(self.kept())


def _key_at(at: datetime) -> int:
    """The key of the first enrolment from a moment on; one past the last where there is none."""
    later = Enrollment.objects.filter(enrolled_at__gte=at).order_by("enrolled_at")
    found = later.values_list("pk", flat=True).first()
    if found is not None:
        return int(found)
    newest = Enrollment.objects.order_by("-pk").values_list("pk", flat=True).first()
    return int(newest or 0) + 1


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
