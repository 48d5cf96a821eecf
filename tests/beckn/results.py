"""Results of the enrolment services, made by hand: what profiles write their answers from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from enrollment.codes import Code, Refusal
from enrollment.conflicts import Conflict, Rule
from enrollment.results import (
    CatalogEntry,
    ConsentLine,
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
    Stage,
)
from enrollment.states import CaseState, EnrollmentState
from tests.factories import FLEX, NOON, PROVIDER, RAJESH, UTILITY_A

Json = dict[str, Any]
NOVEMBER, MAY = datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)
BASE = "https://owner.example.com"


def order(state: CaseState = CaseState.READY, **changes: Any) -> Order:
    values: Json = {
        "bap_id": "portal.example.com",
        "order_id": "order-1",
        "transaction_id": "tx-1",
        "provider_id": PROVIDER,
        "program_id": FLEX,
        "fulfillment_id": "fulfillment-1",
        "subject_did": RAJESH,
        "case_state": state,
        "meters": (MeterLine("umid-001", is_proven=True),),
    }
    return Order(**{**values, **changes})


def issued(uuid: str = "11111111-1111-4111-8111-111111111111", **changes: Any) -> IssuedLine:
    values: Json = {
        "credential_id": uuid,
        "url": f"{BASE}/credentials/{uuid}",
        "access_url": f"{BASE}/credentials/{uuid}?t=token",
        "offer_url": f"{BASE}/credentials/{uuid}/offer?t=token",
        "verification_url": f"{BASE}/verify/{uuid}",
        "jwt_ref": uuid,
        "issued_at": NOON,
        "status_list_url": f"{BASE}/status/enrollment-list",
        "status_list_index": "12345",
    }
    return IssuedLine(**{**values, **changes})


def consent(state: str = "GRANTED", **changes: Any) -> ConsentLine:
    credential = issued("22222222-2222-4222-8222-222222222222", status_list_url=f"{BASE}/status/consent-list")
    return ConsentLine("consent-1", "DATA_COLLECTION", state, NOON, credential, **changes)


def enrolled(state: EnrollmentState = EnrollmentState.ACTIVE, **changes: Any) -> EnrollmentLine:
    values: Json = {
        "enrollment_id": "enrollment-1",
        "order_number": "ENR-2026-000001",
        "state": state,
        "starts_at": NOVEMBER,
        "ends_at": NOVEMBER + timedelta(days=365),
        "end_as_given": "2027-10-31T23:59:59Z",
        "enrolled_at": NOON,
        "log_reference": "log-1",
        "credential": issued(),
        "consents": (consent(),),
    }
    return EnrollmentLine(**{**values, **changes})


def enrolled_order(state: EnrollmentState = EnrollmentState.ACTIVE, **changes: Any) -> Order:
    is_over = state in (EnrollmentState.CANCELLED, EnrollmentState.EXPIRED)
    lines = (MeterLine("umid-001", True, MeterState.CANCELLED if is_over else MeterState.ENROLLED),)
    return order(CaseState.CONFIRMED, meters=lines, enrollment=enrolled(state, **changes))


def refused(code: Code = Code.METER_NOT_FOUND, stage: Stage = Stage.RULES, **changes: Any) -> Refused:
    refusal = changes.pop("refusal", Refusal(code, "A sentence.", field="meters", details={"meter_id": "umid-001"}))
    return Refused(refusal, changes.pop("order", order(CaseState.REJECTED)), NOON, stage, **changes)


CREDENTIALS = (
    CredentialLine("vc-1", "MeterOwnershipCredential", True, "", NOON),
    CredentialLine("vc-2", "ProgramEligibilityCredential", True, "", NOON),
)
REQUIREMENTS = Requirements(
    criteria=({"kind": "UTILITY", "parameters": {"anyOf": [UTILITY_A]}, "text": "A meter of A"},),
    credentials=({"type": "MeterOwnershipCredential", "description": "", "status": "PROVIDED"},),
    consents=({"type": "DATA_COLLECTION", "description": "", "outlivesEnrollment": True},),
    documents=({"documentId": "d-1", "kind": "PHOTO", "formats": ["image/png"], "maxBytes": 1000},),
)
CONFLICT = Conflict(Rule.R1, "umid-001", "METER", "Meter umid-001 is already enrolled", "enrollment-0", "p-0", MAY)
PREPARED = Prepared(order(), NOON, CREDENTIALS, requirements=REQUIREMENTS, warnings=("vc-2 says MAYBE",))
ENTRY = CatalogEntry(FLEX, PROVIDER, "DEMAND_FLEX", "Flex", "Short.", "Long.", ("CONSUMER",), (UTILITY_A,), NOON, None, REQUIREMENTS)  # fmt: skip  # noqa: E501


def ended(**changes: Any) -> Ended:
    gone = consent("REVOKED", revoked_at=NOON)
    line = {"cancelled_at": NOON, "credential": issued(is_revoked=True), "consents": (gone,), **changes}
    return Ended(enrolled_order(EnrollmentState.CANCELLED, **line), (gone,), NOON, "log-2")
