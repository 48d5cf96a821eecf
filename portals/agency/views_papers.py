"""A5's second way: the customer signs a paper, the agent uploads its scan, a second person looks at it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from files.looking import NotTaken
from portals.agency import cases, papers
from portals.agency.case_pages import CasePage
from portals.agency.held import see

#: What `portal/documents/why.html` says of a file.
WANTED = {
    "formats": ["PDF", "JPEG", "PNG"],
    "accept": "application/pdf,.pdf,image/jpeg,.jpg,.jpeg,image/png,.png",
    "megabytes": settings.DOCUMENT_MAX_BYTES >> 20,
    "bytes": settings.DOCUMENT_MAX_BYTES,
}


class Paper(CasePage):
    """What the paper has to say, and the place for its scan; or how the one that came stands."""

    is_act = False
    template_name = "agency/papers/upload.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile) or file.file is None:
            # Of a request that is far too long only the beginning reaches us, and its file is no whole part of a form.
            is_cut = int(request.META.get("CONTENT_LENGTH") or 0) > settings.DOCUMENT_MAX_BYTES
            return self.page(problem="TOO_LARGE" if is_cut else "NO_FILE", status=422)
        content = file.read(settings.DOCUMENT_MAX_BYTES + 1)
        taken = papers.upload(self.case, self.member, content, now=self.now)
        if isinstance(taken, NotTaken):
            self.case = cases.find(self.member, self.case.pk)
            return self.page(problem=taken.code, status=422 if taken.status < 500 else 503)
        return see(reverse("agency-paper", args=[self.case.pk]))

    def words(self) -> dict[str, Any]:
        sent = list(papers.of_case(self.case))
        return {
            **super().words(),
            "papers": sent,
            "newest": sent[0] if sent else None,
            "closed_because": papers.problem_of(self.case, self.member, self.now),
            "wanted": WANTED,
            "back": reverse("agency-case", args=[self.case.pk]),
        }


class PaperToPrint(CasePage):
    """The very words, in the customer's language, with the lines to sign on. Nothing of the customer stands on it."""

    template_name = "agency/papers/print.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if papers.problem_of(self.case, self.member, self.now):
            raise Http404
        back = reverse("agency-paper", args=[self.case.pk])
        return self.page(words=papers.words(self.case, self.member), back=back)
