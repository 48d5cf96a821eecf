"""P9 from the server's side: the provider's own bytes or none, one answer of one page, and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from identity.models import Subject, User
from portals.models import Application, ConsentReceipt
from tests.portals.consent_journeys import DIGEST, READINGS, WORDS, journey

pytestmark = pytest.mark.django_db


class Texts:
    """A provider's web server: what it serves as the text, and with which status."""

    def __init__(self) -> None:
        self.body, self.status = WORDS, 200
        texts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(texts.status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.end_headers()
                self.wfile.write(texts.body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{uuid4().hex}"


@pytest.fixture
def texts() -> Iterator[Texts]:
    found = Texts()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def row(texts: Texts) -> Application:
    """The texts lie on the program owner's own host: nowhere else of ours does it send us."""
    found = journey({**READINGS, "texts": [{"locale": "en", "url": texts.url, "digest": DIGEST, "reviewed": False}]})
    owner = found.program.bpp
    owner.url = texts.url.rpartition("/")[0] + "/beckn"
    owner.save()
    return found


@pytest.fixture
def browser(row: Application, client: Client) -> Client:
    client.force_login(row.started_by, backend="identity.oidc.backend.Backend")
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return client


def address(row: Application, name: str = "portal-consent") -> str:
    return reverse(name, args=[row.pk, 1])


def test_the_text_the_data_and_both_answers_are_there_and_none_is_chosen(row: Application, browser: Client) -> None:
    page = browser.get(address(row)).content.decode()
    assert WORDS in page and "No person has read this translation yet" in page
    for said in ("ending 7788", "every 15 minutes", "R. Kumar", "You cannot join this program", "is paused until"):
        assert said in page, said
    assert " checked>" not in page


@pytest.mark.parametrize(("status", "body"), [(200, WORDS + " And your photographs."), (500, WORDS), (404, "")])
def test_a_text_that_is_not_the_announced_one_is_neither_shown_nor_agreed_to(
    row: Application, browser: Client, texts: Texts, status: int, body: str
) -> None:
    texts.status, texts.body = status, body
    shown = browser.get(address(row))
    assert shown.status_code == 503 and b"We cannot show you this consent" in shown.content
    assert b"photographs" not in shown.content
    sent = browser.post(address(row), {"answer": "yes", "digest": DIGEST, "version": row.version})
    assert sent.status_code == 503 and not ConsentReceipt.objects.exists()


def test_an_answer_is_kept_with_the_words_and_leads_on(row: Application, browser: Client) -> None:
    sent = browser.post(address(row), {"answer": "yes", "digest": DIGEST, "version": row.version})
    assert sent.status_code == 303
    row.refresh_from_db()
    receipt = row.receipts.get()
    assert row.answers["consents"]["DATA_COLLECTION"]["receipt"] == str(receipt.pk)
    assert receipt.record["pii_processing"]["privacy_notice_text"] == WORDS


@pytest.mark.parametrize(
    "older", [{"version": "99"}, {"version": "x"}, {"version": ""}, {"digest": "sha256:" + "0" * 64}]
)
def test_a_page_that_was_left_behind_answers_nothing(row: Application, browser: Client, older: dict[str, str]) -> None:
    sent = browser.post(address(row), {"answer": "yes", "digest": DIGEST, "version": str(row.version), **older})
    assert sent.status_code == 409 and b"This page is out of date" in sent.content
    assert not ConsentReceipt.objects.exists()


def test_no_to_a_required_one_is_explained_and_can_be_changed(row: Application, browser: Client) -> None:
    assert browser.get(address(row, "portal-consent-no")).status_code == 303  # nothing was answered yet
    sent = browser.post(address(row), {"answer": "no", "digest": DIGEST, "version": row.version})
    assert sent.headers["Location"] == address(row, "portal-consent-no")
    assert b"You cannot join without this consent" in browser.get(sent.headers["Location"]).content
    row.refresh_from_db()
    assert row.answers["consents"]["DATA_COLLECTION"]["granted"] is False and not row.receipts.get().is_granted


def test_somebody_else_s_consents_and_places_that_are_none_are_not_there(row: Application, browser: Client) -> None:
    assert browser.get(reverse("portal-consent", args=[row.pk, 2])).status_code == 404
    stranger = User.objects.create(
        username="stranger", sub="stranger", subject=Subject.objects.create(did="did:example:stranger")
    )
    browser.force_login(stranger, backend="identity.oidc.backend.Backend")
    for name in ("portal-consent", "portal-consent-no", "portal-withdraw", "portal-grant"):
        for answered in (browser.get(address(row, name)), browser.post(address(row, name), {"answer": "yes"})):
            assert answered.status_code == 404, name
