"""Is a document that was signed by its meaning also what its names say? Pure.

N-Quads carry meanings, not names. `validUntil` can be written as its whole IRI, or under another name that a context in
the document gives it: the signature holds, and a reader who looks for `validUntil` finds none. Nor have they places:
what is said of a thing may be said in two objects with the same `id`, or wherever that id is named. A holder could take
the end, the status, or half of a subject out of sight of whoever reads by names, which is everybody.
Source: Data Integrity 1.0, 2.4.1.
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
_CREDENTIAL = f"<{_CREDENTIALS}VerifiableCredential>"
_TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_OF_A_VALUE = ("@value", "@type", "@language", "@direction")


def renaming_problem(document: Mapping[str, Any], *, any_context: bool) -> str:
    """Return why the names of a document cannot be trusted, "" if they can.

    `any_context` lets it bring contexts of its own, as long as what the checks look for stands under its own name.
    Raises BadJsonLd where the document cannot be made canonical.
    """
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    if is_said_in_pieces(unsecured, subjects=not any_context):
        return "what is said of the credential or its subject stands in several places"
    if jsonld.names_known_contexts_only(document) and all(map(_is_term, _names(document))):
        return ""
    if not any_context:
        return "the document gives names of its own to what is signed"
    if _is_elsewhere(unsecured):
        return "something that is checked by its name stands in the document under another one"
    return ""


def is_said_in_pieces(document: Mapping[str, Any], *, subjects: bool = True) -> bool:
    """Whether two objects say something of the credential, or of one of its `subjects`, each a part of it."""
    about = document.get("credentialSubject") if subjects else None
    listed = [document, *(about if isinstance(about, list) else [about])]
    named = {each["id"] for each in listed if isinstance(each, Mapping) and isinstance(each.get("id"), str)}
    saying = Counter(each["id"] for each in _objects(document) if isinstance(each.get("id"), str) and len(each) > 1)
    return any(saying[each] > 1 for each in named)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            yield each
            waiting.extend(inner for name, inner in each.items() if name != "@context")


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


def _is_elsewhere(document: Mapping[str, Any]) -> bool:
    """Whether something the checks look for is said more often, or less, than it stands under its name.

    Where the document holds one credential, what is said of it has to stand in the document itself and not deeper.
    """
    quads = [quad.split(" ", 3) for quad in jsonld.canonical(document).splitlines()]
    credentials = {subject for subject, predicate, of, *_ in quads if (predicate, of) == (_TYPE, _CREDENTIAL)}
    alone = len(credentials) == 1
    names = {f"<{_CREDENTIALS}{name}>": name for name in _READ_BY_NAME}
    said = Counter(
        names[predicate]
        for subject, predicate, *_ in quads
        if predicate in names and (not alone or subject in credentials)
    )
    named: Counter[str] = Counter()
    for each in [document] if alone else _objects(document):
        for name in set(_READ_BY_NAME) & set(each):
            named[name] += len(each[name]) if isinstance(each[name], list) else 1
    return said != named
