"""The bits of a status list and their wire form. Pure.

Entry 0 is the left-most bit of byte 0. `encodedList` is `u` (multibase: base64url without padding) followed by the
GZIP of the bits. Source: W3C Bitstring Status List v1.0 (15 May 2025), 3.2 and 3.3; spec credentials.md 3.
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterable

MINIMUM_BITS = 131_072
MAXIMUM_BYTES = 1024 * 1024
"""The largest list we unpack, 8,388,608 entries: a few kilobytes of zeros must not become gigabytes of memory."""

_LEVEL = 6  # level 9 costs ten times the time on half-full lists and saves nothing


class BadList(ValueError):
    """An encoded list that cannot be read: not multibase, not gzip, cut short, too small or too large."""


class TooShort(BadList):
    """A list of fewer entries than the specification asks for (STATUS_LIST_LENGTH_ERROR)."""


def pack_bits(indexes: Iterable[int], size: int) -> bytes:
    """Return `size` bits with those of `indexes` set, entry 0 in the left-most bit of byte 0.

    `size` is a positive multiple of 8 and each index is in range(size); ValueError otherwise.
    """
    if size <= 0 or size % 8:
        raise ValueError("a list has a positive multiple of 8 entries")
    bits = bytearray(size >> 3)
    for index in indexes:
        if not 0 <= index < size:
            raise ValueError(f"{index} is not in range({size})")
        bits[index >> 3] |= 0x80 >> (index & 7)
    return bytes(bits)


def bit_at(bits: bytes, index: int) -> bool:
    """Return the bit of entry `index`; IndexError outside the list."""
    if not 0 <= index < len(bits) * 8:
        raise IndexError(f"the list has {len(bits) * 8} entries, {index} is none of them")
    return bool(bits[index >> 3] & (0x80 >> (index & 7)))


def compress(bits: bytes) -> bytes:
    """Return the GZIP of the bits, the same for the same bits (no time in its header)."""
    return gzip.compress(bits, compresslevel=_LEVEL, mtime=0)


def encode_compressed(compressed: bytes) -> str:
    """Return the `encodedList` of bits that are already gzipped."""
    return "u" + base64.urlsafe_b64encode(compressed).rstrip(b"=").decode("ascii")


def encode_list(bits: bytes) -> str:
    """Return the `encodedList` of the bits."""
    return encode_compressed(compress(bits))


def decode_list(encoded: str, *, minimum_bits: int = MINIMUM_BITS, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """Return the bits of an `encodedList`; BadList for anything else, within bounded memory and time.

    Never unpacks more than `maximum_bytes`; refuses a list of fewer than `minimum_bits` entries, as the
    specification asks (STATUS_LIST_LENGTH_ERROR).
    """
    if not encoded.startswith("u"):
        raise BadList("encodedList is not base64url multibase")
    bits = _gunzip(_from_base64url(encoded[1:]), maximum_bytes)
    if len(bits) * 8 < minimum_bits:
        raise TooShort(f"a list of {len(bits) * 8} entries is shorter than {minimum_bits}")
    return bits


def _from_base64url(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        if b"=" in raw or b"+" in raw or b"/" in raw:
            raise BadList("encodedList is not unpadded base64url")
        return base64.b64decode(raw.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(raw) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BadList("encodedList is not unpadded base64url") from error


def _gunzip(packed: bytes, maximum_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        bits = inflater.decompress(packed, maximum_bytes + 1)
    except zlib.error as error:
        raise BadList("encodedList is not gzip") from error
    if len(bits) > maximum_bytes:
        raise BadList(f"the list unpacks to more than {maximum_bytes} bytes")
    if not inflater.eof or inflater.unused_data:
        raise BadList("the gzip data is cut short or followed by something else")
    return bits
