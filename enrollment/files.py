"""Where the bytes of uploaded files lie: Django's storage named `documents`, a folder or a bucket that speaks S3.

What is stored is encrypted first, so that the store need not be trusted; a key is random and says nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils import timezone

from identity import encryption

log = logging.getLogger(__name__)
UNFINISHED = ".new"
_CONTEXT = "enrollment.document.bytes"


class StoreUnavailable(Exception):
    """The store did not take, give or forget the bytes; asking again later may help."""


class Folder(FileSystemStorage):
    """The storage in DOCUMENTS_DIR; each file is readable by its owner only, and there whole or not at all."""

    @property
    def base_location(self) -> str:  # type: ignore[override]
        return os.fspath(settings.DOCUMENTS_DIR)

    @property
    def location(self) -> str:  # type: ignore[override]
        return str(Path(self.base_location).resolve())

    def _save(self, name: str, content: IO[bytes]) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(UNFINISHED)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content.read())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return name


def store() -> Storage:
    return storages["documents"]


def keep(content: bytes) -> str:
    """Store the bytes, encrypted; returns the key they are found by. Raises StoreUnavailable."""
    key = secrets.token_hex(24)
    sealed = encryption.seal_bytes(content, context=_CONTEXT)
    try:
        store().save(_name(key), ContentFile(sealed))
    except Exception as problem:
        raise _unavailable("keep", problem) from problem
    return key


def read(key: str) -> bytes:
    """The bytes as they were kept.

    Raises KeyError where there are none, StoreUnavailable, identity.encryption.DecryptionError where they were changed.
    """
    try:
        with store().open(_name(key)) as file:
            sealed: Any = file.read()
    except FileNotFoundError:
        raise KeyError(key) from None
    except Exception as problem:
        raise _unavailable("read", problem) from problem
    return encryption.unseal_bytes(sealed, context=_CONTEXT)


def forget(key: str) -> None:
    """Delete the bytes; content where there are none. Raises StoreUnavailable."""
    try:
        store().delete(_name(key))
    except Exception as problem:
        raise _unavailable("forget", problem) from problem


def kept(part: str) -> list[str]:
    """The keys of one of the store's 256 parts (`00` … `ff`), also of bytes that never became whole.

    Raises StoreUnavailable.
    """
    try:
        return store().listdir(part)[1]
    except FileNotFoundError:
        return []
    except Exception as problem:
        raise _unavailable("list", problem) from problem


def is_older(key: str, age: timedelta) -> bool:
    """By the store's own clock and the machine's: a sandbox's moved one says nothing here. Raises StoreUnavailable."""
    try:
        return timezone.now() - store().get_modified_time(_name(key)) > age
    except FileNotFoundError:
        return False
    except Exception as problem:
        raise _unavailable("look at", problem) from problem


def _name(key: str) -> str:
    if not key.removesuffix(UNFINISHED).isalnum():
        raise KeyError(key)
    return f"{key[:2]}/{key}"


def _unavailable(act: str, problem: Exception) -> StoreUnavailable:
    """Each kind of store fails with exceptions of its own; their words may name addresses, their kinds do not."""
    log.error("the document store failed", extra={"act": act, "problem": type(problem).__name__})
    return StoreUnavailable(type(problem).__name__)
