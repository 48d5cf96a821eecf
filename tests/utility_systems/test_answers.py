import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utility_systems.answers import UnusableAnswer, read_account, read_ders, read_meters
from utility_systems.ports import ConnectionType, Phase, Role, Standing, der_type

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_meter(**changes: Any) -> dict[str, Any]:
    meter = {
        "umid": "umid-001",
        "utilityId": "utility-example-001",
        "meterNumber": "MTR-1",
        "connectionType": "RESIDENTIAL",
        "phase": "SINGLE",
        "sanctionedLoadKw": 5,
        "intervalCapable": True,
        "netMeter": False,
        "siteId": "site-1",
        "gridArea": "north",
        "accountStanding": "GOOD",
        "holders": [
            {
                "subject": "did:example:user-12345",
                "utilityCustomerId": "CUST-123456",
                "role": "OWNER",
                "since": "2021-04-01T05:30:00+05:30",
                "until": None,
            }
        ],
    } | changes
    return {name: value for name, value in meter.items() if value != "absent"}


def a_der(**changes: Any) -> dict[str, Any]:
    der = {
        "derId": "der-1",
        "type": "SOLAR_PV",
        "ratedKw": 10.5,
        "energyKwh": None,
        "manufacturer": "M",
        "model": "1",
        "serialDigest": "ab",
        "commissionedOn": "2022-03-15",
        "umid": "umid-001",
        "bidirectional": False,
        "owner": "did:example:user-12345",
        "certificates": [
            {"kind": "INTERCONNECTION", "issuer": "I", "capacityKw": 10, "validFrom": "2022-03-15T00:00:00Z"}
        ],
    } | changes
    return {name: value for name, value in der.items() if value != "absent"}


def read_one(meter: dict[str, Any]) -> Any:
    return read_meters({"meters": [meter]}, utility_id="utility-example-001", asked=["umid-001"], now=NOW)[0]


def test_a_meter_is_read_with_its_units_and_in_utc() -> None:
    meter = read_one(a_meter())
    assert (meter.sanctioned_load_kw, meter.connection_type, meter.phase, meter.account_standing) == (
        5.0,
        ConnectionType.RESIDENTIAL,
        Phase.SINGLE,
        Standing.GOOD,
    )
    assert meter.holders[0].since == datetime(2021, 4, 1, tzinfo=UTC)
    assert meter.holder("did:example:user-12345", NOW).role is Role.OWNER
    assert meter.as_of == NOW


def test_fields_we_do_not_know_are_ignored() -> None:
    holder = a_meter()["holders"][0] | {"loyaltyPoints": 7}
    assert read_one(a_meter(holders=[holder], colour="green", tariff={"code": 1})) == read_one(a_meter())


def test_what_was_not_asked_for_is_not_taken() -> None:
    answer = {"meters": [a_meter(), a_meter(umid="umid-999")]}
    assert len(read_meters(answer, utility_id="utility-example-001", asked=["umid-001"], now=NOW)) == 1


def test_optional_facts_may_be_absent() -> None:
    meter = read_one(a_meter(sanctionedLoadKw="absent", siteId="absent", gridArea=None, holders=[]))
    assert (meter.sanctioned_load_kw, meter.site_id, meter.grid_area, meter.holders) == (None, "", "", ())


def test_an_unknown_word_is_unknown_where_that_can_be_said() -> None:
    meter = read_one(a_meter(connectionType="traction", phase="two", accountStanding="legal_hold"))
    assert {meter.connection_type, meter.phase, meter.account_standing} == {"UNKNOWN"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"umid": "absent"}, "meters[0].umid"),
        ({"umid": 7}, "meters[0].umid"),
        ({"umid": "a\x00b"}, "meters[0].umid"),
        ({"utilityId": "utility-example-002"}, "meters[0].utilityId"),
        ({"meterNumber": None}, "meters[0].meterNumber"),
        ({"sanctionedLoadKw": "5"}, "meters[0].sanctionedLoadKw"),
        ({"sanctionedLoadKw": -1}, "meters[0].sanctionedLoadKw"),
        ({"sanctionedLoadKw": True}, "meters[0].sanctionedLoadKw"),
        ({"intervalCapable": "yes"}, "meters[0].intervalCapable"),
        ({"netMeter": "absent"}, "meters[0].netMeter"),
        ({"holders": "absent"}, "meters[0].holders"),
        ({"holders": {}}, "meters[0].holders"),
        ({"holders": [None]}, "meters[0].holders[0]"),
        ({"holders": [{"subject": "x", "role": "OWNER"}]}, "meters[0].holders[0].since"),
        ({"holders": [{"subject": "x", "role": "CAT", "since": "2021-04-01T00:00:00Z"}]}, "meters[0].holders[0].role"),
        ({"holders": [{"subject": "x", "role": "OWNER", "since": "yesterday"}]}, "meters[0].holders[0].since"),
        (
            {"holders": [{"subject": "x", "role": "OWNER", "since": "2021-04-01T00:00:00"}]},
            "meters[0].holders[0].since",
        ),
        (
            {
                "holders": [
                    {"subject": "x", "role": "OWNER", "since": "2021-04-01T00:00:00Z", "until": "2020-04-01T00:00:00Z"}
                ]
            },
            "meters[0].holders[0].until",
        ),
    ],
)
def test_a_missing_or_wrong_field_makes_the_answer_unusable_and_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(UnusableAnswer) as error:
        read_one(a_meter(**changes))
    assert error.value.field == field


@pytest.mark.parametrize("answer", [None, [], "no", 1, {}, {"meters": None}, {"meters": {}}, {"meters": [1]}])
def test_an_answer_of_another_shape_is_unusable_and_never_means_not_found(answer: Any) -> None:
    with pytest.raises(UnusableAnswer):
        read_meters(answer, utility_id="utility-example-001", asked=["umid-001"], now=NOW)
    with pytest.raises(UnusableAnswer):
        read_ders(answer, asked=["der-1"], now=NOW)


def test_a_der_is_read_with_its_certificates() -> None:
    der = read_ders({"ders": [a_der()]}, asked=["der-1"], now=NOW)[0]
    assert (der.rated_kw, der.energy_kwh, der.is_known_type) == (10.5, None, True)
    assert der.certificates[0].valid_at(NOW)
    assert der.certificates[0].valid_until is None


def test_an_unknown_der_type_is_kept_as_it_was_said() -> None:
    der = read_ders({"ders": [a_der(type="FLYWHEEL")]}, asked=["der-1"], now=NOW)[0]
    assert (der.type, der.is_known_type) == ("OTHER:FLYWHEEL", False)
    assert der_type("OTHER:FLYWHEEL") == "OTHER:FLYWHEEL"
    assert len(der_type("x" * 500)) <= 66


def test_an_account_is_valid_unknown_or_unusable() -> None:
    answer = {"valid": True, "standing": "ARREARS", "connectionType": "COMMERCIAL"}
    account = read_account(answer, "CUST-1")
    assert account is not None
    assert account.standing is Standing.ARREARS
    assert read_account({"valid": False}, "CUST-1") is None
    with pytest.raises(UnusableAnswer):
        read_account({"valid": "maybe"}, "CUST-1")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(a_meter())), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(a_meter())), json_values))
def test_no_value_in_any_field_brings_anything_but_facts_or_unusable(changes: dict[str, Any]) -> None:
    with contextlib.suppress(UnusableAnswer, IndexError):
        read_one(a_meter(**changes))


def test_an_answer_about_others_only_says_nothing_about_what_was_asked():
    answer = {"meters": [a_meter(umid="umid-999")]}
    with pytest.raises(UnusableAnswer, match="was not asked for"):
        read_meters(answer, utility_id="utility-example-001", asked=["umid-001"], now=NOW)
