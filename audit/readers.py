"""Reading the journal: what happened to a person's things, by whom and through what; and to one object.

Reads only. What is told here is what the journal holds: ids, codes and counts, never a name or a number of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from psycopg.errors import QueryCanceled

from audit.log import Action, ActorKind, Channel
from audit.models import Event

#: Lines a page holds, where nobody says otherwise; and how many of one object are read at most.
A_PAGE, MOST_OF_AN_OBJECT = 50, 500
#: How long a search may read.
SEARCH_SECONDS = 4


class TooMuch(Exception):
    """So many lines would have to be read that the search was stopped."""


@dataclass(frozen=True)
class ReadLine:
    """One line as it is shown: `reference` is its public name, `action` a word of audit.log.Action."""

    reference: str
    at: datetime
    action: str
    actor_kind: ActorKind
    actor_id: str
    channel: Channel
    on_behalf_of: str
    object_type: str
    object_id: str
    details: Mapping[str, Any]
    key: int = 0
    subject: str = ""

    @property
    def public_id(self) -> str:
        """The reference without what it begins with, for addresses."""
        return self.reference.removeprefix("log-")


@dataclass(frozen=True)
class Search:
    """What lines are looked for: all that is said has to hold; what is empty does not count.

    `actors` are `(kind, id)`, any of them; `operator` is who of an agency; `subjects` and `actions` any of theirs;
    `since` and `until` (exclusive) are the period.
    """

    subjects: tuple[str, ...] = ()
    actors: tuple[tuple[str, str], ...] = ()
    operator: str = ""
    actions: tuple[str, ...] = ()
    object_type: str = ""
    object_id: str = ""
    channel: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return self == Search()


@dataclass(frozen=True)
class Found:
    """A page of a search, the newest first, and whether there are lines beyond its ends."""

    lines: tuple[ReadLine, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True)
class Lines:
    """A page of lines, the newest first; `older` is what the next page begins with, None where this is the last."""

    lines: tuple[ReadLine, ...]
    older: int | None


def lines_of_subject(
    subject_ids: Collection[object],
    *,
    older: int | None = None,
    most: int = A_PAGE,
    actions: Collection[str] = (),
    since: datetime | None = None,
) -> Lines:
    """What happened to a person's things, newest first, a page at a time.

    `subject_ids` are the primary keys under which the person is and was known (merged records keep their own lines);
    `older` is what the page before this one returned; `actions` and `since` narrow it.
    """
    rows = Event.objects.filter(subject__in=[str(each) for each in subject_ids if each]).exclude(subject="")
    if actions:
        rows = rows.filter(action__in=[str(each) for each in actions])
    if since is not None:
        rows = rows.filter(at__gte=since)
    if older is not None:
        rows = rows.filter(pk__lte=older)
    # By the order of writing, not by the clock: a line's place never changes, so no page repeats or drops one.
    found = list(rows.order_by("-pk")[: most + 1])
    return Lines(tuple(_line(row) for row in found[:most]), found[most].pk if len(found) > most else None)


def lines_about(
    objects: Sequence[tuple[str, str]], *, actions: Collection[str] = (), most: int = MOST_OF_AN_OBJECT
) -> tuple[ReadLine, ...]:
    """What happened to these objects, each `(object_type, object_id)`, oldest first; the newest `most` of it."""
    if not objects:
        return ()
    named = reduce(or_, (Q(object_type=kind, object_id=str(each)) for kind, each in objects))
    rows = Event.objects.filter(named)
    if actions:
        rows = rows.filter(action__in=[str(each) for each in actions])
    return tuple(_line(row) for row in reversed(rows.order_by("-pk")[:most]))


def lines_of_agency(
    agency_id: str,
    *,
    operator: str = "",
    actions: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    about: tuple[str, str] | None = None,
    older: int | None = None,
    most: int = A_PAGE,
) -> Lines:
    """What an agency's people have done, newest first, a page at a time.

    `operator` is whose lines are wanted, empty for everybody's; `since` and `until` (exclusive) are the period, `about`
    is an `(object_type, object_id)`; `older` is what the page before this one returned.
    """
    # Through the partial indexes of such lines (audit.models.Event), newest first: a page costs a page.
    rows = Event.objects.filter(actor_kind=ActorKind.AGENCY, actor_id=agency_id)
    if operator:
        rows = rows.annotate(operator=KeyTextTransform("operator", "details")).filter(operator=operator)
    if actions:
        rows = rows.filter(action__in=[str(each) for each in actions])
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    if about is not None:
        rows = rows.filter(object_type=about[0], object_id=about[1])
    if older is not None:
        at = rows.filter(pk=older).values_list("at", flat=True).first()
        rows = rows.filter(at__lte=at).exclude(at=at, pk__gt=older) if at is not None else rows.none()
    found = list(rows.order_by("-at", "-pk")[: most + 1])
    return Lines(tuple(_line(row) for row in found[:most]), found[most].pk if len(found) > most else None)


def matching(asked: Search) -> QuerySet[Event]:
    """The lines that a search means, in no order."""
    rows = Event.objects.all()
    if asked.subjects:
        rows = rows.filter(_one_of("subject", asked.subjects)).exclude(subject="")
    if asked.actors:
        rows = rows.filter(reduce(or_, (Q(actor_kind=kind, actor_id=each) for kind, each in asked.actors)))
    if asked.operator:
        rows = rows.annotate(operator=KeyTextTransform("operator", "details")).filter(operator=asked.operator)
    if asked.actions:
        rows = rows.filter(_one_of("action", asked.actions))
    for name in ("object_type", "object_id", "channel"):
        if getattr(asked, name):
            rows = rows.filter(**{name: getattr(asked, name)})
    if asked.since is not None:
        rows = rows.filter(at__gte=asked.since)
    if asked.until is not None:
        rows = rows.filter(at__lt=asked.until)
    return rows


def refused_within(transaction_ids: Sequence[str], *, most: int) -> list[Event]:
    """Return the refusals of messages that named one of these transactions, the oldest first."""
    rows = Event.objects.filter(action=Action.MESSAGE_REFUSED.value)
    rows = rows.annotate(within=KeyTextTransform("transaction_id", "details")).filter(within__in=transaction_ids)
    return list(rows.order_by("at", "pk")[:most])


def actors_called(ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return `(kind, id)` of everybody whom the journal knows by one of these ids."""
    asked = [(kind.value, each) for kind in ActorKind for each in ids]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, id FROM unnest(%s::text[], %s::text[]) AS asked(kind, id) WHERE EXISTS"
            " (SELECT 1 FROM audit_logs e WHERE e.actor_kind = asked.kind AND e.actor_id = asked.id)",
            [[kind for kind, _ in asked], [each for _, each in asked]],
        )
        return tuple((kind, each) for kind, each in cursor.fetchall())


def search(asked: Search, *, before: int | None = None, after: int | None = None, most: int = A_PAGE) -> Found:
    """Return a page of what is looked for: the newest, or what lies `before` or `after` a line, named by its key.

    In the order of time, and of writing where that is the same: each filter has an index of that order. Raises TooMuch
    where two filters together would have it read for longer than SEARCH_SECONDS.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(SEARCH_SECONDS * 1000)}")
            found = _search(asked, before=before, after=after, most=most)
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return found
    except OperationalError as problem:
        if isinstance(problem.__cause__, QueryCanceled):
            raise TooMuch from problem
        raise


def _search(asked: Search, *, before: int | None = None, after: int | None = None, most: int = A_PAGE) -> Found:
    rows = matching(asked)
    place = before if after is None else after
    if place is None:
        return _page(rows, most, has_newer=False)
    at = Event.objects.filter(pk=place).values_list("at", flat=True).first()
    if at is None:
        return Found((), False, False)
    if after is None:
        return _page(rows.filter(at__lte=at).exclude(at=at, pk__gte=place), most, has_newer=True)
    newer = list(rows.filter(at__gte=at).exclude(at=at, pk__lte=place).order_by("at", "pk")[: most + 1])
    return Found(tuple(_line(row) for row in reversed(newer[:most])), len(newer) > most, True)


def _page(rows: QuerySet[Event], most: int, *, has_newer: bool) -> Found:
    found = list(rows.order_by("-at", "-pk")[: most + 1])
    return Found(tuple(_line(row) for row in found[:most]), has_newer, len(found) > most)


def _one_of(name: str, values: Sequence[str]) -> Q:
    """One value is asked for by equality: then an index gives the rows in their order."""
    return Q(**{name: values[0]}) if len(values) == 1 else Q(**{f"{name}__in": values})


def line_of(row: Event) -> ReadLine:
    """Return one line as it is shown."""
    return _line(row)


def _line(row: Event) -> ReadLine:
    return ReadLine(
        reference=row.reference,
        at=row.at,
        action=row.action,
        actor_kind=ActorKind(row.actor_kind),
        actor_id=row.actor_id,
        channel=Channel(row.channel),
        on_behalf_of=row.on_behalf_of,
        object_type=row.object_type,
        object_id=row.object_id,
        details=row.details or {},
        key=row.pk,
        subject=row.subject,
    )
