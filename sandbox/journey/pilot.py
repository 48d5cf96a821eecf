"""The same story in the public pilot's words: discover by a filter, one closed order, errors beside the message.

Source: spec/wire.md 4, spec/personas.md P1-12.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sandbox.journey import wire
from sandbox.journey.story import (
    CUSTOMER,
    METER,
    PROGRAM,
    PROVIDER,
    SUBJECT,
    UTILITY,
    Json,
    Story,
    Unexpected,
    _attributes,
    _iso,
    _new,
)

MOBILE = "+910000000001"
DOMAIN = "beckn.one:deg:p2p-enrollment:2.0.0"
CORE_URL = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/core/v2/context.jsonld"
)


@dataclass
class PilotStory(Story):
    """Rajesh's story again; only the grammar differs, and what it makes of states.

    `by_code`: he proves himself by the code that his utility sends him, and brings no credential.
    """

    by_code: bool = False
    _sign_in: Json = field(default_factory=dict)

    def _search(self) -> None:
        self._title("1. discover: which programs pay for energy that is not used?")
        expression = "$[?(@.itemAttributes.kind == 'DEMAND_FLEX')]"
        asked = {"filters": {"type": "jsonpath", "expression": expression}}
        answer = self.bap.ask("discover", asked, transaction_id=_new("txn"))
        items = [item for catalog in answer["message"]["catalogs"] for item in catalog["beckn:items"]]
        self._expect(PROGRAM in {item["beckn:id"] for item in items}, f"on_discover offers {PROGRAM}")
        kinds = {item["beckn:itemAttributes"]["kind"] for item in items}
        self._expect(kinds == {"DEMAND_FLEX"}, "on_discover offers nothing that the filter leaves out")
        self._expect(
            all(item["beckn:itemAttributes"]["enrollmentCriteria"] for item in items),
            "on_discover says the eligibility criteria",
        )

    def _fetch_credentials(self) -> list[Json]:
        return [] if self.by_code else super()._fetch_credentials()

    def _init(self, credentials: list[Json]) -> None:
        if self.by_code:
            self._have_a_code_sent()
        else:
            self._apply_with(credentials)

    def _have_a_code_sent(self) -> None:
        self._title("3. init: Rajesh gives his mobile number, and his utility sends him a code")
        asked = {"authMethod": "OTP", "mobile": MOBILE, "utilityCustomerId": CUSTOMER}
        order = self._ask("init", {"beckn:orderAttributes": _attributes({"userAuth": asked})}, "onboard")
        proof = order["beckn:orderAttributes"]["userAuth"]
        self._expect(order["beckn:orderStatus"] == "PENDING", "on_init waits for the code")
        self._title("4. The utility's message, as its outbox shows it")
        reply = wire.call(f"{self.utility_url}/outbox", headers={"Accept": "application/json"})
        message = next(each for each in reply.json()["messages"] if each["to"] == MOBILE)
        said = message["parameters"]
        self._expect(bool(said["requestedBy"]) and bool(said["program"]), "it names who asks and for which program")
        self._sign_in = {**asked, "nguid": proof["nguid"], "otp": said["code"]}

    def _apply_with(self, credentials: list[Json]) -> None:
        self._title("4. init: Rajesh applies with his meter and his credentials")
        own, *others = credentials
        delivery = {
            "customer": {"name": "Rajesh Kumar", "email": "rajesh.kumar@example.com"},
            "meters": [{"meterId": METER, "utilityId": UTILITY}],
            "ders": [],
        }
        order = self._ask(
            "init",
            {
                "beckn:fulfillment": self._digital({"beckn:deliveryAttributes": _attributes(delivery)}),
                "beckn:orderAttributes": _attributes({"meterOwnershipCredential": own, "credentials": others}),
            },
            "onboard",
        )
        attributes = order["beckn:orderAttributes"]
        self._expect(order["beckn:orderStatus"] == "PENDING", "on_init waits for the confirm")
        verification = attributes["credentialVerification"]
        self._expect(verification["status"] == "VERIFIED", "on_init verified both credentials")
        self._expect(len(verification["verifiedCredentials"]) == 2, "on_init names each credential")
        self._expect(attributes["conflictCheck"]["hasConflict"] is False, "on_init found no conflict")

    def _confirm(self) -> tuple[str, str, str, str]:
        self._title("5. confirm: from today for a year")
        start = self.bap.clock.now().replace(microsecond=0)
        asked = {
            **({"userAuth": self._sign_in} if self.by_code else {}),
            "meters": [{"meterId": METER, "utilityId": UTILITY}],
            "startDate": _iso(start),
            "endDate": _iso(start + timedelta(days=365)),
        }
        order = self._ask("confirm", {"beckn:orderAttributes": _attributes(asked)}, "onboard")
        attributes = order["beckn:orderAttributes"]
        self._expect(self._stands(order, "ACTIVE"), "on_confirm enrols")
        self._expect(order["beckn:orderNumber"].startswith("ENR-"), "on_confirm gives an order number")
        self._expect(attributes["status"] == "ACTIVE", "the enrolment is ACTIVE")
        self._expect(attributes["logReference"].startswith("log-"), "the enrolment is in the log")
        (consent,) = [each for each in attributes["consents"] if each["type"] == "DATA_COLLECTION"]
        self._expect(consent["granted"] is True, "the consent DATA_COLLECTION is granted")
        return (
            attributes["enrollmentId"],
            attributes["credential"]["credentialData"],
            consent["consentCredentialId"],
            consent["credentialData"],
        )

    # -- parts

    def _stands(self, order: Json, status: str) -> bool:
        """An active enrolment's order is CONFIRMED; whether it is active stands in its attributes."""
        told = {"ACTIVE": "CONFIRMED"}.get(status, status)
        fulfilled = order["beckn:fulfillment"]["beckn:fulfillmentStatus"]
        return (order["beckn:orderStatus"], fulfilled, order["beckn:orderAttributes"]["status"]) == (told, told, status)

    def _ask(self, action: str, order: Json, topic: str) -> Json:
        """The order of the answer; the story expects no error beside it."""
        answer = self.bap.ask(action, {"order": self._order(order)}, transaction_id=self._transaction(topic))
        if "error" in answer:
            hint = " (manage.py sandbox reset gives the personas their meters back)" if action == "init" else ""
            raise Unexpected(f"on_{action} refuses: {answer['error']['code']}: {answer['error']['message']}{hint}")
        answered: Json = answer["message"]["order"]
        self._expect(answered["beckn:id"] == self.order_id, f"on_{action} is about our order")
        return answered

    def _order(self, more: Mapping[str, Any]) -> Json:
        return {
            "@context": CORE_URL,
            "@type": "beckn:Order",
            "beckn:id": self.order_id,
            "beckn:orderStatus": "CREATED",
            "beckn:seller": PROVIDER,
            "beckn:buyer": {
                "@context": CORE_URL,
                "@type": "beckn:Buyer",
                "beckn:id": "pending-verification" if self.by_code else SUBJECT,
            },
            "beckn:orderItems": [{"beckn:orderedItem": PROGRAM}],
            **more,
        }

    def _digital(self, more: Json) -> Json:
        return {
            "@context": CORE_URL,
            "@type": "beckn:Fulfillment",
            "beckn:id": "fulfillment-onboard-001",
            "beckn:mode": "DIGITAL",
            "beckn:fulfillmentStatus": "PENDING",
            **more,
        }
