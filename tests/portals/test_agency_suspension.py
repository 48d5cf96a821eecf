"""Suspensions: by themselves, by somebody; and what follows for cases, customers and colleagues (EA-7)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from audit import clock
from audit.log import SYSTEM, Action
from audit.models import Event
from identity import agencies
from identity.models import Agency, AgencyLetter, Membership
from portals.agency import scoring, suspension, thresholds
from portals.models import Application, AssistedCase, CaseLetter, Handover
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import a_case, a_finished_case, a_proved_case

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[list[dict[str, Any]]]:
    """What the utility was asked to write to its customers."""
    letters: list[dict[str, Any]] = []
    Utility.letters, Utility.is_down = letters, False
    settings.CONTACT_SERVICE = "tests.portals.test_agency_suspension.Utility"
    yield letters


class Utility:
    """A utility's contacts: what it is asked to write, or that it does not answer."""

    letters: list[dict[str, Any]] = []
    is_down = False

    def __init__(self, utility_id: str) -> None:
        self.utility_id = utility_id

    def accounts_of(self, subject_did: str) -> list[str]:
        return [f"account-of-{subject_did}"]

    def write_to_customer(self, utility_customer_id: str, **said: Any) -> None:
        if Utility.is_down:
            from utility_systems.ports import UtilityUnavailable

            raise UtilityUnavailable(self.utility_id, "notices")
        Utility.letters.append({"to": utility_customer_id, **said})


def disowned(member: Membership, count: int, **changes: Any) -> None:
    for _ in range(count):
        a_finished_case(member, outcome="NOT_ME", not_me_at=clock.now(), **changes)


def suspended_lines() -> list[Event]:
    return list(Event.objects.filter(action__in=[Action.MEMBER_SUSPENDED, Action.AGENCY_SUSPENDED]).order_by("pk"))


# --- thresholds ------------------------------------------------------------------------------------------------------


def test_the_third_customer_who_says_it_was_not_them_suspends_the_agent_and_tells_the_managers():
    an_agency(contact_email="office@agency.example")
    asha, ravi = a_member("op-1"), a_member("op-2")
    a_member("op-m", role="MANAGER", email="manager@agency.example")
    disowned(asha, 2)
    assert thresholds.suspend_if_due(clock.now()) == 0
    disowned(asha, 1)
    disowned(ravi, 1)
    assert thresholds.suspend_if_due(clock.now()) == 1
    asha.refresh_from_db()
    assert (asha.suspended_at is not None, asha.suspension_reason) == (True, "NOT_ME")
    assert Membership.objects.get(operator_id="op-2").suspended_at is None
    [line] = suspended_lines()
    assert (line.action, line.actor_kind, line.details["operator"]) == ("member.suspended", "SYSTEM", "op-1")
    assert line.details["by"] == "THRESHOLD"
    letters = AgencyLetter.objects.order_by("pk")
    assert {each.to for each in letters} == {"office@agency.example", "manager@agency.example"}
    assert "op-1" in letters[0].title and "3" in letters[0].text


def test_a_second_look_suspends_nobody_twice():
    asha = a_member("op-1")
    disowned(asha, 3)
    first, second = clock.now(), clock.now() + timedelta(minutes=1)
    assert (thresholds.suspend_if_due(first), thresholds.suspend_if_due(second)) == (1, 0)
    assert len(suspended_lines()) == 1
    assert Membership.objects.get().suspended_at == first


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_look_at_once_suspend_once():
    disowned(a_member("op-1"), 3)
    found = list(thresholds.due(clock.now()))
    together, counts = threading.Barrier(2), []

    def look(later: int) -> None:
        together.wait()
        counts.append(thresholds._suspend(found[0], clock.now() + timedelta(milliseconds=later)))
        connection.close()

    workers = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sorted(counts) == [False, True]
    assert len(suspended_lines()) == 1


def test_who_was_let_in_again_is_counted_anew_from_then():
    asha = a_member("op-1")
    disowned(asha, 3)
    thresholds.suspend_if_due(clock.now())
    asha.refresh_from_db()
    assert agencies.resume_member(asha, reason="cleared-up", actor=SYSTEM, at=clock.now())
    assert thresholds.suspend_if_due(clock.now()) == 0
    disowned(asha, 2)
    assert thresholds.suspend_if_due(clock.now()) == 0, "two new ones, and the three before do not count again"
    disowned(asha, 1)
    assert thresholds.suspend_if_due(clock.now()) == 1


def test_too_large_a_share_of_disowned_cases_suspends_the_whole_agency_once_there_are_enough(settings):
    settings.AGENCY_LEAST_CASES, settings.AGENCY_NOT_ME_SHARE = 10, 0.2
    people = [a_member(f"op-{number}") for number in range(1, 6)]
    for each in people[:2]:
        disowned(each, 1)
    assert thresholds.suspend_if_due(clock.now()) == 0, "two of two, but there are too few to tell"
    for each in people:
        a_case(each)
    assert thresholds.suspend_if_due(clock.now()) == 0
    for each in people[:3]:
        a_case(each)
    assert thresholds.suspend_if_due(clock.now()) == 1
    agency = Agency.objects.get()
    assert (agency.suspended_by, agency.suspension_reason) == ("THRESHOLD", "NOT_ME")
    assert [each.action for each in suspended_lines()] == ["agency.suspended"]


def test_refused_evidence_suspends_the_agent_who_uploads_it_once_there_is_enough(settings):
    from audit import log

    settings.AGENCY_LEAST_EVIDENCE, settings.AGENCY_REJECTED_SHARE = 4, 0.5
    asha = a_member("op-1")

    def decide(action: Action) -> None:
        said = {"of_agency": "ea-001", "of_operator": "op-1"}
        log.record(action, actor=SYSTEM, at=clock.now(), object_type="document", object_id="d", details=said)

    for _ in range(3):
        decide(Action.DOCUMENT_REFUSED)
    assert thresholds.suspend_if_due(clock.now()) == 0
    decide(Action.DOCUMENT_APPROVED)
    assert thresholds.suspend_if_due(clock.now()) == 1
    asha.refresh_from_db()
    assert asha.suspension_reason == "EVIDENCE_REJECTED"


def test_a_threshold_of_zero_never_suspends(settings):
    settings.AGENCY_NOT_ME_OF_AN_AGENT = 0
    disowned(a_member("op-1"), 9)
    assert thresholds.suspend_if_due(clock.now()) == 0


def test_what_was_disowned_longer_ago_than_the_days_that_count_does_not_suspend():
    asha, long_ago = a_member("op-1"), clock.now() - 31 * DAY
    for _ in range(3):
        a_finished_case(asha, outcome="NOT_ME", opened_at=long_ago, not_me_at=long_ago)
    assert thresholds.suspend_if_due(clock.now()) == 0
    assert scoring.of_person(asha, clock.now()).windows[90].not_me == 3


# --- an agent is stopped ---------------------------------------------------------------------------------------------


def test_a_suspended_agents_next_page_says_that_they_are_stopped_and_why_to_ask():
    asha = a_member("op-1")
    browser = signed_in_agent(asha)
    assert browser.get("/agency/activity").status_code == 200
    agencies.suspend_member(asha, reason="NOT_ME", actor=SYSTEM, at=clock.now())
    answer = browser.get("/agency/activity")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agency/blocked")
    assert browser.post("/agency/activity/export").status_code == 303


@pytest.mark.parametrize("how", ["suspended", "switched off"])
def test_the_open_cases_of_an_agent_who_was_stopped_are_nobodys_and_colleagues_find_them(how):
    asha, ravi = a_member("op-1"), a_member("op-2")
    open_case, early, done = a_proved_case(asha), a_case(asha), a_finished_case(asha)
    other = a_proved_case(ravi)
    if how == "suspended":
        agencies.suspend_member(asha, reason="NOT_ME", actor=SYSTEM, at=clock.now())
    else:
        Membership.objects.filter(pk=asha.pk).update(active=False)
    assert suspension.follow(clock.now()) == 2
    from portals.agency import cases

    assert set(cases.of_member(ravi).values_list("pk", flat=True)) == {open_case.pk, early.pk, other.pk}
    done.refresh_from_db()
    assert done.operator == asha, "what has ended stays as it was"
    assert suspension.follow(clock.now()) == 0
    [line] = Event.objects.filter(action=Action.ASSISTED_ASSIGNED, object_id=str(open_case.pk))
    assert (line.actor_kind, line.on_behalf_of) == ("SYSTEM", "ea-001")


# --- the agency is stopped -------------------------------------------------------------------------------------------


def test_ea_7_suspension_of_an_agency_closes_its_open_cases_and_leaves_enrolments_untouched(written):
    asha = a_member("op-1")
    open_case, early = a_proved_case(asha), a_case(asha)
    Handover.objects.create(
        case=open_case, operator=asha, way="LINK", asks="CONSENTS", opened_at=clock.now(), ends_at=clock.now() + DAY
    )
    enrolled = a_finished_case(asha, journey={"state": "ENROLLED", "enrollment_id": "enrollment-1"})
    confirming = a_proved_case(asha, journey={"state": "CONFIRMING"})
    other = a_proved_case(a_member("op-1", agency=an_agency("ea-002")))
    agencies.suspend("ea-001", reason="complaint-17", actor=SYSTEM, at=clock.now(), by="UTILITY")
    suspension.follow(clock.now())

    def stands(case: AssistedCase) -> tuple[str, str]:
        case.refresh_from_db()
        return case.state, case.outcome

    assert stands(open_case) == stands(early) == ("CLOSED", "AGENCY_SUSPENDED")
    assert Application.objects.get(pk=open_case.application_id).state == "DROPPED"
    assert not Handover.objects.filter(ended_at=None).exists(), "no link of it can be answered any more"
    assert stands(enrolled) == ("CLOSED", "ENROLLED")
    assert Application.objects.get(pk=enrolled.application_id).state == "ENROLLED"
    assert stands(confirming) == ("OPEN", ""), "its answer is under way and is waited for"
    assert stands(other) == ("OPEN", "")
    listed = list(suspension.closed_by_suspension(open_case.agency))
    assert {each.pk for each in listed} == {open_case.pk, early.pk}


def test_a_customer_who_had_agreed_is_told_once_that_the_agency_cannot_go_on_and_how_to_go_on_alone(written, settings):
    asha = a_member("op-1")
    proved = a_proved_case(asha, locale="en")
    a_case(asha)  # nobody has agreed to anything there: whose number it is, only the agent says
    agencies.suspend("ea-001", reason="complaint-17", actor=SYSTEM, at=clock.now())
    suspension.follow(clock.now())
    suspension.follow(clock.now() + DAY)
    assert proved.subject is not None
    [letter] = written
    assert letter["to"] == f"account-of-{proved.subject.did}"
    assert letter["template"] == "agency-suspended"
    assert "Agency ea-001" in letter["subject"] and settings.PUBLIC_URL in letter["text"]
    assert CaseLetter.objects.get().sent_at is not None


def test_a_customer_whose_order_the_program_owner_has_is_told_by_the_owner_alone(written):
    a_proved_case(a_member("op-1"), journey={"told": {"on_init": {"message": {}}}})
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    suspension.follow(clock.now())
    assert written == [] and not CaseLetter.objects.exists()


def test_a_utility_that_does_not_answer_is_asked_again_with_the_same_number(written):
    a_proved_case(a_member("op-1"))
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    now, Utility.is_down = clock.now(), True
    suspension.follow(now)
    letter = CaseLetter.objects.get()
    assert (written, letter.sent_at, letter.tries) == ([], None, 1)
    Utility.is_down = False
    suspension.follow(now + timedelta(seconds=30))
    assert written == [], "not before its time"
    suspension.follow(now + timedelta(minutes=5))
    assert [each["notice_id"] for each in written] == [f"case-letter-{letter.pk}"]


def test_a_suspension_that_was_lifted_before_anybody_looked_closes_nothing(written):
    case = a_proved_case(a_member("op-1"))
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    agencies.resume("ea-001", reason="mistake", actor=SYSTEM, at=clock.now())
    assert suspension.follow(clock.now()) == 0
    case.refresh_from_db()
    assert case.state == "OPEN"


def test_what_a_suspension_has_closed_stays_closed_when_it_is_lifted_and_new_cases_can_be_opened(written):
    asha = a_member("op-1")
    case, browser = a_proved_case(asha), signed_in_agent(asha)
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    suspension.follow(clock.now())
    assert browser.get("/agency/activity").headers["Location"] == "/agency/blocked"
    agencies.resume("ea-001", reason="cleared-up", actor=SYSTEM, at=clock.now())
    assert browser.get("/agency/activity").status_code == 200
    case.refresh_from_db()
    assert (case.state, case.outcome) == ("CLOSED", "AGENCY_SUSPENDED")
    agency = Agency.objects.get()
    assert (agency.suspended_at, agency.suspended_by, agency.suspension_reason) == (None, "", "")
