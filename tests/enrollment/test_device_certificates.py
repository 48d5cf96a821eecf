"""A device's certificate: presented, registered, missing, expired, for another device or for less. Pure."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.codes import Code
from enrollment.commands import Authority, DerRef
from enrollment.devices import certified_capacity
from enrollment.eligibility import evaluate
from enrollment.facts import DER_CERTIFICATION, Decision, Evidence, Facts
from tests.factories import (
    BINA,
    MAY_ASSERT_ALL,
    NOON,
    RAJESH,
    SIGNED_IN,
    at_home,
    battery,
    certificate,
    certification,
    meter,
    ownership,
    solar,
    ten_kw_solar,
    terms,
)
from utility_systems.ports import DerFacts

FIFTEEN_KWH = DerRef("der-battery-001", "BATTERY_STORAGE", 15.0, "kWh")


def decide(
    device: DerRef,
    known: DerFacts | None,
    *evidence: Evidence,
    authority: Authority = MAY_ASSERT_ALL,
    required: tuple[str, ...] = (DER_CERTIFICATION,),
) -> Decision:
    facts = Facts({"umid-001": meter()}, {device.der_id: known} if known else {}, (ownership(), *evidence))
    return evaluate(
        terms(required=required), facts, (at_home(),), (device,), subject_did=RAJESH, authority=authority, now=NOON
    )


def why(decision: Decision) -> str:
    assert decision.refusal is not None
    assert decision.refusal.code is Code.DER_NOT_CERTIFIED and decision.refusal.field == "ders"
    assert decision.refusal.details["required"] == {"kind": "INTERCONNECTION"}
    return str(decision.refusal.details["reason"])


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


def test_a_device_declared_smaller_than_certified_is_taken() -> None:
    assert decide(ten_kw_solar(kw=9.5), None, certification()).refusal is None


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


def test_an_expired_certificate_is_a_credential_that_failed() -> None:
    decision = decide(ten_kw_solar(), None, certification(validUntil="2026-10-15T11:59:59Z"))

    assert decision.refusal is not None and decision.refusal.details["reason_code"] == "EXPIRED"


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
