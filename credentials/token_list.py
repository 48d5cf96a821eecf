"""The packed statuses of an IETF Token Status List and their wire form. Pure.

Entry 0 takes the least significant bits of byte 0; `lst` is base64url without padding of the ZLIB of the bytes.
Source: draft-ietf-oauth-status-list, "Status List" and "Status List in JSON Format"; spec credentials.md 3.
"""

import base64
import binascii
import zlib

from credentials.bitstring import MAXIMUM_BYTES, BadList

BITS = 2
"""Of our own lists: two bits a credential tell valid, invalid and suspended (decision 33)."""

VALID, INVALID, SUSPENDED = 0, 1, 2
"""Status types of the draft's registry. What is revoked and suspended is invalid: that is for good."""

_WIDTHS = (1, 2, 4, 8)
_LEVEL = 4  # the draft recommends the highest: it saves a tenth of the bytes and costs three to ten times the time


def pack(invalid: bytes, suspended: bytes) -> bytes:
    """Return a list of two bits an entry, of the bits of a revocation and of a suspension list (`bitstring.pack_bits`).

    Both are of one length; an entry that is set in both is invalid. Source: decision 33.
    """
    if len(invalid) != len(suspended):
        raise ValueError("both lists have the same number of entries")
    # Whole lists at a time, in C: entry by entry a half-full list would take twenty times as long.
    only_suspended = (int.from_bytes(suspended) & ~int.from_bytes(invalid)).to_bytes(len(suspended))
    return (_spread(invalid, INVALID) | _spread(only_suspended, SUSPENDED)).to_bytes(2 * len(invalid))


def _table(first: int, status: int) -> bytes:
    """For each byte of eight entries, left-most first: the byte that four of them are, least significant first."""
    return bytes(
        sum(status << 2 * place for place in range(4) if byte & (0x80 >> (first + place))) for byte in range(256)
    )


_TABLES = {status: (_table(0, status), _table(4, status)) for status in (INVALID, SUSPENDED)}


def _spread(bits: bytes, status: int) -> int:
    spread = bytearray(2 * len(bits))
    spread[0::2], spread[1::2] = (bits.translate(table) for table in _TABLES[status])
    return int.from_bytes(spread)


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
