"""A14: the agency's own lines of the journal; whose one sees, and the file, which is a line itself."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock, readers
from audit.log import SYSTEM, Action, Actor, ActorKind, Channel, Line, record, record_all
from audit.models import Event
from identity import agents
from identity.models import Membership
from portals.agency import activity
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import a_case

pytestmark = pytest.mark.django_db
PAGE = "/agency/activity"


def did(
    member: Membership, action: Action = Action.ASSISTED_OPENED, at: datetime | None = None, case: Any = None
) -> Event:
    about = {"object_type": "agency-case" if case else "membership", "object_id": str(case.pk if case else member.pk)}
    return agents.note(action, member, at or clock.now(), **about)


def shown(client: Any, query: str = "") -> str:
    answer = client.get(f"{PAGE}{query}")
    assert answer.status_code == 200
    return str(answer.content.decode().partition("<main")[2])


def exported(client: Any, query: str = "") -> list[dict[str, str]]:
    answer = client.post(f"{PAGE}/export{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def by(page: str, operator: str) -> int:
    return page.count(f"by: Operator {operator}") + page.count(f"</span> Operator {operator}")


def acts(page: str) -> int:
    return page.count("timeline__when")


@pytest.fixture
def manager() -> Membership:
    return a_member("op-m", role="MANAGER")


def test_a_manager_sees_everybodys_acts_in_plain_words_and_with_the_cases_reference(manager):
    asha = a_member("op-1")
    case = a_case(asha)
    did(asha, case=case)
    did(manager, Action.MEMBER_INVITED)
    page = shown(signed_in_agent(manager))
    assert "Opened a case" in page and case.reference in page and "Operator op-1" in page
    assert "Invited a colleague" in page and "assisted.opened" not in page.replace('value="assisted.opened"', "")


def test_an_agent_sees_their_own_lines_whatever_the_address_asks_for(manager):
    asha, ravi = a_member("op-1"), a_member("op-2")
    did(asha, Action.ASSISTED_READ)
    did(ravi, Action.ASSISTED_DECLARED)
    browser = signed_in_agent(asha)
    for query in ("", "?person=op-2", "?person="):
        page = shown(browser, query)
        assert acts(page) == 1 and "Operator op-2" not in page
    assert {row["operator"] for row in exported(browser, "?person=op-2")} == {"op-1"}


def test_nobody_sees_another_agencys_lines_on_the_page_or_in_the_file(manager):
    did(a_member("op-1", agency=an_agency("ea-002")), Action.ASSISTED_DECLARED)
    other_case = a_case(a_member("op-2", agency=an_agency("ea-002")))
    browser = signed_in_agent(manager)
    assert acts(shown(browser)) == 0
    assert acts(shown(browser, f"?case={other_case.reference}")) == 0
    assert exported(browser, f"?case={other_case.reference}") == []
    assert {row["act"] for row in exported(browser)} == {"Took a file of this activity"}, "only the files' own lines"


def test_a_participant_or_person_of_the_same_id_is_not_the_agency(manager):
    for kind in (ActorKind.PARTICIPANT, ActorKind.PERSON):
        record(Action.LOGIN, actor=Actor(kind, "ea-001", Channel.EA), at=clock.now())
    assert acts(shown(signed_in_agent(manager))) == 0


def test_the_lines_are_narrowed_by_days_of_the_utilitys_zone_person_act_and_case(manager):
    asha, ravi = a_member("op-1"), a_member("op-2")
    case = a_case(asha)
    did(asha, at=datetime(2026, 11, 9, 18, 29, tzinfo=UTC))  # 23:59 on the 9th in India
    did(asha, Action.ASSISTED_READ, at=datetime(2026, 11, 9, 18, 31, tzinfo=UTC), case=case)  # 00:01 on the 10th
    did(ravi, at=datetime(2026, 11, 11, 18, 29, tzinfo=UTC))  # 23:59 on the 11th
    did(ravi, at=datetime(2026, 11, 11, 18, 30, tzinfo=UTC))  # the 12th
    browser = signed_in_agent(manager)
    assert acts(shown(browser)) == 4
    assert acts(shown(browser, "?begins=2026-11-10&ends=2026-11-11")) == 2
    assert acts(shown(browser, "?begins=2026-11-10")) == 3
    assert acts(shown(browser, "?person=op-2")) == 2
    assert acts(shown(browser, "?act=assisted.read")) == 1
    assert acts(shown(browser, f"?case={case.reference.lower()}")) == 1
    assert acts(shown(browser, "?case=NOT-THERE")) == 0
    rows = exported(browser, "?person=op-1&act=assisted.read")
    assert [(row["when (UTC)"], row["code"], row["id"]) for row in rows] == [
        ("2026-11-09 18:31:00", "assisted.read", str(case.pk))
    ]


@pytest.mark.parametrize(
    "query", ["?begins=31.11.2026", "?begins=2026-11-12&ends=2026-11-11", "?person=op-unknown", "?act=made.up"]
)
def test_a_filter_that_makes_no_sense_is_said_so_and_nothing_is_shown_or_given(manager, query):
    did(manager)
    browser = signed_in_agent(manager)
    answer = browser.get(f"{PAGE}{query}")
    page = answer.content.decode()
    assert answer.status_code == 422 and "There is a problem" in page and "timeline__when" not in page
    refused = browser.post(f"{PAGE}/export{query}")
    assert refused.status_code == 422
    assert not Event.objects.filter(action=Action.EXPORT).exists()


@pytest.mark.parametrize("query", ["?older=x", "?older=99999999999999999999", "?older=²", "?older=-1", "?case=%00"])
def test_an_address_made_up_by_hand_breaks_no_page(manager, query):
    did(manager)
    assert signed_in_agent(manager).get(f"{PAGE}{query}").status_code in (200, 422)


def test_pages_of_fifty_repeat_and_drop_no_line(manager):
    at = clock.now()
    written = {did(manager, at=at - timedelta(seconds=number // 40)).pk for number in range(120)}
    seen: list[str] = []
    older: int | None = None
    for _ in range(3):
        found = activity.lines(manager, activity.Asked(), older=older)
        seen += [line.reference for line in found.lines]
        older = found.older
    assert older is None
    assert len(seen) == len(set(seen)) == len(written)
    browser = signed_in_agent(manager)
    first = browser.get(PAGE).content.decode()
    assert acts(first) == 50 and "older=" in first


def test_another_agencys_cursor_shows_nothing_of_theirs(manager):
    other = a_member("op-1", agency=an_agency("ea-002"))
    theirs = did(other, Action.ASSISTED_DECLARED)
    did(manager)
    assert acts(shown(signed_in_agent(manager), f"?older={theirs.pk}")) == 0


def test_the_file_is_written_down_with_what_was_asked_and_has_no_personal_data(manager):
    asha = a_member("op-1", name="Asha Rao", email="asha@agency.example")
    case = a_case(asha, reference="RAJESH KUMAR 98765")
    did(asha, case=case)
    browser = signed_in_agent(manager)
    text = str(exported(browser, "?person=op-1&begins=2026-01-01"))
    assert str(case.pk) in text and "op-1" in text
    assert not any(each in text for each in ("Asha", "RAJESH", "98765", "example", "CUST-1"))
    line = Event.objects.get(action=Action.EXPORT)
    assert (line.actor_kind, line.actor_id, line.object_type) == ("AGENCY", "ea-001", "agency")
    assert line.details["operator"] == "op-m"
    assert {"what": "activity", "person": "op-1", "from": "2026-01-01"}.items() <= line.details.items()


def test_taking_the_file_by_an_address_alone_does_nothing(manager):
    assert signed_in_agent(manager).get(f"{PAGE}/export").status_code == 405
    assert not Event.objects.filter(action=Action.EXPORT).exists()


def test_what_a_spreadsheet_would_calculate_is_text_in_the_file(manager):
    did(a_member("=cmd|' /C calc'!A0"), Action.ASSISTED_READ)
    [row] = [each for each in exported(signed_in_agent(manager)) if each["code"] == "assisted.read"]
    assert row["operator"] == "'=cmd|' /C calc'!A0"


def test_the_file_is_bounded_and_read_in_parts(manager, monkeypatch):
    monkeypatch.setattr(activity, "MOST_EXPORTED", 40)
    monkeypatch.setattr(activity, "A_READ", 10)
    for _ in range(60):
        did(manager)
    with CaptureQueriesContext(connection) as asked:
        rows = list(activity.all_lines(manager, activity.Asked()))
    assert len(rows) == 40 == len({each.reference for each in rows})
    assert len([each for each in asked if "audit_logs" in each["sql"] and "LIMIT 11" in each["sql"]]) == 4


def test_every_act_an_agency_can_do_has_words():
    named = {str(each) for each in activity.WORDS}
    ours = ("assisted.", "handover.", "mandate.", "member.", "import.", "signal.")
    by_others = {
        "assisted.not_me", "handover.seen", "handover.proved", "handover.other_person", "handover.answered",
        "assisted.stood_still", "member.certified", "member.suspended", "member.resumed", "signal.raised",
    }  # fmt: skip
    assert {str(each) for each in Action if str(each).startswith(ours)} - by_others <= named


def test_lines_of_one_agency_are_found_by_an_index():
    with connection.cursor() as cursor:
        # As where others have done most.
        one, colleague = (Actor(ActorKind.AGENCY, "ea-001", Channel.EA, operator=each) for each in ("op-1", "op-2"))
        actors = [one, *[colleague] * 200, *[SYSTEM] * 3000]
        record_all([Line(Action.ASSISTED_OPENED, actor, clock.now()) for actor in actors])
        cursor.execute("ANALYZE audit_logs")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for operator, index in (("", "audit_logs_actor"), ("op-1", "audit_logs_operator")):
            with CaptureQueriesContext(connection) as asked:
                readers.lines_of_agency("ea-001", operator=operator)
            cursor.execute(f"EXPLAIN {asked[0]['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert re.search(rf"Index Scan (Backward )?using {index}\b", plan) and "Sort" not in plan, plan
