"""P14 and P15: a person's enrolments and consents, one of them in full, its credential, and its receipts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.cache import never_cache

from audit import clock
from portals import asking, drafts, houses, reading, verifying, viewing
from portals.actors import person_of
from portals.models import Application, ConsentReceipt, HeldCredential
from portals.utility import choices
from portals.utility.pages import JourneyPage, next_address, see

PAGE_LENGTH = 20
#: How the answer looks; every other one is bad news.
_TONES = {
    "VERIFIED": "good",
    "NOT_YET_VALID": "wait",
    "SUSPENDED": "wait",
    "STATUS_UNAVAILABLE": "wait",
    "UNKNOWN_KEY": "wait",
}
_KINDS = {"application/jwt": "jwt", "application/json": "json"}


@method_decorator(never_cache, name="dispatch")
class Enrolments(View):
    """All journeys of the person who is signed in, and all their consents (screens P14)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        now = clock.now()
        rows = drafts.of_person(person_of(request)).prefetch_related("credentials", "receipts")
        page = Paginator(rows.exclude(state=Application.State.DROPPED), PAGE_LENGTH).get_page(request.GET.get("page"))
        shown = [_card(row, now) for row in page.object_list]
        groups = {
            name: [each for each in shown if _group(each["enrolment"]) == name] for name in ("open", "current", "past")
        }
        context = {"groups": groups, "page": page, "now": now, "consents": _consents(groups["current"])}
        return render(request, "portal/enrolments/list.html", context)


class EnrolmentPage(JourneyPage):
    """A page about one enrolment. Without an enrolment there is none: a draft leads to where it stands."""

    def enrolment(self) -> viewing.Enrolment:
        return viewing.enrolment(self.application, self.now)

    def context(self) -> dict[str, Any]:
        found = self.enrolment()
        return {
            **super().context(),
            "enrolment": found,
            "meters": taking_part(found),
            "zone": houses.house_of(self.application.utility_id).time_zone,
        }

    def back(self) -> str:
        return self.address("enrolment")

    def home(self, done: str = "", place: int = 0) -> HttpResponse:
        """Back to the enrolment, to see how it stands; `done` and the consent's `place` say what was asked for."""
        asked = urlencode({name: value for name, value in (("done", done), ("consent", place)) if value})
        return see(self.address("enrolment") + (f"?{asked}" if asked else ""))


class EnrolmentInFull(EnrolmentPage):
    """Facts, consents, credential, and the history in plain verbs (screens P15)."""

    template_name = "portal/enrolments/enrolment.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.application.state in (Application.State.DRAFT, Application.State.CONFIRMING):
            return see(self.next_address())
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            return self._for_the_script()
        found = self.enrolment()
        if request.GET.get("done") in ("left", "leaving") and found.status in ("ENDED", "ENDING"):
            return see(self.address("left"))
        return self.page(is_long=self._is_long(), **self._done(found))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Ask the provider how it stands."""
        if self.application.state != Application.State.DRAFT and not self.application.asked_action:
            self.change(lambda row: asking.status(row, now=self.now))
        return self.home()

    def back(self) -> str:
        return self.actor.address("enrolments")

    def _done(self, found: viewing.Enrolment) -> dict[str, Any]:
        """What the address says was done, where it is true: whoever made the address up is told nothing."""
        state = next(
            (each for each in found.consents if str(each.asked.place) == self.request.GET.get("consent")), None
        )
        done = self.request.GET.get("done", "")
        is_true = {
            "withdrawn": state is not None and state.state == "WITHDRAWN",
            "granted": state is not None and state.state == "GIVEN",
            "stayed": found.status in ("ACTIVE", "SCHEDULED"),
            "meters": any(f"on_update:{each}_METER" in self.application.told for each in ("ADD", "REMOVE")),
        }
        if not is_true.get(done):
            return {}
        return {"done": done, "done_receipt": state.receipt if state else None}

    def _is_long(self) -> bool:
        asked_at = self.application.asked_at
        return asked_at is not None and self.now - asked_at > asking.PATIENCE

    def _for_the_script(self) -> HttpResponse:
        is_waiting = bool(self.application.asked_action)
        told = {"waiting": is_waiting, "long": self._is_long()}
        return JsonResponse(told if is_waiting else {**told, "next": self.request.get_full_path()})


class CredentialPage(EnrolmentPage):
    """The credential, as a verifier finds it now: QR code, file, wallet (issue 5 point 6)."""

    template_name = "portal/enrolments/credential.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        held = self.held()
        verdict = verifying.live(held.data, self.now)
        code = "VERIFIED" if verdict.ok else str(verdict.reason)
        return self.page(
            held=held,
            verdict=verdict,
            code=code,
            tone=_TONES.get(code, "bad"),
            is_good=code in _TONES,
            checked_at=self.now,
        )

    def held(self) -> HeldCredential:
        """The one this page is about: the enrolment's, or the consent's whose place is asked for."""
        found = viewing.enrolment(self.application, self.now)
        place = self.request.GET.get("consent", "")
        of_consent = [each.credential for each in found.consents if str(each.asked.place) == place]
        held = of_consent[0] if of_consent else (None if place else found.credential)
        if held is None:
            raise Http404
        return held


class CredentialFile(CredentialPage):
    """The signed bytes, as a file."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        held = self.held()
        kind = "application/json" if held.data.lstrip()[:1] == "{" else "application/jwt"
        response = HttpResponse(held.data, content_type=kind)
        name = self.application.order_number or "credential"
        response.headers["Content-Disposition"] = f'attachment; filename="{_plain(name)}.{_KINDS[kind]}"'
        return response


class CredentialCode(CredentialPage):
    """The QR code alone, large: to be shown across a counter, or printed."""

    template_name = "portal/enrolments/qr.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return self.page(held=self.held())

    def back(self) -> str:
        return self.address("credential")


class Receipt(EnrolmentPage):
    """One consent receipt: to read and to print."""

    template_name = "portal/enrolments/receipt.html"

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        receipt = self.receipt()
        asked = next((c.asked for c in self.enrolment().consents if c.receipt and c.receipt.pk == receipt.pk), None)
        return self.page(receipt=receipt, asked=asked, **_said(receipt))

    def receipt(self) -> ConsentReceipt:
        wanted: UUID = self.kwargs["receipt_id"]
        found = self.application.receipts.filter(pk=wanted).first()
        if found is None:
            raise Http404
        return found


class ReceiptAsJson(Receipt):
    """The same receipt for machines, in the names of ISO/IEC TS 27560."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        receipt = self.receipt()
        text = json.dumps(receipt.record, indent=2, ensure_ascii=False)
        response = HttpResponse(text, content_type="application/json; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="consent-receipt-{receipt.pk}.json"'
        return response


def taking_part(found: viewing.Enrolment) -> list[choices.MeterChoice]:
    """The meters of an enrolment as they are shown; of a journey without one, those that were chosen."""
    lines = found.meters if found.is_live else [each for each in found.facts.meters if each.status != "REJECTED"]
    chosen = choices.chosen_meters(found.application)
    if not lines:
        return list(chosen)
    known = {each.umid: each for each in (*choices.meters(found.application), *chosen)}
    return [known.get(line.meter_id, choices.MeterChoice(line.meter_id)) for line in lines]


def _card(row: Application, now: datetime) -> dict[str, Any]:
    found = viewing.enrolment(row, now)
    return {
        "enrolment": found,
        "application": row,
        "program": reading.program(row.program.item, get_language() or ""),
        "meters": taking_part(found),
        "house": houses.house_of(row.utility_id),
        "address": _address(row),
    }


def _address(row: Application) -> str:
    if row.state in (Application.State.DRAFT, Application.State.CONFIRMING, Application.State.REFUSED):
        return next_address(row)
    return reverse("portal-enrolment", args=[row.pk])


def _group(found: viewing.Enrolment) -> str:
    if found.status in ("DRAFT", "CONFIRMING"):
        return "open"
    return "current" if found.is_live else "past"


def _consents(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every consent in force, with the enrolment it belongs to."""
    return [{**card, "consent": each} for card in cards for each in card["enrolment"].consents if each.state == "GIVEN"]


def _said(receipt: ConsentReceipt) -> dict[str, Any]:
    """The parts of a record that the page shows."""
    record = receipt.record if isinstance(receipt.record, dict) else {}
    processing = record.get("pii_processing") or {}
    parties = {each.get("party_role"): each for each in record.get("party_identification") or []}
    return {
        "processing": processing,
        "purposes": processing.get("purposes") or [],
        "controller": parties.get("pii_controller") or {},
        "grievance": parties.get("grievance_contact") or {},
        "events": record.get("event") or [],
    }


def _plain(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_" else "-" for each in name)
