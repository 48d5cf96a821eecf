"""The public addresses: what they serve, to whom, and what they refuse."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from audit import clock
from credentials import keys, limits, publishing, services, trust
from credentials.models import Form, SignedForm, StatusListVersion
from tests.credentials.conftest import PUBLISHED, consent, enrollment
from tests.credentials.issuer import Issuer

LIST = "/status/enrollment-list"
PUBLIC = (
    "/.well-known/did.json",
    "/.well-known/jwks.json",
    "/contexts/energy-credentials-v1.jsonld",
    "/schemas/ProgramEnrollmentCredential-v1.json",
    "/schemas/EnergyConsentCredential-v1.json",
    LIST,
    "/status/consent-list",
    "/status/enrollment-suspension",
    "/status/consent-suspension",
    "/status/enrollment-list/2",
)


@pytest.fixture
def issued(ready: None) -> services.Issued:
    """A consent that holds now, and was issued now."""
    now = clock.now()
    new = consent(valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=365))
    return services.issue([new], now=now)[0]


def path_of(url: str) -> str:
    return url.removeprefix(settings.PUBLIC_URL)


# ── for everybody ──


@pytest.mark.parametrize("path", PUBLIC)
def test_public_documents_are_cacheable_and_readable_from_every_origin(ready: None, client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "max-age=" in response["Cache-Control"] and response["ETag"].startswith('"')
    assert "Set-Cookie" not in response.headers
    for etag in (response["ETag"], f'"x", W/{response["ETag"]}', "*"):
        again = client.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == response["ETag"] and again["Access-Control-Allow-Origin"] == "*"
    assert client.head(path).status_code == 200
    preflight = client.options(path)
    assert preflight.status_code == 204 and preflight["Access-Control-Allow-Methods"] == "GET, HEAD"


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_public_documents_take_no_other_method(ready: None, path: str, method: str) -> None:
    strict = Client(enforce_csrf_checks=True)  # without it, a form's missing token would be what is told
    answer = getattr(strict, method)(path, data=b"x" * 1000, content_type="text/plain")
    assert answer.status_code == 405 and "GET" in answer["Allow"]


def test_a_list_changes_with_its_etag_when_something_is_revoked(ready: None, client: Client) -> None:
    (one,) = services.issue([enrollment()], now=clock.now())
    before = client.get(LIST)
    other = client.get("/status/enrollment-suspension")
    services.revoke([one.id], at=clock.now(), reason="x")
    publishing.ensure_published([one.status_list_id])
    after = client.get(LIST, headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200 and after["ETag"] != before["ETag"]
    unchanged = client.get("/status/enrollment-suspension", headers={"If-None-Match": other["ETag"]})
    assert unchanged.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/status/",
        "/status/none",
        "/status/enrollment-list/",
        "/status/enrollment-list/0",
        "/status/enrollment-list/1",
        "/status/enrollment-list/3",
        "/status/enrollment-list/-1",
        "/status/enrollment-list/" + "9" * 5000,
        "/status/enrollment-list/2/2",
        "/status/..%2f..%2fetc",
        "/status/%00",
        "/schemas/none.json",
        "/schemas/..%2fenergy-credentials-v1.json",
        "/schemas/__init__.json",
    ],
)
def test_other_names_are_not_found(ready: None, client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_did_document_and_the_key_set_name_every_published_key(ready: None, client: Client) -> None:
    keys.announce(now=clock.now(), actor=services.log.SYSTEM)
    document = client.get("/.well-known/did.json")
    assert document["Content-Type"] == "application/did+ld+json"
    methods = document.json()["verificationMethod"]
    assert document.json()["id"] == settings.ISSUER_DID and len(methods) == 5
    signing_tokens = {each["kid"] for each in client.get("/.well-known/jwks.json").json()["keys"]}
    (other,) = {method["id"] for method in methods} - signing_tokens
    assert other.endswith(f"#{keys.active('Ed25519').multikey}") and len(signing_tokens) == 4
    issuer = client.get("/.well-known/jwt-vc-issuer").json()
    assert issuer == {"issuer": settings.PUBLIC_URL, "jwks": client.get("/.well-known/jwks.json").json()}
    text = document.content.decode() + client.get("/.well-known/jwks.json").content.decode()
    assert '"d"' not in text


def test_the_context_defines_every_term_of_our_credentials(ready: None, client: Client) -> None:
    terms = client.get("/contexts/energy-credentials-v1.jsonld").json()["@context"]
    for new in (enrollment(), consent()):
        assert set(new.claims) <= set(terms)


def test_the_schema_of_a_credential_is_where_the_credential_says(issued: services.Issued, client: Client) -> None:
    payload = jwt.decode(issued.jwt, options={"verify_signature": False})
    url = payload["vc"]["credentialSchema"]["id"]
    assert client.get(path_of(url)).json()["$id"] == url
    context = payload["vc"]["@context"][2]
    assert client.get(path_of(context)).status_code == 200


# ── the credential itself ──


def test_the_links_token_opens_the_credential_in_the_form_that_is_asked_for(
    issued: services.Issued, client: Client
) -> None:
    link = path_of(issued.access_url)
    for accept, content_type in (
        ("*/*", "application/jwt"),
        ("application/jwt", "application/jwt"),
        ("application/vc+jwt", "application/vc+jwt"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
    ):
        response = client.get(link, headers={"Accept": accept})
        assert response.status_code == 200 and response["Content-Type"] == content_type
        assert "no-store" in response["Cache-Control"] and response["Referrer-Policy"] == "no-referrer"
        assert {"Accept", "Authorization"} <= set(response["Vary"].replace(" ", "").split(","))
        assert "Access-Control-Allow-Origin" not in response.headers
    assert client.get(link).content.decode() == issued.jwt
    kept = SignedForm.objects.get(credential=issued.id, form=Form.JWT_2_0).body
    assert client.get(link, headers={"Accept": "application/vc+jwt"}).content.decode() == kept
    assert client.get(link, headers={"Accept": "image/png"}).status_code == 406


def test_the_credential_opens_itself(issued: services.Issued, client: Client) -> None:
    path = path_of(issued.url)
    for form in (Form.JWT_1_1, Form.JWT_2_0):
        body = SignedForm.objects.get(credential=issued.id, form=form).body
        assert client.get(path, headers={"Authorization": f"Bearer {body}"}).content.decode() == issued.jwt


def test_without_token_or_credential_it_is_as_if_there_were_none(issued: services.Issued, client: Client) -> None:
    other = services.issue([consent()], now=clock.now())[0]
    token = issued.access_url.partition("?t=")[2]
    absent = client.get(f"/credentials/{uuid4()}?t={token}")
    path = path_of(issued.url)
    for response in (
        absent,
        client.get(path),
        client.get(f"{path}?t="),
        client.get(f"{path}?t=\x00"),
        client.get(f"{path}?t={token[:-1]}"),
        client.get(f"{path}?t={token}x"),
        client.get(f"{path}?t={'a' * 5000}"),
        client.get(path, {"t": [token + "x", "y"]}),
        client.get(path_of(other.access_url).partition("?")[0] + f"?t={token}"),
        client.get(path, headers={"Authorization": f"Bearer {other.jwt}"}),
        client.get(path, headers={"Authorization": "Bearer é"}),
        client.get(path, headers={"Authorization": f"Basic {issued.jwt}"}),
        client.get(path, headers={"Authorization": "Bearer"}),
        client.get("/credentials/consumer-001"),
        client.get("/credentials/%00"),
        client.get("/credentials/" + "a" * 5000),
    ):
        assert (response.status_code, response.content) == (404, absent.content)


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_a_credential_is_only_read(issued: services.Issued, method: str) -> None:
    assert getattr(Client(enforce_csrf_checks=True), method)(path_of(issued.access_url)).status_code == 405


# ── is it good? ──


def test_anybody_learns_type_issuer_dates_and_status_and_nothing_else(issued: services.Issued, client: Client) -> None:
    report = client.get(path_of(issued.verification_url), headers={"Accept": "application/json"})
    assert report.json()["verified"] is True
    assert set(report.json()) == {"verified", "code", "checks", "problems", "status", "form", "credential"}
    assert (report.json()["code"], report.json()["status"]) == ("VERIFIED", "VALID")
    assert set(report.json()["credential"]) == {"type", "issuer", "validFrom", "validUntil"}
    assert report["Access-Control-Allow-Origin"] == "*" and report["Cache-Control"] == "no-store"
    page = client.get(path_of(issued.verification_url), headers={"Accept": "text/html"})
    assert page["Content-Type"].startswith("text/html")
    for secret in ("did:example", "consent-1", "DATA_COLLECTION", issued.status_list_index + '"'):
        assert secret not in report.content.decode() and secret not in page.content.decode()


def test_the_report_follows_the_credential(issued: services.Issued, client: Client) -> None:
    def code() -> tuple[str, str]:
        report = client.get(f"/verify/vc:consent:{issued.id}").json()
        assert report["verified"] == (report["code"] == "VERIFIED")
        return report["code"], report["status"]

    assert code() == ("VERIFIED", "VALID")
    services.suspend([issued.id], at=clock.now())
    assert code() == ("SUSPENDED", "SUSPENDED")
    services.resume([issued.id], at=clock.now())
    with override_settings(CLOCK_OFFSET=400 * 86400):
        assert code() == ("EXPIRED", "EXPIRED")
    with override_settings(CLOCK_OFFSET=-2 * 86400):
        assert code() == ("NOT_YET_VALID", "NOT_YET_VALID")
    services.revoke([issued.id], at=clock.now(), reason="x")
    assert code() == ("REVOKED", "REVOKED")


@pytest.mark.parametrize(
    "text", ["ENR-2026-000001", "00000000-0000-0000-0000-000000000000", "%00", "x" * 4000, "vc:a:b"]
)
def test_an_id_we_never_gave_verifies_nothing(ready: None, client: Client, text: str) -> None:
    response = client.get(f"/verify/{text}")
    assert response.status_code == 404 and response.json()["code"] == "NOT_FOUND"
    assert client.get(f"/verify/{text}", headers={"Accept": "text/html"}).status_code == 404


@pytest.mark.parametrize(
    "code", ["VERIFIED", "REVOKED", "SUSPENDED", "EXPIRED", "NOT_YET_VALID", "NOT_FOUND", "BAD_SIGNATURE"]
)
def test_every_outcome_has_its_sentence(code: str) -> None:
    page = render_to_string("credentials/verify.html", {"report": {"code": code, "checks": [], "verified": False}})
    assert "<h1>" in page and page.count("<title>") == 1
    assert "<style" not in page and "style=" not in page and not re.search(r"<script(?! src=)", page)


def test_a_page_says_in_words_what_the_credential_says(issued: services.Issued, client: Client) -> None:
    page = client.get(path_of(issued.access_url), headers={"Accept": "text/html"}).content.decode()
    assert "This credential is valid." in page and "settlement and payment" in page and issued.jwt in page
    assert "This is a sandbox" in page
    posted = client.post("/verify", issued.jwt, content_type="text/plain", headers={"Accept": "text/html"})
    assert "did:example:user-12345" in posted.content.decode()


def _bodies(token: str) -> dict[str, tuple[Any, str]]:
    enveloped = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": "EnvelopedVerifiableCredential",
        "id": f"data:application/vc+jwt,{token}",
    }
    order = {"beckn:orderAttributes": {"credential": {"credentialId": "x", "credentialData": token}}}
    return {
        "jwt": (token, "application/jwt"),
        "text": (f"\n {token} \r\n", "text/plain"),
        "quoted": (json.dumps(token), "application/json"),
        "wrapper": ({"credentialData": token, "format": "VC-JWT"}, "application/json"),
        "enveloped": (enveloped, "application/vc+ld+json"),
        "nested": ({"verifiableCredential": enveloped}, "application/json"),
        "on_confirm": ({"context": {"action": "on_confirm"}, "message": {"order": order}}, "application/json"),
    }


@pytest.mark.parametrize("form", list(_bodies("")))
def test_whoever_holds_the_credential_may_post_it_in_any_form(
    issued: services.Issued, client: Client, form: str
) -> None:
    body, content_type = _bodies(issued.jwt)[form]
    response = client.post("/verify", body, content_type=content_type)
    report = response.json()
    assert report["verified"] is True, report
    assert report["credential"]["type"] == "EnergyConsentCredential"
    assert report["subject"]["consentId"] == "consent-1"
    assert response["Access-Control-Allow-Origin"] == "*" and response["Cache-Control"] == "no-store"


def test_our_own_credential_of_five_hundred_meters_can_be_checked(ready: None, client: Client) -> None:
    now = clock.now()
    meters = [f"IN-KA-BESCOM-0000-1111-2222-{number:09d}" for number in range(500)]
    claims = {**consent().claims, "meters": meters}
    new = consent(claims=claims, valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=365))
    (long,) = services.issue([new], now=now)
    assert len(long.jwt) > 16 * 1024
    assert client.get(path_of(long.verification_url)).json()["code"] == "VERIFIED"
    assert client.post("/verify", long.jwt, content_type="application/jwt").json()["code"] == "VERIFIED"


def test_posting_needs_no_cookie_and_no_csrf_token(issued: services.Issued) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/verify", issued.jwt, content_type="application/jwt").status_code == 200
    assert strict.options("/verify")["Access-Control-Allow-Methods"] == "POST"


def test_a_forged_credential_tells_nothing_about_its_subject(issued: services.Issued, client: Client) -> None:
    head, body, signature = issued.jwt.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    payload["vc"]["credentialSubject"]["purposes"] = ["EVERYTHING"]
    forged = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    report = client.post("/verify", f"{head}.{forged}.{signature}", content_type="application/jwt").json()
    assert report["code"] == "BAD_SIGNATURE" and "subject" not in report


def test_a_credential_of_a_trusted_issuer_is_checked_with_that_issuer(
    trusted: Issuer, ready: None, client: Client
) -> None:
    subject = {"id": "did:example:1", "meterId": "umid-001", "utilityId": "utility-example-001"}
    token = trusted.credential("MeterOwnershipCredential", subject, credentialStatus=trusted.status(3))
    assert client.post("/verify", token, content_type="text/plain").json()["verified"] is True
    trust.remove(trusted.did, now=clock.now())
    report = client.post("/verify", token, content_type="text/plain").json()
    assert report["code"] == "UNTRUSTED_ISSUER" and "subject" not in report


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"   ", 400),
        (b"\xff\xfe", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b"[" * 5000, 400),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400),
        (b'{"proof":{}}', 400),
        (b'{"message":{"order":{"beckn:orderAttributes":{"credential":5}}}}', 400),
        (b'{"type":"EnvelopedVerifiableCredential","id":7}', 400),
        (b'{"credentialData":"\\ud800"}', 400),
        (b'"\\u0000.\\u0000.x"', 400),
        (b"hello", 200),
        (b"a.b.c", 200),
        (b"x" * 300_000, 413),
        (b"x" * 3_000_000, 413),
    ],
    ids=range(17),
)
def test_any_body_gets_a_clear_answer(ready: None, client: Client, body: bytes, status: int) -> None:
    response = client.post("/verify", body, content_type="application/json")
    assert response.status_code == status
    if status != 413:
        assert response.json()["verified"] is False and response.json()["code"] in ("MALFORMED", "ALG_NOT_ALLOWED")


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_the_address_that_checks_is_read_and_posted_to(ready: None, client: Client, method: str) -> None:
    assert getattr(client, method)("/verify").status_code == 405


def test_nothing_that_anybody_may_ask_writes(issued: services.Issued, client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        for path in (*PUBLIC, path_of(issued.access_url), path_of(issued.verification_url)):
            client.get(path, headers={"Accept": "*/*"})
            client.get(path, headers={"Accept": "text/html"})
        client.post("/verify", issued.jwt, content_type="application/jwt")
    # How often an address posts is counted; that is all.
    said = [query["sql"] for query in asked if "rate_buckets" not in query["sql"]]
    verbs = {sql.lstrip("( ").partition(" ")[0].upper() for sql in said}
    assert verbs == {"SELECT"}


def test_checks_that_ask_others_never_hold_every_thread(
    issued: services.Issued, trusted: Issuer, client: Client
) -> None:
    foreign = trusted.credential("MeterOwnershipCredential", {"id": "did:example:1"})
    taken = [limits.places().acquire(blocking=False) for _ in range(settings.WEB_THREADS)]
    assert taken.count(True) == settings.WEB_THREADS // 2
    try:
        response = client.post("/verify", foreign, content_type="application/jwt")
        assert response.status_code == 503 and response["Retry-After"]
        assert client.post("/verify", issued.jwt, content_type="application/jwt").json()["verified"]
    finally:
        for _ in filter(None, taken):
            limits.places().release()


def test_every_version_of_a_list_has_its_own_etag(ready: None) -> None:
    digests = StatusListVersion.objects.values_list("digest", flat=True)
    assert len(set(digests)) == len(digests) == PUBLISHED
