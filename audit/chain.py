"""The arithmetic of the journal's chain. Pure: no Django, no database, no clock.

A link's hash is SHA-256 over the previous hash and the canonical JSON of (seq, every field of the event).
Canonical JSON here is JSON with sorted keys, no spaces, UTF-8 and no escapes beyond what JSON demands.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

GENESIS = bytes(32)  # what the first link follows


@dataclass(frozen=True)
class Entry:
    """An event as the chain sees it: `fields` are its columns as JSON values, `reference` its public name."""

    event_id: int
    reference: str
    fields: Mapping[str, Any]


def canonical(value: Any) -> bytes:
    """Return the one spelling of a JSON value; dates, instants (UTC, microseconds), UUIDs and decimals become text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.encode("utf-8", "surrogatepass")


def digest(value: Mapping[str, Any] | None) -> str:
    """Return SHA-256 (hex) of the canonical JSON, or an empty text for nothing."""
    return "" if value is None else hashlib.sha256(canonical(value)).hexdigest()


def link_hash(prev_hash: bytes, seq: int, fields: Mapping[str, Any]) -> bytes:
    """Return the hash of the link at place `seq` (from 1) that follows `prev_hash` (32 bytes)."""
    return hashlib.sha256(prev_hash + canonical({"event": fields, "seq": seq})).digest()


def instant(moment: datetime) -> str:
    """Return an aware instant as UTC text with microseconds, the form that is hashed."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def storable(value: Any) -> Any:
    """Return the value as PostgreSQL's jsonb can hold it: JSON types only, no NUL, no lone surrogate.

    What a stranger sent may be quoted in a refusal's details; it must not be able to break the write.
    """
    if isinstance(value, Enum):
        return storable(value.value)
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [storable(each) for each in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return storable(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return instant(value) if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal, Enum)):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)
