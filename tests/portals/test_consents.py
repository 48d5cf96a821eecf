"""Which consents are asked for, what an answer is worth, and what flows if it is Yes."""

from __future__ import annotations

from typing import Any

import pytest

from portals import consents, data_flows
from tests.portals.consent_journeys import CONTROL, DIGEST, READINGS, journey

pytestmark = pytest.mark.django_db
YES = {"granted": True, "at": "2026-11-21T12:00:00Z", "textVersion": "1", "textDigest": DIGEST, "locale": "en"}


def test_the_newest_answer_of_the_provider_says_which_consents_it_asks_for() -> None:
    row = journey(READINGS, CONTROL)
    asked = consents.asked(row)
    assert [(each.place, each.type, each.is_required) for each in asked] == [
        (1, "DATA_COLLECTION", True),
        (2, "DER_CONTROL", False),
    ]
    assert asked[0].follows == "SUSPEND"


@pytest.mark.parametrize("strange", [None, 7, {"type": 9}, {"purposes": "x"}, {"type": ""}, "DATA_COLLECTION"])
def test_what_is_no_consent_is_left_out(strange: Any) -> None:
    assert [each.type for each in consents.asked(journey(strange, CONTROL))] == ["DER_CONTROL"]


def test_sharing_between_utilities_is_another_consent_in_each_direction() -> None:
    there = {**READINGS, "type": "CROSS_UTILITY_SHARING", "fromUtility": "a", "toUtility": "b"}
    back = {**there, "fromUtility": "b", "toUtility": "a"}
    assert [each.key for each in consents.asked(journey(there, back))] == [
        "CROSS_UTILITY_SHARING|a|b",
        "CROSS_UTILITY_SHARING|b|a",
    ]


def test_an_answer_to_another_text_than_is_asked_now_is_no_answer() -> None:
    row = journey(READINGS)
    row.answers["consents"] = {"DATA_COLLECTION": YES}
    assert consents.unanswered(row) == ()
    for newer in ({"textVersion": "2"}, {"texts": [{**READINGS["texts"][0], "digest": "sha256:" + "0" * 64}]}):
        row.told["on_init"]["message"]["order"]["beckn:orderAttributes"]["requiredConsents"] = [{**READINGS, **newer}]
        assert [each.type for each in consents.unanswered(row)] == ["DATA_COLLECTION"]
        assert consents.grants(row) == []


def test_only_what_was_agreed_to_is_sent_with_the_text_that_was_on_the_screen() -> None:
    row = journey(READINGS, CONTROL)
    row.answers["consents"] = {"DATA_COLLECTION": YES, "DER_CONTROL": {**YES, "granted": False}}
    assert consents.grants(row) == [
        {
            "type": "DATA_COLLECTION",
            "granted": True,
            "grantedAt": "2026-11-21T12:00:00Z",
            "textVersion": "1",
            "textDigest": DIGEST,
            "locale": "en",
        }
    ]


def test_a_no_to_what_the_program_needs_is_a_problem_and_one_to_the_rest_is_none() -> None:
    row = journey(READINGS, CONTROL)
    row.answers["consents"] = {each: {**YES, "granted": False} for each in ("DATA_COLLECTION", "DER_CONTROL")}
    assert [each.type for each in consents.refused(row)] == ["DATA_COLLECTION"]


def test_the_text_is_the_one_of_the_page_s_language_else_english() -> None:
    texts = [{"locale": each, "url": f"https://p/{each}", "digest": DIGEST} for each in ("hi", "en")]
    (asked,) = consents.asked(journey({**READINGS, "texts": texts}))
    found = [asked.text_in(each) for each in ("hi", "hi-IN", "ur", "en-GB")]
    assert [each.locale for each in found if each] == ["hi", "hi", "en", "en"]


def test_what_flows_is_shown_with_the_customer_s_own_things() -> None:
    row = journey(READINGS, CONTROL)
    readings, plate, identity, shoes = data_flows.flows(row, consents.asked(row)[0])
    assert [meter.ending for meter in readings.meters] == ["7788"] and readings.frequency == "PT15M"
    assert [(device.type, device.capacity, device.unit) for device in plate.devices] == [("SOLAR_PV", 4.5, "kW")]
    assert (identity.name, identity.account_ending) == ("R. Kumar", "3456")
    assert shoes.kind == "SHOE_SIZE" and not shoes.is_known  # said to be unknown, not left out
    (switched,) = data_flows.flows(row, consents.asked(row)[1])
    assert switched.kind == "DER_CONTROL" and switched.devices
