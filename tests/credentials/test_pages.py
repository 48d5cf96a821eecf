"""What the page that checks takes, and how numbers are read that people have typed. How pages look: tests/pages."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from audit import clock
from audit.log import SYSTEM
from credentials import addresses, bootstrap, general, services
from credentials.models import Form
from tests.credentials.conftest import enrollment

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MACHINE = {"Accept": "application/json"}


@pytest.fixture
def issued(db: None) -> services.Issued:
    """A credential that holds now."""
    bootstrap.ensure()
    return services.issue([enrollment(valid_from=clock.now())], now=clock.now())[0]


def post(client: Client, headers: dict[str, str] = BROWSER, **fields: object) -> HttpResponse:
    return client.post("/verify", fields, headers=headers)


def path_of(url: str) -> str:
    return url.removeprefix(addresses.base())


# numbers


@given(st.uuids(), st.sampled_from([" ", "-", "", ". ", "\n", "–"]), st.integers(1, 32), st.booleans())
def test_a_number_is_read_however_it_is_grouped(number: UUID, between: str, size: int, capitals: bool) -> None:
    typed = between.join(number.hex[at : at + size] for at in range(0, 32, size))
    assert addresses.read_typed(f"  {typed.upper() if capitals else typed} ") == number


@given(st.uuids())
def test_a_receipt_prints_a_number_that_is_read_back(number: UUID) -> None:
    printed = addresses.for_reading(number)
    assert [len(group) for group in printed.split(" ")] == [4] * 8
    assert addresses.read_typed(printed) == number
    assert addresses.read_typed(printed.replace("0", "O").replace("1", "I")) == number
    assert addresses.read_typed(printed.replace("1", "l")) == number


@given(
    st.uuids(),
    st.sampled_from(["{0}/verify/{1}", "{0}/credentials/{1}", "{0}/credentials/{1}?t=secret", "{0}/verify/{1}#x"]),
)
def test_a_link_of_ours_is_read_with_or_without_its_scheme(number: UUID, form: str) -> None:
    link = form.format(addresses.base(), number)
    assert addresses.read_typed(link) == number
    assert addresses.read_typed(link.partition("://")[2]) == number
    assert addresses.read_typed(link.replace(addresses.base(), addresses.base().upper())) == number


@given(st.uuids())
def test_a_link_of_somebody_else_is_not_ours(number: UUID) -> None:
    host = addresses.base().partition("://")[2]
    for there in ("elsewhere.example", f"{host}.elsewhere.example", f"elsewhere.example/{host}", f"x@{host}"):
        assert addresses.read_typed(f"http://{there}/verify/{number}") is None


@given(st.text(max_size=200))
def test_any_text_is_an_id_or_none(text: str) -> None:
    found = addresses.read_typed(text)
    assert found is None or found.hex in addresses.number_of(text)


# the form


def test_a_number_is_answered_at_an_address_that_can_be_kept(client: Client, issued: services.Issued) -> None:
    answer = post(client, credential=addresses.for_reading(issued.id))
    assert (answer.status_code, answer["Location"]) == (303, path_of(issued.verification_url))


@pytest.mark.parametrize("field", ["credential", "file"])
def test_a_credential_is_checked_and_appears_in_no_address(client: Client, issued: services.Issued, field: str) -> None:
    sent = issued.jwt if field == "credential" else SimpleUploadedFile("x.jwt", issued.jwt.encode())
    answer = post(client, **{field: sent})
    assert answer.status_code == 200 and "This credential is valid." in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_what_was_entered_is_shown_again_as_text(client: Client, issued: services.Issued) -> None:
    answer = post(client, credential='</textarea><script src="x">')
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "&lt;/textarea&gt;&lt;script" in page and '<script src="x">' not in page


@pytest.mark.parametrize("headers", [BROWSER, MACHINE], ids=["browser", "machine"])
@pytest.mark.parametrize("entered", ["", "x", "{", "\x00", "ENR-2026-000001", "é" * 50, "a.b.c", "[[[[[", "data:x"])
def test_nothing_that_is_entered_is_an_error_of_ours(
    client: Client, issued: services.Issued, entered: str, headers: dict[str, str]
) -> None:
    answer = post(client, headers, credential=entered)
    assert answer.status_code in (200, 400), answer.content
    assert b"verified" in answer.content or b"<h1" in answer.content


def test_a_script_that_posts_a_file_gets_json(client: Client, issued: services.Issued) -> None:
    answer = post(client, MACHINE, file=SimpleUploadedFile("x.jwt", issued.jwt.encode()))
    assert answer.json()["verified"] is True


def test_curl_which_calls_everything_a_form_is_understood(client: Client, issued: services.Issued) -> None:
    kind = "application/x-www-form-urlencoded"
    assert client.post("/verify", issued.jwt, content_type=kind, headers=MACHINE).json()["verified"] is True
    wrapped = json.dumps({"credentialData": issued.jwt})
    assert client.post("/verify", wrapped, content_type=kind, headers=MACHINE).json()["verified"] is True


def test_an_id_in_another_spelling_leads_a_browser_to_its_address(client: Client, issued: services.Issued) -> None:
    typed = f"/verify/{addresses.for_reading(issued.id).replace(' ', '').upper()}"
    answer = client.get(typed, headers=BROWSER)
    assert (answer.status_code, answer["Location"]) == (303, path_of(issued.verification_url))
    assert client.get(typed, headers=MACHINE).status_code == 404


def test_whoever_asks_too_often_reads_when_to_come_back(client: Client, issued: services.Issued, settings) -> None:
    settings.VERIFY_RATES = {"verify-posted": (0.01, 2), "verify": (0.01, 2)}
    for ask in (lambda: post(client, credential=issued.jwt), lambda: client.get("/verify", headers=BROWSER)):
        answers = [ask() for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        page = answers[-1].content.decode()
        assert "Too many questions at once" in page and "Wait " in page and int(answers[-1]["Retry-After"]) > 0


# the holder's pages


def test_a_receipt_wants_the_token_in_its_address_or_its_form(client: Client, issued: services.Issued) -> None:
    page, _, token = path_of(issued.access_url).partition("?t=")
    strict = Client(enforce_csrf_checks=True)  # a page that sends no referrer sends `Origin: null`
    assert strict.post(f"{page}/receipt", {"t": token}, headers={"Origin": "null"}).status_code == 200
    assert client.get(f"{page}/receipt?t={token}").status_code == 200
    for answer in (client.get(f"{page}/receipt"), client.post(f"{page}/receipt", {"t": "x" * 22})):
        assert answer.status_code == 404
    assert client.put(f"{page}/receipt?t={token}").status_code == 405


def test_a_download_is_what_accept_would_have_given(client: Client, issued: services.Issued) -> None:
    for form, kind in {"jwt": "application/jwt", "vc-jwt": "application/vc+jwt"}.items():
        taken = client.get(f"{path_of(issued.access_url)}&as={form}", headers=BROWSER)
        assert taken["Content-Type"] == kind and "attachment" in taken["Content-Disposition"]
        assert taken.content == client.get(path_of(issued.access_url), headers={"Accept": kind}).content


@pytest.mark.parametrize("form", ["", "exe", "jwt\r\nX-Evil: 1", "../../etc/passwd"])
def test_another_word_for_a_form_is_the_page(client: Client, issued: services.Issued, form: str) -> None:
    answer = client.get(
        path_of(issued.access_url), {"t": issued.access_url.partition("?t=")[2], "as": form}, headers=BROWSER
    )
    assert answer["Content-Type"].startswith("text/html") and "Content-Disposition" not in answer


def test_what_the_vc_api_issued_has_its_page_too(db: None, client: Client, settings) -> None:
    bootstrap.ensure()
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": settings.ISSUER_DID,
        "credentialSubject": {"id": "did:example:alumna", "alumniOf": "The School of Examples"},
    }
    made = general.issue_document(document, form=Form.JSON_2_0, now=clock.now(), actor=SYSTEM)
    page = client.get(f"/verify/{made.id}", headers=BROWSER).content.decode()
    assert "This credential is valid." in page and "AlumniCredential" in page and "did:example:alumna" not in page
    shown = post(client, credential=made.text).content.decode()
    assert "This credential is valid." in shown and "did:example:alumna" in shown


@pytest.mark.parametrize("subject", [{"purposes": 5}, {"ders": 3}, {"roles": True}, {"meters": 7}])
def test_a_document_with_one_where_ours_has_a_list_has_its_page(
    db: None, client: Client, subject: dict[str, object]
) -> None:
    bootstrap.ensure()
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:whoever",
        "credentialSubject": {"id": "did:example:alumna", **subject},
    }
    made = general.issue_document(document, form=Form.JSON_2_0, now=clock.now(), actor=SYSTEM)
    holder = {**BROWSER, "Authorization": f"Bearer {made.text}"}
    assert client.get(path_of(made.url), headers=holder).status_code == 200
    assert client.get(f"{path_of(made.url)}/receipt", headers=holder).status_code == 200
