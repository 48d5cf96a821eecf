"""What becomes of kept files: shown to their reviewers, never before a scanner found them clean; forgotten in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from audit import log
from audit.log import Action, Actor
from enrollment.models import Document
from enrollment.states import CaseState, DocumentState
from files import scanning
from files.showing import GONE, NotShown, Shown, content_of, name_of, scanned_now
from files.store import Shelf, StoreUnavailable

#: Where an application's files lie.
SHELF = Shelf("enrollment.document.bytes")
#: How long files are kept whose application ended before anybody looked at them.
UNUSED_DAYS = 30
_MOST_AT_ONCE = 500


def show(document_id: str, *, actor: Actor, now: datetime, unscanned: bool = False) -> Shown:
    """The file as it is kept, for a reviewer; who saw it is in the journal. Raises NotShown.

    A file that came while there was no scanner is scanned now. Where there still is none, the caller says that it is
    to be shown nevertheless (`unscanned`).
    """
    row = Document.objects.select_related("case").filter(document_id=document_id).exclude(storage_key="").first()
    if row is None:
        raise NotShown("GONE", GONE)
    content = content_of(SHELF, row.storage_key, row.kept_sha256 or row.sha256)
    if row.scan != scanning.CLEAN:
        _scan_now(row, content, now=now, unscanned=unscanned)
    with transaction.atomic():
        _journal(Action.READ_PII, row, actor, now)
    return Shown(content, row.media_type, name_of(row.document_id, row.media_type))


def _scan_now(row: Document, content: bytes, *, now: datetime, unscanned: bool) -> None:
    try:
        found = scanned_now(content, unscanned=unscanned)
    except NotShown as problem:
        if problem.code == "INFECTED":
            _condemn(row, now)
        raise
    if found == scanning.CLEAN:
        Document.objects.filter(pk=row.pk, storage_key=row.storage_key).update(scan=found)


def _condemn(row: Document, now: datetime) -> None:
    with transaction.atomic():
        Document.objects.filter(pk=row.pk, storage_key=row.storage_key).update(scan=scanning.INFECTED, storage_key="")
        _journal(Action.DOCUMENT_REMOVED, row, log.SYSTEM, now, reason=scanning.INFECTED)
    SHELF.forget(row.storage_key)


# --- forgetting ------------------------------------------------------------------------------------------------------


def forget_files(now: datetime) -> int:
    """Delete the bytes whose time is over; the rows stay as evidence of who saw what. Returns how many."""
    count = 0
    for row in Document.objects.filter(_over(now)).exclude(storage_key="").order_by("pk")[:_MOST_AT_ONCE]:
        try:
            SHELF.forget(row.storage_key)
        except StoreUnavailable:
            break  # the store is down: the next upkeep goes on
        count += Document.objects.filter(pk=row.pk).update(storage_key="")
    return count + SHELF.forget_orphans(_known, now)


def _over(now: datetime) -> Q:
    """Retention is over, except of what waits for its review; or nobody will ever look at it."""
    ended = Q(case__state__in=[CaseState.WITHDRAWN, CaseState.EXPIRED, CaseState.CONFIRMED])
    waits = Q(state=DocumentState.UPLOADED) & ~ended
    unused = Q(state=DocumentState.UPLOADED) & ended & Q(case__updated_at__lte=now - timedelta(days=UNUSED_DAYS))
    return (Q(retention_until__lte=now) & ~waits) | unused


def _known(keys: list[str]) -> set[str]:
    return set(Document.objects.filter(storage_key__in=keys).values_list("storage_key", flat=True))


def _journal(action: Action, row: Document, actor: Actor, now: datetime, **details: str) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(row.case.subject_id or ""),
        object_type="document",
        object_id=row.document_id,
        details=details,
    )
