"""A5's second way: the customer signs a paper, the agent uploads its scan, a second person looks at it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language
from django.views import View

from files.looking import NotTaken
from portals import reading
from portals.agency import cases, papers
from portals.agency.gate import AgentMixin
from portals.models import AssistedCase

#: What `portal/documents/why.html` says of a file.
WANTED = {
    "formats": ["PDF", "JPEG", "PNG"],
    "accept": "application/pdf,.pdf,image/jpeg,.jpg,.jpeg,image/png,.png",
    "megabytes": settings.DOCUMENT_MAX_BYTES >> 20,
}


class CasePage(AgentMixin, View):
    """A page of one case that this member may see."""

    case: AssistedCase

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)

    def found(self) -> AssistedCase:
        try:
            self.case = cases.find(self.member, self.kwargs["case_id"])
        except cases.NotTheirs as gone:
            raise Http404 from gone
        return self.case


class Paper(CasePage):
    """What the paper has to say, and the place for its scan; or how the one that came stands."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(self.found())

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        case = self.found()
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile) or file.file is None:
            return self.page(case, problem="NO_FILE", status=422)
        taken = papers.upload(case, self.member, file.read(settings.DOCUMENT_MAX_BYTES + 1), now=self.now)
        if isinstance(taken, NotTaken):
            return self.page(self.found(), problem=taken.code, status=422 if taken.status < 500 else 503)
        return HttpResponseRedirect(reverse("agency-paper", args=[case.pk]), status=303)

    def page(self, case: AssistedCase, *, problem: str = "", status: int = 200) -> HttpResponse:
        sent = list(papers.of_case(case))
        context = {
            "case": case,
            "papers": sent,
            "newest": sent[0] if sent else None,
            "closed_because": papers.problem_of(case, self.member, self.now),
            "program": reading.program(case.program.item, get_language() or ""),
            "wanted": WANTED,
            "problem": problem,
            "back": address_of(case),
        }
        return render(self.request, "agency/papers/upload.html", context, status=status)


class PaperToPrint(CasePage):
    """The very words, in the customer's language, with the lines to sign on. Nothing of the customer stands on it."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        case = self.found()
        if papers.problem_of(case, self.member, self.now):
            raise Http404
        words = papers.words(case, self.member)
        context = {"case": case, "words": words, "back": reverse("agency-paper", args=[case.pk])}
        return render(request, "agency/papers/print.html", context)


def address_of(case: AssistedCase) -> str:
    try:
        return reverse("agency-case", args=[case.pk])
    except NoReverseMatch:  # a deployment without desks
        return "/agency/"
