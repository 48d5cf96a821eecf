"""An enrolment agency: certified, bound to its sender, within its scope (decision 48)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from enrollment.commands import Assistance, Authority
from enrollment.models import Enrollment
from enrollment.results import Confirmed
from tests.enrollment.world import World, at, code, journal, live_claims, the_case
from tests.factories import (
    FLEX,
    NOON,
    OTHER_FLEX,
    PORTAL,
    UTILITY_A,
    a_program,
)


def still_ready() -> None:
    """The order can be confirmed again: its state, its application and its hold are there."""
    assert the_case().state == "READY" and the_case().payload is not None
    assert live_claims() == [("HELD", "umid-001")] and not Enrollment.objects.exists()
    assert journal()[-1] == "enrollment.refused"


@pytest.fixture
def agency(world: World) -> None:
    from audit.log import SYSTEM
    from identity import agencies
    from tests.factories import LONG_AGO

    details = agencies.Details(
        name="Agency",
        certified_from=LONG_AGO,
        certified_until=at(2027, 1, 1),
        utilities=(UTILITY_A,),
        programs=(FLEX,),
        participants=("ea-portal.example.com",),
        operators=(agencies.Operator("op-1"), agencies.Operator("op-2", NOON - timedelta(days=1))),
    )
    agencies.add("ea-001", details, actor=SYSTEM, at=NOON)


EA = "ea-portal.example.com"
FOR_EA = Authority(EA, ("*",))


def test_a_certified_agency_enrols_and_is_kept_with_the_case(world: World, agency: None) -> None:
    by = Assistance("ea-001", "op-1")
    world.prepare(world.application(bap_id=EA, assisted_by=by), authority=FOR_EA)

    result = world.confirm(bap_id=EA, assisted_by=by, authority=FOR_EA)

    assert isinstance(result, Confirmed)
    assert (the_case().agency_id, the_case().operator_id) == ("ea-001", "op-1")


@pytest.mark.parametrize(
    ("named", "sender", "now"),
    [
        (Assistance("ea-999", "op-1"), EA, NOON),
        (Assistance("ea-001", "op-2"), EA, NOON),
        (Assistance("ea-001", "op-9"), EA, NOON),
        (Assistance("ea-001", "op-1"), PORTAL, NOON),
        (Assistance("ea-001", "op-1"), EA, at(2027, 1, 1)),
        (None, EA, NOON),
    ],
    ids=["unknown", "lapsed operator", "unknown operator", "not bound to the sender", "lapsed agency", "none named"],
)
def test_an_agency_that_does_not_hold_is_not_certified(
    world: World, agency: None, named: Assistance | None, sender: str, now: Any
) -> None:
    command = world.application(bap_id=sender, assisted_by=named)

    result = world.prepare(command, authority=Authority(sender, ("*",)), now=now)

    assert code(result) == "EA_NOT_CERTIFIED" and result.refusal.field == "assisted_by"
    assert world.utility.asked == []


def test_an_agency_acts_only_at_its_utilities_also_where_the_meter_s_is_not_named(world: World, agency: None) -> None:
    a_program(OTHER_FLEX, utilities=[])
    by = Assistance("ea-001", "op-1")
    nowhere_named = world.application(bap_id=EA, assisted_by=by, program_id=OTHER_FLEX)
    nowhere_named = replace(nowhere_named, meters=(replace(nowhere_named.meters[0], utility_id=""),))

    assert code(world.prepare(nowhere_named, authority=FOR_EA)) == "EA_NOT_CERTIFIED"


def test_an_agency_suspended_between_init_and_confirm_is_refused_and_the_order_stays(
    world: World, agency: None
) -> None:
    from audit.log import SYSTEM
    from identity import agencies

    by = Assistance("ea-001", "op-1")
    world.prepare(world.application(bap_id=EA, assisted_by=by), authority=FOR_EA)
    agencies.suspend("ea-001", reason="complaints", actor=SYSTEM, at=NOON)

    assert code(world.confirm(bap_id=EA, assisted_by=by, authority=FOR_EA)) == "EA_NOT_CERTIFIED"
    still_ready()
