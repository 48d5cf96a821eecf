"""Many at once, over HTTP, with real connections: one wins, the others are told so, and nothing breaks.

That issuing in sixteen threads repeats no index is shown in tests/credentials/test_races.py.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from functools import partial

import pytest

from tests.bap import Answer, Bap, digest, eventually
from tests.journeys import Journey, fulfillment_state
from tests.processes.scenes import Book, at_once, error_code, no_trouble, somebody, two_who_share_a_meter
from tests.stack import Stack

pytestmark = pytest.mark.processes

FIFTY = 50


def test_fifty_inits_and_fifty_confirms_at_once_for_one_meter_end_in_one_enrolment(stack: Stack):
    person = somebody()
    credentials = Journey(stack, person).credentials()
    journeys = [Journey(stack, person) for _ in range(FIFTY)]
    with no_trouble(stack):
        inits = [partial(journey.ask, journey.init(credentials=credentials)) for journey in journeys]
        prepared = at_once(inits)
        # A hold of the same person for the same program stands in nobody's way (decision 31): all are ready.
        assert Counter(map(fulfillment_state, prepared)) == {"PENDING_CONFIRM": FIFTY}
        assert Book(stack, person.umid).holds == 1

        answers = at_once([partial(journey.ask, journey.confirm()) for journey in journeys])
        eventually(lambda: stack.idle(*(journey.transaction_id for journey in journeys)))
    by_status = Counter((answer["beckn:status"], error_code(answer)) for answer in answers)
    assert by_status == {("CONFIRMED", ""): 1, ("REJECTED", "ENROLLMENT_CONFLICT"): FIFTY - 1}
    assert Book(stack, person.umid).is_enrolled_once()
    (winner,) = (answer for answer in answers if answer["beckn:status"] == "CONFIRMED")
    enrollment_id = winner["beckn:orderAttributes"]["enrollmentId"]
    # It is the same person's, so the others may know which enrolment it is.
    conflicts = [answer["error"]["details"] for answer in answers if answer is not winner]
    assert {conflict["conflictingEnrollmentId"] for conflict in conflicts} == {enrollment_id}
    for journey in journeys:
        assert len(stack.bap.received("on_confirm", transaction_id=journey.transaction_id)) == 1


def test_two_who_share_a_meter_cannot_both_enrol_it_and_neither_hears_of_the_other(stack: Stack):
    people = two_who_share_a_meter()
    book = Book(stack, people[0].umid)
    journeys = [Journey(stack, person) for person in people]
    for journey in journeys:
        assert fulfillment_state(journey.ask(journey.init())) == "PENDING_CONFIRM"
        book.let_holds_expire()  # both cases stay READY (decision 31): now only the claims can keep them apart
    with no_trouble(stack):
        answers = at_once([partial(journey.ask, journey.confirm()) for journey in journeys])
    assert sorted(answer["beckn:status"] for answer in answers) == ["CONFIRMED", "REJECTED"]
    assert book.is_enrolled_once()
    winner = next(each for each, answer in enumerate(answers) if answer["beckn:status"] == "CONFIRMED")
    won, loser = answers[winner], journeys[1 - winner]
    assert error_code(answers[1 - winner]) == error_code(loser.ask(loser.init())) == "ENROLLMENT_CONFLICT"
    others = [people[winner].did, people[winner].customer_id, journeys[winner].order_id, won["beckn:orderNumber"]]
    others += [won["beckn:orderAttributes"]["enrollmentId"]]
    for callback in stack.bap.received(transaction_id=loser.transaction_id):
        assert [value for value in others if value in callback.raw.decode()] == []


def test_the_same_confirm_sent_twenty_times_at_once_is_done_once(stack: Stack):
    journey = Journey(stack, somebody())
    journey.ask(journey.init())
    message = journey.confirm()
    raw = json.dumps(message).encode()
    headers = {"Authorization": stack.bap.authorization(raw)}

    def send() -> Answer:
        return stack.bap.post(f"{stack.base}/beckn/confirm", raw, headers=headers)

    with no_trouble(stack):
        answers = at_once([send] * 20)
        assert [answer.is_ack for answer in answers] == [True] * 20
        assert len({answer.raw for answer in answers}) == 1
        confirmed = stack.bap.wait_for("on_confirm", message_id=message["context"]["message_id"])
        eventually(lambda: stack.idle(journey.transaction_id))
    assert confirmed.message["order"]["beckn:status"] == "CONFIRMED"
    assert Book(stack, journey.person.umid).is_enrolled_once()
    assert len(stack.bap.received("on_confirm", transaction_id=journey.transaction_id)) == 1
    kept = stack.sql("SELECT digest, state FROM beckn_inbox WHERE message_id = %s", message["context"]["message_id"])
    assert kept == [(digest(raw), "DONE")]


def test_twenty_confirms_of_one_order_at_once_all_get_the_one_enrolment(stack: Stack):
    journey = Journey(stack, somebody())
    journey.ask(journey.init())
    with no_trouble(stack):
        answers = at_once([partial(journey.ask, journey.confirm()) for _ in range(20)])
    assert {answer["beckn:status"] for answer in answers} <= {"CONFIRMED", "ACTIVE"}
    attributes = [answer["beckn:orderAttributes"] for answer in answers]
    assert len({each["enrollmentId"] for each in attributes}) == 1
    assert len({each["credential"]["credentialId"] for each in attributes}) == 1
    assert len({each["credential"]["credentialData"] for each in attributes}) == 1
    assert Book(stack, journey.person.umid).is_enrolled_once()


def test_an_order_id_belongs_to_its_participant_when_two_use_the_same_at_once(stack: Stack, second_bap: Bap):
    order_id = f"order-{uuid.uuid4()}"
    journeys = [Journey(stack, somebody(), bap=bap) for bap in (stack.bap, second_bap)]
    for journey in journeys:
        journey.order_id = order_id
    with no_trouble(stack):
        at_once([partial(journey.ask, journey.init()) for journey in journeys])
        answers = at_once([partial(journey.ask, journey.confirm()) for journey in journeys])
    assert [answer["beckn:status"] for answer in answers] == ["CONFIRMED", "CONFIRMED"]
    assert len({answer["beckn:orderAttributes"]["enrollmentId"] for answer in answers}) == 2
    assert all(Book(stack, journey.person.umid).is_enrolled_once() for journey in journeys)
