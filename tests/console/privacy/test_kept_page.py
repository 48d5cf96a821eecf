"""Kept data on the screen: every kind with ground, period and oldest row, and in red what stays too long."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse

from audit import clock
from beckn import participants
from beckn.models import Inbox
from console.privacy import kept
from identity import keeping, retaining
from identity.keeping import How
from identity.models import KeptKind
from identity.staff import Role
from tests.staff import desk


def test_the_page_shows_every_kind_and_says_where_the_job_has_not_run_or_runs_no_more(
    db, django_assert_max_num_queries
):
    viewer = desk(Role.VIEWER)
    with django_assert_max_num_queries(12):
        shown = viewer.get(reverse("admin:retention")).content.decode()
    assert "The job has not run yet" in shown
    assert all(f"<code>{kind.code}</code>" in shown for kind in keeping.kinds())
    assert "To prove that consents and decisions were lawful" in shown and "3 years" in shown
    now = clock.now()
    retaining.work(now)
    shown = viewer.get(reverse("admin:retention")).content.decode()
    assert "The job has not run yet" not in shown and "overdue" not in shown
    assert kept.overdue(now + timedelta(hours=25)) == []
    late = kept.overdue(now + timedelta(days=3))
    stays = {kind.code for kind in keeping.kinds() if kind.how is How.STAYS}
    assert {each.kind.code for each in late} == set(KeptKind.objects.values_list("code", flat=True)) - stays
    assert "worker and beat" in late[0].overdue


def test_what_is_kept_beyond_its_time_stands_in_red_until_somebody_deals_with_it(db):
    now = clock.now()
    peer = participants.add(subscriber_id="bap.example.com", url="https://bap.example.com", now=now)
    old = now - timedelta(days=100)
    Inbox.objects.create(
        participant=peer,
        sender_id=peer.subscriber_id,
        action="init",
        transaction_id="t",
        message_id="m",
        body={},
        state="STUCK",
        received_at=old,
        deadline=old,
        due_at=old,
    )
    retaining.work(now)
    assert [each.kind.code for each in kept.overdue(now)] == ["beckn.received"]
    assert "something of them is not finished" in desk(Role.VIEWER).get(reverse("admin:retention")).content.decode()
    Inbox.objects.update(state="DROPPED")
    retaining.work(now + timedelta(days=1))
    assert kept.overdue(now + timedelta(days=1)) == [] and not Inbox.objects.exists()
