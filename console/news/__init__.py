"""What needs a person today: the first page of the console (screen C1).

Each source (`SOURCES` of `console.news.sources`) asks for one thing with one cheap query, or two, and says it in a
sentence that leads to the page where it is mended or watched. Whoever may not see that page is not told.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, ngettext

from console.rights import Right

MOST_COUNTED = 1000


@dataclass(frozen=True)
class News:
    """One thing: what it is, and the page where it is mended or watched: its URL name, arguments and query.

    `right` is what it takes to open that page. `since` is when it began to wait, where that matters.
    """

    text: str
    page: str
    is_urgent: bool = True
    right: Right = Right.SEE
    args: tuple[Any, ...] = ()
    query: str = ""
    since: datetime | None = None

    @property
    def url(self) -> str:
        """The page's address; "" while there is none."""
        try:
            return reverse(self.page, args=self.args) + (f"?{self.query}" if self.query else "")
        except NoReverseMatch:
            return ""


@dataclass(frozen=True)
class Waiting:
    """How many rows wait, counted up to a thousand, and since when the oldest does."""

    count: int
    since: datetime | None = None

    @property
    def told(self) -> str:
        """The count as a sentence has it."""
        return f"{self.count}+" if self.count >= MOST_COUNTED else str(self.count)


def of_today(now: datetime, rights: Collection[Right] = tuple(Right)) -> list[News]:
    """Return what needs a person with these rights, urgent things first; empty on a good day."""
    from console.news.sources import SOURCES  # they say their news with what stands above

    found = [each for source in SOURCES for each in source(now) if each.right in rights]
    return sorted(found, key=lambda each: not each.is_urgent)


def waiting(rows: QuerySet[Any], since: str) -> Waiting:
    """Count rows up to a thousand, and find the oldest moment in `since` among those. One query, along its index."""
    moments = list(rows.order_by(since).values_list(since, flat=True)[:MOST_COUNTED])
    return Waiting(len(moments), moments[0] if moments else None)


def ago(since: datetime | None, now: datetime) -> str:
    """Say how long something has waited: " · for 3 days", "" where that is not known."""
    if since is None or since > now:
        return ""
    waited = now - since
    if waited >= timedelta(days=1):
        text = ngettext("for %(count)d day", "for %(count)d days", waited.days) % {"count": waited.days}
    elif waited >= timedelta(hours=1):
        hours = waited.seconds // 3600
        text = ngettext("for %(count)d hour", "for %(count)d hours", hours) % {"count": hours}
    else:
        minutes = waited.seconds // 60
        text = ngettext("for %(count)d minute", "for %(count)d minutes", minutes) % {"count": minutes}
    return gettext(" · %(for)s") % {"for": text}
