"""What every test may ask for. Real PostgreSQL; a test that commits starts from the template database."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test import TransactionTestCase

TEMPLATE_SUFFIX = "_template"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """After migrating once, keep an untouched copy that other databases are cloned from in a few milliseconds."""
    with django_db_blocker.unblock():
        copy_database(name(), name() + TEMPLATE_SUFFIX)
    yield
    with django_db_blocker.unblock():
        drop_database(name() + TEMPLATE_SUFFIX)


def reset(case: TransactionTestCase) -> None:
    """Put the test database back by cloning the template.

    Django would TRUNCATE, which the journal refuses by design (decision 32).
    """
    copy_database(name() + TEMPLATE_SUFFIX, name())


TransactionTestCase._fixture_teardown = reset  # type: ignore[method-assign]


@pytest.fixture
def fresh_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The name of a new migrated database for other processes; dropped afterwards."""
    clone = f"fresh_{uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        copy_database(name() + TEMPLATE_SUFFIX, clone)
        yield clone
        drop_database(clone)


def name() -> str:
    """The database of this test session (xdist gives each worker its own)."""
    return str(connection.settings_dict["NAME"]).removesuffix(TEMPLATE_SUFFIX)


def copy_database(source: str, target: str) -> None:
    """Make `target` a copy of `source`, cutting off whoever is connected to either."""
    connections.close_all()
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [source],
        )
        cursor.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def drop_database(target: str) -> None:
    connections.close_all()
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
