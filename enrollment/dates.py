"""From when until when: the dates of an enrolment, checked and completed. Pure.

Periods are half-open; the wire's `23:59:59` end is read as the next second (decision 49). A start up to 24 h ago is
taken as written (decision 43): the portal's customer pressed the button before midnight.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from enrollment.codes import Code, Refusal

GRACE = timedelta(hours=24)


@dataclass(frozen=True)
class Period:
    """Half-open: [starts_at, ends_at). `end_as_given` is the wire's spelling where it differs from `ends_at`."""

    starts_at: datetime
    ends_at: datetime | None
    end_as_given: str = ""


def half_open(end: datetime | None, as_given: str) -> tuple[datetime | None, str]:
    """(exclusive end, spelling to keep): an end at the last second of a minute means the next one."""
    if end is not None and end.second == 59:
        return end.replace(microsecond=0) + timedelta(seconds=1), as_given
    return end, ""


def agree(
    starts_at: datetime | None,
    ends_at: datetime | None,
    end_as_given: str,
    *,
    default_term_days: int,
    max_term_days: int | None,
    closes_at: datetime | None,
    now: datetime,
) -> Period | Refusal:
    """The period asked for, completed by the program's default term, or DATES_INVALID with earliest and latest."""
    start = starts_at or now
    end, spelling = half_open(ends_at, end_as_given)
    if end is None:
        end = start + timedelta(days=default_term_days) if default_term_days else None
    earliest = now - GRACE
    latest = start + timedelta(days=max_term_days) if max_term_days else None
    problem = ""
    if start < earliest:
        problem = "The start lies in the past"
    elif end is not None and end <= start:
        problem = "The end must lie after the start"
    elif end is not None and end <= now:
        problem = "The whole period lies in the past"
    elif closes_at is not None and start >= closes_at:
        problem, latest = "The program closes before that start", closes_at
    elif latest is not None and (end is None or end > latest):
        problem = f"The program allows at most {max_term_days} days"
    if problem:
        details = {"earliest": now, **({"latest": latest} if latest else {})}
        return Refusal(Code.DATES_INVALID, f"{problem}.", field="dates", details=details)
    return Period(start, end, spelling)
