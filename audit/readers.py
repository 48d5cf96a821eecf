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

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

from audit.log import ActorKind, Channel
from audit.models import Event

#: Lines a page holds, where nobody says otherwise; and how many of one object are read at most.
A_PAGE, MOST_OF_AN_OBJECT = 50, 500


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
    )
