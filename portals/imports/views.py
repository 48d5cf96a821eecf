"""The pages of imports: uploading, what came of it, importing for real, releasing invitations, the result as a file."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View

from audit.log import Action
from identity import agents
from identity.models import Membership
from portals import csv, reading
from portals.agency import scope
from portals.agency.gate import AgentMixin, ManagerMixin
from portals.imports import columns, inviting, results, running, uploading
from portals.models import BulkImport

A_PAGE = 20
State = BulkImport.State


def _see(name: str, *args: Any) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(name, args=args), status=303)


class Imports(AgentMixin, View):
    """The agency's files, and the place for a new one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        file = request.FILES.get("file")
        try:
            if file is None or file.file is None:
                # Of a request that is far too long only the beginning reaches us, and its file is no whole part.
                is_cut = int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_MAX_BYTES
                raise uploading.NotTaken("TOO_LARGE" if is_cut else "NO_FILE")
            found = uploading.take(
                self.member, file.file, name=str(file.name), key=_key(request.POST.get("key", "")), now=self.now
            )
        except columns.WrongHeader as wrong:
            return self.page(status=422, problem="HEADER", problems=wrong.problems)
        except uploading.NotTaken as wrong:
            return self.page(status=422, problem=wrong.code)
        return _see("agency-import", found.pk)

    def page(self, status: int = 200, **more: Any) -> HttpResponse:
        mine = uploading.of_agency(self.member.agency)
        context = {
            "page": Paginator(mine, A_PAGE).get_page(self.request.GET.get("page")),
            "key": uuid4(),
            "most_rows": uploading.MOST_ROWS,
            "most_bytes": settings.IMPORT_MAX_BYTES,
            "megabytes": settings.IMPORT_MAX_BYTES >> 20,
            "columns": columns.COLUMNS,
            "offers": scope.offers(self.member.agency, self.now, get_language() or ""),
            "languages": settings.LANGUAGES,
            "days": settings.RETENTION_IMPORTS_DAYS,
            "busy": mine.filter(state__in=uploading.AT_WORK).first(),
            **more,
        }
        return render(self.request, "agency/imports/imports.html", context, status=status)


class Template(AgentMixin, View):
    """The file to fill in: its header."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return csv.response("import-template.csv", columns.COLUMNS, [])


class ImportPage(AgentMixin, View):
    """One import of the agency's own; any other is not there."""

    found: BulkImport

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.import_id: UUID = kwargs.pop("import_id")
        return super().dispatch(request, *args, **kwargs)

    def setup_found(self) -> None:
        found = uploading.of_agency(self.member.agency).select_related("agency").filter(pk=self.import_id).first()
        if found is None:
            raise Http404
        self.found = found

    def page(self, template: str, status: int = 200, **more: Any) -> HttpResponse:
        context = {
            "found": self.found,
            "back": reverse("agency-imports"),
            "is_manager": self.member.role == Membership.Role.MANAGER,
            "days": settings.RETENTION_IMPORTS_DAYS,
            **more,
        }
        return render(self.request, f"agency/imports/{template}.html", context, status=status)


class Import(ImportPage):
    """How it stands. Machines (the page's own script) get the same as JSON."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            return JsonResponse(
                {
                    "waiting": self.found.is_at_work,
                    "text": " ".join(render_to_string("agency/imports/progress.html", {"found": self.found}).split()),
                    "done": self.found.done,
                    "next": reverse("agency-import", args=[self.found.pk]),
                }
            )
        return self.shown()

    def shown(self, status: int = 200, **more: Any) -> HttpResponse:
        wrong = list(results.few(self.found))
        is_over = self.found.state == State.IMPORTED
        return self.page(
            "import",
            status,
            same=uploading.same_before(self.found),
            wrong=wrong,
            has_rows=self.found.lines.exists(),
            counts=results.counted(self.found) if is_over else {},
            foreseen=inviting.foresee(self.found, self.now) if is_over else None,
            **more,
        )


class Start(Import):
    """Import for real."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return _see("agency-import", self.import_id)

    def post(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        try:
            running.start(self.found, self.member, self.now)
        except running.NotPossible as problem:
            self.setup_found()
            return self.shown(409, problem=str(problem))
        return _see("agency-import", self.found.pk)


class Cancel(Import):
    """What cancelling does; then it is done."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        return self.page("cancel", counts=results.counted(self.found), back=self.address())

    def post(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        try:
            running.cancel(self.found, self.member, self.now)
        except running.NotPossible as problem:
            self.setup_found()
            return self.shown(409, problem=str(problem))
        return _see("agency-import", self.found.pk)

    def address(self) -> str:
        return reverse("agency-import", args=[self.found.pk])


class Release(ManagerMixin, Import):
    """A manager says that the invitations may go out: how many, from when, how many a day."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        if self.found.state != State.IMPORTED:
            return _see("agency-import", self.found.pk)
        return self.asked()

    def post(self, request: HttpRequest) -> HttpResponse:
        self.setup_found()
        try:
            inviting.release(self.found, self.member, self.now)
        except inviting.NotReleased as problem:
            return self.asked(422, problem=str(problem))
        return _see("agency-import", self.found.pk)

    def asked(self, status: int = 200, **more: Any) -> HttpResponse:
        foreseen = inviting.foresee(self.found, self.now)
        example = self.found.lines.filter(case__isnull=False).select_related("program").first()
        locale = get_language() or "en"
        name = reading.program(example.program.item, locale).name if example and example.program else ""
        agency = self.member.agency.name or self.member.agency.agency_id
        _, text = inviting.words(agency, name, "https://…", self.now + inviting.LASTS, locale)
        back = reverse("agency-import", args=[self.found.pk])
        return self.page("release", status, foreseen=foreseen, text=text, back=back, **more)


class Result(ImportPage):
    """What became of each row; who has downloaded it is in the journal."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        self.setup_found()
        if not self.found.lines.exists():
            raise Http404
        only_wrong = request.GET.get("rows") == "wrong"
        agents.note(
            Action.EXPORT,
            self.member,
            self.now,
            object_type="import",
            object_id=str(self.found.pk),
            what="wrong rows" if only_wrong else "all rows",
        )
        name = f"import-{self.found.uploaded_at:%Y-%m-%d}-{str(self.found.pk)[:8]}.csv"
        return csv.streamed(name, results.HEADER, results.rows(self.found, only_wrong=only_wrong))


def _key(text: str) -> UUID:
    """The form's own id; a form without one is sent once."""
    try:
        return UUID(text)
    except ValueError:
        return uuid4()
