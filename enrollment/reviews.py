"""Four eyes on a file: two persons approve it, or one refuses it; then the application goes on by itself.

Nobody reviews what they uploaded, no agency what its own people uploaded, and the second person is another than the
first: asked here kindly, and kept by constraints of the database. A refused file may be followed by another one, with
words for the applicant about what it has to show, or refused for good. Source: personas 6 (R-P6.8), P6-4, screens C13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit import log
from audit.log import Action, Actor
from enrollment import notices, wording
from enrollment.models import Document, EnrollmentCase
from enrollment.states import CaseState, DocumentState

#: Why a file is not accepted: codes with a sentence for the applicant (`enrollment/words`).
REASONS = (
    "UNREADABLE",
    "INCOMPLETE",
    "WRONG_DOCUMENT",
    "WRONG_DEVICE",
    "WRONG_PERSON",
    "OUT_OF_DATE",
    "NOT_GENUINE",
    "OTHER",
)
#: How much one may write to an applicant.
MOST_TEXT = 500
# What a notice must not carry: addresses, and numbers long enough to be somebody's.
_TELLING = re.compile(r"@|https?://|www\.|\d(?:[ ./-]?\d){5,}")


@dataclass(frozen=True)
class Reviewer:
    """Who looks: `staff:<name>` or `operator:<id>`, with the agency they belong to, if any."""

    who: str
    agency_id: str = ""

    @property
    def name(self) -> str:
        return self.who.strip().lower()


@dataclass(frozen=True)
class Reading:
    """What the reviewer read in the file, where it says so."""

    capacity_kw: float | None = None
    valid_until: datetime | None = None


class NotYours(Exception):
    """This person may not review this file; the text says why."""


class NothingToReview(Exception):
    """There is no such file waiting for a review."""


def approve(document_id: str, reviewer: Reviewer, reading: Reading, *, actor: Actor, now: datetime) -> Document:
    """Record an approval; the second one decides. Raises NotYours, NothingToReview."""
    with transaction.atomic():
        row = _locked(document_id)
        _refuse_the_partial(row, reviewer)
        is_first = not row.first_reviewer
        if not row.storage_key:
            raise NothingToReview(f"The file of {document_id} is no longer kept: refuse it.")
        _agree(row, reading, is_first=is_first)
        if is_first:
            row.first_reviewer, row.first_reviewer_agency = reviewer.name, reviewer.agency_id
            row.first_reviewed_at = now
        else:
            row.second_reviewer, row.second_reviewer_agency = reviewer.name, reviewer.agency_id
            row.state, row.decided_at = DocumentState.APPROVED, now
        row.save()
        _journal(Action.DOCUMENT_REVIEWED if is_first else Action.DOCUMENT_APPROVED, row, reviewer, actor, now)
        if not is_first:
            _tell(row, "document-approved", now)
            _go_on(row, now)
    return row


def refuse(
    document_id: str,
    reviewer: Reviewer,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    text: str = "",
    is_final: bool = False,
) -> Document:
    """Refuse the file for a reason (a code, UNREADABLE); one person is enough. Raises NotYours, NothingToReview.

    The applicant is asked for another one, and reads `text` besides the reason; unless it is `is_final`. Raises
    ValueError for a text that `problem_of_text` objects to.
    """
    text = text.strip()
    if text and problem_of_text(text):
        raise ValueError(problem_of_text(text))
    with transaction.atomic():
        row = _locked(document_id)
        _refuse_the_partial(row, reviewer)
        if row.first_reviewer:
            row.second_reviewer, row.second_reviewer_agency = reviewer.name, reviewer.agency_id
        else:
            row.first_reviewer, row.first_reviewer_agency = reviewer.name, reviewer.agency_id
            row.first_reviewed_at = now
        row.state, row.decided_at, row.refusal_reason = DocumentState.REFUSED, now, reason[:60]
        row.applicant_text, row.is_final = text or None, is_final
        row.save()
        _journal(Action.DOCUMENT_REFUSED, row, reviewer, actor, now)
        if text and not is_final:
            _journal(Action.REVIEW_ASKED_AGAIN, row, reviewer, actor, now)
        _tell(row, template_of(text, is_final=is_final), now, reason=row.refusal_reason)
        _go_on(row, now)
    return row


def template_of(text: str, *, is_final: bool) -> str:
    """In which notice an applicant reads that their file was refused."""
    if is_final:
        return "document-refused-for-good"
    return "document-asked-again" if text else "document-refused"


def problem_of_text(text: str) -> str:
    """Why this must not be written to an applicant; "" where it may."""
    if len(text) > MOST_TEXT:
        return f"Write at most {MOST_TEXT} characters."
    if _TELLING.search(text):
        return "Write no addresses and no numbers of six or more digits: the text travels in messages."
    return ""


def told(case: EnrollmentCase, reason: str, text: str, *, is_final: bool, locale: str) -> wording.Words:
    """The notice an applicant would get for such a refusal, in one of `wording.languages()`. Nothing is written."""
    template = template_of(text.strip(), is_final=is_final)
    return notices.preview(case, template, locale, reason=reason, said=text.strip())


def _locked(document_id: str) -> Document:
    # The case first, as everywhere: an init of the same order locks it and then asks for documents.
    case_id = Document.objects.filter(document_id=document_id).values_list("case_id", flat=True).first()
    if case_id is None:
        raise NothingToReview(f"There is no document {document_id}.")
    EnrollmentCase.objects.select_for_update(of=("self",)).get(pk=case_id)
    row = Document.objects.select_for_update(of=("self",)).select_related("case").get(document_id=document_id)
    if row.state != DocumentState.UPLOADED:
        raise NothingToReview(f"The document {document_id} is {row.state}: there is nothing to review.")
    return row


def _refuse_the_partial(row: Document, reviewer: Reviewer) -> None:
    if not reviewer.name:
        raise NotYours("A review has a name.")
    if reviewer.name == row.uploaded_by:
        raise NotYours("Who uploaded a document cannot review it.")
    if reviewer.agency_id and reviewer.agency_id == row.uploaded_by_agency:
        raise NotYours("An agency cannot review what its own people uploaded.")
    if reviewer.name == row.first_reviewer:
        raise NotYours("You have reviewed this document before; the second review is another person's.")


def _agree(row: Document, reading: Reading, *, is_first: bool) -> None:
    """The first reviewer says what the file states; the second may leave it out, and may not say otherwise."""
    if is_first:
        row.capacity_kw, row.valid_until = reading.capacity_kw, reading.valid_until
        return
    if reading.capacity_kw not in (None, row.capacity_kw) or reading.valid_until not in (None, row.valid_until):
        raise NotYours("The two reviewers read different figures in the document: refuse it, or read it again.")


def _tell(row: Document, template: str, now: datetime, reason: str = "") -> None:
    case = EnrollmentCase.objects.select_related("program_version").get(pk=row.case_id)
    if case.subject_id is not None:
        notices.tell(case, template, now, reason=reason, document=row.document_id)


def _go_on(row: Document, now: datetime) -> None:
    """Have the application that waits for this file checked again by the next sweep, as after a utility's silence."""
    go_on(EnrollmentCase.objects.get(pk=row.case_id), now)


def go_on_after_review(case: EnrollmentCase, now: datetime) -> None:
    """`go_on` for an application whose files were all decided while it was stopped."""
    if not Document.objects.filter(case=case, state=DocumentState.UPLOADED).exists():
        go_on(case, now)


def go_on(case: EnrollmentCase, now: datetime) -> None:
    """Have a locked application that was in review checked again, unless its customer has stopped it."""
    if case.state != CaseState.IN_REVIEW or case.payload is None or case.is_frozen:
        return
    case.waiting_act, case.waiting_utility, case.retry_attempt = "init", "", 0
    case.waiting_since = case.retry_at = case.updated_at = now
    case.save(
        update_fields=["waiting_act", "waiting_utility", "retry_attempt", "waiting_since", "retry_at", "updated_at"]
    )


def _journal(action: Action, row: Document, reviewer: Reviewer, actor: Actor, now: datetime) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(row.case.subject_id or ""),
        object_type="document",
        object_id=row.document_id,
        after={"state": row.state, "first": row.first_reviewer, "second": row.second_reviewer},
        details={
            "reviewer": reviewer.name,
            **({"agency": reviewer.agency_id} if reviewer.agency_id else {}),
            # Whose upload it was: an agency's scorecard counts what of its people's was refused.
            **(
                {"of_agency": row.uploaded_by_agency, "of_operator": row.case.operator_id}
                if row.uploaded_by_agency
                else {}
            ),
            **({"reason": row.refusal_reason} if row.refusal_reason else {}),
            **({"final": True} if row.is_final else {}),
        },
    )
