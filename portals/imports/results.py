"""What became of each row, as a file: read from the database a thousand rows at a time, whoever downloads it.

Whether the utility knows a customer, no row says: only what somebody answered after their own sign-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils.translation import get_language

from portals.models import AssistedCase, BulkImport, Handover, ImportRow, Invitation

HEADER = ("line", "reference", "state", "code", "column", "value", "remedy", "invitation", "answer")
AT_ONCE = 1000
_WRONG = (ImportRow.State.MALFORMED, ImportRow.State.REFUSED)


def rows(found: BulkImport, *, only_wrong: bool = False) -> Iterator[tuple[Any, ...]]:
    """The lines of the result, in the order of the file."""
    lines = ImportRow.objects.filter(bulk_import=found).select_related("case").order_by("number")
    if only_wrong:
        lines = lines.filter(state__in=_WRONG)
    after = 0
    while some := list(lines.filter(number__gt=after)[:AT_ONCE]):
        after = some[-1].number
        invitations = _newest([row.case_id for row in some if row.case_id is not None])
        yield from (_line(row, invitations.get(row.case_id)) for row in some)


def remedy(code: str) -> str:
    """What to do about a row's code, in the reader's language."""
    return _remedy(code, get_language() or "en") if code else ""


def counted(found: BulkImport) -> Mapping[str, int]:
    """How many invitations of the import are in which state, and how many customers have agreed."""
    counts = dict.fromkeys(Invitation.State.values, 0)
    for state in Invitation.objects.filter(bulk_import=found).values_list("state", flat=True).order_by().iterator():
        counts[state] += 1
    cases = AssistedCase.objects.filter(import_lines__bulk_import=found)
    return {**counts, "AGREED": cases.filter(proved_at__isnull=False).distinct().count()}


def few(found: BulkImport, most: int = 20) -> QuerySet[ImportRow]:
    """The first rows that were not taken, for the page."""
    return found.lines.filter(state__in=_WRONG).order_by("number")[:most]


def _newest(cases: list[UUID]) -> dict[UUID | None, Invitation]:
    found = Invitation.objects.filter(case__in=cases).select_related("handover").order_by("released_at")
    return {each.case_id: each for each in found}


def _line(row: ImportRow, invitation: Invitation | None) -> tuple[Any, ...]:
    sent = invitation.state if invitation is not None else ""
    about = (row.number, row.reference, row.state, row.code, row.column, row.value, remedy(row.code))
    return (*about, sent, _answer(row.case, invitation))


def _answer(case: AssistedCase | None, invitation: Invitation | None) -> str:
    if case is None:
        return ""
    if case.not_me_at is not None:
        return "NOT_ME"
    if case.proved_at is not None:
        return "AGREED"
    handover: Handover | None = invitation.handover if invitation is not None else None
    if handover is not None and handover.answer:
        return {"NO": "REFUSED"}.get(handover.answer, handover.answer)
    return case.outcome


@lru_cache(maxsize=256)
def _remedy(code: str, locale: str) -> str:
    return " ".join(render_to_string("agency/imports/remedy.html", {"code": code}).split())
