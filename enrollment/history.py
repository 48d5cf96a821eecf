"""What happened to an order, in plain codes, for whoever may ask how it stands. Read from the journal; writes nothing.

The codes are closed lists: `act` is a value of `ACTS`, `by` is CUSTOMER, PORTAL, AGENCY or PROVIDER. No name, number or
reason in words is in it, so that it may be told to the participant that placed the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit import readers
from audit.log import Action, ActorKind
from enrollment.models import EnrollmentCase
from enrollment.results import HistoryLine

ACTS: Mapping[str, str] = {
    Action.CASE_SUBMITTED: "APPLIED",
    Action.CASE_READY: "READY",
    Action.CASE_WAITING: "WAITING_FOR_UTILITY",
    Action.CASE_REFUSED: "REFUSED",
    Action.CASE_WITHDRAWN: "WITHDRAWN",
    Action.CASE_EXPIRED: "EXPIRED",
    Action.ENROLLMENT_CONFIRMED: "ENROLLED",
    Action.ENROLLMENT_REFUSED: "REFUSED",
    Action.ENROLLMENT_ACTIVATED: "STARTED",
    Action.ENROLLMENT_SUSPENDED: "SUSPENDED",
    Action.ENROLLMENT_RESUMED: "RESUMED",
    Action.ENROLLMENT_METERS_CHANGED: "METERS_CHANGED",
    Action.ENROLLMENT_END_SCHEDULED: "END_PLANNED",
    Action.ENROLLMENT_END_WITHDRAWN: "END_TAKEN_BACK",
    Action.ENROLLMENT_CANCELLED: "ENDED",
    Action.ENROLLMENT_EXPIRED: "EXPIRED",
    Action.CONSENT_GRANTED: "CONSENT_GIVEN",
    Action.CONSENT_REVOKED: "CONSENT_WITHDRAWN",
    Action.CONSENT_EXPIRED: "CONSENT_EXPIRED",
}
_BY: Mapping[ActorKind, str] = {
    ActorKind.PERSON: "CUSTOMER",
    ActorKind.PARTICIPANT: "PORTAL",
    ActorKind.AGENCY: "AGENCY",
    ActorKind.STAFF: "PROVIDER",
    ActorKind.SYSTEM: "PROVIDER",
}
#: What of a line's details is told, and as what.
_TOLD: Mapping[str, str] = {
    "added": "added_meters",
    "removed": "removed_meters",
    "types": "consent_types",
    "kept": "consent_types",
    "code": "code",
    "at": "effective_date",
    "effective_at": "effective_date",
}


def of_order(case: EnrollmentCase, enrollment_id: str = "", *, most: int = 100) -> tuple[HistoryLine, ...]:
    """The order's lines, oldest first; the newest `most` of them."""
    objects = [("case", str(case.pk)), *([("enrollment", enrollment_id)] if enrollment_id else [])]
    return tuple(_told(line) for line in readers.lines_about(objects, actions=ACTS, most=most))


def _told(line: readers.ReadLine) -> HistoryLine:
    is_named = line.actor_kind in (ActorKind.PARTICIPANT, ActorKind.AGENCY)
    details: dict[str, Any] = {_TOLD[key]: value for key, value in line.details.items() if key in _TOLD and value}
    if line.details.get("type"):
        details["consent_types"] = [line.details["type"]]
    return HistoryLine(
        at=line.at, act=ACTS[line.action], by=_BY[line.actor_kind], name=line.actor_id if is_named else "", more=details
    )
