"""The bits of a list and their wire form."""

import base64
import gzip
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials import bitstring
from credentials.bitstring import BadList

SIZE = 131_072


@given(st.sets(st.integers(0, SIZE - 1), max_size=200))
def test_what_is_encoded_is_decoded(indexes: set[int]) -> None:
    bits = bitstring.decode_list(bitstring.encode_list(bitstring.pack_bits(indexes, SIZE)))
    assert {index for index in range(SIZE) if bits[index >> 3] & (0x80 >> (index & 7))} == indexes


@given(st.integers(0, SIZE - 1))
def test_a_bit_is_where_it_was_set_and_nowhere_else(index: int) -> None:
    bits = bitstring.pack_bits([index], SIZE)
    assert bitstring.bit_at(bits, index)
    assert sum(byte.bit_count() for byte in bits) == 1


def test_entry_0_is_the_leftmost_bit_of_the_first_byte() -> None:
    bits = bitstring.pack_bits([0, 9], SIZE)
    assert bits[:2] == b"\x80\x40"


def test_an_empty_list_is_the_published_example_of_the_specification() -> None:
    """W3C Bitstring Status List v1.0, example 2: the bits of an empty list of 131,072 entries."""
    published = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    assert bitstring.decode_list(published) == bytes(SIZE // 8)


def test_the_same_bits_are_always_written_the_same() -> None:
    bits = bitstring.pack_bits([1, 2, 3], SIZE)
    first = bitstring.encode_list(bits)
    time.sleep(1.1)
    assert bitstring.encode_list(bits) == first


@pytest.mark.parametrize("index", [-1, SIZE, 10**30])
def test_an_entry_outside_the_list_is_an_error_on_both_sides(index: int) -> None:
    with pytest.raises(ValueError, match="range"):
        bitstring.pack_bits([index], SIZE)
    with pytest.raises(IndexError):
        bitstring.bit_at(bytes(SIZE // 8), index)


def _encoded(raw: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


GOOD = gzip.compress(bytes(SIZE // 8))


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "u",
        "z6Mk",
        _encoded(GOOD)[1:],
        "u" + base64.b64encode(GOOD).decode(),
        "uÿÿ",
        "u!!!!",
        _encoded(b"not gzip"),
        _encoded(GOOD[:-5]),
        _encoded(GOOD + b"more"),
        _encoded(GOOD + GOOD),
        _encoded(gzip.compress(bytes(SIZE // 8 - 1))),
    ],
    ids=range(12),
)
def test_what_is_no_list_is_refused(encoded: str) -> None:
    with pytest.raises(BadList):
        bitstring.decode_list(encoded)


def test_a_gzip_bomb_is_refused_in_little_time_and_memory() -> None:
    bomb = _encoded(gzip.compress(bytes(1_000_000_000 // 4), compresslevel=9))
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(BadList, match="unpacks to more"):
        bitstring.decode_list(bomb)
    took, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 0.5
    assert peak < 12 * 1024 * 1024
