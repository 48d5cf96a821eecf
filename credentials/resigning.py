"""When a key is lost: what it signed that still counts is signed again, word for word, by the key that took over.

A credential keeps its id, its place in the list and what it says; only the signature and the name of the key change.
The kept bytes are what is signed again, so that every shape (programs' profiles, an operator's own documents) stays
as it was. Copies in wallets are not kept here: their holders fetch a new one. Source: spec credentials.md 2,
decision 51.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from audit import log
from audit.log import Actor
from credentials import bulk, keys
from credentials.data_integrity import proofs
from credentials.data_integrity.jsonld import BadJsonLd
from credentials.keys import SigningKey
from credentials.models import (
    BulkAct,
    BulkBatch,
    BulkKind,
    Form,
    IssuerKey,
    KeyState,
    SignedForm,
    WalletCopy,
)
from credentials.multikey import from_b64url
from credentials.own_output import sign_and_check

logger = logging.getLogger(__name__)

REASON = "KEY_REVOKED"
_LOOKED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class LostForms:
    """A living credential and its forms that a key has signed."""

    id: UUID
    url: str
    kind: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class LostCopy:
    """A copy in somebody's wallet: it has to be fetched anew."""

    credential_id: UUID
    format: str
    issued_at: datetime


@dataclass(frozen=True)
class Losing:
    """What is worthless without a key: `credentials` are signed again by us, `wallet_copies` cannot be."""

    credentials: tuple[LostForms, ...]
    wallet_copies: tuple[LostCopy, ...]


def losing(kid: str, *, now: datetime) -> Losing:
    """Return what would lose its signature, or has lost it, and is neither revoked nor over."""
    forms: dict[UUID, list[SignedForm]] = {}
    rows = _living_forms(kid, now).select_related("credential").order_by("credential__issued_at", "credential", "pk")
    for row in rows.defer("body", "sealed_body").iterator(chunk_size=2000):
        forms.setdefault(row.credential_id, []).append(row)
    copies = WalletCopy.objects.filter(_is_living(now), kid=kid).order_by("issued_at", "pk")
    return Losing(
        tuple(
            LostForms(pk, found[0].credential.url, found[0].credential.kind, tuple(each.form for each in found))
            for pk, found in forms.items()
        ),
        tuple(LostCopy(each.credential_id, each.format, each.issued_at) for each in copies),
    )


def ask(kid: str, *, actor: Actor, now: datetime) -> BulkAct | None:
    """Ask for everything living that a key has signed to be signed again; None where there is nothing.

    Belongs into the transaction that revokes the key, after its row was changed: a batch that is just being signed by
    it waits for that row, and is either seen here or begins anew.
    """
    ids = _ids(kid, now)
    return _ask(ids, kid, actor, now) if ids else None


def last_asked(kid: str) -> BulkAct | None:
    """Return the newest act that signs again what a key has signed; None where nothing living was lost with it."""
    return BulkAct.objects.filter(kind=BulkKind.RESIGN, source=_source(kid)).order_by("-asked_at").first()


def _ids(kid: str, now: datetime) -> list[UUID]:
    return list(_living_forms(kid, now).order_by().values_list("credential_id", flat=True).distinct())


def _ask(ids: Iterable[UUID], kid: str, actor: Actor, now: datetime) -> BulkAct:
    return bulk.ask(ids, kind=BulkKind.RESIGN, reason=REASON, source=_source(kid), actor=actor, now=now)


def ask_for_what_is_left(now: datetime) -> int:
    """Ask again where something living still carries a lost key's signature; return how many acts were asked for.

    A credential that was being issued while its key was revoked is found here.
    """
    lost = IssuerKey.objects.filter(state=KeyState.REVOKED, revoked_at__gt=now - _LOOKED_AFTER)
    return sum(_ask_for_the_rest(kid, now) for kid in lost.values_list("kid", flat=True))


def _ask_for_the_rest(kid: str, now: datetime) -> bool:
    acts = BulkAct.objects.filter(kind=BulkKind.RESIGN, source=_source(kid))
    left = set(_ids(kid, now))
    if not left or acts.filter(finished_at=None).exists():
        return False
    for act in acts:
        left.difference_update(bulk.manifest_of(act))  # what was tried and could not be signed again
    if left:
        _ask(left, kid, log.SYSTEM, now)
    return bool(left)


def work(batch: BulkBatch, now: datetime) -> bulk.Step:
    """Sign the batch's forms again, with no transaction open, and return the step that keeps them (`bulk.Doer`)."""
    lost = IssuerKey.objects.defer("private").get(kid=batch.act.source.removeprefix(_source("")))
    successor = keys.active(lost.algorithm)
    signed = []
    for form in _forms_of(batch, lost.kid, now):
        try:
            text = _sign_again(form, lost, successor, now=now)
        except (BadJsonLd, ValueError, LookupError):  # the form's own fault: the others must not stay worthless with it
            logger.exception("a form cannot be signed again", extra={"credential": str(form.credential_id)})
            continue
        _put(form, text)
        form.kid, form.signed_at = successor.kid, now
        signed.append(form)
    return lambda: _keep(signed, lost.kid, successor.kid)


def _forms_of(batch: BulkBatch, kid: str, now: datetime) -> list[SignedForm]:
    # The key is looked at here: in the statement it would tempt the planner to read all that the key has ever signed.
    forms = SignedForm.objects.filter(_is_living(now), credential__in=batch.ids).order_by("pk")
    return [form for form in forms if form.kid == kid]


def _keep(forms: Sequence[SignedForm], lost: str, successor: str) -> bulk.Done:
    if not _is_still_good(successor):
        raise bulk.NotNow("the key that took over is gone as well")
    held = SignedForm.objects.select_for_update().filter(pk__in=[form.pk for form in forms]).order_by("pk")
    here = {pk for pk, kid in held.values_list("pk", "kid") if kid == lost}
    kept = [form for form in forms if form.pk in here]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, _columns(kept, ("id", "body", "sealed_body", "kid", "signed_at")))
    return bulk.Done(len({form.credential_id for form in kept}))


# Not bulk_update, which takes three times as long as the signatures.
_KEEP = """
UPDATE signed_forms f SET body = new.body, sealed_body = new.sealed_body, kid = new.kid, signed_at = new.signed_at
FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::timestamptz[])
  AS new(id, body, sealed_body, kid, signed_at) WHERE f.id = new.id
"""


def _columns(forms: Sequence[SignedForm], names: Sequence[str]) -> list[list[Any]]:
    """Each field's values as the database takes them: the sealed ones encrypted."""
    fields = {field.attname: field for field in SignedForm._meta.concrete_fields}
    return [[fields[name].get_db_prep_save(getattr(form, name), connection) for form in forms] for name in names]


def _is_still_good(kid: str) -> bool:
    """Whether the key is not revoked, and will not be before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM issuer_keys WHERE kid = %s FOR SHARE", [kid])
        return bool(cursor.fetchone()[0] != KeyState.REVOKED)


def _sign_again(form: SignedForm, lost: IssuerKey, successor: SigningKey, *, now: datetime) -> str:
    if form.form == Form.JSON_2_0:
        return _prove_again(json.loads(form.text), lost, successor, now=now)
    header, payload = (json.loads(from_b64url(part)) for part in form.text.split(".")[:2])
    named = {name: value for name, value in header.items() if name != "alg"}  # which follows from the key
    return sign_and_check(payload, {**named, "kid": _renamed(header["kid"], lost, successor)}, successor)


def _prove_again(document: dict[str, Any], lost: IssuerKey, successor: SigningKey, *, now: datetime) -> str:
    """Replace the lost key's proof; what others have proven about the document stays beside it."""
    before = document.pop("proof")
    found: Iterable[Mapping[str, Any]] = before if isinstance(before, list) else [before]
    ours = {f"{settings.ISSUER_DID}#{lost.multikey}", f"{settings.ISSUER_DID}#{lost.kid}"}
    others = [proof for proof in found if proof.get("verificationMethod") not in ours]
    (old,) = (proof for proof in found if proof not in others)
    signed = proofs.add_proof(
        {**document, "proof": others} if others else document,
        key=successor,
        issuer=settings.ISSUER_DID,
        created=now,
        purpose=old["proofPurpose"],
        cryptosuite=old["cryptosuite"],
    )
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"))


def _renamed(kid: str, lost: IssuerKey, successor: SigningKey) -> str:
    """The header's `kid` with the successor's name of the same kind: Multikey or thumbprint."""
    did, _, fragment = kid.rpartition("#")
    return f"{did}#{successor.multikey if fragment == lost.multikey else successor.kid}"


def _put(form: SignedForm, text: str) -> None:
    if form.sealed_body is None:
        form.body = text
    else:
        form.sealed_body = text


def _living_forms(kid: str, now: datetime) -> QuerySet[SignedForm]:
    return SignedForm.objects.filter(_is_living(now), kid=kid)


def _is_living(now: datetime) -> Q:
    """Of a row that belongs to a credential: that one is neither revoked nor over."""
    return Q(credential__revoked_at=None) & (Q(credential__valid_until=None) | Q(credential__valid_until__gt=now))


def _source(kid: str) -> str:
    return f"key:{kid}"
