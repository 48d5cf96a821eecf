"""Issuing credentials and changing their status: the only writers of credential rows.

All of it runs inside the caller's transaction, so that a credential exists exactly when the act it proves was
committed. Source: spec credentials.md 1 and 3; decisions 6, 33, 50, 51.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from audit import log
from audit.aside import ring_on_commit
from audit.log import Action, Actor, Line
from credentials import addresses, claims, keys, lists
from credentials.addresses import resolve_id
from credentials.models import Form, IssuedCredential, Kind, Profile, Purpose, SignedForm, StatusChange, StatusList
from credentials.own_output import sign_credential

PUBLISH = "credentials.tasks.publish"

__all__ = [
    "Issued",
    "NewCredential",
    "StatusEntry",
    "entries",
    "issue",
    "plan_revocation",
    "resolve_id",
    "resume",
    "revoke",
    "revoke_due",
    "signed_jwt",
    "suspend",
    "withdraw_plan",
]


@dataclass(frozen=True)
class NewCredential:
    """What is to be issued. `claims` is `credentialSubject` without `id`; `valid_until` is exclusive.

    `wire_valid_until` is the end as the applicant wrote it, written back as it came (decision 49). `subject_pk` is
    the Subject's pk for the journal, which takes no DID. `personal_claims` belong to `credentialSubject` too and are
    kept only encrypted; `profile` is "" for our own shape or "DEG".
    """

    kind: Literal["ENROLLMENT", "CONSENT"]
    subject_did: str
    claims: dict[str, Any]
    valid_from: datetime
    valid_until: datetime | None
    wire_valid_until: str | None = None
    supersedes: UUID | None = None
    subject_pk: str = ""
    profile: str = Profile.OWN
    personal_claims: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Issued:
    """What the caller may tell. `access_url` carries the link's token and is known only now; `jwt` is the 1.1 form.

    `offer_url` is where the holder gets an offer for a wallet, with the same token; "" where none is made of it.
    """

    id: UUID
    url: str
    access_url: str
    offer_url: str
    verification_url: str
    jwt: str
    status_list_url: str
    status_list_index: str
    issued_at: datetime
    kind: str
    status_list_id: int


@dataclass(frozen=True)
class StatusEntry:
    """Where a credential stands now. URL and index are those of its revocation entry, the index as text.

    `status_list_id` is what `publishing.ensure_published` takes. `revoke_at` is a revocation to come (`PENDING`);
    `supersedes` the address of the credential that this one replaced.
    """

    credential_id: UUID
    url: str
    status_list_url: str
    status_list_index: str
    revoked: bool
    revoked_at: datetime | None
    suspended: bool
    status_list_id: int
    issued_at: datetime
    revoke_at: datetime | None = None
    supersedes: str = ""


def issue(new: Sequence[NewCredential], *, now: datetime, actor: Actor = log.SYSTEM) -> list[Issued]:
    """Issue credentials in the order given, inside the caller's transaction.

    Each gets a status place of its own, both JWT forms are signed and checked, and rows, forms and journal lines are
    written with one INSERT each. Raises `keys.NoActiveKey` or `lists.NoPlaceLeft` before `bootstrap`, and
    `OwnOutputInvalid` where the claims break the schema: nothing is written then.
    """
    if not new:
        return []
    with transaction.atomic():
        key = keys.active()
        drafts = [_draft(each, place, now=now) for each, place in zip(new, _places(new), strict=True)]
        signed = [_sign(draft, key, now=now) for draft in drafts]
        IssuedCredential.objects.bulk_create([draft.row for draft in drafts])
        SignedForm.objects.bulk_create([form for forms in signed for form in forms])
        log.record_all([_line(Action.CREDENTIAL_ISSUED, draft.row, actor, now, draft.subject_pk) for draft in drafts])
    return [_issued(draft, forms[0]) for draft, forms in zip(drafts, signed, strict=True)]


def revoke(ids: Sequence[UUID], *, at: datetime, reason: str, actor: Actor = log.SYSTEM) -> list[StatusEntry]:
    """Revoke for good. Idempotent: a revoked credential keeps its first moment and reason.

    The lists are marked for publication in the same transaction. Unknown ids raise IssuedCredential.DoesNotExist.
    """
    with transaction.atomic():
        rows = _locked(ids)
        changed = [row for row in rows if row.revoked_at is None]
        for row in changed:
            row.revoked_at, row.revocation_reason = at, reason[:200] or "unspecified"
            row.revoke_at, row.revoke_at_reason = None, ""
        _save(changed, [*_REVOKED, *_PLANNED], Purpose.REVOCATION, at)
        log.record_all([_line(Action.CREDENTIAL_REVOKED, row, actor, at) for row in changed])
    return _entries(ids, rows)


def plan_revocation(
    ids: Sequence[UUID], *, at: datetime, reason: str, now: datetime, actor: Actor = log.SYSTEM
) -> list[StatusEntry]:
    """Revoke at a moment to come; the sweep does it then. A later plan replaces an earlier one.

    A past moment means now; what is revoked stays so. Until it is done the plan may be withdrawn.
    """
    if at <= now:
        return revoke(ids, at=now, reason=reason, actor=actor)
    with transaction.atomic():
        rows = _locked(ids)
        changed = [row for row in rows if row.revoked_at is None]
        for row in changed:
            row.revoke_at, row.revoke_at_reason = at, reason[:200] or "unspecified"
        IssuedCredential.objects.bulk_update(changed, _PLANNED, batch_size=1000)
        plan = {"at": at.isoformat()}
        log.record_all([_line(Action.CREDENTIAL_REVOCATION_PLANNED, row, actor, now, more=plan) for row in changed])
    return _entries(ids, rows)


def withdraw_plan(ids: Sequence[UUID], *, now: datetime, actor: Actor = log.SYSTEM) -> list[StatusEntry]:
    """Take planned revocations back. What is revoked, or was not planned, stays as it is."""
    with transaction.atomic():
        rows = _locked(ids)
        changed = [row for row in rows if row.revoke_at is not None]
        for row in changed:
            row.revoke_at, row.revoke_at_reason = None, ""
        IssuedCredential.objects.bulk_update(changed, _PLANNED, batch_size=1000)
        log.record_all([_line(Action.CREDENTIAL_REVOCATION_WITHDRAWN, row, actor, now) for row in changed])
    return _entries(ids, rows)


def revoke_due(now: datetime) -> int:
    """Do the planned revocations whose moment has come; return how many. Safe in many processes at once."""
    with transaction.atomic():
        due = IssuedCredential.objects.filter(revoke_at__lte=now).select_for_update(skip_locked=True, no_key=True)
        reasons: dict[str, list[UUID]] = {}
        for pk, reason in due.order_by("pk").values_list("pk", "revoke_at_reason")[:_DUE_AT_ONCE]:
            reasons.setdefault(reason, []).append(pk)
        for reason, ids in reasons.items():
            revoke(ids, at=now, reason=reason)
    return sum(len(ids) for ids in reasons.values())


def suspend(ids: Sequence[UUID], *, at: datetime, actor: Actor = log.SYSTEM) -> list[StatusEntry]:
    """Suspend until `resume`. A revoked or already suspended credential stays as it is."""
    with transaction.atomic():
        rows = _locked(ids)
        changed = [row for row in rows if row.revoked_at is None and row.suspended_at is None]
        for row in changed:
            row.suspended_at = at
        _save(changed, ["suspended_at"], Purpose.SUSPENSION, at)
        log.record_all([_line(Action.CREDENTIAL_SUSPENDED, row, actor, at) for row in changed])
    return _entries(ids, rows)


def resume(ids: Sequence[UUID], *, at: datetime, actor: Actor = log.SYSTEM) -> list[StatusEntry]:
    """End a suspension. A credential that is revoked or not suspended stays as it is."""
    with transaction.atomic():
        rows = _locked(ids)
        changed = [row for row in rows if row.revoked_at is None and row.suspended_at is not None]
        for row in changed:
            row.suspended_at = None
        _save(changed, ["suspended_at"], Purpose.SUSPENSION, at)
        log.record_all([_line(Action.CREDENTIAL_RESUMED, row, actor, at) for row in changed])
    return _entries(ids, rows)


def entries(ids: Sequence[UUID]) -> list[StatusEntry]:
    """Return the status of each credential, in the order given; unknown ids raise IssuedCredential.DoesNotExist."""
    return _entries(ids, list(IssuedCredential.objects.filter(pk__in=ids).select_related("status_list")))


def signed_jwt(credential_id: UUID) -> str:
    """Return the kept bytes of the 1.1 form."""
    return SignedForm.objects.get(credential=credential_id, form=Form.JWT_1_1).text


_REVOKED, _PLANNED = ["revoked_at", "revocation_reason"], ["revoke_at", "revoke_at_reason"]
_DUE_AT_ONCE = 1000


@dataclass(frozen=True)
class _Draft:
    row: IssuedCredential
    status_list: StatusList
    token: str
    subject_pk: str


def _places(new: Sequence[NewCredential]) -> list[tuple[StatusList, int]]:
    wanted: dict[str, int] = {}
    for each in new:
        wanted[each.kind] = wanted.get(each.kind, 0) + 1
    taken = {kind: iter(places) for kind, places in lists.take(wanted).items()}
    return [next(taken[each.kind]) for each in new]


def _draft(new: NewCredential, place: tuple[StatusList, int], *, now: datetime) -> _Draft:
    credential_id, token = uuid4(), secrets.token_urlsafe(16)
    status_list, index = place
    row = IssuedCredential(
        id=credential_id,
        url=addresses.credential(credential_id),
        wire_id=f"urn:uuid:{credential_id}" if new.profile == Profile.DEG else "",
        kind=new.kind,
        profile=new.profile,
        subject_did=new.subject_did,
        claims=new.claims,
        personal_claims=new.personal_claims,
        valid_from=new.valid_from,
        valid_until=new.valid_until,
        wire_valid_until=new.wire_valid_until or "",
        issued_at=now,
        status_list=status_list,
        status_index=index,
        supersedes_id=new.supersedes,
        access_digest=access_digest(token),
    )
    return _Draft(row, status_list, token, new.subject_pk)


def _sign(draft: _Draft, key: keys.SigningKey, *, now: datetime) -> list[SignedForm]:
    """Both JWTs at once, the 1.1 form first; why the 2.0 form does not wait: docs/decisions/credential-forms.md."""
    statement = statement_of(draft.row)
    issuer = statement.issuer
    bodies = {
        Form.JWT_1_1: sign_credential(claims.payload_1_1(statement), claims.header_1_1(issuer, key.multikey), key),
        Form.JWT_2_0: sign_credential(claims.payload_2_0(statement), claims.header_2_0(issuer, key.kid), key),
    }
    sealed = draft.row.personal_claims is not None
    return [
        SignedForm(
            credential=draft.row,
            form=form,
            body="" if sealed else body,
            sealed_body=body if sealed else None,
            kid=key.kid,
            signed_at=now,
        )
        for form, body in bodies.items()
    ]


def statement_of(row: IssuedCredential) -> claims.Statement:
    """Return what a credential row says, ready to take the shape of either data model."""
    number = row.status_list.number
    deg = row.profile == Profile.DEG
    until = row.wire_valid_until or (claims.instant(row.valid_until) if row.valid_until else "")
    return claims.Statement(
        url=row.url,
        kind=row.kind,
        issuer=settings.ISSUER_DID,
        subject_did=row.subject_did,
        claims={**row.claims, **(row.personal_claims or {})},
        valid_from=row.valid_from,
        valid_until=until,
        issued_at=row.issued_at,
        status=claims.StatusPlace(
            revocation_url=addresses.status_list(row.kind, Purpose.REVOCATION, number),
            suspension_url=addresses.status_list(row.kind, Purpose.SUSPENSION, number),
            index=row.status_index,
        ),
        context_urls=(addresses.context(), *([addresses.deg_context()] if deg else [])),
        schema_url=addresses.schema(claims.DEG_TYPE if deg else claims.TYPES[row.kind]),
        profile=row.profile,
        wire_id=row.wire_id,
        issuer_name=settings.ISSUER_NAME,
        issuer_license_number=settings.ISSUER_LICENSE_NUMBER,
    )


def access_digest(token: str) -> bytes:
    """Return what is kept of a link's token."""
    return hashlib.sha256(token.encode()).digest()


def _issued(draft: _Draft, form: SignedForm) -> Issued:
    row = draft.row
    return Issued(
        id=row.id,
        url=row.url,
        access_url=f"{row.url}?t={draft.token}",
        offer_url=f"{row.url}/offer?t={draft.token}" if row.kind == Kind.ENROLLMENT else "",
        verification_url=addresses.verification(row.id),
        jwt=form.text,
        status_list_url=addresses.status_list(row.kind, Purpose.REVOCATION, draft.status_list.number),
        status_list_index=str(row.status_index),
        issued_at=row.issued_at,
        kind=row.kind,
        status_list_id=draft.status_list.pk,
    )


def _locked(ids: Sequence[UUID]) -> list[IssuedCredential]:
    # In the order of the ids: two acts over the same credentials wait for each other instead of deadlocking.
    rows = IssuedCredential.objects.select_for_update(of=("self",), no_key=True).select_related("status_list")
    return list(rows.filter(pk__in=ids).order_by("pk"))


def _save(rows: Sequence[IssuedCredential], fields: list[str], purpose: Purpose, at: datetime) -> None:
    if not rows:
        return
    IssuedCredential.objects.bulk_update(rows, fields, batch_size=1000)
    touched = sorted({row.status_list_id for row in rows})
    StatusChange.objects.bulk_create([StatusChange(status_list_id=pk, purpose=purpose, at=at) for pk in touched])
    ring_on_commit(PUBLISH)


def _entries(ids: Sequence[UUID], rows: Sequence[IssuedCredential]) -> list[StatusEntry]:
    by_id = {row.pk: row for row in rows}
    missing = [str(each) for each in ids if each not in by_id]
    if missing:
        raise IssuedCredential.DoesNotExist(f"no credential {missing[0]}")
    return [_entry(by_id[each]) for each in ids]


def _entry(row: IssuedCredential) -> StatusEntry:
    return StatusEntry(
        credential_id=row.pk,
        url=row.url,
        status_list_url=addresses.status_list(row.kind, Purpose.REVOCATION, row.status_list.number),
        status_list_index=str(row.status_index),
        revoked=row.is_revoked,
        revoked_at=row.revoked_at,
        suspended=row.is_suspended,
        status_list_id=row.status_list_id,
        issued_at=row.issued_at,
        revoke_at=row.revoke_at,
        supersedes=addresses.credential(row.supersedes_id) if row.supersedes_id else "",
    )


def _line(
    action: Action,
    row: IssuedCredential,
    actor: Actor,
    at: datetime,
    subject: str = "",
    more: Mapping[str, str] | None = None,
) -> Line:
    return Line(
        action,
        actor,
        at,
        subject=subject,
        object_type="IssuedCredential",
        object_id=str(row.pk),
        details={"kind": row.kind, "list": row.status_list.number, **(more or {})},
    )
