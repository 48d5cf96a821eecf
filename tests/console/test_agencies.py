"""The console's pages of agencies: scorecard, what a suspension has closed, suspending and letting go on (EA-7)."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from identity import agencies
from identity.models import Agency, Membership
from identity.staff import Role
from portals.agency import suspension, thresholds
from tests.agencies import a_member
from tests.portals.agency_cases import a_case, a_finished_case, a_proved_case
from tests.staff import desk

pytestmark = pytest.mark.django_db
UTILITY = "utility-example-001"
LIST = "/admin/identity/agency/"


@pytest.fixture
def agency() -> Agency:
    return a_member("op-1").agency


@pytest.fixture
def staff() -> Client:
    return desk(Role.SECURITY_OFFICER)


def officer(utility_id: str) -> Client:
    return desk(Role.VIEWER, officer_of=[utility_id])


def page(client: Client, agency: Agency, act: str = "") -> str:
    return f"{LIST}{agency.pk}/" + (f"{act}/" if act else "")


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_has_certificate_people_and_scorecard_by_ids_and_no_names(staff, agency):
    a_finished_case(Membership.objects.get(), reference="RAJESH KUMAR")
    shown = read(staff, page(staff, agency))
    assert "op-1" in shown and UTILITY in shown and "10 minutes" in shown
    assert "Operator op-1" not in shown and "RAJESH" not in shown
    assert "ea-001" in read(staff, LIST)


def test_suspending_takes_a_reason_and_the_id_again_and_says_before_what_it_closes(staff, agency):
    a_case(Membership.objects.get())
    address = page(staff, agency, "suspend")
    assert "1 open case is closed" in read(staff, address)
    for wrong in ({}, {"reason": "complaint-17"}, {"reason": "complaint-17", "agency_id": "ea-002"}, {"reason": "<b>"}):
        assert staff.post(address, wrong).status_code == 400
    assert Agency.objects.get().suspended_at is None
    assert staff.post(address, {"reason": "complaint-17", "agency_id": "ea-001"}).status_code == 302
    row = Agency.objects.get()
    assert (row.suspended_by, row.suspension_reason) == ("OWNER", "complaint-17")
    line = Event.objects.get(action="agency.suspended")
    assert (line.actor_kind, line.channel) == ("STAFF", "CONSOLE")


def test_ea_7_what_a_suspension_has_closed_is_listed_with_whether_its_customer_was_told(staff, agency, settings):
    settings.CONTACT_SERVICE = "tests.portals.test_agency_suspension.Utility"
    proved = a_proved_case(Membership.objects.get())
    a_case(Membership.objects.get())
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    suspension.follow(clock.now())
    shown = read(staff, page(staff, agency))
    assert "2 cases: their customers may need help" in shown
    assert proved.application is not None and proved.application.order_id in shown
    assert "told" in shown and "had not agreed yet" in shown


def test_the_utilitys_officer_suspends_and_lets_go_on_the_agencies_it_certifies_and_no_others(agency):
    own, other = officer(UTILITY), officer("utility-example-002")
    said = {"reason": "audit-3", "agency_id": "ea-001"}
    assert other.post(page(other, agency, "suspend"), said).status_code == 403
    assert own.post(page(own, agency, "suspend"), said).status_code == 302
    assert Agency.objects.get().suspended_by == "UTILITY"
    assert other.post(page(other, agency, "resume"), said).status_code == 403
    assert own.post(page(own, agency, "resume"), said).status_code == 302
    assert Agency.objects.get().suspended_at is None


def test_an_officer_cannot_lift_what_whoever_runs_the_service_has_suspended(agency):
    agencies.suspend("ea-001", reason="x", actor=SYSTEM, at=clock.now())
    own = officer(UTILITY)
    assert "resume/" not in read(own, page(own, agency))
    own.post(page(own, agency, "resume"), {"reason": "audit-3", "agency_id": "ea-001"})
    assert Agency.objects.get().suspended_at is not None


def test_a_person_whom_a_threshold_has_suspended_is_news_and_is_let_go_on_with_a_reason(staff, agency):
    for _ in range(3):
        a_finished_case(Membership.objects.get(), outcome="NOT_ME", not_me_at=clock.now())
    thresholds.suspend_if_due(clock.now())
    assert "1 person of an agency is suspended" in read(staff, reverse("admin:index"))
    assert "NOT_ME" in read(staff, page(staff, agency))
    said = {"reason": "talked-to", "agency_id": "ea-001", "operator": "op-1"}
    assert staff.post(page(staff, agency, "resume-member"), said | {"operator": "op-9"}).status_code == 400
    assert staff.post(page(staff, agency, "resume-member"), said).status_code == 302
    assert Membership.objects.get().suspended_at is None
    assert thresholds.suspend_if_due(clock.now()) == 0
    assert "is suspended" not in read(staff, reverse("admin:index"))


def test_who_only_looks_cannot_act_and_who_is_no_staff_sees_nothing(agency):
    looking = desk(Role.VIEWER)
    assert "suspend/" not in read(looking, page(looking, agency))
    assert looking.post(page(looking, agency, "suspend"), {"reason": "xx", "agency_id": "ea-001"}).status_code == 403
    assert Client().get(page(looking, agency)).status_code == 302
