"""A participant whose key we know, and Django's client to speak to the two doors without a network."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.test import Client

from audit import clock
from audit.models import Event
from beckn import participants
from beckn.models import Inbox, Outbox
from sandbox.generated import OWNER
from tests.bap import Bap

Post = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    """What a process remembers for a second must not reach the next test."""
    participants.forget()
    yield
    participants.forget()


@pytest.fixture
def bap(db: None) -> Iterator[Bap]:
    """A registered participant that listens at its registered address."""
    peer = Bap()
    peer.start()
    register(peer)
    yield peer
    peer.stop()


def register(peer: Bap, **more: Any) -> None:
    participants.add(
        subscriber_id=peer.subscriber_id,
        url=peer.uri,
        key_id=peer.key_id,
        public_key=peer.public_key,
        now=clock.now(),
        **more,
    )


def message(
    peer: Bap, action: str = "search", content: Mapping[str, Any] | None = None, **context: Any
) -> dict[str, Any]:
    """A message as the guide has them, addressed to us."""
    given = {"bpp_id": OWNER, "bpp_uri": "http://127.0.0.1:8000/beckn", **context}
    return {"context": peer.context(action, **given), "message": {"intent": {}} if content is None else dict(content)}


def encode(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture
def post(client: Client) -> Post:
    """POST bytes or a message to /beckn/<action>, signed by the peer unless `authorization` says otherwise."""

    def do(peer: Bap, body: Any, *, action: str = "", authorization: str | None = None, **extra: Any) -> Any:
        raw = body if isinstance(body, bytes) else encode(body)
        to = action or (body["context"]["action"] if isinstance(body, dict) else "search")
        signed = peer.authorization(raw) if authorization is None else authorization
        headers = {"HTTP_AUTHORIZATION": signed} if signed else {}
        kind = extra.pop("content_type", "application/json")
        door = extra.pop("door", "beckn")
        return client.generic("POST", f"/{door}/{to}", raw, content_type=kind, **headers, **extra)

    return do


def is_ack(answer: Any) -> bool:
    return answer.status_code == 200 and answer.json() == {"message": {"ack": {"status": "ACK"}}}


def nack(answer: Any) -> tuple[int, str, str]:
    """Status, code and path of a NACK; fails when it is none or says nothing."""
    body = answer.json()
    assert body["message"] == {"ack": {"status": "NACK"}}
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"], body["error"]["details"]["path"]


def nothing_kept() -> bool:
    return not Inbox.objects.exists() and not Outbox.objects.exists()


def journalled(action: str) -> list[Mapping[str, Any]]:
    return [event.details for event in Event.objects.filter(action=action).order_by("pk")]
