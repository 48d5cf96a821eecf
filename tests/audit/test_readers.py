"""Reading the journal: a person's lines a page at a time, an object's in their order."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from audit import log, readers
from audit.log import Action, Actor, ActorKind, Channel
from tests.factories import NOON

pytestmark = pytest.mark.django_db
PORTAL = Actor(ActorKind.PARTICIPANT, "portal.example.com", Channel.PORTAL)


def happened(subject: str, count: int, action: Action = Action.METER_RESOLVED, **more: str) -> None:
    for n in range(count):
        log.record(action, actor=PORTAL, at=NOON + timedelta(minutes=n), subject=subject, **more)


def test_a_person_s_lines_come_newest_first_and_no_page_repeats_or_drops_one() -> None:
    mine, merged, theirs = str(uuid4()), str(uuid4()), str(uuid4())
    happened(mine, 5)
    happened(merged, 2)
    happened(theirs, 3)

    first = readers.lines_of_subject([mine, merged], most=4)
    happened(mine, 1)  # something new meanwhile
    second = readers.lines_of_subject([mine, merged], most=4, older=first.older)

    told = [*first.lines, *second.lines]
    assert len({line.reference for line in told}) == 7 and second.older is None
    assert (told[0].actor_id, told[0].channel) == ("portal.example.com", "PORTAL")


def test_nobody_has_the_lines_that_are_about_nobody() -> None:
    happened("", 3)

    assert readers.lines_of_subject([""]).lines == () == readers.lines_of_subject([None]).lines


def test_lines_are_narrowed_by_what_happened_and_since_when() -> None:
    mine = str(uuid4())
    happened(mine, 3)
    happened(mine, 1, Action.READ_PII)

    assert [line.action for line in readers.lines_of_subject([mine], actions=[Action.READ_PII]).lines] == ["pii.read"]
    assert len(readers.lines_of_subject([mine], since=NOON + timedelta(minutes=2)).lines) == 1


def test_an_object_s_lines_come_in_their_order_and_of_no_other_object() -> None:
    happened("", 2, Action.CASE_READY, object_type="case", object_id="1")
    happened("", 1, Action.ENROLLMENT_CONFIRMED, object_type="enrollment", object_id="e-1")
    happened("", 1, Action.CASE_READY, object_type="case", object_id="2")

    lines = readers.lines_about([("case", "1"), ("enrollment", "e-1")])
    assert [line.action for line in lines] == ["case.ready", "case.ready", "enrollment.confirmed"]
    assert readers.lines_about([("case", "1"), ("enrollment", "e-1")], most=1) == lines[-1:]
    assert readers.lines_about([]) == ()
