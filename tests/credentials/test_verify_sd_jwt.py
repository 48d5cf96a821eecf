"""An SD-JWT VC of ours at the door: what the holder discloses, and nothing that is not the token's."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest

from credentials import keys, services
from credentials.models import IssuedCredential
from credentials.verification import HeldForm, Policy, Presented, Verdict, verify
from credentials.wallets import configurations, handing_over
from credentials.wallets.proofs import Proof
from tests.credentials.conftest import NOON, enrollment
from tests.credentials.issuer import jwk_of, key_of
from tests.wallet import did_jwk

DOOR = Policy(trust_ourselves=True, maximum_bytes=256 * 1024)


@pytest.fixture
def private() -> Any:
    return key_of("ES256")


@pytest.fixture
def issued(ready: None) -> services.Issued:
    return services.issue([enrollment(valid_from=NOON)], now=NOON)[0]


@pytest.fixture
def sd_jwt(issued: services.Issued, private: Any) -> str:
    """Everything disclosed, as it is handed to a wallet."""
    row = IssuedCredential.objects.get(pk=issued.id)
    (wanted,) = [each for each in configurations.of_row(row) if each.format == "dc+sd-jwt"]
    proof = Proof({n: v for n, v in jwk_of(private).items() if n != "key_ops"}, did_jwk(private).did, "n")
    return handing_over._signed(row, wanted, proof, NOON)[0]


def check(text: str, policy: Policy = DOOR) -> Verdict:
    return verify(Presented.of(text), policy=policy, now=NOON)


def bound(shown: str, private: Any, **changes: Any) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(shown.encode()).digest()).rstrip(b"=").decode()
    payload = {"iat": 1792065600, "aud": "https://verifier.example", "nonce": "n-1", "sd_hash": digest, **changes}
    return shown + jwt.encode(payload, private, algorithm="ES256", headers={"typ": "kb+jwt"})


def test_what_is_disclosed_is_shown_and_what_is_kept_back_is_not(sd_jwt: str) -> None:
    verdict = check(sd_jwt)
    assert verdict.ok, verdict
    assert (verdict.form, verdict.type) == (HeldForm.SD_JWT, "ProgramEnrollmentCredential")
    assert verdict.claims["meters"] == ["umid-001"] and verdict.claims["id"] == "did:example:user-12345"
    token = sd_jwt.partition("~")[0]
    silent = check(f"{token}~")
    assert silent.ok and silent.claims["meters"] == [] and "id" not in silent.claims


def test_its_status_is_that_of_the_credential(sd_jwt: str, issued: services.Issued) -> None:
    services.revoke([issued.id], at=NOON, reason="x")
    assert check(sd_jwt).reason == "REVOKED"


def test_disclosures_that_are_not_the_tokens_are_refused(sd_jwt: str) -> None:
    token, *rest = sd_jwt.split("~")
    foreign = base64.urlsafe_b64encode(json.dumps(["salt", "roles", ["admin"]]).encode()).rstrip(b"=").decode()
    for disclosures in (
        [foreign, ""],
        [rest[0], rest[0], ""],
        ["!", ""],
        ["é", ""],
        ["a" * 300_000, ""],
        [foreign] * 3000,
    ):
        assert check("~".join([token, *disclosures])).reason == "MALFORMED"
    head, body, signature = token.split(".")
    for broken in (f"{head}.{body}.{signature[:-4]}AAAA~", f"{head}.{body}~", "~", "~~", "a.b.c~"):
        assert check(broken).reason in ("BAD_SIGNATURE", "MALFORMED")


def test_the_token_without_its_tilde_is_no_credential_of_the_data_model(sd_jwt: str) -> None:
    assert check(sd_jwt.partition("~")[0]).reason == "MALFORMED"


def test_a_key_binding_has_to_be_the_holders_and_of_just_what_is_shown(sd_jwt: str, private: Any) -> None:
    assert check(bound(sd_jwt, private)).ok
    assert check(bound(sd_jwt, key_of("ES256"))).reason == "BAD_SIGNATURE"
    token = sd_jwt.partition("~")[0]
    moved = bound(sd_jwt, private).rpartition("~")[2]
    assert check(f"{token}~{moved}").reason == "MALFORMED"
    wanted = Policy(trust_ourselves=True, challenge="n-1", domain="https://verifier.example")
    assert check(bound(sd_jwt, private), wanted).ok
    assert check(bound(sd_jwt, private, nonce="n-2"), wanted).reason == "BAD_SIGNATURE"
    assert check(bound(sd_jwt, private, aud="https://other.example"), wanted).reason == "BAD_SIGNATURE"
    assert check(sd_jwt, wanted).reason == "BAD_SIGNATURE"


def test_an_sd_jwt_of_somebody_else_is_not_checked_here(ready: None) -> None:
    key = keys.active()
    theirs = jwt.encode(
        {"iss": "https://other.example", "vct": "x"}, key_of("ES256"), algorithm="ES256", headers={"typ": "dc+sd-jwt"}
    )
    assert check(f"{theirs}~").reason == "UNTRUSTED_ISSUER"
    ours = {"iss": "http://testserver", "vct": "x"}
    forged = jwt.encode(ours, key_of("ES256"), algorithm="ES256", headers={"typ": "dc+sd-jwt", "kid": key.kid})
    assert check(f"{forged}~").reason in ("BAD_SIGNATURE", "UNTRUSTED_ISSUER")
