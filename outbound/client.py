"""The one HTTP client for every address that came from outside.

Each call is judged by `outbound.guard`, goes to the address that was judged, ends at its deadline and reads no more
than its limit. Errors say what happened and never what was sent. Source: spec/credentials.md 4.
"""

import http.client
import os
import socket
import ssl
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from outbound.cache import default_cache
from outbound.connections import PinnedConnection, Pool, Stream
from outbound.guard import Forbidden, OutboundError, Policy, Target, as_address, read_url

__all__ = [
    "CONNECT_TIMEOUT",
    "MAX_BYTES",
    "READ_TIMEOUT",
    "Client",
    "Forbidden",
    "OutboundError",
    "Response",
    "Stream",
    "TlsIdentity",
    "TooLarge",
    "Unreachable",
    "default_client",
    "get",
    "get_cached",
    "is_kept",
    "post",
    "send",
]

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0  # seconds from the connection to the last byte, not between two bytes
MAX_BYTES = 1 << 20
MAX_HEADER_CHARACTERS = 32 * 1024  # of all header lines; http.client would take a hundred of 64 KiB each
RESOLVED_SECONDS = 60.0  # how long a judged address is used before its name is asked again
REDIRECTS = 3
USER_AGENT = "energy-credential-provider"

Resolver = Callable[[str, int], Sequence[str]]

# A name server that never answers would hold a thread for 10 seconds and more, whatever our own timeouts say: glibc is
# told before its first look-up (2 seconds a name server). What the operator has set already stays.
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")


class Unreachable(OutboundError):
    """No answer: name, connection, TLS or time. Asking again later may help. `connected`: the request may have left."""

    def __init__(self, reason: str, *, connected: bool) -> None:
        super().__init__(reason)
        self.connected = connected


class TooLarge(OutboundError):
    """The answer is longer than the caller takes."""


@dataclass(frozen=True, slots=True)
class Response:
    """Any status is an answer. `headers` have lower-case names; repeated ones are joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return orjson.loads(self.body)


def resolve(host: str, port: int) -> Sequence[str]:
    """The host's addresses, as the system's resolver gives them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


class Client:
    """A guarded client with its own pools; thread-safe. Tests hand in their policy, resolver and TLS context."""

    def __init__(self, policy: Policy, *, resolver: Resolver = resolve, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._tls = tls or _tls()
        self._pools: OrderedDict[tuple[str, str, int], Pool] = OrderedDict()
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | Stream | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        max_bytes: int = MAX_BYTES,
        idempotent: bool | None = None,
    ) -> Response:
        """One answer. Only GET follows redirects, and only within its origin; all of them together take no longer than
        the two timeouts.

        `idempotent` (default: GET is) allows a second try on a fresh connection when a kept one turns out dead.
        Raises Forbidden, Unreachable, TooLarge.
        """
        target = read_url(url)
        again = method == "GET" if idempotent is None else idempotent
        until = time.monotonic() + connect_timeout + read_timeout
        for _ in range(REDIRECTS + 1):
            left = until - time.monotonic()
            if left <= 0:
                raise Unreachable("no answer in time", connected=True)
            asked = _headers(target, headers, body)
            waits = min(connect_timeout, left), min(read_timeout, left)
            response = self._once(target, method, body, asked, *waits, max_bytes, again)
            if method != "GET" or response.status not in (301, 302, 303, 307, 308):
                return response
            target = _redirected(target, response.headers.get("location", ""))
        raise Unreachable("too many redirects", connected=True)

    def close(self) -> None:
        with self._lock:
            pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            pool.close()

    def _once(
        self,
        target: Target,
        method: str,
        body: bytes | Stream | None,
        headers: Mapping[str, str],
        connect_timeout: float,
        read_timeout: float,
        max_bytes: int,
        again: bool,
    ) -> Response:
        pool = self._pool(target)
        kept = pool.idle()
        if kept is not None:
            try:
                return _exchange(pool, kept, target, method, body, headers, read_timeout, max_bytes)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                # The peer closed the kept connection while our request was on its way.
                if not again:
                    raise Unreachable("the connection was closed", connected=True) from error
            except (OSError, http.client.HTTPException, zlib.error) as error:
                raise Unreachable(_words(error), connected=True) from error
        fresh = pool.fresh()
        try:
            fresh.open(connect_timeout)
        except OSError as error:
            raise Unreachable(_words(error), connected=False) from error
        try:
            return _exchange(pool, fresh, target, method, body, headers, read_timeout, max_bytes)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise Unreachable(_words(error), connected=True) from error

    def _pool(self, target: Target) -> Pool:
        """The pool of the target's origin, judged anew once a minute."""
        now = time.monotonic()
        with self._lock:
            pool = self._pools.get(target.origin)
        if pool is not None and now - pool.judged_at < RESOLVED_SECONDS:
            return pool
        address = self._judge(target)
        if pool is not None and pool.address == address:
            pool.judged_at = now
            return pool
        made = Pool(target, address, self._tls if target.scheme == "https" else None, now)
        with self._lock:
            self._pools[target.origin] = made
            surplus = self._pools.popitem(last=False)[1] if len(self._pools) > 256 else None
        if pool is not None:
            pool.close()
        if surplus is not None:
            surplus.close()
        return made

    def _judge(self, target: Target) -> str:
        if as_address(target.host) is not None:
            return str(self._policy.judge(target, [target.host]))
        try:
            addresses = self._resolver(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise Unreachable("the host's name is not known", connected=False) from error
        return str(self._policy.judge(target, addresses))


def _exchange(
    pool: Pool,
    connection: PinnedConnection,
    target: Target,
    method: str,
    body: bytes | Stream | None,
    headers: Mapping[str, str],
    read_timeout: float,
    max_bytes: int,
) -> Response:
    """One request on one connection, which goes back to the pool only after a complete answer."""
    connection.deadline = time.monotonic() + read_timeout
    whole = False
    try:
        answer = connection.exchange(method, target.path, body, headers)
        if sum(len(name) + len(value) for name, value in answer.headers.items()) > MAX_HEADER_CHARACTERS:
            raise TooLarge(f"the answer's headers are longer than {MAX_HEADER_CHARACTERS} characters")
        content = _read(answer, max_bytes)
        whole = answer.isclosed() and not answer.will_close
        names = {name.lower(): value for name, value in answer.headers.items()}
        if len(names) != len(answer.headers):
            names = _joined(answer.headers.items())
        return Response(answer.status, names, content)
    finally:
        if whole:
            pool.keep(connection)
        else:
            connection.close()


def _read(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if answer.length is not None and answer.length > max_bytes:
        raise TooLarge(f"the answer is longer than {max_bytes} bytes")
    content = answer.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLarge(f"the answer is longer than {max_bytes} bytes")
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    if not answer.isclosed():
        answer.read()  # the end of a chunked answer, so that the connection can be kept
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    return content if coding == "identity" or not content else _decoded(content, coding, max_bytes)


def _decoded(content: bytes, coding: str, max_bytes: int) -> bytes:
    """Undo a compression we did not ask for, without ever holding more than the limit."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Unreachable("the answer's content encoding is not known", connected=True)
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    plain = decoder.decompress(content, max_bytes + 1)
    if len(plain) > max_bytes:
        raise TooLarge(f"the answer is longer than {max_bytes} bytes")
    if not decoder.eof:
        raise zlib.error("incomplete")
    return plain


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _headers(target: Target, given: Mapping[str, str] | None, body: bytes | Stream | None) -> dict[str, str]:
    headers = {"Host": target.host_header, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Length"] = str(body.size if isinstance(body, Stream) else len(body))
    if given:
        headers.update(given)
    return headers


def _redirected(target: Target, location: str) -> Target:
    """Where the redirect leads. Raises Forbidden when that is another origin."""
    if location.startswith("/") and not location.startswith("//"):
        location = f"{target.scheme}://{target.host_header}{location}"
    there = read_url(location)
    if there.origin != target.origin:
        raise Forbidden("the answer redirects to another host")
    return there


def _words(error: Exception) -> str:
    """What went wrong, from its kind alone: messages of the library may repeat what was sent."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate is not trusted"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended too early"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError):
        return "the connection was closed"
    if isinstance(error, http.client.HTTPException | zlib.error | ValueError):
        return "the answer is not valid HTTP"
    return "the host cannot be reached"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class TlsIdentity:
    """Our certificate towards one peer, and whose certificates it may have: paths of PEM files. Without `ca` the
    machine's own authorities count."""

    certificate: str
    key: str
    ca: str = ""

    def stamp(self) -> tuple[int, ...]:
        """Changes with the files. Raises OSError."""
        return tuple(Path(each).stat().st_mtime_ns for each in (self.certificate, self.key, self.ca) if each)


@lru_cache(maxsize=8)
def _client(policy: Policy) -> Client:
    return Client(policy)


@lru_cache(maxsize=32)
def _identified(policy: Policy, identity: TlsIdentity, stamp: tuple[int, ...]) -> Client:
    # A client of its own for each state of the files: a rotated certificate needs no restart, and no kept connection
    # was opened under the old one.
    context = ssl.create_default_context(cafile=identity.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    return Client(policy, tls=context)


def default_client() -> Client:
    """The process's client under the deployment's policy."""
    return _client(_policy())


def _policy() -> Policy:
    return Policy(settings.DEPLOYMENT == "sandbox", tuple(settings.ALLOWED_OUTBOUND))


def _client_for(identity: TlsIdentity | None) -> Client:
    if identity is None:
        return default_client()
    try:
        return _identified(_policy(), identity, identity.stamp())
    except OSError as problem:  # ssl's errors are among them
        raise Unreachable("our certificate cannot be read", connected=False) from problem


def get(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    max_bytes: int = MAX_BYTES,
) -> Response:
    """Fetch. Raises Forbidden, Unreachable, TooLarge; RuntimeError inside a transaction."""
    refuse_in_transaction()
    return default_client().request(
        "GET",
        url,
        headers=headers,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_bytes=max_bytes,
    )


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    max_bytes: int = MAX_BYTES,
    idempotent: bool = False,
    identity: TlsIdentity | None = None,
) -> Response:
    """Send exactly these bytes. `idempotent`: the receiver knows a repetition, so a dead kept connection is replaced.

    Raises Forbidden, Unreachable, TooLarge; RuntimeError inside a transaction.
    """
    return send(
        "POST",
        url,
        body=body,
        headers=headers,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_bytes=max_bytes,
        idempotent=idempotent,
        identity=identity,
    )


def send(
    method: str,
    url: str,
    *,
    body: bytes | Stream | None = None,
    headers: Mapping[str, str] | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    max_bytes: int = MAX_BYTES,
    idempotent: bool | None = None,
    identity: TlsIdentity | None = None,
) -> Response:
    """One exchange, with our certificate where the peer wants one.

    Raises Forbidden, Unreachable, TooLarge; RuntimeError inside a transaction.
    """
    refuse_in_transaction()
    return _client_for(identity).request(
        method,
        url,
        body=body,
        headers=headers,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_bytes=max_bytes,
        idempotent=idempotent,
    )


def get_cached(
    url: str,
    *,
    accept: str = "*/*",
    max_age_default: float = 60.0,
    max_age_cap: float = 300.0,
    fresh: bool = False,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    max_bytes: int = MAX_BYTES,
) -> Response:
    """Fetch, or give this process's copy while its Cache-Control says it is good. Only answers of 200 are kept.

    `fresh` asks again even so (with If-None-Match), for a key that a kept document does not know.
    """
    return default_cache().get(
        url,
        accept=accept,
        max_age_default=max_age_default,
        max_age_cap=max_age_cap,
        fresh=fresh,
        fetch=lambda headers: get(
            url, headers=headers, connect_timeout=connect_timeout, read_timeout=read_timeout, max_bytes=max_bytes
        ),
    )


def is_kept(url: str, *, accept: str = "*/*") -> bool:
    """Whether `get_cached` would answer from this process's copy, without asking."""
    return default_cache().is_kept(url, accept)


def refuse_in_transaction() -> None:
    if transaction.get_connection().in_atomic_block and not getattr(settings, "TESTS_WRAP_IN_TRANSACTIONS", False):
        raise RuntimeError("network inside a transaction")
