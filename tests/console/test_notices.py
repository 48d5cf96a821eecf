"""The console's lists of what utilities are told and have told us; figures; `manage.py utility`."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit.log import SYSTEM
from enrollment import freezing, not_me_links, told
from enrollment.models import UtilityChange, UtilityFeed, UtilityNotice
from identity.staff import Role
from tests.enrollment.conftest import bare_world, running_utility, utility, world  # noqa: F401 - fixtures
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World, the_enrollment
from tests.factories import NOON, UTILITY_A
from tests.staff import desk

NOTICES = "admin:enrollment_utilitynotice_changelist"
CHANGES = "admin:enrollment_utilitychange_changelist"


@pytest.fixture
def staff(db: None) -> Client:
    return desk(Role.VIEWER)


@pytest.fixture
def enrolled(world: World, running_utility: Utility, settings: Any) -> World:  # noqa: F811
    """Rajesh is enrolled, and his utility's billing has to be told."""
    settings.UTILITIES = as_configured(running_utility, "with news", with_news=True)
    world.enrolled()
    return world


def said(*words: str) -> Any:
    out = StringIO()
    call_command("utility", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_an_enrolment_is_shown_as_not_yet_told_and_then_as_told(staff: Client, enrolled: World) -> None:
    page = staff.get(reverse(NOTICES)).content.decode()
    assert the_enrollment().order_number in page and "not yet" in page
    told.deliver(NOON)
    page = staff.get(reverse(NOTICES), {"q": the_enrollment().enrollment_id}).content.decode()
    assert "ack-1" in page and "not yet" not in page
    assert the_enrollment().order_number not in staff.get(reverse(NOTICES), {"q": "ENR-0000"}).content.decode()


def test_what_is_stuck_is_news_of_the_day_and_a_figure_until_somebody_tries_again(
    staff: Client, enrolled: World, settings: Any
) -> None:
    settings.OPERATIONS_TOKEN = ""
    UtilityNotice.objects.update(state="STUCK", last_problem="billing: status is 503")
    assert "1 notice to a utility is stuck" in staff.get(reverse("admin:index")).content.decode()
    figure = f'utility_notices{{state="stuck",utility="{UTILITY_A}"}} 1.0'
    assert figure in staff.get("/metrics").content.decode()
    (shown,) = said("notices")
    assert (shown["state"], shown["problem"]) == ("STUCK", "billing: status is 503")
    assert said("retry", "--utility", UTILITY_A) == {"tried": 1, "customers": 2}
    assert "stuck" not in staff.get(reverse("admin:index")).content.decode()


def test_an_order_that_its_customer_stopped_is_news_of_the_day_until_it_is_released(enrolled: World) -> None:
    staff = desk(Role.CASE_WORKER)
    case = the_enrollment().case
    link = not_me_links.make(case.notices.order_by("-pk")[0], NOON)
    freezing.stop(link.url.rpartition("/")[2], NOON)
    assert "1 order was stopped by its customer" in staff.get(reverse("admin:index")).content.decode()
    page = staff.get(reverse("admin:enrollment_customernotice_changelist"), {"q": case.order_id}).content.decode()
    assert (
        f">{case.enrollment.order_number}</a>" in page
        and "You are enrolled in …" in page
        and f"{NOON:%Y-%m-%d %H:%M}" in page
    )
    freezing.release(case, "CALLED_BACK", actor=SYSTEM, now=NOON)
    assert "stopped by" not in staff.get(reverse("admin:index")).content.decode()


def test_what_a_utility_has_told_is_listed_with_what_followed(staff: Client, enrolled: World) -> None:
    happened = {"changeId": "c-1", "kind": "DISCONNECTION", "umid": "umid-001", "at": NOON.isoformat()}
    enrolled.utility.changes.append(happened)
    told.deliver(NOON)
    assert said("poll") == {"new": 1, "handled": 1}
    assert UtilityChange.objects.get().outcome == "SUSPENDED"
    page = staff.get(reverse(CHANGES)).content.decode()
    assert "1 enrolment: suspended" in page and "Disconnected" in page
    (shown,) = said("changes", "--utility", UTILITY_A)
    assert (shown["kind"], shown["outcome"], shown["enrollments"]) == ("DISCONNECTION", "SUSPENDED", 1)
    (standing,) = said("list", "--utility", UTILITY_A)
    assert (standing["acknowledged"], standing["changes"], standing["openChanges"]) == (1, 1, 0)
    assert standing["readAt"] and not standing["problem"]


def test_a_line_that_cannot_be_read_stops_the_feed_and_is_seen(enrolled: World) -> None:
    enrolled.utility.changes.append({"kind": "MOVE_OUT", "umid": "umid-001", "at": NOON.isoformat()})
    assert said("poll")["new"] == 0
    (standing,) = said("list", "--utility", UTILITY_A)
    assert standing["readAt"] is None and "changeId" in standing["problem"]
    enrolled.utility.changes[0]["changeId"] = "c-1"
    assert said("poll")["new"] == 1
    (standing,) = said("list", "--utility", UTILITY_A)
    assert standing["readAt"] and not standing["problem"]


def test_a_feed_that_is_not_read_any_more_is_seen_in_the_figures(staff: Client, settings: Any) -> None:
    from audit import clock

    settings.OPERATIONS_TOKEN = ""
    UtilityFeed.objects.create(utility_id=UTILITY_A, polled_at=clock.now(), read_at=clock.now() - timedelta(hours=2))
    line = next(
        row
        for row in staff.get("/metrics").content.decode().splitlines()
        if row.startswith("utility_feed_age_seconds{")
    )
    assert 7200 <= float(line.rpartition(" ")[2]) < 7300


def test_a_row_has_no_page_of_its_own_and_strangers_see_nothing(staff: Client, enrolled: World, client: Client) -> None:
    for name in ("utilitynotice", "utilitychange", "customernotice"):
        assert Client().get(reverse(f"admin:enrollment_{name}_changelist")).status_code == 302
    row = UtilityNotice.objects.get()
    assert staff.get(reverse("admin:enrollment_utilitynotice_change", args=[row.pk]))["Location"] == reverse(NOTICES)


def test_a_utility_nobody_has_configured_is_said(enrolled: World) -> None:
    with pytest.raises(CommandError, match="no utility nowhere"):
        said("list", "--utility", "nowhere")
