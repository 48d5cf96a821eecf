"""Letters to an agency's people: kept first, sent once, and nothing of them is left when they have gone."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from audit import clock
from identity import letters
from identity.models import AgencyLetter
from tests.agencies import a_member, an_agency

pytestmark = pytest.mark.django_db
KIND = AgencyLetter.Kind.CERTIFICATE


def write(about="certificate:1:30", to="help@agency.example"):
    title, text, now = "Your certificate ends", "On 1 May.", clock.now()
    return letters.write(an_agency(), kind=KIND, about=about, to=to, title=title, text=text, now=now)


def test_what_was_told_once_is_not_told_again():
    assert [write(), write()] == [True, False]
    assert letters.send_due(clock.now()) == 1
    assert write() is False
    assert letters.send_due(clock.now() + timedelta(days=1)) == 0
    assert [(each.to, each.subject) for each in mail.outbox] == [(["help@agency.example"], "Your certificate ends")]


def test_of_a_letter_that_has_gone_neither_words_nor_address_are_kept():
    write()
    letters.send_due(clock.now())
    row = AgencyLetter.objects.get()
    assert (row.to, row.text) == ("", "") and row.sent_at is not None


def test_while_the_mail_server_does_not_answer_a_letter_is_tried_later_and_at_last_given_up(monkeypatch):
    write()
    monkeypatch.setattr(EmailBackend, "send_messages", _refuse)
    now = clock.now()
    assert letters.send_due(now) == 0
    assert letters.send_due(now) == 0, "not at once again"
    for _ in range(letters.MOST_TRIES):
        now += timedelta(hours=20)
        letters.send_due(now)
    row = AgencyLetter.objects.get()
    assert row.given_up_at is not None and (row.to, row.text) == ("", "")
    assert row.tries == letters.MOST_TRIES


def test_managers_are_written_to_once_each_and_only_those_who_may_act():
    a_member("m-1", role="MANAGER", email="one@agency.example")
    a_member("m-2", role="MANAGER", email="ONE@agency.example")
    a_member("m-3", role="MANAGER", email="off@agency.example", active=False)
    a_member("op-1", email="agent@agency.example")
    agency = an_agency(contact_email="help@agency.example")
    now = clock.now()
    assert letters.to_managers(agency, kind=KIND, about="x", title="t", text="t", now=now) == 2
    assert letters.to_managers(agency, kind=KIND, about="x", title="t", text="t", now=now) == 0
    assert sorted(each.to for each in AgencyLetter.objects.all()) == ["help@agency.example", "one@agency.example"]


def _refuse(self, messages):
    raise ConnectionRefusedError
