"""Profile A, outward: results of the enrolment services as the guide writes them.

Which blocks an answer has follows from how far the check got (`_BLOCKS`); what the guide's samples do not have is in
`onboarding_extensions`. Source: onboarding guide 18.2-18.7, spec wire 4 and 7, decisions 4, 6, 36, 40-44, 52.
"""

from __future__ import annotations

from collections.abc import Mapping

from beckn.profiles.onboarding_catalog import catalogs, selected
from beckn.profiles.onboarding_extensions import WITH_A_SAMPLE, without_extensions
from beckn.profiles.onboarding_parts import (
    FULFILLMENT_STATES,
    ORDER_STATES,
    Json,
    attributes,
    conflict_check,
    consent,
    credential_bytes,
    dates,
    enrolled_meters,
    error,
    fulfillment,
    head,
    instant_text,
    is_over,
    issued,
    live_status,
    parties,
    plain_meters,
    rejected_meters,
    requirements,
    verification,
    wire_status,
)
from enrollment.codes import Code
from enrollment.results import (
    Catalog,
    Confirmed,
    ConsentLine,
    ConsentsGranted,
    ConsentWithdrawn,
    Ended,
    IssuedLine,
    Order,
    Prepared,
    Refused,
    Result,
    Selected,
    Snapshot,
    Stage,
    Waiting,
    Withdrawn,
)
from enrollment.states import EnrollmentState

#: What an answer to a refused init shows beside id, status and error, by how far the check got.
_BLOCKS: Mapping[Stage, frozenset[str]] = {
    Stage.DOOR: frozenset(),
    Stage.PROOFS: frozenset(),
    Stage.RULES: frozenset({"order", "proofs"}),
    Stage.CONFLICTS: frozenset({"order", "proofs", "conflicts"}),
}


def write(action: str, result: Result, *, is_strict: bool = False) -> Json:
    """The `message` of an `on_*`: `{"order": …}`, `{"catalogs": …}`. Strict leaves out `A_EXTENSIONS` (decision 41).

    Credential bytes are written as `sealed:credential:<uuid>`: they are put in when the message leaves.
    """
    if isinstance(result, Catalog):
        return {"catalogs": catalogs(result)}
    order = _order_json(result)
    # A grant of consents is an update that the guide has no sample of, and its credential has no other way.
    if is_strict and action in WITH_A_SAMPLE and not isinstance(result, ConsentsGranted):
        order = without_extensions(order)
    return {"order": order}


def _order_json(result: Result) -> Json:
    if isinstance(result, Prepared):
        return _prepared(result)
    if isinstance(result, Waiting):
        return _waiting(result)
    if isinstance(result, Refused):
        return _refused(result)
    if isinstance(result, Confirmed):
        return _confirmed(result)
    if isinstance(result, ConsentWithdrawn):
        return _consent_withdrawn(result)
    if isinstance(result, ConsentsGranted):
        return _consents_granted(result)
    if isinstance(result, Ended):
        return _ended(result)
    if isinstance(result, Withdrawn):
        return _withdrawn(result)
    if isinstance(result, Snapshot):
        return _snapshot(result)
    if isinstance(result, Selected):
        return selected(result)
    raise AssertionError(f"profile A has no words for {type(result).__name__}")


# --- on_init ---------------------------------------------------------------------------------------------------------


def _prepared(result: Prepared) -> Json:
    order = result.order
    meters = []
    for meter in order.meters:
        told: Json = {"beckn:id": meter.umid, "beckn:credentialVerified": meter.is_proven}
        if meter.state is not None:
            told["beckn:enrollmentStatus"] = meter.state.value
        meters.append(told)
    assert order.case_state is not None
    return {
        **head(order, "PENDING"),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, FULFILLMENT_STATES[order.case_state], with_customer=True, meters=meters, ders=True)
        ],
        "beckn:orderAttributes": attributes(
            {
                "credentialVerification": verification(result.credentials, in_full=True),
                **(
                    {"conflictCheck": conflict_check(result.conflicts, result.checked_at)}
                    if result.are_conflicts_checked
                    else {}
                ),
                **requirements(result.requirements),
                **rejected_meters(order.meters),
                **({"warnings": list(result.warnings)} if result.warnings else {}),
                "nextSteps": _next_steps(result),
            }
        ),
    }


def _next_steps(result: Prepared) -> list[Json]:
    if result.missing:
        return [
            {
                "action": "PRESENT_CREDENTIAL",
                "credentialType": m.type,
                **({"meterId": m.target} if m.target else {}),
                "message": f"Send a new init with a {m.type}.",
            }
            for m in result.missing
        ]
    return [{"action": "CONFIRM", "message": "Show the consents, then send confirm."}]


def _waiting(result: Waiting) -> Json:
    order = result.order
    return {
        **head(order, "PENDING"),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, "WAITING_FOR_UTILITY", with_customer=True, meters=plain_meters(order), ders=True)
        ],
        "beckn:orderAttributes": attributes(
            {
                "nextSteps": [
                    {
                        "action": "WAIT",
                        "utilityId": result.utility_id,
                        "message": "The utility does not answer at the moment. We keep asking and will send on_status; "
                        "nothing needs to be done.",
                    }
                ]
            }
        ),
    }


def _refused(result: Refused) -> Json:
    order, blocks = result.order, _BLOCKS[result.stage]
    enrollment = order.enrollment
    body = head(order, _refused_status(order))
    if enrollment is not None and result.refusal.code is not Code.DUPLICATE:
        # An update that was refused leaves the enrolment as it is, and says so.
        body |= parties(order)
        body["beckn:orderAttributes"] = attributes(
            {"enrollmentId": enrollment.enrollment_id, "status": wire_status(enrollment)}
        )
    elif "order" in blocks and order.case_state is not None and order.program_id:
        body |= parties(order)
        state = FULFILLMENT_STATES[order.case_state]
        body["beckn:fulfillments"] = [fulfillment(order, state, with_customer=False, meters=None, ders=False)]
        content: Json = {}
        if "proofs" in blocks and (result.credentials or result.conflicts):
            content["credentialVerification"] = verification(result.credentials, in_full=False)
        if "conflicts" in blocks:
            content["conflictCheck"] = conflict_check(result.conflicts, result.checked_at)
        if content:
            body["beckn:orderAttributes"] = attributes(content)
    body["error"] = error(result.refusal)
    return body


def _refused_status(order: Order) -> str | None:
    if order.enrollment is not None:
        return "CANCELLED" if is_over(order.enrollment) else "ACTIVE"
    if order.case_state is None:
        return None
    return ORDER_STATES.get(order.case_state, "PENDING")


# --- on_confirm ------------------------------------------------------------------------------------------------------


def _confirmed(result: Confirmed) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert enrollment is not None
    has_ended = is_over(enrollment)
    content: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "programId": order.program_id,
        **dates(enrollment),
        "enrolledAt": instant_text(enrollment.enrolled_at),
        "credential": issued(enrollment.credential),
        "consents": [consent(c, with_data=True) for c in enrollment.consents],
        "loggedAt": instant_text(enrollment.enrolled_at),
        "logReference": enrollment.log_reference,
    }
    if result.conflicts:
        content["conflictCheck"] = conflict_check(result.conflicts, result.checked_at)
    content |= rejected_meters(result.refused)
    return {
        **head(order, "CANCELLED" if has_ended else "CONFIRMED"),
        "beckn:orderNumber": enrollment.order_number,
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(
                order,
                "CANCELLED" if has_ended else "ENROLLED",
                with_customer=True,
                meters=enrolled_meters(order),
                ders=True,
            )
        ],
        "beckn:orderAttributes": attributes(content),
    }


# --- on_update, on_cancel --------------------------------------------------------------------------------------------


def _consent_withdrawn(result: ConsentWithdrawn) -> Json:
    order, consent = result.order, result.consent
    enrollment = order.enrollment
    assert enrollment is not None
    revocation: Json = {
        "consentCredentialId": consent.credential.url,
        "status": "PENDING" if result.is_pending else consent.state,
    }
    if consent.revoked_at is not None:
        revocation["revokedAt"] = instant_text(consent.revoked_at)
    if result.is_pending:
        revocation["effectiveDate"] = instant_text(consent.revoke_scheduled_for)
    revocation |= {
        "statusListUrl": consent.credential.status_list_url,
        "statusListIndex": consent.credential.status_list_index,
        "message": (
            "Consent will be revoked at the effective date."
            if result.is_pending
            else "Consent has been revoked and added to revocation status list. Future verifications will fail."
        ),
    }
    return {
        **head(order, live_status(enrollment)),
        **parties(order),
        "beckn:orderAttributes": attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": wire_status(enrollment),
                "updateType": "CONSENT_REVOCATION",
                "consentRevocation": revocation,
            }
        ),
    }


def _consents_granted(result: ConsentsGranted) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert enrollment is not None
    return {
        **head(order, live_status(enrollment)),
        **parties(order),
        "beckn:orderAttributes": attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": wire_status(enrollment),
                "updateType": "CONSENT_GRANT",
                "consents": [consent(c, with_data=True) for c in result.granted],
            }
        ),
    }


def _revoked_entry(consent: ConsentLine) -> Json:
    return {
        "consentCredentialId": consent.credential.url,
        "statusListUrl": consent.credential.status_list_url,
        "statusListIndex": consent.credential.status_list_index,
        "revoked": True,
    }


def _ended(result: Ended) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert enrollment is not None
    unenrollment: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": "PENDING" if result.is_pending else "CANCELLED",
    }
    if result.reason:
        unenrollment["reason"] = result.reason
    if enrollment.cancelled_at is not None:
        unenrollment["cancelledAt"] = instant_text(enrollment.cancelled_at)
    if enrollment.end_scheduled_for is not None:
        unenrollment["effectiveDate"] = instant_text(enrollment.end_scheduled_for)
    if result.is_pending and enrollment.end_scheduled_for is None:
        unenrollment["status"] = "WITHDRAWN"
    unenrollment |= {
        "enrollmentCredentialStatus": {
            "statusListUrl": enrollment.credential.status_list_url,
            "statusListIndex": enrollment.credential.status_list_index,
            "revoked": enrollment.credential.is_revoked,
        },
        "consentsRevoked": [_revoked_entry(c) for c in result.consents],
        "message": _end_message(result),
    }
    status = live_status(enrollment)
    return {
        **head(order, status),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(
                order,
                "CANCELLED" if status == "CANCELLED" else "ENROLLED",
                with_customer=False,
                meters=enrolled_meters(order),
                ders=False,
            )
        ],
        "beckn:orderAttributes": attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": wire_status(enrollment),
                "updateType": "UNENROLLMENT",
                "unenrollment": unenrollment,
                "loggedAt": instant_text(enrollment.cancelled_at or result.checked_at),
                "logReference": result.log_reference,
            }
        ),
    }


def _end_message(result: Ended) -> str:
    assert result.order.enrollment is not None
    if result.is_pending and result.order.enrollment.end_scheduled_for is None:
        return "The enrollment goes on: the scheduled end was taken back."
    if result.is_pending:
        return "The enrollment ends at the effective date; until then it stays active and the end can be taken back."
    if not result.order.enrollment.credential.is_revoked:
        return "The enrollment had ended at its end date already; its credentials are over, nothing was revoked."
    if any(c.state == "GRANTED" for c in result.order.enrollment.consents):
        return (
            "Enrollment has been revoked and its credential added to the revocation status list. "
            "Consents that outlive the enrollment stay granted."
        )
    return (
        "Enrollment and all associated consents have been revoked. Enrollment credential and consent credentials "
        "have been added to revocation status lists."
    )


def _withdrawn(result: Withdrawn) -> Json:
    order = result.order
    assert order.case_state is not None
    return {
        **head(order, ORDER_STATES.get(order.case_state, "CANCELLED")),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, "CANCELLED", with_customer=False, meters=plain_meters(order), ders=False)
        ],
        "beckn:orderAttributes": attributes(
            {
                "status": "CANCELLED",
                "loggedAt": instant_text(result.checked_at),
                **({"logReference": result.log_reference} if result.log_reference else {}),
                "message": "The application was withdrawn; nothing was enrolled.",
            }
        ),
    }


# --- on_status, on_select, on_search ---------------------------------------------------------------------------------


def _snapshot(result: Snapshot) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert order.case_state is not None
    if enrollment is None:
        state = "WAITING_FOR_UTILITY" if order.waiting_utility else FULFILLMENT_STATES[order.case_state]
        body = {
            **head(order, ORDER_STATES.get(order.case_state, "PENDING")),
            **parties(order),
            "beckn:fulfillments": [
                fulfillment(order, state, with_customer=True, meters=plain_meters(order), ders=True)
            ],
            "beckn:orderAttributes": attributes(
                {"programId": order.program_id, **({"message": result.reason} if result.reason else {})}
            ),
        }
    else:
        has_ended = is_over(enrollment)
        content: Json = {
            "enrollmentId": enrollment.enrollment_id,
            "status": wire_status(enrollment),
            "programId": order.program_id,
            **dates(enrollment),
            "enrolledAt": instant_text(enrollment.enrolled_at),
            "credential": {
                "credentialId": enrollment.credential.url,
                "type": "ProgramEnrollmentCredential",
                "verificationUrl": enrollment.credential.verification_url,
                "status": _credential_status(enrollment.credential),
                "statusListUrl": enrollment.credential.status_list_url,
                "statusListIndex": enrollment.credential.status_list_index,
                **(credential_bytes(enrollment.credential) if result.with_credentials else {}),
            },
            "consents": [
                consent(c, with_data=result.with_credentials and c.state == "GRANTED") for c in enrollment.consents
            ],
            "loggedAt": instant_text(enrollment.enrolled_at),
            "logReference": enrollment.log_reference,
        }
        if enrollment.end_scheduled_for is not None:
            content["unenrollment"] = {
                "status": "PENDING",
                "effectiveDate": instant_text(enrollment.end_scheduled_for),
            }
        if enrollment.state is EnrollmentState.EXPIRED:
            content["message"] = "expired"
        elif result.reason:
            content["message"] = result.reason
        body = {
            **head(order, "CANCELLED" if has_ended else "ACTIVE"),
            "beckn:orderNumber": enrollment.order_number,
            **parties(order),
            "beckn:fulfillments": [
                fulfillment(
                    order,
                    "CANCELLED" if has_ended else "ENROLLED",
                    with_customer=True,
                    meters=enrolled_meters(order),
                    ders=True,
                )
            ],
            "beckn:orderAttributes": attributes(content),
        }
    if result.refusal is not None:
        body["error"] = error(result.refusal)
    return body


def _credential_status(credential: IssuedLine) -> str:
    if credential.is_revoked:
        return "REVOKED"
    return "SUSPENDED" if credential.is_suspended else "VALID"
