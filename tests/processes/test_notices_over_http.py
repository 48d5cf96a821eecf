"""A customer is written in their language and stops with one address what was done in their name; from outside."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.bap import http
from tests.customers import Block
from tests.journeys import Journey, Person
from tests.processes.test_utility_news_over_http import attributes, soon
from tests.stack import Stack

pytestmark = pytest.mark.processes

CUSTOMERS = Block.NOTICES.customers()


@pytest.fixture
def journey(stack: Stack) -> Journey:
    name = next(CUSTOMERS)
    return Journey(stack, Person(f"did:example:{name}", name, customer_id=f"CUST-{name}"))


def written(journey: Journey, template: str) -> dict[str, Any]:
    """The newest message of this kind to the customer, as soon as the utility has sent it."""
    to = f"{journey.person.customer_id}@sandbox.example"
    at = f"{journey.stack.utility_url()}/outbox"

    def found() -> list[dict[str, Any]]:
        messages = http("GET", at, headers={"Accept": "application/json"}).body["messages"]
        return [each for each in messages if each["to"] == to and each["template"] == template]

    return soon(found, bool)[0]


def test_a_customer_reads_in_urdu_that_they_are_enrolled_and_stops_it_with_the_address(
    journey: Journey, stack: Stack
) -> None:
    journey.ask(journey.init(attributes={"customer": {"locale": "ur"}}))
    enrolled = attributes(journey.ask(journey.confirm()))

    told = written(journey, "enrollment-confirmed")
    assert told["locale"] == "ur" and "طلب میں لچک کا پروگرام" in told["subject"] and "₹" not in told["text"]
    shown = http("GET", f"{stack.utility_url()}/outbox").raw.decode()
    assert '<div lang="ur" dir="rtl">' in shown and told["subject"] in shown
    (page,) = re.findall(r"https?://\S+/not-me/[\w-]+", told["text"])

    asked = http("GET", page)
    assert asked.status == 200 and asked.headers["referrer-policy"] == "no-referrer"
    assert attributes(journey.ask(journey.status()))["status"] == "ACTIVE"
    assert http("POST", page, b"", {"Origin": "null"}).status == 200

    news = soon(
        lambda: [
            attributes(each.message["order"])
            for each in journey.bap.received("on_status", transaction_id=journey.transaction_id)
        ],
        lambda all_of_it: any(each.get("suspension", {}).get("reason") == "NOT_ME" for each in all_of_it),
    )
    assert any("not them" in each.get("message", "") for each in news)
    assert attributes(journey.ask(journey.status()))["credential"]["status"] == "SUSPENDED"
    assert written(journey, "not-me-received")["locale"] == "ur"
    assert http("POST", page, b"", {"Origin": "null"}).status == 410

    token = page.rpartition("/")[2]
    assert not any(token in text for text in stack.log_texts().values())
    stack.manage("enrollments", "release", "--order", enrolled["enrollmentId"], "--reason", "CALLED_BACK")
    assert attributes(journey.ask(journey.status()))["status"] == "ACTIVE"
    rows = json.loads(stack.manage("enrollments", "notices", "--order", enrolled["enrollmentId"], "--json").stdout)
    assert [each["template"] for each in rows][:2] == ["application-started", "enrollment-confirmed"]
