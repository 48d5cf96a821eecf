"""Personas 3 and 6 from outside: devices, their certificates, files in place of them, over Beckn and HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bap import eventually, http
from tests.customers import Block
from tests.journeys import P2P, Journey, Person, fulfillment_state
from tests.stack import Stack

pytestmark = pytest.mark.processes

EV_SMART = ("vpp-program-ev-001", "program-ev-smart-001")
CSOLAR = ("vpp-program-csolar-001", "program-csolar-001")
CUSTOMERS = Block.DEVICES.customers()
PDF = b"%PDF-1.7\n" + b"certificate " * 200_000  # 2.4 MB: more than a message may have


def somebody(*, car: bool = False, solar: bool = False) -> Person:
    """A customer whom no other test knows, with a 7.4 kW car or a 10 kW solar plant."""
    name = next(CUSTOMERS)
    ders = []
    if car:
        ders.append(device(f"der-ev-{name}", "EV", 7.4))
    if solar:
        ders.append(device(f"der-solar-{name}", "SOLAR_PV", 10.0))
    return Person(f"did:example:{name}", name, customer_id=f"CUST-{name}", ders=ders)


def device(der_id: str, kind: str, kw: float) -> dict[str, Any]:
    return {"beckn:id": der_id, "beckn:type": kind, "beckn:capacity": {"value": kw, "unit": "kW"}}


def ownership(journey: Journey) -> list[dict[str, Any]]:
    asked = {"subject": journey.person.did, "meterId": journey.person.umid}
    return [journey.credential("meter-ownership", asked)]


def certificate(journey: Journey) -> dict[str, Any]:
    asked = {"subject": journey.person.did, "derId": journey.person.ders[0]["beckn:id"]}
    return journey.credential("der-certification", asked)


def attributes(order: dict[str, Any]) -> dict[str, Any]:
    return dict(order["beckn:orderAttributes"])


def granted(prepared: dict[str, Any], *types: str) -> list[dict[str, Any]]:
    """The consents of on_init of these types, with the digest of the text that was shown."""
    return [
        {
            "type": each["type"],
            "granted": True,
            "textVersion": each["textVersion"],
            "textDigest": each["texts"][0]["digest"],
            "locale": each["texts"][0]["locale"],
        }
        for each in attributes(prepared)["requiredConsents"]
        if each["type"] in types
    ]


# --- persona 3 -------------------------------------------------------------------------------------------------------


def test_p3_3_declining_control_is_consent_required_and_the_case_goes_on(stack: Stack) -> None:
    journey = Journey(stack, somebody(car=True), EV_SMART)
    prepared = journey.ask(journey.init(credentials=ownership(journey)))
    assert fulfillment_state(prepared) == "PENDING_CONFIRM", prepared

    refused = journey.ask(journey.confirm({"consents": granted(prepared, "DATA_COLLECTION")}))
    assert refused["error"]["code"] == "CONSENT_REQUIRED"
    assert refused["error"]["details"] == {"missing": ["DER_CONTROL"]} and refused["beckn:status"] == "PENDING"

    both = granted(prepared, "DATA_COLLECTION", "DER_CONTROL")
    confirmed = journey.ask(journey.confirm({"consents": both}))
    assert confirmed["beckn:status"] == "CONFIRMED", confirmed


def test_p3_4_a_car_under_two_apps_is_enrolled_once_and_beside_a_tariff_gladly(stack: Stack, second_bap: Any) -> None:
    person = somebody(car=True)
    first = Journey(stack, person, EV_SMART)
    prepared = first.ask(first.init(credentials=ownership(first)))
    first.ask(first.confirm({"consents": granted(prepared, "DATA_COLLECTION", "DER_CONTROL")}))

    again = Journey(stack, person, EV_SMART, second_bap)
    refused = again.ask(again.init(credentials=ownership(again)))
    assert refused["error"]["code"] == "ENROLLMENT_CONFLICT"
    kinds = {c["conflictType"] for c in attributes(refused)["conflictCheck"]["conflictingEnrollments"]}
    assert "DER_ALREADY_ENROLLED" in kinds, kinds

    tariff = Journey(stack, person, CSOLAR, second_bap)
    assert fulfillment_state(tariff.ask(tariff.init(credentials=ownership(tariff)))) == "PENDING_CONFIRM"


def test_p3_5_a_consent_to_other_words_than_ours_is_refused(stack: Stack) -> None:
    journey = Journey(stack, somebody(car=True), EV_SMART)
    prepared = journey.ask(journey.init(credentials=ownership(journey)))
    altered = granted(prepared, "DATA_COLLECTION", "DER_CONTROL")
    altered[1]["textDigest"] = "sha256:" + "0" * 64

    refused = journey.ask(journey.confirm({"consents": altered}))

    assert refused["error"]["code"] == "CONSENT_REQUIRED" and refused["beckn:status"] == "PENDING"
    assert stack.sql(
        "SELECT count(*) FROM program_enrollments e JOIN subjects s ON s.id = e.subject_id WHERE s.did = %s",
        journey.person.did,
    ) == [(0,)]


def test_a_car_that_neither_register_nor_maker_knows_as_theirs_is_not_controlled(stack: Stack) -> None:
    unknown = somebody()
    person = Person(unknown.did, unknown.umid, ders=[device("der-ev-private", "EV", 7.4)])
    journey = Journey(stack, person, EV_SMART)

    refused = journey.ask(journey.init(credentials=ownership(journey)))

    assert refused["error"]["code"] == "NOT_ELIGIBLE"
    assert refused["error"]["details"]["failed"][0]["criterion"] == "DER_SOURCE"


def test_a_maker_that_is_down_refuses_nobody_and_what_it_told_is_kept_with_the_device(stack: Stack) -> None:
    journey = Journey(stack, somebody(car=True), EV_SMART)
    maker(stack, "down")
    try:
        waiting = journey.ask(journey.init(credentials=ownership(journey)))
    finally:
        maker(stack, "none")
    assert fulfillment_state(waiting) == "WAITING_FOR_UTILITY" and "error" not in waiting

    assert fulfillment_state(journey.ask(journey.init(credentials=ownership(journey)))) == "PENDING_CONFIRM"
    source = "SELECT l.source FROM der_subject_links l JOIN ders d ON d.id = l.der_id WHERE d.der_id = %s"
    assert stack.sql(source, journey.person.ders[0]["beckn:id"]) == [("MAKER",)]


def maker(stack: Stack, mode: str) -> None:
    raw = json.dumps({"mode": mode}).encode()
    assert http("POST", f"{stack.utility_url()}/maker/faults", raw).status == 200


# --- persona 6 -------------------------------------------------------------------------------------------------------


def test_p6_1_a_device_without_a_certificate_is_named_and_the_others_are_taken(stack: Stack) -> None:
    person = somebody(solar=True)
    battery = {"beckn:id": "der-battery-001", "beckn:type": "BATTERY_STORAGE"}
    with_battery = Person(person.did, person.umid, ders=[*person.ders, battery])
    journey = Journey(stack, with_battery, P2P)
    shown = [*ownership(journey), eligibility(journey), certificate(journey)]

    refused = journey.ask(journey.init(credentials=shown))

    assert refused["error"]["code"] == "DER_NOT_CERTIFIED"
    assert refused["error"]["details"]["derId"] == "der-battery-001"
    assert refused["error"]["details"]["reason"] == "MISSING"

    without = Journey(stack, person, P2P)
    taken = without.ask(without.init())
    assert fulfillment_state(taken) == "PENDING_CONFIRM"
    ders = taken["beckn:fulfillments"][0]["beckn:instrument"]["ders"]
    assert [d["beckn:id"] for d in ders] == [person.ders[0]["beckn:id"]]


def eligibility(journey: Journey) -> dict[str, Any]:
    return journey.credential("program-eligibility", {"subject": journey.person.did, "programId": journey.program[1]})


def test_p6_4_a_file_is_uploaded_reviewed_by_two_and_the_bap_is_told(stack: Stack) -> None:
    journey = Journey(stack, somebody(solar=True), P2P)
    shown = [*ownership(journey), eligibility(journey)]
    refused = journey.ask(journey.init(credentials=shown))
    assert refused["error"]["details"]["reason"] == "MISSING"
    (asked,) = attributes(refused)["documents"]
    assert asked["uploadUrl"].startswith(f"{stack.base}/documents/") and asked["status"] == "ASKED"

    sent = http("POST", asked["uploadUrl"], PDF, {"Content-Type": "application/octet-stream"})
    assert sent.status == 201 and sent.body["scan"] == "NONE_CONFIGURED", sent.raw
    named = {"documents": [{"documentId": asked["documentId"]}]}
    waiting = journey.ask(journey.init(credentials=shown, attributes=named))
    assert fulfillment_state(waiting) == "UNDER_REVIEW" and waiting["beckn:status"] == "PENDING"
    assert "typical time 2 working days" in attributes(waiting)["nextSteps"][0]["message"]

    stack.manage_all(
        ["documents", "approve", asked["documentId"], "--reviewer", "staff:asha", "--capacity-kw", "10"],
        ["documents", "approve", asked["documentId"], "--reviewer", "staff:ravi"],
    )
    told = journey.bap.wait_for("on_status", transaction_id=journey.transaction_id)
    assert fulfillment_state(told.message["order"]) == "PENDING_CONFIRM"
    assert journey.ask(journey.confirm())["beckn:status"] == "CONFIRMED"

    token = asked["uploadUrl"].rpartition("/")[2]
    kept = "SELECT count(*) FROM {} t WHERE t::text LIKE %s"
    for table in ("beckn_outbox", "beckn_inbox", "documents", "audit_logs"):
        assert stack.sql(kept.format(table), f"%{token}%") == [(0,)], table
    assert not any(token in text for text in stack.log_texts().values())


def test_p6_5_a_certificate_revoked_after_the_confirm_suspends_within_one_poll(stack: Stack) -> None:
    journey = Journey(stack, somebody(solar=True), P2P)
    shown = [*ownership(journey), eligibility(journey), certificate(journey)]
    journey.ask(journey.init(credentials=shown))
    confirmed = journey.ask(journey.confirm())
    assert confirmed["beckn:status"] == "CONFIRMED"

    revoke = {"credentialId": shown[2]["credentialId"]}
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    url = f"{stack.utility_url()}/api/v1/credentials/revoke"
    assert http("POST", url, json.dumps(revoke).encode(), headers).status == 200

    def a_day_later() -> bool:
        """Let the worker's own poll be due again: the issuer's list in its hands may still be that of the confirm."""
        stack.sql(
            "UPDATE relied_certificates SET checked_at = checked_at - interval '1 day' WHERE credential_id = %s",
            shown[2]["credentialId"],
        )
        told = (c for c in journey.bap.callbacks if c.action == "on_status")
        return any(c.context["transaction_id"] == journey.transaction_id for c in told)

    eventually(a_day_later, pause=1.0)
    told = journey.bap.wait_for("on_status", transaction_id=journey.transaction_id).message["order"]
    assert attributes(told)["status"] == "SUSPENDED"
    assert attributes(told)["credential"]["status"] == "SUSPENDED"
    assert "was revoked" in attributes(told)["message"]

    def resume(shown: list[dict[str, Any]]) -> dict[str, Any]:
        content = {"updateType": "RESUME", "credentials": shown}
        return journey.ask(journey.message("update", {"beckn:orderAttributes": content}))

    refused = resume([shown[2]])
    assert (refused["error"]["code"], refused["error"]["details"]["reason"]) == ("DER_NOT_CERTIFIED", "REVOKED")
    resumed = resume([certificate(journey)])
    assert attributes(resumed)["status"] == "ACTIVE" and attributes(resumed)["credential"]["status"] == "VALID"
