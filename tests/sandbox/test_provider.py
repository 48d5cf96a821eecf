"""The identity provider of a sandbox utility from outside: what an app, a portal and an attacker see of it.

Over HTTP against a running process. The back-channel logout comes to a listener that stands in for the portal.
"""

import base64
import http.server
import json
import queue
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from sandbox import generated
from sandbox.postgres import free_ports
from tests.sandbox.running import RunningUtility, utility
from tests.signing_in import APP, Browser, Provider, Tokens, claims

VERIFIER = "a-verifier-of-more-than-forty-three-characters-0123456789"
RESOURCE = "https://owner.example"


@dataclass
class Stage:
    """Two utilities that know a portal at `base`, and what the portal was told through the back channel."""

    base: str
    running: RunningUtility
    provider: Provider
    other: Provider
    secret: str
    told: "queue.Queue[str]"

    @property
    def portal_redirect(self) -> str:
        return f"{self.base}/oidc/callback/{generated.UTILITY_A}"

    def key(self) -> jwt.PyJWKSet:
        return jwt.PyJWKSet.from_dict(got(str(self.provider.metadata["jwks_uri"])))

    def verified(self, token: str, audience: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token)["kid"]
        key = next(each for each in self.key().keys if each.key_id == kid)
        issuer = f"{self.provider.base}/o"
        return dict(jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer))

    def portal_tokens(self, browser: Browser) -> Tokens:
        asked = browser.authorization(client="energy-portal", verifier=VERIFIER, redirect=self.portal_redirect)
        code = answered(browser.sign_in(asked, "rajesh"))["code"]
        return browser._token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.portal_redirect,
                "client_id": "energy-portal",
                "client_secret": self.secret,
                "code_verifier": VERIFIER,
            }
        )

    def introspected(self, token: str) -> dict[str, Any]:
        body = urllib.parse.urlencode({"token": token}).encode()
        basic = base64.b64encode(f"energy-portal:{self.secret}".encode()).decode()
        request = urllib.request.Request(
            f"{self.provider.base}/o/introspect/", body, {"Authorization": f"Basic {basic}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return dict(json.loads(answer.read()))


def got(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return dict(json.loads(answer.read()))


def answered(address: str) -> dict[str, str]:
    """What the provider tells the client in the address it sends the browser back to."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    port = free_ports(3)
    told: queue.Queue[str] = queue.Queue()
    portal = _portal(port, told)
    folder = tmp_path_factory.mktemp("provider")
    ports = {generated.UTILITY_A: port + 1, generated.UTILITY_B: port + 2}
    values = generated.settings_for(port, folder=folder, utility_ports=ports)
    generated.write(folder / "settings.env", values)
    secret = json.loads(values["OIDC_PROVIDERS"])[0]["client_secret"]
    with (
        utility(folder, port=port + 1) as running,
        utility(folder, name=generated.UTILITY_B, port=port + 2) as other,
    ):
        yield Stage(
            f"http://127.0.0.1:{port}",
            running,
            Provider(running.url, folder / running.id),
            Provider(other.url, folder / other.id),
            secret,
            told,
        )
    portal.shutdown()
    portal.server_close()


def _portal(port: int, told: "queue.Queue[str]") -> http.server.HTTPServer:
    class Portal(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", port), Portal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def idp(stage: Stage) -> Iterator[Stage]:
    yield stage
    stage.running.fault("none", system="idp")


@pytest.fixture(scope="module")
def tokens(stage: Stage) -> Tokens:
    return stage.provider.browser().tokens("rajesh", resource=[RESOURCE], nonce="n-1")


def test_discovery_says_what_works(idp: Stage) -> None:
    said = idp.provider.metadata
    assert said["issuer"] == f"{idp.provider.base}/o"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert said["acr_values_supported"] == ["1", "2"]
    assert said["backchannel_logout_supported"] is True
    assert said["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization", "token", "userinfo", "introspection", "revocation", "end_session"):
        assert str(said[f"{name}_endpoint"]).startswith(f"{idp.provider.base}/o/")


def test_tokens_say_who_how_and_for_whom(idp: Stage, tokens: Tokens) -> None:
    access, identity = idp.verified(tokens.access_token, RESOURCE), idp.verified(tokens.id_token, APP)
    assert access["aud"] == [RESOURCE]
    assert identity["nonce"] == "n-1"
    assert identity["azp"] == APP
    for said in (access, identity):
        assert said["did"] == "did:example:user-12345"
        assert said["utility_customer_ids"] == ["CUST-123456"]
        assert (said["acr"], said["amr"]) == ("1", ["pwd"])
        assert said["sid"]
        assert said["auth_time"] <= said["iat"]
    assert access["sub"] == identity["sub"]
    assert not {"user-12345", "CUST-123456", "rajesh"} & {access["sub"]}


@pytest.mark.parametrize("challenge", [{"code_challenge": "", "code_challenge_method": ""}, {"method": "plain"}])
def test_a_request_without_an_s256_challenge_is_refused(idp: Stage, challenge: dict[str, str]) -> None:
    browser = idp.provider.browser()
    asked = browser.authorization(verifier=VERIFIER)
    parts = urllib.parse.urlsplit(asked)
    query = dict(urllib.parse.parse_qsl(parts.query))
    if "method" in challenge:
        query |= {"code_challenge_method": "plain", "code_challenge": VERIFIER}
    else:
        del query["code_challenge"], query["code_challenge_method"]
    back = browser.sign_in(parts._replace(query=urllib.parse.urlencode(query)).geturl(), "rajesh")
    assert answered(back)["error"] == "invalid_request"
    assert "code" not in answered(back)


def test_a_wrong_verifier_gets_nothing(idp: Stage) -> None:
    browser = idp.provider.browser()
    back = answered(browser.sign_in(browser.authorization(verifier=VERIFIER), "rajesh"))
    assert back["iss"] == f"{idp.provider.base}/o"
    with pytest.raises(AssertionError, match="invalid_grant"):
        browser.redeem(back["code"], verifier="x" * 50)


def test_a_code_used_twice_is_refused_and_what_came_of_it_ends(idp: Stage) -> None:
    browser = idp.provider.browser()
    code = answered(browser.sign_in(browser.authorization(verifier=VERIFIER), "rajesh"))["code"]
    given = browser.redeem(code, verifier=VERIFIER)
    assert idp.introspected(given.access_token)["active"] is True
    with pytest.raises(AssertionError, match="invalid_grant"):
        browser.redeem(code, verifier=VERIFIER)
    assert idp.introspected(given.access_token)["active"] is False
    with pytest.raises(AssertionError, match="invalid_grant"):
        browser.refresh(given)


def test_a_refresh_rotates_and_a_token_used_again_ends_the_family(idp: Stage) -> None:
    browser = idp.provider.browser()
    first = browser.tokens("rajesh", resource=[RESOURCE])
    second = browser.refresh(first)
    assert second.refresh_token != first.refresh_token
    assert second.claims["sid"] == first.claims["sid"]
    assert second.claims["aud"] == [RESOURCE]
    with pytest.raises(AssertionError, match="invalid_grant"):
        browser.refresh(first)
    with pytest.raises(AssertionError, match="invalid_grant"):
        browser.refresh(second)


def test_acr_2_asks_for_a_code_and_five_wrong_ones_end_it(idp: Stage) -> None:
    browser = idp.provider.browser()
    browser.tokens("rajesh")
    address = browser.authorization(verifier=VERIFIER, acr="2")
    url, page = browser._open(address)
    assert "/o/second-step/" in url
    csrf = _csrf(page)
    right = idp.provider.code_sent_to()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(5):
        page = browser._open(url, {"csrfmiddlewaretoken": csrf, "code": wrong})[1]
        assert "That is not the code" in page
    assert "That is not the code" in browser._open(url, {"csrfmiddlewaretoken": csrf, "code": right})[1]
    code = answered(browser.sign_in(address, "rajesh"))["code"]  # with a new code
    said = browser.redeem(code, verifier=VERIFIER).claims
    assert (said["acr"], said["amr"]) == ("2", ["pwd", "otp", "mfa"])


def test_prompt_none_never_shows_a_page(idp: Stage) -> None:
    browser = idp.provider.browser()
    silent = browser.authorization(verifier=VERIFIER, prompt="none")
    assert answered(browser._open(silent)[0])["error"] == "login_required"
    browser.tokens("rajesh")
    assert answered(browser._open(silent)[0])["code"]
    stronger = browser.authorization(verifier=VERIFIER, prompt="none", acr="2")
    assert answered(browser._open(stronger)[0])["error"] == "login_required"
    other = browser.authorization(
        client="energy-portal", redirect=idp.portal_redirect, verifier=VERIFIER, prompt="none"
    )
    refused = answered(browser._open(other)[0])
    assert refused["error"] == "consent_required"
    assert refused["iss"] == f"{idp.provider.base}/o"


def test_max_age_asks_for_the_password_again_once(idp: Stage) -> None:
    browser = idp.provider.browser()
    browser.tokens("rajesh")
    assert "/o/login/" in browser._open(browser.authorization(verifier=VERIFIER, max_age="0"))[0]
    assert answered(browser._open(browser.authorization(verifier=VERIFIER, max_age="3600"))[0])["code"]
    asked = browser.authorization(verifier=VERIFIER, max_age="0")
    assert answered(browser.sign_in(asked, "rajesh"))["code"]


def test_introspection_wants_a_client_and_says_what_the_token_says(idp: Stage, tokens: Tokens) -> None:
    said = idp.introspected(tokens.access_token)
    assert said["active"] is True
    assert said["aud"] == [RESOURCE]
    assert said["sub"] == tokens.claims["sub"]
    assert idp.introspected("nothing")["active"] is False
    body = urllib.parse.urlencode({"token": tokens.access_token}).encode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{idp.provider.base}/o/introspect/", body, timeout=20)
    assert refused.value.code in (401, 403)


def test_signing_out_at_the_provider_tells_the_portal_with_a_signed_token(idp: Stage) -> None:
    browser = idp.provider.browser()
    given = idp.portal_tokens(browser)
    asked = {
        "id_token_hint": given.id_token,
        "post_logout_redirect_uri": f"{idp.base}/oidc/signed-out",
        "client_id": "energy-portal",
        "state": "s",
    }
    end = f"{idp.provider.metadata['end_session_endpoint']}?{urllib.parse.urlencode(asked)}"
    assert browser._open(end)[0] == f"{idp.base}/oidc/signed-out?state=s"
    token = dict(urllib.parse.parse_qsl(idp.told.get(timeout=5)))["logout_token"]
    said = idp.verified(token, "energy-portal")
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
    assert said["sid"] == claims(given.id_token)["sid"]
    assert said["sub"] == claims(given.id_token)["sub"]
    assert said["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert said["jti"]
    assert "nonce" not in said
    assert "/o/login/" in browser._open(browser.authorization(verifier=VERIFIER))[0]


def test_a_wrong_password_signs_nobody_in(idp: Stage) -> None:
    browser = idp.provider.browser()
    url, page = browser._open(browser.authorization(verifier=VERIFIER))
    form = {"csrfmiddlewaretoken": _csrf(page), "username": "rajesh", "password": "wrong"}
    url, page = browser._open(url, form)
    assert "/o/login/" in url
    assert 'class="problem"' in page


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_next_to_another_host_is_not_followed(idp: Stage, target: str) -> None:
    browser = idp.provider.browser()
    address = f"{idp.provider.base}/o/login/?{urllib.parse.urlencode({'next': target})}"
    url, page = browser._open(address)
    form = {"csrfmiddlewaretoken": _csrf(page), "username": "rajesh", "password": idp.provider.password("rajesh")}
    assert browser._open(url, form)[0] == f"{idp.provider.base}/o/account/"


def test_a_redirect_uri_that_is_not_the_clients_is_not_followed(idp: Stage) -> None:
    browser = idp.provider.browser()
    browser.tokens("rajesh")
    with pytest.raises(AssertionError, match=r"^400 "):
        browser._open(browser.authorization(verifier=VERIFIER, redirect="https://evil.example/callback"))


def test_two_providers_on_one_host_leave_each_others_sign_in_alone(idp: Stage) -> None:
    one, two = idp.provider.browser(), idp.other.browser()
    two._opener = one._opener  # one browser, one set of cookies
    first = one.tokens("rajesh")
    second = two.tokens("chandra")
    assert first.claims["iss"] != second.claims["iss"]
    silent = one.authorization(verifier=VERIFIER, prompt="none")
    assert answered(one._open(silent)[0])["code"]


# -- trouble on demand: POST /faults {"system": "idp", "mode": …}


def test_an_idp_that_is_down_says_503_while_the_utility_answers(idp: Stage) -> None:
    idp.running.fault("down", system="idp")
    assert idp.running.call("/o/.well-known/openid-configuration")[0] == 503
    assert idp.running.call("/api/v1/meters?umid=umid-001", token=idp.running.token)[0] == 200


def test_an_idp_in_html_answers_a_page_where_json_belongs(idp: Stage) -> None:
    idp.running.fault("html", system="idp")
    status, body = idp.running.call("/o/.well-known/jwks.json")
    assert (status, body.lstrip()[:15].lower()) == (200, b"<!doctype html>")


def test_a_slow_idp_holds_its_answers_until_it_is_lifted(idp: Stage) -> None:
    idp.running.fault("slow", 0.4, system="idp")
    began = time.monotonic()
    assert idp.running.call("/o/.well-known/jwks.json")[0] == 200
    assert time.monotonic() - began >= 0.4


def test_rotated_keys_sign_and_are_the_only_ones_published(idp: Stage) -> None:
    before = {key.key_id for key in idp.key().keys}
    idp.running.fault("rotated-keys", system="idp")
    given = idp.provider.browser().tokens("rajesh", resource=[RESOURCE])
    after = {key.key_id for key in idp.key().keys}
    assert not before & after
    assert idp.verified(given.access_token, RESOURCE)["sub"]
    idp.running.fault("none", system="idp")
    assert {key.key_id for key in idp.key().keys} == before


def test_wrong_data_names_another_persons_meters(idp: Stage, tokens: Tokens) -> None:
    idp.running.fault("wrong-data", system="idp")
    said = idp.provider.browser().tokens("rajesh").claims
    assert said["did"] == tokens.claims["did"]
    assert not set(said["meter_ids"]) & set(tokens.claims["meter_ids"])
    assert not set(said["utility_customer_ids"]) & set(tokens.claims["utility_customer_ids"])


def _csrf(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    return found[1]
