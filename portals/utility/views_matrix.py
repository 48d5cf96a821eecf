"""The meter × program matrix and one of its cells (personas P2): every meter, every program, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from beckn import identities
from identity import sessions
from identity.models import Subject
from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import baskets, csv, evidence, grid, houses, matrix
from portals.actors import person_of
from portals.utility.pages import SIGN_IN, see

METERS_A_PAGE = 50


@dataclass(frozen=True)
class Asked:
    """What of the matrix is wanted, as the address says it; what is not there narrows nothing."""

    utility: str = ""
    site: str = ""
    state: str = ""
    sort: str = "site"

    @classmethod
    def of(cls, request: HttpRequest, found: grid.Table) -> Asked:
        given = request.GET
        return cls(
            _one_of(given.get("utility"), found.utilities),
            _one_of(given.get("site"), found.sites),
            _one_of(given.get("state"), grid.STATES),
            _one_of(given.get("sort"), grid.SORTS) or "site",
        )

    @property
    def lines_wanted(self) -> dict[str, str]:
        return {"utility": self.utility, "site": self.site, "state": self.state, "sort": self.sort}

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.lines_wanted.items() if value})


def _one_of(given: str | None, known: Any) -> str:
    return given if given is not None and given in known else ""


@method_decorator(never_cache, name="dispatch")
class MatrixPage(View):
    """What the pages of matrix and basket share: whose it is, and when."""

    now: datetime

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.now, self.portal = clock.now(), identities.portal().subscriber_id
        self.subject = person_of(request)
        try:
            return super().dispatch(request, *args, **kwargs)
        except SignInNeeded:
            return see(f"{reverse(SIGN_IN)}?{urlencode({'next': request.get_full_path()})}")
        except (ProviderUnavailable, evidence.UtilitySilent):
            back = {"back": reverse("portal-matrix"), "house": self.house()}
            return render(request, "portal/utility_silent.html", back, status=503)

    def person(self) -> Subject:
        """The person; somebody whom no utility has told us of yet has to sign in. Raises SignInNeeded."""
        if self.subject is None:
            raise SignInNeeded("nobody we know")
        return self.subject

    def table(self) -> grid.Table:
        rows = list(matrix.answers(self.subject, self.portal))
        in_basket = baskets.keys(baskets.items(self.subject, self.portal))
        return grid.table(rows, get_language() or "", self.now, in_basket, baskets.own_acts(self.subject))

    def house(self) -> houses.House:
        """The utility at which the person is signed in: its name, help line and days are those of the page."""
        mine = sessions.proven(self.request)
        return houses.house_of(mine[0].utility_id if mine else "")


class Matrix(MatrixPage):
    """The table. GET asks nobody; POST asks every program owner again."""

    def get(self, request: HttpRequest) -> HttpResponse:
        found = self.table()
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            return JsonResponse({"waiting": found.is_waiting, "long": False, "next": reverse("portal-matrix")})
        asked = Asked.of(request, found)
        page = Paginator(grid.narrowed(found, **asked.lines_wanted), METERS_A_PAGE).get_page(request.GET.get("page"))
        context = {
            "table": found,
            "page": page,
            "shown": _shown(page.object_list),
            "asked": asked,
            "houses": [houses.house_of(each) for each in found.utilities],
            "silent": [houses.house_of(each) for each in found.silent],
            "states": [state for state in grid.STATES if any(state in line.states for line in found.lines)],
            "in_basket": baskets.items(self.subject, self.portal).count(),
            "house": self.house(),
            "back": reverse("portal-enrolments"),
        }
        return render(request, "portal/matrix/matrix.html", context)

    def post(self, request: HttpRequest) -> HttpResponse:
        sign_ins = []
        for utility_id in dict.fromkeys(each.utility_id for each in sessions.proven(request)):
            token = sessions.access_token(request, utility_id, self.now)
            sign_ins.append(matrix.SignIn(utility_id, token, evidence.known_of(utility_id, token).get("meters", ())))
        if not sign_ins:
            raise SignInNeeded("no sign-in at any utility")
        matrix.ask(self.person(), self.portal, sign_ins, self.now)
        return see(reverse("portal-matrix"))


@dataclass(frozen=True)
class Shown:
    """A line as the template writes it: its meter's name, and each cell with its word; a word is rendered once."""

    line: grid.Line
    name: str
    cells: tuple[tuple[grid.Box, str], ...]


def _shown(lines: Iterable[grid.Line]) -> list[Shown]:
    tags = {state: render_to_string("portal/matrix/tag.html", {"state": state}) for state in grid.STATES}
    return [
        Shown(
            line,
            render_to_string("portal/matrix/meter.html", {"line": line}),
            tuple((box, tags[box.state]) for box in line.boxes),
        )
        for line in lines
    ]


class MatrixFile(MatrixPage):
    """The table as a file, with what the page is narrowed to (P2-9)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        found = self.table()
        lines = grid.narrowed(found, **Asked.of(request, found).lines_wanted)
        words = {state: render_to_string("portal/matrix/state.html", {"state": state}).strip() for state in grid.STATES}
        header = render_to_string("portal/matrix/headings.html").strip().splitlines()
        header += [column.program.name for column in found.columns]
        return csv.response("meters-and-programs.csv", header, (_cells(line, words) for line in lines))


def _cells(line: grid.Line, words: dict[str, str]) -> list[Any]:
    house = houses.house_of(line.utility_id)
    about = [house.name, line.site, line.address, line.umid, line.ending, line.load_kw]
    return [*about, *(_in_words(box, words, house.time_zone) for box in line.boxes)]


def _in_words(box: grid.Box, words: dict[str, str], zone: str) -> str:
    if box.until is None:
        return words[box.state]
    until = box.until.astimezone(ZoneInfo(zone or "UTC")).date().isoformat()
    return f"{words[box.state]} ({until})"


class MatrixCell(MatrixPage):
    """One meter and one program: the verdict, its reasons, what can be done."""

    def get(self, request: HttpRequest) -> HttpResponse:
        found = self.table().box(request.GET.get("program", ""), request.GET.get("meter", ""))
        if found is None:
            raise Http404
        line, box = found
        mine = baskets.application_of(self.subject, box.column.row, line.umid)
        context = {
            "line": line,
            "box": box,
            "program": box.column.program,
            "slug": box.column.row.slug,
            "house": houses.house_of(line.utility_id),
            "application": mine,
            "back": reverse("portal-matrix"),
        }
        return render(request, "portal/matrix/cell.html", context)
