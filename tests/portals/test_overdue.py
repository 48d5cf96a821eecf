"""Questions that nobody answers, and journeys that nobody goes on with."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client

from audit import clock
from beckn import tasks as transport
from beckn.models import Outbox, State
from portals import asking, drafts, overdue, retention
from portals.callbacks import NO_ANSWER
from portals.models import Application, HelpCode
from tests.portals.conftest import Provider, begin, change, enrolled
from tests.portals.test_callbacks import READY, about, draft, init

pytestmark = pytest.mark.django_db
SOON, LATE = timedelta(seconds=59), timedelta(seconds=61)


def test_a_confirmation_whose_answer_was_lost_is_sent_again_as_the_same_one(provider: Provider, journey: Application):
    transport.drain()
    assert overdue.look(journey.asked_at + SOON) == 0

    assert overdue.look(journey.asked_at + LATE) == 1

    first, second = confirms(journey)
    assert first.body["message"] == second.body["message"] and first.message_id != second.message_id
    found = provider.answers(journey, enrolled())
    assert (found.state, found.asked_action) == ("ENROLLED", "")


def test_each_next_one_waits_longer_and_after_a_day_operators_are_told(journey: Application):
    at, sent = journey.asked_at, 0
    while at < journey.asked_at + timedelta(hours=26):
        at += timedelta(minutes=10)
        Outbox.objects.update(state=State.DONE, done_at=at)  # delivered
        sent += overdue.look(at)
    journey.refresh_from_db()

    assert (journey.state, journey.trouble) == ("CONFIRMING", NO_ANSWER)
    assert 25 < sent < 32


def test_a_confirmation_that_is_still_on_its_way_is_not_sent_twice(journey: Application):
    assert overdue.look(journey.asked_at + LATE) == 0
    assert len(confirms(journey)) == 1


def test_any_other_question_is_given_up_and_can_be_asked_again(provider: Provider):
    journey = waiting_for_init(provider)

    assert overdue.look(journey.asked_at + LATE) == 1

    journey.refresh_from_db()
    assert (journey.state, journey.asked_action, journey.trouble) == ("DRAFT", "", NO_ANSWER)
    assert overdue.look(journey.updated_at + LATE) == 0


def test_an_answer_after_that_counts_while_nothing_has_changed(provider: Provider):
    journey = waiting_for_init(provider)
    asked = {"message_id": journey.asked_message_id, "transaction_id": journey.transaction_id}
    overdue.look(journey.asked_at + LATE)
    provider.says("on_init", about(journey, READY), **asked)

    journey.refresh_from_db()
    assert "on_init" in journey.told and journey.trouble == ""


def test_an_answer_after_that_is_left_aside_once_something_else_was_answered(provider: Provider):
    journey = waiting_for_init(provider)
    asked = {"message_id": journey.asked_message_id, "transaction_id": journey.transaction_id}
    overdue.look(journey.asked_at + LATE)
    change(journey, lambda row: row.answers.update(meters=["umid-002"]))
    provider.says("on_init", about(journey, READY), **asked)

    journey.refresh_from_db()
    assert "on_init" not in journey.told


def test_after_a_change_that_nobody_answers_we_ask_how_it_stands(provider: Provider, journey: Application):
    found = provider.answers(journey, enrolled())
    found = change(found, lambda row: asking.leave(row, now=clock.now()))

    overdue.look(found.asked_at + LATE)
    found.refresh_from_db()
    assert found.asked_action == "status"

    overdue.look(found.asked_at + LATE)
    found.refresh_from_db()
    assert (found.state, found.asked_action, found.trouble) == ("ENROLLED", "", NO_ANSWER)


def test_drafts_are_forgotten_with_all_that_was_answered_and_enrolments_never(
    provider: Provider, journey: Application, client: Client
):
    kept = provider.answers(journey, enrolled())
    old = change(begin(provider), draft)
    HelpCode.objects.create(application=old, code_digest="0" * 64, made_at=now(), expires_at=now())
    days = settings.RETENTION_DRAFTS_DAYS

    assert retention.forget(now() + timedelta(days=days - 1)) == 0
    assert retention.forget(now() + timedelta(days=days + 1)) == 1
    assert list(Application.objects.all()) == [kept] and not HelpCode.objects.exists()


def now() -> datetime:
    return clock.now()


def confirms(journey: Application) -> list[Outbox]:
    return list(Outbox.objects.filter(action="confirm", transaction_id=journey.transaction_id).order_by("pk"))


def waiting_for_init(provider: Provider) -> Application:
    journey = change(begin(provider), draft)
    return drafts.change(journey, None, init, now=clock.now())
