"""Files that an application is asked for: asking, taking the upload, and what they are worth to the rules.

`on_init` names each in `documents[]` with an address to upload to; a new init of the same order names its id, and two
persons look at it (enrollment.reviews). Source: personas 6, decision 26.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from audit import log
from audit.log import Action, Actor, ActorKind, Channel
from enrollment import files, scanning
from enrollment.commands import OrderRef
from enrollment.devices import CERTIFICATE_FILE
from enrollment.facts import DocumentFact
from enrollment.models import Document, EnrollmentCase, ProgramVersion
from enrollment.results import DocumentLine
from enrollment.states import DocumentState

FORMATS = ("application/pdf", "image/jpeg", "image/png")
MAX_BYTES = settings.DOCUMENT_MAX_BYTES
MAX_BYTES_OF_A_CASE = 3 * MAX_BYTES
#: How long an upload address may be used.
LINK_LIFETIME = timedelta(hours=24)
_BEGINNINGS = ((b"%PDF-", "application/pdf"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(
    case: EnrollmentCase, version: ProgramVersion, der_ids: Iterable[str], actor: Actor, now: datetime
) -> tuple[DocumentLine, ...]:
    """Ask for a certificate's file for each device, with a new upload address each. Caller's transaction, case locked.

    A file that is there already and waits for its review is named again, without an address.
    """
    wanted: Mapping[str, Any] = next((d for d in version.documents if d.get("kind") == CERTIFICATE_FILE), {})
    return tuple(_asked(case, wanted, der_id, actor, now) for der_id in der_ids)


def _asked(case: EnrollmentCase, wanted: Mapping[str, Any], der_id: str, actor: Actor, now: datetime) -> DocumentLine:
    row = Document.objects.filter(
        case=case, kind=CERTIFICATE_FILE, der_id=der_id[:200], state__in=[DocumentState.ASKED, DocumentState.UPLOADED]
    ).first()
    if row is not None and row.state == DocumentState.UPLOADED:
        return line(row)
    token = secrets.token_urlsafe(32)
    if row is None:
        row = Document(
            document_id=f"document-{uuid.uuid4()}",
            case=case,
            kind=CERTIFICATE_FILE,
            der_id=der_id[:200],
            state=DocumentState.ASKED,
            formats=list(wanted.get("formats") or FORMATS),
            max_bytes=min(int(wanted.get("maxBytes") or MAX_BYTES), MAX_BYTES),
        )
    row.asked_at, row.token_digest, row.token_expires_at = now, digest_of(token), now + LINK_LIFETIME
    row.save()
    _journal(Action.DOCUMENT_ASKED, row, actor, now, {"kind": row.kind})
    return line(row, upload_url=f"{settings.PUBLIC_URL}/documents/{token}")


def line(row: Document, *, upload_url: str = "") -> DocumentLine:
    return DocumentLine(
        document_id=row.document_id,
        kind=row.kind,
        der_id=row.der_id,
        formats=tuple(row.formats),
        max_bytes=row.max_bytes,
        status="UNDER_REVIEW" if row.state == DocumentState.UPLOADED else row.state,
        upload_url=upload_url,
        expires_at=row.token_expires_at if upload_url else None,
        scan=row.scan,
        reason=row.refusal_reason,
    )


def lines_of(case: EnrollmentCase, document_ids: Iterable[str]) -> tuple[DocumentLine, ...]:
    rows = Document.objects.filter(case=case, document_id__in=list(document_ids)).order_by("asked_at", "pk")
    return tuple(line(row) for row in rows)


def facts_of(order: OrderRef, document_ids: Sequence[str]) -> tuple[DocumentFact, ...]:
    """What the named files of this order are worth: those uploaded, with how far their review got."""
    if not document_ids:
        return ()
    rows = Document.objects.filter(
        case__bap_id=order.bap_id, case__order_id=order.order_id, document_id__in=list(document_ids)
    ).exclude(state=DocumentState.ASKED)
    return tuple(
        DocumentFact(r.document_id, r.der_id, str(r.state), r.capacity_kw, r.valid_until, r.refusal_reason)
        for r in rows.order_by("asked_at", "pk")
    )


# --- taking an upload ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NotTaken:
    """Why an upload was not taken: a code, a sentence, and the HTTP status that says it."""

    code: str
    sentence: str
    status: int


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def asked_for(token: str, now: datetime) -> Document | NotTaken:
    """What this upload address asks for, or why it is none (any more)."""
    row = Document.objects.select_related("case").filter(token_digest=digest_of(token)).first()
    if row is None:
        return NotTaken("NOT_FOUND", "There is no such upload address.", 404)
    if row.state == DocumentState.ASKED and row.token_expires_at <= now:
        return NotTaken("EXPIRED", "This upload address has expired: send init again, its answer has a new one.", 410)
    return row


def take(asked: Document, content: bytes, now: datetime) -> Document | NotTaken:
    """Keep the file that was asked for. The same bytes again are the same upload; others are not taken any more.

    Looks at the content, not at what it says it is; asks the scanner; no transaction is open meanwhile.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if asked.state != DocumentState.ASKED:
        return _again(asked, sha256)
    problem = _unfit(asked, content)
    if problem is not None:
        return problem
    try:
        scanned = scanning.scan(content)
    except scanning.Infected:
        return NotTaken("INFECTED", "The scanner found malware in this file. It was not kept.", 422)
    except scanning.ScannerUnavailable:
        return NotTaken("SCANNER_UNAVAILABLE", "The file cannot be scanned at the moment. Send it again later.", 503)
    key = files.keep(content)
    taken = _write(asked.pk, content, sha256, scanned, key, now)
    if isinstance(taken, NotTaken) or taken.storage_key != key:
        files.forget(key)
    return taken


def _again(row: Document, sha256: str) -> Document | NotTaken:
    if row.sha256 == sha256:
        return row
    return NotTaken(
        "ALREADY_UPLOADED", "Another file was uploaded here before. Send init again for a new address.", 409
    )


def _unfit(asked: Document, content: bytes) -> NotTaken | None:
    if not content:
        return NotTaken("EMPTY", "The file is empty.", 400)
    if len(content) > asked.max_bytes:
        return NotTaken("TOO_LARGE", f"The file is larger than {asked.max_bytes} bytes.", 413)
    used = Document.objects.filter(case_id=asked.case_id).aggregate(all=Sum("size"))["all"] or 0
    if used + len(content) > MAX_BYTES_OF_A_CASE:
        return NotTaken("CASE_FULL", f"The files of one application together have {MAX_BYTES_OF_A_CASE} bytes.", 413)
    if media_type_of(content) not in asked.formats:
        return NotTaken("TYPE_NOT_ACCEPTED", f"By its content this is none of: {', '.join(asked.formats)}.", 415)
    return None


def media_type_of(content: bytes) -> str:
    """What the content is, by its first bytes; "" for anything we do not take."""
    return next((kind for start, kind in _BEGINNINGS if content.startswith(start)), "")


def _write(pk: int, content: bytes, sha256: str, scanned: str, key: str, now: datetime) -> Document | NotTaken:
    with transaction.atomic():
        row = Document.objects.select_for_update(of=("self",)).select_related("case").get(pk=pk)
        if row.state != DocumentState.ASKED:
            return _again(row, sha256)
        case = row.case
        row.state, row.uploaded_at = DocumentState.UPLOADED, now
        row.uploaded_by, row.uploaded_by_agency = _uploader(case), case.agency_id
        row.sha256, row.media_type, row.size = sha256, media_type_of(content), len(content)
        row.storage_key, row.scan = key, scanned
        row.retention_until = now + timedelta(days=settings.RETENTION_DOCUMENTS_DAYS)
        row.save()
        details = {"kind": row.kind, "type": row.media_type, "bytes": row.size, "scan": row.scan}
        _journal(Action.DOCUMENT_UPLOADED, row, _actor(case), now, details)
    return row


def _uploader(case: EnrollmentCase) -> str:
    """Whose upload this counts as: the operator's who assists, else the applicant's own."""
    if case.agency_id:
        return f"operator:{case.operator_id or case.agency_id}".lower()
    return f"subject:{case.subject_id}"


def _actor(case: EnrollmentCase) -> Actor:
    if case.agency_id:
        return Actor(ActorKind.AGENCY, case.agency_id, Channel.EA, on_behalf_of=str(case.subject_id))
    return Actor(ActorKind.PERSON, str(case.subject_id), Channel.PORTAL)


# --- forgetting ------------------------------------------------------------------------------------------------------


def forget_files(now: datetime) -> int:
    """Delete the bytes whose retention is over; the rows stay as evidence of who saw what. Returns how many."""
    rows = Document.objects.filter(retention_until__lte=now).exclude(storage_key="").exclude(state="UPLOADED")
    count = 0
    for row in rows.order_by("pk")[:500]:
        files.forget(row.storage_key)
        count += Document.objects.filter(pk=row.pk).update(storage_key="")
    if count:
        log.record(
            Action.RETENTION_APPLIED,
            actor=log.SYSTEM,
            at=now,
            object_type="documents",
            details={"files": count},
        )
    return count


def _journal(action: Action, row: Document, actor: Actor, now: datetime, details: Mapping[str, Any]) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(row.case.subject_id or ""),
        object_type="document",
        object_id=row.document_id,
        after={"state": row.state, "sha256": row.sha256},
        details=details,
    )
