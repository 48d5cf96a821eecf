"""Each criterion of decision 54: met, not met, and not known. Pure."""

from typing import Any

import pytest

from enrollment.codes import Code
from enrollment.commands import Authority
from enrollment.criteria import CRITERIA, METER_ROLES
from enrollment.eligibility import evaluate
from enrollment.facts import Decision, Evidence, Facts
from tests.factories import (
    BINA,
    LONG_AGO,
    NOON,
    PORTAL,
    RAJESH,
    SIGNED_IN,
    UTILITY_A,
    at_home,
    certification,
    criterion,
    holder,
    meter,
    ownership,
    solar,
    ten_kw_solar,
    terms,
)
from utility_systems.ports import ConnectionType, Role, Standing


def decide(
    asked: dict[str, Any],
    facts: Any = None,
    *,
    authority: Authority = SIGNED_IN,
    evidence: tuple[Evidence, ...] = (),
    **more: Any,
) -> Decision:
    """One meter, one criterion."""
    known = Facts({"umid-001": facts or meter()}, more.get("known_ders", {}), evidence, more.get("kind", "PERSON"))
    return evaluate(
        terms(asked),
        known,
        (at_home(),),
        more.get("ders", ()),
        subject_did=RAJESH,
        authority=authority,
        now=NOON,
    )


MET_AND_NOT = [
    (criterion("UTILITY", anyOf=[UTILITY_A]), {}, {"utility_id": "utility-example-009"}),
    (criterion("REGION", anyOf=["north-1"]), {}, {"grid_area": "south-1"}),
    (criterion("CONNECTION_TYPE", anyOf=["RESIDENTIAL"]), {}, {"connection_type": ConnectionType.INDUSTRIAL}),
    (criterion("INTERVAL_METER"), {}, {"interval_capable": False}),
    (criterion("NET_METER"), {"net_meter": True}, {}),
    (criterion("SANCTIONED_LOAD", fromKw=3, toKw=10), {}, {"sanctioned_load_kw": 2.9}),
    (criterion("SANCTIONED_LOAD", toKw=10), {"sanctioned_load_kw": 10.0}, {"sanctioned_load_kw": 10.1}),
    (criterion("SANCTIONED_LOAD", fromKw=5), {"sanctioned_load_kw": 5.0}, {"sanctioned_load_kw": 4.9}),
    (criterion("ACCOUNT_STANDING", anyOf=["GOOD"]), {}, {"account_standing": Standing.ARREARS}),
]


@pytest.mark.parametrize(("asked", "met", "not_met"), MET_AND_NOT, ids=lambda c: c.get("kind") if "kind" in c else None)
def test_a_meter_criterion_is_met_or_names_what_is_needed_and_what_is_there(
    asked: dict[str, Any], met: dict[str, Any], not_met: dict[str, Any]
) -> None:
    passed = decide(asked, meter(**met))
    failed = decide(asked, meter(**not_met))

    assert [f.is_met for f in passed.findings] == [True] and passed.enrolled == ("umid-001",)
    assert failed.refusal is not None and failed.refusal.code is Code.NOT_ELIGIBLE
    (told,) = failed.refusal.details["failed"]
    assert told["criterion"] == asked["kind"] and told["needed"]
    # A proof of one utility shows nothing about the meter of another, so of that one nothing more is told.
    assert ("actual" in told) == (asked["kind"] != "UTILITY")
    assert told["needed"] in failed.refusal.sentence


def test_what_the_utility_knows_of_a_meter_is_told_only_to_whoever_has_shown_that_it_is_theirs() -> None:
    asked, poor = criterion("ACCOUNT_STANDING", anyOf=["GOOD"]), meter(account_standing=Standing.ARREARS)

    unproven = decide(asked, poor, authority=Authority(PORTAL, ("*",)))

    assert unproven.refusal is not None
    assert "actual" not in unproven.refusal.details["failed"][0]
    assert "ARREARS" not in unproven.refusal.sentence


UNKNOWN = [
    (criterion("REGION", anyOf=["north-1"]), {"grid_area": ""}),
    (criterion("CONNECTION_TYPE", anyOf=["RESIDENTIAL"]), {"connection_type": ConnectionType.UNKNOWN}),
    (criterion("SANCTIONED_LOAD", fromKw=3), {"sanctioned_load_kw": None}),
    (criterion("ACCOUNT_STANDING", anyOf=["GOOD"]), {"account_standing": Standing.UNKNOWN}),
]


@pytest.mark.parametrize(("asked", "unknown"), UNKNOWN, ids=lambda c: c.get("kind") if "kind" in c else None)
def test_what_the_utility_does_not_know_is_not_met_and_said_to_be_unknown(
    asked: dict[str, Any], unknown: dict[str, Any]
) -> None:
    refusal = decide(asked, meter(**unknown)).refusal

    assert refusal is not None
    assert refusal.details["failed"][0]["actual"].lower() == "unknown"


def test_the_program_s_own_words_stand_for_the_need() -> None:
    refusal = decide(criterion("NET_METER", "A meter that also counts what you give")).refusal

    assert refusal is not None
    assert refusal.details["failed"][0]["needed"] == "A meter that also counts what you give"


def test_all_criteria_that_failed_are_listed_not_only_the_first() -> None:
    decision = evaluate(
        terms(criterion("NET_METER"), criterion("INTERVAL_METER"), criterion("REGION", anyOf=["south-1"])),
        Facts({"umid-001": meter()}, {}, ()),
        (at_home(),),
        (),
        subject_did=RAJESH,
        authority=SIGNED_IN,
        now=NOON,
    )

    assert decision.refusal is not None
    assert [f["criterion"] for f in decision.refusal.details["failed"]] == ["NET_METER", "REGION"]


def test_a_tenant_is_refused_where_only_owners_may_join() -> None:
    asked = criterion("METER_ROLE", anyOf=["OWNER"])

    decision = decide(asked, meter(holders=(holder(role=Role.TENANT),)))

    assert decision.refusal is not None
    assert decision.refusal.details["failed"] == [{"criterion": "METER_ROLE", "needed": "OWNER", "actual": "TENANT"}]


def test_a_role_that_has_ended_counts_no_more() -> None:
    asked = criterion("METER_ROLE", anyOf=["OWNER"])
    holders = (holder(role=Role.OWNER, until=NOON), holder(role=Role.TENANT, since=NOON))

    assert decide(asked, meter(holders=holders)).refusal is not None


def test_a_role_shown_by_a_credential_counts_like_the_register_s() -> None:
    asked = criterion("METER_ROLE", anyOf=["OWNER"])

    assert decide(asked, meter(holders=()), evidence=(ownership(ownershipStatus="OWNER"),)).refusal is None


def test_the_neighbour_s_role_at_the_same_meter_does_not_count() -> None:
    asked = criterion("METER_ROLE", anyOf=["OWNER"])
    holders = (holder(role=Role.TENANT), holder(BINA, role=Role.OWNER))

    assert decide(asked, meter(holders=holders)).refusal is not None


@pytest.mark.parametrize("role", METER_ROLES)
def test_a_role_criterion_without_a_list_takes_every_role(role: str) -> None:
    assert decide(criterion("METER_ROLE"), meter(holders=(holder(role=Role(role)),))).refusal is None


@pytest.mark.parametrize(
    ("acr", "needed", "is_met"), [("2", "2", True), ("3", "2", True), ("1", "2", False), ("", "2", False)]
)
def test_the_sign_in_s_level_must_reach_the_program_s(acr: str, needed: str, is_met: bool) -> None:
    proof = Authority(PORTAL, proven_subject=RAJESH, proven_utility=UTILITY_A, acr=acr)

    decision = decide(criterion("MIN_ACR", value=needed), authority=proof)

    assert (decision.refusal is None) is is_met


def test_a_level_that_is_no_number_must_be_the_same_word() -> None:
    proof = Authority(PORTAL, proven_subject=RAJESH, proven_utility=UTILITY_A, acr="urn:high")

    assert decide(criterion("MIN_ACR", value="urn:high"), authority=proof).refusal is None
    assert decide(criterion("MIN_ACR", value="urn:higher"), authority=proof).refusal is not None


def test_a_program_for_organisations_refuses_a_person_and_takes_an_organisation() -> None:
    asked = criterion("SUBJECT_KIND", anyOf=["ORGANISATION"])

    assert decide(asked, kind="PERSON").refusal is not None
    assert decide(asked, kind="ORGANISATION").refusal is None


def test_a_program_for_solar_refuses_an_application_without_a_device() -> None:
    asked = criterion("DER_TYPE", anyOf=["SOLAR_PV"])

    refused = decide(asked).refusal

    assert refused is not None and refused.details["failed"][0]["actual"] == "none"
    assert decide(asked, ders=(ten_kw_solar(),), known_ders={"der-solar-001": solar()}).refusal is None


def test_the_register_s_type_of_a_device_wins_over_the_declared_one() -> None:
    asked = criterion("DER_TYPE", anyOf=["SOLAR_PV"])

    decision = decide(asked, ders=(ten_kw_solar(),), known_ders={"der-solar-001": solar(type="HEAT_PUMP")})

    assert decision.refusal is not None and decision.refusal.details["failed"][0]["actual"] == "HEAT_PUMP"


def test_a_program_that_asks_for_certified_devices_takes_a_presented_certificate() -> None:
    asked = criterion("DER_CERTIFIED")

    with_one = decide(asked, ders=(ten_kw_solar(),), evidence=(certification(position=0),))
    without = decide(asked, ders=(ten_kw_solar(),))

    assert with_one.refusal is None
    assert without.refusal is not None and without.refusal.code is Code.DER_NOT_CERTIFIED


def test_every_kind_of_the_closed_list_is_tried_here() -> None:
    tried = {c["kind"] for c, *_ in MET_AND_NOT} | {"METER_ROLE", "MIN_ACR", "SUBJECT_KIND", "DER_TYPE"}

    assert tried | {"DER_CERTIFIED"} == CRITERIA


def test_a_meter_whose_holder_moves_in_tomorrow_is_not_theirs_today() -> None:
    decision = decide(criterion("NET_METER"), meter(holders=(holder(since=NOON.replace(day=16)),)))

    assert decision.refusal is not None and decision.refusal.code is Code.METER_NOT_FOUND


def test_holding_since_ever_is_holding_now() -> None:
    assert decide(criterion("INTERVAL_METER"), meter(holders=(holder(since=LONG_AGO),))).refusal is None
