"""What became of each row, as a file: read from the database a thousand rows at a time, whoever downloads it.

Whether the utility knows a customer, no row says: only what somebody answered after their own sign-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.template.loader import render_to_string
from django.utils.translation import get_language

from portals.models import AssistedCase, BulkImport, ImportRow, Invitation

HEADER = ("line", "reference", "state", "code", "column", "value", "remedy", "invitation", "answer")
AT_ONCE = 1000
_ROW = (
    *("number", "reference", "state", "code", "column", "value", "case_id"),
    *("case__not_me_at", "case__proved_at", "case__outcome"),
)
_WRONG = (ImportRow.State.MALFORMED, ImportRow.State.REFUSED)


def rows(found: BulkImport, *, only_wrong: bool = False) -> Iterator[tuple[Any, ...]]:
    """The lines of the result, in the order of the file."""
    lines = ImportRow.objects.filter(bulk_import=found).order_by("number")
    if only_wrong:
        lines = lines.filter(state__in=_WRONG)
    after = 0
    while some := list(lines.filter(number__gt=after).values_list(*_ROW, named=True)[:AT_ONCE]):
        after = some[-1].number
        invitations = _newest([row.case_id for row in some if row.case_id is not None])
        yield from (_line(row, *invitations.get(row.case_id, ("", ""))) for row in some)


def remedy(code: str) -> str:
    """What to do about a row's code, in the reader's language."""
    return _remedy(code, get_language() or "en") if code else ""


def counted(found: BulkImport) -> Mapping[str, int]:
    """How many invitations of the import are in which state, and how many customers have agreed."""
    counts = dict.fromkeys(Invitation.State.values, 0)
    mine = Invitation.objects.filter(bulk_import=found).order_by().values_list("state")
    counts |= dict(mine.annotate(count=Count("pk")))
    cases = AssistedCase.objects.filter(import_lines__bulk_import=found)
    return {**counts, "AGREED": cases.filter(proved_at__isnull=False).distinct().count()}


def few(found: BulkImport, most: int = 20) -> QuerySet[ImportRow]:
    """The first rows that were not taken, for the page."""
    return found.lines.filter(state__in=_WRONG).order_by("number")[:most]


def _newest(cases: list[UUID]) -> dict[UUID | None, tuple[str, str]]:
    """Of each case's newest invitation the state, and what was answered."""
    found = Invitation.objects.filter(case__in=cases).order_by("released_at")
    told = found.values_list("case_id", "state", "handover__answer")
    return {case_id: (state, answer or "") for case_id, state, answer in told}


def _line(row: Any, invitation: str, answer: str) -> tuple[Any, ...]:
    about = (row.number, row.reference, row.state, row.code, row.column, row.value, remedy(row.code))
    return (*about, invitation, _answer(row, answer))


def _answer(row: Any, answer: str) -> str:
    if row.case__not_me_at is not None:
        return "NOT_ME"
    if row.case__proved_at is not None:
        return "AGREED"
    return {"NO": "REFUSED"}.get(answer, answer) or row.case__outcome or ""


@lru_cache(maxsize=256)
def _remedy(code: str, locale: str) -> str:
    return " ".join(render_to_string("agency/imports/remedy.html", {"code": code}).split())
