"""What utilities are told and what they tell, from outside: Beckn on one side, the utility's addresses on the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.bap import http
from tests.customers import Block
from tests.journeys import Journey, Person, fulfillment_state
from tests.stack import Stack

pytestmark = pytest.mark.processes

CUSTOMERS = Block.UTILITY_NEWS.customers()
JSON = {"Content-Type": "application/json"}
T = TypeVar("T")


def somebody() -> Person:
    """A customer whom no other test knows."""
    name = next(CUSTOMERS)
    return Person(f"did:example:{name}", name, customer_id=f"CUST-{name}")


def happen(stack: Stack, kind: str, **more: Any) -> dict[str, Any]:
    """Let something happen at the utility."""
    asked = json.dumps({"kind": kind, **more}).encode()
    answer = http("POST", f"{stack.utility_url()}/happen", asked, JSON)
    assert answer.status == 200, answer.raw
    return dict(answer.body)


def soon(ask: Callable[[], T], is_it: Callable[[T], bool], *, seconds: float = 30.0) -> T:
    """Ask until the answer is the one; only a failing test waits so long."""
    until = time.monotonic() + seconds
    while not is_it(found := ask()):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def told(stack: Stack, umid: str) -> list[str]:
    """What billing knows of a meter, in the order it came."""
    found = http("GET", f"{stack.utility_url()}/told?umid={umid}").body["enrolments"]
    return [each["event"] for each in found]


def attributes(order: dict[str, Any]) -> dict[str, Any]:
    return dict(order["beckn:orderAttributes"])


def notice(journey: Journey) -> dict[str, Any]:
    """What on_status says of the utility."""
    (found,) = attributes(journey.ask(journey.status()))["utilityNotices"]
    return dict(found)


def unasked(journey: Journey, action: str, umid_state: str) -> dict[str, Any]:
    """The news that came by itself, once it has the state that is waited for."""

    def newest() -> dict[str, Any]:
        got = journey.bap.received(action, transaction_id=journey.transaction_id)
        return attributes(got[-1].message["order"]) if got else {}

    return soon(newest, lambda found: found.get("status") == umid_state)


def listed(stack: Stack, *words: str) -> Any:
    return json.loads(stack.manage("utility", *words, "--json").stdout)


def test_billing_that_is_down_keeps_nobody_from_enrolling_and_is_informed_later(stack: Stack) -> None:
    journey = Journey(stack, somebody())
    fault = f"{stack.utility_url()}/faults"
    http("POST", fault, b'{"system": "billing", "mode": "down", "seconds": 60}', JSON)
    try:
        enrollment_id = attributes(journey.enroll())["enrollmentId"]
        (waiting,) = soon(
            lambda: listed(stack, "notices", "--enrollment", enrollment_id), lambda rows: rows[0]["attempts"] > 0
        )
        assert (waiting["state"], waiting["event"]) == ("WAITING", "STARTED") and "billing" in waiting["problem"]
        assert notice(journey)["status"] == "NOT_YET"
    finally:
        http("POST", fault, b'{"system": "billing", "mode": "none"}', JSON)
    stack.manage("utility", "retry")
    soon(lambda: told(stack, journey.person.umid), lambda events: events == ["STARTED"])
    assert soon(lambda: notice(journey), lambda n: n["status"] == "INFORMED")["reference"].startswith("BILL-")
    journey.ask(journey.unenroll(enrollment_id))
    soon(lambda: told(stack, journey.person.umid), lambda events: events == ["STARTED", "ENDED"])


def test_who_moves_out_is_ended_and_the_new_holder_is_not_bound(stack: Stack) -> None:
    gone, comes = Journey(stack, somebody()), somebody()
    gone.enroll()
    change = happen(stack, "NEW_HOLDER", umid=gone.person.umid, subject=comes.did)
    assert change["broughtWithStatus"] == 200
    news = unasked(gone, "on_update", "CANCELLED")
    assert news["unenrollment"]["reason"] == "HOLDER_CHANGED"
    soon(lambda: told(stack, gone.person.umid), lambda events: events == ["STARTED", "ENDED"])
    soon(lambda: _written(stack, f"{gone.person.customer_id}@sandbox.example"), lambda got: "enrollment-ended" in got)
    comes.umid = gone.person.umid
    assert Journey(stack, comes).enroll()


def _written(stack: Stack, to: str) -> list[str]:
    """The templates of the messages that the utility has sent to somebody."""
    answer = http("GET", f"{stack.utility_url()}/outbox", headers={"Accept": "application/json"})
    return [each["template"] for each in answer.body["messages"] if each["to"] == to]


def test_a_change_that_is_only_in_the_feed_is_found_there_and_counts_once(stack: Stack) -> None:
    journey = Journey(stack, somebody())
    journey.enroll()
    change = happen(stack, "DISCONNECTION", umid=journey.person.umid, push=False)
    assert change["broughtWithStatus"] is None
    stack.manage("utility", "poll")
    suspension = unasked(journey, "on_status", "SUSPENDED")["suspension"]
    assert suspension["reason"] == "DISCONNECTED" and suspension["repairUntil"] > suspension["since"]
    again = happen(stack, "RECONNECTION", umid=journey.person.umid)
    stack.manage("utility", "poll")  # the same change once more, from the feed
    assert "suspension" not in unasked(journey, "on_status", "ACTIVE")
    mine = [row for row in listed(stack, "changes") if row["umid"] == journey.person.umid]
    kept = [(row["changeId"], row["cameBy"], row["outcome"], row["enrollments"]) for row in mine]
    assert kept == [
        (again["changeId"], "WEBHOOK", "RESUMED", 1),
        (change["changeId"], "POLL", "SUSPENDED", 1),
    ]
    soon(lambda: told(stack, journey.person.umid), lambda events: events == ["STARTED", "SUSPENDED", "RESUMED"])


def test_a_meter_replaced_between_init_and_confirm_is_the_same_meter(stack: Stack) -> None:
    journey = Journey(stack, somebody())
    umid = journey.person.umid
    prepared = journey.ask(journey.init())
    assert fulfillment_state(prepared) == "PENDING_CONFIRM"
    happen(stack, "METER_EXCHANGE", umid=umid, newNumber=f"NEW-{umid}")
    confirmed = journey.ask(journey.confirm())
    assert confirmed["beckn:status"] == "CONFIRMED", confirmed
    numbers = stack.sql(
        "SELECT n.number, upper_inf(n.valid) FROM meter_numbers n JOIN meters m ON m.id = n.meter_id"
        " WHERE m.umid = %s ORDER BY upper_inf(n.valid)",
        umid,
    )
    assert numbers == [(f"MTR-{umid}", False), (f"NEW-{umid}", True)]
    # The exchange that the utility has announced meanwhile finds the enrolment and ends nothing.
    soon(lambda: [r for r in listed(stack, "changes") if r["umid"] == umid], lambda rows: bool(rows[0]["outcome"]))
    assert attributes(journey.ask(journey.status()))["status"] == "ACTIVE"


def test_a_device_certificate_with_the_old_number_of_an_exchanged_meter_still_names_it(stack: Stack) -> None:
    person = somebody()
    solar = f"der-solar-{person.umid}"
    person.ders = [
        {"beckn:id": solar, "beckn:type": "SOLAR_PV", "beckn:capacity": {"value": 10.0, "unit": "kW"}},
    ]
    journey = Journey(stack, person)
    before = journey.credentials()
    happen(stack, "METER_EXCHANGE", umid=person.umid)
    prepared = journey.ask(journey.init(credentials=before))
    assert fulfillment_state(prepared) == "PENDING_CONFIRM", prepared


def test_a_forged_call_changes_nothing(stack: Stack) -> None:
    body = (
        b'{"changes": [{"changeId": "forged", "kind": "MOVE_OUT", "umid": "umid-001", "at": "2026-01-01T00:00:00Z"}]}'
    )
    address = f"{stack.base}/utilities/utility-example-001/changes"
    signature = f"t={int(time.time())},v1={'0' * 64}"
    assert http("POST", address, body, {**JSON, "X-Utility-Signature": signature}).status == 401
    assert http("POST", address, body, JSON).status == 401
    assert stack.sql("SELECT count(*) FROM utility_changes WHERE change_id = 'forged'") == [(0,)]
