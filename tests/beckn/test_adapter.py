"""Behind a Beckn adapter: it proves and forwards, we answer unsigned to its caller address (wire.md 5)."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from beckn import participants, tasks
from beckn.models import Inbox
from tests.bap import Bap, Callback
from tests.beckn.conftest import encode, is_ack, message, nack


class Adapter:
    """A stand-in that forwards bytes both ways and drops every header it does not know."""

    def __init__(self) -> None:
        self.called: list[tuple[str, dict[str, str], bytes]] = []
        adapter = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                adapter.called.append((self.path, headers, raw))
                answer = json.dumps({"message": {"ack": {"status": "ACK"}}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/bpp/caller"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def adapter(settings) -> Iterator[Adapter]:
    stand_in = Adapter()
    settings.BECKN_MODE, settings.BECKN_ADAPTER_URL = "adapter", stand_in.url
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def bap(db) -> Bap:
    """A participant that only the adapter has looked up."""
    return Bap(subscriber_id="behind-adapter.example", port=9)


def test_what_the_adapter_forwards_is_taken_and_answered_through_it_unsigned(adapter, bap, post):
    body = message(bap)
    assert is_ack(post(bap, body, authorization=""))
    tasks.drain()
    path, headers, raw = adapter.called[0]
    assert path == "/bpp/caller/on_search"
    assert "authorization" not in headers
    callback = Callback("on_search", headers, raw, 0)
    assert callback.context["message_id"] == body["context"]["message_id"]
    assert callback.context["bap_uri"] == bap.uri
    assert participants.registered(bap.subscriber_id).source == "ADAPTER"
    assert Inbox.objects.get().state == "DONE"


def test_duplicates_and_content_are_checked_behind_an_adapter_too(adapter, bap, post):
    raw = encode(message(bap))
    assert is_ack(post(bap, raw, authorization=""))
    assert is_ack(post(bap, raw, authorization=""))
    assert Inbox.objects.count() == 1
    assert nack(post(bap, message(bap, bpp_id="else.example"), authorization=""))[1] == "WRONG_ADDRESSEE"
    assert nack(post(bap, b"{", authorization=""))[1] == "MALFORMED"


def test_nobody_but_the_adapter_may_speak(adapter, bap, post, settings):
    assert nack(post(bap, message(bap), REMOTE_ADDR="192.0.2.1"))[:2] == (403, "NOT_ALLOWED")
    settings.BECKN_ADAPTER_SOURCES = ["192.0.2.0/24"]
    assert is_ack(post(bap, message(bap), REMOTE_ADDR="192.0.2.1"))
    settings.BECKN_ADAPTER_SECRET = "s" * 32
    assert nack(post(bap, message(bap), REMOTE_ADDR="192.0.2.1"))[:2] == (403, "NOT_ALLOWED")
    assert nack(post(bap, message(bap), HTTP_X_ADAPTER_SECRET="wrong"))[:2] == (403, "NOT_ALLOWED")
    assert is_ack(post(bap, message(bap), HTTP_X_ADAPTER_SECRET="s" * 32))


def test_a_stranger_who_comes_through_our_own_proxy_is_not_the_adapter(adapter, bap, post, settings):
    settings.PROXY_NETWORKS = ["127.0.0.0/8"]
    assert nack(post(bap, message(bap), HTTP_X_FORWARDED_FOR="203.0.113.9"))[:2] == (403, "NOT_ALLOWED")
    assert is_ack(post(bap, message(bap)))


def test_a_suspended_participant_is_refused_behind_an_adapter(adapter, bap, post):
    from audit import clock

    assert is_ack(post(bap, message(bap)))
    participants.suspend(bap.subscriber_id, reason="test", now=clock.now())
    assert nack(post(bap, message(bap)))[:2] == (403, "PARTICIPANT_SUSPENDED")
