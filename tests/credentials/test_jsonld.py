"""JSON-LD by pinned contexts only: nothing is fetched, nothing is dropped, nothing takes for ever."""

import hashlib
import json
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyld import jsonld as pyld

from credentials import addresses, documents
from credentials.data_integrity import contexts, jsonld
from credentials.data_integrity.jsonld import BadJsonLd

V1, V2 = contexts.CREDENTIALS_V1, contexts.CREDENTIALS_V2
PLAIN: dict[str, Any] = {
    "@context": [V2],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential"],
    "issuer": "did:example:issuer",
    "credentialSubject": {"id": "did:example:subject", "name": "Asha"},
}


def inline(**terms: Any) -> list[Any]:
    return [V2, terms]


# ── what may be named ──

# Published: VCDM 2.0 appendix B.1 and 1.1 appendix B.1, Data Integrity 1.0 section 2.4.
PUBLISHED = {
    V1: "ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc",
    V2: "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    "https://w3id.org/security/data-integrity/v2": "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",
    "https://w3id.org/security/multikey/v1": "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597",
    "https://www.w3.org/ns/did/v1": "4f3eae5568c9c5f036a082088f9e192019ee06faa78973c87ff91d5421b88dad",
    "https://w3id.org/security/jwk/v1": "0f14b62f6071aafe00df265770ea0c7508e118247d79b7d861a406d2aa00bece",
}


@pytest.mark.parametrize("url", PUBLISHED)
def test_a_context_of_the_w3c_is_byte_for_byte_what_was_published(url: str) -> None:
    raw = jsonld.known_context(url)
    assert raw is not None and hashlib.sha256(raw).hexdigest() == PUBLISHED[url]


def test_every_bundled_context_is_what_it_is_pinned_to_and_no_file_lies_there_unpinned() -> None:
    for url in contexts.PINNED:
        raw = jsonld.known_context(url)
        assert raw is not None and "@context" in json.loads(raw)
    assert {file for file, _ in contexts.PINNED.values()} == {path.name for path in contexts.FOLDER.iterdir()}


def test_our_own_contexts_have_the_bytes_that_their_addresses_serve(client: Any) -> None:
    for url in documents.contexts():
        served = client.get(url.removeprefix(addresses.base()))
        assert served.status_code == 200 and served.content == jsonld.known_context(url)


@pytest.mark.parametrize(
    "context",
    [
        "https://www.w3.org/2018/credentials/examples/v1",
        "https://schema.org/",
        "http://127.0.0.1:5432/",
        "file:///etc/passwd",
        "relative.jsonld",
        "",
        {"@import": "https://evil.example/context"},
        {"T": {"@id": "https://a.example/T", "@context": "https://evil.example/context"}},
        [["https://evil.example/context"]],
    ],
)
def test_no_other_context_is_known_and_none_is_asked_for(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody called out")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert not isinstance(context, str) or jsonld.known_context(context) is None
    with pytest.raises(BadJsonLd):
        jsonld.canonical({**PLAIN, "@context": [V2, context], "type": ["VerifiableCredential", "T"]})


def test_pyld_itself_has_no_other_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pyld.JsonLdError):
        pyld.expand({"@context": "https://schema.org/", "name": "x"})


def test_a_context_of_the_documents_own_is_told_apart() -> None:
    assert jsonld.names_known_contexts_only(PLAIN)
    assert not jsonld.names_known_contexts_only({**PLAIN, "@context": inline(T="https://a.example/T")})
    hidden = {**PLAIN, "credentialSubject": [{"@context": {"called": "https://schema.org/name"}, "called": "Asha"}]}
    assert not jsonld.names_known_contexts_only(hidden)
    # Why it matters: the same statements under another name.
    renamed = {**PLAIN, "credentialSubject": {**hidden["credentialSubject"][0], "id": "did:example:subject"}}
    assert jsonld.canonical(renamed) == jsonld.canonical(PLAIN)


# ── nothing is dropped ──


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nickname": "A"}, "no context defines 'nickname'"),
        ({"credentialSubject": {"id": "did:example:s", "nickname": "A"}}, "no context defines 'nickname'"),
        ({"type": ["VerifiableCredential", "Undefined"]}, "'Undefined'"),
        ({"credentialSubject": {"id": "did:example:s", "type": "Undefined"}}, "'Undefined'"),
        ({"id": "relative"}, "an id is no absolute URL"),
        ({"id": ""}, "an id is no absolute URL"),
        ({"id": "#fragment"}, "an id is no absolute URL"),
        ({"id": "//host/path"}, "an id is no absolute URL"),
        ({"id": "https ://a.example"}, "an id is no absolute URL"),
        ({"id": "x-relative://nowhere/relative"}, "an id is no absolute URL"),
        ({"issuer": "did:example:a> <p:q> <r:s> .\n<did:example:b"}, "an id is no absolute URL"),
        ({"id": ["urn:a:b", "urn:a:c"]}, "invalid @id value"),
        ({"id": {"@value": "urn:a:b"}}, "invalid @id value"),
        ({"name": None}, "a value of 'name' would be dropped"),
        ({"name": [None, "x"]}, "a value of 'name' would be dropped"),
        ({"name": {"@value": None}}, "a value of 'name' would be dropped"),
        ({"name": {"@language": "en"}}, "a value of 'name' would be dropped"),
        ({"name": {"@value": "x", "@language": "not a tag"}}, "a language is no language tag"),
        ({"name": {"@value": "x", "@index": "1"}}, "an index would be dropped"),
        ({"name": {"@value": "x", "@language": "en", "url": "u"}}, "no context defines 'url'"),
        ({"@context": inline(T="no-url"), "type": ["VerifiableCredential", "T"]}, "invalid IRI mapping"),
        ({"@context": inline(T=None), "type": ["VerifiableCredential", "T"]}, "no absolute URL"),
        ({"@context": inline(name="https://a.example/other")}, "protected term redefinition"),
        ({"@context": inline(VerifiableCredential="https://a.example/VC")}, "protected term redefinition"),
        ({"@context": [V2, None]}, "invalid context nullification"),
        ({"@context": inline(**{"@vocab": None}), "nickname": "A"}, "no context defines 'nickname'"),
        ({"name": "bell\x07"}, "control character"),
        ({"name": "half \ud83d"}, "half a character"),
        ({"name": 2**53}, "too large or too small"),
        ({"name": 1e-7}, "too large or too small"),
        ({"name": -0.0}, "a zero has a sign"),
        ({"name": {"@value": "one", "@type": "http://www.w3.org/2001/XMLSchema#double"}}, "a number is none"),
        ({"name": {"@list": [[["x"]]]}}, "lists in lists in lists"),
        ({"proof": {"id": "urn:a:b"}}, "a thing in a graph says nothing"),
        ({"name": float("nan")}, "not finite"),
        ({"name": float("inf")}, "not finite"),
    ],
)
def test_what_would_be_forgotten_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadJsonLd, match=said.replace("(", r"\(")):
        jsonld.canonical({**PLAIN, **change})
    with pytest.raises(BadJsonLd):
        jsonld.check({**PLAIN, **change})


def test_what_is_wrong_is_told_without_repeating_a_value() -> None:
    for change in ({"id": "Asha Rao"}, {"name": {"@value": "Asha Rao", "@language": "x y"}}, {"name": "Asha Rao\x00"}):
        with pytest.raises(BadJsonLd) as refused:
            jsonld.canonical({**PLAIN, **change})
        assert "Asha" not in str(refused.value)


def test_a_direction_is_part_of_what_is_signed() -> None:
    left = {"@value": "Asha", "@language": "en", "@direction": "ltr"}
    right = {**left, "@direction": "rtl"}
    assert jsonld.canonical({**PLAIN, "name": left}) != jsonld.canonical({**PLAIN, "name": right})


def test_a_json_value_may_hold_anything_and_is_kept_whole() -> None:
    value = {"b": [1, None, 1e21, "ü"], "a": {"@id": "x"}}
    document = {**PLAIN, "@context": inline(raw={"@id": "https://a.example/raw", "@type": "@json"}), "raw": value}
    quads = jsonld.canonical(document)
    assert r"{\"a\":{\"@id\":\"x\"},\"b\":[1,null,1e+21,\"ü\"]}" in quads


def test_a_document_without_a_context_or_without_words_is_refused() -> None:
    for document in ({}, {"name": "x"}, {"@context": V2}, {"@context": [V2], "id": "urn:a:b"}, [PLAIN], "text", None):
        with pytest.raises(BadJsonLd):
            jsonld.canonical(document)  # type: ignore[arg-type]


# ── nothing takes for ever ──


def nodes(count: int, depth: int) -> dict[str, Any]:
    """Things without an id that all look alike and all know each other: RDFC-1.0's worst case."""
    names = [f"_:n{number}" for number in range(count)]
    return {
        "@context": [V2, {"knows": {"@id": "https://a.example/knows", "@type": "@id"}}],
        "type": "VerifiableCredential",
        "evidence": [{"id": name, "knows": [other for other in names if other != name]} for name in names],
    } | ({"name": "x"} if depth else {})


def deep(levels: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(levels):
        value = {"name": value}
    return {**PLAIN, "credentialSubject": value}


HEAVY = {
    "a clique of like nodes": lambda: nodes(12, 1),
    "deep objects": lambda: deep(5_000),
    "deep arrays": lambda: {**PLAIN, "name": json.loads("[" * 900 + "]" * 900)},
    "a million values": lambda: {**PLAIN, "name": ["x"] * 1_000_000},
    "an array PyLD would compare for minutes": lambda: {**PLAIN, "name": [f"n{i}" for i in range(4_900)]},
    "many arrays": lambda: {**PLAIN, "evidence": [{"name": [f"n{i}" for i in range(90)]} for _ in range(100)]},
    "very many contexts": lambda: {**PLAIN, "@context": [V2] * 500},
    "contexts on every node": lambda: {
        **PLAIN,
        "evidence": [{"@context": {f"t{i}": f"https://a.example/{i}"}, "name": "x"} for i in range(1_000)],
    },
    "a context of very many terms": lambda: {
        **PLAIN, "@context": inline(**{f"t{i}": f"https://a.example/{i}" for i in range(4_000)})
    },
    "contexts in contexts": lambda: {**PLAIN, "@context": inline(**_scoped(12))},
}  # fmt: skip


def _scoped(levels: int) -> dict[str, Any]:
    terms: dict[str, Any] = {"t": "https://a.example/t"}
    for level in range(levels):
        terms = {f"a{level}": {"@id": f"https://a.example/{level}", "@context": terms}, **terms}
    return terms


@pytest.mark.parametrize("what", HEAVY)
def test_a_document_made_to_be_heavy_is_refused_at_once(what: str) -> None:
    document = HEAVY[what]()
    before = time.thread_time()
    with pytest.raises(BadJsonLd):
        jsonld.canonical(document)
    assert time.thread_time() - before < jsonld.MAXIMUM_SECONDS + 0.5


def test_two_things_without_an_id_that_look_alike_are_still_told_apart() -> None:
    like = {"type": "https://a.example/T", "name": "same"}
    document = {**PLAIN, "evidence": [like, dict(like)]}
    quads = jsonld.canonical(document)
    assert "_:c14n0 " in quads and "_:c14n1 " in quads
    assert jsonld.canonical(json.loads(json.dumps(document))) == quads


def test_a_thing_without_an_id_that_names_itself_has_the_name_rdfc_gives_it() -> None:
    # Letter by letter as rdf-canonize writes it; PyLD alone counts the self-reference twice and swaps the names.
    terms = {
        "list": {"@id": "https://a.example/list", "@container": "@list"},
        "ref": {"@id": "https://a.example/ref", "@type": "@id"},
    }
    document = {"@context": [V2, terms], "id": "_:b1", "list": True, "ref": "_:b1"}
    rdf, boolean = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/2001/XMLSchema#boolean"
    assert jsonld.canonical(document) == (
        f'_:c14n0 <{rdf}first> "true"^^<{boolean}> .\n'
        f"_:c14n0 <{rdf}rest> <{rdf}nil> .\n"
        "_:c14n1 <https://a.example/list> _:c14n0 .\n"
        "_:c14n1 <https://a.example/ref> _:c14n1 .\n"
    )


def test_an_order_of_five_hundred_meters_is_canonical_within_bounds() -> None:
    document = {
        **PLAIN,
        "@context": [V2, addresses.context()],
        "credentialSubject": {"id": "did:example:s", "meters": [f"umid-{number:05}" for number in range(500)]},
    }
    assert jsonld.canonical(document).count("#meters>") == 500


def test_many_threads_read_the_same_and_different_contexts_at_once() -> None:
    wanted = jsonld.canonical(PLAIN)
    wrong: list[object] = []

    def read(number: int) -> None:
        for turn in range(20):
            own = {**PLAIN, "@context": inline(**{f"t{number}": f"https://a.example/{turn}"}), f"t{number}": "x"}
            if jsonld.canonical(PLAIN) != wanted or f"https://a.example/{turn}" not in jsonld.canonical(own):
                wrong.append((number, turn))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


_keys = st.sampled_from(
    ["@context", "@id", "@type", "@value", "@language", "@graph", "@list", "@set", "@reverse", "@included", "@nest",
     "@index", "id", "type", "issuer", "credentialSubject", "name", "proof", "evidence", "relatedResource", "ttl", "x"]
)  # fmt: skip
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([V1, V2, "_:b0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_keys, _json, max_size=6), st.booleans())
def test_whatever_comes_is_canonical_lines_or_one_clear_refusal(document: dict[str, Any], with_context: bool) -> None:
    try:
        quads = jsonld.canonical({**document, "@context": [V2]} if with_context else document)
    except BadJsonLd as refused:
        assert str(refused)
    else:
        assert quads.endswith(" .\n") and all(line.endswith(" .") for line in quads.split("\n")[:-1])
