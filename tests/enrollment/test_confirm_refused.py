"""The confirm that is refused: which refusals end the case, and which leave it READY with its hold (decision 38)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from enrollment import lifecycle
from enrollment.commands import Authority
from enrollment.models import Enrollment
from enrollment.results import Confirmed, Ended, Prepared, Withdrawn
from tests.enrollment.utility import as_configured
from tests.enrollment.world import World, at, code, journal, live_claims, the_case
from tests.factories import (
    BINA,
    NOON,
    OTHER_FLEX,
    PORTAL,
    SIGNED_IN,
    a_program,
    holder,
    meter,
)
from utility_systems.ports import Standing


def still_ready() -> None:
    """The order can be confirmed again: its state, its application and its hold are there."""
    assert the_case().state == "READY" and the_case().payload is not None
    assert live_claims() == [("HELD", "umid-001")] and not Enrollment.objects.exists()
    assert journal()[-1] == "enrollment.refused"


def ended_for(refusal: str) -> None:
    assert (the_case().state, the_case().refusal_code, the_case().payload) == ("REJECTED", refusal, None)
    assert live_claims() == [] and journal()[-1] == "enrollment.refused"


# --- refusals that leave the order READY -----------------------------------------------------------------------------


def test_wrong_dates_leave_the_order_ready_and_the_next_confirm_succeeds(world: World) -> None:
    world.prepare()

    assert code(world.confirm(starts_at=at(2026, 12, 1), ends_at=at(2026, 11, 1))) == "DATES_INVALID"
    still_ready()
    assert isinstance(world.confirm(), Confirmed)


def test_no_meter_at_all_is_told_with_those_to_choose_from(world: World) -> None:
    world.prepare()

    result = world.confirm(meters=())

    assert code(result) == "NO_METER" and result.refusal.details == {"available_meters": ["umid-001"]}
    still_ready()


def test_a_meter_outside_the_application_is_not_found(world: World) -> None:
    world.prepare()

    result = world.confirm(meters=("umid-001", "umid-777"))

    assert code(result) == "METER_NOT_FOUND" and result.refusal.details == {"meter_id": "umid-777"}
    still_ready()


def test_a_credential_revoked_between_init_and_confirm_is_refused_and_may_be_replaced(world: World) -> None:
    world.prepare(world.application(credentials=(world.ownership(status=9), world.eligibility())))
    world.utility.revoked.add(9)

    result = world.confirm()

    assert code(result) == "CREDENTIAL_VERIFICATION_FAILED"
    assert result.refusal.details["reason_code"] == "REVOKED" and result.refusal.field == "credentials[0]"
    still_ready()
    assert isinstance(world.prepare(), Prepared) and isinstance(world.confirm(), Confirmed)


def test_a_token_that_failed_is_refused_as_such_and_never_ignored(world: World) -> None:
    world.prepare()
    failed = Authority(PORTAL, ("*",), refusal_code="TOKEN_INVALID", refusal_sentence="It is for another audience.")

    assert code(world.confirm(authority=failed)) == "TOKEN_INVALID"
    still_ready()


def test_a_meter_whose_holder_moved_out_since_is_not_found(world: World) -> None:
    world.prepare()
    world.utility.knows(meter(holders=(holder(until=NOON),)))

    assert code(world.confirm()) == "METER_NOT_FOUND"
    still_ready()


# --- refusals that end it --------------------------------------------------------------------------------------------


def test_somebody_else_than_at_init_is_a_mismatch_and_ends_the_order(world: World) -> None:
    world.prepare()

    assert code(world.confirm(subject_did=BINA)) == "SUBJECT_MISMATCH"
    ended_for("SUBJECT_MISMATCH")


def test_a_sign_in_of_somebody_else_is_a_mismatch_though_the_right_one_is_named(world: World) -> None:
    world.prepare()

    assert code(world.confirm(authority=replace(SIGNED_IN, proven_subject=BINA))) == "SUBJECT_MISMATCH"


def test_an_account_that_fell_into_arrears_since_is_not_eligible_and_ends_the_order(world: World) -> None:
    world.prepare()
    world.utility.knows(meter(account_standing=Standing.ARREARS))

    assert code(world.confirm()) == "NOT_ELIGIBLE"
    ended_for("NOT_ELIGIBLE")


def test_a_program_that_closed_since_is_not_available_and_ends_the_order(world: World) -> None:
    world.prepare()
    assert world.version is not None
    world.version.state = "RETIRED"
    world.version.save()

    assert code(world.confirm()) == "PROGRAM_NOT_AVAILABLE"
    ended_for("PROGRAM_NOT_AVAILABLE")


def test_a_newer_version_of_the_program_does_not_change_what_was_applied_for(world: World) -> None:
    world.prepare()
    assert world.version is not None
    program = world.version.program
    world.version.state = "RETIRED"
    world.version.save()
    world.version.pk, world.version.number, world.version.state = None, 2, "PUBLISHED"
    world.version.criteria = [{"kind": "NET_METER", "parameters": {}, "text": ""}]
    world.version.save()

    assert isinstance(world.confirm(), Confirmed)
    assert Enrollment.objects.get().program_version == program.versions.get(number=1)


def test_a_meter_taken_after_the_hold_ran_out_is_a_conflict_and_ends_the_order(world: World) -> None:
    a_program(OTHER_FLEX)
    world.prepare(world.application(1))
    world.now = NOON + timedelta(hours=1)
    world.enrolled(2, program_id=OTHER_FLEX)

    result = world.confirm(1)

    assert code(result) == "ENROLLMENT_CONFLICT" and result.refusal.details["conflict_end_date"]
    assert (the_case(1).state, the_case(1).refusal_code) == ("REJECTED", "ENROLLMENT_CONFLICT")


def test_a_hold_that_ran_out_during_the_confirm_is_no_condition(world: World) -> None:
    world.prepare()

    assert isinstance(world.confirm(now=NOON + timedelta(hours=5)), Confirmed)


def test_an_order_that_was_ended_is_opened_again_by_an_init(world: World) -> None:
    world.prepare()
    world.confirm(subject_did=BINA)

    assert isinstance(world.prepare(), Prepared) and isinstance(world.confirm(), Confirmed)


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["NEEDS_INPUT", "REJECTED", "WITHDRAWN"])
def test_only_a_ready_order_can_be_confirmed(world: World, before: str) -> None:
    if before == "NEEDS_INPUT":
        world.prepare(world.application(credentials=()))
    elif before == "REJECTED":
        world.prepare(world.application(1, "umid-999"))
    else:
        world.prepare()
        world.cancel()

    result = world.confirm()

    assert code(result) == "NOT_POSSIBLE_NOW" and result.refusal.details == {"state": before}
    assert the_case().state == before


def test_an_unknown_order_and_another_portal_s_are_the_same_to_the_asker(world: World) -> None:
    world.prepare()

    unknown = world.confirm("nowhere", bap_id="ea-portal.example.com")
    another_s = world.confirm(1, bap_id="ea-portal.example.com")

    assert code(unknown) == code(another_s) == "ORDER_NOT_FOUND"
    assert unknown.refusal == another_s.refusal
    assert replace(unknown.order, order_id="") == replace(another_s.order, order_id="")
    assert live_claims() == [("HELD", "umid-001")]


# --- what happens while the utility is asked -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_new_init_during_the_confirm_is_noticed_and_nothing_stale_is_enrolled(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare()
    world.utility.meanwhile(lambda: world.prepare(world.application(1, "umid-002")))

    result = world.confirm()

    assert code(result) == "NOT_POSSIBLE_NOW" and "new init" in result.refusal.sentence
    assert the_case().state == "READY" and live_claims() == [("HELD", "umid-002")]


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_during_the_confirm_wins(world: World) -> None:
    world.prepare()
    world.utility.meanwhile(lambda: world.cancel())

    result = world.confirm()

    assert code(result) == "NOT_POSSIBLE_NOW" and result.refusal.details == {"state": "WITHDRAWN"}
    assert live_claims() == [] and not Enrollment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_confirm_that_was_faster_is_the_answer(world: World) -> None:
    world.prepare()
    world.utility.meanwhile(lambda: world.confirm())

    result = world.confirm()

    assert isinstance(result, Confirmed) and Enrollment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_confirm_that_was_faster_is_the_answer_also_to_one_that_found_the_utility_silent(world: World) -> None:
    world.prepare()

    def confirmed_and_then_silent() -> None:
        world.confirm()
        world.utility.is_down = True

    world.utility.meanwhile(confirmed_and_then_silent)

    assert isinstance(world.confirm(), Confirmed)


@pytest.mark.django_db(transaction=True)
def test_somebody_else_s_claim_during_the_confirm_is_a_conflict_that_ends_the_order(world: World) -> None:
    a_program(OTHER_FLEX)
    world.prepare(world.application(1))
    later = NOON + timedelta(hours=1)

    def taken() -> None:
        world.now = later
        world.enrolled(2, program_id=OTHER_FLEX)

    world.utility.meanwhile(taken)

    assert code(world.confirm(1, now=later)) == "ENROLLMENT_CONFLICT"
    assert the_case(1).state == "REJECTED"


@pytest.mark.django_db(transaction=True)
def test_what_a_confirm_found_out_is_not_held_against_the_application_that_replaced_it(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare()
    world.utility.knows(meter(account_standing=Standing.ARREARS))
    world.utility.meanwhile(lambda: world.prepare(world.application(1, "umid-002")))

    result = world.confirm()

    assert code(result) == "NOT_POSSIBLE_NOW" and "new init" in result.refusal.sentence
    assert the_case().state == "READY" and live_claims() == [("HELD", "umid-002")]


@pytest.mark.django_db(transaction=True)
def test_a_confirm_that_waits_for_the_utility_never_confirms_the_application_that_replaced_its_own(
    world: World, settings: Any
) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare()

    def replaced_and_then_silent() -> None:
        world.prepare(world.application(1, "umid-002"))
        world.utility.is_down = True

    world.utility.meanwhile(replaced_and_then_silent)
    result = world.confirm()

    assert code(result) == "NOT_POSSIBLE_NOW"
    assert the_case().waiting_act == ""
    world.utility.is_down = False
    settings.UTILITIES = as_configured(world.utility, "another-token")
    lifecycle.retry_waiting(NOON + timedelta(hours=2))
    assert not Enrollment.objects.exists()


# --- who may still speak ---------------------------------------------------------------------------------------------


def test_a_right_to_speak_that_was_withdrawn_after_the_init_confirms_nothing(world: World) -> None:
    world.prepare()

    assert code(world.confirm(authority=Authority(PORTAL, ()))) == "AUTH_REQUIRED"
    still_ready()
    assert isinstance(world.confirm(authority=SIGNED_IN), Confirmed)


def test_what_the_customer_has_proven_at_the_init_needs_no_right_to_speak_at_the_confirm(world: World) -> None:
    world.prepare(authority=SIGNED_IN)

    assert isinstance(world.confirm(authority=Authority(PORTAL, ())), Confirmed)


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_before_the_confirm_a_cancel_withdraws_the_application_and_its_hold(world: World) -> None:
    world.prepare()

    result = world.cancel(reason="CHANGED_MIND")

    assert isinstance(result, Withdrawn) and result.log_reference.startswith("log-")
    assert (the_case().state, the_case().payload) == ("WITHDRAWN", None) and live_claims() == []
    assert journal() == ["case.ready", "case.withdrawn"]


def test_a_second_cancel_answers_the_same_and_writes_nothing(world: World) -> None:
    world.prepare()
    world.cancel()

    again = world.cancel()

    assert isinstance(again, Withdrawn) and journal().count("case.withdrawn") == 1


def test_after_the_confirm_a_cancel_unenrols(world: World) -> None:
    world.enrolled(1)

    result = world.cancel()

    assert isinstance(result, Ended) and not result.is_pending
    assert Enrollment.objects.get().state == "CANCELLED" and live_claims() == []
