"""The adapter against a real sandbox utility and against servers that misbehave."""

import logging
import socket
import time
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from tests.outbound.servers import answering, serving
from tests.sandbox.running import RunningUtility
from utility_systems import registry
from utility_systems.access import FixedToken
from utility_systems.circuit import Circuit
from utility_systems.ports import DerType, Standing, UtilityUnavailable
from utility_systems.rest import SYSTEMS, RestAdapter
from utility_systems.transport import Patience, System

JSON = "Content-Type: application/json\r\n"


def adapter(
    url: str, token: str = "t", *, circuit: Circuit | None = None, read_timeout: float = 2.0, retries: int = 0
) -> RestAdapter:
    patience = Patience(1, read_timeout, retries)
    circuit = circuit or Circuit()
    systems = {
        name: System("utility-example-001", name, url, FixedToken(token), patience=patience, circuit=circuit)
        for name in SYSTEMS
    }
    return RestAdapter("utility-example-001", ZoneInfo("Asia/Kolkata"), systems)


@pytest.fixture
def at_the_utility(a_utility: RunningUtility) -> RestAdapter:
    return adapter(a_utility.url, a_utility.token)


def test_meters_ders_and_accounts_come_from_the_utility(at_the_utility: RestAdapter) -> None:
    meters = at_the_utility.meters(["umid-001", "umid-nix", "umid-002"])
    assert [meter.umid for meter in meters] == ["umid-001", "umid-002"]
    battery = at_the_utility.ders(["der-battery-001"])[0]
    assert (battery.type, battery.energy_kwh, battery.rated_kw) == (DerType.BATTERY_STORAGE, 15.0, 7.5)
    account = at_the_utility.account("CUST-123456")
    assert account is not None
    assert account.standing is Standing.GOOD
    assert at_the_utility.account("CUST-0") is None


def test_nothing_asked_is_nothing_found_without_a_call() -> None:
    assert adapter("http://127.0.0.1:1").meters([]) == ()


def test_five_hundred_meters_are_asked_in_a_few_requests(at_the_utility: RestAdapter) -> None:
    umids = [f"load-{number:06}" for number in range(1, 501)]
    assert [meter.umid for meter in at_the_utility.meters([*umids, "load-000001"])] == umids


def test_a_notice_is_sent_through_the_utility(at_the_utility: RestAdapter, a_utility: RunningUtility) -> None:
    at_the_utility.notify("CUST-123456", template="credential_ready", locale="hi", parameters={"program": "Flex"})
    assert "credential_ready" in a_utility.call("/outbox")[1].decode()
    with pytest.raises(UtilityUnavailable):
        at_the_utility.notify("CUST-0", template="credential_ready")


@pytest.mark.parametrize("mode", ["down", "html"])
def test_a_utility_in_trouble_is_unavailable_and_then_fine_again(
    at_the_utility: RestAdapter, a_utility: RunningUtility, mode: str
) -> None:
    a_utility.fault(mode, 30)
    with pytest.raises(UtilityUnavailable) as error:
        at_the_utility.meters(["umid-001"])
    assert (error.value.utility_id, error.value.system) == ("utility-example-001", "mdm")
    assert error.value.retry_after_seconds > 0
    a_utility.fault("none")
    assert at_the_utility.meters(["umid-001"])


def test_a_slow_utility_is_left_after_its_time(a_utility: RunningUtility) -> None:
    a_utility.fault("slow", 30)
    started = time.monotonic()
    with pytest.raises(UtilityUnavailable, match="in time"):
        adapter(a_utility.url, a_utility.token, read_timeout=0.3).meters(["umid-001"])
    assert time.monotonic() - started < 1


def test_a_wrong_token_is_our_problem_and_not_an_unknown_meter(a_utility: RunningUtility) -> None:
    with pytest.raises(UtilityUnavailable, match="status"):
        adapter(a_utility.url, "wrong").meters(["umid-001"])


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"<html>Sorry</html>", "200 OK", "Content-Type: text/html\r\n"),
        (b'{"meters": []}', "200 OK", "Content-Type: text/html\r\n"),
        (b'{"meters": []}', "200 OK", ""),
        (b"not json", "200 OK", JSON),
        (b"", "200 OK", JSON),
        (b"[]", "200 OK", JSON),
        (b"{}", "200 OK", JSON),
        (b'{"meters": [{"umid": "umid-001"}]}', "200 OK", JSON),
        (b'{"meters": []}', "404 Not Found", JSON),
        (b'{"meters": []}', "500 Internal Server Error", JSON),
        (b'{"meters": []}', "503 Service Unavailable", JSON),
        (b"", "302 Found", "Location: https://login.example.com/\r\n"),
        (b'{"meters": []}', "206 Partial Content", JSON),
    ],
)
def test_whatever_is_not_the_agreed_answer_is_unavailable_never_not_found(
    body: bytes, status: str, headers: str
) -> None:
    with serving(answering(body, status=status, headers=headers)) as server, pytest.raises(UtilityUnavailable):
        adapter(server.url).meters(["umid-001"])


def test_the_log_names_the_field_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    body = b'{"meters": [{"umid": "umid-001", "utilityId": "utility-example-001", "meterNumber": {"secret": 1}}]}'
    with (
        caplog.at_level(logging.WARNING),
        serving(answering(body, headers=JSON)) as server,
        pytest.raises(UtilityUnavailable),
    ):
        adapter(server.url).meters(["umid-001"])
    assert "meters[0].meterNumber" in caplog.text
    assert "secret" not in caplog.text


def test_a_refused_connection_is_tried_once_more_and_then_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UtilityUnavailable, match="refused"):
        adapter(f"http://127.0.0.1:{port}").meters(["umid-001"])


def test_after_repeated_silence_the_utility_is_left_alone_for_a_while_and_then_asked_again() -> None:
    clock = [0.0]
    circuit = Circuit(limit=3, pause_seconds=5, clock=lambda: clock[0])
    with serving(answering(b"", status="503 Service Unavailable")) as server:
        asking = adapter(server.url, circuit=circuit)
        for _ in range(6):
            with pytest.raises(UtilityUnavailable):
                asking.meters(["umid-001"])
        assert len(server.requests) == 3
        clock[0] += 5.1
        with pytest.raises(UtilityUnavailable):
            asking.meters(["umid-001"])
        with pytest.raises(UtilityUnavailable, match="so soon"):
            asking.meters(["umid-001"])
        assert len(server.requests) == 4


def test_names_of_any_length_and_letters_are_asked_for_like_others(at_the_utility: RestAdapter) -> None:
    strange = [f"{number:03}" + "\U0001f50c" * 197 for number in range(40)]
    assert [meter.umid for meter in at_the_utility.meters([*strange, "umid-001"])] == ["umid-001"]


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "414 URI Too Long"])
def test_a_question_the_utility_refuses_takes_it_from_nobody_else(status: str) -> None:
    circuit = Circuit(limit=1, pause_seconds=60)
    with serving(answering(b"{}", status=status, headers=JSON)) as server, pytest.raises(UtilityUnavailable):
        adapter(server.url, circuit=circuit).meters(["umid-001"])
    assert circuit.seconds_to_wait() == 0


def test_one_record_that_cannot_be_read_takes_the_utility_from_nobody_else() -> None:
    circuit = Circuit(limit=1, pause_seconds=60)
    record = b'{"meters": [{"umid": "umid-001"}]}'
    with serving(answering(record, headers=JSON)) as server, pytest.raises(UtilityUnavailable):
        adapter(server.url, circuit=circuit).meters(["umid-001"])
    assert circuit.seconds_to_wait() == 0


def test_one_good_answer_closes_the_circuit() -> None:
    clock = [0.0]
    circuit = Circuit(limit=2, pause_seconds=5, clock=lambda: clock[0])
    circuit.failed()
    circuit.failed()
    assert circuit.seconds_to_wait() == 5
    clock[0] += 6
    assert circuit.seconds_to_wait() == 0
    circuit.succeeded()
    assert circuit.seconds_to_wait() == 0
    circuit.failed()
    assert circuit.seconds_to_wait() == 0


def test_the_registry_finds_the_adapter_of_a_configured_utility(settings) -> None:
    first = settings.UTILITIES[0]
    assert registry.adapter_for(first.id).utility_id == first.id
    assert registry.adapter_for(first.id) is registry.adapter_for(first.id)
    assert registry.zone(first.id).key == first.time_zone
    assert set(registry.utility_ids()) == {utility.id for utility in settings.UTILITIES}
    with pytest.raises(registry.UnknownUtility):
        registry.adapter_for("utility-unknown")
    settings.UTILITIES = [SimpleNamespace(id="x")]
    with pytest.raises(registry.UnknownUtility):
        registry.zone(first.id)
