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


def test_a_list_that_another_implementation_published_is_read() -> None:
    """@digitalbazaar/vc-bitstring-status-list, test/10-BitstringStatusList.spec.js: of 100,000 entries one is set."""
    published = "uH4sIAAAAAAAAA-3OMQ0AAAgDsElHOh72EJJWQRMAAAAAAIDWXAcAAAAAAIDHFvRitn7UMAAA"
    bits = bitstring.decode_list(published, minimum_bits=100_000)
    assert [index for index in range(len(bits) * 8) if bitstring.bit_at(bits, index)] == [50_000]
    with pytest.raises(BadList, match="shorter"):
        bitstring.decode_list(published)


@given(st.integers(1, 300).map(lambda byte: byte * 8), st.data())
def test_a_list_of_any_size_is_the_list_made_bit_by_bit(size: int, data: st.DataObject) -> None:
    indexes = data.draw(st.sets(st.integers(0, size - 1)))
    text = "".join("1" if index in indexes else "0" for index in range(size))
    assert bitstring.pack_bits(indexes, size) == int(text, 2).to_bytes(size // 8, "big")


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
