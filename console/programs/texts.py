"""The words people agree to: what there is, who asks for which, what is different, and a new version (screen C9)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import words
from console.paging import slice_of
from console.programs.common import REFUSED, ProgramPage, program_or_404
from console.programs.forms import ConsentTextForm
from console.rights import Right
from console.site import actor_of
from enrollment.models import ConsentText, Program
from enrollment.programs import differences, texts
from enrollment.programs.drafting import NotWritten
from enrollment.programs.texts import Use, Words


class ConsentTexts(ProgramPage):
    """Every text, program by program."""

    title = gettext_lazy("Consent texts")
    template_name = "console/programs/texts.html"

    def trail(self) -> list[tuple[str, str]]:
        return []

    def context(self) -> dict[str, Any]:
        found = slice_of(Program.objects.all(), self.request, size=20)
        kept = ConsentText.objects.filter(program__in=[each.pk for each in found.rows]).defer("body")
        by_program: dict[int, dict[tuple[str, str], list[ConsentText]]] = {}
        for text in kept.order_by("consent_type", "pk"):
            of_program = by_program.setdefault(text.program_id, {})
            of_program.setdefault((text.consent_type, text.version), []).append(text)
        uses = texts.uses_of([each.pk for each in found.rows])
        names = words.programs()
        rows = [
            {
                "program": program,
                "name": names.get(program.program_id, ""),
                "texts": _rows(program, by_program.get(program.pk, {}), uses.get(program.pk, {})),
                "asked_for": [
                    {"type": words.consent(name), "version": number}
                    for (name, number), use in uses.get(program.pk, {}).items()
                    if (name, number) not in by_program.get(program.pk, {}) and (use.is_used or use.drafts)
                ],
            }
            for program in found.rows
        ]
        return {**super().context(), "slice": found, "rows": rows}


def _rows(
    program: Program, kept: dict[tuple[str, str], list[ConsentText]], uses: dict[tuple[str, str], Use]
) -> list[dict[str, Any]]:
    names = {code: str(name) for code, name in settings.LANGUAGES}
    return [
        {
            "type": name,
            "called": words.consent(name),
            "version": number,
            "page": reverse("admin:consent-text", args=[program.pk, name, number]),
            "languages": [(names.get(each.locale, each.locale), each.is_read) for each in several],
            "is_reviewed": all(each.reviewed_by for each in several),
            "use": uses.get((name, number), Use()),
        }
        for (name, number), several in kept.items()
    ]


class OneText(ProgramPage):
    """One version of a text in its languages, beside an earlier one."""

    template_name = "console/programs/text.html"

    def trail(self) -> list[tuple[str, str]]:
        return [(reverse("admin:consent-texts"), _("Consent texts"))]

    def context(self) -> dict[str, Any]:
        program = program_or_404(self.named["program"])
        name, number = self.named["consent_type"], self.named["version"]
        rows = list(ConsentText.objects.filter(program=program, consent_type=name).order_by("pk"))
        here = [each for each in rows if each.version == number]
        if not here:
            raise Http404(_("There is no such text."))
        others = [each for each in dict.fromkeys(row.version for row in rows) if each != number]
        asked = self.request.GET.get("with", "")
        chosen = asked if asked in others else ""
        before = {each.locale: each.body for each in rows if each.version == chosen}
        names = {code: str(language) for code, language in settings.LANGUAGES}
        return {
            **super().context(),
            "title": _("%(type)s, version %(version)s") % {"type": words.consent(name), "version": number},
            "program": program,
            "program_name": words.named(program.program_id, words.programs()),
            "consent_type": name,
            "others": others,
            "chosen": chosen,
            "use": texts.use_of(program).get((name, number), Use()),
            "reviewed_by": next((each.reviewed_by for each in here if each.reviewed_by), ""),
            "texts": [
                {
                    "text": each,
                    "language": names.get(each.locale, each.locale),
                    "public": reverse("consent-text", args=[program.program_id, name, number, each.locale]),
                    "pieces": differences.words_between(before[each.locale], each.body)
                    if each.locale in before
                    else None,
                }
                for each in here
            ],
        }


class NewText(ProgramPage):
    """A new version of a text; what there is stays as it is."""

    right = Right.EDIT_PROGRAMS
    title = gettext_lazy("Add a version of a consent text")
    template_name = "console/programs/text_new.html"

    def trail(self) -> list[tuple[str, str]]:
        return [(reverse("admin:consent-texts"), _("Consent texts"))]

    def context(self) -> dict[str, Any]:
        program = program_or_404(self.named["program"])
        return {**super().context(), "program": program, "form": ConsentTextForm(initial=self._initial(program))}

    def _initial(self, program: Program) -> dict[str, Any]:
        """The newest version of the text, to be changed; its approval is not taken over."""
        name = self.request.GET.get("type", "")
        rows = list(ConsentText.objects.filter(program=program, consent_type=name).order_by("pk"))
        initial: dict[str, Any] = {"consent_type": name, "version": texts.next_version([r.version for r in rows])}
        newest = rows[-1].version if rows else ""
        for row in rows:
            if row.version == newest:
                initial |= {f"body_{row.locale}": row.body, f"is_read_{row.locale}": False}
        return initial

    def post(self, request: HttpRequest, program: int) -> HttpResponse:
        row = program_or_404(program)
        form = ConsentTextForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=REFUSED)
        said = form.cleaned_data
        bodies = {
            code: Words(said[f"body_{code}"], is_read=code == "en" or said[f"is_read_{code}"])
            for code, _name in settings.LANGUAGES
            if said[f"body_{code}"].strip()
        }
        try:
            texts.add(
                row.pk,
                said["consent_type"],
                said["version"],
                bodies,
                reviewed_by=said["reviewed_by"],
                actor=actor_of(request),
                now=self.now,
            )
        except NotWritten as problem:
            form.add_error(None, str(problem))
            return self.page(form=form, status=REFUSED)
        page = reverse("admin:consent-text", args=[row.pk, said["consent_type"], said["version"]])
        return self.done(page, _("The text is kept. Name its version in a draft's consent, then publish the draft."))
