"""Is a document that was signed by its meaning also what its names say? Pure.

N-Quads carry meanings, not names. `validUntil` can be written as its whole IRI, or under another name that a context in
the document gives it: the signature holds, and a reader who looks for `validUntil` finds none. A holder could take the
end, or the status, out of sight of whoever reads by names, which is everybody. Source: Data Integrity 1.0, 2.4.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from credentials.data_integrity import jsonld

_CREDENTIALS = "https://www.w3.org/2018/credentials#"
# What the checks look for by name.
_READ_BY_NAME = (
    "issuer",
    "credentialSubject",
    "credentialStatus",
    "validFrom",
    "validUntil",
    "issuanceDate",
    "expirationDate",
)
_OF_A_VALUE = ("@value", "@type", "@language", "@direction")


def renaming_problem(document: Mapping[str, Any], *, any_context: bool) -> str:
    """Return why the names of a document cannot be trusted, "" if they can.

    `any_context` lets it bring contexts of its own, as long as what the checks look for stands under its own name.
    Raises BadJsonLd where the document cannot be made canonical.
    """
    if jsonld.names_known_contexts_only(document) and all(map(_is_term, _names(document))):
        return ""
    if not any_context:
        return "the document gives names of its own to what is signed"
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    if _in_meaning(unsecured) != _in_names(unsecured):
        return "something that is checked by its name stands in the document under another one"
    return ""


def _names(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            names = [name for name in each if name != "@context"]
            # A value object's keywords name nothing.
            yield from (name for name in names if "@value" not in each or name not in _OF_A_VALUE)
            waiting.extend(each[name] for name in names)


def _is_term(name: str) -> bool:
    return ":" not in name and not name.startswith("@")


def _in_meaning(document: Mapping[str, Any]) -> Counter[str]:
    predicates = (quad.split(" ", 2)[1] for quad in jsonld.canonical(document).splitlines())
    names = {f"<{_CREDENTIALS}{name}>": name for name in _READ_BY_NAME}
    return Counter(names[each] for each in predicates if each in names)


def _in_names(document: Mapping[str, Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    waiting: list[Any] = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            for name, value in each.items():
                if name in _READ_BY_NAME:
                    found[name] += len(value) if isinstance(value, list) else 1
                if name != "@context":
                    waiting.append(value)
    return found
