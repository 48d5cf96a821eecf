"""Staff: one human one row, nobody's own roles, never without a security officer; and `manage.py staff`."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from identity import letters, staffing
from identity.models import Alarm, StaffLetter, StaffMember, User
from identity.staff import Role
from identity.staffing import Invited, NotPossible, Why
from tests.staff import issuer, member

pytestmark = pytest.mark.django_db
VIEWER, OFFICER = Role.VIEWER, Role.SECURITY_OFFICER


def invited(email: str = "ravi@owner.example", **more: Any) -> tuple[StaffMember, str]:
    tokens: list[str] = []
    who = Invited("Ravi", email, [VIEWER])

    def link(token: str) -> str:
        tokens.append(token)
        return token

    row = staffing.invite(who, link=link, now=clock.now(), by=SYSTEM, **more)
    return row, tokens[0]


def refusal(act: Any, *given: Any, **more: Any) -> Why:
    with pytest.raises(NotPossible) as refused:
        act(*given, now=clock.now(), **more)
    return refused.value.why


def account(sub: str = "ravi") -> User:
    return User.objects.for_login(issuer(), sub)


def test_the_last_security_officer_stays_one() -> None:
    first, second = member(OFFICER), member(OFFICER)
    assert refusal(staffing.switch_off, first, by=first) is Why.OWN
    staffing.switch_off(second, now=clock.now(), by=first)
    assert refusal(staffing.change_roles, first, [VIEWER], by=SYSTEM) is Why.LAST_OFFICER
    assert refusal(staffing.switch_off, first, by=SYSTEM) is Why.LAST_OFFICER
    assert refusal(staffing.change_roles, first, [VIEWER], by=second) is Why.NOT_AN_OFFICER
    assert refusal(staffing.switch_on, second, by=member(VIEWER)) is Why.NOT_AN_OFFICER


def test_who_was_only_invited_is_no_security_officer_yet() -> None:
    first = member(OFFICER)
    staffing.invite(Invited("New", "new@owner.example", [OFFICER]), link=None, now=clock.now(), by=first)
    assert refusal(staffing.switch_off, first, by=SYSTEM) is Why.LAST_OFFICER


def test_one_address_is_one_living_row_also_for_the_database() -> None:
    row, _ = invited()
    assert (
        refusal(staffing.invite, Invited("R", " RAVI@owner.example", [VIEWER]), link=None, by=SYSTEM)
        is Why.ADDRESS_TAKEN
    )
    staffing.switch_off(row, now=clock.now(), by=SYSTEM)
    again, _ = invited()
    assert refusal(staffing.switch_on, row, by=SYSTEM) is Why.ADDRESS_TAKEN
    with pytest.raises(IntegrityError, match="one_member_of_staff_per_address"), transaction.atomic():
        StaffMember.objects.filter(pk=row.pk).update(switched_off_at=None)
    with pytest.raises(IntegrityError, match="roles_of_staff_are_known"), transaction.atomic():
        StaffMember.objects.filter(pk=again.pk).update(roles=["GOD"])
    with pytest.raises(IntegrityError, match="a_seen_alarm_was_seen_by_somebody"), transaction.atomic():
        Alarm.objects.create(kind="BREAK_GLASS", raised_at=clock.now(), seen_at=clock.now())


def test_an_invitation_works_once_for_seven_days_and_only_for_an_account_of_staffs_provider() -> None:
    row, token = invited()
    digest, now = staffing.digest_of(token), clock.now()
    assert token not in (row.invitation_digest, digest)
    assert staffing.invited_by(digest, now + timedelta(days=7)) is None
    assert refusal(staffing.join, "", account()) is Why.NO_INVITATION
    assert (
        refusal(staffing.join, digest, User.objects.for_login("https://elsewhere.example", "x")) is Why.OTHER_PROVIDER
    )
    taken = member(VIEWER).user
    assert refusal(staffing.join, digest, taken) is Why.IS_MEMBER
    joined = staffing.join(digest, account(), now=now)
    assert joined.user == account() and joined.joined_at == now
    assert refusal(staffing.join, digest, account("another")) is Why.NO_INVITATION
    assert [each.action for each in Event.objects.order_by("pk")] == ["staff.invited", "staff.joined"]


def test_a_newer_invitation_ends_the_one_before_and_its_letter() -> None:
    row, first = invited()
    staffing.invite_again(row, link=lambda token: token, now=clock.now(), by=SYSTEM)
    assert staffing.invited_by(staffing.digest_of(first), clock.now()) is None
    assert letters.send_due(clock.now()) == 1 and first not in mail.outbox[0].body
    assert {each.text for each in StaffLetter.objects.all()} == {""}
    assert mail.outbox[0].to == ["ravi@owner.example"]


def test_who_was_switched_off_before_joining_cannot_join() -> None:
    row, token = invited()
    staffing.switch_off(row, now=clock.now(), by=SYSTEM)
    assert refusal(staffing.join, staffing.digest_of(token), account()) is Why.NO_INVITATION
    assert letters.send_due(clock.now()) == 0


def command(*words: str) -> Any:
    out = StringIO()
    call_command("staff", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_first_security_officer_is_added_by_a_command() -> None:
    who = ("--name", "Sarita", "--email", "sarita@owner.example")
    told = command("add", *who, "--role", "SECURITY_OFFICER", "VIEWER", "--show-link")
    token = told["link"].partition("t=")[2]
    assert told["state"] == "invited" and "/admin/join?t=" in told["link"]
    assert letters.send_due(clock.now()) == 0, "the link was shown, not sent"
    staffing.join(staffing.digest_of(token), account("sarita"), now=clock.now())
    bound = command("add", "--name", "Amit", "--email", "amit@owner.example", "--role", "APPROVER", "--sub", "amit")
    assert bound["state"] == "on" and StaffMember.objects.get(pk=bound["id"]).user == account("amit")
    assert [each["state"] for each in command("list")] == ["on", "on"]
    assert command("switch-off", "amit@owner.example", "--reason", "LEFT")["state"] == "off"
    assert command("switch-on", bound["id"])["state"] == "on"
    with pytest.raises(CommandError, match="last security officer"):
        command("switch-off", told["id"])
    with pytest.raises(CommandError, match="has this address already"):
        command("add", *who, "--role", "VIEWER")
    with pytest.raises(CommandError, match="nobody of this id"):
        command("switch-off", "nobody@owner.example")
