"""`python -m tests.bench`: run every section, print one table, write var/bench.json.

Ends by itself: every section has a time limit, and all processes die with this one.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module

import psycopg

from sandbox.postgres import PostgresFailed
from sandbox.supervisor import DidNotStart
from tests.bench import report
from tests.bench.deployment import ROOT, Deployment, Failed

# Seconds after which a section is ended from outside: far more than it takes.
SECTIONS = {
    "crypto": 90,
    "lists": 90,
    "vc_api": 120,
    "claims": 300,
    "bulk": 300,
    "matrix": 120,
    "journal": 600,
    "agencies": 300,
    "profile": 120,
}
WHOLE = (
    "crypto",
    "lists",
    "vc_api",
    "claims",
    "bulk",
    "status",
    "proof",
    "utilities",
    "matrix",
    "journal",
    "agencies",
    "portal",
    "imports",
    "load",
    "console",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"sections to run, comma-separated: {', '.join(WHOLE)}, profile")
    parser.add_argument("--profile", action="store_true", help="also print where the time goes")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name] or list(WHOLE)
    if options.profile and "profile" not in wanted:
        wanted.append("profile")
    begun, machine = time.monotonic(), _machine()
    deployment = Deployment()
    figures: list[report.Figure] = []
    failures: list[str] = []
    try:
        deployment.up()
        for name in wanted:
            try:
                figures += _run(deployment, name)
            except (Failed, DidNotStart, psycopg.Error) as problem:
                failures.append(f"{name}: {problem}\n{deployment.postgres_said()}")
    except (Failed, DidNotStart, PostgresFailed, psycopg.Error) as problem:
        failures.append(str(problem))
    finally:
        deployment.down()
    about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "failures": failures}
    print(f"{machine}, took {time.monotonic() - begun:.0f} s\n{report.table(figures)}\n", flush=True)
    for failure in failures:
        print(f"NOT MEASURED {failure}", file=sys.stderr)
    report.write(ROOT / "var" / "bench.json", figures, about)
    return 1 if failures else 0


def _run(deployment: Deployment, name: str) -> list[report.Figure]:
    print(f"… {name}", file=sys.stderr, flush=True)
    if name in SECTIONS:
        return _in_a_process(deployment, name, SECTIONS[name])
    figures: list[report.Figure] = import_module(f"tests.bench.{name}").run(deployment)
    return figures


def _in_a_process(deployment: Deployment, name: str, seconds: float) -> list[report.Figure]:
    environment = deployment.database(name)
    result = deployment.folder / f"{name}.json"
    child = deployment.start(name, [sys.executable, "-m", "tests.bench.section", name, str(result)], environment)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(seconds)
        if child.is_running() or child.process.returncode:
            state = f"took more than {seconds:g} s" if child.is_running() else "failed"
            raise Failed(f"{state}\n{child.last_words()}")
    finally:
        child.kill()
        deployment.drop(name)
    print(child.log.read_text(errors="replace"), end="", flush=True)  # what a section has to tell beside its figures
    return report.from_json(result.read_text())


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cores} cores, Python {platform.python_version()}{load}, {_reference():.0f} ms CPU for the reference loop"


def _reference() -> float:
    """CPU milliseconds of a fixed piece of Python: runs on a busier or slower machine can be told from slower code."""
    begun = time.process_time()
    for number in range(20_000):
        json.loads(json.dumps({"number": number, "text": "reference", "list": [1, 2, 3]}))
    return (time.process_time() - begun) * 1000


if __name__ == "__main__":
    sys.exit(main())
