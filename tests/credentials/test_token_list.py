"""The IETF Token Status List: its published examples, and ours."""

from __future__ import annotations

import base64
import time
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from credentials import bitstring, token_list
from credentials.bitstring import BadList

SIZE = 131_072
INDEXES = st.sets(st.integers(0, SIZE - 1), max_size=100)

# draft-ietf-oauth-status-list, "Status List in JSON Format" and the appendix "Size Comparison"/"Test vectors for Status
# List encoding": github.com/oauth-wg/draft-ietf-oauth-status-list, examples/status_list_encoding*_json.md at commits
# 37bda86 and b101e6c (line breaks of the examples left out).
ONE_BIT = ("eNrbuRgAAhcBXQ", [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1])
TWO_BITS = ("eNo76fITAAPfAgc", [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3])
MILLION = 2**20
LONG_ONE_BIT = (
    "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelA"
    "AAAAAAAAAAKjDMAQAAAACAZC8L2AEb"
)
LONG_TWO_BITS = (
    "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAA"
    "AAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw"
)
PLACES = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)
TWO_BIT_VALUES = (1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3)


def pack(invalid: Iterable[int], suspended: Iterable[int], size: int) -> bytes:
    return token_list.pack(bitstring.pack_bits(invalid, size), bitstring.pack_bits(suspended, size))


def statuses(lst: str, bits: int) -> list[int]:
    packed = token_list.decode(lst, bits)
    return [token_list.status_at(packed, index, bits) for index in range(len(packed) * 8 // bits)]


@pytest.mark.parametrize(("lst", "expected", "bits"), [(*ONE_BIT, 1), (*TWO_BITS, 2)], ids=["1 bit", "2 bits"])
def test_the_short_published_examples_are_read(lst: str, expected: list[int], bits: int) -> None:
    assert statuses(lst, bits) == expected


@pytest.mark.parametrize(
    ("lst", "bits", "values"),
    [(LONG_ONE_BIT, 1, [1] * len(PLACES)), (LONG_TWO_BITS, 2, TWO_BIT_VALUES)],
    ids=["1 bit", "2 bits"],
)
def test_the_long_published_examples_are_read(lst: str, bits: int, values: list[int]) -> None:
    found = statuses(lst, bits)
    assert len(found) == MILLION
    assert {index: value for index, value in enumerate(found) if value} == dict(zip(PLACES, values, strict=True))


def test_what_we_pack_is_bit_for_bit_the_published_example() -> None:
    """The example's statuses 3 (a status of the application) are not ours to give: those places are compared as 2."""
    published = token_list.decode(LONG_TWO_BITS, 2)
    of = dict(zip(PLACES, TWO_BIT_VALUES, strict=True))
    packed = pack([each for each in PLACES if of[each] == 1], [each for each in PLACES if of[each] > 1], MILLION)
    expected = bytearray(published)
    for index in (place for place in PLACES if of[place] == 3):
        expected[index >> 2] &= ~(1 << ((index & 3) << 1))
    assert packed == bytes(expected)
    # The short one as well: 0xC9 0x44 0xF9 with its 3s as 2s.
    short = pack([0, 5, 7, 8], [1, 3, 9, 10, 11], 16)
    assert short == bytes([0xC9 & ~0x40, 0x44, 0xF9 & ~0x50, 0])


@examples(max_examples=25, deadline=None)
@given(INDEXES, INDEXES)
def test_what_is_packed_is_read_again(invalid: set[int], suspended: set[int]) -> None:
    lst = token_list.encode_compressed(token_list.compress(pack(invalid, suspended, SIZE)))
    found = token_list.decode(lst, 2)
    assert len(found) == SIZE // 4
    told = {index: value for index in range(SIZE) if (value := token_list.status_at(found, index))}
    assert told == dict.fromkeys(suspended, token_list.SUSPENDED) | dict.fromkeys(invalid, token_list.INVALID)


@given(st.integers(1, 200).map(lambda byte: byte * 8), st.data())
def test_a_list_of_any_size_is_the_list_made_entry_by_entry(size: int, data: st.DataObject) -> None:
    invalid = data.draw(st.sets(st.integers(0, size - 1)))
    suspended = data.draw(st.sets(st.integers(0, size - 1)))
    expected = bytearray(size // 4)
    for index in range(size):
        status = 1 if index in invalid else 2 if index in suspended else 0
        expected[index // 4] += status * 4 ** (index % 4)
    assert pack(invalid, suspended, size) == bytes(expected)


def test_the_same_statuses_are_always_written_the_same() -> None:
    assert token_list.compress(pack([1, 2], [3], SIZE)) == token_list.compress(pack([2, 1], [3], SIZE))


@pytest.mark.parametrize("index", [-1, SIZE, 10**30])
def test_there_is_no_status_outside_the_list(index: int) -> None:
    with pytest.raises(IndexError):
        token_list.status_at(bytes(SIZE // 4), index)


def test_both_lists_have_the_same_number_of_entries() -> None:
    with pytest.raises(ValueError, match="same number"):
        token_list.pack(bytes(2), bytes(3))


GOOD = zlib.compress(bytes(SIZE // 4))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("lst", "bits"),
    [
        (ONE_BIT[0], 3),
        (ONE_BIT[0], 0),
        (ONE_BIT[0], True),
        (ONE_BIT[0], "1"),
        (ONE_BIT[0], None),
        ("", 1),
        (None, 1),
        (7, 1),
        ("ÿÿ", 1),
        ("!!!!", 1),
        (ONE_BIT[0] + "==", 1),
        (_encoded(b"not zlib"), 1),
        (_encoded(GOOD[:-3]), 1),
        (_encoded(GOOD + b"more"), 1),
    ],
    ids=range(14),
)
def test_what_is_no_list_is_refused(lst: object, bits: object) -> None:
    with pytest.raises(BadList):
        token_list.decode(lst, bits)


def test_a_zlib_bomb_is_refused_in_little_time_and_memory() -> None:
    bomb = _encoded(zlib.compress(bytes(250_000_000), 9))
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(BadList, match="unpacks to more"):
        token_list.decode(bomb, 2)
    took, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 0.5
    assert peak < 12 * 1024 * 1024
