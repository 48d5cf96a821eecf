"""What presented credentials and the utility prove for an application. Pure; decisions 36, 42, 44."""

from dataclasses import replace
from typing import Any

import pytest

from enrollment.codes import Code
from enrollment.commands import Authority, DerRef, MeterRef
from enrollment.eligibility import evaluate, proven_meters
from enrollment.facts import (
    DER_CERTIFICATION,
    METER_OWNERSHIP,
    PROGRAM_ELIGIBILITY,
    REASON_SENTENCES,
    Decision,
    Evidence,
    Facts,
)
from tests.factories import (
    BINA,
    FLEX,
    MAY_ASSERT_ALL,
    NOON,
    PORTAL,
    RAJESH,
    SIGNED_IN,
    UTILITY_A,
    UTILITY_B,
    at_home,
    certification,
    criterion,
    eligibility,
    holder,
    meter,
    ownership,
    solar,
    ten_kw_solar,
    terms,
)
from utility_systems.ports import MeterFacts

ASKED = (METER_OWNERSHIP, PROGRAM_ELIGIBILITY)


def decide(
    *evidence: Evidence,
    authority: Authority = MAY_ASSERT_ALL,
    meters: tuple[MeterRef, ...] = (at_home(),),
    known: tuple[MeterFacts, ...] | None = None,
    ders: tuple[DerRef, ...] = (),
    required: tuple[str, ...] = ASKED,
    criteria: tuple[dict[str, Any], ...] = (),
    is_all_or_nothing: bool = False,
    subject: str = RAJESH,
) -> Decision:
    facts = Facts(
        {m.umid: m for m in (known if known is not None else (meter(),))},
        {d.der_id: solar(d.der_id) for d in ders},
        evidence,
    )
    asked = terms(*criteria, required=required, is_all_or_nothing=is_all_or_nothing)
    return evaluate(asked, facts, meters, ders, subject_did=subject, authority=authority, now=NOON)


def reason(decision: Decision) -> str:
    assert decision.refusal is not None
    assert decision.refusal.code in (Code.CREDENTIAL_VERIFICATION_FAILED, Code.DER_NOT_CERTIFIED)
    assert decision.is_refused_by_proofs and not decision.enrolled
    return str(decision.refusal.details["reason_code"])


# --- content ---------------------------------------------------------------------------------------------------------


def test_both_credentials_of_the_guide_prove_an_application() -> None:
    decision = decide(ownership(), eligibility())

    assert decision.refusal is None and decision.missing == ()
    assert decision.enrolled == ("umid-001",)
    assert decision.sources == {METER_OWNERSHIP: "CREDENTIAL", PROGRAM_ELIGIBILITY: "CREDENTIAL"}


def test_an_ownership_credential_for_a_meter_outside_the_order_is_wrong_meter() -> None:
    assert reason(decide(ownership("umid-999"), eligibility())) == "WRONG_METER"


def test_an_ownership_credential_of_another_utility_for_the_same_number_is_wrong_meter() -> None:
    assert reason(decide(ownership(utilityId=UTILITY_B))) == "WRONG_METER"


def test_an_ownership_credential_without_a_meter_is_wrong_meter() -> None:
    assert reason(decide(replace(ownership(), claims={"utilityId": UTILITY_A}))) == "WRONG_METER"


def test_the_utility_that_knows_the_meter_counts_where_the_application_names_none() -> None:
    unnamed = (at_home(utility_id=""),)
    assert decide(ownership(), eligibility(), meters=unnamed).refusal is None
    assert reason(decide(ownership(utilityId=UTILITY_B), eligibility(), meters=unnamed)) == "WRONG_METER"


def test_an_issuer_trusted_for_one_utility_cannot_vouch_for_the_meter_of_another() -> None:
    silent = replace(ownership(), claims={"meterId": "umid-001"}, trusted_utilities=(UTILITY_B,))
    assert reason(decide(silent, eligibility())) == "WRONG_METER"
    assert decide(replace(silent, trusted_utilities=(UTILITY_A,)), eligibility()).refusal is None


def test_an_eligibility_credential_for_another_program_is_wrong_program() -> None:
    assert reason(decide(ownership(), eligibility("program-other"))) == "WRONG_PROGRAM"


def test_a_certificate_for_a_device_outside_the_order_is_wrong_der() -> None:
    assert reason(decide(ownership(), certification("der-solar-009"), ders=(ten_kw_solar(),))) == "WRONG_DER"


def test_a_certificate_that_the_message_files_under_another_device_is_wrong_der() -> None:
    filed_wrongly = replace(certification("der-solar-001"), der_id="der-solar-002")

    refused = decide(ownership(), filed_wrongly, ders=(ten_kw_solar(), ten_kw_solar("der-solar-002")))

    assert reason(refused) == "WRONG_DER"


@pytest.mark.parametrize("odd", [None, 7, ["der-solar-001"], {"id": "der-solar-001"}])
def test_a_certificate_whose_device_is_no_text_is_wrong_der(odd: Any) -> None:
    assert reason(decide(ownership(), certification(derId=odd), ders=(ten_kw_solar(),))) == "WRONG_DER"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"validUntil": "2026-10-15T12:00:00Z"}, "EXPIRED"),
        ({"validUntil": "2026-10-15T12:00:01Z"}, ""),
        ({"validUntil": "2026-10-15T17:30:00+05:30"}, "EXPIRED"),
        ({"validFrom": "2026-10-15T12:00:01Z"}, "NOT_YET_VALID"),
        ({"validFrom": "2026-10-15T12:00:00Z"}, ""),
        ({"validUntil": "no date"}, ""),
        ({"validUntil": "2020-01-01"}, ""),
        ({"validUntil": 7}, ""),
    ],
)
def test_the_dates_inside_an_ownership_credential_count(claims: dict[str, Any], expected: str) -> None:
    decision = decide(ownership(**claims), eligibility())

    assert (reason(decision) if decision.refusal else "") == expected


def test_a_credential_whose_proof_failed_is_refused_with_that_reason_and_its_place() -> None:
    failed = replace(eligibility(), reason="BAD_SIGNATURE", position=1)

    refusal = decide(ownership(), failed).refusal

    assert refusal is not None
    assert refusal.field == "credentials[1]"
    assert refusal.sentence == "Program eligibility credential could not be verified"
    assert refusal.details == {
        "credential_id": "vc-program-eligibility-001",
        "reason": "Invalid signature or expired credential",
        "reason_code": "BAD_SIGNATURE",
    }


def test_the_first_credential_that_fails_is_the_one_named() -> None:
    decision = decide(replace(ownership(), reason="REVOKED"), replace(eligibility(), reason="EXPIRED"))

    assert reason(decision) == "REVOKED"


def test_a_credential_of_a_type_we_do_not_know_is_named_without_its_type() -> None:
    odd = Evidence("vc-odd", "SomethingElse", "UNTRUSTED_ISSUER")

    refusal = decide(odd).refusal

    assert refusal is not None and refusal.sentence == "A presented credential could not be verified"


def test_every_reason_of_the_closed_set_has_a_sentence() -> None:
    from credentials.reasons import Reason

    assert set(REASON_SENTENCES) == {str(each) for each in Reason}


# --- meters ----------------------------------------------------------------------------------------------------------


def test_an_unknown_meter_and_somebody_else_s_get_the_same_words() -> None:
    unknown = decide(ownership(), known=()).refusal
    bina_s = decide(ownership(), known=(meter(holders=(holder(BINA),)),)).refusal
    other_account = decide(ownership(), meters=(at_home(customer="CUST-999999"),)).refusal
    left = decide(ownership(), known=(meter(holders=(holder(until=NOON),)),)).refusal

    assert unknown is not None and unknown.code is Code.METER_NOT_FOUND
    assert unknown == bina_s == other_account == left


def test_a_record_without_holders_leaves_it_to_the_credential() -> None:
    with_one = decide(ownership(), eligibility(), known=(meter(holders=()),))
    without = decide(eligibility(position=0), known=(meter(holders=()),))

    assert with_one.enrolled == ("umid-001",) and not with_one.missing
    assert [m.type for m in without.missing] == [METER_OWNERSHIP]


def test_an_account_without_a_did_is_theirs_by_its_number() -> None:
    nameless = meter(holders=(holder(""),))

    assert decide(ownership(), meters=(at_home(customer="CUST-123456"),), known=(nameless,)).refusal is None
    assert decide(ownership(), meters=(at_home(customer="CUST-000000"),), known=(nameless,)).refusal is not None


def test_an_application_without_a_meter_asks_for_one() -> None:
    refusal = decide(meters=()).refusal

    assert refusal is not None and refusal.code is Code.NO_METER and refusal.field == "meters"


# --- several meters --------------------------------------------------------------------------------------------------

SOUTH = meter("umid-002", grid_area="south-1")
NORTH_ONLY = (criterion("REGION", anyOf=["north-1"]),)
TWO = (at_home("umid-001"), at_home("umid-002"))


@pytest.mark.multi_meter
def test_of_two_meters_the_one_that_fails_is_named_and_the_other_goes_on() -> None:
    decision = decide(
        ownership(), ownership("umid-002"), eligibility(), meters=TWO, known=(meter(), SOUTH), criteria=NORTH_ONLY
    )

    assert decision.enrolled == ("umid-001",)
    assert [(r.umid, r.refusal.code) for r in decision.refused] == [("umid-002", Code.NOT_ELIGIBLE)]
    assert decision.refusal is None and not decision.missing


def test_an_unknown_meter_among_several_does_not_fail_the_others() -> None:
    decision = decide(ownership(), eligibility(), meters=TWO, known=(meter(),))

    assert decision.enrolled == ("umid-001",)
    assert [(r.umid, r.refusal.code) for r in decision.refused] == [("umid-002", Code.METER_NOT_FOUND)]


def test_a_program_of_all_or_nothing_refuses_all_for_one() -> None:
    decision = decide(
        ownership(),
        ownership("umid-002"),
        eligibility(),
        meters=TWO,
        known=(meter(), SOUTH),
        criteria=NORTH_ONLY,
        is_all_or_nothing=True,
    )

    assert decision.enrolled == () and decision.refusal is not None and decision.refusal.code is Code.NOT_ELIGIBLE


def test_where_every_meter_fails_the_first_one_s_refusal_is_the_answer() -> None:
    decision = decide(meters=TWO, known=())

    assert decision.refusal is not None and decision.refusal.details == {"meter_id": "umid-001"}
    assert len(decision.refused) == 2


def test_a_meter_without_a_proof_of_ownership_is_asked_for_by_its_name() -> None:
    decision = decide(ownership(), eligibility(), meters=TWO, known=(meter(), meter("umid-002")))

    assert [(m.type, m.target) for m in decision.missing] == [(METER_OWNERSHIP, "umid-002")]
    assert proven_meters((), decision) == {"umid-001"}


# --- required credentials (decision 36) ------------------------------------------------------------------------------


def test_without_any_proof_both_credentials_are_missing_and_nothing_is_refused() -> None:
    decision = decide()

    assert decision.refusal is None
    assert [m.type for m in decision.missing] == [METER_OWNERSHIP, PROGRAM_ELIGIBILITY]
    assert decision.sources == {}


def test_the_utility_s_record_proves_the_meter_of_a_signed_in_subject() -> None:
    decision = decide(authority=SIGNED_IN)

    assert decision.missing == ()
    assert decision.sources == {METER_OWNERSHIP: "UTILITY", PROGRAM_ELIGIBILITY: "UTILITY"}


def test_the_utility_s_record_proves_nothing_for_a_subject_who_is_only_named() -> None:
    assert METER_OWNERSHIP in {m.type for m in decide(authority=MAY_ASSERT_ALL).missing}


def test_a_sign_in_at_one_utility_proves_no_meter_of_another() -> None:
    at_b = meter(utility_id=UTILITY_B)

    decision = decide(authority=SIGNED_IN, meters=(at_home(utility_id=UTILITY_B),), known=(at_b,))

    assert [(m.type, m.target) for m in decision.missing] == [(METER_OWNERSHIP, "umid-001")]


def test_an_account_without_a_did_is_no_proof_for_a_signed_in_subject() -> None:
    decision = decide(authority=SIGNED_IN, known=(meter(holders=(holder(""),)),))

    assert [m.type for m in decision.missing] == [METER_OWNERSHIP]


def test_ownership_is_asked_for_even_where_the_program_forgot_to() -> None:
    assert [m.type for m in decide(required=()).missing] == [METER_OWNERSHIP]


def test_an_eligibility_credential_that_says_no_is_not_enough_and_is_told_as_a_warning() -> None:
    decision = decide(ownership(), eligibility(eligibilityStatus="NOT_ELIGIBLE"))

    assert [m.type for m in decision.missing] == [PROGRAM_ELIGIBILITY]
    assert decision.warnings == ("vc-program-eligibility-001 says NOT_ELIGIBLE",)


def test_criteria_that_a_credential_claims_are_met_are_evidence_never_our_verdict() -> None:
    claims_all = eligibility(criteriaMet=["ACCOUNT_STANDING", "REGION"])

    decision = decide(ownership(), claims_all, criteria=(criterion("REGION", anyOf=["south-1"]),))

    assert decision.refusal is not None and decision.refusal.code is Code.NOT_ELIGIBLE


def test_a_certificate_is_not_missing_where_no_device_is_named() -> None:
    decision = decide(ownership(), eligibility(), required=(*ASKED, DER_CERTIFICATION))

    assert decision.missing == () and DER_CERTIFICATION not in decision.sources


def test_a_presented_certificate_is_told_as_its_own_source() -> None:
    decision = decide(
        ownership(),
        eligibility(),
        certification(),
        ders=(ten_kw_solar(),),
        required=(*ASKED, DER_CERTIFICATION),
    )

    assert decision.sources[DER_CERTIFICATION] == "CREDENTIAL"


def test_the_program_s_name_is_compared_exactly() -> None:
    assert reason(decide(ownership(), eligibility(FLEX.upper()))) == "WRONG_PROGRAM"


def test_a_portal_that_may_assert_for_some_utilities_may_not_for_others() -> None:
    portal = Authority(PORTAL, (UTILITY_A,))

    assert portal.may_assert(UTILITY_A) and not portal.may_assert(UTILITY_B) and not portal.may_assert("")
    assert MAY_ASSERT_ALL.may_assert(UTILITY_B)
