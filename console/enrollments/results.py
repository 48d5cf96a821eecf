"""What came of an act: the lists it touched, the version that shows it, what a fresh fetch of the public list saw."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext

from console.enrollments import names
from console.pages import ConsolePage
from console.rights import Right, may
from credentials import looks
from credentials.models import PublicCheck
from enrollment import by_staff
from enrollment.models import StaffAct
from enrollment.states import EnrollmentState

#: Sampled places shown of one list.
PLACES = 5


def lines_of(checks: list[PublicCheck]) -> list[dict[str, Any]]:
    """Each list with what is known of it now, for people."""
    return [
        {
            "check": check,
            "url": looks.url_of(check),
            "list": str(check.status_list),
            "purpose": check.get_purpose_display(),
            "places": ", ".join(map(str, check.indexes[:PLACES])) + (" …" if len(check.indexes) > PLACES else ""),
            "count": len(check.indexes),
            "is_good": check.is_over and not check.problem,
            "is_bad": check.is_over and bool(check.problem),
        }
        for check in checks
    ]


def said(checks: list[PublicCheck]) -> str:
    """How far the looks are, as a sentence."""
    left = sum(not check.is_over for check in checks)
    if left:
        return ngettext(
            "%(left)s list is still to be seen in public.", "%(left)s lists are still to be seen in public.", left
        ) % {"left": left}
    return gettext("Every list was fetched and looked at.")


class StaffActPage(ConsolePage):
    """The result of one act on one enrolment. `?progress` answers how far it is, as JSON."""

    template_name = "console/enrollments/result.html"

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if "progress" not in request.GET:
            return self.page()
        left = sum(not check.is_over for check in self.checks)
        return JsonResponse(
            {"waiting": bool(left), "text": said(self.checks), "done": len(self.checks) - left, "next": request.path}
        )

    @cached_property
    def act(self) -> StaffAct:
        rows: QuerySet[StaffAct] = StaffAct.objects.filter(bulk_act=None).select_related(
            "case", "enrollment__program_version", "consent__credential"
        )
        return get_object_or_404(rows, pk=self.kwargs["pk"])

    @cached_property
    def checks(self) -> list[PublicCheck]:
        return looks.checks_about(by_staff.about(self.act))

    def context(self) -> dict[str, Any]:
        act = self.act
        row = act.enrollment
        here = [(reverse("admin:enrollments"), gettext("Enrolments"))]
        if row is not None:
            here.append((reverse("admin:enrollment", args=[row.pk]), row.order_number))
        may_resume = row is not None and row.state == EnrollmentState.SUSPENDED and may(self.request, Right.ACT)
        return {
            "title": self.title_of(act),
            "trail": here,
            "act": act,
            "row": row,
            "who": names.of_users([act.by]).get(act.by, ""),
            "reason": names.reason(act.reason),
            "may_read_notes": may(self.request, Right.UNMASK),
            "lists": lines_of(self.checks),
            "is_waiting": any(not check.is_over for check in self.checks),
            "done": sum(check.is_over for check in self.checks),
            "said": said(self.checks),
            "undo": reverse("admin:enrollment-resume", args=[row.pk])
            if row and may_resume and act.kind == "SUSPEND"
            else "",
            "take_back": (
                reverse("admin:enrollment-stay", args=[row.pk])
                if row and act.kind == "PLAN_END" and row.end_scheduled_for and may(self.request, Right.ACT)
                else ""
            ),
        }

    def title_of(self, act: StaffAct) -> str:
        name = act.enrollment.order_number if act.enrollment else act.case.order_id if act.case else ""
        return f"{name}: {act.get_kind_display()}"
