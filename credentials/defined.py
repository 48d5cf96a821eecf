"""Members of a credential that nobody has defined, although a vocabulary gives them a URL. Pure.

`@vocab` makes a name out of any word, so that nothing is lost when a document becomes canonical; but a word that only
a catch-all names means nothing to a reader. What we sign ourselves says nothing of that kind at its top.
Source: VCDM 2.0 5.2 (extensibility); the W3C VC-JOSE-COSE suite, test 5; spec credentials.md 5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from credentials.data_integrity.jsonld import known_context


def undefined_member(document: Mapping[str, Any]) -> str:
    """Return the first top-level member that no context of the document defines, "" if all are defined.

    A keyword (`@…`) and an absolute URL define themselves; an unknown context defines nothing.
    """
    contexts = document.get("@context", [])
    listed = contexts if isinstance(contexts, list) else [contexts]
    defined = {term for each in listed for term in _terms_of(each)}
    return next((name for name in document if name not in defined and name[:1] != "@" and ":" not in name), "")


def _terms_of(context: object) -> Iterator[str]:
    if isinstance(context, str):
        yield from _known(context)
    elif isinstance(context, Mapping):
        yield from _inside(context)


@lru_cache(maxsize=64)
def _known(url: str) -> frozenset[str]:
    raw = known_context(url)
    return frozenset(_inside(json.loads(raw).get("@context"))) if raw is not None else frozenset()


def _inside(context: object) -> Iterator[str]:
    """Every term in a context, those of its terms' own contexts included: a type may bring its properties so."""
    for each in context if isinstance(context, list) else [context]:
        if not isinstance(each, Mapping):
            continue
        for term, meaning in each.items():
            if term.startswith("@"):
                continue
            yield term
            if isinstance(meaning, Mapping):
                yield from _inside(meaning.get("@context"))
