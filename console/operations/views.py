"""How the machinery stands: workers, queues, what does not answer, what ends soon (issue of the console, 7)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Action
from audit.models import Event
from beckn import workers
from beckn.models import Participant
from console.operations import endings, queues
from console.pages import ConsolePage
from console.privacy import kept
from console.rights import Right, may
from credentials import list_watch
from identity.models import Agency, Membership
from portals.models import CaseSignal
from utility_systems.models import SystemHealth

LAST_HOUR = timedelta(hours=1)
LATE = timedelta(minutes=10)
MOST = 50
FEW = 5


class OperationsPage(ConsolePage):
    title = _("Operations")
    template_name = "console/operations/operations.html"

    def context(self) -> dict[str, Any]:
        now = self.now
        return {
            "now": now,
            **_workers(now),
            "queues": [_queue(each, now) for each in queues.all_of_them(now)],
            "silent": _silent(now),
            "lists": _lists(now),
            "endings": [_ending(each, now) for each in endings.all_of_them(now)],
            "kept": _kept(now),
            "agencies": _agencies(now),
            "refused": _refused(now),
            "may_audit": may(self.request, Right.READ_AUDIT),
        }


def _workers(now: datetime) -> dict[str, Any]:
    known = workers.all_of_them()
    living = [each for each in known if workers.is_alive(each, now)]
    told = [
        {"row": each, "is_alive": each in living, "queues": ", ".join(each.queues) or gettext("all")} for each in known
    ]
    return {"workers": told, "missing_queues": ", ".join(workers.queues_without_one(living)) if living else ""}


def _queue(queue: queues.Queue, now: datetime) -> dict[str, Any]:
    is_late = queue.oldest is not None and queue.oldest < now - LATE
    url = reverse(queue.page) if queue.page else ""
    return {
        "queue": queue,
        "seconds": round(queue.seconds(now)),
        "look": "over" if queue.stuck else "late" if is_late else "good",
        "words": gettext("somebody has to look")
        if queue.stuck
        else gettext("late: is a worker running?")
        if is_late
        else gettext("in order"),
        "url": url,
        "stuck_url": f"{url}?{queue.stuck_query}" if queue.stuck_query else url,
    }


def _silent(now: datetime) -> list[dict[str, Any]]:
    """Who does not answer: systems of utilities, participants."""
    found: list[dict[str, Any]] = [
        {
            "name": f"{each.utility_id} {each.system}",
            "what": gettext("a utility's system"),
            "since": each.since,
            "url": reverse("admin:utility_systems_systemhealth_changelist"),
        }
        for each in SystemHealth.objects.filter(is_open=True).order_by("utility_id", "system")[:MOST]
    ]
    peers = Participant.objects.filter(suspended_at=None, failures_in_a_row__gt=0, held_until__gt=now - LATE)
    for peer in peers[:MOST]:
        what = gettext("a participant, %(count)d attempts in a row") % {"count": peer.failures_in_a_row}
        url = reverse("admin:participant", args=[peer.pk])
        found.append({"name": peer.subscriber_id, "what": what, "since": None, "url": url})
    return found


def _lists(now: datetime) -> dict[str, Any]:
    standings = list_watch.standings()
    published = [each for each in standings if each.valid_until is not None]
    return {
        "count": len(published),
        "over": _few([each.path for each in standings if each.is_over(now)]),
        "late": _few([each.path for each in standings if each.is_late(now) and not each.is_over(now)]),
        "next_end": min((each.valid_until for each in published if each.valid_until), default=None),
        "fullest": max((100 * each.taken / each.size for each in standings if not each.closed), default=0.0),
    }


def _few(paths: list[str]) -> list[str]:
    more = gettext("and %(count)d more") % {"count": len(paths) - FEW}
    return [*paths[:FEW], more] if len(paths) > FEW else paths


def _ending(each: endings.Ending, now: datetime) -> dict[str, Any]:
    return {
        "ending": each,
        "look": "over" if each.is_over(now) else "late" if each.is_urgent(now) else "announced",
        "words": gettext("over")
        if each.is_over(now)
        else gettext("%(days)d days") % {"days": (each.ends_at - now).days},
        "is_readable": each.ends_at.year > 2000,
        "url": reverse(each.page, args=each.args),
    }


def _kept(now: datetime) -> dict[str, Any]:
    standings = kept.standings_now(now)
    ran = [each.row.ran_at for each in standings if each.row is not None and each.row.ran_at is not None]
    return {"overdue": [each for each in standings if each.overdue], "oldest_run": min(ran, default=None)}


def _agencies(now: datetime) -> list[dict[str, Any]]:
    """Agencies that somebody should look at, and why."""
    told: dict[int, list[str]] = {}
    names: dict[int, str] = {}

    def say(pk: int, name: str, text: str) -> None:
        names[pk] = name
        told.setdefault(pk, []).append(text)

    for agency in Agency.objects.exclude(suspended_at=None).order_by("agency_id")[:MOST]:
        say(agency.pk, agency.agency_id, gettext("suspended: %(why)s") % {"why": agency.suspension_reason or "?"})
    over = Agency.objects.filter(
        suspended_at=None, certified_until__lte=now, certified_until__gt=now - timedelta(days=90)
    )
    for agency in over[:MOST]:
        say(agency.pk, agency.agency_id, gettext("its certificate is over"))
    people: Counter[Any] = Counter(
        Membership.objects.filter(active=True, agency__suspended_at=None)
        .exclude(suspended_at=None)
        .values_list("agency", "agency__agency_id")[:1000]
    )
    for (pk, name), count in people.items():
        say(pk, name, gettext("%(count)d of its people suspended") % {"count": count})
    signals: Counter[Any] = Counter(
        CaseSignal.objects.filter(decision="").values_list("case__agency", "case__agency__agency_id")[:1000]
    )
    for (pk, name), count in signals.items():
        say(pk, name, gettext("%(count)d signals that nobody has decided") % {"count": count})
    return [
        {"name": names[pk], "url": reverse("admin:identity_agency_change", args=[pk]), "why": " · ".join(why)}
        for pk, why in sorted(told.items(), key=lambda each: names[each[0]])
    ]


def _refused(now: datetime) -> dict[str, Any]:
    newest = Event.objects.filter(action=Action.MESSAGE_REFUSED, at__gte=now - LAST_HOUR).order_by("-id")
    codes = Counter(newest.values_list("details__code", flat=True)[:1000])
    return {"count": codes.total(), "codes": [(code or "?", count) for code, count in codes.most_common(6)]}
