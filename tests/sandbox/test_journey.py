"""The scripted portal: against the whole service, and its own eyes for what is wrong."""

import json
import shlex
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any
from urllib.request import Request, urlopen

import pytest

from sandbox import generated
from sandbox.journey import wire
from sandbox.journey.bap import Bap, Identity
from sandbox.journey.wire import BadSignature, Clock
from tests.journeys import RAJESH, Journey

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "integration.md"
VECTOR_SEED = "nnl1gQalccRODkk/AO5/HWYKausRBvkayBegf9TTI9M="
VECTOR_PUBLIC = "l0/NX8ztKcPr4Q2obCQgBqPsV0cfb73xOfako5OL/CU="
VECTOR_SIGNATURE = "V29p0sDMbJnjWmYxZOHv7Ex/0aTBKY/Ay3fSn6KZXfLor7jR7/cAJj7swCnu0XTNde8n+TnEdX6D8ixPEwJ5AA=="
VECTOR_BODY = (
    '{"context":{"domain":"beckn.one:deg:p2p-enrollment:2.0.0","version":"2.0.0","action":"init","bap_id":'
    '"bap.example.org","bap_uri":"https://bap.example.org/bap/receiver","bpp_id":"bpp.example.org","bpp_uri":'
    '"https://bpp.example.org/bpp/receiver","transaction_id":"2b4d69aa-22e4-4c78-9f56-5a7b9e2b2002","message_id":'
    '"7d2a1b64-3c55-4f0e-9a6f-0b5c3d1e8f77","timestamp":"2025-01-01T00:00:00.000Z","ttl":"PT30S"},"message":{"order":'
    '{"beckn:note":"Zoë pays ₹5/kWh"}}}'
).encode()
VECTOR_AT = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def bap() -> Bap:
    """A BAP that knows its partner's key, without a server."""
    seed, public = generated.key_pair()
    identity = Identity("bap.example", "1", seed, "http://127.0.0.1:1/beckn", "bpp.example", "", "")
    made = Bap(identity, Clock(), lambda _: None)
    made._keys["bpp.example", "k"] = public
    made.partner_seed = seed  # type: ignore[attr-defined]
    return made


def a_callback(bap: Bap, **context: str) -> tuple[bytes, str]:
    body = json.dumps(
        {"context": {"bpp_id": "bpp.example", "action": "on_init", "message_id": "m", **context}}
    ).encode()
    header = wire.authorization(
        body,
        subscriber_id="bpp.example",
        key_id="k",
        seed=bap.partner_seed,  # type: ignore[attr-defined]
        now=datetime.now(UTC),
    )
    return body, header


def test_the_portals_signer_makes_the_published_signature() -> None:
    header = wire.authorization(
        VECTOR_BODY, subscriber_id="bap.example.org", key_id="76EU-key-1", seed=VECTOR_SEED, now=VECTOR_AT
    )
    assert f'signature="{VECTOR_SIGNATURE}"' in header
    wire.verify(header, VECTOR_BODY, public_key=VECTOR_PUBLIC, now=VECTOR_AT)
    with pytest.raises(BadSignature):
        wire.verify(header, VECTOR_BODY + b" ", public_key=VECTOR_PUBLIC, now=VECTOR_AT)
    with pytest.raises(BadSignature):
        wire.verify(header, VECTOR_BODY, public_key=VECTOR_PUBLIC, now=datetime(2025, 1, 2, tzinfo=UTC))


def test_the_portal_takes_its_partners_callback(bap: Bap) -> None:
    body, header = a_callback(bap)
    assert bap.receive("on_init", header, body)[0] == 200


@pytest.mark.parametrize("context", [{"bpp_id": "other.example"}, {"action": "on_confirm"}])
def test_the_portal_refuses_a_callback_that_names_another_sender_or_action(bap: Bap, context: dict) -> None:
    body, header = a_callback(bap, **context)
    assert bap.receive("on_init", header, body)[0] == 401


def test_the_portal_refuses_a_changed_an_unsigned_and_a_garbled_callback(bap: Bap) -> None:
    body, header = a_callback(bap)
    assert bap.receive("on_init", header, body.replace(b'"m"', b'"n"'))[0] == 401
    assert bap.receive("on_init", "", body)[0] == 401
    assert bap.receive("on_init", header.replace("keyId", "kid"), body)[0] == 401
    assert bap.receive("on_init", header.replace("bpp.example|", "evil.example|"), body)[0] == 401


def _said_by_the_examples(base: str, order: dict[str, Any]) -> list[int]:
    """The status of every curl line of docs/integration.md, asked as it stands there (also where there is no curl)."""
    curl = ArgumentParser()
    curl.add_argument("-H", action="append", default=[])
    curl.add_argument("-X")
    curl.add_argument("-d", "--data-binary", dest="body")
    curl.add_argument("url")
    variables = {**order["beckn:orderAttributes"]["credential"], "BASE": base}
    answers = []
    for line in GUIDE.read_text().splitlines():
        if line.startswith("curl "):
            asked = curl.parse_args([Template(part).substitute(variables) for part in shlex.split(line)[1:]])
            body = asked.body.encode() if asked.body else None
            headers = dict(header.split(": ", 1) for header in asked.H)
            request = Request(asked.url, body, headers, method=asked.X)
            with urlopen(request, timeout=10) as answer:
                answers.append(answer.status)
    return answers


def _is(message: dict[str, Any], action: str) -> bool:
    return bool(message["action"] == action)


@pytest.mark.processes
def test_the_whole_journey_is_as_expected_in_both_profiles_and_after_a_reset_and_says_what_came_otherwise(
    make_stack,
) -> None:
    stack = make_stack()
    runs = (("A", "search"), ("A", "search"), ("B", "discover"), ("B", "discover", "--by-code"))
    for profile, first, *more in runs:
        messages = json.loads(stack.manage("demo", "journey", "--profile", profile, *more, "--json").stdout)
        actions = [message["action"] for message in messages]
        assert actions == [
            name
            for action in (first, "select", "init", "confirm", "status", "update", "update", "status")
            for name in (action, f"on_{action}")
        ]
        assert all("signedBy" in message for message in messages if message["direction"] == "received")

    messages = json.loads(stack.manage("demo", "journey", "--assisted", "--json").stdout)
    told = [each["body"]["message"]["order"].get("error", {}).get("code") for each in messages if _is(each, "on_init")]
    assert told == ["MANDATE_REQUIRED", "EA_NOT_CERTIFIED", None], "an agency begins only with its customer"
    assert [each["action"] for each in messages][-2:] == ["status", "on_status"]

    messages = json.loads(stack.manage("demo", "journey", "--stay", "--json").stdout)
    order = next(each["body"]["message"]["order"] for each in messages if each["action"] == "on_confirm")
    assert _said_by_the_examples(stack.base, order) == [200] * 6 + [201, 200]
    assert order["beckn:id"] in stack.manage("sandbox", "reset").stdout

    journey = Journey(stack, RAJESH)
    stack.bap.ask(stack.base, journey.init())
    assert stack.bap.ask(stack.base, journey.confirm()).message["order"]["beckn:status"] == "CONFIRMED"
    refused = stack.manage("demo", "journey", check=False)
    assert refused.returncode != 0
    assert "ENROLLMENT_CONFLICT" in refused.stderr
    assert journey.order_id in stack.manage("sandbox", "reset").stdout
    assert "as expected" in stack.manage("demo", "journey").stdout
    assert json.loads(stack.manage("audit", "verify", "--json").stdout)

    stack.fault("down")  # and what comes otherwise is said
    broken = stack.manage("demo", "journey", check=False)
    assert broken.returncode != 0
    assert "the utility gives no meter-ownership credential: HTTP 503" in broken.stderr
