"""The chain is walked the quick way, and what the quick way says is what the careful way would say."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audit import chain, verification, walking
from audit.checking import Kind
from audit.log import SYSTEM, Action, Line, record_all
from audit.models import Event
from audit.sequencer import columns_sql, entry, link_events
from audit.verification import verify_chain
from tests.audit.tampering import a_journal, as_owner

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
STRANGE = [
    None,
    {},
    {"n": 10.0, "deep": [1e16, -1.5e-9, {"z": 1, "ä": 2, "a b": 0.1}]},
    {"big": 2**63, "bigger": 10**30, "small": -(2**70), "just": 2**63 - 1},
    {"text": 'tab\t quote " back \\ slash / line\n bell\x07 del\x7f é ☀ 𝄞 \u2028 \ufffe'},
    {"looks": ": 1.5, [2.5", "true": True, "null": None, "empty": "", "list": []},
    {"": 1, "a": 1, "B": 1, "ß": 1, "zz": 1, "𝄞": 1, "\uffff": 1},
]


@pytest.mark.django_db
def test_a_line_is_spelled_by_the_quick_way_as_by_the_careful_one_byte_for_byte():
    draw = random.Random(7)
    alphabet = '"\\/\b\f\n\r\t\x01\x1f\x7f éß☀𝄞{}[]:,. 0123456789eE+-'

    def words(length):
        return "".join(draw.choices(alphabet, k=length))

    many = [{words(4): draw.choice([draw.random(), draw.getrandbits(70), words(9)])} for _ in range(300)]
    lines = [
        Line(Action.LOGIN, SYSTEM, NOON + timedelta(microseconds=draw.randrange(10**12)), details=details)
        for details in [*STRANGE, *many]
    ]
    record_all(lines)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {walking.SPELLED} FROM audit_logs e ORDER BY e.id")
        quick = [walking.spelled(row) for row in cursor.fetchall()]
        cursor.execute(f"SELECT e.id, {columns_sql()} FROM audit_logs e ORDER BY e.id")
        careful = [chain.canonical(entry(row[0], row[1:]).fields) for row in cursor.fetchall()]
    assert quick == careful and len(quick) == len(lines)
    event = entry(1, ["x", NOON, NOON, *("" for _ in range(10)), None])
    assert walking.quick_hash(chain.GENESIS, 4, chain.canonical(event.fields)) == chain.link_hash(
        chain.GENESIS, 4, event.fields
    )


@pytest.mark.django_db
def test_two_lines_are_named_as_swapped_however_far_apart_they_stand(monkeypatch):
    monkeypatch.setattr(walking, "PAGE", 5)
    events = a_journal(40, at=NOON)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_links SET event_id = -1 WHERE seq = 3")
        cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 38", [events[2].pk])
        cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 3", [events[37].pk])
    found = verify_chain().findings
    assert [(each.kind, each.seq) for each in found] == [(Kind.SWAPPED, 3), (Kind.SWAPPED, 38)]
    assert events[2].reference in found[0].message


@pytest.mark.django_db
def test_two_lines_whose_contents_were_swapped_are_named_too():
    a_journal(9, at=NOON)
    names = [f.column for f in Event._meta.local_fields if f.column not in ("id", "public_id")]
    with as_owner() as cursor:
        ids = [row[0] for row in _rows(cursor, "SELECT event_id FROM audit_links WHERE seq IN (2, 7) ORDER BY seq")]
        uuids = {pk: _rows(cursor, f"SELECT public_id FROM audit_logs WHERE id = {pk}")[0][0] for pk in ids}
        cursor.execute(
            "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM audit_logs WHERE id = ANY(%s)", [ids]
        )
        cursor.execute("UPDATE audit_logs SET public_id = gen_random_uuid() WHERE id = ANY(%s)", [ids])
        for pk, other in zip(ids, reversed(ids), strict=True):
            changes = ", ".join(f"{name} = k.{name}" for name in names)
            cursor.execute(
                f"UPDATE audit_logs e SET public_id = %s, {changes} FROM kept k WHERE e.id = %s AND k.id = %s",
                [uuids[other], pk, other],
            )
    assert [(each.kind, each.seq) for each in verify_chain().findings] == [(Kind.SWAPPED, 2), (Kind.SWAPPED, 7)]


@pytest.mark.django_db(transaction=True)
def test_processes_that_share_a_walk_find_what_one_finds(monkeypatch):
    monkeypatch.setattr(walking, "PIECE", 100)
    monkeypatch.setattr(walking, "WORTH_PROCESSES", 100)
    events = a_journal(450, at=NOON)
    told = []
    report = verify_chain(processes=2, tell=told.append)
    assert report.ok and (report.links, sum(told)) == (450, 450)
    assert report.head == verify_chain().head
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'x' WHERE id = %s", [events[49].pk])
        cursor.execute("DELETE FROM audit_links WHERE seq BETWEEN 100 AND 101")  # the end of one piece, and a beginning
        cursor.execute("DELETE FROM audit_logs WHERE id = %s", [events[399].pk])
    expected = [(Kind.CHANGED, 50), (Kind.MISSING_LINK, 100), (Kind.MISSING_EVENT, 400)]
    shared, alone = verify_chain(processes=2), verify_chain()
    assert [(each.kind, each.seq) for each in alone.findings if each.seq] == expected
    assert shared.findings == alone.findings and shared.links == alone.links == 448


@pytest.mark.django_db
def test_one_link_can_be_looked_at_by_itself():
    events = a_journal(6, at=NOON)
    assert verification.of_link(4) == ()
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET details = %s WHERE id = %s", [json.dumps({"n": 9}), events[3].pk])
    (finding,) = verification.of_link(4)
    assert (finding.kind, finding.reference) == (Kind.CHANGED, events[3].reference)
    assert verification.of_link(5) == (), "its own line is as it was"
    link_events(NOON)


def _rows(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()
