"""Meters that join an enrolment, and meters that leave it (R-P2.5, R-P2.6): asked of the provider, told by its answer.

What stops and what stays stands first. A meter that joins needs the customer's yes to each consent for it, with the
text on the screen; the receipt of that yes names the meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from portals import asking, baskets, consent_texts, consents, drafts, grid, houses, matrix, receipts
from portals.consents import Asked, Text
from portals.models import Application
from portals.utility.choices import MeterChoice
from portals.utility.forms_meters import AddForm, RemoveForm
from portals.utility.patience import wait_a_moment
from portals.utility.views_consents import answer_of, same, who_receives
from portals.utility.views_enrolments import EnrolmentPage


@dataclass(frozen=True)
class Needed:
    """A consent in force that a further meter needs, with the text that is on the screen."""

    asked: Asked
    text: Text
    body: str


class Meters(EnrolmentPage):
    """Add meters to an enrolment, or take some out."""

    template_name = "portal/matrix/meters.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(**self._shown()) if self._is_open() else self.home()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._is_open():
            return self.home()
        return self._remove(request) if "remove" in request.POST else self._add(request)

    def _is_open(self) -> bool:
        found = self.enrolment()
        return found.is_live and found.status not in ("ENDING", "SUSPENDED") and not self.application.asked_action

    # --- leaving

    def _remove(self, request: HttpRequest) -> HttpResponse:
        enrolled = [meter.umid for meter in self._enrolled()]
        form = RemoveForm(request.POST, umids=enrolled)
        if not form.is_valid():
            return self.page(**self._shown(), remove_form=form, form=form, status=422)
        leaving = form.cleaned_data["meters"]
        token = self.actor.own_token(self.application, self.now)
        self.change(lambda row: asking.remove_meters(row, leaving, token=token, now=self.now))
        wait_a_moment(self.application)
        return self.home("meters")

    # --- joining

    def _add(self, request: HttpRequest) -> HttpResponse:
        shown = self._shown()
        needed: list[Needed] = shown["needed"]
        form = AddForm(request.POST, umids=[each.umid for each in shown["candidates"]], needed=needed)
        if shown["is_without_texts"] or not form.is_valid():
            return self.page(**shown, add_form=form, form=form, status=422)
        if not all(same(each.text.digest, request.POST.get(f"digest-{each.asked.place}", "")) for each in needed):
            raise drafts.OutOfDate  # the text on the screen was another one
        joining = form.cleaned_data["meters"]
        agreed = [each for each in needed if str(each.asked.place) in form.cleaned_data["consents"]]
        token = self.actor.token(self.application, self.now)
        self.change(lambda row: self._send(row, joining, agreed, token))
        wait_a_moment(self.application)
        return self.home("meters")

    def _send(self, row: Application, joining: list[str], agreed: list[Needed], token: str) -> None:
        before = row.answers
        row.answers = {**before, "meters": [*before.get("meters", ()), *joining]}
        answers = {each.asked.key: self._answered(row, each) for each in agreed}
        # The meters are the enrolment's when the provider says so; the receipts name those that were agreed for.
        row.answers = {**before, "consents": {**(before.get("consents") or {}), **answers}}
        entries = [consents.grant_of(each.asked, answers[each.asked.key]) for each in agreed]
        asking.add_meters(row, joining, token=token, now=self.now, agreed=entries)

    def _answered(self, row: Application, each: Needed) -> dict[str, Any]:
        receipt = receipts.write(
            row,
            each.asked,
            each.text,
            body=each.body,
            is_granted=True,
            controller=who_receives(row, each.asked),
            house=houses.house_of(row.utility_id),
            locale=get_language() or "en",
            at=self.now,
        )
        return answer_of(receipt)

    # --- what is there

    def _shown(self) -> dict[str, Any]:
        candidates = self._candidates()
        needed, is_without_texts = self._needed() if candidates else ([], False)
        return {
            "enrolled": self._enrolled(),
            "candidates": candidates,
            "needed": needed,
            "is_without_texts": is_without_texts,
        }

    def _enrolled(self) -> list[MeterChoice]:
        known: dict[str, MeterChoice] = {each.umid: each for each in self.context()["meters"]}
        return [known.get(line.meter_id, MeterChoice(line.meter_id)) for line in self.enrolment().meters]

    def _candidates(self) -> list[grid.Line]:
        """The person's other meters of which the program has said that they can join."""
        rows = list(matrix.answers(self.application.subject, self.application.portal))
        found = grid.table(rows, get_language() or "", self.now, own=baskets.own_acts(self.application.subject))
        enrolled = {line.meter_id for line in self.enrolment().meters}
        return [
            line
            for line in found.lines
            if line.umid not in enrolled and line.utility_id == self.application.utility_id
            for box in line.boxes
            if box.column.row.pk == self.application.program_id and box.can_be_chosen
        ]

    def _needed(self) -> tuple[list[Needed], bool]:
        """The consents in force, with their texts; True where one of them is not to be had now."""
        found: list[Needed] = []
        for state in self.enrolment().consents:
            text = state.asked.text_in(get_language() or "en")
            if state.state != "GIVEN":
                continue
            try:
                if text is None:
                    raise consent_texts.TextUnavailable("the provider names no text")
                found.append(
                    Needed(state.asked, text, consent_texts.body_of(text, self.enrolment().application.program.bpp))
                )
            except (consent_texts.TextUnavailable, consent_texts.TextAltered):
                return found, True
        return found, False
