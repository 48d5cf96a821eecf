"""Walking the journal's chain: 1,000,000 lines by COPY, their hashes computed beforehand; then what a search takes.

The generator hashes by `chain.link_hash`, the walk by its own quick way: each is held against the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import chain, readers
from audit.models import Event, Link
from audit.sequencer import COLUMNS, entry, link_events
from audit.verification import verify_chain
from tests.bench.population.copying import connect, load, without_indexes
from tests.bench.report import Figure
from tests.bench.timing import each_ms, percentile

SECTION = "The journal: 1,000,000 lines"
LINES = 1_000_000
OFFSET = 1_000_000  # the ids of ours begin behind those of the deployment's own lines
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
_ACTIONS = ("case.submitted", "case.ready", "enrollment.confirmed", "consent.granted", "credential.issued")


def run() -> list[Figure]:
    begun = time.perf_counter()
    while link_events(datetime.now(UTC)):
        pass
    head = Link.objects.latest("seq")
    with connect(os.environ["DATABASE_URL"]) as filling, without_indexes(filling, Event, Link):
        load(filling, Event, " ".join(["id", *COLUMNS]), _lines())
        load(filling, Link, "seq event_id prev_hash hash linked_at", _links(head))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_logs, audit_links")
    filled = time.perf_counter() - begun
    cores = len(os.sched_getaffinity(0))
    shared, alone = _per_second(cores), _per_second(1)
    pages = _pages()
    return [
        Figure(SECTION, f"audit verify, {cores} processes", shared, "/s", at_least=50_000),
        Figure(SECTION, "audit verify, one process", alone, "/s"),
        Figure(SECTION, "a page of a search, p95", percentile(pages, 95), "ms", at_most=1000, note="each filter"),
        Figure(SECTION, "filling the tables (COPY, indexes)", filled, "s"),
    ]


def _per_second(processes: int) -> float:
    begun = time.perf_counter()
    report = verify_chain(processes=processes)
    assert report.ok and report.links > LINES, report
    return report.links / (time.perf_counter() - begun)


def _pages() -> list[float]:
    asked = [
        readers.Search(),
        readers.Search(actions=("credential.issued",)),
        readers.Search(actors=(("PARTICIPANT", "bap-3.example"),)),
        readers.Search(actors=(("STAFF", "nobody"),)),
        readers.Search(object_type="case", object_id="4711"),
        readers.Search(channel="CONSOLE"),
        readers.Search(subjects=(str(UUID(int=4711)),)),
        readers.Search(since=BEGUN + timedelta(days=3), until=BEGUN + timedelta(days=4)),
        readers.Search(actors=(("PARTICIPANT", "bap-3.example"),), actions=("case.ready",), channel="PORTAL"),
    ]
    with CaptureQueriesContext(connection) as queries:
        times = each_ms([partial(readers.search, each) for each in asked] * 5)
    assert len(queries) <= 6 * len(times)  # the search itself, and the limit around it
    return times


def _values(number: int) -> tuple[object, ...]:
    """The values of COLUMNS of a line; every one has details, as most have."""
    at = BEGUN + timedelta(seconds=number)
    action = _ACTIONS[number % len(_ACTIONS)]
    return (
        UUID(int=1 << 64 | number),
        at,
        at,
        action,
        "PARTICIPANT",
        f"bap-{number % 7}.example",
        "PORTAL",
        "",
        str(UUID(int=number // 5)),
        action.partition(".")[0],
        str(number // 5),
        "",
        "",
        f'{{"state": "READY", "meters": {number % 9}, "note": "füllt – nach Plan"}}',
    )


def _lines() -> Iterator[str]:
    for number in range(1, LINES + 1):
        yield "\t".join([str(OFFSET + number), *(str(value) for value in _values(number))])


def _links(head: Link) -> Iterator[str]:
    last, linked_at = bytes(head.hash), datetime.now(UTC).isoformat()
    for number in range(1, LINES + 1):
        seq = head.seq + number
        following = chain.link_hash(last, seq, entry(OFFSET + number, _values(number)).fields)
        yield f"{seq}\t{OFFSET + number}\t\\\\x{last.hex()}\t\\\\x{following.hex()}\t{linked_at}"
        last = following
