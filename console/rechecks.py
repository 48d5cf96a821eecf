"""Re-check: what a suspended agency enrolled in its last days, and what staff found when they looked (EA-7)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from console.site import actor_of
from enrollment import rechecking
from enrollment.models import Recheck
from identity.models import Mandate


class _IsDone(admin.SimpleListFilter):
    title = _("whether looked at")  # type: ignore[assignment]
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("not yet")), ("yes", _("yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Recheck]) -> QuerySet[Recheck]:
        return queryset.filter(done_at__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Recheck)
class RecheckAdmin(OnlyLookedAt):
    acts = Right.DECIDE
    change_list_template = "console/list.html"
    search_help_text = _("The whole id of an agency, or the number or id of an enrolment")
    list_display = ("number", "agency_id", "program", "operator", "enrolled", "queued", "came_of_it")
    list_filter = (_IsDone, "outcome")
    search_fields = ("agency_id",)
    ordering = (F("done_at").desc(nulls_first=True), "queued_at", "pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        said = {
            "title": gettext("Re-checks"),
            "lead": gettext(
                "What an agency enrolled in its last days before it was suspended. Open each, ask the customer or look"
                " at the papers, and say what came of it."
            ),
            "empty": gettext("Nothing waits to be looked at again. Enrolments come here when an agency is suspended."),
            "none_fits": gettext("None is like that. Choose less in the filter, or search for something else."),
        }
        return super().changelist_view(request, {**said, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recheck]:
        return Recheck.objects.select_related("enrollment__case", "enrollment__program_version__program")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the agency's or the enrolment's whole id or number."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_agency, by_id = queryset.filter(agency_id=term), queryset.filter(enrollment__enrollment_id=term)
        return by_agency | by_id | queryset.filter(enrollment__order_number=term), False

    @admin.display(description=_("enrolment"))
    def number(self, row: Recheck) -> str:
        return row.enrollment.order_number

    @admin.display(description=_("program"))
    def program(self, row: Recheck) -> str:
        return row.enrollment.program_version.name

    @admin.display(description=_("operator"))
    def operator(self, row: Recheck) -> str:
        return row.enrollment.case.operator_id or "–"

    @admin.display(description=_("enrolled (UTC)"), ordering="enrollment__enrolled_at")
    def enrolled(self, row: Recheck) -> str:
        return f"{row.enrollment.enrolled_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("queued (UTC)"), ordering="queued_at")
    def queued(self, row: Recheck) -> str:
        return f"{row.queued_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("what came of it"))
    def came_of_it(self, row: Recheck) -> str:
        return row.get_outcome_display() if row.done_at else gettext("not yet looked at")

    def title_of(self, row: Recheck) -> str:
        return gettext("Re-check of %(number)s") % {"number": row.enrollment.order_number}

    def told_of(self, request: HttpRequest, row: Recheck) -> dict[str, Any]:
        mandate = Mandate.objects.filter(mandate_id=row.enrollment.case.mandate_id or "-").first()
        return {
            "outcomes": Recheck.Outcome.choices,
            "may_act": may(request, Right.DECIDE),
            "may_read_notes": may(request, Right.UNMASK),
            "mandate": mandate,
        }

    def acts_on_one(self) -> dict[str, View]:
        return {"done": require_POST(self.done)}

    def done(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Say what came of looking; once."""
        row = self.row(request, pk)
        outcome, note = request.POST.get("outcome", ""), request.POST.get("note", "").replace("\x00", "").strip()
        problem, status = "", 422
        if outcome not in Recheck.Outcome.values:
            problem = gettext("Select what came of it.")
        elif not note:
            problem = gettext("Write how you know.")
        else:
            try:
                rechecking.done(row.pk, outcome, note, actor=actor_of(request), now=clock.now())
            except rechecking.DoneBefore:
                problem, status = gettext("Somebody else has looked at it meanwhile."), 409
        if problem:
            said = {"problem": problem, "outcome": outcome, "note": note}
            context = {"title": self.title_of(row), "row": self.row(request, pk), **self.told_of(request, row), **said}
            return self.page(request, "console/recheck.html", context, status=status)
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}") + "?done=no", status=303)
