"""What the journal needs of a signer. The room that keeps the key is above us: config hands it in as AUDIT_SIGNER."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature (64 bytes) and the id of the key that made it."""

    kid: str
    value: bytes


class Signer(Protocol):
    """Keeps the key that seals days: one that signs nothing else."""

    def sign(self, statement: bytes, *, now: datetime) -> Signature:
        """Sign with the present key; the first call ever may make it, so it belongs in a transaction."""
        ...

    def public_keys(self) -> Mapping[str, bytes]:
        """Return all keys, also those that no longer sign, by id: 32 bytes, Ed25519."""
        ...


def signer() -> Signer:
    """Return the signer this deployment names in `settings.AUDIT_SIGNER` (dotted path of a class without arguments)."""
    return cast(Signer, import_string(settings.AUDIT_SIGNER)())
