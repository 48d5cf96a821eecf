"""What the page "Can you join?" says about each condition."""

from __future__ import annotations

from typing import Any

from portals import reading
from portals.utility import telling

CONDITIONS = [
    {"kind": "ACCOUNT_STANDING", "parameters": {"anyOf": ["GOOD"]}, "text": "An account in good standing"},
    {"kind": "DER_TYPE", "parameters": {"anyOf": ["EV"]}, "text": "A car"},
]


def lines(state: str = "", error: dict[str, Any] | None = None) -> dict[str, str]:
    """The state of each condition after this answer to an init."""
    descriptor = {"beckn:descriptor": {"schema:name": state}}
    order: dict[str, Any] = {"beckn:fulfillments": [{"beckn:state": descriptor}]}
    if error is not None:
        order["error"] = error
    program = reading.program({"beckn:id": "p", "beckn:itemAttributes": {"enrollmentCriteria": CONDITIONS}})
    told = {"on_init": {"message": {"order": order}}}
    return {line.kind: line.state for line in telling.checked(told, program, "en")}


def refused(code: str, *failed: dict[str, str]) -> dict[str, Any]:
    return {"code": code, "message": "No.", "details": {"failed": list(failed)}}


def test_an_application_that_may_be_confirmed_meets_every_condition() -> None:
    assert lines("PENDING_CONFIRM") == {"ACCOUNT_STANDING": "MET", "DER_TYPE": "MET"}


def test_what_failed_is_not_met_and_a_device_is_then_not_looked_at() -> None:
    found = lines(error=refused("NOT_ELIGIBLE", {"criterion": "ACCOUNT_STANDING", "needed": "x", "actual": "ARREARS"}))
    assert found == {"ACCOUNT_STANDING": "NOT_MET", "DER_TYPE": ""}


def test_a_finding_that_the_program_does_not_list_is_told_all_the_same() -> None:
    found = lines(error=refused("NOT_ELIGIBLE", {"criterion": "DER_SOURCE", "needed": "its maker knows it"}))
    assert found == {"DER_SOURCE": "NOT_MET", "ACCOUNT_STANDING": "MET", "DER_TYPE": ""}


def test_while_a_certificate_is_asked_for_the_devices_condition_needs_something() -> None:
    assert lines("NEEDS_INPUT") == {"ACCOUNT_STANDING": "MET", "DER_TYPE": "NEEDED"}
    assert lines(error=refused("DER_NOT_CERTIFIED"))["DER_TYPE"] == "NEEDED"


def test_a_conflict_comes_after_every_condition_and_another_refusal_before_any() -> None:
    assert lines(error=refused("ENROLLMENT_CONFLICT"))["ACCOUNT_STANDING"] == "MET"
    assert lines(error=refused("PROGRAM_NOT_AVAILABLE"))["ACCOUNT_STANDING"] == ""
