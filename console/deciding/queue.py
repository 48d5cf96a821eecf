"""What waits for a decision of staff: uploaded files, mandates on paper, orders that their customers have stopped.

Three tables, one queue: what has to be decided soonest stands first. Each table is asked for one page by its own index,
and the pages are merged; nothing is counted that is not few. Source: screens C13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.db.models.functions import Least
from django.urls import reverse
from django.utils.translation import gettext as _

from enrollment import leases
from enrollment.leases import Thing
from enrollment.models import Document, EnrollmentCase, ReviewLease
from enrollment.states import OPEN_CASE_STATES, CaseState, Decidable, DocumentState
from portals.agency import papers
from portals.models import MandatePaper

#: What applicants are told: "typically within two working days" (screens P8).
WITHIN = timedelta(days=2)
PAGE = 25
_KINDS = (Decidable.DOCUMENT, Decidable.PAPER, Decidable.ORDER)
#: Where staff finds each kind.
PAGES = {
    Decidable.DOCUMENT: "admin:document-to-decide",
    Decidable.PAPER: "admin:paper-to-decide",
    Decidable.ORDER: "admin:order-to-decide",
}


@dataclass(frozen=True)
class Item:
    """One thing to decide. `due`: the end of the application, or two days after it came, whichever is first.

    `first_by` is who has approved it already ("" where nobody has): `staff:<id>`.
    """

    thing: Thing
    row: Any
    what: str
    program: str
    came_from: str
    since: datetime
    due: datetime
    first_by: str = ""
    lease: ReviewLease | None = None

    @property
    def address(self) -> str:
        return reverse(PAGES[self.thing.kind], args=[self.thing.reference])


@dataclass(frozen=True)
class Wanted:
    """Which part of the queue: a kind, a program's id, whose; "" for all. `who` is FREE or MINE."""

    kind: str = ""
    program: str = ""
    who: str = ""


@dataclass(frozen=True)
class Cursor:
    """Behind which item a page begins."""

    due: datetime
    rank: int
    pk: str

    def __str__(self) -> str:
        return f"{self.due.isoformat()}~{self.rank}~{self.pk}"

    @staticmethod
    def read(text: str) -> Cursor | None:
        """A cursor as `str` writes it; None for anything else."""
        due, _tilde, rest = text.partition("~")
        rank, _tilde, pk = rest.partition("~")
        try:
            at = datetime.fromisoformat(due)
        except ValueError:
            return None
        if at.tzinfo is None or rank not in ("0", "1", "2") or not _is_key(int(rank), pk):
            return None
        return Cursor(at, int(rank), pk)


def _is_key(rank: int, pk: str) -> bool:
    if _KINDS[rank] is Decidable.PAPER:
        return len(pk) == 36 and all(each in "0123456789abcdef-" for each in pk)
    return pk.isascii() and pk.isdigit() and len(pk) < 19


def page(wanted: Wanted, *, member: str, now: datetime, after: Cursor | None = None) -> tuple[list[Item], str]:
    """Return a page of the queue, the most urgent first, and the cursor of the next one ("" at the end)."""
    found = sorted(
        (each for rank in range(len(_KINDS)) for each in _of(rank, wanted, member, now, after)), key=lambda e: e[0]
    )
    shown, has_more = found[:PAGE], len(found) > PAGE
    held = leases.of_many([item.thing for _key, item in shown], now)
    items = [replace(item, lease=held.get((item.thing.kind, item.thing.reference))) for _key, item in shown]
    last = shown[-1][0] if shown else None
    return items, str(Cursor(last[0], last[1], str(last[2]))) if has_more and last is not None else ""


def free(wanted: Wanted, *, member: str, now: datetime) -> Iterator[Item]:
    """What this person could take now, the most urgent first; not what they have approved before."""
    mine = Wanted(wanted.kind, wanted.program, "FREE")
    items, _more = page(mine, member=member, now=now)
    return (item for item in items if item.first_by != f"staff:{member}")


def item_of(thing: Thing, row: Any) -> Item:
    """The item of one row, as its page shows it."""
    return _MAKERS[thing.kind](row)


# --- the three tables ------------------------------------------------------------------------------------------------


def documents() -> QuerySet[Any]:
    """Files that applicants have handed in and nobody has decided about."""
    due = Least("case__deadline", _later("uploaded_at"))
    rows = Document.objects.filter(state=DocumentState.UPLOADED, case__state=CaseState.IN_REVIEW)
    return rows.select_related("case__program_version").annotate(due=due)


def mandate_papers() -> QuerySet[Any]:
    """Mandates on paper that the program's owner reviews."""
    until = ExpressionWrapper(F("case__opened_at") + Value(papers.LASTS), output_field=DateTimeField())
    rows = MandatePaper.objects.filter(by_owner=True, state=MandatePaper.State.WAITING)
    return rows.select_related("case__agency", "case__program", "mandate").annotate(
        due=Least(until, _later("uploaded_at"))
    )


def stopped_orders() -> QuerySet[Any]:
    """Orders whose customer has said "this was not me"."""
    is_open = When(state__in=OPEN_CASE_STATES, then=Least("deadline", _later("frozen_at")))
    rows = EnrollmentCase.objects.filter(frozen_at__isnull=False).select_related("program_version", "enrollment")
    return rows.annotate(due=Case(is_open, default=_later("frozen_at")))


def _later(field: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(field) + Value(WITHIN), output_field=DateTimeField())


def _of(
    rank: int, wanted: Wanted, member: str, now: datetime, after: Cursor | None
) -> list[tuple[tuple[datetime, int, Any], Item]]:
    kind = _KINDS[rank]
    if wanted.kind not in ("", kind):
        return []
    rows: QuerySet[Any]
    if kind is Decidable.DOCUMENT:
        rows, program, reference = documents(), "case__program_id", "document_id"
    elif kind is Decidable.PAPER:
        rows, program, reference = mandate_papers(), "case__program__program_id", "pk"
    else:
        rows, program, reference = stopped_orders(), "program_id", "pk"
    if wanted.program:
        rows = rows.filter(**{program: wanted.program})
    if wanted.who:
        held = ReviewLease.objects.filter(kind=kind, until__gt=now)
        if wanted.who == "MINE":
            rows = rows.filter(
                **{f"{reference}__in": _references(held.filter(held_by=UUID(member) if member else None))}
            )
        else:
            rows = rows.exclude(**{f"{reference}__in": _references(held)})
    if after is not None:
        # Of equal moments: by kind, then by key.
        equal = Q(due=after.due) & (Q(pk__gt=after.pk) if rank == after.rank else Q())
        rows = rows.filter(Q(due__gt=after.due) | equal if rank >= after.rank else Q(due__gt=after.due))
    rows = rows.only(*_SHOWN[kind]).order_by("due", "pk")[: PAGE + 1]
    return [((row.due, rank, row.pk), _MAKERS[kind](row)) for row in rows]


def _references(held: QuerySet[ReviewLease]) -> Sequence[str]:
    return list(held.values_list("reference", flat=True))


def _document(row: Document) -> Item:
    case = row.case
    what = _("Certificate of the device %(device)s") % {"device": row.der_id} if row.der_id else row.kind
    return Item(
        Thing(Decidable.DOCUMENT, row.document_id, str(case.subject_id or "")),
        row,
        what,
        _program(case),
        row.uploaded_by_agency or _("the applicant"),
        row.uploaded_at or row.asked_at,
        getattr(row, "due", None) or min(case.deadline, (row.uploaded_at or row.asked_at) + WITHIN),
        row.first_reviewer,
    )


def _paper(row: MandatePaper) -> Item:
    return Item(
        Thing(Decidable.PAPER, str(row.pk), str(row.mandate.subject_id)),
        row,
        _("Mandate on paper, case %(reference)s") % {"reference": row.case.reference},
        row.case.program.program_id,
        row.case.agency.agency_id,
        row.uploaded_at,
        getattr(row, "due", None) or min(papers.until(row.case), row.uploaded_at + WITHIN),
    )


def _order(row: EnrollmentCase) -> Item:
    enrollment = getattr(row, "enrollment", None)
    since = row.frozen_at or row.updated_at
    named = {"order": enrollment.order_number if enrollment is not None else row.order_id}
    return Item(
        Thing(Decidable.ORDER, str(row.pk), str(row.subject_id or "")),
        row,
        _("Stopped by its customer: %(order)s") % named,
        _program(row),
        row.agency_id or _("the applicant"),
        since,
        getattr(row, "due", None) or since + WITHIN,
    )


def _program(case: EnrollmentCase) -> str:
    return case.program_version.name if case.program_version is not None else case.program_id


#: What a line of the queue needs; the rest of these rows is encrypted, or long.
_SHOWN: Mapping[Decidable, Sequence[str]] = {
    Decidable.DOCUMENT: (
        "document_id",
        "kind",
        "der_id",
        "asked_at",
        "uploaded_at",
        "uploaded_by_agency",
        "first_reviewer",
        "case__subject_id",
        "case__program_id",
        "case__deadline",
        "case__program_version__name",
    ),
    Decidable.PAPER: (
        "uploaded_at",
        "case__reference",
        "case__opened_at",
        "case__agency__agency_id",
        "case__program__program_id",
        "mandate__subject_id",
    ),
    Decidable.ORDER: (
        "order_id",
        "subject_id",
        "program_id",
        "agency_id",
        "frozen_at",
        "updated_at",
        "deadline",
        "state",
        "program_version__name",
        "enrollment__order_number",
    ),
}
_MAKERS: Mapping[Decidable, Callable[[Any], Item]] = {
    Decidable.DOCUMENT: _document,
    Decidable.PAPER: _paper,
    Decidable.ORDER: _order,
}
