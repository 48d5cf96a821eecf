"""A14: the agency's own lines of the journal, narrowed, page by page, and as a file; taking one is a line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views import View

from audit.log import Action
from audit.readers import ReadLine
from identity import agents
from identity.models import Membership
from portals import csv
from portals.agency import activity, cases
from portals.agency.activity import Asked
from portals.agency.gate import AgentMixin

NO_DAY = _("Enter a day as it is in the calendar, for example 2026-11-21")


class FilterForm(forms.Form):
    """What is to be shown. GET: the address says it."""

    begins = forms.DateField(
        label=_("From"),
        required=False,
        error_messages={"invalid": NO_DAY},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    ends = forms.DateField(
        label=_("Until"),
        required=False,
        error_messages={"invalid": NO_DAY},
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    person = forms.ChoiceField(label=_("Who"), required=False, widget=forms.Select())
    act = forms.ChoiceField(label=_("What"), required=False, widget=forms.Select())
    case = forms.CharField(
        label=_("Case reference"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.member = member
        everybody: list[tuple[str, Any]] = [("", _("Everybody"))]
        if activity.sees_all(member):
            people = Membership.objects.filter(agency=member.agency).order_by("operator_id")
            everybody += [(each.operator_id, each.name or each.operator_id) for each in people]
            self.fields["person"].choices = everybody  # type: ignore[attr-defined]
        else:
            del self.fields["person"]
        acts = [(str(each), words) for each, words in activity.WORDS.items()]
        acts.sort(key=lambda each: str(each[1]).casefold())
        self.fields["act"].choices = [("", _("Anything")), *acts]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        begins, ends = said.get("begins"), said.get("ends")
        if begins and ends and ends < begins:
            self.add_error("ends", _("The last day must not be before the first"))
        return said

    def asked(self) -> Asked:
        """What a valid form asks for; a case is looked for among those the member may see."""
        said = self.cleaned_data
        reference = said["case"].strip()
        wanted = {
            reference,
            reference.upper(),
        }  # exact, by the index: ours are in capitals, others as the agency has them
        case = cases.of_member(self.member).filter(reference__in=wanted).first() if reference else None
        return Asked(
            begins=said["begins"],
            ends=said["ends"],
            operator=said.get("person", ""),
            action=said["act"],
            case=case,
            is_nothing=bool(reference) and case is None,
        )


class Activity(AgentMixin, View):
    """The lines, fifty a page, the newest first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        form = FilterForm(request.GET, member=self.member)
        is_good = form.is_valid()
        older = request.GET.get("older", "")
        cursor = int(older) if older.isdecimal() and older.isascii() and len(older) <= 18 else None
        found = activity.lines(self.member, form.asked(), older=cursor) if is_good else None
        shown = found.lines if found else ()
        about = activity.references(self.member.agency, shown)
        names = {
            each.operator_id: each.name or each.operator_id
            for each in Membership.objects.filter(agency=self.member.agency)
        }
        context = {
            "form": form,
            "lines": [
                (line, _who(line, names), activity.words_of(line.action), about.get(line.object_id)) for line in shown
            ],
            "older": found.older if found else None,
            "is_first": cursor is None,
            "narrowing": _narrowing(request),
            "zone": activity.zone_of(self.member.agency),
            "most": activity.MOST_EXPORTED,
            "sees_all": activity.sees_all(self.member),
        }
        return render(request, "agency/activity.html", context, status=200 if is_good else 422)


class Export(AgentMixin, View):
    """The lines as a file: ids, acts and times, no name, no number and no reference that somebody chose."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        form = FilterForm(request.GET, member=self.member)
        if not form.is_valid():
            return Activity.as_view()(_as_get(request))  # type: ignore[no-any-return]
        asked = form.asked()
        with transaction.atomic():
            agents.note(
                Action.EXPORT,
                self.member,
                self.now,
                object_type="agency",
                object_id=self.member.agency.agency_id,
                what="activity",
                format="csv",
                **asked.as_details(),
            )
        header = ("when (UTC)", "act", "code", "operator", "about", "id", "reference")
        return csv.streamed("activity.csv", header, _rows(activity.all_lines(self.member, asked)))


def _rows(lines: Iterator[ReadLine]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        operator = str(line.details.get("operator", ""))
        at = line.at.strftime("%Y-%m-%d %H:%M:%S")
        yield (
            at,
            activity.words_of(line.action),
            line.action,
            operator,
            line.object_type,
            line.object_id,
            line.reference,
        )


def _who(line: ReadLine, names: dict[str, str]) -> str:
    operator = str(line.details.get("operator", ""))
    return names.get(operator, operator)


def _narrowing(request: HttpRequest) -> str:
    """The filter as an address has it, for the next page and the file."""
    kept = {key: request.GET[key] for key in ("begins", "ends", "person", "act", "case") if request.GET.get(key)}
    return urlencode(kept)


def _as_get(request: HttpRequest) -> HttpRequest:
    request.method = "GET"
    return request
