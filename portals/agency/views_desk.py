"""The desk, a new case, and finding its customer (screens A2, A3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views import View

from identity import certification, contacts
from identity.limits import Budget
from identity.models import Membership
from portals import help_codes, houses, reading
from portals.agency import about, cases, look_ups, scope
from portals.agency.case_pages import CasePage, stands_at
from portals.agency.forms import FindForm, HelpCodeForm, OfferForm
from portals.agency.gate import AgentMixin, ManagerMixin
from portals.agency.held import see
from portals.models import Application, AssistedCase

PER_PAGE = 20
HELP_CODES = Budget("help-codes-of-agent", per_second=1 / 60, burst=10)
State = AssistedCase.State


class Desk(AgentMixin, View):
    """What waits for whom, what is nobody's, what was done today; a case by its reference."""

    def get(self, request: HttpRequest) -> HttpResponse:
        wanted = " ".join(request.GET.get("reference", "").split())[:64]
        mine = cases.of_agency(self.member.agency).filter(operator=self.member)
        theirs = cases.of_member(self.member)
        if wanted:
            shown, title = theirs.filter(reference__in={wanted, wanted.upper()}), "found"  # by its index
        else:
            shown, title = mine.exclude(state=State.CLOSED).order_by("-updated_at", "pk"), "mine"
        page = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
        # Those of an import wait for their customers, by the thousand: they stand with their import.
        waiting = {"source": AssistedCase.Source.IMPORT, "state": State.PROVING, "subject": None}
        free = theirs.filter(operator=None).exclude(state=State.CLOSED).exclude(**waiting).order_by("opened_at")
        others = theirs.exclude(operator=self.member).exclude(operator=None).exclude(state=State.CLOSED)
        today = self.now - timedelta(hours=24)
        said = {
            "wanted": wanted,
            "title": title,
            "page": page,
            "lines": [_line(each) for each in page],
            "free": [_line(each) for each in free[:PER_PAGE]] if not wanted else [],
            "free_count": free.count() if not wanted else 0,
            "others": others.count() if self.member.role != Membership.Role.AGENT else 0,
            "done": [_line(each) for each in _done(mine, today)[:PER_PAGE]] if not wanted else [],
            "stopped": look_ups.stopped_of(self.member.agency, self.now) if self._is_manager() else [],
            "endings": [each for each in certification.ending(self.member.agency, self.now) if self._is_told(each)],
        }
        return render(request, "agency/desk.html", said)

    def _is_told(self, ending: certification.Ending) -> bool:
        """Managers are told of everybody's certificate, the others of the agency's and their own."""
        return self._is_manager() or ending.member is None or ending.member.pk == self.member.pk

    def _is_manager(self) -> bool:
        return self.member.role == Membership.Role.MANAGER


class New(AgentMixin, View):
    """Which program, at which utility? Nothing is written."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page(request, None)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = OfferForm(request.POST, choices=self._choices())
        if not form.is_valid():
            return self._page(request, form, status=422)
        return see(f"{reverse('agency-find')}?{urlencode({'offer': form.cleaned_data['offer']})}")

    def _choices(self) -> list[tuple[str, str]]:
        found = scope.offers(self.member.agency, self.now, get_language() or "en")
        return [(each.key, f"{each.view.name} – {each.utility}") for each in found]

    def _page(self, request: HttpRequest, form: OfferForm | None, *, status: int = 200) -> HttpResponse:
        choices = self._choices()
        only = choices[0][0] if len(choices) == 1 else ""
        form = form or OfferForm(choices=choices, initial={"offer": only})
        said = {"form": form, "is_empty": not choices, "back": reverse("agency-desk")}
        return render(request, "agency/new.html", said, status=status)


class Find(AgentMixin, View):
    """Is there such a customer? Match, no match, or more than one: nothing else is told (A3)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        offer = self._offer(request.GET.get("offer", ""))
        return self._page(request, offer, FindForm(initial={"offer": offer.key, "key": uuid4()}))

    def post(self, request: HttpRequest) -> HttpResponse:
        offer, form = self._offer(request.POST.get("offer", "")), FindForm(request.POST)
        if not form.is_valid():
            return self._page(request, offer, form, status=422)
        known = AssistedCase.objects.filter(pk=form.cleaned_data["key"], opened_by=self.member).first()
        if known is not None:  # the button was pressed twice: the other press has found them
            return see(stands_at(request, self.member, known))
        try:
            answer = look_ups.look_up(
                self.member, offer.utility_id, form.looked_up, program_id=offer.program.program_id, now=self.now
            )
        except look_ups.TooSoon as wait:
            return self._page(request, offer, form, status=429, answer="TOO_SOON", seconds=wait.seconds)
        except look_ups.Stopped:
            return self._page(request, offer, form, status=403, answer="STOPPED")
        except contacts.Unavailable:
            return self._page(request, offer, form, status=503, answer="UNAVAILABLE")
        if answer != contacts.MATCH:
            return self._page(request, offer, form, answer=answer)
        try:
            case = cases.open_case(
                self.member,
                offer.program,
                offer.utility_id,
                source=cases.Source.DESK,
                looked_up=form.looked_up,
                key=form.cleaned_data["key"],
                now=self.now,
            )
        except (cases.OutOfScope, cases.NotTheirs):
            raise Http404 from None
        return see(stands_at(request, self.member, case))

    def _offer(self, key: str) -> scope.Offer:
        found = scope.offer_of(self.member.agency, key, self.now, get_language() or "en")
        if found is None:  # also another utility's than the agency's
            raise Http404
        return found

    def _page(
        self, request: HttpRequest, offer: scope.Offer, form: FindForm, *, status: int = 200, **said: Any
    ) -> HttpResponse:
        house = houses.house_of(offer.utility_id)
        context = {"form": form, "offer": offer, "house": house, "back": reverse("agency-new"), **said}
        response = render(request, "agency/find.html", context, status=status)
        if "seconds" in said:
            response.headers["Retry-After"] = str(said["seconds"])
        return response


class TakeDraft(AgentMixin, View):
    """A draft of the Utility Portal, handed over by its customer: the case begins at their agreement (A5)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page(request, HelpCodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = HelpCodeForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, status=422)
        if not HELP_CODES.take(self.now, str(self.member.pk)):
            return self._page(request, form, status=429, problem="TOO_MANY")
        assert self.member.user is not None
        try:
            with transaction.atomic():
                draft = help_codes.take(form.cleaned_data["code"], user=self.member.user, now=self.now).application
                if draft.agency_id or draft.state != Application.State.DRAFT:
                    raise help_codes.NoSuchCode
                case = cases.open_case(
                    self.member,
                    draft.program,
                    draft.utility_id,
                    source=cases.Source.HANDED_OVER,
                    handed_over=draft,
                    now=self.now,
                )
        except help_codes.NoSuchCode:
            return self._page(request, form, status=422, problem="NO_SUCH_CODE")
        except cases.OutOfScope:  # the code was not used by this: somebody else may help with it
            return self._page(request, form, status=403, problem="OUT_OF_SCOPE")
        return see(stands_at(request, self.member, case))

    def _page(self, request: HttpRequest, form: HelpCodeForm, *, status: int = 200, problem: str = "") -> HttpResponse:
        said = {"form": form, "problem": problem, "back": reverse("agency-desk")}
        return render(request, "agency/help_code.html", said, status=status)


class Take(CasePage):
    """Take a case that is nobody's."""

    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(reverse("agency-case", args=[self.case.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        cases.take(self.case, self.member, now=self.now)
        return see(stands_at(request, self.member, cases.find(self.member, self.case.pk)))


class LookUps(ManagerMixin, View):
    """Agents whose look-ups were stopped, and letting them go on."""

    def get(self, request: HttpRequest) -> HttpResponse:
        stopped = look_ups.stopped_of(self.member.agency, self.now)
        others = [each for each in stopped if each.pk != self.member.pk]
        said = {"stopped": others, "is_me": len(others) != len(stopped), "count": look_ups.STOP}
        return render(request, "agency/look_ups.html", {**said, "back": reverse("agency-desk")})


class LookUpsGoOn(ManagerMixin, View):
    """Let one go on; nobody themselves."""

    def post(self, request: HttpRequest, member_id: int) -> HttpResponse:
        agent = Membership.objects.filter(agency=self.member.agency, pk=member_id).exclude(pk=self.member.pk).first()
        if agent is None:
            raise Http404
        look_ups.release(agent, by=self.member, now=self.now)
        return see(reverse("agency-look-ups"))


def _done(mine: QuerySet[AssistedCase], since: Any) -> QuerySet[AssistedCase]:
    return mine.filter(state=State.CLOSED, closed_at__gt=since).order_by("-closed_at")


def _line(case: AssistedCase) -> dict[str, Any]:
    """A case in a list: what it is, and what it waits for. The customer's name only after their proof."""
    return {
        "case": case,
        "program": reading.program(case.program.item, get_language() or "en").name,
        "utility": houses.house_of(case.utility_id).name,
        "about": about.of(case),
        "waits": _waits(case),
    }


def _waits(case: AssistedCase) -> str:
    """A code of what the case waits for (templates/agency/words/waits.html)."""
    if case.not_me_at is not None:
        return "NOT_ME"
    if case.state != State.OPEN or case.application is None:
        return str(case.state)
    if case.application.asked_action or case.application.state == Application.State.CONFIRMING:
        return "PROGRAM"
    if case.application.state != Application.State.DRAFT:
        return "ENDED"
    return "AGENT"


def of(request: HttpRequest, member: Membership, case_id: UUID) -> AssistedCase:
    """For others' pages: a case of this member's. Raises Http404."""
    try:
        return cases.find(member, case_id)
    except cases.NotTheirs:
        raise Http404 from None
