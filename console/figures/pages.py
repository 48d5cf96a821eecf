"""The pages of figures, and their tables as CSV files. What they show is made in `sections`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.figures import sections
from console.figures.forms import AskedForm
from console.pages import ConsolePage
from enrollment.figures import reading
from portals import csv

ALL_FILTERS = ("program", "channel", "utility", "agency")


class FiguresPage(ConsolePage):
    """One page of figures: filters, then its sections."""

    template_name = "console/figures/figures.html"
    name: ClassVar[str]
    short: ClassVar[str | Promise]
    filters: ClassVar[tuple[str, ...]] = ALL_FILTERS

    def context(self) -> dict[str, Any]:
        form = self.form(self.request, self.now)
        cursor = reading.counted_until()
        shown = sections.MAKERS[self.name](form.asked())
        query = self.request.GET.urlencode()
        return {
            "form": form,
            "sections": [{"section": each, "number": number} for number, each in enumerate(shown, start=1)],
            "page_name": self.name,
            "query": f"?{query}" if query else "",
            "pages": [
                {"text": page.short, "url": reverse(f"admin:{page.name}"), "is_here": page.name == self.name}
                for page in PAGES
            ],
            "cursor": cursor,
            "is_late": cursor is not None and reading.is_late(cursor, self.now),
            "trail": [] if self.name == "figures" else [(reverse("admin:figures"), _("Figures"))],
        }

    @classmethod
    def form(cls, request: HttpRequest, now: Any) -> AskedForm:
        return AskedForm(request.GET, today=now.date(), filters=cls.filters)


class ApplicationsPage(FiguresPage):
    name, title, short = "figures", gettext_lazy("Figures: applications"), gettext_lazy("Applications")


class EnrollmentsPage(FiguresPage):
    name = "figures-enrollments"
    title, short = gettext_lazy("Figures: enrolments and capacity"), gettext_lazy("Enrolments and capacity")


class TimesPage(FiguresPage):
    name, title, short = "figures-times", gettext_lazy("Figures: how long things take"), gettext_lazy("Times")
    filters = ("program", "channel", "utility")


class UtilitiesPage(FiguresPage):
    name, title, short = "figures-utilities", gettext_lazy("Figures: utilities' systems"), gettext_lazy("Utilities")
    filters = ("utility",)


class ListsPage(FiguresPage):
    name, title, short = "figures-lists", gettext_lazy("Figures: status lists"), gettext_lazy("Status lists")
    filters = ()


PAGES: tuple[type[FiguresPage], ...] = (ApplicationsPage, EnrollmentsPage, TimesPage, UtilitiesPage, ListsPage)


class TableFile(ConsolePage):
    """One table of one page as a CSV file, narrowed as the page is."""

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        page = next((each for each in PAGES if each.name == named["page"]), None)
        form = page.form(request, self.now) if page else None
        if page is None or form is None or not form.is_valid():
            raise Http404(_("There is no such table."))
        tables = (each.table for each in sections.MAKERS[page.name](form.asked()))
        table = next((each for each in tables if each.name == named["table"]), None)
        if table is None:
            raise Http404(_("There is no such table."))
        asked = form.asked()
        filename = f"{table.name}-{asked.since}-{asked.until}.csv"
        return csv.response(filename, [column.text for column in table.columns], table.rows)
