"""The guide's story of Rajesh, step by step; every step says what it expected and whether it came so.

Source: onboarding guide 9, 18.1 to 18.7; spec/personas.md 1.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sandbox.journey import checking, wire
from sandbox.journey.bap import Bap, NoAnswer
from sandbox.journey.checking import Checked, NotGood

PROVIDER, PROGRAM = "vpp-program-flex-001", "program-flex-demand-response-001"
SUBJECT, CUSTOMER, METER, UTILITY = "did:example:user-12345", "CUST-123456", "umid-001", "utility-example-001"
CONTEXT_URL = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/EnergyEnrollment/v0.2/context.jsonld"
)
Json = dict[str, Any]


class Unexpected(Exception):
    """The story cannot go on."""


@dataclass
class Story:
    """One run of the story. `say` gets one line of text at a time; `problems` are the steps that came otherwise.

    With `stays` it ends with the good credentials, and Rajesh stays enrolled: they can be tried elsewhere.
    """

    bap: Bap
    base: str
    utility_url: str
    issuer: str
    say: Callable[[str], None]
    problems: list[str] = field(default_factory=list)
    order_id: str = field(default_factory=lambda: f"order-journey-{uuid4()}")
    stays: bool = False

    def play(self) -> bool:
        """Play it all; True when every step was as expected."""
        try:
            self._play()
        except (Unexpected, NoAnswer, NotGood) as error:
            self._note(str(error))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            self._note(f"an answer is not shaped as the guide says: {type(error).__name__} {error}")
        except OSError as error:
            self._note(f"nobody answers: {error}")
        return not self.problems

    def _play(self) -> None:
        self._search()
        self._select()
        credentials = self._fetch_credentials()
        self._init(credentials)
        with self._leaving_if_it_fails():
            enrollment_id, token, consent_id, consent = self._confirm()
            self._verify_all_good(token, consent)
            self._fetch_2_0(token)
            self._status("ACTIVE")
            if self.stays:
                return
            self._revoke_consent(consent_id, token, consent)
            self._unenroll(enrollment_id, token, consent)
        self._status("CANCELLED")

    # -- the steps

    def _search(self) -> None:
        self._title("1. search: which programs are there?")
        answer = self.bap.ask(
            "search", {"intent": {"descriptor": {"name": "Demand Flexibility"}}}, transaction_id=_new("txn")
        )
        items = [item for catalog in answer["message"]["catalogs"] for item in catalog["beckn:items"]]
        found = [item for item in items if item["beckn:id"] == PROGRAM]
        self._expect(bool(found), f"on_search offers {PROGRAM}")
        criteria = found[0]["beckn:itemAttributes"]["enrollmentCriteria"] if found else []
        self._expect(bool(criteria), "on_search says the eligibility criteria")

    def _select(self) -> None:
        self._title("2. select: what does the program ask for?")
        answer = self.bap.ask("select", {"order": self._order({})}, transaction_id=self._transaction("onboard"))
        attributes = answer["message"]["order"]["beckn:orderAttributes"]
        asked = {credential["type"] for credential in attributes["requiredCredentials"]}
        self._expect(
            asked >= {"MeterOwnershipCredential", "ProgramEligibilityCredential"}, "on_select names the credentials"
        )
        consents = {consent["type"]: consent for consent in attributes["requiredConsents"]}
        self._expect("DATA_COLLECTION" in consents, "on_select names the consent DATA_COLLECTION")
        for text in consents.get("DATA_COLLECTION", {}).get("texts", []):
            digest = "sha256:" + hashlib.sha256(wire.call(text["url"]).body).hexdigest()
            self._expect(digest == text["digest"], f"the consent text ({text['locale']}) has the digest it is given")

    def _fetch_credentials(self) -> list[Json]:
        self._title("3. The utility and the program issuer give Rajesh his credentials")
        ownership = self._fetch("meter-ownership", {"subject": SUBJECT, "meterId": METER})
        eligibility = self._fetch("program-eligibility", {"subject": SUBJECT, "programId": PROGRAM})
        return [ownership, eligibility]

    def _fetch(self, kind: str, body: Mapping[str, str]) -> Json:
        headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
        reply = wire.call(f"{self.utility_url}/api/v1/credentials/{kind}", json.dumps(body).encode(), headers)
        if reply.status != 200:
            raise Unexpected(f"the utility gives no {kind} credential: HTTP {reply.status}")
        credential: Json = reply.json()
        self.say(f"   {credential['type']} {credential['credentialId']}")
        return credential

    def _init(self, credentials: list[Json]) -> None:
        self._title("4. init: Rajesh applies with his meter and his credentials")
        fulfillment = {
            **self._fulfillment({"beckn:id": METER, "beckn:utilityId": UTILITY, "beckn:utilityCustomerId": CUSTOMER}),
            "beckn:fulfillmentAttributes": {
                "@context": CONTEXT_URL,
                "@type": "EnergyEnrollment",
                "credentials": credentials,
                "existingEnrollments": [],
            },
        }
        fulfillment["beckn:customer"]["beckn:person"] = {
            "schema:name": "Rajesh Kumar",
            "schema:email": "rajesh.kumar@example.com",
        }
        order = self._ask("init", {"beckn:fulfillments": [fulfillment]}, "onboard")
        if "error" in order:
            hint = " (manage.py sandbox reset gives the personas their meters back)"
            raise Unexpected(f"on_init refuses: {order['error']['code']}: {order['error']['message']}{hint}")
        attributes, state = order["beckn:orderAttributes"], _state(order)
        self._expect((order["beckn:status"], state) == ("PENDING", "PENDING_CONFIRM"), "on_init waits for the confirm")
        verification = attributes["credentialVerification"]
        self._expect(verification["status"] == "VERIFIED", "on_init verified both credentials")
        self._expect(len(verification["verifiedCredentials"]) == 2, "on_init names each credential")
        self._expect(attributes["conflictCheck"]["hasConflict"] is False, "on_init found no conflict")

    def _confirm(self) -> tuple[str, str, str, str]:
        """Enrol; (enrolment id, its credential, the consent's credential id, the consent credential)."""
        self._title("5. confirm: from today for a year")
        start = self.bap.clock.now().replace(microsecond=0)
        end = start + timedelta(days=365)
        fulfillment = self._fulfillment({"beckn:id": METER})
        dates = _attributes({"startDate": _iso(start), "endDate": _iso(end)})
        order = self._ask("confirm", {"beckn:fulfillments": [fulfillment], "beckn:orderAttributes": dates}, "onboard")
        if "error" in order:
            raise Unexpected(f"on_confirm refuses: {order['error']['code']}: {order['error']['message']}")
        attributes = order["beckn:orderAttributes"]
        self._expect((order["beckn:status"], _state(order)) == ("CONFIRMED", "ENROLLED"), "on_confirm enrols")
        self._expect(order["beckn:orderNumber"].startswith("ENR-"), "on_confirm gives an order number")
        self._expect(attributes["status"] == "ACTIVE", "the enrolment is ACTIVE")
        self._expect(attributes["logReference"].startswith("log-"), "the enrolment is in the log")
        consents = {consent["type"]: consent for consent in attributes["consents"]}
        consent = consents["DATA_COLLECTION"]
        self._expect(consent["granted"] is True, "the consent DATA_COLLECTION is granted")
        credential = attributes["credential"]
        return (
            attributes["enrollmentId"],
            credential["credentialData"],
            consent["consentCredentialId"],
            consent["credentialData"],
        )

    def _verify_all_good(self, token: str, consent: str) -> None:
        self._title("6. The received credentials, checked against DID document and status lists")
        enrollment = self._check("the enrolment credential", token, good=True)
        self._expect(enrollment.subject == SUBJECT, "it is Rajesh's")
        self._expect(enrollment.claims["meters"] == [METER], f"it names {METER}")
        self._expect(enrollment.claims["programId"] == PROGRAM, f"it names {PROGRAM}")
        granted = self._check("the consent credential", consent, good=True)
        self._expect(granted.claims["consentType"] == "DATA_COLLECTION", "it is the consent DATA_COLLECTION")
        self._ask_provider(token, verified=True)

    def _fetch_2_0(self, token: str) -> None:
        """The same credential in the 2.0 form, from its own address, opened with the credential itself."""
        held = checking.unverified(token)
        headers = {"Accept": "application/vc+jwt", "Authorization": f"Bearer {token}"}
        reply = wire.call(self.base + urlsplit(held["jti"]).path, headers=headers)
        self._expect(reply.status == 200, "the credential is served at its own address, to its holder")
        self._check("its 2.0 form", reply.body.decode(), good=True)
        content = checking.unverified(reply.body.decode())
        self._expect(content.get("id") == held["jti"] and "vc" not in content, "it has the same id and no vc claim")

    def _status(self, expected: str) -> None:
        self._title(f"{'7' if expected == 'ACTIVE' else '10'}. status: how does the order stand?")
        answer = self.bap.ask("status", {"order": {"beckn:id": self.order_id}}, transaction_id=_new("txn"))
        attributes = answer["message"]["order"]["beckn:orderAttributes"]
        self._expect(attributes["status"] == expected, f"on_status says {expected}")

    def _revoke_consent(self, consent_id: str, token: str, consent: str) -> None:
        self._title("8. update: Rajesh takes his consent back")
        now = _iso(self.bap.clock.now())
        revocation = {
            "consentCredentialId": consent_id,
            "consentType": "DATA_COLLECTION",
            "reason": "USER_REQUESTED",
            "revokedAt": now,
            "effectiveDate": now,
        }
        asked = _attributes({"updateType": "CONSENT_REVOCATION", "consentRevocation": revocation})
        order = self._ask("update", {"beckn:orderAttributes": asked}, "revoke-consent")
        self._expect("error" not in order, "on_update takes the revocation")
        done = order["beckn:orderAttributes"]["consentRevocation"]
        self._expect(done["status"] == "REVOKED", "on_update says REVOKED")
        self._expect(self._stands(order, "ACTIVE"), "the enrolment goes on")
        self._check("the consent credential", consent, good=False)
        self._check("the enrolment credential", token, good=True)

    def _unenroll(self, enrollment_id: str, token: str, consent: str) -> None:
        self._title("9. update: Rajesh leaves the program")
        order = self._send_unenrollment(enrollment_id)
        self._expect("error" not in order, "on_update takes the unenrolment")
        self._expect(self._stands(order, "CANCELLED"), "on_update says CANCELLED")
        done = order["beckn:orderAttributes"]["unenrollment"]
        self._expect(done["enrollmentCredentialStatus"]["revoked"] is True, "the enrolment credential is revoked")
        self._expect(
            [entry["revoked"] for entry in done["consentsRevoked"]] == [True], "so is the consent, as it was before"
        )
        self._check("the enrolment credential", token, good=False)
        self._check("the consent credential", consent, good=False)
        self._ask_provider(token, verified=False)

    # -- parts

    def _check(self, what: str, token: str, *, good: bool) -> Checked:
        """Check a credential ourselves; note when it is not as good or bad as it should be."""
        checked = checking.check(token, issuer=self.issuer, clock=self.bap.clock)
        state = "good" if checked.is_good else "revoked" if checked.status["revocation"] else "suspended"
        self._expect(checked.is_good is good, f"{what} is {state}")
        return checked

    def _ask_provider(self, token: str, *, verified: bool) -> None:
        """The provider's own verifier must come to the same result as ours."""
        headers = {"Content-Type": "application/jwt", "Accept": "application/json"}
        said = wire.call(f"{self.base}/verify", token.encode(), headers).json()
        self._expect(said.get("verified") is verified, f"the provider's /verify says verified: {said.get('verified')}")

    def _send_unenrollment(self, enrollment_id: str) -> Json:
        unenrollment = {
            "enrollmentId": enrollment_id,
            "reason": "USER_REQUESTED",
            "effectiveDate": _iso(self.bap.clock.now()),
            "revokeAllConsents": True,
        }
        asked = _attributes({"updateType": "UNENROLLMENT", "unenrollment": unenrollment})
        return self._ask("update", {"beckn:orderAttributes": asked}, "unenroll")

    @contextmanager
    def _leaving_if_it_fails(self) -> Iterator[None]:
        """Do not leave Rajesh enrolled when the story breaks off: the next run wants his meter free."""
        try:
            yield
        except BaseException:  # also Ctrl-C, which is how a demo is usually left
            self.say("   The story breaks off; the order is cancelled.")
            cancellation = self._order({"beckn:orderAttributes": _attributes({"reason": "JOURNEY_BROKE_OFF"})})
            try:
                self.bap.ask("cancel", {"order": cancellation}, transaction_id=_new("txn"), wait=10)
            except NoAnswer as error:
                self._note(str(error))
            raise

    def _ask(self, action: str, order: Json, topic: str) -> Json:
        answer = self.bap.ask(action, {"order": self._order(order)}, transaction_id=self._transaction(topic))
        answered: Json = answer["message"]["order"]
        self._expect(answered["beckn:id"] == self.order_id, f"on_{action} is about our order")
        return answered

    def _order(self, more: Json) -> Json:
        return {
            "@context": CONTEXT_URL,
            "@type": "beckn:Order",
            "beckn:id": self.order_id,
            "beckn:provider": {"beckn:id": PROVIDER},
            "beckn:items": [{"beckn:id": PROGRAM}],
            **more,
        }

    def _fulfillment(self, meter: Json) -> Json:
        return {
            "beckn:id": "fulfillment-onboard-001",
            "beckn:type": "PROGRAM_ENROLLMENT",
            "beckn:customer": {"beckn:id": SUBJECT},
            "beckn:instrument": {"meters": [meter], "ders": []},
        }

    def _transaction(self, topic: str) -> str:
        return f"txn-{topic}-{self.order_id.removeprefix('order-')}"

    def _stands(self, order: Json, status: str) -> bool:
        """Whether the order says of itself, in the words of its grammar, that the enrolment is so."""
        states = [_state(order)] if "beckn:fulfillments" in order else []
        return bool(order["beckn:status"] == status) and set(states) <= {status}

    def _title(self, text: str) -> None:
        self.say(f"\n{text}")

    def _expect(self, is_so: bool, what: str) -> None:
        self.say(f"   {'ok' if is_so else 'UNEXPECTED'}: {what}")
        if not is_so:
            self.problems.append(what)

    def _note(self, problem: str) -> None:
        self.say(f"   UNEXPECTED: {problem}")
        self.problems.append(problem)


def _attributes(content: Json) -> Json:
    return {"@context": CONTEXT_URL, "@type": "EnergyEnrollment", **content}


def _state(order: Json) -> str:
    return str(order["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"])


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _new(kind: str) -> str:
    return f"{kind}-{uuid4()}"
