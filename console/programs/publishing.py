"""Publishing, closing and retiring: each has a page that says what will happen, and asks why."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from beckn import identities
from console.programs.common import REFUSED, TOO_LATE, DraftPage, ProgramPage, address_of, program_or_404
from console.programs.forms import CloseForm, PublishForm, RetypedForm
from console.programs.looking import told_differences
from console.programs.wording import CASE_STATES
from console.rights import Right
from console.site import actor_of
from enrollment.models import Program, ProgramVersion
from enrollment.programs import publishing, rules, stranding
from enrollment.programs.checking import blocking
from enrollment.programs.content import digest_of
from enrollment.programs.drafting import NotWritten
from portals import catalogue
from portals.models import Application


class Publish(DraftPage):
    """Let a draft hold."""

    template_name = "console/programs/publish.html"

    def context(self) -> dict[str, Any]:
        version = self.version
        problems = publishing.problems(version, self.now)
        former = publishing.published(version.program)
        simulation = rules.simulate_group(version, self.now)
        is_closed = former is not None and former.closes_at is not None and former.closes_at <= self.now
        return {
            **super().context(),
            "title": _("Publish version %(number)d") % {"number": version.number},
            "form": PublishForm(),
            "seen": digest_of(version),
            "simulation": simulation,
            "simulated": simulation.digest if simulation is not None else "",
            "blocking": blocking(problems),
            "remarks": [each for each in problems if not each.is_blocking],
            "former": former,
            "reopens": is_closed and (version.closes_at is None or version.closes_at > self.now),
            "sections": told_differences(former, version) if former is not None else [],
            "stranded": stranding.of(version.program) if former is not None else None,
            "leave": address_of(version),
        }

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = PublishForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        try:
            done = publishing.publish(
                self.version.pk,
                seen=request.POST.get("seen", ""),
                simulated=request.POST.get("simulated", ""),
                reason=form.cleaned_data["reason"],
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            form.add_error(None, str(problem))
            is_late = not isinstance(problem, publishing.NotPublishable)
            return self.page(form=form, status=TOO_LATE if is_late else REFUSED)
        return self.done(
            address_of(done.version),
            _("Version %(number)d is published.") % {"number": done.version.number} + _told(self.now),
        )


def _told(now: datetime) -> str:
    """Our own portal, where there is one here, asks for the catalogue at once; others ask when they do."""
    if not any(identity.role == identities.PORTAL for identity in settings.BECKN_IDENTITIES):
        return " " + _("Portals see it when they next ask for the catalogue.")
    catalogue.refresh(now)
    return " " + _("Our portal asks for the new catalogue now; other portals see it when they next ask.")


class _ProgramAct(ProgramPage):
    """Closing or retiring one program."""

    right = Right.EDIT_PROGRAMS
    form_class: ClassVar[type[RetypedForm]]

    @property
    def program(self) -> Program:
        if not hasattr(self, "_program"):
            self._program = program_or_404(self.named["pk"])
        return self._program

    @property
    def holding(self) -> ProgramVersion:
        holding = publishing.published(self.program)
        if holding is None:
            raise Http404(_("The program has no published version."))
        return holding

    def trail(self) -> list[tuple[str, str]]:
        return [*super().trail(), (reverse("admin:program", args=[self.program.pk]), self.program.program_id)]

    def context(self) -> dict[str, Any]:
        holding, stranded = self.holding, stranding.of(self.program)
        drafts = Application.objects.filter(program__program_id=self.program.program_id, state=Application.State.DRAFT)
        counted = drafts.order_by()[: stranding.MOST + 1].count()
        return {
            **super().context(),
            "program": self.program,
            "holding": holding,
            "form": self.form_class(program_id=self.program.program_id),
            "seen": digest_of(holding),
            "stranded": stranded,
            "cases": [(CASE_STATES[state], number) for state, number in stranded.cases.items()],
            "drafts": stranding.Counted(counted),
            "most": stranding.MOST,
            "has_draft": self.program.versions.filter(state="DRAFT").exists(),
            "leave": reverse("admin:program", args=[self.program.pk]),
        }

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = self.form_class(request.POST, program_id=self.program.program_id)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        try:
            said = self.act(form)
        except NotWritten as problem:
            form.add_error(None, str(problem))
            return self.page(form=form, status=TOO_LATE)
        return self.done(reverse("admin:program", args=[self.program.pk]), said + _told(self.now))

    def act(self, form: forms.Form) -> str:
        raise NotImplementedError


class Close(_ProgramAct):
    """Let a program take nobody any more, from a moment on."""

    template_name = "console/programs/close.html"
    form_class = CloseForm

    def context(self) -> dict[str, Any]:
        return {**super().context(), "title": _("Close the program")}

    def act(self, form: forms.Form) -> str:
        done = publishing.close(
            self.program.pk,
            at=form.cleaned_data["closes_at"] or self.now,
            reopens_at=form.cleaned_data["reopens_at"],
            seen=self.request.POST.get("seen", ""),
            reason=form.cleaned_data["reason"],
            actor=actor_of(self.request),
            now=self.now,
        )
        at = done.version.closes_at
        assert at is not None
        if at <= self.now:
            return _("The program is closed.")
        return _("The program closes at %(moment)s UTC.") % {"moment": f"{at:%Y-%m-%d %H:%M}"}


class Retire(_ProgramAct):
    """Take a program out of the catalogue."""

    template_name = "console/programs/retire.html"
    form_class = RetypedForm

    def context(self) -> dict[str, Any]:
        return {**super().context(), "title": _("Retire the program")}

    def act(self, form: forms.Form) -> str:
        publishing.retire(
            self.program.pk,
            seen=self.request.POST.get("seen", ""),
            reason=form.cleaned_data["reason"],
            actor=actor_of(self.request),
            now=self.now,
        )
        return _("The program is retired.")
