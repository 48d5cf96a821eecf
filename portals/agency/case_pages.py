"""What every page about a case does: it is this member's to see, and this member's to act in."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View

from identity.models import Membership
from identity.oidc.views import to_providers
from portals import houses, reading
from portals.actors import Assisted
from portals.agency import about, cases
from portals.agency.gate import AgentMixin
from portals.agency.held import see
from portals.models import AssistedCase
from portals.utility.pages import next_address

State = AssistedCase.State


class _OfCase(View):
    """After the gate: find the case."""

    #: Whether the page does something: then the case is open, and the member's own.
    is_act = True
    #: The states in which the page may be asked for; empty: any. Elsewhere it leads to where the case stands.
    states: tuple[str, ...] = ()
    case: AssistedCase
    member: Membership
    template_name = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.case = cases.find(self.member, kwargs["case_id"])
        except cases.NotTheirs:
            raise Http404 from None
        is_over = self.case.state == State.CLOSED or self.case.not_me_at is not None
        if self.is_act and (is_over or not cases.is_worked_on_by(self.case, self.member)):
            return see(reverse("agency-case", args=[self.case.pk]))
        if self.states and self.case.state not in self.states:
            return see(stands_at(request, self.member, self.case))
        try:
            return super().dispatch(request, *args, **kwargs)
        except (cases.NotPossible, cases.OtherPerson):  # another tab, a colleague or the customer was faster
            return see(reverse("agency-case", args=[self.case.pk]))

    def page(self, *, status: int = 200, template: str = "", **said: Any) -> HttpResponse:
        """A page about the case; its forms may lead to the providers, where the device is handed over."""
        context = {**self.words(), **said}
        return to_providers(render(self.request, template or self.template_name, context, status=status))

    def words(self) -> dict[str, Any]:
        case = self.case
        return {
            "case": case,
            "about": about.of(case),
            "program": reading.program(case.program.item, get_language() or "en"),
            "house": houses.house_of(case.utility_id),
            "back": reverse("agency-desk"),
        }


class CasePage(AgentMixin, _OfCase):
    """A page about one case, for whoever of the agency may see it."""


def stands_at(request: HttpRequest, member: Membership, case: AssistedCase) -> str:
    """The page on which the case goes on."""
    if case.state == State.READING:
        return reverse("agency-read", args=[case.pk])
    if case.state in (State.PROVING, State.REVIEW):
        return reverse("agency-proof", args=[case.pk])
    if case.state == State.OPEN and case.application is not None:
        return next_address(case.application, Assisted(request, member, case).address)
    return reverse("agency-case", args=[case.pk])
