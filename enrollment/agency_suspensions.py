"""What follows for the orders of a suspended agency: what is open ends, what was enrolled stays.

Nobody can go on with an application whose agency may not act: its messages are refused. So it is withdrawn, its hold
given back to whoever waits for the place, its portal told, and its customer, who may apply again without the agency.
What its customer has stopped ("this was not me") is staff's to decide. Source: issue 6 point 8, personas EA-7.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from audit.log import SYSTEM, Action, Actor
from enrollment import ending, notices, orders
from enrollment.models import EnrollmentCase
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import OPEN_CASE_STATES, CaseState
from identity.models import Agency

logger = logging.getLogger(__name__)
TEMPLATE = "agency-suspended"
SENTENCE = "The agency that made this application is suspended. The customer may apply again without it."
#: Applications that are open later than this after a suspension end by their own deadline.
LOOKED_FOR = timedelta(days=7)
AT_ONCE, MOST = 200, 2_000


def withdraw_open(now: datetime) -> int:
    """End what suspended agencies have open; return how many. Safe to run twice at once; bounded, the rest is next."""
    agencies = list(
        Agency.objects.filter(suspended_at__lte=now, suspended_at__gt=now - LOOKED_FOR).values_list(
            "agency_id", flat=True
        )
    )
    if not agencies:
        return 0
    rows = EnrollmentCase.objects.filter(state__in=OPEN_CASE_STATES, agency_id__in=agencies, frozen_at=None)
    count, last = 0, 0
    while count < MOST and (
        batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    ):
        last = batch[-1]
        for pk in batch:
            try:
                count += _withdraw(pk, now)
            except Exception:  # the next turn tries this row again; the others must not wait for it
                logger.exception("an application of a suspended agency could not be ended", extra={"row": pk})
    return count


@transaction.atomic
def _withdraw(pk: int, now: datetime) -> bool:
    case, enrollment = ending.locked_enrollment(EnrollmentCase(pk=pk))
    is_suspended = Agency.objects.filter(agency_id=case.agency_id, suspended_at__lte=now).exists()
    if enrollment is not None or case.state not in OPEN_CASE_STATES or case.is_frozen or not is_suspended:
        return False
    actor = Actor(SYSTEM.kind, SYSTEM.id, SYSTEM.channel, on_behalf_of=case.agency_id)
    ending.withdraw_case(case, CaseState.WITHDRAWN, Action.CASE_WITHDRAWN, actor, now)
    if case.subject_id is not None:
        notices.tell(case, TEMPLATE, now, agency=case.agency_id)
    snapshot = Snapshot(orders.of_rows(case, None), now, SENTENCE)
    enrollment_changed.send(EnrollmentCase, result=snapshot, case=case, action="on_status")
    return True
