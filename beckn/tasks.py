"""What workers do: handle what came in, deliver what has to go out, and clean up. Rows are the truth (decision 29).

Every function is idempotent and safe to run in many processes at once. Celery tasks only make it sooner; `sweep_inbox`
and `sweep_outbox`, called every second, find whatever nobody announced.
"""

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from audit import clock
from audit.log import SYSTEM, Action, record
from beckn import delivery, leases, outgoing, registry, sealing, workers
from beckn.door import Door, LeaseLost
from beckn.messages import CALLBACKS, Received, received
from beckn.models import Inbox, Outbox, State
from beckn.nudge import bells_kept, nudge
from beckn.pools import Pool
from beckn.traces import named, trace

log = logging.getLogger(__name__)

AT_ONCE_PER_PARTICIPANT = 8
MAX_ATTEMPTS = 8
RETRY_SECONDS = (1, 2, 4, 8, 15, 30, 60)


@shared_task(name="beckn.tasks.process_inbox", ignore_result=True)
def process_inbox(inbox_id: int) -> None:
    """Handle one received message if it is due and nobody else has it."""
    # Bells are rung once a message, and a burst of one participant is handled by as many workers as there are.
    row = leases.claim_one(Inbox, inbox_id, now=clock.now(), seconds=settings.LEASE_SECONDS, each=1000)
    if row is None:
        return
    with bells_kept() as bells:
        _handle(row)
    for task, row_id in bells:
        # The answer leaves from here while a thread is idle: a way over the broker costs more than the delivery.
        if task != outgoing.DELIVER or not _outbox_pool.offer(partial(_claim_outbox, row_id)):
            nudge(task, row_id)


@shared_task(name="beckn.tasks.deliver_outbox", ignore_result=True)
def deliver_outbox(outbox_id: int) -> None:
    """Deliver one message if it is due and nobody else has it, then what else is due for the same participant."""
    row = _claim_outbox(outbox_id)
    if row is not None:
        delivery.deliver(row)


def _claim_outbox(outbox_id: int) -> Outbox | None:
    now = clock.now()
    return leases.claim_one(Outbox, outbox_id, now=now, seconds=settings.LEASE_SECONDS, each=delivery.AT_ONCE)


@shared_task(name="beckn.tasks.purge", ignore_result=True)
def purge(now: datetime | None = None) -> int:
    """Give up what waited too long, forget the registry's old answers and dead workers; return how many rows.

    What is kept no longer goes by `beckn.retention`.
    """
    at = now or clock.now()
    return delivery.give_up(at) + registry.forget_old(at) + workers.forget_old(at)


def sweep_inbox(now: datetime) -> int:
    """Start handling due messages that nobody handles; return how many were found. Does not wait for them."""
    return _inbox_pool.sweep()


def sweep_outbox(now: datetime) -> int:
    """The same for messages that have to go out."""
    return _outbox_pool.sweep()


def drain(now: datetime | None = None, *, rounds: int = 50) -> int:
    """Do everything that is due in this thread, until nothing is; for tests and commands. Returns how many rows."""
    count = 0
    for _ in range(rounds):
        at = now or clock.now()
        inbox = leases.claim(Inbox, now=at, seconds=settings.LEASE_SECONDS, most=20, each=20)
        for message in inbox:
            _handle(message)
        outbox = leases.claim(Outbox, now=at, seconds=settings.LEASE_SECONDS, most=20, each=20)
        for answer in outbox:
            delivery.deliver(answer)
        count += len(inbox) + len(outbox)
        if not inbox and not outbox:
            break
    return count


def _handle(row: Inbox) -> None:
    """Call the handler for a row whose lease we hold, with no transaction open."""
    with named(row):
        _do(row)


def _do(row: Inbox) -> None:
    if row.attempts > MAX_ATTEMPTS:  # it took the workers down with it
        _give_up(row, "too many attempts", clock.now())
        return
    try:
        body = sealing.put_back(row.body, row.sealed)
        message = received(row, row.participant, body)
        if row.action in CALLBACKS:
            _have_it_taken(message, row)
        else:
            _call_handler(message)
    except LeaseLost:
        log.warning("a message was answered by another worker meanwhile", extra={"inbox": row.pk})
    except Exception as problem:  # whatever a handler did not expect is retried, and then shown to an operator
        facts = {"inbox": row.pk, "action": row.action, "attempt": row.attempts}
        log.error("a handler failed", extra=facts | trace(problem))
        _retry(row, f"{type(problem).__name__}"[:500], clock.now())


def _call_handler(message: Received) -> None:
    from beckn.handlers import handle  # late: the rooms above the transport import it

    door = Door()
    handle(message, now=clock.now(), door=door)
    if not door.has_answered:
        raise RuntimeError(f"the handler of {message.action} returned without an answer")


def _have_it_taken(message: Received, row: Inbox) -> None:
    """Hand a callback to the portals, which lie above us; one that no portal wants is done."""
    door, now = Door(), clock.now()
    if settings.BECKN_CALLBACK_TAKER:
        import_string(settings.BECKN_CALLBACK_TAKER)(message, our_request=row.our_request, door=door, now=now)
    if not door.has_answered:
        with transaction.atomic():
            door.done(message, now=now)


def _retry(row: Inbox, error: str, now: datetime) -> None:
    """Try again soon, as long as the answer can still be in time, and three times in any case."""
    wait = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS)) - 1]
    due = now + timedelta(seconds=wait)
    if row.attempts < MAX_ATTEMPTS and (due < row.deadline or row.attempts < 3):
        leases.release(row, due_at=due, last_error=error)
        return
    _give_up(row, error, now)


def _give_up(row: Inbox, error: str, now: datetime) -> None:
    """Mark the message stuck for an operator and tell the sender that it was our fault (domain.md 6, INTERNAL)."""
    incident = str(uuid4())
    with transaction.atomic():
        changed = leases.release(row, state=State.STUCK, last_error=error, incident_id=incident)
        if not changed:
            return
        record(
            Action.MESSAGE_STUCK,
            actor=SYSTEM,
            at=now,
            object_type="inbox",
            object_id=str(row.pk),
            details={"action": row.action, "error": error, "incident": incident, "attempts": row.attempts},
        )
        if row.action not in CALLBACKS:
            Door().apologise(received(row, row.participant, row.body), incident, now=now)
    log.error("a message is stuck", extra={"inbox": row.pk, "action": row.action, "incident": incident})


def _claim_due_inbox(most: int) -> list[Inbox]:
    return leases.claim(Inbox, now=clock.now(), seconds=settings.LEASE_SECONDS, most=most, each=AT_ONCE_PER_PARTICIPANT)


def _claim_due_outbox(most: int) -> list[Outbox]:
    return leases.claim(Outbox, now=clock.now(), seconds=settings.LEASE_SECONDS, most=most, each=delivery.AT_ONCE)


_inbox_pool = Pool("inbox", settings.WORKER_THREADS, _claim_due_inbox, _handle)
_outbox_pool = Pool("outbox", 2 * settings.WORKER_THREADS, _claim_due_outbox, delivery.deliver)
