"""The certificates that enrolments stand on, looked at again: one that no longer holds suspends, unrepaired it ends.

A presented certificate is looked up in its issuer's status list, a registered one in the utility's register, a
reviewed file by its end date: daily, and when an operator asks (`manage.py certificates poll`). Who cannot be reached
is asked again in an hour; that is nobody's fault and suspends nothing. Within 30 days a new certificate repairs it: the
register's, or one presented with an update RESUME. Source: personas 6, R-P6.6, R-P6.9.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit import log
from audit.log import SYSTEM, Action, Actor
from credentials import verification
from enrollment import ending, notices, orders, standing
from enrollment.models import Enrollment, EnrollmentCase, ReliedCertificate
from enrollment.relying import registered_until
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import LIVE_ENROLLMENT_STATES
from utility_systems import registry
from utility_systems.ports import CertificateKind, DerFacts, UtilityUnavailable

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
ASK_AGAIN_AFTER = timedelta(hours=1)
REPAIR = timedelta(days=30)
REMIND_BEFORE = timedelta(days=30)
BATCH = 200
#: Why an enrolment was suspended that a certificate stopped: `CERTIFICATE_REVOKED` and the like.
SUSPENDED_FOR = "CERTIFICATE_"


@dataclass
class Report:
    """What a poll found: certificates `checked`, those that `failed` or were `repaired`, those nobody answered for."""

    checked: int = 0
    failed: int = 0
    repaired: int = 0
    unanswered: int = 0


def poll(now: datetime, *, everyone: bool = False) -> Report:
    """Look again at what is due, or at everything. No transaction is open while others are asked."""
    report, seen = Report(), 0
    rows = ReliedCertificate.objects.filter(replaced_at=None, enrollment__state__in=LIVE_ENROLLMENT_STATES)
    if not everyone:
        rows = rows.filter(checked_at__lte=now - EVERY)
    while True:
        batch = list(
            rows.filter(pk__gt=seen)
            .order_by("pk")
            .select_related("enrollment__case", "enrollment__program_version")[:BATCH]
        )
        if not batch:
            return report
        seen = batch[-1].pk
        for row, found in zip(batch, _look(batch, now), strict=True):
            _note(row, found, now, report)


@dataclass(frozen=True)
class _Seen:
    """`reason` "": it holds. `is_known` False: nobody answered. `until`: the end of the approval that repairs it."""

    reason: str = ""
    is_known: bool = True
    is_repaired: bool = False
    until: datetime | None = None


def _look(rows: Sequence[ReliedCertificate], now: datetime) -> list[_Seen]:
    """What each certificate is worth at `now`, in the order given."""
    rechecks = verification.recheck_status([_status_to_ask(row) for row in rows], now=now)
    registers = _registers([row for row in rows if row.source == "UTILITY" or row.failed_reason])
    return [_seen(row, again, registers, now) for row, again in zip(rows, rechecks, strict=True)]


def _status_to_ask(row: ReliedCertificate) -> Mapping[str, object] | None:
    # A revocation is final: only what was merely suspended may hold again.
    return row.status if row.failed_reason in ("", "SUSPENDED") else None


_Register = Mapping[str, DerFacts] | None


def _registers(rows: Iterable[ReliedCertificate]) -> dict[int, _Register]:
    """The register's devices for each row, by its key; None where the utility did not answer."""
    asked: dict[str, set[str]] = defaultdict(set)
    of_row: dict[int, list[str]] = {}
    for row in rows:
        of_meters = row.enrollment.meters.values_list("meter__utility_id", flat=True)
        utilities = {*of_meters, *row.enrollment.program_version.secondary_utilities}
        of_row[row.pk] = sorted(utilities & set(registry.utility_ids()))
        for utility_id in of_row[row.pk]:
            asked[utility_id].add(row.der_id)
    answers: dict[str, _Register] = {}
    for utility_id, der_ids in asked.items():
        try:
            found = registry.adapter_for(utility_id).ders(sorted(der_ids))
        except UtilityUnavailable:
            answers[utility_id] = None
        else:
            answers[utility_id] = {der.der_id: der for der in found}
    return {pk: _merged([answers[utility_id] for utility_id in utilities]) for pk, utilities in of_row.items()}


def _merged(registers: Sequence[_Register]) -> _Register:
    if any(register is None for register in registers):
        return None
    return {der_id: der for register in registers if register is not None for der_id, der in register.items()}


def _seen(
    row: ReliedCertificate, again: verification.Recheck, registers: Mapping[int, _Register], now: datetime
) -> _Seen:
    register = registers.get(row.pk)
    if row.failed_reason and register:
        newer = _approval(register.get(row.der_id), now, since=row.failed_at)
        if newer is not None:
            return _Seen(is_repaired=True, until=registered_until(newer))
    if row.failed_reason not in ("", "SUSPENDED"):
        return _Seen(row.failed_reason)
    if row.valid_until is not None and row.valid_until <= now:
        return _Seen("EXPIRED")
    if row.source == "UTILITY":
        if register is None:
            return _Seen(is_known=False)
        known = register.get(row.der_id)
        holds = known is not None and (not known.certificates or _approval(known, now) is not None)
        # A register that has forgotten the device is in trouble itself; one that lists it without approval says no.
        return _Seen("" if holds or known is None else "REVOKED", is_known=known is not None)
    if again.reason in ("REVOKED", "SUSPENDED"):
        return _Seen(again.reason)
    if again.reason:
        logger.warning("a certificate could not be looked at again", extra={"row": row.pk, "reason": again.reason})
        return _Seen(is_known=False)
    return _Seen()


def _approval(der: DerFacts | None, now: datetime, since: datetime | None = None) -> DerFacts | None:
    """The device where the register approves it at `now`, by an approval that began after `since`."""
    if der is None:
        return None
    is_approved = any(
        c.kind == CertificateKind.INTERCONNECTION and c.valid_at(now) and (since is None or c.valid_from > since)
        for c in der.certificates
    )
    return der if is_approved else None


# --- what follows ----------------------------------------------------------------------------------------------------


def _note(row: ReliedCertificate, found: _Seen, now: datetime, report: Report) -> None:
    report.checked += 1
    if not found.is_known:
        report.unanswered += 1
        ReliedCertificate.objects.filter(pk=row.pk).update(checked_at=now - EVERY + ASK_AGAIN_AFTER)
        return
    if found.is_repaired:
        report.repaired += _replace_by_register(row, found, now)
    elif found.reason == row.failed_reason:
        ReliedCertificate.objects.filter(pk=row.pk).update(checked_at=now)
    elif found.reason:
        report.failed += fail(row, found.reason, now)
    else:
        report.repaired += _holds_again(row, now)


def _locked(row: ReliedCertificate) -> tuple[EnrollmentCase, Enrollment, ReliedCertificate] | None:
    """The row with its enrolment and case, locked in the order of everyone; None where it is over meanwhile."""
    case, enrollment = ending.locked_enrollment(EnrollmentCase(pk=row.enrollment.case_id))
    fresh = ReliedCertificate.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if enrollment is None or enrollment.state not in LIVE_ENROLLMENT_STATES or fresh.replaced_at is not None:
        return None
    return case, enrollment, fresh


def fail(row: ReliedCertificate, reason: str, now: datetime) -> bool:
    """The certificate does not hold any more: the enrolment is suspended, and there are 30 days to repair it."""
    with transaction.atomic():
        locked = _locked(row)
        if locked is None:
            return False
        case, enrollment, fresh = locked
        fresh.failed_reason, fresh.failed_at, fresh.checked_at = reason, fresh.failed_at or now, now
        fresh.save()
        _journal(Action.CERTIFICATE_FAILED, fresh, SYSTEM, now, reason=reason)
        until = fresh.failed_at + REPAIR
        words = {"REVOKED": "was revoked", "EXPIRED": "has expired", "SUSPENDED": "is suspended by its issuer"}
        said = f"The certificate of {fresh.der_id} {words.get(reason, 'does not hold')}"
        standing.suspend_locked(
            case,
            enrollment,
            f"{SUSPENDED_FOR}{reason}",
            now=now,
            sentence=f"{said}: present a new one by {until:%Y-%m-%d}, or the enrollment ends.",
            repair_until=until,
        )
    return True


def _holds_again(row: ReliedCertificate, now: datetime) -> bool:
    """The issuer has lifted its suspension."""
    with transaction.atomic():
        locked = _locked(row)
        if locked is None:
            return False
        case, enrollment, fresh = locked
        fresh.failed_reason, fresh.failed_at, fresh.checked_at = "", None, now
        fresh.save()
        _journal(Action.CERTIFICATE_REPAIRED, fresh, SYSTEM, now, by="ISSUER")
        _resume_if_all_hold(case, enrollment, SYSTEM, now)
    return True


def _replace_by_register(row: ReliedCertificate, found: _Seen, now: datetime) -> bool:
    with transaction.atomic():
        locked = _locked(row)
        if locked is None:
            return False
        case, enrollment, fresh = locked
        replace(fresh, ReliedCertificate(source="UTILITY", valid_until=found.until), SYSTEM, now)
        _resume_if_all_hold(case, enrollment, SYSTEM, now)
    return True


def replace(old: ReliedCertificate, new: ReliedCertificate, actor: Actor, now: datetime) -> None:
    """Let another certificate of the same device take the place of one. Caller's transaction."""
    old.replaced_at = now
    old.save(update_fields=["replaced_at"])
    new.enrollment_id, new.der_id = old.enrollment_id, old.der_id
    new.relied_since = new.checked_at = now
    new.save(force_insert=True)
    _journal(Action.CERTIFICATE_REPAIRED, new, actor, now, by=new.source)


def _resume_if_all_hold(case: EnrollmentCase, enrollment: Enrollment, actor: Actor, now: datetime) -> None:
    """Take the suspension back where a certificate was its cause and none is missing any more. Caller's transaction."""
    if ReliedCertificate.objects.filter(enrollment=enrollment, replaced_at=None).exclude(failed_reason="").exists():
        return
    sentence = "The certificate holds again: the enrollment goes on."
    standing.resume_locked(case, enrollment, now=now, because=SUSPENDED_FOR, sentence=sentence, actor=actor)


def remind(now: datetime) -> int:
    """Say once, a month ahead, that a certificate ends before its enrolment does (R-P6.9)."""
    due = ReliedCertificate.objects.filter(
        replaced_at=None,
        failed_reason="",
        reminded_at=None,
        valid_until__gt=now,
        valid_until__lte=now + REMIND_BEFORE,
        enrollment__state__in=LIVE_ENROLLMENT_STATES,
    )
    return sum(_remind(row, now) for row in due.order_by("pk").select_related("enrollment")[:BATCH])


def _remind(row: ReliedCertificate, now: datetime) -> bool:
    with transaction.atomic():
        locked = _locked(row)
        if locked is None:
            return False
        case, enrollment, fresh = locked
        fresh.reminded_at = now
        fresh.save(update_fields=["reminded_at"])
        upper, until = enrollment.period.upper, fresh.valid_until
        if until is None or (upper is not None and upper <= until):
            return False
        _tell(case, enrollment, now, f"The certificate of {fresh.der_id} ends on {until:%Y-%m-%d}: have it renewed.")
        notices.tell_enrolled(enrollment, "certificate-ends", now, at=until.isoformat())
    return True


def _tell(case: EnrollmentCase, enrollment: Enrollment, now: datetime, reason: str) -> None:
    snapshot = Snapshot(orders.of_rows(case, enrollment), now, reason)
    enrollment_changed.send(Enrollment, result=snapshot, case=case, action="on_status")


def _journal(action: Action, row: ReliedCertificate, actor: Actor, now: datetime, **details: str) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(row.enrollment.subject_id),
        object_type="enrollment",
        object_id=row.enrollment.enrollment_id,
        details={"der": row.der_id, "source": row.source, **details},
    )
