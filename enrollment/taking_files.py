"""Taking a file that was asked for, taking another in its place, and giving it back.

No transaction is open while bytes are looked at (`files.looking`) and stored. Source: decision 26.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from audit.log import Action, Actor, ActorKind, Channel
from enrollment import documents
from enrollment.keeping_files import SHELF
from enrollment.models import Document, EnrollmentCase
from enrollment.states import OPEN_CASE_STATES, CaseState, DocumentState
from files.looking import STORE_UNAVAILABLE, Looked, NotTaken, look_at, size_refused
from files.store import StoreUnavailable

MAX_BYTES_OF_A_CASE = 3 * documents.MAX_BYTES
#: Cases whose files somebody may still look at; a refused one may be asked again.
_WAITING = (*OPEN_CASE_STATES, CaseState.REJECTED)
log = logging.getLogger(__name__)

NO_SUCH_ADDRESS = NotTaken("NOT_FOUND", "There is no such upload address.", 404)
EXPIRED = NotTaken("EXPIRED", "This upload address has expired: send init again, its answer has a new one.", 410)
NO_LONGER_NEEDED = NotTaken("NO_LONGER_NEEDED", "The application takes no more files: it has ended.", 410)
UNDER_REVIEW = NotTaken("UNDER_REVIEW", "The file is being reviewed and stays as it is until that is done.", 409)
ALREADY_UPLOADED = NotTaken(
    "ALREADY_UPLOADED", "Another file was uploaded here before. PUT takes this one in its place.", 409
)


def asked_for(token: str, now: datetime, *, to_change: bool = False) -> Document | NotTaken:
    """What this upload address asks for, or why it is none (any more). After the file has come, the address lives on
    for the same file again, and, until it ends, `to_change` it."""
    row = Document.objects.select_related("case").filter(token_digest=documents.digest_of(token)).first()
    if row is None:
        return NO_SUCH_ADDRESS
    if row.state == DocumentState.ASKED or to_change:
        if row.case.state not in _WAITING:
            return NO_LONGER_NEEDED
        if row.token_expires_at <= now:
            return EXPIRED
    return row


def take(asked: Document, content: bytes, now: datetime, *, instead: bool = False) -> Document | NotTaken:
    """Keep the file that was asked for. The same bytes again are the same upload; others count only `instead`."""
    sha256 = hashlib.sha256(content).hexdigest()
    known = _known(asked, sha256, instead)
    if known is not None:
        return known
    looked = _too_much(asked, len(content)) or look_at(content, formats=asked.formats, max_bytes=asked.max_bytes)
    if isinstance(looked, NotTaken):
        return looked
    try:
        key = SHELF.keep(looked.content)
    except StoreUnavailable:
        return STORE_UNAVAILABLE
    taken, unwanted = _write(asked.pk, looked, key, now, instead)
    _forget(unwanted)
    return taken


def remove(asked: Document, now: datetime) -> Document | NotTaken:
    """Give the file back: it is asked for again. Nothing happens where there is none."""
    with transaction.atomic():
        row, case = _locked(asked.pk)
        if row.state == DocumentState.ASKED:
            return row
        if _is_fixed(row) or case.state == CaseState.IN_REVIEW:
            return UNDER_REVIEW
        gone = row.storage_key
        row.state, row.uploaded_at, row.retention_until, row.size = DocumentState.ASKED, None, None, None
        row.uploaded_by = row.uploaded_by_agency = row.sha256 = row.kept_sha256 = ""
        row.media_type = row.storage_key = row.scan = row.caution = ""
        row.save()
        documents.journal(Action.DOCUMENT_REMOVED, row, _actor(case), now, {"kind": row.kind})
    _forget(gone)
    return row


# --- looking ---------------------------------------------------------------------------------------------------------


def _known(row: Document, sha256: str, instead: bool) -> Document | NotTaken | None:
    """What is said without looking: the file is here, or no other may come. None: it may."""
    if row.state == DocumentState.ASKED:
        return None
    if row.sha256 == sha256:
        return row
    if not instead:
        return ALREADY_UPLOADED
    return UNDER_REVIEW if _is_fixed(row) else None


def _is_fixed(row: Document) -> bool:
    """Whether somebody has said something about this very file."""
    return row.state != DocumentState.UPLOADED or bool(row.first_reviewer)


def _too_much(asked: Document, size: int) -> NotTaken | None:
    refused = size_refused(size, asked.max_bytes)
    if refused is not None:
        return refused
    others = Document.objects.filter(case_id=asked.case_id).exclude(pk=asked.pk)
    if (others.aggregate(all=Sum("size"))["all"] or 0) + size > MAX_BYTES_OF_A_CASE:
        return NotTaken("CASE_FULL", f"The files of one application together have {MAX_BYTES_OF_A_CASE} bytes.", 413)
    return None


# --- writing ---------------------------------------------------------------------------------------------------------


def _locked(pk: int) -> tuple[Document, EnrollmentCase]:
    # The case first, as everywhere: an init of the same order locks it and then asks for documents.
    case_id = Document.objects.filter(pk=pk).values_list("case_id", flat=True).get()
    case = EnrollmentCase.objects.select_for_update(of=("self",)).get(pk=case_id)
    row = Document.objects.select_for_update(of=("self",)).get(pk=pk)
    row.case = case
    return row, case


def _write(pk: int, kept: Looked, key: str, now: datetime, instead: bool) -> tuple[Document | NotTaken, str]:
    """The row with its file, or why not; and the key of the bytes that nobody needs now."""
    with transaction.atomic():
        row, case = _locked(pk)
        known = _known(row, kept.sha256, instead) or _too_much(row, kept.size)  # meanwhile another one may have come
        if known is not None:
            return known, key
        before, replaced = row.storage_key, row.sha256
        row.state, row.uploaded_at = DocumentState.UPLOADED, now
        row.uploaded_by, row.uploaded_by_agency = _uploader(case), case.agency_id
        row.sha256, row.size, row.media_type = kept.sha256, kept.size, kept.media_type
        row.kept_sha256 = kept.kept_sha256
        row.storage_key, row.scan, row.caution = key, kept.scan, kept.caution
        row.retention_until = now + timedelta(days=settings.RETENTION_DOCUMENTS_DAYS)
        row.save()
        documents.journal(Action.DOCUMENT_UPLOADED, row, _actor(case), now, _details(row, replaced))
    return row, before


def _details(row: Document, replaced: str) -> Mapping[str, Any]:
    details: dict[str, Any] = {"kind": row.kind, "type": row.media_type, "bytes": row.size, "scan": row.scan}
    return details | ({"replaces": replaced} if replaced else {}) | ({"caution": row.caution} if row.caution else {})


def _forget(key: str) -> None:
    """What cannot be deleted now is found later, when nothing points to it (`enrollment.keeping_files`)."""
    if not key:
        return
    try:
        SHELF.forget(key)
    except StoreUnavailable:
        log.warning("a file is left for the upkeep to delete")


def _uploader(case: EnrollmentCase) -> str:
    """Whose upload this counts as: the operator's who assists, else the applicant's own."""
    if case.agency_id:
        return f"operator:{case.operator_id or case.agency_id}".lower()
    return f"subject:{case.subject_id}"


def _actor(case: EnrollmentCase) -> Actor:
    if case.agency_id:
        who = {"operator": case.operator_id, "mandate": case.mandate_id}
        return Actor(ActorKind.AGENCY, case.agency_id, Channel.EA, on_behalf_of=str(case.subject_id), **who)
    return Actor(ActorKind.PERSON, str(case.subject_id), Channel.PORTAL)
