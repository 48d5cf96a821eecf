"""What only a real server and real processes show: bodies without length, large ones, keys replaced under load."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import generated
from tests.bap import Answer, Bap, eventually, is_signed_by

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


def test_keys_of_both_sides_are_replaced_under_load_without_losing_a_message(make_stack):
    change = datetime.now(UTC) + timedelta(seconds=24)  # a busy machine takes its time to start a stack
    owner = generated.identity(generated.OWNER, "owner", "http://127.0.0.1:1/beckn")
    old, new = owner["keys"][0], generated.identity(generated.OWNER, "owner", "")["keys"][0]
    old["valid_until"] = (change + timedelta(seconds=30)).isoformat()
    new["valid_from"] = change.isoformat()
    owner["keys"] = [old, new]
    portal = generated.identity(generated.PORTAL, "portal", "http://127.0.0.1:1/bap")
    stack = make_stack(workers=2, environment={"BECKN_IDENTITIES": json.dumps([owner, portal])})
    bap = stack.bap
    sent = []

    def talk(until: datetime) -> None:
        while datetime.now(UTC) < until:
            body = search(bap)
            assert bap.send(stack.base, body).is_ack
            sent.append(body["context"]["message_id"])
            time.sleep(0.03)

    talk(change - timedelta(seconds=1))
    before = bap.private, bap.key_id
    replacement = Bap(bap.subscriber_id, "test-key-2")
    replacement.port = bap.port
    stack.register(replacement)  # the new key is known before it signs, the old one is still good
    bap.private, bap.key_id = replacement.private, replacement.key_id
    talk(max(change, datetime.now(UTC)) + timedelta(seconds=1))
    bap.private, bap.key_id = before
    assert bap.send(stack.base, search(bap)).is_ack, "both keys are good while they overlap"

    eventually(lambda: {c.context["message_id"] for c in bap.received("on_search")} >= set(sent), seconds=20)
    signed_by = ["old" if is_signed_by(call, old["public_key"]) else "new" for call in bap.received("on_search")]
    assert all(is_signed_by(call, old["public_key"]) or is_signed_by(call, new["public_key"]) for call in bap.callbacks)
    assert set(signed_by) == {"old", "new"}
