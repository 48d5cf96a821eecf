"""What this room keeps of people, and how long: personal parts of credentials, and what others showed us."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from credentials import policy, presented
from credentials.models import IssuedCredential, PresentedCredential, SignedForm, WalletOffer
from credentials.services import access_digest
from credentials.wallets import forgetting
from identity import keeping
from identity.keeping import Block, Ground, How, Kind, Person, Room, Section


def personal() -> QuerySet[IssuedCredential]:
    """Credentials that say, or whose signed forms say, something personal."""
    return IssuedCredential.objects.filter(Q(personal_claims__isnull=False) | Q(document__isnull=False))


def forget_contents(rows: QuerySet[IssuedCredential], *, waits: bool = False) -> int:
    """Wipe what is personal of these credentials, and their signed forms; the caller has a transaction open.

    Id, dates, place in the status list and revocation stay. The link in the holder's hands opens nothing any more.
    """
    found = keeping.some(rows.order_by(), waits=waits)
    if found:
        SignedForm.objects.filter(credential__in=found, sealed_body__isnull=False).delete()
        nobodys = access_digest(secrets.token_urlsafe(32))
        IssuedCredential.objects.filter(pk__in=found).update(personal_claims=None, document=None, access_digest=nobodys)
    return len(found)


def _ended(before: datetime) -> Q:
    return Q(revoked_at__lt=before) | Q(valid_until__lt=before)


def _contents(now: datetime) -> int:
    return forget_contents(personal().filter(_ended(now - keeping.of_people())))


def _oldest_contents() -> datetime | None:
    ended = personal().exclude(revoked_at=None, valid_until=None).order_by()
    moments = [*ended.order_by("revoked_at").values_list("revoked_at", flat=True)[:1]]
    moments += [*ended.order_by("valid_until").values_list("valid_until", flat=True)[:1]]
    return min((each for each in moments if each is not None), default=None)


def _oldest_shown() -> datetime | None:
    until = keeping.first(PresentedCredential.objects.filter(body__isnull=False), "body_until")
    return until - policy.presented_retention() if until else None


KINDS = (
    Kind(
        code="credentials.contents",
        name=_("Personal parts of credentials: the consumer number, and what operators had us sign"),
        ground=Ground.CONTRACT,
        how=How.WIPE,
        since=_("the credential was revoked or has ended"),
        period=keeping.of_people,
        covers=(
            "credentials.issuedcredential.personal_claims",
            "credentials.issuedcredential.document",
            "credentials.signedform.sealed_body",
        ),
        stays=_(
            "Its id, its dates and its place in the status list: whoever still has a copy must see that it is over."
        ),
        let_go=_contents,
        oldest=_oldest_contents,
    ),
    Kind(
        code="credentials.presented",
        name=_("Credentials that applicants showed us"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the credential was shown"),
        period=policy.presented_retention,
        covers=("credentials.presentedcredential.body",),
        stays=_("Type, issuer and verdict: they prove why somebody was taken or refused."),
        let_go=presented.forget_bodies,
        oldest=_oldest_shown,
    ),
    Kind(
        code="credentials.wallet-offers",
        name=_("Offers of credentials to wallets, their codes and tokens"),
        ground=Ground.SERVICE,
        how=How.DELETE,
        since=_("the offer’s end"),
        period=lambda: timedelta(hours=1),
        let_go=forgetting.forget,
        oldest=lambda: keeping.first(WalletOffer.objects.all(), "expires_at"),
        every=timedelta(minutes=10),
    ),
    Kind(
        code="credentials.evidence",
        name=_("Credentials without what is personal in them, and their places in status lists"),
        ground=Ground.PROOF,
        how=How.STAYS,
        since=_("the credential was issued"),
        period=lambda: None,
        stays=_("A pseudonym, meters’ ids and dates: a place in a list is given once and never again."),
        oldest=lambda: keeping.first(IssuedCredential.objects.all(), "issued_at"),
    ),
)


# --- one person ------------------------------------------------------------------------------------------------------


def _of(person: Person) -> QuerySet[IssuedCredential]:
    return IssuedCredential.objects.filter(subject_did__in=person.dids)


def _held(person: Person) -> Iterable[Section]:
    rows = _of(person).order_by("issued_at").prefetch_related("forms")
    yield Section("Credentials we have issued to you", [_row(each) for each in rows])


def _row(each: IssuedCredential) -> Mapping[str, Any]:
    return {
        "id": each.wire_id or each.url,
        "kind": each.kind,
        "issued": each.issued_at,
        "valid from": each.valid_from,
        "valid until": each.valid_until,
        "revoked": each.revoked_at,
        "why": each.revocation_reason,
        "says": {**each.claims, **(each.personal_claims or {}), **(each.document or {})},
        "signed": {form.form: form.text for form in each.forms.all()},
    }


def _blocks(person: Person, now: datetime) -> Iterable[Block]:
    """What an operator had us sign and nobody has revoked: its own rules end it."""
    living = _of(person).filter(document__isnull=False, revoked_at=None)
    for each in living.exclude(valid_until__lte=now).order_by("issued_at")[:20]:
        yield Block("CREDENTIAL", each.wire_id or each.url)


def _erase(person: Person, now: datetime) -> Mapping[str, int]:
    count = 0
    while found := forget_contents(personal().filter(subject_did__in=person.dids), waits=True):
        count += found
    return {"CREDENTIAL_CONTENT": count}


def _stays(person: Person) -> Mapping[str, int]:
    return {"CREDENTIAL": _of(person).count()}


ROOM = Room("credentials", KINDS, held=_held, blocks=_blocks, erase=_erase, stays=_stays)
