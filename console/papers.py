"""Agencies' mandates on paper that the program has its owner's staff review (EA-5): the file, and the decision.

The same rules as in the agency's own queue, by the same service: nobody decides about what they uploaded, nobody
approves what they have not seen, and each paper is decided once.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from files import scanning
from files.showing import STATUS, NotShown, as_attachment
from identity.models import User
from portals.agency import papers
from portals.agency.views_review import DecisionForm
from portals.models import MandatePaper

_WHY_NOT = {
    "OWN": _("Who uploaded a paper cannot review it."),
    "OWNER": _("This paper is the agency’s to review."),
    "NOT_OPENED": _("Download the file and look at it before you approve it."),
    "HOLDER": _("The utility now names another holder of this account, or none. Ask for another paper."),
    "UNAVAILABLE": _("The utility does not answer. Nothing was decided. Try again later."),
    "MANDATE": _("The customer has taken this mandate back. Nothing was decided."),
    "CASE": _("The case is in other hands or over. Ask for another paper."),
    "GONE": _("The file is no longer kept. Ask for another."),
    "DECIDED": _("Somebody was faster: this paper is decided. Nothing was changed."),
}


@admin.register(MandatePaper)
class PaperAdmin(OnlyLookedAt):
    acts = Right.DECIDE
    list_display = ("reference", "agency", "program", "state", "scan", "uploaded", "decided_by")
    list_filter = ("state",)
    ordering = (F("reviewed_at").desc(nulls_first=True), "uploaded_at", "pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Mandates on paper"), **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[MandatePaper]:
        return papers.owners_queue()

    @admin.display(description=_("case"))
    def reference(self, row: MandatePaper) -> str:
        return row.case.reference

    @admin.display(description=_("agency"))
    def agency(self, row: MandatePaper) -> str:
        return row.case.agency.agency_id

    @admin.display(description=_("program"))
    def program(self, row: MandatePaper) -> str:
        return row.case.program.program_id

    @admin.display(description=_("uploaded (UTC)"), ordering="uploaded_at")
    def uploaded(self, row: MandatePaper) -> str:
        return f"{row.uploaded_at:%Y-%m-%d %H:%M} · {row.uploaded_by.operator_id}"

    @admin.display(description=_("reviewed by"))
    def decided_by(self, row: MandatePaper) -> str:
        return row.reviewed_by_staff or "–"

    def title_of(self, row: MandatePaper) -> str:
        return gettext("Mandate on paper, case %(reference)s") % {"reference": row.case.reference}

    def told_of(self, request: HttpRequest, row: MandatePaper) -> dict[str, Any]:
        me = _reviewer(request)
        is_open = row.state == MandatePaper.State.WAITING
        return {
            "text": papers.words(row.case, row.uploaded_by),
            "is_unscanned": row.scan != scanning.CLEAN and not scanning.is_configured(),
            "may_read": may(request, Right.DECIDE),
            "may_decide": is_open and may(request, Right.DECIDE) and not papers.why_not(row, me),
            "is_opened": me.name in row.opened_by,
            "form": DecisionForm(),
        }

    def acts_on_one(self) -> dict[str, View]:
        return {"file": require_POST(self.file), "decide": require_POST(self.decide)}

    def file(self, request: HttpRequest, pk: str) -> HttpResponse:
        """The file; POST, because who has seen it is written down."""
        row = self.row(request, pk)
        try:
            unscanned = request.POST.get("unscanned") == "yes"
            return as_attachment(papers.show(row, _reviewer(request), now=clock.now(), unscanned=unscanned))
        except NotShown as problem:
            return self._shown(request, row, STATUS[problem.code], problem=str(problem))

    def decide(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Approve, ask for another, or refuse."""
        row = self.row(request, pk)
        form = DecisionForm(request.POST)
        if not form.is_valid():
            return self._shown(request, row, 422, form=form)
        said = form.cleaned_data
        try:
            papers.decide(
                row, _reviewer(request), said["verdict"], reason=said["reason"], note=said["note"], now=clock.now()
            )
        except papers.Decided:
            return self._shown(request, self.row(request, pk), 409, problem=_WHY_NOT["DECIDED"])
        except papers.NotYours as refused:
            return self._shown(request, row, 403, problem=_WHY_NOT[str(refused)], form=form)
        except papers.NotPossible as problem:
            return self._shown(request, row, 409, problem=_WHY_NOT[str(problem)], form=form)
        messages.success(request, gettext("Decided. The agency reads it at its case."))
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))

    def _shown(self, request: HttpRequest, row: MandatePaper, status: int, **said: Any) -> HttpResponse:
        context = {"title": str(self.title_of(row)), "row": row, **self.told_of(request, row), **said}
        return self.page(request, "console/mandatepaper.html", context, status=status)


def _reviewer(request: HttpRequest) -> papers.Reviewer:
    assert isinstance(request.user, User)
    return papers.Reviewer(staff=request.user.username.strip().lower(), user_pk=request.user.pk)
