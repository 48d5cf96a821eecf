"""Messages at the console: found among many, told in words, read with a line in the journal, retried and given up."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from audit.models import Event
from beckn.models import Inbox, MessageNote, Outbox
from identity.staff import Role
from tests.console.messages.rows import came, owed, peer
from tests.staff import desk

pytestmark = pytest.mark.django_db


def text_of(answer: Any) -> str:
    words = re.sub(r"<[^>]*>", " ", answer.content.decode().partition('id="content"')[2])
    return html.unescape(re.sub(r"\s+", " ", words))


def actions() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("action", flat=True))


def test_messages_are_found_by_state_participant_action_day_and_id() -> None:
    one, other = peer("one.example"), peer("other.example")
    old = came(one, at=clock.now() - timedelta(days=40), action="init")
    stuck = came(other, state="STUCK", last_error="KeyError")
    again = came(one, repeats=3, repeated_at=clock.now())
    see = desk(Role.VIEWER)

    def found(**asked: str) -> set[str]:
        return set(re.findall(r">(in-\d+)<", see.get("/admin/inbox/", asked).content.decode()))

    names = {each: f"in-{each.pk}" for each in (old, stuck, again)}
    day = f"{clock.now() - timedelta(days=40):%Y-%m-%d}"
    assert found() == set(names.values())
    assert found(state="STUCK") == {names[stuck]}
    assert found(participant="one.example") == {names[old], names[again]}
    assert found(participant="one.example", action="init") == {names[old]}
    assert found(since=day, until=day) == {names[old]}
    assert found(again="on") == {names[again]}
    assert found(id=stuck.message_id) == found(id=stuck.transaction_id) == found(id=names[stuck]) == {names[stuck]}
    assert found(id=f"out-{stuck.pk}") == set()
    assert "No participant has the name nobody.example" in text_of(
        see.get("/admin/inbox/", {"participant": "nobody.example"})
    )


def test_lists_ask_the_same_few_questions_for_any_number_of_rows() -> None:
    see, counts = desk(Role.VIEWER), []
    for more in (2, 60):
        for _ in range(more):
            someone = peer()
            came(someone), owed(someone, state="STUCK", last_error="HTTP 503")
        for address in ("/admin/inbox/", "/admin/outbox/?state=STUCK", "/admin/participants/", "/admin/refused/"):
            with CaptureQueriesContext(
                connection,
            ) as asked:
                assert see.get(address).status_code == 200
            counts.append(len(asked))
    assert counts[:4] == counts[4:] and max(counts) <= 12, counts


def test_a_message_tells_who_signed_it_why_it_is_stuck_and_what_goes_with_it() -> None:
    one = peer("one.example")
    row = came(one, state="STUCK", attempts=3, last_error="UtilityUnavailable", transaction_id="t-1", incident_id="i-1")
    answer = owed(one, in_answer_to=row, transaction_id="t-1", state="DONE", done_at=clock.now())
    told = text_of(desk(Role.VIEWER).get(f"/admin/inbox/{row.pk}/"))
    assert "Proven when it came, with the key k1." in told
    assert "Handling it failed (UtilityUnavailable)" in told
    assert f"out-{answer.pk} answers it: Answer to a confirmation (on_confirm), done" in told
    assert "roles that handle messages" in told and "Try again now" not in told
    page = text_of(desk(Role.VIEWER).get(f"/admin/outbox/{answer.pk}/"))
    assert f"in-{row.pk} is what it answers: Confirmation (confirm), stuck" in page


def test_what_a_message_says_is_masked_and_that_somebody_looked_stands_in_the_journal() -> None:
    body = {
        "context": {"transaction_id": "t"},
        "message": {
            "order": {
                "userAuth": {"accessToken": "sealed:0"},
                "beckn:id": "order-7",
                "fulfillments": [
                    {
                        "customer": {"name": "Asha Rao", "note": "call 9876543210", "number": 9123456780},
                        "meterId": "UMID-00012345",
                    }
                ],
                "link": "https://x.example/credentials/1?t=s3cr3t",
                "contactText": "write to asha@example.com",
                "accountNumber": 700012345678,
            }
        },
    }
    row = came(peer("one.example"), body=body)
    case_worker = desk(Role.CASE_WORKER)
    address = f"/admin/inbox/{row.pk}/payload/"
    assert "order-7" not in text_of(case_worker.get(address)) and actions()[-1] != "message.read"
    answer = case_worker.post(address)
    shown = text_of(answer)
    assert "order-7" in shown and "…2345" in shown and "(masked)" in shown
    for secret in ("Asha", "9876543210", "s3cr3t", "asha@example.com", "UMID-0001", "9123456780", "700012345678"):
        assert secret not in shown
    assert "no-store" in answer.headers["Cache-Control"]
    line = Event.objects.get(action="message.read")
    assert (line.object_type, line.object_id, line.actor_id) == ("inbox", str(row.pk), str(case_worker.member.user_id))
    assert desk(Role.VIEWER).post(address).status_code == 403


def test_a_stuck_message_is_tried_again_and_its_note_is_kept_encrypted() -> None:
    row = owed(peer("one.example"), state="STUCK", attempts=9, last_error="Unreachable: no connection")
    case_worker = desk(Role.CASE_WORKER)
    page = case_worker.get(f"/admin/outbox/{row.pk}/retry/")
    assert "under the same message id" in text_of(page)
    answer = case_worker.post(f"/admin/outbox/{row.pk}/retry/", {"note": "they are back"}, follow=True)
    assert "It is due now" in answer.content.decode() and "tried again: they are back" in text_of(answer)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("WAITING", 0) and row.give_up_at > clock.now() + timedelta(hours=23)
    assert "message.retried" in actions()
    with connection.cursor() as cursor:
        cursor.execute("SELECT note FROM beckn_message_notes")
        assert b"back" not in bytes(cursor.fetchone()[0])


def test_a_note_about_a_message_is_read_by_who_may_read_messages_and_by_nobody_else() -> None:
    row = owed(peer("one.example"), state="STUCK", last_error="Unreachable: no connection")
    desk(Role.CASE_WORKER).post(f"/admin/outbox/{row.pk}/retry/", {"note": "Asha called"})
    assert "Asha called" in text_of(desk(Role.SECURITY_OFFICER).get(f"/admin/outbox/{row.pk}/"))
    shown = text_of(desk(Role.VIEWER).get(f"/admin/outbox/{row.pk}/"))
    assert "Asha called" not in shown and "tried again: not for you to read" in shown


def test_giving_up_needs_a_note_is_final_and_wipes_what_was_kept_apart() -> None:
    row = came(peer("one.example"), state="STUCK", sealed=[[["message"], "secret"]])
    case_worker = desk(Role.CASE_WORKER)
    address = f"/admin/inbox/{row.pk}/give-up/"
    refused = case_worker.post(address, {"note": " "})
    assert (
        refused.status_code == 400 and "Write why." in text_of(refused) and "<title>Error:" in refused.content.decode()
    )
    assert case_worker.post(address, {"note": "the sender has asked anew"}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.sealed) == ("DROPPED", None)
    assert MessageNote.objects.get().note == "the sender has asked anew"
    assert Event.objects.get(action="message.given_up").details == {"has_note": True}
    assert not Outbox.objects.exists()  # the sender was told when it got stuck
    assert "cannot be done now" in text_of(case_worker.get(address))
    assert case_worker.post(address, {"note": "once more"}).status_code == 409
    with pytest.raises(CommandError):
        call_command("messages", "retry", f"in-{row.pk}")


def test_a_request_that_waits_and_is_given_up_is_answered_that_it_was_our_fault() -> None:
    one = peer("one.example")
    context = {"bap_id": "one.example", "bap_uri": one.url, "message_id": "m", "transaction_id": "t", "action": "init"}
    row = came(one, state="WAITING", action="init", body={"context": context, "message": {"order": {}}})
    call_command("messages", "give-up", f"in-{row.pk}", "--note", "a test of the night")
    answer = Outbox.objects.get()
    row.refresh_from_db()
    assert answer.action == "on_init" and row.incident_id and row.incident_id in str(answer.body)


def test_what_a_worker_has_at_this_moment_is_left_to_it() -> None:
    row = owed(peer("one.example"), lease_until=clock.now() + timedelta(minutes=1))
    case_worker = desk(Role.CASE_WORKER)
    assert "a worker has it at this moment" in text_of(case_worker.get(f"/admin/outbox/{row.pk}/"))
    assert case_worker.post(f"/admin/outbox/{row.pk}/give-up/", {"note": "no"}).status_code == 409


def test_a_message_that_is_gone_is_told_so() -> None:
    assert desk(Role.VIEWER).get("/admin/inbox/4711/").status_code == 404
    assert not Inbox.objects.exists()
