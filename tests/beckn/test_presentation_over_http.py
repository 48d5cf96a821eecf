"""A portal that may not speak for anybody enrols a customer who signs for themselves: real processes, real HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sandbox import generated
from tests.bap import Bap
from tests.journeys import FLEX, Journey, Person, fulfillment_state
from tests.stack import Stack
from tests.wallet import Wallet, did_key, ed25519

pytestmark = pytest.mark.processes

WALLET = did_key(ed25519("gita.menon@example.com"))  # as the sandbox's personas have her
GITA = Person(WALLET.did, "umid-300", customer_id="CUST-300300")


@pytest.fixture
def portal(stack: Stack) -> Iterator[Bap]:
    """A participant that may not name a customer of any utility."""
    # A name of its own each time: a key replaced under its old name counts within a second, not at once.
    peer = stack.new_bap(f"unasserting-{uuid.uuid4().hex[:8]}.test.example")
    peer.start()
    stack.register(peer, "--asserts-subjects")  # the last one counts, and it names none
    yield peer
    peer.stop()


def by(journey: Journey, wallet: Wallet = WALLET, **claims: Any) -> dict[str, Any]:
    jwt = wallet.present(**{"aud": generated.OWNER, "nonce": journey.order_id, **claims})
    return {"presentation": {"format": "VP-JWT", "presentationData": jwt}}


def test_who_signs_a_presentation_is_enrolled_on_the_utilitys_own_record_of_them(stack: Stack, portal: Bap) -> None:
    journey = Journey(stack, GITA, FLEX, portal)
    unproven = journey.ask(journey.init())
    assert unproven["error"]["code"] == "AUTH_REQUIRED", "credentials about her prove nothing of who asks"

    proof = by(journey)
    prepared = journey.ask(journey.init(credentials=[], attributes=proof))
    assert fulfillment_state(prepared) == "PENDING_CONFIRM", prepared
    asked = prepared["beckn:orderAttributes"]["requiredCredentials"]
    assert {each["type"]: (each["status"], each.get("source")) for each in asked} == {
        "MeterOwnershipCredential": ("PROVIDED", "UTILITY"),
        "ProgramEligibilityCredential": ("PROVIDED", "UTILITY"),
    }

    confirmed = journey.ask(journey.confirm())
    assert confirmed["beckn:status"] == "CONFIRMED", confirmed
    told = " ".join(stack.log_texts().values())
    assert proof["presentation"]["presentationData"] not in told
    journey.ask(journey.unenroll(confirmed["beckn:orderAttributes"]["enrollmentId"]))


def test_a_stranger_with_a_key_gets_nothing_of_hers(stack: Stack, portal: Bap) -> None:
    mallory = did_key(ed25519())
    hers = Journey(stack, GITA, FLEX, portal)
    order = hers.ask(hers.init(credentials=[], attributes=by(hers, mallory)))
    assert order["error"]["code"] == "SUBJECT_MISMATCH"
    order = hers.ask(hers.init(credentials=[], attributes=by(hers, Wallet(mallory.private, WALLET.did, WALLET.kid))))
    assert order["error"]["code"] == "TOKEN_INVALID"

    own = Journey(stack, replace(GITA, did=mallory.did), FLEX, portal)
    order = own.ask(own.init(credentials=[], attributes=by(own, mallory)))
    assert order["error"]["code"] == "METER_NOT_FOUND"


def test_a_presentation_is_good_for_the_order_it_names(stack: Stack, portal: Bap) -> None:
    first, second = Journey(stack, GITA, FLEX, portal), Journey(stack, GITA, FLEX, portal)
    order = second.ask(second.init(credentials=[], attributes=by(first)))
    assert order["error"]["code"] == "TOKEN_INVALID"
    assert order["error"]["path"] == "message.order.orderAttributes.presentation"
