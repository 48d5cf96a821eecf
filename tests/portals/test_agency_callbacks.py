"""Each agency's portal here asks under its own name and key, and gets its own answers."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from audit import clock
from beckn import identities, participants
from beckn.models import Outbox
from identity.models import Subject, User
from portals import asking, drafts
from portals.models import Application, CatalogProgram
from sandbox.generated import AGENCY_PORTAL, AGENCY_PORTAL_B, PORTAL
from tests.portals.conftest import DID, PROGRAM, Provider, change, enrolled

pytestmark = pytest.mark.django_db
PORTALS = (AGENCY_PORTAL, AGENCY_PORTAL_B)


def begin(provider: Provider, portal: str) -> Application:
    program, _ = CatalogProgram.objects.get_or_create(
        bpp=participants.registered(provider.peer.subscriber_id),
        provider_id="p-1",
        program_id=PROGRAM,
        defaults={"slug": f"flex-{uuid4().hex[:6]}", "item": {"beckn:id": PROGRAM}, "fetched_at": clock.now()},
    )
    application = drafts.start(
        program,
        subject=Subject.objects.for_did(DID),
        user=User.objects.create(username=uuid4().hex, sub=uuid4().hex),
        portal=portal,
        utility_id="utility-example-001",
        now=clock.now(),
    )
    return change(application, _confirm)


def _confirm(row: Application) -> None:
    row.answers = {"account": True, "meters": ["umid-001"], "starts_on": "2026-11-21", "declared": True}
    asking.confirm(row, now=clock.now())


def answer(provider: Provider, application: Application, portal: str) -> Application:
    order = {"order": {"beckn:id": application.order_id, **enrolled()}}
    context: dict[str, Any] = {
        "message_id": application.asked_message_id,
        "transaction_id": application.transaction_id,
        "bap_id": portal,
        "bap_uri": identities.by_id(portal).uri,  # type: ignore[union-attr]
    }
    provider.says("on_confirm", order, **context)
    return Application.objects.get(pk=application.pk)


@pytest.mark.parametrize("portal", PORTALS)
def test_an_agencys_portal_asks_under_its_own_name_with_its_own_key_and_takes_its_own_answer(
    provider: Provider, portal: str
):
    application = begin(provider, portal)

    asked = Outbox.objects.get(message_id=application.asked_message_id)
    assert (asked.sender_id, asked.body["context"]["bap_id"]) == (portal, portal)
    key = identities.signing_key(portal, clock.now())
    assert key.public_key not in {identities.signing_key(each, clock.now()).public_key for each in _others(portal)}
    raw = json.dumps(asked.body).encode()
    assert f'keyId="{portal}|{key.key_id}|' in identities.sign(raw, portal, clock.now())
    assert answer(provider, application, portal).state == "ENROLLED"


@pytest.mark.parametrize("other", [AGENCY_PORTAL_B, PORTAL])
def test_an_answer_to_one_portal_is_none_for_anothers_journey(provider: Provider, other: str):
    application = begin(provider, AGENCY_PORTAL)

    assert answer(provider, application, other).state == "CONFIRMING"


def _others(portal: str) -> list[str]:
    return [each for each in (*PORTALS, PORTAL) if each != portal]
