"""A case as a whole: what happened, what comes next, other hands, the end (screen A11)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from identity import agents
from identity.models import Membership
from portals.agency import cases, handovers, papers, signals, timeline
from portals.agency.case_pages import CasePage, stands_at
from portals.agency.forms import AssignForm, DropForm
from portals.agency.held import see
from portals.models import AssistedCase
from portals.utility.views_documents import wanted_of

State = AssistedCase.State


class Case(CasePage):
    """The timeline, the documents, and what happens next."""

    template_name = "agency/case.html"
    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        case, is_mine = self.case, cases.is_worked_on_by(self.case, self.member)
        is_open = case.state != State.CLOSED and case.not_me_at is None
        onward = stands_at(request, self.member, case) if is_open and is_mine else ""
        return self.page(
            entries=timeline.of(case),
            papers=papers.of_case(case),
            signals=signals.open_of(case),
            documents=wanted_of(case.application) if case.application is not None else (),
            is_mine=is_mine,
            is_open=is_open,
            is_free=case.operator_id is None,
            may_assign=is_open and (is_mine or self.member.role == Membership.Role.MANAGER),
            living=handovers.living(case, self.now),
            onward=onward if onward != request.path else "",
        )


class Assign(CasePage):
    """Hand a case over to a colleague, by its agent or a manager."""

    template_name = "agency/assign.html"
    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._may():
            return see(reverse("agency-case", args=[self.case.pk]))
        return self.page(form=AssignForm(choices=self._choices()), back=reverse("agency-case", args=[self.case.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._may():
            return see(reverse("agency-case", args=[self.case.pk]))
        form = AssignForm(request.POST, choices=self._choices())
        if not form.is_valid():
            return self.page(form=form, status=422, back=reverse("agency-case", args=[self.case.pk]))
        to = next(each for each in self._colleagues() if str(each.pk) == form.cleaned_data["to"])
        cases.assign(self.case, to, by=self.member, now=self.now)
        is_seen = cases.of_member(self.member).filter(pk=self.case.pk).exists()
        return see(reverse("agency-case", args=[self.case.pk]) if is_seen else reverse("agency-desk"))

    def _may(self) -> bool:
        is_manager = self.member.role == Membership.Role.MANAGER
        is_open = self.case.state != State.CLOSED and self.case.not_me_at is None
        return is_open and (is_manager or cases.is_worked_on_by(self.case, self.member))

    def _choices(self) -> list[tuple[str, str]]:
        return [(str(each.pk), each.name or each.operator_id) for each in self._colleagues()]

    def _colleagues(self) -> list[Membership]:
        found: QuerySet[Membership] = Membership.objects.filter(agency=self.case.agency).select_related("agency")
        others = found.exclude(user=None).order_by("operator_id")
        return [each for each in others if each.pk != self.case.operator_id and not agents.blocked(each, self.now)]


class Drop(CasePage):
    """Drop a case: the customer does not want it, or cannot. What the program held is given back."""

    template_name = "agency/drop_case.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(form=DropForm(), back=reverse("agency-case", args=[self.case.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        form = DropForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422, back=reverse("agency-case", args=[self.case.pk]))
        if form.cleaned_data["drop"] == "yes":
            cases.close(self.case, cases.LEFT, self.now, by=self.member)
        return see(reverse("agency-case", args=[self.case.pk]))
