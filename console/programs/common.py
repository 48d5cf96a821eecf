"""What the pages of this room have in common: which version they are of, and where they lead."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from console.pages import ConsolePage
from console.rights import Right, may
from enrollment.models import Program, ProgramVersion
from enrollment.programs.content import Section
from enrollment.programs.drafting import NotWritten, Overtaken
from enrollment.states import VersionState

#: Of an answer to a form that could not be taken.
REFUSED, TOO_LATE = 422, 409


def program_or_404(pk: int) -> Program:
    program = Program.objects.filter(pk=pk).first()
    if program is None:
        raise Http404(_("There is no such program."))
    return program


def version_or_404(pk: int) -> ProgramVersion:
    version = ProgramVersion.objects.select_related("program").filter(pk=pk).first()
    if version is None:
        raise Http404(_("There is no such version."))
    return version


def address_of(version: ProgramVersion, section: Section | None = None) -> str:
    page = reverse("admin:program-version", args=[version.pk])
    return f"{page}#{section.value}" if section is not None else page


def version_name(version: ProgramVersion) -> str:
    return _("%(name)s, version %(number)d") % {
        "name": version.name or version.program.program_id,
        "number": version.number,
    }


class ProgramPage(ConsolePage):
    """A page of one program (`program_pk` in its address)."""

    def dispatch(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
        self.named = named
        return super().dispatch(request, *args, **named)

    def context(self) -> dict[str, Any]:
        return {"trail": self.trail(), "may_edit": may(self.request, Right.EDIT_PROGRAMS)}

    def trail(self) -> list[tuple[str, str]]:
        return [(reverse("admin:programs"), _("Programs"))]

    def done(self, address: str, said: str) -> HttpResponse:
        messages.success(self.request, said)
        return HttpResponseRedirect(address, status=303)


class VersionPage(ProgramPage):
    """A page of one version (`pk` in its address)."""

    @property
    def version(self) -> ProgramVersion:
        if not hasattr(self, "_version"):
            self._version = version_or_404(self.named["pk"])
        return self._version

    def trail(self) -> list[tuple[str, str]]:
        version = self.version
        program = reverse("admin:program", args=[version.program_id])
        return [
            *super().trail(),
            (program, version.program.program_id),
            (address_of(version), _("Version %(number)d") % {"number": version.number}),
        ]

    def context(self) -> dict[str, Any]:
        return {**super().context(), "version": self.version, "program": self.version.program}


class DraftPage(VersionPage):
    """A page on which a draft is written: only drafts, only for who may, and against the digest that was read."""

    right: ClassVar[Right] = Right.EDIT_PROGRAMS
    template_name = "console/programs/form.html"

    @property
    def version(self) -> ProgramVersion:
        """The draft; 404 for what is none."""
        version = super().version
        if version.state != VersionState.DRAFT:
            raise Http404(_("This is no draft any more: it was published."))
        return version

    def not_written(self, form: forms.Form, problem: NotWritten) -> HttpResponse:
        """The form as it was sent, with why it was not taken."""
        form.add_error(None, str(problem))
        is_late = isinstance(problem, Overtaken)
        return self.page(form=form, status=TOO_LATE if is_late else REFUSED, is_overtaken=is_late)
