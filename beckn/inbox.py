"""One row per (sender, action, message id): taking a message, and what happens when it comes again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection
from django.db.models import F

from audit.log import Action, Actor, ActorKind, record
from beckn import limits, sealing
from beckn.contexts import Context
from beckn.door import secret_paths_out
from beckn.messages import CALLBACKS
from beckn.models import Inbox, Outbox, Participant, State
from beckn.nacks import Nack, NackCode
from beckn.nudge import nudge
from beckn.outgoing import DELIVER

PROCESS = "beckn.tasks.process_inbox"
RESEND_AFTER = timedelta(minutes=1)

# One statement instead of a transaction: the row is there and committed, or the message was taken before.
_INSERT = """
INSERT INTO beckn_inbox (sender_id, action, message_id, transaction_id, participant_id, profile, key_id, digest,
  headers, body, sealed, received_at, deadline, state, due_at, attempts, done_at, last_error, incident_id,
  our_request_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, '', '', %s)
ON CONFLICT (sender_id, action, message_id) DO NOTHING RETURNING id
"""


@dataclass(frozen=True)
class Incoming:
    """A message that passed every check and is not kept yet. `body` still holds its secrets."""

    action: str
    context: Context
    participant: Participant
    key_id: str
    digest: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def accept(message: Incoming, *, now: datetime) -> None:
    """Keep a request and ring for a worker. A duplicate is taken once; the same id with other bytes raises Nack."""
    row_id = _insert(message, now, state=State.WAITING)
    if row_id is not None:
        nudge(PROCESS, row_id)
        return
    _again(message, now)


def accept_callback(message: Incoming, *, our_request: Outbox | None, now: datetime) -> None:
    """Keep a callback to one of our portals and ring for a worker, who has the portal take it. As in `accept`."""
    row_id = _insert(message, now, state=State.WAITING, our_request=our_request)
    if row_id is not None:
        nudge(PROCESS, row_id)
        return
    _again(message, now)


def secret_paths_in(profile: Any) -> list[str]:
    return [f"**.{key}" for key in getattr(profile, "SECRET_KEYS_IN", ())]


def _insert(message: Incoming, now: datetime, *, state: str, our_request: Outbox | None = None) -> int | None:
    context = message.context
    # A callback to our portal has the secrets of an answer in it: the bytes of credentials, the links that open them.
    kept_apart = secret_paths_out() if message.action in CALLBACKS else secret_paths_in(context.profile)
    taken = sealing.take_out(message.body, kept_apart)
    sealed_field: Any = Inbox._meta.get_field("sealed")
    values = [
        context.sender_id,
        message.action,
        context.message_id,
        context.transaction_id,
        message.participant.pk,
        context.profile.NAME,
        message.key_id,
        message.digest,
        orjson.dumps(dict(message.headers)).decode(),
        orjson.dumps(message.body).decode(),
        sealed_field.close(taken) if taken else None,
        now,
        context.deadline,
        state,
        now,
        now if state == State.DONE else None,
        our_request.pk if our_request else None,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        found = cursor.fetchone()
    return int(found[0]) if found else None


def _again(message: Incoming, now: datetime) -> None:
    """Taken before: the same ACK for the same bytes, and at most once a minute its callback again. Each is counted."""
    context = message.context
    row = Inbox.objects.only("digest", "state").get(
        sender_id=context.sender_id, action=message.action, message_id=context.message_id
    )
    if row.digest != message.digest:
        words = "A message with this id was taken before, with other content; give a new message a new id."
        raise Nack(400, NackCode.DUPLICATE_MESSAGE_ID, words, "context.message_id")
    Inbox.objects.filter(pk=row.pk).update(repeats=F("repeats") + 1, repeated_at=now)
    _tell_journal(row, message, now)
    if row.state == State.DONE:
        _send_again(row, now)


def _tell_journal(row: Inbox, message: Incoming, now: datetime) -> None:
    """Write that a message came again, within budgets as refusals have: a peer that repeats itself fills no journal."""
    actor = Actor(ActorKind.PARTICIPANT, message.participant.subscriber_id)
    if limits.journal_of_source().take(now, f"again:{actor.id}") and limits.journal_of_all().take(now):
        details = {"action": message.action, "message_id": message.context.message_id}
        record(
            Action.MESSAGE_REPEATED, actor=actor, at=now, object_type="inbox", object_id=str(row.pk), details=details
        )


def _send_again(row: Inbox, now: datetime) -> None:
    """Only what was delivered goes out again; what was not is on its way already (decision 58)."""
    delivered = Outbox.objects.filter(
        in_answer_to=row, kind=Outbox.Kind.ANSWER, state=State.DONE, done_at__lte=now - RESEND_AFTER
    )
    for answer in list(delivered.values_list("pk", flat=True)):
        due = Outbox.objects.filter(pk=answer, state=State.DONE, done_at__lte=now - RESEND_AFTER)
        give_up = now + timedelta(hours=24)
        if due.update(state=State.WAITING, due_at=now, done_at=None, attempts=0, give_up_at=give_up):
            nudge(DELIVER, answer)
