"""What looks odd about how a customer's agreement came to be, raised for a second person to look at.

Looked for once for each proof, by the worker or right before the confirm. A signal says nothing of anybody's guilt and
by itself stops nothing; only where the deployment says so (SIGNALS_HOLD) a case with an open one waits for its look.
Source: issue 6 point 11.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audit.log import Action
from audit.readers import lines_about
from identity import contacts
from identity.inserting import insert_if_new
from identity.models import Membership
from portals import houses
from portals.agency import cases, timeline
from portals.models import AssistedCase, CaseSignal, DeviceProof, SignalLook

Kind, Decision, State = CaseSignal.Kind, CaseSignal.Decision, AssistedCase.State
STOPPED = "STOPPED"  # the outcome of a case in which somebody found something wrong
DAY = timedelta(days=1)
#: A proof older than this is not looked at any more.
LOOKED_FOR = timedelta(days=2)
AT_ONCE, SECONDS_AT_ONCE = 20, 1.0


class NotYours(Exception):
    """Nobody decides about a case of their own."""


# --- looking ---------------------------------------------------------------------------------------------------------


def sweep(now: datetime) -> int:
    """Look at what was proved lately and not looked at, for a while; return how many."""
    count, began = 0, time.monotonic()
    for case in _unseen(now).select_related("agency", "operator", "subject", "mandate").order_by("proved_at")[:AT_ONCE]:
        look(case, now)
        count += 1
        if time.monotonic() - began > SECONDS_AT_ONCE:
            break
    return count


def is_due(now: datetime) -> bool:
    """Whether `sweep` would find something."""
    return _unseen(now).exists()


def _unseen(now: datetime) -> QuerySet[AssistedCase]:
    seen = SignalLook.objects.filter(case=OuterRef("pk"), proved_at__gte=OuterRef("proved_at"))
    fresh = AssistedCase.objects.filter(proved_at__gt=now - LOOKED_FOR, proved_at__lte=now)
    return fresh.exclude(subject=None).filter(~Exists(seen))


def look(case: AssistedCase, now: datetime) -> list[CaseSignal]:
    """Look at a case's proof, once; return what was raised. The utility is asked: no transaction may be open."""
    if case.proved_at is None or case.subject is None:
        return []
    if SignalLook.objects.filter(case=case, proved_at__gte=case.proved_at).exists():
        return []
    about = {kind: found for kind, finder in FINDERS.items() if (found := finder(case)) is not None}
    raised = []
    with transaction.atomic():
        for kind, figures in about.items():
            row = CaseSignal(case=case, kind=kind, about=dict(figures), found_at=now)
            if insert_if_new(row, unique=("case", "kind")):
                timeline.note(Action.SIGNAL_RAISED, case, None, now, signal=str(kind), **figures)
                raised.append(row)
        SignalLook.objects.update_or_create(case=case, defaults={"proved_at": case.proved_at, "looked_at": now})
    return raised


def _contact_changed(case: AssistedCase) -> Mapping[str, Any] | None:
    """The customer's registered contact is new: a code may have gone to somebody else's."""
    days = settings.SIGNAL_CONTACT_DAYS
    assert case.subject is not None and case.proved_at is not None
    changed = contacts.contact_changed_at(case.utility_id, case.subject) if days else None
    if changed is None or changed < case.proved_at - timedelta(days=days):
        return None
    return {"days": max(0, (case.proved_at - changed).days)}


def _same_device(case: AssistedCase) -> Mapping[str, Any] | None:
    """More customers than a day of honest work has proved themselves in one browser."""
    most = settings.DEVICE_CUSTOMERS_PER_DAY
    assert case.proved_at is not None
    if not most:
        return None
    counts = [
        DeviceProof.objects.filter(device_digest=each, at__gt=case.proved_at - DAY, at__lte=case.proved_at)
        .exclude(case__subject=None)
        .values("case__subject")
        .distinct()
        .count()
        for each in case.device_proofs.values_list("device_digest", flat=True)
    ]
    count = max(counts, default=0)
    return {"customers": count} if count > most else None


def _fast_code(case: AssistedCase) -> Mapping[str, Any] | None:
    """The code was typed faster than anybody reads it out."""
    within = settings.SIGNAL_CODE_SECONDS
    if not within or case.mandate is None or case.mandate.evidence_kind != "CODE":
        return None
    assert case.proved_at is not None
    sent = lines_about([(timeline.CASE, str(case.pk))], actions=(Action.ASSISTED_CODE_SENT,))
    last = max((each.at for each in sent if each.at <= case.proved_at), default=None)
    seconds = (case.proved_at - last).total_seconds() if last is not None else None
    return {"seconds": round(seconds, 1)} if seconds is not None and seconds < within else None


def _at_night(case: AssistedCase) -> Mapping[str, Any] | None:
    """One agent proves many customers in one night, by the clock of the utility's place."""
    most = settings.SIGNAL_NIGHT_CASES
    assert case.proved_at is not None
    night = night_of(case.proved_at, houses.house_of(case.utility_id).time_zone) if most else None
    if night is None or case.operator_id is None:
        return None
    theirs = AssistedCase.objects.filter(operator=case.operator_id, proved_at__gte=night, proved_at__lte=case.proved_at)
    count = theirs.count()
    return {"cases": count} if count >= most else None


def night_of(at: datetime, zone: str) -> datetime | None:
    """When the night began in which `at` falls, None by day. Nights begin and end at full hours of the zone."""
    begins, ends = settings.SIGNAL_NIGHT_FROM, settings.SIGNAL_NIGHT_UNTIL
    local = at.astimezone(ZoneInfo(zone or "UTC"))
    if begins == ends:
        return None
    is_over_midnight = begins > ends
    is_night = local.hour >= begins or local.hour < ends if is_over_midnight else begins <= local.hour < ends
    if not is_night:
        return None
    began = local.replace(hour=begins, minute=0, second=0, microsecond=0)
    return began - DAY if is_over_midnight and local.hour < ends else began


FINDERS: dict[str, Callable[[AssistedCase], Mapping[str, Any] | None]] = {
    Kind.CONTACT_CHANGED: _contact_changed,
    Kind.SAME_DEVICE: _same_device,
    Kind.FAST_CODE: _fast_code,
    Kind.AT_NIGHT: _at_night,
}


# --- looking at them, and deciding -----------------------------------------------------------------------------------


def of_case(case: AssistedCase) -> list[CaseSignal]:
    """All signals of a case, the newest first."""
    return list(CaseSignal.objects.filter(case=case).select_related("seen_by"))


def open_of(case: AssistedCase) -> list[CaseSignal]:
    """Those nobody has looked at."""
    return [each for each in of_case(case) if not each.decision]


def holds(case: AssistedCase) -> bool:
    """Whether the case waits for somebody's look before it is confirmed. `look` first."""
    return bool(settings.SIGNALS_HOLD) and CaseSignal.objects.filter(case=case, decision="").exists()


def waiting(member: Membership) -> QuerySet[CaseSignal]:
    """What waits for a look in the member's agency, the oldest first; not of their own cases."""
    rows = CaseSignal.objects.filter(case__agency=member.agency, decision="")
    return rows.select_related("case", "case__operator", "case__program").order_by("found_at", "pk")


def decide(signal: CaseSignal, decision: str, *, by: Membership, now: datetime) -> CaseSignal:
    """Keep what somebody made of it; something wrong ends the case. The first decision stays. Raises NotYours."""
    with transaction.atomic():
        case = AssistedCase.objects.select_for_update(of=("self",)).get(pk=signal.case_id)
        if case.agency_id != by.agency_id or by.pk in (case.operator_id, case.opened_by_id):
            raise NotYours
        count = CaseSignal.objects.filter(pk=signal.pk, decision="").update(decision=decision, seen_by=by, seen_at=now)
        if count:
            timeline.note(Action.SIGNAL_DECIDED, case, by, now, signal=str(signal.kind), decision=decision)
            if decision == Decision.WRONG:
                cases.close(case, STOPPED, now, by=by)
    signal.refresh_from_db()
    return signal
