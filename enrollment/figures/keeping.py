"""Keeping the figures behind the journal: what its chain has said since the last time is counted, once.

The chain's places have no gap and no late comer, so one number says how far everything is counted; it moves in the
transaction that counts. A line only names what changed: a case is counted from its rows as they are now, after what it
counted as before was subtracted. So a crash costs nothing, and counting a line twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Min

from audit.log import Action
from audit.models import Event, Link
from credentials.models import BulkBatch, IssuedCredential, StatusList
from enrollment.figures.buckets import DECISION, PUBLICATION
from enrollment.models import (
    CaseFigure,
    DailyFigure,
    DurationFigure,
    Enrollment,
    EnrollmentCase,
    EnrollmentMeter,
    FigureCursor,
    ListFigure,
    RefusalFigure,
    UnpublishedFigure,
)
from utility_systems.models import Meter

LINES, CASES = 5_000, 20_000  # of the journal in one transaction; of cases when all are counted again
CURSOR = "journal"
#: Refusals at confirm after which it is not known that the person had agreed.
WITHOUT_CONSENT = ("CONSENT_REQUIRED", "CROSS_UTILITY_CONSENT_REQUIRED")
PATIENCE_DAYS = 30  # a revocation whose list was not published by then is not waited for any more


def catch_up(now: datetime, *, most: int = 100_000) -> int:
    """Count what the journal says since the last time, and how full the lists are; return the lines read.

    Any number of workers may call it; one at a time works, the others return 0 at once.
    """
    read = 0
    while read < most:
        lines = _next(now)
        read += lines
        if lines < LINES:
            break
    _count_lists(now)
    return read


def rebuild(now: datetime) -> int:
    """Count everything anew from the rows there are; return the cases counted.

    Pages show the old figures until it is done. Cases that retention has deleted go on being counted as they were.
    How long revocations took is read from the journal, which is never deleted.
    """
    with transaction.atomic():
        cursor = _locked(wait=True)
        assert cursor is not None
        head = Link.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
        counted = _every_case()
        for model in (DailyFigure, RefusalFigure, DurationFigure, UnpublishedFigure):
            _run(f"DELETE FROM {_table(model)}")  # noqa: S608 - our own names
        _add(1, "true", [])
        _count_door("e.action = %s AND e.object_type = 'order'", [Action.CASE_REFUSED.value])
        _run(_REVOKED_BEFORE, {"action": Action.CREDENTIAL_REVOKED.value, "kind": "IssuedCredential"})
        _note_batches(
            Event.objects.filter(action=Action.CREDENTIAL_REVOKED, object_type="BulkAct").values_list(
                "object_id", "details"
            )
        )
        _count_published(now)
        cursor.seq, cursor.read_at, cursor.rebuilt_at = head, now, now
        cursor.save()
    _count_lists(now)
    _count_lists_before(now)
    return counted


# --- behind the journal ----------------------------------------------------------------------------------------------


@dataclass
class _Named:
    """What some lines of the journal say changed."""

    cases: set[int] = field(default_factory=set)
    enrollments: set[str] = field(default_factory=set)
    door: list[int] = field(default_factory=list)
    revoked: list[tuple[str, datetime]] = field(default_factory=list)
    batches: list[tuple[str, Any]] = field(default_factory=list)


@transaction.atomic
def _next(now: datetime) -> int:
    cursor = _locked(wait=False)
    if cursor is None:
        return 0
    lines = list(
        Link.objects.filter(seq__gt=cursor.seq)
        .order_by("seq")
        .values_list(
            "seq", "event__action", "event__object_type", "event__object_id", "event_id", "event__at", "event__details"
        )[:LINES]
    )
    named = _named(lines)
    found = EnrollmentCase.objects.filter(enrollment__enrollment_id__in=named.enrollments).values_list("pk", flat=True)
    _recount(sorted(named.cases | set(found)))
    if named.door:
        _count_door("e.id = ANY(%s)", [named.door])
    _note_revoked(named.revoked)
    _note_batches(named.batches)
    _count_published(now)
    if lines:
        cursor.seq = lines[-1][0]
    cursor.read_at = now
    cursor.save(update_fields=["seq", "read_at"])
    return len(lines)


def _named(lines: Sequence[tuple[Any, ...]]) -> _Named:
    named = _Named()
    for _, action, kind, key, event_id, at, details in lines:
        if kind == "case" and key.isdigit():
            named.cases.add(int(key))
        elif kind == "enrollment":
            named.enrollments.add(key)
        elif kind == "order" and action == Action.CASE_REFUSED:
            named.door.append(event_id)
        elif action == Action.CREDENTIAL_REVOKED and kind == "IssuedCredential":
            named.revoked.append((key, at))
        elif action == Action.CREDENTIAL_REVOKED and kind == "BulkAct":
            named.batches.append((key, details))
    # A bulk act on enrolments writes a line for each of them, too: its batches here are for the lists they touch.
    return named


def _locked(*, wait: bool) -> FigureCursor | None:
    """Return the cursor's row, ours until the transaction ends; None where somebody else has it."""
    FigureCursor.objects.get_or_create(name=CURSOR)
    rows = FigureCursor.objects.select_for_update(skip_locked=not wait)
    return rows.filter(name=CURSOR).first()


# --- cases -----------------------------------------------------------------------------------------------------------


def _recount(cases: list[int]) -> None:
    """Count these cases as they are now, in place of what they counted as."""
    if not cases:
        return
    which = "case_id = ANY(%s)"
    _add(-1, which, [cases])
    _run(f"DELETE FROM {_table(CaseFigure)} WHERE {which}", [cases])  # noqa: S608 - our own names
    _run(_PUT.format(which="c.id = ANY(%(cases)s)"), {**_WORDS, "cases": cases})
    _add(1, which, [cases])


def _every_case() -> int:
    """Put every case's row anew, some at a time; return how many."""
    keys = EnrollmentCase.objects.aggregate(first=Min("pk"), last=Max("pk"))
    first, last = keys["first"] or 0, keys["last"] or -1
    _run(
        f"DELETE FROM {_table(CaseFigure)} AS f WHERE EXISTS"  # noqa: S608 - our own names
        f" (SELECT FROM {_table(EnrollmentCase)} AS c WHERE c.id = f.case_id)"
    )
    put = _PUT.format(which="c.id BETWEEN %(first)s AND %(last)s")
    counted = 0
    for begin in range(first, last + 1, CASES):
        counted += _run(put, {**_WORDS, "first": begin, "last": min(begin + CASES - 1, last)})
    return counted


def _table(model: Any) -> str:
    return str(model._meta.db_table)


_WORDS = {
    "without_consent": list(WITHOUT_CONSENT),
    "bounds": list(DECISION),
    "ready": Action.CASE_READY.value,
    "refused": Action.ENROLLMENT_REFUSED.value,
}
_DIMENSIONS = "program_id, channel, utility_id, agency_id"
#: One row for each case, from what stands about it. The utility is that of its first meter.
_PUT = f"""
INSERT INTO {_table(CaseFigure)} (case_id, day, {_DIMENSIONS}, stage, outcome, code, decided_on, decided_bucket,
  joined_on, left_on, kw)
SELECT c.id, (c.created_at AT TIME ZONE 'UTC')::date, c.program_id, c.channel,
  coalesce(m.utility_id, nullif(c.waiting_utility, ''), ''), c.agency_id,
  CASE WHEN e.id IS NOT NULL THEN 5
       WHEN EXISTS (SELECT FROM {_table(Event)} AS l WHERE l.object_type = 'case' AND l.object_id = c.id::text
         AND l.action = %(refused)s AND l.details ->> 'code' <> ALL(%(without_consent)s)) THEN 4
       WHEN c.state = 'READY' OR EXISTS (SELECT FROM {_table(Event)} AS l WHERE l.object_type = 'case'
         AND l.object_id = c.id::text AND l.action = %(ready)s) THEN 3
       WHEN c.subject_id IS NOT NULL THEN 2
       ELSE 1 END,
  CASE WHEN c.state = 'REJECTED' THEN 'REFUSED' WHEN c.state IN ('WITHDRAWN', 'EXPIRED') THEN 'GIVEN_UP' ELSE '' END,
  CASE WHEN c.state = 'REJECTED' THEN c.refusal_code ELSE '' END,
  (decided.at AT TIME ZONE 'UTC')::date,
  width_bucket(extract(epoch FROM decided.at - c.created_at)::float8, %(bounds)s::float8[]),
  (e.enrolled_at AT TIME ZONE 'UTC')::date,
  (CASE e.state WHEN 'CANCELLED' THEN e.cancelled_at WHEN 'EXPIRED' THEN upper(e.period) END AT TIME ZONE 'UTC')::date,
  coalesce((SELECT sum(each.sanctioned_load_kw) FROM {_table(EnrollmentMeter)} AS of_it
    JOIN {_table(Meter)} AS each ON each.id = of_it.meter_id WHERE of_it.enrollment_id = e.id), 0)
FROM {_table(EnrollmentCase)} AS c
LEFT JOIN {_table(Enrollment)} AS e ON e.case_id = c.id
LEFT JOIN {_table(Meter)} AS m ON m.umid = c.meters[1]
CROSS JOIN LATERAL (SELECT CASE WHEN e.id IS NOT NULL THEN e.enrolled_at
  WHEN c.state = 'REJECTED' THEN c.updated_at END AS at) AS decided
WHERE {{which}}
"""  # noqa: S608 - our own names
_COUNTS = (
    *("started", "identified", "eligible", "consented", "confirmed", "refused", "given_up"),
    *("joined", "ended", "joined_kw", "ended_kw"),
)
_DAILY = f"""
INSERT INTO {_table(DailyFigure)} AS kept (day, {_DIMENSIONS}, {", ".join(_COUNTS)})
SELECT day, {_DIMENSIONS}, {", ".join(f"{{sign}} * sum({each})" for each in _COUNTS)} FROM (
  SELECT day, {_DIMENSIONS}, 1 AS started, (stage >= 2)::int AS identified, (stage >= 3)::int AS eligible,
    (stage >= 4)::int AS consented, (stage >= 5)::int AS confirmed, (outcome = 'REFUSED')::int AS refused,
    (outcome = 'GIVEN_UP')::int AS given_up, 0 AS joined, 0 AS ended, 0::float8 AS joined_kw, 0::float8 AS ended_kw
    FROM {_table(CaseFigure)} WHERE {{which}}
  UNION ALL
  SELECT joined_on, {_DIMENSIONS}, 0, 0, 0, 0, 0, 0, 0, 1, 0, kw, 0
    FROM {_table(CaseFigure)} WHERE {{which}} AND joined_on IS NOT NULL
  UNION ALL
  SELECT left_on, {_DIMENSIONS}, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, kw
    FROM {_table(CaseFigure)} WHERE {{which}} AND left_on IS NOT NULL
) AS counted GROUP BY day, {_DIMENSIONS}
ON CONFLICT (day, {_DIMENSIONS}) DO UPDATE
 SET {", ".join(f"{each} = kept.{each} + excluded.{each}" for each in _COUNTS)}
"""  # noqa: S608 - our own names
_REFUSALS = f"""
INSERT INTO {_table(RefusalFigure)} AS kept (day, {_DIMENSIONS}, at_the_door, code, count)
SELECT day, {_DIMENSIONS}, false, code, {{sign}} * count(*) FROM {_table(CaseFigure)}
 WHERE {{which}} AND outcome = 'REFUSED' GROUP BY day, {_DIMENSIONS}, code
ON CONFLICT (day, {_DIMENSIONS}, at_the_door, code) DO UPDATE SET count = kept.count + excluded.count
"""  # noqa: S608 - our own names
_DECISIONS = f"""
INSERT INTO {_table(DurationFigure)} AS kept (kind, day, program_id, channel, utility_id, bucket, count)
SELECT 'DECISION', decided_on, program_id, channel, utility_id, decided_bucket, {{sign}} * count(*)
  FROM {_table(CaseFigure)} WHERE {{which}} AND decided_on IS NOT NULL
 GROUP BY decided_on, program_id, channel, utility_id, decided_bucket
ON CONFLICT (kind, day, program_id, channel, utility_id, bucket) DO UPDATE SET count = kept.count + excluded.count
"""  # noqa: S608 - our own names


def _add(sign: int, which: str, values: list[Any]) -> None:
    """Add what some cases count as, or subtract it (`sign` -1)."""
    for statement in (_DAILY, _REFUSALS, _DECISIONS):
        _run(statement.format(sign=sign, which=which), values * statement.count("{which}"))


def _count_door(which: str, values: list[Any]) -> None:
    """Count refusals before any application was opened: their lines name an order."""
    _run(
        f"""
        INSERT INTO {_table(RefusalFigure)} AS kept (day, {_DIMENSIONS}, at_the_door, code, count)
        SELECT (e.at AT TIME ZONE 'UTC')::date, coalesce(e.details ->> 'program', ''), e.channel, '',
          CASE e.actor_kind WHEN 'AGENCY' THEN e.actor_id ELSE '' END, true,
          coalesce(e.details ->> 'code', ''), count(*)
          FROM {_table(Event)} AS e WHERE {which} GROUP BY 1, 2, 3, 5, 7
        ON CONFLICT (day, {_DIMENSIONS}, at_the_door, code) DO UPDATE SET count = kept.count + excluded.count
        """,  # noqa: S608 - our own names
        values,
    )


# --- from a revocation to its publication ----------------------------------------------------------------------------


def _note_revoked(revoked: Sequence[tuple[str, datetime]]) -> None:
    lists = dict(IssuedCredential.objects.filter(pk__in={key for key, _ in revoked}).values_list("pk", "status_list"))
    UnpublishedFigure.objects.bulk_create(
        UnpublishedFigure(status_list_id=lists[UUID(key)], at=at, count=1) for key, at in revoked if UUID(key) in lists
    )


def _note_batches(batches: Any) -> None:
    """The batches of acts on many, by the lists they touched; what of them each list has is not told, so they share."""
    noted = []
    for act, details in batches:
        number, changed = (details or {}).get("batch"), (details or {}).get("changed") or 0
        batch = BulkBatch.objects.filter(act=act, number=number, done_at__isnull=False).first() if number else None
        if batch is not None and batch.lists and batch.done_at is not None:
            share, rest = divmod(changed, len(batch.lists))
            for place, status_list in enumerate(batch.lists):
                count = share + (place < rest)
                noted.append(UnpublishedFigure(status_list_id=status_list, at=batch.done_at, count=count))
    UnpublishedFigure.objects.bulk_create([each for each in noted if each.count])


def _count_published(now: datetime) -> None:
    """Book what waits and was published since; forget what waits longer than anybody would believe."""
    _run(
        _PUBLISHED,
        {"bounds": list(PUBLICATION), "published": Action.LIST_PUBLISHED.value, "now": now, "days": PATIENCE_DAYS},
    )


_PUBLISHED = f"""
WITH shown AS (
  SELECT w.id, w.at, w.count, (
    SELECT l.at FROM {_table(Event)} AS l WHERE l.object_type = 'StatusList' AND l.object_id = w.status_list_id::text
       AND l.action = %(published)s AND l.at >= w.at AND (l.details -> 'purposes' IS NULL
         OR l.details -> 'purposes' ? 'revocation') ORDER BY l.at LIMIT 1) AS published_at
    FROM {_table(UnpublishedFigure)} AS w
), gone AS (
  DELETE FROM {_table(UnpublishedFigure)} AS w USING shown WHERE w.id = shown.id
     AND (shown.published_at IS NOT NULL OR shown.at < %(now)s - make_interval(days => %(days)s))
)
INSERT INTO {_table(DurationFigure)} AS kept (kind, day, program_id, channel, utility_id, bucket, count)
SELECT 'PUBLICATION', (at AT TIME ZONE 'UTC')::date, '', '', '',
  width_bucket(extract(epoch FROM published_at - at)::float8, %(bounds)s::float8[]), sum(count)
  FROM shown WHERE published_at IS NOT NULL GROUP BY 2, 6
ON CONFLICT (kind, day, program_id, channel, utility_id, bucket) DO UPDATE SET count = kept.count + excluded.count
"""  # noqa: S608 - our own names
_REVOKED_BEFORE = f"""
INSERT INTO {_table(UnpublishedFigure)} (status_list_id, at, count)
SELECT c.status_list_id, e.at, count(*) FROM {_table(Event)} AS e
  JOIN {_table(IssuedCredential)} AS c ON c.id::text = e.object_id
 WHERE e.action = %(action)s AND e.object_type = %(kind)s GROUP BY 1, 2
"""  # noqa: S608 - our own names


# --- status lists ----------------------------------------------------------------------------------------------------


def _count_lists(now: datetime) -> None:
    """Write how full the lists are now, in today's row."""
    _run(_LISTS, {"day": now.date()})


_LISTS = f"""
INSERT INTO {_table(ListFigure)} AS kept (day, status_list_id, kind, number, size, taken, revoked)
SELECT %(day)s, s.id, s.kind, s.number, s.size,
  least(coalesce(pg_sequence_last_value(s.sequence::regclass) + 1, 0), s.size),
  (SELECT count(*) FROM {_table(IssuedCredential)} AS c WHERE c.status_list_id = s.id AND c.revoked_at IS NOT NULL)
  FROM {_table(StatusList)} AS s
ON CONFLICT (day, status_list_id) DO UPDATE SET taken = excluded.taken, revoked = excluded.revoked
 WHERE (kept.taken, kept.revoked) IS DISTINCT FROM (excluded.taken, excluded.revoked)
"""  # noqa: S608 - our own names


def _count_lists_before(now: datetime) -> None:
    """Fill the days before from when credentials were issued and revoked; a day that was counted then stays."""
    _run(_LISTS_BEFORE, {"today": now.date()})


_LISTS_BEFORE = f"""
INSERT INTO {_table(ListFigure)} (day, status_list_id, kind, number, size, taken, revoked)
SELECT day, s.id, s.kind, s.number, s.size, least(taken, s.size), revoked FROM (
  SELECT day, status_list_id, sum(sum(taken)) OVER told AS taken, sum(sum(revoked)) OVER told AS revoked FROM (
    SELECT (issued_at AT TIME ZONE 'UTC')::date AS day, status_list_id, count(*) AS taken, 0 AS revoked
      FROM {_table(IssuedCredential)} GROUP BY 1, 2
    UNION ALL
    SELECT (revoked_at AT TIME ZONE 'UTC')::date, status_list_id, 0, count(*)
      FROM {_table(IssuedCredential)} WHERE revoked_at IS NOT NULL GROUP BY 1, 2) AS changes
   GROUP BY day, status_list_id WINDOW told AS (PARTITION BY status_list_id ORDER BY day)) AS days
  JOIN {_table(StatusList)} AS s ON s.id = days.status_list_id
 WHERE day < %(today)s
ON CONFLICT (day, status_list_id) DO NOTHING
"""  # noqa: S608 - our own names


def _run(statement: str, values: Any = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
