"""The outside BAP: sends signed messages, receives callbacks and checks who signed them."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from sandbox.journey import wire
from sandbox.journey.wire import BadSignature, Clock

DOMAIN = "energy.enrollment"
_ACK = {"message": {"ack": {"status": "ACK"}}}
Log = Callable[[Mapping[str, Any]], None]


class NoAnswer(Exception):
    """The other side did not take the message, or did not call back in time."""


@dataclass(frozen=True)
class Identity:
    """Who we are on the network, and whom we speak to. Keys are base64."""

    subscriber_id: str
    key_id: str
    seed: str
    url: str
    bpp_id: str
    bpp_url: str
    registry_url: str


@dataclass
class Bap:
    """Use as a context manager: inside it the callback address is served. `log` hears every message, in order."""

    identity: Identity
    clock: Clock
    log: Log
    domain: str = DOMAIN
    headers: Mapping[str, str] = field(default_factory=dict)
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        address = urlsplit(self.identity.url)
        self._server = ThreadingHTTPServer((str(address.hostname), int(address.port or 80)), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def ask(
        self, action: str, message: Mapping[str, Any], *, transaction_id: str, wait: float = 30.0
    ) -> dict[str, Any]:
        """Send `action` and return the body of its `on_*` callback. Raises NoAnswer."""
        message_id = str(uuid4())
        context = self._context(action, transaction_id, message_id)
        body = json.dumps({"context": context, "message": message}, ensure_ascii=False, separators=(",", ":")).encode()
        url = f"{self.identity.bpp_url}/{action}"
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": self._sign(body), **self.headers}
        at = self._at()
        try:
            reply = wire.call(url, body, headers)
        except OSError as error:
            raise NoAnswer(f"nobody answers at {url}: {error}") from None
        answer = _json_or_text(reply.body)
        self.log(
            {"direction": "sent", "at": at, "action": action, "url": url, "body": json.loads(body)}
            | {"status": reply.status, "answer": answer}
        )
        if reply.status not in (200, 202) or "error" in (answer if isinstance(answer, dict) else {"error": answer}):
            raise NoAnswer(f"{action} was not taken: HTTP {reply.status} {answer}")
        with self._arrived:
            if not self._arrived.wait_for(lambda: message_id in self._callbacks, timeout=wait):
                raise NoAnswer(f"no on_{action} came within {wait:.0f} seconds")
            return self._callbacks.pop(message_id)

    def receive(self, action: str, header: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
        """Check and keep a callback; the HTTP status and body to answer it with."""
        try:
            subscriber_id, key_id = wire.signer_of(header)
            wire.verify(header, body, public_key=self._public_key(subscriber_id, key_id), now=self.clock.now())
            message = json.loads(body)
            if message["context"]["bpp_id"] != subscriber_id or message["context"]["action"] != action:
                raise BadSignature("the context names another sender or action")
        except (BadSignature, KeyError, TypeError, ValueError) as error:
            self.log({"direction": "refused", "at": self._at(), "action": action, "problem": str(error)})
            nack = {"message": {"ack": {"status": "NACK"}}, "error": {"code": "401", "message": str(error)}}
            return 401, nack
        self.log(
            {"direction": "received", "at": self._at(), "action": action, "url": f"{self.identity.url}/{action}"}
            | {"body": message, "signedBy": f"{subscriber_id}|{key_id}", "status": 200, "answer": _ACK}
        )
        with self._arrived:
            self._callbacks[str(message["context"]["message_id"])] = message
            self._arrived.notify_all()
        return 200, _ACK

    def _public_key(self, subscriber_id: str, key_id: str) -> str:
        """The signer's key as the registry knows it, which must call it the BPP we spoke to."""
        if subscriber_id != self.identity.bpp_id:
            raise BadSignature(f"signed by {subscriber_id}, not by {self.identity.bpp_id}")
        if (subscriber_id, key_id) not in self._keys:
            question = json.dumps({"subscriber_id": subscriber_id, "key_id": key_id}).encode()
            rows = wire.call(self.identity.registry_url, question, {"Content-Type": "application/json"}).json()
            subscribed = [row for row in rows if row["status"] == "SUBSCRIBED"]
            if not subscribed:
                raise BadSignature(f"the registry does not know {subscriber_id}|{key_id}")
            self._keys[subscriber_id, key_id] = subscribed[0]["signing_public_key"]
        return self._keys[subscriber_id, key_id]

    def _context(self, action: str, transaction_id: str, message_id: str) -> dict[str, str]:
        return {
            "version": "2.0.0",
            "action": action,
            "domain": self.domain,
            "timestamp": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message_id": message_id,
            "transaction_id": transaction_id,
            "bap_id": self.identity.subscriber_id,
            "bap_uri": self.identity.url,
            "bpp_id": self.identity.bpp_id,
            "bpp_uri": self.identity.bpp_url,
            "ttl": "PT30S",
        }

    def _at(self) -> str:
        return self.clock.now().isoformat(timespec="microseconds")

    def _sign(self, body: bytes) -> str:
        me = self.identity
        return wire.authorization(
            body, subscriber_id=me.subscriber_id, key_id=me.key_id, seed=me.seed, now=self.clock.now()
        )


def _handler(bap: Bap) -> type[BaseHTTPRequestHandler]:
    prefix = urlsplit(bap.identity.url).path + "/"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith(prefix):
                self._answer(404, {"error": {"code": "404", "message": "There is nothing at this address."}})
                return
            status, answer = bap.receive(self.path.removeprefix(prefix), self.headers.get("Authorization", ""), body)
            self._answer(status, answer)

        def _answer(self, status: int, content: Mapping[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The journey prints what matters."""

    return Handler


def _json_or_text(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")[:500]
