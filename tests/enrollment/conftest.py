"""A utility that runs for the whole session and a world that begins anew with each test."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from enrollment import catalog
from enrollment.signals import enrollment_changed
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World
from tests.factories import a_program


@pytest.fixture(scope="session")
def running_utility() -> Iterator[Utility]:
    made = Utility()
    yield made
    made.server.shutdown()


@pytest.fixture
def utility(running_utility: Utility, settings: Any) -> Utility:
    running_utility.forget()
    settings.UTILITIES = as_configured(running_utility, uuid4().hex)
    return running_utility


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process keeps of rows that never change is wrong once a test's rows are taken back."""
    catalog.forget()


@pytest.fixture
def bare_world(bootstrapped_long_ago: None, utility: Utility) -> World:
    """No program yet."""
    return World(utility)


@pytest.fixture
def world(bare_world: World) -> World:
    bare_world.version = a_program()
    return bare_world


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any, Any]]]:
    """What nobody asked for and is told all the same: (action, result, case), as it happens."""
    heard: list[tuple[str, Any, Any]] = []

    def listen(sender: object, *, action: str, result: Any, case: Any, **_: Any) -> None:
        heard.append((action, result, case))

    receiver: Callable[..., None] = listen
    enrollment_changed.connect(receiver)
    yield heard
    enrollment_changed.disconnect(receiver)
