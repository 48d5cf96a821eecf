"""The pages in the customer's hands: sign in, read, answer, give the device back (screens A5, A7).

They are in the customer's language and say nothing of a customer before the one the case is about has signed in.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from identity import agents, contacts, mandates, people, sessions
from identity.limits import Budget, source_of
from identity.models import Mandate, Subject
from identity.oidc import by_meter
from identity.oidc.views import Door, to_providers
from identity.providers import Provider, sign_ins, with_slug
from portals import consents, houses, reading
from portals.agency import cases, devices, handovers
from portals.agency.forms import AnswerForm
from portals.agency.held import PROVED, HandoverMixin, acting, begin, leave, proven_in, see
from portals.models import AssistedCase, Handover

Asks = Handover.Asks
FRESH_SECONDS = int(agents.FRESH.total_seconds())
LINKS_FROM_ONE_ADDRESS = Budget("handover-links-from", per_second=0.5, burst=30)


class Link(View):
    """A link of ours that the customer got: opened by a press, so that whatever reads their messages uses nothing."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._page(request, self._found(request, token))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        row, now = self._found(request, token), clock.now()
        if row is None:
            return self._page(request, None)
        try:
            return begin(request, row, language="", now=now)
        except handovers.Over:
            return self._page(request, None)

    def _found(self, request: HttpRequest, token: str) -> Handover | None:
        now = clock.now()
        if not LINKS_FROM_ONE_ADDRESS.take(now, source_of(request)):
            return None
        row = handovers.by_token(token)
        is_open = row is not None and handovers.is_living(row, now) and not row.session_digest
        return row if is_open and row is not None and agents.blocked(acting(row.case, row), now) is None else None

    def _page(self, request: HttpRequest, row: Handover | None) -> HttpResponse:
        if row is None:
            return render(request, "handover/link_over.html", {}, status=410)
        return to_providers(render(request, "handover/link.html", words(row)))


class Page(HandoverMixin, View):
    """Where the handover stands: who asks, then what is asked, then the end."""

    is_for_the_proven = False

    def get(self, request: HttpRequest, handover_id: UUID) -> HttpResponse:
        subject = proven_in(request, self.row)
        if subject is None:
            if request.user.is_authenticated:
                return see(reverse("handover-arrived", args=[self.row.pk]))
            return self._start(request)
        if agents.blocked(acting(self.case, self.row), self.now) is not None:
            return said(request, self.row, "handover/stopped.html", status=403)
        if self.row.asks == Asks.CONSENTS:
            return self._consents(request)
        if self.row.asks in (Asks.LEAVE, Asks.WITHDRAW):
            return see(reverse(f"handover-{self.row.asks.lower()}", args=[self.row.pk]))
        return ask(request, self.row, AnswerForm())

    def _start(self, request: HttpRequest) -> HttpResponse:
        is_other = self.row.answer == handovers.OTHER_PERSON
        return said(request, self.row, "handover/start.html", providers=_providers(self.case), is_other=is_other)

    def _consents(self, request: HttpRequest) -> HttpResponse:
        application = self.case.application
        if application is None:
            raise Http404
        asked = consents.asked(application)
        locale = get_language() or "en"
        left = consents.unanswered(application)
        first = (left or consents.refused(application) or asked)[:1]
        return said(
            request,
            self.row,
            "handover/consents.html",
            lines=[
                {
                    "consent": each,
                    "answer": consents.answer_to(application, each),
                    "description": each.description_in(locale),
                }
                for each in asked
            ],
            left=left,
            refused=consents.refused(application),
            first=reverse("handover-consent", args=[self.row.pk, first[0].place]) if first else "",
        )


class SignIn(HandoverMixin, Door):
    """To the customer's own sign-in at their utility, made now: whoever is still signed in there is asked again.

    Who has the device may leave the question out of the address: a sign-in that is older than this is not taken.
    """

    is_for_the_proven = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(reverse("handover-page", args=[self.row.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        provider = with_slug(request.POST.get("provider", ""))
        if provider is None or provider not in _providers(self.case):
            return see(reverse("handover-page", args=[self.row.pk]))
        arrived = reverse("handover-arrived", args=[self.row.pk])
        return self.leave(request, provider, is_anew=True, max_age=FRESH_SECONDS, next=arrived)


class Arrived(HandoverMixin, View):
    """Back from a sign-in. A GET that writes, like the callback before it: it keeps who came."""

    is_for_the_proven = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        page = see(reverse("handover-page", args=[self.row.pk]))
        if not request.user.is_authenticated or proven_in(request, self.row) is not None:
            return page
        subject = people.living(request.user.subject)
        try:
            is_expected = subject is not None and cases.is_expected(self.case, subject, now=self.now)
        except contacts.Unavailable:
            return said(request, self.row, "handover/unavailable.html", status=503)
        is_theirs = is_expected and subject is not None
        try:
            kept = _kept(self.row, subject, is_theirs, request)
        except handovers.Over:
            return page
        if not kept or subject is None:
            return leave(request, self.row)  # nothing was shown to them, and nothing of theirs stays here
        devices.proved(request, self.case, self.now)
        request.session[PROVED] = f"{self.row.pk} {subject.pk}"
        return page


class Answer(HandoverMixin, View):
    """The customer's Yes or No; with it the step is over, and their session with it."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(reverse("handover-page", args=[self.row.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.row.asks != Asks.MANDATE:
            return self.get(request)
        if agents.blocked(acting(self.case, self.row), self.now) is not None:
            return said(request, self.row, "handover/stopped.html", status=403)
        form = AnswerForm(request.POST)
        if not form.is_valid():
            return ask(request, self.row, form, status=422)
        answer = handovers.YES if form.cleaned_data["answer"] == "yes" else handovers.NO
        if answer == handovers.YES:
            shown = mandate_words(self.row, self.now)
            if form.cleaned_data["digest"] != shown.digest:
                return ask(request, self.row, form, status=409, is_other_text=True)
            try:
                self._agree(request, shown)
            except (cases.NotPossible, cases.OtherPerson):
                return said(request, self.row, "handover/stopped.html", status=409)
        else:
            handovers.answered(self.row, answer, self.subject, now=self.now)
        handovers.end(self.row, now=self.now, why="DONE")
        return leave(request, self.row)

    def _agree(self, request: HttpRequest, shown: mandates.MandateText) -> None:
        sign_in = sessions.of(request)[0]
        proof = f"{sign_in.issuer} {sign_in.sub} {sign_in.pk} {self.row.pk}"
        with transaction.atomic():
            if handovers.answered(self.row, handovers.YES, self.subject, now=self.now).answer != handovers.YES:
                return
            mandate = mandates.give(
                subject=self.subject,
                agency=self.case.agency,
                operator_id=acting(self.case, self.row).operator_id,
                utility_id=self.case.utility_id,
                program_id=self.case.program.program_id,
                now=self.now,
                evidence_kind=_kind(sign_in.issuer),
                evidence_digest=hashlib.sha256(proof.encode()).hexdigest(),
                acr=sign_in.acr,
                locale=get_language() or "en",
                words=shown,
            )
            cases.proved(self.case, self.subject, mandate, now=self.now)


class Finish(HandoverMixin, View):
    """The customer has finished, or gives the device back without an answer."""

    is_for_the_proven = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(reverse("handover-page", args=[self.row.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        subject = proven_in(request, self.row)
        why = "DONE" if self.row.answer in (handovers.YES, handovers.NO) else "BACK"
        application = self.case.application if self.row.asks == Asks.CONSENTS else None
        if subject is not None and application is not None and not consents.unanswered(application):
            answer = handovers.NO if consents.refused(application) else handovers.YES
            handovers.answered(self.row, answer, subject, now=self.now)
            why = "DONE"
        handovers.end(self.row, now=self.now, why=why)
        return leave(request, self.row)


@never_cache
def back(request: HttpRequest, handover_id: UUID) -> HttpResponse:
    """It is over: give the device back, or close the page. Says nothing of the customer."""
    row = handovers.by_id(handover_id)
    if row is None:
        raise Http404
    if handovers.is_living(row, clock.now()):
        return see(reverse("handover-page", args=[row.pk]))
    go_on = agents.begin_fresh_address(reverse("agency-go-on", args=[row.case_id]))
    said = {**words(row), "go_on": go_on, "is_device": row.way == Handover.Way.DEVICE}
    return to_providers(render(request, "handover/back.html", said))


def ask(request: HttpRequest, row: Handover, form: AnswerForm, *, status: int = 200, **more: Any) -> HttpResponse:
    """The question of the agreement, with the words that are agreed to."""
    shown = mandate_words(row, clock.now())
    return said(request, row, "handover/mandate.html", status=status, form=form, mandate=shown, **more)


def mandate_words(row: Handover, now: Any) -> mandates.MandateText:
    """What the customer agrees to, in the language of the page."""
    member, view = acting(row.case, row), reading.program(row.case.program.item, get_language() or "en")
    name = member.name or member.operator_id
    return mandates.text(row.case.agency, name, view.name, now + mandates.LASTS, get_language() or "en")


def said(request: HttpRequest, row: Handover, template: str, *, status: int = 200, **more: Any) -> HttpResponse:
    """A page of a handover; its forms may lead to the providers, in and out."""
    response = to_providers(render(request, template, {**words(row), **more}, status=status))
    if status == 503:
        response.headers["Retry-After"] = "60"
    return response


def words(row: Handover) -> dict[str, Any]:
    """Who asks for what: nothing of the customer."""
    case, member = row.case, acting(row.case, row)
    return {
        "handover": row,
        "agency": case.agency,
        "agent": member.name or member.operator_id,
        "program": reading.program(case.program.item, get_language() or "en"),
        "house": houses.house_of(case.utility_id),
        "is_link": row.way == Handover.Way.LINK,
    }


def _kept(row: Handover, subject: Subject | None, is_expected: bool, request: HttpRequest) -> bool:
    sign_in = next(iter(sessions.of(request)), None)
    kind = _kind(sign_in.issuer) if sign_in is not None and _is_of_the_utility(row.case, sign_in.issuer) else ""
    return handovers.proved(row, subject, is_expected=is_expected and bool(kind), kind=kind, now=clock.now())


def _is_of_the_utility(case: AssistedCase, issuer: str) -> bool:
    """Whether the case's own utility says who this is: another one's word opens nothing there."""
    own = {each.issuer for each in _providers(case)} | {f"{by_meter.ISSUER}{case.utility_id}"}
    return issuer in own


def _kind(issuer: str) -> str:
    return str(Mandate.Evidence.CODE if issuer.startswith(by_meter.ISSUER) else Mandate.Evidence.OIDC)


def _providers(case: AssistedCase) -> list[Provider]:
    """Where this case's customer can sign in."""
    return [each for each in sign_ins() if case.utility_id in each.utilities]
