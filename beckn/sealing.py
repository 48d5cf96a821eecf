"""Taking the secrets out of a message before it is kept, and putting them back when it is handled or sent.

A secret path is written like "message.order.beckn:fulfillments[].beckn:customer.beckn:person": keys between dots, "[]"
for every element of a list; "**.person.name" is the key `name` of a `person` at any depth. Values are put back by the
place they were taken from, never by looking for a placeholder's text: a sender who writes such a text gains nothing.
Source: decision 27.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

Place = list[str | int]
_SEALED = re.compile(r"sealed:\d+")
_CREDENTIAL = re.compile(r"sealed:credential:([0-9a-f-]{36})")
_ANYWHERE = "**."
UPLOAD = "uploadUrl"


class CredentialBytes(str):
    """Stands in a callback where the signed bytes of a credential of ours belong; they are put in when it is sent."""

    __slots__ = ()

    def __new__(cls, credential_id: UUID | str) -> "CredentialBytes":
        return super().__new__(cls, f"sealed:credential:{UUID(str(credential_id))}")


def take_out(body: Any, paths: Iterable[str]) -> list[list[Any]]:
    """Replace every value at `paths` in place; return [place, value] of each, in order of placeholders."""
    taken: list[list[Any]] = []
    for place, parent, key in _outermost(body, paths):
        value = parent[key]
        if _is_secret(value):
            parent[key] = f"sealed:{len(taken)}"
            taken.append([place, value])
    return taken


def put_back(body: Any, taken: list[list[Any]] | None) -> Any:
    """Put the values back in place; when they are wiped already, leave their keys out."""
    if taken is None:
        return _without_placeholders(body)
    for place, value in taken:
        _set(body, place, value)
    return body


def credential_places(body: Any) -> list[list[Any]]:
    """Return the holes that a message's `CredentialBytes` make."""
    return [[place, "credential", value.rpartition(":")[2]] for place, value in _walk(body, []) if _is_bytes(value)]


def dig_holes(
    body: Any, paths: Iterable[str], known: Iterable[list[Any]] = ()
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Take the secrets out of a message we are going to send, in place.

    `known` are holes that are there already. Returns (holes, sealed): a hole is [place, kind, reference]. "credential"
    is filled from the kept bytes of our credential `reference`; "url" from sealed, or with `reference`, the address
    without its token; "secret" from sealed or not at all. `sealed` is [place, value] as in `take_out`.
    """
    holes = list(known)
    taken = {tuple(hole[0]) for hole in holes}
    sealed: list[list[Any]] = []
    for place, parent, key in _outermost(body, paths):
        value = parent[key]
        if tuple(place) in taken or not _is_secret(value):
            continue
        match = _CREDENTIAL.fullmatch(value) if isinstance(value, str) else None
        if match:
            holes.append([place, "credential", match[1]])
            continue
        is_url = isinstance(value, str) and value.startswith(("http://", "https://"))
        if key == UPLOAD:  # its token stands in the path: without it nothing of the address is left
            is_url = False
        if is_url and "?" not in value:
            continue
        holes.append([place, "url", value.partition("?")[0]] if is_url else [place, "secret", ""])
        sealed.append([place, value])
        parent[key] = f"sealed:{len(sealed) - 1}"
    return holes, sealed


def fill_holes(
    body: Any, holes: list[list[Any]], sealed: list[list[Any]] | None, credential: Callable[[UUID], str]
) -> Any:
    """Complete a message for sending, in place. `credential` gives the kept bytes of one of our credentials."""
    kept = {tuple(place): value for place, value in sealed or ()}
    for place, kind, reference in holes:
        if tuple(place) in kept:
            _set(body, place, kept[tuple(place)])
        elif kind == "credential":
            _set(body, place, credential(UUID(reference)))
        elif kind == "url":
            _set(body, place, reference)
        else:
            _remove(body, place)
    return body


def _is_bytes(value: Any) -> bool:
    return isinstance(value, CredentialBytes)


def _is_secret(value: Any) -> bool:
    return value is not None and value != "" and value != {} and value != []


def _outermost(body: Any, paths: Iterable[str]) -> list[tuple[Place, Any, Any]]:
    """Return the places in the order of the message, without those inside another one."""
    found = {tuple(place): (place, parent, key) for place, parent, key in _places(body, paths)}
    return [found[place] for place in found if not any(place[:length] in found for length in range(1, len(place)))]


def _places(body: Any, paths: Iterable[str]) -> Iterator[tuple[Place, Any, Any]]:
    """Yield (place, parent, key) of every value that one of the paths names."""
    endings: dict[str, list[list[str]]] = {}
    for path in paths:
        if path.startswith(_ANYWHERE):
            keys = path.removeprefix(_ANYWHERE).split(".")
            endings.setdefault(keys[-1], []).append(keys)
        else:
            yield from _follow(body, path.split("."), [])
    if endings:
        for place, _ in _walk(body, []):
            if isinstance(place[-1], str) and place[-1] in endings and _ends_with(place, endings[place[-1]]):
                yield place, _get(body, place[:-1]), place[-1]


def _ends_with(place: Place, endings: list[list[str]]) -> bool:
    keys = [step for step in place if isinstance(step, str)]
    return any(keys[-len(ending) :] == ending for ending in endings)


def _follow(value: Any, steps: list[str], place: Place) -> Iterator[tuple[Place, Any, Any]]:
    key, rest = steps[0].removesuffix("[]"), steps[1:]
    if not isinstance(value, dict) or key not in value:
        return
    child = value[key]
    if steps[0].endswith("[]"):
        for index, each in enumerate(child if isinstance(child, list) else ()):
            if rest:
                yield from _follow(each, rest, [*place, key, index])
            else:
                yield [*place, key, index], child, index
    elif rest:
        yield from _follow(child, rest, [*place, key])
    else:
        yield [*place, key], value, key


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, child in items:
        yield [*place, key], child
        if isinstance(child, (dict, list)):
            yield from _walk(child, [*place, key])


def _get(body: Any, place: Place) -> Any:
    for step in place:
        body = body[step]
    return body


def _set(body: Any, place: Place, value: Any) -> None:
    _get(body, place[:-1])[place[-1]] = value


def _remove(body: Any, place: Place) -> None:
    parent = _get(body, place[:-1])
    if isinstance(parent, dict):
        parent.pop(place[-1], None)
    else:
        parent[place[-1]] = None  # the places behind it keep their numbers


def _without_placeholders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_placeholders(each) for key, each in value.items() if not _is_placeholder(each)}
    if isinstance(value, list):
        return [_without_placeholders(each) for each in value if not _is_placeholder(each)]
    return value


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and _SEALED.fullmatch(value) is not None
