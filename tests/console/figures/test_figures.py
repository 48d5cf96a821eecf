"""The pages of figures: what they add up, what they say where there is nothing, and their files."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import clock
from console.figures import charts
from console.figures.pages import PAGES
from enrollment.models import DailyFigure, DurationFigure, FigureCursor, ListFigure, RefusalFigure
from identity.staff import Role
from tests.staff import desk
from utility_systems.models import CallFigure

pytestmark = pytest.mark.django_db
ADDRESSES = {page.name: f"admin:{page.name}" for page in PAGES}


@pytest.fixture
def staff():
    return desk(Role.VIEWER)


def today():
    return clock.now().date()


def cell(days_ago=0, program="p-1", channel="PORTAL", utility="u-1", agency=""):
    day = today() - timedelta(days=days_ago)
    return {"day": day, "program_id": program, "channel": channel, "utility_id": utility, "agency_id": agency}


def some_figures():
    """Ten applications begun yesterday by self-service, four by an agency; eight enrolments of 5 kW, one over."""
    counts = {
        "started": 10,
        "identified": 9,
        "eligible": 8,
        "consented": 7,
        "confirmed": 6,
        "refused": 3,
        "given_up": 1,
    }
    DailyFigure.objects.create(**cell(1), **counts, joined=6, joined_kw=30)
    helped = cell(1, "p-2", "EA", agency="ea-1")
    DailyFigure.objects.create(
        **helped, started=4, identified=4, eligible=3, consented=2, confirmed=2, joined=2, joined_kw=10
    )
    DailyFigure.objects.create(**cell(0), ended=1, ended_kw=5)
    RefusalFigure.objects.create(**cell(1), code="NOT_ELIGIBLE", count=3)
    RefusalFigure.objects.create(**cell(1), code="PROGRAM_NOT_AVAILABLE", at_the_door=True, count=2)
    where = {name: cell(1)[name] for name in ("day", "program_id", "channel", "utility_id")}
    DurationFigure.objects.create(kind="DECISION", **where, bucket=4, count=9)
    DurationFigure.objects.create(kind="PUBLICATION", day=today(), bucket=3, count=5)
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    for outcome, count in (("ANSWERED", 97), ("FAILED", 3), ("NOT_ASKED", 2)):
        CallFigure.objects.create(hour=hour, utility_id="u-1", system="mdm", outcome=outcome, bucket=4, count=count)
    ListFigure.objects.create(
        day=today(), status_list_id=1, kind="ENROLLMENT", number=1, size=131_072, taken=65_536, revoked=10
    )
    FigureCursor.objects.create(name="journal", seq=1, read_at=clock.now())


def page(staff, name="figures", **asked):
    return staff.get(reverse(ADDRESSES[name]), asked).content.decode()


def table(staff, name, page_name="figures", **asked):
    answer = staff.get(reverse("admin:figures-table", kwargs={"page": page_name, "table": name}), asked)
    assert answer.status_code == 200, name
    return list(csv.reader(io.StringIO(answer.content.decode().removeprefix("\ufeff"))))


def test_every_page_says_what_to_do_where_nothing_was_counted_yet(staff):
    for name in ADDRESSES:
        shown = page(staff, name)
        assert "Nothing has been counted yet" in shown and "manage.py figures rebuild" in shown
        assert 'class="console-empty"' in shown and "<svg class" not in shown


def test_every_page_shows_a_chart_with_words_beside_a_table_and_asks_little_of_the_database(staff):
    some_figures()
    for name in ADDRESSES:
        page(staff, name)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            shown = page(staff, name)
        assert len(asked) <= 20, (name, len(asked))
        assert shown.count("<h1>") == 1 and 'role="img"' in shown and "<desc" in shown and "<caption" in shown
        assert "style=" not in shown.partition('<div id="content-main">')[2]


def test_the_funnel_tells_each_stage_and_what_became_of_the_others(staff):
    some_figures()
    rows = table(staff, "applications")
    assert [row[:2] for row in rows[1:]] == [
        ["Started", "14"],
        ["Identified", "13"],
        ["Eligible", "11"],
        ["Consented", "9"],
        ["Confirmed", "8"],
        ["Refused", "3"],
        ["Withdrawn or run out of time", "1"],
        ["Still under way", "2"],
    ]
    assert "Confirmed: 8 (57.1 %)" in page(staff)


def test_filters_narrow_page_and_file_alike(staff):
    some_figures()
    assert table(staff, "applications", agency="ea-1")[1][1] == "4"
    assert table(staff, "applications-by-program", channel="EA")[1][:2] == ["p-2", "4"]
    assert "Started: 4 (100.0 %)" in page(staff, agency="ea-1")
    day = str(today())
    assert "No application began in this period" in page(staff, since=day, until=day)


def test_refusals_are_told_by_code_and_apart_from_those_at_the_door(staff):
    some_figures()
    assert table(staff, "refusals")[1:] == [
        ["NOT_ELIGIBLE", "application", "3", "60.0"],
        ["PROGRAM_NOT_AVAILABLE", "before it was opened", "2", "40.0"],
    ]


def test_living_enrolments_and_capacity_carry_what_came_before_the_period(staff):
    some_figures()
    day = str(today())
    assert table(staff, "enrolments", "figures-enrollments", since=day, until=day)[1] == [day, "0", "1", "7"]
    assert table(staff, "capacity", "figures-enrollments", since=day, until=day)[1] == [day, "35"]


def test_times_utilities_and_lists_are_told_in_words(staff):
    some_figures()
    times = page(staff, "figures-times")
    assert "15 s" in times and "20 s" in times and "0.55 s" in times
    assert table(staff, "utilities", "figures-utilities")[1][2:7] == ["100", "0", "3", "3.0", "2"]
    assert "ENROLLMENT 1: 65,536 / 131,072 (50.0 %)" in page(staff, "figures-lists")


def test_a_period_that_makes_no_sense_is_said_at_its_field_and_the_usual_is_shown(staff):
    some_figures()
    shown = page(staff, since="2026-05-02", until="2026-05-01")
    assert "The last day lies before the first." in shown and "There is a problem" in shown
    assert "Enter a valid date." in page(staff, since="yesterday")
    address = reverse("admin:figures-table", kwargs={"page": "figures", "table": "applications"})
    assert staff.get(address, {"since": "yesterday"}).status_code == 404
    assert staff.get(address.replace("applications", "salaries")).status_code == 404


def test_old_figures_say_so(staff):
    some_figures()
    FigureCursor.objects.update(read_at=clock.now() - timedelta(hours=1))
    assert "These figures are old" in page(staff)


def test_a_chart_leaves_a_gap_where_nothing_is_known_and_ends_on_round_numbers():
    drawn = charts.lines("t", "d", ["a", "b", "c", "d"], [("x", [10.0, 20.0, None, 87.0])])
    assert drawn is not None and len(drawn.lines[0].paths) == 1 and len(drawn.lines[0].dots) == 1
    assert [each.text for each in drawn.up] == ["0", "25", "50", "75", "100"]
    assert charts.lines("t", "d", ["a"], [("x", [None])]) is None and charts.bars("t", "d", [("x", 0)]) is None


def test_a_list_that_is_hardly_used_has_a_short_bar_and_counted_things_no_halves():
    drawn = charts.bars("How full", "", [("a", 0.25), ("b", 0.0)], whole=1.0)
    assert drawn is not None and [each.width for each in drawn.bars] == [charts.WIDTH / 4, 0]
    counted = charts.lines("Living", "", [str(day) for day in range(13)], [("n", [0] * 12 + [1])])
    assert counted is not None and [each.text for each in counted.up] == ["0", "1"]
    assert [each.text for each in counted.across] == ["0", "2", "4", "6", "8", "10", "12"]
