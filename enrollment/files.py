"""Where the bytes of uploaded files lie: an object store behind three functions, by default a folder.

What is stored is encrypted first, so that the store need not be trusted; a key is random and says nothing.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Protocol

from django.conf import settings

from identity import encryption

_CONTEXT = "enrollment.document.bytes"


class ObjectStore(Protocol):
    """Keeps bytes under a key. `get` raises KeyError for one that is not there; `delete` is content with that."""

    def put(self, key: str, content: bytes) -> None: ...

    def get(self, key: str) -> bytes: ...

    def delete(self, key: str) -> None: ...


class Folder:
    """An object store in a folder; each file is readable by its owner only, and there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not key.isalnum():
            raise KeyError(key)
        return self._folder / key[:2] / key


def store() -> ObjectStore:
    return Folder(Path(settings.DOCUMENTS_DIR))


def keep(content: bytes) -> str:
    """Store the bytes, encrypted; returns the key they are found by."""
    key = secrets.token_hex(24)
    store().put(key, encryption.seal_bytes(content, context=_CONTEXT))
    return key


def read(key: str) -> bytes:
    """The bytes as they came. Raises KeyError, or identity.encryption.DecryptionError where they were changed."""
    return encryption.unseal_bytes(store().get(key), context=_CONTEXT)


def forget(key: str) -> None:
    store().delete(key)
