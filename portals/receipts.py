"""Consent receipts: what a customer was shown and answered, in the names of ISO/IEC TS 27560:2023.

The specification fixes the names and their meaning and leaves the encoding open; ours is JSON with its four blocks
(header, processing, parties, events). A receipt is kept as it was; what happens later is added to its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings

from portals import data_flows
from portals.consents import Asked, Text
from portals.models import Application, ConsentReceipt

if TYPE_CHECKING:
    from portals.houses import House

SCHEMA = "ISO/IEC TS 27560:2023"
GIVEN, REFUSED, WITHDRAWN, ENDED, RENEWED = "consent_given", "consent_refused", "consent_withdrawn", "ended", "renewed"


def write(
    application: Application,
    consent: Asked,
    text: Text,
    *,
    body: str,
    is_granted: bool,
    controller: str,
    house: House,
    locale: str,
    at: datetime,
) -> ConsentReceipt:
    """Keep a receipt for an answer. `body` is the text that was on the screen, `locale` the page's language.

    Belongs into the transaction of the answer.
    """
    receipt_id = uuid4()
    return ConsentReceipt.objects.create(
        id=receipt_id,
        application=application,
        consent_type=consent.type,
        is_granted=is_granted,
        text_version=consent.text_version,
        text_digest=text.digest,
        locale=text.locale,
        answered_at=at,
        record={
            "receipt_metadata": {"schema_version": SCHEMA, "receipt_id": f"urn:uuid:{receipt_id}"},
            "record_header": {
                "schema_version": SCHEMA,
                "record_id": f"{application.order_id}/{consent.key}",
                "pii_principal_id": application.subject.did or str(application.subject_id),
            },
            "pii_processing": _processing(application, consent, text, body=body, controller=controller, page=locale),
            "party_identification": _parties(application, consent, controller, house),
            "event": [_event(GIVEN if is_granted else REFUSED, at, consent.validity, application)],
        },
    )


def withdrawn(application: Application, key: str, at: datetime, *, reference: str = "") -> ConsentReceipt | None:
    """Note in a consent's receipt that it was withdrawn at `at`, by the provider's own word. Safe to repeat.

    `reference`: the journal's, where the provider told one. Belongs into the transaction that takes the answer.
    """
    receipt = of_consent(application, key)
    if receipt is None or receipt.withdrawn_at is not None or not receipt.is_granted:
        return receipt
    return _close(receipt, WITHDRAWN, at, reference)


def ended(application: Application, at: datetime, *, keys: Sequence[str] = (), reference: str = "") -> None:
    """The enrolment has ended, and with it the consents of these keys (all of them where none is named)."""
    answers = application.answers.get("consents") or {}
    for key in keys or tuple(answers):
        receipt = of_consent(application, key)
        if receipt is not None and receipt.is_granted and receipt.withdrawn_at is None:
            _close(receipt, ENDED, at, reference)


def of_consent(application: Application, key: str) -> ConsentReceipt | None:
    """The receipt of the newest answer to a consent."""
    answer = (application.answers.get("consents") or {}).get(key)
    wanted = answer.get("receipt") if isinstance(answer, dict) else None
    return application.receipts.filter(pk=wanted).first() if wanted else None


def _close(receipt: ConsentReceipt, state: str, at: datetime, reference: str) -> ConsentReceipt:
    event = {"event_time": _instant(at), "event_type": "explicit", "event_state": state}
    receipt.withdrawn_at = at
    receipt.record = {
        **receipt.record,
        "event": [*receipt.record.get("event", []), {**event, **({"reference": reference} if reference else {})}],
    }
    receipt.save(update_fields=["withdrawn_at", "record"])
    return receipt


def _processing(
    application: Application, consent: Asked, text: Text, *, body: str, controller: str, page: str
) -> dict[str, Any]:
    flows = data_flows.flows(application, consent)
    return {
        "privacy_notice": text.url,
        "privacy_notice_digest": text.digest,
        "privacy_notice_version": consent.text_version,
        "privacy_notice_text": body,
        "language": text.locale,
        "page_language": page,
        "jurisdictions": [],
        "withdrawal_method": f"{settings.PUBLIC_URL}/enrolments/{application.pk}/consents/{consent.place}/withdraw",
        "purposes": [
            {
                "purpose": purpose,
                "purpose_type": consent.type,
                "lawful_basis": "consent",
                "is_required": consent.is_required,
                "pii_information": [
                    {
                        "pii_type": flow.kind,
                        "pii_attribute_id": each,
                        "pii_attribute_label": label,
                        "pii_optional": not consent.is_required,
                    }
                    for flow in flows
                    for each, label in _attributes(flow)
                ],
                "pii_controllers": [consent.grantee or application.program.provider_id],
                "collection_method": "portal",
                "processing_method": consent.mode,
                "collection_frequency": consent.frequency,
                "retention_period": consent.validity,
                "recipient_third_parties": [each for each in (consent.to_utility,) if each],
            }
            for purpose in consent.purposes or (consent.type,)
        ],
    }


def _attributes(flow: data_flows.Flow) -> list[tuple[str, str]]:
    """Each thing's id, and what of it may stand on paper."""
    found = [(each.umid, f"… {each.ending}") for each in flow.meters] + [(each.der_id, "") for each in flow.devices]
    if flow.account_ending:
        found.append((f"account … {flow.account_ending}", f"… {flow.account_ending}"))
    return found or [("", "")]


def _parties(application: Application, consent: Asked, controller: str, house: House) -> list[dict[str, str]]:
    program = application.program
    return [
        {
            "party_id": consent.grantee or program.provider_id,
            "party_name": controller,
            "party_role": "pii_controller",
            "party_type": "organisation",
        },
        {
            "party_id": application.portal,
            "party_name": house.name,
            "party_role": "portal",
            "party_phone": house.phone,
            "party_url": settings.PUBLIC_URL,
            "party_type": "organisation",
        },
        {
            "party_id": application.utility_id,
            "party_name": house.name,
            "party_role": "grievance_contact",
            "party_contact": str(house.grievance or ""),
            "party_phone": house.phone,
            "party_type": "organisation",
        },
    ]


def _event(state: str, at: datetime, validity: str, application: Application) -> dict[str, str]:
    return {
        "event_time": _instant(at),
        "event_type": "explicit",
        "event_state": state,
        "validity_duration": validity,
        "entity_id": application.subject.did or str(application.subject_id),
    }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
