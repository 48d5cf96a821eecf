"""Somebody who enrols through the real messages, and what their portal was given to show."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.bap import http
from tests.customers import Block
from tests.journeys import FLEX, Journey, Person
from tests.stack import Stack

_customers = Block.PEOPLE.customers()


@dataclass(frozen=True)
class Enrolled:
    """A confirmed enrolment. Paths are of the service; `link` holds the token that opens the credential."""

    journey: Journey
    order: dict[str, Any]

    @property
    def told(self) -> dict[str, Any]:
        return dict(self.order["beckn:orderAttributes"]["credential"])

    @property
    def jwt(self) -> str:
        return str(self.told["credentialData"])

    @property
    def consent(self) -> str:
        """The credential of the consent that came with it."""
        return str(self.order["beckn:orderAttributes"]["consents"][0]["credentialData"])

    @property
    def link(self) -> str:
        return self._path(self.told["credentialUrl"])

    @property
    def token(self) -> str:
        return self.link.partition("?t=")[2]

    @property
    def page(self) -> str:
        return self.link.partition("?")[0]

    @property
    def verification(self) -> str:
        return self._path(self.told["verificationUrl"])

    @property
    def id(self) -> str:
        return self.page.rpartition("/")[2]

    @property
    def number(self) -> str:
        """As a receipt prints it."""
        digits = self.id.replace("-", "")
        return " ".join(digits[at : at + 4] for at in range(0, 32, 4))

    def leave(self) -> None:
        """Unenrol, and wait for the answer: the credential is revoked then."""
        enrollment_id = self.order["beckn:orderAttributes"]["enrollmentId"]
        self.journey.ask(self.journey.unenroll(enrollment_id))

    def _path(self, url: str) -> str:
        assert url.startswith(self.journey.stack.base), url
        return url.removeprefix(self.journey.stack.base)


def enrol(stack: Stack, program: tuple[str, str] = FLEX) -> Enrolled:
    """Enrol a customer of utility A whom nobody has used."""
    name = next(_customers)
    journey = Journey(stack, Person(f"did:example:{name}", name, customer_id=f"CUST-{name}"), program)
    return Enrolled(journey, journey.enroll())


def notice_address(enrolled: Enrolled) -> str:
    """Where the notice of an enrolment leads that says "this was not me"; waits until the utility has sent it."""
    stack, to = enrolled.journey.stack, f"{enrolled.journey.person.customer_id}@sandbox.example"
    outbox = f"{stack.utility_url()}/outbox"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for message in http("GET", outbox, headers={"Accept": "application/json"}).body["messages"]:
            if message["to"] == to and message["template"] == "enrollment-confirmed":
                return str(message["parameters"]["notMeUrl"].removeprefix(stack.base))
        time.sleep(0.1)
    raise AssertionError(f"Nobody has written to {to}.")
