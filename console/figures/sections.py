"""What the pages of figures show: sections of a sentence, a chart and a table. The tables are the CSV files, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from console import words
from console.enrollments.finding import CHANNELS
from console.figures import charts
from enrollment.figures import reading
from enrollment.figures.reading import Asked, Times
from enrollment.models import DurationFigure

Cell = str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column: its heading, and whether its cells are numbers (to the right, with separators).

    `words` are what codes and ids are called on the page; the file keeps the codes.
    """

    text: str
    is_number: bool = True
    decimals: int = 0
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """`name` is its file's; `empty` is said where it has no rows."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str

    @property
    def shown(self) -> list[list[tuple[str, bool]]]:
        """The rows as text, each cell with whether it is a number."""
        return [
            [(_shown(cell, column), column.is_number) for cell, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]


@dataclass(frozen=True)
class Section:
    """`meaning` is what the figure counts, in a sentence."""

    heading: str
    meaning: str
    table: Table
    chart: charts.LineChart | charts.BarChart | None = None


# --- applications ----------------------------------------------------------------------------------------------------


def applications(asked: Asked) -> list[Section]:
    return [
        _funnel(asked),
        _over_time(asked),
        _refusals(asked),
        *(_funnel_by(asked, name) for name in ("program_id", "channel", "utility_id", "agency_id")),
    ]


def _funnel(asked: Asked) -> Section:
    sums = reading.funnel(asked)
    names = _stages()
    rows: list[tuple[str, int, float | None, float | None]] = [
        (names[stage], sums[stage], _share(sums[stage], sums["started"]), _share(sums[stage], sums[before]))
        for stage, before in zip(reading.STAGES, (reading.STAGES[0], *reading.STAGES), strict=False)
    ]
    is_open = sums["started"] - sums["confirmed"] - sums["refused"] - sums["given_up"]
    rows += [
        (_("Refused"), sums["refused"], _share(sums["refused"], sums["started"]), None),
        (_("Withdrawn or run out of time"), sums["given_up"], _share(sums["given_up"], sums["started"]), None),
        (_("Still under way"), is_open, _share(is_open, sums["started"]), None),
    ]
    drawn = [(f"{row[0]}: {row[1]:,} ({_percent(row[2])})", float(row[1])) for row in rows[: len(reading.STAGES)]]
    return Section(
        _("From start to enrolment"),
        _(
            "Applications that began in the period, and how far each has come until now. Started: the first message"
            " came. Identified: we know who it is. Eligible: the program's rules were met. Consented: the person"
            " agreed to what the program needs. Confirmed: they are enrolled."
        ),
        Table(
            "applications",
            _("Applications by stage"),
            (
                Column(_("Stage"), is_number=False),
                Column(_("Applications")),
                Column(_("% of started"), decimals=1),
                Column(_("% of the stage before"), decimals=1),
            ),
            tuple(rows) if sums["started"] else (),
            _no_applications(),
        ),
        charts.bars(_("Applications by stage"), _described(drawn), drawn),
    )


def _over_time(asked: Asked) -> Section:
    points = reading.applications_over_time(asked)
    names = (_("Started"), _("Confirmed"), _("Refused"))
    columns = ("started", "confirmed", "refused")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(point), *(each[name] for name in columns)) for point, each in points.items()
    )
    is_empty = not any(each["started"] for each in points.values())
    series = [(name, [each[column] for each in points.values()]) for name, column in zip(names, columns, strict=True)]
    title = _("Applications over time")
    return Section(
        title,
        _("Applications by the %(point)s they began, and what has become of them until now.") % _point(asked),
        Table("applications-over-time", title, _dated(asked, *names), () if is_empty else rows, _no_applications()),
        None if is_empty else charts.lines(title, _range(asked), _words(points), series),
    )


def _refusals(asked: Asked) -> Section:
    found = reading.refusals(asked)
    total = sum(each["count"] for each in found)
    title = _("Why applications were refused")
    rows = tuple(
        (
            each["code"] or _("(no code)"),
            _("before it was opened") if each["at_the_door"] else _("application"),
            each["count"],
            _share(each["count"], total),
        )
        for each in found
    )
    drawn = [(f"{row[0]}, {row[1]}: {row[2]:,}", float(row[2])) for row in rows[:10]]
    return Section(
        title,
        _(
            "Refusals by the code that the applicant's side was told. Some messages are refused before an application"
            " is opened: those are no application above."
        ),
        Table(
            "refusals",
            title,
            (
                Column(_("Code"), is_number=False),
                Column(_("What was refused"), is_number=False),
                Column(_("Refusals")),
                Column(_("% of all"), decimals=1),
            ),
            rows,
            _("Nothing was refused in this period."),
        ),
        charts.bars(title, _described(drawn), drawn),
    )


def _funnel_by(asked: Asked, dimension: str) -> Section:
    found = reading.funnel_by(asked, dimension)
    name = _dimensions()[dimension]
    names = _stages()
    title = _("Applications by %(what)s") % {"what": name.lower()}
    rows = tuple(
        (
            each["value"] or _not_known(dimension),
            *(each[stage] for stage in reading.STAGES),
            each["refused"],
            each["given_up"],
            _share(each["confirmed"], each["started"]),
        )
        for each in found
    )
    return Section(
        title,
        _meanings()[dimension],
        Table(
            f"applications-by-{_slug(dimension)}",
            title,
            (
                Column(name, is_number=False, words=_called(dimension)),
                *(Column(names[stage]) for stage in reading.STAGES),
                Column(_("Refused")),
                Column(_("Given up")),
                Column(_("% confirmed"), decimals=1),
            ),
            rows,
            _("No agency helped with an application in this period.")
            if dimension == "agency_id"
            else _no_applications(),
        ),
    )


# --- enrolments ------------------------------------------------------------------------------------------------------


def enrollments(asked: Asked) -> list[Section]:
    points = reading.living(asked)
    is_empty = not any(each.living or each.joined or each.ended for each in points.values())
    title, capacity = _("Living enrolments"), _("Capacity of living enrolments")
    rows = tuple((str(point), each.joined, each.ended, each.living) for point, each in points.items())
    nothing = _("There is no enrolment until the end of this period.")
    return [
        Section(
            title,
            _("Enrolments that had been confirmed and had not ended at the end of each %(point)s; paused ones count.")
            % _point(asked),
            Table(
                "enrolments",
                title,
                _dated(asked, _("Joined"), _("Ended"), _("Living")),
                () if is_empty else rows,
                nothing,
            ),
            None
            if is_empty
            else charts.lines(
                title, _range(asked), _words(points), [(_("Living"), [each.living for each in points.values()])]
            ),
        ),
        Section(
            capacity,
            _(
                "The sanctioned load of the living enrolments' meters in kW, as their utilities state it now: what"
                " they may draw, not what a program has moved."
            ),
            Table(
                "capacity",
                capacity,
                _dated(asked, _("kW")),
                () if is_empty else tuple((str(point), round(each.kw)) for point, each in points.items()),
                nothing,
            ),
            None
            if is_empty
            else charts.lines(
                capacity, _range(asked), _words(points), [(_("kW"), [each.kw for each in points.values()])], " kW"
            ),
        ),
        *(_living_by(asked, name) for name in ("program_id", "channel", "utility_id", "agency_id")),
    ]


def _living_by(asked: Asked, dimension: str) -> Section:
    name = _dimensions()[dimension]
    title = _("Enrolments by %(what)s") % {"what": name.lower()}
    rows = tuple(
        (each["value"] or _not_known(dimension), each["living"], round(each["kw"] or 0))
        for each in reading.living_by(asked, dimension)
    )
    return Section(
        title,
        _("Living enrolments and their capacity on %(day)s.") % {"day": asked.until},
        Table(
            f"enrolments-by-{_slug(dimension)}",
            title,
            (Column(name, is_number=False, words=_called(dimension)), Column(_("Living")), Column(_("kW"))),
            rows,
            _("No agency has a living enrolment.")
            if dimension == "agency_id"
            else _("There is no living enrolment on that day."),
        ),
    )


# --- times -----------------------------------------------------------------------------------------------------------


def times(asked: Asked) -> list[Section]:
    return [
        _times(
            asked,
            DurationFigure.Kind.DECISION,
            "time-to-decision",
            _("From the first message to the decision"),
            _(
                "How long it took until an application was confirmed or refused, by the day of the decision. It holds"
                " the time people take to answer, reviews, and utilities that were silent. A time is known to the"
                " width of its bucket."
            ),
            _("Nothing was decided in this period."),
        ),
        _times(
            asked,
            DurationFigure.Kind.PUBLICATION,
            "revocation-to-publication",
            _("From a revocation to its publication"),
            _(
                "How long it took from the moment a credential was revoked until a list that shows it was published,"
                " by the day of the revocation; of all programs, channels and utilities."
            ),
            _("Nothing was revoked and published in this period."),
        ),
    ]


def _times(asked: Asked, kind: DurationFigure.Kind, name: str, title: str, meaning: str, nothing: str) -> Section:
    whole, points = reading.times(kind, asked)
    rows: list[tuple[Cell, ...]] = [(_("Whole period"), whole.count, *_spoken_both(whole))]
    rows += [(str(point), each.count, *_spoken_both(each)) for point, each in points.items() if each.count]
    median, p95 = _("Half of them within"), _("95 of 100 within")
    divisor, unit = _unit([each.p95 for each in points.values()])
    series = [
        (median, [_in(each.median, divisor) for each in points.values()]),
        (p95, [_in(each.p95, divisor) for each in points.values()]),
    ]
    columns = (
        Column(_point_names()[asked.point_is], is_number=False),
        Column(_("How many")),
        Column(median, is_number=False),
        Column(p95, is_number=False),
    )
    return Section(
        title,
        meaning,
        Table(name, title, columns, tuple(rows) if whole.count else (), nothing),
        charts.lines(title, _range(asked), _words(points), series, unit) if whole.count else None,
    )


def _spoken_both(times: Times) -> tuple[str, str]:
    return spoken(times.median), spoken(times.p95)


def spoken(seconds: float | None) -> str:
    """A time in words: 0.4 s, 12 s, 3 min 20 s, 5 h 10 min, 3.5 days."""
    if seconds is None:
        return ""
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"}
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": round(seconds)}
    if seconds < 3_600:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": seconds // 60, "seconds": seconds % 60}
    if seconds < 86_400:
        return _("%(hours)d h %(minutes)d min") % {"hours": seconds // 3_600, "minutes": seconds % 3_600 // 60}
    return _("%(days)s days") % {"days": f"{seconds / 86_400:.1f}"}


def _unit(values: Iterable[float | None]) -> tuple[float, str]:
    """What the chart's axis counts in."""
    most = max((value for value in values if value is not None), default=0.0)
    if most < 180:
        return 1.0, " s"
    if most < 3 * 3_600:
        return 60.0, " min"
    return (3_600.0, " h") if most < 3 * 86_400 else (86_400.0, " d")


def _in(seconds: float | None, divisor: float) -> float | None:
    return None if seconds is None else seconds / divisor


# --- utilities -------------------------------------------------------------------------------------------------------


def utilities(asked: Asked) -> list[Section]:
    found = reading.answers(asked)
    title = _("How the utilities' systems answered")
    rows = tuple(
        (
            each.utility_id,
            each.system,
            each.asked,
            each.declined,
            each.failed,
            100 * each.failed_share,
            each.not_asked,
            spoken(each.times.median),
            spoken(each.times.p95),
        )
        for each in found
    )
    nothing = _("No utility was asked anything in this period.")
    points = reading.answers_over_time(asked)
    over_time, latency = _("Questions that failed"), _("How long answers took")
    shares = [100 * each.failed_share if each.asked else None for each in points.values()]
    median, p95 = _("Half of them within"), _("95 of 100 within")
    return [
        Section(
            title,
            _(
                "Questions that we asked each system. Declined: it understood and said no, which is an answer. Failed:"
                " silence, an error or nonsense. Not asked: we left it alone for some seconds after repeated silence."
                " Times are of the whole question, second tries included."
            ),
            Table(
                "utilities",
                title,
                (
                    Column(_("Utility"), is_number=False),
                    Column(_("System"), is_number=False),
                    Column(_("Asked")),
                    Column(_("Declined")),
                    Column(_("Failed")),
                    Column(_("% failed"), decimals=2),
                    Column(_("Not asked")),
                    Column(_("Half within"), is_number=False),
                    Column(_("95 of 100 within"), is_number=False),
                ),
                rows,
                nothing,
            ),
        ),
        Section(
            over_time,
            _("The share of all questions to utilities that failed, in %%, by %(point)s.") % _point(asked),
            Table(
                "utilities-over-time",
                over_time,
                (
                    *_dated(asked, _("Asked"), _("Failed")),
                    Column(_("% failed"), decimals=2),
                    Column(_("Not asked")),
                ),
                tuple(
                    (str(point), each.asked, each.failed, 100 * each.failed_share, each.not_asked)
                    for point, each in points.items()
                    if each.asked or each.not_asked
                ),
                nothing,
            ),
            charts.lines(over_time, _range(asked), _words(points), [(_("% failed"), shares)], " %"),
        ),
        Section(
            latency,
            _("The time of all questions to utilities, by %(point)s.") % _point(asked),
            Table(
                "utilities-times",
                latency,
                (
                    *_dated(asked, _("Asked")),
                    Column(median, is_number=False),
                    Column(p95, is_number=False),
                ),
                tuple(
                    (str(point), each.asked, *_spoken_both(each.times)) for point, each in points.items() if each.asked
                ),
                nothing,
            ),
            charts.lines(
                latency,
                _range(asked),
                _words(points),
                [
                    (median, [each.times.median for each in points.values()]),
                    (p95, [each.times.p95 for each in points.values()]),
                ],
                " s",
            ),
        ),
    ]


# --- status lists ----------------------------------------------------------------------------------------------------


def lists(asked: Asked) -> list[Section]:
    found = reading.lists(asked)
    title, over_time = _("How full the status lists are"), _("Places over time")
    rows = tuple(
        (
            f"{each.kind} {each.number}",
            each.size,
            each.taken,
            _share(each.taken, each.size),
            each.revoked,
            _share(each.revoked, each.taken),
        )
        for each in found
    )
    drawn = [
        (f"{each.kind} {each.number}: {each.taken:,} / {each.size:,} ({_percent(_share(each.taken, each.size))})",
         each.taken / each.size)
        for each in found
    ]  # fmt: skip
    points = reading.places_over_time(asked)
    nothing = _("No list has been counted by the end of this period.")
    names = (_("Given out"), _("Revoked"))
    is_empty = not any(each["taken"] for each in points.values())
    return [
        Section(
            title,
            _(
                "Places given to credentials in each list on %(day)s, and how many of them are revoked. A full list is"
                " closed and the next one is used; a new one is made long before that."
            )
            % {"day": asked.until},
            Table(
                "status-lists",
                title,
                (
                    Column(_("List"), is_number=False),
                    Column(_("Places")),
                    Column(_("Given out")),
                    Column(_("% given out"), decimals=1),
                    Column(_("Revoked")),
                    Column(_("% of those given out"), decimals=1),
                ),
                rows,
                nothing,
            ),
            charts.bars(title, _described(drawn), drawn, whole=1.0),  # a list that is hardly used is hardly full
        ),
        Section(
            over_time,
            _("All lists together, at the end of each %(point)s.") % _point(asked),
            Table(
                "status-lists-over-time",
                over_time,
                _dated(asked, *names),
                ()
                if is_empty
                else tuple((str(point), each["taken"], each["revoked"]) for point, each in points.items()),
                nothing,
            ),
            None
            if is_empty
            else charts.lines(
                over_time,
                _range(asked),
                _words(points),
                [
                    (names[0], [each["taken"] for each in points.values()]),
                    (names[1], [each["revoked"] for each in points.values()]),
                ],
            ),
        ),
    ]


#: The pages by name: what makes their sections.
MAKERS: Mapping[str, Callable[[Asked], list[Section]]] = {
    "figures": applications,
    "figures-enrollments": enrollments,
    "figures-times": times,
    "figures-utilities": utilities,
    "figures-lists": lists,
}


# --- words -----------------------------------------------------------------------------------------------------------


def _stages() -> dict[str, str]:
    return {
        "started": _("Started"),
        "identified": _("Identified"),
        "eligible": _("Eligible"),
        "consented": _("Consented"),
        "confirmed": _("Confirmed"),
    }


def _dimensions() -> dict[str, str]:
    return {
        "program_id": _("Program"),
        "channel": _("Channel"),
        "utility_id": _("Utility"),
        "agency_id": _("Agency"),
    }


def _called(dimension: str) -> Mapping[str, Any]:
    """What the values of a dimension are called."""
    if dimension == "program_id":
        return words.programs()
    return CHANNELS if dimension == "channel" else {}


def _meanings() -> dict[str, str]:
    return {
        "program_id": _("The same applications for each program."),
        "channel": _(
            "The same applications by how they came. The file has the codes: PORTAL, EA for an agency, SDK for an"
            " application, CSR for the telephone, BULK for a file of many."
        ),
        "utility_id": _("The same applications by the utility of their first meter."),
        "agency_id": _("The applications that an enrolment agency helped with; the 50 with the most."),
    }


def _point_names() -> dict[str, str]:
    return {"day": _("Day"), "week": _("Week from"), "month": _("Month from")}


def _no_applications() -> str:
    return _("No application began in this period. Choose an earlier first day, or fewer filters.")


def _point(asked: Asked) -> dict[str, str]:
    return {"point": {"day": _("day"), "week": _("week"), "month": _("month")}[asked.point_is]}


def _dated(asked: Asked, *names: str) -> tuple[Column, ...]:
    return (Column(_point_names()[asked.point_is], is_number=False), *(Column(name) for name in names))


def _not_known(dimension: str) -> str:
    return _("(none)") if dimension == "agency_id" else _("(not known)")


def _slug(dimension: str) -> str:
    return dimension.removesuffix("_id")


def _share(part: float, whole: float) -> float | None:
    """In percent; None of nothing."""
    return 100 * part / whole if whole else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1f} %"


def _shown(cell: Cell, column: Column) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return str(column.words.get(cell, cell))
    return f"{cell:,.{column.decimals}f}"


def _words(points: Iterable[date]) -> list[str]:
    return [f"{each:%-d %b %y}" for each in points]


def _range(asked: Asked) -> str:
    said = {"since": asked.since, "until": asked.until, **_point(asked)}
    return _("From %(since)s to %(until)s by %(point)s. The table below has the numbers.") % said


def _described(rows: Sequence[tuple[str, Any]]) -> str:
    return "; ".join(text for text, _ in rows)
