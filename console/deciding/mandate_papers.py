"""A mandate on paper that the program's owner reviews (EA-5): the scan, the text that has to be on it, the decision.

The same service as in the agency's own queue: nobody decides about what they uploaded, nobody approves what they have
not seen, and each paper is decided once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import personal
from console.deciding import queue
from console.deciding.evidence import is_picture, picture
from console.deciding.forms import PaperForm
from console.deciding.queue import Item
from console.deciding.views import OneCase, Undecided, reviewers_of
from enrollment import leases
from enrollment.leases import Thing
from enrollment.models import ReviewLease
from enrollment.states import Decidable
from files import scanning
from files.showing import NotShown, as_attachment
from identity.models import StaffMember, User
from portals.agency import papers
from portals.models import MandatePaper

_WHY_NOT = {
    "OWN": _("Who uploaded a paper cannot review it."),
    "OWNER": _("This paper is the agency's to review."),
    "NOT_OPENED": _("Open the file and look at it before you approve it."),
    "HOLDER": _("The utility now names another holder of this account, or none. Ask for another paper."),
    "UNAVAILABLE": _("The utility does not answer. Nothing was decided. Try again later."),
    "MANDATE": _("The customer has taken this mandate back. Nothing was decided."),
    "CASE": _("The case is in other hands or over. Ask for another paper."),
    "GONE": _("The file is no longer kept. Ask for another."),
}


class OnePaper(OneCase):
    kind = Decidable.PAPER
    template_name = "console/deciding/paper.html"

    def found(self) -> MandatePaper:
        row = papers.owners_queue().filter(pk=self.kwargs["reference"]).first()
        if row is None:
            raise Http404(_("There is no such paper."))
        return row

    @cached_property
    def item(self) -> Item:
        return queue.item_of(Thing(Decidable.PAPER, str(self.row.pk), str(self.row.mandate.subject_id)), self.row)

    def is_open(self) -> bool:
        return bool(self.row.state == MandatePaper.State.WAITING)

    @property
    def reviewer(self) -> papers.Reviewer:
        assert isinstance(self.request.user, User)
        return papers.Reviewer(
            staff=str(self.member.pk) if self.member is not None else "", user_pk=self.request.user.pk
        )

    def why_not_me(self) -> str:
        code = papers.why_not(self.row, self.reviewer) if self.member is not None else ""
        return str(_WHY_NOT[code]) if code else ""

    def personal_data(self) -> personal.Data:
        return personal.Data(self.thing.subject, "paper", self.thing.reference, ("account", "name"))

    def form_of(self, data: Any = None) -> PaperForm:
        return PaperForm(data)

    def open_file(self, *, unscanned: bool) -> None:
        papers.show(self.row, self.reviewer, now=self.now, unscanned=unscanned)

    def decide(self, said: Mapping[str, Any], form: Any, member: StaffMember, lease: ReviewLease) -> str:
        try:
            # The utility is asked who holds the account: no transaction is open around it.
            papers.decide(
                self.row, self.reviewer, said["verdict"], reason=said["reason"], note=said["text"], now=self.now
            )
        except papers.Decided as problem:
            raise Undecided(gettext("Somebody was faster: this paper is decided. Nothing was changed.")) from problem
        except papers.NotYours as problem:
            raise Undecided(str(_WHY_NOT[str(problem)]), 403) from problem
        except papers.NotPossible as problem:
            raise Undecided(str(_WHY_NOT[str(problem)])) from problem
        with transaction.atomic():
            leases.note(self.thing, member, said["note"], self.now)
            leases.decided(self.thing)
        return gettext("Decided. The agency reads it at its case.")

    def shown(self) -> dict[str, Any]:
        row = self.row
        looked_up = row.case.looked_up if isinstance(row.case.looked_up, dict) else {}
        account, name = str(looked_up.get("account", "")), row.mandate.subject.name
        return {
            "text": papers.words(row.case, row.uploaded_by),
            "account": account if self.is_unmasked else personal.masked(account),
            "name": name if self.is_unmasked else personal.masked(name),
            "is_picture": is_picture(row),
            "is_kept": bool(row.storage_key),
            "is_unscanned": row.scan != scanning.CLEAN and not scanning.is_configured(),
            "reviewers": reviewers_of(f"staff:{row.reviewed_by_staff}" if row.reviewed_by_staff else ""),
        }


class Scan(OnePaper):
    """The scan for its page, or as an attachment: only to who has the case before them."""

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        lease = self.lease
        is_mine = lease is not None and self.member is not None and lease.held_by_id == self.member.pk
        if not is_mine or lease is None or lease.opened_at is None or not is_picture(self.row):
            raise Http404(_("The file is shown to who has the case before them and has opened it."))
        try:
            return picture(papers.SHELF, self.row)
        except NotShown as problem:
            raise Http404(str(problem)) from problem

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Download it; who has had it is written down."""
        if self.member is None:
            return self.page(status=403, problem=self.context()["why_not"])
        try:
            with transaction.atomic():
                leases.held(self.thing, self.member, self.now)
            unscanned = request.POST.get("unscanned") == "yes"
            found = papers.show(self.row, self.reviewer, now=self.now, unscanned=unscanned)
            leases.opened(self.thing, self.member, self.now)
        except leases.NotHeld:
            return self.page(status=409, problem=self._not_held())
        except NotShown as problem:
            return self.page(status=409, problem=str(problem))
        return as_attachment(found)
