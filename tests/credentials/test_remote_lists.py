"""Status lists of other issuers in every form they come in, and in every way they can be wrong."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from credentials import problems, trust
from credentials.verification import Policy, Presented, Verdict, recheck_status, verify
from tests.credentials.conftest import NOON
from tests.credentials.issuer import V2, Issuer, b64url, forget_everything_fetched, seconds
from tests.credentials.signers import secured
from tests.wallet import Wallet

OWNERSHIP = "MeterOwnershipCredential"
METER = {"id": "did:example:user-12345", "meterId": "umid-001"}


@pytest.fixture
def issuer(db: None) -> Iterator[Issuer]:
    """A trusted issuer whose key can sign JWTs and embedded proofs."""
    made = Issuer("EdDSA")
    trust.add(made.did, types=[OWNERSHIP], now=NOON)
    yield made
    made.stop()


def check(token: str) -> Verdict:
    started = time.perf_counter()
    verdict = verify(Presented.of(token), policy=Policy(), now=NOON)
    assert time.perf_counter() - started < 2
    return verdict


def of_list(issuer: Issuer, index: int = 7, purpose: str = "revocation") -> str:
    return issuer.credential(OWNERSHIP, METER, credentialStatus=issuer.status(index, purpose))


def of_token(issuer: Issuer, **listed: Any) -> str:
    """A credential that names its status only in the JWT's `status` claim."""
    claim = {"idx": 7, "uri": f"{issuer.url}/status/1", **listed}
    return issuer.sign({**issuer.payload(OWNERSHIP, METER), "status": {"status_list": claim}})


def bitstring(issuer: Issuer, *indexes: int, **changes: Any) -> dict[str, Any]:
    """A list as a credential of data model 2.0 without a proof."""
    bits = bytearray(16_384)
    for index in indexes:
        bits[index // 8] |= 128 >> index % 8
    url = f"{issuer.url}/status/1"
    subject = {
        "id": f"{url}#list",
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": "u" + b64url(gzip.compress(bytes(bits))),
        **changes,
    }
    return {
        "@context": [V2],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer.did,
        "validFrom": "2024-01-01T00:00:00Z",
        "credentialSubject": subject,
    }


def proven(issuer: Issuer, document: dict[str, Any], **options: Any) -> bytes:
    wallet = Wallet(issuer.private, issuer.did, f"{issuer.did}#{issuer.kid}")
    return json.dumps(secured(document, wallet, **options)).encode()


def token_list(
    issuer: Issuer,
    statuses: dict[int, int],
    *,
    bits: int = 2,
    header: Any = None,
    raw: bytes | None = None,
    **changes: Any,
) -> bytes:
    """A status list token, packed by hand from the draft's words: least significant bits first."""
    packed = bytearray(4096)
    for index, status in statuses.items():
        packed[index * bits // 8] |= status << (index * bits % 8)
    payload = {
        "sub": f"{issuer.url}/status/1",
        "iat": seconds(NOON) - 60,
        "exp": seconds(NOON) + 600,
        "ttl": 60,
        "status_list": {"bits": bits, "lst": b64url(raw if raw is not None else zlib.compress(bytes(packed)))},
        **changes,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    return issuer.sign(payload, header={"typ": "statuslist+jwt", **(header or {})}).encode()


# ── Bitstring lists ──


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
def test_a_list_as_json_with_an_embedded_proof_is_read(issuer: Issuer, suite: str) -> None:
    issuer.documents["/status/1"] = proven(issuer, bitstring(issuer, 7), suite=suite)
    assert check(of_list(issuer, 7)).reason == "REVOKED"
    assert check(of_list(issuer, 6)).ok


def test_a_list_in_an_envelope_is_read(issuer: Issuer) -> None:
    issuer.publish_list(7)
    token = issuer.documents["/status/1"].decode()  # type: ignore[union-attr]
    envelope = {"@context": [V2], "type": "EnvelopedVerifiableCredential", "id": f"data:application/vc+jwt,{token}"}
    issuer.documents["/status/1"] = json.dumps(envelope).encode()
    assert check(of_list(issuer, 7)).reason == "REVOKED"


def test_a_list_without_a_proof_or_with_one_that_is_wrong_proves_nothing(issuer: Issuer) -> None:
    document = bitstring(issuer)
    good = json.loads(proven(issuer, document))
    changed = {**good, "credentialSubject": bitstring(issuer, 9)["credentialSubject"]}
    for body in (document, changed, {**good, "proof": [good["proof"]] * 9}, {**good, "unknownTerm": 1}):
        issuer.documents["/status/1"] = json.dumps(body).encode()
        verdict = check(of_list(issuer))
        assert (verdict.reason, verdict.problems[0].type) == ("STATUS_UNAVAILABLE", problems.STATUS_VERIFICATION)


def test_a_list_of_several_purposes_answers_each(issuer: Issuer) -> None:
    issuer.documents["/status/1"] = proven(issuer, bitstring(issuer, 7, statusPurpose=["revocation", "suspension"]))
    assert check(of_list(issuer, 7)).reason == "REVOKED"
    assert check(of_list(issuer, 7, "suspension")).reason == "SUSPENDED"


@pytest.mark.parametrize(
    ("body", "index", "problem"),
    [
        (None, 7, problems.STATUS_RETRIEVAL),
        ("short", 7, problems.STATUS_LIST_LENGTH),
        ("whole", 131_072, problems.RANGE),
        ("other purpose", 7, problems.STATUS_VERIFICATION),
        ("no base64", 7, problems.STATUS_VERIFICATION),
    ],
    ids=str,
)
def test_each_failure_has_the_specifications_name(issuer: Issuer, body: str | None, index: int, problem: str) -> None:
    encoded = {"short": "u" + b64url(gzip.compress(bytes(1024))), "no base64": "u!!!"}
    purposes = {"other purpose": "suspension"}
    if body is not None:
        changes = {"encodedList": encoded[body]} if body in encoded else {}
        changes |= {"statusPurpose": purposes[body]} if body in purposes else {}
        issuer.documents["/status/1"] = proven(issuer, bitstring(issuer, **changes))
    verdict = check(of_list(issuer, index))
    assert (verdict.reason, verdict.problems[0].type) == ("STATUS_UNAVAILABLE", problem)
    assert verdict.problems[0].title == problem.rpartition("#")[2]


def test_a_list_loses_its_proof_with_the_key_that_made_it(issuer: Issuer) -> None:
    issuer.documents["/status/1"] = proven(issuer, bitstring(issuer))
    issuer.headers["Cache-Control"] = "max-age=0"
    entry = check(of_list(issuer)).status_entry
    assert recheck_status([entry], now=NOON)[0].ok
    issuer.private = Issuer("EdDSA").private
    issuer.publish_keys()
    assert recheck_status([entry], now=NOON)[0].reason == "STATUS_UNAVAILABLE"


# ── IETF status list tokens ──


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_credential_with_only_the_status_claim_is_looked_up_in_the_token(issuer: Issuer, bits: int) -> None:
    issuer.documents["/status/1"] = token_list(issuer, {7: 1}, bits=bits)
    verdict = check(of_token(issuer))
    assert verdict.reason == "REVOKED"
    assert verdict.status_entry is not None and verdict.status_entry["entries"][0]["purpose"] == "token"
    assert check(of_token(issuer, idx=8)).ok and check(of_token(issuer, idx=6)).ok


def test_invalid_suspended_and_what_only_the_issuer_understands_are_told_apart(issuer: Issuer) -> None:
    issuer.documents["/status/1"] = token_list(issuer, {1: 1, 2: 2, 3: 3})
    found = [check(of_token(issuer, idx=index)).reason for index in range(5)]
    assert found == ["", "REVOKED", "SUSPENDED", "STATUS_UNAVAILABLE", ""]


def test_both_lists_may_lie_at_one_address_and_the_bitstring_counts_where_both_are_named(issuer: Issuer) -> None:
    issuer.publish_list(7)
    claim = {"status_list": {"idx": 7, "uri": f"{issuer.url}/status/1"}}
    payload = issuer.payload(OWNERSHIP, METER, credentialStatus=issuer.status(7))
    assert check(issuer.sign({**payload, "status": claim})).reason == "REVOKED"
    harmless = {**issuer.status(7), "statusPurpose": "message", "statusSize": 1}
    payload = issuer.payload(OWNERSHIP, METER, credentialStatus=harmless)
    issuer.documents["/status/1"] = token_list(issuer, {7: 2})
    assert check(issuer.sign({**payload, "status": claim})).reason == "SUSPENDED"


def test_the_token_counts_beside_entries_that_tell_no_revocation(issuer: Issuer) -> None:
    issuer.publish_list(purpose="suspension")
    issuer.documents["/status/token"] = token_list(issuer, {7: 1}, sub=f"{issuer.url}/status/token")
    claim = {"status_list": {"idx": 7, "uri": f"{issuer.url}/status/token"}}
    payload = issuer.payload(OWNERSHIP, METER, credentialStatus=issuer.status(7, "suspension"))
    assert check(issuer.sign(payload)).ok
    assert check(issuer.sign({**payload, "status": claim})).reason == "REVOKED"


def test_a_token_that_is_not_quite_the_issuers_fails_closed(issuer: Issuer) -> None:
    bodies = [
        token_list(issuer, {}, header={"typ": "JWT"}),
        token_list(issuer, {}, header={"typ": "vc+jwt"}),
        token_list(issuer, {}, sub=f"{issuer.url}/status/2"),
        token_list(issuer, {}, iss="did:example:other"),
        token_list(issuer, {}, iat=None),
        token_list(issuer, {}, iat=seconds(NOON) + 3600),
        token_list(issuer, {}, exp=seconds(NOON) - 60),
        token_list(issuer, {}, ttl="a minute"),
        token_list(issuer, {}, ttl=-1),
        token_list(issuer, {}, bits=3),
        token_list(issuer, {}, raw=b"no zlib"),
        token_list(issuer, {}, raw=zlib.compress(bytes(4096))[:-2]),
        token_list(issuer, {}, status_list=None),
        token_list(issuer, {}, status_list={"bits": True, "lst": ""}),
        token_list(issuer, {}, status_list=[]),
        token_list(issuer, {}, header={"kid": "did:example:other#key-1"}),
        token_list(issuer, {}, header={"crit": ["x"], "x": 1}),
        b"",
        b"\xff",
        b"a.b.c",
        json.dumps(bitstring(issuer)).encode(),
    ]
    issuer.headers["Cache-Control"] = "no-store"
    for number, body in enumerate(bodies):
        issuer.documents["/status/1"] = body
        verdict = check(of_token(issuer))
        assert verdict.reason == "STATUS_UNAVAILABLE", number
    issuer.documents["/status/1"] = token_list(issuer, {})
    assert check(of_token(issuer)).ok
    assert check(of_token(issuer, idx=4096 * 4)).problems[0].type == problems.RANGE


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"idx": "7"}, "MALFORMED"),
        ({"idx": True}, "MALFORMED"),
        ({"idx": -1}, "MALFORMED"),
        ({"idx": 10**13}, "MALFORMED"),
        ({"uri": "file:///etc/passwd"}, "MALFORMED"),
        ({"uri": 5}, "MALFORMED"),
        ({"uri": "http://169.254.169.254/latest"}, "STATUS_UNAVAILABLE"),
    ],
    ids=str,
)
def test_a_status_claim_that_names_no_place_is_malformed(issuer: Issuer, listed: dict[str, Any], reason: str) -> None:
    assert check(of_token(issuer, **listed)).reason == reason


def test_a_status_claim_of_another_kind_fails_closed(issuer: Issuer) -> None:
    for claim in ({}, [], "x", {"status_list": []}, {"identifier_list": {"id": "1", "uri": "https://x.example"}}):
        token = issuer.sign({**issuer.payload(OWNERSHIP, METER), "status": claim})
        assert check(token).reason == "STATUS_UNAVAILABLE"


def test_a_token_is_believed_for_its_own_ttl_and_no_longer(issuer: Issuer) -> None:
    issuer.headers["Cache-Control"] = "max-age=30"
    issuer.documents["/status/1"] = token_list(issuer, {}, ttl=0.3)
    token = of_token(issuer)
    assert check(token).ok
    issuer.documents["/status/1"] = token_list(issuer, {7: 1}, ttl=0.3)
    assert check(token).ok and issuer.asked.count("/status/1") == 1
    time.sleep(0.35)
    assert check(token).reason == "REVOKED"


def test_a_list_with_thousands_of_values_beside_it_is_refused_because_a_proven_list_is_kept(issuer: Issuer) -> None:
    bits = b64url(gzip.compress(bytes(16_384)))
    for count, reason in (100, ""), (50_000, "STATUS_UNAVAILABLE"):
        forget_everything_fetched()
        issuer.documents["/status/1"] = issuer.list_of(bits, evidence=[[]] * count)
        assert check(of_list(issuer)).reason == reason


def test_ten_megabytes_in_a_token_cost_neither_time_nor_memory(issuer: Issuer) -> None:
    bomb = zlib.compress(bytes(10 << 20), 9)
    issuer.documents["/status/1"] = token_list(issuer, {}, raw=bomb)
    tracemalloc.start()
    verdict = check(of_token(issuer))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.reason == "STATUS_UNAVAILABLE" and peak < 6 << 20


# ── a DeDi registry of revocations ──


def test_a_registry_has_a_record_of_what_was_revoked_and_of_nothing_else(issuer: Issuer) -> None:
    entry = {"id": f"{issuer.url}/dedi/lookup/ns/vc-revocation-registry/1", "type": "dediregistry"}
    token = issuer.credential(OWNERSHIP, METER, credentialStatus=entry)
    assert check(token).ok
    issuer.documents["/dedi/lookup/ns/vc-revocation-registry/1"] = b'{"data":{}}'
    assert check(token).reason == "REVOKED"
    issuer.documents["/dedi/lookup/ns/vc-revocation-registry/1"] = failing
    verdict = check(token)
    assert (verdict.reason, verdict.retryable) == ("STATUS_UNAVAILABLE", True)
    assert check(issuer.credential(OWNERSHIP, METER, credentialStatus={**entry, "id": "ftp://x"})).reason == "MALFORMED"


def failing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
