"""What an answer says about the enrolment, by the result it is written from: the content of its `orderAttributes`.

The same in every profile of the enrolment guide; a profile puts its own order around it, and leaves out what its
closed objects have no place for. Source: onboarding guide 18.2-18.7, decisions 4, 6, 36, 40-44, 52.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from beckn.profiles.cells import assessment
from beckn.profiles.words import (
    Json,
    Spell,
    available_meter,
    conflict_check,
    consent,
    credential_bytes,
    cross_utility,
    dates,
    documents,
    history,
    instant_text,
    rejected_meters,
    requirements,
    utility_notice,
    verification,
    wire_status,
)
from enrollment.codes import Code
from enrollment.results import (
    CodeSent,
    Confirmed,
    ConsentLine,
    ConsentsGranted,
    ConsentWithdrawn,
    Ended,
    EnrollmentLine,
    IssuedLine,
    MetersChanged,
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
BLOCKS: Mapping[Stage, frozenset[str]] = {
    Stage.DOOR: frozenset(),
    Stage.PROOFS: frozenset(),
    Stage.RULES: frozenset({"order", "proofs"}),
    Stage.CONFLICTS: frozenset({"order", "proofs", "conflicts"}),
}


def of(result: Result, spell: Spell) -> Json:
    """The content for this result. `spell`: how the profile spells a code. A catalogue has none: KeyError."""
    written: Json = _WRITERS[type(result)](result, spell)
    order = getattr(result, "order", None)
    batch_id = getattr(order, "batch_id", "")
    if batch_id:  # orders of one basket are told as such (personas P2-4)
        written["additionalAttributes"] = {**written.get("additionalAttributes", {}), "batchId": batch_id}
    stopped_at = getattr(order, "stopped_at", None)
    if stopped_at is not None:  # whoever assists has to know that the customer knows nothing of it (personas EA-4)
        written["stopped"] = {"reason": "NOT_ME", "at": instant_text(stopped_at)}
    return written


# --- on_init ---------------------------------------------------------------------------------------------------------


def _prepared(result: Prepared, spell: Spell) -> Json:
    return {
        "credentialVerification": verification(result.credentials, in_full=True),
        **(
            {"conflictCheck": conflict_check(result.conflicts, result.checked_at)}
            if result.are_conflicts_checked
            else {}
        ),
        **({"meters": [available_meter(m) for m in result.available_meters]} if result.available_meters else {}),
        **requirements(result.requirements),
        **documents(result.documents),
        **rejected_meters(result.order.meters, spell),
        **({"warnings": list(result.warnings)} if result.warnings else {}),
        **cross_utility(result.cross_utility),
        "nextSteps": _next_steps(result),
    }


def _next_steps(result: Prepared) -> list[Json]:
    if result.available_meters and not result.order.meters:
        return [{"action": "CHOOSE_METER", "message": "Send init again, or confirm, with the meters that are chosen."}]
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
    if result.questions:
        return [
            {
                "action": "PROVIDE_CAPACITY",
                "derId": question.target,
                "unit": "kW",
                "message": f"Say the power of {question.target} in kW with a new init: nobody else has told it.",
            }
            for question in result.questions
        ]
    if result.reviews:
        return [
            {
                "action": "WAIT",
                "documentId": review.document_id,
                "derId": review.der_id,
                "message": "The certificate is being checked; typical time 2 working days. We will send on_status.",
            }
            for review in result.reviews
        ]
    return [{"action": "CONFIRM", "message": "Show the consents, then send confirm."}]


def _code_sent(result: CodeSent, spell: Spell) -> Json:
    return {
        **requirements(result.requirements),
        "nextSteps": [
            {
                "action": "CONFIRM",
                "message": "Ask for the code that the utility sent, then send confirm with it and the meters.",
            }
        ],
    }


def _waiting(result: Waiting, spell: Spell) -> Json:
    return {
        **cross_utility(result.cross_utility),
        "nextSteps": [
            {
                "action": "WAIT",
                "utilityId": result.utility_id,
                "message": "The utility does not answer at the moment. We keep asking and will send on_status; "
                "nothing needs to be done.",
            }
        ],
    }


def _refused(result: Refused, spell: Spell) -> Json:
    order, blocks = result.order, BLOCKS[result.stage]
    enrollment = order.enrollment
    if enrollment is not None and result.refusal.code is not Code.DUPLICATE:
        # An update that was refused leaves the enrolment as it is, and says so.
        return {"enrollmentId": enrollment.enrollment_id, "status": wire_status(enrollment)}
    content: Json = {}
    if "proofs" in blocks and (result.credentials or result.conflicts):
        content["credentialVerification"] = verification(result.credentials, in_full=False)
    if "conflicts" in blocks:
        content["conflictCheck"] = conflict_check(result.conflicts, result.checked_at)
    if result.documents:
        content |= documents(result.documents)
        content["nextSteps"] = [
            {
                "action": "UPLOAD_DOCUMENT",
                "documentId": asked.document_id,
                "derId": asked.der_id,
                "message": "Upload the certificate and name its documentId in a new init, or present a credential.",
            }
            for asked in result.documents
        ]
    return content


# --- on_confirm ------------------------------------------------------------------------------------------------------


def _confirmed(result: Confirmed, spell: Spell) -> Json:
    enrollment = result.order.enrollment
    assert enrollment is not None
    content: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "programId": result.order.program_id,
        **dates(enrollment),
        "enrolledAt": instant_text(enrollment.enrolled_at),
        "credential": _issued(enrollment.credential),
        "consents": [consent(c, with_data=True) for c in enrollment.consents],
        "loggedAt": instant_text(enrollment.enrolled_at),
        "logReference": enrollment.log_reference,
    }
    if result.conflicts:
        content["conflictCheck"] = conflict_check(result.conflicts, result.checked_at)
    return content | rejected_meters(result.refused, spell)


def _issued(credential: IssuedLine) -> Json:
    return {
        "credentialId": credential.url,
        "type": "ProgramEnrollmentCredential",
        "format": "VC-JWT",
        "credentialUrl": credential.access_url,
        **({"offerUrl": credential.offer_url} if credential.offer_url else {}),
        **({"supersedes": credential.supersedes} if credential.supersedes else {}),
        "verificationUrl": credential.verification_url,
        "issuedAt": instant_text(credential.issued_at),
        "credentialData": f"sealed:credential:{credential.jwt_ref}",
        "statusListUrl": credential.status_list_url,
        "statusListIndex": credential.status_list_index,
    }


# --- on_update, on_cancel --------------------------------------------------------------------------------------------


def _consent_withdrawn(result: ConsentWithdrawn, spell: Spell) -> Json:
    enrollment, consent = result.order.enrollment, result.consent
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
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "updateType": "CONSENT_REVOCATION",
        "consentRevocation": revocation,
    }


def _consents_granted(result: ConsentsGranted, spell: Spell) -> Json:
    enrollment = result.order.enrollment
    assert enrollment is not None
    return {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "updateType": "CONSENT_GRANT",
        "consents": [consent(c, with_data=True) for c in result.granted],
    }


def _meters_changed(result: MetersChanged, spell: Spell) -> Json:
    """The whole enrolment as it is now, with the credential that replaces the one before (R-P2.5)."""
    enrollment = result.order.enrollment
    assert enrollment is not None
    content: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "updateType": "ADD_METER" if result.is_adding else "REMOVE_METER",
        "programId": result.order.program_id,
        **dates(enrollment),
        "enrolledAt": instant_text(enrollment.enrolled_at),
        "meterUpdate": {
            "added": [{"meterId": umid} for umid in result.added],
            "removed": [{"meterId": umid} for umid in result.removed],
            "effectiveDate": instant_text(max(result.checked_at, enrollment.starts_at)),
        },
        "credential": _issued(enrollment.credential),
        "supersededCredentials": [_superseded(line) for line in result.superseded],
        "consents": [consent(c, with_data=c.state == "GRANTED") for c in enrollment.consents],
        "loggedAt": instant_text(result.checked_at),
        "logReference": result.log_reference,
    }
    if result.conflicts:
        content["conflictCheck"] = conflict_check(result.conflicts, result.checked_at)
    return content | rejected_meters(result.refused, spell)


def _superseded(credential: IssuedLine) -> Json:
    return {
        "credentialId": credential.url,
        "statusListUrl": credential.status_list_url,
        "statusListIndex": credential.status_list_index,
        "revoked": credential.is_revoked,
    }


def _ended(result: Ended, spell: Spell) -> Json:
    enrollment = result.order.enrollment
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
    return {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "updateType": "UNENROLLMENT",
        "unenrollment": unenrollment,
        "loggedAt": instant_text(enrollment.cancelled_at or result.checked_at),
        "logReference": result.log_reference,
    }


def _revoked_entry(consent: ConsentLine) -> Json:
    return {
        "consentCredentialId": consent.credential.url,
        "statusListUrl": consent.credential.status_list_url,
        "statusListIndex": consent.credential.status_list_index,
        "revoked": True,
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


def _withdrawn(result: Withdrawn, spell: Spell) -> Json:
    return {
        "status": "CANCELLED",
        "loggedAt": instant_text(result.checked_at),
        **({"logReference": result.log_reference} if result.log_reference else {}),
        "message": "The application was withdrawn; nothing was enrolled.",
    }


# --- on_status, on_select --------------------------------------------------------------------------------------------


def _snapshot(result: Snapshot, spell: Spell) -> Json:
    order, enrollment = result.order, result.order.enrollment
    if enrollment is None:
        return {
            "programId": order.program_id,
            **({"message": result.reason} if result.reason else {}),
            **history(result.history),
        }
    content: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": wire_status(enrollment),
        "programId": order.program_id,
        **dates(enrollment),
        "enrolledAt": instant_text(enrollment.enrolled_at),
        "credential": {
            "credentialId": enrollment.credential.url,
            "type": "ProgramEnrollmentCredential",
            **({"supersedes": enrollment.credential.supersedes} if enrollment.credential.supersedes else {}),
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
    if enrollment.utilities:
        content["utilityNotices"] = [utility_notice(u) for u in enrollment.utilities]
    if enrollment.suspended_at is not None and enrollment.state is EnrollmentState.SUSPENDED:
        content["suspension"] = _suspension(enrollment, enrollment.suspended_at)
    if enrollment.end_scheduled_for is not None:
        content["unenrollment"] = {
            "status": "PENDING",
            "effectiveDate": instant_text(enrollment.end_scheduled_for),
        }
    if enrollment.state is EnrollmentState.EXPIRED:
        content["message"] = "expired"
    elif result.reason:
        content["message"] = result.reason
    return content | history(result.history)


def _suspension(enrollment: EnrollmentLine, since: datetime) -> Json:
    """Why, since when, and until when it may be repaired where that has an end."""
    found: Json = {"reason": enrollment.suspension_reason, "since": instant_text(since)}
    if enrollment.repair_until is not None:
        found["repairUntil"] = instant_text(enrollment.repair_until)
    return found


def _credential_status(credential: IssuedLine) -> str:
    if credential.is_revoked:
        return "REVOKED"
    return "SUSPENDED" if credential.is_suspended else "VALID"


def _selected(result: Selected, spell: Spell) -> Json:
    return {
        **requirements(result.entry.requirements),
        "documents": [dict(d) for d in result.entry.requirements.documents],
        **assessment(result.assessment, result.entry.program_id, result.checked_at),
        "nextSteps": [{"action": "INIT", "message": "Send init with the customer, the meters and these credentials."}],
    }


_WRITERS: Mapping[type, Callable[[Any, Spell], Json]] = {
    Prepared: _prepared,
    CodeSent: _code_sent,
    Waiting: _waiting,
    Refused: _refused,
    Confirmed: _confirmed,
    Snapshot: _snapshot,
    ConsentWithdrawn: _consent_withdrawn,
    ConsentsGranted: _consents_granted,
    MetersChanged: _meters_changed,
    Ended: _ended,
    Withdrawn: _withdrawn,
    Selected: _selected,
}
