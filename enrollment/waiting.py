"""A utility does not answer: what a case notes about it, and when the utility is asked again (decision 40)."""

from __future__ import annotations

from datetime import datetime, timedelta

from audit import log
from audit.log import Action, Actor
from enrollment import claims, orders
from enrollment.models import CaseCheck, EnrollmentCase
from enrollment.results import Waiting
from utility_systems.ports import UtilityUnavailable

#: When a utility that does not answer is asked again: after 1, 5, 15 and then every 60 minutes, for 24 h (decision 40).
RETRY_MINUTES = (1, 5, 15, 60)
GIVE_UP_AFTER = timedelta(hours=24)


def stop_waiting(case: EnrollmentCase) -> None:
    case.waiting_act, case.waiting_utility, case.retry_attempt = "", "", 0
    case.waiting_since, case.retry_at = None, None


def start_waiting(case: EnrollmentCase, act: str, outage: UtilityUnavailable, actor: Actor, now: datetime) -> Waiting:
    """Note on the locked case that `act` waits for a utility, and when it is asked next. Caller's transaction."""
    is_first = not case.is_waiting_for_a_utility
    case.waiting_act, case.waiting_utility = act, outage.utility_id
    case.waiting_since = now if is_first else case.waiting_since
    minutes = RETRY_MINUTES[min(case.retry_attempt, len(RETRY_MINUTES) - 1)]
    case.retry_at = now + timedelta(minutes=minutes)
    case.retry_attempt += 1
    case.updated_at = now
    case.save()
    claims.prolong_holds(case, case.retry_at + timedelta(minutes=30))
    CaseCheck.objects.create(
        case=case,
        kind="UTILITY",
        target=outage.utility_id,
        result="PENDING",
        code="UTILITY_UNAVAILABLE",
        detail={"system": outage.system, "attempt": case.retry_attempt},
        at=now,
    )
    if is_first:
        log.record(
            Action.CASE_WAITING,
            actor=actor,
            at=now,
            subject=str(case.subject_id),
            object_type="case",
            object_id=str(case.pk),
            details={"utility": outage.utility_id, "system": outage.system, "act": act},
        )
    return Waiting(orders.bare(case), now, outage.utility_id)
