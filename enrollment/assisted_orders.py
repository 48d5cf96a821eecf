"""What an agency may ask of a program, and of an order that there is: certificate, scope, and the customer's word.

The doors of `select`, `update` and `cancel`; `init` and `confirm` ask the same on their way, where they may also wait.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from enrollment import assisting, catalog
from enrollment.admission import refused_agency, utilities_at_stake
from enrollment.codes import Code, Refusal
from enrollment.commands import Assistance, Authority, OrderRef, SelectProgram
from enrollment.confirming import find_case


def authority_for_select(
    assisted: Assistance | None, authority: Authority, command: SelectProgram, now: datetime
) -> Authority:
    """Whose meters a `select` may look at. A refusal is in the authority."""
    if assisted is None:
        return authority
    named = sorted({meter.utility_id for meter in command.meters if meter.utility_id})
    found = assisting.proven(
        assisted,
        authority,
        action="select",
        program_id=command.program_id,
        utilities=named,
        subject_did="",
        now=now,
    )
    version = catalog.open_version(command.program_id, now, provider_id=command.provider_id)
    utilities = utilities_at_stake(command.meters, version.utilities if version is not None else (), found)
    refusal = refused_agency(assisted, authority.participant_id, utilities, command.program_id, now)
    return _with(found, refusal) if refusal is not None else found


def authority_for_order(
    assisted: Assistance | None, authority: Authority, order: OrderRef, *, action: str, now: datetime
) -> Authority:
    """Whose order an `update` or `cancel` may change. A refusal is in the authority; an unknown order is none.

    A mandate finds the customer's order also where another BAP placed it, as their own sign-in does (decision 10).
    """
    if assisted is None:
        return authority
    found = assisting.proven(assisted, authority, action=action, program_id="", utilities=(), subject_did="", now=now)
    if found.refusal_code:
        return found
    case = find_case(replace(order, proven_subject=found.proven_subject, proven_at=found.proven_at))
    if case is None:
        return found
    utilities = assisting.utilities_of(case)
    refusal = refused_agency(assisted, authority.participant_id, utilities, case.program_id, now)
    if refusal is not None:
        return _with(found, refusal)
    found = assisting.of_case(case, assisted, authority, action=action, now=now)
    if found.refusal_code:
        return found
    if case.subject is None or not assisting.is_called(case.subject, found.proven_subject):
        sentence = "The customer named is not the one this order belongs to."
        return _with(found, Refusal(Code.SUBJECT_MISMATCH, sentence, field="customer"))
    return found


def _with(authority: Authority, refusal: Refusal) -> Authority:
    return replace(
        Authority(authority.participant_id),
        refusal_field=refusal.field,
        refusal_code=refusal.code.value,
        refusal_sentence=refusal.sentence,
        refusal_details=refusal.details,
    )
