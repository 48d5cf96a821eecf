"""The whole service as real processes against a database of its own: web, workers, utilities, a broker, and a BAP.

    with Stack(database_url=…, folder=…) as stack:
        stack.bap.ask(stack.base, message)

Also used by the benchmark, outside of pytest. Start it from the main thread: children die with the thread that made
them.
"""

import contextlib
import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import psutil
import psycopg

from sandbox import generated, supervisor
from sandbox.postgres import free_port, free_ports
from sandbox.supervisor import Child
from tests.bap import Answer, Bap, http

ROOT = Path(__file__).resolve().parent.parent
Broker = Literal["auto", "redis", "none"]


@dataclass
class Stack:
    """What to start, and then what runs.

    `broker`: "redis" needs a Redis, "none" leaves the work to the sweep, "auto" takes Redis where there is one.
    `clock_offset` seconds move every process, the sandbox and the BAP. `environment` wins over all settings.
    `imports_workers` have the queue of agencies' files to themselves; without one the workers do that, too.
    `beat` starts a beat process (else the workers' sweepers do its jobs every `beat_seconds`).
    """

    database_url: str
    folder: Path
    web_workers: int = 1
    web_threads: int = 4
    workers: int = 1
    worker_threads: int = 4
    imports_workers: int = 0
    beat: bool = False
    beat_seconds: float = 2.0
    sweep_seconds: float = 0.4
    broker: Broker = "none"
    utilities: Sequence[str] = (generated.UTILITY_A,)
    personas: bool = True
    clock_offset: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    migrate: bool = False

    def __post_init__(self) -> None:
        # As in the demo: the utilities and the journey's callback address follow on the web's port.
        self.port = free_ports(8)
        self.base = f"http://127.0.0.1:{self.port}"
        self.utility_ports = {name: self.port + number for number, name in enumerate(self.utilities, start=1)}
        self.logs = self.folder / "logs"
        self.settings_file = self.folder / "settings.env"
        # Utility B's systems are asked over mutual TLS.
        self.mutual_ports = {name: self.port + 4 for name in self.utilities if name == generated.UTILITY_B}
        self.settings = generated.settings_for(
            self.port,
            folder=self.folder,
            utility_ports=self.utility_ports,
            mutual_ports=self.mutual_ports,
            agencies_port=self.port + 6,
            staff_port=self.port + 7,
        )
        self.bap = self.new_bap("portal.test.example")
        self.children: dict[str, Child] = {}
        self._operator: Operator | None = None
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}

    # life

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; what can start at the same time does. A few seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settle()
        if self.migrate:
            self.manage("migrate", "--no-input", "--verbosity", "0")
        if self._operator is None:
            self._hire()
        for name, port in self.utility_ports.items():
            self._start_utility(name, port)
        self._start_web()
        for number in range(self.workers):
            self._start_worker(f"worker-{number + 1}")
        for number in range(self.imports_workers):
            self._start_worker(f"imports-{number + 1}", "--queues", "imports", "--concurrency", "1")
        if self.beat:
            self._start("beat", [sys.executable, "-m", "celery", "--app", "config", "--quiet", "beat"])
        self.bap.start()
        for name, port in self.utility_ports.items():
            supervisor.wait_until_answers(self.children[name], f"http://127.0.0.1:{port}/healthz")
        commands = [["bootstrap"], ["participant", "sync"]]
        commands += [["sandbox", "load"]] if self.personas else []
        self.manage_all(*commands, self.adding(self.bap))
        self._wait_for_web()

    def stop(self) -> None:
        """End everything at once; whatever is still wanted is in the database. The logs stay."""
        self.bap.stop()
        for child in self.children.values():
            child.kill()
        self.children.clear()
        if self._operator:
            self._operator.leave()
            self._operator = None

    # single processes

    def kill(self, name: str) -> None:
        """SIGKILL one process with its children, as a crash would."""
        self.children[name].kill()

    def restart(self, name: str) -> None:
        """Start a process again, after stopping it if it runs; waits until the web answers."""
        self.children.pop(name).stop()
        command, environment = self._commands[name]
        self._start(name, command, **environment)
        if name == "web":
            self._wait_for_web()

    def sleep(self) -> None:
        """Stop the workers' clock: while nobody asks anything they would still look for work twice a second."""
        self._signal_workers(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on after `sleep`; does nothing to who is awake."""
        self._signal_workers(signal.SIGCONT)

    def _signal_workers(self, sign: signal.Signals) -> None:
        workers = [child.pid for name, child in self.children.items() if name.startswith("worker-")]
        if self._operator:
            self._operator.watch_over(workers if sign == signal.SIGSTOP else [])
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, sign)

    def move_to(self, instant: datetime) -> None:
        """Stop everything, move every clock so that it is `instant` now, and start it again (decision 43)."""
        self.clock_offset = self.bap.offset = (instant - datetime.now(UTC)).total_seconds()
        self.settings["CLOCK_OFFSET"] = str(self.clock_offset)
        generated.write(self.settings_file, self.settings)
        names = [name for name in self.children if name != "redis"]
        supervisor.stop_all([self.children[name] for name in names])
        for name in names:
            del self.children[name]
            command, environment = self._commands[name]
            if "--clock-offset" in command:
                command[command.index("--clock-offset") + 1] = str(self.clock_offset)
            self._start(name, command, **environment)
        for name, port in self.utility_ports.items():
            supervisor.wait_until_answers(self.children[name], f"http://127.0.0.1:{port}/healthz")
        self._wait_for_web()

    def add_worker(self) -> str:
        """Start one more worker and return its name."""
        name = f"worker-{sum(each.startswith('worker-') for each in self.children) + 1}"
        self._start_worker(name)
        return name

    def utility_url(self, name: str = generated.UTILITY_A) -> str:
        return f"http://127.0.0.1:{self.utility_ports[name]}"

    def agencies_url(self) -> str:
        """The identity provider of agencies' people; started when it is first asked for (from the main thread)."""
        return self._provider("agencies", self.port + 6)

    def staff_url(self) -> str:
        """The identity provider of the console's people; started when it is first asked for (from the main thread)."""
        return self._provider("staff", self.port + 7)

    def _provider(self, name: str, port: int) -> str:
        if name not in self.children:
            command = [sys.executable, "-m", f"sandbox.{name}", "--port", str(port), "--var", str(self.folder)]
            self._start(name, [*command, "--clock-offset", str(self.clock_offset)])
            supervisor.wait_until_answers(self.children[name], f"http://127.0.0.1:{port}/healthz")
        return f"http://127.0.0.1:{port}"

    def fault(self, mode: str, *, seconds: float = 30.0, utility: str = generated.UTILITY_A) -> None:
        """Set a fault of a sandbox utility: slow, down, html, rotated-keys, none (contract.md)."""
        raw = json.dumps({"mode": mode, "seconds": seconds}).encode()
        answer = http("POST", f"{self.utility_url(utility)}/faults", raw, {"Content-Type": "application/json"})
        assert answer.status < 300, answer.raw

    def held_by(self, utility: str = generated.UTILITY_A) -> int:
        """How many questions the utility's `slow` fault holds at this moment."""
        return int(http("GET", f"{self.utility_url(utility)}/faults").body["holding"])

    # asking

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path of ours; headers as keywords with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return http("GET", path if path.startswith("http") else self.base + path, headers=sent)

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run an operator's command on this deployment. Raises AssertionError with its words when it fails."""
        return self.manage_all(arguments, check=check)

    def manage_all(self, *commands: Sequence[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run several operator's commands in one process, the second where the first succeeded."""
        if self._operator is None or self._operator.knew != self._settings_now():
            self._hire()
        assert self._operator
        done = self._operator.run(commands)
        with (self.logs / "commands.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        assert not check or done.returncode == 0, f"{' '.join(done.args)}:\n{done.stdout}{done.stderr}"
        return done

    def _hire(self) -> None:
        """Have an operator who knows the settings as they are now."""
        if self._operator:
            self._operator.leave()
        self._operator = Operator(self.folder, self.logs, self.variables(), self._settings_now())

    def _settings_now(self) -> bytes:
        return self.settings_file.read_bytes()

    def new_bap(self, subscriber_id: str) -> Bap:
        """A further participant that writes to us; the caller starts, registers and stops it."""
        return Bap(subscriber_id, bpp_id=generated.OWNER, bpp_uri=f"{self.base}/beckn", offset=self.clock_offset)

    def register(self, bap: Bap, *options: str) -> None:
        """Make a participant known, allowed to speak for the people of every utility here."""
        self.manage(*self.adding(bap), *options)

    def adding(self, bap: Bap) -> list[str]:
        """The command that makes a participant known."""
        return [
            *("participant", "add", "--subscriber-id", bap.subscriber_id, "--key-id", bap.key_id),
            *("--public-key", bap.public_key, "--url", bap.uri, "--type", "BAP"),
            *("--asserts-subjects", *self.utilities),
        ]

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read or change the stack's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def idle(self, *transactions: str) -> bool:
        """Whether every message has been handled and every callback delivered; of these transactions, where named.

        In a shared stack name them: what other tests left behind may wait for a participant that is gone.
        """
        waiting = "SELECT count(*) FROM {} WHERE state = 'WAITING'"
        if transactions:
            waiting += " AND transaction_id = ANY(%s)"
        query = " + ".join(f"({waiting.format(table)})" for table in ("beckn_inbox", "beckn_outbox"))
        return self.sql(f"SELECT {query}", *([list(transactions)] * 2 if transactions else [])) == [(0,)]

    def log_texts(self) -> dict[str, str]:
        """What each process has written, by name."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.logs.glob("*.log"))}

    def usage(self) -> dict[str, tuple[float, float]]:
        """CPU seconds used so far and resident MB now, of every child with its own children."""
        return {name: _usage(child.pid) for name, child in self.children.items() if child.is_running()}

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of our processes: nothing of the test run's own."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
        fixed = {"SETTINGS_FILE": str(self.settings_file), "DJANGO_SETTINGS_MODULE": "config.settings"}
        # Bytecode is written: a run starts a hundred and more processes, and each would compile the house anew.
        return {**kept, **fixed, "PYTHONUNBUFFERED": "1", **more}

    # inside

    def _settle(self) -> None:
        self.settings |= {
            "DATABASE_URL": self.database_url,
            "WORKER_THREADS": str(self.worker_threads),
            "WEB_THREADS": str(self.web_threads),
            "SWEEP_SECONDS": str(self.sweep_seconds),
            "BEAT_SECONDS": str(self.beat_seconds),
            "CLOCK_OFFSET": str(self.clock_offset),
            "LOG_FORMAT": "json",
            "CELERY_BROKER_URL": self._find_broker(),
            **self.environment,
        }
        generated.write(self.settings_file, self.settings)
        if self.mutual_ports:
            generated.certify(self.folder)

    def _find_broker(self) -> str:
        if self.broker == "none":
            return "memory://"
        url = os.environ.get("TEST_REDIS_URL", "")
        if not url and redis_is_here():
            port = free_port()
            command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            self._start("redis", [*command, "--dir", str(self.folder)])
            url = f"redis://127.0.0.1:{port}/0"
            _wait_for_port(self.children["redis"], port)
        assert url or self.broker == "auto", "no Redis here: install redis-server or set TEST_REDIS_URL"
        return url or "memory://"

    def _start_utility(self, name: str, port: int) -> None:
        command = [sys.executable, "-m", "sandbox.utility", "--port", str(port), "--utility", name]
        command += ["--var", str(self.folder), "--clock-offset", str(self.clock_offset)]
        self._start(name, command, **generated.of_utility(self.settings, name))

    def _start_worker(self, name: str, *options: str) -> None:
        command = [sys.executable, "-m", "celery", "--app", "config", "--quiet", "worker", "--hostname", name]
        if self.imports_workers and not options:
            options = ("--queues", "inbox,outbox,bulk,notices")
        self._start(name, [*command, "--without-gossip", "--without-mingle", "--without-heartbeat", *options])

    def _start_web(self) -> None:
        _make_look()
        command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--no-ws"]
        command += ["--port", str(self.port), "--workers", str(self.web_workers)]
        self._start("web", [*command, "--log-level", "warning", "config.front:application"])

    def _wait_for_web(self) -> None:
        supervisor.wait_until_answers(self.children["web"], f"{self.base}/healthz")

    def _start(self, name: str, command: list[str], **more: str) -> None:
        self._commands[name] = (command, more)
        self.children[name] = supervisor.start(
            name, command, environment=self.variables(**more), folder=ROOT, logs=self.logs
        )


class Operator:
    """The shell of one who runs commands on a deployment (`tests.operator`), knowing the settings it began with."""

    def __init__(self, folder: Path, logs: Path, environment: Mapping[str, str], knew: bytes) -> None:
        self.folder, self.knew = folder, knew
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / "commands.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.operator", str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(environment),
                cwd=ROOT,
                text=True,
                start_new_session=True,
            )

    def run(self, commands: Sequence[Sequence[str]]) -> subprocess.CompletedProcess[str]:
        """Run them one after the other in a process of their own. Several threads may ask at the same time."""
        pipe = self.folder / f"pipe-{uuid.uuid4().hex}"
        os.mkfifo(pipe)
        hears = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self._say({"commands": [*map(list, commands)], "pipe": pipe.name})
            code, said, complained = json.loads(self._listen(hears))
        finally:
            os.close(hears)
            pipe.unlink()
        words = [word for command in commands for word in command]
        return subprocess.CompletedProcess(words, code, said, complained)

    def watch_over(self, asleep: Sequence[int]) -> None:
        """Wake these should we end before we do: who is stopped does not hear that it shall end."""
        self._say({"asleep": list(asleep)})

    def _say(self, words: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def _listen(self, pipe: int) -> bytes:
        heard, poll = b"", select.poll()
        poll.register(pipe, select.POLLIN)
        while True:
            if not poll.poll(1000):
                assert self._process.poll() is None, "the operator's shell has ended: commands.log says why"
            elif part := os.read(pipe, 1 << 16):
                heard += part
            else:
                return heard

    def leave(self) -> None:
        """Go home; with whatever runs still."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@functools.cache
def _make_look() -> None:
    """As `make` does before tests."""
    (ROOT / "build" / "static").mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "styles/build.py"], cwd=ROOT, check=False)
    subprocess.run([sys.executable, "locale/messages.py", "compile"], cwd=ROOT, check=False)


def redis_is_here() -> bool:
    """Whether a Redis can be had: one to start, or one named by TEST_REDIS_URL."""
    return bool(os.environ.get("TEST_REDIS_URL") or shutil.which("redis-server"))


def _wait_for_port(child: Child, port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and child.is_running():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise supervisor.DidNotStart(f"{child.name}: {child.last_words()}")


def _usage(pid: int) -> tuple[float, float]:
    leader = psutil.Process(pid)
    cpu = memory = 0.0
    for process in [leader, *leader.children(recursive=True)]:
        try:
            times = process.cpu_times()
            cpu += times.user + times.system
            memory += process.memory_info().rss / 1_048_576
        except psutil.NoSuchProcess:
            continue
    return cpu, memory
