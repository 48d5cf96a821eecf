"""A JSON-LD document as canonical N-Quads (RDFC-1.0), strictly: what is not said in them is refused, not dropped.

JSON-LD by itself forgets what it does not understand: a term no context defines, a type without a meaning, an id that
is no URL, a null. Forgotten means unsigned, so that anybody could add or take it away. PyLD does the processing; this
module gives it the contexts, refuses what would be forgotten, and bounds the work.
Source: RDF Dataset Canonicalization 1.0, JSON-LD 1.1, Data Integrity 1.0 (2.4, 5.2); spec credentials.md 5 and 6.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from cachetools import LRUCache
from pyld import jsonld as pyld
from pyld.canon import URDNA2015
from pyld.context_resolver import ContextResolver, canonicalize

from credentials.data_integrity.contexts import known_context

__all__ = ["BadJsonLd", "canonical", "check", "digest", "known_context", "names_known_contexts_only"]

_T = TypeVar("_T")

MAXIMUM_DEPTH = 32
MAXIMUM_VALUES = 4_000
MAXIMUM_ITEMS = 1_000  # of one array: PyLD compares each with all before it
MAXIMUM_CONTEXTS = 10
MAXIMUM_INLINE_TERMS = 100  # in all contexts that stand in the document itself
MAXIMUM_SECONDS = 1.5  # of this thread's own processor time, so that a busy machine refuses nothing
_MAXIMUM_PATHS = 2_000  # tries to tell like blank nodes apart; an honest document needs none or a few

# What PyLD makes relative ids and undefined types absolute with, so that they can be told apart afterwards.
_NOWHERE = "x-relative://nowhere/"
_IRI = re.compile(r'(?!x-relative:)[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|\\^`]*')
_BLANK = re.compile(r"_:[A-Za-z0-9_.-]+")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_DOUBLE = "http://www.w3.org/2001/XMLSchema#double"
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?")
_EXACT, _SMALLEST = 2**53 - 1, 1e-6  # beyond, JavaScript rounds an integer, or writes 1e-7 as the integer 0
# RDFC-1.0 escapes these in N-Quads and PyLD does not: refused rather than signed in two ways.
_UNESCAPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BadJsonLd(ValueError):
    """The document cannot be made canonical without losing something; the text says what, without personal data."""


def canonical(document: Mapping[str, Any]) -> str:
    """Return the document as canonical N-Quads; the proof, if any, is the caller's to take out before.

    Raises BadJsonLd for an unknown context, a term or type that none defines, a redefined protected term, an id that
    is no absolute URL, a null, and whatever would cost more than an honest document does.
    """
    quads = _processed(document, _Strict.canonical)
    if not quads:
        raise BadJsonLd("the document says nothing")
    return quads


def digest(document: Mapping[str, Any]) -> bytes:
    """Return SHA-256 of the canonical N-Quads; raises BadJsonLd like `canonical`.

    A thread remembers the last few: each proof of a set, and each key that may have made it, asks for the same one.
    """
    _check_bounds(document)
    text = json.dumps(document, sort_keys=True).encode()
    name = hashlib.sha256(text).digest()
    found = _kept.digests.get(name)
    if found is None:
        found = _kept.digests[name] = hashlib.sha256(canonical(document).encode()).digest()
    return found


def check(document: Mapping[str, Any]) -> None:
    """Raise BadJsonLd as `canonical` does, for a document that is not to be signed or verified as N-Quads.

    Half the work; only what makes a graph too dear to canonicalise is not found.
    """
    _processed(document, _Strict.check)


def names_known_contexts_only(document: Mapping[str, Any]) -> bool:
    """Whether every context of the document is the URL of one we know.

    N-Quads carry meanings, not names: who may bring a context of their own can give a signed value another name,
    and no signature breaks. So whoever reads a verified document by its names asks this first (Data Integrity, 2.4.1).
    """
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping):
            contexts = value.get("@context", [])
            each = contexts if isinstance(contexts, list) else [contexts]
            if any(not isinstance(one, str) or known_context(one) is None for one in each):
                return False
            waiting.extend(inner for name, inner in value.items() if name != "@context")
    return True


def _processed(document: Mapping[str, Any], act: Callable[[_Strict, Mapping[str, Any]], _T]) -> _T:
    _check_bounds(document)
    try:
        return act(_Strict(), document)
    except BadJsonLd:
        raise
    except pyld.JsonLdError as error:
        raise BadJsonLd(_cause(error)) from error
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
        # PyLD meets what no JSON-LD says with whatever Python raises.
        raise BadJsonLd("the document is no JSON-LD") from error


class _Strict(pyld.JsonLdProcessor):
    """PyLD's processor with our contexts, that refuses what it would forget."""

    def __init__(self) -> None:
        super().__init__(on_property_dropped=_refuse_property)
        self.deadline = time.thread_time() + MAXIMUM_SECONDS

    def canonical(self, document: Mapping[str, Any]) -> str:
        dataset = self.to_rdf(dict(document), self._options())
        quads: str = _Bounded(self.deadline).main(dataset, {"format": "application/n-quads"})
        return quads

    def check(self, document: Mapping[str, Any]) -> None:
        self.expand(dict(document), self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "base": _NOWHERE,
            "documentLoader": _load,
            "contextResolver": ContextResolver(_kept.contexts, _load, max_context_urls=MAXIMUM_CONTEXTS),
            "processingMode": "json-ld-1.1",
            # As the other implementations of the cryptosuite do; without it a direction would not be signed.
            "rdfDirection": "i18n-datatype",
        }

    def expand(self, input_: Any, options: Any) -> Any:
        expanded = super().expand(input_, options)
        for node in expanded:
            _check_expanded(node)
        return expanded

    def _expand(self, active_ctx: Any, active_property: Any, element: Any, *args: Any, **more: Any) -> Any:
        if time.thread_time() > self.deadline:
            raise BadJsonLd("the document costs too much to read")
        expanded = None if element is None else super()._expand(active_ctx, active_property, element, *args, **more)
        if expanded is None:
            raise BadJsonLd(f"a value of {_short(active_property)} would be dropped")
        return expanded

    def _clone_active_context(self, active_ctx: Any) -> Any:
        return _Context(super()._clone_active_context(active_ctx))


class _Context(dict[str, Any]):
    """An active context from which PyLD may delete what is not there: `"@vocab": null` without a vocabulary before."""

    def __delitem__(self, key: str) -> None:
        self.pop(key, None)


class _Bounded(URDNA2015):
    """The canonicalisation, refusing graphs that are made to take for ever (RDFC-1.0, 7.1)."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline
        self._paths = 0

    def hash_first_degree_quads(self, id_: str) -> Any:
        info = self.blank_node_info[id_]
        # PyLD counts a quad twice whose subject and object are the same node; RDFC-1.0 (4.4.3) counts it once.
        info["quads"] = list({id(quad): quad for quad in info["quads"]}.values())
        return super().hash_first_degree_quads(id_)

    def create_hash_to_related(self, id_: str, issuer: Any) -> Any:
        related = super().create_hash_to_related(id_, issuer)
        self._paths += sum(math.factorial(min(len(nodes), 20)) for nodes in related.values())
        if self._paths > _MAXIMUM_PATHS or time.thread_time() > self._deadline:
            raise BadJsonLd("too many things without an id that look alike")
        return related


class _Contexts(LRUCache[str, Any]):
    """The contexts we know and those inside them, as PyLD has processed them.

    Not those that stand in a document itself: a stranger with a new one each time would fill the memory.
    """

    def __init__(self) -> None:
        super().__init__(maxsize=200)
        self._ours: set[str] = set()

    def know(self, url: str, document: Any) -> None:
        self._ours |= {url, *(_name_of(each) for each in _contexts_in(document))}

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._ours:
            super().__setitem__(key, value)


def _name_of(context: Mapping[str, Any]) -> str:
    """Under which name PyLD's resolver keeps a context that is an object."""
    return str(canonicalize(dict(context)).decode("utf-8"))


def _contexts_in(document: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            inner = each.get("@context", [])
            yield from (one for one in (inner if isinstance(inner, list) else [inner]) if isinstance(one, Mapping))
            waiting.extend(each.values())


class _Kept(threading.local):
    """What a thread keeps: contexts it has processed (PyLD's cache is not made for several threads), and digests."""

    def __init__(self) -> None:
        self.contexts = _Contexts()
        self.digests: LRUCache[bytes, bytes] = LRUCache(maxsize=64)


_kept = _Kept()


def _load(url: str, options: Any = None) -> dict[str, Any]:
    raw = known_context(url)
    if raw is None:
        raise BadJsonLd(f"the context {_short(url)} is not known here")
    document = json.loads(raw)
    _kept.contexts.know(url, document)
    return {"contextUrl": None, "documentUrl": url, "document": document, "tag": "static"}


# Whoever calls PyLD without options, now or later, gets no network either.
pyld.set_document_loader(_load)


def _refuse_property(name: Any) -> None:
    raise BadJsonLd(f"no context defines {_short(name)}")


def _check_bounds(document: Mapping[str, Any]) -> None:
    """Refuse, before any recursion, what is too deep, too large, or holds text that no two programs write alike."""
    if not isinstance(document, Mapping):
        raise BadJsonLd("the document is no object")
    values, terms = 0, 0
    waiting: list[tuple[Any, int]] = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if values > MAXIMUM_VALUES or depth > MAXIMUM_DEPTH:
            raise BadJsonLd("the document is too large or too deep")
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise BadJsonLd("a number is not finite")
        elif isinstance(value, list):
            if len(value) > MAXIMUM_ITEMS:
                raise BadJsonLd(f"an array has more than {MAXIMUM_ITEMS} items")
            waiting.extend((each, depth + 1) for each in value)
        elif isinstance(value, Mapping):
            terms += _inline_terms(value.get("@context"))
            if terms > MAXIMUM_INLINE_TERMS:
                raise BadJsonLd("the document brings too many contexts or terms of its own")
            waiting.extend((key, depth + 1) for key in value)
            waiting.extend((each, depth + 1) for each in value.values())


def _check_text(text: str) -> None:
    if _UNESCAPED.search(text):
        raise BadJsonLd("a text holds a control character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadJsonLd("a text holds half a character") from error


def _inline_terms(context: Any) -> int:
    """How much a document's own context asks for; its terms' own contexts are counted when the walk meets them."""
    each = context if isinstance(context, list) else [context]
    named = sum(isinstance(one, str) for one in each)
    if named > MAXIMUM_CONTEXTS:
        raise BadJsonLd(f"more than {MAXIMUM_CONTEXTS} contexts")
    return sum(len(one) for one in each if isinstance(one, Mapping))


def _check_expanded(document: Any) -> None:
    """Refuse what is still there after expansion and would be missing, or ambiguous, in the N-Quads."""
    for node in _objects(document):
        if "@value" in node:
            _check_value(node)
            continue
        if "@list" in node:
            _check_list(node["@list"])
        if "@id" in node:
            _check_id(node["@id"])
        for each in node.get("@type", ()):
            _check_iri(each, "type")
        if "@index" in node:
            raise BadJsonLd("an index would be dropped")
        if any(set(each) <= {"@id"} for each in node.get("@graph", ())):
            raise BadJsonLd("a thing in a graph says nothing and would be dropped")
        for name in node:
            if not name.startswith("@"):
                _check_iri(name, "term")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            yield each
            if "@value" not in each:
                waiting.extend(inner for inner in each.values() if isinstance(inner, list | dict))


def _check_list(items: list[Any]) -> None:
    """Refuse lists three deep: the common JavaScript implementation loses one of the three."""
    inner = [deeper for each in items if "@list" in each for deeper in each["@list"]]
    if any("@list" in each for each in inner):
        raise BadJsonLd("lists in lists in lists are not written alike everywhere")


def _check_value(node: Mapping[str, Any]) -> None:
    kind, language = node.get("@type"), node.get("@language")
    if kind is not None and kind != "@json":
        _check_iri(kind, "type of a value")
    if language is not None and not _LANGUAGE.fullmatch(str(language)):
        raise BadJsonLd("a language is no language tag")
    if "@index" in node:
        raise BadJsonLd("an index would be dropped")
    if kind != "@json":
        _check_number(node["@value"], kind)


def _check_number(value: Any, kind: Any) -> None:
    """Refuse numbers that other implementations write in other digits: nobody could verify what is signed."""
    if isinstance(value, str):
        if kind == _DOUBLE and not _NUMBER.fullmatch(value):
            raise BadJsonLd("a number is none")
    elif isinstance(value, int | float) and not (value == 0 or _SMALLEST <= abs(value) <= _EXACT):
        raise BadJsonLd("a number is too large or too small to be written alike everywhere")
    elif isinstance(value, float) and math.copysign(1, value) < 0 and value == 0:
        raise BadJsonLd("a zero has a sign")


def _check_iri(text: Any, what: str) -> None:
    # Also what could close the angle brackets of an N-Quad and go on with a statement of its own.
    if not isinstance(text, str) or not _IRI.fullmatch(text):
        name = text.removeprefix(_NOWHERE) if isinstance(text, str) else text
        raise BadJsonLd(f"the {what} {_short(name)} is no absolute URL, and no context defines it")


def _check_id(text: Any) -> None:
    if not isinstance(text, str) or not (_IRI.fullmatch(text) or _BLANK.fullmatch(text)):
        raise BadJsonLd("an id is no absolute URL")


def _short(text: Any) -> str:
    """A name as it may stand in an answer: whole if it is short, never a value."""
    return repr(text if len(text) <= 60 else text[:57] + "…") if isinstance(text, str) else "the document"


def _cause(error: BaseException) -> str:
    """The sentence of the innermost error that has one."""
    found = "the document is no JSON-LD"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, BadJsonLd):
            return str(inner)
        if isinstance(inner, pyld.JsonLdError) and inner.code:
            found = f"JSON-LD: {inner.code}"
        inner = inner.__cause__
    return found
