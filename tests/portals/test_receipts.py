"""Consent receipts keep what was on the screen, and note what became of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from portals import consents, houses, receipts
from portals.models import Application, ConsentReceipt
from tests.portals.consent_journeys import DIGEST, NOON, READINGS, WORDS, journey

pytestmark = pytest.mark.django_db


def answered(row: Application, *, is_granted: bool = True) -> ConsentReceipt:
    (asked,) = consents.asked(row)
    receipt = receipts.write(
        row,
        asked,
        asked.texts[0],
        body=WORDS,
        is_granted=is_granted,
        controller="The program",
        house=houses.house_of(row.utility_id),
        locale="en",
        at=NOON,
    )
    row.answers["consents"] = {asked.key: {"granted": is_granted, "receipt": str(receipt.pk)}}
    row.save()
    return receipt


def test_a_receipt_has_the_names_of_iso_27560_and_the_very_words() -> None:
    record = answered(journey(READINGS)).record
    assert record["receipt_metadata"]["schema_version"] == "ISO/IEC TS 27560:2023"
    processing = record["pii_processing"]
    digest = hashlib.sha256(processing["privacy_notice_text"].encode()).hexdigest()
    assert f"sha256:{digest}" == processing["privacy_notice_digest"] == DIGEST
    assert processing["language"] == "en" and processing["withdrawal_method"].endswith("/consents/1/withdraw")
    purpose = processing["purposes"][0]
    assert purpose["purpose"] == "SETTLEMENT" and purpose["pii_controllers"] == ["p-1"]
    assert purpose["pii_information"][0]["pii_attribute_id"] == "umid-001"
    roles = {party["party_role"]: party for party in record["party_identification"]}
    assert set(roles) == {"pii_controller", "portal", "grievance_contact"}
    assert record["event"][0] | {"entity_id": ""} == {
        "event_time": "2026-11-21T12:00:00Z",
        "event_type": "explicit",
        "event_state": "consent_given",
        "validity_duration": "ENROLLMENT",
        "entity_id": "",
    }


def test_a_withdrawal_is_added_once_and_the_rest_stays_as_it_was() -> None:
    row = journey(READINGS)
    before = answered(row).record
    for later in (1, 2):
        receipts.withdrawn(row, "DATA_COLLECTION", NOON + timedelta(hours=later), reference="log-1")
    receipt = ConsentReceipt.objects.get()
    assert receipt.withdrawn_at == NOON + timedelta(hours=1)
    assert [each["event_state"] for each in receipt.record["event"]] == ["consent_given", "consent_withdrawn"]
    assert receipt.record["event"][1]["reference"] == "log-1"
    assert {**receipt.record, "event": []} == {**before, "event": []}


def test_consents_end_with_the_enrolment_and_a_no_has_nothing_to_end() -> None:
    said_yes, said_no = journey(READINGS), journey(READINGS)
    answered(said_yes)
    answered(said_no, is_granted=False)
    for row in (said_yes, said_no):
        receipts.ended(row, NOON + timedelta(days=1))
    assert said_yes.receipts.get().withdrawn_at == NOON + timedelta(days=1)
    assert said_no.receipts.get().withdrawn_at is None
