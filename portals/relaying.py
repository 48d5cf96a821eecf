"""Passing a customer's file on to the provider's upload address, as it comes: the portal keeps none of it.

Whether it is what it says, small enough and free of malware, the provider finds out and says by a code (decision 26,
docs/integration.md). Only POST is the network's; a provider without our PUT and DELETE is still understood.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings

from outbound import client

log = logging.getLogger(__name__)
#: Seconds for a file and for what its receiver does with it: storing, scanning.
SECONDS = 90.0
#: A relay holds a thread here, and where the provider is ourselves one more there: half of them at most.
_relays = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))

Problem = str
NO_FILE, BUSY, SILENT, TOO_LARGE, EXPIRED = "NO_FILE", "BUSY", "SILENT", "TOO_LARGE", "EXPIRED"
#: What a provider may answer that a page has words for; everything else is NOT_TAKEN.
KNOWN = {
    *("NOT_FOUND", "EXPIRED", "NO_LONGER_NEEDED", "UNDER_REVIEW", "EMPTY", "TOO_LARGE", "CASE_FULL", "MALFORMED"),
    *("TYPE_NOT_ACCEPTED", "UNREADABLE", "TOO_MANY_PIXELS", "ACTIVE_CONTENT", "INFECTED"),
    *("SCANNER_UNAVAILABLE", "STORE_UNAVAILABLE"),
}
_BY_STATUS = {404: "NOT_FOUND", 410: EXPIRED, 413: TOO_LARGE, 415: "TYPE_NOT_ACCEPTED", 503: BUSY}


@dataclass(frozen=True)
class Taken:
    """What the provider says it has: media type, bytes, and what its scanner said."""

    media_type: str
    size: int
    scan: str


class NotTaken(Exception):
    """The file is not with the provider; `code` is the provider's or one of ours."""

    def __init__(self, code: Problem) -> None:
        super().__init__(code)
        self.code = code


def send(url: str, file: IO[bytes], size: int, max_bytes: int) -> Taken:
    """Have the provider take this file, in place of an earlier one. Raises NotTaken."""
    if not size:
        raise NotTaken("EMPTY")
    if max_bytes and size > max_bytes:
        raise NotTaken(TOO_LARGE)
    digest = _digest(file)
    answer = _asked("POST", url, client.Stream(file, size))
    if _code(answer) == "ALREADY_UPLOADED":
        answer = _asked("PUT", url, client.Stream(file, size))
    if not 200 <= answer.status < 300:
        raise NotTaken(_code(answer))
    told = _told(answer)
    if told.get("sha256") not in (None, digest):
        log.error("a provider says it took another file than was sent")
        raise NotTaken(SILENT)
    return Taken(str(told.get("mediaType", "")), size, str(told.get("scan", "")))


def take_back(url: str) -> None:
    """Have the provider forget the file. Raises NotTaken where it says that it does not."""
    answer = _asked("DELETE", url, None)
    code = _code(answer)
    # Gone already, or a provider that knows no taking back: then the application simply does not name the file.
    if 200 <= answer.status < 300 or code in ("NOT_FOUND", EXPIRED, "NO_LONGER_NEEDED") or answer.status in (405, 501):
        return
    raise NotTaken(code)


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _asked(method: str, url: str, body: client.Stream | None) -> client.Response:
    if not _relays.acquire(blocking=False):
        raise NotTaken(BUSY)
    try:
        headers = {"Content-Type": "application/octet-stream", "Accept": "application/json"}
        return client.send(method, url, body=body, headers=headers, read_timeout=SECONDS, idempotent=True)
    except client.OutboundError as error:
        log.warning("a provider's upload address does not answer", extra={"problem": str(error)})
        raise NotTaken(SILENT) from error
    finally:
        _relays.release()


def _told(answer: client.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _code(answer: client.Response) -> Problem:
    """The provider's code where it is one that is known, else what its status means."""
    code = str(_told(answer).get("code", ""))
    if code in KNOWN or code == "ALREADY_UPLOADED":
        return code
    return _BY_STATUS.get(answer.status, SILENT if answer.status >= 500 else "NOT_TAKEN")
