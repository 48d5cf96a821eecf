"""Persona 5: home at one utility, solar plant behind the meter of another; real sign-ins at both providers."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator

import pytest

from sandbox.generated import UTILITY_A, UTILITY_B
from tests.bap import eventually, http
from tests.journeys import Journey, Person
from tests.signing_in import Provider, Tokens, tokens_of
from tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.cross_utility]

FARM = ("vpp-program-farm-001", "program-farm-solar-001")
PLANT = {"beckn:id": "der-solar-020", "beckn:type": "SOLAR_PV", "beckn:capacity": {"value": 20.0, "unit": "kW"}}
CHANDRA = Person("did:example:cross-chandra", "umid-010", ders=(PLANT,))
A_TO_B, B_TO_A = (UTILITY_A, UTILITY_B), (UTILITY_B, UTILITY_A)


def identity(utility: str, tokens: Tokens, role: str) -> dict:
    return {
        "utilityId": utility,
        "role": role,
        "authMethod": "OIDC",
        "accessToken": tokens.access_token,
        "idToken": tokens.id_token,
    }


class Farm(Journey):
    """Chandra's order with her sign-ins at both utilities."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, CHANDRA, FARM)

    def both(self, second: str = "chandra") -> list[dict]:
        return [
            identity(UTILITY_A, tokens_of(self.stack, "chandra"), "PRIMARY"),
            identity(UTILITY_B, tokens_of(self.stack, second, utility=UTILITY_B), "SECONDARY"),
        ]

    def init_with(self, identities: list[dict]) -> dict:
        return self.init(credentials=[], attributes={"additionalAttributes": {"identities": identities}})

    def consents(self, *directions: tuple[str, str]) -> dict:
        given = [
            {"type": "CROSS_UTILITY_SHARING", "granted": True, "fromUtility": a, "toUtility": b} for a, b in directions
        ]
        return {"consents": given}

    def enroll_both(self) -> dict:
        prepared = self.ask(self.init_with(self.both()))
        assert prepared["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"] == "PENDING_CONFIRM"
        return self.ask(self.confirm(self.consents(A_TO_B, B_TO_A)))


def attributes(order: dict) -> dict:
    return dict(order["beckn:orderAttributes"])


@pytest.fixture
def farm(stack: Stack) -> Iterator[Farm]:
    """An order of Chandra's; whatever is enrolled at the end leaves, so that the next test finds her free."""
    journey = Farm(stack)
    yield journey
    rows = stack.sql(
        "SELECT e.enrollment_id, c.order_id FROM program_enrollments e JOIN enrollment_cases c ON c.id = e.case_id"
        " WHERE c.program_id = %s AND e.state IN ('ACTIVE', 'SCHEDULED', 'SUSPENDED')",
        FARM[1],
    )
    for enrollment_id, order_id in rows:
        journey.order_id = order_id
        journey.ask(journey.unenroll(enrollment_id))
    stack.sql("DELETE FROM claims WHERE state = 'HELD' AND reference IN ('umid-010', 'der-solar-020')")


def test_p5_1_two_providers_and_both_consents_enrol_the_meter_of_one_with_the_plant_of_the_other(farm: Farm):
    prepared = farm.ask(farm.init_with(farm.both()))
    told = attributes(prepared)["additionalAttributes"]["crossUtility"]
    assert [(each["utilityId"], each["identity"], each["status"]) for each in told] == [
        (UTILITY_A, "VERIFIED", "OK"),
        (UTILITY_B, "VERIFIED", "OK"),
    ]
    assert told[0]["meters"] == [{"meterId": "umid-010"}] and told[1]["meters"] == []
    asked = attributes(prepared)["requiredConsents"]
    assert {(each["fromUtility"], each["toUtility"]) for each in asked} == {A_TO_B, B_TO_A}

    confirmed = farm.ask(farm.confirm(farm.consents(A_TO_B, B_TO_A)))
    assert confirmed["beckn:status"] == "CONFIRMED"
    consents = attributes(confirmed)["consents"]
    assert {(each["fromUtility"], each["toUtility"]) for each in consents} == {A_TO_B, B_TO_A}
    assert len({each["consentCredentialId"] for each in consents}) == 2, "each direction has a credential of its own"
    assert farm.stack.sql(
        "SELECT m.umid, d.der_ref FROM program_enrollments e JOIN enrollment_meters m ON m.enrollment_id = e.id"
        " JOIN enrollment_ders d ON d.enrollment_id = e.id WHERE e.enrollment_id = %s",
        attributes(confirmed)["enrollmentId"],
    ) == [("umid-010", "der-solar-020")]


def test_p5_2_a_token_of_one_utility_s_provider_is_no_sign_in_at_the_other(farm: Farm):
    first = tokens_of(farm.stack, "chandra")
    again = tokens_of(farm.stack, "chandra")
    refused = farm.ask(farm.init_with([identity(UTILITY_A, first, "PRIMARY"), identity(UTILITY_B, again, "SECONDARY")]))
    assert refused["error"]["code"] == "TOKEN_INVALID"
    assert refused["error"]["details"]["utilityId"] == UTILITY_B


def test_p5_3_another_person_s_sign_in_at_the_second_utility_is_refused_without_a_word_about_whose(stack: Stack):
    journey = Farm(stack)
    rajesh = tokens_of(stack, "rajesh")  # a good sign-in, of somebody else
    chandra = tokens_of(stack, "chandra", utility=UTILITY_B)
    refused = journey.ask(
        journey.init_with([identity(UTILITY_A, rajesh, "PRIMARY"), identity(UTILITY_B, chandra, "SECONDARY")])
    )
    assert refused["error"]["code"] == "SUBJECT_MISMATCH"
    text = json.dumps(refused["error"])
    assert "rajesh" not in text.lower() and "user-12345" not in text and "chandra" not in text.lower()


def test_p5_4_a_sign_in_used_for_another_order_is_refused(farm: Farm):
    identities = farm.both()
    assert "error" not in farm.ask(farm.init_with(identities))
    other = Farm(farm.stack)
    replayed = other.ask(other.init_with(identities))
    assert replayed["error"]["code"] == "TOKEN_INVALID"


def test_p5_5_with_one_direction_only_the_missing_one_is_named(farm: Farm):
    farm.ask(farm.init_with(farm.both()))
    refused = farm.ask(farm.confirm(farm.consents(A_TO_B)))
    assert refused["error"]["code"] == "CROSS_UTILITY_CONSENT_REQUIRED"
    details = refused["error"]["details"]
    assert (details["fromUtility"], details["toUtility"]) == B_TO_A
    confirmed = farm.ask(farm.confirm(farm.consents(A_TO_B, B_TO_A)))
    assert confirmed["beckn:status"] == "CONFIRMED", "the order stays open for the right answer"


def test_p5_6_the_second_utility_down_at_init_makes_the_order_wait_and_ends_in_one_on_status(farm: Farm):
    identities = farm.both()
    _fault(farm.stack, UTILITY_B, "down")
    try:
        waiting = farm.ask(farm.init_with(identities))
    finally:
        _fault(farm.stack, UTILITY_B, "none")
    state = waiting["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"]
    assert state == "WAITING_FOR_UTILITY" and "error" not in waiting
    told = {each["utilityId"]: each for each in attributes(waiting)["additionalAttributes"]["crossUtility"]}
    assert (told[UTILITY_A]["status"], told[UTILITY_B]["status"]) == ("OK", "UNAVAILABLE")
    farm.stack.sql(
        "UPDATE enrollment_cases SET retry_at = retry_at - interval '2 hours' WHERE order_id = %s", farm.order_id
    )
    callback = farm.bap.wait_for("on_status", transaction_id=farm.transaction_id)
    state = callback.message["order"]["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"]
    assert state == "PENDING_CONFIRM"


def test_p5_7_a_plant_that_another_program_controls_already_is_a_conflict(farm: Farm):
    confirmed = farm.enroll_both()
    assert confirmed["beckn:status"] == "CONFIRMED"
    second = Farm(farm.stack)
    refused = second.ask(second.init_with(second.both()))
    assert refused["error"]["code"] == "ENROLLMENT_CONFLICT"
    kinds = {each["conflictType"] for each in attributes(refused)["conflictCheck"]["conflictingEnrollments"]}
    assert "DER_ALREADY_ENROLLED" in kinds


def test_p5_8_taking_one_direction_back_pauses_the_enrolment_and_both_utilities_acknowledge(farm: Farm):
    confirmed = farm.enroll_both()
    enrollment_id = attributes(confirmed)["enrollmentId"]
    consents = {(c["fromUtility"], c["toUtility"]): c for c in attributes(confirmed)["consents"]}
    revoked = farm.ask(
        farm.revoke_consent(consents[B_TO_A]["consentCredentialId"], consentType="CROSS_UTILITY_SHARING")
    )
    assert attributes(revoked)["status"] == "SUSPENDED"
    states = farm.stack.sql(
        "SELECT c.from_utility, c.state FROM consents c JOIN program_enrollments e ON e.id = c.enrollment_id"
        " WHERE e.enrollment_id = %s ORDER BY 1",
        enrollment_id,
    )
    assert states == [(UTILITY_A, "GRANTED"), (UTILITY_B, "REVOKED")], "the other direction is kept"

    def acknowledged() -> bool:
        rows = farm.stack.sql(
            "SELECT n.utility_id FROM utility_notices n JOIN program_enrollments e ON e.id = n.enrollment_id"
            " WHERE e.enrollment_id = %s AND n.kind = 'BILLING' AND n.event = 'SUSPENDED'"
            " AND n.acknowledged_at IS NOT NULL ORDER BY 1",
            enrollment_id,
        )
        return rows == [(UTILITY_A,), (UTILITY_B,)]

    eventually(acknowledged)
    granted = farm.ask(
        farm.message(
            "update",
            {"beckn:orderAttributes": {"updateType": "CONSENT_GRANT", **farm.consents(B_TO_A)}},
        )
    )
    assert attributes(granted)["status"] == "ACTIVE", "granted again, it goes on"


def test_p5_10_who_has_an_account_only_at_the_other_utility_cannot_bring_its_meter(stack: Stack):
    journey = Farm(stack)
    journey.person = Person("did:example:cross-chandra", "umid-020", utility_id=UTILITY_B, ders=(PLANT,))
    only_b = identity(UTILITY_B, tokens_of(stack, "chandra", utility=UTILITY_B), "PRIMARY")
    refused = journey.ask(journey.init_with([only_b]))
    assert refused["error"]["code"] == "NOT_ELIGIBLE"


def test_without_a_sign_in_at_the_second_utility_the_program_says_which_one_it_needs(stack: Stack):
    journey = Farm(stack)
    refused = journey.ask(journey.init_with([identity(UTILITY_A, tokens_of(stack, "chandra"), "PRIMARY")]))
    assert refused["error"]["code"] == "AUTH_REQUIRED"
    assert refused["error"]["details"]["utilities"] == [UTILITY_B]


def test_p5_11_of_the_sign_ins_only_what_was_proven_is_kept(farm: Farm):
    identities = farm.both()
    farm.ask(farm.init_with(identities))
    eventually(lambda: farm.stack.idle(farm.transaction_id))
    (sealed,) = farm.stack.sql(
        "SELECT count(*) FROM beckn_inbox WHERE sealed IS NOT NULL AND transaction_id = %s", farm.transaction_id
    )
    assert sealed == (0,), "wiped as soon as the proof is kept"
    tables = farm.stack.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    secrets = [each[name] for each in identities for name in ("accessToken", "idToken")]
    signatures = [token.rpartition(".")[2][:40] for token in secrets]
    for (table,) in tables:
        for signature in signatures:
            found = farm.stack.sql(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', f"%{signature}%")
            assert found == [(0,)], table
    logs = "".join(path.read_text(errors="replace") for path in farm.stack.logs.glob("*.log"))
    assert not any(signature in logs for signature in signatures)


@pytest.mark.identity_login
def test_p5_12_a_link_reference_that_was_never_given_proves_nothing(stack: Stack):
    journey = Farm(stack)
    linked = {"additionalAttributes": {"cross_utility_info": {"linkReference": f"lr_{uuid.uuid4().hex}"}}}
    refused = journey.ask(journey.init(credentials=[], attributes=linked))
    assert refused["error"]["code"] == "TOKEN_INVALID"


def _fault(stack: Stack, utility: str, mode: str) -> None:
    body = json.dumps({"mode": mode, "seconds": 60}).encode()
    http("POST", f"{stack.utility_url(utility)}/faults", body, {"Content-Type": "application/json"})


def test_the_two_providers_know_her_by_names_that_share_nothing(stack: Stack):
    subs = {tokens_of(stack, "chandra", utility=each).claims["sub"] for each in (UTILITY_A, UTILITY_B)}
    assert len(subs) == 2 and all(re.fullmatch(r"[0-9a-f]{24}", sub) for sub in subs)
    assert Provider(stack.utility_url(UTILITY_A), stack.folder / UTILITY_A).metadata["issuer"].endswith("/o")


def test_the_second_utility_s_systems_answer_only_callers_with_a_certificate(stack: Stack):
    port, tls = stack.mutual_ports[UTILITY_B], stack.folder / "tls"
    anonymous = ssl.create_default_context(cafile=str(tls / "authority.pem"))
    known = ssl.create_default_context(cafile=str(tls / "authority.pem"))
    known.load_cert_chain(tls / "owner.crt", tls / "owner.key")
    url = f"https://127.0.0.1:{port}/systems/mdm/api/v1/meters?umid=umid-020"
    with pytest.raises(OSError):  # refused in the handshake, or cut off right after it
        urllib.request.urlopen(url, timeout=10, context=anonymous)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10, context=known)
    assert refused.value.code == 401, "the certificate opens the door, a token the cupboard"
    assert http("GET", f"{stack.utility_url(UTILITY_B)}/systems/mdm/api/v1/meters?umid=umid-020").status == 403
