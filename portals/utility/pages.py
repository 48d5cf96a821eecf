"""What every page of a journey does: it belongs to one person, is made from one version, and says how it stands.

Somebody else's journey is answered like one that is not there. A page that was left behind (another tab, Back after
the end) never does a second time what was done: a question that is over leads to where the journey stands now.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import drafts, houses, journey, reading
from portals.actors import Actor, SelfService, in_the_portal
from portals.evidence import UtilitySilent
from portals.models import Application
from portals.utility.patience import wait_a_moment

SIGN_IN = "oidc-sign-in"


#: Where a page lies, by its name without "portal-" and what its address is made from.
Address = Callable[..., str]


def address_of(application: Application, step: journey.Step, address: Address = in_the_portal) -> str:
    """The address of one step; a consent's has its place."""
    more = [step.place] if step.name == "consent" else []
    return address(step.name, application.pk, *more)


def next_address(application: Application, address: Address = in_the_portal) -> str:
    """Where the journey goes on.

    An answer to the question whether one can join is shown before anything else is asked: going on from there gives
    the journey its start.
    """
    if (elsewhere := stands_at(application, address)) != "":
        return elsewhere
    step = journey.next_step(application)
    if application.batch_id and step.name in ("dates", "check"):
        return reverse("portal-batch", args=[application.batch_id])  # confirmed with the others of its basket
    answers = application.answers
    is_unseen = answers.get("unseen") or not answers.get("starts_on")
    if application.told.get("on_init") and is_unseen and step.name in ("documents", "consent", "dates", "check"):
        return address("eligibility", application.pk)
    return address_of(application, step, address)


def stands_at(application: Application, address: Address = in_the_portal) -> str:
    """The page of a journey whose questions are over, or that waits for an answer; "" while it asks."""
    states = Application.State
    if application.asked_action or application.state == states.CONFIRMING:
        return address("waiting", application.pk)
    if application.state == states.ENROLLED:
        return address("enrolled", application.pk)
    if application.state == states.REFUSED:
        return address("refused", application.pk)
    if application.state in (states.ENDED, states.DROPPED):
        return address("application", application.pk)
    return ""


def see(address: str) -> HttpResponseRedirect:
    """Answer a form with the page that comes after it."""
    return HttpResponseRedirect(address, status=303)


class JourneyPage(View):
    """A page about one journey, for whoever goes through it (`portals.actors`).

    `is_question`: it asks something, and only a draft that waits for nothing may answer.
    """

    template_name = ""
    step = ""
    is_question = False
    actor: Actor
    application: Application
    now: datetime

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.now = clock.now()
        self.actor = self.acting(request, **kwargs)
        stopped = self.gate()
        if stopped is not None:
            return stopped
        self.application = self._found()
        elsewhere = self.stands_at() if self.is_question else ""
        if elsewhere:
            return see(elsewhere)
        if self.is_question and self._is_shut():
            return see(self.next_address()) if request.method != "POST" else self.out_of_date()
        try:
            return super().dispatch(request, *args, **kwargs)
        except drafts.OutOfDate:
            return self.out_of_date()
        except SignInNeeded:
            return see(f"{reverse(SIGN_IN)}?next={request.path}")
        except (ProviderUnavailable, UtilitySilent):
            return self.page(status=503, template="portal/utility_silent.html")

    def acting(self, request: HttpRequest, **kwargs: Any) -> Actor:
        """Who goes through the journey that the address names."""
        return SelfService(request, kwargs["application_id"])

    def gate(self) -> HttpResponseBase | None:
        """What keeps this actor from the page, before the journey is looked at; None for nothing."""
        return None

    def _is_shut(self) -> bool:
        """Whether an earlier question has to be answered first: what follows from it would be asked too soon."""
        of_page = [step for step in journey.steps(self.application) if step.name == self.step]
        return bool(of_page) and all(step.status == journey.CANNOT_START_YET for step in of_page)

    def page(self, *, status: int = 200, template: str = "", **said: Any) -> HttpResponse:
        context = {**self.context(), **said}
        return render(self.request, template or self.template_name, context, status=status)

    def context(self) -> dict[str, Any]:
        """What all pages of a journey are told."""
        application = self.application
        return {
            "actor": self.actor,
            "is_assisted": self.actor.is_assisted,
            "layout": self.actor.layout,
            "application": application,
            "program": reading.program(application.program.item, get_language() or ""),
            "house": houses.house_of(application.utility_id),
            "steps": journey.steps(application),
            "back": self.back(),
            "now": self.now,
        }

    def back(self) -> str:
        """The page before this one, for the link at the top."""
        if self.request.GET.get("from") == "check":
            return self.address("check")
        return self.address("application")

    def address(self, name: str, *more: Any) -> str:
        """The address of another page of this journey."""
        return self.actor.address(name, self.application.pk, *more)

    def next_address(self) -> str:
        """Where the journey goes on."""
        return next_address(self.application, self.actor.address)

    def stands_at(self) -> str:
        """The page of a journey whose questions are over, or that waits; "" while it asks."""
        return stands_at(self.application, self.actor.address)

    def version(self) -> int:
        """The version of the journey that the form was made from. Raises drafts.OutOfDate."""
        given = self.request.POST.get("version", "")
        if not given.isdecimal() or len(given) > 9:
            raise drafts.OutOfDate
        return int(given)

    def change(self, how: Callable[[Application], Any]) -> None:
        """Change the journey as the form says. Raises drafts.OutOfDate when the form is older than the journey."""
        self.application = drafts.change(self.application, self.version(), how, now=self.now)

    def out_of_date(self) -> HttpResponse:
        """Another tab, another device or an answer was faster: show how it stands, lose nothing."""
        self.application = self._found()
        return self.page(status=409, template="portal/out_of_date.html", go_on=self.next_address())

    def onward(self) -> HttpResponseRedirect:
        """To the next page, or back to the answers where this one was called from there."""
        if self.request.POST.get("from") == "check" and not self.stands_at():
            ready = journey.next_step(self.application)
            if ready.name == "check":
                return see(self.address("check"))
        return see(self.next_address())

    def after_a_moment(self) -> HttpResponseRedirect:
        """To where the journey stands once the provider has had a moment to answer."""
        self.application = wait_a_moment(self.application)
        return see(self.next_address())

    def _found(self) -> Application:
        try:
            return self.actor.journey()
        except drafts.NotTheirs:
            raise Http404 from None
