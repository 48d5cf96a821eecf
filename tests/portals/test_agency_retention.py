"""What is forgotten of an agency's cases: the customer's answers, never that there was a case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit import clock
from portals import retention
from portals.agency import scoring
from portals.models import Application, AssistedCase
from tests.agencies import a_member
from tests.portals.agency_cases import a_case, a_finished_case, a_proved_case

pytestmark = pytest.mark.django_db


def test_journeys_that_nobody_goes_on_with_are_forgotten_and_their_cases_stay_for_the_scorecard(settings):
    settings.RETENTION_DRAFTS_DAYS = 30
    asha, long_ago = a_member("op-1"), clock.now() - timedelta(days=40)
    left_lying = a_proved_case(asha, opened_at=long_ago)
    refused = a_finished_case(asha, outcome="REFUSED", opened_at=long_ago, journey={"state": "REFUSED"})
    enrolled = a_finished_case(asha, opened_at=long_ago, journey={"state": "ENROLLED", "enrollment_id": "e-1"})
    taken_over = a_case(asha, handed_over=left_lying.application, source="HANDED_OVER")
    fresh = a_proved_case(asha)

    assert retention.forget(clock.now()) == 2

    kept = set(Application.objects.values_list("pk", flat=True))
    assert kept == {enrolled.application_id, fresh.application_id}
    for case in (left_lying, refused, taken_over):
        case.refresh_from_db()
    assert (left_lying.state, left_lying.outcome, left_lying.looked_up) == ("CLOSED", "FORGOTTEN", {})
    assert (refused.outcome, refused.application, taken_over.handed_over) == ("REFUSED", None, None)
    assert AssistedCase.objects.count() == 5
    assert scoring.of_person(asha, clock.now()).windows[90].refused == 1


def test_a_case_that_nobody_went_on_with_before_its_proof_is_closed_and_forgets_whom_it_was_about(settings):
    settings.RETENTION_DRAFTS_DAYS = 30
    asha, long_ago = a_member("op-1"), clock.now() - timedelta(days=31)
    old, imported, fresh = (
        a_case(asha, opened_at=long_ago),
        a_case(asha, opened_at=long_ago, source="IMPORT", state="PROVING"),
        a_case(asha),
    )
    assert retention.forget(clock.now()) == 1
    for case in (old, imported, fresh):
        case.refresh_from_db()
    assert (old.state, old.outcome, old.looked_up) == ("CLOSED", "FORGOTTEN", {})
    assert (imported.state, fresh.state) == ("PROVING", "FINDING")
    assert retention.forget(clock.now()) == 0
