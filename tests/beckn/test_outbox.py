"""What goes out: signed, to the registered address only, retried until it is taken, and never in anybody's way."""

import json
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from audit import clock
from beckn import delivery, identities, nacks, participants, retention, tasks
from beckn.door import Door
from beckn.models import Inbox, Outbox, Participant
from credentials.bootstrap import ensure
from credentials.services import NewCredential, issue
from sandbox.generated import OWNER
from tests.bap import Bap, is_signed_by
from tests.beckn.conftest import encode, is_ack, journalled, message, register

AUTH = {"authMethod": "OIDC", "accessToken": "eyJ.secret"}


def tell(peer: Bap, content: dict | None = None, **more) -> Outbox:
    """News for a participant that nobody asked for."""
    with transaction.atomic():
        row = Door().unsolicited(
            bap_id=peer.subscriber_id,
            bap_uri=more.pop("bap_uri", peer.uri),
            action="on_status",
            transaction_id="txn-1",
            domain="energy.enrollment",
            message=content or {"order": {"beckn:id": "o-1"}},
            now=clock.now(),
            **more,
        )
    assert row is not None
    return row


def later(row: Outbox, **changes) -> Outbox:
    """Let the backoff be over."""
    Outbox.objects.filter(pk=row.pk).update(due_at=clock.now(), **changes)
    Participant.objects.update(held_until=None)
    row.refresh_from_db()
    return row


def test_a_request_is_answered_by_a_signed_callback_under_the_same_message_id(bap, post):
    body = message(bap)
    assert is_ack(post(bap, body))
    tasks.drain()
    callback = bap.wait_for("on_search")
    ours = identities.owner().keys[0].public_key
    assert is_signed_by(callback, ours)
    context = callback.context
    assert context["message_id"] == body["context"]["message_id"]
    assert context["transaction_id"] == body["context"]["transaction_id"]
    assert (context["bap_id"], context["bpp_id"]) == (bap.subscriber_id, OWNER)
    assert Inbox.objects.get().state == "DONE"
    assert Outbox.objects.get().state == "DONE"


def test_a_participant_may_be_set_to_new_message_ids(bap, post):
    register(bap, message_ids="new")
    body = message(bap)
    post(bap, body)
    tasks.drain()
    assert bap.wait_for("on_search").context["message_id"] != body["context"]["message_id"]


def test_a_peer_that_is_down_gets_its_message_when_it_is_back(bap):
    row = tell(bap)
    bap.stop()
    tasks.deliver_outbox(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("WAITING", 1)
    assert row.due_at > clock.now() + timedelta(seconds=8)
    assert participants.registered(bap.subscriber_id).held_until > clock.now()
    bap.start()
    later(row)
    tasks.drain()
    assert bap.wait_for("on_status").context["message_id"] == row.message_id
    assert participants.registered(bap.subscriber_id).held_until is None


@pytest.mark.parametrize(("mode", "words"), [("nack", "NACK: BAP_SAYS_NO"), ("refuse", "HTTP 503")])
def test_a_refusal_is_kept_as_the_reason_and_tried_again(bap, mode, words):
    row = tell(bap)
    bap.behave(mode)
    tasks.drain()
    row.refresh_from_db()
    assert row.state == "WAITING"
    assert words in row.last_error
    bap.behave("ack")
    later(row)
    tasks.drain()
    row.refresh_from_db()
    assert (row.state, row.last_error) == ("DONE", "")


def test_the_waits_grow_from_ten_seconds_to_an_hour():
    waits = [delivery.wait_seconds(attempts) for attempts in range(1, 15)]
    assert 9 <= waits[0] <= 11
    assert 18 <= waits[1] <= 22
    assert all(3240 <= wait <= 3960 for wait in waits[9:])


def test_after_a_day_the_message_is_stuck_and_the_journal_says_so(bap):
    row = tell(bap)
    Outbox.objects.update(give_up_at=clock.now(), last_error="HTTP 503")
    tasks.purge()
    row.refresh_from_db()
    assert row.state == "STUCK"
    assert journalled("message.stuck") == [{"action": "on_status", "error": "HTTP 503"}]


@pytest.mark.parametrize("uri", ["https://evil.example/collect", "http://127.0.0.1:1/bap", "ftp://x/bap"])
def test_nothing_is_sent_beside_the_registered_address(bap, uri):
    row = tell(bap)
    Outbox.objects.filter(pk=row.pk).update(uri=uri)
    tasks.drain()
    row.refresh_from_db()
    assert row.state == "WAITING"
    assert "registered" in row.last_error


def test_a_bap_that_moved_since_its_order_hears_news_at_its_new_address(bap):
    row = tell(bap, bap_uri="https://where-it-was.example/bap")
    tasks.drain()
    row.refresh_from_db()
    assert row.state == "DONE"
    assert bap.callbacks[0].context["bap_uri"] == bap.uri


def test_a_suspended_participant_gets_nothing(bap):
    row = tell(bap)
    participants.suspend(bap.subscriber_id, reason="test", now=clock.now())
    tasks.drain()
    row.refresh_from_db()
    assert (row.state, row.attempts, bap.callbacks) == ("WAITING", 0, [])


def test_two_workers_send_a_message_once(bap):
    row = tell(bap)
    Outbox.objects.filter(pk=row.pk).update(lease=uuid4(), lease_until=clock.now() + timedelta(seconds=30))
    tasks.deliver_outbox(row.pk)
    assert tasks.drain() == 0
    Outbox.objects.filter(pk=row.pk).update(lease_until=clock.now())  # its worker died
    assert tasks.drain() == 1
    assert len(bap.callbacks) == 1


def test_a_duplicate_gets_its_delivered_callback_again_at_most_once_a_minute(bap, post):
    raw = encode(message(bap))
    post(bap, raw)
    tasks.drain()
    for _ in range(3):
        assert is_ack(post(bap, raw))
        tasks.drain()
    assert len(bap.callbacks) == 1
    Outbox.objects.update(done_at=clock.now() - timedelta(seconds=61))
    for _ in range(3):
        assert is_ack(post(bap, raw))
        tasks.drain()
    assert len(bap.callbacks) == 2
    assert bap.callbacks[0].body == bap.callbacks[1].body


def test_a_duplicate_of_an_undelivered_callback_changes_nothing(bap, post):
    raw = encode(message(bap))
    bap.behave("refuse")
    post(bap, raw)
    tasks.drain()
    due = Outbox.objects.get().due_at
    assert is_ack(post(bap, raw))
    assert Outbox.objects.get().due_at == due


def test_secrets_leave_the_row_when_the_message_was_taken(bap):
    url = "http://127.0.0.1:8000/credentials/1?t=secret"
    content = {"order": {"beckn:id": "o-1", "credentialUrl": url, "nguid": "session-9"}}
    row = tell(bap, content)
    row.refresh_from_db()
    assert "secret" not in json.dumps(row.body)
    assert "session-9" not in json.dumps([row.body, row.holes])
    tasks.drain()
    assert bap.callbacks[0].message == content
    row.refresh_from_db()
    assert row.sealed is None
    later(row, state="WAITING", done_at=None)
    tasks.drain()
    assert bap.callbacks[1].message == {"order": {"beckn:id": "o-1", "credentialUrl": url.partition("?")[0]}}


def test_a_credentials_bytes_are_put_in_when_it_is_sent_and_again_later(bap):
    ensure()
    new = NewCredential(
        kind="ENROLLMENT",
        subject_did="did:example:user-12345",
        claims={"enrollmentId": "e-1", "programId": "p-1", "programName": "P", "meters": ["umid-001"], "ders": []}
        | {"roles": ["consumer"], "constraints": {}, "status": "ACTIVE"}
        | {"startDate": "2026-11-01T00:00:00Z", "endDate": "2027-10-31T23:59:59Z"},
        valid_from=clock.now(),
        valid_until=clock.now() + timedelta(days=365),
    )
    with transaction.atomic():
        issued = issue([new], now=clock.now())[0]
    echoed = f"sealed:credential:{issued.id}"
    row = tell(bap, {"order": {"beckn:id": echoed, "credential": {"credentialData": echoed}}})
    row.refresh_from_db()
    assert issued.jwt not in json.dumps(row.body)
    for count in (1, 2):
        tasks.drain()
        assert len(bap.callbacks) == count
        order = bap.callbacks[-1].message["order"]
        assert order["credential"]["credentialData"] == issued.jwt
        assert order["beckn:id"] == echoed, "what a sender wrote itself is never filled"
        later(row, state="WAITING", done_at=None)


def test_sealed_values_are_wiped_after_a_day(bap, post):
    tell(bap, {"order": {"nguid": "session-9"}})
    post(bap, message(bap, "status", {"order": {"beckn:id": "o", "beckn:orderAttributes": {"userAuth": AUTH}}}))
    assert Inbox.objects.get().sealed
    assert retention.wipe_sealed(clock.now()) == 0
    assert Inbox.objects.get().sealed
    assert retention.wipe_sealed(clock.now() + timedelta(hours=25)) == 2
    assert Inbox.objects.get().sealed is None
    assert Outbox.objects.get().sealed is None


@pytest.mark.django_db(transaction=True)
def test_a_peer_that_hangs_does_not_hold_up_the_others(monkeypatch):
    monkeypatch.setattr(delivery, "READ_TIMEOUT", 1.0)
    hanging, well = Bap(subscriber_id="hanging.example"), Bap(subscriber_id="well.example")
    for peer in (hanging, well):
        peer.start()
        register(peer)
    hanging.behave("hang")
    for _ in range(30):
        tell(hanging)
    for _ in range(5):
        tell(well)
    try:
        started = time.monotonic()
        while len(well.callbacks) < 5 and time.monotonic() - started < 5:
            tasks.sweep_outbox(clock.now())
            time.sleep(0.1)
        assert len(well.callbacks) == 5
        assert time.monotonic() - started < 2
        assert hanging.hanging <= delivery.AT_ONCE
        hanging.behave("ack")
        deadline = time.monotonic() + 20
        while len(hanging.callbacks) < 30 and time.monotonic() < deadline:
            Outbox.objects.filter(state="WAITING").update(due_at=clock.now())
            Participant.objects.update(held_until=None)
            tasks.sweep_outbox(clock.now())
            time.sleep(0.1)
        assert len({callback.context["message_id"] for callback in hanging.callbacks}) == 30
    finally:
        hanging.stop()
        well.stop()
        _let_the_pools_finish()


def _let_the_pools_finish() -> None:
    deadline = time.monotonic() + 10
    while Outbox.objects.filter(lease_until__gt=clock.now()).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)


@pytest.mark.django_db(transaction=True)
def test_many_workers_sweeping_at_once_send_every_message_once():
    peer = Bap(subscriber_id="busy.example")
    peer.start()
    register(peer)
    rows = [tell(peer) for _ in range(40)]

    def work() -> None:
        try:
            tasks.drain()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tasks.drain()
    peer.stop()
    came = [callback.context["message_id"] for callback in peer.callbacks]
    assert sorted(came) == sorted(row.message_id for row in rows)


@pytest.mark.django_db(transaction=True)
def test_a_message_that_is_taken_at_the_last_moment_is_not_called_stuck():
    peer = Bap(subscriber_id="late.example", port=9)
    register(peer)
    row = tell(peer)
    Outbox.objects.update(give_up_at=clock.now())

    def give_up() -> None:
        try:
            delivery.give_up(clock.now())
        finally:
            connection.close()

    with transaction.atomic():  # another worker has just heard the ACK
        Outbox.objects.filter(pk=row.pk).update(state="DONE", done_at=clock.now())
        at_once = threading.Thread(target=give_up)
        at_once.start()
        at_once.join(1)
    at_once.join()
    row.refresh_from_db()
    assert row.state == "DONE"
    assert journalled("message.stuck") == []


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (200, b'{"message":{"ack":{"status":"ACK"}}}', True),
        (202, b'{"message":{"ack":{"status":"ACK"}}}', True),
        (200, b'{"ack_status":"ACK","timestamp":"t","transaction_id":"x"}', True),
        (200, b'{"status":"ACK"}', True),
        (200, b'{"message":{"status":"ACK","messageId":"m"}}', True),
        (202, b"", True),
        (200, b"OK", True),
        (200, b'{"message":{"ack":{"status":"NACK"}},"error":{"code":"30010"}}', False),
        (200, b'{"message":{"ack":{"status":"NACK"},"error":{"code":"30010"}}}', False),
        (200, b'{"ack_status":"NACK"}', False),
        (200, b'{"status":"NACK"}', False),
        (400, b'{"message":{"ack":{"status":"ACK"}}}', False),
        (500, b"<html>", False),
        (200, b"[1,2]", True),
        (200, b'{"message":null,"error":null}', True),
    ],
)
def test_every_shape_of_ack_is_understood(status, body, taken):
    assert nacks.read_ack(status, body).taken is taken
