"""Adding the kept figures up for a page: a handful of sums over days, never over applications. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from enrollment.figures.buckets import DECISION, PUBLICATION, percentile
from enrollment.models import DailyFigure, DurationFigure, FigureCursor, ListFigure, RefusalFigure
from utility_systems import calls
from utility_systems.models import CallFigure

STAGES = ("started", "identified", "eligible", "consented", "confirmed")
DIMENSIONS = ("program_id", "channel", "utility_id", "agency_id")
MOST_ROWS = 50
_BY_DAY, _BY_WEEK = 62, 400  # days of a period up to which its points are days, weeks; then months


@dataclass(frozen=True)
class Asked:
    """The days asked for, both inclusive (UTC), and what the figures are narrowed to; "" for all."""

    since: date
    until: date
    program_id: str = ""
    channel: str = ""
    utility_id: str = ""
    agency_id: str = ""

    def narrowed(self, rows: QuerySet[Any], *names: str) -> QuerySet[Any]:
        """Rows of what is asked for, whatever their day. `names` are the dimensions that these rows have."""
        wanted = {name: value for name in names or DIMENSIONS if (value := getattr(self, name))}
        return rows.filter(**wanted)

    def within(self, rows: QuerySet[Any], *names: str) -> QuerySet[Any]:
        return self.narrowed(rows, *names).filter(day__gte=self.since, day__lte=self.until)

    def point_of(self, day: date) -> date:
        """The first day of the point that a day belongs to: itself, its week's Monday, its month's first."""
        days = (self.until - self.since).days + 1
        if days <= _BY_DAY:
            return day
        return max(self.since, day - timedelta(days=day.weekday()) if days <= _BY_WEEK else day.replace(day=1))

    @property
    def points(self) -> list[date]:
        """The first days of all points, in order."""
        days = (self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1))
        return sorted({self.point_of(day) for day in days})

    @property
    def point_is(self) -> str:
        """day, week or month."""
        days = (self.until - self.since).days + 1
        return "day" if days <= _BY_DAY else "week" if days <= _BY_WEEK else "month"


def counted_until() -> FigureCursor | None:
    """How far everything is counted; None where nothing ever was."""
    return FigureCursor.objects.exclude(read_at=None).first()


# --- applications ----------------------------------------------------------------------------------------------------


def funnel(asked: Asked) -> dict[str, int]:
    """How many applications came to each stage, were refused and given up; of those that began in the period."""
    sums = asked.within(DailyFigure.objects.all()).aggregate(
        **{name: Sum(name) for name in (*STAGES, "refused", "given_up")}
    )
    return {name: value or 0 for name, value in sums.items()}


def funnel_by(asked: Asked, dimension: str) -> list[dict[str, Any]]:
    """The same for each program, channel, utility or agency, the most begun first."""
    rows = asked.within(DailyFigure.objects.all()).values(value=F(dimension))
    if dimension == "agency_id":
        rows = rows.exclude(agency_id="")
    rows = rows.annotate(**{name: Sum(name) for name in (*STAGES, "refused", "given_up")})
    return list(rows.filter(started__gt=0).order_by("-started")[:MOST_ROWS])


def refusals(asked: Asked) -> list[dict[str, Any]]:
    """How many were refused with each code, of an application or at the door, the most first."""
    rows = asked.within(RefusalFigure.objects.all()).values("code", "at_the_door")
    return list(rows.annotate(count=Sum("count")).filter(count__gt=0).order_by("-count", "code")[:MOST_ROWS])


def applications_over_time(asked: Asked) -> dict[date, dict[str, int]]:
    """Begun, confirmed and refused by point, of those that began then."""
    rows = asked.within(DailyFigure.objects.all()).values("day")
    rows = rows.annotate(started=Sum("started"), confirmed=Sum("confirmed"), refused=Sum("refused"))
    return _by_point(asked, rows, ("started", "confirmed", "refused"))


# --- enrolments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Enrolments that lived at the end of a point, their capacity, and what came and went in it."""

    joined: int
    ended: int
    living: int
    kw: float


def living(asked: Asked) -> dict[date, Standing]:
    """Living enrolments and their capacity at the end of each point."""
    names = ("joined", "ended", "joined_kw", "ended_kw")
    sums = {name: Sum(name) for name in names}
    before = asked.narrowed(DailyFigure.objects.all()).filter(day__lt=asked.since).aggregate(**sums)
    number = (before["joined"] or 0) - (before["ended"] or 0)
    kw = (before["joined_kw"] or 0.0) - (before["ended_kw"] or 0.0)
    found = {}
    moved = _by_point(asked, asked.within(DailyFigure.objects.all()).values("day").annotate(**sums), names)
    for point, values in moved.items():
        number += int(values["joined"] - values["ended"])
        kw += values["joined_kw"] - values["ended_kw"]
        found[point] = Standing(int(values["joined"]), int(values["ended"]), number, max(kw, 0.0))
    return found


def living_by(asked: Asked, dimension: str) -> list[dict[str, Any]]:
    """Living enrolments and capacity at the end of the period, for each value of a dimension, the most first."""
    rows = asked.narrowed(DailyFigure.objects.all()).filter(day__lte=asked.until).values(value=F(dimension))
    if dimension == "agency_id":
        rows = rows.exclude(agency_id="")
    rows = rows.annotate(living=Sum("joined") - Sum("ended"), kw=Sum("joined_kw") - Sum("ended_kw"))
    return list(rows.filter(living__gt=0).order_by("-living")[:MOST_ROWS])


# --- times -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """How many, and within how many seconds half of them and 95 of a hundred were done."""

    count: int
    median: float | None
    p95: float | None


def times(kind: DurationFigure.Kind, asked: Asked) -> tuple[Times, dict[date, Times]]:
    """Over the whole period, and by point."""
    bounds = DECISION if kind == DurationFigure.Kind.DECISION else PUBLICATION
    names = ("program_id", "channel", "utility_id") if kind == DurationFigure.Kind.DECISION else ()
    rows = DurationFigure.objects.filter(kind=kind, day__gte=asked.since, day__lte=asked.until)
    rows = asked.narrowed(rows, *names) if names else rows
    by_point: dict[date, dict[int, int]] = {point: {} for point in asked.points}
    whole: dict[int, int] = defaultdict(int)
    for day, bucket, count in rows.values_list("day", "bucket").annotate(count=Sum("count")):
        whole[bucket] += count
        counts = by_point[asked.point_of(day)]
        counts[bucket] = counts.get(bucket, 0) + count
    return _times(whole, bounds), {point: _times(counts, bounds) for point, counts in by_point.items()}


def _times(counts: Mapping[int, int], bounds: Sequence[float]) -> Times:
    return Times(sum(counts.values()), percentile(counts, 50, bounds), percentile(counts, 95, bounds))


# --- utilities -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """How a utility's system answered: `declined` are questions it refused, `failed` silence and nonsense."""

    utility_id: str
    system: str
    answered: int
    declined: int
    failed: int
    not_asked: int
    times: Times

    @property
    def asked(self) -> int:
        return self.answered + self.declined + self.failed

    @property
    def failed_share(self) -> float:
        """0 to 1, of the questions that were asked."""
        return self.failed / self.asked if self.asked else 0.0


def answers(asked: Asked) -> list[Answers]:
    """Each system over the period."""
    found: dict[tuple[str, str], dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    rows = _calls(asked).values_list("utility_id", "system", "outcome", "bucket").annotate(count=Sum("count"))
    for utility_id, system, outcome, bucket, count in rows:
        found[utility_id, system][outcome][bucket] = count
    return [_answers(*key, outcomes) for key, outcomes in sorted(found.items())]


def answers_over_time(asked: Asked) -> dict[date, Answers]:
    """All of them together, by point."""
    found: dict[date, dict[str, dict[int, int]]] = {point: defaultdict(dict) for point in asked.points}
    rows = _calls(asked).values_list("hour__date", "outcome", "bucket").annotate(count=Sum("count"))
    for day, outcome, bucket, count in rows:
        counts = found[asked.point_of(day)][outcome]
        counts[bucket] = counts.get(bucket, 0) + count
    return {point: _answers("", "", outcomes) for point, outcomes in found.items()}


def _calls(asked: Asked) -> QuerySet[CallFigure]:
    rows = CallFigure.objects.filter(hour__date__gte=asked.since, hour__date__lte=asked.until)
    return rows.filter(utility_id=asked.utility_id) if asked.utility_id else rows


def _answers(utility_id: str, system: str, outcomes: Mapping[str, Mapping[int, int]]) -> Answers:
    def number(outcome: str) -> int:
        return sum(outcomes.get(outcome, {}).values())

    took: dict[int, int] = defaultdict(int)
    for outcome in (CallFigure.Outcome.ANSWERED, CallFigure.Outcome.DECLINED, CallFigure.Outcome.FAILED):
        for bucket, count in outcomes.get(outcome, {}).items():
            took[bucket] += count
    return Answers(
        utility_id,
        system,
        answered=number("ANSWERED"),
        declined=number("DECLINED"),
        failed=number("FAILED"),
        not_asked=number("NOT_ASKED"),
        times=_times(took, calls.BOUNDS),
    )


# --- status lists ----------------------------------------------------------------------------------------------------


def lists(asked: Asked) -> list[ListFigure]:
    """Each list as it stood at the end of the period."""
    rows = ListFigure.objects.filter(day__lte=asked.until).order_by("status_list_id", "-day")
    newest = rows.distinct("status_list_id")
    return sorted(newest, key=lambda each: (each.kind, each.number))


def places_over_time(asked: Asked) -> dict[date, dict[str, int]]:
    """Places given out and revoked over all lists at the end of each point.

    A list without a row on a day stands as on its last one.
    """
    changes: dict[date, dict[int, tuple[int, int]]] = defaultdict(dict)
    stands: dict[int, tuple[int, int]] = {}
    before = ListFigure.objects.filter(day__lt=asked.since).order_by("status_list_id", "-day")
    for each in before.distinct("status_list_id"):
        stands[each.status_list_id] = (each.taken, each.revoked)
    rows = ListFigure.objects.filter(day__gte=asked.since, day__lte=asked.until).order_by("day")
    for day, status_list, taken, revoked in rows.values_list("day", "status_list_id", "taken", "revoked"):
        changes[asked.point_of(day)][status_list] = (taken, revoked)
    found = {}
    for point in asked.points:
        stands |= changes.get(point, {})
        found[point] = {
            "taken": sum(taken for taken, _ in stands.values()),
            "revoked": sum(revoked for _, revoked in stands.values()),
        }
    return found


def _by_point(asked: Asked, rows: Any, names: Sequence[str]) -> dict[date, dict[str, Any]]:
    found: dict[date, dict[str, Any]] = {point: dict.fromkeys(names, 0) for point in asked.points}
    for row in rows:
        sums = found[asked.point_of(row["day"])]
        for name in names:
            sums[name] += row[name] or 0
    return found


def is_late(cursor: FigureCursor, now: datetime) -> bool:
    """Whether the figures are older than a working worker would leave them."""
    return cursor.read_at is not None and now - cursor.read_at > timedelta(minutes=15)


def agencies_with_figures() -> list[str]:
    """Agencies that ever helped with an application."""
    rows = DailyFigure.objects.exclude(Q(agency_id="")).order_by("agency_id")
    return list(rows.values_list("agency_id", flat=True).distinct())
