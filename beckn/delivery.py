"""Sending one message: publish what it announces, complete it, sign exactly the bytes, post, read the answer.

At least once, always under the same message id. Backoff from 10 s to 1 h, given up after 24 h (design.md, step 14).
"""

import logging
import random
import re
from datetime import datetime, timedelta

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from audit import clock
from audit.log import SYSTEM, Action, Line, record_all
from beckn import contexts, identities, leases, sealing
from beckn.models import Outbox, Participant, State
from beckn.nacks import Answer, read_ack
from beckn.traces import named, trace
from credentials.publishing import ensure_published
from credentials.services import signed_jwt
from outbound import client as outbound

log = logging.getLogger(__name__)
_IN_A_HEADER = re.compile(r"[\x21-\x7e]{1,128}")
AT_ONCE = 4  # deliveries to one participant, over all workers
IN_A_ROW = 50  # messages to one participant that one worker sends before it looks at the others again
FIRST_WAIT, LONGEST_WAIT = 10, 3600
CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 5.0
MAX_ANSWER_BYTES = 64 * 1024
PATHS = {"catalog_publish": "publish"}  # where an address has another name than its action


def deliver(row: Outbox) -> None:
    """Send a row whose lease we hold, then what else is due for the same participant while that goes well."""
    for _ in range(IN_A_ROW):
        with named(row):
            taken = _deliver(row)
        if not taken:
            return
        due = leases.claim_next(Outbox, row.participant_id, now=clock.now(), seconds=settings.LEASE_SECONDS)
        if due is None:
            return
        row = due


def _deliver(row: Outbox) -> bool:
    """Return whether the peer took it."""
    now = clock.now()
    if now >= row.give_up_at:
        leases.release(row, due_at=row.give_up_at)
        give_up(now)
        return False
    try:
        answer, reached = _post(row, now)
    except Exception as problem:  # a list that cannot be published, a missing key: ours, and operators read of it
        log.error("a message could not be made ready", extra={"outbox": row.pk, "action": row.action} | trace(problem))
        answer, reached = Answer(taken=False, reason=f"not ready: {type(problem).__name__}"), True
    now = clock.now()
    if answer.taken:
        changes = {"state": State.DONE, "done_at": now, "sent_at": now, "sealed": None, "last_error": ""}
        leases.release(row, **changes)
        if row.participant.failures_in_a_row:
            _peer(row).update(failures_in_a_row=0, held_until=None)
        return True
    due = now + timedelta(seconds=wait_seconds(row.attempts))
    leases.release(row, due_at=due, last_error=answer.reason[:500], sent_at=now)
    if not reached:
        _hold(row, now)
    return False


def _post(row: Outbox, now: datetime) -> tuple[Answer, bool]:
    """Return what the peer said, and whether it could be reached at all."""
    _publish(row)
    url = address_of(row)
    if url is None:
        return Answer(taken=False, reason="the address is not under the registered URL"), True
    body = body_of(row)
    headers = {"Content-Type": "application/json", "Accept": "application/json", **_agency_of(row)}
    if settings.BECKN_MODE != "adapter":
        headers["Authorization"] = identities.sign(body, row.sender_id, now)
    try:
        response = outbound.post(
            url,
            body=body,
            headers=headers,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_bytes=MAX_ANSWER_BYTES,
            idempotent=True,  # under the same message id
        )
    except outbound.OutboundError as problem:
        return Answer(taken=False, reason=f"{type(problem).__name__}: {problem}"), False
    return read_ack(response.status, response.body), response.status < 500


def body_of(row: Outbox) -> bytes:
    """Return the bytes to be signed and sent, secrets and credentials put in."""
    return orjson.dumps(sealing.fill_holes(row.body, row.holes, row.sealed, signed_jwt))


def _agency_of(row: Outbox) -> dict[str, str]:
    """The header that names the agency, as the guide has it: the one that the signed body names (decision 48)."""
    found = row.body.get("message") or {}
    for step in ("order", "beckn:orderAttributes"):
        found = (found.get(step) or found.get(step.removeprefix("beckn:")) or {}) if isinstance(found, dict) else {}
    assisted = found.get("assistedBy") if isinstance(found, dict) else None
    agency_id = assisted.get("agencyId") if isinstance(assisted, dict) else None
    if row.kind != Outbox.Kind.REQUEST or not isinstance(agency_id, str) or not _IN_A_HEADER.fullmatch(agency_id):
        return {}
    return {"X-Enrollment-Agency-ID": agency_id}


def address_of(row: Outbox) -> str | None:
    """Return where the message goes, or None when that is not at or under the participant's registered URL."""
    path = PATHS.get(row.action, row.action)
    if settings.BECKN_MODE == "adapter":
        return f"{settings.BECKN_ADAPTER_URL.rstrip('/')}/{path}"
    if not contexts.is_under(row.uri, row.participant.url):
        return None
    return f"{row.uri.rstrip('/')}/{path}"


def wait_seconds(attempts: int) -> float:
    """Return how long to wait after this many attempts: 10 s doubling to 1 h, a tenth more or less."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** (max(1, attempts) - 1)) * random.uniform(0.9, 1.1)  # noqa: S311


def give_up(now: datetime) -> int:
    """Mark as stuck what could not be delivered in time; an operator sees it and may retry."""
    with transaction.atomic():
        # Locked: what another worker delivers or gives up at this moment is not told twice, or falsely.
        due = Outbox.objects.filter(state=State.WAITING, give_up_at__lte=now).exclude(lease_until__gt=now)
        locked = due.select_for_update(skip_locked=True).order_by("pk")
        stuck = list(locked.values_list("pk", "action", "last_error")[:1000])
        lines = [
            Line(
                Action.MESSAGE_STUCK,
                SYSTEM,
                now,
                object_type="outbox",
                object_id=str(pk),
                details={"action": action, "error": error[:200]},
            )
            for pk, action, error in stuck
        ]
        changed = Outbox.objects.filter(pk__in=[pk for pk, _, _ in stuck]).update(
            state=State.STUCK, lease=None, lease_until=None
        )
        record_all(lines)
    return changed


def _publish(row: Outbox) -> None:
    """A revocation is announced only when every verifier can see it (domain.md 2)."""
    if row.after_lists:
        ensure_published(row.after_lists)


def _hold(row: Outbox, now: datetime) -> None:
    """A peer that cannot be reached is left alone for a while; one message tries first when the time is over."""
    failures = row.participant.failures_in_a_row + 1
    until = now + timedelta(seconds=min(60.0, 2.0 * 2 ** min(failures, 5)))
    _peer(row).update(failures_in_a_row=F("failures_in_a_row") + 1, held_until=until)


def _peer(row: Outbox) -> QuerySet[Participant]:
    return Participant.objects.filter(pk=row.participant_id)
