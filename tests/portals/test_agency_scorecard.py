"""The scorecard: what an agency and each of its people have done, and who may see it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock, log
from audit.log import SYSTEM, Action
from portals.agency import scoring, thresholds
from portals.models import MandatePaper
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import a_case, a_finished_case, a_proved_case

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def read(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode().removeprefix("\ufeff"))))


def test_what_was_started_finished_refused_and_disowned_is_counted_for_who_did_it_and_for_all():
    asha, ravi, now = a_member("op-1"), a_member("op-2"), clock.now()
    a_case(asha)
    a_finished_case(asha, took=timedelta(minutes=10))
    a_finished_case(asha, took=timedelta(minutes=30))
    a_finished_case(ravi, outcome="REFUSED")
    a_finished_case(ravi, outcome="NOT_ME", not_me_at=now)
    found = scoring.scorecard(asha.agency, now + timedelta(seconds=1))
    first, second = (each.windows[7] for each in found.people)
    assert [each.operator_id for each in found.people] == ["op-1", "op-2"]
    assert (first.started, first.finished, first.refused, first.not_me) == (3, 2, 0, 0)
    assert first.median == timedelta(minutes=20)
    assert (second.started, second.finished, second.refused, second.not_me) == (2, 0, 1, 1)
    whole = found.agency.windows[7]
    assert (whole.started, whole.finished, whole.refused, whole.not_me, whole.median_minutes) == (5, 2, 1, 1, 20)


def test_a_window_forgets_what_is_older_than_it():
    asha, now = a_member("op-1"), clock.now()
    for days in (1, 10, 50, 100):
        a_finished_case(asha, opened_at=now - days * DAY)
    counts = scoring.of_person(asha, now).windows
    assert [(counts[days].started, counts[days].finished) for days in scoring.WINDOWS] == [(1, 1), (2, 2), (3, 3)]


def test_a_case_that_changed_hands_counts_for_whom_the_customer_has_agreed_to():
    asha, ravi = a_member("op-1"), a_member("op-2")
    case = a_proved_case(asha, not_me_at=clock.now())
    case.operator = None
    case.save()
    now = clock.now() + DAY
    assert scoring.of_person(asha, now).windows[7].not_me == 1
    assert scoring.of_person(ravi, now).windows[7].not_me == 0


def test_an_imported_case_begins_when_its_customer_agrees():
    asha = a_member("op-1")
    a_case(asha, source="IMPORT", operator=None)
    a_proved_case(asha, source="IMPORT", opened_at=clock.now() - DAY)
    assert scoring.of_person(asha, clock.now()).windows[7].started == 1


def test_documents_that_somebody_refused_count_for_the_agent_whose_upload_they_were():
    asha, now = a_member("op-1"), clock.now()
    for action in (Action.DOCUMENT_APPROVED, Action.DOCUMENT_REFUSED, Action.DOCUMENT_REFUSED):
        details = {"of_agency": "ea-001", "of_operator": "op-1"}
        log.record(action, actor=SYSTEM, at=now, object_type="document", object_id="d", details=details)
    log.record(Action.DOCUMENT_REFUSED, actor=SYSTEM, at=now, object_type="document", object_id="e", details={})
    counts = scoring.of_person(asha, now).windows[30]
    assert (counts.evidence, counts.rejected) == (3, 2)
    assert scoring.scorecard(asha.agency, now).agency.windows[30].rejected == 2


def test_papers_that_were_refused_or_asked_for_again_count_for_who_uploaded_them_and_can_suspend_them(settings):
    settings.AGENCY_LEAST_EVIDENCE, settings.AGENCY_REJECTED_SHARE = 4, 0.75
    asha, reviewer, now = a_member("op-1"), a_member("op-r", role="REVIEWER"), clock.now()
    for state in ("APPROVED", "AGAIN", "REFUSED", "REFUSED"):
        case = a_proved_case(asha)
        MandatePaper.objects.create(
            case=case,
            mandate=case.mandate,
            state=state,
            uploaded_by=asha,
            uploaded_at=now,
            reviewed_by=reviewer,
            reviewed_at=now,
            reason="" if state == "APPROVED" else "UNREADABLE",
            size=1,
            scan="CLEAN",
            retention_until=now + DAY,
        )
    counts = scoring.of_person(asha, now).windows[7]
    assert (counts.evidence, counts.rejected) == (4, 3)
    assert scoring.of_person(reviewer, now).windows[7].evidence == 0, "who reviews is not who is judged"
    assert thresholds.suspend_if_due(now) == 1
    asha.refresh_from_db()
    assert asha.suspension_reason == "EVIDENCE_REJECTED"


def test_the_scorecard_costs_the_same_number_of_questions_for_two_people_and_for_twenty():
    asha = a_member("op-00")
    a_finished_case(asha)

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            scoring.scorecard(asha.agency, clock.now())
        return len(asked)

    few = cost()
    for number in range(1, 20):
        a_finished_case(a_member(f"op-{number:02}"))
    assert cost() == few == 4


def test_a_manager_sees_everybody_and_an_agent_only_their_own_line():
    manager, asha, ravi = a_member("op-m", role="MANAGER"), a_member("op-1"), a_member("op-2")
    a_finished_case(asha)
    a_finished_case(ravi)
    whole = signed_in_agent(manager).get("/agency/scorecard")
    assert whole.status_code == 200
    assert all(name in whole.content.decode() for name in ("Operator op-1", "Operator op-2", "Agency ea-001"))
    own = signed_in_agent(asha).get("/agency/scorecard").content.decode()
    assert "Operator op-1" in own and "Operator op-2" not in own


def test_the_file_has_the_figures_of_those_one_may_see_and_no_names():
    manager, asha = a_member("op-m", role="MANAGER"), a_member("op-1")
    a_finished_case(asha)
    rows = read(signed_in_agent(manager).get("/agency/scorecard.csv"))
    assert {(row["operator"], row["days"], row["finished"]) for row in rows} >= {
        ("op-1", "7", "1"),
        ("(agency)", "90", "1"),
    }
    assert "Operator" not in str(rows)
    assert {row["operator"] for row in read(signed_in_agent(asha).get("/agency/scorecard.csv"))} == {"op-1"}


def test_an_operator_id_that_a_spreadsheet_would_calculate_is_text_in_the_file():
    manager = a_member("op-m", role="MANAGER")
    a_finished_case(a_member("=1+1"))
    rows = read(signed_in_agent(manager).get("/agency/scorecard.csv"))
    assert "'=1+1" in {row["operator"] for row in rows}


def test_nobody_sees_another_agencys_scorecard():
    manager = a_member("op-m", role="MANAGER", agency=an_agency("ea-002"))
    a_finished_case(a_member("op-1"))
    page = signed_in_agent(manager).get("/agency/scorecard").content.decode()
    assert "op-1" not in page and "Agency ea-001" not in page
    assert {row["started"] for row in read(signed_in_agent(manager).get("/agency/scorecard.csv"))} == {"0"}
