"""The status lists: made and published before their first use, their places given out without ever repeating one.

A place is the keyed permutation of a PostgreSQL sequence: gaps are harmless, nobody waits for anybody, and the unique
constraint on (list, index) would tell. Source: spec credentials.md 3; decision 33.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import connection, transaction

from audit import log
from audit.log import Action
from credentials import policy
from credentials.locks import Lock, hold
from credentials.models import LIST_SIZE, Kind, StatusList
from credentials.permutation import permute

LISTS_AT_START = 2  # one to issue from, one that is ready when the first is full


class NoPlaceLeft(Exception):
    """No published list of this kind has enough places: `upkeep` has not run, or `bootstrap` never did."""


def take(wanted: Mapping[str, int]) -> dict[str, list[tuple[StatusList, int]]]:
    """Return, for each kind, as many places as wanted that nobody else will ever get.

    They are of the first open list and, where it ends, the next. Raises NoPlaceLeft when the published lists do not
    hold that many.
    """
    found: dict[str, list[StatusList]] = {kind: [] for kind in wanted}
    for status_list in StatusList.objects.filter(kind__in=wanted, closed_at=None, version__gt=0).order_by("number"):
        found[status_list.kind].append(status_list)
    return {kind: _take(kind, count, found[kind]) for kind, count in wanted.items()}


def _take(kind: str, count: int, published: Iterable[StatusList]) -> list[tuple[StatusList, int]]:
    places: list[tuple[StatusList, int]] = []
    for status_list in published:
        key = bytes(status_list.permutation_key)
        for value in _next_values(status_list.sequence, count - len(places)):
            if value < status_list.size:
                places.append((status_list, permute(value, key=key, size=status_list.size)))
        if len(places) == count:
            return places
    raise NoPlaceLeft(f"no published {kind} list has {count} free places: run manage.py status publish")


def create_missing(*, now: datetime) -> list[int]:
    """Make lists until each kind has its first two and enough free places; return the ids of the new ones.

    They issue nothing until they are published. Any number of processes may call it at once.
    """
    if not any(_wanted(kind) for kind in Kind.values):
        return []
    with transaction.atomic():
        hold(Lock.LISTS)
        return [_create(kind, now=now).pk for kind in Kind.values for _ in range(_wanted(kind))]


def close_full(*, now: datetime) -> int:
    """Mark the lists whose places are all given, so that issuing does not ask them any more; return how many."""
    full = [each.pk for each in StatusList.objects.filter(closed_at=None, version__gt=0) if taken(each) >= each.size]
    return StatusList.objects.filter(pk__in=full, closed_at=None).update(closed_at=now)


def taken(status_list: StatusList) -> int:
    """Return how many places of the list have been given out (or lost in a rolled-back transaction)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(pg_sequence_last_value(%s::regclass) + 1, 0)", [status_list.sequence])
        return min(int(cursor.fetchone()[0]), status_list.size)


def _wanted(kind: str) -> int:
    lists = list(StatusList.objects.filter(kind=kind))
    free = sum(each.size - taken(each) for each in lists if each.closed_at is None)
    short = max(0, policy.minimum_free_places() - free)
    return max(LISTS_AT_START - len(lists), -(-short // LIST_SIZE), 0)


def _create(kind: str, *, now: datetime) -> StatusList:
    last = StatusList.objects.filter(kind=kind).order_by("-number").first()
    number = last.number + 1 if last else 1
    sequence = f"status_list_{kind.lower()}_{number}"
    with connection.cursor() as cursor:
        # The name is made of our own two words and a number: nothing of it came from outside.
        cursor.execute(f"CREATE SEQUENCE IF NOT EXISTS {sequence} MINVALUE 0 START 0 NO CYCLE")
    status_list = StatusList.objects.create(
        kind=kind, number=number, sequence=sequence, permutation_key=secrets.token_bytes(32), created_at=now
    )
    log.record(
        Action.LIST_CREATED,
        actor=log.SYSTEM,
        at=now,
        object_type="StatusList",
        object_id=str(status_list.pk),
        details={"kind": kind, "number": number},
    )
    return status_list


def _next_values(sequence: str, count: int) -> Iterable[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [sequence, count])
        return [row[0] for row in cursor.fetchall()]
