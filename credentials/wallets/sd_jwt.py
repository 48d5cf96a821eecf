"""SD-JWT: claims that the holder may keep back. Pure.

What is hidden stands in the signed payload as a salted digest; the disclosures travel beside it, and the holder leaves
out those that a verifier need not see. Source: RFC 9901, 4 (encoding) and 7.1 (reading).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from credentials.multikey import b64url, from_b64url

ALGORITHM = "sha-256"
SALT_BYTES = 16
ROUND_UP_TO = 4
"""Hidden arrays are filled up to a multiple of this with decoys: how many meters somebody has is their business."""

_ELEMENT = "..."
_DEEPEST = 32
_MOST = 2000  # disclosures of one credential: an order has at most 500 meters


def encode(
    claims: Mapping[str, Any], *, hide: Iterable[str] = (), hide_elements: Iterable[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Return the payload to be signed, and its disclosures.

    `hide` names top-level claims that become digests in `_sd`, `hide_elements` top-level arrays whose elements become
    digests in place. Names that are not there are passed over.
    """
    payload, disclosures, digests = dict(claims), list[str](), list[str]()
    for name in hide_elements:
        if name in payload:
            payload[name] = _hidden_elements(payload[name], disclosures)
    for name in hide:
        if name in payload:
            disclosures.append(_disclosure(name, payload.pop(name)))
            digests.append(digest(disclosures[-1]))
    if digests:
        payload["_sd"] = sorted(digests)  # sorted: their order says nothing of the claims' own
    return {**payload, "_sd_alg": ALGORITHM}, disclosures


def join(token: str, disclosures: Sequence[str]) -> str:
    """Return the SD-JWT as an issuer hands it over: the signed token, each disclosure, a tilde after each."""
    return "~".join([token, *disclosures, ""])


def disclosed(payload: Mapping[str, Any], disclosures: Sequence[str]) -> dict[str, Any]:
    """Return the claims of a payload with what the disclosures say in its place; what was kept back is not there.

    ValueError where a disclosure is malformed, stands twice, or belongs to nothing in the payload.
    """
    if payload.get("_sd_alg", ALGORITHM) != ALGORITHM:
        raise ValueError("digests of another kind")
    if len(disclosures) > _MOST or len(set(disclosures)) != len(disclosures):
        raise ValueError("too many disclosures, or one of them twice")
    reading = _Reading({digest(each): _read(each) for each in disclosures})
    found = reading.of(payload, 0)
    if set(reading.known) - reading.seen:
        raise ValueError("a disclosure belongs to nothing")
    assert isinstance(found, dict)
    found.pop("_sd_alg", None)
    return found


def digest(disclosure: str) -> str:
    """Return what stands in the payload for a disclosure: base64url of SHA-256 over its text."""
    return b64url(hashlib.sha256(disclosure.encode("ascii")).digest())


def _hidden_elements(elements: Sequence[Any], disclosures: list[str]) -> list[dict[str, str]]:
    made = [_disclosure(each) for each in elements]
    disclosures += made
    wanted = max(1, -(-len(made) // ROUND_UP_TO)) * ROUND_UP_TO
    decoys = [b64url(secrets.token_bytes(32)) for _ in range(wanted - len(made))]
    return [{_ELEMENT: each} for each in [*map(digest, made), *decoys]]


def _disclosure(*parts: Any) -> str:
    salted = [b64url(secrets.token_bytes(SALT_BYTES)), *parts]
    return b64url(json.dumps(salted, ensure_ascii=False).encode())


def _read(disclosure: str) -> list[Any]:
    try:
        parts = json.loads(from_b64url(disclosure))
    except RecursionError:
        raise ValueError("a disclosure that is nested too deeply") from None
    if not isinstance(parts, list) or len(parts) not in (2, 3) or not isinstance(parts[0], str):
        raise ValueError("a disclosure is a salt, a name where it is a member's, and a value")
    if len(parts) == 3 and (not isinstance(parts[1], str) or parts[1] in ("_sd", _ELEMENT)):
        raise ValueError("a disclosure's name is no claim")
    return parts


class _Reading:
    """One walk through a payload: which digests were met, and what is known behind them."""

    def __init__(self, known: Mapping[str, list[Any]]) -> None:
        self.known, self.seen = known, set[str]()

    def of(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(value, list):
            return [item for each in value for item in self._element(each, depth + 1)]
        return self._members(value, depth + 1) if isinstance(value, dict) else value

    def _members(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        digests = value.get("_sd", [])
        if _ELEMENT in value or not isinstance(digests, list):
            raise ValueError("digests in the wrong place")
        found = {name: self.of(item, depth) for name, item in value.items() if name != "_sd"}
        for each in digests:
            parts = self._behind(each, 3)
            if parts is None:
                continue
            if parts[1] in found:
                raise ValueError("a claim stands twice")
            found[parts[1]] = self.of(parts[2], depth)
        return found

    def _element(self, value: Any, depth: int) -> list[Any]:
        if not isinstance(value, dict) or set(value) != {_ELEMENT}:
            return [self.of(value, depth)]
        parts = self._behind(value[_ELEMENT], 2)
        return [] if parts is None else [self.of(parts[1], depth)]

    def _behind(self, each: object, length: int) -> list[Any] | None:
        if not isinstance(each, str) or each in self.seen:
            raise ValueError("a digest is no text, or stands twice")
        self.seen.add(each)
        parts = self.known.get(each)
        if parts is not None and len(parts) != length:
            raise ValueError("a disclosure in the wrong place")
        return parts
