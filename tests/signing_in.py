"""Signing people in at the sandbox's identity providers by plain HTTP: the pages' own forms, cookies, redirects.

Knows OpenID Connect and nothing of our code, so that it stands in for any app.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.cookiejar
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import generated
from tests.stack import Stack

APP = "energy-app"
APP_REDIRECT = "http://127.0.0.1/callback"


@dataclass(frozen=True)
class Tokens:
    """What a client gets for a code; `claims` are those of the access token, unverified."""

    access_token: str
    id_token: str
    refresh_token: str = ""
    scope: str = ""

    @property
    def claims(self) -> dict[str, Any]:
        return claims(self.access_token)


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def tokens_of(
    stack: Stack,
    person: str,
    *,
    utility: str = generated.UTILITY_A,
    client: str = APP,
    resource: Sequence[str] | None = None,
    acr: str = "",
    nonce: str = "",
) -> Tokens:
    """Sign `person` ("rajesh") in at the utility's provider and return the tokens of the app.

    `resource` becomes the access token's audience, by default this deployment; `acr` "2" takes the code from the
    outbox.
    """
    provider = Provider(stack.utility_url(utility), stack.folder / utility)
    wanted = [stack.base] if resource is None else resource
    return provider.browser().tokens(person, client=client, resource=wanted, acr=acr, nonce=nonce)


@dataclass
class Provider:
    """A utility's provider as a client sees it; `folder` holds the key the people's passwords come from."""

    base: str
    folder: Path
    _metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> Mapping[str, Any]:
        if not self._metadata:
            with _opener(None).open(f"{self.base}/o/.well-known/openid-configuration", timeout=30) as answer:
                self._metadata = dict(json.loads(answer.read()))
        return self._metadata

    def password(self, login: str) -> str:
        """As printed on the utility's page of its people."""
        page = self._page("/")
        found = re.search(rf"<code>{re.escape(login)}</code>[^<]*<code>([0-9a-f]+)</code>", page)
        if found:
            return found[1]
        key = (self.folder / "sign-in-key").read_bytes()  # made-up customers stand on no page
        return hmac.new(key, login.encode(), hashlib.sha256).hexdigest()[:10]

    def code_sent_to(self, number: str = "") -> str:
        """The newest sign-in code in the outbox."""
        request = urllib.request.Request(f"{self.base}/outbox", headers={"Accept": "application/json"})
        with _opener(None).open(request, timeout=30) as answer:
            messages = json.loads(answer.read())["messages"]
        codes = [m for m in messages if m["template"] == "sign-in-code" and (not number or m["to"] == number)]
        return str(codes[0]["parameters"]["code"])

    def browser(self) -> Browser:
        return Browser(self)

    def _page(self, path: str) -> str:
        with _opener(None).open(f"{self.base}{path}", timeout=30) as answer:
            return str(answer.read().decode())


class Browser:
    """One browser at a provider: its cookies, and the forms it fills in."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._opener = _opener(http.cookiejar.CookieJar())

    def tokens(
        self, person: str, *, client: str = APP, resource: Sequence[str] = (), acr: str = "", nonce: str = ""
    ) -> Tokens:
        """The whole code flow with PKCE as a public client."""
        verifier = secrets.token_urlsafe(48)
        asked = self.authorization(client=client, verifier=verifier, resource=resource, acr=acr, nonce=nonce)
        back = self.sign_in(asked, person)
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0]
        return self.redeem(code, client=client, verifier=verifier)

    def authorization(
        self,
        *,
        client: str = APP,
        verifier: str,
        redirect: str = APP_REDIRECT,
        resource: Sequence[str] = (),
        acr: str = "",
        nonce: str = "",
        **more: str,
    ) -> str:
        """The address of an authorization request."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": redirect,
            "scope": "openid profile meter:read offline_access",
            "state": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"acr_values": acr} if acr else {}),
            **({"nonce": nonce} if nonce else {}),
            **more,
        }
        query = urllib.parse.urlencode([*asked.items(), *(("resource", each) for each in resource)])
        return f"{self.provider.metadata['authorization_endpoint']}?{query}"

    def sign_in(self, address: str, person: str) -> str:
        """Follow the pages from `address`, fill in what they ask, and return the address they end at: the client's."""
        url, page = self._open(address)
        for _ in range(6):
            if not url.startswith(self.provider.base):
                return url
            form = _Form(page)
            if "password" in form.names:
                form.values |= {"username": person, "password": self.provider.password(person)}
            elif "code" in form.names:
                form.values["code"] = self.provider.code_sent_to()
            elif "allow" in form.names:
                form.values["allow"] = "Authorize"
            else:
                raise AssertionError(f"nothing to fill in at {url}:\n{page[-2000:]}")
            url, page = self._open(url, form.values)
        raise AssertionError(f"still no end at {url}:\n{page[-2000:]}")

    def redeem(self, code: str, *, client: str = APP, verifier: str, redirect: str = APP_REDIRECT) -> Tokens:
        return self._token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect,
                "client_id": client,
                "code_verifier": verifier,
            }
        )

    def refresh(self, tokens: Tokens, *, client: str = APP) -> Tokens:
        return self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "client_id": client})

    def _token(self, form: Mapping[str, str]) -> Tokens:
        address = str(self.provider.metadata["token_endpoint"])
        body = urllib.parse.urlencode(form).encode()
        try:
            with self._opener.open(urllib.request.Request(address, body), timeout=30) as answer:
                got = json.loads(answer.read())
        except urllib.error.HTTPError as problem:
            raise AssertionError(f"{problem.code} {problem.read()!r}") from None
        return Tokens(got["access_token"], got.get("id_token", ""), got.get("refresh_token", ""), got.get("scope", ""))

    def _open(self, address: str, form: Mapping[str, str] | None = None) -> tuple[str, str]:
        """GET, or POST a form; follow redirects while they stay at the provider."""
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        for _ in range(10):
            request = urllib.request.Request(address, body, headers={"Referer": address})
            try:
                with self._opener.open(request, timeout=30) as answer:
                    return answer.url, answer.read().decode()
            except urllib.error.HTTPError as moved:
                if moved.code not in (301, 302, 303, 307):
                    raise AssertionError(f"{moved.code} at {address}: {moved.read().decode()[-2000:]}") from None
                address, body = urllib.parse.urljoin(address, moved.headers["Location"]), None
                if not address.startswith(self.provider.base):
                    return address, ""
        raise AssertionError(f"redirected without end, at last to {address}")


class _Form:
    """The fields of the one form of a page."""

    def __init__(self, page: str) -> None:
        self.values: dict[str, str] = {}
        self.names: set[str] = set()
        for tag in re.findall(r"<(?:input|button)\b[^>]*>", page):
            at = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
            name = at.get("name", "")
            self.names.add(name)
            if name and tag.startswith("<input"):
                self.values[name] = _plain(at.get("value", ""))


def _plain(text: str) -> str:
    import html

    return html.unescape(text)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(cookies: http.cookiejar.CookieJar | None) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirects()]
    if cookies is not None:
        handlers.append(urllib.request.HTTPCookieProcessor(cookies))
    return urllib.request.build_opener(*handlers)
