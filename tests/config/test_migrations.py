"""The migrations say what the models say; that they run from empty, every database test shows."""

import pytest
from django.core.management import call_command
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader


@pytest.mark.django_db
def test_no_model_has_a_change_without_its_migration():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.fixture(scope="module")
def loader():
    """Every migration on disk, none in place of others."""
    return MigrationLoader(None, replace_migrations=False)


@pytest.fixture(scope="module")
def squashed(loader):
    return {key: each.replaces for key, each in loader.disk_migrations.items() if each.replaces}


def test_a_squashed_migration_stands_for_all_of_its_room_up_to_its_last(loader, squashed):
    for (room, name), replaced in squashed.items():
        plain = sorted(key for key in loader.disk_migrations if key[0] == room and key not in squashed)
        assert replaced == plain[: len(replaced)]
        assert name == f"0001_squashed_{replaced[-1][1]}"


def test_squashed_migrations_say_what_those_say_that_they_replace(loader, squashed):
    before = loader.project_state([replaced[-1] for replaced in squashed.values()])
    now = loader.project_state(list(squashed))
    assert len(now.models) > 90
    assert MigrationAutodetector(before, now).changes(loader.graph) == {}
