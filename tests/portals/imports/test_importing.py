"""EA-6: files of an agency, from the upload to its cases (issue 6 point 7)."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import clock
from audit.models import Event
from identity.models import Agency, Membership
from portals.agency import cases
from portals.imports import running, uploading, working
from portals.imports.columns import WrongHeader
from portals.models import AssistedCase, BulkImport, ImportPart, ImportRow
from tests.agencies import a_member, an_agency
from tests.portals.imports.conftest import HEADER, a_file, imported, line, upload, worked

pytestmark = pytest.mark.django_db
MANY = 10_000


def codes(found: BulkImport) -> list[tuple[int, str, str, str]]:
    bad = ImportRow.objects.filter(bulk_import=found).exclude(code="").order_by("number")
    return [(row.number, row.code, row.column, row.value) for row in bad]


def references(agency: Agency) -> list[str]:
    return sorted(AssistedCase.objects.filter(agency=agency).values_list("reference", flat=True))


def test_ea_6_a_malformed_header_among_10_000_rows_and_nothing_is_processed(agent: Membership):
    rows = [line(number) for number in range(MANY)]
    with pytest.raises(WrongHeader) as raised:
        upload(agent, rows, header=HEADER.replace("utility", "utilty"))
    told = [(each.code, each.column) for each in raised.value.problems]
    assert told == [("MISSING_COLUMN", "utility"), ("UNKNOWN_COLUMN", "utilty")]
    assert not BulkImport.objects.exists() and not ImportPart.objects.exists() and not AssistedCase.objects.exists()


def test_ea_6_three_bad_rows_of_10_000_and_the_other_9_997_are_done(agent: Membership):
    rows = [line(number) for number in range(2, MANY + 2)]
    rows[98] = line(100, account="12,3").replace("12,3", '"12,3"')
    rows[4998] = line(5000, program="moon")
    rows[9998] = line(10_000, reference="A-000007")
    begun = time.perf_counter()
    found = worked(upload(agent, rows))
    assert (found.state, found.rows, found.well_formed, found.malformed) == ("CHECKED", MANY, MANY - 3, 3)
    assert codes(found) == [
        (100, "NOT_AN_ACCOUNT", "account_number", "…"),
        (5000, "UNKNOWN_PROGRAM", "program", "moon"),
        (10_000, "DOUBLE_REFERENCE", "reference", "A-000007"),
    ]
    assert not AssistedCase.objects.exists(), "a check makes nothing and asks nobody"

    running.start(found, agent, clock.now())
    found = worked(found)
    assert (found.state, found.new, found.refused) == ("IMPORTED", MANY - 3, 0)
    assert AssistedCase.objects.filter(source="IMPORT", state="PROVING", subject=None, operator=None).count() == 9_997
    assert time.perf_counter() - begun < 60
    assert not ImportRow.objects.filter(told__isnull=False).exists(), "whom a row names stands in its case only"
    assert AssistedCase.objects.get(reference="A-000099").looked_up == {"account": "ACC-000099"}
    lines = Event.objects.filter(action="assisted.opened", details__import_id=str(found.pk))
    assert lines.count() == 9_997 and lines[0].details["operator"] == "op-1"


def test_a_second_file_corrects_what_is_not_proven_and_doubles_nothing(agent: Membership):
    first = imported(agent, [line(1), line(2), line(3)])
    assert (first.new, first.changed, first.unchanged) == (3, 0, 0)
    taken = AssistedCase.objects.get(reference="A-000003")
    cases.assign(taken, agent, by=agent, now=clock.now())
    second = imported(agent, [line(1), line(2, account="ACC-NEW"), line(3, account="ACC-NEW"), line(4)])
    assert (second.new, second.changed, second.unchanged, second.refused) == (1, 1, 1, 1)
    states = ImportRow.objects.filter(bulk_import=second).order_by("number").values_list("state", "code")
    assert list(states) == [("UNCHANGED", ""), ("CHANGED", ""), ("REFUSED", "CASE_IN_PROGRESS"), ("NEW", "")]
    assert references(agent.agency) == ["A-000001", "A-000002", "A-000003", "A-000004"]
    told = {case.reference: case.looked_up["account"] for case in AssistedCase.objects.all()}
    assert (told["A-000002"], told["A-000003"]) == ("ACC-NEW", "ACC-000003")
    cases.close(taken, cases.LEFT, clock.now())
    third = imported(agent, [line(3)])
    assert codes(third) == [(2, "CASE_CLOSED", "reference", "")]


def test_the_same_upload_sent_twice_is_one_import(agent: Membership):
    key = uuid4()
    taken = [uploading.take(agent, a_file([line(1)]), name="list.csv", key=key, now=clock.now()) for _ in range(2)]
    assert taken[0] == taken[1] and BulkImport.objects.count() == 1
    found = worked(taken[0])
    running.start(found, agent, clock.now())
    running.start(found, agent, clock.now())
    assert worked(found).new == 1
    again = imported(agent, [line(1)])
    assert (again.unchanged, uploading.same_before(again)) == (1, found)


def test_another_agency_has_its_own_references_and_its_own_turn(agent: Membership):
    other = a_member("op-7", agency=an_agency("ea-south"))
    mine = upload(agent, [line(number) for number in range(2_000)])
    theirs = upload(other, [line(number) for number in range(3)])
    with pytest.raises(uploading.NotTaken, match="BUSY"):
        upload(agent, [line(1)])
    assert working.work(seconds=0.0001) == 1
    while BulkImport.objects.get(pk=theirs.pk).state == "CHECKING":
        assert working.work(seconds=0.0001)
    assert BulkImport.objects.get(pk=mine.pk).state == "CHECKING", "who came later did not wait for the whole file"
    found = worked(theirs)
    running.start(found, other, clock.now())
    worked(found)
    assert references(other.agency) == ["A-000000", "A-000001", "A-000002"] and references(agent.agency) == []


def test_a_cancelled_import_stops_and_names_nobody_any_more(agent: Membership):
    found = worked(upload(agent, [line(number) for number in range(1_500)]))
    running.start(found, agent, clock.now())
    working.work(seconds=0.0001)
    running.cancel(found, agent, clock.now())
    found = worked(found)
    assert (found.state, found.new) == ("CANCELLED", 500)
    assert AssistedCase.objects.count() == 500 and not ImportRow.objects.filter(told__isnull=False).exists()
    running.cancel(upload(agent, [line(1)]), agent, clock.now())
    assert not ImportPart.objects.exists()
    with pytest.raises(running.NotPossible):
        running.start(found, agent, clock.now())


def test_an_agency_that_is_suspended_meanwhile_is_stopped(agent: Membership):
    found = worked(upload(agent, [line(number) for number in range(1_500)]))
    running.start(found, agent, clock.now())
    working.work(seconds=0.0001)
    Agency.objects.update(suspended_at=clock.now())
    found = worked(found)
    assert (found.state, found.trouble, AssistedCase.objects.count()) == ("STOPPED", "AGENCY_BLOCKED", 500)


def test_a_chunk_whose_lease_another_worker_has_taken_over_is_not_done_twice(agent: Membership):
    found = worked(upload(agent, [line(number) for number in range(600)]))
    running.start(found, agent, clock.now())
    stale = working._take(clock.now())
    assert stale is not None and working._take(clock.now()) is None, "one worker at a time"
    BulkImport.objects.update(leased_until=clock.now())
    assert working.work(seconds=60) == 2, "its lease ran out: another one goes on"
    assert working._do(stale) == 0
    assert BulkImport.objects.get().new == AssistedCase.objects.count() == 600


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "NO_ROWS"),
        ([";;;", "", ",,,,,"], "NO_ROWS"),
        ([line(1)] * 100_001, "TOO_MANY_ROWS"),
        (["x" * 1_000_000] * 26, "TOO_LARGE"),
    ],
)
def test_a_file_that_is_too_much_or_nothing_is_not_taken(agent: Membership, rows: list[str], code: str):
    with pytest.raises(uploading.NotTaken, match=code):
        upload(agent, rows)
    assert not BulkImport.objects.exists()


def test_long_lines_quotes_and_zeros_cost_their_own_rows_only(agent: Membership):
    hostile = ["x" * 3_000_000, 'A-9,"open', "A-8\x00,u,ACC-1,,flex,", "", line(1), ";;;;;", line(2)]
    found = worked(upload(agent, hostile))
    assert (found.rows, found.well_formed, found.malformed) == (5, 2, 3)
    assert [(number, code) for number, code, _, _ in codes(found)] == [
        (2, "LINE_TOO_LONG"),
        (3, "QUOTES"),
        (4, "BAD_CHARACTER"),
    ]
    assert list(found.lines.filter(code="").order_by("number").values_list("number", flat=True)) == [6, 8]


def test_a_chunk_is_a_handful_of_statements(agent: Membership):
    found = worked(upload(agent, [line(number) for number in range(500)]))
    running.start(found, agent, clock.now())
    with CaptureQueriesContext(
        connection,
    ) as asked:
        working.work(seconds=0.0001)
    assert len(asked) < 25


def test_nobody_reads_a_number_in_the_database(agent: Membership):
    upload(agent, [line(1, account="SECRET-77")])
    working.work(seconds=0.0001)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM agency_import_parts UNION ALL SELECT told FROM agency_import_rows")
        assert all(b"SECRET-77" not in bytes(data) for (data,) in cursor.fetchall())
