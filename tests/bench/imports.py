"""An agency's file of a hundred thousand rows: checked and made cases, while a neighbour enrols one person a second.

Uploaded over HTTP as an agent does; one worker for files, one for messages. Beside it PostgreSQL alone: COPY of the
same rows into a bare table, the floor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from sandbox.generated import UTILITY_A
from sandbox.postgres import free_port
from sandbox.supervisor import DidNotStart
from tests.bap import Bap, eventually
from tests.bench import customers, messages, processes
from tests.bench.deployment import MIGRATED, Deployment, Failed
from tests.bench.load import Driver
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.identity.visiting import Visitor
from tests.importing import FLEX, line, press, upload
from tests.stack import Stack

ROWS = 100_000
SECTION = f"An agency's file of {ROWS:,} rows, a neighbour enrolling beside it"
PEOPLE, FIRST = 400, 300_001
PATIENCE = 900.0


def run(deployment: Deployment) -> list[Figure]:
    url = deployment.database("imports", template=MIGRATED)["DATABASE_URL"]
    stack = Stack(
        database_url=url,
        folder=deployment.folder / "imports",
        web_workers=1,
        workers=1,
        worker_threads=2,
        imports_workers=1,
        sweep_seconds=1.0,
        beat_seconds=30.0,
        broker="auto",
    )
    bap = Bap(subscriber_id="imports.bench.example", port=free_port())
    try:
        with stack:
            stack.manage("catalogue", "refresh")
            eventually(lambda: stack.sql("SELECT count(*) FROM portal_programs WHERE slug = %s", FLEX) == [(1,)])
            stack.register(bap)
            people = customers.fetch(stack.utility_url(), customers.names(FIRST, PEOPLE))
            stories = [messages.story(person, bap, stack.base) for person in people]
            with Driver(deployment.folder, stories, stack.port, bap.port) as driver:
                return [*_measure(stack, driver), _floor(url)]
    except (AssertionError, DidNotStart) as problem:
        raise Failed(str(problem)) from None
    finally:
        deployment.drop("imports")


def _measure(stack: Stack, driver: Driver) -> list[Figure]:
    agent = Visitor(stack)
    agent.sign_in_agent("op-1", next="/agency/imports")
    driver.do(within=120, phase="fixed", count=10, rate=2)
    alone = driver.do(within=120, phase="fixed", count=20, rate=1)["confirm_ms"]
    begun = time.perf_counter()
    address = upload(agent, [line(number) for number in range(ROWS)])
    uploaded = time.perf_counter() - begun
    key = address.rpartition("/")[2]

    def stands(state: str) -> Callable[[], bool]:
        return lambda: stack.sql("SELECT state FROM agency_imports WHERE id = %s", key) == [(state,)]

    checked, beside_check = _beside(driver, stands("CHECKED"))
    assert press(agent, address, "/start").status == 303
    imported, beside = _beside(driver, stands("IMPORTED"))
    counts = stack.sql("SELECT well_formed, malformed, new FROM agency_imports WHERE id = %s", key)
    assert counts == [(ROWS, 0, ROWS)], counts
    memory = processes.peak_megabytes([stack.children["imports-1"].pid])
    begun = time.perf_counter()
    size = len(agent.get(f"{address}/result.csv").text)
    downloaded = time.perf_counter() - begun
    both = [*beside_check, *beside]
    note = f"{len(both)} confirms; alone p95 {percentile(alone, 95):.0f} ms"
    return [
        Figure(SECTION, "sending the file until the page says it is here", uploaded, "s"),
        Figure(SECTION, "checked", checked, "s", at_most=60),
        Figure(SECTION, "imported: cases and journal", imported, "s", at_most=300),
        Figure(SECTION, "cases made", ROWS / imported, "/s"),
        Figure(
            SECTION, "the neighbour's confirm→on_confirm meanwhile, p95", percentile(both, 95), "ms", 1000, note=note
        ),
        Figure(SECTION, "memory of the files' worker, peak", memory, "MB", at_most=300),
        Figure(SECTION, "the result as a file", downloaded, "s", note=f"{size / 1_000_000:.1f} MB"),
    ]


def _beside(driver: Driver, is_over: Callable[[], bool]) -> tuple[float, list[float]]:
    """Let one person a second enrol until it is over; return its seconds, and each confirm's milliseconds."""
    done, taken = threading.Event(), []

    def enrol() -> None:
        while not done.is_set():
            account: dict[str, Any] = driver.do(within=120, phase="fixed", count=5, rate=1)
            taken.extend(account["confirm_ms"])
            if account["failed"] or not account["left"]:
                return

    begun = time.perf_counter()
    neighbour = threading.Thread(target=enrol, daemon=True)
    neighbour.start()
    try:
        eventually(is_over, seconds=PATIENCE, pause=0.1)
    finally:
        seconds = time.perf_counter() - begun
        done.set()
        neighbour.join(120)
    assert taken, "the neighbour could not enrol"
    return seconds, taken


def _floor(url: str) -> Figure:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bench_rows (reference text PRIMARY KEY, utility text, account text, program text)"
        )
        begun = time.perf_counter()
        with connection.cursor().copy("COPY bench_rows FROM STDIN") as rows:
            for number in range(ROWS):
                rows.write_row((f"A-{number:06}", UTILITY_A, f"CUST-load-{number:06}", FLEX))
        seconds = time.perf_counter() - begun
    return Figure(SECTION, "COPY of the same rows into a bare table", seconds, "s", note="the floor")
