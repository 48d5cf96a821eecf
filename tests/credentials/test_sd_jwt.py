"""SD-JWT: what is hidden is hidden, what is disclosed is what was said, and nothing else can be slipped in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.multikey import b64url, from_b64url
from credentials.wallets import sd_jwt

CLAIMS = {"programId": "p-1", "meters": ["umid-001", "umid-002"], "consumerNumber": "C-77", "roles": ["consumer"]}


def encoded() -> tuple[dict[str, Any], list[str]]:
    return sd_jwt.encode(CLAIMS, hide=["consumerNumber", "sub"], hide_elements=["meters", "ders"])


def says(disclosure: str) -> list[Any]:
    return list(json.loads(from_b64url(disclosure)))


@pytest.mark.parametrize(
    ("disclosure", "expected"),
    [
        ("WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0", "uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY"),
        ("WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0", "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs"),
    ],
)
def test_digests_are_those_of_the_published_examples(disclosure: str, expected: str) -> None:
    """RFC 9901, 4.2.3: of an object property (family_name) and of an array element (FR)."""
    assert sd_jwt.digest(disclosure) == expected


def test_hidden_claims_stand_in_the_payload_only_as_digests() -> None:
    payload, disclosures = encoded()
    text = json.dumps(payload)
    assert "umid-00" not in text and "C-77" not in text and "consumerNumber" not in text
    assert payload["programId"] == "p-1" and payload["roles"] == ["consumer"] and payload["_sd_alg"] == "sha-256"
    assert sorted(tuple(says(each)[1:]) for each in disclosures) == [
        ("consumerNumber", "C-77"),
        ("umid-001",),
        ("umid-002",),
    ]
    assert payload["_sd"] == [sd_jwt.digest(each) for each in disclosures if len(says(each)) == 3]


def test_salts_have_128_bits_and_are_never_the_same() -> None:
    salts = [says(each)[0] for _ in range(50) for each in encoded()[1]]
    assert len(set(salts)) == len(salts) and {len(from_b64url(salt)) for salt in salts} == {16}


@pytest.mark.parametrize(("count", "shown"), [(0, 4), (1, 4), (4, 4), (5, 8), (500, 500), (501, 504)])
def test_how_many_meters_there_are_is_not_told(count: int, shown: int) -> None:
    payload, disclosures = sd_jwt.encode({"meters": [f"m-{n}" for n in range(count)]}, hide_elements=["meters"])
    assert len(payload["meters"]) == shown and len(disclosures) == count
    assert all(set(each) == {"..."} and len(from_b64url(each["..."])) == 32 for each in payload["meters"])


def test_with_all_disclosures_everything_is_back() -> None:
    assert sd_jwt.disclosed(*encoded()) == CLAIMS


def test_what_the_holder_keeps_back_is_not_there() -> None:
    payload, disclosures = encoded()
    shown = [each for each in disclosures if says(each)[-1] == "umid-002"]
    found = sd_jwt.disclosed(payload, shown)
    assert found == {"programId": "p-1", "roles": ["consumer"], "meters": ["umid-002"]}
    assert sd_jwt.disclosed(payload, []) == {"programId": "p-1", "roles": ["consumer"], "meters": []}


def forged(*parts: Any) -> str:
    return b64url(json.dumps(["c2FsdA", *parts]).encode())


NAMED_TWICE = forged("programId", "p-2")


@pytest.mark.parametrize(
    ("change", "disclosures"),
    [
        ({}, [forged("meters", ["umid-900"])]),
        ({}, [forged("umid-900")]),
        ({"_sd": ["x"]}, [forged("x", 1)] * 2),
        ({"_sd": [NAMED_TWICE and sd_jwt.digest(NAMED_TWICE)]}, [NAMED_TWICE]),
        ({"_sd": [sd_jwt.digest(forged("_sd", []))]}, [forged("_sd", [])]),
        ({"_sd": [sd_jwt.digest(forged("...", []))]}, [forged("...", [])]),
        ({"_sd": [sd_jwt.digest(forged("x"))]}, [forged("x")]),
        ({"roles": [{"...": sd_jwt.digest(forged("a", "b"))}]}, [forged("a", "b")]),
        ({"_sd": ["x", "x"]}, []),
        ({"_sd": ["x"], "roles": [{"...": "x"}]}, []),
        ({"_sd": "x"}, []),
        ({"_sd": [1]}, []),
        ({"roles": {"...": "x"}}, []),
        ({"_sd_alg": "md5"}, []),
        ({}, ["!"]),
        ({}, [b64url(b"{}")]),
        ({}, [b64url(b"[1, 2]")]),
        ({}, [b64url(b'["salt"]')]),
        ({}, [b64url(b'["salt", 1, 2]')]),
        ({}, [b64url(b"[" * 100_000)]),
        ({"deep": json.loads("[" * 40 + "]" * 40)}, []),
        ({}, [forged(str(n)) for n in range(2001)]),
    ],
    ids=range(22),
)
def test_nothing_can_be_slipped_in(change: dict[str, Any], disclosures: list[str]) -> None:
    payload = {"programId": "p-1", "roles": [], "_sd_alg": "sha-256", **change}
    with pytest.raises(ValueError):
        sd_jwt.disclosed(payload, disclosures)


def test_a_disclosure_may_hold_digests_of_its_own() -> None:
    inner = forged("city", "Kochi")
    outer = forged("address", {"_sd": [sd_jwt.digest(inner)], "country": "IN"})
    payload = {"_sd": [sd_jwt.digest(outer)], "_sd_alg": "sha-256"}
    assert sd_jwt.disclosed(payload, [outer, inner]) == {"address": {"city": "Kochi", "country": "IN"}}
    assert sd_jwt.disclosed(payload, [outer]) == {"address": {"country": "IN"}}
    with pytest.raises(ValueError):
        sd_jwt.disclosed(payload, [inner])


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda item: st.lists(item, max_size=3))
NAMES = st.text(min_size=1).filter(lambda name: name not in ("_sd", "_sd_alg", "..."))


@given(st.dictionaries(NAMES, JSON, max_size=5), st.data())
def test_any_claims_come_back_as_they_were(claims: dict[str, Any], data: Any) -> None:
    hidden = data.draw(st.sets(st.sampled_from(sorted(claims)))) if claims else set()
    arrays = [name for name in claims if name not in hidden and isinstance(claims[name], list)]
    payload, disclosures = sd_jwt.encode(claims, hide=hidden, hide_elements=arrays)
    assert sd_jwt.disclosed(json.loads(json.dumps(payload)), disclosures) == claims


def test_the_parts_are_joined_by_tildes_and_end_with_one() -> None:
    assert sd_jwt.join("a.b.c", ["d", "e"]) == "a.b.c~d~e~" and sd_jwt.join("a.b.c", []) == "a.b.c~"
    assert hashlib.sha256(b"d").digest() == from_b64url(sd_jwt.digest("d"))
