"""The basket and what becomes of it: one order per program, all of one batch, told meter by meter (P2-4, P2-5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language

from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import asking, baskets, drafts, evidence, houses, journey, reading
from portals.models import Application
from portals.utility import choices
from portals.utility.forms import DeclarationForm
from portals.utility.pages import next_address, see, stands_at
from portals.utility.views_matrix import MatrixPage


class Basket(MatrixPage):
    """What is in the basket, by program. POST puts in, takes out, or orders it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page()

    def post(self, request: HttpRequest) -> HttpResponse:
        person = self.person()
        if "remove" in request.POST:
            baskets.take_out(person, self.portal, request.POST.getlist("remove"))
        elif "order" in request.POST:
            return self._order(request)
        else:
            baskets.put(person, self.portal, self.table(), request.POST.getlist("cell"), self.now)
        return see(reverse("portal-basket"))

    def _page(self, **said: Any) -> HttpResponse:
        rows, found = list(baskets.items(self.subject, self.portal)), self.table()
        groups = [
            {
                "program": reading.program(each.program.item, get_language() or ""),
                "slug": each.program.slug,
                "house": houses.house_of(each.utility_id),
                "lines": [found.box(each.program.slug, umid) or (None, umid) for umid in each.umids],
                "umids": each.umids,
            }
            for each in baskets.groups(rows)
        ]
        context = {
            "groups": groups,
            "count": len(rows),
            "back": reverse("portal-matrix"),
            "house": self.house(),
            **said,
        }
        return render(self.request, "portal/matrix/basket.html", context)

    def _order(self, request: HttpRequest) -> HttpResponse:
        """A journey per program, each asked at once; one that cannot be asked now waits in the batch."""
        groups = baskets.groups(baskets.items(self.subject, self.portal))[: baskets.MOST_ORDERS]
        if not groups:
            return self._page(is_empty=True)
        batch_id, is_begun = baskets.new_batch(), False
        for group in groups:
            with transaction.atomic():
                begun = baskets.start(
                    group,
                    batch_id=batch_id,
                    subject=self.person(),
                    user=request.user,  # type: ignore[arg-type]
                    portal=self.portal,
                    locale=get_language() or "en",
                    starts_on=tomorrow_at(group.utility_id, self.now),
                    now=self.now,
                )
            if begun is None:
                continue  # the button was pressed twice: the other press orders it
            is_begun = True
            try:
                ask(request, begun, self)
            except (SignInNeeded, ProviderUnavailable, evidence.UtilitySilent, drafts.OutOfDate):
                continue  # its page says so, and asks again
        return see(reverse("portal-batch", args=[batch_id]) if is_begun else reverse("portal-enrolments"))


def tomorrow_at(utility_id: str, now: datetime) -> date:
    """The next reading (P10): the day after today where the utility is."""
    zone = ZoneInfo(houses.house_of(utility_id).time_zone or "UTC")
    return now.astimezone(zone).date() + timedelta(days=1)


def ask(request: HttpRequest, application: Application, page: MatrixPage) -> None:
    """Apply with the devices behind the chosen meters.

    Raises what `evidence` raises, and drafts.OutOfDate; nothing is lost then.
    """
    ders = [each.answer for each in choices.devices(application)] if journey.needs_equipment(application) else []
    if journey.needs_equipment(application) and not ders:
        return  # the journey asks for a device first
    token = evidence.token(request, application, page.now)
    credentials = evidence.for_application(application, token)

    def send(row: Application) -> None:
        if ders:
            row.answers["ders"] = ders
        asking.init(row, token=token, credentials=credentials, now=page.now)

    drafts.change(application, application.version, send, now=page.now)


@dataclass(frozen=True)
class Entry:
    """One order of the batch as its page shows it. `next` is where the person goes on; "" where nothing is to do."""

    application: Application
    program: reading.ProgramView
    house: houses.House
    state: str  # WAITING, QUESTIONS, READY, REFUSED, TROUBLE, CONFIRMING, ENROLLED, OVER
    next: str
    meters: tuple[tuple[choices.MeterChoice, reading.MeterLine], ...]
    refusal: reading.RefusalView | None = None

    @property
    def seen(self) -> str:
        """What the page showed, so that nothing is confirmed that has become ready or changed since."""
        return f"{self.application.pk} {self.application.version}"


class Batch(MatrixPage):
    """All orders of one basket: what is still to be answered, one confirm for all that are ready, and the results."""

    batch_id: str

    def get(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        entries = self._entries(batch_id)
        is_waiting = any(entry.state in ("WAITING", "CONFIRMING") for entry in entries)
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            return JsonResponse({"waiting": is_waiting, "long": self._is_long(entries), "next": request.path})
        return self._page(entries, is_waiting=is_waiting)

    def post(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Confirm all that the page showed as ready, with one declaration; or ask again where nobody could be asked."""
        entries = self._entries(batch_id)
        if "again" in request.POST:
            self._ask_again(entry.application for entry in entries if entry.state == "TROUBLE")
            return see(request.path)
        form = DeclarationForm(request.POST)
        seen = set(request.POST.getlist("seen"))
        ready = [entry for entry in entries if entry.state == "READY" and entry.seen in seen]
        if not ready:
            return see(request.path)
        if not form.is_valid():
            return self._page(entries, form=form, status=422)
        for entry in ready:
            self._confirm(entry.application)
        return see(request.path)

    def _ask_again(self, applications: Iterable[Application]) -> None:
        for application in applications:
            try:
                ask(self.request, application, self)
            except drafts.OutOfDate:
                continue  # another tab has asked

    def _confirm(self, application: Application) -> None:
        def send(row: Application) -> None:
            row.answers["declared"], row.trouble = True, ""
            asking.confirm(row, now=self.now)

        try:
            drafts.change(application, application.version, send, now=self.now)
        except drafts.OutOfDate:
            return  # another tab was faster; the page shows what came of it

    def _entries(self, batch_id: str) -> list[Entry]:
        rows = baskets.of_batch(self.subject, batch_id)
        if not rows:
            raise Http404
        return [_entry(row) for row in rows]

    def _page(self, entries: list[Entry], *, status: int = 200, **said: Any) -> HttpResponse:
        by_state = {entry.state for entry in entries}
        context = {
            "entries": entries,
            "ready": [entry for entry in entries if entry.state == "READY"],
            "is_open": bool(by_state - {"ENROLLED", "REFUSED", "OVER"}),
            "has_trouble": "TROUBLE" in by_state,
            "is_long": self._is_long(entries),
            "enrolled": sum(len(_enrolled(entry)) for entry in entries),
            "left_out": sum(len(entry.meters) - len(_enrolled(entry)) for entry in entries),
            "form": DeclarationForm(),
            "house": self.house(),
            "back": reverse("portal-matrix"),
            **said,
        }
        return render(self.request, "portal/matrix/batch.html", context, status=status)

    def _is_long(self, entries: list[Entry]) -> bool:
        asked = [entry.application.asked_at for entry in entries if entry.application.asked_at is not None]
        return any(self.now - each > asking.PATIENCE for each in asked)


def _enrolled(entry: Entry) -> list[Any]:
    return [line for _, line in entry.meters if line.status == "ENROLLED"]


def _entry(row: Application) -> Entry:
    prepared, confirmed = reading.prepared(row.told.get("on_init")), reading.confirmed(row.told.get("on_confirm"))
    refusal = confirmed.refusal or prepared.refusal
    told = {line.meter_id: line for line in (confirmed.meters or prepared.lines)}
    chosen = choices.chosen_meters(row)
    return Entry(
        application=row,
        program=reading.program(row.program.item, get_language() or ""),
        house=houses.house_of(row.utility_id),
        state=_state(row, prepared),
        next=_next(row),
        meters=tuple((each, told.get(each.umid, reading.MeterLine(each.umid, ""))) for each in chosen),
        refusal=refusal,
    )


def _state(row: Application, prepared: reading.PreparedView) -> str:
    states = Application.State
    if row.state == states.ENROLLED:
        return "ENROLLED"
    if row.state in (states.ENDED, states.DROPPED):
        return "OVER"
    if row.state == states.REFUSED or prepared.state is reading.Outcome.REFUSED:
        return "REFUSED"
    if row.state == states.CONFIRMING:
        return "CONFIRMING"
    if row.asked_action:
        return "WAITING"
    if not row.told.get("on_init"):
        return "QUESTIONS" if journey.needs_equipment(row) else "TROUBLE"
    if journey.next_step(row).name in ("dates", "check"):
        return "READY"
    return "QUESTIONS"


def _next(row: Application) -> str:
    if stands_at(row):
        return stands_at(row)
    step = journey.next_step(row)
    return next_address(row) if step.name != "consent" else reverse(step.url_name, args=[row.pk, step.place])
