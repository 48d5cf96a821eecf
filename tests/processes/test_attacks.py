"""The door attacked over real HTTP: a clear refusal, never a 500, nothing kept; and what a good signature does not buy.

What the door refuses in-process is in tests/beckn; here are broken connections and bytes that only a server sees, and
participants whose messages are signed as they should be and are refused for what they ask (decisions 47, 48, 53, 56).
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from sandbox import generated
from tests.bap import Answer, Bap, eventually
from tests.journeys import Journey, Json, fulfillment_state
from tests.processes.scenes import PatientJourney, error_code, no_trouble, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes


# --- bytes


def head(stack: Stack, *lines: str, action: str = "search") -> bytes:
    text = [f"POST /beckn/{action} HTTP/1.1", f"Host: 127.0.0.1:{stack.port}", "Connection: close", *lines]
    return "\r\n".join([*text, "", ""]).encode()


def told(stack: Stack, sent: bytes, *, then_leave: bool = False) -> Answer | None:
    """What a raw connection hears after these bytes; None when it is closed without a word."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as line:
        line.sendall(sent)
        if then_leave:
            line.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while part := line.recv(65536):
                heard += part
        except ConnectionResetError:
            pass
    match = re.match(rb"HTTP/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n(.*)", heard, re.DOTALL)
    return Answer(int(match[1]), {}, match[3]) if match else None


def json_lines(bap: Bap, raw: bytes, kind: str = "application/json") -> list[str]:
    return [f"Content-Type: {kind}", f"Authorization: {bap.authorization(raw)}"]


def whole(stack: Stack, raw: bytes, *, kind: str = "application/json", more: tuple[str, ...] = ()) -> bytes:
    """A complete, well signed request with this body."""
    return head(stack, *json_lines(stack.bap, raw, kind), f"Content-Length: {len(raw)}", *more) + raw


def search(bap: Bap, **context: object) -> Json:
    return {"context": bap.context("search", **context), "message": {"intent": {}}}


def encoded(body: Json) -> bytes:
    return json.dumps(body).encode()


def deep(stack: Stack) -> bytes:
    body = encoded(search(stack.bap))
    return body.replace(b'"intent": {}', b'"intent": ' + b"[" * 100_000 + b"]" * 100_000)


BAD_BYTES: dict[str, Callable[[Stack], bytes]] = {
    "nothing": lambda stack: whole(stack, b""),
    "neither length nor chunks": lambda stack: head(stack, *json_lines(stack.bap, b"")),
    "not JSON": lambda stack: whole(stack, b"hello"),
    "half of it": lambda stack: whole(stack, encoded(search(stack.bap))[:-10]),
    "null bytes": lambda stack: whole(stack, b"\x00" * 100),
    "a null byte inside": lambda stack: whole(stack, encoded(search(stack.bap)).replace(b"intent", b"in\x00tent")),
    "an escaped null": lambda stack: whole(stack, encoded(search(stack.bap, transaction_id="a\x00b"))),
    "a lone surrogate": lambda stack: whole(stack, encoded(search(stack.bap)).replace(b"intent", rb"\ud800")),
    "deep nesting": lambda stack: whole(stack, deep(stack)),
    "a number too long": lambda stack: whole(stack, b'{"context": ' + b"9" * 100_000 + b"}"),
    "not UTF-8": lambda stack: whole(stack, "{'é'}".encode("latin-1")),
    "UTF-16": lambda stack: whole(stack, json.dumps(search(stack.bap)).encode("utf-16")),
    "another charset": lambda stack: whole(stack, encoded(search(stack.bap)), kind="application/json; charset=latin-1"),
    "a form": lambda stack: whole(stack, b"context=x", kind="application/x-www-form-urlencoded"),
    "compressed": lambda stack: whole(stack, b"\x1f\x8b\x08" + b"\x00" * 20, more=("Content-Encoding: gzip",)),
    "no context": lambda stack: whole(stack, b'{"message": {}}'),
    "a list": lambda stack: whole(stack, b"[]"),
    "context is a list": lambda stack: whole(stack, b'{"context": [], "message": {}}'),
    "null": lambda stack: whole(stack, b"null"),
    "a key twice": lambda stack: whole(stack, encoded(search(stack.bap)).replace(b'"message"', b'"context"')),
    "a signature of 100 kB": lambda stack: head(
        stack, "Authorization: Signature " + "x" * 100_000, "Content-Length: 0"
    ),
    "two lengths": lambda stack: whole(stack, b"{}", more=("Content-Length: 7",)),
    "a length and chunks": lambda stack: whole(stack, b"0\r\n\r\n", more=("Transfer-Encoding: chunked",)),
    "a negative length": lambda stack: head(stack, *json_lines(stack.bap, b"{}"), "Content-Length: -2") + b"{}",
    "a broken chunk": lambda stack: (
        head(stack, *json_lines(stack.bap, b"{}"), "Transfer-Encoding: chunked") + b"zz\r\n{}"
    ),
}


@pytest.fixture(autouse=True)
def budgets_are_full(stack: Stack) -> None:
    """Other tests on this stack have charged the same address with their bad signatures."""
    stack.sql("DELETE FROM rate_buckets")


@pytest.mark.parametrize("attack", BAD_BYTES)
def test_bad_bytes_get_a_clear_refusal_and_leave_nothing(stack: Stack, attack: str):
    before = rows(stack)
    with no_trouble(stack):
        answer = told(stack, BAD_BYTES[attack](stack))
    assert answer is not None
    assert 400 <= answer.status < 500, answer.raw
    if answer.raw:  # what the server itself cannot read as HTTP, it refuses without words
        assert answer.body["message"]["ack"]["status"] == "NACK"
        assert answer.body["error"]["code"] and answer.body["error"]["message"]
    assert rows(stack) == before


def test_a_body_that_breaks_off_leaves_nothing_and_no_thread_waits_for_the_rest(stack: Stack):
    before = rows(stack)
    raw = encoded(search(stack.bap))
    cut = head(stack, *json_lines(stack.bap, raw), f"Content-Length: {len(raw)}") + raw[: len(raw) // 2]
    chunked = head(stack, *json_lines(stack.bap, raw), "Transfer-Encoding: chunked") + b"40\r\n" + raw[:20]
    with no_trouble(stack):
        for sent in [cut, chunked] * 5:  # more often than there are threads
            told(stack, sent, then_leave=True)
        assert rows(stack) == before
        assert stack.bap.ask(stack.base, search(stack.bap)).action == "on_search"


def rows(stack: Stack) -> list[int]:
    """How much is kept of messages and of what they do."""
    tables = (
        "beckn_inbox",
        "beckn_outbox",
        "enrollment_cases",
        "case_checks",
        "claims",
        "subjects",
        "beckn_participants",
    )
    query = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    (counts,) = stack.sql(f"SELECT {query}")
    return list(counts)


# --- a good signature is not enough


@dataclass
class Peers:
    """Participants that sign well, and what each of them may not do."""

    plain: Bap  # may name nobody's customers
    elsewhere: Bap  # may name customers of utility B only
    agency: Bap  # bound to an agency, and certified
    lapsed: Bap  # bound to an agency whose certificate has ended

    def all(self) -> list[Bap]:
        return list(vars(self).values())


@pytest.fixture(scope="module")
def peers(stack: Stack) -> Iterator[Peers]:
    names = ("plain", "elsewhere", "agency", "lapsed")
    peers = Peers(*(stack.new_bap(f"{name}.attack.example") for name in names))
    for bap in peers.all():
        bap.start()

    def adding(bap: Bap, *, asserts: tuple[str, ...] = (generated.UTILITY_A,)) -> list[str]:
        command = ["participant", "add", "--subscriber-id", bap.subscriber_id, "--key-id", bap.key_id]
        command += ["--public-key", bap.public_key, "--url", bap.uri, "--type", "BAP"]
        return [*command, "--asserts-subjects", *asserts]

    agency = ["agency", "add", "--name", "An agency", "--certified-from", "2020-01-01", "--operator", "op-1"]
    stack.manage_all(
        adding(peers.plain, asserts=("none",)),
        adding(peers.elsewhere, asserts=(generated.UTILITY_B,)),
        adding(peers.agency),
        adding(peers.lapsed),
        [*agency, "--agency-id", "ea-good", "--participant", peers.agency.subscriber_id],
        [
            *agency,
            "--agency-id",
            "ea-old",
            "--participant",
            peers.lapsed.subscriber_id,
            "--certified-until",
            "2024-01-01",
        ],
    )
    yield peers
    for bap in peers.all():
        bap.stop()


def test_who_may_not_speak_for_a_customer_learns_and_does_nothing(stack: Stack, peers: Peers):
    person = somebody()
    for bap in (peers.plain, peers.elsewhere):
        journey = Journey(stack, person, bap=bap)
        order = journey.ask(journey.init())
        assert (order["error"]["type"], error_code(order)) == ("AUTH_ERROR", "AUTH_REQUIRED")
        assert person.umid not in json.dumps(order)
    held = stack.sql("SELECT 1 FROM claims WHERE reference = %s", person.umid)
    assert held == stack.sql("SELECT 1 FROM subjects WHERE did = %s", person.did) == []


@pytest.mark.parametrize("act", ["status", "confirm", "cancel", "unenroll", "revoke_consent"])
def test_another_participant_hears_of_an_order_what_it_hears_of_none(stack: Stack, second_bap: Bap, act: str):
    journey = Journey(stack, somebody())
    attributes = journey.enroll()["beckn:orderAttributes"]
    thief = Journey(stack, journey.person, bap=second_bap)
    ids = {
        "unenroll": [attributes["enrollmentId"]],
        "revoke_consent": [attributes["consents"][0]["consentCredentialId"]],
    }.get(act, [])
    heard = []
    for order_id in (journey.order_id, f"order-{uuid.uuid4()}"):
        thief.order_id = order_id
        order = thief.ask(getattr(thief, act)(*ids))
        assert error_code(order) in ("ORDER_NOT_FOUND", "CONSENT_NOT_FOUND")
        heard.append(json.dumps(order).replace(order_id, "…"))
    assert heard[0] == heard[1]
    assert journey.ask(journey.status())["beckn:orderAttributes"]["status"] == "ACTIVE"


def test_agencies_are_taken_by_their_word_only_where_they_are_bound_and_certified(stack: Stack, peers: Peers):
    def refused(bap: Bap, named: Json | None, **headers: str) -> str:
        journey = Journey(stack, somebody(), bap=bap)
        message = journey.init(attributes={"assistedBy": named} if named else None)
        return error_code(journey.ask(message, headers=headers))

    good = {"agencyId": "ea-good", "operatorId": "op-1"}
    made_up = {**good, "mandateId": "mandate-00000000-0000-0000-0000-000000000000"}
    assert {
        "has no word of the customer's": refused(peers.agency, good),
        "has made one up": refused(peers.agency, made_up),
        "knows only the guide's header": refused(peers.agency, None, **{"X-Enrollment-Agency-ID": "ea-good"}),
    } == dict.fromkeys(
        ("has no word of the customer's", "has made one up", "knows only the guide's header"), "MANDATE_REQUIRED"
    )
    assert {
        "names none": refused(peers.agency, None),
        "names another's": refused(peers.agency, {"agencyId": "ea-old"}),
        "names one nobody knows": refused(peers.agency, {"agencyId": "ea-unknown"}),
        "names an operator nobody knows": refused(peers.agency, {**good, "operatorId": "op-9"}),
        "names two": refused(peers.agency, good, **{"X-Enrollment-Agency-ID": "ea-old"}),
        "is not bound to it": refused(stack.bap, good),
        "has no certificate any more": refused(peers.lapsed, {"agencyId": "ea-old", "operatorId": "op-1"}),
    } == dict.fromkeys(
        (
            "names none",
            "names another's",
            "names one nobody knows",
            "names an operator nobody knows",
            "names two",
            "is not bound to it",
            "has no certificate any more",
        ),
        "EA_NOT_CERTIFIED",
    )


def nack(answer: Answer) -> tuple[int, str]:
    assert answer.body["message"]["ack"]["status"] == "NACK"
    return answer.status, answer.body["error"]["code"]


def test_a_message_to_somebody_else_or_from_somebody_else_is_refused(stack: Stack, second_bap: Bap):
    bap, callbacks = stack.bap, f"{stack.base}/bap/on_search"

    def callback(bap: Bap, **context: str) -> Json:
        return {"context": bap.context("on_search", **context), "message": {}}

    before = rows(stack)
    refused = {
        "to another provider": bap.send(stack.base, search(bap, bpp_id="somebody.example")),
        "to our portal": bap.send(stack.base, search(bap, bpp_id=generated.PORTAL)),
        "to nobody": bap.send(stack.base, search(bap, bpp_id=None)),
        "in another's name": bap.send(stack.base, search(bap, bap_id=second_bap.subscriber_id)),
        "in our name": bap.send(stack.base, search(bap, bap_id=generated.OWNER)),
        "answers to another's address": bap.send(stack.base, search(bap, bap_uri=second_bap.uri)),
        "under another action": bap.post(f"{stack.base}/beckn/select", encoded(search(bap))),
        "a callback that is not for us": bap.post(callbacks, encoded(callback(bap))),
        "a callback of another's": bap.post(callbacks, encoded(callback(bap, bap_id=generated.PORTAL))),
    }
    assert {name: nack(answer) for name, answer in refused.items()} == {
        "to another provider": (400, "WRONG_ADDRESSEE"),
        "to our portal": (400, "WRONG_ADDRESSEE"),
        "to nobody": (400, "CONTEXT_INVALID"),
        "in another's name": (401, "SIGNATURE_INVALID"),
        "in our name": (401, "SIGNATURE_INVALID"),
        "answers to another's address": (400, "CONTEXT_INVALID"),
        "under another action": (400, "CONTEXT_INVALID"),
        "a callback that is not for us": (400, "WRONG_ADDRESSEE"),
        "a callback of another's": (401, "SIGNATURE_INVALID"),
    }
    assert rows(stack) == before


def test_a_message_that_is_played_again_is_done_once_and_cannot_be_changed(stack: Stack):
    bap, journey = stack.bap, Journey(stack, somebody())
    message = journey.init()
    raw = encoded(message)
    headers = {"Authorization": bap.authorization(raw)}
    url = f"{stack.base}/beckn/init"
    assert bap.post(url, raw, headers=headers).is_ack
    bap.wait_for("on_init", message_id=message["context"]["message_id"])
    eventually(lambda: stack.idle(journey.transaction_id))
    before = rows(stack)
    assert bap.post(url, raw, headers=headers).is_ack  # heard on the way, and played again
    assert rows(stack) == before

    changed = json.loads(raw)
    changed["message"]["order"]["beckn:fulfillments"][0]["beckn:customer"]["beckn:id"] = "did:example:somebody-else"
    assert nack(bap.send(stack.base, changed)) == (400, "DUPLICATE_MESSAGE_ID")
    old = {"Authorization": bap.authorization(raw, created=int(time.time()) - 400)}
    assert nack(bap.post(url, raw, headers=old)) == (401, "SIGNATURE_INVALID")
    early = {"Authorization": bap.authorization(raw, created=int(time.time()) + 60)}
    assert nack(bap.post(url, raw, headers=early)) == (401, "SIGNATURE_INVALID")
    long = {"Authorization": bap.authorization(raw, lifetime=7200)}
    assert nack(bap.post(url, raw, headers=long)) == (401, "SIGNATURE_INVALID")
    assert rows(stack) == before


# --- too much


def test_strangers_from_one_address_are_slowed_down_and_participants_are_not(stack: Stack):
    stranger = stack.new_bap("stranger.attack.example")
    answers = [stranger.send(stack.base, search(stranger)) for _ in range(100)]
    assert {answer.status for answer in answers} == {401, 429}
    last = next(answer for answer in answers if answer.status == 429)
    assert nack(last) == (429, "RATE_LIMITED")
    assert int(last.headers["retry-after"]) >= 1
    assert stack.bap.ask(stack.base, search(stack.bap)).action == "on_search"


@pytest.fixture(scope="module")
def strict_stack(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """Few messages per second, and little time for a body."""
    rates = json.dumps({"participant": [2, 12]})
    return stack_of_this_module(environment={"BECKN_RATES": rates, "BODY_SECONDS": "3"})


def test_a_participant_that_sends_too_much_is_told_when_to_come_back(strict_stack: Stack):
    stack = strict_stack
    stack.sql("DELETE FROM rate_buckets")
    with no_trouble(stack):
        answers = [stack.bap.send(stack.base, search(stack.bap)) for _ in range(60)]
        refused = [answer for answer in answers if not answer.is_ack]
        assert refused and {nack(answer) for answer in refused} == {(429, "RATE_LIMITED")}
        assert {int(answer.headers["retry-after"]) for answer in refused} == {1}
        assert 12 <= len(answers) - len(refused) < 60
        # Whoever comes back when told is served, and nothing of what was taken is lost.
        time.sleep(int(refused[0].headers["retry-after"]))
        assert stack.bap.ask(stack.base, search(stack.bap)).action == "on_search"
        eventually(stack.idle)
    taken = sum(answer.is_ack for answer in answers) + 1
    assert len(stack.bap.received("on_search")) == taken


def test_bodies_that_do_not_come_hold_up_nobody_and_are_given_up(strict_stack: Stack):
    stack = strict_stack
    stack.sql("DELETE FROM rate_buckets")
    raw = encoded(search(stack.bap))
    half, rest = raw[: len(raw) // 2], raw[len(raw) // 2 :]
    before = rows(stack)
    with contextlib.ExitStack() as lines, no_trouble(stack):
        slow = [
            lines.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=30))
            for _ in range(10 * stack.web_threads)
        ]
        for line in slow:
            line.sendall(head(stack, *json_lines(stack.bap, raw), f"Content-Length: {len(raw)}") + half)
        assert stack.get("/healthz").status == 200
        assert stack.bap.ask(stack.base, search(stack.bap)).action == "on_search"
        assert rows(stack) == [count + (place < 2) for place, count in enumerate(before)]  # that one alone

        slow[0].sendall(rest)  # slow, but in time
        assert b"200 OK" in slow[0].recv(65536)
        for line in slow[1:]:
            heard = line.recv(65536)
            assert b"400 Bad Request" in heard and b"broke off" in heard
    assert stack.bap.ask(stack.base, search(stack.bap)).action == "on_search"


def test_a_suspended_participant_is_refused_at_once_and_its_open_order_waits(stack: Stack):
    bap = stack.new_bap("suspended.attack.example")
    bap.start()
    try:
        stack.register(bap)
        journey = PatientJourney(stack, somebody(), bap=bap)
        assert fulfillment_state(journey.ask(journey.init())) == "PENDING_CONFIRM"
        stack.manage("participant", "suspend", bap.subscriber_id)
        suspended, sent = time.monotonic(), 0.0
        while bap.send(stack.base, search(bap)).status != 403:
            assert sent < suspended + 1  # decision 29: no process remembers longer
            sent = time.monotonic()
        assert nack(bap.send(stack.base, journey.confirm())) == (403, "PARTICIPANT_SUSPENDED")
        stack.manage("participant", "resume", bap.subscriber_id)
        eventually(lambda: bap.send(stack.base, search(bap)).is_ack)
        assert journey.ask(journey.confirm())["beckn:status"] == "CONFIRMED"
    finally:
        bap.stop()
