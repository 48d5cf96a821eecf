"""P16 and P17: taking a consent back, leaving a program, and changing one's mind about either.

As easy as granting: what stops and what stays stands first, then one question, then the receipt. Nothing here ends
anything by itself: the provider does, is asked by a message, and its answer is what the pages show.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from portals import asking, consents, receipts
from portals.models import Application
from portals.utility.deciding import today_of, zone_of
from portals.utility.forms_consents import LeaveForm, WithdrawForm
from portals.utility.pages import see
from portals.utility.patience import wait_a_moment
from portals.utility.views_consents import ConsentPage
from portals.utility.views_enrolments import EnrolmentPage
from portals.viewing import ConsentState

#: Whoever does not leave at once can change their mind for that long: until then the end is only announced.
DAYS_TO_THINK = 7


class Withdraw(EnrolmentPage):
    """Withdraw one consent (screens P16)."""

    template_name = "portal/enrolments/withdraw.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page(form=WithdrawForm()) if self._is_open() else self.home()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self._is_open():  # a second click, or Back: it is done, or on its way
            return self.home()
        form = WithdrawForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422)
        if form.cleaned_data["answer"] == "yes":
            key, token = self.consent().asked.key, self.actor.own_token(self.application, self.now)
            self.change(lambda row: asking.withdraw_consent(row, key, token=token, now=self.now))
            wait_a_moment(self.application)
            return self.home("withdrawn", self.kwargs["place"])
        return self.home()

    def consent(self) -> ConsentState:
        found = self.enrolment()
        states = [each for each in found.consents if each.asked.place == self.kwargs["place"]]
        if not states or not (found.is_live or found.status == "ENDED"):
            raise Http404
        return states[0]

    def context(self) -> dict[str, Any]:
        state = self.consent()
        return {**super().context(), "state": state, "consent": state.asked}

    def _is_open(self) -> bool:
        return self.enrolment().is_live and not self.application.asked_action and self.consent().state == "GIVEN"


class Leave(EnrolmentPage):
    """Leave the program: at once, or in some days until when one may change one's mind (screens P17)."""

    template_name = "portal/enrolments/leave.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page(form=LeaveForm()) if self.enrolment().can_be_left else self.home()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.enrolment().can_be_left:
            return self.home()
        form = LeaveForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422)
        reason = form.cleaned_data["reason"]
        at = end_of_thinking(self.application, self.now) if form.cleaned_data["when"] == LeaveForm.LATER else None
        token = self.actor.own_token(self.application, self.now)
        self.change(lambda row: asking.leave(row, token=token, now=self.now, reason=reason, effective_at=at))
        wait_a_moment(self.application)
        return self.home("leaving" if at else "left")

    def context(self) -> dict[str, Any]:
        later = end_of_thinking(self.application, self.now)
        return {**super().context(), "later": later, "last_day": later - timedelta(seconds=1)}


class Stay(EnrolmentPage):
    """Take an announced end back: POST only, one button."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.enrolment().status == "ENDING" and not self.application.asked_action:
            token = self.actor.own_token(self.application, self.now)
            self.change(lambda row: asking.undo_leave(row, token=token, now=self.now))
            wait_a_moment(self.application)
        return self.home("stayed")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.home()


class Left(EnrolmentPage):
    """The receipt of leaving: when it ended, and what ended with it."""

    template_name = "portal/enrolments/left.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page() if self.enrolment().status in ("ENDED", "ENDING") else self.home()


class GrantAgain(ConsentPage):
    """A consent that was withdrawn, given again: the same page as the first time, with today's text."""

    is_question = False
    _token = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().get(request, *args, **kwargs) if self._is_open() else self._home()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self._is_open():
            return self._home()
        self._token = self.actor.own_token(self.application, self.now)  # asks nobody inside the transaction
        return super().post(request, *args, **kwargs)

    def back(self) -> str:
        return self.address("enrolment")

    def answered(self, fresh: Application, key: str, *, is_granted: bool) -> None:
        if is_granted:
            asking.grant_consents(fresh, [key], token=self._token, now=self.now)

    def after(self, consent: consents.Asked, *, is_granted: bool) -> HttpResponse:
        if is_granted:
            wait_a_moment(self.application)
        return see(f"{self.back()}?done=granted&consent={consent.place}" if is_granted else self.back())

    def said(self, consent: consents.Asked) -> str:
        return ""  # the Yes that was taken back is none

    def _is_open(self) -> bool:
        """Only of a living enrolment, and only what is not in force."""
        receipt = receipts.of_consent(self.application, self.consent().key)
        is_given = receipt is not None and receipt.is_granted and receipt.withdrawn_at is None
        is_live = self.application.state == Application.State.ENROLLED and not self.application.asked_action
        return is_live and not is_given

    def _home(self) -> HttpResponse:
        return see(self.back())


def end_of_thinking(row: Application, now: datetime) -> datetime:
    """The instant of a later end: a midnight of the utility's zone, so that the last day is a whole one."""
    day = today_of(row, now) + timedelta(days=DAYS_TO_THINK + 1)
    return datetime.combine(day, time.min, tzinfo=zone_of(row))
