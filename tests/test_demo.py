"""`make demo`: up with one command, down with one signal, nothing left, and the data still there the next time."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from sandbox import generated
from sandbox.postgres import free_ports
from tests.bap import eventually, http

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.processes


class Demo:
    """A running `make demo` and what it has said."""

    running: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, port: int) -> None:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.base = f"http://127.0.0.1:{port}"
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.up", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        Demo.running.append(self.process)

    def wait_until_ready(self) -> float:
        """Return the seconds it took."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if line.startswith("ready "):
                self.family = psutil.Process(self.process.pid).children(recursive=True)
                return time.monotonic() - self.started
        raise AssertionError(self.said)

    def end(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.process.wait(20)

    def left(self) -> list[str]:
        return [" ".join(child.cmdline()) for child in self.family if child.is_running() and not _is_zombie(child)]


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def port() -> Iterator[int]:
    port = free_ports(8)
    yield port
    while Demo.running:
        Demo.running.pop().kill()
    time.sleep(0.5)
    subprocess.run([sys.executable, "-m", "sandbox.up", "--port", str(port), "--reset"], cwd=ROOT, check=True)
    assert not (ROOT / "var" / str(port)).exists()


def test_the_demo_starts_stops_without_a_trace_and_keeps_its_data(port: int):
    first = Demo(port)
    first.wait_until_ready()
    assert first.said.rstrip().endswith(f"ready http://127.0.0.1:{port}")
    assert "Rajesh Kumar" in first.said
    assert re.search(r"^    rajesh +[0-9a-f]{10}$", first.said, re.MULTILINE)
    settings = ROOT / "var" / str(port) / "settings.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    keys = {name: value for name, value in generated.read(settings).items() if name != "DATABASE_URL"}
    assert http("GET", f"{first.base}/readyz").body["ready"]
    issuer_keys = http("GET", f"{first.base}/.well-known/jwks.json").raw
    assert http("GET", f"http://127.0.0.1:{port + 1}/healthz").status == 200
    assert http("GET", f"http://127.0.0.1:{port + 2}/healthz").status == 200
    eventually(lambda: b"journal_unlinked_events 0.0" in http("GET", f"{first.base}/metrics").raw)

    twin = subprocess.run(
        [sys.executable, "-m", "sandbox.up", "--port", str(port)], cwd=ROOT, capture_output=True, text=True
    )
    assert twin.returncode
    assert "running already" in twin.stderr

    first.end(signal.SIGINT)
    assert first.process.returncode == 0
    assert first.left() == []

    second = Demo(port)
    assert second.wait_until_ready() < 15
    assert {name: value for name, value in generated.read(settings).items() if name != "DATABASE_URL"} == keys
    assert http("GET", f"{second.base}/.well-known/jwks.json").raw == issuer_keys

    second.end(signal.SIGKILL)
    eventually(lambda: second.left() == [], seconds=15)


def test_the_demo_says_which_port_is_taken(port: int):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        demo = Demo(port)
        text, _ = demo.process.communicate(timeout=30)
    assert demo.process.returncode == 1
    assert re.search(rf"port {port + 1} is taken", text)


def test_two_deployments_have_no_secret_in_common():
    one, other = (generated.settings_for(8000, folder=Path("x"), utility_ports={"u": 1}) for _ in range(2))
    for name in ("SECRET_KEY", "FIELD_KEYS", "INDEX_KEY", "BECKN_IDENTITIES", "UTILITIES"):
        assert one[name] != other[name]
