"""Where the bytes of uploaded files lie: Django's storage named `documents`, a folder or a bucket that speaks S3.

What is stored is encrypted first, so that the store need not be trusted; a key is random and says nothing. Each kind
of file has a shelf of its own, so that whoever tidies up one never meets the other's.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils import timezone

from identity import encryption

log = logging.getLogger(__name__)
UNFINISHED = ".new"
#: An upload takes less time than this from its bytes to its row.
ORPHANED_AFTER = timedelta(days=1)


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


@dataclass(frozen=True)
class Shelf:
    """One kind of file: what its bytes are sealed for, and the folder of the store they lie in ("": its root)."""

    context: str
    folder: str = ""

    def keep(self, content: bytes) -> str:
        """Store the bytes, encrypted; returns the key they are found by. Raises StoreUnavailable."""
        key = secrets.token_hex(24)
        sealed = encryption.seal_bytes(content, context=self.context)
        try:
            store().save(self._name(key), ContentFile(sealed))
        except Exception as problem:
            raise _unavailable("keep", problem) from problem
        return key

    def read(self, key: str) -> bytes:
        """The bytes as they were kept.

        Raises KeyError where there are none, StoreUnavailable, identity.encryption.DecryptionError where they were
        changed.
        """
        try:
            with store().open(self._name(key)) as file:
                sealed: Any = file.read()
        except FileNotFoundError:
            raise KeyError(key) from None
        except Exception as problem:
            raise _unavailable("read", problem) from problem
        return encryption.unseal_bytes(sealed, context=self.context)

    def forget(self, key: str) -> None:
        """Delete the bytes; content where there are none. Raises StoreUnavailable."""
        try:
            store().delete(self._name(key))
        except Exception as problem:
            raise _unavailable("forget", problem) from problem

    def kept(self, part: str) -> list[str]:
        """The keys of one of the shelf's 256 parts (`00` … `ff`), also of bytes that never became whole.

        Raises StoreUnavailable.
        """
        try:
            return store().listdir(f"{self.folder}/{part}" if self.folder else part)[1]
        except FileNotFoundError:
            return []
        except Exception as problem:
            raise _unavailable("list", problem) from problem

    def is_older(self, key: str, age: timedelta) -> bool:
        """By the store's own clock and the machine's: a sandbox's moved one says nothing here.

        Raises StoreUnavailable.
        """
        try:
            return timezone.now() - store().get_modified_time(self._name(key)) > age
        except FileNotFoundError:
            return False
        except Exception as problem:
            raise _unavailable("look at", problem) from problem

    def forget_orphans(self, known: Callable[[list[str]], Iterable[str]], now: datetime) -> int:
        """Delete bytes to which no row points: their upload broke off between the two. A part of the shelf each time.

        `known` says which of some keys a row points to. Returns how many went.
        """
        part = f"{int(now.timestamp() // settings.BEAT_SECONDS) % 256:02x}"
        try:
            keys = self.kept(part)
            wanted = set(known(keys))
            orphans = [key for key in keys if key not in wanted and self.is_older(key, ORPHANED_AFTER)]
            for key in orphans:
                self.forget(key)
        except StoreUnavailable:
            return 0
        return len(orphans)

    def _name(self, key: str) -> str:
        if not key.removesuffix(UNFINISHED).isalnum():
            raise KeyError(key)
        return f"{self.folder}/{key[:2]}/{key}" if self.folder else f"{key[:2]}/{key}"


def _unavailable(act: str, problem: Exception) -> StoreUnavailable:
    """Each kind of store fails with exceptions of its own; their words may name addresses, their kinds do not."""
    log.error("the document store failed", extra={"act": act, "problem": type(problem).__name__})
    return StoreUnavailable(type(problem).__name__)
