"""A file in place of a certificate: the evidence beside what was declared, and the decision of two persons.

A picture was drawn again by us when it came, so a page may show it; a PDF is as somebody else made it and leaves as an
attachment only (docs/decisions/documents.md). Nobody approves a file that they have not opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock
from console import personal
from console.deciding import comparing, queue, words
from console.deciding.evidence import is_picture, picture
from console.deciding.forms import AGAIN, APPROVE, REASONS, REFUSE, FileForm
from console.deciding.queue import Item
from console.deciding.views import OneCase, Undecided, reviewers_of
from console.site import actor_of
from enrollment import keeping_files, leases, reviews, wording
from enrollment.keeping_files import SHELF
from enrollment.leases import Thing
from enrollment.models import Document, ReviewLease
from enrollment.reviews import NothingToReview, NotYours, Reviewer
from enrollment.states import CaseState, Decidable, DocumentState
from files import scanning
from files.showing import NotShown, as_attachment
from identity.models import StaffMember
from utility_systems import registry
from utility_systems.models import Meter


class OneFile(OneCase):
    kind = Decidable.DOCUMENT
    template_name = "console/deciding/document.html"

    def found(self) -> Document:
        rows = Document.objects.select_related("case__program_version__program", "case__subject")
        row = rows.filter(document_id=self.kwargs["reference"]).exclude(state=DocumentState.ASKED).first()
        if row is None:
            raise Http404(_("There is no such file."))
        return row

    @cached_property
    def item(self) -> Item:
        row = self.row
        return queue.item_of(Thing(Decidable.DOCUMENT, row.document_id, str(row.case.subject_id or "")), row)

    def is_open(self) -> bool:
        return bool(self.row.state == DocumentState.UPLOADED)

    def why_not_me(self) -> str:
        return why_not(self.row, self.member)

    def personal_data(self) -> personal.Data:
        case = self.row.case
        return personal.Data(str(case.subject_id or ""), "document", self.row.document_id, ("name",))

    def form_of(self, data: Any = None) -> FileForm:
        return FileForm(data, zone=zone_of(self.row))

    def open_file(self, *, unscanned: bool) -> None:
        show(self.row, self.request, unscanned=unscanned)

    def preview(self, said: Mapping[str, Any]) -> list[wording.Words]:
        if said["verdict"] == APPROVE:
            return []
        case, is_final = self.row.case, said["verdict"] == REFUSE
        theirs = wording.language_for(case.subject.locale if case.subject is not None else "")
        return [
            reviews.told(case, said["reason"], said["text"], is_final=is_final, locale=locale)
            for locale in dict.fromkeys((theirs, wording.DEFAULT))
        ]

    def decide(self, said: Mapping[str, Any], form: Any, member: StaffMember, lease: ReviewLease) -> str:
        if said["verdict"] == APPROVE and lease.opened_at is None:
            raise Undecided(gettext("Open the file and look at it before you approve it."))
        who, actor = reviewer(member), actor_of(self.request)
        try:
            with transaction.atomic():
                leases.held(self.thing, member, self.now)
                leases.note(self.thing, member, said["note"], self.now)
                leases.decided(self.thing)
                if said["verdict"] == APPROVE:
                    row = reviews.approve(self.row.document_id, who, form.reading, actor=actor, now=self.now)
                else:
                    row = reviews.refuse(
                        self.row.document_id,
                        who,
                        said["reason"],
                        text=said["text"] if said["verdict"] == AGAIN else "",
                        is_final=said["verdict"] == REFUSE,
                        actor=actor,
                        now=self.now,
                    )
        except NotYours as problem:
            raise Undecided(str(problem), 403) from problem
        except NothingToReview as problem:
            raise Undecided(gettext("Somebody was faster: this file is decided. Nothing was changed.")) from problem
        if row.state == DocumentState.APPROVED:
            return gettext("Approved by two persons. The application goes on by itself.")
        if row.state == DocumentState.UPLOADED:
            return gettext("Your approval is kept. A second person looks at the file now.")
        if row.is_final:
            return gettext("Refused. The applicant is told, and no other file is asked for.")
        return gettext("The applicant is asked for another file and reads what you have written.")

    def shown(self) -> dict[str, Any]:
        row, case = self.row, self.row.case
        name = case.subject.name if case.subject is not None else ""
        return {
            "case": case,
            "state": words.file(row.state),
            "case_state": words.application(case.state),
            "compared": comparing.of_device(case, row.der_id),
            "is_picture": is_picture(row),
            "is_kept": bool(row.storage_key),
            "is_unscanned": row.scan != scanning.CLEAN and not scanning.is_configured(),
            "name": name if self.is_unmasked else personal.masked(name),
            "has_name": bool(name),
            "reviewers": reviewers_of(row.first_reviewer, row.second_reviewer),
            "locale": wording.language_for(case.subject.locale if case.subject is not None else ""),
            "why_refused": REASONS.get(row.refusal_reason, row.refusal_reason),
            "is_handed_in": case.state == CaseState.IN_REVIEW or not self.is_open(),
        }


class File(OneFile):
    """The picture for its page, the file as an attachment: only to who has the case before them."""

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        lease = self.lease
        is_mine = lease is not None and self.member is not None and lease.held_by_id == self.member.pk
        if not is_mine or lease is None or lease.opened_at is None or not is_picture(self.row):
            raise Http404(_("The file is shown to who has the case before them and has opened it."))
        try:
            return picture(SHELF, self.row)
        except NotShown as problem:
            raise Http404(str(problem)) from problem

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Download it; who has had it is written down."""
        if self.member is None:
            return self.page(status=403, problem=self.context()["why_not"])
        try:
            with transaction.atomic():
                leases.held(self.thing, self.member, self.now)
            found = show(self.row, request, unscanned=request.POST.get("unscanned") == "yes")
            leases.opened(self.thing, self.member, self.now)
        except leases.NotHeld:
            return self.page(status=409, problem=self._not_held())
        except NotShown as problem:
            return self.page(status=409, problem=str(problem))
        return as_attachment(found)


def show(row: Document, request: HttpRequest, *, unscanned: bool) -> Any:
    """The file for who reviews it; the look is written down. Raises NotShown."""
    return keeping_files.show(row.document_id, actor=actor_of(request), now=clock.now(), unscanned=unscanned)


def reviewer(member: StaffMember) -> Reviewer:
    """Who of staff reviews: one human, one name, whatever they are called today."""
    return Reviewer(f"staff:{member.pk}")


def why_not(row: Document, member: StaffMember | None) -> str:
    """Why this person may not review the file; "" where they may."""
    if member is not None and row.first_reviewer == reviewer(member).name:
        return gettext("You have approved this file. The second review is another person's.")
    if member is not None and row.uploaded_by == reviewer(member).name:
        return gettext("You have uploaded this file. Others review it.")
    return ""


def zone_of(row: Document) -> ZoneInfo:
    """Where the meter of the application is: a certificate's last day ends there."""
    utility_id = Meter.objects.filter(umid__in=row.case.meters[:1]).values_list("utility_id", flat=True).first()
    try:
        return registry.zone(utility_id or "")
    except registry.UnknownUtility:
        return ZoneInfo("UTC")
