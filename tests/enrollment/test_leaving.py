"""Unenrolment: now, from a past or a future date, taken back; what it revokes and frees (decisions 52, 62)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from credentials.models import IssuedCredential
from enrollment import services
from enrollment.commands import (
    AskStatus,
    Authority,
    ConsentGrant,
    EndEnrollment,
    OrderRef,
    ProvenIdentity,
    WithdrawConsent,
)
from enrollment.models import CapCounter, Claim, ConflictPair, Consent, EnrollmentCase
from enrollment.results import Ended, Prepared, Snapshot
from enrollment.signals import enrollment_changed
from tests.enrollment.world import (
    World,
    at,
    code,
    journal,
    live_claims,
    nothing,
    portal,
    the_case,
    the_enrollment,
)
from tests.factories import (
    BINA,
    DATA_COLLECTION,
    NOON,
    OTHER_FLEX,
    PORTAL,
    RAJESH,
    RESEARCH,
    UTILITY_A,
    UTILITY_B,
    a_program,
)

NOVEMBER, MAY, JUNE, NEXT_NOVEMBER = at(2026, 11, 1), at(2027, 5, 1), at(2027, 6, 1), at(2027, 11, 1)
BOTH = (ConsentGrant("DATA_COLLECTION", True), ConsentGrant("RESEARCH", True))


def revoked() -> dict[str, bool]:
    return {c.kind: c.revoked_at is not None for c in IssuedCredential.objects.all()}


def claimed_until() -> Any:
    return Claim.objects.get(state="CLAIMED").period.upper


# --- now -------------------------------------------------------------------------------------------------------------


def test_leaving_revokes_credential_and_consents_and_frees_the_meter_in_one_act(world: World) -> None:
    world.enrolled(1)

    result = world.end(reason="USER_REQUESTED", enrollment_id=the_enrollment().enrollment_id)

    assert isinstance(result, Ended) and not result.is_pending
    line = result.order.enrollment
    assert line is not None and (line.state, line.cancelled_at) == ("CANCELLED", NOON)
    assert line.credential.is_revoked and [c.state for c in result.consents] == ["REVOKED"]
    assert [m.state for m in result.order.meters] == ["CANCELLED"]
    assert result.log_reference.startswith("log-") and result.log_reference != line.log_reference
    assert revoked() == {"ENROLLMENT": True, "CONSENT": True} and live_claims() == []
    assert journal()[-2:] == ["consent.revoked", "enrollment.cancelled"]


def test_a_claim_keeps_the_time_it_covered(world: World) -> None:
    world.enrolled(1, starts_at=NOON, ends_at=NEXT_NOVEMBER)
    world.end(now=NOON + timedelta(days=10))

    assert claimed_until() == NOON + timedelta(days=10)


def test_a_past_date_means_now(world: World) -> None:
    world.enrolled(1)

    result = world.end(effective_at=at(2020, 1, 1))

    assert not result.is_pending and result.order.enrollment.cancelled_at == NOON


def test_leaving_twice_answers_the_same_and_keeps_the_first_moment(world: World) -> None:
    world.enrolled(1)
    first = world.end()

    again = world.end(now=NOON + timedelta(days=1))

    assert isinstance(again, Ended)
    assert again.order.enrollment.cancelled_at == NOON and again.log_reference == first.log_reference
    assert journal().count("enrollment.cancelled") == 1


def test_a_consent_withdrawn_before_is_reported_again_with_its_first_moment(world: World) -> None:
    world.enrolled(1)
    world.withdraw_consent(now=NOON)

    result = world.end(now=NOON + timedelta(days=1))

    assert [(c.type, c.revoked_at) for c in result.consents] == [("DATA_COLLECTION", NOON)]


def test_leaving_before_the_start_releases_the_claim_whole(world: World) -> None:
    world.enrolled(1, starts_at=NOVEMBER)
    world.end()

    assert Claim.objects.get().state == "RELEASED" and live_claims() == []


def test_an_enrolment_id_of_another_order_is_not_found(world: World) -> None:
    world.enrolled(1)

    assert code(world.end(enrollment_id="enrollment-somebody-else")) == "ORDER_NOT_FOUND"
    assert the_enrollment().state == "ACTIVE"


def test_an_order_that_is_not_enrolled_cannot_be_left(world: World) -> None:
    world.prepare()

    result = world.end()

    assert code(result) == "NOT_POSSIBLE_NOW" and result.refusal.details == {"state": "READY"}
    assert live_claims() == [("HELD", "umid-001")]


def test_a_cap_s_place_is_given_back_once(bare_world: World) -> None:
    a_program(max_meters=5)
    bare_world.enrolled(1)
    bare_world.end()
    bare_world.end()

    assert CapCounter.objects.get().used == 0


# --- consents that outlive (decision 62) -----------------------------------------------------------------------------


@pytest.fixture
def research(bare_world: World) -> World:
    a_program(required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1, consents=BOTH)
    return bare_world


def test_not_revoking_all_leaves_only_consents_that_the_program_lets_outlive(research: World) -> None:
    result = research.end(revoke_all_consents=False)

    assert [c.type for c in result.consents] == ["DATA_COLLECTION"]
    assert dict(Consent.objects.values_list("consent_type", "state")) == {
        "DATA_COLLECTION": "REVOKED",
        "RESEARCH": "GRANTED",
    }


def test_revoking_all_revokes_those_too(research: World) -> None:
    research.end()

    assert set(Consent.objects.values_list("state", flat=True)) == {"REVOKED"}


def test_a_consent_that_outlives_may_be_withdrawn_after_the_end(research: World) -> None:
    research.end(revoke_all_consents=False)

    research.withdraw_consent(consent_type="RESEARCH")

    assert set(Consent.objects.values_list("state", flat=True)) == {"REVOKED"}
    assert the_enrollment().state == "CANCELLED"


# --- from a date to come ---------------------------------------------------------------------------------------------


@pytest.fixture
def leaving_in_may(world: World) -> World:
    world.enrolled(1, starts_at=NOVEMBER, ends_at=NEXT_NOVEMBER)
    world.end(effective_at=MAY, reason="MOVING")
    return world


def test_a_date_to_come_leaves_everything_in_force_until_then(leaving_in_may: World) -> None:
    status = leaving_in_may.status()

    assert isinstance(status, Snapshot) and status.order.enrollment is not None
    assert status.order.enrollment.end_scheduled_for == MAY
    assert revoked() == {"ENROLLMENT": False, "CONSENT": False}
    assert the_enrollment().state == "SCHEDULED" and claimed_until() == MAY
    assert journal()[-1] == "enrollment.end_scheduled"


def test_the_answer_is_pending_and_names_no_revoked_consent(world: World) -> None:
    world.enrolled(1)

    result = world.end(effective_at=MAY)

    assert isinstance(result, Ended) and result.is_pending and result.consents == ()
    assert result.log_reference.startswith("log-")


def test_a_planned_end_is_taken_back_and_the_time_claimed_again(leaving_in_may: World) -> None:
    result = leaving_in_may.end(is_withdrawn=True)

    assert isinstance(result, Ended) and result.is_pending and result.order.enrollment is not None
    assert result.order.enrollment.end_scheduled_for is None
    assert claimed_until() == NEXT_NOVEMBER and journal()[-1] == "enrollment.end_withdrawn"


def test_nothing_to_take_back_changes_nothing(world: World) -> None:
    world.enrolled(1)
    before = journal()

    assert isinstance(world.end(is_withdrawn=True), Ended)
    assert journal() == before and the_enrollment().state == "ACTIVE"


def test_a_planned_end_may_be_moved_earlier_and_later(leaving_in_may: World) -> None:
    leaving_in_may.end(effective_at=MAY - timedelta(days=10))
    assert claimed_until() == MAY - timedelta(days=10)

    leaving_in_may.end(effective_at=JUNE)
    assert claimed_until() == JUNE and the_enrollment().end_scheduled_for == JUNE


def test_a_planned_end_may_be_made_now(leaving_in_may: World) -> None:
    result = leaving_in_may.end()

    assert not result.is_pending and the_enrollment().state == "CANCELLED"
    assert the_enrollment().end_scheduled_for is None


def test_an_end_before_the_start_releases_the_claim_and_may_be_moved_within_that_time(world: World) -> None:
    world.enrolled(1, starts_at=NOVEMBER, ends_at=NEXT_NOVEMBER)

    world.end(effective_at=NOVEMBER - timedelta(days=9))
    assert live_claims() == []
    world.end(effective_at=NOVEMBER - timedelta(days=4))
    assert live_claims() == []
    world.end(effective_at=NOVEMBER)
    assert live_claims() == []
    world.end(effective_at=MAY)
    assert claimed_until() == MAY
    world.end(is_withdrawn=True)
    assert claimed_until() == NEXT_NOVEMBER


def test_an_end_after_the_end_is_refused_and_told_the_latest(world: World) -> None:
    world.enrolled(1, ends_at=MAY)

    result = world.end(effective_at=MAY)

    assert code(result) == "DATES_INVALID" and result.refusal.details == {"latest": MAY}


def taken_over(world: World, **program: Any) -> None:
    """The freed time from May on is enrolled in another program."""
    a_program(OTHER_FLEX, **program)
    world.enrolled(2, program_id=OTHER_FLEX, starts_at=MAY, ends_at=NEXT_NOVEMBER)


def test_an_end_cannot_be_taken_back_once_the_time_is_somebody_else_s(leaving_in_may: World) -> None:
    taken_over(leaving_in_may)

    for attempt in ({"is_withdrawn": True}, {"effective_at": JUNE}):
        assert code(leaving_in_may.end(1, **attempt)) == "ENROLLMENT_CONFLICT"
        assert the_enrollment(1).end_scheduled_for == MAY
    assert Claim.objects.get(enrollment=the_enrollment(1)).period.upper == MAY


def test_nor_once_a_group_that_may_not_meet_ours_has_it(leaving_in_may: World) -> None:
    ConflictPair.objects.create(group_a="FLEX", group_b="TRADE", verdict="DENY")
    taken_over(leaving_in_may, conflict_group="TRADE")

    assert code(leaving_in_may.end(1, is_withdrawn=True)) == "ENROLLMENT_CONFLICT"


def test_a_hold_that_ran_out_does_not_keep_the_end_from_being_taken_back(leaving_in_may: World) -> None:
    a_program(OTHER_FLEX)
    leaving_in_may.prepare(leaving_in_may.application(2, program_id=OTHER_FLEX, starts_at=MAY))

    assert code(leaving_in_may.end(1, is_withdrawn=True)) == "ENROLLMENT_CONFLICT"
    assert isinstance(leaving_in_may.end(1, is_withdrawn=True, now=NOON + timedelta(hours=1)), Ended)
    assert the_case(2).state == "READY"


def test_a_suspended_enrolment_can_be_left(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1)
    bare_world.withdraw_consent()

    result = bare_world.end()

    assert result.order.enrollment.state == "CANCELLED" and result.order.enrollment.credential.is_revoked


def test_after_leaving_the_same_meter_may_be_enrolled_again_under_a_new_order(world: World) -> None:
    world.enrolled(1)
    world.end()

    assert isinstance(world.prepare(world.application(2)), Prepared)
    assert code(world.prepare(world.application(1))) == "DUPLICATE"


# --- status ----------------------------------------------------------------------------------------------------------


def test_status_tells_the_order_as_it_stands_and_writes_nothing(world: World) -> None:
    world.enrolled(1)
    before = journal()

    result = world.status()

    assert isinstance(result, Snapshot) and result.order.enrollment is not None
    assert result.order.enrollment.state == "ACTIVE" and len(result.order.enrollment.consents) == 1
    assert "?t=" not in result.order.enrollment.credential.access_url
    assert journal() == before


def test_status_before_the_confirm_tells_the_application(world: World) -> None:
    world.prepare()

    result = world.status()

    assert result.order.case_state == "READY" and result.order.enrollment is None
    assert [m.umid for m in result.order.meters] == ["umid-001"]


def test_status_of_an_order_nobody_knows_is_not_found(world: World) -> None:
    assert code(world.status("nowhere")) == "ORDER_NOT_FOUND"


def test_who_kept_only_the_enrolment_s_id_finds_the_order_by_it_and_nobody_else_does(world: World) -> None:
    enrolled = world.enrolled(1).order.enrollment
    assert enrolled is not None

    def asked_by(bap_id: str) -> Any:
        command = AskStatus(OrderRef(bap_id, enrolled.enrollment_id))
        return services.status(command, actor=portal(), now=NOON, also_write=nothing)

    assert asked_by(PORTAL).order.order_id == "order-1"
    assert code(asked_by("ea-portal.example.com")) == "ORDER_NOT_FOUND"


# --- through another portal (decision 10) ----------------------------------------------------------------------------

OTHER_PORTAL = "other-portal.example.com"


def through_another(proven: str, *proven_at: str) -> OrderRef:
    return OrderRef(OTHER_PORTAL, "order-1", proven_subject=proven, proven_at=proven_at)


@pytest.fixture
def news() -> Iterator[list[tuple[str, str, str]]]:
    """(action, BAP, what) of everything told to BAPs of record."""
    heard: list[tuple[str, str, str]] = []

    def hear(sender: object, *, result: Any, case: EnrollmentCase, action: str, **_: Any) -> None:
        heard.append((action, case.bap_id, type(result).__name__))

    enrollment_changed.connect(hear)
    yield heard
    enrollment_changed.disconnect(hear)


def test_the_customer_leaves_through_another_portal_and_the_one_of_record_is_told(
    world: World, news: list[tuple[str, str, str]]
) -> None:
    world.enrolled(1)
    command = EndEnrollment(through_another(RAJESH))

    result = services.end(command, actor=portal(), now=NOON, also_write=nothing)

    assert isinstance(result, Ended) and the_enrollment().state == "CANCELLED"
    assert news == [("on_update", PORTAL, "Ended")]


def test_the_customer_withdraws_a_consent_through_another_portal(
    world: World, news: list[tuple[str, str, str]]
) -> None:
    world.enrolled(1)
    consent = WithdrawConsent(through_another(RAJESH), consent_type="DATA_COLLECTION")
    services.withdraw_consent(consent, actor=portal(), now=NOON, also_write=nothing)

    assert Consent.objects.get().state == "REVOKED"
    assert news == [("on_update", PORTAL, "ConsentWithdrawn")]


@pytest.mark.parametrize("proven", [[""], [BINA], [RAJESH, UTILITY_B], [RAJESH, ""]], ids=str)
def test_without_the_customers_own_proof_another_portal_finds_nothing(
    world: World, news: list[tuple[str, str, str]], proven: list[str]
) -> None:
    """Nor does the word of another utility's provider, or of one that is no utility's, about who somebody is."""
    world.enrolled(1)

    for service, command in (
        (services.end, EndEnrollment(through_another(*proven))),
        (services.cancel, EndEnrollment(through_another(*proven))),
        (services.withdraw_consent, WithdrawConsent(through_another(*proven), consent_type="DATA_COLLECTION")),
    ):
        assert code(service(command, actor=portal(), now=NOON, also_write=nothing)) == "ORDER_NOT_FOUND"
    assert the_enrollment().state == "ACTIVE" and news == []


def test_a_customers_list_of_orders_holds_those_that_the_proof_speaks_for(world: World) -> None:
    world.enrolled(1)

    def listed(*identities: ProvenIdentity) -> list[str]:
        proof = Authority(OTHER_PORTAL, proven_subject=RAJESH, identities=identities)
        found = services.status_of_all(proof, now=NOON, also_write=nothing)
        return [each.order.order_id for each in found.snapshots]

    at_a, at_b = (ProvenIdentity(utility_id, RAJESH, "OIDC") for utility_id in (UTILITY_A, UTILITY_B))
    assert (listed(at_a), listed(at_b), listed(at_a, at_b)) == (["order-1"], [], ["order-1"])
    assert listed() == ["order-1"]  # by a key of their own


def test_an_application_is_withdrawn_through_another_portal(world: World, news: list[tuple[str, str, str]]) -> None:
    world.prepare()

    services.cancel(EndEnrollment(through_another(RAJESH, UTILITY_A)), actor=portal(), now=NOON, also_write=nothing)

    assert the_case().state == "WITHDRAWN" and live_claims() == []
    assert news == [("on_update", PORTAL, "Withdrawn")]


def test_of_two_orders_of_one_name_and_person_none_is_guessed(world: World) -> None:
    world.prepare()
    world.prepare(world.application(1, bap_id="third-portal.example.com"))

    result = services.cancel(EndEnrollment(through_another(RAJESH)), actor=portal(), now=NOON, also_write=nothing)

    assert code(result) == "ORDER_NOT_FOUND"
