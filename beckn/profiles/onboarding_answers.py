"""Profile A, outward: results of the enrolment services as the guide writes them.

Which blocks an answer has follows from how far the check got (`_BLOCKS`); what the guide's samples do not have is in
`A_EXTENSIONS`. Source: onboarding guide 18.2-18.7, spec wire 4 and 7, decisions 4, 6, 36, 40-44, 52.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.conflicts import Conflict
from enrollment.results import (
    Catalog,
    CatalogEntry,
    Confirmed,
    ConsentLine,
    ConsentsGranted,
    ConsentWithdrawn,
    CredentialLine,
    Ended,
    EnrollmentLine,
    IssuedLine,
    MeterLine,
    MeterState,
    Order,
    Prepared,
    Refused,
    Requirements,
    Result,
    Selected,
    Snapshot,
    Stage,
    Waiting,
    Withdrawn,
)
from enrollment.states import CaseState, EnrollmentState

Json = dict[str, Any]

CONTEXT_URL = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/EnergyEnrollment/v0.2/context.jsonld"
)

#: Every key path (below message.order) that we add to a message which has a sample in the guide (decision 41).
A_EXTENSIONS = frozenset(
    {
        "error.details.reasonCode",
        "error.details.retryAfter",
        "beckn:orderAttributes.requiredCredentials",
        "beckn:orderAttributes.requiredConsents",
        "beckn:orderAttributes.enrollmentCriteria",
        "beckn:orderAttributes.documents",
        "beckn:orderAttributes.nextSteps",
        "beckn:orderAttributes.warnings",
        "beckn:orderAttributes.rejectedMeters",
        "beckn:orderAttributes.consents",
        "beckn:orderAttributes.credential.statusListUrl",
        "beckn:orderAttributes.credential.statusListIndex",
        "beckn:orderAttributes.consentRevocation.effectiveDate",
        "beckn:orderAttributes.unenrollment.effectiveDate",
    }
)
_WITH_A_SAMPLE = frozenset({"on_init", "on_confirm", "on_update"})

_TYPES = {
    Code.CREDENTIAL_VERIFICATION_FAILED: "CREDENTIAL_ERROR",
    Code.AUTH_REQUIRED: "AUTH_ERROR",
    Code.TOKEN_INVALID: "AUTH_ERROR",
    Code.TOKEN_EXPIRED: "AUTH_ERROR",
    Code.OTP_INVALID: "AUTH_ERROR",
    Code.OTP_EXPIRED: "AUTH_ERROR",
    Code.IDP_UNAVAILABLE: "SYSTEM_ERROR",
    Code.UTILITY_UNAVAILABLE: "SYSTEM_ERROR",
    Code.INTERNAL: "SYSTEM_ERROR",
}
_SPELLINGS = {
    Code.NO_METER: "NO_METER_SPECIFIED",
    Code.CAPACITY_FULL: "PROGRAM_CAPACITY_FULL",
    Code.DUPLICATE: "DUPLICATE_ENROLLMENT",
}
_PATHS = {
    "credentials": "message.order.fulfillments[0].fulfillmentAttributes.credentials",
    "meters": "message.order.fulfillments[0].instrument.meters",
    "ders": "message.order.fulfillments[0].instrument.ders",
    "customer": "message.order.fulfillments[0].customer",
    "dates": "message.order.orderAttributes.startDate",
    "consents": "message.order.orderAttributes.consents",
    "consent": "message.order.orderAttributes.consentRevocation",
    "conflicts": "message.order.orderAttributes.conflictCheck",
    "update_type": "message.order.orderAttributes.updateType",
    "assisted_by": "message.order.orderAttributes.assistedBy",
    "user_auth": "message.order.orderAttributes.userAuth",
    "presentation": "message.order.orderAttributes.presentation",
    "program": "message.order.items[0]",
    "order": "message.order",
}

#: What an answer to a refused init shows beside id, status and error, by how far the check got.
_BLOCKS: Mapping[Stage, frozenset[str]] = {
    Stage.DOOR: frozenset(),
    Stage.PROOFS: frozenset(),
    Stage.RULES: frozenset({"order", "proofs"}),
    Stage.CONFLICTS: frozenset({"order", "proofs", "conflicts"}),
}

_FULFILLMENT_STATES = {
    CaseState.SUBMITTED: "UNDER_REVIEW",
    CaseState.NEEDS_INPUT: "NEEDS_INPUT",
    CaseState.READY: "PENDING_CONFIRM",
    CaseState.CONFIRMED: "ENROLLED",
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}
_ORDER_STATES = {
    CaseState.REJECTED: "REJECTED",
    CaseState.WITHDRAWN: "CANCELLED",
    CaseState.EXPIRED: "CANCELLED",
}


def write(action: str, result: Result, *, is_strict: bool = False) -> Json:
    """The `message` of an `on_*`: `{"order": …}`, `{"catalogs": …}`. Strict leaves out `A_EXTENSIONS` (decision 41).

    Credential bytes are written as `sealed:credential:<uuid>`: they are put in when the message leaves.
    """
    if isinstance(result, Catalog):
        return {"catalogs": _catalogs(result)}
    order = _order_json(result)
    # A grant of consents is an update that the guide has no sample of, and its credential has no other way.
    if is_strict and action in _WITH_A_SAMPLE and not isinstance(result, ConsentsGranted):
        order = _without_extensions(order, "")
    return {"order": order}


def _without_extensions(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_without_extensions(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if below not in A_EXTENSIONS:
            kept[key] = _without_extensions(item, below)
    return kept


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
        return _selected(result)
    raise AssertionError(f"profile A has no words for {type(result).__name__}")


# --- the parts -------------------------------------------------------------------------------------------------------


def instant_text(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


def _head(order: Order, status: str | None) -> Json:
    head: Json = {"@context": CONTEXT_URL, "@type": "beckn:Order", "beckn:id": order.order_id}
    if status:
        head["beckn:status"] = status
    return head


def _parties(order: Order) -> Json:
    return {
        "beckn:provider": {"beckn:id": order.provider_id},
        "beckn:items": [{"beckn:id": order.program_id}],
    }


def _fulfillment(order: Order, state: str, *, with_customer: bool, meters: list[Json] | None, ders: bool) -> Json:
    fulfillment: Json = {
        "beckn:id": order.fulfillment_id,
        "beckn:type": "PROGRAM_ENROLLMENT",
        "beckn:state": {"beckn:descriptor": {"schema:name": state}},
    }
    if with_customer:
        fulfillment["beckn:customer"] = {"beckn:id": order.subject_did}
    if meters is not None:
        fulfillment["beckn:instrument"] = {"meters": meters}
        if ders:
            fulfillment["beckn:instrument"]["ders"] = [
                {"beckn:id": d.der_id, **({"beckn:type": d.type} if d.type else {})} for d in order.ders
            ]
    return fulfillment


def _attributes(content: Mapping[str, Any]) -> Json:
    return {"@context": CONTEXT_URL, "@type": "EnergyEnrollment", **content}


def error(refusal: Refusal) -> Json:
    """The guide's error object: type, code, message, path, details (18.5, decision 42)."""
    name, bracket, rest = refusal.field.partition("[")
    path = _PATHS.get(name, "message.order") + bracket + rest
    body: Json = {
        "type": _TYPES.get(refusal.code, "ENROLLMENT_ERROR"),
        "code": _SPELLINGS.get(refusal.code, refusal.code.value),
        "message": refusal.sentence,
        "path": path,
    }
    if refusal.details:
        body["details"] = _camel(refusal.details)
    return body


def _camel(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel_key(key): _camel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return instant_text(value) if isinstance(value, datetime) else value


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(other.capitalize() for other in others)


def _verification(credentials: Sequence[CredentialLine], *, in_full: bool) -> Json:
    status = "VERIFIED" if all(c.is_verified for c in credentials) else "FAILED"
    if not in_full:
        return {"status": status}
    return {
        "status": status,
        "verifiedCredentials": [
            {
                "credentialId": c.credential_id,
                "status": "VERIFIED" if c.is_verified else "FAILED",
                "verifiedAt": instant_text(c.checked_at),
            }
            for c in credentials
        ],
    }


def _conflict_json(conflict: Conflict) -> Json:
    told: Json = {"conflictReason": conflict.reason, "conflictType": conflict.conflict_type}
    if conflict.enrollment_id:
        told["enrollmentId"] = conflict.enrollment_id
    if conflict.program_id:
        told["programId"] = conflict.program_id
    return told


def _conflict_check(conflicts: Sequence[Conflict], checked_at: datetime) -> Json:
    if not conflicts:
        return {
            "hasConflict": False,
            "checkedAt": instant_text(checked_at),
            "message": "No conflicts found with existing enrollments",
        }
    return {
        "hasConflict": True,
        "conflictingEnrollments": [_conflict_json(c) for c in conflicts],
        "checkedAt": instant_text(checked_at),
    }


def _rejected_meters(meters: Iterable[MeterLine]) -> Json:
    rejected = [
        {"meterId": m.umid, "code": _SPELLINGS.get(m.refusal.code, m.refusal.code.value), "message": m.refusal.sentence}
        for m in meters
        if m.state is MeterState.REJECTED and m.refusal is not None
    ]
    return {"rejectedMeters": rejected} if rejected else {}


def _requirements(requirements: Requirements) -> Json:
    return {
        "requiredCredentials": [dict(c) for c in requirements.credentials],
        "requiredConsents": [_consent_asked(c) for c in requirements.consents],
        "enrollmentCriteria": [dict(c) for c in requirements.criteria],
        **({"documents": [dict(d) for d in requirements.documents]} if requirements.documents else {}),
    }


def _consent_asked(consent: Mapping[str, Any]) -> Json:
    return {"required": True, **{k: v for k, v in consent.items() if k != "outlivesEnrollment"}}


def _issued(credential: IssuedLine) -> Json:
    return {
        "credentialId": credential.url,
        "type": "ProgramEnrollmentCredential",
        "format": "VC-JWT",
        "credentialUrl": credential.access_url,
        "verificationUrl": credential.verification_url,
        "issuedAt": instant_text(credential.issued_at),
        "credentialData": f"sealed:credential:{credential.jwt_ref}",
        "statusListUrl": credential.status_list_url,
        "statusListIndex": credential.status_list_index,
    }


def _consent(consent: ConsentLine, *, with_data: bool) -> Json:
    told: Json = {
        "type": consent.type,
        "granted": consent.state == "GRANTED",
        "grantedAt": instant_text(consent.granted_at),
        "consentCredentialId": consent.credential.url,
        "status": consent.state,
    }
    if with_data:
        told["credentialData"] = f"sealed:credential:{consent.credential.jwt_ref}"
    if consent.revoked_at is not None:
        told["revokedAt"] = instant_text(consent.revoked_at)
    return told


def _wire_status(enrollment: EnrollmentLine) -> str:
    """ACTIVE also while scheduled; expired is told as cancelled (decisions 4 and 52)."""
    return {
        EnrollmentState.SCHEDULED: "ACTIVE",
        EnrollmentState.EXPIRED: "CANCELLED",
    }.get(enrollment.state, enrollment.state.value)


def _is_over(enrollment: EnrollmentLine) -> bool:
    return enrollment.state in (EnrollmentState.CANCELLED, EnrollmentState.EXPIRED)


def _dates(enrollment: EnrollmentLine) -> Json:
    end = enrollment.end_as_given or instant_text(enrollment.ends_at)
    return {"startDate": instant_text(enrollment.starts_at), **({"endDate": end} if end else {})}


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
        **_head(order, "PENDING"),
        **_parties(order),
        "beckn:fulfillments": [
            _fulfillment(order, _FULFILLMENT_STATES[order.case_state], with_customer=True, meters=meters, ders=True)
        ],
        "beckn:orderAttributes": _attributes(
            {
                "credentialVerification": _verification(result.credentials, in_full=True),
                "conflictCheck": _conflict_check(result.conflicts, result.checked_at),
                **_requirements(result.requirements),
                **_rejected_meters(order.meters),
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
        **_head(order, "PENDING"),
        **_parties(order),
        "beckn:fulfillments": [
            _fulfillment(order, "WAITING_FOR_UTILITY", with_customer=True, meters=_plain_meters(order), ders=True)
        ],
        "beckn:orderAttributes": _attributes(
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


def _plain_meters(order: Order) -> list[Json]:
    return [{"beckn:id": m.umid} for m in order.meters]


def _refused(result: Refused) -> Json:
    order, blocks = result.order, _BLOCKS[result.stage]
    enrollment = order.enrollment
    body = _head(order, _refused_status(order))
    if enrollment is not None and result.refusal.code is not Code.DUPLICATE:
        # An update that was refused leaves the enrolment as it is, and says so.
        body |= _parties(order)
        body["beckn:orderAttributes"] = _attributes(
            {"enrollmentId": enrollment.enrollment_id, "status": _wire_status(enrollment)}
        )
    elif "order" in blocks and order.case_state is not None and order.program_id:
        body |= _parties(order)
        state = _FULFILLMENT_STATES[order.case_state]
        body["beckn:fulfillments"] = [_fulfillment(order, state, with_customer=False, meters=None, ders=False)]
        content: Json = {}
        if "proofs" in blocks and (result.credentials or result.conflicts):
            content["credentialVerification"] = _verification(result.credentials, in_full=False)
        if "conflicts" in blocks:
            content["conflictCheck"] = _conflict_check(result.conflicts, result.checked_at)
        if content:
            body["beckn:orderAttributes"] = _attributes(content)
    body["error"] = error(result.refusal)
    return body


def _refused_status(order: Order) -> str | None:
    if order.enrollment is not None:
        return "CANCELLED" if _is_over(order.enrollment) else "ACTIVE"
    if order.case_state is None:
        return None
    return _ORDER_STATES.get(order.case_state, "PENDING")


# --- on_confirm ------------------------------------------------------------------------------------------------------


def _enrolled_meters(order: Order) -> list[Json]:
    return [
        {"beckn:id": m.umid, **({"beckn:enrollmentStatus": m.state.value} if m.state is not None else {})}
        for m in order.meters
    ]


def _confirmed(result: Confirmed) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert enrollment is not None
    is_over = _is_over(enrollment)
    content: Json = {
        "enrollmentId": enrollment.enrollment_id,
        "status": _wire_status(enrollment),
        "programId": order.program_id,
        **_dates(enrollment),
        "enrolledAt": instant_text(enrollment.enrolled_at),
        "credential": _issued(enrollment.credential),
        "consents": [_consent(c, with_data=True) for c in enrollment.consents],
        "loggedAt": instant_text(enrollment.enrolled_at),
        "logReference": enrollment.log_reference,
    }
    if result.conflicts:
        content["conflictCheck"] = _conflict_check(result.conflicts, result.checked_at)
    content |= _rejected_meters(result.refused)
    return {
        **_head(order, "CANCELLED" if is_over else "CONFIRMED"),
        "beckn:orderNumber": enrollment.order_number,
        **_parties(order),
        "beckn:fulfillments": [
            _fulfillment(
                order,
                "CANCELLED" if is_over else "ENROLLED",
                with_customer=True,
                meters=_enrolled_meters(order),
                ders=True,
            )
        ],
        "beckn:orderAttributes": _attributes(content),
    }


# --- on_update, on_cancel --------------------------------------------------------------------------------------------


def _live_status(enrollment: EnrollmentLine) -> str:
    return "CANCELLED" if _is_over(enrollment) else "ACTIVE"


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
        **_head(order, _live_status(enrollment)),
        **_parties(order),
        "beckn:orderAttributes": _attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": _wire_status(enrollment),
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
        **_head(order, _live_status(enrollment)),
        **_parties(order),
        "beckn:orderAttributes": _attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": _wire_status(enrollment),
                "updateType": "CONSENT_GRANT",
                "consents": [_consent(c, with_data=True) for c in result.granted],
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
    status = _live_status(enrollment)
    return {
        **_head(order, status),
        **_parties(order),
        "beckn:fulfillments": [
            _fulfillment(
                order,
                "CANCELLED" if status == "CANCELLED" else "ENROLLED",
                with_customer=False,
                meters=_enrolled_meters(order),
                ders=False,
            )
        ],
        "beckn:orderAttributes": _attributes(
            {
                "enrollmentId": enrollment.enrollment_id,
                "status": _wire_status(enrollment),
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
        **_head(order, _ORDER_STATES.get(order.case_state, "CANCELLED")),
        **_parties(order),
        "beckn:fulfillments": [
            _fulfillment(order, "CANCELLED", with_customer=False, meters=_plain_meters(order), ders=False)
        ],
        "beckn:orderAttributes": _attributes(
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
        state = "WAITING_FOR_UTILITY" if order.waiting_utility else _FULFILLMENT_STATES[order.case_state]
        body = {
            **_head(order, _ORDER_STATES.get(order.case_state, "PENDING")),
            **_parties(order),
            "beckn:fulfillments": [
                _fulfillment(order, state, with_customer=True, meters=_plain_meters(order), ders=True)
            ],
            "beckn:orderAttributes": _attributes(
                {"programId": order.program_id, **({"message": result.reason} if result.reason else {})}
            ),
        }
    else:
        is_over = _is_over(enrollment)
        content: Json = {
            "enrollmentId": enrollment.enrollment_id,
            "status": _wire_status(enrollment),
            "programId": order.program_id,
            **_dates(enrollment),
            "enrolledAt": instant_text(enrollment.enrolled_at),
            "credential": {
                "credentialId": enrollment.credential.url,
                "type": "ProgramEnrollmentCredential",
                "verificationUrl": enrollment.credential.verification_url,
                "status": _credential_status(enrollment.credential),
                "statusListUrl": enrollment.credential.status_list_url,
                "statusListIndex": enrollment.credential.status_list_index,
            },
            "consents": [_consent(c, with_data=False) for c in enrollment.consents],
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
            **_head(order, "CANCELLED" if is_over else "ACTIVE"),
            "beckn:orderNumber": enrollment.order_number,
            **_parties(order),
            "beckn:fulfillments": [
                _fulfillment(
                    order,
                    "CANCELLED" if is_over else "ENROLLED",
                    with_customer=True,
                    meters=_enrolled_meters(order),
                    ders=True,
                )
            ],
            "beckn:orderAttributes": _attributes(content),
        }
    if result.refusal is not None:
        body["error"] = error(result.refusal)
    return body


def _credential_status(credential: IssuedLine) -> str:
    if credential.is_revoked:
        return "REVOKED"
    return "SUSPENDED" if credential.is_suspended else "VALID"


def _selected(result: Selected) -> Json:
    entry = result.entry
    return {
        "@context": CONTEXT_URL,
        "@type": "beckn:Order",
        "beckn:id": result.order_id,
        "beckn:provider": {"beckn:id": entry.provider_id},
        "beckn:items": [{"beckn:id": entry.program_id, "beckn:descriptor": {"schema:name": entry.name}}],
        "beckn:orderAttributes": _attributes(
            {
                **_requirements(entry.requirements),
                "documents": [dict(d) for d in entry.requirements.documents],
                "nextSteps": [
                    {"action": "INIT", "message": "Send init with the customer, the meters and these credentials."}
                ],
            }
        ),
    }


def _catalogs(catalog: Catalog) -> list[Json]:
    by_provider: dict[str, list[CatalogEntry]] = {}
    for entry in catalog.entries:
        by_provider.setdefault(entry.provider_id, []).append(entry)
    return [
        {
            "@context": CONTEXT_URL,
            "@type": "beckn:Catalog",
            "beckn:id": f"catalog-{provider}",
            "beckn:descriptor": {"schema:name": "Energy programs"},
            "beckn:items": [_item(entry) for entry in entries],
        }
        for provider, entries in by_provider.items()
    ]


def _item(entry: CatalogEntry) -> Json:
    validity = {
        **({"schema:startDate": instant_text(entry.opens_at)} if entry.opens_at else {}),
        **({"schema:endDate": instant_text(entry.closes_at)} if entry.closes_at else {}),
    }
    return {
        "@type": "beckn:Item",
        "beckn:id": entry.program_id,
        "beckn:descriptor": {
            "@type": "beckn:Descriptor",
            "schema:name": entry.name,
            "beckn:shortDesc": entry.short_description,
            "beckn:longDesc": entry.long_description,
        },
        "beckn:provider": {"beckn:id": entry.provider_id},
        "beckn:validity": validity,
        "beckn:itemAttributes": {
            "@context": CONTEXT_URL,
            "@type": "EnergyProgram",
            "kind": entry.kind,
            "personas": list(entry.personas),
            "utilities": list(entry.utilities),
            **_requirements(entry.requirements),
        },
    }
