"""Profile B, inwards: what a message must look like, and the command it becomes (wire 4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beckn import profiles
from beckn.profiles import onboarding, pilot
from enrollment.codes import Code, Refusal
from enrollment.commands import DerRef, EndEnrollment, GrantConsents, MeterRef, WithdrawConsent
from tests.beckn.test_fuzz import JSON
from tests.pilot import ABSENT, DOMAIN, FOLDER, Pilot

Json = dict[str, Any]
CONTEXT = {
    "domain": DOMAIN,
    "bap_id": "portal.example.com",
    "bap_uri": "https://portal.example.com/beckn",
    "transaction_id": "tx-1",
}
OTP = {"authMethod": "OTP", "mobile": "+919999999999", "utilityCustomerId": "CUST-1", "userType": "CONSUMER"}
OIDC = {"authMethod": "OIDC", "accessToken": "a.b.c", "idToken": "d.e.f"}
PILOT_WORDS = {"@type": "beckn:Order", "beckn:orderStatus": "CREATED"}
CREDENTIAL = {"credentialId": "vc-1", "type": "ProgramEligibilityCredential", "credentialData": "a.b.c"}


def an_order(buyer: str = "did:example:1", delivery: Json | None = None, **attributes: Any) -> Json:
    fulfillment = {"beckn:id": "f-1", "beckn:mode": "DIGITAL"}
    if delivery is not None:
        fulfillment["beckn:deliveryAttributes"] = {"@type": "EnergyEnrollment", **delivery}  # type: ignore[assignment]
    order: Json = {
        "@context": "https://example.com/context.jsonld",
        "@type": "beckn:Order",
        "beckn:id": "order-1",
        "beckn:orderStatus": "CREATED",
        "beckn:seller": "provider-1",
        "beckn:buyer": {"@context": "https://example.com", "@type": "beckn:Buyer", "beckn:id": buyer},
        "beckn:orderItems": [{"beckn:orderedItem": "program-1"}],
        "beckn:fulfillment": fulfillment,
    }
    if attributes:
        order["beckn:orderAttributes"] = {"@type": "EnergyEnrollment", **attributes}
    return {"context": CONTEXT, "message": {"order": order}}


def read_init(body: Json) -> Any:
    assert pilot.validate("init", body) is None
    return pilot.read_init(CONTEXT, body, assistance=None)


def read_confirm(body: Json) -> Any:
    assert pilot.validate("confirm", body) is None
    return pilot.read_confirm(CONTEXT, body, assistance=None)


def problem(action: str, body: Json) -> tuple[str, str]:
    found = pilot.validate(action, body)
    assert found is not None
    return found.path, found.message


# --- init ------------------------------------------------------------------------------------------------------------


def test_an_init_is_read_where_the_pilots_sample_has_things() -> None:
    command = read_init(
        an_order(
            delivery={
                "customer": {"name": "Rajesh", "email": "r@example.com"},
                "meters": [{"meterId": "umid-1", "utilityId": "u-1"}, {"meterId": "umid-1"}],
                "ders": [{"derId": "der-1", "type": "SOLAR_PV", "capacityValue": 5, "capacityUnit": "kW"}],
            },
            meterOwnershipCredential={"credentialId": "own", "credentialData": "x.y.z"},
            credentials=[CREDENTIAL],
        )
    )
    assert (command.program_id, command.provider_id, command.fulfillment_id) == ("program-1", "provider-1", "f-1")
    assert (command.order.profile, command.order.domain) == ("B", DOMAIN)
    assert command.subject_did == "did:example:1"
    assert command.meters == (MeterRef("umid-1", "u-1", ""),)
    assert command.ders == (DerRef("der-1", "SOLAR_PV", 5, "kW"),)
    assert command.person == {"name": "Rajesh", "email": "r@example.com"}
    assert [(c.credential_id, c.type) for c in command.credentials] == [
        ("own", "MeterOwnershipCredential"),
        ("vc-1", "ProgramEligibilityCredential"),
    ]


def test_an_init_is_read_from_the_orders_own_attributes_too() -> None:
    command = read_init(
        an_order(
            customer={"name": "Rajesh", "locale": "hi-IN"},
            meters=[{"meterId": "umid-1"}],
            userAuth=OTP,
            startDate="2026-11-01T00:00:00Z",
        )
    )
    assert command.meters == (MeterRef("umid-1", "", "CUST-1"),)
    assert (command.locale, command.person) == ("hi-IN", {"name": "Rajesh"})
    assert command.starts_at is not None


@pytest.mark.parametrize(
    ("buyer", "proof", "read"),
    [
        ("pending-verification", OTP, ""),
        ("pending-verification", None, ""),
        ("user-12345", OIDC, ""),  # the token's own name of the person: the proof says who it is
        ("did:example:1", OIDC, "did:example:1"),
        ("user-12345", None, "user-12345"),
    ],
)
def test_the_buyer_counts_where_it_says_more_than_the_proof(buyer: str, proof: Json | None, read: str) -> None:
    given = {"userAuth": proof} if proof else {"customer": {}}
    assert read_init(an_order(buyer, **given)).subject_did == read
    assert read_confirm(an_order(buyer, **given)).subject_did == read


def test_an_error_finds_the_way_back_to_each_place_of_a_credential() -> None:
    command = read_init(
        an_order(
            delivery={"credentials": [CREDENTIAL]},
            meterOwnershipCredential={"credentialId": "own", "credentialData": "x.y.z"},
            credentials=[CREDENTIAL],
        )
    )
    refusals = [Refusal(Code.CREDENTIAL_VERIFICATION_FAILED, "", f"credentials[{c.position}]") for c in command.credentials]  # fmt: skip  # noqa: E501
    assert [pilot.error(r)["details"]["path"] for r in refusals] == [
        "message.order.orderAttributes.meterOwnershipCredential",
        "message.order.orderAttributes.credentials[0]",
        "message.order.fulfillment.deliveryAttributes.credentials[0]",
    ]


# --- confirm and after -----------------------------------------------------------------------------------------------


def test_a_confirm_without_meters_means_those_of_its_init_and_an_empty_list_means_none() -> None:
    assert read_confirm(an_order()).meters is None
    assert read_confirm(an_order(meters=[])).meters == ()
    assert read_confirm(an_order(meters=[{"meterId": "a"}, {"meterId": "b"}])).meters == ("a", "b")


def test_updates_become_commands() -> None:
    def read(**attributes: Any) -> Any:
        body = an_order(**attributes)
        assert pilot.validate("update", body) is None
        return pilot.read_update(CONTEXT, body)

    assert isinstance(read(updateType="UNENROLLMENT", unenrollment={"reason": "MOVED"}), EndEnrollment)
    assert isinstance(read(updateType="CONSENT_REVOCATION", consentRevocation={}), WithdrawConsent)
    assert isinstance(read(updateType="CONSENT_GRANT", consents=[]), GrantConsents)
    assert read(updateType="RENEWAL") is None


def test_a_status_needs_no_more_than_the_order_it_asks_about() -> None:
    body = {"context": CONTEXT, "message": {"order": {"beckn:id": "order-1"}}}
    assert pilot.validate("status", body) is None
    assert pilot.read_status(CONTEXT, body).order.order_id == "order-1"
    assert pilot.asked_for(body) == ("", "")


@pytest.mark.parametrize(("profile", "words"), [(pilot, PILOT_WORDS), (onboarding, {})])
def test_a_status_without_an_order_asks_for_all_of_whoever_it_proves(profile: Any, words: Json) -> None:
    proven = {"message": {"order": {**words, "beckn:orderAttributes": {"userAuth": OIDC}}}}
    assert profile.validate("status", proven) is None
    assert profile.read_status(CONTEXT, proven).order.order_id == ""
    unproven = {"message": {"order": {**words, "beckn:orderAttributes": {}}}}
    assert profile.validate("status", unproven) is not None
    assert profile.validate("init", proven) is not None


# --- what is refused at the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        ({"userAuth": {**OTP, "pin": "1"}}, "message.order.orderAttributes.userAuth"),
        ({"userAuth": {**OTP, "mobile": "0999"}}, "message.order.orderAttributes.userAuth.mobile"),
        ({"userAuth": {"authMethod": "OTP"}}, "message.order.orderAttributes.userAuth"),
        ({"userAuth": {"authMethod": "OIDC"}}, "message.order.orderAttributes.userAuth"),
        ({"userAuth": {**OIDC, "otp": "123456"}}, "message.order.orderAttributes.userAuth"),
        ({"userAuth": {"authMethod": "PASSWORD"}}, "message.order.orderAttributes.userAuth.authMethod"),
        ({"meters": [{"meterId": "a", "owner": "me"}]}, "message.order.orderAttributes.meters[0]"),
        ({"credentials": [{**CREDENTIAL, "status": "x"}]}, "message.order.orderAttributes.credentials[0]"),
        ({"credentials": [{**CREDENTIAL, "type": "Passport"}]}, "message.order.orderAttributes.credentials[0].type"),
        ({"startDate": "tomorrow"}, "message.order.orderAttributes.startDate"),
    ],
)
def test_closed_objects_of_a_request_are_closed(attributes: Json, path: str) -> None:
    assert problem("init", an_order(**attributes))[0] == path


@pytest.mark.parametrize("name", ["beckn:provider", "beckn:items", "remark"])
def test_the_order_itself_is_closed(name: str) -> None:
    body = an_order()
    body["message"]["order"][name] = {}
    assert problem("init", body) == ("message.order", "has a field that does not belong there")


def test_no_problem_quotes_a_secret() -> None:
    body = an_order(userAuth={"authMethod": "OTP", "mobile": "+91-secret-number"})
    assert "secret" not in "".join(problem("init", body))


# --- which profile ---------------------------------------------------------------------------------------------------


def test_the_domain_tells_the_profile_and_the_shape_overrules_it() -> None:
    of_a = {"order": {"beckn:provider": {}, "beckn:items": []}}
    of_b = an_order()["message"]
    plain = {"order": {"beckn:id": "order-1"}}
    mixed = {"order": {**of_a["order"], **of_b["order"]}}
    a, b = {"domain": "energy.enrollment"}, {"domain": DOMAIN}
    assert [profiles.profile_for(c, plain) for c in (a, b)] == [onboarding, pilot]
    assert [profiles.profile_for(c, of_b) for c in (a, b)] == [pilot, pilot]
    assert [profiles.profile_for(c, of_a) for c in (a, b)] == [onboarding, onboarding]
    assert [profiles.profile_for(c, mixed) for c in (a, b)] == [onboarding, pilot]
    assert profiles.profile_for({"domain": "retail"}, of_b) is None


def test_an_a_message_is_none_of_b_nor_the_other_way_round() -> None:
    of_a = {"message": {"order": {"beckn:id": "1", "beckn:provider": {"beckn:id": "p"}, "beckn:items": [{"beckn:id": "i"}]}}}  # fmt: skip  # noqa: E501
    assert onboarding.validate("select", of_a) is None
    assert pilot.validate("select", of_a) is not None
    assert onboarding.validate("select", an_order()) is not None


# --- any JSON --------------------------------------------------------------------------------------------------------

READERS = {
    "search": lambda body: pilot.read_search(body),
    "discover": lambda body: (pilot.read_search(body), pilot.filter_of(body)),
    "select": lambda body: pilot.read_select(CONTEXT, body),
    "init": lambda body: pilot.read_init(CONTEXT, body, assistance=pilot.assisted_by(body)),
    "confirm": lambda body: pilot.read_confirm(CONTEXT, body, assistance=pilot.assisted_by(body)),
    "status": lambda body: pilot.read_status(CONTEXT, body),
    "update": lambda body: pilot.read_update(CONTEXT, body),
    "cancel": lambda body: pilot.read_cancel(CONTEXT, body),
    "support": lambda body: pilot.read_support(body),
    "rating": lambda body: pilot.read_ratings(body),
}
_NAMES = (
    *("userAuth", "meters", "ders", "credentials", "meterOwnershipCredential", "customer", "consents", "assistedBy"),
    *("presentation", "existingEnrollments", "startDate", "updateType", "consentRevocation", "unenrollment", "reason"),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(_NAMES), JSON, max_size=4)


@settings(max_examples=150, deadline=None)
@given(action=st.sampled_from(sorted(pilot.ACTIONS)), content=JSON, attributes=ATTRIBUTES, delivery=ATTRIBUTES)
def test_whatever_comes_is_read_or_refused_and_never_raises(
    action: str, content: Any, attributes: Json, delivery: Json
) -> None:
    assert set(READERS) == pilot.ACTIONS
    for message in (content, an_order(delivery=delivery, **attributes)["message"]):
        body = {"context": CONTEXT, "message": message}
        if pilot.validate(action, body) is None:
            for read in (pilot.asked_for, pilot.user_auth, pilot.presentation, READERS[action]):
                read(body)  # type: ignore[operator]
            pilot.order_ref(CONTEXT, body)


# --- the pilot's own samples -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
@pytest.mark.parametrize("name", ["init-request-otp", "init-request-oauth2", "init-request-simple-consumer"])
def test_the_pilots_samples_are_read(name: str) -> None:
    published = Pilot(FOLDER)
    sample = published.sample(name)
    assert published.problems(sample) == []
    assert profiles.profile_for(sample["context"], sample["message"]) is pilot
    command = read_init(sample)
    assert command.program_id and command.provider_id
