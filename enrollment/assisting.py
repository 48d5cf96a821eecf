"""An agency's message needs the customer, too: their own proof in it, or the mandate they gave (decision 48).

A mandate stands in the place of the customer's sign-in: whose word it is, at which utility, under which numbers. It is
read anew for every message and every retry, so that one taken back ends what it was good for. A sender's right to name
a customer without their proof (decision 56) never counts for an agency. Source: issue 6 points 1, 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from enrollment import remembering
from enrollment.codes import Code, Refusal
from enrollment.commands import Assistance, Authority, MeterRef, PrepareEnrollment, ProvenIdentity
from enrollment.models import EnrollmentCase
from identity import contacts, mandates
from identity.models import Mandate, Subject
from utility_systems.models import Meter

METHOD = "MANDATE"
_HOW = (
    "Name the operator and the customer's mandate in orderAttributes.assistedBy {agencyId, operatorId, mandateId}, or"
    " send the customer's own sign-in or one-time code in userAuth."
)
_WHY: Mapping[str, str] = {
    mandates.UNKNOWN: "There is no such mandate of this agency.",
    mandates.PENDING: "The mandate is still to be reviewed.",
    mandates.REFUSED: "The mandate was refused when it was reviewed.",
    mandates.REVOKED: "The customer's mandate was taken back.",
    mandates.EXPIRED: "The mandate is over.",
    mandates.NOT_YET: "The mandate has not begun.",
    mandates.OPERATOR: "The mandate was given to another operator.",
    mandates.PROGRAM: "The mandate is for another program.",
    mandates.UTILITY: "The mandate is for another utility.",
    mandates.ACTION: "The mandate does not cover this.",
}


def proven(
    assisted: Assistance | None,
    authority: Authority,
    *,
    action: str,
    program_id: str,
    utilities: Sequence[str],
    subject_did: str,
    now: datetime,
) -> Authority:
    """The sender's authority, by the customer's mandate where the message has no proof of theirs.

    With MANDATE_REQUIRED in it where neither is there. `utilities` are those that the message names, `subject_did` the
    customer it names, if any. Nothing changes where no agency acts.
    """
    if assisted is None:
        return authority
    authority = replace(authority, asserts_utilities=())
    if authority.mandate_id or authority.refusal_code == Code.MANDATE_REQUIRED:
        authority = Authority(authority.participant_id)  # kept by a case that waited: what it was good for may be over
    if authority.refusal_code:
        return authority
    found = _mandate(assisted, action, program_id, utilities, subject_did, now)
    if authority.is_proven:
        is_anothers = isinstance(found, Mandate) and not is_called(found.subject, authority.proven_subject)
        return required(authority, action, "The mandate is another customer's.") if is_anothers else authority
    if isinstance(found, str):
        if not assisted.mandate_id:
            return required(authority, action, _HOW)
        return required(authority, action, f"{_WHY.get(found, '')} {_HOW}".strip())
    if not found.subject.did or (subject_did and not is_called(found.subject, subject_did)):
        return required(authority, action, "The mandate is another customer's.")
    return _in_place_of_a_sign_in(authority, found)


def of_case(
    case: EnrollmentCase, assisted: Assistance | None, authority: Authority, *, action: str, now: datetime
) -> Authority:
    """`proven` for an order that there is: its program, its meters' utilities and its customer are what counts."""
    if assisted is None:
        if case.agency_id and not authority.is_proven and not authority.refusal_code:
            return required(authority, action, _HOW)
        return authority
    found = proven(
        assisted,
        authority,
        action=action,
        program_id=case.program_id,
        utilities=utilities_of(case),
        subject_did="",
        now=now,
    )
    if found.mandate_id and case.subject is not None and not is_called(case.subject, found.proven_subject):
        return required(authority, action, "The mandate is another customer's.")
    return found


def required(authority: Authority, action: str, sentence: str) -> Authority:
    """The authority with MANDATE_REQUIRED: what came is not enough for this act."""
    details: Mapping[str, Any] = {"actions": [action]}
    return replace(
        Authority(authority.participant_id),
        refusal_field="assisted_by",
        refusal_code=Code.MANDATE_REQUIRED.value,
        refusal_sentence=f"An agency needs the customer's own proof or mandate for {action}. {sentence}",
        refusal_details=details,
    )


def taken_back(action: str) -> Refusal:
    """MANDATE_REQUIRED for one that was good when the act began."""
    sentence = f"An agency needs the customer's own proof or mandate for {action}. {_WHY[mandates.REVOKED]}"
    return Refusal(Code.MANDATE_REQUIRED, sentence, field="assisted_by", details={"actions": [action]})


def confined(command: PrepareEnrollment, authority: Authority) -> PrepareEnrollment:
    """The application with nothing in it that the mandate does not speak of: meters are its utility's."""
    if not authority.mandate_id or command.assisted_by is None:
        return command
    assisted = replace(command.assisted_by, mandate_id=authority.mandate_id)
    return replace(command, assisted_by=assisted, meters=at_the_mandates_utility(command.meters, authority))


def at_the_mandates_utility(meters: Sequence[MeterRef], authority: Authority) -> tuple[MeterRef, ...]:
    if not authority.mandate_id:
        return tuple(meters)
    return tuple(replace(m, utility_id=m.utility_id or authority.proven_utility) for m in meters)


def utilities_of(case: EnrollmentCase) -> tuple[str, ...]:
    """The utilities of an order's meters, as far as its application names them or they are known."""
    named = remembering.init_command(case.payload).meters if case.payload is not None else ()
    known = Meter.objects.filter(umid__in=case.meters).values_list("utility_id", flat=True)
    return tuple(sorted({meter.utility_id for meter in named if meter.utility_id} | set(known)))


def is_called(subject: Subject, did: str) -> bool:
    """Is this DID the subject's, now or before two accounts turned out to be one person's?"""
    return did == subject.did or Subject.objects.filter(Q(did=did) & Q(merged_into_id=subject.pk)).exists()


def _mandate(
    assisted: Assistance,
    action: str,
    program_id: str,
    utilities: Sequence[str],
    subject_did: str,
    now: datetime,
) -> Mandate | str:
    asked: dict[str, Any] = {"agency_id": assisted.agency_id, "action": action, "program_id": program_id}
    asked |= {"utility_ids": utilities, "at": now}
    if assisted.mandate_id:
        return mandates.prove(assisted.mandate_id, operator_id=assisted.operator_id, **asked)
    return mandates.on_record(subject_did, operator_id=assisted.operator_id, **asked)


def _in_place_of_a_sign_in(authority: Authority, mandate: Mandate) -> Authority:
    subject_did = str(mandate.subject.did)
    identity = ProvenIdentity(
        utility_id=mandate.utility_id,
        subject=subject_did,
        method=METHOD,
        acr=mandate.acr,
        auth_time=mandate.given_at,
        utility_customer_ids=contacts.accounts(mandate.utility_id, mandate.subject),
    )
    return replace(
        authority,
        proven_subject=subject_did,
        proven_utility=mandate.utility_id,
        acr=mandate.acr,
        identities=(identity,),
        mandate_id=mandate.mandate_id,
    )
