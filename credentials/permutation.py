"""A keyed permutation of the places in a status list: a counter goes in, a place that tells nothing comes out.

A balanced Feistel network over the next even number of bits, walked until the value falls inside the list ("cycle
walking"): no collisions, no retries, no table of free places. Source: spec credentials.md 3, decision 33.
"""

from hashlib import blake2b

ROUNDS = 8  # four suffice for indistinguishability in theory; a small domain wants more, and eight cost 8 µs


def permute(value: int, *, key: bytes, size: int) -> int:
    """Return the place of `value`, both in range(size); a bijection for each key and size.

    `key` is 16 to 64 bytes, `size` at least 2. Raises ValueError when the value is outside the list.
    """
    if size < 2 or not 0 <= value < size:
        raise ValueError(f"{value} is not in range({size})")
    half_bits = ((size - 1).bit_length() + 1) // 2
    place = _feistel(value, key, half_bits)
    # The walk ends: it follows a cycle of the larger domain that contains `value` itself. Domain < 4 × size.
    while place >= size:
        place = _feistel(place, key, half_bits)
    return place


def _feistel(value: int, key: bytes, half_bits: int) -> int:
    mask = (1 << half_bits) - 1
    left, right = value >> half_bits, value & mask
    for number in range(ROUNDS):
        left, right = right, left ^ (_round(number, right, key) & mask)
    return (left << half_bits) | right


def _round(number: int, half: int, key: bytes) -> int:
    # 64 bits of the keyed hash: one half has at most 32, so every bit of the mask is covered.
    message = bytes([number]) + half.to_bytes(8, "big")
    return int.from_bytes(blake2b(message, key=key, digest_size=8).digest(), "big")
