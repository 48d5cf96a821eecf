"""The messages of the load: an init and a confirm per customer, made and signed before the clock starts."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.generated import OWNER
from tests.bap import Bap
from tests.bench.customers import PROGRAM, PROVIDER, UTILITY, Customer

_SCHEMA = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/"
    "schema/EnergyEnrollment/v0.2/context.jsonld"
)
LIFETIME = 1800  # seconds that the signatures hold: more than the bench takes


@dataclass(frozen=True)
class Story:
    """One customer's two requests as whole HTTP requests, and the message ids their callbacks will echo."""

    init_id: str
    init: bytes
    confirm_id: str
    confirm: bytes


def story(customer: Customer, bap: Bap, base: str) -> Story:
    """Make one customer's requests to the service at `base`, signed by `bap`."""
    ids = {"transaction_id": f"txn-{customer.name}", "bpp_id": OWNER, "bpp_uri": f"{base}/beckn"}
    init = {"context": bap.context("init", **ids), "message": {"order": _init(customer)}}
    confirm = {"context": bap.context("confirm", **ids), "message": {"order": _confirm(customer)}}
    return Story(
        init["context"]["message_id"],
        _request(init, bap, base),
        confirm["context"]["message_id"],
        _request(confirm, bap, base),
    )


def _request(message: dict[str, Any], bap: Bap, base: str) -> bytes:
    raw = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    head = (
        f"POST /beckn/{message['context']['action']} HTTP/1.1\r\nHost: {urlsplit(base).netloc}\r\n"
        f"Authorization: {bap.authorization(raw, lifetime=LIFETIME)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


def _init(customer: Customer) -> dict[str, Any]:
    fulfillment = {
        "beckn:id": f"fulfillment-{customer.name}",
        "beckn:type": "PROGRAM_ENROLLMENT",
        "beckn:customer": {
            "beckn:id": customer.did,
            "beckn:person": {"schema:name": f"Load {customer.name}", "schema:email": f"{customer.name}@example.com"},
        },
        "beckn:instrument": {
            "meters": [
                {"beckn:id": customer.name, "beckn:utilityId": UTILITY, "beckn:utilityCustomerId": customer.account}
            ],
            "ders": [],
        },
        "beckn:fulfillmentAttributes": {
            "@context": _SCHEMA,
            "@type": "EnergyEnrollment",
            "credentials": list(customer.credentials),
        },
    }
    return _order(customer, fulfillment)


def _confirm(customer: Customer) -> dict[str, Any]:
    fulfillment = {
        "beckn:id": f"fulfillment-{customer.name}",
        "beckn:type": "PROGRAM_ENROLLMENT",
        "beckn:customer": {"beckn:id": customer.did},
        "beckn:instrument": {"meters": [{"beckn:id": customer.name}], "ders": []},
    }
    return {
        **_order(customer, fulfillment),
        "beckn:orderAttributes": {"@context": _SCHEMA, "@type": "EnergyEnrollment"},
    }


def _order(customer: Customer, fulfillment: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": _SCHEMA,
        "@type": "beckn:Order",
        "beckn:id": f"order-{customer.name}",
        "beckn:provider": {"beckn:id": PROVIDER},
        "beckn:items": [{"beckn:id": PROGRAM}],
        "beckn:fulfillments": [fulfillment],
    }
