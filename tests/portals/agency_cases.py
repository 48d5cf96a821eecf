"""Cases of agencies as rows, for tests that count them or look at them: no message is sent and no page is walked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from audit import clock
from beckn.models import Participant
from identity.models import Mandate, Membership, Subject
from portals.models import Application, AssistedCase, CatalogProgram

UTILITY = "utility-example-001"
PROGRAM = "program-flex-demand-response-001"
PORTAL = "agency-portal.sandbox.example"


def a_program() -> CatalogProgram:
    owner, _ = Participant.objects.get_or_create(
        subscriber_id="owner.example",
        defaults={
            "type": "BPP",
            "url": "https://owner.example/beckn",
            "created_at": clock.now(),
            "updated_at": clock.now(),
        },
    )
    program, _ = CatalogProgram.objects.get_or_create(
        bpp=owner,
        provider_id="p-1",
        program_id=PROGRAM,
        defaults={"slug": f"flex-{uuid4().hex[:6]}", "item": {"beckn:id": PROGRAM}, "fetched_at": clock.now()},
    )
    return program


def a_case(member: Membership, **changes: Any) -> AssistedCase:
    """A case that this member has opened, where its customer is looked for."""
    now: datetime = changes.get("opened_at") or clock.now()
    said: dict[str, Any] = {
        "agency": member.agency,
        "reference": uuid4().hex[:12].upper(),
        "opened_by": member,
        "operator": member,
        "program": a_program(),
        "utility_id": UTILITY,
        "looked_up": {"account": "CUST-1", "reason": "AT_DESK"},
        "opened_at": now,
        "updated_at": now,
    }
    return AssistedCase.objects.create(**said | changes)


def a_proved_case(
    member: Membership, *, subject: Subject | None = None, evidence: str = "OIDC", **changes: Any
) -> AssistedCase:
    """A case in progress: the customer has agreed, their journey has begun."""
    assert member.user is not None
    now: datetime = changes.get("opened_at") or clock.now()
    subject = subject or Subject.objects.for_did(f"did:example:{uuid4().hex}")
    mandate = a_mandate(member, subject, evidence=evidence, now=now)
    journey: dict[str, Any] = {"state": "DRAFT", **changes.pop("journey", {})}
    application = Application.objects.create(
        portal=PORTAL,
        subject=subject,
        started_by=member.user,
        program=a_program(),
        utility_id=UTILITY,
        transaction_id=f"txn-{uuid4()}",
        order_id=f"order-{uuid4()}",
        agency_id=member.agency.agency_id,
        operator_id=member.operator_id,
        mandate_id=mandate.mandate_id,
        answers={},
        told=journey.pop("told", {}),
        started_at=now,
        updated_at=now,
        **journey,
    )
    said: dict[str, Any] = {
        "state": "OPEN",
        "subject": subject,
        "mandate": mandate,
        "application": application,
        "proved_at": now,
    }
    return a_case(member, **said | changes)


def a_finished_case(
    member: Membership, *, outcome: str = "ENROLLED", took: timedelta = timedelta(minutes=10), **changes: Any
) -> AssistedCase:
    """A case that has ended so long after it was opened."""
    now = changes.get("opened_at") or clock.now() - took
    end = {"state": "CLOSED", "outcome": outcome, "closed_at": now + took}
    return a_proved_case(member, **{"opened_at": now} | end | changes)


def a_mandate(
    member: Membership, subject: Subject, *, evidence: str = "OIDC", now: datetime, **changes: Any
) -> Mandate:
    said: dict[str, Any] = {
        "mandate_id": f"mandate-{uuid4()}",
        "subject": subject,
        "agency": member.agency,
        "operator_id": member.operator_id,
        "utility_id": UTILITY,
        "program_id": PROGRAM,
        "actions": ["select", "init", "confirm", "update", "cancel"],
        "valid_from": now,
        "valid_until": now + timedelta(days=90),
        "evidence_kind": evidence,
        "evidence_digest": "0" * 64,
        "given_at": now,
    }
    return Mandate.objects.create(**said | changes)
