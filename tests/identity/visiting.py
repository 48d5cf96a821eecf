"""Somebody with a browser: our pages by plain HTTP, and the provider's pages through `tests.signing_in`."""

from __future__ import annotations

import html
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from sandbox import generated
from tests.signing_in import Browser, Provider, _Form
from tests.stack import Stack

A, B = generated.UTILITY_A, generated.UTILITY_B
AGENCIES = "agencies"  # in the place of a utility: where agencies' people sign in
STAFF = "staff"  # where the console's people do


@dataclass(frozen=True)
class Page:
    """What came; `to` is where a redirect leads."""

    status: int
    to: str
    text: str
    headers: dict[str, str]

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return html.unescape(found[1].strip()) if found else ""

    @property
    def ending(self) -> str:
        """Which of the bad ends a redirect leads to."""
        path = urllib.parse.urlsplit(self.to).path
        return path.removeprefix("/oidc/ended/") if path.startswith("/oidc/ended/") else ""


class Visitor:
    """One browser: its cookies here, and at each provider."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirects(), urllib.request.HTTPCookieProcessor(self.jar)
        )
        self._browsers: dict[str, Browser] = {}

    def get(self, address: str) -> Page:
        return self._open(address, None)

    def post(self, address: str, **form: str) -> Page:
        """Send a form as the page at the address would: with its CSRF token."""
        return self._open(address, form | {"csrfmiddlewaretoken": self._token(address)})

    def at(self, utility: str = A) -> Browser:
        if utility not in self._browsers:
            folder = self.stack.folder / utility
            apart = {AGENCIES: self.stack.agencies_url, STAFF: self.stack.staff_url}
            base = apart[utility]() if utility in apart else self.stack.utility_url(utility)
            self._browsers[utility] = Provider(base, folder).browser()
        return self._browsers[utility]

    def begin(self, utility: str = A, *, next: str = "", page: str = "/oidc/sign-in", **form: str) -> str:
        """Choose a provider; return the address that the browser is sent to."""
        assert self.at(utility).provider.metadata  # it starts with its first request, which may take a while
        sent = self.post(page, provider=utility, next=next, **form)
        assert sent.status == 303, sent
        return sent.to

    def come_back(self, person: str, utility: str = A, **asked: str) -> str:
        """Sign in at the provider; return the address of ours that it sends the browser back to."""
        return self.at(utility).sign_in(self.begin(utility, **asked), person)

    def sign_in(self, person: str, utility: str = A, **asked: str) -> Page:
        return self.get(self.come_back(person, utility, **asked))

    def sign_in_agent(self, person: str = "op-1", *, next: str = "", **form: str) -> Page:
        """Sign in as one of the agencies' people, with both steps; return the page of ours that comes of it."""
        page = self.sign_in(person, AGENCIES, page="/agency/sign-in", next=next, **form)
        return self.get(page.to) if page.to else page

    def sign_in_staff(self, person: str, *, next: str = "") -> Page:
        """Sign in at the console, with both steps; return the page that comes of it."""
        page = self.sign_in(person, STAFF, page="/admin/sign-in", next=next)
        return self.get(page.to) if page.to else page

    def decline(self, person: str, utility: str = A) -> str:
        """Sign in at the provider and say no to it; return the address of ours that it sends the browser back to."""
        browser, address = self.at(utility), self.begin(utility)
        address, page = browser._open(address)
        who = {"username": person, "password": browser.provider.password(person)}
        address, page = browser._open(address, _Form(page).values | who)
        form = _Form(page).values
        form.pop("allow", None)
        return browser._open(address, form)[0]

    @property
    def session(self) -> str:
        name = f"session{self.stack.port}"
        return next((str(cookie.value) for cookie in self.jar if cookie.name == name), "")

    def _token(self, address: str) -> str:
        page = self.get(_page_with_a_form(address))
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found, page
        return found[1]

    def _open(self, address: str, form: dict[str, str] | None) -> Page:
        url = address if address.startswith("http") else self.stack.base + address
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, body, headers={"Accept": "text/html", "Referer": url})
        try:
            with self._opener.open(request, timeout=30) as answer:
                return Page(answer.status, "", answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as other:
            to = other.headers.get("Location", "")
            return Page(other.code, to, other.read().decode(), dict(other.headers))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _page_with_a_form(address: str) -> str:
    """Where the form to this address stands: signing out has none of its own."""
    if "sign-out" not in address:
        return address
    return "/admin/" if address.startswith("/admin/") else "/oidc/sign-in"
