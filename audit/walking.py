"""Walking the chain in the database as fast as the machine allows, in pieces that several processes can share.

Each link is first checked the quick way (orjson, no objects). Where a page does not hold at once, it is walked again
the careful way (`audit.checking`), which alone decides what is wrong: a quick spelling that differed would cost time,
never an alarm or a silence. A process that walks needs no Django, only this module and the address of the database.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg

from audit import chain, checking
from audit.checking import Finding, LinkRow, SealRow
from audit.sequencer import COLUMNS, columns_sql, entry

#: Links one piece has at most, and how many of them are read at once.
PIECE, PAGE = 100_000, 10_000
#: Below this a walk stays in its own process: starting others takes longer.
WORTH_PROCESSES = 100_000

Fetch = Callable[[str, Sequence[Any]], list[Any]]
Tell = Callable[[int], None]

# In the order of their names: that of canonical JSON.
NAMES = tuple(sorted([*COLUMNS, "id"]))
_TEXTS = {
    "id": "e.id",
    "public_id": "e.public_id::text",
    "details": "e.details::text",
    **{
        name: f"to_char(e.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        for name in ("at", "recorded_at")
    },
}
SPELLED = ", ".join(_TEXTS.get(name, f"e.{name}") for name in NAMES)
_FROM = (
    " FROM audit_links l LEFT JOIN audit_logs e ON e.id = l.event_id"
    " WHERE l.seq > %s AND l.seq <= %s ORDER BY l.seq LIMIT %s"
)
QUICK = f"SELECT l.seq, l.event_id, l.prev_hash, l.hash, {SPELLED}{_FROM}"
_WHOLE = f"SELECT l.seq, l.event_id, l.prev_hash, l.hash, e.id, {columns_sql()}{_FROM}"
_BEFORE = "SELECT seq, hash FROM audit_links WHERE seq < %s ORDER BY seq DESC LIMIT 1"
ID = NAMES.index("id")

# Python and orjson write fractions and numbers beyond 64 bits differently. jsonb puts a space behind `:` and `,`.
_OTHERWISE_SPELLED = re.compile(r"(?:^|[:,] |\[)-?\d+\.|\d{18}")


@dataclass(frozen=True)
class Walked:
    """What the walk over a piece came to: how many links, the last of them, and what is wrong."""

    count: int
    seq: int
    hash: bytes
    findings: tuple[Finding, ...] = ()


def spelled(values: Sequence[Any]) -> bytes:
    """Return the canonical JSON of an event from the values of `SPELLED`: the same bytes as `chain.canonical`."""
    fields = dict(zip(NAMES, values, strict=True))
    details = fields["details"]
    if details is not None:
        if _OTHERWISE_SPELLED.search(details):
            return chain.canonical({**fields, "details": json.loads(details)})
        fields["details"] = orjson.loads(details)
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def quick_hash(prev_hash: bytes, seq: int, event: bytes) -> bytes:
    """Return what `chain.link_hash` returns, from the event's canonical JSON."""
    return hashlib.sha256(b'%b{"event":%b,"seq":%d}' % (prev_hash, event, seq)).digest()


def walk_piece(
    fetch: Fetch, first: int, last: int, wanted: Mapping[int, Sequence[SealRow]], tell: Tell | None = None
) -> Walked:
    """Walk the links from `first` to `last` (both included), as what follows the link before them.

    A gap is found by the piece that has the link behind it, so pieces that lie side by side find everything once.
    """
    before = fetch(_BEFORE, [first])
    seq, last_hash = (int(before[0][0]), bytes(before[0][1])) if before else (0, chain.GENESIS)
    findings: list[Finding] = []
    count, place = 0, first - 1
    while page := fetch(QUICK, [place, last, PAGE]):
        place = page[-1][0]
        found = _quick(page, seq, last_hash)
        if found is None or not _meets_seals(page, seq, wanted):
            careful = checking.Walk(wanted, seq=seq, hash=last_hash)
            rows = [link_row(row) for row in fetch(_WHOLE, [page[0][0] - 1, place, PAGE])]
            for start in range(0, len(rows), checking.WINDOW):
                checking.check_window(careful, rows[start : start + checking.WINDOW])
            findings += careful.findings[: checking.MOST_FINDINGS - len(findings)]
            seq, last_hash = careful.seq, careful.hash
        else:
            seq, last_hash = place, found
        count += len(page)
        if tell is not None:
            tell(len(page))
    return Walked(count, seq, last_hash, tuple(findings))


def walk(
    fetch: Fetch,
    first: int,
    last: int,
    wanted: Mapping[int, Sequence[SealRow]],
    *,
    database: Mapping[str, Any] | None = None,
    processes: int = 1,
    tell: Tell | None = None,
) -> Walked:
    """Walk a range; where `database` says how to reach it and the range is worth it, in processes of their own."""
    if database is None or last - first < WORTH_PROCESSES:
        walked = walk_piece(fetch, first, last, wanted, tell)
    else:
        pieces = list(_in_processes(database, _pieces(first, last), wanted, processes, tell))
        findings = [finding for piece in pieces for finding in piece.findings]
        ends = [piece for piece in pieces if piece.count] or pieces
        walked = Walked(sum(each.count for each in pieces), ends[-1].seq, ends[-1].hash, tuple(findings))
    found = _swapped_far_apart(fetch, walked.findings)
    return Walked(walked.count, walked.seq, walked.hash, tuple(found[: checking.MOST_FINDINGS]))


def _pieces(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, PIECE):
        yield start, min(start + PIECE - 1, last)


def _in_processes(
    database: Mapping[str, Any],
    pieces: Iterator[tuple[int, int]],
    wanted: Mapping[int, Sequence[SealRow]],
    processes: int,
    tell: Tell | None,
) -> list[Walked]:
    """Have pieces walked by others, a few in hand at a time; return them in the order of the chain."""
    done: dict[int, Walked] = {}
    busy: dict[Future[Walked], int] = {}
    # Spawned, not forked: the process that asks may have threads.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for first, last in pieces:
            theirs = {seq: seals for seq, seals in wanted.items() if first <= seq <= last}
            busy[pool.submit(_walk_there, dict(database), first, last, theirs)] = first
            if len(busy) > 2 * processes:
                _collect(busy, done, tell)
        while busy:
            _collect(busy, done, tell)
    return [done[first] for first in sorted(done)]


def _collect(busy: dict[Future[Walked], int], done: dict[int, Walked], tell: Tell | None) -> None:
    ready, _ = wait(busy, return_when=FIRST_COMPLETED)
    for future in ready:
        walked = future.result()
        done[busy.pop(future)] = walked
        if tell is not None:
            tell(walked.count)


def _walk_there(
    database: dict[str, Any], first: int, last: int, wanted: dict[int, Sequence[SealRow]]
) -> Walked:  # pragma: no cover - in another process
    with (
        closing(psycopg.connect(**database, autocommit=True)) as connection,
        connection.cursor(binary=True) as cursor,
    ):

        def fetch(sql: str, parameters: Sequence[Any]) -> list[Any]:
            return cursor.execute(sql, parameters).fetchall()

        return walk_piece(fetch, first, last, wanted)


def _quick(page: Sequence[Any], seq: int, last_hash: bytes) -> bytes | None:
    """Return the hash of the page's last link if all of it holds, else None: then somebody looks closely."""
    for row in page:
        seq += 1
        if row[0] != seq or row[2] != last_hash or row[4 + ID] != row[1]:
            return None
        last_hash = hashlib.sha256(b'%b{"event":%b,"seq":%d}' % (last_hash, spelled(row[4:]), seq)).digest()
        if row[3] != last_hash:
            return None
    return last_hash


def _meets_seals(page: Sequence[Any], seq: int, wanted: Mapping[int, Sequence[SealRow]]) -> bool:
    """Whether the links of a page without a gap, which follows `seq`, are those that the seals know."""
    return all(
        checking.knows(seal, page[each - seq - 1][3])
        for each in wanted
        if seq < each <= seq + len(page)
        for seal in wanted[each]
    )


def link_row(row: Sequence[Any]) -> LinkRow:
    """Return a link with its event, as `_WHOLE` reads it."""
    seq, event_id, prev_hash, hash_, found, *values = row
    return LinkRow(seq, event_id, bytes(prev_hash), bytes(hash_), entry(found, values) if found is not None else None)


def _swapped_far_apart(fetch: Fetch, findings: Sequence[Finding]) -> list[Finding]:
    """Among lines that were changed, name those that stand in each other's place, however far apart they are."""
    changed = [each.seq for each in findings if each.kind == checking.Kind.CHANGED]
    if len(changed) < 2:
        return list(findings)
    rows = {seq: link_row(row) for seq in changed for row in fetch(_WHOLE, [seq - 1, seq, 1])}
    better = {seq: named for seq, row in rows.items() if (named := checking.swapped(row, rows)) is not None}
    return [better.get(each.seq, each) if each.kind == checking.Kind.CHANGED else each for each in findings]
