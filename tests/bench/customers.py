"""The made-up customers of the sandbox utility, load-000001 and on, with the credentials they would bring."""

import http.client
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

UTILITY = "utility-example-001"
PROVIDER = "vpp-program-flex-001"
PROGRAM = "program-flex-demand-response-001"
_AT_ONCE = 4


@dataclass(frozen=True)
class Customer:
    """`name` is also the meter; `credentials` are two entries for a message: meter ownership and eligibility."""

    name: str
    credentials: Sequence[dict[str, Any]]

    @property
    def did(self) -> str:
        return f"did:example:{self.name}"

    @property
    def account(self) -> str:
        return f"CUST-{self.name}"


def names(first: int, count: int) -> list[str]:
    return [f"load-{number:06d}" for number in range(first, first + count)]


def fetch(utility_url: str, wanted: Sequence[str]) -> list[Customer]:
    """Let the utility issue the credentials of these customers; a few connections at once, in the order asked."""
    parts = [wanted[start::_AT_ONCE] for start in range(_AT_ONCE)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = {each.name: each for part in pool.map(lambda part: _fetch(utility_url, part), parts) for each in part}
    return [found[name] for name in wanted]


def _fetch(utility_url: str, wanted: Iterable[str]) -> list[Customer]:
    address = urlsplit(utility_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        return [
            Customer(
                name,
                (
                    _issued(connection, "meter-ownership", {"subject": f"did:example:{name}", "meterId": name}),
                    _issued(
                        connection, "program-eligibility", {"subject": f"did:example:{name}", "programId": PROGRAM}
                    ),
                ),
            )
            for name in wanted
        ]
    finally:
        connection.close()


def _issued(connection: http.client.HTTPConnection, kind: str, asked: dict[str, str]) -> dict[str, Any]:
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/credentials/{kind}", json.dumps(asked), headers)
    answer = connection.getresponse()
    raw = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"the utility answered {answer.status}: {raw[:200]!r}")
    return dict(json.loads(raw))
