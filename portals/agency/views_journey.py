"""A journey with an agent beside the customer: the portal's own pages, in a case (screens A6, A8, A9, A10, A12).

Asked with every request, before anything is shown or sent: is the case this agent's and under way, does the agency's
certificate reach it, and does the customer's mandate stand. What the customer answers themselves has no address here.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from identity import agents, mandates
from portals import consents, houses, reading, viewing
from portals.actors import Actor, Assisted
from portals.agency import about, cases, scope, signals
from portals.agency.gate import AgentMixin
from portals.models import Application, AssistedCase, Handover
from portals.utility import choices, views_documents, views_ends, views_journey
from portals.utility.pages import see
from portals.utility.views_enrolments import EnrolmentPage

State = AssistedCase.State
CHOOSING, DECLARING = 3, 5  # places in the agency's five steps


class CasePage(AgentMixin):
    """For the portal's pages of a journey: in the case that the address names.

    `act`: what the mandate has to cover; `place`: which of the five steps it is, 0 after them; `is_end`: it also shows
    a case that is closed.
    """

    act, place, is_end = "select", CHOOSING, False
    case: AssistedCase

    def acting(self, request: HttpRequest, **kwargs: Any) -> Actor:
        try:
            self.case = cases.find(self.member, kwargs["case_id"])
        except cases.NotTheirs:
            raise Http404 from None
        return Assisted(request, self.member, self.case)

    def gate(self) -> HttpResponseBase | None:
        """What stops an act, and where it leads: to the case, or to the customer's agreement again."""
        case = self.case
        is_over = case.state == State.CLOSED
        is_under_way = case.state == State.OPEN or (is_over and self.is_end)
        is_theirs = cases.is_worked_on_by(case, self.member)
        if not is_theirs or not is_under_way or case.not_me_at is not None or case.application is None:
            return see(reverse("agency-case", args=[case.pk]))
        if not scope.covers(self.member.agency, case.program, case.utility_id):
            said = {"case": case, "house": houses.house_of(case.utility_id)}
            return render(self.request, "agency/out_of_scope.html", said, status=403)  # type: ignore[attr-defined]
        reason = self._lacks()
        if reason and not is_over:
            cases.stands_still(case, reason, now=self.now)
        if reason:
            return see(reverse("agency-case" if is_over else "agency-proof", args=[case.pk]))
        return None

    def context(self) -> dict[str, Any]:
        said: dict[str, Any] = super().context()  # type: ignore[misc]
        found = about.of(self.case) or about.About()
        if "account" in said:
            said["account"] = {"name": found.name, "ending": found.ending}
        return {**said, "case": self.case, "about": found, "place": self.place}

    def _lacks(self) -> str:
        """Why the customer's word does not cover this act, as it stands now; "" where it does."""
        case = self.case
        found = mandates.prove(
            case.mandate.mandate_id if case.mandate else "",
            agency_id=self.member.agency.agency_id,
            operator_id=self.member.operator_id,
            action=self.act,
            program_id=case.program.program_id,
            utility_ids=[case.utility_id],
            at=self.now,
        )
        return found if isinstance(found, str) else ""


# --- A6: what to enrol ------------------------------------------------------------------------------------------------


class Account(CasePage, views_journey.Account):
    """Is this the customer's account?"""


class Meters(CasePage, views_journey.Meters):
    """Which of the customer's meters?"""

    act = "init"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        refusal = reading.selected(self.application.told.get("on_select")).refusal
        if refusal is not None and refusal.code in ("MANDATE_REQUIRED", "EA_NOT_CERTIFIED"):
            return self.page(template="agency/cannot_join.html", refusal=refusal)
        return super().get(request, **kwargs)

    def shown(self) -> tuple[choices.MeterChoice, ...]:
        """Only those of the utility that the customer's agreement is about."""
        told = reading.selected(self.application.told.get("on_select")).eligibility
        elsewhere = {each.meter_id for each in told if each.utility_id not in ("", self.case.utility_id)}
        return tuple(each for each in super().shown() if each.umid not in elsewhere)


class Equipment(CasePage, views_journey.Equipment):
    """Which of the customer's devices?"""

    act = "init"


class Eligibility(CasePage, views_journey.Eligibility):
    """Can the customer join? Where not: what to tell them, and what the agent has to know (A10)."""

    act = "init"


class Documents(CasePage, views_documents.Documents):
    act = "init"


class Dates(CasePage, views_journey.Dates):
    act = "init"


# --- A8: check and declare --------------------------------------------------------------------------------------------


class Check(CasePage, views_journey.Check):
    """What the customer has agreed to, who proved it, and the agent's own statement with their own factor."""

    template_name = "agency/check_and_declare.html"
    act, place = "confirm", DECLARING

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not agents.has_fresh_factor(request, self.now):
            return see(agents.step_up_address(request.path))
        signals.look(self.case, self.now)
        if signals.holds(self.case):
            return self.page(form=None, is_held=True, status=409)
        try:
            return super().post(request, **kwargs)
        except cases.NotPossible:  # closed, frozen or given to a colleague while the page was open
            return see(reverse("agency-case", args=[self.case.pk]))

    def confirmed(self) -> None:
        """The statement and the confirmation are one act: the case first, as whoever closes it does."""
        with transaction.atomic():
            cases.declared(self.case, by=self.member, now=self.now)
            super().confirmed()

    def declare(self, row: Application) -> None:
        super().declare(row)
        row.answers["statement"] = {
            "sentences": list(self.statements()),
            "locale": get_language() or "en",
            "operator": self.member.operator_id,
            "at": self.now.isoformat(),
        }

    def statements(self) -> tuple[str, ...]:
        """What the agent declares, word for word: the program's own sentences, else ours."""
        own = reading.program(self.application.program.item, get_language() or "").statements
        return own or _statements(has_consents=bool(consents.asked(self.application)))

    def context(self) -> dict[str, Any]:
        mandate = self.case.mandate
        answers = [consents.answer_to(self.application, each) for each in consents.asked(self.application)]
        return {
            **super().context(),
            "mandate": mandate,
            "answered": [each for each in answers if each is not None],
            "asked_by": Handover.objects.filter(case=self.case, asks=Handover.Asks.CONSENTS)
            .exclude(proved_at=None)
            .order_by("-opened_at")
            .first(),
            "statements": self.statements(),
            "agency": self.case.agency,
            "is_fresh": agents.has_fresh_factor(self.request, self.now),
            "step_up": agents.step_up_address(self.request.path),
        }


def _statements(*, has_consents: bool) -> tuple[str, ...]:
    answered = _(
        "The customer has proved who they are and answered the consents themselves."
        " I have answered nothing in their place."
    )
    proved = _("The customer has proved who they are themselves.")
    return (
        _("I have read the five sentences to the customer, and the customer understood them."),
        answered if has_consents else proved,
        _("I have put in what the customer told me, and read this page to them before confirming."),
        _("I have promised nothing that the program does not promise."),
    )


# --- A9, A10: the end -------------------------------------------------------------------------------------------------


class Waiting(CasePage, views_ends.Waiting):
    place = DECLARING


class Enrolled(CasePage, views_ends.Enrolled):
    """Done: what to tell the customer, the receipt on paper, and the next one."""

    template_name = "agency/enrolled.html"
    is_end, place = True, 0


class OnPaper(Enrolled):
    """The customer's receipt, to be printed and given to them: in the language they were written to."""

    template_name = "agency/receipt.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        with translation.override(self.actor.locale):
            return super().get(request, **kwargs)

    def context(self) -> dict[str, Any]:
        found = viewing.enrolment(self.application, self.now)
        return {**super().context(), "enrolment": found, "agency": self.case.agency, "mandate": self.case.mandate}

    def back(self) -> str:
        return self.address("enrolled")


class Refused(CasePage, views_ends.Refused):
    """Why not: one text to tell the customer, one for the agent."""

    template_name = "agency/cannot_join.html"
    act, is_end, place = "init", True, 0

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Start later; a case that is closed begins nothing any more."""
        if self.case.state == State.CLOSED:
            return see(request.path)
        return super().post(request, **kwargs)

    def back(self) -> str:
        return reverse("agency-case", args=[self.case.pk])


# --- A12: leaving, and taking a consent back --------------------------------------------------------------------------


class Ending(CasePage, EnrolmentPage):
    """What the customer wants to end. They prove again who they are, and end it themselves."""

    template_name = "agency/ending.html"
    act, is_end, place = "update", True, 0

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.application.state != Application.State.ENROLLED:
            return see(reverse("agency-case", args=[self.case.pk]))
        return self.page(given=[each for each in self.enrolment().consents if each.state == "GIVEN"])

    def back(self) -> str:
        return reverse("agency-case", args=[self.case.pk])
