"""Proof in messages when the utility is in trouble: other keys in the middle of an order, and silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys import FLEX, Journey, fulfillment_state
from tests.pilot_journeys import PilotJourney, attributes
from tests.processes.test_codes_over_http import customer, otp, sent_code
from tests.processes.test_tokens_over_http import oidc, plain
from tests.signing_in import tokens_of
from tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.identity_login]


def test_keys_rotated_mid_flow_and_silence_cost_nobody_their_application(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()

    # The provider signs with another key between init and confirm: it is fetched, and the sign-in counts.
    journey = PilotJourney(stack, customer(740001), FLEX)
    assert journey.ask(journey.bare_init(oidc(tokens_of(stack, "load-740001"))))["beckn:orderStatus"] == "PENDING"
    stack.fault("rotated-keys", seconds=600)
    confirmed = journey.ask(journey.confirm({"userAuth": oidc(tokens_of(stack, "load-740001"))}))
    assert confirmed["beckn:orderStatus"] == "CONFIRMED", confirmed
    signed_in = tokens_of(stack, "load-740002")

    # Silence when a code is asked for, when meters are, and when the code comes back: never a refusal.
    coded = PilotJourney(stack, customer(740003), FLEX)
    told = attributes(coded.ask(coded.bare_init(otp(740003))))["userAuth"]
    proof = otp(740003, nguid=told["nguid"], otp=sent_code(stack, 740003))
    stack.fault("down", seconds=600)
    asked = PilotJourney(stack, customer(740004), FLEX)
    _is_told_to_try_again(asked.call(asked.bare_init(otp(740004))).body)
    _is_told_to_try_again(coded.call(coded.confirm({"userAuth": proof})).body)
    waiting = Journey(stack, customer(740002))
    assert fulfillment_state(waiting.ask(plain(waiting, signed_in, meters=[]))) == "WAITING_FOR_UTILITY"
    stack.fault("none")
    stack.sql(
        "UPDATE enrollment_cases SET retry_at = retry_at - interval '1 hour' WHERE order_id = %s", waiting.order_id
    )
    news = stack.bap.wait_for("on_status", transaction_id=waiting.transaction_id).message["order"]
    assert fulfillment_state(news) == "PENDING_CONFIRM"  # with the one meter that the utility named at last
    assert [m["beckn:id"] for m in news["beckn:fulfillments"][0]["beckn:instrument"]["meters"]] == ["load-740002"]
    assert coded.ask(coded.confirm({"userAuth": proof}))["beckn:orderStatus"] == "CONFIRMED"


def _is_told_to_try_again(body: dict[str, Any]) -> None:
    assert body["error"]["code"] == "NET_UTILITY_UNAVAILABLE"
    assert body["error"]["details"]["retryAfter"] > 0
    assert body["message"]["order"]["beckn:orderStatus"] == "PENDING"
