"""The web process's front: a request's body is waited for here, without a thread; then Django answers in one.

A WSGI server reads the body in the thread that answers. There, a client that sends half of its body and falls silent
(or loses its network) keeps that thread for ever, and a handful of them keep all. Here it costs a little memory until
its time is over. Interface: granian's RSGI, `granian --interface rsgi config.front:application`; behind a proxy that
buffers bodies `config.wsgi:application` does as well.
"""

import asyncio
import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from django.conf import settings
from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope

from config.wsgi import application as django
from utility_systems import calls

log = logging.getLogger(__name__)
# Where files come in: to the provider, and to the portal for a journey (which passes them on).
UPLOADS = re.compile(r"/documents/|/applications/[0-9a-f-]{36}/documents$|/agency/cases/[0-9a-f-]{36}/paper$")
IMPORTS = re.compile(r"/agency/imports$")
ENVELOPE_BYTES = 64 << 10  # what a form adds to the file in it
MOST_DROPPED = 64 << 20  # bytes of one request; whoever sends more is cut off
SLOWEST = 16 << 10  # bytes a second: a file of 10 MB takes ten minutes there
IN_MEMORY = 1 << 20
_threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="web")


class BrokenOff(RawIOBase):
    """What is read of a body that did not come: an error, as of a connection that broke."""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the body did not come in time")


async def application(scope: Scope, protocol: HTTPProtocol) -> None:
    """Answer one request (granian's RSGI)."""
    calls.start_writing()  # here and not where this is imported: whoever only reads this module writes nothing
    with SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        try:
            async with asyncio.timeout(settings.BODY_SECONDS) as limit:
                size = await _body(scope, protocol, cast(BinaryIO, body), limit)
        except TimeoutError:
            environ = _environ(scope, cast(BinaryIO, BrokenOff()))
        except ProtocolClosed:
            return  # nobody is there any more
        else:
            body.seek(0)
            environ = _environ(scope, cast(BinaryIO, body))
            if scope.headers.get("transfer-encoding"):
                environ["CONTENT_LENGTH"] = str(size)  # Django reads nothing where no length is told
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(_threads, _answer, environ)
    if content and scope.method != "HEAD":
        protocol.response_bytes(status, headers, content)
    else:
        protocol.response_empty(status, headers)


async def _body(scope: Scope, protocol: HTTPProtocol, body: BinaryIO, limit: asyncio.Timeout) -> int:
    """Write the body; of one that is too long only the first byte too many: the view sees it and says so.

    Its rest is read and dropped: most clients listen only when they have sent everything. A file may take as long as
    it comes with SLOWEST. Returns how many bytes were written.
    """
    most = most_bytes(scope.path)
    is_upload = most > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    until, came = limit.when() or 0.0, 0
    async for part in protocol:
        if came < most:
            body.write(part[: most - came])
        came += len(part)
        if came > MOST_DROPPED:
            break
        if is_upload:
            limit.reschedule(until + came / SLOWEST)
    return min(came, most)


def most_bytes(path: str) -> int:
    """How long a body may be that is sent to this address."""
    if IMPORTS.match(path):
        return settings.IMPORT_MAX_BYTES + ENVELOPE_BYTES
    return settings.DOCUMENT_MAX_BYTES + ENVELOPE_BYTES if UPLOADS.match(path) else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _environ(scope: Scope, body: BinaryIO) -> dict[str, Any]:
    """Make the WSGI environment (PEP 3333)."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue  # X_Forwarded_For would pass as X-Forwarded-For
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if scope.authority:
        environ.setdefault("HTTP_HOST", scope.authority)
    return environ


def _answer(environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Ask Django, in a thread. What it cannot answer itself is an empty 500."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        said[:] = [int(status.partition(" ")[0]), headers]

    try:
        result = django(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
    except Exception:  # the thread's future would swallow it, and the client would wait
        log.exception("a request could not be answered")
        return 500, [], b""
    return said[0], said[1], content
