"""Which conflict groups may meet on one meter or device: the matrix, and a pair with what changing it would find."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.pages import ConsolePage
from console.programs.common import REFUSED, TOO_LATE, ProgramPage
from console.programs.forms import ReasonForm
from console.rights import Right, may
from console.site import actor_of
from enrollment.models import ProgramVersion
from enrollment.programs import rules
from enrollment.programs.drafting import NotWritten
from enrollment.programs.rules import ALLOW, DENY
from enrollment.states import VersionState


class ConflictRules(ConsolePage):
    """All groups against all groups."""

    title = gettext_lazy("Conflict rules")
    template_name = "console/programs/rules.html"

    def context(self) -> dict[str, Any]:
        verdicts = rules.verdicts()
        groups = rules.groups(verdicts)
        programs: dict[str, list[ProgramVersion]] = {}
        shown = ProgramVersion.objects.filter(state=VersionState.PUBLISHED).only("name", "conflict_group", "program_id")
        for version in shown.order_by("name"):
            programs.setdefault(version.conflict_group, []).append(version)
        return {
            "groups": groups,
            "rows": [
                {"group": first, "cells": [_cell(first, second, verdicts) for second in groups]} for first in groups
            ],
            "programs": [(group, programs.get(group, [])) for group in groups],
        }


def _cell(first: str, second: str, verdicts: dict[tuple[str, str], str]) -> dict[str, Any]:
    if first == second:
        return {"is_itself": True}
    low, high = sorted((first, second))
    return {
        "is_denied": verdicts.get((low, high), ALLOW) == DENY,
        "first": first,
        "second": second,
        "page": f"{reverse('admin:conflict-pair')}?{urlencode({'a': low, 'b': high})}",
    }


class OnePair(ProgramPage):
    """One pair: how it stands, and what changing it would find among the living."""

    acts = Right.EDIT_PROGRAMS
    template_name = "console/programs/pair.html"

    def trail(self) -> list[tuple[str, str]]:
        return [(reverse("admin:conflict-rules"), _("Conflict rules"))]

    def context(self) -> dict[str, Any]:
        first, second = self._pair()
        is_denied = self._verdict == DENY
        wanted = ALLOW if is_denied else DENY
        simulation = self._simulated(first, second, wanted)
        return {
            **super().context(),
            "title": _("%(first)s and %(second)s") % {"first": first, "second": second},
            "first": first,
            "second": second,
            "is_denied": is_denied,
            "wanted": wanted,
            "simulation": simulation,
            "form": ReasonForm(),
            "may_act": may(self.request, Right.EDIT_PROGRAMS),
            "leave": reverse("admin:conflict-rules"),
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        first, second = self._pair()
        form = ReasonForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        wanted = request.POST.get("wanted", "")
        try:
            rules.save_pair(
                first,
                second,
                wanted,
                simulated=request.POST.get("simulated", ""),
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            form.add_error(None, str(problem))
            return self.page(form=form, status=TOO_LATE)
        said = _("%(first)s and %(second)s may not meet from now on.")
        if wanted == ALLOW:
            said = _("%(first)s and %(second)s may meet from now on.")
        return self.done(reverse("admin:conflict-rules"), said % {"first": first, "second": second})

    def _simulated(self, first: str, second: str, wanted: str) -> rules.Simulation:
        try:
            return rules.simulate_pair(first, second, wanted, self.now)
        except NotWritten as problem:
            raise Http404(str(problem)) from problem

    def _pair(self) -> tuple[str, str]:
        asked = sorted((self.request.GET.get("a", ""), self.request.GET.get("b", "")))
        verdicts = rules.verdicts()
        known = rules.groups(verdicts)
        self._verdict = verdicts.get((asked[0], asked[1]), ALLOW)
        if asked[0] == asked[1] or not all(each in known for each in asked):
            raise Http404(_("There are no such groups."))
        return asked[0], asked[1]
