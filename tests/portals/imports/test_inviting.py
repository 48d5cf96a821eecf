"""Invitations of an import: released by a manager, so many a day, to the registered contact, each once."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from audit import clock
from audit.models import Event
from identity.models import Agency, Membership
from portals.agency import case_batches, cases, handovers
from portals.imports import inviting, keeping, links, results, running
from portals.models import AssistedCase, BulkImport, Handover, ImportRow, Invitation, InvitationDay
from tests.agencies import a_member
from tests.factories import UTILITY_A
from tests.portals.imports.conftest import imported, line
from tests.sandbox.running import RunningUtility

pytestmark = pytest.mark.django_db


@pytest.fixture
def utility(settings: Any, a_utility: RunningUtility) -> RunningUtility:
    # A token of its own makes it a configuration of its own, with a circuit that no other test has opened.
    told = {"id": UTILITY_A, "url": a_utility.url, "token": a_utility.token, "nonce": secrets.token_hex(4)}
    settings.UTILITIES = [SimpleNamespace(**told, time_zone="Asia/Kolkata", connect_timeout=1.0, read_timeout=2.0)]
    return a_utility


@pytest.fixture
def manager(agent: Membership) -> Membership:
    return a_member("op-4", role="MANAGER", agency=agent.agency)


def customers(first: int, count: int) -> list[str]:
    return [line(number, account=f"CUST-load-{number:06}") for number in range(first, first + count)]


def written(utility: RunningUtility, notices: set[str]) -> list[dict[str, Any]]:
    told = json.loads(utility.call("/outbox", accept="application/json")[1])["messages"]
    return [each for each in told if each["template"] == inviting.TEMPLATE and links_in(each) & notices]


def links_in(message: dict[str, Any]) -> set[str]:
    return {str(message["parameters"]["link"])}


def addresses() -> set[str]:
    return {links.address_of(each) for each in Invitation.objects.all()}


def states() -> list[str]:
    return sorted(Invitation.objects.values_list("state", flat=True))


def test_what_a_manager_releases_goes_to_the_registered_contact_within_the_days_quota_and_in_order(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    Agency.objects.update(daily_invitations=3)
    found = imported(agent, [*customers(1, 5), f"M-1,{UTILITY_A},,+919812345678,flex,hi"])
    assert inviting.send(seconds=5) == 0 and states() == [], "nobody is written to before the release"
    foreseen = inviting.foresee(BulkImport.objects.get(), clock.now())
    assert (foreseen.count, foreseen.without_account, foreseen.a_day, foreseen.left_today) == (5, 1, 3, 3)
    assert foreseen.last_day == clock.now().date() + timedelta(days=1)
    assert inviting.release(found, manager, clock.now()) == 5
    with pytest.raises(inviting.NotReleased):
        inviting.release(found, manager, clock.now())
    assert inviting.send(seconds=20) == 3 and inviting.send(seconds=20) == 0
    assert states() == ["SENT"] * 3 + ["WAITING"] * 2
    sent = Invitation.objects.filter(state="SENT").order_by("sent_at").values_list("number", flat=True)
    assert list(sent) == [2, 3, 4]
    messages = written(utility, addresses())
    assert len(messages) == 3
    text = messages[0]["text"]
    assert agent.agency.name in text and "program-flex" not in messages[0]["to"]
    (token,) = [each.rpartition("/")[2] for each in links_in(messages[0])]
    assert Handover.objects.filter(token_digest=handovers.digest_of(token), way="LINK", asks="MANDATE").exists()
    assert not Handover.objects.filter(token_digest=token).exists()
    lines = Event.objects.filter(action="invitation.sent")
    assert lines.count() == 3 and token not in json.dumps(list(lines.values("details", "object_id")), default=str)
    # The next day the rest goes out.
    InvitationDay.objects.update(day=clock.now().date() - timedelta(days=1))
    assert inviting.send(seconds=20) == 2 and states() == ["SENT"] * 5


def test_the_days_quota_is_never_overrun_and_never_counted_from_another_day(agent: Membership):
    Agency.objects.update(daily_invitations=2)
    agency, now = Agency.objects.get(), clock.now()
    assert [inviting._count(agency, now) for _ in range(4)] == [True, True, False, False]
    assert inviting._count(agency, now + timedelta(days=1)) and inviting.left_today(agency, now) == 0
    Agency.objects.update(daily_invitations=0)
    assert not inviting._count(agency, now + timedelta(days=2))


def test_an_invitation_broken_off_is_written_once_more_with_the_same_link_and_counts_once(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    found = imported(agent, customers(21, 1))
    inviting.release(found, manager, clock.now())
    taken = inviting._claim(agent.agency, clock.now())
    assert taken is not None and inviting._write(taken)  # and here the worker dies
    assert inviting.send(seconds=5) == 0, "somebody has it in hand"
    Invitation.objects.update(leased_until=clock.now())
    assert inviting.send(seconds=5) == 1 and states() == ["SENT"]
    assert Handover.objects.count() == 1 and InvitationDay.objects.get().count == 1
    assert len(written(utility, addresses())) == 1, "the utility knows the notice by its id"


def test_a_silent_utility_is_asked_again_for_hours_and_then_given_up(
    agent: Membership, manager: Membership, settings: Any
):
    told = {"id": UTILITY_A, "url": "http://127.0.0.1:9", "token": "t", "nonce": secrets.token_hex(4)}
    settings.UTILITIES = [SimpleNamespace(**told, time_zone="UTC", connect_timeout=0.2, read_timeout=0.2)]
    found = imported(agent, customers(31, 1))
    inviting.release(found, manager, clock.now())
    for _ in range(len(inviting.PAUSES) + 1):
        assert inviting.send(seconds=5) == 1 and inviting.send(seconds=5) == 0
        Invitation.objects.filter(state="SENDING").update(leased_until=clock.now())
    assert list(Invitation.objects.values_list("state", "trouble")) == [("NOT_SENT", "UTILITY_SILENT")]
    assert Handover.objects.get().ended_at is not None


def test_whether_a_customer_exists_nobody_learns(agent: Membership, manager: Membership, utility: RunningUtility):
    found = imported(agent, [line(1, account="CUST-load-000041"), line(2, account="CUST-NOBODY")])
    inviting.release(found, manager, clock.now())
    inviting.send(seconds=5)
    assert states() == ["SENT", "SENT"]
    told = [row[2:] for row in results.rows(found)]
    assert told[0] == told[1] == ("NEW", "", "", "", "", "SENT", "")


def test_a_suspended_agency_invites_nobody_and_its_links_show_nothing(
    agent: Membership, manager: Membership, utility: RunningUtility, client: Client
):
    found = imported(agent, customers(51, 2))
    inviting.release(found, manager, clock.now())
    Agency.objects.update(daily_invitations=1)
    assert inviting.send(seconds=5) == 1
    link = links.token_of(Invitation.objects.get(state="SENT"))
    assert client.get(f"/hand-over/link/{link}").status_code == 200
    Agency.objects.update(suspended_at=clock.now(), daily_invitations=10)
    assert inviting.send(seconds=5) == 0
    page = client.get(f"/hand-over/link/{link}")
    assert page.status_code == 410 and agent.agency.name not in page.content.decode()
    other = client.get(f"/hand-over/link/{'a' * 43}").content.decode().replace("a" * 43, link)
    assert other == page.content.decode(), "as one that never was"


def test_an_invitation_is_good_for_one_browser_and_shows_nothing_before_the_sign_in(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    found = imported(agent, [line(1, account="CUST-load-000061")])
    inviting.release(found, manager, clock.now())
    inviting.send(seconds=5)
    link = f"/hand-over/link/{links.token_of(Invitation.objects.get())}"
    first, second = Client(), Client()
    for browser in (first, second):
        page = browser.get(link).content.decode()
        assert agent.agency.name in page and "load-000061" not in page
    assert first.post(link).status_code == 303
    assert second.post(link).status_code == 410 and second.get(link).status_code == 410
    case = AssistedCase.objects.get()
    assert case.subject is None and case.state == "PROVING"
    assert f"/hand-over/{case.handovers.get().pk}" in first.get("/agency/imports", follow=True).request["PATH_INFO"]


def test_a_corrected_row_takes_its_invitation_back_and_its_link_is_dead(
    agent: Membership, manager: Membership, utility: RunningUtility, client: Client
):
    found = imported(agent, customers(71, 2))
    inviting.release(found, manager, clock.now())
    assert inviting.send(seconds=5) == 2
    link = links.token_of(Invitation.objects.get(number=2))
    again = imported(agent, [line(71, account="CUST-load-000079"), *customers(72, 1)])
    assert (again.changed, again.unchanged) == (1, 1)
    assert states() == ["SENT", "WITHDRAWN"]
    assert client.get(f"/hand-over/link/{link}").status_code == 410
    assert inviting.foresee(again, clock.now()).count == 1, "who is asked already is not asked twice"


def test_who_has_said_no_is_not_asked_again_and_their_number_is_forgotten(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    found = imported(agent, customers(81, 1))
    inviting.release(found, manager, clock.now())
    inviting.send(seconds=5)
    Handover.objects.update(answer="NO", answered_at=clock.now(), ended_at=clock.now())
    Invitation.objects.update(ends_at=clock.now())
    assert inviting.foresee(found, clock.now()).count == 0
    assert inviting.settle(clock.now()) == 1
    case = AssistedCase.objects.get()
    assert (case.state, case.outcome, case.looked_up) == ("CLOSED", "DECLINED", {})
    assert next(iter(results.rows(found)))[-1] == "REFUSED"


def test_a_case_that_a_colleague_took_meanwhile_is_not_invited(agent: Membership, manager: Membership):
    found = imported(agent, customers(91, 1))
    inviting.release(found, manager, clock.now())
    cases.assign(AssistedCase.objects.get(), agent, by=agent, now=clock.now())
    assert inviting.send(seconds=5) == 0 and states() == ["WITHDRAWN"]


def test_p4_7_an_invitation_that_is_over_is_forgotten_and_nobody_is_kept_who_did_not_answer(
    agent: Membership, manager: Membership, utility: RunningUtility, settings: Any
):
    found = imported(agent, customers(101, 2))
    Agency.objects.update(daily_invitations=1)
    inviting.release(found, manager, clock.now())
    inviting.send(seconds=5)
    later = clock.now() + timedelta(days=settings.RETENTION_IMPORTS_DAYS + 1)
    assert keeping.forget(later) == 0, "one waits for its day, one for its answer"
    running.cancel(found, manager, clock.now())
    assert states() == ["SENT", "WITHDRAWN"]
    assert keeping.forget(later) == 2 and not ImportRow.objects.exists()
    assert keeping.forget(later + timedelta(days=15)) == 1
    closed = AssistedCase.objects.all()
    assert {(each.state, each.outcome, json.dumps(each.looked_up)) for each in closed} == {
        ("CLOSED", "NO_ANSWER", "{}")
    }
    assert BulkImport.objects.get().file_name == ""


def test_a_suspension_closes_the_cases_nobody_has_answered_by_hundreds(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    found = imported(agent, customers(111, 3))
    inviting.release(found, manager, clock.now())
    inviting.send(seconds=5)
    taken = AssistedCase.objects.get(reference="A-000113")
    cases.assign(taken, agent, by=agent, now=clock.now())
    assert case_batches.close_of_suspended(clock.now()) == 0
    Agency.objects.update(suspended_at=clock.now())
    assert case_batches.close_of_suspended(clock.now()) == 2 and case_batches.close_of_suspended(clock.now()) == 0
    closed = AssistedCase.objects.filter(state="CLOSED", outcome="AGENCY_SUSPENDED")
    assert [case.looked_up for case in closed] == [{}, {}]
    assert not Handover.objects.filter(case__in=closed, ended_at=None).exists()
    assert Event.objects.filter(action="assisted.closed", details__outcome="AGENCY_SUSPENDED").count() == 2


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_send_no_more_than_the_days_quota_and_nobody_twice(
    agent: Membership, manager: Membership, utility: RunningUtility
):
    found = imported(agent, customers(121, 12))
    inviting.release(found, manager, clock.now())
    Agency.objects.update(daily_invitations=7)

    def worker() -> int:
        try:
            return inviting.send(seconds=20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        sent = sum(each.result() for each in [pool.submit(worker) for _ in range(4)])
    assert sent == 7 == InvitationDay.objects.get().count == Handover.objects.count()
    assert states() == ["SENT"] * 7 + ["WAITING"] * 5
    assert len(written(utility, addresses())) == 7
