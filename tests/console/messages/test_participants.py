"""Participants at the console: how they stand, and letting one of them speak or not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit import clock
from audit.models import Event
from beckn.models import Participant
from identity.staff import Role
from tests.console.messages.rows import came, owed, peer
from tests.console.messages.test_messages import text_of
from tests.staff import desk

pytestmark = pytest.mark.django_db


def test_participants_tell_how_they_stand_and_when_they_were_heard_and_reached() -> None:
    now = clock.now()
    good, ending = peer("good.example"), peer("ending.example", valid_until=now + timedelta(days=5))
    silent = peer("silent.example")
    Participant.objects.filter(pk=silent.pk).update(failures_in_a_row=4, held_until=now + timedelta(minutes=1))
    peer("over.example", valid_until=now - timedelta(days=1))
    came(good, at=now - timedelta(hours=1))
    owed(good, state="DONE", done_at=now, sent_at=now)
    owed(silent, state="STUCK")
    see = desk(Role.VIEWER)
    told = text_of(see.get("/admin/participants/"))
    assert f"{now - timedelta(hours=1):%Y-%m-%d %H:%M}" in told and f"{now:%Y-%m-%d %H:%M}" in told
    assert "its key ends soon" in told and "does not answer, 4 times in a row" in told and "no key that holds" in told
    assert "1 stuck" in told and "Our own names" in told
    trouble = text_of(see.get("/admin/participants/?trouble=on"))
    assert "silent.example" in trouble and "ending.example" in trouble and "good.example" not in trouble
    page = text_of(see.get(f"/admin/participants/{ending.pk}/"))
    assert "ends soon" in page and "Suspend" not in page


def test_a_security_officer_suspends_a_participant_with_a_reason_and_lets_it_go_on() -> None:
    row = peer("one.example")
    officer = desk(Role.SECURITY_OFFICER)
    address = f"/admin/participants/{row.pk}/suspend/"
    assert "every message of it is refused" in text_of(officer.get(address))
    wrong = officer.post(address, {"reason": "KEY_LOST", "name": "two.example"})
    assert wrong.status_code == 400 and "not the name of the participant" in text_of(wrong)
    answer = officer.post(address, {"reason": "KEY_LOST", "note": "a call at noon", "name": "one.example"}, follow=True)
    assert "KEY_LOST: a call at noon" in text_of(answer)
    line = Event.objects.get(action="participant.suspended")
    assert line.details == {"reason": "KEY_LOST"} and line.actor_id == str(officer.member.user_id)
    assert officer.post(f"/admin/participants/{row.pk}/resume/", {"name": "one.example"}).status_code == 302
    row.refresh_from_db()
    assert row.suspended_at is None
    assert desk(Role.CASE_WORKER).post(address, {"reason": "OTHER", "name": "one.example"}).status_code == 403
