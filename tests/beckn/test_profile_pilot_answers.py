"""Profile B, outwards: each result as the pilot writes it, held against the pilot's own schemas where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from beckn.profiles import pilot
from beckn.profiles.pilot_answers import _KNOWN
from enrollment.codes import Code, Refusal
from enrollment.facts import MissingCredential
from enrollment.results import (
    AvailableMeter,
    Catalog,
    CodeSent,
    Confirmed,
    ConsentsGranted,
    ConsentWithdrawn,
    CredentialLine,
    DerLine,
    MeterLine,
    MetersChanged,
    MeterState,
    Order,
    OrderList,
    Refused,
    Result,
    Selected,
    Snapshot,
    Stage,
    TradingLine,
    Waiting,
    Withdrawn,
)
from enrollment.states import CaseState, EnrollmentState
from identity.proofs import Method, Shown
from tests.beckn.results import (
    CONFLICT,
    CREDENTIALS,
    ENTRY,
    MAY,
    PREPARED,
    REQUIREMENTS,
    Json,
    consent,
    ended,
    enrolled,
    enrolled_order,
    issued,
    order,
    refused,
)
from tests.factories import NOON, RAJESH, UTILITY_A
from tests.pilot import ABSENT, FOLDER, Pilot

METERS = (
    AvailableMeter("umid-001", UTILITY_A, "MTR-1", "RESIDENTIAL", 5.0),
    AvailableMeter("umid-002", UTILITY_A, connection_type="UNKNOWN"),
)
SENT = Shown(Method.OTP, expires_at=MAY, message="Sent.", nguid="session-1", utility_customer_id="CUST-1")
SIGNED_IN = Shown(Method.OIDC, is_verified=True, verified_at=NOON, subject="sub-1", issuer="https://idp.example.com")
SUSPENDED = enrolled_order(EnrollmentState.SUSPENDED, credential=issued(is_suspended=True), suspended_at=NOON)
ENDS_LATER = enrolled_order(end_scheduled_for=MAY)
FAILED = CredentialLine("vc-2", "ProgramEligibilityCredential", False, "EXPIRED", NOON)
TRADING = TradingLine("PROSUMER", True, True, "MTR-1", 20.0, 10.0)

GROWN = MetersChanged(
    replace(enrolled_order(credential=issued(supersedes="https://owner.example.com/credentials/1")), batch_id="b-1"),
    NOON,
    "log-3",
    added=("umid-001",),
    superseded=(issued("33333333-3333-4333-8333-333333333333", is_revoked=True),),
    refused=(MeterLine("umid-9", True, MeterState.REJECTED, Refusal(Code.METER_NOT_FOUND, "Not found.")),),
)

ANSWERS: dict[str, tuple[str, Result, Shown | None]] = {
    "catalogue": (
        "on_discover",
        Catalog((ENTRY, replace(ENTRY, program_id="p-2", opens_at=None, closes_at=None))),
        None,
    ),
    "nothing found": ("on_discover", Catalog(()), None),
    "selected": ("on_select", Selected("order-1", ENTRY), None),
    "ready": ("on_init", PREPARED, None),
    "ready, signed in": ("on_init", replace(PREPARED, available_meters=METERS), SIGNED_IN),
    "to choose from": (
        "on_init",
        replace(PREPARED, order=order(CaseState.NEEDS_INPUT, meters=()), available_meters=METERS),
        SIGNED_IN,
    ),
    "missing": ("on_init", replace(PREPARED, missing=(MissingCredential("X", "umid-001"),)), None),
    "with devices": (
        "on_init",
        replace(PREPARED, order=order(ders=(DerLine("der-1", "SOLAR_PV"), DerLine("d", "")))),
        None,
    ),
    "one refused": (
        "on_init",
        replace(
            PREPARED,
            order=order(meters=(MeterLine("u", state=MeterState.REJECTED, refusal=Refusal(Code.NO_METER, "")),)),
        ),
        None,
    ),
    "code sent": (
        "on_init",
        CodeSent(order(CaseState.NEEDS_INPUT, subject_did="", meters=()), NOON, REQUIREMENTS),
        SENT,
    ),
    "waiting": ("on_init", Waiting(order(CaseState.SUBMITTED), NOON, UTILITY_A), None),
    "in conflict": ("on_init", refused(stage=Stage.CONFLICTS, conflicts=(CONFLICT,), credentials=CREDENTIALS), None),
    "refused at the door": (
        "on_init",
        Refused(
            Refusal(Code.PROGRAM_NOT_AVAILABLE, "No.", "program"), Order("b", "o", "t", "p", "x"), NOON, Stage.DOOR
        ),
        None,
    ),
    "no such order": (
        "on_status",
        Refused(Refusal(Code.ORDER_NOT_FOUND, "No.", "order"), Order("b", "order-1", "t", "", ""), NOON, Stage.RULES),
        None,
    ),
    "refused, open": ("on_confirm", refused(Code.DATES_INVALID, order=order(CaseState.READY)), None),
    "no meter": (
        "on_confirm",
        refused(
            refusal=Refusal(Code.NO_METER, "Choose.", "meters", {"available_meters": list(METERS)}),
            order=order(CaseState.READY),
        ),
        SIGNED_IN,
    ),
    "confirmed": ("on_confirm", Confirmed(enrolled_order(), NOON), None),
    "confirmed, traded": ("on_confirm", Confirmed(enrolled_order(), NOON, trading=TRADING), None),
    "confirmed before, ended": ("on_confirm", Confirmed(ended().order, NOON), None),
    "stands": ("on_status", Snapshot(enrolled_order(), NOON), None),
    "all of theirs": ("on_status", OrderList((Snapshot(enrolled_order(), NOON), Snapshot(order(), NOON)), NOON), None),
    "stopped by its customer": ("on_status", Snapshot(order(stopped_at=NOON), NOON), None),
    "stands suspended": ("on_status", Snapshot(SUSPENDED, NOON, with_credentials=True), None),
    "stands, ends later": ("on_status", Snapshot(ENDS_LATER, NOON), None),
    "stands open-ended": ("on_status", Snapshot(enrolled_order(ends_at=None, end_as_given=""), NOON), None),
    "stands expired": ("on_status", Snapshot(enrolled_order(EnrollmentState.EXPIRED), NOON), None),
    "gave up on a utility": (
        "on_status",
        Snapshot(
            order(CaseState.NEEDS_INPUT),
            NOON,
            refusal=Refusal(Code.UTILITY_UNAVAILABLE, "", details={"retry_after": 60}),
        ),
        None,
    ),
    "consent withdrawn": (
        "on_update",
        ConsentWithdrawn(enrolled_order(), consent("REVOKED", revoked_at=NOON), NOON),
        None,
    ),
    "consent to be withdrawn": (
        "on_update",
        ConsentWithdrawn(enrolled_order(), consent(revoke_scheduled_for=MAY), NOON, is_pending=True),
        None,
    ),
    "consent over": ("on_update", ConsentWithdrawn(enrolled_order(), consent("EXPIRED"), NOON), None),
    "consents granted": ("on_update", ConsentsGranted(enrolled_order(), (consent(),), NOON), None),
    "a meter joined": ("on_update", GROWN, None),
    "ended": ("on_update", ended(), None),
    "to end": ("on_update", replace(ended(), order=ENDS_LATER, is_pending=True), None),
    "end taken back": ("on_update", replace(ended(), order=enrolled_order(), is_pending=True, consents=()), None),
    "update refused": ("on_update", refused(Code.NOT_POSSIBLE_NOW, order=enrolled_order()), None),
    "withdrawn": ("on_cancel", Withdrawn(order(CaseState.WITHDRAWN), NOON, "log-1"), None),
}


def body(name: str, *, is_strict: bool = False) -> Json:
    action, result, shown = ANSWERS[name]
    written = pilot.write(action, result, is_strict=is_strict, shown=shown)
    return written if "message" in written else {"message": written}


def told(name: str, *, is_strict: bool = False) -> Json:
    return body(name, is_strict=is_strict)["message"]["order"]  # type: ignore[no-any-return]


def attributes(name: str, *, is_strict: bool = False) -> Json:
    return told(name, is_strict=is_strict)["beckn:orderAttributes"]  # type: ignore[no-any-return]


def state(name: str) -> tuple[str, str | None, str | None]:
    """(order, fulfilment, enrolment)."""
    written = told(name)
    fulfillment = written.get("beckn:fulfillment", {}).get("beckn:fulfillmentStatus")
    return written["beckn:orderStatus"], fulfillment, written.get("beckn:orderAttributes", {}).get("status")


# --- the pilot's schemas ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
@pytest.mark.parametrize("is_strict", [False, True])
def test_p1_12_every_answer_fits_the_pilots_schemas(is_strict: bool) -> None:
    published = Pilot(FOLDER)
    wrong = {name: found for name in ANSWERS if (found := published.problems(body(name, is_strict=is_strict)))}
    assert wrong == {}


@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
def test_p1_12_a_strict_participant_sees_only_keys_that_the_pilot_names() -> None:
    ours = {key for name in ANSWERS if "order" in body(name)["message"] for key in told(name, is_strict=True).get("beckn:orderAttributes", {})}  # fmt: skip  # noqa: E501
    assert ours - Pilot(FOLDER).known_attributes() - {"@context", "@type"} == {"p2pdetails"}
    assert Pilot(FOLDER).known_attributes() - _KNOWN == set()


def test_a_strict_participant_hears_nothing_of_our_extensions() -> None:
    assert {"nextSteps", "enrollmentCriteria", "warnings"} <= set(attributes("ready"))
    assert not {"nextSteps", "enrollmentCriteria", "warnings", "documents"} & set(attributes("ready", is_strict=True))
    assert "requiredConsents" in attributes("ready", is_strict=True)


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("selected", ("CREATED", None, None)),
        ("ready", ("PENDING", "PENDING", None)),
        ("waiting", ("PENDING", "PENDING", None)),
        ("in conflict", ("REJECTED", "PENDING", None)),
        ("refused at the door", ("REJECTED", None, None)),
        ("refused, open", ("FAILED", "PENDING", None)),
        ("no such order", ("FAILED", None, None)),
        ("confirmed", ("CONFIRMED", "CONFIRMED", "ACTIVE")),
        ("stands", ("CONFIRMED", "CONFIRMED", "ACTIVE")),
        ("stands suspended", ("CONFIRMED", "CONFIRMED", "SUSPENDED")),
        ("stands expired", ("CANCELLED", "CANCELLED", "CANCELLED")),
        ("ended", ("CANCELLED", "CANCELLED", "CANCELLED")),
        ("to end", ("CONFIRMED", "CONFIRMED", "ACTIVE")),
        ("update refused", ("CONFIRMED", "CONFIRMED", "ACTIVE")),
        ("withdrawn", ("CANCELLED", "CANCELLED", "CANCELLED")),
    ],
)
def test_states_are_the_pilots(name: str, expected: tuple[str, str | None, str | None]) -> None:
    assert state(name) == expected


# --- who, and what is theirs -----------------------------------------------------------------------------------------


def test_a_code_that_was_sent_is_told_with_its_session_and_nobodys_name() -> None:
    assert attributes("code sent")["userAuth"] == {
        "authMethod": "OTP",
        "nguid": "session-1",
        "message": "Sent.",
        "expiresAt": "2027-05-01T00:00:00Z",
        "utilityCustomerId": "CUST-1",
    }
    assert told("code sent")["beckn:buyer"]["beckn:id"] == "pending-verification"
    assert attributes("code sent")["requiredConsents"]


def test_a_sign_in_is_answered_with_who_it_is_and_their_meters() -> None:
    written = attributes("to choose from")
    assert written["userAuth"]["verified"] is True
    assert {"subject", "issuer"} <= set(written["userAuth"])
    assert written["meters"] == [
        {
            "meterId": "umid-001",
            "meterNumber": "MTR-1",
            "sanctionedLoad": 5.0,
            "connectionType": "residential",
            "utilityId": UTILITY_A,
        },
        {"meterId": "umid-002", "utilityId": UTILITY_A},
    ]
    assert told("to choose from")["beckn:buyer"]["beckn:id"] == RAJESH


def test_a_confirm_without_meters_fails_and_names_those_there_are() -> None:
    written = body("no meter")
    assert written["message"]["order"]["beckn:orderStatus"] == "FAILED"
    assert written["error"]["code"] == "BIZ_NO_METER_SPECIFIED"
    assert [m["meterId"] for m in written["error"]["details"]["availableMeters"]] == ["umid-001", "umid-002"]
    assert written["error"]["details"]["path"] == "message.order.orderAttributes.meters"


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        (Code.METER_NOT_FOUND, "BIZ_METER_NOT_FOUND"),
        (Code.CAPACITY_FULL, "BIZ_CAPACITY_FULL"),
        (Code.DUPLICATE, "BIZ_DUPLICATE"),
        (Code.AUTH_REQUIRED, "SEC_AUTH_REQUIRED"),
        (Code.TOKEN_EXPIRED, "SEC_TOKEN_EXPIRED"),
        (Code.OTP_INVALID, "SEC_OTP_INVALID"),
        (Code.CREDENTIAL_VERIFICATION_FAILED, "SEC_CREDENTIAL_VERIFICATION_FAILED"),
        (Code.SUBJECT_MISMATCH, "BIZ_SUBJECT_MISMATCH"),
        (Code.IDP_UNAVAILABLE, "NET_IDP_UNAVAILABLE"),
        (Code.UTILITY_UNAVAILABLE, "NET_UTILITY_UNAVAILABLE"),
        (Code.INTERNAL, "SYS_INTERNAL"),
    ],
)
def test_a_code_says_first_who_is_wrong(code: Code, spelt: str) -> None:
    assert pilot.error(Refusal(code, ""))["code"] == spelt


def test_an_error_stands_beside_a_complete_order() -> None:
    written = body("no such order")
    assert set(written) == {"message", "error"}
    unknown = written["message"]["order"]
    assert (unknown["beckn:seller"], unknown["beckn:orderItems"]) == ("unknown", [{"beckn:orderedItem": "unknown"}])


def test_the_reason_of_a_credential_is_of_the_closed_set() -> None:
    refusal = Refusal(
        Code.CREDENTIAL_VERIFICATION_FAILED, "", "credentials[0]", {"reason": "Long.", "reason_code": "EXPIRED"}
    )
    assert pilot.error(refusal)["details"] == {
        "path": "message.order.orderAttributes.credentials[0]",
        "reason": "EXPIRED",
    }


def test_some_verified_credentials_are_partial() -> None:
    result = refused(credentials=(CREDENTIALS[0], FAILED))
    written = pilot.write("on_init", result)["message"]["order"]["beckn:orderAttributes"]
    assert written["credentialVerification"]["status"] == "PARTIAL"


# --- what closed objects have no place for ---------------------------------------------------------------------------


def test_what_the_credentials_wrapper_has_no_place_for_stands_beside_it() -> None:
    written = attributes("confirmed")
    assert written["credential"]["credentialUrl"].endswith("?t=token")
    assert written["credential"]["expiresAt"] == "2027-11-01T00:00:00Z"
    assert written["offerUrl"].endswith("/offer?t=token")
    assert written["enrollmentCredentialStatus"] == {
        "statusListUrl": enrolled().credential.status_list_url,
        "statusListIndex": "12345",
        "revoked": False,
    }
    assert attributes("ended")["unenrollment"]["enrollmentCredentialStatus"]["revoked"] is True


def test_a_p2p_member_is_told_to_the_platform_with_loads_as_text() -> None:
    assert attributes("confirmed, traded")["p2pdetails"] == {
        "usertype": "PROSUMER",
        "isp2pactive": True,
        "iscaactive": True,
        "meternumber": "MTR-1",
        "sdload": "20",
        "cuflimit": "10",
    }
    assert "p2pdetails" not in attributes("confirmed")


def test_support_is_the_cores_contact() -> None:
    contact = {
        "name": "Flex",
        "phone": "+91 1",
        "email": "",
        "url": "https://flex.example.com",
        "agency": {"name": "E"},
    }
    written = pilot.support("order-1", contact)["support"]
    assert (written["name"], written["channels"]) == ("Flex", ["PHONE", "WEB"])
    assert not {"refId", "agency", "email"} & set(written)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
def test_support_fits_the_cores_schema() -> None:
    contact: dict[str, Any] = {"name": "Flex", "phone": "+91 1", "email": "a@example.com", "hours": "Mon-Fri"}
    assert Pilot(FOLDER).problems({"message": pilot.support("order-1", contact)}) == []


def test_an_order_whose_meters_changed_is_told_whole_with_the_credential_that_replaces_the_old_one() -> None:
    (told,) = [body("a meter joined")["message"]["order"]["beckn:orderAttributes"]]

    assert told["meterUpdate"]["added"] == [{"meterId": "umid-001"}] and told["meters"] == [{"meterId": "umid-001"}]
    assert told["credential"]["credentialData"].startswith("sealed:credential:")
    assert [each["revoked"] for each in told["supersededCredentials"]] == [True]
    assert told["rejectedMeters"][0]["meterId"] == "umid-9" and told["additionalAttributes"] == {"batchId": "b-1"}
    assert "updateType" not in told, "the pilot's list has no word for it"
