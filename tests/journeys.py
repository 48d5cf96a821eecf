"""The guide's messages for any person of the sandbox, with credentials really fetched from the utility.

Written from the guide and the wire's description, for tests that stand outside: they know HTTP and JSON only.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bap import Answer, Bap, Callback, http
from tests.stack import Stack

FLEX = ("vpp-program-flex-001", "program-flex-demand-response-001")
P2P = ("vpp-program-p2p-001", "program-vpp-p2p-001")
NET_METERING = ("vpp-program-metering-001", "program-net-metering-001")

Json = dict[str, Any]


@dataclass
class Person:
    """Somebody who enrols: one meter, perhaps devices, and the credentials the utility gave them."""

    did: str
    umid: str
    utility_id: str = "utility-example-001"
    customer_id: str = ""
    ders: Sequence[Json] = ()
    person: Json = field(default_factory=dict)


RAJESH = Person(
    "did:example:user-12345",
    "umid-001",
    customer_id="CUST-123456",
    person={"schema:name": "Rajesh Kumar", "schema:email": "rajesh.kumar@example.com"},
)
PROSUMER = Person(
    "did:example:prosumer-789",
    "umid-002",
    ders=(
        {"beckn:id": "der-solar-001", "beckn:type": "SOLAR_PV", "beckn:capacity": {"value": 10.0, "unit": "kW"}},
        {
            "beckn:id": "der-battery-001",
            "beckn:type": "BATTERY_STORAGE",
            "beckn:capacity": {"value": 15.0, "unit": "kWh"},
        },
    ),
)


class Journey:
    """One order of one person in one program, message by message."""

    def __init__(
        self, stack: Stack, person: Person = RAJESH, program: tuple[str, str] = FLEX, bap: Bap | None = None
    ) -> None:
        self.stack, self.person, self.program = stack, person, program
        self.bap = bap or stack.bap
        self.order_id = f"order-{uuid.uuid4()}"
        self.transaction_id = f"txn-{uuid.uuid4()}"

    # messages

    def context(self, action: str, **given: Any) -> Json:
        from sandbox.generated import OWNER

        ours = {"bpp_id": OWNER, "bpp_uri": f"{self.stack.base}/beckn", "transaction_id": self.transaction_id}
        return self.bap.context(action, **{**ours, **given})

    def message(self, action: str, order: Json, **context: Any) -> Json:
        provider, program = self.program
        whole = {
            "@type": "beckn:Order",
            "beckn:id": self.order_id,
            "beckn:provider": {"beckn:id": provider},
            "beckn:items": [{"beckn:id": program}],
            **order,
        }
        return {"context": self.context(action, **context), "message": {"order": whole}}

    def init(self, *, credentials: Sequence[Json] | None = None, attributes: Json | None = None) -> Json:
        person = self.person
        meter = {"beckn:id": person.umid, "beckn:utilityId": person.utility_id}
        if person.customer_id:
            meter["beckn:utilityCustomerId"] = person.customer_id
        fulfillment = {
            "beckn:id": "fulfillment-1",
            "beckn:type": "PROGRAM_ENROLLMENT",
            "beckn:customer": {"beckn:id": person.did, **({"beckn:person": person.person} if person.person else {})},
            "beckn:instrument": {"meters": [meter], "ders": list(person.ders)},
            "beckn:fulfillmentAttributes": {
                "@type": "EnergyEnrollment",
                "credentials": list(self.credentials() if credentials is None else credentials),
                "existingEnrollments": [],
            },
        }
        return self.message("init", {"beckn:fulfillments": [fulfillment], **_attributes(attributes)})

    def confirm(self, attributes: Json | None = None, *, meters: Sequence[str] | None = None) -> Json:
        umids = [self.person.umid] if meters is None else meters
        fulfillment = {
            "beckn:id": "fulfillment-1",
            "beckn:type": "PROGRAM_ENROLLMENT",
            "beckn:customer": {"beckn:id": self.person.did},
            "beckn:instrument": {"meters": [{"beckn:id": umid} for umid in umids], "ders": []},
        }
        return self.message("confirm", {"beckn:fulfillments": [fulfillment], **_attributes(attributes)})

    def revoke_consent(self, consent_credential_id: str, **more: Any) -> Json:
        asked = {
            "consentCredentialId": consent_credential_id,
            "consentType": "DATA_COLLECTION",
            "reason": "USER_REQUESTED",
            **more,
        }
        return self.message("update", _attributes({"updateType": "CONSENT_REVOCATION", "consentRevocation": asked}))

    def unenroll(self, enrollment_id: str, **more: Any) -> Json:
        asked = {"enrollmentId": enrollment_id, "reason": "USER_REQUESTED", "revokeAllConsents": True, **more}
        return self.message("update", _attributes({"updateType": "UNENROLLMENT", "unenrollment": asked}))

    def status(self) -> Json:
        return self.message("status", {})

    def cancel(self, reason: str = "USER_REQUESTED") -> Json:
        return self.message("cancel", _attributes({"reason": reason}))

    # sending

    def ask(self, message: Json, **more: Any) -> Json:
        """Send, and return the order of its callback."""
        return dict(self.call(message, **more).message["order"])

    def call(self, message: Json, **more: Any) -> Callback:
        return self.bap.ask(self.stack.base, message, **more)

    def send(self, message: Json, **more: Any) -> Answer:
        return self.bap.send(self.stack.base, message, **more)

    def enroll(self) -> Json:
        """init and confirm; the order of on_confirm."""
        prepared = self.ask(self.init())
        assert fulfillment_state(prepared) == "PENDING_CONFIRM", prepared
        confirmed = self.ask(self.confirm())
        assert confirmed["beckn:status"] == "CONFIRMED", confirmed
        return confirmed

    # credentials

    def credentials(self) -> list[Json]:
        """What the utility says about this person for this program, as signed credentials."""
        subject = self.person.did
        wanted = [
            ("meter-ownership", {"meterId": self.person.umid}),
            ("program-eligibility", {"programId": self.program[1]}),
            *(("der-certification", {"derId": der["beckn:id"]}) for der in self.person.ders),
        ]
        return [self.credential(kind, {"subject": subject, **about}) for kind, about in wanted]

    def credential(self, kind: str, asked: Json) -> Json:
        url = f"{self.stack.utility_url(self.person.utility_id)}/api/v1/credentials/{kind}"
        headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
        answer = http("POST", url, json.dumps(asked).encode(), headers)
        assert answer.status < 300, answer.raw
        der = {"derId": asked["derId"]} if "derId" in asked else {}
        return {**answer.body, **der}


def _attributes(content: Json | None) -> Json:
    return {"beckn:orderAttributes": {"@type": "EnergyEnrollment", **content}} if content else {}


def fulfillment_state(order: Json) -> str:
    assert "beckn:fulfillments" in order, order.get("error")
    return str(order["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"])
