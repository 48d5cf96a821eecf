"""The first page: each thing that needs a person is told, with the page where it is mended, to whom it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock, log
from audit.log import Action, Actor, ActorKind
from beckn import workers
from beckn.models import Participant
from console import news
from console.rights import Right
from credentials.models import IssuerKey
from identity import agencies
from identity.staff import Role
from tests.console.messages.rows import came, owed, peer
from tests.console.messages.test_messages import text_of
from tests.staff import desk

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def good_day(bootstrapped_today: None) -> Iterator[None]:
    """Keys and lists are there, and a worker lives."""
    now = clock.now()
    workers.beat("here:1", [], started_at=now, rounds=1, round_ms=3, now=now)
    yield


def told(right: Any = tuple(Right)) -> dict[str, str]:
    return {each.text: each.url for each in news.of_today(clock.now(), right)}


def only(words: str) -> str:
    """The address of the one line that says this."""
    [url] = [url for text, url in told().items() if re.search(words, text)]
    return url


def test_on_a_good_day_nothing_is_told() -> None:
    assert told() == {}
    assert "Nothing needs you now" in text_of(desk(Role.VIEWER).get("/admin/"))


def test_stuck_and_late_messages_are_told_with_their_age_and_lead_to_them() -> None:
    someone, old = peer(), clock.now() - timedelta(days=3)
    came(someone, state="STUCK", at=old), owed(someone, state="STUCK", at=old), owed(someone, state="STUCK")
    came(someone, state="WAITING", at=old)
    assert only("^1 received message is stuck.* for 3 days") == "/admin/inbox/?state=STUCK"
    assert only("^2 messages to send are stuck.* for 3 days") == "/admin/outbox/?state=STUCK"
    assert only("Received messages wait to be handled.* for 3 days: is a worker") == "/admin/operations/"


def test_a_spike_of_refusals_names_its_reason_and_its_sender_and_a_few_are_no_news() -> None:
    def refuse(times: int) -> None:
        for _ in range(times):
            sender = Actor(ActorKind.PARTICIPANT, "loud.example")
            log.record(Action.MESSAGE_REFUSED, actor=sender, at=clock.now(), details={"code": "EXPIRED"})

    refuse(19)
    assert told() == {}
    refuse(1)
    assert only("20 messages were refused within an hour, most of them for EXPIRED. .*loud.example") == (
        "/admin/refused/?code=EXPIRED"
    )


def test_what_ends_soon_is_told_with_its_day_and_what_has_a_successor_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    soon, later = clock.now() + timedelta(days=5), clock.now() + timedelta(days=400)
    ending = peer("ending.example", valid_until=soon)
    peer("followed.example", valid_until=soon)
    peer("followed.example", key_id="k2", valid_until=later)
    peer("off.example", valid_until=soon)
    Participant.objects.filter(subscriber_id="off.example").update(suspended_at=clock.now())
    details = agencies.Details("An agency", clock.now() - timedelta(days=9), certified_until=soon)
    agencies.add("ea-1", details, actor=log.SYSTEM, at=clock.now())
    IssuerKey.objects.filter(pk=IssuerKey.objects.filter(state="ACTIVE").earliest("pk").pk).update(
        activated_at=clock.now() - timedelta(days=380)
    )
    own = settings.BECKN_IDENTITIES[0]
    key = own.keys[0].model_copy(update={"valid_until": soon})
    mine = own.model_copy(update={"keys": (key,)})
    monkeypatch.setattr(settings, "BECKN_IDENTITIES", (mine, *settings.BECKN_IDENTITIES[1:]))

    assert only(f"Ends on {soon:%Y-%m-%d}: a participant's key, ending.example") == f"/admin/participants/{ending.pk}/"
    assert only("an agency's certificate, ea-1").startswith("/admin/identity/agency/")
    assert only(f"our key on the network, {re.escape(own.subscriber_id)}") == "/admin/participants/"
    assert "issuerkey" in only("issuer key .* signs for too long")
    assert len(told()) == 4


def test_without_a_worker_or_with_a_queue_that_nobody_takes_the_home_page_says_so() -> None:
    now = clock.now()
    workers.beat("here:1", ["inbox"], started_at=now, rounds=1, round_ms=3, now=now)
    assert only("No worker takes the work of these queues: .*imports") == "/admin/operations/"
    workers.beat("here:1", [], started_at=now, rounds=1, round_ms=3, now=now - timedelta(minutes=61))
    assert only("No worker is running: .* for 1 hour") == "/admin/operations/"


def test_news_whose_page_one_may_not_open_are_not_told() -> None:
    assert told({Right.SEE}) == {}
    found = [each.right for each in news.of_today(clock.now())]
    assert all(right in Right for right in found)


def test_the_first_page_asks_the_same_questions_whatever_has_piled_up() -> None:
    see, counts = desk(Role.CASE_WORKER), []
    for more in (1, 40):
        for _ in range(more):
            owed(peer(), state="STUCK")
        with CaptureQueriesContext(connection) as asked:
            assert see.get("/admin/").status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 50, counts
