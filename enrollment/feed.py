"""A utility's feed of changes: read by its cursor or brought by a signed call, each change once, then its rule done.

A change counts for enrolments with that utility's own meters only. What has to be asked of the utility is asked with
no transaction open; who does not answer is asked again. Source: issue 4 (8); the rules: enrollment.change_rules.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

from audit import log
from audit.log import SYSTEM, Action
from enrollment import certificates, change_rules, ending, known, standing, told
from enrollment.change_rules import CRITERIA_NOT_MET, REPAIR, Follows, Rule
from enrollment.models import Enrollment, EnrollmentCase, ReliedCertificate, UtilityChange, UtilityFeed
from enrollment.states import LIVE_ENROLLMENT_STATES
from utility_systems import news, records, registry
from utility_systems.news import Change
from utility_systems.ports import MeterFacts, UtilityUnavailable

logger = logging.getLogger(__name__)

POLL_EVERY = timedelta(seconds=60)
PAGE = 100
MOST_PAGES = 20
LEASE = timedelta(minutes=2)
RETRY_MINUTES = (1, 5, 15, 60)
MOST_AT_ONCE, SECONDS_AT_ONCE = 50, 2.0


# --- hearing ---------------------------------------------------------------------------------------------------------


def receive(utility_id: str, items: Iterable[Change], came_by: str, now: datetime) -> int:
    """Keep the changes that are new; one that came before, by whichever way, counts once. Caller's transaction."""
    rows = [
        UtilityChange(
            utility_id=utility_id,
            change_id=each.change_id,
            kind=each.kind,
            umid=each.umid,
            der_id=each.der_id,
            at=each.at,
            details=dict(each.details or {}),
            came_by=came_by,
            received_at=now,
            next_attempt_at=max(now, each.at),  # what is announced happens when it happens
        )
        for each in items
    ]
    known = UtilityChange.objects.filter(utility_id=utility_id, change_id__in=[r.change_id for r in rows])
    before = set(known.values_list("change_id", flat=True))
    UtilityChange.objects.bulk_create(rows, ignore_conflicts=True)
    return len({r.change_id for r in rows} - before)


def poll(now: datetime, *, everyone: bool = False) -> int:
    """Read every utility's feed from where we stopped, once a minute; returns how many changes are new."""
    return sum(_poll(utility_id, now, everyone) for utility_id in registry.utility_ids() if news.has_feed(utility_id))


def _poll(utility_id: str, now: datetime, everyone: bool) -> int:
    cursor = _take_feed(utility_id, now, everyone)
    if cursor is None:
        return 0
    new = 0
    for _ in range(MOST_PAGES):
        try:
            page = news.changes(utility_id, cursor, PAGE)
        except UtilityUnavailable as outage:
            # Also a page with one line that cannot be read: skipping it might lose the move-out of somebody.
            logger.warning("a feed could not be read", extra={"utility": utility_id, "reason": outage.reason})
            UtilityFeed.objects.filter(utility_id=utility_id).update(last_problem=outage.reason[:200])
            return new
        with transaction.atomic():
            new += receive(utility_id, page.items, "POLL", now)
            UtilityFeed.objects.filter(utility_id=utility_id).update(
                cursor=page.cursor[:200], read_at=now, last_problem=""
            )
        if len(page.items) < PAGE or page.cursor == cursor:
            return new
        cursor = page.cursor
    return new


def _take_feed(utility_id: str, now: datetime, everyone: bool) -> str | None:
    """The cursor, where it is our turn to read this feed."""
    UtilityFeed.objects.bulk_create([UtilityFeed(utility_id=utility_id)], ignore_conflicts=True)
    with transaction.atomic():
        feed = UtilityFeed.objects.select_for_update(skip_locked=True).filter(utility_id=utility_id).first()
        if feed is None or (not everyone and feed.polled_at is not None and now < feed.polled_at + POLL_EVERY):
            return None
        feed.polled_at = now
        feed.save(update_fields=["polled_at"])
    return feed.cursor


# --- doing -----------------------------------------------------------------------------------------------------------


def handle_due(now: datetime) -> int:
    """Do what follows from the changes whose moment has come, oldest first; returns how many were done."""
    began, done = time.monotonic(), 0
    while done < MOST_AT_ONCE and time.monotonic() - began < SECONDS_AT_ONCE:
        change = _take(now)
        if change is None:
            return done
        done += 1
        try:
            outcome, count = _do(change, now)
        except UtilityUnavailable as outage:
            _try_later(change, outage, now)
        else:
            _done(change, outcome, count, now)
    return done


def _take(now: datetime) -> UtilityChange | None:
    with transaction.atomic():
        due = UtilityChange.objects.filter(handled_at=None, next_attempt_at__lte=now).order_by("at", "pk")
        change = due.select_for_update(skip_locked=True).first()
        if change is not None:
            UtilityChange.objects.filter(pk=change.pk).update(next_attempt_at=now + LEASE)
    return change


def _do(change: UtilityChange, now: datetime) -> tuple[str, int]:
    """What followed, in a word, and for how many enrolments. Raises UtilityUnavailable."""
    rule = change_rules.rule_for(change.kind, is_permanent=bool(change.details.get("isPermanent")))
    if rule.follows is Follows.CERTIFICATE:
        return "SUSPENDED", _certificate(change, now)
    found = _enrollments(change) if rule.follows is not Follows.NOTHING else []
    if not found:
        return "NOTHING", 0
    acts: dict[Follows, tuple[str, Callable[[], int]]] = {
        Follows.END: ("ENDED", partial(_end, change, rule, found, now)),
        Follows.RECHECK: ("RECHECKED", partial(_recheck, change, rule, found, now)),
        Follows.SUSPEND: ("SUSPENDED", partial(_suspend, rule, found, now)),
        Follows.RESUME: ("RESUMED", partial(_resume, rule, found, now)),
    }
    word, act = acts[rule.follows]
    return word, act()


def _enrollments(change: UtilityChange) -> list[Enrollment]:
    """The living enrolments with this meter, which must be one of this very utility."""
    living = Enrollment.objects.filter(
        state__in=LIVE_ENROLLMENT_STATES, meters__umid=change.umid, meters__meter__utility_id=change.utility_id
    )
    return list(living.select_related("subject", "program_version").order_by("pk"))


def _meter(change: UtilityChange) -> MeterFacts | None:
    try:
        adapter = registry.adapter_for(change.utility_id)
    except registry.UnknownUtility as gone:
        raise UtilityUnavailable(change.utility_id, "mdm", reason="not configured any more") from gone
    return next(iter(adapter.meters([change.umid])), None)


def _end(change: UtilityChange, rule: Rule, found: Sequence[Enrollment], now: datetime) -> int:
    """End the enrolments of those whom the utility's record no longer knows at the meter."""
    meter = _meter(change)
    is_gone = rule.reason == change_rules.DISCONNECTED
    return sum(
        standing.end(row, rule.reason, now=now)
        for row in found
        if is_gone or not _still_theirs(meter, row, change.utility_id, now)
    )


def _still_theirs(meter: MeterFacts | None, row: Enrollment, utility_id: str, now: datetime) -> bool:
    return change_rules.is_still_theirs(meter, known.of(row, utility_id), now)


def _suspend(rule: Rule, found: Sequence[Enrollment], now: datetime) -> int:
    until = now + REPAIR
    return sum(standing.suspend(row, rule.reason, now=now, sentence=rule.sentence, repair_until=until) for row in found)


def _resume(rule: Rule, found: Sequence[Enrollment], now: datetime) -> int:
    return sum(standing.resume(row, now=now, because=rule.reason, sentence=rule.sentence) for row in found)


def _recheck(change: UtilityChange, rule: Rule, found: Sequence[Enrollment], now: datetime) -> int:
    """Remember the meter as it is now, and hold it against each program's conditions again."""
    meter = _meter(change)
    if meter is None:
        return 0
    return sum(_recheck_one(change, rule, row, meter, now) for row in found)


def _recheck_one(change: UtilityChange, rule: Rule, row: Enrollment, meter: MeterFacts, now: datetime) -> bool:
    failed = change_rules.not_met(row.program_version.criteria, meter, now)
    with transaction.atomic():
        case, enrollment = ending.locked_enrollment(EnrollmentCase(pk=row.case_id))
        if enrollment is None or enrollment.state not in LIVE_ENROLLMENT_STATES:
            return False
        records.remember([meter], [], subject=row.subject, now=now)
        told.note(enrollment, told.CHANGED, change.at, now, reason=change.kind)
        if failed:
            sentence = f"The program's conditions are not met any more: {failed[0].needed}."
            standing.suspend_locked(
                case, enrollment, rule.reason, now=now, sentence=sentence, repair_until=now + REPAIR
            )
        else:
            sentence = "The program's conditions are met again: the enrollment goes on."
            standing.resume_locked(case, enrollment, now=now, because=CRITERIA_NOT_MET, sentence=sentence)
    return True


def _certificate(change: UtilityChange, now: datetime) -> int:
    of_its_meters = Q(enrollment__meters__meter__utility_id=change.utility_id)
    of_its_devices = Q(enrollment__program_version__secondary_utilities__contains=[change.utility_id])
    rows = ReliedCertificate.objects.filter(
        of_its_meters | of_its_devices,
        der_id=change.der_id,
        replaced_at=None,
        failed_reason="",
        enrollment__state__in=LIVE_ENROLLMENT_STATES,
    )
    return sum(certificates.fail(row, "REVOKED", now) for row in rows.select_related("enrollment").distinct())


def _done(change: UtilityChange, outcome: str, count: int, now: datetime) -> None:
    with transaction.atomic():
        UtilityChange.objects.filter(pk=change.pk, handled_at=None).update(
            handled_at=now, next_attempt_at=None, outcome=outcome, enrollments=count, attempts=change.attempts + 1
        )
        log.record(
            Action.UTILITY_CHANGED,
            actor=SYSTEM,
            at=now,
            object_type="utility",
            object_id=change.utility_id,
            details={"kind": change.kind, "outcome": outcome, "enrollments": count, "by": change.came_by},
        )


def _try_later(change: UtilityChange, outage: UtilityUnavailable, now: datetime) -> None:
    minutes = RETRY_MINUTES[min(change.attempts, len(RETRY_MINUTES) - 1)]
    UtilityChange.objects.filter(pk=change.pk).update(
        attempts=change.attempts + 1, next_attempt_at=now + timedelta(minutes=minutes)
    )
    logger.info("a change waits for its utility", extra={"utility": change.utility_id, "reason": outage.reason})
