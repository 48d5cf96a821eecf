"""A customer's own sign-in in messages, from a real provider: who needs to name no meter, and whose token counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bap import Bap
from tests.journeys import FLEX, Journey, Person, fulfillment_state
from tests.pilot_journeys import UNKNOWN, PilotJourney, attributes
from tests.signing_in import Tokens, tokens_of
from tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.identity_login]

Json = dict[str, Any]
OTHER = ("vpp-program-flex-001", "program-flex-other-001")
DEVI = ("did:example:devi-textiles", "devi")


@pytest.fixture(scope="module")
def app(stack: Stack) -> Iterator[Bap]:
    """An app that may name nobody: only customers' own proofs count from it."""
    bap = stack.new_bap("app-with-tokens.example")
    bap.start()
    adding = stack.adding(bap)
    stack.manage(*adding[: adding.index("--asserts-subjects")])
    yield bap
    bap.stop()


def customer(number: int) -> Person:
    return Person(f"did:example:load-{number:06}", f"load-{number:06}", customer_id=f"CUST-load-{number:06}")


def oidc(tokens: Tokens) -> Json:
    return {"authMethod": "OIDC", "accessToken": tokens.access_token, "idToken": tokens.id_token}


def plain(journey: Journey, tokens: Tokens, *, meters: list[str], ders: list[Json] | None = None) -> Json:
    """An init of the guide's with a sign-in and no customer, credential or account number."""
    message = journey.init(credentials=[], attributes={"userAuth": oidc(tokens)})
    fulfillment = message["message"]["order"]["beckn:fulfillments"][0]
    del fulfillment["beckn:customer"]
    fulfillment["beckn:instrument"] = {"meters": [{"beckn:id": umid} for umid in meters], "ders": ders or []}
    return message


def test_p1_12_by_sign_in_in_the_pilots_words(stack: Stack, app: Bap) -> None:
    tokens = tokens_of(stack, "load-720001")
    journey = PilotJourney(stack, customer(720001), FLEX, bap=app)
    told = journey.ask(journey.bare_init(oidc(tokens)))
    assert (told["beckn:orderStatus"], told["beckn:buyer"]["beckn:id"]) == ("PENDING", "did:example:load-720001")
    proof = attributes(told)["userAuth"]
    assert (proof["verified"], proof["subject"]) == (True, tokens.claims["sub"])
    assert proof["issuer"] == tokens.claims["iss"]
    assert attributes(told)["meters"] == [
        {
            "meterId": "load-720001",
            "meterNumber": "MTR-load-720001",
            "sanctionedLoad": 5.0,
            "connectionType": "residential",
            "utilityId": "utility-example-001",
        }
    ]
    assert [consent["type"] for consent in attributes(told)["requiredConsents"]] == ["DATA_COLLECTION"]
    assert journey.buyer == UNKNOWN
    confirmed = journey.ask(journey.confirm({"userAuth": oidc(tokens)}))
    assert (confirmed["beckn:orderStatus"], attributes(confirmed)["status"]) == ("CONFIRMED", "ACTIVE")

    # All of theirs, whoever asks with their proof, and in the order's own words.
    other = PilotJourney(stack, customer(720001), OTHER, bap=app)
    mine = other.message("status", {"beckn:orderAttributes": {"@context": "https://e.org", "@type": "E", "userAuth": oidc(tokens_of(stack, "load-720001"))}})  # fmt: skip  # noqa: E501
    del mine["message"]["order"]["beckn:id"]
    found = other.call(mine).message["orders"]
    assert [each["beckn:id"] for each in found] == [journey.order_id]


def test_p3_1_p3_6_p3_7_a_device_and_no_meter_the_one_meter_is_filled_in(stack: Stack, app: Bap) -> None:
    journey = Journey(stack, customer(720002), bap=app)
    car = {"beckn:id": "der-car-720002", "beckn:type": "EV", "beckn:capacity": {"value": 7.4, "unit": "kW"}}
    tokens = tokens_of(stack, "load-720002")
    told = journey.ask(plain(journey, tokens, meters=[], ders=[car]))
    assert (told["beckn:status"], fulfillment_state(told)) == ("PENDING", "PENDING_CONFIRM")
    (meter,) = told["beckn:fulfillments"][0]["beckn:instrument"]["meters"]
    assert meter == {"beckn:id": "load-720002", "beckn:credentialVerified": True}
    # P3-7: the order id alone is enough to go on, in another run of the app.
    later = Journey(stack, customer(720002), bap=app)
    later.order_id = journey.order_id
    assert fulfillment_state(later.ask(later.status())) == "PENDING_CONFIRM"
    confirmed = later.call(later.confirm())
    assert confirmed.message["order"]["beckn:status"] == "CONFIRMED"
    # P3-6: nothing that signs in, and nothing of the person but what the network calls them.
    said = json.dumps([callback.body for callback in app.callbacks])
    secrets = (tokens.access_token, tokens.id_token, tokens.refresh_token, "CUST-load-720002", "+9180000")
    assert not [secret for secret in secrets if secret and secret in said]


def test_p3_2_of_several_meters_one_is_chosen_in_a_new_init_of_the_same_order(stack: Stack, app: Bap) -> None:
    tokens = tokens_of(stack, DEVI[1])
    journey = Journey(stack, Person(DEVI[0], "umid-102"), OTHER, bap=app)
    told = journey.ask(plain(journey, tokens, meters=[]))
    assert (told["beckn:status"], fulfillment_state(told)) == ("PENDING", "NEEDS_INPUT")
    offered = [meter["meterId"] for meter in told["beckn:orderAttributes"]["meters"]]
    assert offered == ["umid-101", "umid-102", "umid-103", "umid-104"]
    assert told["beckn:orderAttributes"]["nextSteps"][0]["action"] == "CHOOSE_METER"
    chosen = journey.ask(plain(journey, tokens, meters=["umid-102"]))
    assert fulfillment_state(chosen) == "PENDING_CONFIRM"
    journey.ask(journey.cancel())


def test_in_the_pilots_words_the_confirm_may_choose_the_meter(stack: Stack, app: Bap) -> None:
    tokens = tokens_of(stack, DEVI[1])
    journey = PilotJourney(stack, Person(DEVI[0], "umid-103"), OTHER, bap=app)
    told = journey.ask(journey.bare_init(oidc(tokens)))
    assert len(attributes(told)["meters"]) == 4
    none = journey.call(journey.confirm({"userAuth": oidc(tokens)}, meters=[])).body
    assert none["error"]["code"] == "BIZ_NO_METER_SPECIFIED"
    assert len(none["error"]["details"]["availableMeters"]) == 4
    confirmed = journey.ask(journey.confirm({"userAuth": oidc(tokens)}))
    assert attributes(confirmed)["meters"] == [{"meterId": "umid-103"}]
    journey.ask(journey.unenroll(attributes(confirmed)["enrollmentId"]))


def test_p1_11_a_token_for_another_audience_proves_nobody(stack: Stack, app: Bap) -> None:
    elsewhere = tokens_of(stack, "load-720003", resource=["https://somewhere.else.example"])
    journey = PilotJourney(stack, customer(720003), FLEX, bap=app)
    refused = journey.call(journey.bare_init(oidc(elsewhere))).body
    assert refused["error"]["code"] == "SEC_TOKEN_INVALID"
    assert attributes(refused["message"]["order"])["userAuth"]["verified"] is False


def test_another_persons_token_at_confirm_is_refused_and_the_order_stays_its_owners(stack: Stack, app: Bap) -> None:
    journey = PilotJourney(stack, customer(720004), FLEX, bap=app)
    assert journey.ask(journey.bare_init(oidc(tokens_of(stack, "load-720004"))))["beckn:orderStatus"] == "PENDING"
    refused = journey.call(journey.confirm({"userAuth": oidc(tokens_of(stack, "load-720005"))})).body
    assert refused["error"]["code"] == "BIZ_SUBJECT_MISMATCH"


def test_a_token_that_was_used_in_another_order_or_by_another_app_proves_nobody(stack: Stack, app: Bap) -> None:
    tokens = tokens_of(stack, "load-720006")
    first = PilotJourney(stack, customer(720006), FLEX, bap=app)
    assert first.ask(first.bare_init(oidc(tokens)))["beckn:orderStatus"] == "PENDING"
    for again in (PilotJourney(stack, customer(720006), FLEX, bap=app), PilotJourney(stack, customer(720006), FLEX)):
        refused = again.call(again.bare_init({"authMethod": "OAUTH2", "accessToken": tokens.access_token})).body
        assert refused["error"]["code"] == "SEC_TOKEN_INVALID"
