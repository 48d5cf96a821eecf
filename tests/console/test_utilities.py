"""The console's page of the utilities' systems, and what the first page says of silent ones."""

import pytest
from django.urls import reverse

from identity.staff import Role
from tests.factories import NOON
from tests.staff import desk
from utility_systems import health, registry
from utility_systems.models import SystemHealth

pytestmark = pytest.mark.django_db
PAGE = "admin:utility_systems_systemhealth_changelist"


@pytest.fixture
def staff():
    return desk(Role.VIEWER)


def test_every_system_of_every_utility_has_its_line_silent_or_not(staff, settings):
    SystemHealth.objects.create(utility_id=settings.UTILITIES[0].id, system="cis", is_open=True, since=NOON)
    page = staff.get(reverse(PAGE)).content.decode()
    assert page.count("<td>Meters (mdm)</td>") == len(settings.UTILITIES)
    assert "silent" in page and "answers" in page


def test_a_silent_system_is_news_of_the_day_and_a_figure(staff, settings):
    health.watcher("utility-example-001", "der")(True)
    assert "the system der does not answer since" in staff.get(reverse("admin:index")).content.decode()
    settings.OPERATIONS_TOKEN = ""
    figure = 'utility_system_circuit_open{system="der",utility="utility-example-001"}'
    assert f"{figure} 1.0" in staff.get("/metrics").content.decode()
    health.watcher("utility-example-001", "der")(False)
    assert "does not answer" not in staff.get(reverse("admin:index")).content.decode()
    assert f"{figure} 0.0" in staff.get("/metrics").content.decode()


def test_systems_behind_one_address_are_watched_together(settings):
    first = settings.UTILITIES[0].id
    assert {registry.watched_as(first, name) for name in ("cis", "mdm", "der")} == {"cis"}


def test_who_is_no_staff_sees_none_of_it(client):
    assert client.get(reverse(PAGE)).status_code == 302
