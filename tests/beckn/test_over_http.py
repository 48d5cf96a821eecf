"""What only a real server and real processes show: bodies without length, large ones, a suspension felt at once."""

import json
import socket
import time

import pytest

from tests.bap import Answer, Bap

pytestmark = pytest.mark.processes


def search(bap: Bap) -> dict:
    return {"context": bap.context("search"), "message": {"intent": {}}}


def send_chunked(port: int, bap: Bap, raw: bytes) -> Answer:
    """POST without Content-Length, in chunks of 4 KiB."""
    head = "POST /beckn/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    head += f"Authorization: {bap.authorization(raw)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [raw[start : start + 4096] for start in range(0, len(raw), 4096)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(head.encode() + body)
        answer = b""
        while part := line.recv(65536):
            answer += part
    status, _, text = answer.partition(b"\r\n\r\n")
    return Answer(int(status.split()[1]), {}, text)


def test_a_body_in_chunks_is_taken_and_one_that_is_too_long_is_refused(stack):
    raw = json.dumps(search(stack.bap)).encode()
    assert send_chunked(stack.port, stack.bap, raw).is_ack
    refused = send_chunked(stack.port, stack.bap, b" " * ((1 << 20) + 1))
    assert (refused.status, refused.body["error"]["code"]) == (413, "TOO_LARGE")


def test_a_client_that_sends_five_megabytes_hears_why_they_are_refused(stack):
    refused = stack.bap.post(f"{stack.base}/beckn/search", b" " * 5_000_000)
    assert (refused.status, refused.body["error"]["code"]) == (413, "TOO_LARGE")


def test_a_suspension_by_command_is_felt_within_a_second(stack):
    peer = stack.new_bap("soon-suspended.example")
    peer.start()
    stack.register(peer)
    try:
        assert peer.send(stack.base, search(peer)).is_ack
        stack.manage("participant", "suspend", peer.subscriber_id)
        time.sleep(1)
        assert [peer.send(stack.base, search(peer)).status for _ in range(5)] == [403] * 5
    finally:
        peer.stop()
