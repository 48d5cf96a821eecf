"""Which kinds of personal data are kept, on what ground and until when; and what a room can say of one person.

Each room names its own kinds in its `retention` module; `settings.RETENTION_ROOMS` lists them. Source: issue 7 (9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, Func, IntegerField, Model, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from identity.models import Subject

#: Rows one transaction lets go of.
BATCH = 500


class How(StrEnum):
    """What becomes of it when its time is over."""

    DELETE = "DELETE"  # the rows go
    WIPE = "WIPE"  # the values go, the row stays as evidence that says nothing of the person
    STAYS = "STAYS"  # evidence; the ground says why


class Ground(StrEnum):
    """Why it may be kept."""

    SERVICE = "SERVICE"  # to do what the person asked for
    CONTRACT = "CONTRACT"  # while they take part, and as long afterwards as either side may claim something of it
    SECURITY = "SECURITY"  # against misuse
    PROOF = "PROOF"  # that consents and decisions were lawful
    DUTY = "DUTY"  # the law wants to see that we did it


@dataclass(frozen=True)
class Kind:
    """One kind of kept data.

    `code` names it in tables and in the journal. `period` says how long, counted from what `since` says; None: it
    stays. `covers` are the columns ("app.model.field") of personal data that it is about. `let_go` takes away a batch
    of what is over and returns how many; it is called until it returns 0. `oldest` is the instant from which the period
    of the oldest one kept counts. `every` is how often it is looked at; None: once a night. `stays` says what of it
    remains, and why.
    """

    code: str
    name: str | Promise
    ground: Ground
    how: How
    since: str | Promise
    period: Callable[[], timedelta | None]
    covers: tuple[str, ...] = ()
    stays: str | Promise = ""
    let_go: Callable[[datetime], int] | None = None
    oldest: Callable[[], datetime | None] | None = None
    every: timedelta | None = None


@dataclass(frozen=True)
class Section:
    """What a room keeps of a person: a heading, and rows of names and values that read in a file."""

    title: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Block:
    """Why a person's data cannot be erased yet: `code` for words, `what` the thing's own reference."""

    code: str
    what: str


@dataclass(frozen=True)
class Person:
    """Somebody whose data is asked for: every row under which they are and were known."""

    subject: Subject
    ids: tuple[UUID, ...]
    dids: tuple[str, ...]
    users: tuple[int, ...]
    transactions: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """What one room says of what it keeps.

    `uses(before)` are conditions on Subject, each of which says: this room has had to do with the person since then.
    `transactions` are the ids under which messages about these Subjects' applications went, `papers` those of their
    mandates on paper, by which staff notes something about them.
    `held` is everything it keeps of a person. `blocks` is what has to end before anything is erased. `erase` takes away
    what may go, in the caller's transaction, and returns how much of what; `stays` is what it keeps nevertheless, and
    why: pairs of codes with a count.
    """

    name: str
    kinds: tuple[Kind, ...] = ()
    uses: Callable[[datetime], Iterable[Exists]] | None = None
    transactions: Callable[[tuple[UUID, ...]], Iterable[str]] | None = None
    papers: Callable[[tuple[UUID, ...]], Iterable[str]] | None = None
    held: Callable[[Person], Iterable[Section]] | None = None
    blocks: Callable[[Person, datetime], Iterable[Block]] | None = None
    erase: Callable[[Person, datetime], Mapping[str, int]] | None = None
    stays: Callable[[Person], Mapping[str, int]] | None = None


@cache
def rooms() -> tuple[Room, ...]:
    """Every room, the topmost first: what stands on something else goes before it."""
    return tuple(import_string(path) for path in settings.RETENTION_ROOMS)


def kinds() -> tuple[Kind, ...]:
    return tuple(kind for room in rooms() for kind in room.kinds)


def person_of(subject: Subject) -> Person:
    """The person behind a record, with the records that were merged into theirs."""
    kept = subject.merged_into or subject
    everybody = [kept, *kept.merged_from.order_by("pk")]
    ids = tuple(each.pk for each in everybody)
    users = tuple(_users().filter(subject__in=ids).order_by("pk").values_list("pk", flat=True))
    dids = tuple(each.did for each in everybody if each.did)
    told = {each for room in rooms() if room.transactions is not None for each in room.transactions(ids)}
    papers = {each for room in rooms() if room.papers is not None for each in room.papers(ids)}
    return Person(kept, ids, dids, users, tuple(sorted(told)), tuple(sorted(papers)))


def unused(subjects: QuerySet[Subject], before: datetime) -> QuerySet[Subject]:
    """Those of these people with whom no room has had to do since `before`, under whichever record they were known."""
    merged = Subject.objects.filter(merged_into=OuterRef("pk"))  # an enrolment stays with the record it was made for
    living = Subject.objects.filter(merged_from=OuterRef("pk"))
    # One condition after the other: PostgreSQL makes a join of each. Of one that is a sum of them it asks row by row.
    for room in rooms():
        for use in room.uses(before) if room.uses is not None else ():
            subjects = subjects.filter(~use).filter(~Exists(merged.filter(use)), ~Exists(living.filter(use)))
    return subjects


def days(setting: str) -> Callable[[], timedelta]:
    """A period that a setting names in days."""
    return lambda: timedelta(days=int(getattr(settings, setting)))


def of_people() -> timedelta:
    """How long what was agreed with somebody may be claimed after its end."""
    return timedelta(days=settings.RETENTION_PEOPLE_DAYS)


def length(field: str) -> Func:
    """The bytes of an encrypted column: empty text has none, so that it can be asked for."""
    return Func(F(field), function="octet_length", output_field=IntegerField())


def filled(rows: QuerySet[Any], *fields: str) -> QuerySet[Any]:
    """Those rows in which one of these encrypted texts says something."""
    lengths = {f"length_of_{field}": length(field) for field in fields}
    return rows.alias(**lengths).filter(reduce(or_, (Q(**{f"{name}__gt": 0}) for name in lengths)))


def first(rows: QuerySet[Any], field: str) -> datetime | None:
    """The smallest instant in a column, found through its index."""
    found: datetime | None = rows.exclude(**{field: None}).order_by(field).values_list(field, flat=True).first()
    return found


def some(rows: QuerySet[Any], batch: int = BATCH, *, waits: bool = False) -> list[Any]:
    """Keys of some of these rows, locked; those that somebody else holds are left for the next time.

    An erasure has no next time: it `waits` for them, in the order of the keys.
    """
    rows = rows.order_by("pk") if waits else rows
    return list(rows.select_for_update(skip_locked=not waits, of=("self",)).values_list("pk", flat=True)[:batch])


def delete(rows: QuerySet[Any], batch: int = BATCH, *, waits: bool = False) -> int:
    """Delete some of these rows; returns how many. The caller has a transaction open."""
    found = some(rows, batch, waits=waits)
    if found:
        _model(rows)._default_manager.filter(pk__in=found).delete()
    return len(found)


def wipe(rows: QuerySet[Any], **empty: Any) -> int:
    """Write `empty` over some of these rows; returns how many. The caller has a transaction open."""
    found = some(rows)
    if found:
        _model(rows)._default_manager.filter(pk__in=found).update(**empty)
    return len(found)


def _model(rows: QuerySet[Any]) -> type[Model]:
    return rows.model


def _users() -> QuerySet[Any]:
    from identity.models import User

    return User.objects.all()
