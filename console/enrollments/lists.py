"""The list of enrolments: narrowed by state, program, channel, agency, day, or found by an exact name (screens C2)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import personal
from console.enrollments import finding
from console.pages import ConsolePage
from console.paging import Slice, slice_of
from console.personal import Data, masked
from console.rights import Right, may
from enrollment.models import Enrollment
from identity.models import SubjectUtilityLink


class EnrollmentList(ConsolePage):
    """Newest applications first. A POST looks for an account number, which is a person's: it never gets into an
    address, and is journalled."""

    title = _("Enrolments")
    template_name = "console/enrollments/list.html"
    acts = Right.UNMASK

    @cached_property
    def form(self) -> finding.FilterForm:
        return finding.form_of(self.request)

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        wanted = request.GET.get("q", "").strip()
        if not wanted:
            return self.page(slice=self._narrowed())
        found = finding.named(wanted)
        if len(found) == 1:
            return HttpResponseRedirect(reverse("admin:enrollment", args=[found[0]]))
        return self.page(slice=self._found(found), asked=wanted, is_search=True)

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        number = request.POST.get("account", "").strip()
        if not number:
            return self._again(gettext("Write the account number."))
        pks, subjects = finding.of_account(number)
        data = Data(subjects[0] if len(subjects) == 1 else "", "subject", "", ["account"])
        try:
            personal.unmask(
                request,
                subject=data.subject,
                object_type=data.object_type,
                object_id=",".join(subjects)[:255],
                fields=data.fields,
            )
        except personal.NoReason as missing:
            return self._again(str(missing), account=number)
        return self.page(slice=self._found(pks), is_search=True, is_account=True)

    def _again(self, problem: str, **said: Any) -> HttpResponse:
        return self.page(status=400, slice=self._narrowed(), account_problem=problem, **said)

    def context(self) -> dict[str, Any]:
        form = self.form
        may_ask = may(self.request, Right.ACT) and form.is_valid() and not form.filter.is_empty
        return {
            "form": form,
            "may_find_accounts": may(self.request, Right.UNMASK),
            "reasons": personal.REASONS.items(),
            "chosen": self.request.POST.get("reason", ""),
            "many": form.filter.query if may_ask else "",
            "errors": form.errors,
        }

    def _narrowed(self) -> Slice:
        found = slice_of(_shown(self.form.filter.rows_to_page()), self.request, key=self.form.filter.key)
        return _told(found)

    def _found(self, pks: list[int]) -> Slice:
        rows = list(_shown(Enrollment.objects.filter(pk__in=pks)).order_by("-case_id"))
        return _told(Slice(rows, "", ""))


def _shown(rows: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """With what a line needs, and no more: a version's texts are large."""
    return rows.select_related("case", "program_version__program").only(
        "order_number",
        "state",
        "enrolled_at",
        "end_scheduled_for",
        "subject",
        "case__channel",
        "case__agency_id",
        "case__frozen_at",
        "program_version__name",
        "program_version__program__program_id",
    )


def _told(found: Slice) -> Slice:
    """Each line with its words and the masked account of its customer; one query for all."""
    accounts: dict[Any, str] = {}
    links = SubjectUtilityLink.objects.filter(
        subject__in={row.subject_id for row in found.rows}, status="ACTIVE", customer_index__isnull=False
    )
    for link in links.order_by("-pk"):
        accounts[link.subject_id] = masked(link.utility_customer_id)
    lines = [
        {
            "row": row,
            "state": finding.STATES.get(row.state, row.state),
            "channel": finding.CHANNELS.get(row.case.channel, row.case.channel),
            "account": accounts.get(row.subject_id, ""),
        }
        for row in found.rows
    ]
    return Slice(lines, found.newer, found.older)
