"""The JSONPath of a `discover`: which items of a catalogue it selects, behind a guard against hostile ones.

The library follows RFC 9535 and has no limits of its own: some expressions run for ever. So: no `match` and `search`
(regular expressions), no `..`, no `$` inside a filter (a product of two walks), few selectors side by side (a product
of all segments), bounded length and depth. What is left costs no more than its length times the size of the items.
Source: dependencies, JSONPath.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery
from jsonpath_rfc9535.filter_expressions import RootFilterQuery
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment, JSONPathSegment

MAX_CHARACTERS = 1000
MAX_DEPTH = 40
#: The product, over all segments of an expression, of the selectors that stand side by side in one.
MAX_BRANCHES = 16

#: Peers write `@.beckn:itemAttributes`; a name with a colon is no RFC 9535 shorthand, and items answer to both.
_PREFIX = re.compile(r"(?<=\.)(?:beckn|schema):(?=[A-Za-z_])")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        for name in ("match", "search"):
            del self.function_extensions[name]


_ENVIRONMENT = _Environment()


class BadFilter(ValueError):
    """The expression is no JSONPath, or one that is not served here."""


def is_filter(expression: str) -> bool:
    """Whether `selected` can answer this expression. Never raises."""
    try:
        _compiled(expression)
    except BadFilter:
        return False
    return True


def selected(expression: str, items: Sequence[Mapping[str, Any]]) -> list[int]:
    """The positions of the items that the expression selects, in their order; `$` is the list of items.

    An expression that selects something inside an item selects the item. Raises BadFilter.
    """
    query = _compiled(expression)
    try:
        places = [node.location for node in query.finditer([_with_plain_names(item) for item in items])]
    except (JSONPathError, RecursionError, OverflowError) as error:
        raise BadFilter(str(error)) from None
    if any(not place for place in places):
        return list(range(len(items)))
    return sorted({int(place[0]) for place in places})


def _compiled(expression: str) -> JSONPathQuery:
    if len(expression) > MAX_CHARACTERS or _depth(expression) > MAX_DEPTH:
        raise BadFilter("it is too long or too deep")
    parts = _QUOTED.split(expression)
    plain = "".join(part if place % 2 else _PREFIX.sub("", part) for place, part in enumerate(parts))
    try:
        query = _ENVIRONMENT.compile(plain)
        _guard(query)
    except (JSONPathError, RecursionError, OverflowError, ValueError) as error:
        raise BadFilter(str(error)) from None
    return query


def _depth(expression: str) -> int:
    deepest = depth = 0
    for sign in _QUOTED.sub("", expression):
        depth += (sign in "([!") - (sign in ")]")
        deepest = max(deepest, depth)
    return deepest


def _guard(query: JSONPathQuery) -> None:
    branches = 1
    for part in _parts(query):
        if isinstance(part, JSONPathRecursiveDescentSegment):
            raise BadFilter("'..' is not served")
        if isinstance(part, RootFilterQuery):
            raise BadFilter("'$' inside a filter is not served")
        if isinstance(part, JSONPathSegment):
            branches *= len(part.selectors)
    if branches > MAX_BRANCHES:
        raise BadFilter("too many selectors side by side")


_CHILDREN = ("segments", "selectors", "expression", "query", "left", "right", "args")


def _parts(part: Any) -> Iterator[Any]:
    """The expression's tree, by the names under which the library keeps what is inside of what."""
    yield part
    for name in _CHILDREN:
        inside = getattr(part, name, None)
        for each in inside if isinstance(inside, list | tuple) else (inside,):
            if type(each).__module__.startswith("jsonpath_rfc9535."):
                yield from _parts(each)


def _with_plain_names(value: Any) -> Any:
    """The same with every prefixed name a second time without its prefix: `beckn:id` answers to `id` too."""
    if isinstance(value, Mapping):
        named = {name: _with_plain_names(each) for name, each in value.items()}
        plain = {name.partition(":")[2]: each for name, each in named.items() if ":" in name}
        return {**plain, **named}
    if isinstance(value, list | tuple):
        return [_with_plain_names(each) for each in value]
    return value
