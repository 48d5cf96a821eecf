"""The journal's pages: searching, one line, checks and exports, as an auditor sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import checks, clock, exports, readers, verification
from audit.log import SYSTEM, Action, Actor, ActorKind, Channel, record
from audit.models import Check, Event, Export
from audit.seals import seal_yesterday
from audit.sequencer import link_events
from identity.models import Subject
from identity.staff import Role
from tests.audit.tampering import a_journal, as_owner, recompute_chain
from tests.staff import Desk, desk

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
JOURNAL, CHECKS, EXPORTS = "/admin/journal/", "/admin/journal/checks/", "/admin/journal/exports/"
PORTAL = Actor(ActorKind.PARTICIPANT, "portal.example.com", Channel.PORTAL)

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor(settings: Any, tmp_path: Any) -> Desk:
    settings.DOCUMENTS_DIR = tmp_path / "store"
    return desk(Role.AUDITOR)


def text_of(response: Any) -> str:
    body = re.sub(r"<nav id=\"console-menu\".*?</nav>", "", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def rows_of(response: Any) -> int:
    return response.content.decode().partition("<tbody>")[2].count("<tr>")


def happened(action: Action = Action.METER_RESOLVED, actor: Actor = PORTAL, **more: Any) -> Event:
    return record(action, actor=actor, at=more.pop("at", NOON), **more)


# ── searching ──


def test_each_way_of_searching_finds_its_lines_and_no_others(auditor: Desk) -> None:
    person = Subject.objects.create(did="did:example:asha")
    merged = Subject.objects.create(did="did:example:asha-old", merged_into=person)
    staff = auditor.member
    agent = Actor(ActorKind.AGENCY, "ea-1", Channel.EA, on_behalf_of=str(person.pk), operator="op-7")
    happened(subject=str(person.pk))
    happened(Action.CONSENT_GRANTED, subject=str(merged.pk))
    happened(Action.CASE_SUBMITTED, agent, object_type="case", object_id="4711", subject=str(person.pk))
    happened(Action.READ_PII, Actor(ActorKind.STAFF, str(staff.user_id), Channel.CONSOLE), at=NOON + timedelta(days=2))
    happened(Action.CASE_READY, SYSTEM, at=NOON + timedelta(days=9))
    wanted = {
        "": 5,
        f"subject={person.pk}": 3,
        "subject=did:example:asha-old": 3,
        f"person={staff.pk}": 1,
        f"person={staff.user_id}": 1,
        "person=portal.example.com": 2,
        "person=nobody-at-all": 0,
        "agency=ea-1": 1,
        "agency=ea-1&person=op-7": 1,
        "agency=ea-1&person=op-8": 0,
        "action=pii.read": 1,
        "object_type=case&object_id=4711": 1,
        "channel=EA": 1,
        "since=2026-09-02&until=2026-09-03": 1,
        "until=2026-09-01": 3,
        f"subject={person.pk}&action=case.submitted&agency=ea-1&since=2026-09-01": 1,
    }
    assert {query: rows_of(auditor.get(f"{JOURNAL}?{query}")) for query in wanted} == wanted
    assert "No line is like that" in text_of(auditor.get(f"{JOURNAL}?person=nobody-at-all"))


def test_a_line_is_told_in_words_and_leads_to_its_object_its_person_and_its_story(auditor: Desk) -> None:
    event = happened(Action.ENROLLMENT_CONFIRMED, object_type="enrollment", object_id="enr-1", details={"meters": 2})
    shown = auditor.get(JOURNAL).content.decode()
    assert "participant portal.example.com" in shown and "meters: 2" in shown and "Enrolled" in shown
    assert f'href="/admin/journal/lines/{event.public_id}/"' in shown
    assert 'href="/admin/enrollments/?q=enr-1"' in shown and 'href="/admin/journal/story/?of=enr-1"' in shown


def test_what_cannot_be_searched_for_is_said_beside_its_field(auditor: Desk) -> None:
    for query, said in {
        "since=2026-09-03&until=2026-09-01": "The last day comes before the first",
        "subject=did:example:nobody": "Nobody is known by this",
        "object_id=7": "Choose what kind of object",
        "since=yesterday": "valid date",
    }.items():
        answer = auditor.get(f"{JOURNAL}?{query}")
        assert answer.status_code == 400 and said in text_of(answer) and "There is a problem" in text_of(answer)
        assert "Error:" in answer.content.decode().partition("</title>")[0]


def test_pages_turn_both_ways_and_none_repeats_or_drops_a_line_also_of_one_instant(auditor: Desk) -> None:
    for number in range(120):
        happened(at=NOON + timedelta(minutes=number // 40), object_type="case", object_id=f"n{number}")
    address, seen, pages = f"{JOURNAL}?channel=PORTAL", [], []
    while address:
        answer = auditor.get(address)
        pages.append(address)
        seen += [each.line.object_id for each in answer.context["lines"]]
        happened(at=NOON + timedelta(days=1), actor=SYSTEM)  # something else meanwhile
        older = answer.context["slice"].older
        address = f"{JOURNAL}?{older}" if older else ""
    assert seen == [f"n{number}" for number in reversed(range(120))] and len(pages) == 3
    back = auditor.get(f"{JOURNAL}?{answer.context['slice'].newer}")
    assert [each.line.object_id for each in back.context["lines"]] == seen[50:100]


def test_a_search_asks_the_database_as_often_for_fifty_lines_as_for_one(auditor: Desk) -> None:
    staff = Actor(ActorKind.STAFF, str(auditor.member.user_id), Channel.CONSOLE)
    happened(actor=staff)
    auditor.get(JOURNAL)
    with CaptureQueriesContext(connection) as one:
        auditor.get(JOURNAL)
    for number in range(60):
        happened(actor=staff, object_type="case", object_id=str(number))
    with CaptureQueriesContext(connection) as many:
        auditor.get(JOURNAL)
    assert len(many) == len(one) <= 12


def test_a_search_that_would_read_too_much_is_stopped_and_says_what_to_do(auditor: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(readers, "SEARCH_SECONDS", 0.05)
    slow = readers.matching
    monkeypatch.setattr(readers, "matching", lambda asked: slow(asked).extra(where=["pg_sleep(1) IS NOT NULL"]))
    happened()
    answer = auditor.get(JOURNAL)
    assert answer.status_code == 400 and "Add a period" in text_of(answer)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CASE_WORKER, Role.APPROVER, Role.PROGRAM_EDITOR])
def test_who_may_not_read_the_journal_sees_none_of_it(role: Role) -> None:
    other = desk(role)
    for address in (JOURNAL, CHECKS, EXPORTS, "/admin/journal/story/"):
        assert other.get(address).status_code == 403
    assert other.post(CHECKS).status_code == 403 and not Check.objects.exists()


# ── one line ──


def test_a_line_s_page_says_whether_it_is_what_was_written(auditor: Desk) -> None:
    events = a_journal(3, at=NOON)
    page = f"/admin/journal/lines/{events[1].public_id}/"
    assert "This line says what was written: it meets link 2" in text_of(auditor.get(page))
    seal_yesterday(NOON + timedelta(days=1))
    assert "The seal of 2026-09-01 covers it" in text_of(auditor.get(page))
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'x' WHERE id = %s", [events[1].pk])
    assert "This line is not what was written" in text_of(auditor.get(page))
    assert auditor.get(f"/admin/journal/lines/{uuid4()}/").status_code == 404


# ── what an owner of the tables did, found on screen and by the command ──


def _edited(cursor: Any, events: list[Event]) -> None:
    cursor.execute("UPDATE audit_logs SET details = '{\"n\": 99}' WHERE id = %s", [events[2].pk])


def _deleted(cursor: Any, events: list[Event]) -> None:
    cursor.execute("DELETE FROM audit_logs WHERE id = %s", [events[2].pk])


def _swapped(cursor: Any, events: list[Event]) -> None:
    cursor.execute("UPDATE audit_links SET event_id = -1 WHERE seq = 3")
    cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 5", [events[2].pk])
    cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 3", [events[4].pk])


def _made_anew(cursor: Any, events: list[Event]) -> None:
    cursor.execute("UPDATE audit_logs SET actor_id = 'nobody' WHERE id = %s", [events[2].pk])
    recompute_chain()


def _cut_off(cursor: Any, events: list[Event]) -> None:
    cursor.execute("DELETE FROM audit_links WHERE seq >= 3")
    cursor.execute("DELETE FROM audit_logs WHERE id NOT IN (SELECT event_id FROM audit_links)")
    cursor.execute("DELETE FROM audit_pending")


TAMPERED = {
    "edited": (_edited, "CHANGED", 3, "A line was changed"),
    "deleted": (_deleted, "MISSING_EVENT", 3, "A line was deleted"),
    "swapped": (_swapped, "SWAPPED", 3, "Two lines were swapped"),
    "made anew": (_made_anew, "SEAL_MISMATCH", 8, "The chain was made anew"),
    "cut off": (_cut_off, "CUT_TAIL", 3, "The end was cut off"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_done_to_the_tables_is_named_on_screen_and_by_the_command(
    auditor: Desk, how: str, capsys: Any
) -> None:
    from django.core.management import call_command

    tamper, kind, seq, words = TAMPERED[how]
    events = a_journal(8, at=NOON)
    seal_yesterday(NOON + timedelta(days=1))
    with as_owner() as cursor:
        tamper(cursor, events)
    shown = auditor.post(CHECKS, follow=True)
    told = text_of(shown)
    assert "The journal does not hold" in told and words in told and kind in told
    assert Check.objects.get().findings[0]["seq"] == seq
    with pytest.raises(SystemExit):
        call_command("audit", "verify")
    assert f"First broken link: {seq}" in (said := capsys.readouterr().out) and kind in said
    assert "The newest check found that the journal does not hold" in text_of(auditor.get(CHECKS))


# ── checks ──


def test_the_seals_are_verified_on_screen_and_a_day_is_checked_by_itself(auditor: Desk) -> None:
    for day in range(2):
        a_journal(3, at=NOON + timedelta(days=day))
        seal_yesterday(NOON + timedelta(days=day + 1))
        link_events(NOON + timedelta(days=day + 1))
    assert text_of(auditor.get(CHECKS)).count("verified: signed by us") == 2
    held = auditor.post(CHECKS, {"day": "2026-09-02"}, follow=True)
    assert "Nothing is wrong" in text_of(held) and Event.objects.filter(action="journal.verified").count() == 1
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_seals SET statement = statement || ' ' WHERE day = '2026-09-01'")
    shown = text_of(auditor.get(CHECKS))
    assert shown.count("verified: signed by us") == 1 and "broken" in shown
    assert auditor.post(CHECKS, {"day": "today"}).status_code == 404


def test_a_long_check_shows_how_far_it_is_and_looks_again_by_itself(auditor: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(checks, "AT_ONCE", 2)
    a_journal(6, at=NOON)
    waiting = auditor.post(CHECKS, follow=True)
    assert "A worker begins" in text_of(waiting) and waiting["Refresh"] == "3"
    Check.objects.update(state="RUNNING", walked=3, lease_until=clock.now())
    page = f"{CHECKS}{Check.objects.get().pk}/"
    assert "3 of 6 links are checked (50 %)" in text_of(auditor.get(page))
    assert checks.work(clock.now()) == 1
    done = auditor.get(page)
    assert "Nothing is wrong" in text_of(done) and "Refresh" not in done


# ── exports ──


def test_what_a_search_finds_is_exported_fetched_once_it_is_made_and_each_time_journalled(
    auditor: Desk, tmp_path: Any
) -> None:
    a_journal(3, at=NOON)
    for _ in range(2):
        happened(object_type="case", object_id="9")
    link_events(NOON)
    offered = auditor.get(f"{JOURNAL}?action=meter.resolved").content.decode()
    assert '<input type="hidden" name="action" value="meter.resolved">' in offered
    waiting = auditor.post(EXPORTS, {"action": "meter.resolved"}, follow=True)
    row = Export.objects.get()
    page = f"{EXPORTS}{row.pk}/"
    assert "A worker begins" in text_of(waiting) and row.filters == {"actions": ["meter.resolved"]}
    assert auditor.post(page, follow=True).status_code == 200, "not ready: the page says so"
    assert exports.work(clock.now()) == 1
    assert "Fetch the file" in text_of(auditor.get(page))
    sent = auditor.post(page)
    file = tmp_path / "journal.zip"
    file.write_bytes(b"".join(sent.streaming_content))  # type: ignore[attr-defined]
    assert sent["Content-Disposition"].startswith("attachment") and int(sent["Content-Length"]) == file.stat().st_size
    report = verification.verify_export(file)
    assert report.ok and report.links == 2
    steps = Event.objects.filter(action="export").order_by("pk").values_list("details__step", "actor_id")
    assert list(steps) == [(step, str(auditor.member.user_id)) for step in ("asked", "made", "fetched")]
    assert auditor.get(page).status_code == 200 and "1 time" in text_of(auditor.get(page))


def test_a_security_officer_reads_and_does_not_export() -> None:
    officer: Client = desk(Role.SECURITY_OFFICER)
    assert officer.get(JOURNAL).status_code == 200 and "Take a copy" not in text_of(officer.get(JOURNAL))
    assert officer.get(EXPORTS).status_code == 403 and officer.post(EXPORTS).status_code == 403
    assert not Export.objects.exists()


def test_the_journal_s_pages_write_nothing_when_they_are_looked_at_and_have_nothing_inline(auditor: Desk) -> None:
    a_journal(2, at=NOON)
    check = checks.ask(None, actor=SYSTEM, now=clock.now())
    export = exports.ask(readers.Search(), actor=SYSTEM, now=clock.now())
    line = Event.objects.order_by("pk")[0]
    pages = [JOURNAL, CHECKS, EXPORTS, f"{CHECKS}{check.pk}/", f"{EXPORTS}{export.pk}/", "/admin/journal/story/"]
    for page in [*pages, f"/admin/journal/lines/{line.public_id}/"]:
        with CaptureQueriesContext(connection) as asked:
            answer = auditor.get(page)
        assert answer.status_code == 200, page
        words = {query["sql"].split()[0] for query in asked}
        assert words <= {"SELECT", "SAVEPOINT", "RELEASE", "SET"}, (page, words)
        assert len(asked) <= 12, page
        html = answer.content.decode()
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|\son[a-z]+=|javascript:", html), page
        assert html.count("<h1") == 1, page
