"""What a utility is told of enrolments, and what follows from what it tells: outbox rows, the feed, the named rules."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from audit import clock
from audit.models import Event
from enrollment import change_rules, feed, hearing, notices, standing, told
from enrollment.models import ReliedCertificate, UtilityChange, UtilityNotice
from enrollment.results import Ended, Snapshot
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World, live_claims, the_enrollment
from tests.factories import BINA, LONG_AGO, NOON, RAJESH, UTILITY_A, UTILITY_B, a_program, criterion, holder, meter
from utility_systems.models import MeterNumber
from utility_systems.ports import EarlierNumber

DAY = timedelta(days=1)


@pytest.fixture
def world(bare_world: World, running_utility: Utility, settings: Any) -> World:
    """Rajesh is enrolled with umid-001; his utility's billing is told, and its feed is read."""
    settings.UTILITIES = as_configured(running_utility, uuid4().hex, with_news=True)
    bare_world.version = a_program(
        criteria=[criterion("ACCOUNT_STANDING", anyOf=["GOOD"]), criterion("SANCTIONED_LOAD", fromKw=3)]
    )
    bare_world.enrolled()
    return bare_world


def happened(world: World, kind: str, umid: str = "umid-001", at: datetime = NOON, **more: Any) -> None:
    """The utility writes a change into its feed."""
    number = len(world.utility.changes) + 1
    world.utility.changes.append(
        {"changeId": f"change-{number}", "kind": kind, "umid": umid, "at": at.isoformat(), **more}
    )


def heard(now: datetime = NOON) -> str:
    """Read the feeds and do what follows; the outcome of the last change."""
    feed.poll(now, everyone=True)
    feed.handle_due(now)
    return str(UtilityChange.objects.order_by("pk").last().outcome)  # type: ignore[union-attr]


# --- telling ---------------------------------------------------------------------------------------------------------


def test_every_start_suspension_and_end_is_told_in_order_and_acknowledged(world: World) -> None:
    enrollment = the_enrollment()
    assert told.deliver(NOON) == 1
    (started,) = world.utility.told
    assert started["event"] == "STARTED" and started["meters"] == [{"meterId": "umid-001"}]
    assert (started["enrollmentId"], started["tariffFlag"]) == (enrollment.enrollment_id, False)
    row = UtilityNotice.objects.get()
    assert (row.state, row.acknowledgement, row.acknowledged_at) == ("ACKNOWLEDGED", "ack-1", NOON)

    standing.suspend(enrollment, "TEST", now=NOON)
    standing.resume(enrollment, now=NOON)
    world.end()
    told.deliver(NOON)
    assert [n["event"] for n in world.utility.told] == ["STARTED", "SUSPENDED", "RESUMED", "ENDED"]
    assert not UtilityNotice.objects.filter(state="WAITING").exists()


def test_billing_that_is_down_keeps_nobody_waiting_and_hears_of_it_in_order_later(world: World) -> None:
    world.utility.billing_is_down = True
    world.end()

    assert told.deliver(NOON) == 1  # the elder one only: they leave in their order
    assert told.deliver(NOON + timedelta(seconds=9)) == 0
    waiting = UtilityNotice.objects.order_by("pk").first()
    assert waiting is not None and waiting.state == "WAITING" and waiting.last_problem.startswith("billing: ")

    world.utility.billing_is_down = False
    told.deliver(NOON + timedelta(seconds=10))
    assert [n["event"] for n in world.utility.told] == ["STARTED", "ENDED"]


def test_after_a_week_of_silence_a_notice_is_stuck_until_somebody_tries_again(world: World) -> None:
    world.utility.billing_is_down = True
    told.deliver(NOON + 8 * DAY)
    assert UtilityNotice.objects.get().state == "STUCK"

    world.utility.billing_is_down = False
    assert told.deliver(NOON + 9 * DAY) == 0
    assert told.try_again(NOON + 9 * DAY) == 1 and told.deliver(NOON + 9 * DAY) == 1
    assert UtilityNotice.objects.get().state == "ACKNOWLEDGED"


def test_the_row_is_of_the_act_s_own_transaction(world: World) -> None:
    assert [(n.event, n.state) for n in UtilityNotice.objects.all()] == [("STARTED", "WAITING")]
    status = world.status().order.enrollment
    assert [(u.utility_id, u.event, u.is_informed) for u in status.utilities] == [(UTILITY_A, "STARTED", False)]
    told.deliver(NOON)
    assert [u.is_informed for u in world.status().order.enrollment.utilities] == [True]


def test_the_person_is_told_through_the_utility_at_its_own_contact(world: World) -> None:
    standing.suspend(the_enrollment(), "TEST", now=NOON, repair_until=NOON + 30 * DAY)
    notices.deliver(NOON)

    notice = world.utility.notices[-1]
    assert (notice["utilityCustomerId"], notice["template"]) == ("CUST-123456", "enrollment-suspended")
    assert notice["parameters"].items() >= {"reason": "TEST", "repairUntil": (NOON + 30 * DAY).isoformat()}.items()


# --- hearing: the rules ----------------------------------------------------------------------------------------------


def test_who_moved_out_is_ended_and_everybody_hears_of_it(world: World, told_: list[Any]) -> None:
    world.utility.knows(meter(holders=(holder(until=NOON - DAY), holder(BINA, since=NOON - DAY))))
    happened(world, "MOVE_OUT")

    assert heard() == "ENDED"

    enrollment = the_enrollment()
    assert (enrollment.state, enrollment.end_reason) == ("CANCELLED", "MOVED_OUT") and live_claims() == []
    assert told_[-1][0] == "on_update" and isinstance(told_[-1][1], Ended)
    told.deliver(NOON)
    assert world.utility.told[-1]["event"] == "ENDED" and world.utility.told[-1]["reason"] == "MOVED_OUT"


@pytest.fixture
def told_(told: list[Any]) -> list[Any]:
    return told


def test_who_still_holds_the_meter_is_not_ended_by_somebody_else_s_move(world: World) -> None:
    happened(world, "NEW_HOLDER")

    assert heard() == "ENDED" and the_enrollment().state == "ACTIVE"
    assert UtilityChange.objects.get().enrollments == 0


def test_a_new_holder_ends_the_predecessor_and_is_not_bound(world: World) -> None:
    world.utility.knows(meter(holders=(holder(BINA, since=NOON - DAY),)))
    happened(world, "NEW_HOLDER")
    heard()

    assert the_enrollment().end_reason == "HOLDER_CHANGED"
    assert not ReliedCertificate.objects.exists() and the_enrollment().subject.did == RAJESH


def test_an_exchanged_meter_keeps_its_enrolment_and_both_its_numbers(world: World) -> None:
    world.utility.knows(meter(meter_number="MTR-NEW", earlier_numbers=(EarlierNumber("MTR-umid-001", LONG_AGO, NOON),)))
    happened(world, "METER_EXCHANGE")

    assert heard() == "RECHECKED" and the_enrollment().state == "ACTIVE"
    assert list(MeterNumber.objects.order_by("pk").values_list("number", flat=True)) == ["MTR-umid-001", "MTR-NEW"]
    told.deliver(NOON)
    assert [(n["event"], n.get("reason")) for n in world.utility.told] == [
        ("STARTED", None),
        ("CHANGED", "METER_EXCHANGE"),
    ]


def test_a_load_below_the_condition_suspends_and_above_it_resumes(world: World, told_: list[Any]) -> None:
    world.utility.knows(meter(sanctioned_load_kw=2.0))
    happened(world, "SANCTIONED_LOAD")
    assert heard() == "RECHECKED"
    enrollment = the_enrollment()
    assert (enrollment.state, enrollment.suspension_reason) == ("SUSPENDED", "CRITERIA_NOT_MET")
    assert enrollment.repair_until == NOON + 30 * DAY
    assert isinstance(told_[-1][1], Snapshot) and "a sanctioned load from 3 kW" in told_[-1][1].reason

    world.utility.knows(meter(sanctioned_load_kw=4.0))
    happened(world, "SANCTIONED_LOAD", at=NOON + DAY)
    heard(NOON + DAY)
    assert the_enrollment().state == "ACTIVE" and the_enrollment().repair_until is None


def test_a_disconnection_suspends_until_the_meter_is_connected_or_thirty_days_are_over(world: World) -> None:
    happened(world, "DISCONNECTION")
    assert heard() == "SUSPENDED" and the_enrollment().suspension_reason == "DISCONNECTED"
    happened(world, "RECONNECTION", at=NOON + DAY)
    assert heard(NOON + DAY) == "RESUMED" and the_enrollment().state == "ACTIVE"

    happened(world, "DISCONNECTION", at=NOON + 2 * DAY)
    heard(NOON + 2 * DAY)
    assert standing.end_unrepaired(NOON + 31 * DAY) == 0
    assert standing.end_unrepaired(NOON + 32 * DAY) == 1
    assert the_enrollment().end_reason == "NOT_REPAIRED"


def test_a_permanent_disconnection_ends_at_once(world: World) -> None:
    happened(world, "DISCONNECTION", isPermanent=True)

    assert heard() == "ENDED" and the_enrollment().end_reason == "DISCONNECTED"


def test_a_change_nobody_has_a_rule_for_is_kept_and_changes_nothing(world: World) -> None:
    happened(world, "TARIFF_LEAFLET_SENT")

    assert heard() == "NOTHING" and the_enrollment().state == "ACTIVE"


def test_the_rules_are_closed_words() -> None:
    assert change_rules.rule_for("MOVE_OUT").reason == "MOVED_OUT"
    assert change_rules.rule_for("move_out").follows is change_rules.Follows.NOTHING


# --- hearing: once, in time, by whom ---------------------------------------------------------------------------------


def test_a_change_counts_once_however_often_and_by_whichever_way_it_comes(world: World, told_: list[Any]) -> None:
    happened(world, "DISCONNECTION")
    heard()
    first = len(told_)

    assert bring(world.utility.changes).json() == {"received": 1, "new": 0}
    feed.poll(NOON, everyone=True)
    assert feed.handle_due(NOON + DAY) == 0 and len(told_) == first
    assert UtilityChange.objects.count() == 1


def test_the_feed_is_read_page_by_page_from_where_we_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PAGE", 2)
    for _ in range(5):
        happened(world, "RECONNECTION")

    assert feed.poll(NOON) == 5
    happened(world, "RECONNECTION")
    assert feed.poll(NOON + timedelta(seconds=59)) == 0  # once a minute
    assert feed.poll(NOON + timedelta(seconds=60)) == 1


def test_what_is_announced_for_later_happens_when_it_happens(world: World) -> None:
    happened(world, "DISCONNECTION", at=NOON + DAY)
    feed.poll(NOON, everyone=True)

    assert feed.handle_due(NOON) == 0 and the_enrollment().state == "ACTIVE"
    assert feed.handle_due(NOON + DAY) == 1 and the_enrollment().state == "SUSPENDED"


def test_a_utility_that_does_not_answer_meanwhile_is_asked_again(world: World) -> None:
    world.utility.knows(meter(holders=()))
    happened(world, "MOVE_OUT")
    feed.poll(NOON, everyone=True)
    world.utility.is_down = True

    feed.handle_due(NOON)
    assert the_enrollment().state == "ACTIVE"
    world.utility.is_down = False
    assert feed.handle_due(NOON + timedelta(seconds=59)) == 0
    assert feed.handle_due(NOON + timedelta(minutes=2)) == 1 and the_enrollment().state == "CANCELLED"


def test_a_utility_changes_nothing_about_another_s_meters(world: World) -> None:
    item = {"changeId": "c-1", "kind": "DISCONNECTION", "umid": "umid-001", "at": NOON.isoformat()}

    assert bring([item], utility_id=UTILITY_B).status_code == 200
    feed.handle_due(NOON)

    assert UtilityChange.objects.get().outcome == "NOTHING" and the_enrollment().state == "ACTIVE"


def bring(items: Any, *, utility_id: str = UTILITY_A, secret: str = "", age: int = 0, **how: Any) -> Any:
    """A utility calls us with changes."""
    body = how.get("body", json.dumps({"changes": items}).encode())
    at = int(NOON.timestamp()) - age
    signed = how.get("signature", hearing.signature(secret or f"secret-{utility_id}", how.get("signed", body), at))
    return Client().post(
        f"/utilities/{utility_id}/changes",
        body,
        content_type="application/json",
        headers={"X-Utility-Signature": signed},
    )


def test_a_forged_or_old_call_is_refused_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    item = {"changeId": "c-1", "kind": "DISCONNECTION", "umid": "umid-001", "at": NOON.isoformat()}
    forged = [
        bring([item], secret="another"),
        bring([item], secret=f"secret-{UTILITY_B}"),
        bring([item], age=301),
        bring([item], age=-301),
        bring([item], signed=b"{}"),
        bring([item], signature=""),
        bring([item], signature="t=1,v1=" + "0" * 64),
        bring([item], utility_id="utility-nobody", secret="x"),
    ]

    assert {each.status_code for each in forged} == {401}
    assert len({each.content for each in forged}) == 1 and not UtilityChange.objects.exists()
    assert bring([], body=b"{}").status_code == 400 and bring([], body=b"no json").status_code == 400
    assert bring([item]).json() == {"received": 1, "new": 1}
    assert Event.objects.filter(action="utility.changed").count() == 0  # nothing was done yet
    feed.handle_due(NOON)
    assert Event.objects.get(action="utility.changed").details == {
        "kind": "DISCONNECTION",
        "outcome": "SUSPENDED",
        "enrollments": 1,
        "by": "WEBHOOK",
    }


def test_a_certificate_that_the_utility_reports_as_revoked_suspends(world: World) -> None:
    ReliedCertificate.objects.create(
        enrollment=the_enrollment(), der_id="der-solar-001", source="UTILITY", relied_since=NOON, checked_at=NOON
    )
    happened(world, "CERTIFICATE_REVOKED", umid="", derId="der-solar-001")

    assert heard() == "SUSPENDED"
    assert the_enrollment().suspension_reason == "CERTIFICATE_REVOKED"
    assert the_enrollment().repair_until == NOON + 30 * DAY


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
