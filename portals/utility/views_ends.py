"""Where questions are over: waiting for an answer, enrolled, refused (screens P12, P13, P18)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from portals import asking, reading
from portals.models import Application, HeldCredential
from portals.utility import choices
from portals.utility.deciding import (
    ask_again,
    day,
    forget_what_was_decided,
    free_from,
    verdict,
    ways_on,
    zone_of,
)
from portals.utility.pages import JourneyPage, see

#: As `portals.callbacks` says that a confirmation's credential does not hold.
FORGED = "FORGED"


class Waiting(JourneyPage):
    """We wait for an answer. Survives reload; a small script asks again, and so does the link without one."""

    template_name = "portal/waiting.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        is_waiting = self.stands_at() == request.path
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            return self._for_the_script(is_waiting)
        if not is_waiting:
            return see(self.next_address())
        if self.application.trouble == FORGED:
            return self.page(template="portal/forged.html")
        return self.page(is_long=self._is_long(), since=self.application.asked_at or self.application.updated_at)

    def _for_the_script(self, is_waiting: bool) -> HttpResponse:
        told = {"waiting": is_waiting, "long": self._is_long()}
        return JsonResponse(told if is_waiting else {**told, "next": self.next_address()})

    def _is_long(self) -> bool:
        asked_at = self.application.asked_at
        return asked_at is None or self.now - asked_at > asking.PATIENCE


class Enrolled(JourneyPage):
    """You are enrolled: shown only after everything that came was verified (issue 5 point 11)."""

    template_name = "portal/enrolled.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.application.state != Application.State.ENROLLED:
            return see(self.next_address())
        return self.page()

    def context(self) -> dict[str, Any]:
        row = self.application
        confirmed = reading.confirmed(row.told.get("on_confirm"))
        held = row.credentials.filter(kind=HeldCredential.Kind.ENROLLMENT, replaced_at=None).last()
        starts_at = confirmed.starts_at
        return {
            **super().context(),
            "confirmed": confirmed,
            "credential": held,
            "starts_at": starts_at,
            "is_later": starts_at is not None and starts_at > self.now,
            "zone": zone_of(row).key,
            "meters": choices.chosen_meters(row),
            "rejected": [each for each in confirmed.meters if each.status == "REJECTED"],
        }

    def back(self) -> str:
        return self.actor.address("enrolments")


class Refused(JourneyPage):
    """Why not: which meter, which other program, until when, and the ways on."""

    template_name = "portal/refused.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if not self._refusal():
            return see(self.next_address())
        return self.page()

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Start later: when what is in the way has ended; the provider looks again."""
        refusal = self._refusal()
        later = free_from(self.application, refusal, self.now) if refusal else None
        if later is None or self.stands_at() not in ("", request.path):
            return see(self.next_address())

        def put_off(row: Application) -> None:
            forget_what_was_decided(row)
            row.state, row.finished_at = Application.State.DRAFT, None
            row.answers["starts_on"] = later.isoformat()
            if (ends_on := day(row.answers.get("ends_on"))) and ends_on <= later:
                row.answers["ends_on"] = ""

        self.change(put_off)
        return ask_again(self, self.application.version)

    def context(self) -> dict[str, Any]:
        row, refusal = self.application, self._refusal()
        return {**super().context(), **verdict(row), **ways_on(row, refusal, self.now), "refusal": refusal}

    def _refusal(self) -> reading.RefusalView | None:
        told = self.application.told
        return reading.confirmed(told.get("on_confirm")).refusal or reading.prepared(told.get("on_init")).refusal
