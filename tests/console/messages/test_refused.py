"""Refused messages at the console: why, in words, from what the journal keeps of a refusal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from audit import clock
from beckn.models import Inbox
from console.messages.reasons import words_of
from identity.staff import Role
from tests.bap import Bap
from tests.beckn.conftest import Post, _no_memory, bap, encode, journalled, message, post  # noqa: F401 - fixtures
from tests.console.messages.test_messages import text_of
from tests.staff import desk

pytestmark = pytest.mark.django_db


def test_a_message_from_the_future_is_told_with_its_seconds_its_sender_and_what_to_do(bap: Bap, post: Post) -> None:  # noqa: F811
    raw = encode(message(bap))
    ahead = bap.authorization(raw, created=int(clock.now().timestamp()) + 13)
    assert post(bap, raw, authorization=ahead).status_code == 401
    told = text_of(desk(Role.VIEWER).get("/admin/refused/"))
    assert re.search(r"Created 1[23] s in the future by our clock; 5 s are allowed\.", told)
    assert f"{bap.subscriber_id} (says so itself)" in told and "Compare the sender's clock with ours" in told
    assert "In the last 24 hours: 1 refusal" in told and "SIGNATURE_INVALID" in told


def test_a_refused_message_is_found_by_code_and_sender_and_leads_to_the_one_it_repeats(bap: Bap, post: Post) -> None:  # noqa: F811
    first = message(bap)
    post(bap, first)
    first["message"]["intent"] = {"other": "content"}
    assert post(bap, first).status_code == 400
    details = journalled("message.refused")[0]
    assert details["code"] == "DUPLICATE_MESSAGE_ID" and details["message_id"] == first["context"]["message_id"]
    see = desk(Role.VIEWER)
    asked = {"code": "DUPLICATE_MESSAGE_ID", "participant": bap.subscriber_id}
    told = see.get("/admin/refused/", asked)
    assert "Another message with the same id was taken before" in text_of(told)
    assert f"?id={first['context']['message_id']}" in told.content.decode()
    assert "No refusal fits." in text_of(see.get("/admin/refused/", {"code": "EXPIRED"}))


def test_a_message_that_comes_again_is_counted_and_stands_in_the_journal(bap: Bap, post: Post) -> None:  # noqa: F811
    again = encode(message(bap))
    for _ in range(3):
        assert post(bap, again, action="search").status_code == 200
    row = Inbox.objects.get()
    assert row.repeats == 2 and row.repeated_at is not None
    assert len(journalled("message.repeated")) == 2
    assert "2 times, the last at" in text_of(desk(Role.VIEWER).get(f"/admin/inbox/{row.pk}/"))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"code": "SIGNATURE_INVALID", "why": "OVER", "seconds": 300}, "Its signature had ended 5 min before"),
        ({"code": "SIGNATURE_INVALID", "check": "signature"}, "the body was changed on the way"),
        ({"code": "EXPIRED", "why": "OVER", "seconds": 200_000}, "It came 2 days after its time was over"),
        ({"code": "KEY_UNKNOWN", "key_id": "k7"}, "signed with the key k7"),
        ({"code": "SCHEMA_INVALID", "path": "message.order.id"}, "its profile says (message.order.id)."),
        ({"status": 418}, "Refused with HTTP 418."),
        (None, "Refused with HTTP ?."),
    ],
)
def test_every_reason_is_a_sentence_also_of_old_lines(details: Any, words: str) -> None:
    assert words in words_of(details)


def test_a_strangers_free_text_reaches_no_line_of_the_journal(client: Client, bap: Bap, post: Post) -> None:  # noqa: F811
    post(bap, message(bap, message_id="call me at asha@example.com", ttl="nonsense"))
    assert "asha" not in str(journalled("message.refused"))
