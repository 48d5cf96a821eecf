"""What the portals keep of people, and how long.

Drafts that nobody goes on with are forgotten: what was answered in them is personal and serves nobody any more.
Nothing was enrolled by them and no consent was given: a Yes counts from the confirm that carries it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from audit.log import Action
from identity import keeping
from identity.keeping import Ground, How, Kind, Person, Room, Section
from identity.models import Mandate, Subject
from portals import mandates, matrix
from portals.agency import papers, timeline
from portals.imports import keeping as imports
from portals.models import (
    Application,
    AssistedCase,
    BasketItem,
    BulkImport,
    ConsentReceipt,
    HeldCredential,
    HelpCode,
    MandateLink,
    MandatePaper,
    MatrixAnswer,
)

AT_ONCE = 200
FORGOTTEN_CASE = "FORGOTTEN"  # the outcome of an agency's case that nobody went on with
FORGOTTEN = (Application.State.DRAFT, Application.State.DROPPED, Application.State.REFUSED)


def forget(now: datetime) -> int:
    """Delete what was left for longer than RETENTION_DRAFTS_DAYS; return how many. Safe to run twice at once."""
    before = now - timedelta(days=settings.RETENTION_DRAFTS_DAYS)
    count = 0
    while found := _some(before, now):
        count += found
    while found := _some_cases(before, now):
        count += found
    return count


def _some_cases(before: datetime, now: datetime) -> int:
    """Cases that nobody went on with before a journey began: what the customer was found by goes, the case is closed.

    Those of files are the imports' (`portals.imports.keeping`).
    """
    with transaction.atomic():
        rows = AssistedCase.objects.select_for_update(skip_locked=True, of=("self",)).select_related(
            "agency", "subject"
        )
        lying = rows.filter(application=None, updated_at__lt=before).exclude(state=AssistedCase.State.CLOSED)
        found = list(lying.exclude(source=AssistedCase.Source.IMPORT).order_by("pk")[:AT_ONCE])
        for case in found:
            _close(case, now)
            case.looked_up = {}
            case.save()
    return len(found)


def _some(before: datetime, now: datetime) -> int:
    with transaction.atomic():
        old = Application.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state__in=FORGOTTEN, updated_at__lt=before, asked_at=None, enrollment_id="", credentials=None
        )
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        _delete(keys, now)
    return len(keys)


def _delete(keys: list[UUID], now: datetime) -> None:
    """The journeys with all that hangs on them; the caller has a transaction open."""
    _let_go_of_cases(keys, now)
    HeldCredential.objects.filter(application__in=keys).delete()
    ConsentReceipt.objects.filter(application__in=keys).delete()
    HelpCode.objects.filter(application__in=keys).delete()
    Application.objects.filter(pk__in=keys).delete()


def _journeys(now: datetime) -> int:
    """A batch of journeys that are long over, with receipts and credentials; the provider's evidence is its own."""
    before = now - keeping.of_people()
    idle = keeping.unused(Subject.objects.filter(pk=OuterRef("subject")), before)
    over = Application.objects.filter(Q(state=Application.State.ENDED) | Exists(idle), updated_at__lt=before)
    keys = keeping.some(over.order_by("updated_at"), AT_ONCE)
    _delete(keys, now)
    return len(keys)


def _let_go_of_cases(keys: list[UUID], now: datetime) -> None:
    """An agency's case outlives its journey, for its scorecard; what its customer was found by goes with it."""
    for case in AssistedCase.objects.select_for_update(of=("self",)).filter(application__in=keys).order_by("pk"):
        if case.state != AssistedCase.State.CLOSED:
            _close(case, now)
        case.application, case.looked_up = None, {}
        case.save()
    AssistedCase.objects.filter(handed_over__in=keys).update(handed_over=None)


def _close(case: AssistedCase, now: datetime) -> None:
    case.state, case.outcome, case.closed_at = AssistedCase.State.CLOSED, FORGOTTEN_CASE, now
    timeline.note(Action.ASSISTED_CLOSED, case, None, now, outcome=FORGOTTEN_CASE)


# --- the kinds -------------------------------------------------------------------------------------------------------


def _oldest_draft() -> datetime | None:
    lying = Application.objects.filter(state__in=FORGOTTEN, asked_at=None, enrollment_id="", credentials=None)
    return keeping.first(lying, "updated_at")


def _oldest_import() -> datetime | None:
    return keeping.first(BulkImport.objects.filter(Exists(imports.rows_of(OuterRef("pk")))), "finished_at")


def _oldest_paper() -> datetime | None:
    decided = MandatePaper.objects.exclude(storage_key="").exclude(state=MandatePaper.State.WAITING)
    until = keeping.first(decided, "retention_until")
    return until - timedelta(days=settings.RETENTION_DOCUMENTS_DAYS) if until else None


KINDS = (
    Kind(
        code="portals.drafts",
        name=_("Applications that nobody goes on with, and what agencies found customers by"),
        ground=Ground.SERVICE,
        how=How.DELETE,
        since=_("somebody last worked on it"),
        period=keeping.days("RETENTION_DRAFTS_DAYS"),
        covers=("portals.assistedcase.looked_up",),
        stays=_("An agency’s case with its outcome, for the agency’s figures, without whom it was about."),
        let_go=forget,
        oldest=_oldest_draft,
    ),
    Kind(
        code="portals.journeys",
        name=_("Applications that became enrolments: answers, what was answered to them, receipts, credentials"),
        ground=Ground.CONTRACT,
        how=How.DELETE,
        since=_("the enrolment ended"),
        period=keeping.of_people,
        covers=(
            "portals.application.answers",
            "portals.application.told",
            "portals.consentreceipt.record",
            "portals.heldcredential.data",
            "portals.heldcredential.access_url",
            "portals.heldcredential.offer_url",
        ),
        stays=_("Nothing here: the program owner’s own evidence has the enrolment and its consents."),
        let_go=_journeys,
        oldest=lambda: keeping.first(Application.objects.filter(state=Application.State.ENDED), "updated_at"),
    ),
    Kind(
        code="portals.matrix",
        name=_("Which programs a person’s meters could join, and their basket"),
        ground=Ground.SERVICE,
        how=How.DELETE,
        since=_("the answer"),
        period=lambda: matrix.KEPT,
        covers=("portals.matrixanswer.cells",),
        let_go=matrix.forget,
        oldest=lambda: keeping.first(MatrixAnswer.objects.all(), "answered_at"),
    ),
    Kind(
        code="portals.imports",
        name=_("Agencies’ files of customers, line by line"),
        ground=Ground.SERVICE,
        how=How.DELETE,
        since=_("the import’s end, or its last invitation"),
        period=keeping.days("RETENTION_IMPORTS_DAYS"),
        covers=(
            "portals.bulkimport.file_name",
            "portals.importpart.data",
            "portals.importrow.told",
            "portals.importrow.value",
        ),
        stays=_("That there was a file, its digest and how many of its lines were taken."),
        let_go=imports.forget,
        oldest=_oldest_import,
    ),
    Kind(
        code="portals.papers",
        name=_("Mandates on paper: the scan, and the note about it"),
        ground=Ground.PROOF,
        how=How.DELETE,
        since=_("the upload; what waits for its review is kept till then"),
        period=keeping.days("RETENTION_DOCUMENTS_DAYS"),
        covers=("portals.mandatepaper.note",),
        stays=_("Digest, size, who looked at it and what they decided."),
        let_go=papers.forget_files,
        oldest=_oldest_paper,
        every=timedelta(seconds=1),
    ),
    Kind(
        code="portals.mandate-links",
        name=_("Addresses by which customers take a mandate back"),
        ground=Ground.SECURITY,
        how=How.DELETE,
        since=_("the address’s end"),
        period=timedelta,
        let_go=mandates.forget_links,
        oldest=lambda: keeping.first(MandateLink.objects.all(), "expires_at"),
        every=timedelta(hours=1),
    ),
)


# --- one person ------------------------------------------------------------------------------------------------------


def _uses(before: datetime) -> Iterable[Exists]:
    yield Exists(Application.objects.filter(subject=OuterRef("pk"), updated_at__gte=before))


def _mine(person: Person) -> QuerySet[Application]:
    return Application.objects.filter(subject__in=person.ids)


def _transactions(ids: tuple[UUID, ...]) -> Iterable[str]:
    found = list(Application.objects.filter(subject__in=ids).values_list("transaction_id", flat=True))
    return found + list(MatrixAnswer.objects.filter(subject__in=ids).values_list("transaction_id", flat=True))


def _papers(ids: tuple[UUID, ...]) -> Iterable[str]:
    found = MandatePaper.objects.filter(mandate__subject__in=ids)
    return [str(each) for each in found.values_list("pk", flat=True)]


def _held(person: Person) -> Iterable[Section]:
    rows = _mine(person).select_related("program").prefetch_related("receipts", "credentials").order_by("started_at")
    yield Section("Your applications on our pages", [_row(each) for each in rows])
    answers = MatrixAnswer.objects.filter(subject__in=person.ids).select_related("program").order_by("pk")
    yield Section(
        "Which programs your meters could join",
        [
            {"program": each.program.program_id, "asked": each.answered_at, "answer": each.cells.get("told", {})}
            for each in answers
        ],
    )
    cases = AssistedCase.objects.filter(subject__in=person.ids).select_related("agency", "program").order_by("pk")
    yield Section(
        "When an agency helped you",
        [
            {
                "agency": each.agency.name,
                "its reference": each.reference,
                "program": each.program.program_id,
                "found you by": each.looked_up,
                "began": each.opened_at,
                "state": each.state,
                "outcome": each.outcome,
            }
            for each in cases
        ],
    )


def _row(each: Application) -> Mapping[str, Any]:
    return {
        "program": each.program.program_id,
        "utility": each.utility_id,
        "state": each.state,
        "order number": each.order_number,
        "began": each.started_at,
        "last change": each.updated_at,
        "your answers": each.answers,
        "what you were answered": each.told,
        "receipts of your consents": [receipt.record for receipt in each.receipts.all()],
        "credentials": [
            {"id": held.credential_id, "kind": held.kind, "issued": held.issued_at, "data": held.data}
            for held in each.credentials.all()
        ],
    }


def _erase(person: Person, now: datetime) -> Mapping[str, int]:
    for mandate in Mandate.objects.filter(subject__in=person.ids, state__in=mandates.LIVING).order_by("pk"):
        mandates.take_back(mandate, now=now)
    keys = list(_mine(person).select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    _delete(keys, now)
    found = MatrixAnswer.objects.filter(subject__in=person.ids).delete()[0]
    found += BasketItem.objects.filter(subject__in=person.ids).delete()[0]
    cases = AssistedCase.objects.select_for_update(of=("self",)).filter(subject__in=person.ids).order_by("pk")
    for case in cases.select_related("agency", "subject"):
        if case.state != AssistedCase.State.CLOSED:
            _close(case, now)
        case.looked_up = {}
        case.save()
    scans = papers.forget_those_of(person.ids)
    return {"JOURNEY": len(keys), "MATRIX": found, "PAPER": scans}


def _stays(person: Person) -> Mapping[str, int]:
    return {"AGENCY_CASE": AssistedCase.objects.filter(subject__in=person.ids).count()}


ROOM = Room(
    "portals",
    KINDS,
    uses=_uses,
    transactions=_transactions,
    papers=_papers,
    held=_held,
    erase=_erase,
    stays=_stays,
)
