"""The journal's lines with their chain and seals, as the sequencer would have linked them: five lines per enrolment.

The canonical text that is hashed is written by hand here, a few times faster than by `chain.canonical`; the first line
of every kind is held against the product's own arithmetic, and `audit verify` walks the whole afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from audit import chain, seals, sequencer
from audit.models import Event, Link, Seal
from audit.signer import signer
from tests.bench.population import plan as who
from tests.bench.population.copying import Connection, load, without_indexes
from tests.bench.population.plan import OFFSET, Plan, spelled

PER_ENROLLMENT = 5
_EVENT = (
    "id public_id at recorded_at action actor_kind actor_id channel on_behalf_of subject object_type object_id"
    " before_digest after_digest details"
)


def load_journal(connection: Connection, plan: Plan) -> None:
    """Append to what is there already (linked first, so that the chain goes on from its head)."""
    while sequencer.link_events(plan.now):
        pass
    head = Link.objects.order_by("-seq").first()
    chained = _Chain(head.seq if head else 0, bytes(head.hash) if head else chain.GENESIS, plan)
    with without_indexes(connection, Event, Link):
        load(connection, Event, _EVENT, chained.lines())
        # Two walks over the same arithmetic: hashing twice is cheaper than keeping five million links meanwhile.
        load(connection, Link, "seq event_id prev_hash hash linked_at", chained.links())
    _seal(plan, chained)
    sequencer.link_events(plan.now)  # what signing the seals has journalled


class _Chain:
    """The lines and links from a head on."""

    def __init__(self, seq: int, last: bytes, plan: Plan) -> None:
        self.seq, self.last, self.plan = seq, last, plan
        self.first_id = OFFSET + 1
        self.days: list[tuple[datetime, int]] = []  # midnight, the last place before it

    def lines(self) -> Iterator[str]:
        for number, at, fields in self._lines():
            action, kind, actor, channel, behalf, subject, of, object_id, after, details = fields
            yield (
                f"{OFFSET + number}\t{who.line_id_text(number)}\t{at}\t{at}\t{action}\t{kind}\t{actor}\t{channel}"
                f"\t{behalf}\t{subject}\t{of}\t{object_id}\t\t{after}\t{details}"
            )

    def links(self) -> Iterator[str]:
        seq, last, sha256, seen = self.seq, self.last, hashlib.sha256, set()
        midnight = datetime.combine(self.plan.begin.date() + timedelta(days=1), time(), self.plan.now.tzinfo)
        midnight_text = spelled(midnight)
        for number, at, fields in self._lines():
            action, kind, actor, channel, behalf, subject, of, object_id, after, details = fields
            if at >= midnight_text:
                self.days.append((midnight, seq))
                while at >= midnight_text:
                    midnight += timedelta(days=1)
                    midnight_text = spelled(midnight)
            seq += 1
            text = (
                f'{{"event":{{"action":"{action}","actor_id":"{actor}","actor_kind":"{kind}","after_digest":"{after}"'
                f',"at":"{at}","before_digest":"","channel":"{channel}","details":{details},"id":{OFFSET + number}'
                f',"object_id":"{object_id}","object_type":"{of}","on_behalf_of":"{behalf}"'
                f',"public_id":"{who.line_id_text(number)}","recorded_at":"{at}","subject":"{subject}"}},"seq":{seq}}}'
            )
            following = sha256(last + text.encode()).digest()
            if (action, kind) not in seen:
                seen.add((action, kind))
                self._hold_against_the_product(number, at, fields, seq, last, following)
            yield f"{seq}\t{OFFSET + number}\t\\\\x{last.hex()}\t\\\\x{following.hex()}\t{at}"
            last = following
        self.days.append((midnight, seq))

    def _hold_against_the_product(
        self, number: int, at: str, fields: tuple[str, ...], seq: int, last: bytes, ours: bytes
    ) -> None:
        action, kind, actor, channel, behalf, subject, of, object_id, after, details = fields
        moment = datetime.fromisoformat(at)
        row: dict[str, Any] = {
            "public_id": who.line_id(number),
            "at": moment,
            "recorded_at": moment,
            "action": action,
            "actor_kind": kind,
            "actor_id": actor,
            "channel": channel,
            "on_behalf_of": behalf,
            "subject": subject,
            "object_type": of,
            "object_id": object_id,
            "before_digest": "",
            "after_digest": after,
            "details": json.loads(details),
        }
        entry = sequencer.entry(OFFSET + number, [row[name] for name in sequencer.COLUMNS])
        if chain.link_hash(last, seq, entry.fields) != ours:
            raise AssertionError(f"the generated {action} is hashed otherwise than by the sequencer")

    def _lines(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        plan, known, at = self.plan, 0, ""
        for number in range(1, plan.lines + 1):
            n = min((number - 1) // PER_ENROLLMENT + 1, plan.enrollments)
            if n != known:
                known, at = n, spelled(plan.enrolled_at(n))
            yield number, at, _fields(plan, n, (number - 1) % PER_ENROLLMENT)


def _fields(plan: Plan, n: int, step: int) -> tuple[str, ...]:
    """Action, kind and id of the actor, channel, on behalf of, subject, object's type and id, digest, details."""
    channel = who.channel(n)
    subject = who.subject(n)
    if channel == "EA":
        actor = ("AGENCY", who.agency(n), channel, subject)
        acted = f'"mandate":"mandate-{n}","operator":"{who.operator(n)}",'
    else:
        actor, acted = ("PARTICIPANT", who.one_of(who.BAPS, n), channel, ""), ""
    if step == 0:
        return (
            "case.ready",
            *actor,
            subject,
            "case",
            str(OFFSET + n),
            "",
            f'{{{acted}"state":"READY"}}',
        )
    if step == 1:
        number = who.order_number(plan, n)
        details = f'{{{acted}"order_number":"{number}","version":1}}'
        return ("enrollment.confirmed", *actor, subject, "enrollment", who.enrollment(n), "", details)
    if step == 2:
        details = f'{{{acted}"types":["DATA_COLLECTION"]}}'
        return ("consent.granted", *actor, subject, "enrollment", who.enrollment(n), "", details)
    if step == 3:
        details = '{"kind":"ENROLLMENT"}'
        system = ("SYSTEM", "system", "SYSTEM", "")
        return ("credential.issued", *system, subject, "IssuedCredential", who.credential(n, 1), "", details)
    return _other(plan, n, subject)


def _other(plan: Plan, n: int, subject: str) -> tuple[str, ...]:
    """The fifth line: how it ended where it did, else what else happens on such a day."""
    state = plan.state(n)
    staff = ("STAFF", who.one_of(who.STAFF, n), "CONSOLE", "")
    if state == "CANCELLED":
        return (
            "enrollment.cancelled",
            *staff,
            subject,
            "enrollment",
            who.enrollment(n),
            "",
            '{"reason":"CUSTOMER"}',
        )
    if state == "SUSPENDED":
        system = ("SYSTEM", "system", "SYSTEM", "")
        details = '{"reason":"CONSENT_REVOKED"}'
        return ("enrollment.suspended", *system, subject, "enrollment", who.enrollment(n), "", details)
    kind = n % 50
    if kind < 4:
        details = '{"action":"init","code":"TIMESTAMP_IN_FUTURE","path":"context.timestamp","status":400}'
        return ("message.refused", "PARTICIPANT", who.one_of(who.BAPS, n), "SYSTEM", "", "", "message", "", "", details)
    if kind == 5:
        details = '{"fields":["name"],"reason":"CUSTOMER_CALLED"}'
        return ("pii.read", *staff, subject, "enrollment", who.enrollment(n), "", details)
    if kind == 6:
        return ("login", *staff, "", "", "", "", '{"door":"console"}')
    if kind == 7:
        system = ("SYSTEM", "system", "SYSTEM", "")
        return ("list.published", *system, "", "StatusList", "1", "", '{"purpose":"revocation"}')
    system = ("SYSTEM", "system", "SYSTEM", "")
    return ("enrollment.activated", *system, subject, "enrollment", who.enrollment(n), "", '{"code":""}')


def _seal(plan: Plan, chained: _Chain) -> None:
    """A seal for each day that is over, each naming the one before."""
    previous = Seal.objects.order_by("day").last()
    today = plan.now.date()
    for midnight, seq in chained.days:
        day = midnight.date() - timedelta(days=1)
        if day >= today or seq < 1:
            continue
        head = Link.objects.get(seq=seq)
        statement = chain.canonical(seals.statement_of(day, head, previous, midnight)).decode()
        signature = signer().sign(statement.encode(), now=plan.now)
        previous = Seal.objects.create(
            day=day,
            last_seq=seq,
            statement=statement,
            kid=signature.kid,
            signature=signature.value,
            signed_at=midnight + timedelta(minutes=1),
        )
