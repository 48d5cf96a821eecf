"""Refusals that concern the message alone: an agency that does not hold, an unknown update. Told and journalled."""

from __future__ import annotations

from typing import Any

import pytest

from audit import clock
from audit.log import SYSTEM
from beckn import tasks
from beckn.models import Outbox
from identity import agencies
from tests.bap import Bap
from tests.beckn.conftest import Post, is_ack, journalled, message
from tests.factories import LONG_AGO

ORDER = {"beckn:id": "order-1", "beckn:items": [{"beckn:id": "p-1"}], "beckn:fulfillments": [{"beckn:id": "f-1"}]}
FOR_AN_ORDER = ("select", "init", "confirm", "status", "update", "cancel")


@pytest.fixture
def agency(bap: Bap) -> str:
    """An agency that the participant may send for; it may then send for nobody else."""
    details = agencies.Details("An agency", LONG_AGO, participants=[bap.subscriber_id])
    agencies.add("ea-1", details, actor=SYSTEM, at=clock.now())
    return "ea-1"


def told(bap: Bap, post: Post, action: str, attributes: dict[str, Any], **headers: str) -> dict[str, Any]:
    """The error of the callback to a message of this action."""
    order = {**ORDER, "beckn:orderAttributes": {"updateType": "UNENROLLMENT", **attributes}}
    assert is_ack(post(bap, message(bap, action, {"order": order}), **headers))
    tasks.drain()
    answer = Outbox.objects.order_by("-pk")[0].body["message"]["order"]
    assert answer["beckn:id"] == "order-1"
    return dict(answer["error"])


@pytest.mark.parametrize("action", FOR_AN_ORDER)
def test_a_participant_of_an_agency_names_it_in_every_message_about_an_order(
    bap: Bap, post: Post, agency: str, action: str
) -> None:
    error = told(bap, post, action, {})

    # What no program is named for is told first (spec domain 3, steps 3 and 4).
    expected = {"init": "PROGRAM_NOT_AVAILABLE", "confirm": "ORDER_NOT_FOUND"}.get(action, "EA_NOT_CERTIFIED")
    assert error["code"] == expected


@pytest.mark.parametrize("action", FOR_AN_ORDER)
def test_an_agency_in_the_header_is_the_one_in_the_message(bap: Bap, post: Post, agency: str, action: str) -> None:
    named = {"assistedBy": {"agencyId": agency}}
    error = told(bap, post, action, named, HTTP_X_ENROLLMENT_AGENCY_ID="ea-2")

    assert error["code"] == "EA_NOT_CERTIFIED" and error["path"] == "message.order.orderAttributes.assistedBy"
    assert journalled("enrollment.refused") == [{"code": "EA_NOT_CERTIFIED", "action": action}]


@pytest.mark.parametrize("action", ["select", "status", "update", "cancel"])
def test_a_suspended_agency_is_refused_and_journalled(bap: Bap, post: Post, agency: str, action: str) -> None:
    agencies.suspend(agency, reason="complaints", actor=SYSTEM, at=clock.now())

    error = told(bap, post, action, {}, HTTP_X_ENROLLMENT_AGENCY_ID=agency)

    assert (error["code"], error["details"]) == (
        "EA_NOT_CERTIFIED",
        {"eaId": agency, "reasonCode": "SUSPENDED"},
    )
    assert journalled("enrollment.refused") == [{"code": "EA_NOT_CERTIFIED", "action": action}]


def test_an_update_of_a_kind_nobody_knows_is_told_so_and_journalled(bap: Bap, post: Post) -> None:
    error = told(bap, post, "update", {"updateType": "RENEWAL"})

    assert error["code"] == "UPDATE_NOT_SUPPORTED" and error["path"] == "message.order.orderAttributes.updateType"
    assert journalled("enrollment.refused") == [{"code": "UPDATE_NOT_SUPPORTED", "action": "update"}]
