"""One function for every form: embedded proofs, envelopes, SD-JWT, our own and strangers', under every policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings

from credentials import forms, keys, problems, services, trust
from credentials.data_integrity import jsonld
from credentials.models import Form, IssuedCredential, StatusListVersion
from credentials.signing import sign_jwt
from credentials.verification import HeldForm, Policy, Presented, Verdict, verify
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.issuer import Issuer
from tests.credentials.signers import V2, credential, proof_of, secured, somebody
from tests.credentials.test_deg import deg_enrollment

ANYBODY = Policy(trust=False, strangers=True, strict=True)
DOOR = Policy(trust_ourselves=True, maximum_bytes=256 * 1024)


def check(data: str | Mapping[str, Any], policy: Policy = ANYBODY, now: Any = NOON) -> Verdict:
    return verify(Presented.of(data), policy=policy, now=now)


# ── strangers with an embedded proof ──


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
def test_an_embedded_proof_of_either_suite_is_believed(db: None, suite: str) -> None:
    by = somebody()
    verdict = check(secured(credential(by.did), by, suite=suite))
    assert verdict.ok and verdict.form == HeldForm.EMBEDDED and verdict.problems == ()
    assert [each.name for each in verdict.checks] == ["format", "issuer", "signature", "dates", "status"]
    assert verdict.claims == {"id": "did:example:user-12345", "name": "A"}


def test_the_same_credential_as_text_or_as_object_is_the_same(db: None) -> None:
    by = somebody()
    document = secured(credential(by.did), by)
    assert check(json.dumps(document)).ok and check(document).ok
    assert check(json.dumps(document)[:-1]).problems[0].type == problems.PARSING


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
@pytest.mark.parametrize(
    "changes",
    [
        {"credentialSubject": {"id": "did:example:user-12345", "name": "B"}},
        {"validUntil": "2030-01-01T00:00:00Z"},
        {"id": "https://issuer.example/credentials/2"},
        {"type": ["VerifiableCredential", "ExampleAlumniCredential"]},
    ],
    ids=str,
)
def test_whatever_is_changed_after_signing_is_found(db: None, suite: str, changes: dict[str, Any]) -> None:
    by = somebody()
    verdict = check({**secured(credential(by.did), by, suite=suite), **changes})
    assert verdict.reason == "BAD_SIGNATURE"
    assert verdict.problems[0].type == problems.CRYPTOGRAPHIC_SECURITY


def test_another_key_than_the_issuers_signs_for_nobody_but_itself(db: None) -> None:
    by, other = somebody("one"), somebody("other")
    assert check(secured(credential(by.did), other)).reason == "UNKNOWN_KEY"
    verdict = check(secured(credential(by.did), other, method=by.kid))
    assert verdict.reason == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"proofPurpose": "authentication"}, "BAD_SIGNATURE"),
        ({"cryptosuite": "eddsa-2022"}, "ALG_NOT_ALLOWED"),
        ({"type": "Ed25519Signature2020"}, "MALFORMED"),
        ({"proofValue": "z1"}, "BAD_SIGNATURE"),
        ({"proofValue": None}, "MALFORMED"),
        ({"verificationMethod": "did:key:nobody"}, "UNKNOWN_KEY"),
        ({"created": "yesterday"}, "MALFORMED"),
        ({"previousProof": "urn:uuid:1"}, "MALFORMED"),
    ],
    ids=str,
)
def test_a_proof_that_is_not_quite_one_is_refused_in_the_specifications_words(
    db: None, changes: dict[str, Any], reason: str
) -> None:
    by = somebody()
    document = secured(credential(by.did), by)
    verdict = check({**document, "proof": {**document["proof"], **changes}})
    assert verdict.reason == reason
    assert verdict.problems[0].type in (problems.PROOF_VERIFICATION, problems.INVALID_VERIFICATION_METHOD)


def test_an_expired_proof_proves_nothing_though_the_credential_goes_on(db: None) -> None:
    by = somebody()
    document = secured(credential(by.did), by, expires="2026-10-15T11:30:00Z")
    for policy in (ANYBODY, Policy(trust=False, dates=False)):
        verdict = check(document, policy)
        assert (verdict.reason, verdict.problems[0].type) == ("EXPIRED", problems.PROOF_VERIFICATION)
    assert check(document, now=NOON - timedelta(minutes=45)).ok


def test_every_proof_of_a_set_has_to_verify(db: None) -> None:
    by = somebody()
    document = credential(by.did)
    one, two = proof_of(document, by), proof_of(document, by, created="2026-10-15T11:30:00Z")
    assert check({**document, "proof": [one, two]}).ok
    assert check({**document, "proof": [one, {**two, "created": "2026-10-15T11:31:00Z"}]}).reason == "BAD_SIGNATURE"
    assert check({**document, "proof": [one] * 5}).reason == "MALFORMED"
    assert check({**document, "proof": []}).reason == "MALFORMED"
    assert check(document).detail == "the document carries no proof"


def test_a_proof_is_for_the_challenge_and_domain_it_names(db: None) -> None:
    by = somebody()
    document = secured(credential(by.did), by, challenge="c-1", domain=["a.example", "b.example"])
    wanted = Policy(trust=False, challenge="c-1", domain="b.example")
    assert check(document, wanted).ok
    for policy, kind in (
        (Policy(trust=False, challenge="c-2", domain="b.example"), problems.INVALID_CHALLENGE),
        (Policy(trust=False, challenge="c-1", domain="c.example"), problems.INVALID_DOMAIN),
    ):
        verdict = check(document, policy)
        assert (verdict.reason, verdict.problems[0].type) == ("BAD_SIGNATURE", kind)
    assert check(secured(credential(by.did), by), wanted).problems[0].type == problems.INVALID_CHALLENGE


def test_what_the_data_model_forbids_is_malformed_however_well_it_is_signed(db: None) -> None:
    by = somebody()
    for changes in (
        {"validFrom": "2027-01-01T00:00:00Z", "validUntil": "2026-12-01T00:00:00Z"},
        {"name": {"@value": "A", "url": "x"}},
        {"credentialSubject": {}},
        {"credentialSchema": {"type": "JsonSchema"}},
    ):
        document = credential(by.did, **changes)
        verdict = check({**document, "proof": proof_of(credential(by.did), by)})
        assert verdict.reason == "MALFORMED" and verdict.checks[0].name == "format"


# ── names and meanings ──


def renamed(document: dict[str, Any], how: str) -> dict[str, Any]:
    """The same quads, so the same good proof; the end and the status out of a reader's sight."""
    iri = "https://www.w3.org/2018/credentials#"
    rest = {name: value for name, value in document.items() if name not in ("validUntil", "credentialStatus")}
    until, status = document["validUntil"], document["credentialStatus"]
    if how == "iri":
        end = {"@value": until, "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
        return {**rest, f"{iri}validUntil": end, f"{iri}credentialStatus": status}
    own = {
        "e": {"@id": f"{iri}validUntil", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
        "s": {"@id": f"{iri}credentialStatus", "@type": "@id"},
    }
    if how == "alias":
        return {**rest, "@context": [*document["@context"], own], "e": until, "s": status}
    half = {**rest, "@context": [*document["@context"], own], "e": until}
    return {**half, "credentialStatus": status[:1], "s": status[1:]}


@pytest.mark.parametrize("how", ["iri", "alias", "half"])
@pytest.mark.parametrize("policy", [ANYBODY, Policy(trust=False, strangers=True), DOOR], ids=["strict", "any", "door"])
def test_an_end_or_a_status_cannot_be_hidden_under_another_name(ready: None, how: str, policy: Policy) -> None:
    issued = services.issue([consent(valid_from=NOON)], now=NOON)[0]
    services.revoke([issued.id], at=NOON, reason="x")
    document = json.loads(forms.text_of(IssuedCredential.objects.get(pk=issued.id), Form.JSON_2_0))
    hidden = renamed(document, how)
    bare = [{name: value for name, value in each.items() if name != "proof"} for each in (document, hidden)]
    assert jsonld.canonical(bare[0]) == jsonld.canonical(bare[1]), "the attack is one"
    assert check(document, policy).reason == "REVOKED"
    verdict = check(hidden, policy)
    assert verdict.reason == "MALFORMED" and verdict.checks[0].name == "format"


def test_a_document_with_names_of_its_own_is_believed_where_any_is_and_hides_nothing(db: None) -> None:
    by = somebody()
    context = [V2, {"hobby": "https://v.example/hobby", "v": "https://v.example/"}]
    subject = {"id": "did:example:1", "hobby": "chess", "v:color": "red"}
    document = credential(by.did, **{"@context": context}, type=["VerifiableCredential"], credentialSubject=subject)
    assert check(secured(document, by)).ok
    trust.add(by.did, types=["VerifiableCredential"], now=NOON)
    assert check(secured(document, by), Policy()).reason == "MALFORMED"


@pytest.mark.parametrize("policy", [ANYBODY, DOOR], ids=["anybody", "door"])
@pytest.mark.parametrize("alias", [False, True], ids=["id", "alias"])
def test_an_end_cannot_be_moved_to_where_the_credential_is_named_again(db: None, policy: Policy, alias: bool) -> None:
    by = somebody()
    trust.add(by.did, types=["ExampleDegreeCredential"], now=NOON)
    name = "https://issuer.example/credentials/1"
    document = credential(by.did, validUntil="2026-02-01T00:00:00Z", credentialSubject={"id": name, "name": "A"})
    signed = secured(document, by)
    assert not check(signed, policy).ok
    moved = dict(signed)
    inner = {"type": "VerifiableCredential", "name": "A", "validUntil": moved.pop("validUntil")}
    own = [{"self": "@id"}] if alias else []
    moved.update(
        {"@context": [*document["@context"], *own], "credentialSubject": {"self" if alias else "id": name, **inner}}
    )
    bare = [{name: value for name, value in each.items() if name != "proof"} for each in (signed, moved)]
    assert jsonld.canonical(bare[0]) == jsonld.canonical(bare[1]), "the attack is one"
    assert check(moved, policy).reason == "MALFORMED"


def test_half_of_a_subject_cannot_be_put_out_of_sight(db: None) -> None:
    by = somebody()
    trust.add(by.did, types=["ExampleDegreeCredential"], now=NOON)
    whole = {"id": "did:example:1", "name": "A", "description": "may not drive"}
    signed = secured(credential(by.did, credentialSubject=whole), by)
    assert check(signed, DOOR).ok
    halves = [{"id": whole["id"], name: whole[name]} for name in ("name", "description")]
    assert check({**signed, "credentialSubject": halves}, DOOR).reason == "MALFORMED"


# ── who may be asked ──


def test_strangers_are_asked_only_where_the_policy_lets_them(db: None) -> None:
    issuer = Issuer("EdDSA")
    token = issuer.credential("ExampleCredential", {"id": "did:example:1"})
    for policy in (Policy(), Policy(trust=False), DOOR):
        assert check(token, policy).reason == "UNTRUSTED_ISSUER"
    assert issuer.asked == []
    assert check(token, Policy(trust=False, strangers=True)).ok
    assert issuer.asked == ["/.well-known/did.json"]
    issuer.stop()


def test_an_embedded_proof_of_a_trusted_issuer_is_worth_its_jwt(db: None) -> None:
    issuer = Issuer("EdDSA")
    trust.add(issuer.did, types=["ExampleDegreeCredential"], now=NOON)
    document = credential(issuer.did, credentialStatus=issuer.status(3))
    issuer.publish_list()
    by = somebody("x")
    signed = {**document, "proof": proof_of(document, by, method=f"{issuer.did}#key-1")}
    assert check(signed, DOOR).reason == "BAD_SIGNATURE"
    mine = type(by)(issuer.private, issuer.did, f"{issuer.did}#key-1")
    assert check(secured(document, mine), DOOR).ok
    issuer.publish_list(3)
    trust.remove(issuer.did, now=NOON)
    assert check(secured(document, mine), DOOR).reason == "UNTRUSTED_ISSUER"
    issuer.stop()


def test_enrolment_reads_jwts_and_nothing_else(db: None) -> None:
    by = somebody()
    trust.add(by.did, types=["ExampleDegreeCredential"], now=NOON)
    document = secured(credential(by.did), by)
    assert check(document, Policy()).ok
    assert check(document, Policy(network_only=True)).reason == "MALFORMED"
    assert check(json.dumps(document), Policy(network_only=True)).reason == "MALFORMED"


# ── envelopes and JWTs ──


def envelope(token: str, **changes: Any) -> dict[str, Any]:
    whole = {"@context": [V2], "type": "EnvelopedVerifiableCredential", "id": f"data:application/vc+jwt,{token}"}
    return {**whole, **changes}


def test_an_envelope_is_what_is_in_it(trusted: Issuer) -> None:
    token = trusted.sign(credential(trusted.did), header={"typ": "vc+jwt"})
    verdict = check(envelope(token))
    assert verdict.ok and verdict.form == HeldForm.JWT_2_0
    for changes in ({"@context": []}, {"id": token}, {"id": 5}, {"id": f"data:text/plain,{token}"}):
        assert check(envelope(token, **changes)).reason == "MALFORMED"


def test_strictness_finds_in_a_jwt_what_its_own_reading_does_not(trusted: Issuer) -> None:
    document = credential(trusted.did, unknownThing={"a": 1}, **{"@context": [V2]}, type=["VerifiableCredential"])
    token = trusted.sign(document, header={"typ": "vc+jwt"})
    assert check(token, Policy(trust=False)).ok
    assert check(token).reason == "MALFORMED"


def test_a_jwt_of_a_credential_with_two_subjects_is_read_by_everybody_but_enrolment(trusted: Issuer) -> None:
    document = credential(trusted.did, credentialSubject=[{"id": "did:example:1"}, {"id": "did:example:2"}])
    token = trusted.sign(document, header={"typ": "vc+jwt"})
    assert check(token).ok
    assert check(token, Policy(network_only=True)).reason == "MALFORMED"


def test_every_subject_has_to_lie_in_the_scope_of_trust_in_whatever_order_they_stand(trusted: Issuer) -> None:
    inside, outside = ({"utilityId": f"utility-example-00{number}"} for number in (1, 2))
    trust.add(trusted.did, types=["ExampleDegreeCredential"], utilities=["utility-example-001"], now=NOON)
    for subjects, reason in (
        ([inside], ""),
        ([inside, inside], ""),
        ([inside, outside], "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        ([outside, inside], "TYPE_NOT_ALLOWED_FOR_ISSUER"),
    ):
        document = credential(trusted.did, credentialSubject=subjects)
        assert check(trusted.sign(document, header={"typ": "vc+jwt"}), DOOR).reason == reason


# ── our own, in every form ──


@pytest.mark.parametrize("suffix", ["", ".json", ".tsl"])
def test_a_status_list_of_ours_is_no_credential_of_ours(ready: None, client: Any, suffix: str) -> None:
    text = client.get(f"/status/enrollment-list{suffix}").content.decode()
    verdict = check(text, DOOR, StatusListVersion.objects.latest("pk").signed_at)
    assert (verdict.ok, verdict.passed("dates")) == (False, False)
    assert verdict.reason in ("STATUS_UNAVAILABLE", "MALFORMED")


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("new", [consent, enrollment], ids=["consent", "enrolment"])
def test_our_own_credential_is_believed_in_every_form_and_its_revocation_too(ready: None, form: Form, new: Any) -> None:
    issued = services.issue([new(valid_from=NOON)], now=NOON)[0]
    row = IssuedCredential.objects.get(pk=issued.id)
    text = forms.text_of(row, form)
    verdict = check(text, DOOR)
    assert verdict.ok, verdict
    assert verdict.issuer == settings.ISSUER_DID
    assert check(text).ok, "and without any trust list"
    services.suspend([issued.id], at=NOON)
    assert check(text, DOOR).reason == "SUSPENDED"
    services.revoke([issued.id], at=NOON, reason="x")
    assert check(text, DOOR).reason == "REVOKED"
    assert check(text, Policy(trust=False, status=False)).ok, "but the signature alone is good"


def test_one_credential_cannot_stand_in_anothers_place(ready: None) -> None:
    one, two = services.issue([consent(), consent()], now=NOON)
    key = keys.active()
    said = jwt.decode(one.jwt, options={"verify_signature": False})
    other = jwt.decode(two.jwt, options={"verify_signature": False})
    said["vc"]["credentialStatus"] = other["vc"]["credentialStatus"]
    mixed = sign_jwt(said, header=jwt.get_unverified_header(one.jwt), signer=key.signer)
    assert check(mixed, DOOR).reason == "STATUS_UNAVAILABLE"


@pytest.mark.parametrize("form", list(Form))
def test_the_deg_shape_is_believed_in_every_form_and_found_by_its_place(ready: None, settings: Any, form: Form) -> None:
    settings.ISSUER_NAME, settings.ISSUER_LICENSE_NUMBER = "Example Energy Utility", "REG-2026-00001"
    issued = services.issue([deg_enrollment()], now=NOON)[0]
    text = forms.text_of(IssuedCredential.objects.get(pk=issued.id), form)
    assert check(text, DOOR).ok and check(text).ok
    services.revoke([issued.id], at=NOON, reason="x")
    assert check(text, DOOR).reason == check(text).reason == "REVOKED"
