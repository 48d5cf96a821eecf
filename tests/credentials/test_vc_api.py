"""The VC API's own promises: who may ask, what is kept and how, what a status act does and leaves alone."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from audit.models import Event
from credentials import addresses, lists, multikey, services
from credentials.models import Form, IssuedCredential, Kind, SignedForm, StatusList
from tests.credentials.conftest import NOON, enrollment
from tests.credentials.vc_api import EXAMPLES, TOKENS, V2, VcApi, Wallet, document

PERSON = document((V2, EXAMPLES), credentialSubject={"id": "mailto:asha@example.com", "name": "Asha Rao"})


@pytest.fixture
def vc_api(ready: None, client: Any, settings: Any) -> VcApi:
    settings.OPERATOR_TOKENS = TOKENS
    return VcApi(client)


@pytest.mark.parametrize("path", ["/credentials/issue", "/jwt/credentials/issue", "/credentials/status"])
def test_only_an_operators_token_issues_and_sets_status(vc_api: VcApi, path: str) -> None:
    for token in ("", "guessed"):
        answer = vc_api.post(path, {"credential": document()}, token=token)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert answer["Content-Type"] == "application/problem+json" and answer.json()["status"] == 401
    assert not IssuedCredential.objects.exists()


@pytest.mark.parametrize("path", ["/credentials/issue", "/credentials/verify", "/presentations/verify"])
def test_nothing_but_a_post_of_json_is_read(vc_api: VcApi, path: str) -> None:
    token = {"Authorization": "Bearer the-issuing-machine"}
    assert vc_api.client.get(path, headers=token).status_code == 405
    assert vc_api.client.post(path, "a=1", content_type="text/plain", headers=token).status_code == 415
    for body in ("", "[]", "no JSON", '{"credential": 1, "credential": 2}', "[" * 100_000, '{"credential": NaN}'):
        assert vc_api.post(path, body).status_code == 400
    assert vc_api.post(path, {"credential": "x" * 300_000}).status_code == 413


def test_the_issuer_is_us_whoever_the_document_names_and_the_rest_stays_as_it_came(
    vc_api: VcApi, settings: Any
) -> None:
    asked = document(issuer={"id": "did:example:other", "name": "The office"}, validFrom="2026-11-01T00:00:00Z")
    issued = vc_api.issued(asked)
    assert issued["issuer"] == {"id": settings.ISSUER_DID, "name": "The office"}
    kept = {name: value for name, value in issued.items() if name not in ("id", "issuer", "credentialStatus", "proof")}
    assert kept == {name: value for name, value in asked.items() if name != "issuer"}


def test_a_credential_without_an_id_gets_our_address_and_one_with_an_id_keeps_it(vc_api: VcApi) -> None:
    given = vc_api.issued(document())
    assert given["id"] == IssuedCredential.objects.get().url
    kept = vc_api.issued(document(id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"))
    assert kept["id"] == "urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"


def test_it_carries_both_status_entries_of_one_place_after_those_it_came_with(vc_api: VcApi) -> None:
    own = {"id": "https://example.com/status#1", "type": "https://example.org/#Status"}
    first, revocation, suspension = vc_api.issued(document(credentialStatus=own))["credentialStatus"]
    assert first == own
    assert [revocation["statusPurpose"], suspension["statusPurpose"]] == ["revocation", "suspension"]
    assert revocation["statusListIndex"] == suspension["statusListIndex"]
    assert revocation["statusListCredential"].endswith("/status/credential-list")
    assert suspension["statusListCredential"].endswith("/status/credential-suspension")


def test_a_jwt_comes_in_its_envelope_and_says_the_same(vc_api: VcApi, settings: Any) -> None:
    envelope = vc_api.issued(document(), jwt=True)
    assert (envelope["@context"], envelope["type"]) == ([V2], "EnvelopedVerifiableCredential")
    token = envelope["id"].removeprefix("data:application/vc+jwt,")
    header, payload = (json.loads(multikey.from_b64url(part)) for part in token.split(".")[:2])
    assert (header["typ"], header["cty"], header["alg"]) == ("vc+jwt", "vc", "ES256")
    assert (payload["issuer"], payload["credentialSubject"]) == (settings.ISSUER_DID, {"id": "did:example:subject"})
    assert "vc" not in payload


def test_what_a_credential_says_of_a_person_is_kept_encrypted_and_never_in_the_journal(vc_api: VcApi) -> None:
    vc_api.issued(PERSON)
    vc_api.issued(PERSON, jwt=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c::text || f::text FROM issued_credentials c JOIN signed_forms f ON f.credential_id = c.id"
        )
        rows = " ".join(row[0] for row in cursor.fetchall())
    journal = json.dumps(list(Event.objects.values_list("details", "actor_id", "object_id")), default=str)
    for said in ("asha", "Asha", "Rao"):
        assert said not in rows
        assert said not in journal
    assert SignedForm.objects.get(form=Form.JSON_2_0).text.count("Asha Rao") == 1


def test_the_journal_names_the_token_that_issued_and_revoked(vc_api: VcApi) -> None:
    issued = vc_api.issued(document())
    vc_api.set_status(issued["id"], "revocation")
    lines = Event.objects.filter(object_type="IssuedCredential").order_by("pk").values_list("action", "actor_id")
    assert list(lines) == [
        ("credential.issued", "operator:issuing-machine"),
        ("credential.revoked", "operator:issuing-machine"),
    ]


def test_a_revocation_is_in_the_list_within_a_second_of_the_answer_and_is_final(vc_api: VcApi) -> None:
    issued = vc_api.issued(document())
    assert vc_api.verify(issued).json()["verified"]
    assert not in_its_list(vc_api, issued, "revocation")
    answer = vc_api.set_status(issued["id"], "revocation")
    assert answer.json() == {"credentialId": issued["id"], "revoked": True, "suspended": False, "published": True}
    wait_until(lambda: in_its_list(vc_api, issued, "revocation"))
    refused = vc_api.verify(issued)
    assert refused.status_code == 400
    assert refused.json()["problemDetails"][0]["type"].endswith("#REVOKED")
    assert vc_api.set_status(issued["id"], "revocation", status=False).status_code == 409
    assert vc_api.set_status(issued["id"], "revocation").status_code == 200
    assert in_its_list(vc_api, issued, "revocation")


def test_a_suspension_is_taken_back(vc_api: VcApi) -> None:
    issued = vc_api.issued(document(), jwt=True)
    row = IssuedCredential.objects.get()
    assert vc_api.set_status(row.url, "suspension").json()["suspended"] is True
    assert vc_api.verify(issued).json()["problemDetails"][0]["type"].endswith("#SUSPENDED")
    assert vc_api.set_status(row.url, "suspension", status="0").json()["suspended"] is False
    assert vc_api.verify(issued).json()["verified"] is True


def test_who_asks_for_the_proof_alone_is_told_nothing_of_the_status(vc_api: VcApi) -> None:
    issued = vc_api.issued(document())
    vc_api.set_status(issued["id"], "revocation")
    assert vc_api.verify(issued, checks=["proof"]).json()["verified"] is True
    assert vc_api.verify(issued, checks=["proof", "credentialStatus"]).status_code == 400


def test_who_asks_for_the_proof_alone_is_warned_of_a_credential_that_is_over(vc_api: VcApi) -> None:
    issued = vc_api.issued(document(validFrom="2020-01-01T00:00:00Z", validUntil="2021-01-01T00:00:00Z"))
    proof = vc_api.verify(issued, checks=["proof"]).json()
    assert (proof["verified"], proof["warnings"][0]["title"]) == (True, "RANGE_ERROR")
    every = vc_api.verify(issued).json()
    assert (every["verified"], every["problemDetails"][0]["title"]) == (False, "RANGE_ERROR")


def test_what_belongs_to_an_enrolment_is_not_ended_here(vc_api: VcApi) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    for named in (issued.url, f"vc:enrollment:{issued.id}", str(issued.id)):
        answer = vc_api.set_status(named, "revocation")
        assert answer.status_code == 409
        assert "end the enrolment" in answer.json()["detail"]
    assert not services.entries([issued.id])[0].revoked


@pytest.mark.parametrize(
    ("credential_id", "entry", "status"),
    [
        ("urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008", {}, 404),
        ("", {}, 400),
        (None, {}, 400),
        (["urn:uuid:1"], {}, 400),
        ("urn:uuid:known", {"type": "StatusList2021Entry"}, 400),
        ("urn:uuid:known", {"statusPurpose": "message"}, 400),
        ("urn:uuid:known", {"status": 7}, 400),
        ("urn:uuid:known", {"statusListCredential": "https://example.com/1", "statusListIndex": "5"}, 404),
    ],
)
def test_a_status_that_is_not_said_properly_changes_nothing(
    vc_api: VcApi, credential_id: Any, entry: dict[str, Any], status: int
) -> None:
    vc_api.issued(document(id="urn:uuid:known"))
    body = {
        "credentialId": credential_id,
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", **entry},
    }
    assert vc_api.post("/credentials/status", body).status_code == status
    assert not IssuedCredential.objects.filter(revoked_at__isnull=False).exists()


def test_two_credentials_of_one_id_are_told_apart_by_their_place_and_otherwise_both_meant(vc_api: VcApi) -> None:
    first, second = (vc_api.issued(document(id="urn:example:twice")) for _ in range(2))
    place = first["credentialStatus"][0]
    named = {name: place[name] for name in ("statusListCredential", "statusListIndex")}
    assert vc_api.set_status("urn:example:twice", "revocation", **named).status_code == 200
    assert [vc_api.verify(each).status_code for each in (first, second)] == [400, 200]
    vc_api.set_status("urn:example:twice", "revocation")
    assert vc_api.verify(second).status_code == 400


def test_no_credential_is_issued_without_a_published_list(vc_api: VcApi) -> None:
    StatusList.objects.filter(kind=Kind.GENERAL).update(closed_at=NOON)
    answer = vc_api.issue(document())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert not IssuedCredential.objects.exists()


def test_a_refused_document_takes_no_place_in_a_list(vc_api: VcApi) -> None:
    vc_api.issue(document(issuer="fake-issuer"))
    assert [lists.taken(each) for each in StatusList.objects.filter(kind=Kind.GENERAL)] == [0, 0]


def test_a_credential_of_an_issuer_that_is_its_own_key_verifies(vc_api: VcApi) -> None:
    credential = Wallet().credential()
    assert vc_api.verify(credential).json()["verified"] is True
    assert vc_api.verify({**credential, "name": "changed"}).status_code == 400


def test_anybody_may_verify_from_any_page(vc_api: VcApi) -> None:
    for path in ("/credentials/verify", "/presentations/verify"):
        preflight = vc_api.client.options(path, headers={"Origin": "https://wallet.example"})
        assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, "*")
    answer = vc_api.verify(Wallet().credential())
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"


def test_one_address_verifies_only_so_much(vc_api: VcApi, settings: Any) -> None:
    settings.VERIFY_RATES = {"verify-posted": (0.01, 2)}
    credential = Wallet().credential()
    answers = [vc_api.verify(credential).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert vc_api.verify_presentation({}).status_code == 429


def test_our_own_page_judges_such_a_credential_without_telling_its_subject(vc_api: VcApi) -> None:
    issued = vc_api.issued(PERSON)
    pk = issued["id"].rpartition("/")[2]
    answer = vc_api.client.get(f"/verify/{pk}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["verified"]) == (200, True)
    assert not any(said in answer.content for said in (b"Asha", b"asha@example"))
    page = vc_api.client.get(f"/verify/{pk}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert b"Asha" not in page.content


def wait_until(holds: Callable[[], bool]) -> None:
    """A web process asks the database for a list ten times a second, not at every request."""
    end = time.monotonic() + 1
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def in_its_list(vc_api: VcApi, issued: dict[str, Any], purpose: str) -> bool:
    """Whether the published list, read as a stranger reads it, has the credential's bit set."""
    (entry,) = [each for each in issued["credentialStatus"] if each["statusPurpose"] == purpose]
    path = "/" + entry["statusListCredential"].split("/", 3)[3]
    answer = vc_api.client.get(path, headers={"Accept": "application/vc"})
    encoded = json.loads(answer.content)["credentialSubject"]["encodedList"]
    bits, index = gzip.decompress(multikey.from_b64url(encoded[1:])), int(entry["statusListIndex"])
    return bool(bits[index >> 3] & (0x80 >> (index & 7)))


def test_whoever_was_handed_such_a_credential_opens_it_with_it_however_their_json_is_spaced(vc_api: VcApi) -> None:
    given = vc_api.issued(document(name="Zähler"))
    path = given["id"].removeprefix(addresses.base())
    spellings = [json.dumps(given), json.dumps(given, separators=(",", ":")), json.dumps(given, sort_keys=True)]
    for text in spellings:
        answer = vc_api.client.get(path, headers={"Authorization": f"Bearer {text}", "Accept": "application/vc"})
        assert answer.status_code == 200 and json.loads(answer.content) == given
    for text in (json.dumps({**given, "name": "Zahler"}), json.dumps(given)[:-1], "{}", "{"):
        answer = vc_api.client.get(path, headers={"Authorization": f"Bearer {text}", "Accept": "application/vc"})
        assert answer.status_code == 404
