"""What a provider, or somebody in its place, may answer a sign-in with; and what is kept of a person."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client as Browser

from audit import clock
from identity import links, sessions
from identity.models import AccountLink, LinkReference, OidcSession, Subject, SubjectUtilityLink, User
from identity.tokens import Unproven
from tests.identity import idp

EVENT = "http://schemas.openid.net/event/backchannel-logout"
NATIONAL_NUMBER = "1234 5678 9012"

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def north():
    with idp.running() as provider:
        yield provider


@pytest.fixture(scope="module")
def people_register():
    with idp.running() as provider:
        yield provider


@pytest.fixture(autouse=True)
def providers(north, people_register, settings):
    north.is_broken = False
    north.metadata.clear()
    utility = idp.ProviderSettings(north.issuer, client_id="portal", client_secret="s" * 20, slug="north", name="North")
    national = idp.ProviderSettings(
        people_register.issuer, (), client_id="portal", slug="people", name="People", kind="NATIONAL"
    )
    settings.OIDC_PROVIDERS = [utility, national]


@pytest.fixture
def visitor() -> Browser:
    return Browser()


def begin(visitor: Browser, slug: str = "north", page: str = "/oidc/sign-in", **form: str) -> dict[str, str]:
    sent = visitor.post(page, {"provider": slug, **form})
    assert sent.status_code == 303, sent.content
    return {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}


def answer(visitor: Browser, provider: Any, asked: dict[str, str], token: str, **grant: Any) -> str:
    """The provider's answer with an ID token; returns the ending, or the path gone to."""
    provider.grants["the-code"] = {"access_token": "opaque-access", "expires_in": 300, "id_token": token, **grant}
    slug = urlsplit(asked["redirect_uri"]).path.rpartition("/")[2]
    sent = visitor.get(f"/oidc/callback/{slug}", {"code": "the-code", "state": asked["state"]})
    return sent["Location"].removeprefix("/oidc/ended/")


def id_token(provider: Any, asked: dict[str, str], **changes: Any) -> str:
    said = {"aud": "portal", "nonce": asked["nonce"], "sid": "their-session", "auth_time": None, **changes}
    alg = said.pop("alg", "RS256")
    return provider.token(clock.now(), alg=alg, **said)


def sign_in(visitor: Browser, provider: Any, slug: str = "north", **changes: Any) -> str:
    asked = begin(visitor, slug)
    return answer(visitor, provider, asked, id_token(provider, asked, **changes), refresh_token="refresh-1")


def at(**delta: int) -> int:
    return int((clock.now() + timedelta(**delta)).timestamp())


def symmetric(provider: Any, asked: dict[str, str]) -> str:
    """HS256 with the public key as its secret."""
    public = json.dumps(provider.published["RS256"]).encode()
    payload = json.dumps(provider.claims(clock.now(), aud="portal", nonce=asked["nonce"])).encode()
    unsigned = idp.raw({"alg": "HS256", "kid": "RS256"}, payload).rpartition(".")[0]
    return idp.raw({"alg": "HS256", "kid": "RS256"}, payload, hmac.digest(public, unsigned.encode(), "sha256"))


WRONG = {
    "another audience": {"aud": "somebody-else"},
    "many audiences and no party": {"aud": ["portal", "other"]},
    "made for another party": {"aud": ["portal", "other"], "azp": "other"},
    "another request's nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "expired": {"iat": -7200, "exp": -3600},
    "no end": {"exp": None},
    "no beginning": {"iat": None},
    "not yet valid": {"nbf": 3600},
    "lives for ever": {"exp": 86_400 * 365},
    "no subject": {"sub": None},
    "an access token": {"typ": "at+jwt"},
    "a logout token": {"events": {EVENT: {}}},
    "a sign-in in the future": {"auth_time": 3600},
    "another access token's hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "a weak key": {"alg": "RS256", "key": idp.KEYS["weak"], "kid": "weak"},
    "a key it does not publish": {"kid": "nobody"},
}
TIMES = ("iat", "exp", "nbf", "auth_time")


@pytest.mark.parametrize("wrong", WRONG)
def test_an_id_token_that_does_not_hold_signs_nobody_in(wrong, visitor, north):
    changes = {name: at(seconds=value) if name in TIMES and value else value for name, value in WRONG[wrong].items()}
    assert sign_in(visitor, north, **changes) == "not-believed"
    assert not User.objects.filter(issuer=north.issuer).exists() and visitor.get("/oidc/account").status_code == 302


@pytest.mark.parametrize("forged", ["none", "HS256", "no token", "rubbish"])
def test_a_forged_id_token_signs_nobody_in(forged, visitor, north):
    asked = begin(visitor)
    claims = north.claims(clock.now(), aud="portal", nonce=asked["nonce"])
    token = {
        "none": idp.raw({"alg": "none"}, json.dumps(claims).encode(), b""),
        "HS256": symmetric(north, asked),
        "no token": "",
        "rubbish": "a.b.c",
    }[forged]
    assert answer(visitor, north, asked, token) == "not-believed"
    assert not User.objects.filter(issuer=north.issuer).exists()


def test_a_token_of_another_issuer_we_believe_signs_nobody_in(visitor, north, people_register):
    asked = begin(visitor)
    assert answer(visitor, north, asked, id_token(people_register, asked)) == "wrong-provider"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_good_id_token_signs_in_and_its_code_is_bound_by_pkce(alg, visitor, north):
    asked = begin(visitor)
    half = hashlib.sha256(b"opaque-access").digest()[:16]
    at_hash = base64.urlsafe_b64encode(half).decode().rstrip("=")
    token = id_token(north, asked, alg=alg, at_hash=at_hash, azp="portal", auth_time=at(seconds=-5))
    assert answer(visitor, north, asked, token) == "/oidc/account"
    form = north.forms[-1]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert form["redirect_uri"] == asked["redirect_uri"] and asked["redirect_uri"].endswith("/oidc/callback/north")


def test_the_same_sub_of_another_issuer_and_the_same_e_mail_are_somebody_else(visitor, north, people_register):
    sign_in(visitor, north, sub="one", email="rajesh@example.org")
    sign_in(Browser(), people_register, "people", sub="one", email="rajesh@example.org", did=None)
    assert User.objects.filter(sub="one").count() == 2
    assert User.objects.get(issuer=people_register.issuer).subject is None


def test_who_has_no_account_at_the_utility_or_is_switched_off_is_told_so(visitor, north):
    assert sign_in(visitor, north, meter_ids=[], utility_customer_ids=[]) == "no-account"
    assert not User.objects.filter(issuer=north.issuer).exists()
    sign_in(visitor, north)
    User.objects.filter(issuer=north.issuer).update(is_active=False)
    assert visitor.get("/oidc/account").status_code == 302, "switching off takes effect at once"
    assert sign_in(Browser(), north) == "inactive"


def test_a_provider_that_does_not_answer_is_a_page_and_not_an_error(visitor, north, settings):
    asked = begin(visitor)
    north.is_broken = True
    assert answer(visitor, north, asked, "x") == "unavailable"
    settings.OIDC_PROVIDERS = [replace(settings.OIDC_PROVIDERS[0], issuer="http://127.0.0.1:9")]
    sent = visitor.post("/oidc/sign-in", {"provider": "north"})
    assert sent["Location"] == "/oidc/ended/unavailable"
    page = visitor.get(sent["Location"])
    assert page.status_code == 503 and page["Retry-After"] == "60"


def test_a_code_that_the_provider_refuses_is_a_page(visitor, north):
    asked = begin(visitor)
    sent = visitor.get("/oidc/callback/north", {"code": "never-given", "state": asked["state"]})
    assert sent["Location"] == "/oidc/ended/not-believed"


def test_a_sign_in_weaker_or_older_than_asked_for_is_not_enough(visitor, north):
    sign_in(visitor, north, acr="1")
    for changes in (
        {"acr": "1", "auth_time": at(seconds=-5)},
        {"acr": "2", "auth_time": at(seconds=-900)},
        {"acr": "2"},
    ):
        asked = begin(visitor, page="/oidc/step-up", acr="2", max_age="600")
        assert (asked["acr_values"], asked["max_age"]) == ("2", "600")
        assert answer(visitor, north, asked, id_token(north, asked, **changes)) == "too-weak"
    asked = begin(visitor, page="/oidc/step-up", acr="2", max_age="600", next="/oidc/link")
    token = id_token(north, asked, acr="2", auth_time=at(seconds=-5))
    assert answer(visitor, north, asked, token) == "/oidc/link"


def test_a_sign_in_takes_ten_minutes_at_most(visitor, north, monkeypatch):
    asked = begin(visitor)
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert answer(visitor, north, asked, "x") == "expired"


def test_a_national_number_is_dropped_and_stands_nowhere(visitor, north, people_register, caplog):
    assert sign_in(visitor, people_register, "people", did=None) == "/oidc/account"
    assert b"One step is left" in visitor.get("/oidc/account").content
    asked = begin(visitor, page="/oidc/link")
    assert answer(visitor, north, asked, id_token(north, asked)) == "/oidc/account"
    for row in OidcSession.objects.all():
        assert "aadhaar_number" not in row.claims and NATIONAL_NUMBER not in json.dumps(
            [row.claims, row.tokens["access"]]
        )
        assert row.tokens["id"] == "", "the token it came in is not kept either"
    for needle in (NATIONAL_NUMBER, NATIONAL_NUMBER.replace(" ", ""), "aadhaar"):
        assert needle not in everything_kept() and needle not in caplog.text


def everything_kept() -> str:
    """Every row of every table as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        kept = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            kept += [text for (text,) in cursor.fetchall()]
    assert any("oidc" in text for text in kept)
    return "\n".join(kept)


def test_a_national_sign_in_becomes_a_person_by_the_utilitys_own_proof(visitor, north, people_register):
    sign_in(visitor, people_register, "people", did=None)
    asked = begin(visitor, page="/oidc/link")
    answer(visitor, north, asked, id_token(north, asked))
    national = User.objects.get(issuer=people_register.issuer)
    assert national.subject == Subject.objects.get(did="did:example:user-12345")
    again = Browser()
    sign_in(again, people_register, "people", did=None)
    assert b"3456" in again.get("/oidc/account").content


def test_a_message_and_the_portal_find_the_same_person(visitor, north):
    known = Subject.objects.for_did("did:example:user-12345")
    nameless = Subject.objects.for_did(f"{north.issuer}#nobody-named")
    sign_in(visitor, north)
    sign_in(Browser(), north, sub="nobody-named", did=None)
    found = {user.sub: user.subject for user in User.objects.filter(issuer=north.issuer)}
    assert found == {"user-12345": known, "nobody-named": nameless}


def test_a_provider_that_begins_to_name_people_does_not_make_second_ones(visitor, north):
    sign_in(visitor, north, did=None)
    before = User.objects.get(issuer=north.issuer).subject
    sign_in(Browser(), north)
    named = Subject.objects.get(did="did:example:user-12345")
    before.refresh_from_db()
    assert User.objects.get(issuer=north.issuer).subject == named and before.merged_into == named
    assert set(SubjectUtilityLink.objects.filter(status="ACTIVE").values_list("subject", flat=True)) == {named.pk}
    assert sign_in(Browser(), north, did="did:example:somebody-else") == "other-person"


def test_p5_9_a_link_is_finished_only_by_the_session_that_started_it(visitor, north, people_register):
    sign_in(visitor, people_register, "people", did=None)
    asked = begin(visitor, page="/oidc/link")
    AccountLink.objects.update(session_digest="0" * 64)  # as if another session had started it
    assert answer(visitor, north, asked, id_token(north, asked)) == "link-over"
    assert User.objects.get(issuer=people_register.issuer).subject is None
    asked = begin(visitor, page="/oidc/link")
    AccountLink.objects.update(sub_a="somebody else")
    assert answer(visitor, north, asked, id_token(north, asked)) == "link-over"
    asked = begin(visitor, page="/oidc/link")
    AccountLink.objects.update(expires_at=clock.now())
    assert answer(visitor, north, asked, id_token(north, asked)) == "link-over"


def test_p5_12_a_link_reference_counts_once_and_for_ten_minutes(visitor, north, rf):
    sign_in(visitor, north)
    request = rf.get("/")
    request.session = visitor.session
    now = clock.now()
    used, old = links.reference(request, now=now), links.reference(request, now=now)
    [proven] = links.redeem(used, "portal.example.com", "order-1", now)
    assert (proven.subject_did, proven.utility_id, proven.acr) == ("did:example:user-12345", "utility-example-001", "2")
    assert proven.utility_customer_ids == ("CUST-123456",)
    refused = links.redeem(used, "portal.example.com", "order-1", now)
    assert isinstance(refused, Unproven)
    assert links.redeem(old, "portal.example.com", "order-1", now + timedelta(minutes=10)) == refused
    assert links.redeem("lr_unknown", "portal.example.com", "order-1", now) == refused
    row = LinkReference.objects.get(used_at__isnull=False)
    assert row.identities is None and used not in str(row.__dict__), "P5-11: nothing of it is kept"


def test_a_token_is_renewed_before_it_ends_and_the_session_ends_when_it_cannot_be(visitor, north, rf):
    sign_in(visitor, north)
    request = rf.get("/")
    request.session, utility, now = visitor.session, "utility-example-001", clock.now()
    assert sessions.access_token(request, utility, now) == "opaque-access"
    north.grants["refresh-1"] = {"access_token": "second", "refresh_token": "refresh-2", "expires_in": 300}
    soon = now + timedelta(seconds=280)
    assert sessions.access_token(request, utility, soon) == "second"
    assert sessions.access_token(request, utility, soon) == "second", "kept, not asked for again"
    north.is_broken, later = True, soon + timedelta(seconds=290)
    with pytest.raises(sessions.ProviderUnavailable):
        sessions.access_token(request, utility, later)
    north.is_broken = False
    with pytest.raises(sessions.SignInNeeded):
        sessions.access_token(request, utility, later)
    row = OidcSession.objects.get()
    assert (row.ended_by, row.tokens) == ("PROVIDER", None)
    with pytest.raises(sessions.SignInNeeded):
        sessions.access_token(request, "utility-example-002", now)


def test_of_two_requests_only_one_renews_and_the_other_uses_what_is_still_good(visitor, north, rf):
    sign_in(visitor, north)
    request = rf.get("/")
    request.session, utility, now = visitor.session, "utility-example-001", clock.now()
    soon, asked = now + timedelta(seconds=280), len(north.forms)
    OidcSession.objects.update(renewing_until=now + timedelta(seconds=310))  # the other request is at it
    assert sessions.access_token(request, utility, soon, order_id="order-1") == "opaque-access"
    with pytest.raises(sessions.ProviderUnavailable):  # its provider would take it for a stolen one
        sessions.access_token(request, utility, soon, order_id="order-2")
    with pytest.raises(sessions.ProviderUnavailable):
        sessions.access_token(request, utility, now + timedelta(seconds=305))
    assert len(north.forms) == asked, "a refresh token that comes twice counts as stolen"
    north.grants["refresh-1"] = {"access_token": "second", "expires_in": 300}
    assert sessions.access_token(request, utility, now + timedelta(seconds=311)) == "second", "the other one died"


def logout_token(provider: Any, **changes: Any) -> str:
    said = {"aud": "portal", "sid": "their-session", "jti": "1", "events": {EVENT: {}}, "typ": "logout+jwt", **changes}
    return provider.token(clock.now(), **said)


FORGED = {
    "for another client": {"aud": "other"},
    "of no event": {"events": None},
    "with a nonce": {"nonce": "n"},
    "without an id": {"jti": None},
    "of nobody": {"sub": None, "sid": None},
    "signed by somebody else": {"key": idp.KEYS["weak"], "kid": "RS256"},
    "an old one": {"iat": -600, "exp": 300},
}


def test_a_forged_or_replayed_logout_token_ends_nothing(visitor, north):
    sign_in(visitor, north)
    for forged, changes in FORGED.items():
        changed = {name: at(seconds=value) if name in TIMES and value else value for name, value in changes.items()}
        sent = visitor.post("/oidc/logout/back-channel", {"logout_token": logout_token(north, **changed)})
        assert sent.status_code == 400, forged
    id_token_of_theirs = id_token(north, {"nonce": "n"})
    assert visitor.post("/oidc/logout/back-channel", {"logout_token": id_token_of_theirs}).status_code == 400
    assert visitor.get("/oidc/account").status_code == 200
    good = logout_token(north)
    told = Browser(enforce_csrf_checks=True).post("/oidc/logout/back-channel", {"logout_token": good})
    assert told.status_code == 200 and told["Cache-Control"] == "no-store"
    assert visitor.get("/oidc/account").status_code == 302
    sign_in(visitor, north)
    assert visitor.post("/oidc/logout/back-channel", {"logout_token": good}).status_code == 400, "replayed"
    assert visitor.get("/oidc/account").status_code == 200


def test_tokens_do_not_outlive_the_session(visitor, north):
    sign_in(visitor, north)
    assert sessions.forget_old(clock.now() + timedelta(hours=9)) == 1
    assert OidcSession.objects.get().tokens is None
