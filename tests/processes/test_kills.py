"""Killed, down, slow: nothing is lost, nothing is done twice, and nobody is blamed for it (decisions 40, 58).

There are no failpoints: a slow utility holds a worker while it gathers facts, a BAP that accepts and hangs holds it
while it delivers, and what is killed is the process that is seen waiting. Nothing here waits for a fixed time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from sandbox import supervisor
from tests.bap import Bap, eventually
from tests.journeys import Journey, Json, fulfillment_state
from tests.processes.scenes import Book, Traffic, error_code, no_trouble, somebody
from tests.stack import Stack, redis_is_here

pytestmark = pytest.mark.processes

LEASE = 6.0  # seconds: longer than we wait for a utility, as always


@pytest.fixture(scope="module")
def frail(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """One worker, so that it is known who has what; each test leaves everything running and healthy."""
    return stack_of_this_module(broker="auto", environment={"LEASE_SECONDS": str(LEASE)})


@pytest.fixture(autouse=True)
def _is_healthy_again(frail: Stack) -> Iterator[None]:
    """What a failed test left in trouble does not fail the next one."""
    yield
    frail.fault("none")


def test_a_worker_killed_while_it_asks_a_utility_loses_nothing_and_does_nothing_twice(frail: Stack):
    journey = Journey(frail, somebody())
    for message in (journey.init(), journey.confirm()):
        frail.fault("slow", seconds=120)
        assert journey.send(message).is_ack
        eventually(lambda: frail.held_by() > 0)
        ((state, attempts, is_leased),) = inbox_row(frail, message)
        assert (state, attempts, is_leased) == ("WAITING", 1, True)

        frail.kill("worker-1")
        frail.fault("none")
        assert inbox_row(frail, message) == [("WAITING", 1, True)]  # nobody gave it back
        frail.restart("worker-1")
        frail.bap.wait_for(f"on_{message['context']['action']}", message_id=message["context"]["message_id"])
        eventually(frail.idle)
        assert inbox_row(frail, message) == [("DONE", 2, False)]
    confirmed = frail.bap.received("on_confirm", transaction_id=journey.transaction_id)
    assert [callback.message["order"]["beckn:status"] for callback in confirmed] == ["CONFIRMED"]
    assert len(frail.bap.received("on_init", transaction_id=journey.transaction_id)) == 1
    assert Book(frail, journey.person.umid).is_enrolled_once()


def test_a_worker_killed_while_it_delivers_sends_the_same_callback_again(frail: Stack):
    journey = Journey(frail, somebody())
    journey.ask(journey.init())
    message = journey.confirm()
    frail.bap.behave("hang")
    assert journey.send(message).is_ack
    frail.bap.wait_until_hanging()
    held = frail.bap.held[-1]
    assert held.context["message_id"] == message["context"]["message_id"]
    assert Book(frail, journey.person.umid).is_enrolled_once()  # the act was committed before anything was sent
    assert outbox_row(frail, message) == [("WAITING", 1, True)]

    frail.kill("worker-1")
    frail.bap.behave("ack")
    frail.restart("worker-1")
    again = frail.bap.wait_for("on_confirm", message_id=message["context"]["message_id"])
    eventually(frail.idle)
    assert again.raw == held.raw  # the message id, and the credential and its link too
    assert outbox_row(frail, message) == [("DONE", 2, False)]
    assert len(frail.bap.received("on_confirm", transaction_id=journey.transaction_id)) == 1
    assert Book(frail, journey.person.umid).is_enrolled_once()


def test_a_message_taken_while_no_worker_lives_is_answered_by_the_next_one(frail: Stack):
    frail.kill("worker-1")
    body = {"context": frail.bap.context("search"), "message": {"intent": {}}}
    assert frail.bap.send(frail.base, body).is_ack
    assert not frail.idle()
    frail.restart("worker-1")
    frail.bap.wait_for("on_search", message_id=body["context"]["message_id"])
    eventually(frail.idle)


def test_processes_killed_again_and_again_under_load_lose_and_double_nothing(frail: Stack):
    with Traffic(frail, threads=4) as traffic:
        for victim in ("worker-1", "web", "worker-1"):
            traffic.wait_for_more()
            frail.kill(victim)
            frail.restart(victim)
        traffic.wait_for_more()
    eventually(frail.idle)
    assert frail.manage("audit", "verify").returncode == 0


def test_a_bap_that_was_down_receives_its_callback_when_it_is_back(frail: Stack):
    journey = Journey(frail, somebody())
    journey.ask(journey.init())
    frail.bap.stop()
    message = journey.confirm()
    try:
        assert journey.send(message).is_ack
        eventually(lambda: outbox_row(frail, message) == [("WAITING", 1, False)])
        assert Book(frail, journey.person.umid).is_enrolled_once()
    finally:
        frail.bap.start()
    confirmed = frail.bap.wait_for("on_confirm", message_id=message["context"]["message_id"])
    assert confirmed.message["order"]["beckn:orderAttributes"]["credential"]["credentialData"]
    eventually(frail.idle)
    assert len(frail.bap.received("on_confirm", transaction_id=journey.transaction_id)) == 1


def test_a_broker_killed_and_started_again_under_load_loses_nothing(frail: Stack):
    if not redis_is_here() or "redis" not in frail.children:
        pytest.skip("no Redis that may be killed on this machine")
    with no_trouble(frail, but_from="celery"), Traffic(frail) as traffic:
        traffic.wait_for_more()
        frail.kill("redis")
        traffic.wait_for_more()
        assert "unreachable" in frail.get("/readyz").body["checks"]["broker"]
        frail.restart("redis")
        eventually(lambda: frail.get("/readyz").body["checks"]["broker"] == "ok")
        traffic.wait_for_more()


def test_a_worker_with_unanswered_bells_outlives_its_broker(frail: Stack):
    if not redis_is_here() or "redis" not in frail.children:
        pytest.skip("no Redis that may be killed on this machine")
    journeys = [Journey(frail, somebody()) for _ in range(frail.worker_threads + 2)]
    messages = [journey.init() for journey in journeys]
    frail.fault("slow", seconds=120)
    for journey, message in zip(journeys, messages, strict=True):
        assert journey.send(message).is_ack
    eventually(lambda: frail.held_by() >= frail.worker_threads)  # all busy: the next bells lie in the worker's hand
    frail.kill("redis")
    frail.fault("none")
    try:
        for journey, message in zip(journeys, messages, strict=True):
            frail.bap.wait_for("on_init", message_id=message["context"]["message_id"])
            assert journey.ask(journey.confirm())["beckn:status"] == "CONFIRMED"
    finally:
        frail.restart("redis")
    eventually(lambda: broker_port(frail) in ports_it_talks_to(frail, "worker-1"))
    Journey(frail, somebody()).enroll()  # meanwhile it has answered bells of the connection that is gone
    assert frail.children["worker-1"].is_running()


def broker_port(stack: Stack) -> int:
    return urlsplit(stack.settings["CELERY_BROKER_URL"]).port or 0


def ports_it_talks_to(stack: Stack, name: str) -> set[int]:
    """The ports at the other end of a process's connections; raises psutil.NoSuchProcess when it has ended."""
    connections = psutil.Process(stack.children[name].pid).net_connections("tcp")
    return {each.raddr.port for each in connections if each.status == psutil.CONN_ESTABLISHED}


# --- a utility that is down


@pytest.mark.parametrize("trouble", ["down", "slow", "html", "half", "wrong-data"])
def test_a_utility_in_trouble_makes_an_init_wait_and_ends_in_one_on_status(frail: Stack, trouble: str):
    journey = Journey(frail, somebody())
    message = journey.init()
    frail.fault(trouble, seconds=600)
    started = time.monotonic()
    is_told_to_wait(journey.ask(message))
    assert time.monotonic() - started < 30  # PT30S
    case = waiting_case(frail, journey)
    assert (case["act"], case["attempts"]) == ("init", 1)
    assert 50 <= case["seconds"] <= 60

    its_moment_comes(frail, journey)  # the utility is still in trouble
    eventually(lambda: waiting_case(frail, journey)["attempts"] == 2)
    assert 290 <= waiting_case(frail, journey)["seconds"] <= 300

    frail.fault("none")
    told = told_in_the_end(frail, journey)
    assert fulfillment_state(told) == "PENDING_CONFIRM"
    assert "error" not in told
    assert journey.ask(journey.confirm())["beckn:status"] == "CONFIRMED"
    assert Book(frail, journey.person.umid).is_enrolled_once()
    assert_told_once(frail, journey)


def test_a_utility_that_is_gone_at_confirm_makes_it_wait_and_ends_in_one_on_status_with_the_credential(frail: Stack):
    journey = Journey(frail, somebody())
    journey.ask(journey.init())
    (utility,) = frail.utilities
    frail.kill(utility)
    is_told_to_wait(journey.ask(journey.confirm()))
    assert waiting_case(frail, journey)["act"] == "confirm"
    book = Book(frail, journey.person.umid)
    assert (book.enrollments, book.holds) == (0, 1)

    frail.restart(utility)
    eventually(lambda: supervisor.answers(f"{frail.utility_url()}/healthz"))
    told = told_in_the_end(frail, journey)
    assert told["beckn:orderAttributes"]["credential"]["credentialId"]
    assert fulfillment_state(told) == "ENROLLED"
    assert book.is_enrolled_once()
    assert_told_once(frail, journey)


def test_a_utility_silent_for_a_day_is_told_as_its_fault_and_the_applicant_may_try_again(frail: Stack):
    journey = Journey(frail, somebody())
    credentials = journey.credentials()
    frail.fault("down", seconds=600)
    is_told_to_wait(journey.ask(journey.init(credentials=credentials)))
    frail.sql(
        "UPDATE enrollment_cases SET waiting_since = waiting_since - interval '25 hours' WHERE order_id = %s",
        journey.order_id,
    )
    its_moment_comes(frail, journey)
    told = frail.bap.wait_for("on_status", transaction_id=journey.transaction_id).message["order"]
    assert told["beckn:status"] == "PENDING"
    assert fulfillment_state(told) == "NEEDS_INPUT"
    assert (told["error"]["type"], error_code(told)) == ("SYSTEM_ERROR", "UTILITY_UNAVAILABLE")
    assert told["error"]["details"]["retryAfter"] > 0
    assert_told_once(frail, journey)

    frail.fault("none")
    prepared = journey.ask(journey.init(credentials=credentials))
    assert fulfillment_state(prepared) == "PENDING_CONFIRM"
    assert journey.ask(journey.confirm())["beckn:status"] == "CONFIRMED"


def is_told_to_wait(order: Json) -> None:
    assert "error" not in order
    assert order["beckn:status"] == "PENDING"
    assert fulfillment_state(order) == "WAITING_FOR_UTILITY"
    assert order["beckn:orderAttributes"]["nextSteps"]


def assert_told_once(stack: Stack, journey: Journey) -> None:
    """One unsolicited on_status was written, and no further attempt is planned."""
    eventually(stack.idle)
    query = "SELECT count(*) FROM beckn_outbox WHERE kind = 'UNSOLICITED' AND transaction_id = %s"
    assert stack.sql(query, journey.transaction_id) == [(1,)]
    assert stack.sql("SELECT retry_at FROM enrollment_cases WHERE order_id = %s", journey.order_id) == [(None,)]


def its_moment_comes(stack: Stack, journey: Journey) -> None:
    """As if the minutes until the next attempt were over."""
    stack.sql("UPDATE enrollment_cases SET retry_at = now() WHERE order_id = %s", journey.order_id)


def told_in_the_end(stack: Stack, journey: Journey) -> Json:
    """The order of the on_status, however many attempts it takes: an address that failed is left alone for a moment."""

    def is_told() -> bool:
        return bool(stack.bap.received("on_status", transaction_id=journey.transaction_id))

    query = "SELECT retry_attempt FROM enrollment_cases WHERE order_id = %s"
    while not is_told():
        before = stack.sql(query, journey.order_id)
        its_moment_comes(stack, journey)
        eventually(lambda before=before: is_told() or stack.sql(query, journey.order_id) > before)  # type: ignore[misc]
    (told,) = stack.bap.received("on_status", transaction_id=journey.transaction_id)
    return dict(told.message["order"])


def waiting_case(stack: Stack, journey: Journey) -> dict[str, Any]:
    query = "SELECT waiting_act, retry_attempt, retry_at, updated_at FROM enrollment_cases WHERE order_id = %s"
    ((act, attempts, retry_at, now),) = stack.sql(query, journey.order_id)
    assert isinstance(retry_at, datetime)
    return {"act": act, "attempts": attempts, "seconds": round((retry_at - now).total_seconds())}


def inbox_row(stack: Stack, message: Json) -> list[tuple[Any, ...]]:
    """(state, attempts, is leased) of a message that came in."""
    query = "SELECT state, attempts, lease IS NOT NULL FROM beckn_inbox WHERE message_id = %s"
    return stack.sql(query, message["context"]["message_id"])


def outbox_row(stack: Stack, message: Json) -> list[tuple[Any, ...]]:
    query = "SELECT state, attempts, lease IS NOT NULL FROM beckn_outbox WHERE message_id = %s"
    return stack.sql(query, message["context"]["message_id"])


def test_peers_that_hang_hold_up_nobody_else(frail: Stack):
    peers = [frail.new_bap(f"hanging-{number}.test.example") for number in range(2)]
    try:
        for peer in peers:
            peer.start()
            frail.register(peer)
            peer.behave("hang")
        assert all(peer.send(frail.base, search(peer)).is_ack for peer in peers * 6)
        for peer in peers:
            peer.wait_until_hanging(4)
        # Of the twelve that one worker can make; bell and sweep may count at the same instant and take one more.
        assert 8 <= deliveries_in_work(frail) < 12
        frail.bap.ask(frail.base, search(frail.bap))
        assert 8 <= deliveries_in_work(frail) < 12
    finally:
        for peer in peers:
            peer.stop()


def deliveries_in_work(stack: Stack) -> int:
    ((count,),) = stack.sql("SELECT count(*) FROM beckn_outbox WHERE lease IS NOT NULL AND attempts = 1")
    return int(count)


def search(bap: Bap) -> Json:
    return {"context": bap.context("search"), "message": {"intent": {}}}
