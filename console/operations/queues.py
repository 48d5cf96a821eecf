"""How much work waits, and for how long: the same figures for the page of operations and for /metrics.

Counted no further than ten thousand; each is a walk along a partial index over what is not done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min, QuerySet
from django.utils.translation import gettext as _

from audit.models import Event, Pending
from beckn.models import Inbox, Outbox, State
from credentials.models import BulkAct, StatusChange
from enrollment.models import CustomerNotice, UtilityChange, UtilityNotice

MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Queue:
    """Work of one kind: what waits, since when the oldest is due, how much was given up, and where it is seen."""

    code: str
    name: str
    waiting: int
    oldest: datetime | None
    stuck: int = 0
    page: str = ""
    stuck_query: str = ""

    @property
    def told(self) -> str:
        return f"{MOST_COUNTED:,}+" if self.waiting >= MOST_COUNTED else f"{self.waiting:,}"

    def seconds(self, now: datetime) -> float:
        """How long the oldest has been due."""
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest else 0.0


def all_of_them(now: datetime) -> list[Queue]:
    inbox, outbox = Inbox.objects.all(), Outbox.objects.all()
    return [
        _messages("inbox", _("Messages received"), inbox, now, "admin:inbox"),
        _messages("outbox", _("Messages to send"), outbox, now, "admin:outbox"),
        _journal(),
        _queue("status_changes", _("Status changes to publish"), StatusChange.objects.all(), "at", page=_LISTS),
        _queue(
            "bulk_acts",
            _("Acts on many"),
            BulkAct.objects.filter(finished_at=None, due_at__lte=now),
            "due_at",
            page="admin:bulk-acts",
        ),
        _queue(
            "customer_notices",
            _("Notices to customers"),
            CustomerNotice.objects.filter(state="WAITING", next_attempt_at__lte=now),
            "next_attempt_at",
            stuck=CustomerNotice.objects.filter(state="STUCK"),
            page="admin:enrollment_customernotice_changelist",
        ),
        _queue(
            "utility_notices",
            _("Notices to utilities"),
            UtilityNotice.objects.filter(state="WAITING", next_attempt_at__lte=now),
            "next_attempt_at",
            stuck=UtilityNotice.objects.filter(state="STUCK"),
            page="admin:enrollment_utilitynotice_changelist",
        ),
        _queue(
            "utility_changes",
            _("News of utilities to handle"),
            UtilityChange.objects.filter(handled_at=None, at__lte=now),
            "at",
            page="admin:enrollment_utilitychange_changelist",
        ),
    ]


def _messages(code: str, name: str, rows: QuerySet[Any], now: datetime, page: str) -> Queue:
    waiting = rows.filter(state=State.WAITING)
    due = waiting.filter(due_at__lte=now).aggregate(oldest=Min("due_at"))["oldest"]
    count = waiting.values("pk")[:MOST_COUNTED].count()
    stuck = rows.filter(state=State.STUCK).values("pk")[:MOST_COUNTED].count()
    return Queue(code, name, count, due, stuck, page, f"state={State.STUCK}")


def _journal() -> Queue:
    """Lines without their link: the queue, not the journal, which is too long to be asked."""
    first = Pending.objects.order_by("event_id").values_list("event_id", flat=True).first()
    oldest = Event.objects.filter(pk=first).values_list("recorded_at", flat=True).first() if first else None
    count = Pending.objects.values("pk")[:MOST_COUNTED].count()
    return Queue("journal", _("Journal lines to link"), count, oldest, page="admin:journal")


def _queue(
    code: str, name: str, rows: QuerySet[Any], since: str, *, stuck: QuerySet[Any] | None = None, page: str
) -> Queue:
    count = rows.values("pk")[:MOST_COUNTED].count()
    oldest = rows.order_by(since).values_list(since, flat=True).first() if count else None
    given_up = stuck.values("pk")[:MOST_COUNTED].count() if stuck is not None else 0
    return Queue(code, name, count, oldest, given_up, page)


_LISTS = "admin:credentials_statuslist_changelist"
