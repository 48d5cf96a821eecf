"""Start processes that belong together, and leave none behind: not after Ctrl-C, not after `kill -9` of ourselves."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.postgres import die_with_parent, watch_parent

GRACE_SECONDS = 5.0
# Several commands (a JSON list of lists) in one process: most of the time of one is Django's start.
SEVERAL = """
import django, json, sys
django.setup()
from django.core.management import call_command
for command in json.loads(sys.argv[1]):
    call_command(*command)
"""


class DidNotStart(RuntimeError):
    """A process ended, or did not answer in time; the text has its last lines."""


@dataclass
class Child:
    """A running process whose output goes into `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.is_running():
            self.process.terminate()

    def stop(self, seconds: float = GRACE_SECONDS) -> None:
        """Ask, wait, and then insist; with whatever it has started itself."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and its children (they share its session)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""


def start(name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, logs: Path) -> Child:
    """Start a child in its own session, its output appended to `logs/<name>.log`. Call from the main thread."""
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    if sys.platform != "linux":
        watch_parent(os.getpid(), process.pid)
    return Child(name, process, log)


def wait_until_answers(child: Child, url: str, *, seconds: float = 30.0) -> None:
    """Wait for a first HTTP answer below 500. Raises DidNotStart."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.is_running():
        if answers(url):
            return
        time.sleep(0.05)
    raise DidNotStart(f"{child.name} did not answer at {url}:\n{child.last_words()}")


def wait_until_says(child: Child, text: str, *, seconds: float = 30.0) -> None:
    """Wait for words in a child's log. Raises DidNotStart."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and child.is_running():
        if text in child.last_words():
            return
        time.sleep(0.05)
    raise DidNotStart(f"{child.name} did not say {text!r}:\n{child.last_words()}")


def answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as problem:
        return problem.code < 500
    except OSError:
        return False


def stop_all(children: Sequence[Child]) -> None:
    """Stop the later ones first; asking all at once makes it quick."""
    for child in reversed(children):
        child.ask_to_stop()
    for child in reversed(children):
        child.stop()
