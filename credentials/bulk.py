"""Acts on many credentials: the set is frozen when it is asked for, and worked off batch by batch.

An act is a row with batches of ids; the journal has one line for each batch, with the digest of its ids. A worker
takes a batch by a lease, does it wholly in one transaction or not at all, and goes on: whoever is killed leaves a
lease that runs out. Any number of workers may work on one act. Batches follow the status lists, so that a list
changes in as few publications as can be.
Source: spec credentials.md 3, decisions 29 and 51; docs/decisions/bulk-acts.md.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Func, IntegerField, OuterRef, QuerySet, Sum
from django.utils.module_loading import import_string

from audit import log
from audit.aside import ring_on_commit
from audit.log import Action, Actor, ActorKind, Channel
from credentials import looks, publishing
from credentials.models import BulkAct, BulkBatch, BulkKind, IssuedCredential, Purpose, StatusChange

logger = logging.getLogger(__name__)

TASK = "credentials.tasks.work_off"
SLICE_SECONDS = 1.0
#: Ids in a batch: about what one transaction does in half a second.
BATCH_SIZES: Mapping[str, int] = {
    BulkKind.REVOKE: 2000,
    BulkKind.SUSPEND: 2000,
    BulkKind.RESUME: 2000,
    BulkKind.RESIGN: 200,
    BulkKind.END: 200,
    BulkKind.PAUSE: 200,
    BulkKind.GO_ON: 200,
    BulkKind.TELL: 50,
}
#: How long a second person has to approve an act that needs one.
APPROVE_WITHIN = timedelta(days=7)
#: How soon a batch that could not be done now is looked at again.
LATER = timedelta(seconds=1)


@dataclass(frozen=True)
class Done:
    """What a batch changed: how many of its ids (the others were so already), and which status lists."""

    changed: int = 0
    lists: Collection[int] = ()


class NotNow(Exception):
    """A batch cannot be done at the moment, and nothing is wrong: it is tried again in a second."""


#: Does a batch, inside the transaction that marks it done.
Step = Callable[[], Done]
#: Gets a batch ready, with no transaction open (signing may be far away), and returns the step that writes it.
Doer = Callable[[BulkBatch, datetime], Step]


@dataclass(frozen=True)
class Progress:
    """How far an act is, and what it owes to others: ids looked at and changed, and of how many others are told."""

    act: BulkAct
    batches: int
    batches_done: int
    looked_at: int
    changed: int
    to_tell: int
    told: int

    @property
    def is_over(self) -> bool:
        """Whether everything is done, published and told."""
        return self.act.finished_at is not None and self.told == self.to_tell


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(
    ids: Iterable[UUID],
    *,
    kind: str,
    reason: str,
    source: str,
    actor: Actor,
    now: datetime,
    due_at: datetime | None = None,
    options: Mapping[str, Any] | None = None,
    asked_by: str = "",
) -> BulkAct:
    """Freeze the set and ask for the act, in one transaction; a worker begins at `due_at` (now).

    `asked_by` is the person who asks where a second one has to approve (`approve`): nothing is due before that.
    An id named twice counts once. Raises IssuedCredential.DoesNotExist for an unknown one: nothing is asked then.
    """
    wanted = set(ids)
    manifest = _in_order_of_lists(wanted)
    if len(manifest) < len(wanted):
        raise IssuedCredential.DoesNotExist(f"no credential {min(wanted - set(manifest))}")
    with transaction.atomic():
        act = BulkAct.objects.create(
            kind=kind,
            source=source[:300],
            reason=reason[:200],
            actor_kind=str(actor.kind),
            actor_id=actor.id,
            asked_at=now,
            due_at=None if asked_by else due_at or now,
            asked_by=asked_by,
            approve_until=now + APPROVE_WITHIN if asked_by else None,
            count=len(manifest),
            digest=digest_of(manifest),
            options=dict(options or {}),
        )
        BulkBatch.objects.bulk_create(
            BulkBatch(act=act, number=number, ids=part, digest=digest_of(part))
            for number, part in enumerate(_parts(manifest, BATCH_SIZES[kind]), start=1)
        )
        if kind != BulkKind.TELL:  # that one is owed because of another act, which has its lines
            _journal(Action.BULK_ASKED, act, actor, now, {"digest": act.digest, "count": act.count})
        ring_on_commit(TASK)
    return act


class NotWaiting(Exception):
    """The act does not wait for a second person: it was approved, refused, its time is over, or it never needed one."""


class NotAnotherPerson(Exception):
    """Whoever asked for an act cannot approve it."""


class OtherSet(Exception):
    """What was approved is not what was asked for: the digests differ."""


def approve(act_id: UUID, *, by: str, digest: str, actor: Actor, now: datetime) -> BulkAct:
    """Let an act begin: another person has looked at the set with this digest. Caller's transaction is joined.

    Raises NotWaiting, NotAnotherPerson, OtherSet; the database refuses the same by its constraints.
    """
    with transaction.atomic():
        act = _waiting(act_id, now)
        if not by or by == act.asked_by:
            raise NotAnotherPerson
        if digest != act.digest:
            raise OtherSet
        act.approved_by, act.approved_at, act.approved_digest, act.due_at = by, now, digest, now
        act.save(update_fields=["approved_by", "approved_at", "approved_digest", "due_at"])
        _journal(Action.BULK_APPROVED, act, actor, now, {"digest": act.digest, "count": act.count})
        ring_on_commit(TASK)
    return act


def refuse(act_id: UUID, *, by: str, reason: str, actor: Actor, now: datetime) -> BulkAct:
    """Refuse an act that waits, or take back one's own; `reason` is a code. Raises NotWaiting."""
    with transaction.atomic():
        act = _waiting(act_id, now)
        act.refused_by, act.refused_at, act.refusal_reason = by, now, reason[:60]
        act.save(update_fields=["refused_by", "refused_at", "refusal_reason"])
        _journal(Action.BULK_REFUSED, act, actor, now, {"digest": act.digest, "refusal": act.refusal_reason})
    return act


def _waiting(act_id: UUID, now: datetime) -> BulkAct:
    act = BulkAct.objects.select_for_update().get(pk=act_id)
    if act.approve_until is None or act.approve_until <= now or act.approved_at or act.refused_at:
        raise NotWaiting
    return act


def to_approve(now: datetime) -> QuerySet[BulkAct]:
    """The acts that wait for a second person, those that wait longest first."""
    waiting = BulkAct.objects.filter(approve_until__gt=now, approved_at=None, refused_at=None)
    return waiting.order_by("approve_until")


def owe(act: BulkAct, ids: Iterable[UUID], *, now: datetime) -> None:
    """Ask for the holders of these credentials to be told of the act. Belongs into the transaction of what it did."""
    ask(ids, kind=BulkKind.TELL, reason=act.kind, source=owed_by(act), actor=actor_of(act), now=now)


def digest_of(ids: Iterable[UUID]) -> str:
    """Return SHA-256 (hex) over the ids in order, each with a line feed: that of a file with one id a line."""
    return hashlib.sha256("".join(f"{each}\n" for each in ids).encode()).hexdigest()


def manifest_of(act: BulkAct) -> Iterator[UUID]:
    """Yield the act's ids in the order its digest is of."""
    for ids in act.batches.order_by("number").values_list("ids", flat=True).iterator(chunk_size=20):
        yield from ids


def acts_on(credential_id: UUID) -> list[BulkAct]:
    """Return the acts whose manifest names a credential, oldest first. Reads every manifest."""
    naming = BulkBatch.objects.filter(act=OuterRef("pk"), ids__contains=[credential_id])
    return list(BulkAct.objects.filter(Exists(naming)).exclude(kind=BulkKind.TELL).order_by("asked_at"))


def progress_of(act_id: UUID) -> Progress:
    """Return how far an act is; raises BulkAct.DoesNotExist."""
    act = BulkAct.objects.get(pk=act_id)
    owed = BulkBatch.objects.filter(act__kind=BulkKind.TELL, act__source=owed_by(act))
    done = act.batches.filter(done_at__isnull=False)
    return Progress(
        act=act,
        batches=act.batches.count(),
        batches_done=done.count(),
        looked_at=_ids_in(done),
        changed=done.aggregate(total=Sum("changed"))["total"] or 0,
        to_tell=_ids_in(owed),
        told=_ids_in(owed.filter(done_at__isnull=False)),
    )


def owed_by(act: BulkAct) -> str:
    """The `source` of what an act owes to others."""
    return f"act:{act.pk}"


def actor_of(act: BulkAct) -> Actor:
    """Who asked, as the journal names them."""
    return Actor(ActorKind(act.actor_kind), act.actor_id, Channel.BULK)


def _in_order_of_lists(ids: Collection[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        # One array, not a parameter for each: a statement takes 65,535 of those.
        cursor.execute(
            "SELECT id FROM issued_credentials WHERE id = ANY(%s::uuid[]) ORDER BY status_list_id, id", [list(ids)]
        )
        return [row[0] for row in cursor.fetchall()]


def _parts(ids: Sequence[UUID], size: int) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def _ids_in(batches: QuerySet[BulkBatch]) -> int:
    length = Func("ids", function="cardinality", output_field=IntegerField())
    return int(batches.aggregate(total=Sum(length))["total"] or 0)


# --- working ---------------------------------------------------------------------------------------------------------


def work(now: datetime, *, seconds: float = SLICE_SECONDS) -> int:
    """Work off due batches for about so long; return how many were done, and how many acts finished.

    Safe in any number of processes at once.
    """
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        batch = _take(now)
        if batch is None:
            return count + _finish(now)
        count += _do(batch, now)
    return count


def is_due(now: datetime) -> bool:
    """Whether any act that is not finished may be worked on."""
    return BulkAct.objects.filter(finished_at=None, due_at__lte=now).exists()


# Small acts first: nobody's one credential waits for a campaign. What is owed to others comes last: a revocation that
# can be seen is worth more than the news of it.
_TAKE = """
UPDATE bulk_batches SET leased_until = %(until)s WHERE id = (
  SELECT b.id FROM bulk_acts a JOIN bulk_batches b ON b.act_id = a.id
   WHERE a.finished_at IS NULL AND a.due_at <= %(now)s
     AND b.done_at IS NULL AND (b.leased_until IS NULL OR b.leased_until <= %(now)s)
   ORDER BY a.kind = 'TELL', a.count, a.due_at, a.id, b.number LIMIT 1 FOR UPDATE OF b SKIP LOCKED
) RETURNING *
"""


def _take(now: datetime) -> BulkBatch | None:
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    found = list(BulkBatch.objects.raw(_TAKE, {"now": now, "until": until}))
    return found[0] if found else None


def _do(batch: BulkBatch, now: datetime) -> int:
    """Do a batch whose lease we hold; 0 where it was done by somebody else, cannot be done now, or failed."""
    try:
        step = _doer(batch.act)(batch, now)
        with transaction.atomic():
            done = _write(batch, step, now)
        return done + _finish(now, pk=batch.act_id)
    except NotNow:
        BulkBatch.objects.filter(pk=batch.pk, done_at=None).update(leased_until=now + LATER)
    except Exception:  # the lease runs out and the batch is tried again; the others must not wait for it
        logger.exception("a batch could not be done", extra={"act": str(batch.act_id), "batch": batch.number})
    return 0


def _write(batch: BulkBatch, step: Step, now: datetime) -> int:
    mine = BulkBatch.objects.select_for_update().filter(pk=batch.pk, done_at=None)
    if not mine.values_list("pk", flat=True):
        return 0  # our lease ran out, and another worker was faster
    done = step()
    BulkBatch.objects.filter(pk=batch.pk).update(
        done_at=now, changed=done.changed, lists=sorted(done.lists), leased_until=None
    )
    action = _ACTIONS.get(batch.act.kind)
    if action is not None:
        details = {"batch": batch.number, "digest": batch.digest, "count": len(batch.ids), "changed": done.changed}
        _journal(action, batch.act, actor_of(batch.act), now, details)
    return 1


def _finish(now: datetime, **which: Any) -> int:
    """Publish what the acts without an open batch have changed, and mark them finished; return how many."""
    is_open = BulkBatch.objects.filter(act=OuterRef("pk"), done_at=None)
    acts = BulkAct.objects.filter(finished_at=None, due_at__lte=now, **which)
    return sum(_finish_one(act, now) for act in acts.exclude(Exists(is_open)))


def _finish_one(act: BulkAct, now: datetime) -> bool:
    lists = {each for batch in act.batches.values_list("lists", flat=True) for each in batch}
    try:
        publishing.ensure_published(lists)
    except publishing.NotPublished:
        return False  # the changes are kept, and the next second tries again
    with transaction.atomic():
        if not BulkAct.objects.filter(pk=act.pk, finished_at=None).update(finished_at=now):
            return False
        if act.kind == BulkKind.RESIGN:  # only now: nobody is to be told of one half of what they hold
            owe(act, manifest_of(act), now=now)
        if act.kind != BulkKind.TELL:
            changed = act.batches.aggregate(total=Sum("changed"))["total"] or 0
            details = {"digest": act.digest, "count": act.count, "changed": changed, "lists": sorted(lists)}
            _journal(Action.BULK_FINISHED, act, actor_of(act), now, details)
            if act.approve_until is not None:
                looks.ask_about(act, sorted(lists), now=now)
    return True


#: The journal's word for what a batch did; what is owed to others is told by their own messages.
_ACTIONS: Mapping[str, Action] = {
    BulkKind.REVOKE: Action.CREDENTIAL_REVOKED,
    BulkKind.SUSPEND: Action.CREDENTIAL_SUSPENDED,
    BulkKind.RESUME: Action.CREDENTIAL_RESUMED,
    BulkKind.RESIGN: Action.CREDENTIAL_RESIGNED,
    BulkKind.END: Action.CREDENTIAL_REVOKED,
    BulkKind.PAUSE: Action.CREDENTIAL_SUSPENDED,
    BulkKind.GO_ON: Action.CREDENTIAL_RESUMED,
}


def _journal(action: Action, act: BulkAct, actor: Actor, now: datetime, details: Mapping[str, Any]) -> None:
    about = {"kind": act.kind, "source": act.source, "reason": act.reason, **details}
    log.record(action, actor=actor, at=now, object_type="BulkAct", object_id=str(act.pk), details=about)


# --- doing -----------------------------------------------------------------------------------------------------------


def _doer(act: BulkAct) -> Doer:
    if act.kind in _CHANGES:
        return lambda batch, now: partial(change, batch.ids, kind=act.kind, at=now, reason=act.reason)
    if act.kind == BulkKind.RESIGN:
        doer: Doer = import_string("credentials.resigning.work")  # it signs, and so stands above this module
        return doer
    owner: Doer = import_string(settings.BULK_DOERS[act.kind])
    return owner


_CHANGES: Mapping[str, tuple[str, str, str]] = {
    BulkKind.REVOKE: (
        "revoked_at = %(at)s, revocation_reason = %(reason)s, revoke_at = NULL, revoke_at_reason = ''",
        "revoked_at IS NULL",
        Purpose.REVOCATION,
    ),
    BulkKind.SUSPEND: ("suspended_at = %(at)s", "revoked_at IS NULL AND suspended_at IS NULL", Purpose.SUSPENSION),
    BulkKind.RESUME: ("suspended_at = NULL", "revoked_at IS NULL AND suspended_at IS NOT NULL", Purpose.SUSPENSION),
}


def change(ids: Sequence[UUID], *, kind: str, at: datetime, reason: str = "") -> Done:
    """Revoke, suspend or resume credentials with one UPDATE, their lists marked for publication. Caller's transaction.

    No journal line: the caller writes one for all. What is so already stays as it is, unknown ids are passed over.
    """
    what, where, purpose = _CHANGES[kind]
    named: dict[str, Any] = {"ids": list(ids), "at": at, "reason": reason[:200] or "unspecified"}
    with connection.cursor() as cursor:
        # Locked in the order of the ids first, as everywhere: acts over the same credentials wait for each other.
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM issued_credentials WHERE id = ANY(%(ids)s::uuid[])"
            " ORDER BY id FOR NO KEY UPDATE) AS held",
            named,
        )
        cursor.execute(
            f"UPDATE issued_credentials SET {what} WHERE id = ANY(%(ids)s::uuid[]) AND {where}"  # noqa: S608 - ours
            " RETURNING status_list_id",
            named,
        )
        touched = [row[0] for row in cursor.fetchall()]
    lists = sorted(set(touched))
    StatusChange.objects.bulk_create(StatusChange(status_list_id=pk, purpose=purpose, at=at) for pk in lists)
    return Done(len(touched), lists)
