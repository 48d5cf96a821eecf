"""One-time codes of an order: which utility sends it, what its message says, and whose it turns out to be.

No transaction is open here. Source: spec wire 4, issue 4 points 2 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from enrollment import catalog
from enrollment.codes import Code, Refusal
from enrollment.commands import PrepareEnrollment, ProvenIdentity
from enrollment.confirming import outage_refusal
from enrollment.gathering import utilities_asked
from identity import agencies, one_time_codes
from identity.codes import CodeRequest, CodeService
from identity.proofs import Method, Shown
from utility_systems import registry
from utility_systems.ports import UtilityUnavailable

_CODES = {
    one_time_codes.OTP_INVALID: Code.OTP_INVALID,
    one_time_codes.OTP_EXPIRED: Code.OTP_EXPIRED,
    one_time_codes.TOO_MANY: Code.NOT_POSSIBLE_NOW,
}


def send_code(
    command: PrepareEnrollment, *, mobile: str, utility_customer_id: str, asked_by: str, message_id: str, now: datetime
) -> Shown | Refusal:
    """Have the customer's utility send a code for this application, and what to tell of it.

    The same for numbers that are known and that are not. A program that cannot be joined has none sent.
    """
    version = catalog.open_version(command.program_id, now, provider_id=command.provider_id)
    if version is None:
        return catalog.program_not_available(command.program_id)
    asked = CodeRequest(
        mobile=mobile,
        utility_customer_id=utility_customer_id,
        requested_by=asked_by,
        program=version.name,
        meters=tuple(meter.umid for meter in command.meters),
        locale=command.locale,
        **_who_helps(command, utility_customer_id),
    )
    try:
        service = _service(utilities_asked(command.meters, version.utilities), utility_customer_id)
        if service is None:
            return catalog.program_not_available(command.program_id)
        sent = one_time_codes.send(
            service,
            asked,
            participant_id=command.order.bap_id,
            order_id=command.order.order_id,
            message_id=message_id,
            now=now,
        )
    except UtilityUnavailable as outage:
        return outage_refusal(outage)
    if isinstance(sent, one_time_codes.Unproven):
        return _refusal(sent)
    minutes = max(1, round((sent.expires_at - now).total_seconds() / 60))
    to = f" to {sent.masked_to}" if sent.masked_to else ""
    return Shown(
        Method.OTP,
        nguid=sent.nguid,
        expires_at=sent.expires_at,
        message=f"If your utility knows it, a code was sent{to}. It is valid for {minutes} minutes.",
        utility_customer_id=utility_customer_id,
    )


def _who_helps(command: PrepareEnrollment, utility_customer_id: str) -> dict[str, str]:
    """Where an agency asks, the message names it and its agent, and how the account's or meter's number ends."""
    if command.assisted_by is None:
        return {}
    agency, agent = agencies.called(command.assisted_by.agency_id, command.assisted_by.operator_id)
    number = utility_customer_id or next((meter.umid for meter in command.meters), "")
    return {"agency": agency, "agent": agent, "ending": number[-4:]}


def check_code(
    *, nguid: str, code: str, mobile: str, participant_id: str, order_id: str, now: datetime
) -> ProvenIdentity | Refusal:
    """Whose code this is, or why that is not proven."""
    try:
        proof = one_time_codes.prove(
            registry.adapter_for,
            nguid=nguid,
            code=code,
            mobile=mobile,
            participant_id=participant_id,
            order_id=order_id,
            now=now,
        )
    except UtilityUnavailable as outage:
        return outage_refusal(outage)
    if isinstance(proof, one_time_codes.Unproven):
        return _refusal(proof)
    return ProvenIdentity(
        utility_id=proof.utility_id,
        subject=proof.subject_did or f"{proof.utility_id}#{proof.utility_customer_id}",
        method=Method.OTP.value,
        auth_time=proof.verified_at,
        utility_customer_ids=(proof.utility_customer_id,),
    )


def _service(utilities: Sequence[str], utility_customer_id: str) -> CodeService | None:
    """The utility that sends: the only one, or whichever knows the account; the first where nobody can tell.

    All are asked, also after one was found: an answer's time shall not tell whose customer somebody is.
    """
    configured = [utility_id for utility_id in utilities if utility_id in registry.utility_ids()]
    knowing, silent = [], None
    for utility_id in configured if len(configured) > 1 and utility_customer_id else ():
        try:
            if registry.adapter_for(utility_id).account(utility_customer_id) is not None:
                knowing.append(utility_id)
        except UtilityUnavailable as outage:
            silent = outage
    if silent is not None and not knowing:
        raise silent
    return registry.adapter_for((knowing or configured)[0]) if configured else None


def _refusal(unproven: one_time_codes.Unproven) -> Refusal:
    details: dict[str, object] = {}
    if unproven.attempts_left is not None:
        details["attempts_left"] = unproven.attempts_left
    if unproven.retry_after_seconds is not None:
        details["retry_after"] = unproven.retry_after_seconds
    return Refusal(_CODES[unproven.code], unproven.message, field="user_auth", details=details)
