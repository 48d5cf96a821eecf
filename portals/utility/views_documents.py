"""Documents: one upload for each proof that the program asks for, replaced and removed until it is sent (screens P8).

A file goes through to the provider while it comes; the journey keeps the document's id, and what the provider said of
the file. Going on is a new init that names the ids (decision 26).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from portals import drafts, journey, reading, relaying, trust
from portals.models import Application
from portals.utility import choices
from portals.utility.deciding import ask_again
from portals.utility.pages import JourneyPage, see

_NAMES = {"application/pdf": "PDF", "image/jpeg": "JPEG", "image/png": "PNG"}
_ENDINGS = {"application/pdf": ".pdf", "image/jpeg": ".jpg,.jpeg", "image/png": ".png"}


@dataclass(frozen=True)
class Wanted:
    """A document as the page shows it. `sent` is what is kept of the file that came, if one did."""

    document: reading.DocumentView
    device: choices.DeviceChoice | None
    sent: dict[str, Any]

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def state(self) -> str:
        """ASKED, SENT (may still be changed), or how the provider has it: UNDER_REVIEW, APPROVED, REFUSED."""
        if self.document.status == "ASKED" and self.sent:
            return "SENT"
        return self.document.status

    @property
    def is_open(self) -> bool:
        return bool(self.document.upload_url) and self.state in ("ASKED", "SENT")

    @property
    def formats(self) -> list[str]:
        return [_NAMES.get(each, each) for each in self.document.formats]

    @property
    def accept(self) -> str:
        return ",".join(",".join(filter(None, (each, _ENDINGS.get(each)))) for each in self.document.formats)

    @property
    def megabytes(self) -> int:
        return self.document.max_bytes >> 20


def wanted_of(row: Application) -> list[Wanted]:
    """What a journey is asked for, with what came of it."""
    uploads = row.answers.get("uploads", {})
    sent = {each: uploads.get(each, {"at": ""}) for each in row.answers.get("documents", ())}
    devices = {each.id: each for each in choices.devices(row)}
    told = reading.prepared(row.told.get("on_init")).documents
    return [Wanted(each, devices.get(each.der_id), sent.get(each.id, {})) for each in told]


class Documents(JourneyPage):
    template_name, step, is_question = "portal/documents.html", "documents", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        act = request.POST.get("act", "")
        if act in ("again", "continue"):
            return self._go_on(is_again=act == "again")
        wanted = next((each for each in self.wanted() if each.id == request.POST.get("document")), None)
        if wanted is None or not wanted.is_open:
            raise drafts.OutOfDate
        if self.version() != self.application.version:
            raise drafts.OutOfDate  # before anything is sent
        try:
            return self._removed(wanted) if act == "remove" else self._sent(request, wanted)
        except relaying.NotTaken as problem:
            return self.page(status=422, problem=problem.code, wrong=wanted)

    def wanted(self) -> list[Wanted]:
        return wanted_of(self.application)

    def context(self) -> dict[str, Any]:
        wanted = self.wanted()
        return {
            **super().context(),
            "wanted": wanted,
            "is_complete": bool(wanted) and not journey.wanted_documents(self.application),
            "is_changed": any(each.state == "SENT" for each in wanted),
        }

    def _go_on(self, *, is_again: bool) -> HttpResponse:
        missing = journey.wanted_documents(self.application)
        if missing and not is_again:
            wrong = next(each for each in self.wanted() if each.id == missing[0].id)
            return self.page(status=422, problem=relaying.NO_FILE, wrong=wrong)
        return ask_again(self)

    def _sent(self, request: HttpRequest, wanted: Wanted) -> HttpResponse:
        file = request.FILES.get("file")
        if file is None or file.file is None:
            # Of a request that is far too long only the beginning reaches us, and its file is no whole part of a form.
            is_cut = int(request.META.get("CONTENT_LENGTH") or 0) > wanted.document.max_bytes
            raise relaying.NotTaken(relaying.TOO_LARGE if is_cut else relaying.NO_FILE)
        document, size = wanted.document, int(file.size or 0)
        if not trust.may_be_asked(document.upload_url, self.application.program.bpp):
            raise relaying.NotTaken(relaying.SILENT)
        taken = relaying.send(document.upload_url, file.file, size, document.max_bytes)
        kept = {
            "name": str(file.name)[-80:],
            "kind": document.kind,
            "derId": document.der_id,
            "type": taken.media_type,
            "size": taken.size,
            "scan": taken.scan,
            "at": self.now.isoformat(),
        }

        def keep(row: Application) -> None:
            _forget(row, document)
            row.answers["documents"] = [*row.answers.get("documents", ()), document.id]
            row.answers["uploads"] = {**row.answers.get("uploads", {}), document.id: kept}

        self.change(keep)
        return self._back(wanted)

    def _removed(self, wanted: Wanted) -> HttpResponse:
        relaying.take_back(wanted.document.upload_url)
        self.change(lambda row: _forget(row, wanted.document))
        return self._back(wanted)

    def _back(self, wanted: Wanted) -> HttpResponse:
        return see(f"{self.address('documents')}#document-{wanted.id}")


def _forget(row: Application, document: reading.DocumentView) -> None:
    """What was sent for this proof before, also a file that was refused: it is named no more."""
    uploads = row.answers.get("uploads", {})
    gone = {document.id} | {
        each for each, kept in uploads.items() if (kept["kind"], kept["derId"]) == (document.kind, document.der_id)
    }
    row.answers["documents"] = [each for each in row.answers.get("documents", ()) if each not in gone]
    row.answers["uploads"] = {each: kept for each, kept in uploads.items() if each not in gone}
