"""What utilities were told of enrolments, informed or not yet, and what they have told us. Nothing is changed here.

Trying again is `manage.py utility retry`. Source: issue 4 (7, 8).
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.pages import ListOfMany, OfUtility
from enrollment import wording
from enrollment.models import CustomerNotice, UtilityChange, UtilityNotice


class OfTemplate(admin.SimpleListFilter):
    """Which notice, of those that there are words for."""

    title = _("notice")
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(each, each) for each in wording.book("en")["notices"]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(template=self.value()) if self.value() else queryset


class _List(ListOfMany):
    """A list whose lines say everything; a row has no page of its own."""

    list_display_links = None
    title = ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": self.title, **(extra_context or {})})

    def row_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        self.row(request, pk)
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))


@admin.register(UtilityNotice)
class NoticeAdmin(_List):
    list_display = ("utility_id", "enrollment_number", "kind", "event", "effective", "informed", "attempts", "problem")
    list_filter = ("state", "kind", OfUtility)
    search_fields = ("enrollment__enrollment_id",)
    ordering = ("-pk",)
    title = _("What utilities are told")  # type: ignore[assignment]

    def get_queryset(self, request: HttpRequest) -> QuerySet[UtilityNotice]:
        return UtilityNotice.objects.select_related("enrollment")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the enrolment's whole id or number."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id = queryset.filter(enrollment__enrollment_id=term)
        return by_id | queryset.filter(enrollment__order_number=term), False

    @admin.display(description=_("enrolment"))
    def enrollment_number(self, row: UtilityNotice) -> str:
        return row.enrollment.order_number

    @admin.display(description=_("from (UTC)"), ordering="effective_at")
    def effective(self, row: UtilityNotice) -> str:
        return f"{row.effective_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("utility informed"))
    def informed(self, row: UtilityNotice) -> str:
        if row.acknowledged_at is not None:
            return f"{row.acknowledged_at:%Y-%m-%d %H:%M} · {row.acknowledgement}"
        return gettext("stuck") if row.state == "STUCK" else gettext("not yet")

    @admin.display(description=_("last problem"))
    def problem(self, row: UtilityNotice) -> str:
        return row.last_problem or "–"


@admin.register(CustomerNotice)
class CustomerNoticeAdmin(_List):
    list_display = ("order", "template", "stopped", "written", "sent", "attempts", "problem")
    list_filter = ("state", OfTemplate, OfUtility)
    search_fields = ("case__order_id",)
    ordering = ("-pk",)
    title = _("What customers are told")  # type: ignore[assignment]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerNotice]:
        return CustomerNotice.objects.select_related("case")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the order's whole id."""
        term = search_term.strip()
        return (queryset.filter(case__order_id=term) if term else queryset), False

    @admin.display(description=_("order"))
    def order(self, row: CustomerNotice) -> str:
        return f"{row.case.bap_id} {row.case.order_id}"

    @admin.display(description=_("stopped by the customer (UTC)"))
    def stopped(self, row: CustomerNotice) -> str:
        return f"{row.case.frozen_at:%Y-%m-%d %H:%M}" if row.case.frozen_at else "–"

    @admin.display(description=_("written (UTC)"), ordering="created_at")
    def written(self, row: CustomerNotice) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("sent"))
    def sent(self, row: CustomerNotice) -> str:
        if row.sent_at is not None:
            return f"{row.sent_at:%Y-%m-%d %H:%M} · {row.locale}"
        return {"STUCK": gettext("stuck"), "NOBODY": gettext("nobody is known to be told")}.get(
            row.state, gettext("not yet")
        )

    @admin.display(description=_("last problem"))
    def problem(self, row: CustomerNotice) -> str:
        return row.last_problem or "–"


@admin.register(UtilityChange)
class ChangeAdmin(_List):
    list_display = ("utility_id", "kind", "what", "effective", "came_by", "followed")
    list_filter = (OfUtility,)
    ordering = ("-pk",)
    title = _("What utilities have told us")  # type: ignore[assignment]

    @admin.display(description=_("meter or device"))
    def what(self, row: UtilityChange) -> str:
        return row.umid or row.der_id or "–"

    @admin.display(description=_("from (UTC)"), ordering="at")
    def effective(self, row: UtilityChange) -> str:
        return f"{row.at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("what followed"))
    def followed(self, row: UtilityChange) -> str:
        if row.handled_at is None:
            return gettext("not yet handled, tried %(count)d times") % {"count": row.attempts}
        return f"{row.outcome} · {row.enrollments}"
