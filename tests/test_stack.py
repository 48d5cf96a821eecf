"""The stack of real processes that the end-to-end tests stand on, and the ways to hurt it."""

import socket
from datetime import UTC, datetime

import pytest

from tests.bap import Bap, eventually
from tests.stack import redis_is_here

pytestmark = pytest.mark.processes


def search(stack) -> dict:
    return {"context": stack.bap.context("search"), "message": {"intent": {}}}


def test_a_signed_message_is_acked_and_answered_with_a_signed_callback(stack):
    callback = stack.bap.ask(stack.base, search(stack))
    assert callback.context["action"] == "on_search"
    assert callback.headers["authorization"].startswith("Signature ")


def test_a_message_taken_while_no_worker_lives_is_answered_by_the_next_one(make_stack):
    stack = make_stack(broker="none", environment={"LEASE_SECONDS": "6"})  # a dying worker may still take it along
    stack.kill("worker-1")
    body = search(stack)
    assert stack.bap.send(stack.base, body).is_ack
    assert not stack.idle()
    stack.restart("worker-1")
    stack.bap.wait_for("on_search", message_id=body["context"]["message_id"])
    eventually(stack.idle)


def test_a_broker_that_dies_loses_nothing_and_refuses_nobody(make_stack):
    if not redis_is_here():
        pytest.skip("no Redis on this machine")
    stack = make_stack(broker="redis")
    stack.bap.ask(stack.base, search(stack))
    stack.kill("redis")
    callback = stack.bap.ask(stack.base, search(stack))
    assert callback.action == "on_search"
    assert "unreachable" in stack.get("/readyz").body["checks"]["broker"]


def test_the_clock_of_all_processes_moves_together(make_stack):
    day = 86_400.0
    stack = make_stack(clock_offset=-30 * day, beat=True)
    callback = stack.bap.ask(stack.base, search(stack))
    said = datetime.fromisoformat(callback.context["timestamp"])
    assert abs((datetime.now(UTC) - said).total_seconds() - 30 * day) < 60


def test_a_callback_cut_off_between_its_headers_and_its_end_is_no_message_to_the_bap():
    bap = Bap()
    bap.start()
    try:
        with socket.create_connection(("127.0.0.1", bap.port), timeout=10) as line:
            line.sendall(b"POST /bap/on_init HTTP/1.1\r\nHost: bap\r\nContent-Length: 100\r\n\r\n{")
            line.shutdown(socket.SHUT_WR)
            assert line.recv(100) == b""  # not even an answer
        assert bap.received() == []
    finally:
        bap.stop()
