"""Writing one message into the Outbox: secrets sealed, a worker rung on commit. Knows no profile and no handler."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from beckn import sealing
from beckn.models import Outbox, Participant, State
from beckn.nudge import nudge_on_commit

TTL = "PT30S"
GIVE_UP_AFTER = timedelta(hours=24)
DELIVER = "beckn.tasks.deliver_outbox"
ENOUGH_TO_READ = 100


def has_room(bap_id: str, now: datetime) -> bool:
    """Whether few messages wait for this participant, so that news of a campaign holds up nobody's answer.

    For one that cannot be reached or is suspended nobody waits.
    """
    peer = Participant.objects.filter(subscriber_id=bap_id).first()
    if peer is None or peer.suspended_at is not None or (peer.held_until is not None and peer.held_until > now):
        return True
    waiting = Outbox.objects.filter(participant=peer, state=State.WAITING, due_at__lte=now)
    return len(waiting.values_list("pk", flat=True)[:ENOUGH_TO_READ]) < ENOUGH_TO_READ


def write(
    *,
    kind: str,
    participant: Participant,
    uri: str,
    context: Mapping[str, Any],
    body: Mapping[str, Any],
    secret_paths: Iterable[str],
    now: datetime,
    after_lists: Sequence[int | str | UUID] = (),
    in_answer_to: int | None = None,
) -> Outbox:
    """Insert one Outbox row, its secrets sealed, and ring for a worker on commit."""
    message = (
        {key: value for key, value in body.items() if key != "context"} if "message" in body else {"message": body}
    )
    whole = {"context": dict(context), **message}
    marked = sealing.credential_places(whole)
    whole = orjson.loads(orjson.dumps(whole, default=str))  # a copy to dig in, plain JSON values only
    holes, sealed = sealing.dig_holes(whole, secret_paths, marked)
    row = Outbox.objects.create(
        kind=kind,
        action=str(context["action"]),
        sender_id=str(context["bap_id"] if kind == Outbox.Kind.REQUEST else context["bpp_id"]),
        participant=participant,
        uri=uri,
        transaction_id=str(context["transaction_id"]),
        message_id=str(context["message_id"]),
        in_answer_to_id=in_answer_to,
        body=whole,
        holes=holes,
        sealed=sealed or None,
        after_lists=[each if isinstance(each, int) else str(each) for each in after_lists],
        created_at=now,
        due_at=now,
        give_up_at=now + GIVE_UP_AFTER,
    )
    nudge_on_commit(DELIVER, row.pk)
    return row
