"""What every page of a journey does: it belongs to one person, is made from one version, and says how it stands.

Somebody else's journey is answered like one that is not there. A page that was left behind (another tab, Back after
the end) never does a second time what was done: a question that is over leads to where the journey stands now.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from identity import people
from identity.models import Subject
from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import drafts, houses, journey, reading
from portals.evidence import UtilitySilent
from portals.models import Application

SIGN_IN = "oidc-sign-in"


def person_of(request: HttpRequest) -> Subject | None:
    """Who is signed in, as the program owners know them; None before a utility has said so."""
    return people.living(request.user.subject)  # type: ignore[union-attr]


def address_of(application: Application, step: journey.Step) -> str:
    """The address of one step; a consent's has its place."""
    more = [step.place] if step.url_name == "portal-consent" else []
    return reverse(step.url_name, args=[application.pk, *more])


def next_address(application: Application) -> str:
    """Where the journey goes on.

    An answer to the question whether one can join is shown before anything else is asked: going on from there gives
    the journey its start.
    """
    if (elsewhere := stands_at(application)) != "":
        return elsewhere
    step = journey.next_step(application)
    if application.batch_id and step.name in ("dates", "check"):
        return reverse("portal-batch", args=[application.batch_id])  # confirmed with the others of its basket
    answers = application.answers
    is_unseen = answers.get("unseen") or not answers.get("starts_on")
    if application.told.get("on_init") and is_unseen and step.name in ("documents", "consent", "dates", "check"):
        return reverse("portal-eligibility", args=[application.pk])
    return address_of(application, step)


def stands_at(application: Application) -> str:
    """The page of a journey whose questions are over, or that waits for an answer; "" while it asks."""
    states = Application.State
    if application.asked_action or application.state == states.CONFIRMING:
        return reverse("portal-waiting", args=[application.pk])
    if application.state == states.ENROLLED:
        return reverse("portal-enrolled", args=[application.pk])
    if application.state == states.REFUSED:
        return reverse("portal-refused", args=[application.pk])
    if application.state in (states.ENDED, states.DROPPED):
        return reverse("portal-application", args=[application.pk])
    return ""


def see(address: str) -> HttpResponseRedirect:
    """Answer a form with the page that comes after it."""
    return HttpResponseRedirect(address, status=303)


class JourneyPage(View):
    """A page about one journey of the person who is signed in.

    `is_question`: it asks something, and only a draft that waits for nothing may answer.
    """

    template_name = ""
    step = ""
    is_question = False
    application: Application
    now: datetime

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.now = clock.now()
        self.application = _found(request, kwargs["application_id"])
        elsewhere = stands_at(self.application) if self.is_question else ""
        if elsewhere:
            return see(elsewhere)
        if self.is_question and self._is_shut():
            return see(next_address(self.application)) if request.method != "POST" else self.out_of_date()
        try:
            return super().dispatch(request, *args, **kwargs)
        except drafts.OutOfDate:
            return self.out_of_date()
        except SignInNeeded:
            return see(f"{reverse(SIGN_IN)}?next={request.path}")
        except (ProviderUnavailable, UtilitySilent):
            return self.page(status=503, template="portal/utility_silent.html")

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
            return reverse("portal-check", args=[self.application.pk])
        return reverse("portal-application", args=[self.application.pk])

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
        self.application = _found(self.request, self.application.pk)
        return self.page(status=409, template="portal/out_of_date.html", go_on=next_address(self.application))

    def onward(self) -> HttpResponseRedirect:
        """To the next page, or back to the answers where this one was called from there."""
        if self.request.POST.get("from") == "check" and not stands_at(self.application):
            ready = journey.next_step(self.application)
            if ready.name == "check":
                return see(reverse("portal-check", args=[self.application.pk]))
        return see(next_address(self.application))


def _found(request: HttpRequest, application_id: UUID) -> Application:
    try:
        return drafts.find(person_of(request), application_id)
    except drafts.NotTheirs:
        raise Http404 from None
