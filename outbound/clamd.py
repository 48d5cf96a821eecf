"""One question to a clamd (ClamAV's daemon): is this file clean? By its INSTREAM command over TCP or a Unix socket.

The address is the operator's own, so it is not held against the guard. Source: clamd(8), "INSTREAM".
"""

from __future__ import annotations

import socket
import struct
import time
from urllib.parse import unquote, urlsplit

from outbound.client import refuse_in_transaction
from outbound.guard import OutboundError

PORT = 3310
_CHUNK_BYTES = 64 << 10
_MOST_SAID = 4096


class ClamdError(OutboundError):
    """It did not say: not there, too slow, or it could not look into the file."""


def is_infected(url: str, content: bytes, *, connect_timeout: float = 3.0, seconds: float = 60.0) -> bool:
    """Whether clamd at `clamd://host[:port]` or `clamd:///path/of/socket` found something. Raises ClamdError;
    RuntimeError inside a transaction."""
    refuse_in_transaction()
    try:
        with _connected(url, connect_timeout) as sock:
            said = _asked(sock, content, time.monotonic() + seconds)
    except OSError as problem:
        raise ClamdError(f"clamd: {type(problem).__name__}") from problem
    if said.endswith(b" FOUND"):
        return True
    if said.endswith(b": OK"):
        return False
    raise ClamdError("clamd could not look into the file")  # its words may name what was in it


def _connected(url: str, connect_timeout: float) -> socket.socket:
    parts = urlsplit(url)
    if parts.hostname:
        return socket.create_connection((parts.hostname, parts.port or PORT), timeout=connect_timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(connect_timeout)
        sock.connect(unquote(parts.path))
    except BaseException:  # also when we are being ended: nobody else has the socket yet
        sock.close()
        raise
    return sock


def _asked(sock: socket.socket, content: bytes, until: float) -> bytes:
    """The answer to one file, without its ending. Raises OSError.

    clamd answers and hangs up in the middle when a file is longer than its StreamMaxLength: then what it said counts.
    """
    try:
        sock.settimeout(_left(until))
        sock.sendall(b"zINSTREAM\0")
        for at in range(0, len(content), _CHUNK_BYTES):
            chunk = content[at : at + _CHUNK_BYTES]
            sock.settimeout(_left(until))
            sock.sendall(struct.pack("!I", len(chunk)) + chunk)
        sock.sendall(struct.pack("!I", 0))
    except (BrokenPipeError, ConnectionResetError):
        pass
    said = b""
    while b"\0" not in said and len(said) < _MOST_SAID:
        sock.settimeout(_left(until))
        part = sock.recv(_MOST_SAID)
        if not part:
            break
        said += part
    return said.partition(b"\0")[0].strip()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
