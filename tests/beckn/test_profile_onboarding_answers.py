"""Profile A, outwards: each result as the guide writes it (decisions 42, 52, wire 4 and 7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from beckn.profiles.onboarding import error, write
from enrollment.codes import Code, Refusal
from enrollment.facts import MissingCredential
from enrollment.results import (
    Catalog,
    Confirmed,
    ConsentWithdrawn,
    DerLine,
    Ended,
    MeterLine,
    MeterState,
    Selected,
    Snapshot,
    Stage,
    Waiting,
    Withdrawn,
)
from enrollment.states import CaseState, EnrollmentState
from tests.beckn.results import (
    BASE,
    CONFLICT,
    CREDENTIALS,
    ENTRY,
    MAY,
    PREPARED,
    Json,
    consent,
    ended,
    enrolled,
    enrolled_order,
    issued,
    order,
    refused,
)
from tests.factories import FLEX, NOON, PROVIDER, UTILITY_A


def attributes(body: Json) -> Json:
    return body["order"]["beckn:orderAttributes"]  # type: ignore[no-any-return]


def state(body: Json) -> tuple[str | None, str | None]:
    """(order status, fulfilment state)."""
    told = body["order"]
    (fulfillment,) = told.get("beckn:fulfillments", [{}])
    descriptor = fulfillment.get("beckn:state", {}).get("beckn:descriptor", {})
    return told.get("beckn:status"), descriptor.get("schema:name")


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_type_a_spelling_a_path_and_camel_case_details(code: Code) -> None:
    told = error(Refusal(code, "A sentence.", field="credentials[3]", details={"some_key": [{"inner_key": NOON}]}))

    assert set(told) == {"type", "code", "message", "path", "details"}
    assert told["type"] in ("ENROLLMENT_ERROR", "CREDENTIAL_ERROR", "AUTH_ERROR", "SYSTEM_ERROR")
    assert told["path"] == "message.order.fulfillments[0].fulfillmentAttributes.credentials[3]"
    assert told["details"] == {"someKey": [{"innerKey": "2026-10-15T12:00:00Z"}]}


def test_codes_are_spelled_as_the_guide_spells_them() -> None:
    spelled = {code: error(Refusal(code, ""))["code"] for code in Code}

    assert spelled[Code.NO_METER] == "NO_METER_SPECIFIED"
    assert spelled[Code.CAPACITY_FULL] == "PROGRAM_CAPACITY_FULL"
    assert spelled[Code.DUPLICATE] == "DUPLICATE_ENROLLMENT"
    assert all("BIZ_" not in s and "SEC_" not in s for s in spelled.values())


def test_an_error_without_details_has_none_and_an_unknown_place_is_the_order() -> None:
    assert error(Refusal(Code.ORDER_NOT_FOUND, "No.", field="nowhere")) == {
        "type": "ENROLLMENT_ERROR",
        "code": "ORDER_NOT_FOUND",
        "message": "No.",
        "path": "message.order",
    }


def test_paths_carry_no_prefix_and_conflicts_point_at_their_block() -> None:
    path = error(Refusal(Code.ENROLLMENT_CONFLICT, "", field="conflicts"))["path"]

    assert path == "message.order.orderAttributes.conflictCheck"
    assert "beckn:" not in str([error(Refusal(Code.INTERNAL, "", field=f)) for f in ("meters", "dates", "program")])


def test_an_instant_in_the_utility_s_zone_is_written_in_utc() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    details = {"conflict_end_date": datetime(2027, 5, 1, 5, 30, tzinfo=kolkata)}

    assert error(Refusal(Code.ENROLLMENT_CONFLICT, "", details=details))["details"] == {
        "conflictEndDate": "2027-05-01T00:00:00Z"
    }


# --- on_init ---------------------------------------------------------------------------------------------------------


def test_a_ready_application_is_pending_confirm_with_its_proofs() -> None:
    body = write("on_init", PREPARED)

    assert state(body) == ("PENDING", "PENDING_CONFIRM")
    told = attributes(body)
    assert told["credentialVerification"]["status"] == "VERIFIED"
    assert [c["credentialId"] for c in told["credentialVerification"]["verifiedCredentials"]] == ["vc-1", "vc-2"]
    assert told["conflictCheck"] == {
        "hasConflict": False,
        "checkedAt": "2026-10-15T12:00:00Z",
        "message": "No conflicts found with existing enrollments",
    }
    (fulfillment,) = body["order"]["beckn:fulfillments"]
    assert fulfillment["beckn:instrument"]["meters"] == [{"beckn:id": "umid-001", "beckn:credentialVerified": True}]
    assert told["nextSteps"][0]["action"] == "CONFIRM" and told["warnings"] == ["vc-2 says MAYBE"]
    assert "outlivesEnrollment" not in str(told["requiredConsents"]) and told["requiredConsents"][0]["required"]


def test_what_is_missing_is_asked_for_step_by_step() -> None:
    missing = (MissingCredential("MeterOwnershipCredential", "umid-001"), MissingCredential("X"))
    body = write("on_init", replace(PREPARED, order=order(CaseState.NEEDS_INPUT), missing=missing))

    assert state(body) == ("PENDING", "NEEDS_INPUT")
    first, second = attributes(body)["nextSteps"]
    assert (first["action"], first["credentialType"], first["meterId"]) == (
        "PRESENT_CREDENTIAL",
        "MeterOwnershipCredential",
        "umid-001",
    )
    assert "meterId" not in second


def test_where_nobody_looked_for_conflicts_nothing_is_said_of_them() -> None:
    unchecked = replace(PREPARED, order=order(CaseState.NEEDS_INPUT), are_conflicts_checked=False)

    assert "conflictCheck" in attributes(write("on_init", PREPARED))
    assert "conflictCheck" not in attributes(write("on_init", unchecked))


def test_a_rejected_meter_among_several_is_named_with_its_code() -> None:
    no = Refusal(Code.METER_NOT_FOUND, "Not found.", field="meters")
    lines = (MeterLine("umid-001", True), MeterLine("umid-002", False, MeterState.REJECTED, no))

    body = write("on_init", replace(PREPARED, order=order(meters=lines)))

    assert attributes(body)["rejectedMeters"] == [
        {"meterId": "umid-002", "code": "METER_NOT_FOUND", "message": "Not found."}
    ]
    meters = body["order"]["beckn:fulfillments"][0]["beckn:instrument"]["meters"]
    assert [m.get("beckn:enrollmentStatus") for m in meters] == [None, "REJECTED"]


def test_devices_are_told_with_their_types() -> None:
    body = write("on_init", replace(PREPARED, order=order(ders=(DerLine("d-1", "EV"), DerLine("d-2", "")))))

    ders = body["order"]["beckn:fulfillments"][0]["beckn:instrument"]["ders"]
    assert ders == [{"beckn:id": "d-1", "beckn:type": "EV"}, {"beckn:id": "d-2"}]


def test_waiting_for_a_utility_is_pending_without_an_error() -> None:
    body = write("on_init", Waiting(order(CaseState.SUBMITTED), NOON, UTILITY_A))

    assert state(body) == ("PENDING", "WAITING_FOR_UTILITY") and "error" not in body["order"]
    assert attributes(body)["nextSteps"][0]["utilityId"] == UTILITY_A


def test_a_refusal_shows_as_much_as_was_checked_before_it() -> None:
    door = write("on_init", refused(stage=Stage.DOOR))["order"]
    proofs = write("on_init", refused(stage=Stage.PROOFS, credentials=CREDENTIALS))["order"]
    rules = write("on_init", refused(stage=Stage.RULES, credentials=CREDENTIALS))
    conflicts = write("on_init", refused(stage=Stage.CONFLICTS, credentials=CREDENTIALS, conflicts=(CONFLICT,)))

    for bare in (door, proofs):
        assert set(bare) == {"@context", "@type", "beckn:id", "beckn:status", "error"}
        assert bare["beckn:status"] == "REJECTED"
    assert state(rules) == state(conflicts) == ("REJECTED", "REJECTED")
    assert attributes(rules)["credentialVerification"] == {"status": "VERIFIED"}
    assert "conflictCheck" not in attributes(rules)
    assert attributes(conflicts)["conflictCheck"]["conflictingEnrollments"] == [
        {
            "enrollmentId": "enrollment-0",
            "programId": "p-0",
            "conflictReason": "Meter umid-001 is already enrolled",
            "conflictType": "METER_ALREADY_ENROLLED",
        }
    ]


def test_of_somebody_else_s_conflict_only_reason_and_type_are_told() -> None:
    anonymous = replace(CONFLICT, enrollment_id="", program_id="")
    body = write("on_init", refused(stage=Stage.CONFLICTS, conflicts=(anonymous,)))

    (told,) = attributes(body)["conflictCheck"]["conflictingEnrollments"]
    assert set(told) == {"conflictReason", "conflictType"}


def test_a_duplicate_names_the_enrolment_in_its_details_only() -> None:
    refusal = Refusal(Code.DUPLICATE, "Already.", field="order", details={"enrollment_id": "enrollment-1"})
    told = write("on_init", refused(refusal=refusal, order=enrolled_order(), stage=Stage.DOOR))["order"]

    assert told["error"]["code"] == "DUPLICATE_ENROLLMENT"
    assert told["error"]["details"] == {"enrollmentId": "enrollment-1"}
    assert "beckn:orderAttributes" not in told


# --- on_confirm ------------------------------------------------------------------------------------------------------


def test_a_confirmed_order_carries_number_dates_credential_and_consents() -> None:
    body = write("on_confirm", Confirmed(enrolled_order(), NOON))

    assert state(body) == ("CONFIRMED", "ENROLLED") and body["order"]["beckn:orderNumber"] == "ENR-2026-000001"
    told = attributes(body)
    assert (told["status"], told["startDate"], told["endDate"]) == (
        "ACTIVE",
        "2026-11-01T00:00:00Z",
        "2027-10-31T23:59:59Z",
    )
    credential = told["credential"]
    assert credential["credentialUrl"].endswith("?t=token")
    assert credential["credentialData"] == "sealed:credential:11111111-1111-4111-8111-111111111111"
    (consent_told,) = told["consents"]
    assert consent_told["granted"] is True and consent_told["credentialData"].startswith("sealed:credential:2222")
    assert (told["loggedAt"], told["logReference"]) == ("2026-10-15T12:00:00Z", "log-1")


@pytest.mark.parametrize(
    ("inside", "status", "order_status"),
    [
        (EnrollmentState.SCHEDULED, "ACTIVE", "CONFIRMED"),
        (EnrollmentState.ACTIVE, "ACTIVE", "CONFIRMED"),
        (EnrollmentState.SUSPENDED, "SUSPENDED", "CONFIRMED"),
        (EnrollmentState.CANCELLED, "CANCELLED", "CANCELLED"),
        (EnrollmentState.EXPIRED, "CANCELLED", "CANCELLED"),
    ],
)
def test_states_are_told_in_the_wire_s_four_words(inside: EnrollmentState, status: str, order_status: str) -> None:
    confirmed = write("on_confirm", Confirmed(enrolled_order(inside), NOON))
    snapshot = write("on_status", Snapshot(enrolled_order(inside), NOON))

    assert attributes(confirmed)["status"] == attributes(snapshot)["status"] == status
    assert state(confirmed)[0] == order_status
    assert state(snapshot)[0] == ("CANCELLED" if order_status == "CANCELLED" else "ACTIVE")


def test_an_open_ended_enrolment_has_no_end_date() -> None:
    told = attributes(write("on_confirm", Confirmed(enrolled_order(ends_at=None, end_as_given=""), NOON)))

    assert "endDate" not in told


def test_a_refused_confirm_leaves_the_order_pending_with_an_error() -> None:
    body = write("on_confirm", refused(Code.DATES_INVALID, order=order(CaseState.READY)))

    assert state(body) == ("PENDING", "PENDING_CONFIRM") and body["order"]["error"]["code"] == "DATES_INVALID"


# --- on_update, on_cancel, on_status ---------------------------------------------------------------------------------


def test_a_withdrawn_consent_is_told_with_its_list_and_place() -> None:
    gone = consent("REVOKED", revoked_at=NOON)
    told = attributes(write("on_update", ConsentWithdrawn(enrolled_order(), gone, NOON)))

    revocation = told["consentRevocation"]
    assert told["updateType"] == "CONSENT_REVOCATION" and revocation["status"] == "REVOKED"
    assert (revocation["statusListUrl"], revocation["statusListIndex"]) == (f"{BASE}/status/consent-list", "12345")
    assert revocation["revokedAt"] == "2026-10-15T12:00:00Z" and "effectiveDate" not in revocation


def test_a_planned_withdrawal_is_pending_until_its_date() -> None:
    later = consent(revoke_scheduled_for=MAY)
    told = attributes(write("on_update", ConsentWithdrawn(enrolled_order(), later, NOON, is_pending=True)))

    assert told["consentRevocation"]["status"] == "PENDING"
    assert told["consentRevocation"]["effectiveDate"] == "2027-05-01T00:00:00Z"
    assert "revokedAt" not in told["consentRevocation"]


def test_an_unenrolment_is_told_with_both_lists() -> None:
    body = write("on_update", ended())
    told = attributes(body)["unenrollment"]

    assert state(body) == ("CANCELLED", "CANCELLED")
    assert (told["status"], told["cancelledAt"]) == ("CANCELLED", "2026-10-15T12:00:00Z")
    assert told["enrollmentCredentialStatus"]["revoked"] is True
    assert [c["revoked"] for c in told["consentsRevoked"]] == [True]
    assert attributes(body)["logReference"] == "log-2"
    assert write("on_cancel", ended())["order"] == body["order"]


def test_a_consent_that_outlives_is_said_to_stay() -> None:
    told = attributes(write("on_update", ended(consents=(consent(),))))

    assert "stay granted" in told["unenrollment"]["message"]


def test_leaving_what_had_expired_does_not_claim_a_revocation() -> None:
    over = Ended(enrolled_order(EnrollmentState.EXPIRED), (), NOON, "log-2")
    body = write("on_update", over)
    told = attributes(body)["unenrollment"]

    assert state(body)[0] == "CANCELLED" and told["status"] == "CANCELLED"
    assert told["enrollmentCredentialStatus"]["revoked"] is False and told["consentsRevoked"] == []
    assert "nothing was revoked" in told["message"]


def test_an_end_to_come_is_active_pending_and_not_revoked() -> None:
    pending = Ended(enrolled_order(end_scheduled_for=MAY), (), NOON, "log-2", is_pending=True)
    body = write("on_update", pending)
    told = attributes(body)

    assert state(body) == ("ACTIVE", "ENROLLED") and told["status"] == "ACTIVE"
    assert (told["unenrollment"]["status"], told["unenrollment"]["effectiveDate"]) == (
        "PENDING",
        "2027-05-01T00:00:00Z",
    )
    assert told["unenrollment"]["enrollmentCredentialStatus"]["revoked"] is False
    assert told["unenrollment"]["consentsRevoked"] == []


def test_an_end_that_was_taken_back_is_told_as_withdrawn() -> None:
    told = attributes(write("on_update", Ended(enrolled_order(), (), NOON, "log-2", is_pending=True)))

    assert told["unenrollment"]["status"] == "WITHDRAWN" and "effectiveDate" not in told["unenrollment"]


def test_a_withdrawn_application_is_cancelled() -> None:
    body = write("on_cancel", Withdrawn(order(CaseState.WITHDRAWN), NOON, "log-3"))

    assert state(body) == ("CANCELLED", "CANCELLED") and attributes(body)["logReference"] == "log-3"


def test_a_refused_update_says_how_the_enrolment_stands() -> None:
    told = write("on_update", refused(Code.CONSENT_NOT_FOUND, order=enrolled_order()))["order"]

    assert told["beckn:status"] == "ACTIVE" and told["error"]["code"] == "CONSENT_NOT_FOUND"
    assert told["beckn:orderAttributes"]["enrollmentId"] == "enrollment-1"


@pytest.mark.parametrize(
    ("case", "waiting", "expected"),
    [
        (CaseState.SUBMITTED, "", ("PENDING", "UNDER_REVIEW")),
        (CaseState.SUBMITTED, UTILITY_A, ("PENDING", "WAITING_FOR_UTILITY")),
        (CaseState.NEEDS_INPUT, "", ("PENDING", "NEEDS_INPUT")),
        (CaseState.READY, "", ("PENDING", "PENDING_CONFIRM")),
        (CaseState.REJECTED, "", ("REJECTED", "REJECTED")),
        (CaseState.WITHDRAWN, "", ("CANCELLED", "CANCELLED")),
        (CaseState.EXPIRED, "", ("CANCELLED", "CANCELLED")),
    ],
)
def test_status_tells_an_application_s_state(case: CaseState, waiting: str, expected: tuple[str, str]) -> None:
    assert state(write("on_status", Snapshot(order(case, waiting_utility=waiting), NOON))) == expected


def test_status_tells_credential_and_consents_without_their_bytes_or_links() -> None:
    suspended = enrolled(EnrollmentState.SUSPENDED, credential=issued(is_suspended=True), end_scheduled_for=MAY)
    body = write("on_status", Snapshot(order(CaseState.CONFIRMED, enrollment=suspended), NOON))
    told = attributes(body)

    assert (told["credential"]["status"], told["status"]) == ("SUSPENDED", "SUSPENDED")
    assert told["unenrollment"] == {"status": "PENDING", "effectiveDate": "2027-05-01T00:00:00Z"}
    assert "sealed:credential" not in str(body) and "?t=" not in str(body)


def test_expired_is_told_as_cancelled_with_the_word() -> None:
    told = attributes(write("on_status", Snapshot(enrolled_order(EnrollmentState.EXPIRED), NOON, "anything")))

    assert (told["status"], told["message"]) == ("CANCELLED", "expired")


def test_a_utility_that_was_silent_for_a_day_is_told_with_an_error_and_not_rejected() -> None:
    refusal = Refusal(Code.UTILITY_UNAVAILABLE, "Silent.", details={"retry_after": 3600})
    body = write("on_status", Snapshot(order(CaseState.NEEDS_INPUT), NOON, refusal=refusal))

    assert state(body) == ("PENDING", "NEEDS_INPUT")
    assert body["order"]["error"]["type"] == "SYSTEM_ERROR"
    assert body["order"]["error"]["details"] == {"retryAfter": 3600}


# --- on_search, on_select --------------------------------------------------------------------------------------------


def test_a_catalogue_groups_programs_by_their_provider_with_their_terms() -> None:
    other = replace(ENTRY, program_id="program-2", provider_id="provider-2", opens_at=None)
    body = write("on_search", Catalog((ENTRY, other, replace(ENTRY, program_id="program-3"))))

    assert [c["beckn:id"] for c in body["catalogs"]] == [f"catalog-{PROVIDER}", "catalog-provider-2"]
    item = body["catalogs"][0]["beckn:items"][0]
    assert (item["beckn:id"], item["beckn:provider"]) == (FLEX, {"beckn:id": PROVIDER})
    assert item["beckn:validity"] == {"schema:startDate": "2026-10-15T12:00:00Z"}
    terms = item["beckn:itemAttributes"]
    assert terms["@type"] == "EnergyProgram" and terms["kind"] == "DEMAND_FLEX"
    assert terms["enrollmentCriteria"][0]["kind"] == "UTILITY" and terms["requiredCredentials"]
    assert write("on_search", Catalog(())) == {"catalogs": []}


def test_a_selected_program_says_what_to_bring() -> None:
    body = write("on_select", Selected("order-1", ENTRY))
    told = attributes(body)

    assert {"enrollmentCriteria", "documents", "requiredCredentials", "requiredConsents", "nextSteps"} <= set(told)
    assert told["nextSteps"][0]["action"] == "INIT" and body["order"]["beckn:id"] == "order-1"
