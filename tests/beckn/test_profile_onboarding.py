"""Profile A, inwards: what a message must look like, and the command it becomes (wire 4 and 7)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beckn import profiles
from beckn.profiles import onboarding
from beckn.profiles.schemas import MAX_CREDENTIAL_CHARACTERS
from enrollment.commands import (
    Assistance,
    DerRef,
    EndEnrollment,
    GrantConsents,
    MeterRef,
    SearchPrograms,
    WithdrawConsent,
)

SAMPLES = Path(__file__).parent.parent / "beckn_messages" / "onboarding"
CONTEXT = {
    "domain": "energy.enrollment",
    "bap_id": "portal.example.com",
    "bap_uri": "https://portal.example.com/beckn",
    "transaction_id": "tx-1",
}


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def an_order(action: str = "init", **attributes: Any) -> dict[str, Any]:
    """The smallest order that is well formed for init and everything after it."""
    order: dict[str, Any] = {
        "beckn:id": "order-1",
        "beckn:provider": {"beckn:id": "provider-1"},
        "beckn:items": [{"beckn:id": "program-1"}],
        "beckn:fulfillments": [{"beckn:instrument": {"meters": [{"beckn:id": "umid-001"}]}}],
    }
    if attributes:
        order["beckn:orderAttributes"] = attributes
    return {"context": CONTEXT, "message": {"order": order}}


def fulfillment(body: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(body["message"]["order"], "beckn:fulfillments")[0]  # type: ignore[no-any-return]


def read_init(body: dict[str, Any], assistance: Assistance | None = None) -> Any:
    assert onboarding.validate("init", body) is None
    return onboarding.read_init(CONTEXT, body, assistance=assistance)


def read_confirm(body: dict[str, Any]) -> Any:
    assert onboarding.validate("confirm", body) is None
    return onboarding.read_confirm(CONTEXT, body, assistance=None)


def read_update(**attributes: Any) -> Any:
    body = an_order(**attributes)
    assert onboarding.validate("update", body) is None
    return onboarding.read_update(CONTEXT, body)


# --- which profile ---------------------------------------------------------------------------------------------------


def test_the_guide_s_domain_is_spoken_by_profile_a_and_others_by_none() -> None:
    assert profiles.profile_for(CONTEXT) is onboarding is profiles.profile_named("A")
    assert profiles.profile_for({"domain": "retail"}) is None and profiles.profile_for({}) is None
    with pytest.raises(KeyError):
        profiles.profile_named("Z")


@pytest.mark.parametrize("name", [p.stem for p in SAMPLES.glob("*request*.json")])
def test_every_request_of_the_guide_is_well_formed(name: str) -> None:
    body = sample(name)

    assert onboarding.validate(body["context"]["action"], body) is None


# --- init ------------------------------------------------------------------------------------------------------------


def test_the_guide_s_consumer_becomes_an_application() -> None:
    command = read_init(sample("init-request-simple-consumer"))

    assert (command.order.order_id, command.order.bap_id, command.order.transaction_id) == (
        "order-onboard-consumer-001",
        "portal.example.com",
        "tx-1",
    )
    assert (command.program_id, command.provider_id) == ("program-flex-demand-response-001", "vpp-program-flex-001")
    assert (command.fulfillment_id, command.subject_did) == ("fulfillment-onboard-001", "did:example:user-12345")
    assert command.meters == (MeterRef("umid-001", "utility-example-001", "CUST-123456"),)
    assert command.person == {"name": "Rajesh Kumar", "email": "rajesh.kumar@example.com"}
    assert [(c.credential_id, c.type, c.position) for c in command.credentials] == [
        ("vc-meter-ownership-001", "MeterOwnershipCredential", 0),
        ("vc-program-eligibility-001", "ProgramEligibilityCredential", 1),
    ]
    assert (command.starts_at, command.ends_at, command.assisted_by, command.channel) == (None, None, None, "PORTAL")
    assert [each.credential_id for each in command.existing] == ["vc:enrollment:existing-001"]


def test_the_guide_s_prosumer_brings_devices_with_their_certificates() -> None:
    command = read_init(sample("init-request-prosumer-solar-battery"))

    assert command.ders == (
        DerRef("der-solar-001", "SOLAR_PV", 10.0, "kW"),
        DerRef("der-battery-001", "BATTERY_STORAGE", 15.0, "kWh"),
    )
    assert [c.der_id for c in command.credentials] == ["", "", "der-solar-001", "der-battery-001"]
    assert (command.ders[0].declared_kw, command.ders[1].declared_kw, command.ders[1].declared_kwh) == (10, None, 15)


def test_a_meter_or_device_named_twice_counts_once_as_it_first_stood() -> None:
    body = an_order()
    instrument = fulfillment(body)["beckn:instrument"]
    instrument["meters"] = [{"beckn:id": "b", "beckn:utilityId": "u"}, {"beckn:id": "a"}, {"beckn:id": "b"}]
    instrument["ders"] = [{"beckn:id": "d"}, {"beckn:id": "d", "beckn:type": "EV"}]

    command = read_init(body)

    assert [(m.umid, m.utility_id) for m in command.meters] == [("b", "u"), ("a", "")]
    assert command.ders == (DerRef("d"),)


def test_dates_are_read_as_instants_and_the_end_keeps_its_spelling() -> None:
    command = read_init(an_order(startDate="2026-11-01T05:30:00+05:30", endDate="2027-10-31T23:59:59Z"))

    assert command.starts_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert command.ends_at == datetime(2027, 10, 31, 23, 59, 59, tzinfo=UTC)
    assert command.end_as_given == "2027-10-31T23:59:59Z"


def test_an_agency_makes_the_channel_ea() -> None:
    body = an_order(assistedBy={"agencyId": "ea-001", "operatorId": "op-1", "mandateId": "m-1"})
    named = onboarding.assisted_by(body)

    assert named == Assistance("ea-001", "op-1", "m-1")
    assert read_init(body, named).channel == "EA" and read_init(body, named).assisted_by == named
    assert onboarding.assisted_by(an_order()) is None


def test_the_customer_s_sign_in_and_language_are_found() -> None:
    body = an_order(userAuth={"authMethod": "OIDC", "accessToken": "t"}, customer={"locale": "hi-IN"})

    assert onboarding.user_auth(body) == {"authMethod": "OIDC", "accessToken": "t"}
    assert read_init(body).locale == "hi-IN" and onboarding.user_auth(an_order()) is None


def test_the_smallest_init_has_no_customer_and_no_credentials() -> None:
    command = read_init(an_order())

    assert (command.subject_did, command.credentials, command.ders, command.person) == ("", (), (), {})


# --- confirm, update, cancel, status, search, select, support --------------------------------------------------------


def test_the_guide_s_confirm_is_read_with_meters_and_dates() -> None:
    command = read_confirm(sample("confirm-request"))

    assert (command.meters, command.subject_did) == (("umid-001",), "did:example:user-12345")
    assert command.starts_at == datetime(2024, 11, 1, tzinfo=UTC) and command.end_as_given == "2025-10-31T23:59:59Z"
    assert command.consents == ()


def test_a_confirm_without_a_list_of_meters_means_those_of_its_init() -> None:
    without, empty = an_order(), an_order()
    del without["message"]["order"]["beckn:fulfillments"]
    fulfillment(empty)["beckn:instrument"]["meters"] = []

    assert read_confirm(without).meters is None and read_confirm(empty).meters == ()


def test_consents_are_read_with_their_words_and_limits() -> None:
    consent = {
        "type": "DER_CONTROL",
        "granted": True,
        "grantedAt": "2026-10-15T10:00:00Z",
        "textVersion": "2",
        "textDigest": "sha256:ab",
        "locale": "hi",
        "meters": ["umid-001"],
        "limits": {"maxEvents": 10},
    }

    (grant,) = read_confirm(an_order(consents=[consent])).consents

    assert (grant.type, grant.granted, grant.text_version, grant.text_digest) == ("DER_CONTROL", True, "2", "sha256:ab")
    assert (grant.locale, grant.meters, grant.limits) == ("hi", ("umid-001",), {"maxEvents": 10})


@pytest.mark.parametrize(
    "limits",
    [
        {
            "maxDischargeKw": 5.5,
            "overrideAllowed": True,
            "departBy": "07:30",
            "windows": [{"from": "22:00", "to": "06"}],
        },
        {"windows": ["22:00-06:00"], "minSocPct": None},
    ],
)
def test_limits_of_a_consent_are_short_names_and_plain_values(limits: dict[str, Any]) -> None:
    body = an_order(consents=[{"type": "DER_CONTROL", "granted": True, "limits": limits}])

    assert onboarding.validate("confirm", body) is None


@pytest.mark.parametrize(
    "limits",
    [
        {"a": "x" * 101},
        {"a": {"b": 1}},
        {"a": [{"b": [1]}]},
        {"a": [0] * 21},
        {"x" * 41: 1},
        {"name of a person": 1},
        {f"n{number}": 1 for number in range(21)},
    ],
)
def test_limits_that_would_make_a_credential_of_anything_are_refused(limits: dict[str, Any]) -> None:
    # They are signed into the credential as they come, and a credential that we issue has to be one that we take.
    body = an_order(consents=[{"type": "DER_CONTROL", "granted": True, "limits": limits}])

    found = onboarding.validate("confirm", body)

    assert found is not None and found.path.startswith("message.order.orderAttributes.consents[0].limits")


def test_the_guide_s_consent_revocation_is_read() -> None:
    body = sample("update-request-consent-revocation")

    command = onboarding.read_update(CONTEXT, body)

    assert isinstance(command, WithdrawConsent)
    assert command.consent_reference == "https://vpp-program-owner.example.com/credentials/vc:consent:consumer-001"
    assert (command.consent_type, command.reason) == ("DATA_COLLECTION", "USER_REQUESTED")
    assert command.claimed_at == "2024-11-20T14:30:00Z"
    assert command.effective_at == datetime(2024, 11, 20, 14, 30, tzinfo=UTC)


def test_the_guide_s_unenrolment_is_read() -> None:
    command = onboarding.read_update(CONTEXT, sample("update-request-unenrollment"))

    assert isinstance(command, EndEnrollment)
    assert (command.enrollment_id, command.reason) == ("enrollment-consumer-001", "USER_REQUESTED")
    assert command.effective_at == datetime(2024, 11, 20, 15, tzinfo=UTC)
    assert command.revoke_all_consents and not command.is_withdrawn


def test_what_an_unenrolment_leaves_out_has_its_defaults() -> None:
    command = read_update(updateType="UNENROLLMENT")
    kept = read_update(updateType="UNENROLLMENT", unenrollment={"revokeAllConsents": False, "withdraw": True})

    assert (command.effective_at, command.revoke_all_consents, command.is_withdrawn) == (None, True, False)
    assert (kept.revoke_all_consents, kept.is_withdrawn) == (False, True)


def test_a_grant_of_consents_is_read_and_an_unknown_update_is_none() -> None:
    grant = read_update(updateType="CONSENT_GRANT", consents=[{"type": "DATA_COLLECTION", "granted": True}])

    assert isinstance(grant, GrantConsents) and grant.consents[0].type == "DATA_COLLECTION"
    assert read_update(updateType="RENEWAL") is None


def test_cancel_and_status_name_their_order() -> None:
    cancel = onboarding.read_cancel(CONTEXT, an_order(reason="CHANGED_MIND"))
    status = onboarding.read_status(CONTEXT, an_order())

    assert (cancel.order.order_id, cancel.reason, cancel.effective_at) == ("order-1", "CHANGED_MIND", None)
    assert status.order.order_id == "order-1"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, SearchPrograms()),
        ({"intent": {}}, SearchPrograms()),
        ({"intent": {"descriptor": {"name": "flex"}}}, SearchPrograms(text="flex")),
        ({"intent": {"descriptor": {"schema:name": "flex"}}}, SearchPrograms(text="flex")),
        ({"intent": {"category": {"id": "P2P"}}}, SearchPrograms(kind="P2P")),
        ({"intent": {"category": {"descriptor": {"name": "P2P"}}}}, SearchPrograms(kind="P2P")),
        ({"intent": {"provider": {"id": "p"}}}, SearchPrograms(provider_id="p")),
        ({"intent": {"location": {"utilityId": "u", "region": "r"}}}, SearchPrograms(utility_id="u", region="r")),
        ({"text_search": "solar"}, SearchPrograms(text="solar")),
    ],
)
def test_a_search_is_read_in_the_guide_s_and_in_the_newer_words(message: Any, expected: SearchPrograms) -> None:
    body = {"message": message}

    assert onboarding.validate("search", body) is None
    assert onboarding.read_search(body) == expected


def test_select_and_support_are_read() -> None:
    select = onboarding.read_select(CONTEXT, an_order())
    asked = {"message": {"support": {"refId": "enrollment-1", "refType": "ENROLLMENT"}}}

    assert (select.program_id, select.provider_id) == ("program-1", "provider-1")
    assert onboarding.validate("support", asked) is None
    assert onboarding.read_support(asked) == ("enrollment-1", "ENROLLMENT")
    assert onboarding.read_support({"message": {"support": {"refId": "order-1"}}}) == ("order-1", "ORDER")


# --- what is not well formed -----------------------------------------------------------------------------------------


def problem(action: str, body: Any) -> tuple[str, str]:
    found = onboarding.validate(action, body)
    assert found is not None
    return found.path, found.message


def test_a_problem_names_the_place_without_prefixes_and_what_is_wrong() -> None:
    body = an_order()
    fulfillment(body)["beckn:instrument"]["meters"].append({"beckn:utilityId": "u"})
    place = "message.order.fulfillments[0].instrument.meters[1]"

    assert problem("init", body) == (place, "beckn:id is missing")
    assert problem("init", {}) == ("message", "message is missing")
    assert problem("init", []) == ("message", "has the wrong type")


def credentials(count: int, characters: int = 10) -> dict[str, Any]:
    body = an_order()
    one = {"credentialId": "vc", "type": "MeterOwnershipCredential", "credentialData": "x" * characters}
    fulfillment(body)["beckn:fulfillmentAttributes"] = {"credentials": [one] * count}
    return body


def meters(count: int) -> dict[str, Any]:
    body = an_order()
    fulfillment(body)["beckn:instrument"]["meters"] = [{"beckn:id": f"umid-{n}"} for n in range(count)]
    return body


@pytest.mark.multi_meter
def test_five_hundred_meters_are_taken_and_one_more_is_not() -> None:
    assert onboarding.validate("init", meters(500)) is None
    assert problem("init", meters(501)) == (
        "message.order.fulfillments[0].instrument.meters",
        "has too many entries",
    )


def test_twenty_credentials_of_sixteen_kilobytes_are_taken_and_no_more() -> None:
    assert onboarding.validate("init", credentials(20, MAX_CREDENTIAL_CHARACTERS)) is None
    assert problem("init", credentials(21))[1] == "has too many entries"
    assert problem("init", credentials(1, MAX_CREDENTIAL_CHARACTERS + 1)) == (
        "message.order.fulfillments[0].fulfillmentAttributes.credentials[0].credentialData",
        "is too long",
    )


WRONG_INSTANTS = [
    "2026-11-01",
    "2026-11-01T00:00:00",
    "2026-11-01 00:00:00Z",
    "2026-11-01t00:00:00z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
    "9000-01-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "२०२६-11-01T00:00:00Z",
    "tomorrow",
    "",
]


@pytest.mark.parametrize("text", WRONG_INSTANTS)
def test_an_instant_that_cannot_be_read_or_computed_with_is_said_to_be_none(text: str) -> None:
    for action, body in (
        ("init", an_order(startDate=text)),
        ("confirm", an_order(endDate=text)),
        ("update", an_order(updateType="UNENROLLMENT", unenrollment={"effectiveDate": text})),
    ):
        assert "2026-11-01T00:00:00Z" in problem(action, body)[1]


@pytest.mark.parametrize(
    "text", ["2024-02-29T00:00:00Z", "2026-11-01T00:00:00.123456789Z", "2026-11-01T00:00:00+05:30"]
)
def test_an_instant_with_a_fraction_an_offset_or_on_a_leap_day_is_one(text: str) -> None:
    assert read_init(an_order(startDate=text)).starts_at is not None


SECRET = "eyJ-very-secret-9d1f"


@pytest.mark.parametrize(
    "attributes",
    [
        {"userAuth": {"authMethod": "OIDC", "accessToken": [SECRET]}},
        {"userAuth": {"authMethod": "OTP", "otp": SECRET * 1000}},
        {"userAuth": SECRET},
        {"startDate": SECRET},
        {"consents": [{"type": SECRET, "granted": SECRET}]},
        {"consents": SECRET},
    ],
)
def test_a_problem_never_quotes_what_it_stumbled_on(attributes: dict[str, Any]) -> None:
    assert SECRET not in "".join(problem("init", an_order(**attributes)))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(["2026-11-01T00:00:00Z", "VC-JWT", "ENROLLMENT", "UNENROLLMENT", "CONSENT_GRANT", "OIDC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
ACTIONS = st.sampled_from(sorted(onboarding.ACTIONS))


@given(ACTIONS, JSON)
def test_any_json_is_answered_and_never_breaks(action: str, body: Any) -> None:
    found = onboarding.validate(action, body)

    assert found is None or (found.path.startswith("message") and found.message)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in below for place in places(item, (*path, key)))]


REQUESTS = [sample(p.stem) for p in sorted(SAMPLES.glob("*request*.json"))] + [
    {
        "context": {**CONTEXT, "action": "confirm"},
        "message": an_order(
            startDate="2026-11-01T00:00:00Z",
            userAuth={"authMethod": "OIDC", "accessToken": "t"},
            assistedBy={"agencyId": "ea-001"},
            customer={"locale": "hi"},
            consents=[{"type": "A", "granted": True, "meters": ["m"], "limits": {"a": 1}, "locale": "en"}],
        )["message"],
    }
]


@settings(max_examples=400)
@given(st.sampled_from(REQUESTS), st.data())
def test_whatever_is_found_well_formed_can_be_read(request: dict[str, Any], data: Any) -> None:
    body = copy.deepcopy(request)
    place = data.draw(st.sampled_from([p for p in places(body) if len(p) > 1 and p[0] == "message"]))
    inside = body
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = data.draw(JSON)
    action = body["context"]["action"]

    if onboarding.validate(action, body) is None:
        onboarding.user_auth(body)
        named = onboarding.assisted_by(body)
        assert read(action, body, named) is not None or action == "update"


def read(action: str, body: dict[str, Any], named: Assistance | None) -> Any:
    if action == "init":
        return onboarding.read_init(CONTEXT, body, assistance=named)
    if action == "confirm":
        return onboarding.read_confirm(CONTEXT, body, assistance=named)
    return onboarding.read_update(CONTEXT, body)


def test_every_secret_a_message_may_carry_is_named() -> None:
    """Decision 27: tokens, codes, nguid, mobile and account numbers, names, e-mail; and the credentials' bytes."""
    assert {
        "userAuth",
        "beckn:utilityCustomerId",
        "beckn:person",
        "credentialData",
        "nguid",
        "otp",
        "mobile",
        "schema:email",
    } <= onboarding.SECRET_KEYS_IN
    assert {"credentialUrl", "uploadUrl", "offerUrl"} <= onboarding.SECRET_KEYS_OUT
