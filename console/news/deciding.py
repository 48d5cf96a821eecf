"""What waits for a decision of staff, for the first page: one sentence for each kind, overdue ones urgent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import ngettext

from console.deciding import queue
from console.news import MOST_COUNTED, News, ago
from console.rights import Right
from enrollment.states import Decidable

_PAGE = "admin:cases-to-decide"


def cases(now: datetime) -> list[News]:
    """Files, mandates on paper and stopped orders that nobody has decided about; a query each."""
    found = []
    for kind, rows, since, said in (
        (Decidable.DOCUMENT, queue.documents(), "uploaded_at", _files),
        (Decidable.PAPER, queue.mandate_papers(), "uploaded_at", _papers),
        (Decidable.ORDER, queue.stopped_orders(), "frozen_at", _orders),
    ):
        found += _told(rows, since, said, kind, now)
    return found


def _told(rows: QuerySet[Any], since: str, said: Callable[[int], str], kind: Decidable, now: datetime) -> list[News]:
    waiting = list(rows.order_by(since).values_list(since, "due")[:MOST_COUNTED])
    if not waiting:
        return []
    oldest = waiting[0][0]
    late = sum(due <= now for _since, due in waiting)
    text = said(len(waiting)) % {"count": len(waiting)} + ago(oldest, now)
    if late:
        text += ngettext(" · %(count)d is overdue", " · %(count)d are overdue", late) % {"count": late}
    is_urgent = late > 0 or kind is Decidable.ORDER
    return [News(text, _PAGE, is_urgent, Right.DECIDE, query=f"kind={kind}", since=oldest)]


def _files(count: int) -> str:
    return ngettext(
        "%(count)d file in place of a certificate waits for a review.",
        "%(count)d files in place of certificates wait for a review.",
        count,
    )


def _papers(count: int) -> str:
    return ngettext(
        "%(count)d mandate on paper of an agency waits for a review.",
        "%(count)d mandates on paper of agencies wait for a review.",
        count,
    )


def _orders(count: int) -> str:
    return ngettext(
        "%(count)d order was stopped by its customer: call them, then release or end it.",
        "%(count)d orders were stopped by their customers: call them, then release or end them.",
        count,
    )
