"""A journey that is asked for consents, without a provider to answer it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from beckn.models import Participant
from identity.models import Subject, User
from portals import drafts
from portals.models import Application, CatalogProgram

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WORDS = "You let the program read your meter."
DIGEST = "sha256:" + hashlib.sha256(WORDS.encode()).hexdigest()
READINGS: dict[str, Any] = {
    "type": "DATA_COLLECTION",
    "required": True,
    "description": "We read your meter",
    "purposes": ["SETTLEMENT"],
    "data": ["INTERVAL_READINGS", "DER_NAMEPLATE", "IDENTITY_MATCH", "SHOE_SIZE"],
    "grantee": "p-1",
    "frequency": "PT15M",
    "mode": "STORE",
    "textVersion": "1",
    "onRevoked": "SUSPEND",
    "texts": [{"locale": "en", "url": "https://provider.example/texts/1", "digest": DIGEST}],
}
CONTROL: dict[str, Any] = {**READINGS, "type": "DER_CONTROL", "required": False, "data": [], "mode": "CONTROL"}


def journey(*consents: dict[str, Any], state: str = "DRAFT", **more: Any) -> Application:
    """Rajesh's journey after an on_init that asks for these consents."""
    bpp, _ = Participant.objects.get_or_create(
        subscriber_id="provider.example",
        defaults={"url": "https://provider.example/beckn", "type": "BPP", "created_at": NOON, "updated_at": NOON},
    )
    program, _ = CatalogProgram.objects.get_or_create(
        bpp=bpp,
        provider_id="p-1",
        program_id="program-1",
        defaults={"slug": "program-1", "item": {"beckn:id": "program-1"}, "fetched_at": NOON},
    )
    subject, _ = Subject.objects.get_or_create(did="did:example:rajesh", defaults={"name": "Rajesh Kumar"})
    row = drafts.start(
        program,
        subject=subject,
        user=User.objects.create(username=uuid4().hex, sub=uuid4().hex, subject=subject),
        portal="portal.sandbox.example",
        utility_id="utility-example-001",
        now=NOON,
    )
    order = {"beckn:orderAttributes": {"requiredConsents": list(consents)}}
    row.told = {"on_init": {"message": {"order": order}, "at": NOON.isoformat()}}
    row.answers = {
        "meters": ["umid-001"],
        "ders": [{"id": "der-1", "type": "SOLAR_PV", "capacity": 4.5, "unit": "kW"}],
        "known": {"name": "R. Kumar", "accountEnding": "3456", "meters": [{"umid": "umid-001", "number": "MTR-7788"}]},
    }
    row.state = state
    for name, value in more.items():
        setattr(row, name, value)
    row.save()
    return row
