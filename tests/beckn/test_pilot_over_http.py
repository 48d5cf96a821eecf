"""P1-12: the guide's journey in the pilot's words, over HTTP, signed, against real processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bap import Bap
from tests.journeys import FLEX, P2P, Journey, Person
from tests.pilot import DOMAIN
from tests.pilot_journeys import PilotJourney, assert_fits, attributes
from tests.stack import Stack

pytestmark = pytest.mark.processes

DEVI = Person("did:example:devi-textiles", "umid-104", customer_id="CUST-101000")
TRADER = Person(
    DEVI.did,
    "umid-101",
    customer_id=DEVI.customer_id,
    ders=({"beckn:id": "der-solar-101", "beckn:type": "SOLAR_PV", "beckn:capacity": {"value": 80, "unit": "kW"}},),
)
OTHER = ("vpp-program-flex-001", "program-flex-other-001")


@pytest.fixture(scope="module")
def strict(stack: Stack) -> Iterator[Bap]:
    """A participant that knows the pilot's keys and no others."""
    bap = stack.new_bap("strict-pilot.example")
    bap.start()
    stack.register(bap, "--strict")
    yield bap
    bap.stop()


def test_p1_12_the_whole_journey_in_the_pilots_words(stack: Stack) -> None:
    journey = PilotJourney(stack, DEVI)
    found = journey.call(journey.discover(text_search="flex")).message["catalogs"]
    assert FLEX[1] in {item["beckn:id"] for catalog in found for item in catalog["beckn:items"]}
    selected = journey.ask(journey.select())
    assert selected["beckn:orderStatus"] == "CREATED"
    assert {c["type"] for c in attributes(selected)["requiredConsents"]} == {"DATA_COLLECTION"}

    sent = journey.init()
    assert_fits(sent)
    prepared = journey.ask(sent)
    assert (prepared["beckn:orderStatus"], prepared["beckn:buyer"]["beckn:id"]) == ("PENDING", DEVI.did)
    checked = attributes(prepared)["credentialVerification"]
    assert (checked["status"], len(checked["verifiedCredentials"])) == ("VERIFIED", 2)

    confirmed = journey.ask(journey.confirm())
    try:
        assert (confirmed["beckn:orderStatus"], attributes(confirmed)["status"]) == ("CONFIRMED", "ACTIVE")
        assert confirmed["beckn:fulfillment"]["beckn:fulfillmentStatus"] == "CONFIRMED"
        assert attributes(confirmed)["meters"] == [{"meterId": "umid-104"}]
        assert attributes(confirmed)["credential"]["credentialData"].count(".") == 2
        again = journey.ask(journey.confirm())
        assert attributes(again)["enrollmentId"] == attributes(confirmed)["enrollmentId"]

        stands = journey.ask(journey.message("status", {}))
        assert attributes(stands)["enrollmentCredentialStatus"]["revoked"] is False
        assert "credentialData" not in attributes(stands)["credential"]
        (consent,) = attributes(confirmed)["consents"]
        revoked = journey.ask(journey.revoke_consent(consent["consentCredentialId"]))
        assert (revoked["beckn:orderStatus"], attributes(revoked)["consentRevocation"]["status"]) == (
            "CONFIRMED",
            "REVOKED",
        )
    finally:
        ended = journey.ask(journey.unenroll(attributes(confirmed)["enrollmentId"]))
    assert ended["beckn:orderStatus"] == "CANCELLED"
    assert attributes(ended)["unenrollment"]["enrollmentCredentialStatus"]["revoked"] is True
    contact = journey.call(journey.support()).message["support"]
    assert contact["@type"] == "beckn:SupportInfo" and contact["name"]
    rated = journey.call(journey.rating(4)).message["support"]
    assert rated == contact
    noted = stack.sql("SELECT details FROM audit_logs WHERE action = 'rating.received' AND subject <> ''")
    assert [each["value"] for (each,) in noted] == [4]
    assert "said in confidence" not in str(noted)


def test_p1_12_what_is_refused_stands_beside_a_complete_order(stack: Stack) -> None:
    journey = PilotJourney(stack, DEVI, OTHER)
    unknown = journey.call(journey.confirm()).body
    assert unknown["error"]["code"] == "BIZ_ORDER_NOT_FOUND"
    assert unknown["message"]["order"]["beckn:seller"] == OTHER[0]

    ownership, *_ = journey.credentials()
    forged = {**ownership, "credentialData": ownership["credentialData"][:-8] + "AAAAAAAA"}
    refused = journey.call(journey.init(credentials=[forged])).body
    assert refused["message"]["order"]["beckn:orderStatus"] == "REJECTED"
    assert refused["error"]["code"] == "SEC_CREDENTIAL_VERIFICATION_FAILED"
    assert refused["error"]["details"]["path"].endswith("orderAttributes.meterOwnershipCredential")
    assert refused["error"]["details"]["reason"] == "BAD_SIGNATURE"

    assert journey.ask(journey.init())["beckn:orderStatus"] == "PENDING"
    none_named = journey.call(journey.confirm(meters=[])).body
    assert none_named["message"]["order"]["beckn:orderStatus"] == "FAILED"
    assert none_named["error"]["code"] == "BIZ_NO_METER_SPECIFIED"
    assert none_named["error"]["details"]["availableMeters"]
    withdrawn = journey.ask(journey.cancel())
    assert withdrawn["beckn:orderStatus"] == "CANCELLED"


def test_a_p2p_members_on_confirm_tells_the_trading_platform(stack: Stack) -> None:
    journey = PilotJourney(stack, TRADER, P2P)
    confirmed = journey.enroll()
    journey.ask(journey.unenroll(attributes(confirmed)["enrollmentId"]))
    assert attributes(confirmed)["p2pdetails"] == {
        "usertype": "PROSUMER",
        "isp2pactive": True,
        "iscaactive": True,
        "meternumber": "MTR-100101",
        "sdload": "200",
        "cuflimit": "100",
    }


def test_p1_12_a_strict_participant_gets_only_the_pilots_keys(stack: Stack, strict: Bap) -> None:
    journey = PilotJourney(stack, DEVI, OTHER, bap=strict)
    prepared = journey.ask(journey.init())
    assert not {"nextSteps", "enrollmentCriteria", "warnings"} & set(attributes(prepared))
    refused = journey.call(journey.update("CONSENT_GRANT", consents=[])).body
    assert refused["error"]["code"] == "BIZ_UPDATE_NOT_SUPPORTED"
    journey.ask(journey.cancel())


def test_orders_of_both_profiles_of_one_participant_do_not_mix(stack: Stack) -> None:
    of_a, of_b = Journey(stack, DEVI, OTHER), PilotJourney(stack, DEVI, OTHER)
    told_a, told_b = of_a.ask(of_a.init()), of_b.ask(of_b.init())
    assert "beckn:status" in told_a and "beckn:orderStatus" not in told_a
    assert "beckn:orderStatus" in told_b and "beckn:status" not in told_b
    # Each order is there in both grammars, answered in the one it was asked in, and only under its own id.
    of_a.order_id, of_b.order_id = of_b.order_id, of_a.order_id
    assert of_a.ask(of_a.status())["beckn:status"] == "PENDING"
    assert of_b.ask(of_b.message("status", {}))["beckn:orderStatus"] == "PENDING"
    assert dict(stack.sql("SELECT order_id, profile FROM enrollment_cases WHERE order_id = ANY(%s)", [of_a.order_id, of_b.order_id])) == {of_a.order_id: "B", of_b.order_id: "A"}  # fmt: skip  # noqa: E501
    of_a.ask(of_a.cancel()), of_b.ask(of_b.cancel())


def test_the_pilots_shape_in_the_guides_domain_is_answered_in_kind(stack: Stack) -> None:
    journey = PilotJourney(stack, DEVI, OTHER)
    message = journey.select()
    message["context"]["domain"] = "energy.enrollment"
    callback = journey.call(message)
    assert callback.message["order"]["beckn:orderStatus"] == "CREATED"
    assert callback.context["domain"] == "energy.enrollment"
    assert_fits({**callback.body, "context": {**callback.context, "domain": DOMAIN}})


def test_discover_by_jsonpath_finds_what_it_asks_for(stack: Stack) -> None:
    journey = PilotJourney(stack)

    def found(**content: object) -> set[str]:
        catalogs = journey.call(journey.discover(**content)).message["catalogs"]
        return {item["beckn:id"] for catalog in catalogs for item in catalog["beckn:items"]}

    by_kind = {"type": "jsonpath", "expression": "$[?(@.itemAttributes.kind == 'P2P')]"}
    assert found(filters=by_kind) == {P2P[1]}
    assert found(text_search="flex", filters=by_kind) == set()
    hostile = journey.send(journey.discover(filters={"type": "jsonpath", "expression": "$..kind"}))
    assert (hostile.status, hostile.body["error"]["details"]["path"]) == (400, "message.filters.expression")
