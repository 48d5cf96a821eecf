"""A utility that does not answer blames nobody: waiting, asking again, giving up (decision 40)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from enrollment import lifecycle, remembering
from enrollment.commands import ProvenIdentity
from enrollment.models import CaseCheck, Enrollment
from enrollment.results import Confirmed, Prepared, Refused, Snapshot, Waiting
from tests.enrollment.world import World, code, journal, live_claims, the_case
from tests.factories import (
    FLEX,
    MAY_ASSERT_ALL,
    NOON,
    OTHER_FLEX,
    RAJESH,
    SIGNED_IN,
    UTILITY_A,
    a_program,
    meter,
)

MINUTE = timedelta(minutes=1)
Told = list[tuple[str, Any, Any]]


def silent(world: World) -> Any:
    world.utility.is_down = True
    return world.prepare()


def answering(world: World, settings: Any) -> None:
    """The utility is back. A new configuration, so that the circuit of this process is closed as well."""
    from tests.enrollment.utility import as_configured

    world.utility.is_down = world.utility.lists_are_down = False
    settings.UTILITIES = as_configured(world.utility, f"token-{len(world.utility.asked)}")


def test_a_silent_utility_is_waited_for_and_nothing_is_refused(world: World) -> None:
    result = silent(world)

    assert isinstance(result, Waiting) and result.utility_id == UTILITY_A
    case = the_case()
    assert (case.state, case.waiting_act, case.waiting_utility) == ("SUBMITTED", "init", UTILITY_A)
    assert (case.waiting_since, case.retry_at) == (NOON, NOON + MINUTE)
    assert journal() == ["case.waiting"]
    assert list(CaseCheck.objects.values_list("kind", "result", "target")) == [("UTILITY", "PENDING", UTILITY_A)]


def test_a_waiting_order_tells_so_when_asked_for_its_status(world: World) -> None:
    silent(world)

    result = world.status()

    assert isinstance(result, Snapshot) and result.order.waiting_utility == UTILITY_A


def test_a_waiting_order_cannot_be_confirmed_yet(world: World) -> None:
    silent(world)

    assert code(world.confirm()) == "NOT_POSSIBLE_NOW"


def test_it_is_asked_after_one_five_fifteen_and_then_every_sixty_minutes(world: World, told: Told) -> None:
    silent(world)
    moments = []
    for _ in range(6):
        due = the_case().retry_at
        assert due is not None
        assert lifecycle.retry_waiting(due - timedelta(seconds=1)) == 0
        assert lifecycle.retry_waiting(due) == 1
        moments.append(due)

    gaps = [later - earlier for earlier, later in zip([NOON, *moments], moments, strict=False)]
    assert [gap / MINUTE for gap in gaps] == [1, 5, 15, 60, 60, 60]
    assert told == [] and journal() == ["case.waiting"]


def test_when_the_utility_answers_there_is_one_on_status_with_the_whole_order(
    world: World, settings: Any, told: Told
) -> None:
    silent(world)
    answering(world, settings)

    assert lifecycle.retry_waiting(NOON + MINUTE) == 1

    ((action, result, case),) = told
    assert action == "on_status" and isinstance(result, Prepared) and case.pk == the_case().pk
    assert result.order.case_state == "READY" and result.order.transaction_id == "tx-1"
    assert live_claims() == [("HELD", "umid-001")]
    case = the_case()
    assert (case.waiting_act, case.retry_at, case.retry_attempt) == ("", None, 0)
    assert [c["data"] for c in case.payload["init"]["credentials"]] == ["", ""]
    assert lifecycle.retry_waiting(NOON + 90 * MINUTE) == 0 and len(told) == 1
    assert isinstance(world.confirm(), Confirmed)


def test_a_refusal_after_the_silence_is_told_as_well(world: World, settings: Any, told: Told) -> None:
    silent(world)
    answering(world, settings)
    world.utility.meters.clear()

    lifecycle.retry_waiting(NOON + MINUTE)

    ((_, result, _case),) = told
    assert code(result) == "METER_NOT_FOUND" and the_case().state == "REJECTED"


def test_a_program_that_closed_during_the_silence_ends_the_wait(world: World, settings: Any, told: Told) -> None:
    silent(world)
    answering(world, settings)
    assert world.version is not None
    world.version.state = "RETIRED"
    world.version.save()

    lifecycle.retry_waiting(NOON + MINUTE)

    ((_, result, _case),) = told
    assert code(result) == "PROGRAM_NOT_AVAILABLE"
    assert (the_case().state, the_case().retry_at) == ("REJECTED", None)


def test_after_a_day_the_order_needs_input_and_is_never_rejected(world: World, told: Told) -> None:
    silent(world)

    lifecycle.retry_waiting(NOON + timedelta(hours=24))

    ((action, result, _case),) = told
    assert action == "on_status" and isinstance(result, Snapshot)
    assert result.refusal is not None and result.refusal.code == "UTILITY_UNAVAILABLE"
    assert result.refusal.details == {"retry_after": 3600}
    case = the_case()
    assert (case.state, case.payload, case.retry_at) == ("NEEDS_INPUT", None, None)
    assert lifecycle.retry_waiting(NOON + timedelta(hours=48)) == 0 and len(told) == 1


def test_a_worker_that_slept_for_days_asks_once_more_before_it_gives_up(
    world: World, settings: Any, told: Told
) -> None:
    silent(world)
    answering(world, settings)

    lifecycle.retry_waiting(NOON + timedelta(days=3))

    ((_, result, _case),) = told
    assert isinstance(result, Prepared) and the_case().state == "READY"


def test_after_giving_up_a_new_init_begins_anew(world: World, settings: Any) -> None:
    silent(world)
    lifecycle.retry_waiting(NOON + timedelta(hours=24))
    answering(world, settings)

    assert isinstance(world.prepare(), Prepared)


def test_a_new_init_ends_the_wait_of_the_first(world: World, settings: Any, told: Told) -> None:
    silent(world)
    answering(world, settings)

    assert isinstance(world.prepare(), Prepared)
    assert lifecycle.retry_waiting(NOON + MINUTE) == 0 and told == []


def test_a_new_init_during_the_silence_begins_to_wait_anew(world: World) -> None:
    silent(world)
    world.now = NOON + 30 * MINUTE

    assert isinstance(world.prepare(), Waiting)
    case = the_case()
    assert (case.waiting_since, case.retry_attempt) == (world.now, 1)


def test_a_cancel_ends_the_wait(world: World, settings: Any, told: Told) -> None:
    silent(world)
    world.cancel()
    answering(world, settings)

    assert lifecycle.retry_waiting(NOON + MINUTE) == 0
    assert the_case().state == "WITHDRAWN" and told == []


def test_an_attempt_that_dies_is_made_again_when_its_lease_runs_out(world: World, settings: Any, told: Told) -> None:
    silent(world)
    answering(world, settings)
    taken = lifecycle._take_waiting(NOON + MINUTE)

    assert taken == the_case().pk and lifecycle._take_waiting(NOON + MINUTE) is None
    assert lifecycle.retry_waiting(NOON + MINUTE + lifecycle.ATTEMPT_LEASE) == 1
    assert the_case().state == "READY" and len(told) == 1


def test_a_case_that_cannot_be_tried_does_not_stop_the_others(world: World, settings: Any, told: Told) -> None:
    world.utility.knows(meter("umid-002"))
    silent(world)
    world.prepare(world.application(2, "umid-002"))
    broken = the_case(1)
    broken.payload = {"init": {"nonsense": True}}
    broken.save()
    answering(world, settings)

    lifecycle.retry_waiting(NOON + MINUTE)

    assert [(result.order.order_id) for _, result, _ in told] == ["order-2"]


@pytest.mark.django_db(transaction=True)
def test_a_cancel_during_an_attempt_is_not_undone_by_it(world: World, settings: Any, told: Told) -> None:
    silent(world)
    answering(world, settings)
    world.utility.meanwhile(world.cancel)

    lifecycle.retry_waiting(NOON + MINUTE)

    assert the_case().state == "WITHDRAWN" and live_claims() == [] and told == []


@pytest.mark.django_db(transaction=True)
def test_a_new_init_during_an_attempt_is_not_overwritten_by_it(world: World, settings: Any, told: Told) -> None:
    world.utility.knows(meter("umid-002"))
    silent(world)
    answering(world, settings)
    world.utility.meanwhile(lambda: world.prepare(world.application(1, "umid-002")))

    lifecycle.retry_waiting(NOON + MINUTE)

    assert (the_case().meters, the_case().state) == (["umid-002"], "READY")
    assert live_claims() == [("HELD", "umid-002")] and told == []


# --- the confirm -----------------------------------------------------------------------------------------------------


def silent_at_confirm(world: World, **changes: Any) -> Any:
    world.prepare()
    world.utility.is_down = True
    return world.confirm(**changes)


def test_a_utility_that_goes_silent_before_the_confirm_leaves_the_order_ready_with_its_hold(world: World) -> None:
    result = silent_at_confirm(world)

    assert isinstance(result, Waiting)
    case = the_case()
    assert (case.state, case.waiting_act) == ("READY", "confirm")
    hold = case.claims.get()
    assert hold.state == "HELD" and hold.hold_expires_at == NOON + MINUTE + timedelta(minutes=30)


def test_the_hold_is_prolonged_with_every_attempt(world: World) -> None:
    silent_at_confirm(world)
    for _ in range(4):
        due = the_case().retry_at
        assert due is not None
        lifecycle.retry_waiting(due)

    case = the_case()
    hold = case.claims.get()
    assert hold.hold_expires_at is not None and case.retry_at is not None and hold.hold_expires_at > case.retry_at


def test_the_confirm_is_done_as_it_was_asked_when_the_utility_is_back(world: World, settings: Any, told: Told) -> None:
    start = datetime(2026, 11, 1, tzinfo=NOON.tzinfo)
    silent_at_confirm(world, starts_at=start, ends_at=start + timedelta(days=30), meters=("umid-001",))
    answering(world, settings)

    lifecycle.retry_waiting(NOON + MINUTE)

    ((action, result, _case),) = told
    assert action == "on_status" and isinstance(result, Confirmed)
    assert (Enrollment.objects.get().period.lower, the_case().state) == (start, "CONFIRMED")
    assert the_case().payload is None and the_case().retry_at is None


def test_a_confirm_that_is_refused_after_the_silence_waits_no_more(world: World, settings: Any, told: Told) -> None:
    silent_at_confirm(world)
    answering(world, settings)
    world.utility.meters.clear()

    lifecycle.retry_waiting(NOON + MINUTE)

    assert [code(result) for _, result, _ in told] == ["METER_NOT_FOUND"]
    assert (the_case().state, the_case().waiting_act, the_case().retry_at) == ("READY", "", None)
    assert lifecycle.retry_waiting(NOON + 90 * MINUTE) == 0


def test_a_confirm_sent_again_after_the_silence_is_the_only_one(world: World, settings: Any, told: Told) -> None:
    silent_at_confirm(world)
    answering(world, settings)

    assert isinstance(world.confirm(), Confirmed)
    assert lifecycle.retry_waiting(NOON + MINUTE) == 0 and told == [] and Enrollment.objects.count() == 1


def test_a_confirm_that_waited_a_day_needs_input(world: World, told: Told) -> None:
    silent_at_confirm(world)

    lifecycle.retry_waiting(NOON + timedelta(hours=24))

    assert the_case().state == "NEEDS_INPUT" and told[0][1].refusal.code == "UTILITY_UNAVAILABLE"
    assert live_claims() == []


def test_the_sign_in_of_a_confirm_that_waits_is_remembered_with_it(world: World) -> None:
    world.prepare()
    world.utility.is_down = True

    proven = ProvenIdentity(UTILITY_A, RAJESH, "OIDC", acr="1", auth_time=NOON, meter_ids=("umid-001",))
    signed_in = replace(SIGNED_IN, identities=(proven,))

    world.confirm(authority=signed_in)

    assert remembering.confirm_authority(the_case().payload) == signed_in
    assert remembering.authority(the_case().payload) == MAY_ASSERT_ALL


# --- issuers ---------------------------------------------------------------------------------------------------------


def test_an_issuer_whose_list_is_not_to_be_had_is_waited_for_like_a_utility(
    world: World, settings: Any, told: Told
) -> None:
    world.utility.lists_are_down = True
    command = world.application(credentials=(world.ownership(status=3), world.eligibility()))

    result = world.prepare(command)

    assert isinstance(result, Waiting) and result.utility_id == UTILITY_A
    answering(world, settings)
    lifecycle.retry_waiting(NOON + MINUTE)
    assert [type(r) for _, r, _ in told] == [Prepared] and the_case().state == "READY"


def test_an_issuer_that_goes_silent_before_the_confirm_is_waited_for(world: World, settings: Any, told: Told) -> None:
    world.prepare(world.application(credentials=(world.ownership(status=3), world.eligibility())))
    world.utility.lists_are_down = True

    assert isinstance(world.confirm(), Waiting)
    assert (the_case().state, the_case().waiting_act) == ("READY", "confirm")

    answering(world, settings)
    lifecycle.retry_waiting(NOON + MINUTE)
    assert [type(r) for _, r, _ in told] == [Confirmed]


def test_a_credential_that_is_bad_in_itself_is_refused_though_another_s_issuer_is_silent(world: World) -> None:
    world.utility.lists_are_down = True
    bad = world.ownership(subject="did:example:somebody")

    result = world.prepare(world.application(credentials=(bad, world.eligibility(status=3))))

    assert isinstance(result, Refused) and result.refusal.details["reason_code"] == "WRONG_SUBJECT"


@pytest.mark.parametrize("program", [FLEX, OTHER_FLEX])
def test_waiting_does_not_keep_a_credential_s_bytes_in_clear(bare_world: World, program: str) -> None:
    from django.db import connection

    a_program(program)
    bare_world.utility.is_down = True
    command = bare_world.application(program_id=program)
    bare_world.prepare(command)

    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM enrollment_cases")
        (sealed,) = cursor.fetchone()
    assert command.credentials[0].data.encode() not in bytes(sealed)
    assert the_case().payload["init"]["credentials"][0]["data"] == command.credentials[0].data
