"""What follows for the orders of a suspended agency, by whoever it was suspended (EA-7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit.log import SYSTEM
from audit.models import Event
from enrollment import agency_suspensions
from enrollment.commands import Assistance, Authority
from enrollment.models import Claim, Enrollment, EnrollmentCase
from enrollment.results import Confirmed, Prepared, Snapshot
from identity import agencies
from identity.models import Agency
from tests.enrollment.test_agency_notices import agency, allowed, assisted, confirmed, noon, told, world  # noqa: F401
from tests.enrollment.test_notices import written
from tests.enrollment.world import World, code
from tests.factories import NOON

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=1)


def test_ea_7_open_applications_of_a_suspended_agency_end_their_places_are_given_back_and_all_are_told(
    world: World,  # noqa: F811
    agency: Agency,  # noqa: F811
    told: list[Any],  # noqa: F811
) -> None:
    assert isinstance(assisted(world, allowed(world, agency)), Prepared)
    assert Claim.objects.filter(state="HELD").exists()
    agencies.suspend("ea-001", reason="complaint-17", actor=SYSTEM, at=NOON, by="UTILITY")

    assert agency_suspensions.withdraw_open(LATER) == 1

    case = EnrollmentCase.objects.get()
    assert (case.state, case.payload) == ("WITHDRAWN", None)
    assert not Claim.objects.filter(state="HELD").exists()
    assert "suspended" in [each for each in told if isinstance(each, Snapshot)][-1].reason
    line = Event.objects.get(action="case.withdrawn")
    assert (line.actor_kind, line.on_behalf_of) == ("SYSTEM", "ea-001")
    assert written(world, LATER)[-1] == "agency-suspended"
    text = world.utility.notices[-1]["text"]
    assert "Sahaya Enrolments" in text and "apply yourself" in text and "notMeUrl" not in text
    assert agency_suspensions.withdraw_open(LATER) == 0


def test_ea_7_enrolments_of_a_suspended_agency_are_untouched(
    world: World,  # noqa: F811
    agency: Agency,  # noqa: F811
) -> None:
    mandate = allowed(world, agency)
    assisted(world, mandate)
    assert isinstance(confirmed(world, mandate), Confirmed)
    before = Enrollment.objects.values().get()
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=NOON)
    assert agency_suspensions.withdraw_open(LATER) == 0
    assert Enrollment.objects.values().get() == before


def test_what_its_customer_has_stopped_and_what_others_have_brought_stays_as_it_is(
    world: World,  # noqa: F811
    agency: Agency,  # noqa: F811
) -> None:
    assisted(world, allowed(world, agency))
    EnrollmentCase.objects.update(frozen_at=NOON)
    world.prepare(world.application("alone"))
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=NOON)
    assert agency_suspensions.withdraw_open(LATER) == 0
    assert "WITHDRAWN" not in EnrollmentCase.objects.values_list("state", flat=True)


def test_a_suspended_agencys_next_message_is_refused_and_after_it_was_lifted_it_is_taken(
    world: World,  # noqa: F811
    agency: Agency,  # noqa: F811
) -> None:
    mandate = allowed(world, agency)
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=NOON)
    assert code(assisted(world, mandate)) == "EA_NOT_CERTIFIED"
    agencies.resume("ea-001", reason="cleared-up", actor=SYSTEM, at=NOON)
    assert isinstance(assisted(world, mandate), Prepared)


def test_the_message_of_a_suspended_agent_is_refused_while_a_colleagues_is_taken(
    world: World,  # noqa: F811
    agency: Agency,  # noqa: F811
) -> None:
    mandate = allowed(world, agency)
    agent = agency.memberships.get(operator_id="op-1")
    agencies.suspend_member(agent, reason="NOT_ME", actor=SYSTEM, at=NOON)
    assert code(assisted(world, mandate)) == "EA_NOT_CERTIFIED"
    other = allowed(world, agency, operator_id="op-2")
    by = Assistance("ea-001", "op-2", other.mandate_id)
    answer = world.prepare(
        world.application(bap_id="ea-portal.example.com", assisted_by=by),
        authority=Authority("ea-portal.example.com", ("*",)),
    )
    assert isinstance(answer, Prepared)
