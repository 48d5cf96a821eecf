"""A network participant for tests: sends signed messages and records what it is called back with.

Written from the wire's description (spec wire.md 1), without our own `beckn` package, so that it can disagree with it.
"""

import base64
import contextlib
import functools
import hashlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Mode = Literal["ack", "nack", "refuse", "hang"]
ACK = {"message": {"ack": {"status": "ACK"}}}
PATIENCE = 60.0  # seconds: only a failing test waits so long, and machines that run tests are busy
NACK = {"message": {"ack": {"status": "NACK"}}, "error": {"code": "BAP_SAYS_NO", "message": "No."}}


@dataclass(frozen=True)
class Answer:
    """What our service answered at once: the ACK or NACK."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    @property
    def is_ack(self) -> bool:
        return self.status == 200 and self.body["message"]["ack"]["status"] == "ACK"


@dataclass(frozen=True)
class Callback:
    """One request that reached our address, as it came."""

    action: str
    headers: Mapping[str, str]
    raw: bytes
    at: float  # time.monotonic()

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    @functools.cached_property
    def context(self) -> dict[str, Any]:
        # Read once: everybody who waits looks at every callback.
        return dict(self.body["context"])

    @property
    def message(self) -> dict[str, Any]:
        return dict(self.body["message"])


@dataclass
class Bap:
    """A participant with one Ed25519 key and a callback address; `mode` says how it treats callbacks.

    `hang` accepts the connection, reads the message and answers only when the mode changes.
    """

    subscriber_id: str = "portal.test.example"
    key_id: str = "test-key-1"
    bpp_id: str = ""  # whom it writes to
    bpp_uri: str = ""
    offset: float = 0.0  # seconds our clock is ahead: that of the stack under test
    mode: Mode = "ack"
    callbacks: list[Callback] = field(default_factory=list)
    held: list[Callback] = field(default_factory=list)  # what came while it hung; its senders got no answer
    hanging: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self._news = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    # being there

    def start(self) -> None:
        """Listen; after `stop()` again at the same port."""
        handler = type("Handler", (_Handler,), {"bap": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        self.behave("ack")
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def behave(self, mode: Mode) -> None:
        """Treat callbacks so from now on; whoever hangs is answered."""
        with self._news:
            self.mode = mode
            self._news.notify_all()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/bap"

    @property
    def public_key(self) -> str:
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base64.b64encode(raw).decode()

    # sending

    def context(self, action: str, **given: Any) -> dict[str, Any]:
        """A context as the guide's messages have it, from us, with new ids; `given` wins."""
        now = datetime.fromtimestamp(time.time() + self.offset, UTC)
        return {
            "version": "2.0.0",
            "action": action,
            "domain": "energy.enrollment",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message_id": str(uuid.uuid4()),
            "transaction_id": str(uuid.uuid4()),
            "bap_id": self.subscriber_id,
            "bap_uri": self.uri,
            "bpp_id": self.bpp_id,
            "bpp_uri": self.bpp_uri,
            "ttl": "PT30S",
            **given,
        }

    def authorization(self, raw: bytes, *, created: int | None = None, lifetime: int = 300) -> str:
        """The signature header over exactly these bytes; `created` in Unix seconds, by default now."""
        created = int(time.time() + self.offset) if created is None else created
        expires = created + lifetime
        text = f"(created): {created}\n(expires): {expires}\ndigest: BLAKE-512={digest(raw)}"
        signature = base64.b64encode(self.private.sign(text.encode())).decode()
        return (
            f'Signature keyId="{self.subscriber_id}|{self.key_id}|ed25519",algorithm="ed25519",created="{created}",'
            f'expires="{expires}",headers="(created) (expires) digest",signature="{signature}"'
        )

    def send(self, base: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Answer:
        """Sign and POST a message to BASE/beckn/<its action>."""
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self.post(f"{base}/beckn/{body['context']['action']}", raw, headers=headers)

    def post(self, url: str, raw: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        """POST these bytes, signed unless `headers` has another Authorization (empty: none)."""
        sent = {"Content-Type": "application/json", "Authorization": self.authorization(raw), **(headers or {})}
        return http("POST", url, raw, {name: value for name, value in sent.items() if value})

    # receiving

    def received(self, action: str = "", **context: Any) -> list[Callback]:
        """Callbacks of this action whose context has these values (message_id=…, transaction_id=…)."""
        with self._news:
            callbacks = list(self.callbacks)
        return self._matching(callbacks, action, context)

    def wait_for(self, action: str, *, seconds: float = PATIENCE, count: int = 1, **context: Any) -> Callback:
        """Wait for the `count`-th such callback and return it. Raises AssertionError, telling what did come."""
        seen, found = 0, list[Callback]()

        def has_come() -> bool:
            nonlocal seen
            news, seen = self.callbacks[seen:], len(self.callbacks)
            found.extend(self._matching(news, action, context))
            return len(found) >= count

        with self._news:
            self._news.wait_for(has_come, timeout=seconds)
        came = [callback.action for callback in self.callbacks]
        assert len(found) >= count, f"no {action} ({count}) within {seconds} s; came: {came}"
        return found[count - 1]

    def wait_until_hanging(self, count: int = 1, *, seconds: float = PATIENCE) -> None:
        """Wait until so many callers are being held."""
        with self._news:
            assert self._news.wait_for(lambda: self.hanging >= count, timeout=seconds), f"{self.hanging} hang"

    def ask(self, base: str, body: Mapping[str, Any], *, seconds: float = PATIENCE, **more: Any) -> Callback:
        """Send, expect the ACK, and wait for its callback."""
        answer = self.send(base, body, **more)
        assert answer.is_ack, f"{answer.status} {answer.raw!r}"
        context = body["context"]
        return self.wait_for(f"on_{context['action']}", seconds=seconds, message_id=context["message_id"])

    @staticmethod
    def _matching(callbacks: Sequence[Callback], action: str, context: Mapping[str, Any]) -> list[Callback]:
        return [
            callback
            for callback in callbacks
            if (not action or callback.action == action)
            and all(callback.context.get(name) == value for name, value in context.items())
        ]

    def _take(self, callback: Callback) -> tuple[int, Mapping[str, Any]]:
        with self._news:
            if self.mode == "hang":
                self.hanging += 1
                self.held.append(callback)
                self._news.notify_all()
                self._news.wait_for(lambda: self.mode != "hang")
                self.hanging -= 1
                return 503, NACK  # its caller has given up long ago
            if self.mode == "refuse":
                return 503, NACK
            self.callbacks.append(callback)
            self._news.notify_all()
            return (200, ACK) if self.mode == "ack" else (400, NACK)


def digest(raw: bytes) -> str:
    return base64.b64encode(hashlib.blake2b(raw, digest_size=64).digest()).decode()


def is_signed_by(callback: Callback, public_key: str) -> bool:
    """Check a callback's own signature against a base64 Ed25519 key."""
    text = callback.headers["authorization"].removeprefix("Signature ")
    parts = dict(part.strip().split("=", 1) for part in text.split(",") if "=" in part)
    said = {name: value.strip('"') for name, value in parts.items()}
    signed = f"(created): {said['created']}\n(expires): {said['expires']}\ndigest: BLAKE-512={digest(callback.raw)}"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    try:
        key.verify(base64.b64decode(said["signature"]), signed.encode())
    except InvalidSignature:
        return False
    return True


def http(method: str, url: str, raw: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One HTTP exchange; an error status is an answer like any other."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=raw, headers=dict(headers or {}), method=method)
    try:
        with opener.open(request, timeout=30) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as problem:
        return Answer(problem.code, _lower(problem.headers), problem.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Also cut the connections that peers keep open: whoever is down answers on none."""
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away while we let it hang is no error of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer: two would wait 40 ms for each other (Nagle and delayed ACK).
    wbufsize = -1
    disable_nagle_algorithm = True
    bap: Bap

    def do_POST(self) -> None:
        expected = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(expected)
        if len(raw) < expected:  # its sender was killed between the headers and the body: no message
            self.close_connection = True
            return
        action = self.path.rstrip("/").rpartition("/")[2]
        status, body = self.bap._take(Callback(action, _lower(self.headers), raw, time.monotonic()))
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


Until = Callable[[], bool]


def eventually(question: Until, *, seconds: float = PATIENCE, pause: float = 0.05) -> None:
    """Ask until the answer is yes. Raises AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < until, f"did not become true within {seconds} s"
        time.sleep(pause)
