"""The journal only grows, and what it takes it can keep."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from audit.chain import digest
from audit.log import SYSTEM, Action, Actor, ActorKind, Channel, Line, record, record_all
from audit.models import Event, Link, Seal
from audit.sequencer import link_events

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_a_line_tells_who_did_what_to_which_object_on_whose_behalf():
    subject = str(uuid.uuid4())
    actor = Actor(ActorKind.AGENCY, "ea-001", Channel.EA, on_behalf_of=subject)
    event = record(
        Action.ENROLLMENT_CONFIRMED,
        actor=actor,
        at=NOON,
        subject=subject,
        object_type="enrollment",
        object_id="enrollment-1",
        after={"state": "ACTIVE"},
        details={"meters": 2},
    )
    kept = Event.objects.get(public_id=event.public_id)
    assert event.reference == f"log-{kept.public_id}"
    assert (kept.actor_kind, kept.actor_id, kept.channel, kept.on_behalf_of) == ("AGENCY", "ea-001", "EA", subject)
    assert (kept.action, kept.object_id, kept.subject) == ("enrollment.confirmed", "enrollment-1", subject)
    assert (kept.before_digest, kept.after_digest) == ("", digest({"state": "ACTIVE"}))
    assert kept.details == {"meters": 2}


def test_many_lines_are_one_insert_in_the_order_given(django_assert_num_queries):
    lines = [Line(Action.CONSENT_GRANTED, SYSTEM, NOON, object_id=str(number)) for number in range(50)]
    with django_assert_num_queries(1):
        events = record_all(lines)
    assert [event.object_id for event in Event.objects.order_by("id")] == [str(number) for number in range(50)]
    assert all(event.pk for event in events)


def test_one_line_is_one_insert(django_assert_num_queries):
    with django_assert_num_queries(1):
        record(Action.LOGIN, actor=SYSTEM, at=NOON)


def test_a_line_without_a_time_zone_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="aware"):
        record(Action.LOGIN, actor=SYSTEM, at=datetime(2026, 9, 1))


@pytest.mark.parametrize(
    "quoted",
    ["null \x00 byte", "lone \ud800 surrogate", "ünïcödé ☀", "x" * 4_000, float("nan"), {1: {"deep": [b"\x01", NOON]}}],
)
def test_what_a_stranger_sent_cannot_break_the_line_that_refuses_it(quoted):
    record(
        Action.MESSAGE_REFUSED, actor=Actor(ActorKind.PARTICIPANT, "evil\x00\ud800"), at=NOON, details={"at": quoted}
    )
    assert link_events(NOON) == 1


@pytest.mark.parametrize("table", ["audit_logs", "audit_links", "audit_seals"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE", "DELETE FROM {} WHERE false"],
    ids=["update", "delete", "truncate", "delete of nothing"],
)
def test_the_database_refuses_every_change(table, statement):
    record(Action.LOGIN, actor=SYSTEM, at=NOON)
    link_events(NOON)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit: nothing else stands in the way
    column = {"audit_logs": "action", "audit_links": "hash", "audit_seals": "kid"}[table]
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column, column))


@pytest.mark.parametrize("model", [Event, Link, Seal])
def test_the_orm_cannot_change_the_journal_either(model):
    record(Action.LOGIN, actor=SYSTEM, at=NOON)
    link_events(NOON)
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
        model.objects.all()._raw_delete("default")


def test_a_line_written_in_raw_sql_is_linked_like_any_other():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_logs (public_id, at, action, actor_kind, actor_id, channel, on_behalf_of, subject,"
            " object_type, object_id, before_digest, after_digest)"
            " VALUES (gen_random_uuid(), %s, 'login', 'STAFF', 'x', 'CONSOLE', '', '', '', '', '', '')",
            [NOON],
        )
    assert link_events(NOON) == 1
    assert Link.objects.get().seq == 1
