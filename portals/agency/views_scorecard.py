"""The scorecard: managers see the agency and each of its people, everybody else their own line."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from identity.models import Membership
from portals import csv
from portals.agency import scoring
from portals.agency.gate import AgentMixin


class ScorecardPage(AgentMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        context = {"windows": scoring.by_window(lines_for(self)), "is_manager": is_manager(self.member)}
        return render(request, "agency/scorecard.html", context)


class ScorecardFile(AgentMixin, View):
    """The same as a file, without names."""

    def get(self, request: HttpRequest) -> HttpResponse:
        header, rows = scoring.table(lines_for(self))
        return csv.response("scorecard.csv", header, rows)


def is_manager(member: Membership) -> bool:
    return member.role == Membership.Role.MANAGER


def lines_for(page: AgentMixin) -> list[scoring.Line]:
    """What this member may see, the agency's line first."""
    if not is_manager(page.member):
        return [scoring.of_person(page.member, page.now)]
    found = scoring.scorecard(page.member.agency, page.now)
    return [found.agency, *found.people]
