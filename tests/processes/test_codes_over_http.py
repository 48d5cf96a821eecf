"""One-time codes from outside: asked for, sent by the utility, brought back in a confirm; in both profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bap import Bap, http
from tests.journeys import FLEX, Journey, Person
from tests.pilot_journeys import UNKNOWN, PilotJourney, attributes
from tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.identity_login]

Json = dict[str, Any]
OTHER = ("vpp-program-flex-001", "program-flex-other-001")


@pytest.fixture(scope="module")
def app(stack: Stack) -> Iterator[Bap]:
    """An app that may name nobody: only customers' own proofs count from it."""
    bap = stack.new_bap("app-without-rights.example")
    bap.start()
    adding = stack.adding(bap)
    stack.manage(*adding[: adding.index("--asserts-subjects")])
    yield bap
    bap.stop()


def customer(number: int) -> Person:
    return Person(f"did:example:load-{number:06}", f"load-{number:06}", customer_id=f"CUST-load-{number:06}")


def mobile(number: int) -> str:
    return f"+9180000{number:06}"


def otp(number: int, **more: str) -> Json:
    return {"authMethod": "OTP", "mobile": mobile(number), **more}


def sent_code(stack: Stack, number: int) -> str:
    """What the person reads in the utility's message."""
    answer = http("GET", f"{stack.utility_url()}/outbox", headers={"Accept": "application/json"})
    found = [m for m in answer.body["messages"] if m["to"] == mobile(number)]
    assert found, "the utility sent no code"
    return str(found[0]["parameters"]["code"])


def ask_for_code(stack: Stack, app: Bap, number: int, program: tuple[str, str] = FLEX) -> tuple[PilotJourney, Json]:
    journey = PilotJourney(stack, customer(number), program, bap=app)
    told = journey.ask(journey.bare_init(otp(number)))
    return journey, told


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_p1_12_by_one_time_code_in_the_pilots_words(stack: Stack, app: Bap) -> None:
    journey, told = ask_for_code(stack, app, 710001)
    assert (told["beckn:orderStatus"], told["beckn:buyer"]["beckn:id"]) == ("PENDING", UNKNOWN)
    proof = attributes(told)["userAuth"]
    assert {"authMethod", "nguid", "message", "expiresAt"} == set(proof)
    code = sent_code(stack, 710001)

    # Without a meter: verified, refused, and told which there are; the code need not be sent again to choose.
    back = otp(710001, nguid=proof["nguid"], otp=code)
    none = journey.call(journey.confirm({"userAuth": back}, meters=[])).body
    assert none["error"]["code"] == "BIZ_NO_METER_SPECIFIED"
    assert none["message"]["order"]["beckn:orderStatus"] == "FAILED"
    assert attributes(none["message"]["order"])["userAuth"]["verified"] is True
    (meter,) = none["error"]["details"]["availableMeters"]
    assert (meter["meterId"], meter["connectionType"], meter["sanctionedLoad"]) == ("load-710001", "residential", 5)

    confirmed = journey.ask(journey.confirm({"userAuth": back}))
    assert (confirmed["beckn:orderStatus"], attributes(confirmed)["status"]) == ("CONFIRMED", "ACTIVE")
    assert confirmed["beckn:buyer"]["beckn:id"] == "did:example:load-710001"
    again = journey.ask(journey.confirm({"userAuth": back}))
    assert attributes(again)["enrollmentId"] == attributes(confirmed)["enrollmentId"]


def test_the_guides_messages_carry_codes_too(stack: Stack, app: Bap) -> None:
    journey = Journey(stack, customer(710002), bap=app)
    init = journey.init(credentials=[], attributes={"userAuth": otp(710002)})
    del init["message"]["order"]["beckn:fulfillments"][0]["beckn:customer"]
    told = journey.ask(init)
    assert told["beckn:status"] == "PENDING"
    proof = told["beckn:orderAttributes"]["userAuth"]
    confirm = journey.confirm(
        {"userAuth": {"authMethod": "OTP", "nguid": proof["nguid"], "otp": sent_code(stack, 710002)}}
    )
    confirmed = journey.ask(confirm)
    assert confirmed["beckn:status"] == "CONFIRMED", confirmed


def test_an_init_answers_the_same_for_a_number_that_nobody_has(stack: Stack, app: Bap) -> None:
    _, known = ask_for_code(stack, app, 710003)
    journey = PilotJourney(stack, customer(710003), FLEX, bap=app)
    unknown = journey.ask(journey.bare_init({"authMethod": "OTP", "mobile": "+919999990003"}))
    ours, theirs = attributes(known)["userAuth"], attributes(unknown)["userAuth"]
    assert set(ours) == set(theirs)
    assert len(ours["nguid"]) == len(theirs["nguid"])
    assert ours["message"].replace("+91XXXXXX0003", "") == theirs["message"].replace("+91XXXXXX0003", "")
    drop = ("beckn:id", "beckn:orderAttributes")
    assert {k: v for k, v in known.items() if k not in drop} == {k: v for k, v in unknown.items() if k not in drop}
    refused = journey.call(
        journey.confirm(
            {"userAuth": {"authMethod": "OTP", "mobile": "+919999990003", "nguid": theirs["nguid"], "otp": "000000"}}
        )
    ).body
    assert refused["error"]["code"] == "SEC_OTP_INVALID"


def test_the_message_names_who_asks_and_for_what(stack: Stack, app: Bap) -> None:
    ask_for_code(stack, app, 710004, OTHER)
    answer = http("GET", f"{stack.utility_url()}/outbox", headers={"Accept": "application/json"})
    said = next(m for m in answer.body["messages"] if m["to"] == mobile(710004))["parameters"]
    assert (said["requestedBy"], said["program"]) == (app.subscriber_id, "Evening Peak Program")


def test_p1_10_a_code_that_is_wrong_five_times_is_locked_and_only_that_code(stack: Stack, app: Bap) -> None:
    journey, told = ask_for_code(stack, app, 710005)
    nguid = attributes(told)["userAuth"]["nguid"]
    code = sent_code(stack, 710005)
    guesses = [f"{(int(code) + step) % 1_000_000:06}" for step in range(1, 6)]
    left = []
    for guess in guesses:
        refused = journey.call(journey.confirm({"userAuth": otp(710005, nguid=nguid, otp=guess)})).body
        assert refused["error"]["code"] == "SEC_OTP_INVALID"
        left.append(refused["error"]["details"]["attemptsLeft"])
    assert left == [4, 3, 2, 1, 0]
    locked = journey.call(journey.confirm({"userAuth": otp(710005, nguid=nguid, otp=code)})).body
    assert (locked["error"]["code"], locked["error"]["details"]["attemptsLeft"]) == ("SEC_OTP_INVALID", 0)
    # The lock is of the session: its owner has a new code sent and goes on.
    fresh = attributes(journey.ask(journey.bare_init(otp(710005))))["userAuth"]
    proof = otp(710005, nguid=fresh["nguid"], otp=sent_code(stack, 710005))
    assert journey.ask(journey.confirm({"userAuth": proof}))["beckn:orderStatus"] == "CONFIRMED"


def test_a_code_counts_for_the_order_and_participant_it_was_sent_for(stack: Stack, app: Bap) -> None:
    journey, told = ask_for_code(stack, app, 710006)
    proof = otp(710006, nguid=attributes(told)["userAuth"]["nguid"], otp=sent_code(stack, 710006))
    elsewhere, _ = ask_for_code(stack, app, 710007)
    stolen = elsewhere.call(elsewhere.confirm({"userAuth": proof}, meters=["load-710006"])).body
    assert stolen["error"]["code"] == "SEC_OTP_EXPIRED"
    through_another = PilotJourney(stack, customer(710006), FLEX)
    through_another.order_id = journey.order_id
    assert (
        through_another.call(through_another.confirm({"userAuth": proof})).body["error"]["code"]
        == "BIZ_ORDER_NOT_FOUND"
    )
    assert journey.ask(journey.confirm({"userAuth": proof}))["beckn:orderStatus"] == "CONFIRMED"


def test_another_customers_meter_is_not_found_and_the_order_stays_open(stack: Stack, app: Bap) -> None:
    journey, told = ask_for_code(stack, app, 710008)
    proof = otp(710008, nguid=attributes(told)["userAuth"]["nguid"], otp=sent_code(stack, 710008))
    refused = journey.call(journey.confirm({"userAuth": proof}, meters=["load-710009"])).body
    assert refused["error"]["code"] == "BIZ_METER_NOT_FOUND"
    assert journey.ask(journey.confirm({"userAuth": proof}))["beckn:orderStatus"] == "CONFIRMED"


def test_codes_to_one_number_are_limited(stack: Stack, app: Bap) -> None:
    journey = PilotJourney(stack, customer(710010), FLEX, bap=app)
    answers = [journey.call(journey.bare_init(otp(710010))).body for _ in range(6)]
    assert ["error" in answer for answer in answers] == [False] * 5 + [True]
    assert answers[-1]["error"]["code"] == "BIZ_NOT_POSSIBLE_NOW"
    assert answers[-1]["error"]["details"]["retryAfter"] > 0
    # The same message again has no second code sent.
    repeated = journey.bare_init(otp(710011))
    journey.call(repeated)
    assert journey.send(repeated).is_ack


def test_nothing_of_a_code_is_kept_in_the_clear(stack: Stack, app: Bap) -> None:
    journey, told = ask_for_code(stack, app, 710012)
    nguid, code = attributes(told)["userAuth"]["nguid"], sent_code(stack, 710012)
    proof = otp(710012, nguid=nguid, otp=code, utilityCustomerId="CUST-load-710012")
    journey.ask(journey.confirm({"userAuth": proof}))
    tables = [name for (name,) in stack.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    dumped = "".join(json.dumps(stack.sql(f"SELECT t::text FROM {name} t"), default=str) for name in tables)
    logs = "".join(stack.log_texts().values())
    secrets = {"nguid": nguid, "mobile": mobile(710012), "account": "CUST-load-710012"}
    assert [name for name, secret in secrets.items() if secret in dumped or secret in logs] == []
