"""The packed statuses of an IETF Token Status List and their wire form. Pure.

Entry 0 takes the least significant bits of byte 0; `lst` is base64url without padding of the ZLIB of the bytes.
Source: draft-ietf-oauth-status-list, "Status List" and "Status List in JSON Format"; spec credentials.md 3.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable

from credentials.bitstring import MAXIMUM_BYTES, BadList

BITS = 2
"""Of our own lists: two bits a credential tell valid, invalid and suspended (decision 33)."""

VALID, INVALID, SUSPENDED = 0, 1, 2
"""Status types of the draft's registry. What is revoked and suspended is invalid: that is for good."""

_WIDTHS = (1, 2, 4, 8)
_LEVEL = 6  # the draft recommends the highest: on half-full lists that costs ten times the time and saves nothing


def pack(invalid: Iterable[int], suspended: Iterable[int], size: int) -> bytes:
    """Return `size` entries of two bits; an index in both is invalid.

    `size` is a positive multiple of 4 and each index in range(size); ValueError otherwise.
    """
    if size <= 0 or size % 4:
        raise ValueError("a list has a positive multiple of 4 entries")
    packed = bytearray(size >> 2)
    for index in suspended:
        packed[_place(index, size)] |= SUSPENDED << ((index & 3) << 1)
    for index in invalid:
        place, shift = _place(index, size), (index & 3) << 1
        packed[place] = packed[place] & ~(3 << shift) | INVALID << shift
    return bytes(packed)


def _place(index: int, size: int) -> int:
    if not 0 <= index < size:
        raise ValueError(f"{index} is not in range({size})")
    return index >> 2


def status_at(packed: bytes, index: int, bits: int = BITS) -> int:
    """Return the status of entry `index`; IndexError outside the list."""
    if not 0 <= index < len(packed) * 8 // bits:
        raise IndexError(f"the list has {len(packed) * 8 // bits} entries, {index} is none of them")
    first = index * bits
    return packed[first >> 3] >> (first & 7) & ((1 << bits) - 1)


def compress(packed: bytes) -> bytes:
    """Return the ZLIB of the bytes, the same for the same bytes."""
    return zlib.compress(packed, _LEVEL)


def encode_compressed(compressed: bytes) -> str:
    """Return the `lst` of what is already compressed."""
    return base64.urlsafe_b64encode(compressed).rstrip(b"=").decode("ascii")


def decode(lst: object, bits: object, *, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """Return the bytes of a foreign `lst` for `status_at`; BadList for anything else, within bounded memory and time.

    The draft sets no minimum of entries. Never unpacks more than `maximum_bytes`.
    """
    if isinstance(bits, bool) or bits not in _WIDTHS:
        raise BadList("bits is none of 1, 2, 4 and 8")
    if not isinstance(lst, str) or not lst:
        raise BadList("lst is no text")
    return _inflate(_from_base64url(lst), maximum_bytes)


def _from_base64url(text: str) -> bytes:
    if any(mark in text for mark in "=+/"):
        raise BadList("lst is not unpadded base64url")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadList("lst is not unpadded base64url") from error


def _inflate(packed: bytes, maximum_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        unpacked = inflater.decompress(packed, maximum_bytes + 1)
    except zlib.error as error:
        raise BadList("lst is not zlib") from error
    if len(unpacked) > maximum_bytes:
        raise BadList(f"the list unpacks to more than {maximum_bytes} bytes")
    if not inflater.eof or inflater.unused_data:
        raise BadList("the zlib data is cut short or followed by something else")
    return unpacked
