"""A status list at its address: in every form, cached by everybody, asked of the database by hardly anybody."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from audit import clock
from credentials import bitstring, keys, publishing, served, services, token_list
from credentials.data_integrity.proofs import read_proofs, verify_proof
from credentials.models import KeyAlgorithm, StatusListVersion
from tests.credentials.conftest import NOON, consent, enrollment

LIST, SUSPENSION = "/status/enrollment-list", "/status/enrollment-suspension"
JWT, TOKEN = "application/vc+jwt", "application/statuslist+jwt"


def get(client: Client, path: str, accept: str = "", **headers: str) -> Any:
    return client.get(path, headers={**({"Accept": accept} if accept else {}), **headers})


# ── which form ──


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", JWT),
        ("*/*", JWT),
        ("application/*", JWT),
        (JWT, JWT),
        ("text/html;q=0.5, application/vc+jwt;q=0.1", JWT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JWT),
        ("application/vc", "application/vc"),
        ("application/ld+json", "application/ld+json"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/vc;q=0.3, application/statuslist+jwt;q=0.7", TOKEN),
        (TOKEN, TOKEN),
    ],
)
def test_the_form_that_is_asked_for_is_served(ready: None, client: Client, accept: str, content_type: str) -> None:
    response = get(client, LIST, accept)
    assert (response.status_code, response["Content-Type"]) == (200, content_type)
    assert "Accept" in response["Vary"].split(", ")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert 0 < int(response["Cache-Control"].removeprefix("public, max-age=")) <= 60


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/vc+jwt;q=0", "x", ",,;;=", "é"])
def test_a_form_we_do_not_have_is_refused_with_the_names_of_those_we_have(
    ready: None, client: Client, accept: str
) -> None:
    response = get(client, LIST, accept, **{"X-Requested-With": "test"})
    assert response.status_code == 406 and "Accept" in response["Vary"].split(", ")


def test_a_suspension_list_has_no_token_of_its_own(ready: None, client: Client) -> None:
    """A token tells both purposes and names itself by the address that credentials name, which is the other one."""
    refused = get(client, SUSPENSION, TOKEN)
    assert refused.status_code == 406 and TOKEN not in refused.json()["title"]
    assert client.get(f"{SUSPENSION}.tsl").status_code == 404


@pytest.mark.parametrize("path", [LIST, "/status/consent-list/2", "/status/credential-list"])
@pytest.mark.parametrize(("suffix", "accept"), [("jwt", JWT), ("json", "application/vc"), ("tsl", TOKEN)])
def test_a_suffix_asks_for_a_form_whatever_the_caller_accepts(
    ready: None, client: Client, path: str, suffix: str, accept: str
) -> None:
    named = get(client, f"{path}.{suffix}", "text/html")
    assert (named.status_code, named["Content-Type"]) == (200, accept)
    assert "Accept" not in named.get("Vary", "")
    assert named.content == get(client, path, accept).content


@pytest.mark.parametrize(
    "path",
    [f"{LIST}.", f"{LIST}.xml", f"{LIST}.JWT", f"{LIST}.jwt.jwt", f"{LIST}/1.json", f"{LIST}/9.json", f"{LIST}.%00"],
)
def test_other_suffixes_and_numbers_are_not_found(ready: None, client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    if path == f"{LIST}/9.json":  # may be there one day: a cache that keeps this answer would hide it
        assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", [f"{LIST}.json", f"{LIST}/2.tsl", "/dedi/lookup/x/vc-revocation-registry/y"])
def test_they_are_only_read(ready: None, path: str, method: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert getattr(strict, method)(path, data=b"x", content_type="text/plain").status_code == 405


# ── all forms say the same ──


def test_every_form_shows_the_same_revocations_and_suspensions(ready: None, client: Client) -> None:
    revoked, suspended, both, good = services.issue([enrollment() for _ in range(4)], now=NOON)
    services.suspend([suspended.id, both.id], at=NOON)
    services.revoke([revoked.id, both.id], at=NOON, reason="x")
    publishing.ensure_published([revoked.status_list_id])
    places = {
        int(each.status_list_index): name
        for name, each in {"revoked": revoked, "suspended": suspended, "both": both, "good": good}.items()
    }
    for path, set_ones in ((LIST, {"revoked", "both"}), (SUSPENSION, {"suspended", "both"})):
        for accept in (JWT, "application/vc"):
            body = get(client, path, accept).content
            said = json.loads(body) if accept != JWT else jwt.decode(body, keys.active().public, algorithms=["ES256"])
            bits = bitstring.decode_list(said["credentialSubject"]["encodedList"])
            assert {places[index] for index in places if bitstring.bit_at(bits, index)} == set_ones
            assert sum(byte.bit_count() for byte in bits) == 2
    token = jwt.decode(
        get(client, LIST, TOKEN).content, keys.active().public, algorithms=["ES256"], issuer=settings.ISSUER_DID
    )
    packed = token_list.decode(token["status_list"]["lst"], token["status_list"]["bits"])
    expected = {"revoked": token_list.INVALID, "suspended": token_list.SUSPENDED, "both": token_list.INVALID, "good": 0}
    assert {name: token_list.status_at(packed, index) for index, name in places.items()} == expected


def test_the_token_is_what_the_draft_asks_for(ready: None, client: Client) -> None:
    (issued,) = services.issue([consent()], now=NOON)
    named = jwt.decode(issued.jwt, options={"verify_signature": False})["status"]["status_list"]
    path = named["uri"].removeprefix(settings.PUBLIC_URL)
    body = get(client, path, TOKEN).content
    header, token = jwt.get_unverified_header(body), jwt.decode(body, options={"verify_signature": False})
    assert header == {"alg": "ES256", "typ": "statuslist+jwt", "kid": f"{settings.ISSUER_DID}#{keys.active().kid}"}
    assert token["sub"] == named["uri"] and token["status_list"]["bits"] == 2
    assert token["exp"] > token["iat"] and 0 < token["ttl"] <= 300
    assert len(token_list.decode(token["status_list"]["lst"], 2)) * 4 == 131_072


def test_the_json_form_is_the_token_s_list_with_a_proof_by_our_ed25519_key(ready: None, client: Client) -> None:
    document = json.loads(get(client, LIST, "application/vc").content)
    said = jwt.decode(get(client, LIST).content, options={"verify_signature": False})
    del said["iat"]
    assert {name: value for name, value in document.items() if name != "proof"} == said
    key = keys.active(KeyAlgorithm.ED25519)
    (proof,) = read_proofs(document)
    assert proof.cryptosuite == "eddsa-rdfc-2022" and proof.purpose == "assertionMethod"
    assert proof.verification_method == f"{settings.ISSUER_DID}#{key.multikey}"
    assert verify_proof(document, proof, key.public)
    document["credentialSubject"]["encodedList"] += "A"
    assert not verify_proof(document, proof, key.public)


def test_representations_do_not_share_an_etag(ready: None, client: Client) -> None:
    accepts = (JWT, TOKEN, "application/vc", "application/ld+json", "application/json")
    etags = {accept: get(client, LIST, accept)["ETag"] for accept in accepts}
    assert len(set(etags.values())) == len(accepts)
    for accept, etag in etags.items():
        assert get(client, LIST, accept, **{"If-None-Match": etag}).status_code == 304
        assert get(client, LIST, accept, **{"If-None-Match": etags[JWT if accept != JWT else TOKEN]}).status_code == 200


# ── what it costs ──


def test_what_was_asked_for_a_moment_ago_costs_no_query(
    ready: None, client: Client, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "KEPT_SECONDS", 60.0)  # this machine may be slow, and the rule is not about its speed
    etags = {accept: get(client, LIST, accept)["ETag"] for accept in (JWT, TOKEN, "application/vc")}
    with django_assert_num_queries(0):
        for accept, etag in etags.items():
            assert get(client, LIST, accept).status_code == 200
            assert get(client, LIST, accept, **{"If-None-Match": etag}).status_code == 304
            assert client.head(LIST, headers={"Accept": accept}).status_code == 200


def test_what_is_kept_is_over_after_a_tenth_of_a_second_and_asking_again_costs_one_narrow_query(
    ready: None, client: Client, django_assert_num_queries: Any
) -> None:
    assert served.KEPT_SECONDS <= 0.25
    client.get(LIST)
    time.sleep(served.KEPT_SECONDS + 0.01)
    with django_assert_num_queries(1) as asked:
        client.get(LIST)
    assert "body" not in asked.captured_queries[0]["sql"]


def test_a_list_that_another_process_published_is_served_when_what_is_kept_is_over(
    ready: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.get(LIST)["ETag"]
    (issued,) = services.issue([enrollment()], now=clock.now())
    services.revoke([issued.id], at=clock.now(), reason="x")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(served, "forget", lambda: None)
        began = time.monotonic()
        publishing.ensure_published([issued.status_list_id])
        assert time.monotonic() - began >= served.KEPT_SECONDS, "it is not told before every process shows it"
    assert client.get(LIST)["ETag"] != before


def test_a_list_that_was_published_long_ago_is_not_waited_for(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    publishing.ensure_published([issued.status_list_id])
    publishing.StatusList.objects.update(published_at=NOON)
    began = time.monotonic()
    publishing.ensure_published([issued.status_list_id])
    assert time.monotonic() - began < served.KEPT_SECONDS


@pytest.mark.django_db(transaction=True)
def test_of_many_who_find_it_over_at_once_one_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    from credentials import bootstrap

    bootstrap.ensure(NOON)
    served.forget()
    asked: list[served.Name] = []
    ask, start = served._ask, threading.Barrier(12)

    def slowly(name: served.Name) -> served.Served | None:
        asked.append(name)
        time.sleep(0.05)
        return ask(name)

    def fetch(_: int) -> bytes | None:
        start.wait(10)
        try:
            found = served.find(served.Name("ENROLLMENT", 1, "revocation", False))
            return found.body if found else None
        finally:
            connections.close_all()

    monkeypatch.setattr(served, "_ask", slowly)
    monkeypatch.setattr(served, "KEPT_SECONDS", 60.0)
    with ThreadPoolExecutor(12) as pool:
        bodies = set(pool.map(fetch, range(12)))
    assert len(asked) == 1 and len(bodies) == 1 and None not in bodies


def test_names_of_lists_that_are_not_there_are_not_kept(ready: None, client: Client) -> None:
    served.forget()
    for number in range(2, 40):
        client.get(f"{LIST}/{number}")
    assert len(served._kept) == 1, "list 2 is there, the others are not"


def test_until_the_json_of_a_new_version_is_there_the_one_before_is_served(ready: None, client: Client) -> None:
    before = get(client, LIST, "application/vc").content
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    assert publishing._publish(issued.status_list_id, now=NOON)  # and killed before the second step
    assert StatusListVersion.objects.without_json().count() == 1
    assert get(client, LIST, "application/vc").content == before
    assert publishing.publish_due(NOON) == 0, "no list has a change any more"
    assert not StatusListVersion.objects.without_json().exists()
    served.forget()
    bits = bitstring.decode_list(
        json.loads(get(client, LIST, "application/vc").content)["credentialSubject"]["encodedList"]
    )
    assert bitstring.bit_at(bits, int(issued.status_list_index))


def test_a_look_at_a_list_leaves_no_line_in_the_log_and_a_mistake_does(
    ready: None, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "web")
    etag = client.get(LIST)["ETag"]
    get(client, LIST, "", **{"If-None-Match": etag})
    client.get(f"{LIST}.json")
    assert [record for record in caplog.records if record.name == "web"] == []
    client.get("/status/none")
    get(client, LIST, "text/html")
    assert [getattr(record, "status", 0) for record in caplog.records if record.name == "web"] == [404, 406]


# ── DeDi ──


def test_a_revoked_credential_has_its_record_in_the_registry_and_no_other_has(ready: None, client: Client) -> None:
    good, revoked = services.issue([consent(), consent()], now=NOON)
    services.suspend([good.id], at=NOON)
    services.revoke([revoked.id], at=NOON, reason="a reason nobody is told")
    host = settings.PUBLIC_URL.partition("://")[2]
    for namespace in (host, settings.ISSUER_DID, settings.ISSUER_DID.replace("%", "%25")):
        registry = f"/dedi/lookup/{namespace}/vc-revocation-registry"
        quoted = revoked.url.replace(":", "%3A").replace("/", "%2F")
        for record in (str(revoked.id), revoked.url, quoted, f"vc:consent:{revoked.id}"):
            found = client.get(f"{registry}/{record}")
            assert found.status_code == 200, record
            assert found["Access-Control-Allow-Origin"] == "*"
            data = found.json()["data"]
            assert (data["registry_name"], data["record_name"]) == ("vc-revocation-registry", str(revoked.id))
            assert data["details"] == {
                "credential_id": revoked.url,
                "issuer": settings.ISSUER_DID,
                "revoked_at": "2026-10-15T12:00:00Z",
            }
            assert "reason" not in found.content.decode() and "did:example" not in found.content.decode()
        absent = [client.get(f"{registry}/{record}") for record in (str(good.id), str(uuid4()), "x", "%00", "a" * 4000)]
        assert {(each.status_code, each.content, each["Cache-Control"]) for each in absent} == {
            (404, absent[0].content, "no-store")
        }
    assert client.get(f"/dedi/lookup/other.example/vc-revocation-registry/{revoked.id}").status_code == 404
    assert client.get(f"/dedi/lookup/{host}/another-registry/{revoked.id}").status_code == 404
