"""The same story with somebody who helps: an outside agency enrols Rajesh, and can do nothing without him.

Its system is a participant of its own, bound to the agency. It asks for a code first; Rajesh reads it out.
Source: spec/personas.md 9 (EA-1 to EA-3), docs/integration.md "Assist somebody".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.journey import wire
from sandbox.journey.story import CUSTOMER, METER, UTILITY, Json, Story, Unexpected, _attributes

AGENCY, OPERATOR, LAPSED = "ea-001", "op-1", "op-2"


@dataclass
class AssistedStory(Story):
    """Each message names the agency and its operator; those that act carry Rajesh's own proof."""

    _proof: Json = field(default_factory=dict)
    _operator: str = OPERATOR

    def _fetch_credentials(self) -> list[Json]:
        return []  # his utility tells what he has to show, once he has proved who he is

    def _init(self, credentials: list[Json]) -> None:
        meter = {"beckn:id": METER, "beckn:utilityId": UTILITY}
        applied: Json = {"beckn:fulfillments": [self._fulfillment(meter)]}
        self._title("3. init without Rajesh: the agency's name alone opens nothing")
        refused = self._ask("init", applied, "onboard").get("error", {})
        self._expect(refused.get("code") == "MANDATE_REQUIRED", "on_init says MANDATE_REQUIRED")
        self._expect(refused.get("details", {}).get("actions") == ["init"], "it says for which act")
        self._operator = LAPSED
        refused = self._ask("init", applied, "onboard").get("error", {})
        self._operator = OPERATOR
        self._expect(
            (refused.get("code"), refused.get("details", {}).get("reasonCode"))
            == ("EA_NOT_CERTIFIED", "OPERATOR_NOT_CERTIFIED"),
            "an operator whose certificate has lapsed is told so",
        )
        self._title("4. init: Rajesh's utility sends him a code, which says who asks; he reads it out")
        self._proof = {"authMethod": "OTP", "utilityCustomerId": CUSTOMER}
        order = self._ask("init", applied, "onboard")
        if "error" in order:
            raise Unexpected(f"on_init refuses: {order['error']['code']}: {order['error']['message']}")
        reply = wire.call(f"{self.utility_url}/outbox", headers={"Accept": "application/json"})
        message = next(m for m in reply.json()["messages"] if m["template"] == "one-time-code")
        said = message["parameters"]
        named = bool(said.get("agency")) and bool(said.get("agent")) and bool(said.get("program"))
        self._expect(named and said.get("ending") == CUSTOMER[-4:], "it names agency, agent, program and account")
        nguid = order["beckn:orderAttributes"]["userAuth"]["nguid"]
        self._proof |= {"nguid": nguid, "otp": said["code"]}

    def _order(self, more: Mapping[str, object]) -> Json:
        order = super()._order(dict(more))
        by = {"assistedBy": {"agencyId": AGENCY, "operatorId": self._operator}}
        proof = {"userAuth": self._proof} if self._proof else {}
        order["beckn:orderAttributes"] = {**_attributes({}), **order.get("beckn:orderAttributes", {}), **by, **proof}
        return order
