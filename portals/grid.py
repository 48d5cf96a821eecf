"""The meter × program matrix laid out: a line per meter, a column per program, a verdict in each cell (personas P2).

Pure: reads the answers that `portals.matrix` has kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portals import reading
from portals.models import CatalogProgram, MatrixAnswer

#: An open question is waited for so long; after it the page says that nobody answered.
PATIENCE = timedelta(seconds=60)
#: Cells one answer is read up to.
MOST_CELLS = 1000

#: What a cell may be, in the order in which it is worth looking at. NOT_ASKED and NO_ANSWER are ours.
STATES = (
    "CAN_ENROLL",
    "NEEDS_ACTION",
    "NO_CONSENT",
    "WAITLIST",
    "PENDING",
    "ENROLLED",
    "CONFLICT",
    "NOT_ELIGIBLE",
    "UNKNOWN",
    "NO_ANSWER",
    "NOT_OFFERED",
)
#: Cells that a basket takes.
CAN_BE_CHOSEN = frozenset({"CAN_ENROLL", "NEEDS_ACTION", "NO_CONSENT"})


@dataclass(frozen=True)
class Column:
    """A program. `answered_at` is the oldest of its answers; `refusal_code` why its owner did not look at all."""

    row: CatalogProgram
    program: reading.ProgramView
    answered_at: datetime | None
    is_waiting: bool
    refusal_code: str


@dataclass(frozen=True)
class Box:
    """One cell as it is shown. `value` names it in the form; attributes as `portal/reasons/cell.html` reads them."""

    column: Column
    state: str
    value: str
    reasons: tuple[reading.Reason, ...] = ()
    actions: tuple[reading.CellAction, ...] = ()
    until: datetime | None = None
    earliest_start: datetime | None = None
    enrollment_id: str = ""
    is_in_basket: bool = False

    @property
    def cell(self) -> str:
        return self.state

    @property
    def can_be_chosen(self) -> bool:
        is_paused = self.state == "NO_CONSENT" and self.enrollment_id != ""  # enrolled already, without its agreement
        return self.state in CAN_BE_CHOSEN and not is_paused


@dataclass(frozen=True)
class Own:
    """What the person themselves has done with a meter and a program since somebody answered about it."""

    state: str
    at: datetime


#: By the program's key and the meter.
OwnActs = Mapping[tuple[int, str], Own]


@dataclass(frozen=True)
class Line:
    """A meter. `ending`: the last characters of its number, `site` what the utility calls the place."""

    umid: str
    utility_id: str
    ending: str
    address: str
    site: str
    connection: str
    load_kw: float | None
    boxes: tuple[Box, ...]

    @property
    def states(self) -> frozenset[str]:
        return frozenset(box.state for box in self.boxes)

    @property
    def place(self) -> str:
        """What several meters stand together under."""
        return self.site or self.address


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    utilities: tuple[str, ...]
    sites: tuple[str, ...]
    answered_at: datetime | None
    is_waiting: bool
    silent: tuple[str, ...]

    def box(self, slug: str, umid: str) -> tuple[Line, Box] | None:
        return next(
            (
                (line, box)
                for line in self.lines
                if line.umid == umid
                for box in line.boxes
                if box.column.row.slug == slug
            ),
            None,
        )


def table(
    rows: Sequence[MatrixAnswer],
    locale: str,
    now: datetime,
    in_basket: frozenset[tuple[int, str]] = frozenset(),
    own: OwnActs | None = None,
) -> Table:
    """All that is known, a line per meter and a column per program.

    `in_basket` holds (program's key, UMID); `own` what is newer than the answers. A meter
    stands once, even where two answers name it (rule R-P2.1).
    """
    columns = {
        row.program_id: _column(row.program, [r for r in rows if r.program_id == row.program_id], locale, now)
        for row in rows
    }
    cells: dict[str, dict[int, reading.Cell]] = {}
    about: dict[str, dict[str, Any]] = {}
    silent: dict[str, set[int]] = {}
    for row in rows:
        for utility_id in row.unavailable:
            silent.setdefault(str(utility_id), set()).add(row.program_id)
        for known in maps(row.cells.get("known")):
            umid = known.get("umid")
            if isinstance(umid, str) and umid:
                about.setdefault(umid, {"utility_id": row.utility_id}).update(_of_utility(known))
        for cell in reading.selected(told_of(row)).eligibility[:MOST_CELLS]:
            if not cell.meter_id or cell.program_id not in ("", row.program.program_id):
                continue
            cells.setdefault(cell.meter_id, {}).setdefault(row.program_id, cell)
            facts = about.setdefault(cell.meter_id, {"utility_id": cell.utility_id or row.utility_id})
            for name, value in _of_provider(cell).items():
                facts.setdefault(name, value)
    lines = [
        _line(umid, facts, columns, cells.get(umid, {}), silent, in_basket, own or {}) for umid, facts in about.items()
    ]
    lines.sort(key=lambda line: (line.utility_id, line.place, line.address, line.ending, line.umid))
    answered = [column.answered_at for column in columns.values() if column.answered_at is not None]
    return Table(
        columns=tuple(columns.values()),
        lines=tuple(lines),
        utilities=tuple(sorted({line.utility_id for line in lines})),
        sites=tuple(sorted({line.place for line in lines if line.place})),
        answered_at=min(answered, default=None),
        is_waiting=any(column.is_waiting for column in columns.values()),
        silent=tuple(sorted(silent)),
    )


def _column(program: CatalogProgram, rows: Sequence[MatrixAnswer], locale: str, now: datetime) -> Column:
    answered = [row.answered_at for row in rows if row.answered_at is not None]
    return Column(
        row=program,
        program=reading.program(program.item, locale),
        answered_at=min(answered, default=None),
        is_waiting=any(row.asked_at is not None and now - row.asked_at < PATIENCE for row in rows),
        refusal_code=next((row.refusal_code for row in rows if row.refusal_code), ""),
    )


def _of_utility(known: Mapping[str, Any]) -> dict[str, Any]:
    """What the customer's own utility tells of a meter; it is believed before the provider's words."""
    load = known.get("sanctionedLoadKw")
    found = {
        "ending": ending(_text(known.get("number"))),
        "address": _text(known.get("address")),
        "site": _text(known.get("site")),
        "connection": _text(known.get("connectionType")).upper(),
        "load_kw": float(load) if isinstance(load, int | float) and not isinstance(load, bool) else None,
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def _of_provider(cell: reading.Cell) -> dict[str, Any]:
    found = {
        "ending": ending(cell.number),
        "site": cell.site_id,
        "connection": cell.connection_type.upper(),
        "load_kw": cell.sanctioned_load_kw,
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(
    umid: str,
    facts: Mapping[str, Any],
    columns: Mapping[int, Column],
    cells: Mapping[int, reading.Cell],
    silent: Mapping[str, set[int]],
    in_basket: frozenset[tuple[int, str]],
    own: OwnActs,
) -> Line:
    utility_id = str(facts["utility_id"])
    boxes = []
    for key, column in columns.items():
        cell = cells.get(key)
        # A meter that its utility could not be asked about is no refused one (P2-6).
        is_silent = key in silent.get(utility_id, set())
        mine = own.get((key, umid))
        if mine is not None and (column.answered_at is None or mine.at > column.answered_at):
            boxes.append(Box(column, mine.state, f"{column.row.slug} {umid}"))
            continue
        missing = "UNKNOWN" if is_silent else "NO_ANSWER" if column.answered_at is None else "NOT_OFFERED"
        boxes.append(
            Box(
                column=column,
                state=cell.cell if cell is not None and cell.cell in STATES else "UNKNOWN" if cell else missing,
                value=f"{column.row.slug} {umid}",
                reasons=cell.reasons if cell else (),
                actions=cell.actions if cell else (),
                until=(cell.until or cell.earliest_start) if cell else None,
                earliest_start=cell.earliest_start if cell else None,
                enrollment_id=cell.enrollment_id if cell else "",
                is_in_basket=(key, umid) in in_basket,
            )
        )
    return Line(
        umid=umid,
        utility_id=utility_id,
        ending=str(facts.get("ending", "")),
        address=str(facts.get("address", "")),
        site=str(facts.get("site", "")),
        connection=str(facts.get("connection", "")),
        load_kw=facts.get("load_kw"),
        boxes=tuple(boxes),
    )


#: How lines can be put in order.
SORTS = ("site", "meter", "load", "ready")


def narrowed(found: Table, *, utility: str = "", site: str = "", state: str = "", sort: str = "") -> list[Line]:
    """The lines that are asked for: of a utility, at a site, with a cell of this state; in this order."""
    lines = [
        line
        for line in found.lines
        if (not utility or line.utility_id == utility)
        and (not site or line.place == site)
        and (not state or state in line.states)
    ]
    if sort == "meter":
        lines.sort(key=lambda line: (line.ending, line.umid))
    elif sort == "load":
        lines.sort(key=lambda line: -(line.load_kw or 0))
    elif sort == "ready":
        lines.sort(key=lambda line: -sum(box.can_be_chosen for box in line.boxes))
    return lines


def told_of(row: MatrixAnswer) -> Mapping[str, Any] | None:
    """The provider's answer as a journey keeps it under `on_select`; None before there is one."""
    found = row.cells.get("told")
    return found if isinstance(found, Mapping) else None


def ending(number: str) -> str:
    """What is shown of a meter's number."""
    return number[-4:].lstrip("-/ ")


def maps(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
