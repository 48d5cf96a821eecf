"""Before its first piece of work a production process asks every room whether it may start."""

import pytest
from django.core import checks
from django.core.checks import Error, Tags, registry

from config.env import Misconfigured
from config.start import refuse_if_unsafe

pytestmark = pytest.mark.django_db


@pytest.fixture
def a_room_objects():
    """A database check that finds something, as a room with sandbox rows in it would."""

    def objects(app_configs, databases=None, **kwargs):
        return [Error("A sandbox row is in the database.", id="room.E001")] if databases else []

    checks.register(objects, Tags.database)
    yield
    registry.registry.registered_checks.discard(objects)


def test_production_stops_with_every_sentence_a_room_has(settings, a_room_objects):
    settings.SANDBOX = False
    with pytest.raises(Misconfigured, match=r"room\.E001: A sandbox row is in the database\."):
        refuse_if_unsafe()


def test_a_sandbox_starts_whatever_the_rooms_would_say_of_production(settings, a_room_objects):
    refuse_if_unsafe()
