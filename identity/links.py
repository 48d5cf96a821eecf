"""Two accounts of one person: linking a second one, and the reference that stands for both in a message.

A link is bound to the session, user, issuer and sub that started it and to the provider it asks, and works once
(personas P5-9). A reference is handed out for what a session has proven, and redeemed once within ten minutes by the
program owner's side: the tokens stay off the wire (P5, the preferred way).
"""

import hashlib
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest

from identity import people, sessions
from identity.models import AccountLink, LinkReference, Subject, User
from identity.providers import Provider, is_at_work
from identity.sessions import SignedIn
from identity.tokens import TOKEN_INVALID, Proven, Unproven

LASTS = timedelta(minutes=10)
PREFIX = "lr_"
UTILITY = "UTILITY"  # the kind of provider that proves accounts


class LinkOver(Exception):
    """The link was started in another session, by another account, too long ago, or is finished."""


def start(request: HttpRequest, provider: Provider, *, now: datetime) -> str:
    """Keep who wants to link an account of `provider`; return the record's id. The person is signed in."""
    first = next(iter(sessions.of(request)), None)
    if first is None or is_at_work(first.issuer):
        raise LinkOver("nobody is signed in as a customer through a provider")
    made = AccountLink.objects.create(
        session_digest=sessions.digest_of(request),
        user_id=first.user_id,
        iss_a=first.issuer,
        sub_a=first.sub,
        iss_b=provider.issuer,
        created_at=now,
        expires_at=now + LASTS,
    )
    return str(made.pk)


@transaction.atomic
def finish(request: HttpRequest, link_id: str, second: User, signed_in: SignedIn, *, now: datetime) -> Subject:
    """Link the account that was signed in to. Raises LinkOver, or people.OtherPerson; then nothing is written."""
    first = next(iter(sessions.of(request)), None)
    # The id is from this session's own memory of what it asked, which nobody else writes.
    link = AccountLink.objects.select_for_update().filter(pk=UUID(link_id), finished_at=None).first()
    if first is None or link is None or now >= link.expires_at:
        raise LinkOver("the link is over")
    started = (link.session_digest, link.user_id, link.iss_a, link.sub_a)
    if started != (sessions.digest_of(request), first.user_id, first.issuer, first.sub):
        raise LinkOver("the link was started by somebody else, or in another session")
    if link.iss_b != signed_in.provider.issuer:
        raise LinkOver("the link asked for another provider")
    if signed_in.provider.kind == UTILITY:
        people.of_utility(second, signed_in.proven, now=now)
    subject = people.link(first.user, second, now=now)
    link.sub_b, link.finished_at = signed_in.sub, now
    link.save(update_fields=["sub_b", "finished_at"])
    sessions.add(request, signed_in, now=now)
    return subject


def reference(request: HttpRequest, *, now: datetime) -> str:
    """Return a new reference to all that the session has proven, for the next ten minutes and one `init`."""
    proven = sessions.proven(request)
    if not proven:
        raise LinkOver("nobody is signed in through a provider")
    text = PREFIX + secrets.token_urlsafe(32)
    LinkReference.objects.create(
        digest=_digest(text),
        user_id=sessions.of(request)[0].user_id,
        identities=[_written(each) for each in proven],
        created_at=now,
        expires_at=now + LASTS,
    )
    return text


def redeem(reference: str, participant_id: str, order_id: str, now: datetime) -> list[Proven] | Unproven:
    """Return the sign-ins a reference stands for, the primary one first, and use it up: it counts once.

    One transaction, no network; call it inside the transaction that keeps the proof, or a crash between wastes it.
    """
    if not reference.startswith(PREFIX) or len(reference) > 100:
        return _unproven()
    with transaction.atomic():
        row = LinkReference.objects.select_for_update().filter(digest=_digest(reference)).first()
        if row is None or row.used_at is not None or now >= row.expires_at or not participant_id:
            return _unproven()
        found = [_read(each) for each in row.identities or []]
        row.used_at, row.participant_id, row.order_id, row.identities = now, participant_id, order_id, None
        row.save(update_fields=["used_at", "participant_id", "order_id", "identities"])
    return found


def _unproven() -> Unproven:
    # One sentence for all: whether a reference exists is nobody's business.
    return Unproven(TOKEN_INVALID, "The link reference is unknown, was used, or is older than ten minutes.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


_INSTANTS = ("auth_time", "expires_at")


def _written(proven: Proven) -> dict[str, Any]:
    said = asdict(proven)
    return said | {name: said[name].isoformat() for name in _INSTANTS if said[name]}


def _read(said: dict[str, Any]) -> Proven:
    instants = {name: datetime.fromisoformat(said[name]) for name in _INSTANTS if said[name]}
    lists = {name: tuple(said[name]) for name in ("amr", "meter_ids", "utility_customer_ids")}
    return Proven(**{**said, **instants, **lists})
