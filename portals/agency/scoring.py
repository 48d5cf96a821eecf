"""The scorecard of an agency and of each of its people, over the last 7, 30 and 90 days.

From the rows of their cases and papers, and from the journal for documents that the program owner decided about. Three
statements in all, whatever the number of people (what they take at 100,000 cases: docs/operations.md).

- A case counts for who acts in it: the operator its journey names, else who has it, else who opened it.
- One of an import begins when its customer has proved themselves: before then nobody has worked on it.
- Evidence is what somebody else decided about a paper mandate or a document that was uploaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from identity.models import Agency, Membership

WINDOWS = (7, 30, 90)  # days


@dataclass(frozen=True)
class Counts:
    """What was done in one window. `median` is of those that were finished in it, from start to end."""

    started: int = 0
    finished: int = 0
    refused: int = 0
    not_me: int = 0
    evidence: int = 0
    rejected: int = 0
    median: timedelta | None = None

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.evidence if self.evidence else 0.0

    @property
    def not_me_share(self) -> float:
        return self.not_me / self.started if self.started else 0.0

    @property
    def median_minutes(self) -> int | None:
        return None if self.median is None else max(1, round(self.median.total_seconds() / 60))


@dataclass(frozen=True)
class Line:
    """One operator's counts by window (days), or the whole agency's: then `operator_id` is empty."""

    operator_id: str
    name: str
    windows: dict[int, Counts]


@dataclass(frozen=True)
class Scorecard:
    """The agency's line and its people's, those who did most first."""

    agency: Line
    people: tuple[Line, ...]


def scorecard(agency: Agency, now: datetime) -> Scorecard:
    """Count for the agency and everybody who works, or has worked, for it."""
    found = _counted(agency, now)
    names = {each.operator_id: each.name for each in Membership.objects.filter(agency=agency)}
    operators = names.keys() | {operator for operator, _ in found if operator}
    people = [_line(operator, names.get(operator, ""), found) for operator in operators]
    most = WINDOWS[-1]
    people.sort(key=lambda each: (-each.windows[most].started, -each.windows[most].finished, each.operator_id))
    return Scorecard(_line("", agency.name, found), tuple(people))


def of_person(member: Membership, now: datetime) -> Line:
    """One person's own line."""
    return _line(member.operator_id, member.name, _counted(member.agency, now, [member.operator_id]))


def by_window(lines: Sequence[Line]) -> list[tuple[int, list[tuple[Line, Counts]]]]:
    """The lines as tables, one for each window."""
    return [(days, [(line, line.windows[days]) for line in lines]) for days in WINDOWS]


def table(lines: Iterable[Line]) -> tuple[tuple[str, ...], list[tuple[str | int, ...]]]:
    """The lines as a file's: one row for each person and window. No names: an operator id is enough there."""
    columns = [each.name for each in fields(Counts) if each.name != "median"]
    header = ("operator", "days", *columns, "median_minutes")
    rows: list[tuple[str | int, ...]] = [
        (
            line.operator_id or "(agency)",
            days,
            *(getattr(counts, column) for column in columns),
            "" if counts.median_minutes is None else counts.median_minutes,
        )
        for line in lines
        for days, counts in line.windows.items()
    ]
    return header, rows


def _line(operator: str, name: str, found: dict[tuple[str, int], Counts]) -> Line:
    return Line(operator, name, {days: found.get((operator, days), Counts()) for days in WINDOWS})


# The last GROUPING SETS are the agency's own: a median is not the sum of medians. `since` is when a window begins.
_CASES = """
WITH wide AS (
  SELECT COALESCE(NULLIF(a.operator_id, ''), o.operator_id, b.operator_id) AS operator,
    CASE WHEN c.source = 'IMPORT' THEN c.proved_at ELSE c.opened_at END AS begun_at,
    c.closed_at, c.outcome, c.not_me_at
  FROM agency_cases c
  JOIN agency_memberships b ON b.id = c.opened_by_id
  LEFT JOIN agency_memberships o ON o.id = c.operator_id
  LEFT JOIN portal_applications a ON a.id = c.application_id
  WHERE c.agency_id = %(agency)s
    AND (c.opened_at >= %(oldest)s OR c.closed_at >= %(oldest)s OR c.not_me_at >= %(oldest)s
      OR c.proved_at >= %(oldest)s)
), mine AS (
  SELECT * FROM wide WHERE %(operators)s::text[] IS NULL OR operator = ANY(%(operators)s::text[])
)
SELECT CASE WHEN GROUPING(operator) = 1 THEN '' ELSE operator END, w.days,
  count(*) FILTER (WHERE begun_at >= w.since),
  count(*) FILTER (WHERE closed_at >= w.since AND outcome = 'ENROLLED'),
  count(*) FILTER (WHERE closed_at >= w.since AND outcome = 'REFUSED'),
  count(*) FILTER (WHERE not_me_at >= w.since),
  percentile_cont(0.5) WITHIN GROUP (ORDER BY closed_at - begun_at)
    FILTER (WHERE closed_at >= w.since AND outcome = 'ENROLLED')
FROM mine CROSS JOIN unnest(%(days)s::int[], %(since)s::timestamptz[]) AS w(days, since)
GROUP BY GROUPING SETS ((operator, w.days), (w.days))
"""

# What was decided about mandates on paper; one that is asked for anew was refused, too.
_PAPERS = """
SELECT u.operator_id, w.days, count(*), count(*) FILTER (WHERE p.state <> 'APPROVED')
FROM mandate_papers p
JOIN agency_memberships u ON u.id = p.uploaded_by_id
JOIN unnest(%(days)s::int[], %(since)s::timestamptz[]) AS w(days, since) ON p.reviewed_at >= w.since
WHERE u.agency_id = %(agency)s AND p.reviewed_at >= %(oldest)s AND p.state IN ('APPROVED', 'AGAIN', 'REFUSED')
  AND (%(operators)s::text[] IS NULL OR u.operator_id = ANY(%(operators)s::text[]))
GROUP BY 1, 2
"""

# What was decided about uploaded documents (`enrollment.reviews` writes whose they were into the line).
_DOCUMENTS = """
SELECT e.details ->> 'of_operator', w.days, count(*), count(*) FILTER (WHERE e.action = 'document.refused')
FROM audit_logs e
JOIN unnest(%(days)s::int[], %(since)s::timestamptz[]) AS w(days, since) ON e.at >= w.since
WHERE e.object_type = 'document' AND e.details ? 'of_agency' AND e.details ->> 'of_agency' = %(agency_id)s
  AND e.at >= %(oldest)s AND e.action IN ('document.refused', 'document.approved')
  AND (%(operators)s::text[] IS NULL OR e.details ->> 'of_operator' = ANY(%(operators)s::text[]))
GROUP BY 1, 2
"""


def counted_since(agency: Agency, operator_id: str, since: datetime) -> Counts:
    """Count from an instant on, for one person or (without an id) the whole agency."""
    found = _since(agency, {0: since}, [operator_id] if operator_id else None)
    return found.get((operator_id, 0), Counts())


def _counted(agency: Agency, now: datetime, operators: Sequence[str] | None = None) -> dict[tuple[str, int], Counts]:
    return _since(agency, {days: now - timedelta(days=days) for days in WINDOWS}, operators)


def _since(
    agency: Agency, windows: dict[int, datetime], operators: Sequence[str] | None
) -> dict[tuple[str, int], Counts]:
    """(operator id or "" for the agency, window) → counts."""
    values: dict[str, Any] = {
        "agency": agency.pk,
        "agency_id": agency.agency_id,
        "days": list(windows),
        "since": list(windows.values()),
        "oldest": min(windows.values()),
        "operators": None if operators is None else list(operators),
    }
    evidence: dict[tuple[str, int], tuple[int, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CASES, values)
        cases = {(row[0], row[1]): row[2:] for row in cursor.fetchall()}
        for statement in (_PAPERS, _DOCUMENTS):
            cursor.execute(statement, values)
            for operator, days, decided, rejected in cursor.fetchall():
                for whose in {operator or "", ""}:
                    before = evidence.get((whose, days), (0, 0))
                    evidence[whose, days] = (before[0] + decided, before[1] + rejected)
    found = {}
    for key in cases.keys() | evidence.keys():
        started, finished, refused, not_me, median = cases.get(key, (0, 0, 0, 0, None))
        decided, rejected = evidence.get(key, (0, 0))
        found[key] = Counts(started, finished, refused, not_me, decided, rejected, median)
    return found
