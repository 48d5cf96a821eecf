"""Signed copies of the journal: asked for from a search, made by a worker, fetched by whoever may and journalled."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import exports, tasks
from audit.models import Export
from console.journal import words
from console.journal.searching import SearchForm
from console.pages import ConsolePage
from console.rights import Right
from console.site import actor_of

SHOWN = 50


class ExportsPage(ConsolePage):
    """What was exported. POST asks for an export of what a search finds."""

    right = Right.EXPORT_AUDIT
    acts = Right.EXPORT_AUDIT
    title = _("Signed exports of the journal")
    template_name = "console/journal/exports.html"

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Ask for one."""
        form = SearchForm(request.POST)
        if not form.is_valid():
            return self.page(status=400, form=form)
        row = exports.ask(form.search(), actor=actor_of(request), now=self.now)
        tasks.ring()
        return HttpResponseRedirect(reverse("admin:journal-export", args=[row.pk]))

    def context(self) -> dict[str, Any]:
        return {"trail": [(reverse("admin:journal"), gettext("Journal"))], "rows": Export.objects.all()[:SHOWN]}


class ExportPage(ConsolePage):
    """One export: how far it is, what it holds, how it is checked. POST fetches the file."""

    right = Right.EXPORT_AUDIT
    acts = Right.EXPORT_AUDIT
    title = _("Signed export of the journal")
    template_name = "console/journal/export.html"

    def post(self, request: HttpRequest, **named: Any) -> HttpResponseBase:  # type: ignore[override]
        """Send the file; that it was fetched is written down first."""
        row = self._row()
        try:
            pieces = exports.fetched(row, actor=actor_of(request), now=self.now)
        except KeyError:
            messages.warning(request, gettext("The file is no longer kept, or not ready yet."))
            return HttpResponseRedirect(reverse("admin:journal-export", args=[row.pk]))
        response = StreamingHttpResponse(pieces, content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="{file_name(row)}"'
        response["Content-Length"] = str(row.size)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def context(self) -> dict[str, Any]:
        row = self._row()
        return {
            "trail": [
                (reverse("admin:journal"), gettext("Journal")),
                (reverse("admin:journal-exports"), gettext("Signed exports")),
            ],
            "row": row,
            "is_here": row.is_here and row.expires_at is not None and row.expires_at > self.now,
            "filters": sorted((name.replace("_", " "), _plain(value)) for name, value in row.filters.items()),
            "file_name": file_name(row),
            "lines": words.journal(object_type="journal_export", object_id=str(row.pk)),
        }

    def page(self, *, status: int = 200, **said: Any) -> HttpResponse:
        """While it is being made the page looks again by itself."""
        response = super().page(status=status, **said)
        if not self._row().is_over:
            response["Refresh"] = "3"
        return response

    def _row(self) -> Export:
        row = Export.objects.filter(pk=self.kwargs["pk"]).first()
        if row is None:
            raise Http404
        return row


def file_name(row: Export) -> str:
    return f"journal-{row.asked_at:%Y-%m-%d}-{str(row.pk)[:8]}.zip"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(" ".join(each) if isinstance(each, list) else str(each) for each in value)
    return str(value)
