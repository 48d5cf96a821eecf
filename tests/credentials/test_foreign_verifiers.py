"""Verifiers that we did not write agree with us on every form: @digitalbazaar/vc, did-jwt-vc, jose and joserfc.

They get what our service serves at its addresses (DID document, key set, context, status lists) and nothing of our
code. The npm packages are installed from the lock in tests/interop/credentials (hashes, no registry address). Needs
Node; CI must have it. joserfc runs everywhere.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from joserfc import jws
from joserfc.jwk import KeySet

from credentials import addresses, bootstrap, documents, forms, publishing, services
from credentials import served as served_lists
from credentials.data_integrity import jsonld
from credentials.data_integrity.jsonld import BadJsonLd
from credentials.models import Form, IssuedCredential
from credentials.verification import Policy, Presented, verify
from tests import npm
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.random_jsonld import Documents
from tests.credentials.test_deg import deg_enrollment

HERE = Path(__file__).resolve().parent.parent / "interop" / "credentials"
BASE = settings.PUBLIC_URL
STARTED = NOON + timedelta(days=30)  # the enrolment runs, the consent too
NOW = STARTED.isoformat()
Json = dict[str, Any]
Verifier = Callable[..., Json]


@pytest.fixture(scope="module")
def foreign() -> Verifier:
    """A function that gives one task to the foreign packages."""
    npm.installed(HERE, package="@digitalbazaar/vc", what="the foreign verifiers")

    def do(act: str, **task: Any) -> Json:
        told = json.dumps({"act": act, "now": NOW, **task}).encode()
        done = subprocess.run(["node", "verifier.mjs"], cwd=HERE, input=told, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return dict(json.loads(done.stdout))

    return do


@pytest.fixture
def served(db: None, client: Client) -> Callable[..., Any]:
    """A function that gets one of our addresses, by its whole URL, in the form asked for."""
    bootstrap.ensure(NOON)

    def get(url: str, accept: str = "*/*") -> Any:
        response = client.get(url.removeprefix(BASE), headers={"Accept": accept})
        assert response.status_code == 200, response.content
        text = response.content.decode()
        return json.loads(text) if text.startswith("{") else text

    return get


def issue(new: services.NewCredential) -> IssuedCredential:
    (issued,) = services.issue([new], now=NOON)
    return IssuedCredential.objects.select_related("status_list").get(pk=issued.id)


def world(served: Callable[..., Any], kind: str = "enrollment") -> Json:
    """What an outside verifier has of us: our context, our DID document and our lists, all as served."""
    lists = [f"{BASE}/status/{kind}-list", f"{BASE}/status/{kind}-suspension"]
    return {
        "contexts": {url: served(url) for url in documents.contexts()},
        "didDocument": served(f"{BASE}/.well-known/did.json"),
        "lists": {url: served(url, "application/vc") for url in lists},
    }


def publish() -> None:
    """Publish every list anew, seen at once: this process would ask the database again only a moment later."""
    publishing.publish_all(STARTED)
    served_lists.forget()


@pytest.mark.parametrize(("new", "kind"), [(enrollment(), "enrollment"), (consent(), "consent")])
def test_the_json_form_verifies_with_its_status_lists(
    foreign: Verifier, served: Callable[..., Any], new: Any, kind: str
) -> None:
    row = issue(new)
    publish()
    document = json.loads(forms.text_of(row, Form.JSON_2_0))
    told = foreign("embedded", document=document, **world(served, kind))
    assert told == {"verified": True, "status": True, "errors": []}


@pytest.fixture
def deg(served: Callable[..., Any], settings: Any) -> IssuedCredential:
    """A credential in the DEG network's shape."""
    settings.ISSUER_NAME, settings.ISSUER_LICENSE_NUMBER = "Example Energy Utility", "REG-2026-00001"
    return issue(deg_enrollment())


def test_the_deg_shape_verifies_as_json_and_as_jwt(
    foreign: Verifier, served: Callable[..., Any], deg: IssuedCredential
) -> None:
    publish()
    around = world(served)
    document = json.loads(forms.text_of(deg, Form.JSON_2_0))
    assert foreign("embedded", document=document, **around)["verified"] is True
    subject = {**document["credentialSubject"], "consumerNumber": "somebody-else"}
    assert foreign("embedded", document={**document, "credentialSubject": subject}, **around)["verified"] is False
    token = forms.text_of(deg, Form.JWT_1_1)
    told = foreign("did-jwt-vc", token=token, didDocument=around["didDocument"])
    assert told["verified"] is True and told["credential"]["id"] == f"urn:uuid:{deg.pk}"


def test_they_see_a_revocation_and_a_suspension(foreign: Verifier, served: Callable[..., Any]) -> None:
    revoked, suspended = issue(enrollment()), issue(enrollment())
    services.revoke([revoked.pk], at=NOON, reason="test")
    services.suspend([suspended.pk], at=NOON)
    publish()
    around = world(served)
    for row in (revoked, suspended):
        told = foreign("embedded", document=json.loads(forms.text_of(row, Form.JSON_2_0)), **around)
        assert told["verified"] is False and told["status"] is False


def test_they_refuse_a_changed_word_a_dropped_status_and_another_key(
    foreign: Verifier, served: Callable[..., Any]
) -> None:
    document = json.loads(forms.text_of(issue(enrollment()), Form.JSON_2_0))
    publish()
    around = world(served)
    subject = {**document["credentialSubject"], "meters": ["umid-of-somebody-else"]}
    without = {name: value for name, value in document.items() if name != "credentialStatus"}
    for wrong in ({**document, "credentialSubject": subject}, without):
        assert foreign("embedded", document=wrong, **around)["verified"] is False
    methods = [{**each, "publicKeyMultibase": PUBLISHED_KEY} for each in around["didDocument"]["verificationMethod"]]
    other = {**around, "didDocument": {**around["didDocument"], "verificationMethod": methods}}
    assert foreign("embedded", document=document, **other)["verified"] is False


PUBLISHED_KEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"  # of the W3C's vectors: anybody's, not ours


@pytest.mark.parametrize("purpose", ["list", "suspension"])
def test_our_status_list_as_json_verifies_on_its_own(
    foreign: Verifier, served: Callable[..., Any], purpose: str
) -> None:
    publish()
    around = world(served)
    told = foreign("embedded", document=around["lists"][f"{BASE}/status/enrollment-{purpose}"], **around)
    assert told["verified"] is True and told["errors"] == []


def test_what_they_sign_we_verify_and_what_they_sign_and_somebody_changes_we_refuse(
    db: None, foreign: Verifier
) -> None:
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2", addresses.context()],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "ProgramEnrollmentCredential"],
        "name": [{"@value": "Zoë's ₹5/kWh", "@language": "en-IN", "@direction": "ltr"}, 'plain "quoted"\ttext'],
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {
            "id": "did:example:user",
            "meters": ["umid-002", "umid-001"],
            "constraints": {"maximum": 1.5, "big": 10**15, "none": None, "ü": [True, {}]},
        },
    }
    ours = {addresses.context(): documents.context()}
    signed = foreign("sign", document=document, contexts=ours)["document"]
    policy = Policy(trust=False, strangers=True)
    verdict = verify(Presented.of(signed), policy=policy, now=STARTED)
    assert verdict.ok, (verdict.reason, verdict.problems)
    changed = {**signed, "credentialSubject": {**signed["credentialSubject"], "meters": ["umid-003"]}}
    assert not verify(Presented.of(changed), policy=policy, now=STARTED).ok


@pytest.mark.parametrize("seed", [1, 2])
def test_what_we_make_canonical_is_what_the_other_implementation_makes_of_it(foreign: Verifier, seed: int) -> None:
    chance, ours = Documents(seed), {}
    every = [chance.one() for _ in range(1_000)]
    for number, document in enumerate(every):
        with suppress(BadJsonLd):
            ours[number] = jsonld.canonical(document)
    theirs = foreign("canonical", documents=every)["canonical"]
    assert len(ours) > 300, "chance makes too few documents that are good"
    for number, quads in ours.items():
        assert quads == theirs[number], json.dumps(every[number])


# ── JWTs ──

JWT_FORMS = [(Form.JWT_1_1, "JWT"), (Form.JWT_2_0, "vc+jwt")]


@pytest.mark.parametrize(("form", "typ"), JWT_FORMS)
def test_jose_verifies_both_jwt_forms_and_refuses_a_changed_one(
    foreign: Verifier, served: Callable[..., Any], form: Form, typ: str
) -> None:
    token = forms.text_of(issue(enrollment()), form)
    jwks = served(f"{BASE}/.well-known/jwks.json")
    told = foreign("jose", token=token, jwks=jwks, typ=typ)
    assert told["header"]["typ"] == typ and told["payload"]["iat"] == int(NOON.timestamp())
    head, body, signature = token.split(".")
    assert foreign("jose", token=f"{head}.{body[:-2]}AA.{signature}", jwks=jwks, typ=typ)["error"]


def test_jose_holds_back_a_credential_that_has_not_begun(foreign: Verifier, served: Callable[..., Any]) -> None:
    token = forms.text_of(issue(enrollment()), Form.JWT_1_1)
    jwks = served(f"{BASE}/.well-known/jwks.json")
    told = foreign("jose", token=token, jwks=jwks, typ="JWT", now=NOON.isoformat())
    assert told["code"] == "ERR_JWT_CLAIM_VALIDATION_FAILED" and "nbf" in told["error"]


@pytest.mark.parametrize("new", [enrollment(), consent()], ids=["enrolment", "consent"])
def test_did_jwt_vc_verifies_the_1_1_form_by_our_did_document(
    foreign: Verifier, served: Callable[..., Any], new: Any
) -> None:
    row = issue(new)
    told = foreign(
        "did-jwt-vc", token=forms.text_of(row, Form.JWT_1_1), didDocument=served(f"{BASE}/.well-known/did.json")
    )
    assert told["verified"] is True and told["issuer"] == settings.ISSUER_DID
    assert told["credential"]["credentialSubject"]["id"] == row.subject_did
    assert told["credential"]["id"] == row.url


@pytest.mark.parametrize(
    ("path", "accept", "typ"),
    [
        ("/status/enrollment-list", "application/vc+jwt", "vc+jwt"),
        ("/status/enrollment-suspension", "application/vc+jwt", "vc+jwt"),
        ("/status/consent-list", "application/statuslist+jwt", "statuslist+jwt"),
    ],
)
def test_jose_and_joserfc_agree_on_our_list_tokens(
    foreign: Verifier, served: Callable[..., Any], path: str, accept: str, typ: str
) -> None:
    publish()
    token, jwks = served(f"{BASE}{path}", accept), served(f"{BASE}/.well-known/jwks.json")
    told = foreign("jose", token=token, jwks=jwks, typ=typ)
    proven = jws.deserialize_compact(token, KeySet.import_key_set(jwks), algorithms=["ES256"])
    assert proven.headers()["typ"] == typ
    assert json.loads(proven.payload) == told["payload"]


@pytest.mark.parametrize(("form", "typ"), JWT_FORMS)
def test_joserfc_verifies_both_jwt_forms_by_our_key_set(served: Callable[..., Any], form: Form, typ: str) -> None:
    for new in (enrollment(), consent()):
        row = issue(new)
        keys = KeySet.import_key_set(served(f"{BASE}/.well-known/jwks.json"))
        proven = jws.deserialize_compact(forms.text_of(row, form), keys, algorithms=["ES256"])
        payload = json.loads(proven.payload)
        assert proven.headers()["typ"] == typ and payload.get("vc", payload)["id"] == row.url
