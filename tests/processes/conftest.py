"""Stacks and participants that several process tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bap import Bap
from tests.stack import Stack


@pytest.fixture(scope="session")
def second_bap(stack: Stack) -> Iterator[Bap]:
    """Another participant of the shared stack, with the same rights as the first."""
    bap = stack.new_bap("second.test.example")
    bap.start()
    stack.register(bap)
    yield bap
    bap.stop()
