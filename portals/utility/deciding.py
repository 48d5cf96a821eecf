"""Having the provider decide about a journey, and what its answer means for the pages: verdicts, and the ways on.

What changes what was decided has the provider look again: an answer that was given to other questions is not kept.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import get_language

from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import asking, drafts, evidence, houses, journey, reading
from portals.models import Application
from portals.utility import choices
from portals.utility.pages import SIGN_IN, JourneyPage, see
from portals.utility.views_programs import ask_for_meters


def ask_if_ready(page: JourneyPage) -> HttpResponse:
    """After an answer: where nothing else is missing, have the provider decide."""
    if journey.next_step(page.application).name != "eligibility" or page.application.told.get("on_init"):
        return page.onward()
    return ask_again(page, page.application.version)


def ask_again(page: JourneyPage, version: int | None = None) -> HttpResponse:
    """Have the provider decide on what the journey says now."""
    if version is None:
        version = page.version()
    try:
        page.application = ask(page, version)
    except SignInNeeded:
        return see(f"{reverse(SIGN_IN)}?next={page.address('eligibility')}")
    except (ProviderUnavailable, evidence.UtilitySilent):
        return page.page(status=503, template="portal/utility_silent.html")
    return page.after_a_moment()


def asked_for_meters(page: JourneyPage) -> HttpResponse:
    """Ask the utility and the provider again which meters can join."""
    page.application = ask_for_meters(page.actor, page.application, page.version(), page.now)
    return page.after_a_moment()


def ask(page: JourneyPage, version: int) -> Application:
    """Send the init, with what the utility attests. Raises what `evidence` raises, and drafts.OutOfDate."""
    token = page.actor.token(page.application, page.now)
    credentials = page.actor.credentials(page.application, token)

    def send(row: Application) -> None:
        row.trouble = ""
        asking.init(row, token=token, credentials=credentials, now=page.now)

    return drafts.change(page.application, version, send, now=page.now)


def forget_what_was_decided(row: Application) -> None:
    """The provider's verdict was about other answers."""
    row.told = {name: told for name, told in row.told.items() if name not in ("on_init", "on_confirm")}
    row.answers.pop("declared", None)
    row.answers["unseen"] = True  # the next verdict is shown before anything else is asked
    row.trouble = ""


def verdict(row: Application) -> dict[str, Any]:
    """What the provider said to the application, and which of the customer's own enrolments stand in its way."""
    prepared = reading.prepared(row.told.get("on_init"))
    selected = reading.selected(row.told.get("on_select"))
    return {
        "prepared": prepared,
        "cells": reading.chosen(selected.eligibility, row.answers.get("meters", [])),
        "chosen": choices.chosen_meters(row),
    }


def ways_on(row: Application, refusal: reading.RefusalView | None, now: datetime) -> dict[str, Any]:
    """What can be done about a conflict: `later`, the first day on which what is in the way has ended, and `blocking`,
    the person's own enrolment that is in the way (screens P18)."""
    if refusal is None:
        return {}
    blocking = own_enrolments(row).get(str(refusal.details.get("conflictingEnrollmentId", "")))
    name = reading.program(blocking.program.item, get_language() or "").name if blocking else ""
    return {"later": free_from(row, refusal, now), "blocking": blocking, "blocking_name": name}


def free_from(row: Application, refusal: reading.RefusalView, now: datetime) -> date | None:
    """The first day at the utility on which nothing is in the way any more; None where nobody says."""
    return first_day_after(reading.instant(refusal.details.get("conflictEndDate")), row, now)


def first_day_after(instant: datetime | None, row: Application, now: datetime) -> date | None:
    """The first day at the utility that begins at this instant or after it; None for the past."""
    if instant is None or instant.tzinfo is None or instant <= now:
        return None
    local = instant.astimezone(zone_of(row))
    is_midnight = local.time() == time()
    return local.date() if is_midnight else local.date() + timedelta(days=1)


def own_enrolments(row: Application) -> dict[str, Application]:
    """The person's other enrolments by their id: a conflict with one of them can be left."""
    others = Application.objects.filter(subject=row.subject, state=Application.State.ENROLLED).exclude(pk=row.pk)
    return {each.enrollment_id: each for each in others.select_related("program")}


def zone_of(row: Application) -> ZoneInfo:
    """The utility's zone: a day is a day there (decision 55)."""
    return ZoneInfo(houses.house_of(row.utility_id).time_zone or "UTC")


def today_of(row: Application, now: datetime) -> date:
    return now.astimezone(zone_of(row)).date()


def day(value: Any) -> date | None:
    """A day of the answers; None for what is none."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None
