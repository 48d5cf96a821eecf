"""A presentation and all it shows: signed by its holder, for the challenge and domain that were asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from credentials import problems
from credentials.verification import Policy, PresentationVerdict, Presented, verify_presentation
from tests.credentials.conftest import NOON
from tests.credentials.issuer import V1, V2, Issuer, seconds
from tests.credentials.signers import credential, secured, somebody
from tests.wallet import Wallet, did_key, p256

POLICY = Policy(trust=False, strangers=True, strict=True, challenge="c-1", domain="verifier.example")


def check(data: str | Mapping[str, Any], policy: Policy = POLICY) -> PresentationVerdict:
    return verify_presentation(Presented.of(data), policy=policy, now=NOON)


def presentation(holder: Wallet, /, *credentials: Any, **changes: Any) -> dict[str, Any]:
    whole = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": list(credentials),
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def shown(holder: Wallet, /, *credentials: Any, signed_by: Wallet | None = None, **changes: Any) -> dict[str, Any]:
    """Signed for the challenge and domain of `POLICY`."""
    document = presentation(holder, *credentials, **changes)
    by = signed_by or holder
    return secured(document, by, purpose="authentication", challenge="c-1", domain="verifier.example")


@pytest.fixture
def holder() -> Wallet:
    return somebody("holder")


@pytest.fixture
def good() -> dict[str, Any]:
    by = somebody("issuer")
    return secured(credential(by.did), by)


def test_a_presentation_is_its_signers_and_each_credential_is_judged(
    db: None, holder: Wallet, good: dict[str, Any]
) -> None:
    found = check(shown(holder, good, good))
    assert found.ok and found.holder == holder.did and len(found.credentials) == 2
    assert [each.name for each in found.checks] == ["format", "holder", "credentials"]
    assert check(shown(holder)).ok, "one without credentials shows who signed"
    assert check(shown(holder, holder=None)).holder == holder.did
    assert check(shown(holder, good, holder={"id": holder.did})).ok


def test_one_bad_credential_spoils_it_and_is_named(db: None, holder: Wallet, good: dict[str, Any]) -> None:
    bad = {**good, "validUntil": "2030-01-01T00:00:00Z"}
    found = check(shown(holder, good, bad))
    assert not found.ok and [each.ok for each in found.credentials] == [True, False]
    assert (found.reason, found.problems[0].type) == ("BAD_SIGNATURE", problems.CRYPTOGRAPHIC_SECURITY)


def test_credentials_of_every_form_are_shown_side_by_side(
    trusted: Issuer, holder: Wallet, good: dict[str, Any]
) -> None:
    token = trusted.sign(credential(trusted.did), header={"typ": "vc+jwt"})
    envelope = {"@context": V2, "type": "EnvelopedVerifiableCredential", "id": f"data:application/vc+jwt,{token}"}
    found = check(shown(holder, good, envelope))
    assert found.ok, found
    assert [str(each.form) for each in found.credentials] == ["embedded proof", "vc+jwt"]


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": None},
        {"@context": []},
        {"@context": ["https://www.w3.org/ns/credentials/examples/v2", V2]},
        {"type": None},
        {"type": ["Presentation"]},
        {"verifiableCredential": ["text"]},
        {"verifiableCredential": [{"type": ["VerifiableCredential"]}]},
        {"holder": {"name": "no id"}},
        {"holder": 5},
        {"id": "no url"},
    ],
    ids=str,
)
def test_a_presentation_that_breaks_the_data_model_is_refused(
    db: None, holder: Wallet, changes: dict[str, Any]
) -> None:
    document = {**shown(holder), **changes}
    found = check({name: value for name, value in document.items() if value is not None})
    assert not found.ok and found.problems


def test_it_is_for_one_challenge_and_one_domain(db: None, holder: Wallet) -> None:
    for options, kind in (
        ({"challenge": "c-2", "domain": "verifier.example"}, problems.INVALID_CHALLENGE),
        ({"challenge": "c-1", "domain": "other.example"}, problems.INVALID_DOMAIN),
        ({}, problems.INVALID_CHALLENGE),
    ):
        found = check(secured(presentation(holder), holder, purpose="authentication", **options))
        assert (found.ok, found.problems[0].type) == (False, kind)
    no_proof = check(presentation(holder))
    assert (no_proof.reason, no_proof.holder) == ("MALFORMED", "")
    other_purpose = secured(presentation(holder), holder, challenge="c-1", domain="verifier.example")
    assert check(other_purpose).reason == "BAD_SIGNATURE"


def test_somebody_elses_signature_shows_nothing(db: None, holder: Wallet, good: dict[str, Any]) -> None:
    thief = somebody("thief")
    found = check(shown(holder, good, signed_by=thief))
    assert (found.ok, found.reason, found.credentials) == (False, "MALFORMED", ())
    stolen = shown(holder, good)
    stolen["proof"] = {**stolen["proof"], "challenge": "c-1", "created": "2026-10-15T11:59:00Z"}
    assert check(stolen).reason == "BAD_SIGNATURE"


@pytest.mark.parametrize("make", [lambda: somebody("jwt"), lambda: did_key(p256())], ids=["EdDSA", "ES256"])
def test_a_presentation_as_jwt_in_either_model_or_enveloped(db: None, good: dict[str, Any], make: Any) -> None:
    wallet = make()
    claims = {"aud": ["verifier.example"], "nonce": "c-1", "now": NOON}
    new = wallet.sign({**wallet.presentation(form="2.0", **claims), "verifiableCredential": [good]}, typ="vp+jwt")
    old_claims = wallet.presentation(form="1.1", **claims)
    old_claims["vp"]["verifiableCredential"] = [good]
    for token in (new, wallet.sign(old_claims)):
        found = check(token)
        assert found.ok and found.holder == wallet.did, found
    envelope = {"@context": [V2], "type": "EnvelopedVerifiablePresentation", "id": f"data:application/vp+jwt,{new}"}
    assert check(envelope).ok
    assert check({**envelope, "@context": []}).reason == "MALFORMED"
    assert check({**envelope, "id": new}).reason == "MALFORMED"


def test_a_jwt_presentation_has_an_end_an_audience_and_a_nonce(db: None) -> None:
    wallet = somebody("jwt")
    claims: dict[str, Any] = {"aud": "verifier.example", "nonce": "c-1", "now": NOON, "form": "2.0"}
    assert check(wallet.present(**claims)).ok
    assert check(wallet.present(**{**claims, "nonce": "c-2"})).problems[0].type == problems.INVALID_CHALLENGE
    assert check(wallet.present(**{**claims, "aud": "x"})).problems[0].type == problems.INVALID_DOMAIN
    assert check(wallet.present(**claims, exp=seconds(NOON) - 61)).reason == "EXPIRED"
    assert check(wallet.present(**claims, nbf=seconds(NOON) + 61)).reason == "NOT_YET_VALID"
    assert check(wallet.present(**claims, exp="soon")).reason == "MALFORMED"
    forged = wallet.sign(wallet.presentation(**claims), key=somebody("other").private)
    assert check(forged).reason == "BAD_SIGNATURE"


def test_a_jwt_credential_of_data_model_1_1_may_stand_in_it_as_text(trusted: Issuer) -> None:
    wallet = somebody("jwt")
    claims = wallet.presentation(aud="verifier.example", nonce="c-1", now=NOON, form="1.1")
    claims["vp"]["verifiableCredential"] = [trusted.credential("ExampleCredential", {"id": wallet.did})]
    policy = Policy(trust=False, strangers=True, challenge="c-1", domain="verifier.example")
    found = check(wallet.sign(claims), policy)
    assert found.ok and str(found.credentials[0].form) == "VC-JWT 1.1"
    assert claims["vp"]["@context"] == [V1]


def test_a_credential_is_no_presentation_and_a_presentation_no_credential(
    db: None, holder: Wallet, good: dict[str, Any]
) -> None:
    assert check(good).reason == "MALFORMED"
    for garbage in ("", "x", "a.b.c", "{", "{}", {}, {"type": "EnvelopedVerifiablePresentation"}, {"proof": [{}]}):
        found = check(garbage)
        assert not found.ok and found.problems


def test_too_many_credentials_are_not_looked_at(db: None, holder: Wallet, good: dict[str, Any]) -> None:
    document = {**shown(holder), "verifiableCredential": [good] * 21}
    assert check(document).detail == "more than 20 credentials"


def test_a_holder_who_is_a_stranger_is_asked_only_where_strangers_are(db: None) -> None:
    server = Issuer("EdDSA")
    server.publish_keys(authentication=[f"{server.did}#key-1"])
    wallet = Wallet(server.private, server.did, f"{server.did}#key-1")
    assert check(shown(wallet)).holder == server.did
    server.asked.clear()
    assert check(shown(wallet), Policy(trust=False, challenge="c-1", domain="verifier.example")).reason == "UNKNOWN_KEY"
    assert server.asked == []
    server.stop()
