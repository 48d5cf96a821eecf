"""A kept picture on a page: drawn again by us when it came, and all the same in a sandbox of its own."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from files.pictures import FORMATS
from files.showing import SANDBOX, content_of
from files.store import Shelf


def is_picture(row: Any) -> bool:
    """Whether a page may show the file of a document or a mandate on paper."""
    return bool(row.storage_key) and row.media_type in FORMATS


def picture(shelf: Shelf, row: Any) -> HttpResponse:
    """The picture, for nobody but the page that asks and no cache. Raises NotShown."""
    content = content_of(shelf, row.storage_key, row.kept_sha256)
    response = HttpResponse(content, content_type=row.media_type)
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    return response
