"""Withdrawing and granting consents, and what the program says follows (decisions 8, 11, 33, 35, 62)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from audit.models import Event
from credentials.models import IssuedCredential, StatusChange
from enrollment import lifecycle
from enrollment.commands import ConsentGrant
from enrollment.models import Claim, Consent, ConsentEvent
from enrollment.results import ConsentsGranted, ConsentWithdrawn
from tests.enrollment.world import World, code, journal, live_claims, the_case, the_enrollment
from tests.factories import DATA_COLLECTION, NOON, PORTAL, RESEARCH, a_program

LATER = NOON + timedelta(days=3)


def credential(kind: str) -> IssuedCredential:
    return IssuedCredential.objects.filter(kind=kind).latest("issued_at", "pk")


def granted(consent_type: str = "DATA_COLLECTION", **changes: Any) -> ConsentGrant:
    return ConsentGrant(**{"type": consent_type, "granted": True, **changes})


# --- withdrawal ------------------------------------------------------------------------------------------------------


def test_a_withdrawn_consent_is_revoked_with_its_credential_and_its_list_is_due(world: World) -> None:
    world.enrolled(1)
    StatusChange.objects.all().delete()

    result = world.withdraw_consent(claimed_at="2026-10-18T09:00:00Z", now=LATER)

    assert isinstance(result, ConsentWithdrawn) and not result.is_pending
    assert (result.consent.state, result.consent.revoked_at) == ("REVOKED", LATER)
    assert result.consent.credential.is_revoked
    consent = Consent.objects.get()
    assert (consent.revoked_at, consent.claimed_revoked_at) == (LATER, "2026-10-18T09:00:00Z")
    assert (credential("CONSENT").revoked_at, credential("ENROLLMENT").revoked_at) == (LATER, None)
    assert StatusChange.objects.get().status_list == credential("CONSENT").status_list
    assert [e.event for e in ConsentEvent.objects.order_by("pk")] == ["GRANTED", "REVOKED"]
    assert journal()[-1] == "consent.revoked"


def test_keep_leaves_the_enrolment_active(world: World) -> None:
    world.enrolled(1)
    world.withdraw_consent()

    assert the_enrollment().state == "ACTIVE" and credential("ENROLLMENT").suspended_at is None


def test_suspend_sets_the_suspension_bit_and_the_meter_stays_claimed(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1)

    result = bare_world.withdraw_consent(now=LATER)

    assert result.order.enrollment.state == "SUSPENDED" and result.order.enrollment.credential.is_suspended
    enrollment = the_enrollment()
    assert (enrollment.suspended_at, enrollment.suspension_reason) == (LATER, "REQUIRED_CONSENT_REVOKED")
    assert (credential("ENROLLMENT").suspended_at, credential("ENROLLMENT").revoked_at) == (LATER, None)
    assert live_claims() == [("CLAIMED", "umid-001")]
    assert journal()[-2:] == ["consent.revoked", "enrollment.suspended"]


def test_cancel_ends_the_enrolment_and_frees_the_meter(bare_world: World) -> None:
    a_program(on_required_consent_revoked="CANCEL", required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1, consents=(granted(), granted("RESEARCH")))

    bare_world.withdraw_consent(now=LATER)

    assert the_enrollment().state == "CANCELLED" and the_enrollment().end_reason == "REQUIRED_CONSENT_REVOKED"
    assert Claim.objects.get().period.upper == LATER and credential("ENROLLMENT").revoked_at == LATER
    assert set(Consent.objects.values_list("state", flat=True)) == {"REVOKED"}


def test_an_optional_consent_is_withdrawn_without_any_consequence(bare_world: World) -> None:
    a_program(on_required_consent_revoked="CANCEL", required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1, consents=(granted(), granted("RESEARCH")))

    bare_world.withdraw_consent(consent_type="RESEARCH")

    assert the_enrollment().state == "ACTIVE"
    assert dict(Consent.objects.values_list("consent_type", "state")) == {
        "DATA_COLLECTION": "GRANTED",
        "RESEARCH": "REVOKED",
    }


def test_a_second_withdrawal_keeps_the_first_moment(world: World) -> None:
    world.enrolled(1)
    world.withdraw_consent(now=NOON)

    again = world.withdraw_consent(now=LATER)

    assert isinstance(again, ConsentWithdrawn) and again.consent.revoked_at == NOON
    assert credential("CONSENT").revoked_at == NOON and journal().count("consent.revoked") == 1


@pytest.mark.parametrize("spelling", ["{url}", "{uuid}", "vc:consent:{uuid}", "{url}?t=abc"])
def test_a_consent_is_found_by_its_credential_in_every_spelling(world: World, spelling: str) -> None:
    world.enrolled(1)
    theirs = credential("CONSENT")

    reference = spelling.format(url=theirs.url, uuid=theirs.pk)

    assert isinstance(world.withdraw_consent(consent_reference=reference), ConsentWithdrawn)


def test_a_consent_is_found_by_its_own_id_and_by_its_type(world: World) -> None:
    world.enrolled(1)

    by_type = world.withdraw_consent(consent_reference="")
    by_id = world.withdraw_consent(consent_reference=Consent.objects.get().consent_id, consent_type="")

    assert isinstance(by_type, ConsentWithdrawn) and by_type.consent == by_id.consent


@pytest.mark.parametrize(
    "named",
    [
        {"consent_type": "RESEARCH"},
        {"consent_type": "", "consent_reference": ""},
        {"consent_reference": str(uuid4())},
        {"consent_reference": "https://elsewhere.example.com/credentials/1"},
        {"consent_reference": "' OR 1=1"},
    ],
)
def test_a_consent_the_order_does_not_have_is_not_found(world: World, named: dict[str, str]) -> None:
    world.enrolled(1)

    assert code(world.withdraw_consent(**named)) == "CONSENT_NOT_FOUND"
    assert Consent.objects.get().state == "GRANTED"


def test_another_order_s_consent_is_not_found_either(world: World) -> None:
    from tests.factories import meter

    world.utility.knows(meter("umid-002"))
    world.enrolled(1)
    world.enrolled(2, "umid-002")
    other_s = Consent.objects.get(enrollment=the_enrollment(2)).credential

    assert code(world.withdraw_consent(1, consent_reference=other_s.url)) == "CONSENT_NOT_FOUND"
    assert not Consent.objects.filter(state="REVOKED").exists()


def test_before_the_confirm_there_is_no_consent_to_withdraw(world: World) -> None:
    world.prepare()

    assert code(world.withdraw_consent()) == "CONSENT_NOT_FOUND" and the_case().state == "READY"


def test_another_portal_learns_nothing_and_changes_nothing(world: World) -> None:
    world.enrolled(1)

    assert code(world.withdraw_consent(bap_id="ea-portal.example.com")) == "ORDER_NOT_FOUND"
    assert code(world.end(bap_id="ea-portal.example.com")) == "ORDER_NOT_FOUND"
    assert code(world.cancel(bap_id="ea-portal.example.com")) == "ORDER_NOT_FOUND"
    assert code(world.status(bap_id="ea-portal.example.com")) == "ORDER_NOT_FOUND"
    assert code(world.grant_consents(bap_id="ea-portal.example.com", consents=())) == "ORDER_NOT_FOUND"
    assert the_enrollment().state == "ACTIVE" and Consent.objects.get().state == "GRANTED"


def test_a_withdrawal_from_a_date_to_come_waits_for_it(world: World) -> None:
    world.enrolled(1)

    result = world.withdraw_consent(effective_at=LATER)

    assert isinstance(result, ConsentWithdrawn) and result.is_pending
    assert (result.consent.state, result.consent.revoke_scheduled_for) == ("GRANTED", LATER)
    assert credential("CONSENT").revoked_at is None
    event = Event.objects.filter(action="consent.revoked").get()
    assert event.details["effective_at"] == LATER.isoformat()


def test_a_consent_granted_again_before_its_planned_withdrawal_stays(world: World) -> None:
    world.enrolled(1)
    world.withdraw_consent(effective_at=LATER)

    result = world.grant_consents(consents=(granted(),), now=NOON + timedelta(days=1))

    assert isinstance(result, ConsentsGranted)
    assert [(c.state, c.revoke_scheduled_for) for c in result.granted] == [("GRANTED", None)]
    lifecycle.turn_the_clock(LATER)
    assert Consent.objects.get().state == "GRANTED"
    assert ConsentEvent.objects.latest("pk").event == "REVOCATION_DROPPED"


def test_nothing_is_granted_after_the_end_although_the_clocks_job_is_late(bare_world: World) -> None:
    a_program(required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1, ends_at=LATER)

    result = bare_world.grant_consents(consents=(granted("RESEARCH"),), now=LATER)

    assert code(result) == "NOT_POSSIBLE_NOW"


def test_a_planned_withdrawal_may_be_made_at_once(world: World) -> None:
    world.enrolled(1)
    world.withdraw_consent(effective_at=LATER)

    result = world.withdraw_consent()

    assert result.consent.state == "REVOKED" and Consent.objects.get().revoke_scheduled_for is None


def test_a_date_in_the_past_means_now(world: World) -> None:
    world.enrolled(1)

    result = world.withdraw_consent(effective_at=NOON - timedelta(days=30))

    assert result.consent.revoked_at == NOON


# --- grants ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def suspended(bare_world: World) -> World:
    a_program(on_required_consent_revoked="SUSPEND", required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1)
    bare_world.withdraw_consent()
    return bare_world


def test_a_consent_granted_again_resumes_the_enrolment_with_a_new_credential(suspended: World) -> None:
    result = suspended.grant_consents(consents=(granted(),), now=LATER)

    assert isinstance(result, ConsentsGranted)
    (line,) = result.granted
    assert line.state == "GRANTED" and "?t=" in line.credential.access_url
    assert the_enrollment().state == "ACTIVE" and the_enrollment().suspended_at is None
    assert credential("ENROLLMENT").suspended_at is None
    assert sorted(Consent.objects.values_list("state", flat=True)) == ["GRANTED", "REVOKED"]
    assert IssuedCredential.objects.filter(kind="CONSENT").count() == 2
    assert journal()[-2:] == ["consent.granted", "enrollment.resumed"]


def test_an_optional_consent_does_not_end_a_suspension(suspended: World) -> None:
    suspended.grant_consents(consents=(granted("RESEARCH"),))

    assert the_enrollment().state == "SUSPENDED"


def test_a_consent_granted_again_may_be_withdrawn_again(suspended: World) -> None:
    suspended.grant_consents(consents=(granted(),))

    result = suspended.withdraw_consent(now=LATER)

    assert result.consent.revoked_at == LATER and the_enrollment().state == "SUSPENDED"


def test_a_grant_that_is_live_already_is_answered_and_issues_nothing(world: World) -> None:
    world.enrolled(1)
    before = (IssuedCredential.objects.count(), Event.objects.count())

    result = world.grant_consents(consents=(granted(),))

    assert isinstance(result, ConsentsGranted) and [c.type for c in result.granted] == ["DATA_COLLECTION"]
    assert (IssuedCredential.objects.count(), Event.objects.count()) == before


def test_a_refusal_to_grant_changes_nothing(world: World) -> None:
    world.enrolled(1)

    result = world.grant_consents(consents=(granted(granted=False),))

    assert isinstance(result, ConsentsGranted) and result.granted == ()
    assert Consent.objects.get().state == "GRANTED"


@pytest.mark.parametrize(
    "wrong", [granted("TELEPATHY"), granted(text_digest="sha256:00"), granted(meters=("umid-777",))]
)
def test_a_grant_of_something_we_did_not_ask_for_is_refused(suspended: World, wrong: ConsentGrant) -> None:
    assert code(suspended.grant_consents(consents=(wrong,))) == "CONSENT_REQUIRED"
    assert the_enrollment().state == "SUSPENDED"


def test_there_is_nothing_to_grant_before_the_confirm_or_after_the_end(world: World) -> None:
    world.prepare()
    assert code(world.grant_consents(consents=(granted(),))) == "NOT_POSSIBLE_NOW"
    world.confirm()
    world.end()

    refused = world.grant_consents(consents=(granted(),))

    assert code(refused) == "NOT_POSSIBLE_NOW" and refused.refusal.details == {"state": "CANCELLED"}


def test_an_enrolment_suspended_before_its_start_resumes_as_scheduled(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1, starts_at=NOON + timedelta(days=30))
    bare_world.withdraw_consent()

    bare_world.grant_consents(consents=(granted(),), now=LATER)

    assert the_enrollment().state == "SCHEDULED" and the_case().bap_id == PORTAL
