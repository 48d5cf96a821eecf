"""What this room keeps of people, and how long: messages, and what was sealed in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from beckn.models import Inbox, Outbox, State
from identity import keeping
from identity.keeping import Ground, How, Kind, Person, Room, Section

MINUTE = timedelta(minutes=1)
OVER = (State.DONE, State.DROPPED)
#: Messages of one person in a copy, the newest.
MOST_MESSAGES = 500


def wipe_sealed(now: datetime) -> int:
    """Wipe a batch of sealed values that are older than a day (decision 27); the caller has a transaction open."""
    before = now - timedelta(hours=settings.RETENTION_SEALED_HOURS)
    received = Inbox.objects.filter(sealed__isnull=False, received_at__lt=before)
    to_send = Outbox.objects.filter(sealed__isnull=False, created_at__lt=before)
    return keeping.wipe(received, sealed=None) + keeping.wipe(to_send, sealed=None)


def forget_received(now: datetime) -> int:
    """Delete a batch of old messages that came; the caller has a transaction open."""
    before = now - timedelta(days=settings.RETENTION_INBOX_DAYS)
    return keeping.delete(Inbox.objects.filter(received_at__lt=before, state__in=OVER).order_by("received_at"))


def forget_sent(now: datetime) -> int:
    """Delete a batch of old messages that went out; the caller has a transaction open."""
    before = now - timedelta(days=settings.RETENTION_OUTBOX_DAYS)
    return keeping.delete(Outbox.objects.filter(created_at__lt=before, state__in=OVER).order_by("created_at"))


def _oldest_sealed() -> datetime | None:
    moments = (
        keeping.first(Inbox.objects.filter(sealed__isnull=False), "received_at"),
        keeping.first(Outbox.objects.filter(sealed__isnull=False), "created_at"),
    )
    return min((each for each in moments if each is not None), default=None)


KINDS = (
    Kind(
        code="beckn.secrets",
        name=_("Secrets in messages: tokens, codes, credentials, names and numbers"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the message came or was written; once it is dealt with, at once"),
        period=lambda: timedelta(hours=settings.RETENTION_SEALED_HOURS),
        covers=("beckn.inbox.sealed", "beckn.outbox.sealed"),
        stays=_("The message without them."),
        let_go=wipe_sealed,
        oldest=_oldest_sealed,
        every=MINUTE,
    ),
    Kind(
        code="beckn.received",
        name=_("Messages that came, and what staff noted about them"),
        ground=Ground.PROOF,
        how=How.DELETE,
        since=_("the message came; one that is stuck is kept until somebody gives it up"),
        period=keeping.days("RETENTION_INBOX_DAYS"),
        covers=("beckn.messagenote.note",),
        let_go=forget_received,
        oldest=lambda: keeping.first(Inbox.objects.all(), "received_at"),
    ),
    Kind(
        code="beckn.sent",
        name=_("Messages that went out, and what staff noted about them"),
        ground=Ground.PROOF,
        how=How.DELETE,
        since=_("the message was written; one that is stuck is kept until somebody gives it up"),
        period=keeping.days("RETENTION_OUTBOX_DAYS"),
        covers=("beckn.messagenote.note",),
        let_go=forget_sent,
        oldest=lambda: keeping.first(Outbox.objects.all(), "created_at"),
    ),
)


# --- one person ------------------------------------------------------------------------------------------------------


def _received(person: Person) -> QuerySet[Inbox]:
    return Inbox.objects.filter(transaction_id__in=person.transactions)


def _sent(person: Person) -> QuerySet[Outbox]:
    return Outbox.objects.filter(transaction_id__in=person.transactions)


def _held(person: Person) -> Iterable[Section]:
    came = [_row(each, each.received_at) for each in _received(person).defer("sealed").order_by("-pk")[:MOST_MESSAGES]]
    went = [_row(each, each.created_at) for each in _sent(person).defer("sealed").order_by("-pk")[:MOST_MESSAGES]]
    yield Section("Messages about your applications that reached us", came)
    yield Section("Messages about your applications that we sent", went)


def _row(each: Inbox | Outbox, at: datetime) -> Mapping[str, Any]:
    # Not what it says: others choose transaction ids, and one may have been used for two people.
    return {"when": at, "what": each.action, "id": each.message_id, "from": each.sender_id}


def _erase(person: Person, now: datetime) -> Mapping[str, int]:
    """Messages that still have to be dealt with are: they go when their time is over."""
    done = 0
    for rows in (_sent(person), _received(person)):
        while found := keeping.delete(rows.filter(state__in=OVER), waits=True):
            done += found
    return {"MESSAGE": done}


ROOM = Room("beckn", KINDS, held=_held, erase=_erase)
