"""Life by the clock: each job over rows, at its moment and not before, once, and told. Also after a sleep of a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit import clock
from audit.models import Event
from enrollment import lifecycle, tasks
from enrollment.commands import ConsentGrant
from enrollment.models import CapCounter, Claim, Consent, ConsentEvent
from enrollment.results import ConsentWithdrawn, Ended, Snapshot
from tests.enrollment.world import World, at, journal, live_claims, the_case, the_enrollment
from tests.factories import DATA_COLLECTION, NOON, OTHER_FLEX, RESEARCH, a_program, meter

NOVEMBER, MAY, NEXT_NOVEMBER = at(2026, 11, 1), at(2027, 5, 1), at(2027, 11, 1)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
Told = list[tuple[str, Any, Any]]


def turned(now: Any, told: Told) -> list[tuple[str, str]]:
    """Turn the clock; what was told, as (action, state of the enrolment or case)."""
    del told[:]
    lifecycle.turn_the_clock(now)
    return [
        (action, str(result.order.enrollment.state if result.order.enrollment else result.order.case_state))
        for action, result, _ in told
    ]


# --- start and end ---------------------------------------------------------------------------------------------------


def test_a_scheduled_enrolment_becomes_active_at_its_start_and_is_told_once(world: World, told: Told) -> None:
    world.enrolled(1, starts_at=NOVEMBER)

    assert turned(NOVEMBER - SECOND, told) == [] and the_enrollment().state == "SCHEDULED"
    assert turned(NOVEMBER, told) == [("on_status", "ACTIVE")]
    assert turned(NOVEMBER, told) == [] and turned(NOVEMBER + DAY, told) == []
    assert the_enrollment().state == "ACTIVE" and journal().count("enrollment.activated") == 1


def test_an_active_enrolment_expires_at_its_end_with_its_consents_and_is_told_once(world: World, told: Told) -> None:
    world.enrolled(1, ends_at=MAY)

    assert turned(MAY - SECOND, told) == []
    assert turned(MAY, told) == [("on_status", "EXPIRED")]
    assert turned(MAY + DAY, told) == []
    assert told == [] and the_enrollment().state == "EXPIRED"
    assert Consent.objects.get().state == "EXPIRED"
    assert [e.event for e in ConsentEvent.objects.order_by("pk")] == ["GRANTED", "EXPIRED"]
    assert journal()[-2:] == ["enrollment.expired", "consent.expired"]


def test_an_expired_enrolment_s_credential_needs_no_bit(world: World) -> None:
    world.enrolled(1, ends_at=MAY)
    lifecycle.turn_the_clock(MAY)

    credential = the_enrollment().credential
    assert (credential.revoked_at, credential.suspended_at, credential.valid_until) == (None, None, MAY)


def test_a_suspended_enrolment_expires_too(bare_world: World, told: Told) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1, ends_at=MAY)
    bare_world.withdraw_consent()

    assert turned(MAY, told) == [("on_status", "EXPIRED")]


def test_an_open_ended_enrolment_never_expires(bare_world: World, told: Told) -> None:
    a_program(default_term_days=0)
    bare_world.enrolled(1)

    assert turned(at(2099, 1, 1), told) == []


def test_a_place_is_given_back_when_the_enrolment_expires(bare_world: World) -> None:
    a_program(max_meters=1)
    bare_world.enrolled(1, ends_at=MAY)
    lifecycle.turn_the_clock(MAY)

    assert CapCounter.objects.get().used == 0


def test_an_expired_enrolment_can_be_left_without_harm(world: World) -> None:
    world.enrolled(1, ends_at=MAY)
    lifecycle.turn_the_clock(MAY)

    result = world.end(now=MAY + DAY)

    assert isinstance(result, Ended) and the_enrollment().state == "EXPIRED"
    assert result.consents == () and result.log_reference == Event.objects.get(action="enrollment.expired").reference


# --- planned ends and revocations ------------------------------------------------------------------------------------


def test_a_planned_end_happens_at_its_moment_and_is_told_by_an_on_update(world: World, told: Told) -> None:
    world.enrolled(1)
    world.end(effective_at=MAY, reason="MOVING")

    assert turned(MAY - SECOND, told) == []
    assert turned(MAY, told) == [("on_update", "CANCELLED")]
    (_, result, case) = told[0]
    assert isinstance(result, Ended) and not result.is_pending and case.pk == the_case().pk
    enrollment = the_enrollment()
    assert (enrollment.cancelled_at, enrollment.end_reason, enrollment.end_scheduled_for) == (MAY, "MOVING", None)
    assert enrollment.credential.revoked_at == MAY and Consent.objects.get().state == "REVOKED"
    assert turned(MAY, told) == [] and journal().count("enrollment.cancelled") == 1


def test_a_planned_end_keeps_the_consents_it_was_told_to_keep(bare_world: World) -> None:
    a_program(required_consents=[DATA_COLLECTION, RESEARCH])
    both = (ConsentGrant("DATA_COLLECTION", True), ConsentGrant("RESEARCH", True))
    bare_world.enrolled(1, consents=both)
    bare_world.end(effective_at=MAY, revoke_all_consents=False)

    lifecycle.turn_the_clock(MAY)

    assert dict(Consent.objects.values_list("consent_type", "state")) == {
        "DATA_COLLECTION": "REVOKED",
        "RESEARCH": "GRANTED",
    }


def test_a_planned_end_that_was_taken_back_does_not_happen(world: World, told: Told) -> None:
    world.enrolled(1)
    world.end(effective_at=MAY)
    world.end(is_withdrawn=True)

    assert turned(MAY, told) == [] and the_enrollment().state == "ACTIVE"


def test_the_claim_of_a_planned_end_is_not_lengthened_by_a_late_worker(world: World) -> None:
    world.enrolled(1)
    world.end(effective_at=MAY)

    lifecycle.turn_the_clock(MAY + DAY)

    assert Claim.objects.get().period.upper == MAY


def test_a_planned_withdrawal_of_consent_happens_at_its_moment(bare_world: World, told: Told) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1)
    bare_world.withdraw_consent(effective_at=MAY, reason="USER_REQUESTED")

    assert turned(MAY - SECOND, told) == []
    assert turned(MAY, told) == [("on_update", "SUSPENDED")]
    (_, result, _case) = told[0]
    assert isinstance(result, ConsentWithdrawn) and result.consent.revoked_at == MAY
    assert Consent.objects.get().revocation_reason == "USER_REQUESTED"
    assert turned(MAY, told) == []


def test_a_planned_withdrawal_has_nothing_to_do_after_the_enrolment_ended(world: World, told: Told) -> None:
    world.enrolled(1)
    world.withdraw_consent(effective_at=MAY)
    world.end()

    assert turned(MAY, told) == [] and Consent.objects.get().revoked_at == NOON


# --- holds and applications ------------------------------------------------------------------------------------------


def test_a_hold_that_ran_out_is_released_and_its_order_stays_ready(world: World, told: Told) -> None:
    world.prepare()

    assert turned(NOON + timedelta(minutes=30) - SECOND, told) == [] and live_claims() == [("HELD", "umid-001")]
    assert turned(NOON + timedelta(minutes=30), told) == []
    assert live_claims() == [] and the_case().state == "READY"


def test_an_application_nobody_confirmed_expires_and_is_told_once(world: World, told: Told) -> None:
    world.prepare()
    deadline = the_case().deadline

    assert deadline == NOON + timedelta(days=30)
    assert turned(deadline - SECOND, told) == []
    assert turned(deadline, told) == [("on_status", "EXPIRED")]
    assert turned(deadline, told) == []
    assert (the_case().state, the_case().payload) == ("EXPIRED", None) and journal()[-1] == "case.expired"


@pytest.mark.parametrize("how", ["NEEDS_INPUT", "waiting"])
def test_an_open_application_of_any_kind_expires(world: World, told: Told, how: str) -> None:
    world.utility.is_down = how == "waiting"
    world.prepare(world.application(credentials=()))

    assert turned(NOON + timedelta(days=30), told) == [("on_status", "EXPIRED")]
    assert the_case().retry_at is None


def test_a_confirmed_or_refused_order_does_not_expire_as_an_application(world: World, told: Told) -> None:
    world.enrolled(1)
    world.prepare(world.application(2, "umid-999"))

    assert turned(NOON + timedelta(days=31), told) == []


def test_an_expired_application_is_opened_again_by_an_init(world: World) -> None:
    world.prepare()
    world.now = NOON + timedelta(days=31)
    lifecycle.turn_the_clock(world.now)

    assert world.prepare().order.case_state == "READY"


# --- a worker that slept ---------------------------------------------------------------------------------------------


def test_a_worker_that_slept_over_start_and_end_does_both_in_order(world: World, told: Told) -> None:
    world.enrolled(1, starts_at=NOVEMBER, ends_at=MAY)

    assert turned(NEXT_NOVEMBER, told) == [("on_status", "ACTIVE"), ("on_status", "EXPIRED")]


def test_a_worker_that_slept_over_start_and_a_planned_end_does_both_in_order(world: World, told: Told) -> None:
    world.enrolled(1, starts_at=NOVEMBER)
    world.end(effective_at=MAY)

    assert turned(MAY + DAY, told) == [("on_status", "ACTIVE"), ("on_update", "CANCELLED")]


def test_an_end_planned_before_the_start_never_starts_the_enrolment(world: World, told: Told) -> None:
    world.enrolled(1, starts_at=NOVEMBER)
    world.end(effective_at=NOVEMBER - DAY)

    assert turned(NOVEMBER + DAY, told) == [("on_update", "CANCELLED")]
    assert "enrollment.activated" not in journal()


def test_a_worker_that_slept_revokes_a_consent_that_was_due_before_the_end(world: World, told: Told) -> None:
    world.enrolled(1, ends_at=MAY)
    world.withdraw_consent(effective_at=MAY - DAY)

    assert turned(MAY + DAY, told) == [("on_update", "ACTIVE"), ("on_status", "EXPIRED")]
    assert Consent.objects.get().state == "REVOKED"


def test_many_due_rows_are_all_done_in_one_turn(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "BATCH", 2)
    world.utility.knows(*(meter(f"umid-{n}") for n in range(5)))
    for n in range(5):
        world.prepare(world.application(n, f"umid-{n}"))

    assert len(turned(NOON + timedelta(days=30), told)) == 5


def test_a_row_that_cannot_be_moved_does_not_stop_the_others(world: World, told: Told) -> None:
    from enrollment.signals import enrollment_changed

    def broken(sender: object, *, case: Any, **_: Any) -> None:
        if case.order_id == "order-0":
            raise OSError("the listener is broken for this one")

    world.utility.knows(*(meter(f"umid-{n}") for n in range(3)))
    for n in range(3):
        world.prepare(world.application(n, f"umid-{n}"))
    enrollment_changed.connect(broken)
    try:
        turned(NOON + timedelta(days=30), told)
    finally:
        enrollment_changed.disconnect(broken)

    assert [the_case(n).state for n in range(3)] == ["READY", "EXPIRED", "EXPIRED"]


def test_a_change_that_cannot_be_told_is_not_made(world: World, told: Told) -> None:
    from enrollment.signals import enrollment_changed

    def broken(sender: object, **_: Any) -> None:
        raise OSError("no outbox")

    world.enrolled(1, starts_at=NOVEMBER)
    enrollment_changed.connect(broken)
    try:
        lifecycle.turn_the_clock(NOVEMBER)
    finally:
        enrollment_changed.disconnect(broken)

    assert the_enrollment().state == "SCHEDULED" and "enrollment.activated" not in journal()
    assert turned(NOVEMBER, told) == [("on_status", "ACTIVE")]


def test_the_beat_s_job_asks_the_moved_clock(world: World, settings: Any) -> None:
    world.now = clock.now()
    world.enrolled(1, starts_at=world.now + DAY)
    tasks.turn_the_clock()
    assert the_enrollment().state == "SCHEDULED"

    settings.CLOCK_OFFSET = DAY.total_seconds() + 60
    tasks.turn_the_clock()

    assert the_enrollment().state == "ACTIVE"


def test_the_sweep_asks_waiting_utilities_at_its_moment(world: World) -> None:
    world.utility.is_down = True
    world.prepare()

    assert tasks.sweep(NOON) == 0
    assert tasks.sweep(NOON + timedelta(minutes=1)) == 1


def test_what_is_told_is_the_whole_order(world: World, told: Told) -> None:
    a_program(OTHER_FLEX)
    world.enrolled(1, starts_at=NOVEMBER)
    turned(NOVEMBER, told)

    ((_, result, case),) = told
    assert isinstance(result, Snapshot) and result.order.enrollment is not None
    assert result.order.enrollment.consents and result.order.meters and result.order.order_id == case.order_id
