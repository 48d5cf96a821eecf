"""The console: who gets in, what its pages show, and what its acts do. No private key is on any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from beckn import workers
from console.credentials import masked
from console.staff.doors import addresses
from credentials import keys, publishing, services
from credentials.models import IssuerKey, KeyState, StatusList, StatusListVersion
from identity.access import TABLE, Who
from identity.models import User
from identity.staff import Role
from tests.credentials.conftest import consent, enrollment
from tests.staff import Desk
from tests.staff import desk as staff_desk

KEYS = "/admin/credentials/issuerkey/"
LISTS = "/admin/credentials/statuslist/"
CREDENTIALS = "/admin/credentials/issuedcredential/"


@pytest.fixture
def ready(bootstrapped_today: None) -> None:
    """A key and published lists."""


@pytest.fixture
def desk(db: None) -> Desk:
    """A browser in which a security officer is signed in."""
    return staff_desk(Role.SECURITY_OFFICER)


@pytest.fixture
def chief(desk: Desk) -> User:
    assert desk.member.user is not None
    return desk.member.user


@pytest.fixture
def reader(db: None) -> Desk:
    """Staff with a role that has no right here."""
    return staff_desk()


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


# ── getting in ──


def pages() -> Iterator[str]:
    yield from ("/admin/", KEYS, LISTS, CREDENTIALS, f"{KEYS}announce/", f"{LISTS}publish/")


@pytest.mark.parametrize("address", list(pages()))
def test_a_stranger_is_asked_to_sign_in_and_comes_back(client: Client, db: None, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 302 and answer["Location"] == f"/admin/sign-in?next={address}"


@pytest.mark.parametrize("address", list(pages()))
def test_somebody_who_is_signed_in_as_a_customer_is_nobody_here(client: Client, db: None, address: str) -> None:
    client.force_login(User.objects.create(username="customer", sub="c"))
    assert client.get(address)["Location"] == f"/admin/sign-in?next={address}"
    assert client.post(address).status_code == 403


@pytest.mark.parametrize("address", [KEYS, LISTS, CREDENTIALS, f"{KEYS}announce/", f"{LISTS}publish/"])
def test_staff_without_the_right_sees_and_does_nothing(reader: Client, ready: None, address: str) -> None:
    assert reader.get(address).status_code == 403
    assert reader.post(address, {"algorithm": "ES256", "reason": "PLANNED"}).status_code == 403
    assert IssuerKey.objects.count() == 2


def test_every_address_of_the_console_is_for_staff_but_the_door() -> None:
    mine = {name: who for name, who in TABLE.items() if name.startswith("admin:")}
    doors = {"admin:" + each.name for each in addresses() if each.name and each.name != "index"} | {"admin:break-glass"}
    assert {mine.pop(name) for name in doors} == {Who.PUBLIC}
    assert set(mine.values()) == {Who.STAFF}
    assert {f"admin:{pattern.name}" for pattern in admin.site.urls[0]} == {*mine, *doors}


# ── every page ──


def every_page() -> list[str]:
    key = IssuerKey.objects.get(algorithm="ES256", state=KeyState.ACTIVE)
    waiting = keys.announce(now=clock.now(), actor=SYSTEM)
    (issued,) = services.issue([consent()], now=clock.now())
    acts = [f"{KEYS}{waiting.pk}/{name}/" for name in ("activate", "retire", "revoke")]
    rows = [f"{KEYS}{key.pk}/", f"{KEYS}{waiting.pk}/", f"{CREDENTIALS}{issued.id}/"]
    more = [
        "/admin/sign-in",
        "/admin/break-glass",
        "/admin/credentials/",
        f"{KEYS}?state__exact=ACTIVE&q={key.kid}",
    ]
    return [*pages(), *acts, *rows, *more, f"{CREDENTIALS}?state=good&q={issued.id}"]


def test_no_page_has_anything_inline_and_all_are_under_the_strict_policy(ready: None, desk: Client) -> None:
    for page in every_page():
        answer = (Client() if page in ("/admin/sign-in", "/admin/break-glass") else desk).get(page)
        assert answer.status_code == 200, page
        html = answer.content.decode()
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|\son[a-z]+=|javascript:", html), page
        for address in re.findall(r'(?:src|href)="(https?:[^"]*)"', html):
            assert address.startswith(settings.PUBLIC_URL), page


def test_no_page_shows_or_even_reads_a_private_key(ready: None, desk: Client) -> None:
    secrets = [bytes(row.private or b"").hex() for row in IssuerKey.objects.all()]
    every = every_page()
    keys._opened.cache_clear()
    for page in (each for each in every if each.startswith(KEYS)):
        with CaptureQueriesContext(connection) as asked:
            shown = desk.get(page).content.decode()
        assert not any('"issuer_keys"."private"' in query["sql"] for query in asked), page
        assert not any(secret[40:80] in shown for secret in secrets) and '"d"' not in shown


def test_looking_writes_nothing(ready: None, desk: Client) -> None:
    for page in every_page():
        with CaptureQueriesContext(connection) as asked:
            desk.get(page)
        words = [query["sql"].split()[0] for query in asked]
        assert set(words) <= {"SELECT", "SAVEPOINT", "RELEASE"}, (page, words)


def test_nothing_can_be_added_changed_or_deleted_the_stock_way(ready: None, desk: Client) -> None:
    key = IssuerKey.objects.first()
    assert key is not None
    for rest in ("add/", f"{key.pk}/delete/", f"{key.pk}/history/", f"{key.pk}/change/"):
        assert desk.get(KEYS + rest).status_code == 404
    assert desk.post(f"{KEYS}{key.pk}/", {"state": "REVOKED"}).status_code in (200, 405)
    key.refresh_from_db()
    assert key.state == KeyState.ACTIVE


# ── the first page ──


def test_a_good_day_says_so(ready: None, desk: Client) -> None:
    now = clock.now()
    publishing.publish_all(now)
    workers.beat("worker:1", [], started_at=now, rounds=1, round_ms=1, now=now)
    assert "Nothing needs you now" in text_of(desk.get("/admin/"))


def test_the_first_page_names_what_needs_a_person(ready: None, desk: Client) -> None:
    IssuerKey.objects.filter(algorithm="Ed25519").update(state=KeyState.RETIRED, retired_at=clock.now())
    keys.announce(now=clock.now(), actor=SYSTEM)
    StatusListVersion.objects.filter(status_list__kind="CONSENT", status_list__number=1).update(
        valid_until=clock.now() - timedelta(hours=1)
    )
    told = text_of(desk.get("/admin/"))
    assert "No Ed25519 (Data Integrity) key is active" in told
    assert "/status/consent-list is over" in told
    assert "1 key is announced" in told


# ── keys ──


def test_a_key_lives_its_whole_life_on_pages_of_its_own(ready: None, desk: Client, chief: User) -> None:
    old = keys.active()
    done = desk.post(f"{KEYS}announce/", {"algorithm": "ES256", "reason": "PLANNED"}, follow=True)
    assert "is published" in text_of(done)
    new = IssuerKey.objects.get(state=KeyState.ANNOUNCED)
    early = desk.post(f"{KEYS}{new.pk}/activate/", {"kid": new.kid, "reason": "PLANNED"})
    assert early.status_code == 400 and "a cache may still hold our key list" in text_of(early)
    IssuerKey.objects.filter(pk=new.pk).update(announced_at=clock.now() - timedelta(minutes=1))
    done = desk.post(f"{KEYS}{new.pk}/activate/", {"kid": new.kid, "reason": "PLANNED"}, follow=True)
    assert "signs from now on" in text_of(done) and keys.active().kid == new.kid
    assert {version.kid for version in StatusListVersion.objects.newest()} == {new.kid}

    services.issue([enrollment()], now=clock.now())
    shown = text_of(desk.get(f"{KEYS}{new.pk}/"))
    assert re.search(r"Living credentials 1 ", shown) and new.multikey in shown and new.public_jwk["x"] in shown
    warned = text_of(desk.get(f"{KEYS}{new.pk}/revoke/"))
    assert "cannot be undone" in warned and "1 living credential is signed again" in warned
    done = desk.post(f"{KEYS}{new.pk}/revoke/", {"kid": new.kid, "reason": "COMPROMISED"}, follow=True)
    assert "1 living credentials are signed again" in text_of(done)
    states = dict(IssuerKey.objects.filter(algorithm="ES256").values_list("kid", "state"))
    assert states.pop(new.kid) == "REVOKED" and states.pop(old.kid) == "RETIRED" and list(states.values()) == ["ACTIVE"]
    lines = Event.objects.filter(action="key.revoked").values_list("actor_id", "channel", "details__reason")
    assert list(lines) == [(str(chief.pk), "CONSOLE", "COMPROMISED")]


def test_an_impatient_operator_may_do_without_the_waiting(ready: None, desk: Client) -> None:
    new = keys.announce(now=clock.now(), actor=SYSTEM)
    assert "some verifiers may not know this key yet" in text_of(desk.get(f"{KEYS}{new.pk}/activate/"))
    said = {"kid": new.kid, "reason": "PLANNED", "at_once": "on"}
    assert desk.post(f"{KEYS}{new.pk}/activate/", said).status_code == 302
    assert keys.active().kid == new.kid


@pytest.mark.parametrize("act", ["activate", "retire", "revoke"])
def test_an_act_needs_the_keys_name_and_a_reason(ready: None, desk: Client, act: str) -> None:
    new = keys.announce(now=clock.now(), actor=SYSTEM)
    before = IssuerKey.objects.get(pk=new.pk).state
    for said in ({}, {"kid": new.kid}, {"kid": "another", "reason": "PLANNED"}, {"kid": new.kid, "reason": "because"}):
        answer = desk.post(f"{KEYS}{new.pk}/{act}/", said)
        assert answer.status_code == 400 and "There is a problem" in text_of(answer)
        assert "Error:" in answer.content.decode().partition("</title>")[0]
    assert desk.get(f"{KEYS}{new.pk}/{act}/").status_code == 200
    assert IssuerKey.objects.get(pk=new.pk).state == before


def test_an_act_from_another_site_is_refused(ready: None, chief: User) -> None:
    careful = Desk(enforce_csrf_checks=True)
    careful.enter(chief)
    assert careful.post(f"{KEYS}announce/", {"algorithm": "ES256", "reason": "PLANNED"}).status_code == 409
    assert IssuerKey.objects.count() == 2


def test_only_what_is_possible_is_offered(ready: None, desk: Client) -> None:
    active = IssuerKey.objects.get(algorithm="ES256")
    waiting = keys.announce(now=clock.now(), actor=SYSTEM)
    assert "Activate this key" not in text_of(desk.get(f"{KEYS}{active.pk}/"))
    assert "Activate this key" in text_of(desk.get(f"{KEYS}{waiting.pk}/"))
    refused = desk.post(f"{KEYS}{active.pk}/retire/", {"kid": active.kid, "reason": "PLANNED"})
    assert refused.status_code == 400 and "activate another" in text_of(refused)


@pytest.mark.parametrize("pk", ["0", "999999", "x", "%00", "1'"])
def test_a_key_that_is_not_there_is_not_found(ready: None, desk: Client, pk: str) -> None:
    assert desk.get(f"{KEYS}{pk}/").status_code == 404
    assert desk.post(f"{KEYS}{pk}/revoke/", {"kid": "x", "reason": "PLANNED"}).status_code == 404


# ── lists ──


def test_lists_tell_their_size_their_use_and_how_fresh_they_are(ready: None, desk: Client) -> None:
    services.issue([consent()], now=clock.now())
    told = text_of(desk.get(LISTS))
    assert "/status/consent-list " in told and "131,072" in told and "in time" in told


def test_lists_are_published_again_by_a_post(ready: None, desk: Client) -> None:
    before = sum(StatusList.objects.values_list("version", flat=True))
    assert desk.get(f"{LISTS}publish/").status_code == 200
    assert sum(StatusList.objects.values_list("version", flat=True)) == before
    done = desk.post(f"{LISTS}publish/", follow=True)
    assert f"{StatusList.objects.count()} lists are published" in text_of(done)
    assert sum(StatusList.objects.values_list("version", flat=True)) > before


# ── credentials ──


def test_a_credential_is_shown_as_a_verifier_sees_it_now(ready: None, desk: Client) -> None:
    (issued,) = services.issue([consent()], now=clock.now())
    page = f"{CREDENTIALS}{issued.id}/"
    good = text_of(desk.get(page))
    assert "This credential is good" in good and "not revoked" in good
    services.revoke([issued.id], at=clock.now(), reason="MOVED_AWAY")
    between = text_of(desk.get(page))
    assert "not good: REVOKED" in between and "not revoked" in between, "the rows know, the published list not yet"
    publishing.publish_due(clock.now())
    assert "not revoked" not in text_of(desk.get(page))


def test_a_credential_is_found_by_its_id_and_by_nothing_that_names_a_person(ready: None, desk: Client) -> None:
    (issued,) = services.issue([consent()], now=clock.now())
    for words in (str(issued.id), issued.url):
        assert str(issued.id) in desk.get(CREDENTIALS, {"q": words}).content.decode()
    for words in ("did:example:user-12345", "DATA_COLLECTION", "%"):
        assert f"{issued.id}/" not in desk.get(CREDENTIALS, {"q": words}).content.decode()


def test_neither_claims_nor_the_whole_subject_nor_the_signature_are_shown(ready: None, desk: Client) -> None:
    (issued,) = services.issue([enrollment()], now=clock.now())
    shown = desk.get(f"{CREDENTIALS}{issued.id}/").content.decode() + desk.get(CREDENTIALS).content.decode()
    for secret in ("did:example:user-12345", "umid-001", issued.jwt, issued.jwt.rpartition(".")[2]):
        assert secret not in shown
    assert masked("did:example:user-12345") == "did:example:…2345" and masked("did:a:b") == "did:a:…"


@pytest.mark.parametrize("state", ["good", "suspended", "revoked", "over", "nonsense"])
def test_credentials_are_filtered_by_state(ready: None, desk: Client, state: str) -> None:
    now = clock.now()
    made = services.issue([consent(valid_until=None) for _ in range(3)], now=now)
    services.suspend([made[1].id], at=now)
    services.revoke([made[2].id], at=now, reason="x")
    shown = desk.get(CREDENTIALS, {"state": state}).content.decode()
    wanted = {"good": 1, "suspended": 1, "revoked": 1, "over": 0, "nonsense": 3}[state]
    assert len({each.id for each in made if f"{each.id}/" in shown}) == wanted


def test_the_list_of_credentials_asks_as_often_for_fifty_as_for_one(ready: None, desk: Client) -> None:
    services.issue([consent()], now=clock.now())
    with CaptureQueriesContext(connection) as one:
        desk.get(CREDENTIALS)
    services.issue([consent() for _ in range(50)], now=clock.now())
    with CaptureQueriesContext(connection) as many:
        desk.get(CREDENTIALS)
    assert len(many) <= len(one)


def test_every_page_has_an_address_that_can_be_told(ready: None) -> None:
    assert reverse("admin:credentials_issuerkey_changelist") == KEYS
