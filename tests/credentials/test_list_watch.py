"""A list that grows old, or waits, is named while there is still time; a list that is over makes us not ready."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings

from audit import clock
from credentials import bootstrap, list_watch, lists, policy, publishing, services
from credentials.models import StatusList
from tests.credentials.conftest import NOON, PUBLISHED, enrollment

pytestmark = pytest.mark.empty_database

LIST = "/status/enrollment-list"


def after(**time: float) -> datetime:
    return NOON + timedelta(**time)


@pytest.mark.parametrize(
    ("age", "late", "over"),
    [
        ({"minutes": 1}, 0, 0),
        ({"hours": 3}, 0, 0),
        ({"hours": 3, "minutes": 31}, PUBLISHED, 0),
        ({"hours": 5, "minutes": 59}, PUBLISHED, 0),
        ({"hours": 6}, PUBLISHED, PUBLISHED),
    ],
    ids=str,
)
def test_a_list_is_late_when_it_should_have_been_renewed_and_over_when_verifiers_refuse_it(
    ready: None, age: dict[str, float], late: int, over: int
) -> None:
    assert (len(list_watch.late(after(**age))), len(list_watch.over(after(**age)))) == (late, over)


def test_a_change_that_nobody_publishes_is_named_after_a_minute(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    assert list_watch.late(after(seconds=59)) == []
    assert list_watch.late(after(seconds=61)) == [LIST, f"{LIST}.tsl"]
    publishing.publish_due(after(seconds=62))
    assert list_watch.late(after(seconds=63)) == []


def test_a_form_that_nobody_adds_is_named_after_a_minute(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    publishing._publish(issued.status_list_id, now=NOON)
    assert list_watch.late(after(seconds=59)) == []
    assert list_watch.late(after(seconds=61)) == [LIST]


def test_how_full_a_list_is_is_known_whatever_its_number(ready: None, django_assert_num_queries: Any) -> None:
    services.issue([enrollment() for _ in range(3)], now=NOON)
    with django_assert_num_queries(4):
        standing = {each.path: each for each in list_watch.standings()}
    assert (standing[LIST].taken, standing[LIST].free) == (3, 131_072 - 3)
    assert standing["/status/enrollment-suspension"].taken == standing[f"{LIST}.tsl"].taken == 3
    assert standing[f"{LIST}/2"].taken == 0
    assert {each.taken for each in standing.values()} == {0, 3}
    first = StatusList.objects.get(kind="ENROLLMENT", number=1)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval('{first.sequence}', {first.size + 5})")
    lists.close_full(now=NOON)
    (full,) = [each for each in list_watch.standings() if each.path == LIST]
    assert (full.taken, full.free, full.closed) == (full.size, 0, True)


def told(client: Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["checks"]


def test_readyz_names_a_list_that_grows_old_and_refuses_once_it_is_over(db: None, client: Client) -> None:
    bootstrap.ensure()
    assert told(client)[0] == 200
    with override_settings(CLOCK_OFFSET=3.6 * 3600):
        status, checks = told(client)
        assert status == 200 and checks["lists"] == "ok"
        assert "/status/consent-list" in checks["lists_renewed"] and "more" in checks["lists_renewed"]
    with override_settings(CLOCK_OFFSET=6.1 * 3600):
        status, checks = told(client)
        assert status == 503 and "/status/consent-list" in checks["lists"]
        publishing.publish_stale(clock.now())
        status, checks = told(client)
        assert (status, checks["lists"], checks["lists_renewed"]) == (200, "ok", "ok")


def test_figures_tell_age_and_places_of_each_list(db: None, client: Client) -> None:
    bootstrap.ensure()
    services.issue([enrollment(), enrollment()], now=clock.now())
    with override_settings(CLOCK_OFFSET=3600):
        text = client.get("/metrics").content.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("status_list_"))
    assert figures[f'status_list_taken_places{{list="{LIST}"}}'] == "2.0"
    assert figures[f'status_list_free_places{{list="{LIST}"}}'] == "131070.0"
    assert 3599 < float(figures[f'status_list_age_seconds{{list="{LIST}.tsl"}}']) < 3700
    assert float(figures[f'status_list_valid_until_seconds{{list="{LIST}"}}']) > clock.now().timestamp()
    assert figures[f'status_list_waiting_seconds{{list="{LIST}"}}'] == "0.0"


def test_the_longest_belief_that_is_documented_is_what_the_settings_make_it() -> None:
    told = (Path(__file__).parents[2] / "docs" / "integration.md").read_text()
    assert f"All at their\nworst together: {policy.longest_belief().total_seconds():.0f} seconds." in told
    # What the settings may at most be: spec credentials.md 3.
    with override_settings(STATUS_LIST_TTL_SECONDS=3600, STATUS_LIST_MAX_AGE_SECONDS=3600):
        assert policy.longest_belief() == timedelta(seconds=2 + 60 + 300)
