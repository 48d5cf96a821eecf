"""What needs a person today: the first page of the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials import list_watch
from credentials.models import BulkAct, IssuerKey, KeyAlgorithm, KeyState
from enrollment.models import CustomerNotice, EnrollmentCase, Recheck, UtilityNotice
from identity.models import Agency, Membership
from portals.agency import papers
from portals.models import CaseLetter
from utility_systems.models import SystemHealth


@dataclass(frozen=True)
class News:
    """One thing: what it is, and the URL name of the page where it is mended or watched."""

    text: str
    page: str
    is_urgent: bool = True


def of_today(now: datetime) -> list[News]:
    """Return what needs a person, urgent things first; empty on a good day."""
    found = [
        *_keys(),
        *_lists(now),
        *_systems(),
        *_customers(),
        *_papers(),
        *_agencies(),
        *_rechecks(),
        *_notices(),
        *_acts(),
    ]
    return sorted(found, key=lambda each: not each.is_urgent)


def _keys() -> list[News]:
    active = set(IssuerKey.objects.filter(state=KeyState.ACTIVE).values_list("algorithm", flat=True))
    news = [
        News(_("No %(kind)s key is active: nothing can be signed.") % {"kind": algorithm.label}, _KEYS)
        for algorithm in KeyAlgorithm
        if algorithm not in active
    ]
    waiting = IssuerKey.objects.filter(state=KeyState.ANNOUNCED).count()
    if waiting:
        text = ngettext(
            "%(count)d key is announced and waits to be activated.",
            "%(count)d keys are announced and wait to be activated.",
            waiting,
        )
        news.append(News(text % {"count": waiting}, _KEYS, is_urgent=False))
    return news


def _lists(now: datetime) -> list[News]:
    news = []
    for standing in list_watch.standings():
        told = {"list": standing.path}
        if standing.is_over(now):
            text = _("The status list %(list)s is over: verifiers refuse every credential on it.")
            news.append(News(text % told, _LISTS))
        elif standing.is_late(now):
            text = _("The status list %(list)s is not renewed in time: is a worker running?")
            news.append(News(text % told, _LISTS))
    return news


def _systems() -> list[News]:
    """Silent systems of utilities: their customers wait, and nobody is refused for it."""
    silent = SystemHealth.objects.filter(is_open=True).order_by("utility_id", "system")
    text = _("%(utility)s: the system %(system)s does not answer since %(since)s UTC.")
    return [
        News(
            text % {"utility": each.utility_id, "system": each.system, "since": f"{each.since:%Y-%m-%d %H:%M}"},
            _UTILITIES,
        )
        for each in silent
    ]


def _customers() -> list[News]:
    """Orders that their customers have stopped, and customers whom nothing reached for a week."""
    news = []
    stopped = EnrollmentCase.objects.filter(frozen_at__isnull=False).count()
    if stopped:
        text = ngettext(
            "%(count)d order was stopped by its customer: call them, then release or end it.",
            "%(count)d orders were stopped by their customers: call them, then release or end them.",
            stopped,
        )
        news.append(News(text % {"count": stopped}, _CUSTOMERS))
    stuck = CustomerNotice.objects.filter(state="STUCK").count()
    if stuck:
        text = ngettext("%(count)d notice to a customer is stuck.", "%(count)d notices to customers are stuck.", stuck)
        news.append(News(text % {"count": stuck}, _CUSTOMERS))
    return news


def _papers() -> list[News]:
    """Agencies' mandates on paper that the program's owner reviews."""
    waiting = papers.owners_queue().filter(state="WAITING").count()
    if not waiting:
        return []
    text = ngettext(
        "%(count)d mandate on paper of an agency waits for a review.",
        "%(count)d mandates on paper of agencies wait for a review.",
        waiting,
    )
    return [News(text % {"count": waiting}, _PAPERS, is_urgent=False)]


def _agencies() -> list[News]:
    """What a threshold has suspended, until somebody lets it go on or switches it off; customers not told for a day."""
    news = []
    agencies = Agency.objects.filter(suspended_by="THRESHOLD").exclude(suspended_at=None).order_by("agency_id")
    text = _("The agency %(agency)s was suspended by a threshold: %(reason)s.")
    news += [News(text % {"agency": each.agency_id, "reason": each.suspension_reason}, _AGENCIES) for each in agencies]
    people = Membership.objects.filter(active=True, agency__suspended_at=None).exclude(suspended_at=None).count()
    if people:
        text = ngettext(
            "%(count)d person of an agency is suspended: let them go on, or have them switched off.",
            "%(count)d people of agencies are suspended: let them go on, or have them switched off.",
            people,
        )
        news.append(News(text % {"count": people}, _AGENCIES, is_urgent=False))
    given_up = CaseLetter.objects.exclude(given_up_at=None).count()
    if given_up:
        text = ngettext(
            "%(count)d customer of a suspended agency could not be told: their utility did not answer for days.",
            "%(count)d customers of suspended agencies could not be told: their utilities did not answer for days.",
            given_up,
        )
        news.append(News(text % {"count": given_up}, _AGENCIES))
    return news


def _rechecks() -> list[News]:
    """Enrolments of agencies that were suspended soon afterwards."""
    waiting = Recheck.objects.filter(done_at=None).count()
    if not waiting:
        return []
    text = ngettext(
        "%(count)d enrolment of a suspended agency waits to be looked at again.",
        "%(count)d enrolments of suspended agencies wait to be looked at again.",
        waiting,
    )
    return [News(text % {"count": waiting}, _RECHECKS, is_urgent=False)]


def _notices() -> list[News]:
    """Enrolments of which a utility did not want to hear for a week."""
    stuck = UtilityNotice.objects.filter(state="STUCK").count()
    if not stuck:
        return []
    text = ngettext(
        "%(count)d notice to a utility is stuck: it does not know of an enrolment's change.",
        "%(count)d notices to utilities are stuck: they do not know of enrolments' changes.",
        stuck,
    )
    return [News(text % {"count": stuck}, _NOTICES)]


def _acts() -> list[News]:
    open_acts = BulkAct.objects.filter(finished_at=None).count()
    if not open_acts:
        return []
    text = ngettext(
        "%(count)d act on many credentials is being worked off.",
        "%(count)d acts on many credentials are being worked off.",
        open_acts,
    )
    return [News(text % {"count": open_acts}, _CREDENTIALS, is_urgent=False)]


_KEYS = "admin:credentials_issuerkey_changelist"
_LISTS = "admin:credentials_statuslist_changelist"
_UTILITIES = "admin:utility_systems_systemhealth_changelist"
_CUSTOMERS = "admin:enrollment_customernotice_changelist"
_NOTICES = "admin:enrollment_utilitynotice_changelist"
_PAPERS = "admin:portals_mandatepaper_changelist"
_AGENCIES = "admin:identity_agency_changelist"
_RECHECKS = "admin:enrollment_recheck_changelist"
_CREDENTIALS = "admin:credentials_issuedcredential_changelist"
