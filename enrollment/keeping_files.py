"""What becomes of kept files: shown to their reviewers, never before a scanner found them clean; forgotten in time."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit import log
from audit.log import Action, Actor
from enrollment import files, scanning
from enrollment.models import Document
from enrollment.states import CaseState, DocumentState
from identity.encryption import DecryptionError

#: How long files are kept whose application ended before anybody looked at them.
UNUSED_DAYS = 30
#: An upload takes less time than this from its bytes to its row.
_ORPHANED_AFTER = timedelta(days=1)
_MOST_AT_ONCE = 500
_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
logger = logging.getLogger(__name__)


class NotShown(Exception):
    """Why the file is not given to anybody: GONE, UNSCANNED, INFECTED, UNAVAILABLE, DAMAGED, with a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Shown:
    content: bytes
    media_type: str
    name: str


def show(document_id: str, *, actor: Actor, now: datetime, unscanned: bool = False) -> Shown:
    """The file as it is kept, for a reviewer; who saw it is in the journal. Raises NotShown.

    A file that came while there was no scanner is scanned now. Where there still is none, the caller says that it is
    to be shown nevertheless (`unscanned`).
    """
    row = Document.objects.select_related("case").filter(document_id=document_id).exclude(storage_key="").first()
    if row is None:
        raise NotShown("GONE", "There is no such document, or its file is no longer kept.")
    content = _content(row)
    if row.scan != scanning.CLEAN:
        _scan_now(row, content, now=now, unscanned=unscanned)
    with transaction.atomic():
        _journal(Action.READ_PII, row, actor, now)
    return Shown(content, row.media_type, f"{row.document_id}.{_ENDINGS.get(row.media_type, 'bin')}")


def _content(row: Document) -> bytes:
    try:
        content = files.read(row.storage_key)
    except KeyError:
        raise NotShown("GONE", "The file is not where it was kept.") from None
    except files.StoreUnavailable as problem:
        raise NotShown("UNAVAILABLE", "The file cannot be read at the moment. Try again later.") from problem
    except DecryptionError as problem:
        raise NotShown("DAMAGED", "The kept file was changed by somebody else.") from problem
    if hashlib.sha256(content).hexdigest() != (row.kept_sha256 or row.sha256):
        raise NotShown("DAMAGED", "The kept file is not the one that was uploaded.")
    return content


def _scan_now(row: Document, content: bytes, *, now: datetime, unscanned: bool) -> None:
    try:
        found = scanning.scan(content)
    except scanning.ScannerUnavailable as problem:
        raise NotShown("UNAVAILABLE", "The file cannot be scanned at the moment. Try again later.") from problem
    except scanning.Infected as infected:
        _condemn(row, now)
        raise NotShown("INFECTED", "The scanner found malware in this file. It is no longer kept.") from infected
    if found == scanning.CLEAN:
        Document.objects.filter(pk=row.pk, storage_key=row.storage_key).update(scan=found)
    elif not unscanned:
        raise NotShown("UNSCANNED", "No scanner has looked at this file, because none is configured.")


def _condemn(row: Document, now: datetime) -> None:
    with transaction.atomic():
        Document.objects.filter(pk=row.pk, storage_key=row.storage_key).update(scan=scanning.INFECTED, storage_key="")
        _journal(Action.DOCUMENT_REMOVED, row, log.SYSTEM, now, reason=scanning.INFECTED)
    files.forget(row.storage_key)


# --- forgetting ------------------------------------------------------------------------------------------------------


def forget_files(now: datetime) -> int:
    """Delete the bytes whose time is over; the rows stay as evidence of who saw what. Returns how many."""
    count = 0
    for row in Document.objects.filter(_over(now)).exclude(storage_key="").order_by("pk")[:_MOST_AT_ONCE]:
        try:
            files.forget(row.storage_key)
        except files.StoreUnavailable:
            break  # the store is down: the next upkeep goes on
        count += Document.objects.filter(pk=row.pk).update(storage_key="")
    count += _forget_orphans(now)
    if count:
        log.record(
            Action.RETENTION_APPLIED, actor=log.SYSTEM, at=now, object_type="documents", details={"files": count}
        )
    return count


def _over(now: datetime) -> Q:
    """Retention is over, except of what waits for its review; or nobody will ever look at it."""
    ended = Q(case__state__in=[CaseState.WITHDRAWN, CaseState.EXPIRED, CaseState.CONFIRMED])
    waits = Q(state=DocumentState.UPLOADED) & ~ended
    unused = Q(state=DocumentState.UPLOADED) & ended & Q(case__updated_at__lte=now - timedelta(days=UNUSED_DAYS))
    return (Q(retention_until__lte=now) & ~waits) | unused


def _forget_orphans(now: datetime) -> int:
    """Bytes to which no row points: their upload broke off between the two. A part of the store each time."""
    part = f"{int(now.timestamp() // settings.BEAT_SECONDS) % 256:02x}"
    try:
        keys = files.kept(part)
        known = set(Document.objects.filter(storage_key__in=keys).values_list("storage_key", flat=True))
        orphans = [key for key in keys if key not in known and files.is_older(key, _ORPHANED_AFTER)]
        for key in orphans:
            files.forget(key)
    except files.StoreUnavailable:
        return 0
    return len(orphans)


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
