"""The utility is told: of every start, change, suspension and end of an enrolment, by a row of the same transaction.

`note` is called by the writers of enrolments, inside their transaction; `deliver` sends what is due, row by row, with
no transaction open, again and again until the utility has acknowledged. Source: issue 4 (7), onboarding guide 8.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from enrollment.models import Enrollment, EnrollmentMeter, UtilityNotice
from utility_systems import news, registry
from utility_systems.news import EnrollmentNotice
from utility_systems.ports import UtilityUnavailable

STARTED, CHANGED, SUSPENDED, RESUMED, ENDED = "STARTED", "CHANGED", "SUSPENDED", "RESUMED", "ENDED"
#: How long one attempt may take before another worker may try; how often, and when we stop trying by ourselves.
LEASE = timedelta(minutes=2)
FIRST_PAUSE, LONGEST_PAUSE, GIVE_UP_AFTER = timedelta(seconds=10), timedelta(hours=1), timedelta(days=7)
MOST_AT_ONCE, SECONDS_AT_ONCE = 50, 2.0


# --- writing ---------------------------------------------------------------------------------------------------------


def note(
    enrollment: Enrollment, event: str, effective_at: datetime, now: datetime, *, reason: str = "", **more: Any
) -> None:
    """Have each utility of the enrolment's meters told. Caller's transaction."""
    note_all([enrollment], event, effective_at, now, reason=reason, **more)


def note_meters_changed(
    enrollment: Enrollment,
    effective_at: datetime,
    now: datetime,
    *,
    joined: Sequence[str] = (),
    left: Sequence[str] = (),
) -> None:
    """Tell each utility concerned. `joined` are in the rows already, `left` still are.

    A utility of which no meter is left hears that it ended for it; one that had none before, that it started.
    """
    for utility_id, umids in _meters_of([enrollment]).get(enrollment.pk, {}).items():
        if not set(umids) & {*joined, *left}:
            continue
        staying = [umid for umid in umids if umid not in left]
        is_new = set(umids) <= set(joined)
        event = (STARTED if is_new else CHANGED) if staying else ENDED
        reason = "METERS_ADDED" if joined else "METERS_REMOVED"
        meters = {enrollment.pk: {utility_id: staying or list(umids)}}
        note_all([enrollment], event, effective_at, now, reason=reason, meters=meters)


def note_all(
    enrollments: Sequence[Enrollment],
    event: str,
    effective_at: datetime,
    now: datetime,
    *,
    reason: str = "",
    meters: Mapping[int, Mapping[str, Sequence[str]]] | None = None,
) -> None:
    """`note` for many. `meters`: UMIDs by enrolment key and utility, where they are known already."""
    if not any(news.has_billing(utility_id) for utility_id in registry.utility_ids()):
        return
    by_enrollment = meters if meters is not None else _meters_of(enrollments)
    UtilityNotice.objects.bulk_create(
        UtilityNotice(
            enrollment=enrollment,
            utility_id=utility_id,
            kind="BILLING",
            event=event,
            effective_at=effective_at,
            meters=list(umids),
            parameters={"reason": reason} if reason else {},
            state="WAITING",
            created_at=now,
            next_attempt_at=now,
        )
        for enrollment in enrollments
        for utility_id, umids in sorted(by_enrollment.get(enrollment.pk, {}).items())
        if news.has_billing(utility_id)
    )


def _meters_of(enrollments: Iterable[Enrollment]) -> Mapping[int, Mapping[str, Sequence[str]]]:
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    rows = EnrollmentMeter.objects.filter(enrollment__in=[e.pk for e in enrollments]).order_by("pk")
    for pk, utility_id, umid in rows.values_list("enrollment_id", "meter__utility_id", "umid"):
        found[pk][utility_id].append(umid)
    for enrollment in enrollments:
        # A device behind another utility's meter: it is told of the enrolment, and of no meter that is not its own.
        for utility_id in enrollment.program_version.secondary_utilities:
            found[enrollment.pk].setdefault(utility_id, [])
    return found


# --- sending ---------------------------------------------------------------------------------------------------------


def deliver(now: datetime) -> int:
    """Send what is due; a utility that does not answer is left alone for the rest of the round."""
    began, sent = time.monotonic(), 0
    silent: set[tuple[str, str]] = set()
    while sent < MOST_AT_ONCE and time.monotonic() - began < SECONDS_AT_ONCE:
        row = _take(now, silent)
        if row is None:
            return sent
        sent += 1
        try:
            reference = _send(row, now)
        except UtilityUnavailable as outage:
            silent.add((row.utility_id, row.kind))
            _try_later(row, outage, now)
        else:
            _acknowledged(row, reference, now)
    return sent


def _take(now: datetime, silent: set[tuple[str, str]]) -> UtilityNotice | None:
    """The next row that is due and has no elder before it, leased."""
    elder = UtilityNotice.objects.filter(
        # Billing that is told of an end before the start, and of the start when somebody tries again, has it wrong
        # for good: what is stuck holds what comes after it. A person may hear of the next thing all the same.
        Q(state="WAITING") | Q(state="STUCK", kind="BILLING"),
        enrollment=OuterRef("enrollment"),
        utility_id=OuterRef("utility_id"),
        kind=OuterRef("kind"),
        pk__lt=OuterRef("pk"),
    )
    due = UtilityNotice.objects.filter(state="WAITING", next_attempt_at__lte=now).filter(~Exists(elder))
    for utility_id, kind in silent:
        due = due.exclude(utility_id=utility_id, kind=kind)
    with transaction.atomic():
        row = due.select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at", "pk").first()
        if row is None:
            return None
        UtilityNotice.objects.filter(pk=row.pk).update(next_attempt_at=now + LEASE)
    return (
        UtilityNotice.objects.select_related("enrollment__program_version__program", "enrollment__subject")
        .filter(pk=row.pk)
        .get()
    )


def _send(row: UtilityNotice, now: datetime) -> str:
    """Send one; returns the acknowledgement. Raises UtilityUnavailable."""
    enrollment = row.enrollment
    version = enrollment.program_version
    notice = EnrollmentNotice(
        notice_id=str(row.notice_id),
        enrollment_id=enrollment.enrollment_id,
        order_number=enrollment.order_number,
        event=row.event,
        effective_at=row.effective_at,
        meters=tuple(row.meters),
        program_id=version.program.program_id,
        is_tariff=version.payment_type == "TARIFF",
        reason=str(row.parameters.get("reason", "")),
    )
    return news.tell(row.utility_id, notice)


def _acknowledged(row: UtilityNotice, reference: str, now: datetime) -> None:
    UtilityNotice.objects.filter(pk=row.pk).update(
        state="ACKNOWLEDGED",
        acknowledged_at=now,
        acknowledgement=reference[:200],
        attempts=row.attempts + 1,
        last_problem="",
    )


def _try_later(row: UtilityNotice, outage: UtilityUnavailable, now: datetime) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(row.attempts, 20), LONGEST_PAUSE)
    is_over = now - row.created_at >= GIVE_UP_AFTER
    UtilityNotice.objects.filter(pk=row.pk).update(
        state="STUCK" if is_over else "WAITING",
        attempts=row.attempts + 1,
        next_attempt_at=now + pause,
        last_problem=f"{outage.system}: {outage.reason}"[:200],
    )


def try_again(now: datetime, *, utility_id: str = "") -> int:
    """Have what is stuck or waiting tried at once; returns how many."""
    rows = UtilityNotice.objects.filter(state__in=["STUCK", "WAITING"])
    if utility_id:
        rows = rows.filter(utility_id=utility_id)
    return rows.update(state="WAITING", next_attempt_at=now)
