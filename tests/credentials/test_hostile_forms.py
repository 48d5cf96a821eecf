"""What a stranger may try with JSON instead of a JWT: each attempt is a failed check, in little time and memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from credentials.data_integrity import jsonld
from credentials.reasons import Reason
from credentials.verification import Policy, Presented, Verdict, verify, verify_presentation
from tests.credentials.conftest import NOON
from tests.credentials.issuer import Issuer, hang, jwk_of, key_of, redirect
from tests.credentials.signers import V2, credential, proof_of, secured, somebody
from tests.wallet import Wallet, did_key, p256

ANYBODY = Policy(trust=False, strangers=True, strict=True, maximum_bytes=256 * 1024)
BY = somebody("hostile")
PROOF = proof_of(credential(BY.did), BY)


def check(data: str | Mapping[str, Any], *, seconds: float = 2.0, policy: Policy = ANYBODY) -> Verdict:
    """The verdict; not later than in two seconds, and of the closed set."""
    started = time.perf_counter()
    verdict = verify(Presented.of(data), policy=policy, now=NOON)
    assert time.perf_counter() - started < seconds
    assert verdict.ok == (verdict.reason == "")
    assert verdict.ok or verdict.reason in set(Reason)
    assert verdict.ok or verdict.problems[0].type.startswith("http")
    return verdict


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"id": "urn:x:end"}
    for _ in range(depth):
        found = {"knows": found}
    return found


def nodes(count: int) -> list[dict[str, Any]]:
    """Things without an id that all look alike and all point at all: the classic poison of canonicalisation."""
    vocabulary = "https://vocabulary.example/"
    names = [f"_:n{number}" for number in range(count)]
    return [{"id": name, f"{vocabulary}p": [{"id": other} for other in names]} for name in names]


# ── documents that are made to cost ──


@pytest.mark.parametrize(
    "subject",
    [
        nodes(12),
        nodes(60),
        [{"https://v.example/p": {"https://v.example/q": {}}} for _ in range(1500)],
        nested(31),
        nested(200),
        nested(400),
        {"https://v.example/p": [{"https://v.example/q": str(number)} for number in range(15_000)]},
        {"https://v.example/p": list(range(50_000))},
        {"https://v.example/p": "x" * 5_000_000},
        {f"https://v.example/p{number}": number for number in range(10_000)},
        {"https://v.example/p": {"@list": [{"@list": [{"@list": []}]}] * 500}},
        {"https://v.example/p": [{"@graph": nodes(8)}, {"@graph": nodes(8)}]},
    ],
    ids=range(12),
)
def test_a_document_made_to_cost_is_refused_quickly_and_in_little_memory(db: None, subject: Any) -> None:
    document = {**credential(BY.did, credentialSubject=subject), "proof": PROOF}
    began = time.thread_time()
    verdict = verify(Presented.of(document), policy=ANYBODY, now=NOON)
    assert time.thread_time() - began < 2
    assert verdict.reason in ("MALFORMED", "BAD_SIGNATURE")
    tracemalloc.start()
    try:
        verify(Presented.of(document), policy=ANYBODY, now=NOON)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_many_costly_credentials_in_one_presentation_cost_little_more_than_one(db: None) -> None:
    subject = {"https://v.example/p": [str(number) for number in range(990)]}
    costly = {**credential(BY.did, credentialSubject=subject), "proof": PROOF}
    wallet = somebody("jwt")
    said = wallet.presentation(aud="x", nonce="x", now=NOON, form="2.0")
    token = wallet.sign({**said, "verifiableCredential": [costly] * 20})
    began = time.thread_time()
    found = verify_presentation(Presented.of(token), policy=ANYBODY, now=NOON)
    assert time.thread_time() - began < 5
    assert len(found.credentials) == 20 and not any(each.ok for each in found.credentials)
    assert "cost too much" in found.credentials[-1].detail


@pytest.mark.parametrize(
    "contexts",
    [
        [V2, "https://attacker.example/context"],
        [V2, "http://169.254.169.254/latest/meta-data"],
        [V2, "file:///etc/passwd"],
        [V2, {"@import": "https://attacker.example/context"}],
        [V2, {"@base": "https://attacker.example/"}],
        [V2, {"@vocab": "https://attacker.example/#", "@propagate": False}],
        [V2, {"t": {"@id": "https://v.example/t", "@context": "https://attacker.example/context"}}],
        [V2, {"t": {"@id": "https://v.example/t", "@context": {"t": {"@id": "t", "@context": {}}}}}],
        [V2, {"issuer": "https://v.example/issuer"}],
        [V2, {"@version": 1.1, "@protected": False, "type": "@id"}],
        [V2] * 40,
        [V2, *[{f"t{number}": f"https://v.example/{number}"} for number in range(200)]],
        [V2, None],
        [V2, 5],
        {"@vocab": "https://v.example/"},
        V2,
    ],
    ids=range(16),
)
def test_no_context_leads_anywhere_or_changes_what_was_meant(db: None, contexts: Any) -> None:
    document = {**credential(BY.did, type=["VerifiableCredential"]), "@context": contexts, "proof": PROOF}
    assert not check(document).ok


def test_contexts_that_strangers_bring_are_not_kept(db: None) -> None:
    jsonld.canonical(credential(BY.did))
    kept = set(jsonld._kept.contexts)
    assert V2 in kept
    for number in range(20):
        own = {
            f"t{number}": f"https://x.example/{number}",
            "More": {"@id": "urn:x:More", "@context": {"y": f"urn:y:{number}"}},
        }
        document = credential(BY.did, **{"@context": [V2, own]}, type=["VerifiableCredential", "More"])
        assert check(secured(document, BY)).ok
    new = set(jsonld._kept.contexts) - kept
    assert not [each for each in new if "x.example" in each or "urn:y" in each]


def test_a_huge_set_of_proofs_is_not_worked_through(db: None) -> None:
    document = credential(BY.did)
    for count in (5, 11, 5000):
        assert check({**document, "proof": [PROOF] * count}).reason == "MALFORMED"
    chain = [{**PROOF, "id": f"urn:x:{n}", "previousProof": [f"urn:x:{m}" for m in range(4)]} for n in range(4)]
    assert check({**document, "proof": chain}).reason in ("MALFORMED", "BAD_SIGNATURE")
    itself = {**PROOF, "id": "urn:x:1", "previousProof": "urn:x:1"}
    assert check({**document, "proof": itself}).reason == "MALFORMED"


def test_text_that_is_nested_or_long_beyond_reason_is_malformed(db: None) -> None:
    for text in (
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"proof":' + "[" * 50_000 + "]" * 50_000 + "}",
        json.dumps({**credential(BY.did), "proof": PROOF, "name": "x" * 300_000}),
        '{"proof":{},"proof":{}}',
        '{"a": NaN, "proof": {}}',
        '{"a": 1e999, "proof": {}}',
        '{"a": ' + "9" * 100_000 + "}",
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        "{",
        "{}",
        "{}{}",
    ):
        assert check(text).reason == "MALFORMED"


def test_an_object_that_is_deeper_than_python_counts_is_malformed(db: None) -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = {}
        inner = inner["a"]
    for document in ({**credential(BY.did), "proof": PROOF, "x": deep}, {"proof": deep}, deep):
        assert check(document).reason == "MALFORMED"
        assert not verify_presentation(Presented.of(document), policy=ANYBODY, now=NOON).ok


# ── keys that are not what the proof says ──


def test_a_key_of_another_kind_makes_no_eddsa_proof(db: None) -> None:
    other = did_key(p256())
    document = credential(other.did)
    proof = {**PROOF, "verificationMethod": other.kid}
    assert check({**document, "proof": proof}).reason == "BAD_SIGNATURE"
    for algorithm in ("RS256", "ES256", "ES384"):
        issuer = Issuer(algorithm)
        document = credential(issuer.did)
        proof = {**PROOF, "verificationMethod": f"{issuer.did}#key-1"}
        assert check({**document, "proof": proof}).reason in ("BAD_SIGNATURE", "UNKNOWN_KEY")
        issuer.stop()


def test_a_verification_method_of_somebody_else_is_not_even_looked_up(db: None) -> None:
    issuer, thief = Issuer("EdDSA"), Issuer("EdDSA")
    by = Wallet(thief.private, thief.did, f"{thief.did}#key-1")
    document = credential(issuer.did)
    for method in (
        by.kid,
        f"{thief.did}?versionId=1#key-1",
        f"{issuer.did}.attacker.example#key-1",
        "urn:x:1",
        "#key-1",
    ):
        assert not check({**document, "proof": proof_of(document, by, method=method)}).ok
    assert thief.asked == []
    issuer.stop()
    thief.stop()


def test_documents_that_name_each_other_as_controllers_lead_nowhere(db: None) -> None:
    one, two = Issuer("EdDSA"), Issuer("EdDSA")
    for mine, other in ((one, two), (two, one)):
        jwk = {name: value for name, value in jwk_of(mine.private).items() if name != "key_ops"}
        method = {"id": f"{mine.did}#key-1", "type": "JsonWebKey", "controller": other.did, "publicKeyJwk": jwk}
        mine.publish_keys(controller=[other.did], verificationMethod=[method], alsoKnownAs=[other.did])
    document = credential(one.did)
    by = Wallet(one.private, one.did, f"{one.did}#key-1")
    assert check(secured(document, by)).reason == "UNKNOWN_KEY"
    # Looked at again once, in case the key is new; the other one never.
    assert set(one.asked) == {"/.well-known/did.json"} and len(one.asked) <= 2 and two.asked == []
    one.stop()
    two.stop()


def test_a_did_document_full_of_keys_is_read_so_far_and_no_further(db: None) -> None:
    issuer = Issuer("EdDSA")
    jwk = {name: value for name, value in jwk_of(key_of("EdDSA")).items() if name != "key_ops"}
    methods = [
        {"id": f"{issuer.did}#k{number}", "type": "JsonWebKey", "controller": issuer.did, "publicKeyJwk": jwk}
        for number in range(900)
    ]
    issuer.publish_keys(verificationMethod=methods, assertionMethod=[each["id"] for each in methods])
    assert len(issuer.documents["/.well-known/did.json"]) > 100_000  # type: ignore[arg-type]
    by = Wallet(issuer.private, issuer.did, f"{issuer.did}#k899")
    assert check(secured(credential(issuer.did), by)).reason == "UNKNOWN_KEY"
    issuer.stop()


# ── strangers that lead inside, or nowhere ──


@pytest.mark.parametrize(
    "did",
    [
        "did:web:169.254.169.254",
        "did:web:10.0.0.1%3A8080",
        "did:web:metadata.google.internal",
        "did:web:127.0.0.1%3A1",
        "did:web:[::1]",
        "did:web:user@example.com",
        "did:web:example.com%2Fadmin",
        "did:web:..%2F..",
        "did:example:1",
        "https://example.com/issuer",
    ],
)
def test_a_strangers_did_leads_nowhere_inside(db: None, did: str) -> None:
    document = credential(did)
    by = Wallet(BY.private, did, f"{did}#key-1")
    assert check(secured(document, by)).reason in ("UNKNOWN_KEY", "MALFORMED")


def test_a_stranger_that_redirects_inside_is_not_followed(db: None) -> None:
    inside = Issuer("EdDSA")
    outside = Issuer("EdDSA")
    outside.documents["/.well-known/did.json"] = redirect(f"{inside.url}/.well-known/did.json")
    by = Wallet(outside.private, outside.did, f"{outside.did}#key-1")
    assert check(secured(credential(outside.did), by)).reason == "UNKNOWN_KEY"
    assert inside.asked == []
    inside.stop()
    outside.stop()


def test_a_stranger_that_never_answers_costs_no_more_than_the_policy_allows(db: None) -> None:
    issuer = Issuer("EdDSA")
    issuer.documents["/.well-known/did.json"] = hang(5)
    by = Wallet(issuer.private, issuer.did, f"{issuer.did}#key-1")
    policy = Policy(trust=False, strangers=True, wait_seconds=1.0)
    verdict = check(secured(credential(issuer.did), by), policy=policy)
    assert (verdict.reason, verdict.retryable) == ("UNKNOWN_KEY", True)
    several = {"@context": [V2], "type": ["VerifiablePresentation"], "verifiableCredential": []}
    several["verifiableCredential"] = [secured(credential(f"{issuer.did}:{n}"), by) for n in range(20)]
    started = time.perf_counter()
    verify_presentation(Presented.of(secured(several, BY, purpose="authentication")), policy=policy, now=NOON)
    assert time.perf_counter() - started < 2.5
    issuer.stop()


# ── anything at all ──

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_quick = examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_MEMBERS = ("@context", "id", "type", "issuer", "validFrom", "validUntil", "credentialSubject", "credentialStatus")
_OF_PROOF = ("type", "cryptosuite", "created", "expires", "verificationMethod", "proofPurpose", "proofValue", "domain")


@_quick
@given(name=st.sampled_from([*_MEMBERS, "proof", "evidence", "termsOfUse", "name", "@graph", "@id"]), value=_json)
def test_any_value_in_any_member_is_judged_without_an_exception(db: None, name: str, value: Any) -> None:
    check({**credential(BY.did), "proof": PROOF, name: value})


@_quick
@given(name=st.sampled_from([*_OF_PROOF, "id", "previousProof", "challenge", "@context", "nonce"]), value=_json)
def test_any_value_in_any_member_of_a_proof_is_judged_without_an_exception(db: None, name: str, value: Any) -> None:
    check({**credential(BY.did), "proof": {**PROOF, name: value}})


@_quick
@given(data=st.text() | st.dictionaries(st.text(max_size=10), _json, max_size=4) | st.from_regex(r"[\w.~-]{0,60}"))
def test_anything_at_all_is_judged_without_an_exception(db: None, data: Any) -> None:
    assert not check(data).ok
    assert not verify_presentation(Presented.of(data), policy=ANYBODY, now=NOON).ok


@_quick
@given(name=st.sampled_from(["@context", "type", "holder", "verifiableCredential", "proof", "id"]), value=_json)
def test_any_value_in_any_member_of_a_presentation_is_judged_without_an_exception(
    db: None, name: str, value: Any
) -> None:
    document = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": BY.did, "verifiableCredential": []}
    verify_presentation(Presented.of({**document, "proof": PROOF, name: value}), policy=ANYBODY, now=NOON)
