"""Stacks and participants that several process tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.bap import Bap
from tests.conftest import TEMPLATE_SUFFIX, copy_database, database_url, drop_database, name
from tests.stack import Stack


@pytest.fixture(scope="session")
def second_bap(stack: Stack) -> Iterator[Bap]:
    """Another participant of the shared stack, with the same rights as the first."""
    bap = stack.new_bap("second.test.example")
    bap.start()
    stack.register(bap)
    yield bap
    bap.stop()


@pytest.fixture(scope="module")
def stack_of_this_module(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Stack]]:
    """Like `make_stack`, for a stack that a module's tests use one after the other."""

    @contextmanager
    def running(**wanted: Any) -> Iterator[Stack]:
        clone = f"module_{uuid4().hex[:12]}"
        with django_db_blocker.unblock():
            copy_database(name() + TEMPLATE_SUFFIX, clone)
        with Stack(database_url=database_url(clone), folder=tmp_path_factory.mktemp("stack"), **wanted) as stack:
            yield stack
        with django_db_blocker.unblock():
            drop_database(clone)

    started: list[Any] = []

    def make(**wanted: Any) -> Stack:
        started.append(running(**wanted))
        return started[-1].__enter__()

    yield make
    for each in started:
        each.__exit__(None, None, None)
