"""Working off what came in: leases, retries, giving up with an apology, and the operator's second chance."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from audit import clock
from beckn import handlers, retention, tasks
from beckn.door import Door, LeaseLost
from beckn.messages import received
from beckn.models import Inbox, Outbox
from tests.bap import Bap, eventually
from tests.beckn.conftest import encode, is_ack, journalled, message, register


@pytest.fixture
def broken(monkeypatch):
    """A handler that fails in a way nobody expected."""

    def fail(call):
        raise ZeroDivisionError("a secret of a person")

    monkeypatch.setitem(handlers._HANDLERS, "search", fail)


def due_now() -> None:
    Inbox.objects.filter(state="WAITING").update(due_at=clock.now(), lease_until=None)


def test_a_handler_that_fails_is_tried_again_soon(bap, post, broken):
    post(bap, message(bap))
    tasks.process_inbox(Inbox.objects.get().pk)
    row = Inbox.objects.get()
    assert (row.state, row.attempts, row.last_error) == ("WAITING", 1, "ZeroDivisionError")
    assert timedelta(0) < row.due_at - clock.now() <= timedelta(seconds=1)


def test_a_message_nobody_can_handle_gets_stuck_and_its_sender_an_apology(bap, post, broken, caplog):
    post(bap, message(bap))
    for _ in range(10):
        due_now()
        tasks.drain()
    row = Inbox.objects.get()
    assert (row.state, row.attempts) == ("STUCK", 6)
    error = bap.wait_for("on_search").message["order"]["error"]
    assert (error["type"], error["code"]) == ("SYSTEM_ERROR", "INTERNAL")
    assert error["details"] == {"incidentId": row.incident_id}
    assert journalled("message.stuck")[0]["incident"] == row.incident_id
    assert len(bap.callbacks) == 1
    assert "a secret of a person" not in caplog.text


def test_the_apology_comes_when_the_answer_would_be_late(bap, post, broken):
    post(bap, message(bap, ttl="PT1S"))
    for _ in range(3):
        due_now()
        tasks.drain()
    assert Inbox.objects.get().state == "STUCK"
    assert Inbox.objects.get().attempts == 3


def test_a_stuck_message_is_listed_and_can_be_tried_again(bap, post, monkeypatch, capsys):
    with monkeypatch.context() as until_mended:
        until_mended.setitem(handlers._HANDLERS, "search", lambda call: 1 / 0)
        post(bap, message(bap, ttl="PT1S"))
        for _ in range(3):
            due_now()
            tasks.drain()
    call_command("messages", "list", "--state", "stuck", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in listed] == ["STUCK"]
    call_command("messages", "retry", listed[0]["id"])
    tasks.drain()
    assert Inbox.objects.get().state == "DONE"
    assert "catalogs" in bap.callbacks[-1].message
    assert journalled("message.retried") == [None]
    with pytest.raises(CommandError):
        call_command("messages", "retry", listed[0]["id"])


def test_a_message_that_kills_its_workers_is_set_aside(bap, post):
    post(bap, message(bap))
    Inbox.objects.update(attempts=8, lease=uuid4(), lease_until=clock.now() - timedelta(seconds=1))
    tasks.drain()
    assert Inbox.objects.get().state == "STUCK"


def test_a_worker_whose_lease_ran_out_cannot_answer_twice(bap, post):
    post(bap, message(bap))
    row = Inbox.objects.select_related("participant").get()
    slow = received(row, row.participant, row.body)
    Inbox.objects.update(lease=uuid4())  # somebody else took it
    with pytest.raises(LeaseLost), transaction.atomic():
        Door().answer(slow, {"catalogs": []})
    assert not Outbox.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_answer_outside_the_acts_transaction_is_a_mistake():
    with pytest.raises(RuntimeError, match="transaction"):
        Door().unsolicited(bap_id="x", action="on_status", transaction_id="t", domain="d", message={}, now=clock.now())


def test_a_handler_that_forgets_to_answer_is_found_out(bap, post, monkeypatch):
    monkeypatch.setitem(handlers._HANDLERS, "search", lambda call: None)
    post(bap, message(bap))
    tasks.drain()
    assert Inbox.objects.get().last_error == "RuntimeError"


def test_secrets_are_back_in_the_message_when_it_is_handled_and_gone_afterwards(bap, post, monkeypatch):
    seen = []

    def look(call):
        seen.append(call.body["message"])
        with transaction.atomic():
            call.door.answer(call.message, {"order": {}})

    monkeypatch.setitem(handlers._HANDLERS, "init", look)
    order = {
        "beckn:id": "sealed:0",
        "beckn:items": [{"beckn:id": "p-1"}],
        "beckn:fulfillments": [{"beckn:id": "f-1"}],
        "beckn:orderAttributes": {"userAuth": {"authMethod": "OIDC", "accessToken": "eyJ.secret"}},
    }
    assert is_ack(post(bap, message(bap, "init", {"order": order})))
    tasks.drain()
    assert seen == [{"order": order}]
    assert Inbox.objects.get().sealed is None


def test_old_messages_are_deleted_but_not_those_that_wait(bap, post):
    post(bap, message(bap))
    tasks.drain()
    post(bap, message(bap))
    later = clock.now() + timedelta(days=91)
    assert retention.forget_sent(later) == retention.forget_received(later) == 1
    assert [row.state for row in Inbox.objects.all()] == ["WAITING"]
    assert not Outbox.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_sweep_goes_on_while_there_is_work_and_needs_no_broker(client):
    bap = Bap()
    bap.start()
    register(bap)
    for _ in range(25):
        raw = encode(message(bap))
        headers = {"HTTP_AUTHORIZATION": bap.authorization(raw)}
        assert is_ack(client.generic("POST", "/beckn/search", raw, content_type="application/json", **headers))
    tasks.sweep_inbox(clock.now())
    eventually(lambda: not Inbox.objects.exclude(state="DONE").exists())
    tasks.sweep_outbox(clock.now())
    eventually(lambda: not Outbox.objects.exclude(state="DONE").exists())
    assert len({call.context["message_id"] for call in bap.callbacks}) == 25
    bap.stop()
