"""Connections that are kept, pinned to the address the guard has judged, and that never outstay their deadline.

On the standard library's http.client: our own pool is shorter than the options that would bend another one,
and the deadline reaches into the header lines, where a slow peer could otherwise hold a worker for ever.
"""

import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from outbound.guard import Target

IDLE_SECONDS = 20.0  # a connection that slept longer is closed rather than tried
KEPT_PER_ORIGIN = 16
_PART_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is read while it is sent: a file that can begin again, and how many bytes of it."""

    file: IO[bytes]
    size: int


class _DeadlineReader(io.RawIOBase):
    """A socket's raw stream in which every wait ends at the connection's deadline."""

    def __init__(self, connection: "PinnedConnection", sock: socket.socket) -> None:
        self._connection = connection
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed itself

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        self._sock.settimeout(self._connection.seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _AsSocket:
    """The one method that HTTPResponse wants of a socket."""

    def __init__(self, connection: "PinnedConnection", sock: socket.socket) -> None:
        self._connection = connection
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._connection, self._sock), 16_384)


class PinnedConnection(http.client.HTTPConnection):
    """One connection to the address that was judged, whatever the name says by now."""

    def __init__(self, target: Target, address: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port)
        self._address = address
        self._tls = tls
        self.deadline = 0.0
        self.idle_since = 0.0
        self.response_class = self._response  # type: ignore[assignment]

    def _response(self, sock: socket.socket, **options: object) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_AsSocket(self, sock), **options)  # type: ignore[arg-type]

    def seconds_left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        return left

    def open(self, connect_timeout: float) -> None:
        """Connect, and finish the TLS handshake, within the time given. Raises OSError."""
        until = time.monotonic() + connect_timeout
        sock = socket.create_connection((self._address, self.port), timeout=connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock.settimeout(max(0.001, until - time.monotonic()))
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:  # also for Ctrl-C: the socket is nobody's yet, so nobody else would close it
            sock.close()
            raise
        self.sock = sock

    def exchange(
        self, method: str, path: str, body: "bytes | Stream | None", headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send one request and read its answer's head. Raises OSError or HTTPException."""
        assert self.sock is not None
        self.sock.settimeout(self.seconds_left())
        self.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders(self._parts(body) if isinstance(body, Stream) else body)
        return self.getresponse()

    def _parts(self, stream: "Stream") -> Iterator[bytes]:
        """The file from its beginning, each part within what is left of the deadline."""
        stream.file.seek(0)
        left = stream.size
        while left > 0 and (part := stream.file.read(min(_PART_BYTES, left))):
            left -= len(part)
            assert self.sock is not None
            self.sock.settimeout(self.seconds_left())
            yield part

    def is_alive(self, now: float) -> bool:
        """Idle not for too long, and nothing to read: a readable idle connection has been closed or is confused."""
        if self.sock is None or now - self.idle_since > IDLE_SECONDS:
            return False
        try:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN | select.POLLERR | select.POLLHUP)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False


@dataclass
class Pool:
    """The idle connections of one origin, all to the same judged address."""

    target: Target
    address: str
    tls: ssl.SSLContext | None
    judged_at: float
    _idle: deque[PinnedConnection] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def idle(self) -> PinnedConnection | None:
        """The most recently used connection that is still alive, or None."""
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_alive(now):
                return connection
            connection.close()

    def fresh(self) -> PinnedConnection:
        return PinnedConnection(self.target, self.address, self.tls)

    def keep(self, connection: PinnedConnection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle.popleft() if len(self._idle) > KEPT_PER_ORIGIN else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        with self._lock:
            connections, self._idle = list(self._idle), deque()
        for connection in connections:
            connection.close()
