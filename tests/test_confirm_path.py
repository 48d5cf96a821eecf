"""The path of a confirm, end to end: real processes, real HTTP, real signatures, real PostgreSQL with workers."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.bap import is_signed_by
from tests.journeys import NET_METERING, P2P, PROSUMER, RAJESH, Journey, fulfillment_state
from tests.stack import Stack

pytestmark = pytest.mark.processes


def verified(stack: Stack, token: str) -> dict[str, Any]:
    """A credential's payload, checked with PyJWT against the published DID document, as any outsider would."""
    document = stack.get("/.well-known/did.json").body
    kid = jwt.get_unverified_header(token)["kid"]
    methods = {m["id"]: m for m in document["verificationMethod"] if "publicKeyJwk" in m}
    by_multikey = {m["id"]: m for m in document["verificationMethod"]}
    assert kid in by_multikey, (kid, list(by_multikey))
    keys = [jwt.PyJWK(m["publicKeyJwk"], algorithm="ES256") for m in methods.values()]
    for key in keys:
        try:
            return jwt.decode(token, key.key, algorithms=["ES256"], options={"verify_nbf": False, "verify_aud": False})
        except jwt.InvalidSignatureError:
            continue
    raise AssertionError("no published key signed this")


def bit(stack: Stack, list_url: str, index: str) -> int:
    """The bit of a published status list, decoded by hand."""
    answer = stack.get(urlsplit(list_url).path, accept="application/vc+jwt")
    assert answer.status == 200, answer.raw
    payload = verified(stack, answer.raw.decode())
    encoded = payload["credentialSubject"]["encodedList"]
    assert encoded[0] == "u"
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    assert len(bits) == 131_072 // 8
    position = int(index)
    return (bits[position >> 3] >> (7 - (position & 7))) & 1


def test_a_message_in_and_a_credential_out_and_revocation_shows_in_the_published_lists(stack: Stack):
    journey = Journey(stack, RAJESH)

    prepared = journey.call(journey.init())
    owner_key = json.loads(stack.settings["BECKN_IDENTITIES"])[0]["keys"][0]["public_key"]
    assert is_signed_by(prepared, owner_key)
    order = prepared.message["order"]
    assert fulfillment_state(order) == "PENDING_CONFIRM"
    assert order["beckn:orderAttributes"]["credentialVerification"]["status"] == "VERIFIED"

    confirmed = journey.ask(journey.confirm())
    attributes = confirmed["beckn:orderAttributes"]
    credential = attributes["credential"]
    payload = verified(stack, credential["credentialData"])
    assert payload["sub"] == RAJESH.did
    assert payload["vc"]["credentialSubject"]["meters"] == ["umid-001"]
    assert payload["jti"] == credential["credentialId"]
    entries = payload["vc"]["credentialStatus"]
    assert {e["statusPurpose"] for e in entries} == {"revocation", "suspension"}
    assert [bit(stack, e["statusListCredential"], e["statusListIndex"]) for e in entries] == [0, 0]
    page = stack.get(urlsplit(credential["verificationUrl"]).path, accept="application/json")
    assert page.body["verified"] is True

    consent = attributes["consents"][0]
    revoked = journey.ask(journey.revoke_consent(consent["consentCredentialId"]))
    told = revoked["beckn:orderAttributes"]["consentRevocation"]
    assert told["status"] == "REVOKED"
    # The answer left only after the list was published.
    assert bit(stack, told["statusListUrl"], told["statusListIndex"]) == 1

    ended = journey.ask(journey.unenroll(attributes["enrollmentId"]))
    unenrollment = ended["beckn:orderAttributes"]["unenrollment"]
    status = unenrollment["enrollmentCredentialStatus"]
    assert status["revoked"] is True
    assert bit(stack, status["statusListUrl"], status["statusListIndex"]) == 1
    assert unenrollment["consentsRevoked"][0]["consentCredentialId"] == consent["consentCredentialId"]
    page = stack.get(urlsplit(credential["verificationUrl"]).path, accept="application/json")
    assert page.body["verified"] is False


def test_a_prosumer_with_certified_devices_is_enrolled_with_them(stack: Stack):
    journey = Journey(stack, PROSUMER, P2P)
    confirmed = journey.enroll()
    payload = verified(stack, confirmed["beckn:orderAttributes"]["credential"]["credentialData"])
    subject = payload["vc"]["credentialSubject"]
    assert subject["ders"] == ["der-battery-001", "der-solar-001"]
    assert "prosumer" in subject["roles"]


def test_a_program_with_the_deg_profile_names_the_customer_to_the_applicant_alone(stack: Stack):
    journey = Journey(stack, RAJESH, NET_METERING)
    told = journey.enroll()["beckn:orderAttributes"]["credential"]
    payload = verified(stack, told["credentialData"])
    assert payload["jti"] == "urn:uuid:" + urlsplit(told["credentialId"]).path.rpartition("/")[2]
    assert payload["vc"]["type"][-1] == "UtilityProgramEnrollmentCredential"
    assert payload["vc"]["issuer"]["licenseNumber"] == "SANDBOX-2026-00001"
    assert payload["vc"]["credentialSubject"]["consumerNumber"] == RAJESH.customer_id
    where = payload["status"]["status_list"]
    assert (where["uri"], str(where["idx"])) == (told["statusListUrl"], told["statusListIndex"])
    assert bit(stack, where["uri"], str(where["idx"])) == 0
    for table in ("beckn_outbox", "issued_credentials", "signed_forms", "audit_logs"):
        ((everything,),) = stack.sql(f"SELECT coalesce(json_agg(t)::text, '') FROM {table} t")
        assert RAJESH.customer_id not in everything and told["credentialData"] not in everything


def test_what_was_done_can_be_found_in_the_journal_and_the_journal_holds(stack: Stack):
    journey = Journey(stack, PROSUMER)
    confirmed = journey.enroll()
    reference = confirmed["beckn:orderAttributes"]["logReference"].removeprefix("log-")
    assert stack.sql("SELECT action FROM audit_logs WHERE public_id = %s", reference) == [("enrollment.confirmed",)]
    assert stack.manage("audit", "verify").returncode == 0
