"""The JSON form of our own credentials: signed at first request, kept, and read by others without losing a word."""

import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import clock
from credentials import addresses, bootstrap, forms, keys, multikey, services, vcdm
from credentials.data_integrity import jsonld, proofs
from credentials.models import Form, IssuedCredential, KeyAlgorithm, SignedForm
from credentials.reasons import Reason
from credentials.verification import Policy, Presented, verify
from tests.credentials.conftest import NOON, consent, enrollment

LONG_CONSENT = {
    "consentId": "consent-1",
    "consentType": "DATA_COLLECTION",
    "purposes": ["SETTLEMENT", "PROGRAM_ELIGIBILITY"],
    "grantee": "did:web:utility.example",
    "meters": ["umid-001"],
    "ders": ["der-1"],
    "mode": "STORE",
    "frequency": "P1D",
    "validity": {"start": "2026-11-01T00:00:00Z", "end": "2027-11-01T00:00:00Z"},
    "limits": {"maximumControlEvents": 3, "hours": [17, 21], "note": None},
    "textDigest": "sha-256=:abc:",
    "locale": "en-IN",
}


RUNNING = NOON + timedelta(days=30)


def row_of(issued: services.Issued) -> IssuedCredential:
    return IssuedCredential.objects.select_related("status_list").get(pk=issued.id)


def issue(new: services.NewCredential) -> IssuedCredential:
    (issued,) = services.issue([new], now=NOON)
    return row_of(issued)


def proven(text: str) -> dict[str, Any]:
    """The document, its one proof verified with the key our DID document publishes under that name."""
    document: dict[str, Any] = json.loads(text)
    (proof,) = proofs.read_proofs(document)
    published = {f"{document['issuer']}#{key.multikey}": key.multikey for key in keys.published()}
    assert proofs.verify_proof(document, proof, multikey.read_multikey(published[proof.verification_method]))
    return document


@pytest.mark.parametrize("new", [enrollment(), consent(claims=LONG_CONSENT)], ids=["enrolment", "consent"])
def test_the_json_form_says_what_the_2_0_jwt_says_and_carries_one_proof(ready: None, new: Any) -> None:
    row = issue(new)
    document = proven(forms.text_of(row, Form.JSON_2_0))
    payload = jwt.decode(forms.text_of(row, Form.JWT_2_0), options={"verify_signature": False})
    assert {**document, "iat": payload["iat"]} == {**payload, "proof": document["proof"]}
    assert document["proof"]["cryptosuite"] == "eddsa-rdfc-2022"
    assert vcdm.problem(document) == ""


@pytest.mark.parametrize("new", [enrollment(), consent(claims=LONG_CONSENT)], ids=["enrolment", "consent"])
def test_no_word_of_a_credential_is_lost_in_its_canonical_form(ready: None, new: Any) -> None:
    row = issue(new)
    quads = jsonld.canonical(forms.document_of(row))
    for name, value in new.claims.items():
        assert f"energy-credentials-v1.jsonld#{name}> " in quads or value == [], name
        for each in value if isinstance(value, list) else [value]:
            assert isinstance(each, Mapping) or f'"{each}"' in quads, name


def test_the_1_1_form_loses_nothing_either_and_follows_its_model(ready: None) -> None:
    for new in (enrollment(), consent(claims=LONG_CONSENT)):
        vc = jwt.decode(forms.text_of(issue(new), Form.JWT_1_1), options={"verify_signature": False})["vc"]
        assert vcdm.problem(vc) == ""
        assert "https://www.w3.org/2018/credentials#JsonSchema" in jsonld.canonical(vc)


def test_a_holder_cannot_give_a_signed_value_another_name(ready: None) -> None:
    row = issue(enrollment())
    document = json.loads(forms.text_of(row, Form.JSON_2_0))
    assert verify(Presented.of(document), policy=Policy(), now=RUNNING).ok
    meters = document["credentialSubject"].pop("meters")
    alias = {"formerMeters": {"@id": f"{addresses.context()}#meters", "@container": "@set"}}
    renamed = {
        **document,
        "@context": [*document["@context"], alias],
        "credentialSubject": {**document["credentialSubject"], "formerMeters": meters},
    }
    proven(json.dumps(renamed))  # the signature holds: what is signed are meanings, not names
    verdict = verify(Presented.of(renamed), policy=Policy(), now=RUNNING)
    assert not verdict.ok and verdict.reason == Reason.MALFORMED


def test_whoever_asks_twice_gets_the_same_bytes_for_one_signature(ready: None) -> None:
    row = issue(enrollment())
    first = forms.text_of(row, Form.JSON_2_0)
    with CaptureQueriesContext(connection) as again:
        assert forms.text_of(row, Form.JSON_2_0) == first
    assert len(again) == 1
    kept = SignedForm.objects.get(credential=row, form=Form.JSON_2_0)
    assert kept.body == first and kept.sealed_body is None
    assert kept.kid == keys.active(KeyAlgorithm.ED25519).kid


@pytest.mark.django_db(transaction=True)
def test_four_who_want_it_for_the_first_time_at_once_all_get_what_was_kept() -> None:
    bootstrap.ensure(NOON)
    row = issue(enrollment())
    start, told = threading.Barrier(4), []

    def ask() -> None:
        try:
            start.wait(timeout=10)
            told.append(forms.text_of(row, Form.JSON_2_0))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(told) == 4
    assert set(told) == {SignedForm.objects.get(credential=row, form=Form.JSON_2_0).body}


def test_what_is_personal_is_kept_encrypted(ready: None) -> None:
    row = issue(enrollment())
    row.document = {**forms.document_of(row), "name": "Asha's own"}
    row.save(update_fields=["document"])
    text = forms.text_of(row, Form.JSON_2_0)
    kept = SignedForm.objects.get(credential=row, form=Form.JSON_2_0)
    assert kept.body == "" and kept.text == text and proven(text)["name"] == "Asha's own"
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_body FROM signed_forms WHERE id = %s", [kept.pk])
        assert b"Asha" not in bytes(cursor.fetchone()[0])


def test_a_jwt_form_that_was_never_issued_is_not_made_up(ready: None) -> None:
    row = issue(enrollment())
    SignedForm.objects.filter(credential=row, form=Form.JWT_2_0).delete()
    with pytest.raises(forms.NoSuchForm, match="not issued as"):
        forms.text_of(row, Form.JWT_2_0)


def test_a_subject_that_is_no_uri_is_told_instead_of_left_out(ready: None) -> None:
    row = issue(enrollment(subject_did="user 12345"))
    with pytest.raises(forms.NoSuchForm, match="an id is no absolute URL"):
        forms.text_of(row, Form.JSON_2_0)
    assert not SignedForm.objects.filter(credential=row, form=Form.JSON_2_0).exists()


@pytest.mark.parametrize("accept", ["application/vc", "application/ld+json", "application/json"])
def test_the_holder_gets_it_at_the_credentials_address(ready: None, client: Client, accept: str) -> None:
    (issued,) = services.issue([enrollment()], now=clock.now())
    link = issued.access_url.partition("://")[2].partition("/")[2]
    response = client.get(f"/{link}", headers={"Accept": accept})
    assert response.status_code == 200 and response["Content-Type"] == accept
    assert proven(response.content.decode())["id"] == issued.url
    assert client.get(f"/{link}", headers={"Accept": accept}).content == response.content
    taken = client.get(f"/{link}&as=json")
    assert taken.content == response.content and "attachment" in taken["Content-Disposition"]
    stranger = client.get(f"/credentials/{issued.id}", headers={"Accept": accept})
    assert stranger.status_code == 404
    assert SignedForm.objects.filter(credential=issued.id, form=Form.JSON_2_0).count() == 1


def test_a_strangers_question_signs_nothing(ready: None, client: Client) -> None:
    (issued,) = services.issue([enrollment()], now=clock.now())
    client.get(f"/credentials/{issued.id}", headers={"Accept": "application/vc"})
    client.get(f"/credentials/{issued.id}?t=wrong", headers={"Accept": "application/vc"})
    assert not SignedForm.objects.filter(credential=issued.id, form=Form.JSON_2_0).exists()
