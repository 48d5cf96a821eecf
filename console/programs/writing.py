"""Writing a draft: a page for each section, one for each entry of a list, one for each language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.programs.common import REFUSED, DraftPage, ProgramPage, address_of, program_or_404, version_name
from console.programs.forms import (
    SECTION_FORMS,
    ConditionForm,
    ConsentForm,
    CredentialForm,
    EntryForm,
    LanguageForm,
    NewProgramForm,
)
from console.programs.wording import CREDENTIALS, SECTIONS, condition_name
from console.rights import Right
from console.site import actor_of
from enrollment.criteria import CRITERIA
from enrollment.models import ConsentText
from enrollment.programs import drafting
from enrollment.programs.content import Section, digest_of
from enrollment.programs.drafting import NotWritten


class NewProgram(ProgramPage):
    """A program that does not exist yet."""

    right = Right.EDIT_PROGRAMS
    title = gettext_lazy("Write a new program")
    template_name = "console/programs/form.html"

    def context(self) -> dict[str, Any]:
        lead = _("Nobody sees the program until its first version is published. Its id stays for ever.")
        return {**super().context(), "form": NewProgramForm(), "lead": lead, "button": _("Begin the draft")}

    def post(self, request: HttpRequest) -> HttpResponse:
        form = NewProgramForm(request.POST)
        if form.is_valid():
            try:
                version = drafting.new_program(**form.cleaned_data, actor=actor_of(request), now=self.now)
            except NotWritten as problem:
                form.add_error(None, str(problem))
            else:
                return self.done(address_of(version), _("The draft is begun. Write its parts, then publish it."))
        return self.page(form=form, status=REFUSED)


class NewDraft(ProgramPage):
    """Begin the next version as a copy; POST only."""

    right = Right.EDIT_PROGRAMS
    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        program = program_or_404(pk)
        start = request.POST.get("from", "")
        try:
            version = drafting.new_draft(
                program.pk,
                start=int(start) if start.isascii() and start.isdigit() else None,
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            return self.done(reverse("admin:program", args=[program.pk]), str(problem))
        said = _("A draft is begun. It is nobody's business until it is published.")
        return self.done(address_of(version), said)


class SectionPage(DraftPage):
    """One section of a draft."""

    def context(self) -> dict[str, Any]:
        section = self._section()
        form = SECTION_FORMS[section.value](version=self.version)
        return {**super().context(), "title": str(SECTIONS[section]), **self._told(form)}

    def post(self, request: HttpRequest, pk: int, section: str) -> HttpResponse:
        chosen = self._section()
        form = SECTION_FORMS[chosen.value](request.POST, version=self.version)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        try:
            drafting.save(
                self.version.pk,
                form.values(),
                seen=request.POST.get("seen", ""),
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            return self.not_written(form, problem)
        return self.done(address_of(self.version, chosen), _("Saved: %(what)s.") % {"what": SECTIONS[chosen]})

    def _section(self) -> Section:
        if self.named["section"] not in SECTION_FORMS:
            raise Http404(_("A version has no such section."))
        return Section(self.named["section"])

    def _told(self, form: Any) -> dict[str, Any]:
        leave = address_of(self.version, self._section())
        return {"form": form, "seen": digest_of(self.version), "button": _("Save"), "leave": leave}


class LanguagePage(DraftPage):
    """What people read of the program in one language."""

    def context(self) -> dict[str, Any]:
        return {
            **super().context(),
            "title": _("What people read: %(language)s") % {"language": self._language()},
            "lead": _(
                "What is left empty is read as the section “What it is” says it. Empty all of it to take the"
                " language out."
            ),
            "form": LanguageForm(version=self.version, locale=self.named["locale"]),
            "seen": digest_of(self.version),
            "button": _("Save"),
            "leave": address_of(self.version, Section.LANGUAGES),
        }

    def post(self, request: HttpRequest, pk: int, locale: str) -> HttpResponse:
        language = self._language()
        form = LanguageForm(request.POST, version=self.version, locale=locale)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        try:
            drafting.save(
                self.version.pk,
                form.values(),
                seen=request.POST.get("seen", ""),
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            return self.not_written(form, problem)
        return self.done(address_of(self.version, Section.LANGUAGES), _("Saved: %(what)s.") % {"what": language})

    def _language(self) -> str:
        names = {code: str(name) for code, name in settings.LANGUAGES}
        present = (self.version.presentation or {}).get("texts") or {}
        locale = self.named["locale"]
        if locale not in names and locale not in present:
            raise Http404(_("The pages do not speak this language."))
        return names.get(locale, locale)


class EntryPage(DraftPage):
    """One entry of a list of a draft: a condition, a credential or a consent; `place` "new" adds one."""

    template_name = "console/programs/form.html"
    field: ClassVar[str]
    section: ClassVar[Section]
    form_class: ClassVar[type[EntryForm]]
    thing: ClassVar[Promise]

    def context(self) -> dict[str, Any]:
        return {
            **super().context(),
            "title": self.title_of(),
            "lead": self.lead(),
            "form": self.form(None),
            "seen": digest_of(self.version),
            "button": _("Save"),
            "leave": address_of(self.version, self.section),
            "remove": "" if self.is_new else _("Take it out"),
        }

    def post(self, request: HttpRequest, pk: int, place: str) -> HttpResponse:
        version, entries = self.version, list(self.entries)
        form = self.form(request.POST)
        is_removed = "remove" in request.POST and not self.is_new
        if not is_removed and not form.is_valid():
            return self.page(form=form, status=REFUSED)
        if is_removed:
            del entries[self.place]
        elif self.is_new:
            entries.append(form.made())
        else:
            entries[self.place] = form.made()
        try:
            drafting.save(
                version.pk,
                {self.field: entries},
                seen=request.POST.get("seen", ""),
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            form.is_valid()
            return self.not_written(form, problem)
        said = _("Taken out: %(what)s.") if is_removed else _("Saved: %(what)s.")
        return self.done(address_of(version, self.section), said % {"what": self.thing})

    @property
    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = getattr(self.version, self.field)
        return found

    @property
    def is_new(self) -> bool:
        return bool(self.named["place"] == "new")

    @property
    def place(self) -> int:
        """Where in the list; 404 where there is nothing."""
        text = str(self.named["place"])
        if not (text.isascii() and text.isdigit()) or len(text) > 4 or int(text) >= len(self.entries):
            raise Http404(_("There is no such entry: somebody may have taken it out."))
        return int(text)

    def entry(self) -> Mapping[str, Any]:
        return {} if self.is_new else self.entries[self.place]

    def form(self, sent: Any) -> EntryForm:
        return self.form_class(sent, entry=self.entry(), version=self.version)

    def title_of(self) -> str:
        return str(self.thing)

    def lead(self) -> str:
        return ""


class ConditionPage(EntryPage):
    """One condition; a new one says its kind in the address."""

    field, section, form_class = "criteria", Section.WHO, ConditionForm
    thing = gettext_lazy("Condition")

    def entry(self) -> Mapping[str, Any]:
        if not self.is_new:
            return super().entry()
        kind = self.request.GET.get("kind", "")
        if kind not in CRITERIA:
            raise Http404(_("There is no such condition."))
        return {"kind": kind}

    def title_of(self) -> str:
        return condition_name(self.entry().get("kind"))

    def lead(self) -> str:
        return _("The rule decides; the sentences are what people read of it. Without one they read the rule itself.")


class CredentialPage(EntryPage):
    """One credential that people show."""

    field, section, form_class = "required_credentials", Section.PROOFS, CredentialForm
    thing = gettext_lazy("Credential")

    def title_of(self) -> str:
        return str(CREDENTIALS.get(self.entry().get("type", ""), _("Ask for a credential")))


class ConsentPage(EntryPage):
    """One consent."""

    field, section, form_class = "required_consents", Section.CONSENTS, ConsentForm
    thing = gettext_lazy("Consent")

    def title_of(self) -> str:
        return str(self.entry().get("type") or _("Ask for a consent"))

    def form(self, sent: Any) -> EntryForm:
        kept: dict[str, list[str]] = {}
        texts = ConsentText.objects.filter(program=self.version.program, locale="en").order_by("consent_type", "pk")
        for consent_type, version in texts.values_list("consent_type", "version"):
            kept.setdefault(consent_type, []).append(version)
        return ConsentForm(sent, entry=self.entry(), version=self.version, text_versions=kept)


class DropDraft(DraftPage):
    """Throw a draft away."""

    template_name = "console/programs/drop.html"

    def context(self) -> dict[str, Any]:
        is_only = not self.version.program.versions.exclude(pk=self.version.pk).exists()
        return {
            **super().context(),
            "title": _("Throw this draft away"),
            "seen": digest_of(self.version),
            "is_only": is_only,
            "leave": address_of(self.version),
            "name": version_name(self.version),
        }

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        program_pk = self.version.program_id
        try:
            left = drafting.drop(
                self.version.pk, seen=request.POST.get("seen", ""), actor=actor_of(request), now=self.now
            )
        except NotWritten as problem:
            return self.page(problem=str(problem), status=409)
        if left is None:
            return self.done(reverse("admin:programs"), _("The draft and its program are thrown away."))
        return self.done(reverse("admin:program", args=[program_pk]), _("The draft is thrown away."))
