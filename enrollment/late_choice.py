"""A confirm that decides what its init left open: who the customer is (a code), or which meters (spec wire 4).

The check is then the init's own, made now, by the same function; only when it comes out READY the confirm goes on.
Source: issue 4, proof in messages; personas P1-10, P1-12, P3-2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from audit.log import Actor
from enrollment import own_meters, remembering
from enrollment.admission import auth_required, authority_refusal, subject_mismatch
from enrollment.codes import Code, Refusal
from enrollment.commands import Authority, ConfirmEnrollment, MeterRef, PrepareEnrollment
from enrollment.facts import meter_not_found
from enrollment.models import EnrollmentCase
from enrollment.preparing import prepare
from enrollment.results import AlsoWrite, Prepared, Result
from enrollment.states import CaseState
from identity.models import Subject
from utility_systems.ports import MeterFacts


def is_open(case: EnrollmentCase, command: ConfirmEnrollment, authority: Authority) -> bool:
    """Is there something the init left open that this confirm may settle?"""
    if is_waiting_for_a_code(case):
        return True
    if case.payload is None or case.state not in (CaseState.NEEDS_INPUT, CaseState.READY):
        return False
    init, kept = remembering.init_command(case.payload), remembering.authority(case.payload)
    if not (authority.is_proven or kept.is_proven):
        return False
    known = {meter.umid for meter in init.meters}
    names_others = bool(set(command.meters or ()) - known)
    return names_others or (case.state == CaseState.NEEDS_INPUT and not known)


def is_waiting_for_a_code(case: EnrollmentCase) -> bool:
    """Nobody was proven and nobody was named: the init only had a code sent."""
    is_undecided = case.state == CaseState.SUBMITTED and not case.is_waiting_for_a_utility
    return is_undecided and case.subject_id is None and case.payload is not None


def settle(
    case: EnrollmentCase,
    command: ConfirmEnrollment,
    authority: Authority,
    actor: Actor,
    now: datetime,
    also_write: AlsoWrite,
    *,
    is_the_subject: Callable[[EnrollmentCase, str], bool],
) -> Refusal | Result | None:
    """Make the init's check with what is known now. None: it came out READY, and the confirm may go on.

    A Refusal is still to be answered, a Result was. Raises UtilityUnavailable.
    """
    assert case.payload is not None and case.program_version is not None
    if authority.refusal_code:
        return authority_refusal(authority)
    kept = remembering.authority(case.payload)
    proof = authority if authority.is_proven else kept
    if not proof.is_proven:
        return auth_required()
    named = [did for did in (authority.proven_subject, command.subject_did) if did]
    if case.subject is not None and not all(is_the_subject(case, did) for did in named):
        return subject_mismatch()
    init = remembering.init_command(case.payload)
    meters = _meters(command, init, proof)
    if not meters:
        # Whoever was proven need not be proven again to choose: a code counts once.
        _remember_proof(case, proof, now)
        return _choose_of(own_meters.of(proof, case.program_version.utilities, now))
    own = {meter.umid for meter in own_meters.of(proof, case.program_version.utilities, now)}
    others = [meter.umid for meter in meters if meter.umid not in own]
    if others:  # said here, so that a slip of the pen does not end the application
        return meter_not_found(others[0])
    prepared = prepare(
        _with_the_confirms(init, command, meters),
        authority=proof,
        actor=actor,
        now=now,
        also_write=lambda result: None if _is_ready(result) else also_write(result),
    )
    return None if _is_ready(prepared) else prepared


def _is_ready(result: Result) -> bool:
    return isinstance(result, Prepared) and result.order.case_state is CaseState.READY


def _meters(command: ConfirmEnrollment, init: PrepareEnrollment, proof: Authority) -> tuple[MeterRef, ...]:
    """Those the confirm names, else those of the init; a new one is looked for where its customer was proven."""
    if command.meters is None:
        return init.meters
    known = {meter.umid: meter for meter in init.meters}
    return tuple(known.get(umid) or MeterRef(umid, proof.proven_utility) for umid in dict.fromkeys(command.meters))


def _with_the_confirms(
    init: PrepareEnrollment, command: ConfirmEnrollment, meters: tuple[MeterRef, ...]
) -> PrepareEnrollment:
    return replace(
        init,
        order=command.order,
        meters=meters,
        subject_did=init.subject_did or command.subject_did,
        starts_at=command.starts_at or init.starts_at,
        ends_at=command.ends_at or init.ends_at,
        end_as_given=command.end_as_given or init.end_as_given,
        assisted_by=command.assisted_by or init.assisted_by,
    )


def _choose_of(own: tuple[MeterFacts, ...]) -> Refusal:
    return Refusal(
        Code.NO_METER,
        "Select at least one meter.",
        field="meters",
        details={"available_meters": list(own_meters.lines(own))},
    )


def _remember_proof(case: EnrollmentCase, proof: Authority, now: datetime) -> None:
    with transaction.atomic():
        locked = EnrollmentCase.objects.select_for_update(of=("self",)).get(pk=case.pk)
        if locked.payload is None or locked.state not in (CaseState.SUBMITTED, CaseState.NEEDS_INPUT):
            return
        locked.state = CaseState.NEEDS_INPUT
        locked.payload = remembering.with_authority(locked.payload, proof)
        locked.subject = Subject.objects.held_for_did(proof.proven_subject)
        locked.updated_at = now
        locked.save()
