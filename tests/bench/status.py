"""Status lists in the production shape: how soon a revocation is visible, what a look costs, and a storm."""

import json
import select
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from sandbox.postgres import die_with_parent
from tests.bench.deployment import MIGRATED, ROOT, Deployment, Failed
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.stack import Stack, redis_is_here

VISIBLE = "A revocation, from the act until a GET of the list shows it"
SERVED = "Status lists over HTTP (1 % of 131,072 set)"
STORM = "8 processes issuing, revoking and publishing at once"
REVOCATIONS = 200
SECONDS, ROUNDS = 2.0, 3
LIST = "/status/consent-list"
RATE, PACED_SECONDS = 500.0, 10.0
STORM_SECONDS, STORM_PROCESSES = 60, 8


def run(deployment: Deployment) -> list[Figure]:
    stack = Stack(
        database_url=deployment.database("status", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "status",
        web_workers=2,
        web_threads=3,
        workers=2,
        worker_threads=2,
        beat=True,
        beat_seconds=30.0,
        sweep_seconds=1.0,
        broker="auto",
        personas=False,
    )
    try:
        with stack:
            figures = [*_visible(stack), *_served(stack)]
    except AssertionError as problem:
        raise Failed(str(problem)) from None
    finally:
        deployment.drop("status")
    return [*figures, *_storm(deployment)]


def _visible(stack: Stack) -> list[Figure]:
    command = ["tests.bench.revoker", stack.base, str(REVOCATIONS)]
    found = _json_of(command, stack.variables(), within=300)
    broker = "Redis rings" if redis_is_here() else "no Redis here: the sweep alone, once a second"
    figures = []
    for form, taken in found.items():
        note = f"{len(taken)} revocations one by one; {broker}"
        figures += [
            Figure(VISIBLE, f"{form}, p50", percentile(taken, 50), "ms"),
            Figure(VISIBLE, f"{form}, p99", percentile(taken, 99), "ms", at_most=1000, note=note),
        ]
    return figures


def _served(stack: Stack) -> list[Figure]:
    """Bare view and list in turn, so that a busy moment of the machine meets both; medians of a few rounds."""
    etag = stack.get(LIST).headers["etag"]
    asked: dict[str, tuple[str, dict[str, str], int]] = {
        "bare view: /healthz": ("/healthz", {}, 200),
        "list, vc+jwt": (LIST, {}, 200),
        "list, IETF token": (f"{LIST}.tsl", {}, 200),
        "list, unchanged (ETag, 304)": (LIST, {"If-None-Match": etag}, 304),
    }
    rates: dict[str, list[float]] = {name: [] for name in asked}
    with _Getter(stack.port) as getter:
        for _ in range(ROUNDS):
            for name, (path, headers, expected) in asked.items():
                said = getter.do("closed", path=path, headers=headers, at_once=8, seconds=SECONDS)
                if set(said["statuses"]) != {str(expected)}:
                    raise Failed(f"{path} was answered {said['statuses']}")
                rates[name].append(said["statuses"][str(expected)] / said["seconds"])
        paced = getter.do("paced", path=LIST, headers={}, rate=RATE, seconds=PACED_SECONDS)
        paced_bare = getter.do("paced", path="/healthz", headers={}, rate=RATE, seconds=PACED_SECONDS)
    middle = {name: percentile(found, 50) for name, found in rates.items()}
    bare = middle["bare view: /healthz"]
    figures = [Figure(SERVED, name, rate, "/s", note="8 connections") for name, rate in middle.items()]
    for name in ("list, vc+jwt", "list, unchanged (ETag, 304)"):
        figures.append(Figure(SERVED, f"{name}: share of the bare view", 100 * middle[name] / bare, "%", at_least=60))
    return [
        *figures,
        Figure(SERVED, f"list at {RATE:g}/s, p50", percentile(paced["ms"], 50), "ms"),
        Figure(SERVED, f"list at {RATE:g}/s, p99", percentile(paced["ms"], 99), "ms", at_most=10),
        Figure(SERVED, f"bare view at {RATE:g}/s, p99", percentile(paced_bare["ms"], 99), "ms"),
    ]


def _storm(deployment: Deployment) -> list[Figure]:
    environment = deployment.database("storm", template=MIGRATED)
    try:
        storm = _json_of(["tests.storm", str(STORM_SECONDS), str(STORM_PROCESSES)], environment, within=240)
    finally:
        deployment.drop("storm")
    for problem in storm["problems"]:
        print(f"STORM {problem}", file=sys.stderr)
    done, note = storm["done"], f"{STORM_SECONDS} s"
    names = {"issued": "issued", "revoke": "revoked", "published": "lists published (all forms)", "looked": "looks"}
    return [
        *(Figure(STORM, words, done[name] / STORM_SECONDS, "/s", note=note) for name, words in names.items()),
        Figure(STORM, "an index twice, a change lost, a list unlike the rows", len(storm["problems"]), "", at_most=0),
    ]


class _Getter:
    """The reading process."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.getter", "127.0.0.1", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),
        )

    def __enter__(self) -> "_Getter":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def do(self, phase: str, **command: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"phase": phase, **command}) + "\n")
        self.process.stdin.flush()
        within = command["seconds"] + 30
        if not select.select([self.process.stdout], [], [], within)[0]:
            raise Failed(f"the reading process said nothing for {within:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the reading process ended")
        return dict(json.loads(line))


def _json_of(command: list[str], environment: Mapping[str, str], *, within: float) -> dict[str, Any]:
    """Run a module and return what it prints. Raises Failed with its words."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=within,
            preexec_fn=die_with_parent(),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} took more than {within:g} s") from None
    if done.returncode:
        raise Failed(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
