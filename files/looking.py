"""Looking at a file that somebody sends: by its content, not by what it says it is.

The scanner sees it as it came; what is to be kept is a picture drawn again, or the PDF that runs nothing. No
transaction is open meanwhile. Source: decision 26.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from files import pdfs, pictures, scanning

FORMATS = ("application/pdf", "image/jpeg", "image/png")
_BEGINNINGS = ((b"%PDF-", "application/pdf"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


@dataclass(frozen=True)
class NotTaken:
    """Why a file was not taken or not given back: a code, a sentence, and the HTTP status that says it."""

    code: str
    sentence: str
    status: int


@dataclass(frozen=True)
class Looked:
    """What of an upload is to be kept, and what was found out about it; `sha256` and `size` are of what came."""

    content: bytes
    media_type: str
    caution: str
    scan: str
    sha256: str
    size: int

    @property
    def kept_sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


STORE_UNAVAILABLE = NotTaken("STORE_UNAVAILABLE", "The file cannot be kept at the moment. Send it again later.", 503)


def media_type_of(content: bytes) -> str:
    """What the content is, by its first bytes; "" for anything we do not take."""
    return next((kind for start, kind in _BEGINNINGS if content.startswith(start)), "")


def size_refused(size: int, max_bytes: int) -> NotTaken | None:
    if not size:
        return NotTaken("EMPTY", "The file is empty.", 400)
    if size > max_bytes:
        return NotTaken("TOO_LARGE", f"The file is larger than {max_bytes} bytes.", 413)
    return None


def look_at(content: bytes, *, formats: Sequence[str] = FORMATS, max_bytes: int) -> Looked | NotTaken:
    """What of it can be kept, or why nothing."""
    media_type = media_type_of(content)
    if media_type not in formats:
        return NotTaken("TYPE_NOT_ACCEPTED", f"By its content this is none of: {', '.join(formats)}.", 415)
    try:
        scanned = scanning.scan(content)
        kept, kind, caution = _made_harmless(content, media_type, max_bytes)
    except scanning.Infected:
        return NotTaken("INFECTED", "The scanner found malware in this file. It was not kept.", 422)
    except scanning.ScannerUnavailable:
        return NotTaken("SCANNER_UNAVAILABLE", "The file cannot be scanned at the moment. Send it again later.", 503)
    except pictures.Unreadable:
        return NotTaken("UNREADABLE", "The picture is damaged or broken off: no program can show it.", 422)
    except pictures.TooManyPixels:
        most = pictures.MOST_PIXELS // 1_000_000
        return NotTaken("TOO_MANY_PIXELS", f"The picture has more than {most} megapixels.", 422)
    except pdfs.Acts as acts:
        return NotTaken(
            "ACTIVE_CONTENT", f"This PDF does more than show pages ({acts.name}). Print it to a new PDF.", 422
        )
    return Looked(kept, kind, caution, scanned, hashlib.sha256(content).hexdigest(), len(content))


def _made_harmless(content: bytes, media_type: str, max_bytes: int) -> tuple[bytes, str, str]:
    """What is kept of it, of what type, and a caution."""
    if media_type in pictures.FORMATS:
        return (*pictures.redrawn(content, media_type, max_bytes), "")
    return content, media_type, pdfs.looked_into(content)
