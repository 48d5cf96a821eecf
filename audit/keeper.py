"""Where finished exports lie. The room that keeps files is above us: config hands it in as AUDIT_KEEPER."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string


class Keeper(Protocol):
    """Keeps pieces of a file, sealed, under keys that say nothing. Its own exceptions mean: ask again later."""

    def keep(self, content: bytes) -> str:
        """Store a piece; return its key."""
        ...

    def read(self, key: str) -> bytes:
        """Return a piece as it was kept."""
        ...

    def forget(self, key: str) -> None:
        """Delete a piece; content where there is none."""
        ...

    def forget_orphans(self, known: Callable[[list[str]], Iterable[str]], now: datetime) -> int:
        """Delete pieces that no row points to: their export broke off. `known` says which of some keys one does."""
        ...


def keeper() -> Keeper:
    """Return the keeper this deployment names in `settings.AUDIT_KEEPER` (dotted path of an object)."""
    return cast(Keeper, import_string(settings.AUDIT_KEEPER))
