"""Programs and their versions, looked at: the list, one program with its history, one version, two side by side."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from console.paging import slice_of
from console.programs.common import ProgramPage, VersionPage, program_or_404, version_name
from console.programs.wording import (
    CREDENTIALS,
    LISTS,
    SECTIONS,
    STATES,
    condition_name,
    condition_said,
    difference_name,
    kind_name,
    languages,
    lines_of,
    value_of,
)
from console.rights import Right, may
from enrollment.criteria import CRITERIA
from enrollment.models import CatalogChange, ConsentText, Program, ProgramVersion
from enrollment.programs import differences, publishing
from enrollment.programs.content import Section
from enrollment.states import VersionState


class Programs(ProgramPage):
    """Every program with the version that holds."""

    title = _("Programs")
    template_name = "console/programs/programs.html"

    def context(self) -> dict[str, Any]:
        found = slice_of(Program.objects.all(), self.request)
        versions = ProgramVersion.objects.filter(program__in=[each.pk for each in found.rows]).defer(
            "criteria", "required_consents", "required_credentials", "presentation", "long_description"
        )
        by_program: dict[int, list[ProgramVersion]] = {}
        for version in versions.order_by("number"):
            by_program.setdefault(version.program_id, []).append(version)
        rows = [_row(program, by_program.get(program.pk, []), self.now) for program in found.rows]
        return {**super().context(), "trail": [], "slice": found, "rows": rows}


def _row(program: Program, versions: list[ProgramVersion], now: Any) -> dict[str, Any]:
    holding = next((each for each in versions if each.state == VersionState.PUBLISHED), None)
    draft = next((each for each in versions if each.state == VersionState.DRAFT), None)
    named = holding or draft or (versions[-1] if versions else None)
    return {
        "program": program,
        "kind": kind_name(program.kind),
        "name": named.name if named is not None else program.program_id,
        "holding": holding,
        "draft": draft,
        "group": named.conflict_group if named is not None else "",
        **standing(holding, now),
    }


def standing(version: ProgramVersion | None, now: Any) -> dict[str, Any]:
    """How a program stands with this published version: in words, and as which class of the look.

    Not called `standing`: on every page that is who is signed in.
    """
    if version is None:
        return {"stands": _("Not offered"), "look": "console-over"}
    if version.closes_at is not None and version.closes_at <= now:
        said = _("Closed since %(day)s") % {"day": f"{version.closes_at:%Y-%m-%d %H:%M} UTC"}
        return {"stands": said, "look": "console-over"}
    if version.opens_at is not None and version.opens_at > now:
        said = _("Opens on %(day)s") % {"day": f"{version.opens_at:%Y-%m-%d %H:%M} UTC"}
        return {"stands": said, "look": "console-late"}
    if version.closes_at is not None:
        said = _("Open until %(day)s") % {"day": f"{version.closes_at:%Y-%m-%d %H:%M} UTC"}
        return {"stands": said, "look": "console-good"}
    return {"stands": _("Open"), "look": "console-good"}


class OneProgram(ProgramPage):
    """One program: what holds, what is being written, what was before."""

    template_name = "console/programs/program.html"

    def context(self) -> dict[str, Any]:
        program = program_or_404(self.named["pk"])
        versions = list(program.versions.order_by("-number"))
        holding = next((each for each in versions if each.state == VersionState.PUBLISHED), None)
        draft = next((each for each in versions if each.state == VersionState.DRAFT), None)
        retired = dict(
            CatalogChange.objects.filter(version__in=versions, state="RETIRED").values_list("version_id", "noted_at")
        )
        named = holding or draft or (versions[0] if versions else None)
        is_open = holding is not None and (holding.closes_at is None or holding.closes_at > self.now)
        history = [
            {
                "version": each,
                "state": STATES[each.state],
                "retired_at": retired.get(each.pk),
                "before": versions[place + 1] if place + 1 < len(versions) else None,
            }
            for place, each in enumerate(versions)
        ]
        return {
            **super().context(),
            "title": named.name if named is not None and named.name else program.program_id,
            "program": program,
            "kind": kind_name(program.kind),
            "holding": holding,
            "draft": draft,
            "history": history,
            "is_open": is_open,
            **standing(holding, self.now),
        }


class OneVersion(VersionPage):
    """Everything a version says, by section; of a draft also what keeps it from being published."""

    template_name = "console/programs/version.html"

    def trail(self) -> list[tuple[str, str]]:
        return super().trail()[:-1]

    def context(self) -> dict[str, Any]:
        version = self.version
        is_draft = version.state == VersionState.DRAFT
        problems = publishing.problems(version, self.now) if is_draft else ()
        by_section = {s: [p for p in problems if p.section is s] for s in Section}
        texts = set(ConsentText.objects.filter(program=version.program).values_list("consent_type", "version"))
        holding = publishing.published(version.program)
        return {
            **super().context(),
            "title": version_name(version),
            "may_audit": may(self.request, Right.READ_AUDIT),
            "state": STATES[version.state],
            "is_draft": is_draft,
            "holding": holding if holding is not None and holding.pk != version.pk else None,
            "blocking": [p for p in problems if p.is_blocking],
            "sections": [
                {
                    "key": section.value,
                    "name": name,
                    "lines": lines_of(version, section),
                    "problems": by_section[section],
                    "edit": reverse("admin:program-section", args=[version.pk, section.value])
                    if section is not Section.LANGUAGES
                    else "",
                }
                for section, name in SECTIONS.items()
            ],
            "conditions": [
                {"name": condition_name(each.get("kind")), "rule": condition_said(each), "text": each.get("text", "")}
                for each in version.criteria
            ],
            "other_conditions": [
                (kind, condition_name(kind))
                for kind in sorted(CRITERIA)
                if kind not in {each.get("kind") for each in version.criteria}
            ],
            "credentials": [
                {
                    "name": CREDENTIALS.get(each.get("type", ""), each.get("type", "")),
                    "devices": ", ".join(each.get("derTypes") or ()),
                    "text": each.get("description", ""),
                }
                for each in version.required_credentials
            ],
            "consents": [_consent_row(version, each, texts) for each in version.required_consents],
            "languages": [
                (code, name, text)
                for code, name, text in languages(
                    (version.presentation or {}).get("texts") or {}, [(c, str(n)) for c, n in settings.LANGUAGES]
                )
                if text or is_draft
            ],
        }


def _consent_row(version: ProgramVersion, consent: dict[str, Any], texts: set[tuple[str, str]]) -> dict[str, Any]:
    kept = (str(consent.get("type", "")), str(consent.get("textVersion", "")))
    sharing = [str(consent.get(end)) for end in ("fromUtility", "toUtility") if consent.get(end)]
    return {
        "name": kept[0],
        "text": consent.get("description", ""),
        "is_required": consent.get("required", True),
        "purposes": ", ".join(consent.get("purposes") or ()),
        "data": ", ".join(consent.get("data") or ()) or "–",
        "grantee": consent.get("grantee", ""),
        "how": " · ".join(str(consent.get(key)) for key in ("mode", "frequency", "validity") if consent.get(key)),
        "outlives": consent.get("outlivesEnrollment", False),
        "sharing": " → ".join(sharing),
        "version": kept[1],
        "page": reverse("admin:consent-text", args=[version.program_id, *kept]) if kept in texts else "",
    }


class Comparison(VersionPage):
    """Two versions of one program, field by field."""

    template_name = "console/programs/comparison.html"

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        return self.page()

    def context(self) -> dict[str, Any]:
        version = self.version
        others = list(version.program.versions.exclude(pk=version.pk).order_by("-number"))
        asked = self.request.GET.get("with", "")
        chosen = next((each for each in others if str(each.pk) == asked), None)
        if chosen is None:
            chosen = next((e for e in others if e.number < version.number), others[0] if others else None)
        before, after = (chosen, version) if chosen is None or chosen.number < version.number else (version, chosen)
        return {
            **super().context(),
            "title": _("What is different"),
            "others": others,
            "before": before,
            "after": after,
            "chosen": chosen,
            "sections": told_differences(before, after) if before is not None else [],
        }


def told_differences(before: ProgramVersion, after: ProgramVersion) -> list[dict[str, Any]]:
    """The differences by section, each with its name and both values in words."""
    found = differences.between(before, after)
    return [
        {
            "name": name,
            "rows": [
                {
                    "name": difference_name(each.name, each.entry),
                    "before": _said(each, each.before),
                    "after": _said(each, each.after),
                }
                for each in found
                if each.section is section
            ],
        }
        for section, name in SECTIONS.items()
        if any(each.section is section for each in found)
    ]


def _said(each: differences.Difference, text: str) -> str:
    if not text:
        return "–"
    return text if each.entry or each.name in LISTS else value_of(each.name, text)
