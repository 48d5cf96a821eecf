"""Several meters in one order, over HTTP and real processes: partial results, joining, leaving, changing one's mind."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.journeys import FLEX, Journey, Json, Person, _attributes
from tests.stack import Stack
from tests.test_confirm_path import bit, verified
from tests.test_persona_1 import text

pytestmark = pytest.mark.processes

DEVI = Person("did:example:devi-textiles", "umid-102", customer_id="CUST-101000")
NOBODYS = "umid-does-not-exist"


class Basket(Journey):
    """Devi Textiles' order for several meters."""

    def init_with(self, umids: Sequence[str], batch_id: str) -> Json:
        message = self.init(credentials=[*self.owns(*umids), self.eligible()])
        order = message["message"]["order"]
        order["beckn:fulfillments"][0]["beckn:instrument"]["meters"] = [_meter(umid) for umid in [*umids, NOBODYS]]
        order |= _attributes({"additionalAttributes": {"batchId": batch_id}})
        return message

    def owns(self, *umids: str) -> list[Json]:
        return [self.credential("meter-ownership", {"subject": DEVI.did, "meterId": umid}) for umid in umids]

    def eligible(self) -> Json:
        return self.credential("program-eligibility", {"subject": DEVI.did, "programId": self.program[1]})

    def update(self, kind: str, **more: Any) -> Json:
        return dict(self.ask(self.message("update", _attributes({"updateType": kind, **more}))))


def _meter(umid: str) -> Json:
    return {"beckn:id": umid, "beckn:utilityId": DEVI.utility_id}


def told(order: Json) -> Json:
    return dict(order["beckn:orderAttributes"])


def meters(order: Json) -> dict[str, str]:
    """Each meter of the order with its state."""
    listed = order["beckn:fulfillments"][0]["beckn:instrument"]["meters"]
    return {each["beckn:id"]: each["beckn:enrollmentStatus"] for each in listed}


def test_p2_5_meters_that_fail_fail_alone_and_others_join_and_leave_later(stack: Stack) -> None:
    journey, batch = Basket(stack, DEVI, FLEX), f"batch-{uuid.uuid4()}"
    prepared = journey.ask(journey.init_with(["umid-101", "umid-102"], batch))
    assert told(prepared)["additionalAttributes"]["batchId"] == batch
    (rejected,) = told(prepared)["rejectedMeters"]
    assert (rejected["meterId"], rejected["code"]) == (NOBODYS, "METER_NOT_FOUND")
    try:
        confirmed = journey.ask(journey.confirm(meters=["umid-101", "umid-102", NOBODYS]))
        assert confirmed["beckn:status"] == "CONFIRMED" and told(confirmed)["additionalAttributes"]["batchId"] == batch
        assert meters(confirmed) == {"umid-101": "ENROLLED", "umid-102": "ENROLLED", NOBODYS: "REJECTED"}
        first = told(confirmed)["credential"]
        assert _named(stack, first) == ["umid-101", "umid-102"]

        # A meter joins (R-P2.5): another credential in place of the first, which is revoked before anybody is told.
        grown = journey.update("ADD_METER", meters=["umid-103", NOBODYS], credentials=journey.owns("umid-103"))
        assert meters(grown) == {**dict.fromkeys(["umid-101", "umid-102", "umid-103"], "ENROLLED"), NOBODYS: "REJECTED"}
        second = told(grown)["credential"]
        assert second["supersedes"] == first["credentialId"] and len(_named(stack, second)) == 3
        assert (_is_revoked(stack, first), _is_revoked(stack, second)) == (True, False)
        assert told(grown)["meterUpdate"]["added"] == [{"meterId": "umid-103"}]

        # P7-5: one leaves again.
        shrunk = journey.update("REMOVE_METER", meters=[{"meterId": "umid-101"}])
        assert meters(shrunk) == {"umid-102": "ENROLLED", "umid-103": "ENROLLED"}
        third = told(shrunk)["credential"]
        assert _named(stack, third) == ["umid-102", "umid-103"]
        assert (_is_revoked(stack, second), _is_revoked(stack, third)) == (True, False)
        (consent,) = told(shrunk)["consents"]
        assert verified(stack, consent["credentialData"])["vc"]["credentialSubject"]["meters"] == [
            "umid-102",
            "umid-103",
        ]

        stands = journey.ask(journey.status())
        assert [each["act"] for each in told(stands)["history"]][-2:] == ["METERS_CHANGED", "METERS_CHANGED"]
        assert {each["name"] for each in told(stands)["history"]} == {stack.bap.subscriber_id}
        assert told(stands)["credential"]["supersedes"] == second["credentialId"]
    finally:
        ended = journey.update("REMOVE_METER", meters=["umid-101", "umid-102", "umid-103"])
    assert (ended["beckn:status"], told(ended)["updateType"]) == ("CANCELLED", "UNENROLLMENT")


def test_a_planned_end_and_a_planned_withdrawal_are_taken_back_while_there_is_time(stack: Stack) -> None:
    journey = Basket(stack, DEVI, FLEX)
    later = text(datetime.now(UTC) + timedelta(days=3))
    journey.ask(journey.init_with(["umid-102"], "batch-1"))
    confirmed = told(journey.ask(journey.confirm(meters=["umid-102"])))
    try:
        planned = told(journey.ask(journey.unenroll(confirmed["enrollmentId"], effectiveDate=later)))["unenrollment"]
        assert (planned["status"], planned["effectiveDate"]) == ("PENDING", later)
        assert planned["enrollmentCredentialStatus"]["revoked"] is False
        assert told(journey.ask(journey.status()))["unenrollment"]["status"] == "PENDING"
        stays = told(journey.ask(journey.unenroll(confirmed["enrollmentId"], withdraw=True)))
        assert (stays["status"], stays["unenrollment"]["status"]) == ("ACTIVE", "WITHDRAWN")

        (consent,) = confirmed["consents"]
        withdrawal = journey.ask(journey.revoke_consent(consent["consentCredentialId"], effectiveDate=later))
        assert told(withdrawal)["consentRevocation"]["status"] == "PENDING"
        kept = told(journey.update("CONSENT_GRANT", consents=[{"type": consent["type"], "granted": True}]))
        (again,) = kept["consents"]
        assert (again["status"], again["consentCredentialId"]) == ("GRANTED", consent["consentCredentialId"])

        # Withdrawn at once, it is given again as a new consent with a credential of its own (decision 35).
        journey.ask(journey.revoke_consent(consent["consentCredentialId"]))
        (fresh,) = told(journey.update("CONSENT_GRANT", consents=[{"type": consent["type"], "granted": True}]))[
            "consents"
        ]
        assert fresh["consentCredentialId"] != consent["consentCredentialId"]
        acts = [each["act"] for each in told(journey.ask(journey.status()))["history"]]
        assert acts[-6:] == [
            *("END_PLANNED", "END_TAKEN_BACK", "CONSENT_WITHDRAWN"),
            *("CONSENT_GIVEN", "CONSENT_WITHDRAWN", "CONSENT_GIVEN"),
        ]
    finally:
        journey.ask(journey.unenroll(confirmed["enrollmentId"]))


def _named(stack: Stack, credential: Json) -> list[str]:
    return list(verified(stack, credential["credentialData"])["vc"]["credentialSubject"]["meters"])


def _is_revoked(stack: Stack, credential: Json) -> bool:
    return bit(stack, credential["statusListUrl"], credential["statusListIndex"]) == 1
