"""A kept file on its way to a person who reviews it: checked to be the one that came, scanned, as an attachment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.http import HttpResponse

from files import scanning
from files.store import Shelf, StoreUnavailable
from identity.encryption import DecryptionError

SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
#: The HTTP status of each reason not to show a file.
STATUS = {"GONE": 410, "UNSCANNED": 409, "INFECTED": 410, "UNAVAILABLE": 503, "DAMAGED": 500}
_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}


class NotShown(Exception):
    """Why the file is not given to anybody: GONE, UNSCANNED, INFECTED, UNAVAILABLE, DAMAGED, with a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


GONE = "There is no such document, or its file is no longer kept."


@dataclass(frozen=True)
class Shown:
    content: bytes
    media_type: str
    name: str


def content_of(shelf: Shelf, key: str, sha256: str) -> bytes:
    """The bytes of a file whose digest was `sha256` when it was kept. Raises NotShown."""
    try:
        content = shelf.read(key)
    except KeyError:
        raise NotShown("GONE", "The file is not where it was kept.") from None
    except StoreUnavailable as problem:
        raise NotShown("UNAVAILABLE", "The file cannot be read at the moment. Try again later.") from problem
    except DecryptionError as problem:
        raise NotShown("DAMAGED", "The kept file was changed by somebody else.") from problem
    if hashlib.sha256(content).hexdigest() != sha256:
        raise NotShown("DAMAGED", "The kept file is not the one that was uploaded.")
    return content


def scanned_now(content: bytes, *, unscanned: bool) -> str:
    """CLEAN, or NONE_CONFIGURED where the caller says that it is to be shown nevertheless (`unscanned`).

    Raises NotShown; where that is INFECTED the caller deletes the file.
    """
    try:
        found = scanning.scan(content)
    except scanning.ScannerUnavailable as problem:
        raise NotShown("UNAVAILABLE", "The file cannot be scanned at the moment. Try again later.") from problem
    except scanning.Infected as infected:
        raise NotShown("INFECTED", "The scanner found malware in this file. It is no longer kept.") from infected
    if found != scanning.CLEAN and not unscanned:
        raise NotShown("UNSCANNED", "No scanner has looked at this file, because none is configured.")
    return found


def name_of(name: str, media_type: str) -> str:
    return f"{name}.{_ENDINGS.get(media_type, 'bin')}"


def as_attachment(shown: Shown) -> HttpResponse:
    """Nothing in it runs, is framed, guessed at, or kept by a cache."""
    response = HttpResponse(shown.content, content_type=shown.media_type)
    response["Content-Disposition"] = f'attachment; filename="{shown.name}"'
    response["Content-Security-Policy"] = SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    return response
