"""Finding the credential in what was posted to `/verify`. Pure.

A bare JWT or SD-JWT, `{"credentialData"}`, an EnvelopedVerifiableCredential (VCDM 2.0, 4.13), a credential with an
embedded proof, or a whole Beckn message whose order carries a credential. Source: spec credentials.md 5.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from credentials import strict_json
from credentials.verifying.reading import ENVELOPES

_INSIDE = ("credential", "verifiableCredential", "message", "order", "beckn:orderAttributes", "orderAttributes")
_DEEPEST = 6


class NothingToVerify(ValueError):
    """The body holds no credential of a form we check; the text says what to send instead."""


def read_posted(body: bytes) -> str | Mapping[str, Any]:
    """Return the credential in the body, as a text or as the object with its proof; NothingToVerify if there is none.

    The credential itself is not looked at.
    """
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise NothingToVerify("The body is no text.") from error
    if not text:
        raise NothingToVerify("The body is empty: send a credential as JWT, or JSON that holds one.")
    if text[0] not in '{["':
        return _bare(text)
    try:
        posted = strict_json.read(text)
    except strict_json.NotReadable as error:
        raise NothingToVerify("The body begins like JSON and is none, or one that can be read in two ways.") from error
    found = next(_credentials(posted, 0), None)
    if found is None:
        raise NothingToVerify(
            "No credential was found: send a JWT, {credentialData}, an envelope, or one with a proof."
        )
    return found


def _credentials(posted: Any, depth: int) -> Iterator[str | Mapping[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(posted, str):
        yield _bare(posted)
    elif isinstance(posted, list):
        for each in posted[:1]:
            yield from _credentials(each, depth + 1)
    elif isinstance(posted, dict):
        yield from _in_object(posted, depth)


def _in_object(posted: dict[str, Any], depth: int) -> Iterator[str | Mapping[str, Any]]:
    held = posted.get("credentialData")
    if isinstance(held, str):
        yield _bare(held)
    elif isinstance(held, dict):
        yield from _credentials(held, depth + 1)
    elif posted.get("type") in ("EnvelopedVerifiableCredential", ["EnvelopedVerifiableCredential"]):
        if isinstance(posted.get("id"), str):
            yield _bare(posted["id"])
    elif "credentialSubject" in posted:
        yield posted
    else:
        for name in _INSIDE:
            if name in posted:
                yield from _credentials(posted[name], depth + 1)


def _bare(text: str) -> str:
    envelope = next((each for each in ENVELOPES if text.startswith(each)), "")
    return text.removeprefix(envelope)
