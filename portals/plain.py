"""A value of somebody else's JSON where it is of the shape it should be, and nothing in its place where not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime

Json = Mapping[str, Any]
_FIRST_YEAR, _LAST_YEAR = 2, 9998
_LONGEST = 2_000_000


def object_of(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> tuple[Json, ...]:
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def by_locale(value: Any) -> Mapping[str, str]:
    return {str(k): v for k, v in object_of(value).items() if isinstance(v, str)}


def whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def address(value: Any) -> str:
    """An address of the web, which a page may lead to; "" for everything else, `javascript:` above all."""
    try:
        parts = urlsplit(text(value))
    except ValueError:
        return ""
    is_whole = parts.scheme in ("https", "http") and bool(parts.hostname) and text(value).isprintable()
    return text(value) if is_whole and " " not in text(value) else ""


def number(value: Any) -> float | None:
    """A finite number; None for what is none, or too large to be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None


def instant(value: Any) -> datetime | None:
    """An instant with its zone, of a day that every zone's calendar has; None for what is none."""
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    # A page shows it in the utility's zone, and the calendar's first and last day have no neighbours there.
    is_shown = found is not None and found.tzinfo is not None and _FIRST_YEAR <= found.year <= _LAST_YEAR
    return found if is_shown else None
