"""A real sandbox utility process for tests."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class RunningUtility:
    id: str
    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def token(self) -> str:
        return (self.folder / self.id / "token").read_text()

    def call(self, path: str, body: Any = None, *, token: str = "sandbox", accept: str = "*/*") -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path: str, body: Any = None, *, token: str = "sandbox") -> Any:
        return json.loads(self.call(path, body, token=token)[1])

    def fault(self, mode: str, seconds: float | None = None, *, system: str = "") -> None:
        status, _ = self.call("/faults", {"mode": mode, "seconds": seconds, "system": system})
        assert status == 200


@contextmanager
def utility(folder: Path, *, name: str = "utility-example-001", port: int = 0) -> Iterator[RunningUtility]:
    port = port or free_port()
    command = [sys.executable, "-m", "sandbox.utility", "--port", str(port), "--utility", name, "--var", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT)
    running = RunningUtility(name, f"http://127.0.0.1:{port}", folder, process)
    try:
        for _ in range(200):
            try:
                running.call("/healthz")
                break
            except OSError:
                assert process.poll() is None, "the utility ended by itself"
                time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(10)
