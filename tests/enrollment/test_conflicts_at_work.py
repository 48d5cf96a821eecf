"""Holds and claims between orders, people and programs; the boundary cases of spec conflicts. Real PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from enrollment.models import Claim, ConflictPair
from enrollment.results import Confirmed, Prepared, Refused, Stage
from identity.models import Subject
from tests.enrollment.world import World, at, code, journal, live_claims, the_case, the_enrollment
from tests.factories import BINA, FLEX, NOON, OTHER_FLEX, RAJESH, a_program, holder, meter, solar, ten_kw_solar

NOVEMBER, MAY, NEXT_NOVEMBER = at(2026, 11, 1), at(2027, 5, 1), at(2027, 11, 1)


@pytest.fixture
def two(world: World) -> World:
    """A second program of the same conflict group."""
    a_program(OTHER_FLEX)
    return world


def other(world: World, number: int | str = 2, *umids: str, **changes: Any) -> Any:
    """An init for the other flexibility program."""
    return world.prepare(world.application(number, *umids, program_id=OTHER_FLEX, **changes))


# --- own, and another person's ---------------------------------------------------------------------------------------


def test_a_meter_in_another_program_of_the_group_is_told_with_its_program_and_end(two: World) -> None:
    two.enrolled(1, starts_at=NOVEMBER, ends_at=NEXT_NOVEMBER)

    result = other(two, starts_at=NOVEMBER)

    assert code(result) == "ENROLLMENT_CONFLICT" and result.stage is Stage.CONFLICTS
    (conflict,) = result.conflicts
    assert conflict.enrollment_id == the_enrollment().enrollment_id and conflict.program_id == FLEX
    assert result.refusal.details["conflict_end_date"] == NEXT_NOVEMBER
    assert the_case(2).state == "REJECTED"


def test_of_a_neighbour_s_enrolment_nothing_is_told_but_that_the_meter_is_taken(two: World) -> None:
    two.enrolled(1, starts_at=NOVEMBER, ends_at=NEXT_NOVEMBER)
    two.utility.knows(meter(holders=(holder(BINA),)))

    result = other(two, subject_did=BINA, starts_at=NOVEMBER)

    assert code(result) == "ENROLLMENT_CONFLICT"
    (conflict,) = result.conflicts
    assert (conflict.enrollment_id, conflict.program_id) == ("", "")
    assert FLEX not in str(result.conflicts) and the_enrollment().enrollment_id not in str(result)


def test_the_same_program_under_another_order_is_a_date_overlap(world: World) -> None:
    world.enrolled(1)

    result = world.prepare(world.application(2))

    assert code(result) == "ENROLLMENT_CONFLICT" and result.conflicts[0].conflict_type == "DATE_OVERLAP"


def test_a_new_init_on_a_confirmed_order_is_a_duplicate_and_changes_nothing(world: World) -> None:
    confirmed = world.enrolled(1)

    result = world.prepare()

    assert code(result) == "DUPLICATE"
    assert result.refusal.details == {"enrollment_id": confirmed.order.enrollment.enrollment_id}  # type: ignore[union-attr]
    assert the_case().state == "CONFIRMED" and live_claims() == [("CLAIMED", "umid-001")]


def test_a_confirmed_order_is_a_duplicate_also_where_the_new_init_would_be_refused_at_the_door(world: World) -> None:
    world.enrolled(1)

    result = world.prepare(world.application(provider_id="another-provider"))

    assert code(result) == "DUPLICATE" and the_case().state == "CONFIRMED"


def test_a_duplicate_that_names_somebody_else_is_not_told_the_enrolment(world: World) -> None:
    world.enrolled(1)

    result = world.prepare(world.application(subject_did=BINA, provider_id="another-provider"))

    assert code(result) == "DUPLICATE" and result.refusal.details == {}


def test_another_meter_of_the_same_person_is_free(two: World) -> None:
    two.utility.knows(meter("umid-002"))
    two.enrolled(1, "umid-002")

    assert isinstance(other(two), Prepared)


# --- periods ---------------------------------------------------------------------------------------------------------


def ends(world: World, end: datetime | None, as_given: str = "") -> None:
    world.enrolled(1, starts_at=NOVEMBER, ends_at=end, end_as_given=as_given)


def test_the_end_of_one_is_the_start_of_the_next(two: World) -> None:
    ends(two, MAY)

    assert isinstance(other(two, starts_at=MAY), Prepared)
    assert code(other(two, 3, starts_at=MAY - timedelta(seconds=1))) == "ENROLLMENT_CONFLICT"


def test_an_end_in_the_day_s_last_second_leaves_the_next_day_free(two: World) -> None:
    ends(two, MAY - timedelta(seconds=1), "2027-04-30T23:59:59Z")

    assert isinstance(other(two, starts_at=MAY), Prepared)


def test_an_open_ended_enrolment_is_never_free_and_gives_no_date(bare_world: World) -> None:
    a_program(default_term_days=0)
    a_program(OTHER_FLEX)
    bare_world.enrolled(1, starts_at=NOVEMBER)

    result = other(bare_world, starts_at=at(2031, 1, 1))

    assert code(result) == "ENROLLMENT_CONFLICT" and "conflict_end_date" not in result.refusal.details


def test_a_future_enrolment_leaves_the_time_before_it_free(two: World) -> None:
    ends(two, MAY)

    assert isinstance(other(two, ends_at=NOVEMBER), Prepared)


def test_a_suspended_enrolment_still_claims_its_meter(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    a_program(OTHER_FLEX)
    bare_world.enrolled(1)
    bare_world.withdraw_consent()

    assert the_enrollment().state == "SUSPENDED"
    assert code(other(bare_world)) == "ENROLLMENT_CONFLICT"


def test_a_planned_end_frees_the_meter_from_its_date_not_from_the_day_it_was_asked(two: World) -> None:
    ends(two, NEXT_NOVEMBER)
    two.end(effective_at=MAY)

    assert code(other(two, 2, starts_at=MAY - timedelta(days=1))) == "ENROLLMENT_CONFLICT"
    assert isinstance(other(two, 3, starts_at=MAY), Prepared)


def test_an_enrolment_that_was_cancelled_frees_its_meter_at_once(two: World) -> None:
    two.enrolled(1)
    two.end()

    assert isinstance(other(two), Prepared)


def test_a_replaced_meter_of_the_same_umid_is_still_taken(two: World) -> None:
    two.enrolled(1)
    two.utility.knows(meter(meter_number="MTR-NEW"))

    assert code(other(two)) == "ENROLLMENT_CONFLICT"


def test_a_leap_day_is_taken_like_any_other(two: World) -> None:
    leap = datetime(2028, 2, 29, tzinfo=NOON.tzinfo)
    two.enrolled(1, starts_at=leap, ends_at=leap + timedelta(days=1))

    assert isinstance(other(two, 2, starts_at=leap - timedelta(days=9), ends_at=leap), Prepared)
    assert code(other(two, 3, starts_at=leap)) == "ENROLLMENT_CONFLICT"
    assert isinstance(other(two, 4, starts_at=leap + timedelta(days=1)), Prepared)


# --- devices, groups, people with two names --------------------------------------------------------------------------


def test_a_device_under_one_direct_controller_is_taken_for_another_whatever_their_groups(bare_world: World) -> None:
    a_program(control="DIRECT", conflict_group="EV_CONTROL")
    a_program(OTHER_FLEX, control="DIRECT", conflict_group="V2G")
    bare_world.utility.knows(solar())
    bare_world.enrolled(1, ders=(ten_kw_solar(),))

    result = other(bare_world, ders=(ten_kw_solar(),))

    assert code(result) == "ENROLLMENT_CONFLICT" and result.conflicts[0].conflict_type == "DER_ALREADY_ENROLLED"


def test_a_device_that_moved_to_another_meter_is_still_the_same_device(two: World) -> None:
    two.utility.knows(solar(), meter("umid-002"))
    two.enrolled(1, ders=(ten_kw_solar(),))
    two.utility.knows(solar(umid="umid-002"))

    result = other(two, 2, "umid-002", ders=(ten_kw_solar(),))

    assert [c.reference for c in result.conflicts] == ["der-solar-001"]


@pytest.mark.parametrize("first", ["FLEX", "TRADE"])
def test_groups_that_may_not_meet_on_a_meter_are_refused_whichever_came_first(bare_world: World, first: str) -> None:
    ConflictPair.objects.create(group_a="FLEX", group_b="TRADE", verdict="DENY")
    a_program(conflict_group=first)
    a_program(OTHER_FLEX, conflict_group="TRADE" if first == "FLEX" else "FLEX")
    bare_world.enrolled(1)

    assert other(bare_world).conflicts[0].conflict_type == "PROGRAM_CONFLICT"


@pytest.mark.parametrize("verdict", ["ALLOW", None])
def test_groups_that_may_meet_or_are_not_listed_share_a_meter(bare_world: World, verdict: str | None) -> None:
    if verdict:
        ConflictPair.objects.create(group_a="FLEX", group_b="TRADE", verdict=verdict)
    a_program(conflict_group="FLEX")
    a_program(OTHER_FLEX, conflict_group="TRADE")
    bare_world.enrolled(1)

    assert isinstance(other(bare_world), Prepared)


@pytest.mark.parametrize("first_is_direct", [True, False])
def test_a_denied_pair_counts_for_a_directly_controlled_device_whichever_came_first(
    bare_world: World, first_is_direct: bool
) -> None:
    ConflictPair.objects.create(group_a="EV_CONTROL", group_b="FLEX", verdict="DENY")
    direct = {"control": "DIRECT", "conflict_group": "EV_CONTROL"}
    a_program(**(direct if first_is_direct else {}))
    a_program(OTHER_FLEX, **({} if first_is_direct else direct))
    bare_world.utility.knows(solar(), meter("umid-002"))
    bare_world.enrolled(1, ders=(ten_kw_solar(),))

    result = other(bare_world, 2, "umid-002", ders=(ten_kw_solar(),))

    assert [(c.rule, c.reference) for c in result.conflicts] == [("R3", "der-solar-001")]


def test_a_person_with_two_names_is_one_person(two: World) -> None:
    old = Subject.objects.for_did("did:example:rajesh-old")
    two.enrolled(1)
    Subject.objects.filter(pk=old.pk).update(merged_into=Subject.objects.get(did=RAJESH))
    two.utility.knows(meter(holders=(holder("did:example:rajesh-old"),)))

    result = other(two, subject_did="did:example:rajesh-old")

    assert result.conflicts[0].enrollment_id == the_enrollment().enrollment_id


def test_an_application_under_a_merged_name_can_be_confirmed_under_it(world: World) -> None:
    old = Subject.objects.for_did("did:example:rajesh-old")
    Subject.objects.filter(pk=old.pk).update(merged_into=Subject.objects.for_did(RAJESH))
    world.utility.knows(meter(holders=(holder("did:example:rajesh-old"),)))

    world.prepare(world.application(subject_did="did:example:rajesh-old"))

    assert isinstance(world.confirm(subject_did="did:example:rajesh-old"), Confirmed)


# --- holds (decision 31) ---------------------------------------------------------------------------------------------


def test_a_hold_keeps_others_out_while_it_lasts(two: World) -> None:
    two.prepare()
    two.utility.knows(meter(holders=(holder(BINA), holder())))

    assert code(other(two, subject_did=BINA)) == "ENROLLMENT_CONFLICT"


def test_a_hold_that_expired_lets_the_next_one_in(two: World) -> None:
    two.prepare()
    later = NOON + timedelta(minutes=30)

    result = two.prepare(two.application(2, program_id=OTHER_FLEX), now=later)

    assert isinstance(result, Prepared)
    assert live_claims() == [("HELD", "umid-001")] and the_case(2).claims.count() == 1


def test_a_new_init_of_the_same_order_replaces_its_own_hold(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare()
    world.prepare(world.application(1, "umid-002"))

    assert live_claims() == [("HELD", "umid-002")]


def test_another_order_of_the_same_person_for_the_same_program_takes_the_hold_over(world: World) -> None:
    world.prepare(world.application(1))

    assert isinstance(world.prepare(world.application(2)), Prepared)
    assert the_case(1).state == "READY" and the_case(1).claims.count() == 0
    assert the_case(2).claims.get().state == "HELD"


def test_the_order_that_lost_its_hold_may_still_confirm_when_the_meter_is_free(world: World) -> None:
    world.prepare(world.application(1))
    world.prepare(world.application(2))
    world.cancel(2)

    assert isinstance(world.confirm(1), Confirmed)


def test_of_two_orders_of_the_same_person_the_second_confirm_is_refused(world: World) -> None:
    world.prepare(world.application(1))
    world.prepare(world.application(2))
    world.confirm(2)

    result = world.confirm(1)

    assert code(result) == "ENROLLMENT_CONFLICT" and result.conflicts[0].rule == "R8"
    assert the_case(1).state == "REJECTED"


def test_a_hold_for_another_program_of_the_same_person_is_a_conflict_called_a_reservation(two: World) -> None:
    two.prepare()

    (conflict,) = other(two).conflicts

    assert "reserved by another application" in conflict.reason and conflict.free_from is None


def test_a_refused_application_holds_nothing_of_what_it_held_before(two: World) -> None:
    two.prepare()
    two.prepare(two.application(1, "umid-001", "umid-999", credentials=(two.ownership("umid-555"),)))

    assert live_claims() == [] and Claim.objects.count() == 0
    assert journal() == ["case.ready", "case.refused"]


@pytest.mark.multi_meter
def test_of_two_meters_the_taken_one_is_told_and_the_free_one_is_held(two: World) -> None:
    two.utility.knows(meter("umid-002"))
    two.enrolled(1, "umid-002")

    result = other(two, 2, "umid-001", "umid-002")

    assert isinstance(result, Prepared)
    assert {m.umid: m.state for m in result.order.meters} == {"umid-001": None, "umid-002": "REJECTED"}
    assert [c.reference for c in result.conflicts] == ["umid-002"]
    assert live_claims() == [("HELD", "umid-001"), ("CLAIMED", "umid-002")]


def test_all_conflicts_are_told_and_a_program_of_all_or_nothing_takes_none(bare_world: World) -> None:
    a_program()
    a_program(OTHER_FLEX, partial="ALL_OR_NOTHING")
    bare_world.utility.knows(meter("umid-002"), meter("umid-003"))
    bare_world.enrolled(1, "umid-001", "umid-002")

    result = other(bare_world, 2, "umid-001", "umid-002", "umid-003")

    assert isinstance(result, Refused) and [c.reference for c in result.conflicts] == ["umid-001", "umid-002"]
    assert the_case(2).claims.count() == 0


def test_an_application_that_needs_input_learns_of_conflicts_but_holds_nothing(two: World) -> None:
    two.enrolled(1)

    assert code(other(two, credentials=[two.ownership()])) == "ENROLLMENT_CONFLICT"
