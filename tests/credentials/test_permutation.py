"""The permutation gives every place once, and nothing away."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.models import LIST_SIZE
from credentials.permutation import permute

KEYS = st.binary(min_size=16, max_size=64)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 3000), key=KEYS)
def test_it_is_a_bijection_for_every_size(size: int, key: bytes) -> None:
    assert sorted(permute(value, key=key, size=size) for value in range(size)) == list(range(size))


def test_it_is_a_bijection_over_a_whole_status_list() -> None:
    places = {permute(value, key=b"k" * 32, size=LIST_SIZE) for value in range(LIST_SIZE)}
    assert places == set(range(LIST_SIZE))


@given(st.integers(0, LIST_SIZE - 1), KEYS)
def test_it_is_the_same_every_time(value: int, key: bytes) -> None:
    assert permute(value, key=key, size=LIST_SIZE) == permute(value, key=key, size=LIST_SIZE)


def test_neighbours_are_not_neighbours_and_another_key_gives_another_order() -> None:
    one = [permute(value, key=b"a" * 32, size=LIST_SIZE) for value in range(1000)]
    other = [permute(value, key=b"b" * 32, size=LIST_SIZE) for value in range(1000)]
    steps = {second - first for first, second in pairwise(one)}
    assert len(steps) > 950
    assert sum(a == b for a, b in zip(one, other, strict=True)) < 5
    # Spread over the whole list: about a quarter of the places in each quarter.
    assert all(
        200 < sum(quarter * 32768 <= place < (quarter + 1) * 32768 for place in one) < 300 for quarter in range(4)
    )


@pytest.mark.parametrize(("value", "size"), [(-1, 8), (8, 8), (0, 1), (0, 0)])
def test_a_value_outside_the_list_is_an_error(value: int, size: int) -> None:
    with pytest.raises(ValueError, match="range"):
        permute(value, key=b"k" * 32, size=size)
