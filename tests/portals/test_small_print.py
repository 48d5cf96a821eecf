"""The small print (screens P19), the pages' end of a session, and that nobody keeps what belongs to somebody."""

from __future__ import annotations

import uuid

import pytest
from django.conf import settings
from django.test import Client
from django.urls import NoReverseMatch, reverse

from audit import clock
from identity.access import TABLE, Who
from identity.models import Subject, User
from identity.sessions import LASTS

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PERSONAL = sorted(name for name, who in TABLE.items() if who is Who.PERSON)


@pytest.fixture
def somebody(client: Client) -> Client:
    """Signed in, with half an hour to go."""
    user = User.objects.create(username=str(uuid.uuid4()), subject=Subject.objects.create())
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session["ends_at"] = int(clock.now().timestamp()) + 1800
    session.save()
    return client


@pytest.mark.parametrize("name", ["accessibility", "privacy", "cookies", "signed-out-idle"])
def test_the_small_print_asks_nobody_who_they_are_and_sets_no_cookie(client: Client, name: str) -> None:
    answer = client.get(f"/{name}")
    text = answer.content.decode()
    assert answer.status_code == 200 and text.count("<h1") == 1
    assert not answer.cookies


def test_the_cookies_page_names_every_cookie_there_is(client: Client) -> None:
    text = client.get("/cookies").content.decode()
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME):
        assert f">{name}</code>" in text
    assert f"{int(LASTS.total_seconds()) // 3600} hours" in text


def test_every_footer_leads_to_the_small_print(client: Client) -> None:
    text = client.get("/verify").content.decode()
    assert all(
        f'href="{reverse(name)}"' in text for name in ("portal-accessibility", "portal-privacy", "portal-cookies")
    )


@pytest.mark.parametrize("name", PERSONAL)
def test_no_browser_keeps_an_answer_of_a_personal_address(somebody: Client, name: str) -> None:
    address = _address(name)
    for client in (Client(), somebody):
        answer = client.get(address, headers=BROWSER)
        assert "no-store" in answer["Cache-Control"], (name, answer.status_code)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert answer["Referrer-Policy"] in ("same-origin", "no-referrer")


@pytest.mark.parametrize("address", ["/", "/privacy", "/verify", "/nothing/here"])
def test_no_browser_keeps_a_page_that_shows_somebody_as_signed_in(somebody: Client, address: str) -> None:
    assert "no-store" in somebody.get(address, headers=BROWSER)["Cache-Control"]
    assert "no-store" not in Client().get("/privacy", headers=BROWSER).get("Cache-Control", "")


def test_a_page_knows_how_long_its_sign_in_lasts(somebody: Client) -> None:
    text = somebody.get("/privacy").content.decode()
    seconds = int(text.partition('data-session-ends="')[2].partition('"')[0])
    assert 1790 <= seconds <= 1800 and 'data-after="/signed-out-idle?next=%2Fprivacy"' in text and "session.js" in text
    assert "data-session-ends" not in Client().get("/privacy").content.decode()


def test_signed_out_while_idle_leads_back_to_where_one_was_and_nowhere_else(client: Client) -> None:
    assert "/oidc/sign-in?next=%2Fenrolments" in client.get("/signed-out-idle?next=/enrolments").content.decode()
    elsewhere = client.get("/signed-out-idle?next=https://evil.example/").content.decode()
    assert 'href="/oidc/sign-in"' in elsewhere


def test_a_language_that_somebody_chose_is_kept_for_the_person(somebody: Client) -> None:
    somebody.post("/language", {"language": "hi", "next": "/"})
    assert Subject.objects.get(users__pk=somebody.session["_auth_user_id"]).locale == "hi"


def test_a_form_without_its_token_is_told_to_open_the_page_again(somebody: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = somebody.cookies
    answer = strict.post("/oidc/sign-out", headers=BROWSER)
    text = answer.content.decode()
    assert answer.status_code == 409 and "open for too long" in text and "send it once more" in text


def _address(name: str) -> str:
    """An address of a URL name, with made-up values for what stands in it."""
    one = uuid.uuid4()
    for values in ([], [one], [one, 1], [one, one], ["a-slug"], [one, "a-slug"]):
        try:
            return reverse(name, args=values)
        except NoReverseMatch:
            continue
    raise AssertionError(f"no address could be made of {name}")
