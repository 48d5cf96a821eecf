"""The questions of a journey, one page each (screens P4-P7, P10, P11), and its list of steps.

Each answer is saved at once. What changes what was decided (another meter, other equipment, other dates) has the
provider look again: an answer that was given to other questions is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from portals import asking, consents, journey, reading
from portals.models import Application
from portals.utility import choices, telling
from portals.utility.deciding import (
    ask_again,
    ask_if_ready,
    asked_for_meters,
    day,
    first_day_after,
    forget_what_was_decided,
    own_enrolments,
    today_of,
    verdict,
    ways_on,
    zone_of,
)
from portals.utility.forms import (
    DEVICE_TYPES,
    AccountForm,
    DatesForm,
    DeclarationForm,
    DeviceForm,
    DropForm,
    EquipmentForm,
    MetersForm,
)
from portals.utility.pages import JourneyPage, address_of, see
from portals.utility.views_programs import account_of


class Overview(JourneyPage):
    """The list of steps: where a journey is taken up again. Leads nowhere by itself."""

    template_name = "portal/application.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        rows = [
            {"step": step, "address": "" if self._leads_nowhere(step) else self._address_of(step)}
            for step in journey.steps(self.application)
        ]
        return self.page(rows=rows, stands_at=self.stands_at(), go_on=self.next_address())

    def back(self) -> str:
        return self.actor.address("enrolments")

    def _address_of(self, step: journey.Step) -> str:
        return address_of(self.application, step, self.actor.address)

    def _leads_nowhere(self, step: journey.Step) -> bool:
        return step.status == journey.CANNOT_START_YET or bool(self.stands_at())


class Account(JourneyPage):
    """Is this your account? Asked again where a journey is taken up, and where the utility did not answer."""

    template_name, step, is_question = "portal/account.html", "account", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        form = AccountForm(request.POST)
        if not form.is_valid():
            return self.page(status=422)
        if form.cleaned_data["account"] == "other":
            return self.page(template="portal/not_me.html", row=self.application.program)
        return asked_for_meters(self)

    def context(self) -> dict[str, Any]:
        return {
            **super().context(),
            "account": account_of(
                self.actor.subject, self.application.utility_id, self.application.answers.get("known") or {}
            ),
        }


class Meters(JourneyPage):
    """Which meters?"""

    template_name, step, is_question = "portal/meters.html", "meters", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(form=None)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if "again" in request.POST:
            return asked_for_meters(self)
        shown = self.shown()
        if "later" in request.POST:
            return self._put_off(shown)
        form = MetersForm(request.POST, choices=shown)
        if not shown:  # nobody could tell the meters: the provider finds them by the sign-in, and asks which
            return self._decided([])
        if not form.is_valid():
            return self.page(form=form, status=422)
        chosen = form.cleaned_data["meters"]
        return self._decided([each.umid for each in shown if each.umid in chosen])

    def shown(self) -> tuple[choices.MeterChoice, ...]:
        """What can be chosen from."""
        return choices.meters(self.application)

    def _decided(self, umids: list[str]) -> HttpResponse:
        def keep(row: Application) -> None:
            if row.answers.get("meters") != umids:
                forget_what_was_decided(row)
                row.answers.pop("ders", None)
            row.answers["meters"] = umids

        self.change(keep)
        return ask_if_ready(self)

    def _put_off(self, shown: Sequence[choices.MeterChoice]) -> HttpResponse:
        """With the meters that another program has, from the day on which all of them are free."""
        taken, later = self._taken(shown)
        if later is None:
            return self.page(form=None, status=422)

        def keep(row: Application) -> None:
            forget_what_was_decided(row)
            row.answers |= {"meters": [each.umid for each in taken], "starts_on": later.isoformat(), "ends_on": ""}

        self.change(keep)
        return ask_if_ready(self)

    def _taken(self, shown: Sequence[choices.MeterChoice]) -> tuple[list[choices.MeterChoice], date | None]:
        """What another program has, where nothing else is left, and from when it is free."""
        if any(each.is_open for each in shown):
            return [], None
        taken = [each for each in shown if each.cell == "CONFLICT" and each.until is not None]
        days = [first_day_after(each.until, self.application, self.now) for each in taken]
        return taken, max((each for each in days if each is not None), default=None)

    def context(self) -> dict[str, Any]:
        shown = self.shown()
        own = own_enrolments(self.application)
        locale = get_language() or ""
        blocking = {each.enrollment_id: own[each.enrollment_id] for each in shown if each.enrollment_id in own}
        selected = reading.selected(self.application.told.get("on_select"))
        return {
            **super().context(),
            "meters": shown,
            "can_go_on": any(each.is_open for each in shown) or not shown,
            "silent": selected.unavailable_utilities,
            "other_utility": any(a.type == "LINK_UTILITY" for cell in selected.eligibility for a in cell.actions),
            "later": self._taken(shown)[1],
            "blocking": [(row, reading.program(row.program.item, locale).name) for row in blocking.values()],
        }


class Equipment(JourneyPage):
    """Which devices take part? And those that nobody has told us of."""

    template_name, step, is_question = "portal/equipment.html", "equipment", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(form=None, device=None)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if "add" in request.POST:
            return self._add(request)
        shown = choices.devices(self.application)
        form = EquipmentForm(request.POST, choices=shown)
        if not form.is_valid():
            return self.page(form=form, device=None, status=422)
        return self._decided([each for each in shown if each.id in form.cleaned_data["ders"]])

    def _add(self, request: HttpRequest) -> HttpResponse:
        form = DeviceForm(request.POST)
        if not form.is_valid():
            return self.page(form=None, device=form, status=422)
        given = form.cleaned_data
        added = choices.DeviceChoice(
            f"der-{given['serial']}", given["type"], float(given["capacity"]), "kW", source="CUSTOMER"
        )
        chosen = [each for each in choices.devices(self.application) if each.is_chosen and each.id != added.id]

        def keep(row: Application) -> None:
            forget_what_was_decided(row)
            row.answers["ders"] = [each.answer for each in (*chosen, added)]

        self.change(keep)
        return see(self.request.path)

    def _decided(self, chosen: list[choices.DeviceChoice]) -> HttpResponse:
        def keep(row: Application) -> None:
            ders = [each.answer for each in chosen]
            if row.answers.get("ders") != ders:
                forget_what_was_decided(row)
            row.answers["ders"] = ders

        self.change(keep)
        return ask_if_ready(self)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "devices": choices.devices(self.application), "device_types": DEVICE_TYPES}


class Eligibility(JourneyPage):
    """Can you join? The provider's answer, one line a criterion, with one of three ends (screens P7)."""

    template_name, step, is_question = "portal/eligibility.html", "eligibility", True

    def _is_shut(self) -> bool:
        """An answer is shown whatever it asks for next, documents before all."""
        return not self.application.told.get("on_init") and super()._is_shut()

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self.application.told.get("on_init"):
            return self.page(template="portal/not_asked_yet.html")
        return self.page()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Ask again, or go on; a journey that goes on has a start from here on (the next reading, P10)."""
        if "again" in request.POST or not self.application.told.get("on_init"):
            return ask_again(self)

        def keep(row: Application) -> None:
            row.answers.pop("unseen", None)
            row.answers.setdefault("starts_on", (today_of(row, self.now) + timedelta(days=1)).isoformat())

        self.change(keep)
        return see(self.next_address())

    def context(self) -> dict[str, Any]:
        said = super().context()
        row = self.application
        lines = telling.checked(row.told, said["program"], get_language() or "")
        found = verdict(row)
        return {
            **said,
            **found,
            **ways_on(row, found["prepared"].refusal, self.now),
            "lines": lines,
            "starts_on": day(row.answers.get("starts_on")),
            "documents_wanted": bool(journey.wanted_documents(row)),
            "asks_consents": bool(consents.asked(row)),
        }


class Dates(JourneyPage):
    """From when, and until when."""

    template_name, step, is_question = "portal/dates.html", "dates", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(form=DatesForm(initial=self._given(), today=self._today, latest=self._latest))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        form = DatesForm(request.POST, today=self._today, latest=self._latest)
        if not form.is_valid():
            return self.page(form=form, status=422)
        given = form.cleaned_data

        def keep(row: Application) -> None:
            row.answers["starts_on"] = given["starts_on"].isoformat()
            row.answers["ends_on"] = given["ends_on"].isoformat() if given.get("ends_on") else ""

        self.change(keep)
        return self.onward()

    def context(self) -> dict[str, Any]:
        return {**super().context(), "today": self._today, "next_reading": self._today + timedelta(days=1)}

    @property
    def _today(self) -> date:
        return today_of(self.application, self.now)

    @property
    def _latest(self) -> date | None:
        closes_at = reading.program(self.application.program.item).closes_at
        return closes_at.astimezone(zone_of(self.application)).date() if closes_at else None

    def _given(self) -> dict[str, Any]:
        starts_on = day(self.application.answers.get("starts_on"))
        ends_on = day(self.application.answers.get("ends_on"))
        known = {self._today: DatesForm.TODAY, self._today + timedelta(days=1): DatesForm.NEXT}
        return {
            "when": known.get(starts_on, DatesForm.LATER) if starts_on else "",
            "starts_on": starts_on if starts_on not in known else None,
            "ends_on": ends_on,
        }


class Check(JourneyPage):
    """Check your answers; the declaration; confirm."""

    template_name, step, is_question = "portal/check.html", "check", True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._is_ready():
            return see(self.next_address())
        return self.page(form=None)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._is_ready():
            return see(self.next_address())
        form = DeclarationForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422)

        self.confirmed()
        return self.after_a_moment()

    def confirmed(self) -> None:
        """Keep the declaration and send what was answered, in one act."""
        token = self.actor.own_token(self.application, self.now)

        def send(row: Application) -> None:
            self.declare(row)
            row.trouble = ""
            asking.confirm(row, token=token, now=self.now)

        self.change(send)

    def declare(self, row: Application) -> None:
        row.answers["declared"] = True

    def context(self) -> dict[str, Any]:
        row = self.application
        refusal = reading.confirmed(row.told.get("on_confirm")).refusal
        return {
            **super().context(),
            **verdict(row),
            **ways_on(row, refusal, self.now),
            "refusal": refusal,
            "account": account_of(self.actor.subject, row.utility_id, row.answers.get("known") or {}),
            "meters": choices.chosen_meters(row),
            "devices": [each for each in choices.devices(row) if each.is_chosen],
            "consents": [{"asked": each, "is_granted": consents.is_granted(row, each)} for each in consents.asked(row)],
            "starts_on": day(row.answers.get("starts_on")),
            "ends_on": day(row.answers.get("ends_on")),
            "needs_equipment": any(step.name == "equipment" for step in journey.steps(row)),
        }

    def _is_ready(self) -> bool:
        return journey.next_step(self.application).name == "check"


class Drop(JourneyPage):
    """Delete a draft. What the provider holds for it is given back."""

    template_name = "portal/drop.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.application.state != Application.State.DRAFT:
            return see(self.next_address())
        return self.page(form=None)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.application.state != Application.State.DRAFT:
            return see(self.next_address())
        form = DropForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422)
        if form.cleaned_data["drop"] == "no":
            return see(self.address("application"))

        token = self.actor.own_token(self.application, self.now)

        def drop(row: Application) -> None:
            if row.told.get("on_init"):
                asking.cancel(row, token=token, now=self.now)
            row.state, row.finished_at = Application.State.DROPPED, self.now

        self.change(drop)
        return self.page(template="portal/dropped.html")
