"""The guide's eleven messages go in or come out as decision 41 defines golden, the stack running at their instants.

Requests are the samples themselves with really signed credentials put in; addresses that must be reachable here
(`bap_uri`) and ids that only we can know (our credential's) are put in too. Answers are compared with the samples:
exactly for a participant marked strict, and with our listed extensions for another.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from beckn.profiles.onboarding import A_EXTENSIONS
from sandbox import issuing
from tests.bap import Bap
from tests.beckn_messages.golden import assert_golden, sample
from tests.stack import Stack

pytestmark = pytest.mark.processes

Json = dict[str, Any]

LAST_SUMMER = datetime(2024, 8, 31, 12, 0, tzinfo=UTC)
OCTOBER = datetime(2024, 10, 15, 10, 32, 20, tzinfo=UTC)  # between the init and the confirm of the samples
NOVEMBER = datetime(2024, 11, 20, 14, 30, tzinfo=UTC)
ISSUERS = {
    "MeterOwnershipCredential": "did:example:utility-credential-issuer",
    "ProgramEligibilityCredential": "did:example:program-credential-issuer",
    "DERCertificationCredential": "did:example:utility-credential-issuer",
}


class Guide:
    """The guide's world: its portal, its issuers, and its messages sent to a running stack."""

    def __init__(self, stack: Stack, folder: Path, *, is_strict: bool) -> None:
        self.stack, self.is_strict = stack, is_strict
        self.keys = {issuer: issuing.make_key("RS256") for issuer in sorted(set(ISSUERS.values()))}
        self.portal = self._join("utility-portal.example.com")
        self.agency = self._join("ea-portal.example.com")
        for type_, issuer in ISSUERS.items():
            jwks = folder / "jwks.json"
            jwks.write_text(json.dumps(issuing.jwks([self.keys[issuer]])))
            stack.manage("trust", "add", "--issuer", issuer, "--jwks", str(jwks), "--type", type_)

    def _join(self, subscriber_id: str) -> Bap:
        bap = Bap(subscriber_id, offset=self.stack.clock_offset)
        bap.start()
        self.stack.register(bap, *(["--strict"] if self.is_strict else []))
        return bap

    def move_to(self, instant: datetime) -> None:
        self.stack.move_to(instant)
        self.portal.offset = self.agency.offset = self.stack.clock_offset

    def stop(self) -> None:
        self.portal.stop()
        self.agency.stop()

    def ask(self, name_or_message: str | Json, bap: Bap | None = None, **headers: str) -> Json:
        """Send a sample (or one that was changed) and return the whole callback."""
        message = sample(name_or_message) if isinstance(name_or_message, str) else name_or_message
        bap = bap or self.portal
        message["context"]["bap_uri"] = bap.uri
        self._sign_credentials(message)
        return bap.ask(self.stack.base, message, headers=headers).body

    def _sign_credentials(self, message: Json) -> None:
        """Put really signed bytes where the sample has a placeholder; what they say is what the sample's say."""
        for fulfillment in message["message"]["order"].get("beckn:fulfillments", []):
            subject = fulfillment.get("beckn:customer", {}).get("beckn:id", "")
            order = message["message"]["order"]
            for credential in fulfillment.get("beckn:fulfillmentAttributes", {}).get("credentials", []):
                if credential["credentialData"].endswith((".signature", "...")):
                    credential["credentialData"] = self.signed(credential, subject, order)

    def signed(self, credential: Json, subject: str, order: Json, **wrong: Any) -> str:
        issuer = ISSUERS[credential["type"]]
        claims = _claims(credential, order)
        return issuing.sign_vc(
            self.keys[issuer],
            issuer=issuer,
            subject=subject,
            type=credential["type"],
            claims=claims,
            id=f"urn:uuid:{uuid.uuid4()}",
            now=datetime(2024, 1, 1, tzinfo=UTC),
            **wrong,
        )


def _claims(credential: Json, order: Json) -> Json:
    instrument = order["beckn:fulfillments"][0]["beckn:instrument"]
    if credential["type"] == "MeterOwnershipCredential":
        meter = instrument["meters"][0]
        return {
            "meterId": meter["beckn:id"],
            "utilityId": meter["beckn:utilityId"],
            "ownershipStatus": "OWNER",
            "validFrom": "2024-01-01T00:00:00Z",
            "validUntil": "2025-12-31T23:59:59Z",
        }
    if credential["type"] == "ProgramEligibilityCredential":
        return {
            "programId": order["beckn:items"][0]["beckn:id"],
            "eligibilityStatus": "ELIGIBLE",
            "criteriaMet": ["ACCOUNT_STANDING", "GEOGRAPHIC_ELIGIBILITY", "METER_TYPE"],
        }
    der = next(d for d in instrument["ders"] if d["beckn:id"] == credential["derId"])
    return {"derId": der["beckn:id"], "derType": der["beckn:type"], "capacity": der["beckn:capacity"]}


@pytest.fixture(params=["strict", "with our extensions"])
def guide(request: Any, make_stack: Callable[..., Stack], tmp_path: Path) -> Iterator[Guide]:
    offset = (LAST_SUMMER - datetime.now(UTC)).total_seconds()
    stack = make_stack(clock_offset=offset)
    guide = Guide(stack, tmp_path, is_strict=request.param == "strict")
    yield guide
    guide.stop()


def under(message: Json, order_id: str, *, program_id: str = "") -> Json:
    """The same message for another order (with ids of its own), and for another program where one is named."""
    message = deepcopy(message)
    message["context"]["message_id"] = f"msg-{uuid.uuid4()}"
    message["message"]["order"]["beckn:id"] = order_id
    if program_id:
        message["message"]["order"]["beckn:items"] = [{"beckn:id": program_id}]
        del message["message"]["order"]["beckn:provider"]
    return message


def test_the_guides_eleven_messages_are_golden(guide: Guide):
    """P1-1 the init's answer, P1-2 the conflict, P1-3 the first sample without one, P1-4 the bad signature."""

    def golden(answer: Json, name: str) -> None:
        assert_golden(answer, name, is_strict=guide.is_strict, extensions=A_EXTENSIONS)

    init, confirm = sample("init-request-simple-consumer"), sample("confirm-request")

    # Last summer the same customer joins another program of the group, for the year of the conflict sample.
    other = "program-flex-other-001"
    guide.ask(under(init, "order-existing-001", program_id=other))
    existing = under(confirm, "order-existing-001", program_id=other)
    existing["message"]["order"]["beckn:orderAttributes"] |= {
        "startDate": "2024-09-01T00:00:00Z",
        "endDate": "2025-09-01T00:00:00Z",
    }
    enrolled = guide.ask(existing)["message"]["order"]
    assert enrolled["beckn:status"] == "CONFIRMED", enrolled

    # 15 October: a conflict with it, and a credential that does not hold.
    guide.move_to(OCTOBER)
    conflict = under(init, "order-onboard-conflict-001")
    conflict["context"]["transaction_id"] = "txn-onboard-conflict-001"
    conflict["message"]["order"]["beckn:fulfillments"][0]["beckn:id"] = "fulfillment-onboard-conflict-001"
    golden(guide.ask(conflict), "on-init-response-conflict")

    error = under(init, "order-onboard-error-001")
    error["context"]["transaction_id"] = "txn-onboard-error-001"
    fulfillment = error["message"]["order"]["beckn:fulfillments"][0]
    presented = fulfillment["beckn:fulfillmentAttributes"]["credentials"][0]
    stranger = issuing.make_key("RS256")
    good = guide.signed(presented, "did:example:user-12345", error["message"]["order"])
    guide.keys["did:example:utility-credential-issuer"], kept = stranger, guide.keys[ISSUERS[presented["type"]]]
    presented["credentialData"] = guide.signed(presented, "did:example:user-12345", error["message"]["order"])
    guide.keys["did:example:utility-credential-issuer"] = kept
    # Another key under the right key's name: a bad signature, as the sample says.
    header, _, rest = presented["credentialData"].partition(".")
    presented["credentialData"] = good.partition(".")[0] + "." + rest
    assert header
    golden(guide.ask(error), "on-init-response-error")

    # The other program is left, and the guide's own story begins.
    leave = under(sample("update-request-unenrollment"), "order-existing-001")
    leave["message"]["order"]["beckn:orderAttributes"]["unenrollment"] |= {
        "enrollmentId": enrolled["beckn:orderAttributes"]["enrollmentId"],
        "effectiveDate": "2024-10-15T10:30:00Z",
    }
    assert guide.ask(leave)["message"]["order"]["beckn:status"] == "CANCELLED"

    golden(guide.ask(init), "on-init-response-success")
    confirmed = guide.ask(confirm)
    golden(confirmed, "on-confirm-response-success")
    prosumer = guide.ask("init-request-prosumer-solar-battery", guide.agency, **{"X-Enrollment-Agency-ID": "ea-001"})
    state = prosumer["message"]["order"]["beckn:fulfillments"][0]["beckn:state"]
    assert state["beckn:descriptor"]["schema:name"] == "PENDING_CONFIRM"

    # 20 November: consent and enrolment are revoked.
    guide.move_to(NOVEMBER)
    revoke = sample("update-request-consent-revocation")
    revocation = revoke["message"]["order"]["beckn:orderAttributes"]["consentRevocation"]
    revocation["consentCredentialId"] = consent_of(guide, confirmed)
    golden(guide.ask(revoke), "on-update-response-consent-revocation")

    guide.move_to(NOVEMBER + timedelta(minutes=30))
    unenroll = sample("update-request-unenrollment")
    asked = unenroll["message"]["order"]["beckn:orderAttributes"]["unenrollment"]
    asked["enrollmentId"] = confirmed["message"]["order"]["beckn:orderAttributes"]["enrollmentId"]
    golden(guide.ask(unenroll), "on-update-response-unenrollment")


def consent_of(guide: Guide, confirmed: Json) -> str:
    """The consent credential of the enrolment: a strict answer has no room for it, the status message does."""
    order_id = confirmed["message"]["order"]["beckn:id"]
    status = {
        "context": guide.portal.context(
            "status", bpp_id="vpp-program-owner.example.com", bpp_uri=f"{guide.stack.base}/beckn"
        ),
        "message": {"order": {"beckn:id": order_id}},
    }
    order = guide.ask(status)["message"]["order"]
    return str(order["beckn:orderAttributes"]["consents"][0]["consentCredentialId"])
