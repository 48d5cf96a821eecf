"""Bytes of a stranger → JSON we can keep, or a NACK that says what is wrong and where."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from beckn import limits
from beckn.nacks import Nack, NackCode

_LISTS = {
    "credentials": limits.MAX_CREDENTIALS,
    "existingEnrollments": limits.MAX_CREDENTIALS,
    "meters": limits.MAX_METERS,
}


def parse(raw: bytes, content_type: str) -> dict[str, Any]:
    """Return the JSON object of a body. Raises Nack 400 for whatever is none, is ambiguous, or cannot be kept."""
    _check_content_type(content_type)
    if not raw:
        raise Nack(400, NackCode.MALFORMED, "The body is empty.")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        words = f"The body is not JSON in UTF-8 (line {problem.lineno}, column {problem.colno})."
        raise Nack(400, NackCode.MALFORMED, words) from None
    if not isinstance(body, dict):
        raise Nack(400, NackCode.MALFORMED, "The body should be a JSON object with context and message.")
    for path, value in _walk(body):
        _check_value(path, value)
    if doubled := _doubled_key(raw):
        raise Nack(400, NackCode.MALFORMED, "A key stands twice in one object; readers would disagree.", doubled)
    return body


def path_text(path: tuple[str | int, ...]) -> str:
    """Write a place as `message.order.beckn:items[0]`, at most 200 characters and printable."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return "".join(each if each.isprintable() else "?" for each in text[:200])


def _check_content_type(content_type: str) -> None:
    kind, _, rest = content_type.lower().partition(";")
    kind = kind.strip()
    if kind and kind not in ("application/json", "text/json") and not kind.endswith("+json"):
        raise Nack(400, NackCode.MALFORMED, "Content-Type should be application/json.", "Content-Type")
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise Nack(400, NackCode.MALFORMED, "The charset should be utf-8.", "Content-Type")


def _walk(body: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every value with its place; raises Nack where it goes too deep or there are too many.

    No recursion: the depth is a stranger's. Counted before they are listed: a place in depth weighs 200 times a zero.
    """
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), body)]
    count = 1
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            children: Any = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        else:
            continue
        if len(path) >= limits.MAX_DEPTH:
            words = f"The JSON is nested deeper than {limits.MAX_DEPTH} levels."
            raise Nack(400, NackCode.MALFORMED, words, path_text(path))
        count += len(value)
        if count > limits.MAX_VALUES:
            raise Nack(400, NackCode.TOO_LARGE, f"The JSON holds more than {limits.MAX_VALUES} values.")
        stack.extend(((*path, key), child) for key, child in children)


def _check_value(path: tuple[str | int, ...], value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise Nack(400, NackCode.MALFORMED, "Text must not hold null characters.", path_text(path))
        if path and path[-1] == "credentialData" and len(value) > limits.MAX_CREDENTIAL_BYTES:
            words = f"A credential may have {limits.MAX_CREDENTIAL_BYTES // 1024} KiB."
            raise Nack(400, NackCode.TOO_LARGE, words, path_text(path))
    elif isinstance(value, dict):
        if any("\x00" in key for key in value):
            raise Nack(400, NackCode.MALFORMED, "Keys must not hold null characters.", path_text(path))
    elif isinstance(value, list):
        most = _LISTS.get(str(path[-1])) if path else None
        if most is not None and len(value) > most:
            raise Nack(400, NackCode.TOO_LARGE, f"At most {most} entries are taken here.", path_text(path))


class _Doubled(Exception):
    pass


def _doubled_key(raw: bytes) -> str:
    """Return a key that occurs twice in one object, or nothing. orjson keeps the last one silently."""
    try:
        json.loads(raw, object_pairs_hook=_unique, parse_int=len, parse_float=len)
    except _Doubled as doubled:
        return path_text((str(doubled),))
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Doubled(key)
            seen.add(key)
