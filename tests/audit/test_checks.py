"""Checks that somebody asked for: made at once or by a worker, kept, and a memory between two seals."""

from datetime import UTC, date, datetime, timedelta

import pytest

from audit import checks, clock, tasks
from audit.checking import Kind
from audit.log import Actor, ActorKind, Channel
from audit.models import Check, Event, Link
from audit.seals import seal_yesterday
from audit.sequencer import link_events
from audit.verification import verify_chain
from identity.models import Alarm
from tests.audit.tampering import a_journal, as_owner, recompute_chain
from tests.bap import eventually

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
AUDITOR = Actor(ActorKind.STAFF, "7", Channel.CONSOLE)

pytestmark = pytest.mark.django_db


def test_a_short_journal_is_checked_at_once_and_the_result_is_kept_and_journalled():
    a_journal(5, at=NOON)
    row = checks.ask(None, actor=AUDITOR, now=clock.now())
    row.refresh_from_db()
    assert row.holds and (row.walked, row.first_seq, row.last_seq) == (5, 1, 5)
    assert row.head == bytes(Link.objects.get(seq=5).hash).hex()
    line = Event.objects.get(action="journal.verified")
    assert (line.actor_kind, line.actor_id, line.object_id) == ("STAFF", "7", str(row.pk))
    assert line.details["links"] == 5 and line.details["findings"] == 0


def test_a_day_is_what_its_seal_covers_and_the_one_before_does_not():
    a_journal(3, at=NOON)
    seal_yesterday(NOON + timedelta(days=1))
    link_events(NOON + timedelta(days=1))  # the key of the seal has a line, too
    a_journal(4, at=NOON + timedelta(days=1))
    seal_yesterday(NOON + timedelta(days=2))
    a_journal(2, at=NOON + timedelta(days=2))
    assert checks.stretch_of(date(2026, 9, 1)) == (1, 3)
    assert checks.stretch_of(date(2026, 9, 2)) == (4, 8)
    assert checks.stretch_of(date(2026, 9, 3)) == (9, 10), "not sealed yet"
    with as_owner() as cursor:
        cursor.execute(
            "UPDATE audit_logs SET actor_id = 'x' WHERE id = (SELECT event_id FROM audit_links WHERE seq = 6)"
        )
    found = [checks.ask(date(2026, 9, day), actor=AUDITOR, now=clock.now()) for day in (1, 2, 3)]
    assert [row.holds for row in found] == [True, False, True]
    assert [(each["kind"], each["seq"]) for each in found[1].findings] == [("CHANGED", 6)]


def test_a_long_one_waits_for_a_worker_and_nobody_asks_for_it_twice(monkeypatch):
    monkeypatch.setattr(checks, "AT_ONCE", 3)
    a_journal(6, at=NOON)
    row = checks.ask(None, actor=AUDITOR, now=clock.now())
    assert (row.state, row.total) == ("WAITING", 6)
    assert checks.ask(None, actor=AUDITOR, now=clock.now()) == row
    assert checks.is_due(clock.now()) and checks.work(clock.now()) == 1
    row.refresh_from_db()
    assert row.holds and row.percent == 100 and not checks.is_due(clock.now())
    assert checks.work(clock.now()) == 0


def test_a_check_whose_worker_died_is_begun_anew_and_given_up_after_the_third(monkeypatch):
    monkeypatch.setattr(checks, "AT_ONCE", 0)
    a_journal(2, at=NOON)
    row, now = checks.ask(None, actor=AUDITOR, now=clock.now()), clock.now()

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "verify_chain", die, raising=False)
    monkeypatch.setattr(checks.verification, "verify_chain", die)
    for attempt in range(3):
        with pytest.raises(KeyboardInterrupt):
            checks.work(now + attempt * 2 * checks.LEASE)
        assert not checks.is_due(now + attempt * 2 * checks.LEASE), "somebody may still be at it"
    checks.work(now + 6 * checks.LEASE)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("FAILED", 3) and not row.holds


def test_between_two_seals_the_newest_check_remembers_where_the_chain_ended():
    a_journal(6, at=NOON)
    checks.ask(None, actor=AUDITOR, now=clock.now())
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_links WHERE seq > 4")
        cursor.execute("DELETE FROM audit_logs WHERE id NOT IN (SELECT event_id FROM audit_links)")
        cursor.execute("DELETE FROM audit_pending")
    (finding,) = verify_chain().findings
    assert (finding.kind, finding.seq) == (Kind.CUT_TAIL, 5)


def test_a_chain_made_anew_before_any_seal_does_not_meet_the_newest_check():
    events = a_journal(4, at=NOON)
    checks.ask(None, actor=AUDITOR, now=clock.now())
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'nobody' WHERE id = %s", [events[1].pk])
    recompute_chain()
    assert [each.kind for each in verify_chain().findings] == [Kind.SEAL_MISMATCH]


def test_a_journal_that_does_not_hold_is_an_alarm_raised_once():
    events = a_journal(4, at=NOON)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'x' WHERE id = %s", [events[1].pk])
    first = checks.ask(None, actor=AUDITOR, now=clock.now())
    checks.ask(None, actor=AUDITOR, now=clock.now())
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.told) == (Alarm.Kind.JOURNAL, {"check": str(first.pk), "faults": 1})


@pytest.mark.django_db(transaction=True)
def test_the_sweep_begins_what_waits_in_a_thread_of_its_own():
    a_journal(6, at=clock.now())
    check = Check.objects.create(asked_by_kind="STAFF", asked_by="7", asked_at=clock.now())
    tasks.sweep(clock.now())
    eventually(lambda: Check.objects.get(pk=check.pk).is_over)
    assert Check.objects.get(pk=check.pk).walked == 6
