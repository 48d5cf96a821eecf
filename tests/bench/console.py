"""Every list, search and chart page of the console with 1,000,000 enrolments, 5,000,000 lines and 3,000,000 messages.

The rows are made by `tests.bench.population`; the pages are found by following links and filling in filters
(`tests.bench.crawling`), their queries counted in process and their time taken over HTTP, one reader at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from sandbox.postgres import die_with_parent
from sandbox.supervisor import DidNotStart
from tests.bench.deployment import MIGRATED, ROOT, Deployment, Failed
from tests.bench.report import Figure
from tests.stack import Stack

FILLING = "The console's database after years (made by the bench)"
PAGES = "Pages of the console over it, over HTTP"
SCALE = float(os.environ.get("BENCH_CONSOLE_SCALE", "1"))  # 0.01 to try the section itself
SECONDS_TO_FILL, SECONDS_TO_WALK = 3_600, 3_600


def run(deployment: Deployment) -> list[Figure]:
    stack = Stack(
        database_url=deployment.database("console", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "console",
        web_workers=1,
        web_threads=3,
        workers=0,
        broker="none",
    )
    try:
        with stack:
            filled = _said(stack, "tests.bench.population", "--scale", str(SCALE), within=SECONDS_TO_FILL)
            stack.manage("figures", "rebuild")
            walked = _said(stack, "tests.bench.walking", stack.base, within=SECONDS_TO_WALK)
    except (AssertionError, DidNotStart) as problem:
        raise Failed(str(problem)) from None
    finally:
        deployment.drop("console")
    return [*_of_filling(filled), *_of_pages(walked)]


def _of_filling(filled: dict[str, Any]) -> list[Figure]:
    note = f"scale {SCALE:g}"
    return [
        Figure(
            FILLING, "filling it: COPY, hashes of the chain, indexes, VACUUM", filled["seconds"], "s", 600, note=note
        ),
        Figure(FILLING, "memory of the largest process that fills", filled["memory"], "MB", 6_000),
        Figure(FILLING, "on the disk, indexes included", filled["megabytes"], "MB"),
    ]


def _of_pages(walked: dict[str, Any]) -> list[Figure]:
    """A line for each page by its name, as its slowest address was."""
    figures = []
    for name, page in sorted(walked["pages"].items(), key=lambda each: -float(each[1]["p95"])):
        note = f"{page['addresses']} addresses, {page['queries']} queries at most, slowest {page['slowest']}"
        figures.append(Figure(PAGES, f"{name}, p95", page["p95"], "ms", at_most=1000, note=note))
    most = max((page["queries"] for page in walked["pages"].values()), default=0)
    failed = walked["failed"]
    return [
        *figures,
        Figure(PAGES, "queries of the page that asks most", most, ""),
        Figure(
            PAGES,
            "addresses that were not answered (403, 404, 5xx)",
            len(failed),
            "",
            at_most=0,
            note=" ".join(failed[:3]),
        ),
    ]


def _said(stack: Stack, module: str, *arguments: str, within: float) -> dict[str, Any]:
    """What a module prints as its last line, run with the stack's settings."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=stack.variables(DATABASE_URL=stack.database_url),
        capture_output=True,
        text=True,
        timeout=within,
        preexec_fn=die_with_parent(),
    )
    if done.returncode:
        raise Failed(f"{module} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
