"""Persona 1, one household with one meter, from outside: the acceptance checks after init (spec personas 1).

P1-1 to P1-4 are the guide's own samples: tests/beckn_messages/test_golden.py. P1-10 and P1-12 by code:
tests/processes/test_codes_over_http.py; P1-11 and P1-12 by sign-in: tests/processes/test_tokens_over_http.py;
P1-12 with credentials: tests/beckn/test_pilot_over_http.py; P1-13: tests/processes/test_secrets.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.journeys import FLEX, Journey, Json, Person
from tests.stack import Stack
from tests.test_confirm_path import bit, verified

pytestmark = pytest.mark.processes

SUSPENDING = ("vpp-program-flex-001", "program-flex-other-001")


def enrolled(stack: Stack, number: int, program: tuple[str, str] = FLEX, **dates: str) -> tuple[Journey, Json]:
    name = f"load-{number:06}"
    journey = Journey(stack, Person(f"did:example:{name}", name, customer_id=f"CUST-{name}"), program)
    journey.ask(journey.init())
    order = journey.ask(journey.confirm(dates))
    assert order["beckn:status"] == "CONFIRMED", order
    return journey, order["beckn:orderAttributes"]


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def entries(stack: Stack, credential: Json) -> dict[str, int]:
    """purpose → bit in the published list."""
    payload = verified(stack, credential["credentialData"])
    return {
        entry["statusPurpose"]: bit(stack, entry["statusListCredential"], entry["statusListIndex"])
        for entry in payload["vc"]["credentialStatus"]
    }


def test_p1_5_the_credential_verifies_holds_for_the_term_and_is_not_revoked(stack: Stack) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    end = start + timedelta(days=200)
    _, told = enrolled(stack, 730001, startDate=text(start), endDate=text(end))
    payload = verified(stack, told["credential"]["credentialData"])
    assert (payload["nbf"], payload["exp"]) == (start.timestamp(), end.timestamp())
    assert entries(stack, told["credential"]) == {"revocation": 0, "suspension": 0}


def test_p1_6_a_repeated_confirm_answers_the_same_enrolment_with_one_credential(stack: Stack) -> None:
    journey, told = enrolled(stack, 730002)
    again = journey.ask(journey.confirm())["beckn:orderAttributes"]
    assert again["enrollmentId"] == told["enrollmentId"]
    assert again["credential"]["credentialId"] == told["credential"]["credentialId"]
    issued = stack.sql("SELECT kind FROM issued_credentials WHERE subject_did = %s", "did:example:load-730002")
    assert sorted(kind for (kind,) in issued) == ["CONSENT", "ENROLLMENT"]


def test_p1_7_consent_and_enrolment_are_revoked_and_the_first_moment_stays(stack: Stack) -> None:
    journey, told = enrolled(stack, 730003)
    (consent,) = told["consents"]
    first = _revoked(journey, consent)
    assert bit(stack, first["statusListUrl"], first["statusListIndex"]) == 1
    again = _revoked(journey, consent)
    assert again["revokedAt"] == first["revokedAt"]
    left = journey.ask(journey.unenroll(told["enrollmentId"]))["beckn:orderAttributes"]["unenrollment"]
    assert [each["revoked"] for each in left["consentsRevoked"]] == [True]
    assert entries(stack, told["credential"])["revocation"] == 1


def _revoked(journey: Journey, consent: Json) -> Json:
    order = journey.ask(journey.revoke_consent(consent["consentCredentialId"]))
    return dict(order["beckn:orderAttributes"]["consentRevocation"])


def test_p1_8_without_its_consent_the_enrolment_is_suspended_until_it_is_given_again(stack: Stack) -> None:
    journey, told = enrolled(stack, 730004, SUSPENDING)
    (consent,) = told["consents"]
    journey.ask(journey.revoke_consent(consent["consentCredentialId"]))
    assert journey.ask(journey.status())["beckn:orderAttributes"]["status"] == "SUSPENDED"
    assert entries(stack, told["credential"]) == {"revocation": 0, "suspension": 1}
    grant: Any = {"updateType": "CONSENT_GRANT", "consents": [_shown(journey)]}
    granted = journey.ask(journey.message("update", {"beckn:orderAttributes": {"@type": "E", **grant}}))
    assert granted["beckn:orderAttributes"]["status"] == "ACTIVE", granted
    assert entries(stack, told["credential"]) == {"revocation": 0, "suspension": 0}


def _shown(journey: Journey) -> Json:
    """The consent as a portal echoes it after it has shown its text."""
    selected = journey.ask(journey.message("select", {}))
    (asked,) = selected["beckn:orderAttributes"]["requiredConsents"]
    shown = asked["texts"][0]
    return {
        "type": asked["type"],
        "granted": True,
        "textVersion": asked["textVersion"],
        "textDigest": shown["digest"],
        "locale": shown["locale"],
    }


def test_p1_9_before_its_start_a_verifier_is_told_that_it_is_not_yet_valid(stack: Stack) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=17)
    _, told = enrolled(stack, 730005, startDate=text(start), endDate=text(start + timedelta(days=365)))
    assert told["status"] == "ACTIVE"
    answer = stack.get(told["credential"]["verificationUrl"], accept="application/json").body
    assert answer["verified"] is False
    assert "NOT_YET_VALID" in str(answer)
