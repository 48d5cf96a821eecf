"""Who may ask: program, agency and authority, before anything is asked of anybody (spec domain 3, steps 3 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from enrollment import catalog, cross_utility
from enrollment.codes import Code, Refusal
from enrollment.commands import Assistance, Authority, MeterRef, PrepareEnrollment
from enrollment.gathering import utilities_asked
from enrollment.models import ProgramVersion
from identity import agencies


def refused_at_the_door(
    command: PrepareEnrollment, version: ProgramVersion | None, authority: Authority, now: datetime
) -> Refusal | None:
    """Program, agency, authority, in this order (spec domain 3, steps 3 to 5)."""
    if version is None:
        return catalog.program_not_available(command.program_id)
    utilities = utilities_at_stake(command.meters, version.utilities, authority)
    agency = refused_agency(command.assisted_by, authority.participant_id, utilities, command.program_id, now)
    if agency is not None:
        return agency
    if authority.refusal_code:
        return authority_refusal(authority)
    subject_did = command.subject_did or authority.proven_subject
    if authority.is_proven:
        if command.subject_did and command.subject_did != authority.proven_subject:
            return subject_mismatch()
        return cross_utility.missing_sign_in(version, authority)
    if not subject_did or not may_speak(authority, utilities):
        return auth_required()
    return cross_utility.missing_sign_in(version, authority)


def utilities_at_stake(meters: Sequence[MeterRef], offered: Sequence[str], authority: Authority) -> tuple[str, ...]:
    """The utilities of an application; by a mandate those it names, and its own where a meter's is not named."""
    return utilities_asked(meters, (authority.proven_utility,) if authority.mandate_id else offered)


def may_speak(authority: Authority, utilities: Sequence[str]) -> bool:
    """May the sender name a customer of all these utilities without the customer's own proof (decision 56)?"""
    return all(authority.may_assert(utility_id) for utility_id in utilities or ("",))


def auth_required() -> Refusal:
    return Refusal(
        Code.AUTH_REQUIRED,
        "This participant may not speak for the customer: send the customer's own sign-in in userAuth"
        " or a presentation the customer signed.",
        field="user_auth",
    )


def refused_agency(
    assisted: Assistance | None, participant_id: str, utilities: Sequence[str], program_id: str, now: datetime
) -> Refusal | None:
    """EA_NOT_CERTIFIED where the agency, its operator or its scope does not hold (decision 48).

    No `utilities` and an empty `program_id`: only the agency itself and its operator are asked about.
    """
    if assisted is None:
        if not agencies.must_name_an_agency(participant_id):
            return None
        return Refusal(
            Code.EA_NOT_CERTIFIED,
            "This participant acts only for enrolment agencies: name the agency in assistedBy.",
            field="assisted_by",
        )
    verdict = agencies.check(
        assisted.agency_id,
        operator_id=assisted.operator_id,
        participant_id=participant_id,
        utility_ids=utilities,
        program_id=program_id,
        at=now,
    )
    if isinstance(verdict, agencies.AgencyRefusal):
        return Refusal(
            Code.EA_NOT_CERTIFIED,
            verdict.message,
            field="assisted_by",
            details={"ea_id": assisted.agency_id, "reason_code": verdict.reason.value},
        )
    return None


def authority_refusal(authority: Authority) -> Refusal:
    """What was wrong with the customer's own sign-in or presentation, as the proof of it said."""
    return Refusal(
        Code(authority.refusal_code),
        authority.refusal_sentence,
        field=authority.refusal_field,
        details=authority.refusal_details,
    )


def subject_mismatch() -> Refusal:
    return Refusal(Code.SUBJECT_MISMATCH, "The customer named is not the one this order belongs to.", field="customer")
