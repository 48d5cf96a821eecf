"""The production shape under load: web, workers, beat, Redis, PostgreSQL, utility and BAP, all on one machine."""

import json
import pickle
import select
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from sandbox.postgres import die_with_parent, free_port
from tests.bap import Bap
from tests.bench import customers, messages, processes
from tests.bench.deployment import MIGRATED, ROOT, Deployment, Failed
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.stack import Stack, redis_is_here

SECTION = "Under load"
CPU = "CPU of one enrolment at full load, ms (init, confirm and both callbacks)"
WEB_WORKERS, WEB_THREADS = 2, 3
WORKERS, WORKER_THREADS = 2, 2  # more threads on two cores only wait for each other (the interpreter lock)
WARM_UP, FIXED, RATE = 60, 250, 10.0
AT_ONCE, SECONDS, FASTEST = 24, 20.0, 60.0  # the closed loop; no more than FASTEST a second are expected
HEALTH_SECONDS = 3.0


def run(deployment: Deployment) -> list[Figure]:
    # The stack has keys of its own, so it begins with empty tables.
    stack = Stack(
        database_url=deployment.database("load", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "stack",
        web_workers=WEB_WORKERS,
        web_threads=WEB_THREADS,
        workers=WORKERS,
        worker_threads=WORKER_THREADS,
        beat=True,
        beat_seconds=30.0,
        sweep_seconds=1.0,
        broker="auto",
    )
    bap = Bap(subscriber_id="load.bench.example", port=free_port())
    try:
        with stack:
            stack.register(bap)
            people = customers.fetch(stack.utility_url(), customers.names(1, WARM_UP + FIXED + int(SECONDS * FASTEST)))
            stories = [messages.story(person, bap, stack.base) for person in people]
            with Driver(deployment.folder, stories, stack.port, bap.port) as driver:
                return _measure(Watch(stack, deployment, driver), driver)
    except AssertionError as problem:
        raise Failed(str(problem)) from None
    finally:
        deployment.drop("load")


class Driver:
    """The BAP process: told what to do in lines of JSON."""

    def __init__(self, folder: Path, stories: list[messages.Story], port: int, callback_port: int) -> None:
        path = folder / "stories.pickle"
        path.write_bytes(pickle.dumps(stories))
        command = [sys.executable, "-m", "tests.bench.bap", str(path), "127.0.0.1", str(port), str(callback_port)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )

    def __enter__(self) -> "Driver":
        self._line(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def do(self, *, within: float, **command: Any) -> dict[str, Any]:
        """Have one phase played and return its account. Raises Failed when it takes too long."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._line(within)

    def _line(self, seconds: float) -> dict[str, Any]:
        assert self.process.stdout
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed(f"the BAP process said nothing for {seconds:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the BAP process ended")
        return dict(json.loads(line))


class Watch:
    """CPU and memory by kind of process."""

    def __init__(self, stack: Stack, deployment: Deployment, driver: Driver) -> None:
        assert deployment.postgres.process
        self.kinds: dict[str, list[int]] = {
            "web": [],
            "worker": [],
            "beat": [],
            "redis": [],
            "postgres": [deployment.postgres.process.pid],
            "utility": [],
            "BAP": [driver.process.pid],
        }
        for name, child in stack.children.items():
            kind = name.partition("-")[0]
            self.kinds["utility" if name in stack.utilities else kind].append(child.pid)
        self._before = processes.cpu_seconds(self.kinds)

    def used(self) -> dict[str, float]:
        """CPU milliseconds since the last call, by kind."""
        now = processes.cpu_seconds(self.kinds)
        used = {kind: (now[kind] - self._before[kind]) * 1000 for kind in now}
        self._before = now
        return used

    def peak(self, kind: str) -> Figure:
        pids = self.kinds[kind]
        note = f"{processes.count(pids)} processes, the largest"
        return Figure(SECTION, f"memory of {kind}, peak", processes.peak_megabytes(pids), "MB", at_most=250, note=note)


def _measure(watch: Watch, driver: Driver) -> list[Figure]:
    driver.do(within=60, phase="fixed", count=WARM_UP, rate=10)
    fixed = _checked(driver.do(within=90, phase="fixed", count=FIXED, rate=RATE))
    watch.used()
    closed = _checked(driver.do(within=SECONDS + 60, phase="closed", at_once=AT_ONCE, seconds=SECONDS))
    used = watch.used()
    time.sleep(1)  # what the load has left to do
    watch.used()
    health = driver.do(within=HEALTH_SECONDS + 20, phase="get", path="/healthz", at_once=8, seconds=HEALTH_SECONDS)
    health_cpu = watch.used()["web"] / max(1, health["in_time"])
    shape = f"{WEB_WORKERS} web × {WEB_THREADS} threads, {WORKERS} workers × {WORKER_THREADS}"
    broker = "Redis" if redis_is_here() else "no Redis here: the sweep alone wakes the workers"
    return [
        *_latency(fixed),
        Figure(
            SECTION,
            "enrolments per second, sustained",
            closed["in_time"] / closed["seconds"],
            "/s",
            at_least=30,
            note=f"{shape}, {broker}; {AT_ONCE} customers at once",
        ),
        Figure(SECTION, "confirm→on_confirm then, p50", median(closed["confirm_ms"]), "ms"),
        watch.peak("web"),
        watch.peak("worker"),
        Figure(SECTION, "bare view: /healthz", health["in_time"] / health["seconds"], "/s", note="8 connections"),
        Figure(SECTION, "bare view: CPU of the web processes", health_cpu, "ms", note="per request"),
        *_cpu(used, closed["done"]),
    ]


def _checked(account: dict[str, Any]) -> dict[str, Any]:
    if account["failed"] > account["done"] // 100 or not account["done"]:
        words = "\n".join(account["failures"])
        raise Failed(f"{account['failed']} of {account['failed'] + account['done']} enrolments failed:\n{words}")
    return account


def _latency(fixed: dict[str, Any]) -> list[Figure]:
    at = f"at {RATE:g} enrolments/s"
    return [
        Figure(SECTION, f"init→on_init {at}, p50", median(fixed["init_ms"]), "ms"),
        Figure(SECTION, f"init→on_init {at}, p99", percentile(fixed["init_ms"], 99), "ms"),
        Figure(SECTION, f"confirm→on_confirm {at}, p50", median(fixed["confirm_ms"]), "ms"),
        Figure(SECTION, f"confirm→on_confirm {at}, p99", percentile(fixed["confirm_ms"], 99), "ms", at_most=1000),
        Figure(SECTION, f"request→ACK {at}, p50", median(fixed["ack_ms"]), "ms"),
        Figure(SECTION, f"request→ACK {at}, p99", percentile(fixed["ack_ms"], 99), "ms"),
    ]


def _cpu(used: dict[str, float], count: int) -> list[Figure]:
    each = {kind: spent / count for kind, spent in used.items()}
    ours = sum(each[kind] for kind in ("web", "worker", "beat"))
    note = f"over {count} enrolments"
    return [
        *(Figure(CPU, kind, spent, "ms") for kind, spent in each.items()),
        Figure(CPU, "ours: web, worker, beat", ours, "ms", at_most=40, note=note),
    ]
