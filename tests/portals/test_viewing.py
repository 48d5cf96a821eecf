"""How an enrolment stands: the newest account of the provider, with what updates changed since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portals import viewing
from portals.models import Application
from tests.portals.consent_journeys import NOON, READINGS, journey

pytestmark = pytest.mark.django_db
START, END = NOON - timedelta(days=1), NOON + timedelta(days=8)


def told(minutes: int, **about: Any) -> dict[str, Any]:
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    return {"message": {"order": {"beckn:orderAttributes": {"enrollmentId": "e-1", **about}}}, "at": at}


def enrolled(**more: Any) -> Application:
    row = journey(READINGS, state="ENROLLED", enrollment_id="e-1")
    confirmed = told(0, status="ACTIVE", startDate=START.isoformat(), enrolledAt=NOON.isoformat())
    row.told = {**row.told, "on_confirm": confirmed, **more}
    return row


def leaving(minutes: int, status: str, **about: Any) -> dict[str, Any]:
    return told(minutes, status="ACTIVE", updateType="UNENROLLMENT", unenrollment={"status": status, **about})


def test_an_enrolment_is_active_from_its_start_on() -> None:
    row = enrolled()
    assert viewing.enrolment(row, NOON).status == "ACTIVE"
    assert viewing.enrolment(row, START - timedelta(hours=1)).status == "SCHEDULED"


def test_a_planned_end_is_seen_behind_a_later_update_of_another_kind() -> None:
    planned = leaving(1, "PENDING", effectiveDate=END.isoformat())
    consent = told(2, status="ACTIVE", updateType="CONSENT_REVOCATION")
    row = enrolled(**{"on_update": consent, "on_update:UNENROLLMENT": planned, "on_update:CONSENT_REVOCATION": consent})
    found = viewing.enrolment(row, NOON)
    assert found.status == "ENDING" and not found.can_be_left
    assert found.last_moment == END - timedelta(seconds=1)


def test_an_end_that_was_taken_back_or_told_anew_is_no_end() -> None:
    for newer in (
        {"on_update:UNENROLLMENT": leaving(3, "WITHDRAWN")},
        {"on_update:UNENROLLMENT": leaving(1, "PENDING", effectiveDate=END.isoformat()), "on_status": told(5)},
    ):
        assert viewing.enrolment(enrolled(**newer), NOON).status == "ACTIVE"


def test_who_steps_back_before_the_start_never_took_part() -> None:
    row = enrolled()
    row.state, row.finished_at = "ENDED", START - timedelta(hours=1)
    assert not viewing.enrolment(row, NOON).has_begun
    row.finished_at = NOON
    assert viewing.enrolment(row, NOON).has_begun


def test_a_refused_update_changes_nothing_and_is_told() -> None:
    refusal = {"code": "NOT_POSSIBLE_NOW", "message": "Not now."}
    update = told(1, status="SUSPENDED", updateType="UNENROLLMENT")
    update["message"]["order"]["error"] = refusal
    found = viewing.enrolment(enrolled(on_update=update), NOON)
    assert found.status == "ACTIVE" and found.refusal is not None and found.refusal.sentence == "Not now."


def test_the_history_tells_the_provider_s_account_and_what_came_after_it() -> None:
    line = {"at": (NOON + timedelta(minutes=1)).isoformat(), "act": "ENROLLED", "by": "PROVIDER"}
    later = {"at": (NOON + timedelta(minutes=9)).isoformat(), "act": "END_PLANNED"}
    earlier = {"at": (NOON + timedelta(minutes=1)).isoformat(), "act": "END_TAKEN_BACK"}
    row = enrolled(on_status=told(2, status="ACTIVE", history=[line]), acts=[earlier, later])
    assert [act.what for act in viewing.enrolment(row, NOON).history] == ["END_PLANNED", "ENROLLED", "BEGUN"]


@pytest.mark.parametrize(
    "strange",
    [{}, {"message": None}, {"message": {"order": []}}, {"message": {"order": {"beckn:orderAttributes": 7}}}],
)
def test_strange_news_make_no_page_fail(strange: dict[str, Any]) -> None:
    found = viewing.enrolment(enrolled(on_status=strange, on_update=strange, acts=[{}, {"at": 1, "act": 2}]), NOON)
    assert found.history[-1].what == "BEGUN" and found.end_reason == ""
    assert viewing.acts_after({}, strange, NOON) == []


def test_why_an_enrolment_ended_is_told_as_the_provider_says_it() -> None:
    moved = leaving(1, "CANCELLED", reason="MOVED_OUT")
    row = enrolled(**{"on_update:UNENROLLMENT": moved})
    row.state = "ENDED"
    found = viewing.enrolment(row, NOON)
    assert (found.end_reason, found.was_left) == ("MOVED_OUT", False)
