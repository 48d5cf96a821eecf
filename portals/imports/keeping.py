"""What goes when it is no longer needed: rows of imports, and whom a case names that nobody has answered.

A file's parts go with its last line's check, whom a row names with its case; the rest after RETENTION_IMPORTS_DAYS.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from portals.agency import cases
from portals.models import AssistedCase, BulkImport, ImportPart, ImportRow, Invitation
from portals.models.imports import BulkImport as Import

AT_ONCE = 200
NO_ANSWER = "NO_ANSWER"


def forget(now: datetime) -> int:
    """Delete what is over; return how many imports and cases. Safe in several processes at once."""
    before = now - timedelta(days=settings.RETENTION_IMPORTS_DAYS)
    return _imports(before, now) + _cases(before, now)


def _imports(before: datetime, now: datetime) -> int:
    """Of an import that has ended, or that nobody went on with, its line and the journal's stay."""
    on_their_way = Invitation.objects.filter(bulk_import=OuterRef("pk"), state__in=("WAITING", "SENDING"))
    over = Q(finished_at__lt=before) | Q(state=Import.State.CHECKED, checked_at__lt=before)
    old = BulkImport.objects.filter(over).filter(Exists(ImportRow.objects.filter(bulk_import=OuterRef("pk"))))
    count = 0
    for key in list(old.exclude(Exists(on_their_way)).values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            found = BulkImport.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=key).first()
            if found is None:
                continue
            if found.state == Import.State.CHECKED:
                found.state, found.trouble, found.finished_at = Import.State.CANCELLED, "NOT_STARTED", now
            found.file_name = ""
            found.save()
            ImportPart.objects.filter(bulk_import=found).delete()
            ImportRow.objects.filter(bulk_import=found).delete()
            count += 1
    return count


def rows_of(bulk_import: Any) -> QuerySet[ImportRow]:
    """What is still kept of an import's lines."""
    return ImportRow.objects.filter(bulk_import=bulk_import)


def _cases(before: datetime, now: datetime) -> int:
    """A customer who was asked and has not answered, or was never asked, is left in peace, and their number goes."""
    living = Invitation.objects.filter(case=OuterRef("pk")).filter(
        Q(state__in=("WAITING", "SENDING")) | Q(state="SENT", ends_at__gt=before)
    )
    open_ones = AssistedCase.objects.filter(
        source=AssistedCase.Source.IMPORT, state=AssistedCase.State.PROVING, subject=None, updated_at__lt=before
    )
    found = open_ones.filter(operator=None, not_me_at=None).exclude(Exists(living)).order_by("updated_at")
    count = 0
    for case in list(found.select_related("agency")[:AT_ONCE]):
        cases.close(case, NO_ANSWER, now)
        AssistedCase.objects.filter(pk=case.pk).update(looked_up={})
        count += 1
    return count
