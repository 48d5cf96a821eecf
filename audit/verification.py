"""Where the rows for a walk come from: this database, or a file that was exported from one."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TextIO

from django.db import connection

from audit import archive, walking
from audit import seals as sealing
from audit.chain import Entry
from audit.checking import (
    WINDOW,
    Finding,
    Kind,
    LinkRow,
    Report,
    SealRow,
    Walk,
    by_link,
    check,
    conclude,
    is_signed,
    knows,
)
from audit.models import Check, Link, Seal, WorkState
from audit.sequencer import columns_sql, entry
from audit.signer import signer

UNLINKED_SECONDS = 60
SEAL_GRACE_MINUTES = 10
FORMAT = "journal-export/1"


def verify_chain(
    *,
    kept_seals: Sequence[SealRow] = (),
    keys: dict[str, bytes] | None = None,
    stretch: tuple[int, int] | None = None,
    processes: int = 0,
    tell: walking.Tell | None = None,
) -> Report:
    """Walk this database's chain and seals; `keys` are pinned public keys, default the signer's own. Only reads.

    `stretch` is the first and the last link of a part, where not all are to be walked. A long walk is shared by
    `processes` of their own; 0: none, as inside a transaction. `tell` is called with each number of links walked.
    """
    # Seals first: a seal read after the links could know a link that was not there yet.
    seals = [seal_row(sealing.published(each)) for each in Seal.objects.order_by("day")]
    keys = dict(signer().public_keys()) if keys is None else keys
    end = last_link()
    first, last = stretch or (1, end)
    walked = walking.walk(
        _fetch,
        first,
        last,
        by_link([*seals, *kept_seals]),
        database=address_of_database() if processes else None,
        processes=processes,
        tell=tell,
    )
    walk = Walk({}, list(walked.findings), walked.seq, walked.hash, walked.count)
    conclude(walk, seals, keys, kept_seals=kept_seals, end=end)
    if stretch is None:
        for each in _unlinked(UNLINKED_SECONDS):
            message = f"{each.reference} has waited for its link for more than a minute"
            walk.say(Kind.UNLINKED, message, reference=each.reference)
    for finding in (_overdue_seal(seals), _forgotten(end)):
        if finding is not None:
            walk.findings.append(finding)
    return walk.report(len(seals))


def of_link(seq: int) -> tuple[Finding, ...]:
    """Return what is wrong with one link: whether it follows the one before, and its event is as it was written."""
    return walking.walk(_fetch, seq, seq, {}).findings


def seals_hold(seals: Sequence[Seal]) -> dict[date, bool]:
    """Say for each of some seals whether it is signed by a key of ours and knows the link that is there now."""
    there = dict(Link.objects.filter(seq__in=[seal.last_seq for seal in seals]).values_list("seq", "hash"))
    keys = dict(signer().public_keys()) if seals else {}
    return {
        seal.day: is_signed(row := seal_row(sealing.published(seal)), keys)
        and knows(row, bytes(there.get(seal.last_seq, b"")))
        for seal in seals
    }


def last_link() -> int:
    """Return the place of the last link; 0 where there is none."""
    return Link.objects.order_by("-seq").values_list("seq", flat=True).first() or 0


def address_of_database() -> dict[str, Any]:
    """Return what a process without Django needs to reach this database."""
    wanted = {"dbname", "host", "port", "user", "password", "options", "passfile", "service"}
    known = connection.get_connection_params()
    return {key: value for key, value in known.items() if key in wanted or key.startswith("ssl")}


def verify_export(path: Path, *, kept_seals: Sequence[SealRow] = (), keys: dict[str, bytes] | None = None) -> Report:
    """Walk an export; without pinned `keys` its own are believed. Raises ValueError when it is no export.

    Also one of the older kind: JSON lines with a head, which is not signed itself.
    """
    if archive.is_archive(path):
        return archive.verify(path, keys=keys, kept_seals=kept_seals)
    with path.open(encoding="utf-8") as file:
        head = _read_line(file.readline())
        if head.get("format") != FORMAT:
            raise ValueError("this is no export of a journal")
        seals = [seal_row(each) for each in head["seals"]]
        keys = keys_of(head["keys"]) if keys is None else keys
        rows = (archive.link_of(_read_line(line)) for line in file)
        return check(rows, seals, keys, kept_seals=kept_seals)


def export(file: TextIO) -> int:
    """Write chain and seals as JSON lines, head first; return the number of links. Events without a link stay out."""
    seals = [sealing.published(each) for each in Seal.objects.order_by("day")]
    keys = sealing.published_keys(signer().public_keys())
    file.write(json.dumps({"format": FORMAT, "keys": keys, "seals": seals}) + "\n")
    count = 0
    for row in _links():
        line = {
            "seq": row.seq,
            "prevHash": row.prev_hash.hex(),
            "hash": row.hash.hex(),
            "eventId": row.event_id,
            "event": dict(row.entry.fields) if row.entry else None,
        }
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        count += 1
    return count


def seal_row(published: dict[str, Any]) -> SealRow:
    """Read a seal as `/journal/seals` publishes it. Raises KeyError or TypeError when it is none."""
    return SealRow(
        day=str(published["day"]),
        last_seq=int(published["lastSeq"]),
        statement=str(published["statement"]),
        kid=str(published["kid"]),
        signature=str(published["signature"]),
    )


def keys_of(jwks: dict[str, Any]) -> dict[str, bytes]:
    """Read the JWK set of `/journal/keys`: public keys (32 bytes) by id."""
    return {str(jwk["kid"]): base64.urlsafe_b64decode(str(jwk["x"]) + "=") for jwk in jwks["keys"]}


def _fetch(sql: str, parameters: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _links() -> Iterator[LinkRow]:
    sql = (
        f"SELECT l.seq, l.event_id, l.prev_hash, l.hash, e.id, {columns_sql()}"  # noqa: S608 - our own column names
        " FROM audit_links l LEFT JOIN audit_logs e ON e.id = l.event_id WHERE l.seq > %s ORDER BY l.seq LIMIT %s"
    )
    return _pages(sql, walking.link_row, lambda row: row.seq)


def _unlinked(seconds: int) -> Iterator[Entry]:
    # The database's clock on both sides: recorded_at was written by it, and CLOCK_OFFSET does not move it.
    sql = (
        f"SELECT e.id, {columns_sql()} FROM audit_logs e WHERE e.id > %s"  # noqa: S608 - our own column names
        f" AND e.recorded_at < clock_timestamp() - interval '{int(seconds)} seconds'"
        " AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.event_id = e.id) ORDER BY e.id LIMIT %s"
    )
    return _pages(sql, lambda row: entry(row[0], row[1:]), lambda each: each.event_id)


def _pages(sql: str, make: Callable[[Sequence[Any]], Any], key: Callable[[Any], int]) -> Iterator[Any]:
    """Read in pages by key: a walk over millions of rows holds no cursor and no transaction open."""
    last = -(2**63)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [last, WINDOW])
            page = [make(row) for row in cursor.fetchall()]
        yield from page
        if len(page) < WINDOW:
            return
        last = key(page[-1])


def _overdue_seal(seals: Sequence[SealRow]) -> Finding | None:
    """Find a day whose seal should be here: the journal was at work more than ten minutes after it ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(linked_at) FROM audit_links l JOIN audit_logs e ON e.id = l.event_id"
            " WHERE e.recorded_at < clock_timestamp() - make_interval(mins => %s)"
            " AND l.seq > (SELECT max(seq) FROM audit_links) - 10000",
            [SEAL_GRACE_MINUTES],
        )
        at_work: datetime | None = cursor.fetchone()[0]
        if at_work is None:
            return None
        midnight = datetime.combine(at_work.date(), time(), at_work.tzinfo)
        cursor.execute("SELECT EXISTS (SELECT 1 FROM audit_links WHERE linked_at < %s)", [midnight])
        is_due = cursor.fetchone()[0] and at_work > midnight + timedelta(minutes=SEAL_GRACE_MINUTES)
    day = midnight.date() - timedelta(days=1)
    if not is_due or any(date.fromisoformat(seal.day) >= day for seal in seals):
        return None
    return Finding(Kind.SEAL_MISSING, f"the seal of {day} is overdue")


def _forgotten(end: int) -> Finding | None:
    """Find that the newest check of ours that found nothing knew more, or another chain than there is now.

    Between two seals nothing else remembers where the chain ended.
    """
    newest = Check.objects.filter(state=WorkState.DONE, findings=[]).exclude(head="").order_by("-id").first()
    if newest is None:
        return None
    asked = f"the check of {newest.asked_at:%Y-%m-%d %H:%M} UTC"
    if newest.last_seq > end:
        message = f"{asked} knows link {newest.last_seq}, the chain ends at {end}"
        return Finding(Kind.CUT_TAIL, message, end + 1)
    there = Link.objects.filter(seq=newest.last_seq).values_list("hash", flat=True).first()
    if there is not None and bytes(there).hex() != newest.head:
        message = f"{asked} knows another link {newest.last_seq}: the chain was made anew"
        return Finding(Kind.SEAL_MISMATCH, message, newest.last_seq)
    return None


def _read_line(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line of the export is no object")
    return value
