"""Acts on many credentials: a frozen set, batch by batch, each wholly or not at all, in any number of processes."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audit import log
from audit.models import Event
from credentials import bulk, publishing, services
from credentials.models import BulkAct, BulkBatch, BulkKind, IssuedCredential, Purpose, StatusChange
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.test_races import at_once
from tests.credentials.test_status import published_bits

LATER = NOON + timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
OPERATOR = log.Actor(log.ActorKind.STAFF, "clerk", log.Channel.CONSOLE)


@pytest.fixture(autouse=True)
def batches_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_SIZES", dict.fromkeys(BulkKind.values, 3))


def issued(count: int) -> list[UUID]:
    return [each.id for each in services.issue([enrollment() for _ in range(count)], now=NOON)]


def ask(ids: list[UUID], kind: str = BulkKind.REVOKE, **more: Any) -> BulkAct:
    values: dict[str, Any] = {"reason": "PROGRAM_ENDED", "source": "program:flex", "actor": OPERATOR, "now": NOON}
    return bulk.ask(ids, kind=kind, **{**values, **more})


def work_off(now: Any = LATER) -> int:
    """Everything that is due, as a worker with enough time would."""
    count = 0
    while done := bulk.work(now):
        count += done
    return count


def lines(action: str) -> list[Event]:
    return list(Event.objects.filter(action=action).order_by("pk"))


def test_a_bulk_revocation_revokes_the_whole_set_and_publishes_it(ready: None) -> None:
    ids, other = issued(7), issued(1)
    act = ask(ids)
    assert not IssuedCredential.objects.filter(revoked_at__isnull=False).exists(), "asking changes nothing yet"

    work_off()

    rows = IssuedCredential.objects.filter(pk__in=ids)
    assert {(row.revoked_at, row.revocation_reason) for row in rows} == {(LATER, "PROGRAM_ENDED")}
    assert IssuedCredential.objects.get(pk=other[0]).revoked_at is None
    assert sum(byte.bit_count() for byte in published_bits()) == 7
    assert not StatusChange.objects.exists()
    progress = bulk.progress_of(act.pk)
    assert (progress.batches, progress.batches_done, progress.looked_at, progress.changed) == (3, 3, 7, 7)
    assert progress.is_over and progress.act.finished_at == LATER


def test_the_journal_has_one_line_a_batch_with_the_digest_of_the_stored_ids(ready: None) -> None:
    act = ask(issued(7))
    work_off()

    (asked,), batches, (finished,) = lines("bulk.asked"), lines("credential.revoked"), lines("bulk.finished")
    assert [line.details["changed"] for line in batches] == [3, 3, 1]
    for line, batch in zip(batches, act.batches.order_by("number"), strict=True):
        assert line.object_id == str(act.pk) and line.actor_id == "clerk" and line.channel == "BULK"
        assert line.details["digest"] == batch.digest == bulk.digest_of(batch.ids)
    assert asked.details["digest"] == finished.details["digest"] == bulk.digest_of(bulk.manifest_of(act))
    assert sorted(bulk.manifest_of(act)) == sorted(each for batch in act.batches.all() for each in batch.ids)


def test_the_batches_follow_the_lists(ready: None) -> None:
    mixed = services.issue([kind() for _ in range(3) for kind in (enrollment, consent)], now=NOON)
    act = ask([each.id for each in mixed])
    work_off()

    assert [len(batch.lists) for batch in act.batches.order_by("number")] == [1, 1]


def test_suspending_and_resuming_in_bulk_touches_what_is_not_so_already(ready: None) -> None:
    ids = issued(4)
    services.suspend(ids[:1], at=NOON)
    services.revoke(ids[1:2], at=NOON, reason="over")
    suspension = ask(ids, BulkKind.SUSPEND)
    work_off()
    assert bulk.progress_of(suspension.pk).changed == 2
    assert IssuedCredential.objects.get(pk=ids[0]).suspended_at == NOON
    assert sum(byte.bit_count() for byte in published_bits(purpose=Purpose.SUSPENSION)) == 3

    assert ask(ids, BulkKind.RESUME).count == 4
    work_off()
    assert not any(published_bits(purpose=Purpose.SUSPENSION))
    assert [len(lines(f"credential.{word}")) for word in ("suspended", "resumed")] == [3, 2]  # one of the single act


def test_what_was_revoked_before_keeps_its_moment_and_its_reason(ready: None) -> None:
    ids = issued(3)
    services.revoke(ids[:1], at=NOON, reason="moved away")
    act = ask(ids)
    work_off()

    first = IssuedCredential.objects.get(pk=ids[0])
    assert (first.revoked_at, first.revocation_reason) == (NOON, "moved away")
    assert bulk.progress_of(act.pk).changed == 2


def test_a_planned_revocation_is_taken_over_by_a_bulk_one(ready: None) -> None:
    (one,) = issued(1)
    services.plan_revocation([one], at=LATER + MINUTE, reason="later", now=NOON)
    ask([one])
    work_off()

    row = IssuedCredential.objects.get(pk=one)
    assert (row.revoked_at, row.revoke_at, row.revoke_at_reason) == (LATER, None, "")


def test_an_act_with_a_moment_to_come_waits_for_it(ready: None) -> None:
    act = ask(issued(2), due_at=LATER)
    assert not bulk.is_due(LATER - MINUTE) and work_off(LATER - MINUTE) == 0
    assert bulk.is_due(LATER) and work_off(LATER) == 2  # a batch, and the act
    assert bulk.progress_of(act.pk).is_over


def test_an_unknown_id_asks_for_nothing_and_a_doubled_one_counts_once(ready: None) -> None:
    ids = issued(2)
    with pytest.raises(IssuedCredential.DoesNotExist):
        ask([*ids, uuid4()])
    assert not BulkAct.objects.exists() and not lines("bulk.asked")
    assert ask([*ids, *ids]).count == 2


def test_a_set_may_be_larger_than_a_statement_takes_parameters(ready: None) -> None:
    with pytest.raises(IssuedCredential.DoesNotExist):
        ask([uuid4() for _ in range(70_000)])


def test_an_empty_set_is_finished_at_once(ready: None) -> None:
    act = ask([])
    assert work_off() == 1
    assert bulk.progress_of(act.pk).is_over


def test_a_batch_in_other_hands_is_left_alone_until_the_lease_runs_out(ready: None, settings: Any) -> None:
    settings.LEASE_SECONDS = 30
    act = ask(issued(3))
    assert bulk._take(LATER) is not None  # and then the worker was killed
    assert work_off(LATER) == 0 and bulk.is_due(LATER)
    assert work_off(LATER + timedelta(seconds=30)) == 2
    assert bulk.progress_of(act.pk).changed == 3


def test_a_worker_whose_lease_ran_out_does_not_do_the_batch_again(ready: None, settings: Any) -> None:
    settings.LEASE_SECONDS = 30
    ask(issued(3))
    slow = bulk._take(LATER)
    assert slow is not None
    work_off(LATER + timedelta(seconds=30))
    assert bulk._do(slow, LATER + timedelta(seconds=31)) == 0
    assert len(lines("credential.revoked")) == 1


def test_a_batch_that_fails_leaves_nothing_half_done_and_does_not_stop_the_others(ready: None, settings: Any) -> None:
    settings.LEASE_SECONDS = 30
    settings.BULK_DOERS = {"END": f"{__name__}.breaks_halfway"}
    broken, good = ask(issued(2), BulkKind.END), ask(issued(2))
    work_off()
    assert bulk.progress_of(good.pk).is_over and not bulk.progress_of(broken.pk).is_over
    assert IssuedCredential.objects.filter(revoked_at__isnull=False).count() == 2
    settings.BULK_DOERS = {"END": f"{__name__}.revokes"}
    work_off(LATER + timedelta(seconds=30))
    assert bulk.progress_of(broken.pk).is_over


def revokes(batch: BulkBatch, now: Any) -> bulk.Step:
    return lambda: bulk.change(batch.ids, kind=BulkKind.REVOKE, at=now, reason="x")


def breaks_halfway(batch: BulkBatch, now: Any) -> bulk.Step:
    def step() -> bulk.Done:
        revokes(batch, now)()
        raise RuntimeError("a bug in the room above")

    return step


def test_a_batch_that_cannot_be_done_now_is_tried_again_in_a_second(ready: None, settings: Any) -> None:
    settings.BULK_DOERS = {"TELL": f"{__name__}.is_not_ready"}
    act = ask(issued(2), BulkKind.TELL)
    assert work_off() == 0
    settings.BULK_DOERS = {"TELL": f"{__name__}.revokes"}
    assert work_off() == 0 and work_off(LATER + timedelta(seconds=1)) == 2
    assert bulk.progress_of(act.pk).act.finished_at is not None
    assert lines("bulk.asked") == [], "what is owed to others is no act of its own"


def is_not_ready(batch: BulkBatch, now: Any) -> bulk.Step:
    raise bulk.NotNow


def test_news_waits_until_the_revocations_are_done(ready: None) -> None:
    news, act = ask(issued(1), BulkKind.TELL), ask(issued(1))
    first = bulk._take(LATER)
    assert first is not None and first.act_id == act.pk
    second = bulk._take(LATER)
    assert second is not None and second.act_id == news.pk


def test_one_credential_does_not_wait_for_a_campaign(ready: None) -> None:
    campaign, urgent = ask(issued(9)), ask(issued(1), now=LATER)
    first, second = bulk._take(LATER), bulk._take(LATER)
    assert first is not None and second is not None
    assert (first.act_id, second.act_id) == (urgent.pk, campaign.pk)


def test_a_slice_of_work_ends_when_its_time_is_over(ready: None) -> None:
    ask(issued(9))
    assert bulk.work(LATER, seconds=0) == 0
    assert IssuedCredential.objects.filter(revoked_at__isnull=False).count() == 0


def test_the_database_keeps_a_manifest_as_it_was_asked_for(ready: None) -> None:
    act = ask(issued(3))
    batch = act.batches.get()
    for forbidden in (
        lambda: BulkBatch.objects.filter(pk=batch.pk).update(ids=[]),
        lambda: BulkBatch.objects.filter(pk=batch.pk).update(digest="0" * 64),
        lambda: BulkBatch.objects.filter(pk=batch.pk).delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            forbidden()
    work_off()
    with pytest.raises(IntegrityError), transaction.atomic():
        BulkBatch.objects.filter(pk=batch.pk).update(done_at=None, changed=None)


def test_the_acts_on_one_credential_are_found(ready: None) -> None:
    ids = issued(5)
    first, _other, second = ask(ids[:4]), ask(ids[4:]), ask(ids[3:], now=LATER)
    assert bulk.acts_on(ids[3]) == [first, second]


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_do_each_batch_once(ready: None) -> None:
    act = ask(issued(100))
    at_once(8, lambda _: work_off())
    while bulk.work(LATER):
        pass
    progress = bulk.progress_of(act.pk)
    assert (progress.batches_done, progress.changed) == (34, 100) and progress.is_over
    assert len(lines("credential.revoked")) == 34 and len(lines("bulk.finished")) == 1
    assert sum(byte.bit_count() for byte in published_bits()) == 100


@pytest.mark.django_db(transaction=True)
def test_a_bulk_act_and_single_revocations_at_once_never_deadlock_and_lose_nothing(ready: None) -> None:
    ids = issued(60)
    ask(ids)

    def one_or_many(number: int) -> None:
        if number < 3:
            work_off()
        else:
            for start in range(0, 60, 6):
                services.revoke([*reversed(ids[start : start + 6])], at=NOON, reason="left")

    at_once(6, one_or_many)
    work_off()
    publishing.publish_due(LATER)
    assert IssuedCredential.objects.filter(revoked_at=None).count() == 0
    assert sum(byte.bit_count() for byte in published_bits()) == 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert cursor.fetchone()[0] == 0
