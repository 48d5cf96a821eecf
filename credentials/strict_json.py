"""JSON from strangers: read so that nobody else can have read it differently, and within bounds. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAXIMUM_DEPTH = 32
MAXIMUM_VALUES = 20_000


class NotReadable(ValueError):
    """The text is no JSON, or one that two readers could read differently, or that no column could hold."""


def read(text: str | bytes) -> Any:
    """Return what the text says. Raises NotReadable, also for a name that stands twice, NaN and lone surrogates."""
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        # What a database column cannot hold would fail far from here: null characters, halves of surrogate pairs.
        storable = "\\u0000" not in json.dumps(found) and json.dumps(found, ensure_ascii=False).encode() is not None
    except (ValueError, RecursionError) as error:
        raise NotReadable("no JSON") from error
    if not storable:
        raise NotReadable("a character that cannot be kept")
    return found


def check_bounds(document: Mapping[str, Any], *, depth: int = MAXIMUM_DEPTH, values: int = MAXIMUM_VALUES) -> None:
    """Raise NotReadable for a document that is nested deeper or holds more values than any credential needs.

    Without recursion: a document that is nested a hundred thousand times must not end in a RecursionError.
    """
    level: list[Any] = [document]
    seen = 0
    for _ in range(depth):
        seen += len(level)
        if seen > values:
            raise NotReadable(f"more than {values} values")
        level = [each for value in level for each in _inside(value)]
        if not level:
            return
    raise NotReadable(f"nested deeper than {depth} levels")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")  # two readers could each take another one
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
