"""Files that an application is asked for: asking, and what they are worth to the rules.

`on_init` names each in `documents[]` with an address to upload to (`enrollment.taking_files`); a new init of the same
order names its id, and two persons look at it (enrollment.reviews). Source: personas 6, decision 26.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from audit import log
from audit.log import Action, Actor
from enrollment.commands import OrderRef
from enrollment.devices import CERTIFICATE_FILE
from enrollment.facts import DocumentFact
from enrollment.models import Document, EnrollmentCase, ProgramVersion
from enrollment.results import DocumentLine
from enrollment.states import DocumentState
from files.looking import FORMATS

MAX_BYTES = settings.DOCUMENT_MAX_BYTES
#: How long an upload address may be used.
LINK_LIFETIME = timedelta(hours=24)


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
    journal(Action.DOCUMENT_ASKED, row, actor, now, {"kind": row.kind})
    return line(row, upload_url=f"{settings.PUBLIC_URL}/documents/{token}")


def line(row: Document, *, upload_url: str = "") -> DocumentLine:
    """The file as it is told; one that is asked for says why the one before it was not accepted."""
    before = row if row.state != DocumentState.ASKED else _refused_before(row) or row
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
        reason=before.refusal_reason,
        text=before.applicant_text or "",
    )


def _refused_before(row: Document) -> Document | None:
    """The last file for the same device that was refused."""
    others = Document.objects.filter(case=row.case_id, kind=row.kind, der_id=row.der_id, state=DocumentState.REFUSED)
    return others.order_by("-decided_at", "-pk").first()


def lines_of(case: EnrollmentCase, document_ids: Iterable[str]) -> tuple[DocumentLine, ...]:
    rows = Document.objects.filter(case=case, document_id__in=list(document_ids)).order_by("asked_at", "pk")
    return tuple(line(row) for row in rows)


def facts_of(order: OrderRef, document_ids: Sequence[str]) -> tuple[DocumentFact, ...]:
    """What the named files of this order are worth: those uploaded, with how far their review got.

    One that was refused for good counts whether it is named or not.
    """
    rows = Document.objects.filter(
        Q(document_id__in=list(document_ids)) | Q(is_final=True),
        case__bap_id=order.bap_id,
        case__order_id=order.order_id,
    ).exclude(state=DocumentState.ASKED)
    return tuple(
        DocumentFact(r.document_id, r.der_id, str(r.state), r.capacity_kw, r.valid_until, r.refusal_reason, r.is_final)
        for r in rows.order_by("asked_at", "pk")
    )


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def journal(action: Action, row: Document, actor: Actor, now: datetime, details: Mapping[str, Any]) -> None:
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
