"""Whatever arrives, proven or not: a NACK or an ACK, never a 500, and no row without an ACK."""

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.extra.django import TestCase

from beckn.models import Inbox, Outbox
from beckn.nacks import NackCode
from tests.bap import Bap
from tests.beckn.conftest import encode, message, register

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=20)
    | strategies.sampled_from(["sealed:0", "sealed:credential:00000000-0000-0000-0000-000000000000", "\x00", "did:x"]),
    lambda children: (
        strategies.lists(children, max_size=4)
        | strategies.dictionaries(
            strategies.text(max_size=8)
            | strategies.sampled_from(
                ["order", "beckn:id", "beckn:items", "beckn:fulfillments", "userAuth", "otp", "meters"]
            ),
            children,
            max_size=5,
        )
    ),
    max_leaves=20,
)
ACTIONS = strategies.sampled_from(
    ["search", "select", "init", "confirm", "status", "update", "cancel", "support", "discover", "rating", "x/y", "%00"]
)


class AnyBytes(TestCase):
    """Hypothesis' own Django case: every example in a transaction of its own."""

    def setUp(self) -> None:
        self.bap = Bap(port=9)
        register(self.bap)

    @FEW
    @given(raw=strategies.binary(max_size=300), action=ACTIONS, is_signed=strategies.booleans())
    def test_any_bytes_get_a_clear_answer(self, raw: bytes, action: str, is_signed: bool) -> None:
        self.check(self.post(raw, action, self.bap.authorization(raw) if is_signed else None))

    @FEW
    @given(header=strategies.text(strategies.characters(max_codepoint=255), max_size=200))
    def test_any_header_gets_a_clear_answer(self, header: str) -> None:
        raw = encode(message(self.bap))
        self.check(self.post(raw, "search", header))
        good = self.bap.authorization(raw)
        self.check(self.post(raw, "search", good[: len(header)] + header + good[len(header) :]))

    @FEW
    @given(body=JSON, action=ACTIONS)
    def test_any_json_gets_a_clear_answer(self, body: Any, action: str) -> None:
        self.send(body, action)

    @FEW
    @given(content=JSON, action=ACTIONS)
    def test_any_content_in_a_good_context_gets_a_clear_answer(self, content: Any, action: str) -> None:
        self.send({**message(self.bap, action), "message": content}, action)

    @FEW
    @given(
        name=strategies.sampled_from(
            [f"{side}_{what}" for side in ("bap", "bpp") for what in ("id", "uri")]
            + [*("version", "action", "domain", "timestamp", "message_id", "transaction_id", "ttl", "more")]
        ),
        value=JSON,
    )
    def test_any_value_in_the_context_gets_a_clear_answer(self, name: str, value: Any) -> None:
        body = message(self.bap)
        body["context"][name] = value
        self.send(body, "search")

    def send(self, body: Any, action: str) -> None:
        raw = json.dumps(body).encode()  # with escapes, NaN and lone surrogates, as a careless sender would
        self.check(self.post(raw, action, self.bap.authorization(raw)))

    def post(self, raw: bytes, action: str, authorization: str | None) -> Any:
        headers = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
        return self.client.generic("POST", f"/beckn/{action}", raw, content_type="application/json", **headers)

    def check(self, answer: Any) -> None:
        body = answer.json()
        kept = Inbox.objects.count()
        if answer.status_code == 200:
            assert body == {"message": {"ack": {"status": "ACK"}}}
            assert kept == 1
            Inbox.objects.all().delete()
            return
        assert answer.status_code in (400, 401, 403, 404, 413, 429), (answer.status_code, body)
        assert body["message"]["ack"]["status"] == "NACK"
        assert body["error"]["code"] in set(NackCode)
        assert body["error"]["message"]
        assert kept == 0
        assert not Outbox.objects.exists()
        assert not connection.needs_rollback


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1])
def test_the_largest_message_is_read_and_one_byte_more_is_not(bap, post, size):
    raw = encode(message(bap))
    answer = post(bap, raw + b" " * (size - len(raw)))
    assert answer.status_code == (200 if size == 1 << 20 else 413)


def test_a_message_of_very_many_values_is_refused_quickly(bap, post):
    raw = encode(message(bap, content={"intent": {"x": [0] * 60_000}}))
    answer = post(bap, raw)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TOO_LARGE")
