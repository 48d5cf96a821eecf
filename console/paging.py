"""Pages of rows in tables of millions: newest first, by key, and nothing is counted.

`?before=<key>` is the page of older rows, `?after=<key>` that of newer ones. An offset would read all that it skips,
and a count everything there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

SIZE = 50
COUNTED = 10_000


@dataclass(frozen=True)
class Slice:
    """A page of rows. `newer` and `older` are what follows the `?` in the addresses of its neighbours, "" at an end."""

    rows: Sequence[Any]
    newer: str
    older: str

    @property
    def is_empty(self) -> bool:
        return not self.rows


def slice_of(rows: QuerySet[Any], request: HttpRequest, *, key: str = "pk", size: int = SIZE) -> Slice:
    """Return the page that the request asks for, newest first; a key that is no number asks for the first page.

    `key` is a field whose order is the rows' age and which an index can walk under the query's own conditions.
    """
    before, after = _number(request, "before"), _number(request, "after")
    if after is not None:
        found = list(rows.filter(**{f"{key}__gt": after}).order_by(key)[: size + 1])
        has_newer, found = len(found) > size, found[:size][::-1]
        has_older = True
    else:
        asked = rows if before is None else rows.filter(**{f"{key}__lt": before})
        found = list(asked.order_by(f"-{key}")[: size + 1])
        has_newer, has_older, found = before is not None, len(found) > size, found[:size]
    if not found:
        return Slice((), "", "") if before is None and after is None else Slice((), _query(request), "")
    first, last = (getattr(row, key) for row in (found[0], found[-1]))
    return Slice(
        found,
        newer=_query(request, after=first) if has_newer else "",
        older=_query(request, before=last) if has_older else "",
    )


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than 10,000 rows: more pages than that nobody turns, and a filter finds sooner."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: COUNTED + 1].count()


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _query(request: HttpRequest, **more: Any) -> str:
    """What was asked for without its place, and another place."""
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    for name, value in more.items():
        query[name] = str(value)
    return query.urlencode() or "from=newest"
