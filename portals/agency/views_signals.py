"""What looks odd, for a second person: the queue, and the page on which somebody says what they made of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views import View

from portals.agency import activity, signals
from portals.agency.gate import ReviewerMixin
from portals.models import CaseSignal

PAGE_LENGTH = 25


class DecisionForm(forms.Form):
    decision = forms.ChoiceField(
        label=_("What did you find?"),
        widget=forms.RadioSelect,
        choices=[
            (CaseSignal.Decision.HARMLESS, _("Nothing is wrong: the case goes on")),
            (CaseSignal.Decision.WRONG, _("Something is wrong: the case is closed")),
        ],
        error_messages={"required": _("Select what you found")},
    )


class Signals(ReviewerMixin, View):
    """What waits for a look, the oldest first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        waiting = Paginator(signals.waiting(self.member), PAGE_LENGTH).get_page(request.GET.get("page"))
        context = {"waiting": waiting, "zone": activity.zone_of(self.member.agency)}
        return render(request, "agency/signals.html", context)


class OneSignal(ReviewerMixin, View):
    """One signal with its case; GET decides nothing."""

    def get(self, request: HttpRequest, signal_id: UUID) -> HttpResponse:
        return self.page(self.found(signal_id), DecisionForm())

    def post(self, request: HttpRequest, signal_id: UUID) -> HttpResponse:
        signal, form = self.found(signal_id), DecisionForm(request.POST)
        if not form.is_valid():
            return self.page(signal, form, status=422)
        try:
            signals.decide(signal, form.cleaned_data["decision"], by=self.member, now=self.now)
        except signals.NotYours:
            return self.page(signal, form, status=403)
        return HttpResponseRedirect(reverse("agency-signals"), status=303)

    def found(self, signal_id: UUID) -> CaseSignal:
        rows = CaseSignal.objects.select_related("case__operator", "case__opened_by", "case__program", "seen_by")
        signal = rows.filter(pk=signal_id, case__agency=self.member.agency).first()
        if signal is None:
            raise Http404
        return signal

    def page(self, signal: CaseSignal, form: forms.Form, *, status: int = 200) -> HttpResponse:
        case = signal.case
        context: dict[str, Any] = {
            "signal": signal,
            "case": case,
            "form": form,
            "is_own": self.member.pk in (case.operator_id, case.opened_by_id),
            "zone": activity.zone_of(self.member.agency),
            "back": reverse("agency-signals"),
        }
        return render(self.request, "agency/signal.html", context, status=status)
