"""One system of a utility: how we show who we are, ask again, read its names, and leave it alone."""

import base64
import json
import secrets
import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

from outbound.client import TlsIdentity
from sandbox.certificates import Authority, Pair
from tests.outbound.servers import Server, answering, serving
from utility_systems import health
from utility_systems.access import Access, ClientCredentials, FixedToken
from utility_systems.circuit import Circuit
from utility_systems.mapping import Cipher, Mapped
from utility_systems.models import SystemHealth
from utility_systems.ports import UtilityUnavailable
from utility_systems.transport import Declined, Patience, System

JSON = "Content-Type: application/json\r\n"
GOOD = answering(b'{"ok": true}', headers=JSON)


def one_after_the_other(*talks: Callable) -> Callable:
    """Answer the first request with the first talk, and so on; the last one stays."""
    left = list(talks)

    def talk(connection, request):
        return (left.pop(0) if len(left) > 1 else left[0])(connection, request)

    return talk


def a_system(url: str, access: Access | None = None, *, retries: int = 1, **more) -> System:
    waits = more.pop("waits", [])
    patience = Patience(1, more.pop("read", 2), retries)
    return System(
        "utility-example-001", "mdm", url, access or FixedToken("t"), patience=patience, sleep=waits.append, **more
    )


def headers(request: bytes) -> dict[str, str]:
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def body(request: bytes) -> dict:
    return dict(json.loads(request.partition(b"\r\n\r\n")[2]))


# --- asking again


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_a_question_is_asked_again_after_a_wait_that_is_never_the_same(status):
    waits: list[float] = []
    with serving(one_after_the_other(answering(b"", status=status), answering(b"", status=status), GOOD)) as server:
        assert a_system(server.url, retries=2, waits=waits).ask("GET", "/x") == {"ok": True}
    assert len(server.requests) == 3
    assert 0.05 <= waits[0] <= 0.15 and 0.1 <= waits[1] <= 0.3


def test_what_changes_something_is_sent_once():
    with serving(answering(b"", status="503 Service Unavailable")) as server, pytest.raises(UtilityUnavailable):
        a_system(server.url, retries=3).ask("POST", "/x", body={})
    assert len(server.requests) == 1


def test_who_took_too_long_is_not_asked_again():
    done = threading.Event()
    with serving(lambda *_: done.wait(10) and False) as server:
        with pytest.raises(UtilityUnavailable, match="in time"):
            a_system(server.url, retries=3, read=0.2).ask("GET", "/x")
        done.set()
    assert len(server.requests) == 1


def test_a_refused_question_is_the_callers_matter_and_the_system_is_well():
    circuit = Circuit(limit=1)
    refusing = answering(b"{}", status="422 Unprocessable", headers=JSON)
    with serving(refusing) as server, pytest.raises(Declined) as declined:
        a_system(server.url, circuit=circuit).ask("POST", "/x", body={})
    assert (declined.value.status, circuit.seconds_to_wait()) == (422, 0)


# --- who we are


def tokens(*given: str) -> Callable:
    answers = [
        answering(json.dumps({"access_token": each, "token_type": "Bearer", "expires_in": 600}).encode(), headers=JSON)
        for each in given
    ]
    return one_after_the_other(*answers)


def credentials(server: Server) -> ClientCredentials:
    return ClientCredentials(f"{server.url}/token", "owner", "client-secret-1", scope="meters")


def test_client_credentials_get_one_token_for_many_questions():
    with serving(tokens("token-1")) as service, serving(GOOD) as server:
        system = a_system(server.url, credentials(service))
        for _ in range(3):
            system.ask("GET", "/x")
    assert len(service.requests) == 1
    assert (
        headers(service.requests[0])["authorization"] == "Basic " + base64.b64encode(b"owner:client-secret-1").decode()
    )
    assert b"grant_type=client_credentials&scope=meters" in service.requests[0]
    assert {headers(each)["authorization"] for each in server.requests} == {"Bearer token-1"}


def test_a_token_that_is_refused_is_replaced_once():
    refusing_once = one_after_the_other(answering(b"{}", status="401 Unauthorized", headers=JSON), GOOD)
    with serving(tokens("old", "new")) as service, serving(refusing_once) as server:
        assert a_system(server.url, credentials(service)).ask("POST", "/x", body={}) == {"ok": True}
    assert [headers(each)["authorization"] for each in server.requests] == ["Bearer old", "Bearer new"]


def test_a_system_that_refuses_every_token_is_in_trouble():
    refusing = answering(b"{}", status="401 Unauthorized", headers=JSON)
    with serving(tokens("one", "two")) as service, serving(refusing) as server, pytest.raises(UtilityUnavailable):
        a_system(server.url, credentials(service), retries=0).ask("GET", "/x")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "talk",
    [
        answering(b"<html>Sorry</html>", headers="Content-Type: text/html\r\n"),
        answering(b"{}", status="500 Internal Server Error", headers=JSON),
        answering(b'{"token_type": "Bearer"}', headers=JSON),
        answering(b'{"access_token": "x", "token_type": "mac"}', headers=JSON),
        answering(b"[]", headers=JSON),
    ],
    ids=["page", "500", "no token", "other type", "list"],
)
def test_without_a_token_the_system_is_unavailable_and_is_not_asked(talk):
    with serving(talk) as service, serving(GOOD) as server, pytest.raises(UtilityUnavailable) as unavailable:
        a_system(server.url, credentials(service)).ask("GET", "/x")
    assert server.requests == []
    assert "client-secret-1" not in str(unavailable.value)


# --- mutual TLS


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "utility", "utility-ca")


def demanding(ours: Authority, server: Pair) -> ssl.SSLContext:
    """A server that talks only to whom `ours` has certified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours.file)
    return context


def asked_with(server: Server, pair: Pair, ca: Path) -> System:
    identity = TlsIdentity(str(pair.certificate), str(pair.key), str(ca))
    return a_system(server.url.replace("http:", "https:"), tls=identity, retries=0)


def test_a_utility_that_demands_our_certificate_gets_it(theirs, tmp_path):
    ours = Authority(tmp_path / "ours", "owner-ca")
    with serving(GOOD, tls=demanding(ours, theirs.sign("server"))) as server:
        assert asked_with(server, ours.sign("owner"), theirs.file).ask("GET", "/x") == {"ok": True}


def test_without_a_certificate_nothing_is_answered(theirs, tmp_path, settings):
    ours = Authority(tmp_path / "ours", "owner-ca")
    settings.ALLOWED_OUTBOUND = ["127.0.0.1"]
    with serving(GOOD, tls=demanding(ours, theirs.sign("server"))) as server, pytest.raises(UtilityUnavailable):
        a_system(server.url.replace("http:", "https:"), retries=0).ask("GET", "/x")
    assert server.requests == []


@pytest.mark.parametrize("wrong", ["another authority", "expired"])
def test_a_certificate_that_does_not_count_opens_nothing(theirs, tmp_path, wrong):
    ours = Authority(tmp_path / "ours", "owner-ca")
    stranger = Authority(tmp_path / "strange", "strange-ca")
    pair = stranger.sign("owner") if wrong == "another authority" else ours.sign("owner", lasts=timedelta(days=-1))
    with serving(GOOD, tls=demanding(ours, theirs.sign("server"))) as server, pytest.raises(UtilityUnavailable):
        asked_with(server, pair, theirs.file).ask("GET", "/x")
    assert server.requests == []


def test_a_utility_with_another_certificate_than_its_authority_s_is_not_spoken_to(theirs, tmp_path):
    ours = Authority(tmp_path / "ours", "owner-ca")
    stranger = Authority(tmp_path / "strange", "strange-ca")
    not_trusted = pytest.raises(UtilityUnavailable, match="certificate is not trusted")
    with serving(GOOD, tls=demanding(ours, stranger.sign("server"))) as server, not_trusted:
        asked_with(server, ours.sign("owner"), theirs.file).ask("GET", "/x")
    assert server.requests == []


def test_a_rotated_certificate_counts_without_a_restart(theirs, tmp_path):
    old, new = Authority(tmp_path / "old", "old-ca"), Authority(tmp_path / "new", "new-ca")
    pair = old.sign("owner")
    with serving(GOOD, tls=demanding(new, theirs.sign("server"))) as server:
        system = asked_with(server, pair, theirs.file)
        with pytest.raises(UtilityUnavailable):
            system.ask("GET", "/x")
        new.sign("owner", into=pair)
        assert system.ask("GET", "/x") == {"ok": True}


def test_a_certificate_that_is_not_there_is_our_trouble_and_says_no_path(theirs, tmp_path):
    missing = Pair(tmp_path / "none.crt", tmp_path / "none.key")
    with serving(GOOD) as server, pytest.raises(UtilityUnavailable) as unavailable:
        asked_with(server, missing, theirs.file).ask("GET", "/x")
    assert "certificate" in str(unavailable.value) and str(tmp_path) not in str(unavailable.value)


# --- their names


RULES = {
    "/api/v1/meters": {
        "records": "data.points",
        "as": "meters",
        "fields": {
            "umid": "uid",
            "sanctionedLoadKw": "contract.load_kw",
            "connectionType": {"path": "cat", "values": {"DOM": "RESIDENTIAL"}},
        },
    }
}


def test_a_utility_s_own_names_and_words_become_ours():
    theirs = {"data": {"points": [{"uid": "m-1", "contract": {"load_kw": 5}, "cat": "DOM", "phase": "SINGLE"}]}}
    with serving(answering(json.dumps(theirs).encode(), headers=JSON)) as server:
        answer = a_system(server.url, mapped=Mapped(RULES)).ask("GET", "/api/v1/meters")
    (meter,) = answer["meters"]
    assert (meter["umid"], meter["sanctionedLoadKw"], meter["connectionType"]) == ("m-1", 5, "RESIDENTIAL")
    assert meter["phase"] == "SINGLE"


@pytest.mark.parametrize("theirs", [{}, {"data": None}, {"data": {"points": None}}, [], {"data": {"points": [1]}}])
def test_an_answer_that_fits_no_mapping_breaks_nothing(theirs):
    with serving(answering(json.dumps(theirs).encode(), headers=JSON)) as server:
        a_system(server.url, mapped=Mapped(RULES)).ask("GET", "/api/v1/meters")


def test_fields_that_a_utility_wants_encrypted_are_so_in_both_directions():
    cipher = Cipher(secrets.token_bytes(32), frozenset({"mobile"}))
    answer = {"mobile": cipher.seal("mobile", "+919999999999"), "ok": True}
    with serving(answering(json.dumps(answer).encode(), headers=JSON)) as server:
        got = a_system(server.url, mapped=Mapped(cipher=cipher)).ask("POST", "/x", body={"mobile": "+910000000001"})
    assert got == {"mobile": "+919999999999", "ok": True}
    sent = body(server.requests[0])["mobile"]
    assert "0000000001" not in sent and cipher.open("mobile", sent) == "+910000000001"


def test_a_value_encrypted_for_another_field_or_key_does_not_open():
    cipher = Cipher(secrets.token_bytes(32), frozenset({"mobile", "name"}))
    sealed = cipher.seal("mobile", "+919999999999")
    for other in (cipher, Cipher(secrets.token_bytes(32))):
        with pytest.raises(ValueError, match=r"^name$"):
            other.open("name", sealed)


# --- what operators see


@pytest.mark.django_db
def test_a_system_that_fell_silent_and_came_back_leaves_its_row():
    now = [0.0]
    circuit = Circuit(limit=5, clock=lambda: now[0], changed=health.watcher("utility-example-001", "der"))
    down = [answering(b"", status="500 Internal Server Error")] * 5
    with serving(one_after_the_other(*down, GOOD)) as server:
        system = a_system(server.url, circuit=circuit)
        for number in range(5):
            assert not SystemHealth.objects.filter(is_open=True).exists(), number
            with pytest.raises(UtilityUnavailable):
                system.ask("GET", "/x")
        assert SystemHealth.objects.get().is_open
        with pytest.raises(UtilityUnavailable, match="so soon"):
            system.ask("GET", "/x")
        assert len(server.requests) == 5, "the circuit opens after five failures"
        now[0] += 6
        system.ask("GET", "/x")
    row = SystemHealth.objects.get()
    assert (row.utility_id, row.system, row.is_open) == ("utility-example-001", "der", False)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_asked_inside_a_transaction(settings):
    settings.TESTS_WRAP_IN_TRANSACTIONS = False
    with serving(GOOD) as server, transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        a_system(server.url).ask("GET", "/x")
    assert server.requests == []
