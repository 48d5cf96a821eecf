"""What every test may ask for. Real PostgreSQL; a test that commits starts from the template database."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from django.db import connection, connections
from django.test import TransactionTestCase
from django.test.utils import setup_databases, teardown_databases

from sandbox import generated
from tests.factories import LONG_AGO, NOON
from tests.stack import Stack

TEMPLATE_SUFFIX = "_template"
# How long an example takes says how busy the machine is; tests that mean a time measure it themselves.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Migrate once, and keep an untouched copy that other databases are cloned from in a few milliseconds.

    In place of pytest-django's own, which makes no database when only other processes use one. Of several processes
    one migrates; the others take a copy.
    """
    migrated = f"migrated_{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid4().hex)[:24]}"
    with django_db_blocker.unblock():
        with one_at_a_time():
            is_there = exists(migrated)
            if is_there:
                copy_database(migrated, connection.creation._get_test_db_name())
            made = setup_databases(verbosity=0, interactive=False, aliases={"default"}, keepdb=is_there)
            if not is_there:
                copy_database(name(), migrated)
        copy_database(name(), name() + TEMPLATE_SUFFIX)
    yield
    with django_db_blocker.unblock():
        for suffix in (TEMPLATE_SUFFIX, *_furnished.made):
            drop_database(name() + suffix)
        if not is_there:
            drop_database(migrated)
        teardown_databases(made, verbosity=0)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Until it ends, no other process of this server is in here."""
    with psycopg.connect(database_url("postgres"), autocommit=True) as line:
        line.execute("SELECT pg_advisory_lock(%s)", [0x7E57])
        yield


def exists(database: str) -> bool:
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        return cursor.fetchone() is not None


def reset(case: TransactionTestCase) -> None:
    """Put the test database back by cloning the template.

    Django would TRUNCATE, which the journal refuses by design (decision 32).
    """
    copy_database(name() + _furnished.suffix, name())


TransactionTestCase._fixture_teardown = reset  # type: ignore[method-assign]


@dataclass
class Furnished:
    """What the tests' database of this process begins each test with: nothing, or keys and lists of some instant."""

    suffix: str = TEMPLATE_SUFFIX
    made: list[str] = field(default_factory=list)

    def have(self, suffix: str, at: datetime | None) -> None:
        """Begin with the copy of that suffix from now on; the first time it is made, by what operators call."""
        if suffix == self.suffix:
            return
        if suffix in (TEMPLATE_SUFFIX, *self.made):
            copy_database(name() + suffix, name())
        else:
            from credentials import bootstrap

            copy_database(name() + TEMPLATE_SUFFIX, name())
            bootstrap.ensure(at)
            copy_database(name(), name() + suffix)
            self.made.append(suffix)
        self.suffix = suffix


_furnished = Furnished()
# Making keys and publishing lists is the most of what many tests would need: it is done once for each of these.
FURNISHED_AT = {"bootstrapped_long_ago": LONG_AGO, "bootstrapped_at_noon": NOON, "bootstrapped_today": None}


@pytest.fixture(scope="module", autouse=True)
def begin_with(request: pytest.FixtureRequest, django_db_blocker: Any) -> None:
    """A module whose tests need keys and lists has a database in which they are there already.

    One whose tests look at how they come to be is marked `empty_database`.
    """
    of_module = [item for item in request.session.items if item.path == request.path]
    names = {each for item in of_module for each in getattr(item, "fixturenames", ())}
    is_empty = any(item.get_closest_marker("empty_database") for item in of_module)
    wanted = [] if is_empty else sorted(names & set(FURNISHED_AT))
    assert len(wanted) < 2, f"{request.path} wants {wanted}: tests that begin otherwise belong into another module"
    if wanted or _furnished.suffix != TEMPLATE_SUFFIX:
        request.getfixturevalue("django_db_setup")
        with django_db_blocker.unblock():
            if wanted:
                _furnished.have(f"_{wanted[0]}", FURNISHED_AT[wanted[0]])
            else:
                _furnished.have(TEMPLATE_SUFFIX, None)


def begin_bootstrapped(at: datetime | None) -> None:
    """Have keys and published lists of that instant, no place given out: places do not go back with their rows."""
    from credentials import bootstrap
    from credentials.models import StatusList

    if _furnished.suffix == TEMPLATE_SUFFIX:
        bootstrap.ensure(at)
    with connection.cursor() as cursor:
        for each in StatusList.objects.all():
            cursor.execute("SELECT setval(%s::regclass, 0, false)", [each.sequence])


@pytest.fixture
def bootstrapped_long_ago(db: None) -> None:
    """Keys and published lists, made before anything that tests tell of."""
    begin_bootstrapped(LONG_AGO)


@pytest.fixture
def bootstrapped_at_noon(db: None) -> None:
    """Keys and lists, published at NOON."""
    begin_bootstrapped(NOON)


@pytest.fixture
def bootstrapped_today(db: None) -> None:
    """Keys and lists, published today."""
    begin_bootstrapped(None)


@pytest.fixture
def fresh_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The name of a new migrated database for other processes; dropped afterwards."""
    clone = f"fresh_{uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        copy_database(name() + TEMPLATE_SUFFIX, clone)
    yield clone
    with django_db_blocker.unblock():
        drop_database(clone)


@pytest.fixture
def make_stack(fresh_database: str, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """A function that starts a stack of real processes as the test wants it: `make_stack(workers=2, broker="redis")`.

    One per test; stopped afterwards, its logs shown by pytest's tmp_path.
    """
    stacks: list[Stack] = []

    def make(**wanted: Any) -> Stack:
        stack = Stack(database_url=database_url(fresh_database), folder=tmp_path / "stack", **wanted)
        stacks.append(stack)
        stack.start()
        return stack

    yield make
    for stack in stacks:
        stack.stop()


@pytest.fixture(scope="session")
def stack(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Stack]:
    """The stack that tests share which need nothing special of it: two workers, Redis where there is one.

    Each test brings its own subjects, orders and ids; nobody kills or moves anything here. While tests run that do
    without it, it sleeps.
    """
    clone = f"shared_{uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        copy_database(name() + TEMPLATE_SUFFIX, clone)
    wanted = Stack(
        database_url=database_url(clone),
        folder=tmp_path_factory.mktemp("stack"),
        workers=2,
        broker="auto",
        sweep_seconds=0.5,
        utilities=(generated.UTILITY_A, generated.UTILITY_B),
    )
    with wanted as running:
        _shared.append(running)
        yield running
        _shared.remove(running)
    with django_db_blocker.unblock():
        drop_database(clone)


_shared: list[Stack] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wake the shared stack for a test that uses it, and let it sleep for others."""
    for stack in _shared:
        if "stack" in getattr(item, "fixturenames", ()):
            stack.wake()
        else:
            stack.sleep()


def database_url(database: str) -> str:
    """The address of another database on the test server."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


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


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process keeps of rows is wrong once a test's rows are taken back."""
    from beckn import participants
    from credentials import served
    from enrollment import catalog

    served.forget()
    catalog.forget()
    participants.forget()
