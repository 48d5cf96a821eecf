"""A provider of programs that is nobody of ours, and a journey to one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from audit import clock
from beckn import identities, participants, tasks
from beckn.models import Inbox, Outbox
from credentials import services
from identity.models import Subject, User
from portals import asking, drafts
from portals.models import Application, CatalogProgram
from sandbox.generated import PORTAL
from tests.bap import Bap
from tests.credentials.conftest import enrollment

DID = "did:example:user-12345"
PROGRAM = "program-flex-demand-response-001"


class Provider:
    """A program owner on the network, as a BPP whose every word is signed."""

    def __init__(self, client: Client, subscriber_id: str = "provider.example") -> None:
        self.client = client
        self.peer = Bap(subscriber_id=subscriber_id)
        self.peer.start()
        participants.add(
            subscriber_id=subscriber_id,
            url=self.peer.uri,
            key_id=self.peer.key_id,
            public_key=self.peer.public_key,
            type="BPP",
            now=clock.now(),
        )

    def says(self, action: str, message: Mapping[str, Any], **context: Any) -> None:
        """Post a callback to our portal and have it taken."""
        assert self.posts(action, message, **context).status_code == 200
        tasks.drain()

    def posts(self, action: str, message: Mapping[str, Any], *, signer: Bap | None = None, **context: Any) -> Any:
        given = {
            "bap_id": PORTAL,
            "bap_uri": identities.by_id(PORTAL).uri,  # type: ignore[union-attr]
            "bpp_id": self.peer.subscriber_id,
            "bpp_uri": self.peer.uri,
            "message_id": str(uuid4()),
        }
        body = {"context": self.peer.context(action) | given | context, "message": dict(message)}
        raw = json.dumps(body).encode()
        return self.client.generic(
            "POST",
            f"/bap/{action}",
            raw,
            content_type="application/json",
            HTTP_AUTHORIZATION=(signer or self.peer).authorization(raw),
        )

    def answers(self, application: Application, order: Mapping[str, Any], *, action: str = "") -> Application:
        """Answer the journey's open question with this order."""
        asked = Application.objects.get(pk=application.pk)
        whole = {"beckn:id": asked.order_id, **order}
        context = {"message_id": asked.asked_message_id or str(uuid4()), "transaction_id": asked.transaction_id}
        self.says(action or f"on_{asked.asked_action}", {"order": whole}, **context)
        return Application.objects.get(pk=application.pk)


@pytest.fixture
def provider(bootstrapped_today: None, client: Client) -> Iterator[Provider]:
    participants.forget()
    participants.sync(now=clock.now())
    found = Provider(client)
    yield found
    found.peer.stop()
    participants.forget()


@pytest.fixture
def journey(provider: Provider) -> Application:
    """Rajesh has chosen his meter and pressed "Confirm enrolment"."""
    return begin(provider)


def begin(provider: Provider, meters: tuple[str, ...] = ("umid-001",)) -> Application:
    bpp = participants.registered(provider.peer.subscriber_id)
    program, _ = CatalogProgram.objects.get_or_create(
        bpp=bpp,
        provider_id="p-1",
        program_id=PROGRAM,
        defaults={"slug": f"flex-{uuid4().hex[:6]}", "item": {"beckn:id": PROGRAM}, "fetched_at": clock.now()},
    )
    user = User.objects.create(username=uuid4().hex, sub=uuid4().hex)
    application = drafts.start(
        program,
        subject=Subject.objects.for_did(DID),
        user=user,
        portal=PORTAL,
        utility_id="utility-example-001",
        now=clock.now(),
    )
    return change(application, lambda row: confirm(row, meters))


def confirm(row: Application, meters: tuple[str, ...]) -> None:
    row.answers = {"account": True, "meters": list(meters), "starts_on": "2026-11-21", "declared": True}
    asking.confirm(row, now=clock.now())


def change(application: Application, how: Any) -> Application:
    return drafts.change(application, None, how, now=clock.now())


def enrolled(
    *, meters: tuple[str, ...] = ("umid-001",), subject: str = DID, said: tuple[str, ...] | None = None, **claims: Any
) -> dict[str, Any]:
    """The order of an on_confirm with a credential of ours; `said`: the meters the message itself names."""
    about = enrollment().claims | {"meters": list(meters)} | claims
    with transaction.atomic():
        issued = services.issue([enrollment(subject_did=subject, claims=about)], now=clock.now())[0]
    return order_with(issued.url, issued.jwt, said or meters)


def order_with(credential_id: str, data: str, meters: tuple[str, ...]) -> dict[str, Any]:
    lines = [{"beckn:id": umid, "beckn:enrollmentStatus": "ENROLLED"} for umid in meters]
    return {
        "beckn:status": "CONFIRMED",
        "beckn:orderNumber": "ENR-2026-000001",
        "beckn:fulfillments": [{"beckn:instrument": {"meters": lines}}],
        "beckn:orderAttributes": {
            "enrollmentId": "enrollment-1",
            "status": "ACTIVE",
            "programId": PROGRAM,
            "credential": {
                "credentialId": credential_id,
                "type": "ProgramEnrollmentCredential",
                "credentialData": data,
                "credentialUrl": f"{credential_id}?t=secret-of-the-link",
                "issuedAt": "2026-11-21T00:00:00Z",
            },
        },
    }


def sent(action: str) -> Outbox:
    return Outbox.objects.filter(action=action, kind=Outbox.Kind.REQUEST).latest("pk")


def taken(action: str) -> Inbox:
    return Inbox.objects.filter(action=action).latest("pk")
