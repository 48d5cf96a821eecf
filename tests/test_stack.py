"""The stack of real processes that the end-to-end tests stand on, and the ways to hurt it."""

import socket
from datetime import UTC, datetime

import pytest

from tests.bap import Bap

pytestmark = pytest.mark.processes


def search(stack) -> dict:
    return {"context": stack.bap.context("search"), "message": {"intent": {}}}


def test_a_signed_message_is_acked_and_answered_with_a_signed_callback(stack):
    callback = stack.bap.ask(stack.base, search(stack))
    assert callback.context["action"] == "on_search"
    assert callback.headers["authorization"].startswith("Signature ")


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
