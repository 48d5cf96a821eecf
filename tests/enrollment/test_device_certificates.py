"""A device's certificate: presented, registered, missing, expired, for another device or for less. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.codes import Code
from enrollment.commands import Authority, DerRef
from enrollment.devices import CERTIFICATE_FILE, certified_capacity
from enrollment.eligibility import evaluate
from enrollment.facts import DER_CERTIFICATION, Decision, DocumentFact, Evidence, Facts
from tests.factories import (
    BINA,
    LONG_AGO,
    MAY_ASSERT_ALL,
    NOON,
    RAJESH,
    SIGNED_IN,
    at_home,
    battery,
    certificate,
    certification,
    criterion,
    meter,
    ownership,
    solar,
    ten_kw_solar,
    terms,
)
from utility_systems.ports import CertificateKind, DerFacts, EarlierNumber, MeterFacts

#: The closed set of personas 6.
REASONS = {"MISSING", "EXPIRED", "REVOKED", "CAPACITY_MISMATCH", "WRONG_DER", "UNTRUSTED_ISSUER"}
FIFTEEN_KWH = DerRef("der-battery-001", "BATTERY_STORAGE", 15.0, "kWh")


def decide(
    device: DerRef,
    known: DerFacts | None,
    *evidence: Evidence,
    authority: Authority = MAY_ASSERT_ALL,
    required: tuple[str, ...] = (DER_CERTIFICATION,),
    criteria: Sequence[Mapping[str, Any]] = (),
    at: MeterFacts | None = None,
    documents: tuple[DocumentFact, ...] = (),
    ends_at: datetime | None = None,
    files: bool = False,
) -> Decision:
    known_ders = {device.der_id: known} if known else {}
    facts = Facts({"umid-001": at or meter()}, known_ders, (ownership(), *evidence), documents=documents)
    asked = terms(*criteria, required=required, documents=({"kind": CERTIFICATE_FILE},) if files else ())
    return evaluate(
        asked, facts, (at_home(),), (device,), subject_did=RAJESH, authority=authority, now=NOON, ends_at=ends_at
    )


def refused(decision: Decision) -> Mapping[str, Any]:
    assert decision.refusal is not None
    assert decision.refusal.code is Code.DER_NOT_CERTIFIED
    assert decision.refusal.details["required"] == {"kind": "INTERCONNECTION"}
    assert decision.refusal.details["reason"] in REASONS
    return decision.refusal.details


def why(decision: Decision) -> str:
    """The words that follow the colon of the sentence."""
    refused(decision)
    assert decision.refusal is not None
    return decision.refusal.sentence.partition(": ")[2].removesuffix(".")


def test_a_device_without_any_certificate_is_refused_and_asked_for_one() -> None:
    assert why(decide(ten_kw_solar(), None)) == "no certificate was presented"
    assert why(decide(ten_kw_solar(), solar(certificates=()), authority=SIGNED_IN)) == "no certificate is registered"


def test_the_register_s_certificate_counts_only_for_a_signed_in_subject() -> None:
    assert decide(ten_kw_solar(), solar(), authority=SIGNED_IN).sources[DER_CERTIFICATION] == "UTILITY"
    assert why(decide(ten_kw_solar(), solar())) == "no certificate was presented"


def test_a_registered_certificate_that_ended_is_said_to_have_expired() -> None:
    ended = solar(certificates=(certificate(valid_until=NOON),))

    assert why(decide(ten_kw_solar(), ended, authority=SIGNED_IN)) == "its certificate has expired"


def test_of_several_registered_certificates_one_in_force_is_enough() -> None:
    several = solar(certificates=(certificate(valid_until=NOON), certificate(valid_until=NOON + timedelta(seconds=1))))

    assert decide(ten_kw_solar(), several, authority=SIGNED_IN).refusal is None


def test_a_device_declared_larger_than_certified_is_refused_with_both_figures() -> None:
    presented = decide(ten_kw_solar(kw=12.0), None, certification())
    registered = decide(ten_kw_solar(kw=12.0), solar(), authority=SIGNED_IN)

    assert why(presented) == why(registered) == "it is certified for 10.0 kW, not 12.0 kW"


@pytest.mark.parametrize("kw", [9.5, 10.0, 10.5])
def test_a_device_within_five_percent_of_its_certificate_is_taken(kw: float) -> None:
    assert decide(ten_kw_solar(kw=kw), None, certification()).refusal is None
    assert decide(ten_kw_solar(kw=kw), solar(), authority=SIGNED_IN).refusal is None


@pytest.mark.parametrize("kw", [9.49, 10.51])
def test_a_device_further_off_than_five_percent_is_a_capacity_mismatch(kw: float) -> None:
    details = refused(decide(ten_kw_solar(kw=kw), None, certification()))

    assert (details["reason"], details["declared_kw"], details["certified_kw"]) == ("CAPACITY_MISMATCH", kw, 10.0)


def test_a_program_says_how_far_off_a_device_may_be() -> None:
    generous = criterion("DER_CERTIFIED", tolerancePercent=20)

    assert decide(ten_kw_solar(kw=8.5), None, certification(), criteria=(generous,)).refusal is None


def test_p6_2_a_certificate_for_8_kw_where_10_are_declared_is_a_capacity_mismatch() -> None:
    details = refused(decide(ten_kw_solar(), None, certification(capacityKW=8)))

    assert details == {
        "der_id": "der-solar-001",
        "reason": "CAPACITY_MISMATCH",
        "required": {"kind": "INTERCONNECTION"},
        "declared_kw": 10.0,
        "certified_kw": 8.0,
    }


def test_p6_7_a_certificate_with_the_number_of_a_replaced_meter_still_matches() -> None:
    replaced = meter(
        meter_number="MTR-NEW", earlier_numbers=(EarlierNumber("MTR-OLD", LONG_AGO, NOON - timedelta(days=30)),)
    )

    assert decide(ten_kw_solar(), solar(), certification(meterNumber="MTR-OLD"), at=replaced).refusal is None
    assert decide(ten_kw_solar(), solar(), certification(meterNumber="MTR-NEW"), at=replaced).refusal is None
    assert (
        refused(decide(ten_kw_solar(), solar(), certification(meterNumber="MTR-9"), at=replaced))["reason"]
        == "WRONG_DER"
    )


def test_a_device_that_is_commissioned_only_tomorrow_has_no_certificate_yet() -> None:
    tomorrow = NOON.date() + timedelta(days=1)

    assert refused(decide(ten_kw_solar(), None, certification(commissioningDate=str(tomorrow))))["reason"] == "MISSING"
    registered = decide(ten_kw_solar(), solar(commissioned_on=tomorrow), authority=SIGNED_IN)
    assert why(registered) == f"it is commissioned only on {tomorrow}"
    assert decide(ten_kw_solar(), None, certification(commissioningDate=str(NOON.date()))).refusal is None


def test_without_an_approval_of_the_interconnection_other_certificates_do_not_do() -> None:
    only_equipment = solar(certificates=(certificate(kind=CertificateKind.EQUIPMENT),))

    assert why(decide(ten_kw_solar(), only_equipment, authority=SIGNED_IN)) == "its interconnection is not approved"
    assert why(decide(ten_kw_solar(), only_equipment, certification())) == "its interconnection is not approved"


def test_more_than_the_meter_may_feed_in_is_refused_with_the_limit() -> None:
    limited = meter(sanctioned_export_kw=5.0)

    decision = decide(ten_kw_solar(), solar(), certification(), at=limited)

    assert decision.refusal is not None and decision.refusal.code is Code.NOT_ELIGIBLE
    assert decision.refusal.details["failed"] == [
        {"criterion": "SANCTIONED_EXPORT", "needed": "at most 5.0 kW fed in at this meter", "actual": "10.0 kW"}
    ]
    assert decide(ten_kw_solar(), solar(), certification(), at=meter(sanctioned_export_kw=10.0)).refusal is None


def test_one_certificate_covers_several_devices_only_if_it_lists_them() -> None:
    listing = certification(
        derId=None, derType=None, capacityKW=None, ders=[{"derId": "der-solar-001", "capacityKW": 10}]
    )
    listing = replace(listing, der_id="")
    too_small = replace(listing, claims={**listing.claims, "ders": [{"derId": "der-solar-001", "capacityKW": 8}]})

    assert decide(ten_kw_solar(), None, listing).refusal is None
    assert refused(decide(ten_kw_solar(), None, too_small))["reason"] == "CAPACITY_MISMATCH"
    assert refused(decide(ten_kw_solar("der-solar-002"), None, listing))["reason"] == "WRONG_DER"


def test_a_certificate_that_ends_before_the_enrolment_is_warned_of() -> None:
    ending = certification(validUntil="2027-01-01T00:00:00Z")

    warned = decide(ten_kw_solar(), None, ending, ends_at=NOON + timedelta(days=365))

    assert len(warned.warnings) == 1 and "2027-01-01" in warned.warnings[0]
    assert decide(ten_kw_solar(), None, ending, ends_at=NOON + timedelta(days=30)).warnings == ()


def test_a_program_sets_how_well_a_device_must_be_known_as_theirs() -> None:
    wanted = criterion("DER_TYPE", anyOf=["SOLAR_PV"], minimumSource="MAKER")
    by_maker = solar(source="MAKER")

    def outcome(known: DerFacts | None, *evidence: Evidence) -> Decision:
        return decide(ten_kw_solar(), known, *evidence, required=(), criteria=(wanted,))

    assert outcome(by_maker).refusal is None
    assert outcome(solar()).refusal is None
    assert outcome(None, certification()).refusal is None
    declared = outcome(None)
    assert declared.refusal is not None and declared.refusal.code is Code.NOT_ELIGIBLE
    assert declared.refusal.details["failed"][0]["actual"] == "DECLARED"


def test_p6_6_kw_is_asked_where_the_program_uses_it_and_nobody_has_told_it() -> None:
    only_energy = certification("der-battery-001", derType="BATTERY_STORAGE", capacityKW=None, energyKWh=15.0)
    uses_kw = criterion("DER_CERTIFIED", needsKw=True)

    def questions(device: DerRef, known: DerFacts | None, proof: Evidence) -> list[str]:
        return [q.kind for q in decide(device, known, proof, criteria=(uses_kw,)).questions]

    assert questions(FIFTEEN_KWH, None, only_energy) == ["DER_CAPACITY_KW"]
    assert questions(FIFTEEN_KWH, battery(), only_energy) == []  # the register knows it
    with_power = certification("der-battery-001", derType="BATTERY_STORAGE", capacityKW=7.5, energyKWh=15.0)
    assert questions(FIFTEEN_KWH, None, with_power) == []
    assert questions(DerRef("der-battery-001", "BATTERY_STORAGE", 7.5, "kW"), None, only_energy) == []
    assert decide(FIFTEEN_KWH, None, only_energy).questions == ()  # the program does not use it (decision 61)


def test_storage_is_compared_in_kwh_with_kwh() -> None:
    fits = certification("der-battery-001", derType="BATTERY_STORAGE", capacityKW=7.5, energyKWh=15.0)
    small = certification("der-battery-001", derType="BATTERY_STORAGE", capacityKW=7.5, energyKWh=13.5)

    assert decide(FIFTEEN_KWH, battery(), fits).refusal is None
    assert why(decide(FIFTEEN_KWH, battery(), small)) == "it is certified for 13.5 kWh, not 15.0 kWh"


def test_storage_declared_larger_than_registered_is_refused() -> None:
    decision = decide(FIFTEEN_KWH, battery(energy_kwh=13.5), authority=SIGNED_IN)

    assert why(decision) == "it is registered with 13.5 kWh, not 15.0 kWh"


def test_kw_of_storage_is_not_asked_where_the_program_does_not_use_it() -> None:
    only_energy = certification("der-battery-001", derType="BATTERY_STORAGE", capacityKW=None, energyKWh=15.0)

    assert decide(FIFTEEN_KWH, None, only_energy).refusal is None


def test_a_certificate_for_another_kind_of_device_does_not_do() -> None:
    wind = certification(derType="WIND")

    assert why(decide(ten_kw_solar(), None, wind)) == "it is certified as WIND, not SOLAR_PV"


def test_a_kind_in_words_we_do_not_know_is_not_held_against_the_device() -> None:
    assert decide(ten_kw_solar(), None, certification(derType="ROOFTOP", generationType="SOLAR")).refusal is None


def test_an_expired_certificate_leaves_the_device_uncertified() -> None:
    decision = decide(ten_kw_solar(), None, certification(validUntil="2026-10-15T11:59:59Z"))

    details = refused(decision)
    assert (details["reason"], details["reason_code"]) == ("EXPIRED", "EXPIRED")
    assert decision.refusal is not None and decision.refusal.field == "credentials[2]"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("EXPIRED", "EXPIRED"),
        ("REVOKED", "REVOKED"),
        ("UNTRUSTED_ISSUER", "UNTRUSTED_ISSUER"),
        ("TYPE_NOT_ALLOWED_FOR_ISSUER", "UNTRUSTED_ISSUER"),
        ("WRONG_DER", "WRONG_DER"),
    ],
)
def test_a_certificate_that_does_not_count_is_told_as_the_device_s_trouble(found: str, told: str) -> None:
    assert refused(decide(ten_kw_solar(), None, replace(certification(), reason=found)))["reason"] == told


@pytest.mark.parametrize("found", ["BAD_SIGNATURE", "MALFORMED", "UNKNOWN_KEY", "WRONG_SUBJECT", "STATUS_UNAVAILABLE"])
def test_a_bad_proof_stays_a_credential_that_failed(found: str) -> None:
    decision = decide(ten_kw_solar(), None, replace(certification(), reason=found))

    assert decision.refusal is not None and decision.refusal.code is Code.CREDENTIAL_VERIFICATION_FAILED
    assert decision.refusal.details["reason_code"] == found


# --- a file instead of a certificate ---------------------------------------------------------------------------------


def a_file(state: str, **changes: Any) -> DocumentFact:
    return DocumentFact("document-1", "der-solar-001", state, **changes)


def test_a_file_is_asked_for_only_where_the_program_takes_one_and_the_meter_is_theirs() -> None:
    assert decide(ten_kw_solar(), None).documents_for == ()
    assert decide(ten_kw_solar(), None, files=True).documents_for == ("der-solar-001",)
    assert decide(ten_kw_solar(), solar(owner_did=BINA), files=True).documents_for == ()


def test_a_file_under_review_lets_the_application_wait() -> None:
    waiting = decide(ten_kw_solar(), None, documents=(a_file("UPLOADED"),))

    assert waiting.refusal is None
    assert [r.document_id for r in waiting.reviews] == ["document-1"]


def test_a_file_that_two_people_accepted_counts_like_a_certificate() -> None:
    accepted = decide(ten_kw_solar(), None, documents=(a_file("APPROVED", capacity_kw=10.0),))

    assert accepted.refusal is None and accepted.reviews == ()
    assert accepted.sources[DER_CERTIFICATION] == "DOCUMENT"
    smaller = decide(ten_kw_solar(), None, documents=(a_file("APPROVED", capacity_kw=8.0),))
    assert refused(smaller)["reason"] == "CAPACITY_MISMATCH"
    over = decide(ten_kw_solar(), None, documents=(a_file("APPROVED", valid_until=NOON),))
    assert refused(over)["reason"] == "EXPIRED"


def test_a_file_that_was_not_accepted_says_why() -> None:
    turned_down = decide(ten_kw_solar(), None, documents=(a_file("REFUSED", reason="UNREADABLE"),))

    assert why(turned_down) == "its document was not accepted (UNREADABLE)"


def test_the_register_s_certificate_comes_before_a_file() -> None:
    both = decide(ten_kw_solar(), solar(), authority=SIGNED_IN, documents=(a_file("REFUSED"),))

    assert both.refusal is None and both.sources[DER_CERTIFICATION] == "UTILITY"


def test_an_unknown_device_and_somebody_else_s_get_the_same_words() -> None:
    unknown = decide(ten_kw_solar(), None, authority=SIGNED_IN)
    bina_s = decide(ten_kw_solar(), solar(owner_did=BINA), authority=SIGNED_IN)

    assert unknown.refusal == bina_s.refusal and why(unknown) == "no certificate was presented"


def test_somebody_else_s_device_is_refused_even_with_a_certificate_and_where_none_is_needed() -> None:
    theirs = solar(owner_did=BINA)

    assert why(decide(ten_kw_solar(), theirs, certification())) == "it is not registered to this customer"
    assert why(decide(ten_kw_solar(), theirs, required=())) == "it is not registered to this customer"


def test_a_program_without_such_a_need_takes_an_uncertified_device() -> None:
    assert decide(ten_kw_solar(), None, required=()).refusal is None


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"capacityKW": 10}, (10.0, None)),
        ({"capacityKw": 10.5, "energyKwh": 15}, (10.5, 15.0)),
        ({"capacityKW": 7.5, "energyKWh": 15}, (7.5, 15.0)),
        ({"capacity": {"value": 10, "unit": "kW"}}, (10.0, None)),
        ({"capacity": {"value": 15, "unit": "KWH"}}, (None, 15.0)),
        ({"capacity": {"value": 10, "unit": "kW"}, "capacityKW": 9}, (9.0, None)),
        ({"capacity": {"value": "10", "unit": "kW"}}, (None, None)),
        ({"capacity": 10, "capacityKW": True}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_certificate_s_capacity_is_read_in_all_its_spellings(claims: dict[str, Any], expected: object) -> None:
    assert certified_capacity(claims) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("meterId", "derId", "derType", "capacity", "capacityKW", "validUntil", "validFrom", "utilityId", "programId")


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_a_signed_claim_of_any_shape_decides_something_and_never_breaks(claims: dict[str, Any]) -> None:
    content = {"derId": "der-solar-001", **claims}

    decision = decide(ten_kw_solar(), solar(), Evidence("vc", DER_CERTIFICATION, "", content, position=1))

    assert decision.refusal is not None or decision.enrolled == ("umid-001",)
