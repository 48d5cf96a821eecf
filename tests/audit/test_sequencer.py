"""Linking while others write, with real connections."""

import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from audit import clock
from audit.log import SYSTEM, Action, Line, record, record_all
from audit.models import Event, Link, Pending
from audit.sequencer import LOCK, link_events
from audit.tasks import seal_days, sweep
from audit.verification import verify_chain

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(count, work):
    problems = []

    def run(number):
        try:
            work(number)
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_line_of_an_act_that_was_rolled_back_never_was():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(Action.LOGIN, actor=SYSTEM, at=NOON)
        raise ZeroDivisionError
    assert (link_events(NOON), Event.objects.count(), Pending.objects.count()) == (0, 0, 0)


def test_a_lower_id_that_is_committed_later_is_linked_too():
    wrote, may_commit = threading.Event(), threading.Event()

    def slow(_):
        with transaction.atomic():
            record(Action.LOGIN, actor=SYSTEM, at=NOON, object_id="slow")
            wrote.set()
            may_commit.wait(10)

    thread = threading.Thread(target=in_threads, args=[1, slow])
    thread.start()
    wrote.wait(10)
    record(Action.LOGIN, actor=SYSTEM, at=NOON, object_id="quick")
    assert sweep(NOON) == 1
    may_commit.set()
    thread.join()
    assert sweep(NOON) == 1
    assert [link.event.object_id for link in Link.objects.select_related("event")] == ["quick", "slow"]
    assert verify_chain().ok


def test_many_writers_and_many_sequencers_make_one_gapless_chain():
    def write_and_link(number):
        for each in range(25):
            record(Action.LOGIN, actor=SYSTEM, at=NOON, object_id=f"{number}-{each}")
            if each % 5 == 0:
                link_events(NOON)

    in_threads(8, write_and_link)
    link_events(NOON)
    report = verify_chain()
    assert report.ok
    assert (report.links, Pending.objects.count()) == (200, 0)


def test_while_one_process_links_the_others_go_on_at_once():
    record(Action.LOGIN, actor=SYSTEM, at=NOON)
    locked, done = threading.Event(), threading.Event()

    def hold(_):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            locked.set()
            done.wait(10)

    thread = threading.Thread(target=in_threads, args=[1, hold])
    thread.start()
    locked.wait(10)
    began = time.monotonic()
    assert link_events(NOON) == 0
    record(Action.LOGIN, actor=SYSTEM, at=NOON)
    assert time.monotonic() - began < 1
    done.set()
    thread.join()
    assert link_events(NOON) == 2


def test_two_sealers_at_once_make_one_seal_and_one_key():
    record(Action.LOGIN, actor=SYSTEM, at=NOON)
    link_events(NOON)
    made = []
    in_threads(6, lambda _: made.append(seal_days(datetime(2026, 9, 2, 0, 0, 1, tzinfo=UTC))))
    assert sorted(made) == [0, 0, 0, 0, 0, 1]
    link_events(NOON)
    assert verify_chain().ok


def test_four_thousand_events_are_linked_in_a_second():
    record_all([Line(Action.LOGIN, SYSTEM, NOON, details={"order": "x" * 36, "n": n}) for n in range(12_000)])
    began = time.perf_counter()
    assert link_events(clock.now()) == 12_000
    rate = 12_000 / (time.perf_counter() - began)
    print(f"{rate:.0f} events/s linked")
    assert rate > 4_000
