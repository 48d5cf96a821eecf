"""The VC API: a credential signed as JWT and with an embedded proof, and checked again; in one process and over HTTP.

Over HTTP the questions come as if from many addresses, since one address may only ask for so much
(`credentials.limits`). There are more credentials to check than a process remembers canonical forms of.
"""

import asyncio
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from audit.log import Actor, ActorKind, Channel
from credentials.general import IssuedDocument, issue_document
from credentials.models import Form
from credentials.verification import Policy, Presented, verify
from sandbox import supervisor
from tests.bench.bap import Client
from tests.bench.deployment import ROOT
from tests.bench.report import Figure
from tests.bench.timing import per_second

SECTION = "The VC API, one process"
HTTP = "The VC API over HTTP (2 web processes, 8 connections, everything on one machine)"
SECONDS, ROUNDS, AT_ONCE = 2.0, 3, 8
ADDRESSES, DOCUMENTS = 500, 200
TOKEN = "bench"
JWT, EMBEDDED = "/jwt/credentials/issue", "/credentials/issue"
DOCUMENT = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "type": ["VerifiableCredential", "ExampleDegreeCredential"],
    "issuer": "did:example:somebody",
    "validFrom": "2026-01-01T00:00:00Z",
    "credentialSubject": {
        "id": "did:example:subject",
        "degree": {"type": "ExampleBachelorDegree", "name": "Bachelor of Science and Arts"},
    },
}
_OPERATOR = Actor(ActorKind.STAFF, "operator:bench", Channel.SYSTEM)


def run() -> list[Figure]:
    here = _here()
    return [*here, *_over_http()]


def _here() -> list[Figure]:
    proven = itertools.cycle([Presented.of(json.loads(_issue(Form.JSON_2_0).text)) for _ in range(DOCUMENTS)])
    signed = itertools.cycle([Presented.of(_issue(Form.JWT_2_0).text) for _ in range(DOCUMENTS)])
    rates = {
        "issue as vc+jwt: checks, place, rows, journal, commit": per_second(lambda: _issue(Form.JWT_2_0)),
        "issue with eddsa-rdfc-2022": per_second(lambda: _issue(Form.JSON_2_0)),
        "verify vc+jwt": per_second(lambda: _verify(next(signed))),
        "verify eddsa-rdfc-2022": per_second(lambda: _verify(next(proven))),
    }
    return [Figure(SECTION, name, rate, "/s") for name, rate in rates.items()]


def _issue(form: Form) -> IssuedDocument:
    return issue_document(DOCUMENT, form=form, now=datetime.now(UTC), actor=_OPERATOR)


def _verify(presented: Presented) -> None:
    verdict = verify(presented, policy=Policy(trust=False, strangers=True, strict=True), now=datetime.now(UTC))
    if not verdict.ok:
        raise RuntimeError(f"the sample does not verify: {verdict.reason} {verdict.detail}")


def _over_http() -> list[Figure]:
    """Every question in turn, so that a busy moment of the machine meets all of them; medians of a few rounds."""
    at = urlsplit(settings.PUBLIC_URL)
    assert at.hostname and at.port
    environment = {
        **os.environ,
        "OPERATOR_TOKENS": f"bench:{hashlib.sha256(TOKEN.encode()).hexdigest()}",
        "PROXY_NETWORKS": "127.0.0.0/8",  # the addresses that the questions name count
        "VERIFY_RATES": json.dumps({"verify-posted": [10_000, 10_000]}),
    }
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "rsgi",
        "--host",
        "127.0.0.1",
        "--no-ws",
        "--workers",
        "2",
    ]
    command += ["--port", str(at.port), "--log-level", "warning", "config.front:application"]
    web = supervisor.start("vc-api-web", command, environment=environment, folder=ROOT, logs=_logs())
    try:
        supervisor.wait_until_answers(web, f"{settings.PUBLIC_URL}/healthz")
        rates = asyncio.run(_rounds(Client(at.hostname, at.port)))
    finally:
        web.kill()
    bare = rates["bare view: /healthz"]
    return [
        Figure(HTTP, name, rate, "/s", note=f"{100 * rate / bare:.0f} % of the bare view")
        for name, rate in rates.items()
    ]


async def _rounds(client: Client) -> dict[str, float]:
    issue = [{"credential": DOCUMENT}]
    made = {path: [await _made(client, path) for _ in range(DOCUMENTS)] for path in (JWT, EMBEDDED)}
    asked: dict[str, tuple[str, list[Any], int]] = {
        "bare view: /healthz": ("/healthz", [None], 200),
        f"POST {JWT}": (JWT, issue, 201),
        f"POST {EMBEDDED}": (EMBEDDED, issue, 201),
        "POST /credentials/verify, vc+jwt": ("/credentials/verify", made[JWT], 200),
        "POST /credentials/verify, embedded proof": ("/credentials/verify", made[EMBEDDED], 200),
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (path, bodies, expected) in asked.items():
            found[name].append(await _rate(client, path, bodies, expected))
    return {name: median(rates) for name, rates in found.items()}


async def _made(client: Client, path: str) -> Any:
    return json.loads((await client.send(_post(path, {"credential": DOCUMENT}, "10.0.0.1")))[1])


async def _rate(client: Client, path: str, bodies: list[Any], expected: int) -> float:
    requests = itertools.cycle(
        [_post(path, bodies[number % len(bodies)], f"10.{number >> 8}.{number & 255}.1") for number in range(ADDRESSES)]
    )
    done, begun = 0, time.perf_counter()

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() - begun < SECONDS:
            status, answer = await client.send(next(requests))
            if status != expected:
                raise RuntimeError(f"{path} was answered {status}: {answer[:500]!r}")
            done += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return done / (time.perf_counter() - begun)


def _post(path: str, body: Mapping[str, Any] | None, address: str) -> bytes:
    """The bytes of a request; a GET where there is no body."""
    raw = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-Forwarded-For: {address}"]
    lines += [f"Authorization: Bearer {TOKEN}", "Content-Type: application/json", f"Content-Length: {len(raw)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + raw


def _logs() -> Path:
    return ROOT / "var" / "bench" / "logs"
