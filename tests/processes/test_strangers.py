"""Strangers who let us wait, against a real web process with four threads: everybody else is answered meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bap import http
from tests.credentials.issuer import Issuer, hang
from tests.credentials.signers import credential, secured
from tests.stack import Stack
from tests.wallet import Wallet

pytestmark = pytest.mark.processes

JSON = {"Content-Type": "application/json"}


def test_strangers_who_never_answer_hold_up_nobody_else(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(workers=0, utilities=(), web_threads=4)
    silent = Issuer("EdDSA")

    def of(path: str) -> bytes:
        did = f"{silent.did}:{path}"
        silent.documents[f"/{path}/did.json"] = hang(20)
        document = secured(credential(did), Wallet(silent.private, did, f"{did}#key-1"))
        return json.dumps({"verifiableCredential": document}).encode()

    bodies = [of(f"p{number}") for number in range(12)]
    with ThreadPoolExecutor(12) as crowd:
        asked = [crowd.submit(http, "POST", f"{stack.base}/credentials/verify", body, JSON) for body in bodies]
        while not silent.asked:
            time.sleep(0.01)
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert http("GET", f"{stack.base}/.well-known/did.json").status == 200
            slowest = max(slowest, time.monotonic() - began)
        still_waiting = sum(not each.done() for each in asked)
        answers = [each.result() for each in asked]
    assert still_waiting >= 1, "there was somebody to be held up by"
    assert slowest < 2.5  # a thread that waits for a stranger waits for five seconds
    codes = sorted(answer.status for answer in answers)
    assert set(codes) <= {400, 503} and codes.count(503) >= 8
    assert all(answer.headers["retry-after"] for answer in answers if answer.status == 503)
    assert len(silent.asked) <= 4
    silent.stop()
