"""The job behind kept data: once a night by its row, caught up after a failure, counted with what it took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.models import Event
from identity import keeping, retaining
from identity.keeping import Ground, How, Kind, Room
from identity.models import KeptKind, RateBucket

NIGHT = datetime(2026, 10, 15, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
trouble: list[Exception] = []


def _let_go(now: datetime) -> int:
    if trouble:
        raise trouble.pop()
    return keeping.delete(RateBucket.objects.filter(at__lt=now - DAY), 10)


ROOM = Room(
    "test",
    (
        Kind(
            code="test.buckets",
            name="Buckets",
            ground=Ground.SERVICE,
            how=How.DELETE,
            since="the last try",
            period=lambda: DAY,
            let_go=_let_go,
            oldest=lambda: keeping.first(RateBucket.objects.all(), "at"),
        ),
    ),
)


@pytest.fixture(autouse=True)
def one_room(settings: Any, db: None) -> Iterator[None]:
    settings.RETENTION_ROOMS, settings.RETENTION_HOUR = ["tests.identity.test_retaining.ROOM"], 1
    keeping.rooms.cache_clear()
    yield
    keeping.rooms.cache_clear()


def buckets(count: int, at: datetime) -> None:
    RateBucket.objects.bulk_create([RateBucket(key=f"{at} {number}", tokens=1, at=at) for number in range(count)])


def told() -> list[Any]:
    return list(Event.objects.filter(action="retention.applied").order_by("pk").values_list("details", flat=True))


def test_it_runs_once_a_night_takes_all_batches_and_writes_one_line_with_the_count():
    buckets(25, NIGHT - 2 * DAY)
    buckets(1, NIGHT)
    assert retaining.work(NIGHT) == 25
    row = KeptKind.objects.get()
    assert (row.due_at, row.last_removed, row.oldest_at) == (NIGHT + DAY, 25, NIGHT)
    assert told() == [{"count": 25, "how": "DELETE"}]
    buckets(3, NIGHT - 3 * DAY)
    assert retaining.work(NIGHT + timedelta(hours=23)) == 0, "the next night is not there yet"
    assert retaining.work(NIGHT + DAY) == 3


def test_a_failure_is_tried_again_soon_says_so_on_its_row_and_loses_no_count(caplog):
    buckets(5, NIGHT - 2 * DAY)
    trouble.append(OSError("a disk"))
    assert retaining.work(NIGHT) == 0
    row = KeptKind.objects.get()
    assert (row.failures, row.problem, RateBucket.objects.count()) == (1, "OSError", 5)
    assert retaining.work(NIGHT + timedelta(minutes=14)) == 0
    assert retaining.work(NIGHT + timedelta(minutes=15)) == 5
    row.refresh_from_db()
    assert (row.failures, row.problem) == (0, "") and told() == [{"count": 5, "how": "DELETE"}]


def test_nights_that_nobody_worked_are_caught_up_with_the_first_look():
    retaining.work(NIGHT)
    buckets(2, NIGHT)
    assert retaining.work(NIGHT + 5 * DAY + timedelta(hours=7)) == 2
    assert KeptKind.objects.get().due_at == NIGHT + 6 * DAY


def test_a_kind_that_another_worker_has_in_hand_is_left_alone_until_its_time_is_over():
    buckets(2, NIGHT - 2 * DAY)
    KeptKind.objects.create(code="test.buckets", due_at=NIGHT, leased_until=NIGHT + timedelta(minutes=5))
    assert retaining.work(NIGHT) == 0
    assert retaining.work(NIGHT + timedelta(minutes=6)) == 2, "it died with it"


def test_what_one_look_does_not_manage_goes_on_with_the_next():
    buckets(25, NIGHT - 2 * DAY)
    assert retaining.work(NIGHT, seconds=-1) == 10
    row = KeptKind.objects.get()
    assert (row.ran_at, row.running, told()) == (None, 10, [])
    assert retaining.work(NIGHT + timedelta(seconds=30)) == 15
    row.refresh_from_db()
    assert row.last_removed == 25 and told() == [{"count": 25, "how": "DELETE"}]
