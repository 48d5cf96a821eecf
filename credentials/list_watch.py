"""How the published lists stand: how old, how full, what waits. Read by the operator's command, /readyz and /metrics.

A list that nobody signs again makes every verifier refuse every credential on it when its time is over: so it is named
while there is still time to mend the worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Min

from credentials import addresses, policy
from credentials.models import Publication, Purpose, StatusChange, StatusList, StatusListVersion

PATIENCE = timedelta(minutes=1)  # a change is published within a second; one that waits longer has no worker


@dataclass(frozen=True)
class Standing:
    """How one publication of a list stands; `version` 0 means never published, `taken` counts places given out."""

    url: str
    kind: str
    publication: str
    list_id: int
    version: int
    signed_at: datetime | None
    valid_until: datetime | None
    has_json: bool
    changes: int
    oldest_change: datetime | None
    taken: int
    size: int
    closed: bool

    @property
    def path(self) -> str:
        return self.url.removeprefix(addresses.base())

    @property
    def free(self) -> int:
        return 0 if self.closed else self.size - self.taken

    def is_over(self, now: datetime) -> bool:
        """Whether verifiers refuse it. A list that was never published has nobody to refuse: it issues nothing."""
        return self.valid_until is not None and self.valid_until <= now

    def is_late(self, now: datetime) -> bool:
        """Whether somebody should look: more than half over and not renewed, or a change or form is overdue."""
        if self.valid_until is None or self.signed_at is None:
            return True
        half_over = self.valid_until - policy.list_validity() / 2 + policy.list_validity() / 12
        overdue = self.oldest_change is not None and self.oldest_change < now - PATIENCE
        return half_over <= now or overdue or not (self.has_json or self.signed_at > now - PATIENCE)


def standings() -> list[Standing]:
    """Return how every publication of every list stands. Four queries, whatever the number of lists."""
    newest = {
        (list_id, publication): (version, signed_at, valid_until, bool(json_digest))
        for list_id, publication, version, signed_at, valid_until, json_digest in StatusListVersion.objects.newest()
        .values_list("status_list", "purpose", "version", "signed_at", "valid_until", "json_digest")
    }  # fmt: skip
    taken = _taken()
    waiting = _waiting()
    return [
        _standing(each, publication, newest.get((each.pk, publication)), taken[each.pk], waiting)
        for each in StatusList.objects.all()
        for publication in Publication.values
    ]


def over(now: datetime) -> list[str]:
    """Return the paths of the lists that verifiers refuse now."""
    return [each.path for each in standings() if each.is_over(now)]


def late(now: datetime) -> list[str]:
    """Return the paths of the lists that nobody renews, completes or publishes although it is time."""
    return [each.path for each in standings() if each.is_late(now)]


def _standing(
    status_list: StatusList,
    publication: str,
    newest: tuple[int, datetime, datetime, bool] | None,
    taken: int,
    waiting: dict[tuple[int, str], tuple[int, datetime]],
) -> Standing:
    version, signed_at, valid_until, has_json = newest or (0, None, None, False)
    is_token = publication == Publication.TOKEN
    counted = [waiting[key] for purpose in _told_by(publication) if (key := (status_list.pk, purpose)) in waiting]
    purpose = Purpose.REVOCATION if is_token else Purpose(publication)
    return Standing(
        url=addresses.status_list(status_list.kind, purpose, status_list.number) + (".tsl" if is_token else ""),
        kind=status_list.kind,
        publication=publication,
        list_id=status_list.pk,
        version=version,
        signed_at=signed_at,
        valid_until=valid_until,
        has_json=has_json or is_token,
        changes=sum(count for count, _ in counted),
        oldest_change=min((at for _, at in counted), default=None),
        taken=min(taken, status_list.size),
        size=status_list.size,
        closed=status_list.closed_at is not None,
    )


def _told_by(publication: str) -> Iterator[str]:
    """The purposes that a publication tells."""
    yield from Purpose.values if publication == Publication.TOKEN else [publication]


def _waiting() -> dict[tuple[int, str], tuple[int, datetime]]:
    groups = StatusChange.objects.values_list("status_list", "purpose").annotate(Count("pk"), Min("at"))
    return {(list_id, purpose): (count, at) for list_id, purpose, count, at in groups}


def _taken() -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, coalesce(pg_sequence_last_value(sequence::regclass) + 1, 0) FROM status_lists")
        return dict(cursor.fetchall())
