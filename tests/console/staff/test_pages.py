"""The page of staff: who works here, in which roles; and the acts of a security officer (C14)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from identity.models import StaffMember
from identity.staff import Role
from tests.staff import desk, member

pytestmark = pytest.mark.django_db
LIST = "/admin/staff/"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_everybody_sees_who_works_here_in_which_roles_and_no_addresses() -> None:
    someone = member(Role.APPROVER, Role.AUDITOR, name="Meera Shah", email="meera@owner.example", acr="2")
    browser = desk(Role.VIEWER)
    listed = text_of(browser.get(LIST))
    assert "Meera Shah" in listed and "Approver, Auditor" in listed
    assert "Is the second person for acts on many and for evidence" in listed and "Invite somebody" not in listed
    page = text_of(browser.get(f"{LIST}{someone.pk}/"))
    assert "Reads and exports the journal" in page and "Change roles" not in page
    assert "meera@owner.example" not in listed + page
    assert "meera@owner.example" in text_of(desk(Role.SECURITY_OFFICER).get(f"{LIST}{someone.pk}/"))


def test_somebody_is_invited_and_has_one_row_only() -> None:
    officer = desk(Role.SECURITY_OFFICER)
    assert "works for seven days" in text_of(officer.get(f"{LIST}invite/"))
    bad = officer.post(f"{LIST}invite/", {"name": "Ravi", "email": "not-an-address"})
    assert bad.status_code == 422 and "Select at least one role." in text_of(bad)
    assert "Error:" in bad.content.decode().partition("</title>")[0]
    said = {"name": "Ravi", "email": "ravi@owner.example", "roles": ["CASE_WORKER"]}
    done = officer.post(f"{LIST}invite/", said, follow=True)
    assert "An invitation is on its way" in text_of(done) and "invited, has not joined" in text_of(done)
    twice = officer.post(f"{LIST}invite/", said | {"email": "RAVI@owner.example", "roles": ["APPROVER"]})
    assert twice.status_code == 422 and "One person has one account here" in text_of(twice)
    row = StaffMember.objects.get(invited_at__isnull=False)
    again = officer.post(f"{LIST}{row.pk}/invite-again/", follow=True)
    assert "the one before works no more" in text_of(again)
    lines = Event.objects.filter(action="staff.invited").values_list("object_id", "actor_id")
    assert set(lines) == {(str(row.pk), str(officer.member.user_id))}


def test_roles_are_changed_with_a_reason_and_count_at_the_next_page() -> None:
    officer, clerk = desk(Role.SECURITY_OFFICER), desk(Role.VIEWER)
    act = f"{LIST}{clerk.member.pk}/roles/"
    assert "count from their next page on" in text_of(officer.get(act))
    assert officer.post(act, {"roles": ["SECURITY_OFFICER"]}).status_code == 422, "no reason"
    assert clerk.get(f"{LIST}invite/").status_code == 403
    assert officer.post(act, {"roles": ["SECURITY_OFFICER"], "reason": "DUTIES"}).status_code == 303
    assert clerk.get(f"{LIST}invite/").status_code == 200
    line = Event.objects.get(action="staff.changed")
    assert line.details == {"before": ["VIEWER"], "roles": ["SECURITY_OFFICER"], "reason": "DUTIES"}
    assert "VIEWER → SECURITY_OFFICER · DUTIES" in text_of(officer.get(f"{LIST}{clerk.member.pk}/"))


def test_who_may_not_is_told_so_on_a_page_of_the_console() -> None:
    browser = desk(Role.VIEWER, name="Vani")
    refused = browser.get(f"{LIST}invite/", headers={"accept": "text/html"})
    assert refused.status_code == 403 and "None of your roles may do this" in text_of(refused)
    assert "Vani" in text_of(refused) and "See my enrolments" not in text_of(refused)
    lost = browser.get("/admin/staff/nobody/", headers={"accept": "text/html"})
    assert lost.status_code == 404 and "There is nothing at this address" in text_of(lost)


def test_nobody_changes_their_own_roles_and_no_page_offers_it() -> None:
    officer = desk(Role.SECURITY_OFFICER)
    own = f"{LIST}{officer.member.pk}/"
    assert "This is you" in text_of(officer.get(own)) and "switch-off/" not in officer.get(own).content.decode()
    for act, said in (("roles", {"roles": ["AUDITOR"]}), ("switch-off", {})):
        refused = officer.post(f"{own}{act}/", {"reason": "DUTIES", **said})
        assert refused.status_code == 422 and "Nobody changes their own roles" in text_of(refused)
    officer.member.refresh_from_db()
    assert officer.member.roles == ["SECURITY_OFFICER"] and officer.member.switched_off_at is None


def test_switching_off_and_on_again() -> None:
    officer, clerk = desk(Role.SECURITY_OFFICER), desk(Role.CASE_WORKER)
    page = f"{LIST}{clerk.member.pk}/"
    assert "wherever they are signed in" in text_of(officer.get(f"{page}switch-off/"))
    assert officer.post(f"{page}switch-off/", {"reason": "LEFT"}).status_code == 303
    assert clerk.get("/admin/").status_code == 302
    assert "Switched off" in text_of(officer.get(LIST))
    assert officer.post(f"{page}switch-on/", {"reason": "MISTAKE"}).status_code == 303
    assert clerk.get("/admin/").status_code == 200
    assert officer.get(f"{LIST}00000000-0000-0000-0000-000000000000/").status_code == 404


def test_the_list_asks_as_often_for_twenty_as_for_two() -> None:
    officer = desk(Role.SECURITY_OFFICER)
    with CaptureQueriesContext(connection) as few:
        officer.get(LIST)
    for _ in range(20):
        member(Role.VIEWER)
    with CaptureQueriesContext(connection) as many:
        officer.get(LIST)
    assert len(many) == len(few) <= 12
