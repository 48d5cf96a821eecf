"""Messages: init and confirm of the newest enrolments, each with the answer we sent; some stuck, some waiting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from beckn.models import Inbox, Outbox, Participant, ParticipantKey
from tests.bench.population import plan as who
from tests.bench.population.copying import Connection, load, without_indexes
from tests.bench.population.plan import OFFSET, Plan

ACTIONS = ("init", "confirm")
STUCK_EACH, REFUSED_EACH = 5_000, 20_000
PROFILE = "A"


def furnish(plan: Plan) -> None:
    """The participants that have sent them."""
    for number, name in enumerate(who.BAPS):
        participant = Participant.objects.create(
            pk=OFFSET + number,
            subscriber_id=name,
            type=Participant.Type.BAP,
            url=f"https://{name}/beckn",
            source="COMMAND",
            created_at=plan.begin,
            updated_at=plan.begin,
            suspended_at=plan.now if number == 0 else None,
        )
        ParticipantKey.objects.create(
            participant=participant,
            key_id="key-1",
            public_key="A" * 43 + "=",
            source="COMMAND",
            created_at=plan.begin,
            valid_until=plan.now + timedelta(days=number * 7),
        )


def load_messages(connection: Connection, plan: Plan) -> None:
    with without_indexes(connection, Inbox, Outbox):
        load(
            connection,
            Inbox,
            "id sender_id action message_id transaction_id participant_id profile key_id digest headers body"
            " received_at deadline state due_at attempts done_at last_error",
            _received(plan),
        )
        load(
            connection,
            Outbox,
            "id kind action sender_id participant_id uri transaction_id message_id in_answer_to_id body created_at"
            " give_up_at state due_at attempts done_at sent_at last_status last_error",
            _sent(plan),
        )


def _exchanges(plan: Plan) -> Iterator[tuple[int, int, str, datetime]]:
    """Key, enrolment, action, instant: the newest enrolments' two each, in the order they came."""
    pairs = plan.messages // 4
    for count in range(pairs):
        n = plan.enrollments - pairs + count + 1
        at = plan.enrolled_at(n)
        yield OFFSET + 2 * count + 1, n, ACTIONS[0], at - timedelta(seconds=60)
        yield OFFSET + 2 * count + 2, n, ACTIONS[1], at


def _received(plan: Plan) -> Iterator[str]:
    body = _body("%s", "%s", "%s")
    headers = '{"content-type": "application/json"}'
    for key, n, action, at in _exchanges(plan):
        index = scattered_bap(n)
        message = f"m-{action}-{n}"
        state = _state(key, at, plan)
        yield (
            f"{key}\t{who.BAPS[index]}\t{action}\t{message}\ttxn-{n}\t{OFFSET + index}\t{PROFILE}\tkey-1"
            f"\tBLAKE-512={n:020x}\t{headers}\t{body % (action, n, message)}\t{at}\t{at + timedelta(seconds=30)}"
            f"\t{state}"
        )


def _sent(plan: Plan) -> Iterator[str]:
    body = _body("on_%s", "%s", "%s")
    for key, n, action, at in _exchanges(plan):
        index = scattered_bap(n)
        message = f"m-{action}-{n}"
        done = at + timedelta(milliseconds=400 + who.scattered(n, 900))
        state, _, rest = _state(key + 1, at, plan).partition("\t")
        due, attempts, done_at, error = rest.split("\t")
        sent, status = (f"{done}", "200") if state == "DONE" else ("\\N", "503" if state == "STUCK" else "\\N")
        yield (
            f"{key}\tANSWER\ton_{action}\tbench.provider.example\t{OFFSET + index}\thttps://{who.BAPS[index]}/beckn"
            f"\ttxn-{n}\t{message}\t{key}\t{body % (action, n, message)}\t{at}\t{at + timedelta(days=1)}"
            f"\t{state}\t{due}\t{attempts}\t{done_at if state != 'DONE' else done}\t{sent}\t{status}\t{error}"
        )


def scattered_bap(number: int) -> int:
    return who.scattered(number, len(who.BAPS))


def _state(key: int, at: datetime, plan: Plan) -> str:
    """State, due_at, attempts, done_at, last_error."""
    if key % STUCK_EACH == 1:
        return f"STUCK\t{at}\t12\t\\N\tHTTP 503"
    if key % REFUSED_EACH == 2:
        # Not yet due for days: no worker of the bench takes it up.
        return f"WAITING\t{plan.now + timedelta(days=3)}\t1\t\\N\ttimeout"
    return f"DONE\t{at}\t1\t{at + timedelta(milliseconds=300)}\t"


def _body(*named: Any) -> str:
    action, number, message = named
    return (
        f'{{"context":{{"action":"{action}","domain":"energy.enrollment","transaction_id":"txn-{number}"'
        f',"message_id":"{message}"}},"message":{{"order":{{"beckn:id":"order"}}}}}}'
    )
