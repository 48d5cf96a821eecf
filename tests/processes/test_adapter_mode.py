"""Behind a Beckn adapter (BECKN_MODE=adapter, wire.md 5): it proves and forwards the bytes, we answer through it.

The stand-in verifies what comes from the network, passes the bytes on without the headers it does not know, and signs
and forwards what we post to its caller address. It has no queue and repeats nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.bap import NACK, Answer, Bap, Callback, eventually, http, is_signed_by
from tests.journeys import Journey, Json
from tests.processes.scenes import Book, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

SECRET = "between the adapter and us, nobody else"


class Adapter:
    """The stand-in, with one key of the network's and the keys of those who may write."""

    def __init__(self) -> None:
        self.signer = Bap("owner-behind-adapter.example", key_id="adapter-key")
        self.known: dict[str, str] = {}  # subscriber id → public key
        self.forward_to = ""
        self.is_down = False
        self.called: list[Callback] = []  # what we posted to its caller address
        adapter = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                side, _, action = self.path.removeprefix("/").rpartition("/")
                message = Callback(action, {name.lower(): value for name, value in self.headers.items()}, raw, 0)
                answer = {"network": adapter.take, "bpp/caller": adapter.call}[side.removesuffix("/beckn")](message)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.raw)))
                self.end_headers()
                self.wfile.write(answer.raw)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, message: Callback) -> Answer:
        """From the network to us: verified, then the same bytes and a Content-Type."""
        if not is_signed_by(message, self.known.get(message.context["bap_id"], self.signer.public_key)):
            return _answer(401, NACK)
        headers = {"Content-Type": "application/json", "X-Adapter-Secret": SECRET}
        return http("POST", f"{self.forward_to}/beckn/{message.action}", message.raw, headers)

    def call(self, message: Callback) -> Answer:
        """From us to the network: signed, and sent to whom the context names."""
        if self.is_down:
            return _answer(502, NACK)
        self.called.append(message)
        return self.signer.post(f"{message.context['bap_uri']}/{message.action}", message.raw)


def _answer(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


class ThroughAdapter(Journey):
    """A journey whose portal knows only the adapter's address."""

    adapter: Adapter

    def call(self, message: Json, **more: Any) -> Callback:
        return self.bap.ask(f"{self.adapter.url}/network", message, **more)

    def send(self, message: Json, **more: Any) -> Answer:
        return self.bap.send(f"{self.adapter.url}/network", message, **more)


@dataclass
class World:
    stack: Stack
    adapter: Adapter

    def journey(self, bap: Bap | None = None) -> ThroughAdapter:
        journey = ThroughAdapter(self.stack, somebody(), bap=bap)
        journey.adapter = self.adapter
        return journey


@pytest.fixture(scope="module")
def world(stack_of_this_module: Callable[..., Stack]) -> Iterator[World]:
    adapter = Adapter()
    stack = stack_of_this_module(
        broker="auto",
        environment={
            "BECKN_MODE": "adapter",
            "BECKN_ADAPTER_URL": f"{adapter.url}/bpp/caller",
            "BECKN_ADAPTER_SECRET": SECRET,
        },
    )
    adapter.forward_to = stack.base
    adapter.known[stack.bap.subscriber_id] = stack.bap.public_key
    yield World(stack, adapter)
    adapter.server.shutdown()
    adapter.server.server_close()


def test_a_whole_journey_goes_through_the_adapter_and_nothing_of_ours_is_signed(world: World):
    journey = world.journey()
    confirmed = journey.enroll()
    assert confirmed["beckn:orderAttributes"]["credential"]["credentialData"]
    assert Book(world.stack, journey.person.umid).is_enrolled_once()
    posted = [
        message for message in world.adapter.called if message.context["transaction_id"] == journey.transaction_id
    ]
    assert [message.action for message in posted] == ["on_init", "on_confirm"]
    assert all("authorization" not in message.headers for message in posted)
    for callback in world.stack.bap.received(transaction_id=journey.transaction_id):
        assert is_signed_by(callback, world.adapter.signer.public_key)
        assert callback.raw in {message.raw for message in posted}  # it forwards what we wrote, byte for byte


def test_an_agency_is_known_by_the_message_since_its_header_is_dropped(world: World):
    agency = Bap("ea-portal.example.com")
    agency.start()
    world.adapter.known[agency.subscriber_id] = agency.public_key
    try:
        journey = world.journey(agency)
        prepared = journey.ask(journey.init(attributes={"assistedBy": {"agencyId": "ea-001", "operatorId": "op-1"}}))
        assert prepared["error"]["code"] == "MANDATE_REQUIRED", "so the agency is known, and certified"
        other = world.journey(agency)
        refused = other.ask(other.init(), headers={"X-Enrollment-Agency-ID": "ea-001"})
        assert refused["error"]["code"] == "EA_NOT_CERTIFIED", "the message names none"
    finally:
        agency.stop()


def test_an_adapter_that_is_down_gets_the_callback_when_it_is_back_though_it_has_no_queue(world: World):
    journey = world.journey()
    journey.ask(journey.init())
    message = journey.confirm()
    world.adapter.is_down = True
    assert journey.send(message).is_ack
    where = "FROM beckn_outbox WHERE message_id = %s"
    message_id = message["context"]["message_id"]
    eventually(lambda: world.stack.sql(f"SELECT state, attempts, lease {where}", message_id) == [("WAITING", 1, None)])
    world.adapter.is_down = False
    # As if the seconds until the next attempt were over.
    world.stack.sql("UPDATE beckn_participants SET held_until = NULL")
    world.stack.sql("UPDATE beckn_outbox SET due_at = now() WHERE message_id = %s", message_id)
    told = world.stack.bap.wait_for("on_confirm", message_id=message_id).message["order"]
    assert told["beckn:status"] == "CONFIRMED"
    assert len(world.stack.bap.received("on_confirm", message_id=message_id)) == 1


def test_what_does_not_come_from_the_adapter_is_refused_however_well_it_is_signed(world: World):
    journey = world.journey()
    direct = world.stack.bap.send(world.stack.base, journey.status())
    assert (direct.status, direct.body["error"]["code"]) == (403, "NOT_ALLOWED")
    guessed = world.stack.bap.send(world.stack.base, journey.status(), headers={"X-Adapter-Secret": "guess"})
    assert (guessed.status, guessed.body["error"]["code"]) == (403, "NOT_ALLOWED")


def test_what_the_adapter_does_not_believe_never_reaches_us(world: World):
    journey = world.journey()
    message = journey.status()
    raw = json.dumps(message).encode()
    headers = {"Authorization": world.stack.bap.authorization(raw + b" ")}
    answer = world.stack.bap.post(f"{world.adapter.url}/network/beckn/status", raw, headers=headers)
    assert answer.status == 401
    assert world.stack.sql("SELECT 1 FROM beckn_inbox WHERE message_id = %s", message["context"]["message_id"]) == []
