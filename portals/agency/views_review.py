"""The second person's queue: mandates on paper, the oldest first, and the page on which one is decided."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views import View

from files import scanning, showing
from files.showing import NotShown
from portals import houses, reading
from portals.agency import papers, signals
from portals.agency.gate import ReviewerMixin
from portals.models import MandatePaper

PAGE_LENGTH = 25


class DecisionForm(forms.Form):
    """What becomes of it; without a yes there is a reason, and what the uploader reads."""

    verdict = forms.ChoiceField(
        label=_("What becomes of this paper?"),
        widget=forms.RadioSelect,
        choices=[
            (papers.APPROVE, _("Approve: the customer has signed, the case goes on")),
            (papers.AGAIN, _("Ask for another: something is wrong with this one")),
            (papers.REFUSE, _("Refuse: this case takes no paper any more")),
        ],
        error_messages={"required": _("Select what becomes of this paper")},
    )
    reason = forms.ChoiceField(label=_("Reason"), choices=[("", "—"), *MandatePaper.Reason.choices], required=False)
    note = forms.CharField(
        label=_("What your colleague has to know"),
        help_text=_("What is to be done better. Do not write the customer’s name or numbers here."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=1000,
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("verdict") in (papers.AGAIN, papers.REFUSE) and not said.get("reason"):
            self.add_error("reason", gettext("Select a reason"))
        return said


class Queue(ReviewerMixin, View):
    """What waits, since when, and what was decided last."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        waiting = Paginator(papers.queue(self.member), PAGE_LENGTH).get_page(request.GET.get("page"))
        me = papers.Reviewer(self.member)
        context = {
            "waiting": waiting,
            "lines": [(paper, _program(paper), papers.why_not(paper, me)) for paper in waiting.object_list],
            "decided": [(paper, _program(paper)) for paper in papers.decided(self.member)[:10]]
            if waiting.number == 1
            else [],
            "now": self.now,
        }
        return render(request, "agency/papers/queue.html", context)


class OnePaper(ReviewerMixin, View):
    def found(self) -> MandatePaper:
        paper = papers.find(self.member, self.kwargs["paper_id"])
        if paper is None:
            raise Http404
        return paper

    def page(self, paper: MandatePaper, *, status: int = 200, **said: Any) -> HttpResponse:
        me = papers.Reviewer(self.member)
        context = {
            "paper": paper,
            "case": paper.case,
            "program": _program(paper),
            "utility": houses.house_of(paper.case.utility_id),
            "text": papers.words(paper.case, paper.uploaded_by),
            "may_decide": paper.state == MandatePaper.State.WAITING and not papers.why_not(paper, me),
            "why_not": papers.why_not(paper, me),
            "is_opened": me.name in paper.opened_by,
            "is_unscanned": paper.scan != scanning.CLEAN and not scanning.is_configured(),
            "form": said.pop("form", None) or DecisionForm(),
            "address": reverse("agency-case", args=[paper.case_id]),
            "signals": signals.of_case(paper.case),
            "back": reverse("agency-reviews"),
            **said,
        }
        return render(self.request, "agency/papers/review.html", context, status=status)


class Review(OnePaper):
    """One paper: read it, then decide. GET decides nothing."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(self.found())

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        paper = self.found()
        form = DecisionForm(request.POST)
        if not form.is_valid():
            return self.page(paper, form=form, status=422)
        said = form.cleaned_data
        try:
            papers.decide(
                paper,
                papers.Reviewer(self.member),
                said["verdict"],
                reason=said["reason"],
                note=said["note"],
                now=self.now,
            )
        except papers.Decided as decided:
            if decided.paper.reviewed_by_id == self.member.pk:  # pressed twice
                return HttpResponseRedirect(request.path, status=303)
            return self.page(decided.paper, status=409, problem="DECIDED")
        except papers.NotYours as refused:
            return self.page(paper, form=form, status=403, problem=str(refused))
        except papers.NotPossible as problem:
            return self.page(paper, form=form, status=409, problem=str(problem))
        return HttpResponseRedirect(request.path, status=303)


class File(OnePaper):
    """The file, as an attachment; POST, because who has seen it is written down."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        paper = self.found()
        unscanned = request.POST.get("unscanned") == "yes"
        try:
            shown = papers.show(paper, papers.Reviewer(self.member), now=self.now, unscanned=unscanned)
        except NotShown as problem:
            return self.page(paper, status=showing.STATUS[problem.code], problem=problem.code)
        return showing.as_attachment(shown)


def _program(paper: MandatePaper) -> reading.ProgramView:
    return reading.program(paper.case.program.item, get_language() or "")
