"""How much one address may have checked, and how much strangers may hold up: nobody else notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from audit import clock
from credentials import limits, services
from credentials.asking import Busy
from credentials.verification import Policy, Presented, verify
from tests.credentials.conftest import consent
from tests.credentials.issuer import Issuer, hang
from tests.credentials.signers import credential, secured
from tests.wallet import Wallet

LOW = {"verify": (0.1, 3), "verify-posted": (0.1, 3), "verify-asking": (0.1, 2)}
STRANGERS = Policy(trust=False, strangers=True, wait_seconds=4.0)


@pytest.fixture(autouse=True)
def everybody_is_new() -> Iterator[None]:
    limits.forget()
    yield
    limits.forget()


@pytest.fixture
def issued(ready: None) -> services.Issued:
    return services.issue([consent(valid_from=clock.now())], now=clock.now())[0]


@override_settings(VERIFY_RATES=LOW)
def test_an_address_that_posts_too_much_is_told_when_to_come_back_and_others_are_not(
    issued: services.Issued, client: Client
) -> None:
    codes = [client.post("/verify", issued.jwt, content_type="application/jwt").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    refused = client.post("/verify", issued.jwt, content_type="application/jwt")
    assert refused["Content-Type"] == "application/problem+json" and int(refused["Retry-After"]) >= 1
    assert refused.json()["status"] == 429 and refused["Access-Control-Allow-Origin"] == "*"
    other = client.post("/verify", issued.jwt, content_type="application/jwt", REMOTE_ADDR="198.51.100.7")
    assert other.status_code == 200
    assert client.options("/verify").status_code == 204


@override_settings(VERIFY_RATES=LOW)
def test_looking_at_our_own_is_counted_without_writing(issued: services.Issued, client: Client) -> None:
    path = f"/verify/{issued.id}"
    assert [client.get(path).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.get(path, REMOTE_ADDR="198.51.100.7").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rate_buckets")
        assert cursor.fetchone() == (0,)


@override_settings(VERIFY_RATES=LOW)
def test_the_vc_api_counts_with_the_same_measure(issued: services.Issued, client: Client) -> None:
    body = {"verifiableCredential": {"type": ["Nothing"]}}
    paths = ["/credentials/verify", "/presentations/verify", "/verify", "/credentials/verify"]
    codes = [client.post(path, body, content_type="application/json").status_code for path in paths]
    assert codes[-1] == 429 and 429 not in codes[:-1]


def test_an_address_whose_documents_cost_much_has_less_left(issued: services.Issued, client: Client) -> None:
    document = {"@context": ["https://www.w3.org/ns/credentials/v2"], "proof": {}, "credentialSubject": {"a": "b"}}
    with override_settings(VERIFY_RATES={"verify-work": (0.0001, 0.001)}):
        codes = [client.post("/verify", document, content_type="application/json").status_code for _ in range(100)]
    assert codes[0] == 200 and 429 in codes


def test_only_so_many_checks_wait_for_strangers_and_what_is_known_needs_no_place(db: None, rf: Any) -> None:
    issuer = Issuer("EdDSA")
    issuer.headers["Cache-Control"] = "max-age=60"
    by = Wallet(issuer.private, issuer.did, f"{issuer.did}#key-1")
    item = Presented.of(secured(credential(issuer.did), by))
    request = rf.post("/verify")
    waiting = limits.waiting(request)
    taken = [limits.places().acquire(blocking=False) for _ in range(settings.WEB_THREADS)]
    try:
        with pytest.raises(Busy):
            verify(item, policy=STRANGERS, now=clock.now(), waiting=waiting)
        assert issuer.asked == []
    finally:
        for _ in filter(None, taken):
            limits.places().release()
    assert verify(item, policy=STRANGERS, now=clock.now(), waiting=waiting).ok
    taken = [limits.places().acquire(blocking=False) for _ in range(settings.WEB_THREADS)]
    try:
        assert verify(item, policy=STRANGERS, now=clock.now(), waiting=waiting).ok, "its document is kept"
    finally:
        for _ in filter(None, taken):
            limits.places().release()
    issuer.stop()


@override_settings(VERIFY_RATES=LOW)
def test_one_address_may_not_make_us_call_others_all_day(db: None, rf: Any) -> None:
    issuer = Issuer("EdDSA")
    waiting = limits.waiting(rf.post("/verify"))

    def of(path: str) -> Presented:
        did = f"{issuer.did}:{path}"
        return Presented.of(secured(credential(did), Wallet(issuer.private, did, f"{did}#key-1")))

    for path in ("a", "b"):
        assert verify(of(path), policy=STRANGERS, now=clock.now(), waiting=waiting).reason == "UNKNOWN_KEY"
    with pytest.raises(Busy):
        verify(of("c"), policy=STRANGERS, now=clock.now(), waiting=waiting)
    issuer.stop()


def test_those_who_wait_for_the_same_silent_host_wait_once_and_not_in_turn(db: None) -> None:
    issuer = Issuer("EdDSA")
    issuer.documents["/.well-known/did.json"] = hang(10)
    by = Wallet(issuer.private, issuer.did, f"{issuer.did}#key-1")
    item = Presented.of(secured(credential(issuer.did), by))
    policy = Policy(trust=False, strangers=True, wait_seconds=1.0)
    took: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        try:
            verify(item, policy=policy, now=clock.now())
        finally:
            took.append(time.monotonic() - began)
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 6 and max(took) < 2.5
    issuer.stop()
