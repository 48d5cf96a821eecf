"""The enrolment credential in the DEG network's shape: what it says, where its status is, and what stays secret."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from audit.models import Event
from credentials import claims, documents, keys, publishing, services
from credentials.data_integrity import jsonld
from credentials.models import Form, IssuedCredential, SignedForm
from credentials.services import Issued, NewCredential
from credentials.signing import OwnOutputInvalid
from credentials.verification import Presented, verify_presented
from tests.credentials.conftest import NOON, enrollment

NUMBER = "UTIL-2026-001234567"
DEG_CLAIMS = {
    "programName": "Peer-to-Peer Energy Trading",
    "programCode": "P2P-2026",
    "enrollmentDate": "2026-10-15",
    "validUntil": "2027-10-31",
}


def deg_enrollment(**changes: Any) -> NewCredential:
    shape = {"profile": "DEG", "claims": DEG_CLAIMS, "personal_claims": {"consumerNumber": NUMBER}, "valid_from": NOON}
    return enrollment(**{**shape, **changes})


@pytest.fixture(autouse=True)
def licensed(settings: Any) -> None:
    settings.ISSUER_NAME, settings.ISSUER_LICENSE_NUMBER = "Example Energy Utility", "REG-2026-00001"


@pytest.fixture
def issued(ready: None) -> Issued:
    (issued,) = services.issue([deg_enrollment()], now=NOON)
    return issued


def payload_of(issued: Issued, form: str = Form.JWT_1_1) -> dict[str, Any]:
    text = SignedForm.objects.get(credential=issued.id, form=form).text
    found: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return found


def test_the_1_1_form_is_what_the_network_s_schema_asks_for(issued: Issued) -> None:
    payload = payload_of(issued)
    credential = payload["vc"]
    assert credential["id"] == payload["jti"] == f"urn:uuid:{issued.id}"
    assert credential["@context"][0] == "https://www.w3.org/2018/credentials/v1"
    assert credential["type"] == [
        "VerifiableCredential",
        "ProgramEnrollmentCredential",
        "UtilityProgramEnrollmentCredential",
    ]
    assert credential["issuer"] == {
        "id": settings.ISSUER_DID,
        "name": "Example Energy Utility",
        "licenseNumber": "REG-2026-00001",
    }
    assert payload["iss"] == settings.ISSUER_DID
    subject = {**DEG_CLAIMS, "consumerNumber": NUMBER, "id": "did:example:user-12345"}
    assert credential["credentialSubject"] == subject
    assert credential["issuanceDate"] == "2026-10-15T12:00:00Z"


def test_its_status_is_told_by_the_token_alone(issued: Issued) -> None:
    payload = payload_of(issued)
    assert "credentialStatus" not in payload["vc"]
    assert payload["status"] == {"status_list": {"idx": int(issued.status_list_index), "uri": issued.status_list_url}}


def test_the_2_0_form_says_the_same_with_bitstring_entries(issued: Issued) -> None:
    credential = payload_of(issued, Form.JWT_2_0)
    assert credential["id"] == f"urn:uuid:{issued.id}"
    assert credential["credentialSubject"]["consumerNumber"] == NUMBER
    assert [entry["statusListIndex"] for entry in credential["credentialStatus"]] == [issued.status_list_index] * 2


def test_every_word_of_it_has_a_meaning_in_our_contexts(issued: Issued) -> None:
    row = IssuedCredential.objects.get(pk=issued.id)
    quads = jsonld.canonical(claims.payload_2_0(services.statement_of(row)))
    assert NUMBER in quads and "REG-2026-00001" in quads
    context = f"{settings.PUBLIC_URL}/contexts/energy-credentials-deg-v1.jsonld"
    for term in ("consumerNumber", "programCode", "enrollmentDate", "validUntil", "licenseNumber"):
        assert f"<{context}#{term}>" in quads


def test_it_is_believed_until_it_is_revoked(issued: Issued) -> None:
    def verdict() -> str:
        shown = Presented("", "ProgramEnrollmentCredential", "VC-JWT", issued.jwt)
        return verify_presented([shown], subject_did="did:example:user-12345", now=NOON)[0].reason

    assert verdict() == ""
    services.revoke([issued.id], at=NOON, reason="x")
    publishing.publish_due(NOON)
    assert verdict() == "REVOKED"


def test_the_customer_number_stands_nowhere_in_the_clear(issued: Issued, caplog: Any) -> None:
    row = IssuedCredential.objects.get(pk=issued.id)
    assert row.personal_claims == {"consumerNumber": NUMBER} and "consumerNumber" not in row.claims
    assert [form.body for form in row.forms.all()] == ["", ""]
    with connection.cursor() as cursor:
        for table in ("issued_credentials", "signed_forms", "audit_logs"):
            cursor.execute(f"SELECT coalesce(json_agg(t)::text, '') FROM {table} t")
            everything = cursor.fetchone()[0]
            assert NUMBER not in everything and issued.jwt not in everything
    assert Event.objects.filter(action="credential.issued").exists()
    assert NUMBER not in caplog.text and NUMBER not in repr(deg_enrollment())


def test_its_kept_bytes_are_handed_over_as_they_were_signed(issued: Issued, client: Client) -> None:
    assert services.signed_jwt(issued.id) == issued.jwt
    answer = client.get(issued.access_url.removeprefix(settings.PUBLIC_URL), headers={"Accept": "application/jwt"})
    assert answer.content.decode() == issued.jwt
    assert client.get(f"/credentials/{issued.id}").status_code in (401, 403, 404)


def test_looking_it_up_without_holding_it_tells_no_number(issued: Issued, client: Client) -> None:
    for name in (str(issued.id), f"urn:uuid:{issued.id}"):
        answer = client.get(f"/verify/{name}", headers={"Accept": "application/json"})
        assert answer.json()["verified"] is True
        assert NUMBER not in answer.content.decode()


@pytest.mark.parametrize("missing", ["consumerNumber", "programCode", "enrollmentDate"])
def test_a_credential_of_this_shape_that_lacks_a_field_never_leaves(ready: None, missing: str) -> None:
    said = {name: value for name, value in DEG_CLAIMS.items() if name != missing}
    personal = {} if missing == "consumerNumber" else {"consumerNumber": NUMBER}
    with pytest.raises(OwnOutputInvalid, match="schema"):
        services.issue([deg_enrollment(claims=said, personal_claims=personal)], now=NOON)
    assert not IssuedCredential.objects.exists()


def test_a_name_never_gets_into_it(ready: None) -> None:
    with pytest.raises(OwnOutputInvalid, match="schema"):
        services.issue([deg_enrollment(personal_claims={"consumerNumber": NUMBER, "fullName": "X"})], now=NOON)


def test_an_issuer_without_a_licence_issues_none(ready: None, settings: Any) -> None:
    settings.ISSUER_LICENSE_NUMBER = ""
    with pytest.raises(OwnOutputInvalid, match="schema"):
        services.issue([deg_enrollment()], now=NOON)


def test_schema_and_context_are_served(ready: None, client: Client) -> None:
    assert client.get("/schemas/UtilityProgramEnrollmentCredential-v1.json").json()["title"] == claims.DEG_TYPE
    served = client.get("/contexts/energy-credentials-deg-v1.jsonld").json()
    assert served == documents.deg_context() and "BASE" not in json.dumps(served)


def test_our_own_shape_is_untouched_beside_it(ready: None) -> None:
    own, deg = services.issue([enrollment(), deg_enrollment()], now=NOON)
    assert payload_of(own)["jti"] == own.url and payload_of(own)["vc"]["issuer"] == settings.ISSUER_DID
    assert SignedForm.objects.get(credential=own.id, form=Form.JWT_1_1).body == own.jwt
    assert payload_of(deg)["jti"] != deg.url
    assert keys.active().kid in {form.kid for form in SignedForm.objects.filter(credential=deg.id)}
