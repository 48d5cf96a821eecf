"""Files that people uploaded in place of a certificate: what waits for a review, and the file itself (decision 26).

A file leaves here as an attachment only, in a sandbox of its own where a browser shows it all the same, and never
before a scanner found it clean; where none is configured, whoever asks for it says that they know. Approving and
refusing is `manage.py documents` until the console's cases (screen C13).
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from console.site import actor_of
from enrollment import keeping_files
from enrollment.models import Document
from files import scanning
from files.showing import STATUS, NotShown, as_attachment


@admin.register(Document)
class DocumentAdmin(OnlyLookedAt):
    acts = Right.DECIDE
    list_display = ("document_id", "kind", "state", "scan", "caution", "uploaded", "reviewers")
    list_filter = ("state", "kind", "scan")
    ordering = ("-uploaded_at", "-pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Documents"), **(extra_context or {})})

    @admin.display(description=_("uploaded (UTC)"), ordering="uploaded_at")
    def uploaded(self, row: Document) -> str:
        return f"{row.uploaded_at:%Y-%m-%d %H:%M}" if row.uploaded_at else "–"

    @admin.display(description=_("reviewed by"))
    def reviewers(self, row: Document) -> str:
        return ", ".join(who for who in (row.first_reviewer, row.second_reviewer) if who) or "–"

    def title_of(self, row: Document) -> str:
        return gettext("Document %(id)s") % {"id": row.document_id}

    def told_of(self, request: HttpRequest, row: Document) -> dict[str, Any]:
        may_be_unscanned = row.scan != scanning.CLEAN and not scanning.is_configured()
        return {"is_kept": bool(row.storage_key), "is_unscanned": may_be_unscanned, "may_read": _may_read(request)}

    def acts_on_one(self) -> dict[str, View]:
        return {"file": require_POST(self.file)}

    def file(self, request: HttpRequest, pk: str) -> HttpResponse:
        """The file; POST, because who has seen it is written down."""
        row = self.row(request, pk)
        try:
            shown = keeping_files.show(
                row.document_id,
                actor=actor_of(request),
                now=clock.now(),
                unscanned=request.POST.get("unscanned") == "yes",
            )
        except NotShown as problem:
            context = {
                "title": str(self.title_of(row)),
                "row": row,
                **self.told_of(request, row),
                "problem": str(problem),
            }
            return self.page(request, "console/document.html", context, status=STATUS[problem.code])
        return as_attachment(shown)


def _may_read(request: HttpRequest) -> bool:
    return may(request, Right.DECIDE)
