"""Several enrolments in one go: cells of the matrix in a basket, one order per program, all of one batch (P2-4).

A basket is rows, so that it is there on another device too. Ordering it starts a journey per program and utility, each
with its meters; from there on they are journeys like any other, shown together by their batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from django.db.models import QuerySet

from identity.models import Subject, User
from portals import drafts, grid, matrix
from portals.models import Application, BasketItem, CatalogProgram

#: Cells in one basket, and programs it may be for: an order each.
MOST_ITEMS, MOST_ORDERS = 500, 20


@dataclass(frozen=True)
class Group:
    """What becomes one order: the chosen meters for one program at one utility."""

    program: CatalogProgram
    utility_id: str
    umids: tuple[str, ...]


def items(subject: Subject | None, portal: str) -> QuerySet[BasketItem]:
    """What is in a person's basket, in the order in which it was put there."""
    if subject is None:
        return BasketItem.objects.none()
    return BasketItem.objects.filter(subject=subject, portal=portal).select_related("program__bpp")


def keys(rows: Iterable[BasketItem]) -> frozenset[tuple[int, str]]:
    """As `grid.table` marks what is in the basket."""
    return frozenset((row.program_id, row.umid) for row in rows)


def groups(rows: Iterable[BasketItem]) -> list[Group]:
    """The orders that a basket becomes."""
    found: dict[tuple[int, str], list[BasketItem]] = {}
    for row in rows:
        found.setdefault((row.program_id, row.utility_id), []).append(row)
    return [Group(each[0].program, each[0].utility_id, tuple(row.umid for row in each)) for each in found.values()]


def put(subject: Subject, portal: str, found: grid.Table, values: Sequence[str], now: datetime) -> int:
    """Put cells into the basket, each named as `grid.Box.value`; returns how many are new.

    What the table does not have, or what cannot be chosen, is left out: a form says nothing that the answers did not.
    """
    boxes = {box.value: (line, box) for line in found.lines for box in line.boxes if box.can_be_chosen}
    chosen = [boxes[value] for value in dict.fromkeys(values) if value in boxes][:MOST_ITEMS]
    before = items(subject, portal).count()
    room = max(0, MOST_ITEMS - before)
    BasketItem.objects.bulk_create(
        (
            BasketItem(
                portal=portal,
                subject=subject,
                program=box.column.row,
                utility_id=line.utility_id,
                umid=line.umid[:200],
                added_at=now,
            )
            for line, box in chosen[:room]
        ),
        ignore_conflicts=True,
    )
    return items(subject, portal).count() - before


def take_out(subject: Subject, portal: str, values: Sequence[str]) -> None:
    """Take cells out again; each is named by its program's slug and its meter."""
    for value in values:
        slug, _, umid = value.partition(" ")
        items(subject, portal).filter(program__slug=slug, umid=umid).delete()


def start(
    group: Group,
    *,
    batch_id: str,
    subject: Subject,
    user: User,
    portal: str,
    locale: str,
    starts_on: date,
    now: datetime,
) -> Application | None:
    """Begin the journey of one order: its meters are chosen, and what the matrix was told is what it was told.

    Caller's transaction. The basket's items of this order are gone then; None where they were gone before.
    """
    # First of all: of two presses of the button the second one waits here for the first, and finds nothing.
    mine = items(subject, portal).filter(program=group.program, utility_id=group.utility_id, umid__in=group.umids)
    umids = list(mine.select_for_update(of=("self",)).values_list("umid", flat=True))
    if not umids:
        return None
    kept = list(matrix.answers(subject, portal))
    row = next((r for r in kept if r.program_id == group.program.pk and r.utility_id == group.utility_id), None)
    told = grid.told_of(row) if row is not None else None
    begun = drafts.start(
        group.program,
        subject=subject,
        user=user,
        portal=portal,
        utility_id=group.utility_id,
        now=now,
        batch=batch_id,
    )
    begun.answers = {
        "account": True,
        "locale": locale,
        "meters": umids,
        "starts_on": starts_on.isoformat(),
        "known": {"meters": [dict(each) for each in matrix.known_of(kept, group.utility_id)]},
    }
    begun.told = {"on_select": dict(told)} if told is not None else {}
    begun.save(update_fields=["answers", "told"])
    items(subject, portal).filter(program=group.program, utility_id=group.utility_id, umid__in=umids).delete()
    return begun


def new_batch() -> str:
    return f"batch-{uuid4()}"


def of_batch(subject: Subject | None, batch_id: str) -> list[Application]:
    """The journeys of one basket, oldest first; none where it is not this person's."""
    if not batch_id:
        return []
    return list(drafts.of_person(subject).filter(batch_id=batch_id).order_by("started_at", "pk"))


def own_acts(subject: Subject | None) -> dict[tuple[int, str], grid.Own]:
    """What the person's own journeys say of meters and programs, to be laid over older answers."""
    states = {
        Application.State.ENROLLED: "ENROLLED",
        Application.State.CONFIRMING: "PENDING",
        Application.State.DRAFT: "PENDING",
    }
    found: dict[tuple[int, str], grid.Own] = {}
    for row in drafts.of_person(subject).filter(state__in=states).order_by("updated_at")[:200]:
        if row.state == Application.State.DRAFT and not row.told.get("on_init"):
            continue  # nothing was asked for yet
        for umid in row.answers.get("meters", ()):
            found[row.program_id, umid] = grid.Own(states[Application.State(row.state)], row.updated_at)
    return found


def application_of(subject: Subject | None, program: CatalogProgram, umid: str) -> Application | None:
    """The person's newest journey to a program with this meter, where there is one."""
    rows = drafts.of_person(subject).filter(program=program).exclude(state=Application.State.DROPPED)
    return next((row for row in rows[:20] if umid in row.answers.get("meters", ())), None)
