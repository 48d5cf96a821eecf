"""Names that change their mind, told by a real name server: what was judged is what is called."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from outbound import client as outbound
from outbound.client import Client, Forbidden, Unreachable
from outbound.guard import Policy
from tests.outbound.names import naming
from tests.outbound.servers import answering, serving

PRODUCTION = Policy(sandbox=False)
# Stands for a public host: the one address that the operator lists, beside which everything inside stays closed.
HOST = Policy(sandbox=True, allowed=("127.0.0.2",))


def test_a_name_that_first_leads_outside_and_then_inside_is_called_where_it_was_judged() -> None:
    inside = socket.create_server(("127.0.0.1", 0))
    inside.settimeout(0.2)
    port = inside.getsockname()[1]  # inside first: there a free one is hard to find, outside nobody else is
    with (
        serving(answering(), address="127.0.0.2", port=port) as outside,
        naming(["127.0.0.2"], ["127.0.0.1"]) as names,
    ):
        client = Client(HOST, resolver=names.resolver())
        url = f"http://rebind.example.com:{outside.port}/"
        for _ in range(3):
            assert client.request("GET", url).status == 200
        client.close()
        assert names.asked == ["rebind.example.com"] and len(outside.requests) == 3
        with pytest.raises(TimeoutError):
            inside.accept()
        inside.close()


def test_once_it_leads_inside_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "RESOLVED_SECONDS", 0.0)
    with serving(answering(), address="127.0.0.2") as outside, naming(["127.0.0.2"], ["127.0.0.1"]) as names:
        client = Client(HOST, resolver=names.resolver())
        url = f"http://rebind.example.com:{outside.port}/"
        assert client.request("GET", url).status == 200
        for _ in range(2):
            with pytest.raises(Forbidden):
                client.request("GET", url)
        assert len(names.asked) == 3 and len(outside.requests) == 1


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["93.184.216.34", "192.168.0.1"],
        ["0.0.0.0"],
        ["100.64.0.1"],
        ["224.0.0.1"],
    ],
    ids=str,
)
def test_a_name_that_leads_inside_is_not_called_in_production(answers: list[str]) -> None:
    with naming(answers) as names:
        client = Client(PRODUCTION, resolver=names.resolver())
        with pytest.raises(Forbidden):
            client.request("GET", "https://inside.attacker.example/.well-known/did.json")
        assert names.asked == ["inside.attacker.example"]


def test_a_redirect_to_another_name_of_the_same_machine_is_another_host() -> None:
    with naming(["127.0.0.2"]) as names:
        there = "HTTP/1.1 302 Found\r\nLocation: http://other.example.com:{}/\r\nContent-Length: 0\r\n\r\n"

        def talk(line: socket.socket, request: bytes) -> bool:
            line.sendall(there.format(line.getsockname()[1]).encode())
            return False

        with serving(talk, address="127.0.0.2") as outside:
            with pytest.raises(Forbidden):
                Client(HOST, resolver=names.resolver()).request("GET", f"http://one.example.com:{outside.port}/")
            assert names.asked == ["one.example.com"]


def test_many_threads_at_once_never_reach_the_second_address() -> None:
    with serving(answering(), address="127.0.0.2") as outside, naming(["127.0.0.2"], ["127.0.0.1"]) as names:
        client = Client(HOST, resolver=names.resolver())
        found: list[object] = []

        def ask() -> None:
            try:
                found.append(client.request("GET", f"http://rebind.example.com:{outside.port}/").status)
            except (Forbidden, Unreachable) as error:
                found.append(type(error))

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Those that looked the name up themselves and were told the inside were refused; nobody called it.
        assert set(found) <= {200, Forbidden} and found.count(200) == len(outside.requests) >= 1
        client.close()


def test_a_name_server_that_never_answers_does_not_hold_a_thread_for_long(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare, to give one process another resolv.conf")
    try:
        silence = naming([], address="127.0.0.53", port=53)
        with silence as names:
            (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
            code = (
                "import time; from outbound.client import Client, Unreachable; from outbound.guard import Policy\n"
                "began = time.monotonic()\n"
                "try: Client(Policy(sandbox=False)).request('GET', 'https://silent.example.org/')\n"
                "except Unreachable as error: print(error)\n"
                "print(time.monotonic() - began)"
            )
            mount = f'mount --bind {tmp_path / "resolv.conf"} /etc/resolv.conf && exec "$@"'
            command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", code]
            environment = {name: value for name, value in os.environ.items() if name != "RES_OPTIONS"}
            began = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
            if done.returncode and not names.asked:
                pytest.skip(f"no mount namespaces here: {done.stderr.strip()[:100]}")
    except OSError as error:
        pytest.skip(f"no name server on 127.0.0.53: {error}")
    assert "name is not known" in done.stdout, done
    assert float(done.stdout.split()[-1]) < 3 and time.monotonic() - began < 20
    assert names.asked and set(names.asked) == {"silent.example.org"}
