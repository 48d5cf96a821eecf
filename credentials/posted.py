"""Finding the credential in what was posted to `/verify`. Pure.

A bare JWT, `{"credentialData"}`, an EnvelopedVerifiableCredential (VCDM 2.0, 4.13), or a whole Beckn message whose
order carries a credential. Source: spec credentials.md 5.
"""

import json
from collections.abc import Iterator
from typing import Any

_ENVELOPES = ("data:application/vc+jwt,", "data:application/jwt,", "data:application/vc-ld+jwt,")
_INSIDE = ("credential", "verifiableCredential", "message", "order", "beckn:orderAttributes", "orderAttributes")
_DEEPEST = 6


class NothingToVerify(ValueError):
    """The body holds no credential of a form we check; the text says what to send instead."""


def read_posted(body: bytes) -> str:
    """Return the JWT in the body; NothingToVerify if there is none. The JWT itself is not looked at."""
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise NothingToVerify("The body is no text.") from error
    if not text:
        raise NothingToVerify("The body is empty: send a credential as JWT, or JSON that holds one.")
    if text[0] not in '{["':
        return text
    try:
        posted = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NothingToVerify("The body begins like JSON and is none.") from error
    found = next(_jwts(posted, 0), None)
    if found is None:
        if isinstance(posted, dict) and "proof" in posted:
            raise NothingToVerify("Credentials with an embedded proof are not checked here: send the JWT form.")
        raise NothingToVerify("No credential was found: send a JWT, {credentialData}, or an envelope.")
    return found


def _jwts(posted: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(posted, str):
        envelope = next((each for each in _ENVELOPES if posted.startswith(each)), "")
        yield posted.removeprefix(envelope)
    elif isinstance(posted, list):
        for each in posted[:1]:
            yield from _jwts(each, depth + 1)
    elif isinstance(posted, dict):
        if isinstance(posted.get("credentialData"), str):
            yield posted["credentialData"]
        elif posted.get("type") in ("EnvelopedVerifiableCredential", ["EnvelopedVerifiableCredential"]):
            if isinstance(posted.get("id"), str):
                yield from _jwts(posted["id"], depth + 1)
        else:
            for name in _INSIDE:
                if name in posted:
                    yield from _jwts(posted[name], depth + 1)
