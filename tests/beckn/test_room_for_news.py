"""News of a campaign waits while a portal has enough to read, so that one person's answer does not wait behind it."""

from datetime import timedelta

from audit import clock
from beckn import outgoing, tasks
from beckn.models import Outbox, Participant
from beckn.outgoing import has_room
from tests.bap import Bap
from tests.beckn.test_outbox import tell


def test_a_portal_has_room_until_a_hundred_messages_wait_and_again_when_they_are_read(bap: Bap, monkeypatch) -> None:
    monkeypatch.setattr(outgoing, "ENOUGH_TO_READ", 3)
    for _ in range(2):
        tell(bap)
    assert has_room(bap.subscriber_id, clock.now())
    tell(bap)
    assert not has_room(bap.subscriber_id, clock.now())
    tasks.drain()
    assert has_room(bap.subscriber_id, clock.now())


def test_what_is_to_be_tried_later_takes_no_room(bap: Bap, monkeypatch) -> None:
    monkeypatch.setattr(outgoing, "ENOUGH_TO_READ", 1)
    tell(bap)
    Outbox.objects.update(due_at=clock.now() + timedelta(minutes=1))
    assert has_room(bap.subscriber_id, clock.now())


def test_for_a_portal_that_is_away_or_suspended_nobody_waits(bap: Bap, monkeypatch) -> None:
    monkeypatch.setattr(outgoing, "ENOUGH_TO_READ", 1)
    tell(bap)
    assert not has_room(bap.subscriber_id, clock.now())
    Participant.objects.update(held_until=clock.now() + timedelta(seconds=30))
    assert has_room(bap.subscriber_id, clock.now())
    Participant.objects.update(held_until=None, suspended_at=clock.now())
    assert has_room(bap.subscriber_id, clock.now())
    assert has_room("nobody.example", clock.now())
