"""Every screen of this service that people see, and how one gets there."""

from __future__ import annotations

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import RequestFactory
from playwright.sync_api import Page, Route

from config.errors import ErrorPages
from tests.identity.visiting import Visitor
from tests.pages.people import Enrolled, enrol, notice_address

Visit = Callable[[Page, Enrolled], None]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def enter(page: Page, text: str) -> None:
    """Type or paste into the page that checks, and send it."""
    page.goto("/verify")
    page.get_by_label("Number, link, or the credential itself").fill(text)
    press(page, "Check")


def press(page: Page, button: str) -> None:
    """Press a button that sends a form, and wait for what it answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def tampered(jwt: str) -> str:
    """The same credential with another signature."""
    return jwt[:-8] + ("AAAAAAAA" if jwt[-8:] != "AAAAAAAA" else "BBBBBBBB")


def suspended(page: Page, enrolled: Enrolled, path: str) -> None:
    """A page as it is while the credential is suspended: our own rows are what the answer follows."""
    change = "UPDATE issued_credentials SET suspended_at = {} WHERE id = %s"
    enrolled.journey.stack.sql(change.format("issued_at"), enrolled.id)
    page.goto(path)
    enrolled.journey.stack.sql(change.format("NULL"), enrolled.id)


def offer(page: Page, enrolled: Enrolled) -> None:
    page.goto(enrolled.link)
    page.get_by_role("link", name="Put it into a wallet on your phone").click()


def offered(page: Page, enrolled: Enrolled) -> None:
    offer(page, enrolled)
    press(page, "Continue")


def receipt(page: Page, enrolled: Enrolled) -> None:
    page.goto(enrolled.link)
    press(page, "Make a receipt to print")


def failing(status: int, headers: dict[str, str] | None = None, **said: str) -> Visit:
    """The page that a problem becomes, shown at an address of the service (which is well, and cannot fail on wish)."""

    def respond(_: HttpRequest) -> HttpResponse:
        content = {"type": "about:blank", "title": "x", "status": status, **said}
        return JsonResponse(content, status=status, content_type="application/problem+json", headers=headers)

    def visit(page: Page, _: Enrolled) -> None:
        answer = ErrorPages(respond)(RequestFactory().get("/somewhere", headers={"accept": BROWSER}))

        def fulfil(route: Route) -> None:
            route.fulfill(status=status, content_type="text/html; charset=utf-8", body=answer.content)

        page.route("**/somewhere", fulfil)
        page.goto("/somewhere")

    return visit


def signed_in(path: str) -> Visit:
    """A page of somebody who has signed in at both utilities' providers, as their browser then is."""

    def visit(page: Page, enrolled: Enrolled) -> None:
        stack = enrolled.journey.stack
        visitor = Visitor(stack)
        visitor.sign_in("chandra")
        cookie = {"name": f"session{stack.port}", "value": visitor.session, "url": stack.base}
        page.context.add_cookies([cookie])
        page.goto(path)

    return visit


def meter(page: Page, number: str) -> None:
    page.goto("/oidc/meter")
    page.get_by_label("North Grid").check()
    page.get_by_label("Number of your meter").fill(number)
    press(page, "Send me a code")


def wrong_code(page: Page, _: Enrolled) -> None:
    meter(page, "MTR-nobody")
    page.get_by_label("Code", exact=True).fill("1234")
    press(page, "Sign in")


def chosen_nothing(page: Page, _: Enrolled) -> None:
    page.goto("/oidc/sign-in")
    press(page, "Continue")


def not_me(page: Page, enrolled: Enrolled) -> None:
    """Where a notice to somebody else leads, whose enrolment may be stopped."""
    page.goto(notice_address(enrol(enrolled.journey.stack)))


def not_me_stopped(page: Page, enrolled: Enrolled) -> None:
    not_me(page, enrolled)
    press(page, "This was not me: stop it")


def not_me_used(page: Page, enrolled: Enrolled) -> None:
    not_me_stopped(page, enrolled)
    page.goto(page.url)


SCREENS: dict[str, Visit] = {
    "ask": lambda page, _: _goto(page, "/verify"),
    "ask-mistaken": lambda page, _: enter(page, "ENR-2026-000123"),
    "answer": lambda page, enrolled: _goto(page, enrolled.verification),
    "answer-to-the-credential": lambda page, enrolled: enter(page, enrolled.jwt),
    "answer-to-a-consent": lambda page, enrolled: enter(page, enrolled.consent),
    "answer-not-genuine": lambda page, enrolled: enter(page, tampered(enrolled.jwt)),
    "answer-suspended": lambda page, enrolled: suspended(page, enrolled, enrolled.verification),
    "credential-suspended": lambda page, enrolled: suspended(page, enrolled, enrolled.link),
    "answer-unknown": lambda page, _: _goto(page, "/verify/00000000-0000-4000-8000-000000000000"),
    "credential": lambda page, enrolled: _goto(page, enrolled.link),
    "receipt": receipt,
    "offer": offer,
    "offered": offered,
    "sign-in": lambda page, _: _goto(page, "/oidc/sign-in"),
    "sign-in-mistaken": chosen_nothing,
    "sign-in-no-account": lambda page, _: _goto(page, "/oidc/ended/no-account"),
    "sign-in-by-meter": lambda page, _: _goto(page, "/oidc/meter"),
    "sign-in-by-meter-mistaken": lambda page, _: meter(page, "?"),
    "sign-in-by-code": wrong_code,
    "account": signed_in("/oidc/account"),
    "account-link": signed_in("/oidc/link"),
    "second-step": signed_in("/oidc/step-up?acr=2&next=/oidc/account"),
    "not-me": not_me,
    "not-me-stopped": not_me_stopped,
    "not-me-used": not_me_used,
    "not-me-unknown": lambda page, _: _goto(page, "/not-me/no-such-address"),
    "not-found": lambda page, _: _goto(page, "/no/such/place"),
    "too-many": failing(429, {"Retry-After": "90"}, title="Too many credentials were checked from here."),
    "our-mistake": failing(500, reference="5f0c0c7c8f7b4f6db6a1f0e6b0a0a0a0"),
    "busy": failing(503, {"Retry-After": "2"}),
}


def _goto(page: Page, path: str) -> None:
    page.goto(path)


def policy_violations(messages: list[str]) -> list[str]:
    """What the browser refused for the page's own Content-Security-Policy."""
    return [each for each in messages if "Content Security Policy" in each or "Content-Security-Policy" in each]


def as_json(page: Page, path: str) -> dict[str, object]:
    """What a machine is told at an address."""
    return dict(json.loads(page.request.get(path, headers={"Accept": "application/json"}).text()))
