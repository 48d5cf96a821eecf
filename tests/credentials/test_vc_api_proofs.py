"""What the W3C suites of Data Integrity and of presentations send to a verifier, and what it must refuse; ported."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.credentials.vc_api import EXAMPLES, TOKENS, V2, Document, VcApi, Wallet, document

CHALLENGE = {"challenge": "1f44d55f", "domain": "verifier.example"}


@pytest.fixture
def vc_api(ready: None, client: Any, settings: Any) -> VcApi:
    settings.OPERATOR_TOKENS = TOKENS
    return VcApi(client)


def without(*names: str) -> Callable[[Document], None]:
    def change(proof: Document) -> None:
        for name in names:
            del proof[name]

    return change


def having(**members: Any) -> Callable[[Document], None]:
    return lambda proof: proof.update(members)


BROKEN: dict[str, Callable[[Document], None]] = {
    "no type": without("type"),
    "another type": having(type="UnknownProofType"),
    "no verificationMethod": without("verificationMethod"),
    "a verificationMethod that is none": having(verificationMethod="did:key:invalidVm"),
    "somebody else's verificationMethod": having(verificationMethod=f"{Wallet().did}#key"),
    "no proofPurpose": without("proofPurpose"),
    "a proofPurpose that is none": having(proofPurpose="invalidPurpose"),
    "no proofValue": without("proofValue"),
    "a null proofValue": having(proofValue=None),
    "a short proofValue": having(proofValue="z5nmMBw2u9TGKd9NxxHJtyZKgjN2Eh"),
    "an unknown cryptosuite": having(cryptosuite="UnknownCryptosuite"),
    "the other cryptosuite": having(cryptosuite="eddsa-jcs-2022"),
    "created at no date": having(created="invalidDate"),
    "created without an offset": having(created="2026-10-15T12:00:00"),
    "expired without an offset": having(expires="2020-10-15T12:00:00"),
    "expired": having(expires="2020-10-15T12:00:00Z"),
    "a chain to nowhere": having(previousProof="urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544"),
}


def test_a_proof_that_is_not_what_was_signed_fails_with_400_and_a_problem_type(vc_api: VcApi) -> None:
    good, wrong = Wallet().credential(), {}
    assert vc_api.verify(good, checks=["proof"]).status_code == 200
    for case, change in BROKEN.items():
        bad = copy.deepcopy(good)
        change(bad["proof"])
        answer = vc_api.verify(bad, checks=["proof"])
        told = answer.json()
        if (
            answer.status_code != 400
            or told["verified"]
            or not told["problemDetails"][0]["type"].startswith("https://")
        ):
            wrong[case] = answer.content
    assert not wrong


def test_a_proof_without_its_multibase_prefix_fails(vc_api: VcApi) -> None:
    bad = Wallet().credential()
    bad["proof"]["proofValue"] = bad["proof"]["proofValue"][1:]
    assert vc_api.verify(bad).status_code == 400


@pytest.mark.parametrize("proof", [None, [], {}, "proof", 4, [None]])
def test_no_proof_is_no_credential(vc_api: VcApi, proof: Any) -> None:
    assert vc_api.verify({**Wallet().credential(), "proof": proof}).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        lambda credential: credential["credentialSubject"].update(undefinedTerm="IfDroppedWillVerify"),
        lambda credential: credential["type"].append("UndefinedType"),
        lambda credential: credential["credentialSubject"].update(id="did:example:another"),
        lambda credential: credential.update(validUntil="2030-01-01T00:00:00Z"),
    ],
    ids=["a term that would be dropped", "a type that would be dropped", "another subject", "another end"],
)
def test_whatever_is_changed_or_added_afterwards_fails(vc_api: VcApi, change: Callable[[Document], None]) -> None:
    credential = Wallet().credential()
    change(credential)
    assert vc_api.verify(credential).status_code == 400


def test_a_proof_for_another_purpose_challenge_or_domain_fails(vc_api: VcApi) -> None:
    wallet = Wallet()
    assert vc_api.verify(wallet.credential(), expectedProofPurpose="authentication").status_code == 400
    signed = wallet.sign(
        {name: value for name, value in wallet.credential().items() if name != "proof"},
        purpose="authentication",
        **CHALLENGE,
    )
    wanted = {"expectedProofPurpose": "authentication", **CHALLENGE}
    assert vc_api.verify(signed, **wanted).status_code == 200
    assert vc_api.verify(signed, **{**wanted, "domain": "other.example"}).status_code == 400
    assert vc_api.verify(signed, **{**wanted, "challenge": "another"}).status_code == 400


def test_every_proof_of_a_set_has_to_hold(vc_api: VcApi) -> None:
    wallet = Wallet()
    both = wallet.sign(wallet.credential())
    assert len(both["proof"]) == 2
    assert vc_api.verify(both).status_code == 200
    both["proof"][0]["created"] = "2026-10-15T12:00:01Z"
    assert vc_api.verify(both).status_code == 400


def test_both_cryptosuites_are_checked(vc_api: VcApi) -> None:
    wallet = Wallet()
    unsigned = {name: value for name, value in wallet.credential().items() if name != "proof"}
    for cryptosuite in ("eddsa-rdfc-2022", "eddsa-jcs-2022"):
        assert vc_api.verify(wallet.sign(unsigned, cryptosuite=cryptosuite)).status_code == 200


def test_a_presentation_with_all_it_shows_verifies(vc_api: VcApi) -> None:
    wallet, own = Wallet(), {"Mine": "https://example.org/#Mine"}
    presentations = [
        wallet.presentation(),
        wallet.presentation(verifiableCredential=[]),
        wallet.presentation(Wallet().credential(), wallet.credential(), holder=wallet.did),
        wallet.presentation(vc_api.issued(document()), holder={"id": wallet.did}),
        wallet.presentation(vc_api.issued(document(), jwt=True)),
        wallet.presentation(id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"),
        wallet.presentation(contexts=[V2, EXAMPLES]),
        wallet.presentation(contexts=[V2, own], type=["VerifiablePresentation", "Mine"]),
    ]
    answers = [vc_api.verify_presentation(each, **CHALLENGE) for each in presentations]
    assert [answer.status_code for answer in answers] == [200] * len(answers), [each.content for each in answers]
    assert len(answers[2].json()["credentialResults"]) == 2


REFUSED: dict[str, Callable[[Document], None]] = {
    "no @context": lambda vp: vp.pop("@context"),
    "an empty @context": lambda vp: vp.update({"@context": []}),
    "the contexts in another order": lambda vp: vp.update({"@context": [EXAMPLES, V2]}),
    "a context nobody bundled": lambda vp: vp.update({"@context": [V2, "https://example.com"]}),
    "a context that is no URL": lambda vp: vp.update({"@context": [V2, "https ://not-a-url"]}),
    "a context that is a number": lambda vp: vp.update({"@context": [V2, 123192875]}),
    "no type": lambda vp: vp.pop("type"),
    "another type": lambda vp: vp.update(type=["VerifiableCredential"]),
    "no proof": lambda vp: vp.pop("proof"),
    "another proof value": lambda vp: vp["proof"].update(proofValue="z5nmMBw2u9TGKd9NxxHJtyZKgjN2Eh"),
    "another holder": lambda vp: vp.update(holder=Wallet().did),
    "a holder without an id": lambda vp: vp.update(holder={"name": "Nobody"}),
    "a credential as text": lambda vp: vp.update(verifiableCredential=["eyJhbGciOiJFUzI1NiJ9.e30.c2ln"]),
    "a credential without its type": lambda vp: vp["verifiableCredential"][0].update(type=[]),
    "a credential without its proof": lambda vp: vp["verifiableCredential"][0].pop("proof"),
    "a credential that was changed": lambda vp: vp["verifiableCredential"][0].update(name="changed"),
}


def test_a_presentation_that_is_not_what_was_signed_is_refused(vc_api: VcApi) -> None:
    wallet, wrong = Wallet(), {}
    good = wallet.presentation(wallet.credential(), holder=wallet.did)
    assert vc_api.verify_presentation(good, **CHALLENGE).status_code == 200
    for case, change in REFUSED.items():
        bad = copy.deepcopy(good)
        change(bad)
        answer = vc_api.verify_presentation(bad, **CHALLENGE)
        if answer.status_code != 400 or answer.json()["verified"]:
            wrong[case] = answer.content
    assert not wrong


def test_a_presentation_made_for_somebody_else_or_another_time_is_refused(vc_api: VcApi) -> None:
    shown = Wallet().presentation()
    assert vc_api.verify_presentation(shown, **{**CHALLENGE, "challenge": "another"}).status_code == 400
    assert vc_api.verify_presentation(shown, **{**CHALLENGE, "domain": "other.example"}).status_code == 400


def test_a_presentation_is_as_good_as_the_worst_of_its_credentials(vc_api: VcApi) -> None:
    wallet = Wallet()
    good, revoked = vc_api.issued(document()), vc_api.issued(document())
    vc_api.set_status(revoked["id"], "revocation")
    answer = vc_api.verify_presentation(wallet.presentation(good, revoked), **CHALLENGE)
    assert answer.status_code == 400
    assert [each["verified"] for each in answer.json()["credentialResults"]] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        {"@context": []},
        {"@context": EXAMPLES},
        {"id": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"},
        {"type": None},
        {"type": ["VerifiableCredential"]},
    ],
)
def test_an_envelope_names_its_context_its_type_and_a_data_url(vc_api: VcApi, change: dict[str, Any]) -> None:
    envelope = vc_api.issued(document(), jwt=True)
    assert vc_api.verify(envelope).status_code == 200
    assert vc_api.verify({**envelope, **change}).status_code == 400


@pytest.mark.parametrize("body", [None, 4, [], {}, "", {"type": ["NonconformingDocument"]}, "a.b.c"])
def test_what_is_no_credential_and_no_presentation_is_refused(vc_api: VcApi, body: Any) -> None:
    for answer in (vc_api.verify(body), vc_api.verify_presentation(body)):
        assert (answer.status_code, answer.json()["verified"]) == (400, False)
