"""The pilot's messages (profile B) for any person of the sandbox; the other half of tests.journeys.

Written from the pilot's samples and the wire's description, for tests that stand outside. Every answer is held
against the pilot's own schemas where they are at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bap import Callback
from tests.journeys import FLEX, RAJESH, Journey, Json, Person
from tests.pilot import DOMAIN, FOLDER, Pilot

CORE = "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/schema/core/v2/context.jsonld"  # fmt: skip  # noqa: E501
ENROLLMENT = "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/schema/EnergyEnrollment/v0.2/context.jsonld"  # fmt: skip  # noqa: E501
UNKNOWN = "pending-verification"


class PilotJourney(Journey):
    """One order of one person in one program, message by message, as the pilot writes them."""

    def __init__(self, stack: Any, person: Person = RAJESH, program: tuple[str, str] = FLEX, **more: Any) -> None:
        super().__init__(stack, person, program, **more)
        self.buyer = person.did

    # messages

    def context(self, action: str, **given: Any) -> Json:
        return super().context(action, **{"domain": DOMAIN, **given})

    def message(self, action: str, order: Json, **context: Any) -> Json:
        provider, program = self.program
        whole = {
            "@context": CORE,
            "@type": "beckn:Order",
            "beckn:id": self.order_id,
            "beckn:orderStatus": "CREATED",
            "beckn:seller": provider,
            "beckn:buyer": {"@context": CORE, "@type": "beckn:Buyer", "beckn:id": self.buyer},
            "beckn:orderItems": [{"beckn:orderedItem": program}],
            **order,
        }
        return {"context": self.context(action, **context), "message": {"order": whole}}

    def discover(self, **content: Any) -> Json:
        return {"context": self.context("discover"), "message": content}

    def select(self) -> Json:
        return self.message("select", {})

    def init(self, *, credentials: Sequence[Json] | None = None, attributes: Json | None = None) -> Json:
        """The pilot's sample of a simple consumer: one credential under its own name, the others in the list."""
        person = self.person
        shown = list(self.credentials() if credentials is None else credentials)
        own = [c for c in shown if c["type"] == "MeterOwnershipCredential"]
        delivery: Json = {
            "@context": ENROLLMENT,
            "@type": "EnergyEnrollment",
            "customer": {"name": "A Customer", "email": "customer@example.com"},
            "meters": [{"meterId": person.umid, "utilityId": person.utility_id}],
            "ders": [
                {
                    "derId": der["beckn:id"],
                    "type": der["beckn:type"],
                    "capacityValue": der["beckn:capacity"]["value"],
                    "capacityUnit": der["beckn:capacity"]["unit"],
                }
                for der in person.ders
            ],
        }
        content = {
            **({"meterOwnershipCredential": own[0]} if own else {}),
            "credentials": [c for c in shown if c not in own[:1]],
            **(attributes or {}),
        }
        return self._with(content, action="init", delivery=delivery)

    def bare_init(self, user_auth: Json, **more: Any) -> Json:
        """An init with the customer's proof and nothing else, as the pilot's samples of both kinds."""
        self.buyer = UNKNOWN
        return self._with({"userAuth": user_auth, **more}, action="init", delivery={})

    def confirm(self, attributes: Json | None = None, *, meters: Sequence[str] | None = None) -> Json:
        umids = [self.person.umid] if meters is None else meters
        return self._with({"meters": [{"meterId": umid} for umid in umids], **(attributes or {})}, action="confirm")

    def update(self, kind: str, **attributes: Any) -> Json:
        return self._with({"updateType": kind, **attributes}, action="update")

    def revoke_consent(self, consent_credential_id: str, **more: Any) -> Json:
        asked = {"consentCredentialId": consent_credential_id, "reason": "USER_REQUESTED", **more}
        return self.update("CONSENT_REVOCATION", consentRevocation=asked)

    def unenroll(self, enrollment_id: str, **more: Any) -> Json:
        asked = {"enrollmentId": enrollment_id, "reason": "USER_REQUESTED", "revokeAllConsents": True, **more}
        return self.update("UNENROLLMENT", unenrollment=asked)

    def cancel(self, reason: str = "USER_REQUESTED") -> Json:
        return self._with({"reason": reason}, action="cancel")

    def support(self) -> Json:
        about = {"refId": self.order_id, "refType": "ORDER"}
        return {"context": self.context("support"), "message": {"support": about}}

    def rating(self, value: float, comment: str = "said in confidence") -> Json:
        rated = {
            "@context": CORE,
            "@type": "beckn:RatingInput",
            "id": self.order_id,
            "ratingValue": value,
            "feedback": {"comments": comment},
        }
        return {"context": self.context("rating"), "message": {"ratings": [rated]}}

    def _with(self, content: Json, *, action: str, delivery: Json | None = None) -> Json:
        fulfillment: Json = {
            "@context": CORE,
            "@type": "beckn:Fulfillment",
            "beckn:id": "fulfillment-1",
            "beckn:mode": "DIGITAL",
            "beckn:fulfillmentStatus": "PENDING",
            **({"beckn:deliveryAttributes": delivery} if delivery else {}),
        }
        attributes = {"@context": ENROLLMENT, "@type": "EnergyEnrollment", **content}
        return self.message(action, {"beckn:fulfillment": fulfillment, "beckn:orderAttributes": attributes})

    # sending

    def call(self, message: Json, **more: Any) -> Callback:
        callback = super().call(message, **more)
        assert_fits(callback.body)
        return callback

    def enroll(self) -> Json:
        prepared = self.ask(self.init())
        assert prepared["beckn:orderStatus"] == "PENDING", prepared
        confirmed = self.ask(self.confirm())
        assert confirmed["beckn:orderStatus"] == "CONFIRMED", confirmed
        return confirmed


def assert_fits(message: Json) -> None:
    """The message is one of the pilot's, as far as its schemas are here to ask."""
    if not FOLDER.is_dir() or message["context"]["domain"] != DOMAIN:
        return
    problems = Pilot(FOLDER).problems({k: v for k, v in message.items() if k != "context"})
    assert not problems, problems


def attributes(order: Json) -> Json:
    return dict(order["beckn:orderAttributes"])
