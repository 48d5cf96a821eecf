"""What a stranger may try: each attempt is a clear failed check, in little time and memory, never an exception."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import random
import time
import tracemalloc
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from credentials import issuers, trust
from credentials.asking import Deadline
from credentials.reasons import Disbelieved
from credentials.verification import Presented, Reason, verify_presented
from tests.credentials.conftest import NOON
from tests.credentials.issuer import Issuer, b64url, hang, jwk_of, key_of, redirect

HOLDER = "did:example:user-12345"
METER = {"id": HOLDER, "meterId": "umid-001", "utilityId": "utility-example-001"}
OWNERSHIP = "MeterOwnershipCredential"


def reason(data: Any, *, seconds: float = 2.0) -> str:
    """The reason a presented text is refused for; checks that it did not take longer than two seconds."""
    started = time.perf_counter()
    verdict = verify_presented([Presented("x", OWNERSHIP, "VC-JWT", data)], subject_did=HOLDER, now=NOON)[0]
    assert time.perf_counter() - started < seconds
    assert verdict.ok == (verdict.reason == "")
    assert verdict.reason == "" or verdict.reason in set(Reason)
    return verdict.reason


def forged(header: dict[str, Any], payload: Any, signature: bytes = b"s" * 64) -> str:
    parts = (json.dumps(part).encode() for part in (header, payload))
    return ".".join([*map(b64url, parts), b64url(signature)])


# ── algorithms and keys ──


def test_alg_none_is_not_allowed(trusted: Issuer) -> None:
    payload = trusted.payload(OWNERSHIP, METER)
    for alg in ("none", "None", "NONE", "nOnE", "", None, 5, ["ES256"], "HS256", "RS1", "ES256K", "dir"):
        assert reason(forged({"alg": alg, "typ": "JWT"}, payload, b"")) == "ALG_NOT_ALLOWED"
    assert reason(jwt.encode(payload, None, algorithm="none")) == "ALG_NOT_ALLOWED"
    assert reason(forged({"typ": "JWT"}, payload)) == "ALG_NOT_ALLOWED"


def test_a_public_key_is_no_hmac_secret(db: None) -> None:
    issuer = Issuer("RS256")
    trust.add(issuer.did, types=[OWNERSHIP], now=NOON)
    public = issuer.private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(jwk_of(issuer.private)).encode()):
        head = b64url(json.dumps({"alg": "HS256", "typ": "JWT", "kid": f"{issuer.did}#key-1"}).encode())
        body = b64url(json.dumps(issuer.payload(OWNERSHIP, METER)).encode())
        mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
        assert reason(f"{head}.{body}.{b64url(mac)}") == "ALG_NOT_ALLOWED"
    issuer.stop()


@pytest.mark.parametrize(("of_key", "claimed"), [("ES256", "ES384"), ("EdDSA", "ES256"), ("RS256", "PS256")])
def test_the_algorithm_of_the_header_must_be_one_of_the_key(db: None, of_key: str, claimed: str) -> None:
    issuer = Issuer(of_key)
    jwk = {**jwk_of(issuer.private), "alg": of_key}
    name = f"{issuer.did}#key-1"
    issuer.publish_keys(verificationMethod=[{"id": name, "type": "JsonWebKey", "publicKeyJwk": jwk}])
    trust.add(issuer.did, types=[OWNERSHIP], now=NOON)
    size = {"ES384": 96, "ES256": 64, "PS256": 256}[claimed]
    header = {"alg": claimed, "typ": "JWT", "kid": name}
    assert reason(forged(header, issuer.payload(OWNERSHIP, METER), b"s" * size)) in ("BAD_SIGNATURE", "UNKNOWN_KEY")
    issuer.stop()


def test_a_key_in_the_header_or_behind_an_address_in_it_is_not_looked_at(trusted: Issuer) -> None:
    mine, elsewhere = key_of("ES256"), Issuer()
    for extra in (
        {"jwk": jwk_of(mine)},
        {"jku": f"{elsewhere.url}/keys"},
        {"x5u": f"{elsewhere.url}/cert"},
        {"x5c": ["AAAA"]},
    ):
        token = trusted.sign(trusted.payload(OWNERSHIP, METER), header=extra, key=mine)
        assert reason(token) == "BAD_SIGNATURE"
    assert elsewhere.asked == []
    elsewhere.stop()


def test_a_kid_of_another_did_leads_nowhere(trusted: Issuer) -> None:
    attacker = Issuer()
    trust.add(attacker.did, types=["DERCertificationCredential"], now=NOON)
    for kid in (
        f"{attacker.did}#key-1",
        attacker.did,
        f"{attacker.did}/{trusted.did}#key-1",
        f"{trusted.did}@evil#key-1",
        f"{trusted.did}#key-2",
        "../../etc/passwd",
        f"{attacker.url}/.well-known/did.json#key-1",
        "' OR 1=1 --",
        "#",
        "k" * 5000,
    ):
        token = attacker.sign(trusted.payload(OWNERSHIP, METER), header={"kid": kid})
        assert reason(token) in ("UNKNOWN_KEY", "BAD_SIGNATURE")
    assert attacker.asked == []
    attacker.stop()


@pytest.mark.parametrize("kid", [5, ["key-1"], {"a": 1}, True])
def test_a_kid_that_is_no_text_is_malformed(trusted: Issuer, kid: Any) -> None:
    header = {"alg": "ES256", "typ": "JWT", "kid": kid}
    assert reason(forged(header, trusted.payload(OWNERSHIP, METER))) == "MALFORMED"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"typ": 5},
        {"typ": "at+jwt"},
        {"typ": "vc+jwt"},
    ],
    ids=str,
)
def test_a_header_that_asks_for_something_unknown_is_malformed(trusted: Issuer, header: dict[str, Any]) -> None:
    assert reason(trusted.sign(trusted.payload(OWNERSHIP, METER), header=header)) == "MALFORMED"


def test_one_byte_changed_anywhere_is_a_bad_signature_or_worse(trusted: Issuer) -> None:
    token = trusted.credential(OWNERSHIP, METER)
    assert reason(token) == ""
    rng = random.Random(7)
    for position in rng.sample(range(len(token)), 120):
        other = "A" if token[position] != "A" else "B"
        assert reason(token[:position] + other + token[position + 1 :]) != ""


def test_the_guides_unsigned_samples_are_bad_signatures_whoever_is_trusted(db: None) -> None:
    header = b64url(b'{"alg":"RS256","typ":"JWT"}')
    ownership = {"vc": {"credentialSubject": METER}, "iss": "did:example:utility-credential-issuer"}
    existing = {"vc": {"credentialSubject": {"id": HOLDER, "enrollmentId": "enrollment-existing-001"}}}
    for payload in (ownership, existing):
        assert reason(f"{header}.{b64url(json.dumps(payload).encode())}.signature") == "BAD_SIGNATURE"
    assert reason("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9...") == "MALFORMED"


# ── garbage ──


@pytest.mark.parametrize(
    "data",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\x00",
        "ÿ.ÿ.ÿ",
        "\ud800.\ud800.\ud800",
        "e30.e30.",
        "bnVsbA.bnVsbA.AAAA",
        "W10.W10.AAAA",
        "A" * 16_385,
        "." * 16_000,
        None,
        5,
        b"bytes",
        ["list"],
        {"credentialData": "x"},
        f"{b64url(b'[' * 9000)}.e30.AAAA",
        f"{b64url(b'{}' * 10)}.e30.AAAA",
    ],
    ids=range(20),
)
def test_garbage_is_malformed_or_has_no_allowed_algorithm(db: None, data: Any) -> None:
    assert reason(data) in ("MALFORMED", "ALG_NOT_ALLOWED")


def _raw(payload: str, header: str = '{"alg":"ES256","typ":"JWT"}') -> str:
    return f"{b64url(header.encode())}.{b64url(payload.encode())}.{b64url(b's' * 64)}"


@pytest.mark.parametrize(
    "payload",
    [
        '{"iss":"a","iss":"b"}',
        '{"vc":{"issuer":"a","issuer":"b"}}',
        '{"exp":NaN}',
        '{"exp":Infinity}',
        '{"exp":' + "9" * 5000 + "}",
        '{"a":' * 2000 + "1" + "}" * 2000,
        '{"vc":' + "[" * 3000 + "]" * 3000 + "}",
        '{"a":"\\u0000"}',
        '{"a":"\\ud800"}',
        '{"vc":null}',
        '{"vc":[]}',
        '{"vc":{}}',
        '{"vc":{},"vp":{}}',
        "[]",
        '"text"',
        "",
    ],
    ids=range(16),
)
def test_a_payload_that_two_readers_could_read_differently_is_malformed(db: None, payload: str) -> None:
    assert reason(_raw(payload)) == "MALFORMED"


def test_a_vc_jwt_with_a_vc_claim_is_malformed(trusted: Issuer) -> None:
    token = trusted.sign(trusted.payload(OWNERSHIP, METER), header={"typ": "vc+jwt"})
    assert reason(token) == "MALFORMED"
    neither = {name: value for name, value in trusted.payload(OWNERSHIP, METER).items() if name != "vc"}
    assert reason(trusted.sign(neither)) == "MALFORMED"


MEMBERS = [
    "@context",
    "id",
    "type",
    "issuer",
    "issuanceDate",
    "expirationDate",
    "credentialSubject",
    "credentialStatus",
    "credentialSchema",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300) | st.binary(max_size=100).map(lambda raw: f"{b64url(raw)}.{b64url(raw)}.{b64url(raw)}"))
def test_any_text_at_all_is_judged_without_an_exception(db: None, data: str) -> None:
    assert reason(data) != ""


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(MEMBERS),
    value=json_values,
)
def test_any_value_in_any_member_is_judged_without_an_exception(trusted: Issuer, field: str, value: Any) -> None:
    reason(trusted.credential(OWNERSHIP, METER, **{field: value}), seconds=5)


@examples(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["iss", "sub", "iat", "nbf", "exp", "jti", "status", "vc"]), value=json_values)
def test_any_registered_claim_is_judged_without_an_exception(trusted: Issuer, name: str, value: Any) -> None:
    payload = {**trusted.payload(OWNERSHIP, METER), name: value}
    text = jwt.api_jws.PyJWS().encode(
        json.dumps(payload).encode(), trusted.private, algorithm="ES256", headers={"kid": f"{trusted.did}#key-1"}
    )
    reason(text, seconds=5)


# ── status lists ──


def _with_status(issuer: Issuer) -> str:
    return issuer.credential(OWNERSHIP, METER, credentialStatus=issuer.status(7))


def test_a_list_of_another_issuer_proves_nothing(trusted: Issuer) -> None:
    other = Issuer()
    trust.add(other.did, types=[OWNERSHIP], now=NOON)
    other.publish_list()
    token = trusted.credential(OWNERSHIP, METER, credentialStatus=other.status(7))
    assert reason(token) == "STATUS_UNAVAILABLE"
    # Its bytes at our issuer's address, and with our issuer's name but the other's signature.
    trusted.documents["/status/1"] = other.documents["/status/1"]
    assert reason(_with_status(trusted)) == "STATUS_UNAVAILABLE"
    key, trusted.private = trusted.private, other.private
    trusted.publish_list()
    trusted.private = key
    assert reason(_with_status(trusted)) == "STATUS_UNAVAILABLE"
    other.stop()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": ["VerifiableCredential"]},
        {"id": "https://elsewhere.example/status/1"},
        {"validUntil": "2020-01-01T00:00:00Z"},
        {"validFrom": "2030-01-01T00:00:00Z"},
        {"credentialSubject": {"type": "BitstringStatusList", "statusPurpose": "revocation"}},
        {"credentialSubject": {"statusPurpose": "revocation", "encodedList": 5}},
        {"credentialSubject": {"statusPurpose": ["revocation"], "encodedList": "uAAAA", "ttl": "soon"}},
        {"@context": []},
    ],
    ids=str,
)
def test_a_list_that_is_not_quite_one_fails_closed(trusted: Issuer, changes: dict[str, Any]) -> None:
    trusted.publish_list(**changes)
    assert reason(_with_status(trusted)) == "STATUS_UNAVAILABLE"


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"\xff\xfe", b"a.b.c", b"x" * 2_000_000], ids=range(6))
def test_what_is_no_list_at_all_fails_closed(trusted: Issuer, body: bytes) -> None:
    trusted.documents["/status/1"] = body
    assert reason(_with_status(trusted)) == "STATUS_UNAVAILABLE"


def test_an_old_list_cannot_be_replayed_as_another_one(trusted: Issuer) -> None:
    trusted.publish_list()
    trusted.documents["/status/2"] = trusted.documents["/status/1"]
    status = {**trusted.status(7), "statusListCredential": f"{trusted.url}/status/2"}
    assert reason(trusted.credential(OWNERSHIP, METER, credentialStatus=status)) == "STATUS_UNAVAILABLE"


def test_a_bomb_in_a_signed_list_costs_neither_time_nor_memory(trusted: Issuer) -> None:
    bomb = base64.urlsafe_b64encode(gzip.compress(bytes(200_000_000), compresslevel=9)).rstrip(b"=").decode()
    trusted.documents["/status/1"] = trusted.list_of(bomb)
    token = _with_status(trusted)
    tracemalloc.start()
    assert reason(token) == "STATUS_UNAVAILABLE"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


def test_a_list_behind_a_redirect_to_elsewhere_is_not_followed(trusted: Issuer) -> None:
    target = Issuer()
    trusted.documents["/status/1"] = redirect(f"{target.url}/status/1")
    assert reason(_with_status(trusted)) == "STATUS_UNAVAILABLE"
    assert target.asked == []
    target.stop()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/status",
        "https://[::1]/status",
        "http://example.org/status",
        "https://user:pw@example.org/status",
        "https://2130706433/status",
    ],
)
def test_a_list_at_an_internal_address_is_not_fetched(trusted: Issuer, url: str) -> None:
    status = {**trusted.status(7), "statusListCredential": url}
    assert reason(trusted.credential(OWNERSHIP, METER, credentialStatus=status)) == "STATUS_UNAVAILABLE"


def test_in_production_loopback_is_not_asked_at_all(trusted: Issuer) -> None:
    with override_settings(DEPLOYMENT="production", ALLOWED_OUTBOUND=[]):
        assert reason(trusted.credential(OWNERSHIP, METER)) == "UNKNOWN_KEY"
    assert trusted.asked == []


def test_an_issuer_that_never_answers_ends_with_the_time_of_the_message(trusted: Issuer) -> None:
    trusted.documents["/.well-known/did.json"] = hang(4)
    started = time.monotonic()
    items = [Presented("", OWNERSHIP, "VC-JWT", trusted.credential(OWNERSHIP, METER)) for _ in range(20)]
    verdicts = verify_presented(items, subject_did=HOLDER, now=NOON, wait_seconds=1.0)
    assert time.monotonic() - started < 2.5
    assert {(verdict.reason, verdict.retryable) for verdict in verdicts} == {("UNKNOWN_KEY", True)}


# ── DID documents ──


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "did:web:evil.example"},
        {"assertionMethod": []},
        {"assertionMethod": ["#other"]},
        {"assertionMethod": "#key-1"},
        {"assertionMethod": None},
        {"verificationMethod": {}},
        {"verificationMethod": [None]},
        {"verificationMethod": [{"id": 5}]},
        {"verificationMethod": []},
    ],
    ids=str,
)
def test_a_did_document_that_does_not_give_the_key_for_assertions_gives_none(
    trusted: Issuer, changes: dict[str, Any]
) -> None:
    trusted.publish_keys(**changes)
    assert reason(trusted.credential(OWNERSHIP, METER)) == "UNKNOWN_KEY"


def test_a_key_controlled_by_another_did_is_no_key_of_this_one_and_cycles_lead_nowhere(trusted: Issuer) -> None:
    other = Issuer()
    for owner, controller in ((trusted, other), (other, trusted)):
        method = {
            "id": f"{owner.did}#key-1",
            "type": "JsonWebKey",
            "controller": controller.did,
            "publicKeyJwk": jwk_of(owner.private),
        }
        owner.publish_keys(verificationMethod=[method], controller=controller.did)
    assert reason(trusted.credential(OWNERSHIP, METER)) == "UNKNOWN_KEY"
    assert other.asked == []
    other.stop()


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff", b"{}", b"x" * 400_000], ids=range(8)
)
def test_a_did_document_that_is_none_gives_no_key(trusted: Issuer, document: bytes) -> None:
    trusted.documents["/.well-known/did.json"] = document
    assert reason(trusted.credential(OWNERSHIP, METER)) == "UNKNOWN_KEY"


@pytest.mark.parametrize(
    ("did", "address"),
    [
        ("did:web:example.org", "https://example.org/.well-known/did.json"),
        ("did:web:example.org:issuers:a-1", "https://example.org/issuers/a-1/did.json"),
        ("did:web:example.org%3A8443", "https://example.org:8443/.well-known/did.json"),
        ("did:web:127.0.0.1%3A8001", "http://127.0.0.1:8001/.well-known/did.json"),
        ("did:web:127.0.0.1%3a8001", "http://127.0.0.1:8001/.well-known/did.json"),
    ],
)
def test_a_did_web_has_one_address(did: str, address: str) -> None:
    assert issuers.web_address(did) == address


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "..",
        "example.org:..",
        "example.org:..:..:admin",
        "example.org:a/b",
        "example.org/path",
        "example.org%2F..%2Fadmin",
        "user%40example.org",
        "user@example.org",
        "example.org?x=1",
        "example.org#x",
        "example.org\\x",
        "[::1]",
        "ex ample.org",
        "example.org%3A8443%3A1",
        "exämple.org",
        "example.org:",
        "a" * 300,
    ],
)
def test_a_did_web_that_would_lead_astray_is_no_did_web(rest: str) -> None:
    with pytest.raises(Disbelieved):
        issuers.web_address(f"did:web:{rest}")


@pytest.mark.parametrize(
    "did", ["did:key:", "did:key:z", "did:key:zzzz", "did:jwk:", "did:jwk:e30", "did:jwk:!!!", "did:x:y"]
)
def test_a_did_without_a_usable_key_gives_none(did: str) -> None:
    with pytest.raises(Disbelieved):
        issuers.resolved(did, deadline=Deadline())
