"""Seals and checks of the chain on screen: a day at once, everything by a worker, the result kept."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import checks, tasks, verification
from audit.models import Check, Seal
from console.journal import words
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import Right
from console.site import actor_of

SHOWN_CHECKS = 10

_KINDS = {
    "MISSING_LINK": _("Lines were taken out"),
    "MISSING_EVENT": _("A line was deleted"),
    "BROKEN_ORDER": _("Lines stand in another order"),
    "CHANGED": _("A line was changed"),
    "SWAPPED": _("Two lines were swapped"),
    "CUT_TAIL": _("The end was cut off"),
    "SEAL_MISMATCH": _("The chain was made anew"),
    "SEAL_FORGED": _("A seal is not ours"),
    "SEAL_MISSING": _("A seal is missing"),
    "UNLINKED": _("A line was kept out of the chain"),
}


class ChecksPage(ConsolePage):
    """The seals of the days, whether each still meets the chain, and the checks that were made. POST asks for one."""

    right = Right.READ_AUDIT
    acts = Right.READ_AUDIT
    title = _("Seals and checks of the journal")
    template_name = "console/journal/checks.html"

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Check a day (`day`), or everything."""
        day = _day(request.POST.get("day", ""))
        if day is None and request.POST.get("day"):
            raise Http404
        row = checks.ask(day, actor=actor_of(request), now=self.now)
        if not row.is_over:
            tasks.ring()
            messages.info(request, gettext("A worker checks the journal now. The result stays here."))
        return HttpResponseRedirect(reverse("admin:journal-check", args=[row.pk]))

    def context(self) -> dict[str, Any]:
        shown = slice_of(Seal.objects.all(), self.request, key="last_seq")
        states = verification.seals_hold(shown.rows)
        return {
            "trail": [(reverse("admin:journal"), gettext("Journal"))],
            "slice": shown,
            "seals": [(seal, states[seal.day]) for seal in shown.rows],
            "end": verification.last_link(),
            "today": self.now.date(),
            "checks": Check.objects.all()[:SHOWN_CHECKS],
            "newest": checks.newest(),
        }


class CheckPage(ConsolePage):
    """One check: how far it is, or what it found."""

    right = Right.READ_AUDIT
    title = _("Check of the journal")
    template_name = "console/journal/check.html"

    def context(self) -> dict[str, Any]:
        row = Check.objects.filter(pk=self.kwargs["pk"]).first()
        if row is None:
            raise Http404
        return {
            "title": gettext("Check of %(what)s") % {"what": row.day or gettext("the whole journal")},
            "trail": [
                (reverse("admin:journal"), gettext("Journal")),
                (reverse("admin:journal-checks"), gettext("Seals and checks")),
            ],
            "row": row,
            "is_waiting": not row.is_over,
            "findings": [(_KINDS.get(each["kind"], each["kind"]), each, _line(each)) for each in row.findings],
            "lines": words.journal(object_type="journal_check", object_id=str(row.pk)),
        }

    def page(self, *, status: int = 200, **said: Any) -> HttpResponse:
        """While it is at work the page looks again by itself."""
        response = super().page(status=status, **said)
        row = Check.objects.filter(pk=self.kwargs["pk"]).first()
        if row is not None and not row.is_over:
            response["Refresh"] = "3"
        return response


def _line(finding: dict[str, Any]) -> str:
    reference = str(finding["reference"]).removeprefix("log-")
    return reverse("admin:journal-line", args=[reference]) if str(finding["reference"]).startswith("log-") else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
