"""Embedded proofs against the vectors of the W3C recommendations, and everything that must not verify.

Vectors: Data Integrity EdDSA Cryptosuites 1.0, appendix B (B.1, B.2, proof sets and chains).
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from credentials import multikey
from credentials.data_integrity import jsonld, proofs
from credentials.keys import SigningKey
from credentials.reasons import Disbelieved, Reason
from credentials.signing import OwnOutputInvalid, SoftwareSigner

V2 = "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
PUBLIC, SECRET = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2", "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
CREATED = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
ALUMNI: dict[str, Any] = {
    "@context": [V2, EXAMPLES],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
DOCUMENT_DIGEST = "517744132ae165a5349155bef0bb0cf2258fff99dfe1dbd914b938d775a36017"
PROOF_DIGEST = "bea7b7acfbad0126b135104024a5f1733e705108f42d59668b05c0c50004c6b0"
RDFC_VALUE = "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme"
JCS_VALUE = "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"

# The published chain: two signers, a third proof over both of theirs, a fourth over the third.
CHAIN = [
    {
        "type": "DataIntegrityProof",
        "id": "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": "https://vc.example/issuers/56781#z6MktgKTsu1QhX6QPbyqG6geXdw6FQCZBPq7uQpieWbiQiG7",
        "proofPurpose": "assertionMethod",
        "proofValue": "z5KTX5yikM4eUukZW9qh66LGT3KZEUCACGpWcT2t4Yd54NMoFRchGmH4778omyNFAD3weSt6sNk5fuaMQmhhzNmEC",
    },
    {
        "type": "DataIntegrityProof",
        "id": "urn:uuid:8cc9022b-6b14-4cf3-8571-74972c5feb54",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": "https://vc.example/issuers/56782#z6MkhWqdDBPojHA7cprTGTt5yHv5yUi1B8cnXn8ReLumkw6E",
        "proofPurpose": "assertionMethod",
        "proofValue": "z5KXNyXDcm822dHS37tmS6Xc7FFNo8c73AfeqmfHoywPxnXWNjWKYK3VQzt3CMUoK9uAqsboVHKJXxuYwbdnfxZeA",
    },
    {
        "type": "DataIntegrityProof",
        "id": "urn:uuid:d94f792a-c546-4d06-b38a-da070ab56c23",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-26T22:06:38Z",
        "verificationMethod": "https://vc.example/issuers/56783#z6MkmEq87wkHCYnWnNZkigeDMGTN7oUw1upkhzd77KuXERS1",
        "proofPurpose": "assertionMethod",
        "previousProof": [
            "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544",
            "urn:uuid:8cc9022b-6b14-4cf3-8571-74972c5feb54",
        ],
        "proofValue": "z2hcFbMaj3BJufikuLZQ36gAXVT9J3ZiwB9rqN3j7VdqyT1GaQPbMTaF1Q2gn7h75ZcJ6JpV9pvNoDumvcjtmSRAV",
    },
    {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-26T22:16:38Z",
        "verificationMethod": "https://vc.example/issuers/56784#z6MkmEq87wkHCYnWnNZkigeDMGTN7oUw1upkhzd77KuXERS1",
        "proofPurpose": "assertionMethod",
        "previousProof": "urn:uuid:d94f792a-c546-4d06-b38a-da070ab56c23",
        "proofValue": "z6f4Lx4xiwWq8sucv6pg2vVvD5R4bxr58q2TagpwDXCxPVVS28S1iFwhor4ikhG6u4RKrNx7uSkYrCHdiiw5Js3d",
    },
]


def signing_key(private: Ed25519PrivateKey) -> SigningKey:
    jwk = multikey.jwk_of(private.public_key())
    name = multikey.multikey_of(private.public_key())
    return SigningKey(multikey.thumbprint(jwk), name, "Ed25519", SoftwareSigner(private, jwk), private.public_key())


@pytest.fixture
def published() -> SigningKey:
    """The key of the vectors; the two bytes before it are its multicodec."""
    return signing_key(Ed25519PrivateKey.from_private_bytes(base58.b58decode(SECRET[1:])[2:]))


@pytest.fixture
def key() -> SigningKey:
    return signing_key(Ed25519PrivateKey.generate())


def signed(key: SigningKey, document: dict[str, Any] = ALUMNI, **more: Any) -> dict[str, Any]:
    return proofs.add_proof(document, key=key, issuer="did:example:issuer", created=CREATED, **more)


def verifies(document: dict[str, Any], key: SigningKey) -> bool:
    return all(proofs.verify_proof(document, proof, key.public) for proof in proofs.read_proofs(document))


def test_the_canonical_document_and_proof_options_have_the_published_digests() -> None:
    assert hashlib.sha256(jsonld.canonical(ALUMNI).encode()).hexdigest() == DOCUMENT_DIGEST
    options = {
        "@context": ALUMNI["@context"],
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": f"did:key:{PUBLIC}#{PUBLIC}",
        "proofPurpose": "assertionMethod",
    }
    assert hashlib.sha256(jsonld.canonical(options).encode()).hexdigest() == PROOF_DIGEST


@pytest.mark.parametrize(("cryptosuite", "value"), [(proofs.RDFC, RDFC_VALUE), (proofs.JCS, JCS_VALUE)])
def test_the_published_key_makes_the_published_proof_and_it_verifies(
    published: SigningKey, cryptosuite: str, value: str
) -> None:
    made = proofs.add_proof(ALUMNI, key=published, issuer=f"did:key:{PUBLIC}", created=CREATED, cryptosuite=cryptosuite)
    assert made["proof"]["proofValue"] == value
    assert made["proof"]["verificationMethod"] == f"did:key:{PUBLIC}#{PUBLIC}"
    (proof,) = proofs.read_proofs(made)
    assert proofs.verify_proof(made, proof, multikey.read_multikey(PUBLIC))


def test_every_proof_of_the_published_chain_verifies_by_its_own_key() -> None:
    document = {**ALUMNI, "proof": CHAIN}
    for proof in proofs.read_proofs(document):
        key = multikey.read_multikey(proof.verification_method.partition("#")[2])
        assert proofs.verify_proof(document, proof, key), proof.options


def test_a_chain_is_broken_by_an_earlier_proof_that_changed_or_is_not_there() -> None:
    third = multikey.read_multikey("z6MkmEq87wkHCYnWnNZkigeDMGTN7oUw1upkhzd77KuXERS1")
    changed = {**ALUMNI, "proof": [{**CHAIN[0], "created": "2023-02-24T23:36:39Z"}, *CHAIN[1:]]}
    assert not proofs.verify_proof(changed, proofs.read_proofs(changed)[2], third)
    with pytest.raises(Disbelieved, match="previousProof names no proof") as refused:
        proofs.read_proofs({**ALUMNI, "proof": CHAIN[1:]})
    assert refused.value.reason == Reason.MALFORMED


@pytest.mark.parametrize("cryptosuite", proofs.CRYPTOSUITES)
@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another Credential"},
        {"credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "Another School"}},
        {"credentialSubject": {"id": "did:example:somebody-else", "alumniOf": "The School of Examples"}},
        {"validUntil": "2030-01-01T00:00:00Z"},
        {"type": ["VerifiableCredential"]},
    ],
)
def test_a_document_that_says_anything_else_no_longer_verifies(
    key: SigningKey, cryptosuite: str, change: dict[str, Any]
) -> None:
    document = signed(key, cryptosuite=cryptosuite)
    assert verifies(document, key)
    assert not verifies({**document, **change}, key)


@pytest.mark.parametrize("cryptosuite", proofs.CRYPTOSUITES)
@pytest.mark.parametrize(
    "change",
    [
        {"created": "2023-02-24T23:36:39Z"},
        {"proofPurpose": "authentication"},
        {"verificationMethod": "did:example:somebody-else#key"},
        {"challenge": "another"},
        {"expires": "2100-01-01T00:00:00Z"},
    ],
)
def test_a_proof_whose_options_changed_no_longer_verifies(
    key: SigningKey, cryptosuite: str, change: dict[str, Any]
) -> None:
    document = signed(key, cryptosuite=cryptosuite, challenge="a challenge", domain="verifier.example")
    assert verifies(document, key)
    assert not verifies({**document, "proof": {**document["proof"], **change}}, key)


def test_one_cryptosuite_does_not_verify_as_the_other(key: SigningKey) -> None:
    document = signed(key, cryptosuite=proofs.RDFC)
    assert not verifies({**document, "proof": {**document["proof"], "cryptosuite": proofs.JCS}}, key)


def test_another_key_and_a_key_of_another_kind_verify_nothing(key: SigningKey) -> None:
    document = signed(key)
    (proof,) = proofs.read_proofs(document)
    assert not proofs.verify_proof(document, proof, Ed25519PrivateKey.generate().public_key())
    assert not proofs.verify_proof(document, proof, ec.generate_private_key(ec.SECP256R1()).public_key())


def test_a_rdfc_proof_survives_another_order_of_members_and_a_jcs_proof_too(key: SigningKey) -> None:
    for cryptosuite in proofs.CRYPTOSUITES:
        document = signed(key, cryptosuite=cryptosuite)
        assert verifies(dict(reversed(document.items())), key)


def test_a_second_proof_stands_beside_the_first_and_both_verify(key: SigningKey) -> None:
    other = signing_key(Ed25519PrivateKey.generate())
    document = signed(other, signed(key), cryptosuite=proofs.JCS)
    first, second = proofs.read_proofs(document)
    assert proofs.verify_proof(document, first, key.public)
    assert proofs.verify_proof(document, second, other.public)
    assert not proofs.verify_proof(document, first, other.public)


def test_a_jcs_proof_wants_the_contexts_it_was_made_with_first_and_in_their_order(key: SigningKey) -> None:
    document = signed(key, cryptosuite=proofs.JCS)
    assert verifies({**document, "@context": [V2, EXAMPLES, "https://w3id.org/security/multikey/v1"]}, key)
    assert not verifies({**document, "@context": [EXAMPLES, V2]}, key)
    assert not verifies({**document, "@context": [V2]}, key)
    assert not verifies({name: value for name, value in document.items() if name != "@context"}, key)


def test_a_credential_of_data_model_1_1_is_given_the_context_that_defines_proofs(key: SigningKey) -> None:
    document = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "issuanceDate": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh"},
    }
    made = signed(key, document)
    assert made["@context"] == [*document["@context"], "https://w3id.org/security/data-integrity/v2"]
    assert verifies(made, key)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "Ed25519Signature2020"}, Reason.MALFORMED),
        ({"type": None}, Reason.MALFORMED),
        ({"cryptosuite": "bbs-2023"}, Reason.ALG_NOT_ALLOWED),
        ({"cryptosuite": None}, Reason.ALG_NOT_ALLOWED),
        ({"cryptosuite": ["eddsa-rdfc-2022"]}, Reason.ALG_NOT_ALLOWED),
        ({"verificationMethod": None}, Reason.MALFORMED),
        ({"verificationMethod": {"id": "did:example:a#b"}}, Reason.MALFORMED),
        ({"verificationMethod": "not a url"}, Reason.MALFORMED),
        ({"proofPurpose": None}, Reason.MALFORMED),
        ({"created": "invalidDate"}, Reason.MALFORMED),
        ({"created": "2024-01-01T00:00:00"}, Reason.MALFORMED),
        ({"created": "9999-12-31T23:59:59-14:00"}, Reason.MALFORMED),
        ({"expires": 1}, Reason.MALFORMED),
        ({"id": "no url"}, Reason.MALFORMED),
        ({"domain": [1]}, Reason.MALFORMED),
        ({"challenge": ""}, Reason.MALFORMED),
        ({"previousProof": "urn:uuid:nobody"}, Reason.MALFORMED),
        ({"previousProof": [{}]}, Reason.MALFORMED),
        ({"proofValue": None}, Reason.MALFORMED),
        ({"proofValue": "uAAAA"}, Reason.BAD_SIGNATURE),
        ({"proofValue": "z0OIl"}, Reason.BAD_SIGNATURE),
        ({"proofValue": "z" + base58.b58encode(bytes(63)).decode()}, Reason.BAD_SIGNATURE),
        ({"proofValue": "z" + "1" * 100_000}, Reason.BAD_SIGNATURE),
    ],
)
def test_a_proof_that_lacks_something_is_not_read(key: SigningKey, change: dict[str, Any], reason: Reason) -> None:
    document = signed(key)
    with pytest.raises(Disbelieved) as refused:
        proofs.read_proofs({**document, "proof": {**document["proof"], **change}})
    assert refused.value.reason == reason


@pytest.mark.parametrize("proof", [None, [], {}, "proof", [None], [{"type": "DataIntegrityProof"}, 1]])
def test_a_document_without_a_proof_has_none_to_read(proof: object) -> None:
    with pytest.raises(Disbelieved):
        proofs.read_proofs({**ALUMNI, "proof": proof})


def test_more_proofs_than_anybody_needs_are_not_even_looked_at(key: SigningKey) -> None:
    document = signed(key)
    with pytest.raises(Disbelieved, match="1 to 10"):
        proofs.read_proofs({**document, "proof": [document["proof"]] * 11})


def test_what_a_key_elsewhere_answers_is_checked_before_it_leaves(key: SigningKey) -> None:
    class Careless(SoftwareSigner):
        def sign(self, message: bytes) -> bytes:
            return super().sign(message + b"!")

    private = Ed25519PrivateKey.generate()
    jwk = multikey.jwk_of(private.public_key())
    careless = SigningKey(key.kid, key.multikey, "Ed25519", Careless(private, jwk), private.public_key())
    with pytest.raises(OwnOutputInvalid):
        signed(careless)


def test_an_es256_key_signs_no_eddsa_proof() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = multikey.jwk_of(private.public_key())
    es256 = SigningKey("kid", "z", "ES256", SoftwareSigner(private, jwk), private.public_key())
    with pytest.raises(ValueError, match="Ed25519"):
        signed(es256)
