"""Leaving a program, and taking a consent back, in the customer's hands: the portal's own pages, asked for by an agent.

The customer has just proved who they are. What they press here they do themselves; the message says so by their own
sign-in where the program owner may see it. The agent has no address that ends anything. Source: screen A12.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from portals import consents
from portals.actors import Actor, InHand
from portals.agency import handovers
from portals.agency.held import HandoverMixin
from portals.agency.views_in_hand import LAYOUT
from portals.models import Application, Handover
from portals.utility import views_ending
from portals.utility.pages import see
from portals.utility.views_enrolments import EnrolmentPage

Asks = Handover.Asks


class EndingMixin(HandoverMixin):
    """For the portal's pages that end something of the case's enrolment."""

    asks: tuple[str, ...] = (Asks.LEAVE, Asks.WITHDRAW)

    def acting(self, request: HttpRequest, **_: Any) -> Actor:
        if self.row.asks not in self.asks or self.case.application_id is None:
            raise Http404
        return InHand(request, self.case, self.subject, self.place, LAYOUT)

    def place(self, name: str, *args: Any) -> str:
        """Of the portal's pages only these are here; whatever else they lead to is how it stands."""
        if name in ("enrolment", "left", "application"):
            return reverse("handover-ended", args=[self.row.pk])
        return ""

    def home(self, done: str = "", place: int = 0) -> HttpResponse:
        """To how it stands; what was pressed is kept as the customer's own answer."""
        if done:
            handovers.answered(self.row, handovers.YES, self.subject, now=self.now)
        return see(reverse("handover-ended", args=[self.row.pk]))

    def back(self) -> str:
        return ""


class HandedLeave(EndingMixin, views_ending.Leave):
    """Leave the program."""

    asks = (Asks.LEAVE,)


class HandedWithdraw(EndingMixin, views_ending.Withdraw):
    """Take the one consent back that this was opened for."""

    asks = (Asks.WITHDRAW,)

    def gate(self) -> HttpResponseBase | None:
        application = self.case.application
        asked = consents.named(application, self.row.about) if application is not None else None
        if asked is None:
            raise Http404
        self.kwargs["place"] = asked.place  # type: ignore[attr-defined]
        return super().gate()  # type: ignore[misc,no-any-return]

    def home(self, done: str = "", place: int = 0) -> HttpResponse:
        if self.request.POST.get("answer") == "no":  # type: ignore[attr-defined]
            handovers.answered(self.row, handovers.NO, self.subject, now=self.now)
        return super().home(done, place)


class HandedEnded(EndingMixin, EnrolmentPage):
    """How it stands after the customer's act: asked, done, or left as it was; then the device goes back."""

    template_name = "handover/ended.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        found = self.enrolment()
        states = [each for each in found.consents if each.asked.key == self.row.about]
        return self.page(
            handover=self.row,
            state=states[0] if states else None,
            is_waiting=bool(self.application.asked_action),
            is_over=self.application.state == Application.State.ENDED or found.status in ("ENDED", "ENDING"),
            here=request.path,
        )
