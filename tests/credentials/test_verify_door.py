"""The doors of verification over HTTP: every form goes in, and who does not hold a credential learns four things."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit import clock, log
from credentials import bulk, forms, general, key_life, keys, problems, services
from credentials.models import Form, IssuedCredential
from credentials.reasons import Disbelieved, Reason
from credentials.verifying.examination import own_types
from tests.credentials.conftest import consent, enrollment
from tests.credentials.signers import V2, credential, secured, somebody

SUBJECT = "did:example:user-12345"


@pytest.fixture
def issued(ready: None) -> services.Issued:
    return services.issue([enrollment(valid_from=clock.now())], now=clock.now())[0]


def row_of(issued: services.Issued) -> IssuedCredential:
    return IssuedCredential.objects.get(pk=issued.id)


def post(client: Client, body: Any, kind: str = "application/json") -> dict[str, Any]:
    response = client.post("/verify", body, content_type=kind)
    return {"http": response.status_code, **response.json()}


@pytest.mark.parametrize("form", list(Form))
def test_every_form_of_ours_goes_in_as_text_as_json_and_inside_a_message(
    issued: services.Issued, client: Client, form: Form
) -> None:
    text = forms.text_of(row_of(issued), form)
    held: Any = json.loads(text) if form == Form.JSON_2_0 else text
    inside = {"credentialData": held}
    bodies: list[Any] = [
        inside,
        [inside],
        {"verifiableCredential": inside},
        {"context": {"action": "on_confirm"}, "message": {"order": {"beckn:orderAttributes": {"credential": inside}}}},
    ]
    for body in bodies:
        report = post(client, body)
        assert report["verified"] and report["subject"]["id"] == SUBJECT, report
    assert post(client, text, "text/plain")["code"] == "VERIFIED"
    expected = {Form.JWT_1_1: "VC-JWT 1.1", Form.JWT_2_0: "vc+jwt", Form.JSON_2_0: "embedded proof"}
    assert post(client, text, "text/plain")["form"] == expected[form]
    services.revoke([issued.id], at=clock.now(), reason="x")
    report = post(client, text, "text/plain")
    assert (report["code"], report["status"]) == ("REVOKED", "REVOKED")
    assert report["problems"][0]["title"] == "REVOKED" and report["problems"][0]["type"].endswith("/verify#REVOKED")


def test_a_stranger_with_a_good_proof_is_still_a_stranger_at_this_door(ready: None, client: Client) -> None:
    by = somebody()
    report = post(client, secured(credential(by.did), by))
    assert (report["http"], report["code"]) == (200, "UNTRUSTED_ISSUER") and "subject" not in report


def test_what_cannot_be_read_is_answered_with_a_problem_and_a_sentence(ready: None, client: Client) -> None:
    for body in ("{", "{}", "[]", '{"a": 1, "a": 2}', '{"message": {"order": {}}}'):
        report = post(client, body)
        assert (report["http"], report["code"], report["problems"][0]["type"]) == (400, "MALFORMED", problems.PARSING)
        assert report["problems"][0]["detail"] == report["checks"][0]["detail"]
    report = post(client, {"credentialSubject": {"id": "x"}, "@context": [V2]})
    assert (report["http"], report["code"]) == (200, "MALFORMED")


@pytest.mark.parametrize("text", ["ENR-2026-000001", "enrollment-1", "vc:order:1", "0" * 32, "urn:uuid:x", "' OR 1=1"])
def test_the_number_of_an_order_verifies_nothing_and_is_told_so(
    issued: services.Issued, client: Client, text: str
) -> None:
    response = client.get(f"/verify/{text}")
    assert response.status_code == 404
    report = response.json()
    assert (report["verified"], report["code"], report["credential"]) == (False, "NOT_FOUND", None)
    assert "number of an order or an enrolment proves nothing" in report["checks"][0]["detail"]


def test_who_does_not_hold_a_credential_learns_type_issuer_dates_and_status(ready: None, client: Client) -> None:
    now = clock.now()
    of_order, of_consent = services.issue([enrollment(valid_from=now), consent(valid_from=now)], now=now)
    document = {
        "@context": [V2, "https://www.w3.org/ns/credentials/examples/v2"],
        "id": "https://operator.example/secret-customer-7",
        "type": ["VerifiableCredential", "ExampleDegreeCredential"],
        "issuer": "did:example:whoever",
        "credentialSubject": {"id": "did:example:secret", "name": "Secret Person"},
    }
    general.issue_document(document, form=Form.JSON_2_0, now=now, actor=log.SYSTEM)
    other_id = IssuedCredential.objects.exclude(pk__in=[of_order.id, of_consent.id]).get().pk
    types = {
        of_order.id: "ProgramEnrollmentCredential",
        of_consent.id: "EnergyConsentCredential",
        other_id: "ExampleDegreeCredential",
    }
    for pk, kind in types.items():
        response = client.get(f"/verify/{pk}")
        report = response.json()
        assert report["verified"], report
        assert set(report["credential"]) == {"type", "issuer", "validFrom", "validUntil"}
        assert report["credential"]["type"] == kind and "subject" not in report
        page = client.get(f"/verify/{pk}", headers={"Accept": "text/html"})
        assert page.status_code == 200
        for said in (response.content.decode(), page.content.decode()):
            for secret in ("user-12345", "umid-001", "enrollment-1", "consent-1", "SETTLEMENT", "Secret", "secret"):
                assert secret not in said
        assert not response.cookies and not page.cookies
        assert "set-cookie" not in {name.lower() for name in response.headers}


def test_a_list_is_the_same_for_whoever_asks_and_names_nobody(issued: services.Issued, client: Client) -> None:
    path = issued.status_list_url.partition("://")[2].partition("/")[2]
    one = client.get(f"/{path}")
    other = client.get(f"/{path}?idx={issued.status_list_index}", headers={"Referer": issued.url})
    assert one.status_code == other.status_code == 200 and one.content == other.content
    assert one["ETag"] == other["ETag"] and not one.cookies
    payload = one.content.decode()
    assert str(issued.id) not in payload and SUBJECT not in payload


def test_a_problem_type_of_ours_leads_to_what_it_means(db: None, client: Client, settings: Any) -> None:
    page = client.get("/verify", headers={"Accept": "text/html"}).content.decode()
    for reason in Reason:
        kind = problems.problem_of(Disbelieved(reason, ""), own_types=own_types()).type
        at, _, anchor = kind.partition("#")
        if at == f"{settings.PUBLIC_URL}/verify" and not reason.startswith("WRONG_"):  # those only enrolment finds
            assert f'id="{anchor}"' in page, anchor


def test_what_had_ended_when_its_key_was_lost_is_still_known_to_have_ended(ready: None, client: Client) -> None:
    now = clock.now()
    past = {"valid_from": now - timedelta(days=3), "valid_until": now - timedelta(days=1), "wire_valid_until": None}
    new = [enrollment(valid_from=now), enrollment(**past), enrollment(valid_from=now)]
    revoked, over, living = services.issue(new, now=now)
    services.revoke([revoked.id], at=now, reason="x")
    key_life.revoke(keys.active().kid, now=now, actor=log.SYSTEM)
    for issued, code, status in ((revoked, "REVOKED", "REVOKED"), (over, "EXPIRED", "EXPIRED")):
        report = client.get(f"/verify/{issued.id}").json()
        assert (report["verified"], report["code"], report["status"]) == (False, code, status)
        assert [each["name"] for each in report["checks"] if not each["ok"]] == [
            {"REVOKED": "status", "EXPIRED": "dates"}[code]
        ]
        # Whoever shows its text shows a signature that is worth nothing.
        assert post(client, issued.jwt, "text/plain")["code"] == "UNKNOWN_KEY"
    assert client.get(f"/verify/{living.id}").json()["code"] == "UNKNOWN_KEY"  # until it is signed again
    bulk.work(now)
    assert client.get(f"/verify/{living.id}").json()["code"] == "VERIFIED"
