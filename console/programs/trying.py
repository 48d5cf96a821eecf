"""Trying a version on a meter: the utility is asked, the rules decide, and each condition says how it stands."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.programs.common import REFUSED, VersionPage
from console.programs.forms import TryForm
from console.programs.wording import CREDENTIALS, condition_name
from console.rights import Right
from console.site import actor_of
from enrollment.programs import trying

#: Why a trial came to nothing, and the status that says so.
FAILURES = {
    "UNKNOWN_UTILITY": (gettext_lazy("The utility %(utility)s is not configured here."), REFUSED),
    "UNKNOWN_METER": (gettext_lazy("%(utility)s knows no meter of this id. Check it, then try again."), 404),
    "UNAVAILABLE": (
        gettext_lazy("%(utility)s does not answer at the moment, so nothing can be said. Try again in some minutes."),
        503,
    ),
}


class TryOnMeter(VersionPage):
    """A draft, or a version that holds, tried on one meter. Nothing of it is kept but a line in the journal."""

    right = Right.EDIT_PROGRAMS
    title = gettext_lazy("Try on a meter")
    template_name = "console/programs/try.html"

    def context(self) -> dict[str, Any]:
        return {**super().context(), "form": TryForm()}

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = TryForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        asked = form.cleaned_data
        try:
            trial = trying.try_on(
                self.version,
                asked["utility"],
                asked["meter"].strip(),
                role=asked["role"],
                acr=asked["acr"],
                actor=actor_of(request),
                now=self.now,
            )
        except trying.NotTried as problem:
            said, status = FAILURES[problem.code]
            form.add_error(None, str(said) % {"utility": problem.utility_id})
            return self.page(form=form, status=status)
        lines = [{"name": condition_name(line.criterion), "line": line} for line in trial.lines]
        missing = [str(CREDENTIALS.get(each, each)) for each in trial.missing]
        return self.page(form=form, trial=trial, lines=lines, missing=missing, says=_verdict(trial))


def _verdict(trial: trying.Trial) -> str:
    if trial.can_join and (trial.missing or trial.questions or trial.reviews):
        return _("This meter could join, once what is missing is there.")
    return _("This meter could join.") if trial.can_join else _("This meter could not join.")
