"""Drafts that nobody goes on with are forgotten: what was answered in them is personal and serves nobody any more.

Nothing was enrolled by them and no consent was given: a Yes counts from the confirm that carries it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from portals.models import Application, ConsentReceipt, HelpCode

AT_ONCE = 200
FORGOTTEN = (Application.State.DRAFT, Application.State.DROPPED, Application.State.REFUSED)


def forget(now: datetime) -> int:
    """Delete what was left for longer than RETENTION_DRAFTS_DAYS; return how many. Safe to run twice at once."""
    before = now - timedelta(days=settings.RETENTION_DRAFTS_DAYS)
    count = 0
    while found := _some(before):
        count += found
    return count


def _some(before: datetime) -> int:
    with transaction.atomic():
        old = Application.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state__in=FORGOTTEN, updated_at__lt=before, asked_at=None, enrollment_id="", credentials=None
        )
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        ConsentReceipt.objects.filter(application__in=keys).delete()
        HelpCode.objects.filter(application__in=keys).delete()
        Application.objects.filter(pk__in=keys).delete()
    return len(keys)
