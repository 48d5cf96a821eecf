"""A Beckn signer that we did not write, over real HTTP: it signs an init to us and verifies the callback it gets.

The package is that of tests/interop (npm's ondc-crypto-sdk-nodejs, from a lock with hashes).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bap import Bap
from tests.journeys import Journey, fulfillment_state
from tests.processes.scenes import somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

INTEROP = Path(__file__).resolve().parents[1] / "interop"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def signer() -> Ask:
    """A function that gives the package one task. Without Node this is skipped, but never in CI."""
    if not (shutil.which("node") and shutil.which("npm")):
        assert not os.environ.get("CI"), "CI must bring Node for the foreign signer"
        pytest.skip("no Node on this machine: the foreign signer cannot run")
    if not (INTEROP / "node_modules" / "ondc-crypto-sdk-nodejs").is_dir():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=INTEROP, check=True, capture_output=True, timeout=300)

    def ask(**task: Any) -> dict[str, Any]:
        command = ["node", "signer.mjs"]
        done = subprocess.run(command, cwd=INTEROP, input=json.dumps(task).encode(), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return dict(json.loads(done.stdout))

    return ask


@pytest.fixture
def foreigner(stack: Stack) -> Iterator[Bap]:
    bap = stack.new_bap("foreign.test.example")
    bap.start()
    stack.register(bap)
    yield bap
    bap.stop()


def test_an_init_it_signed_is_taken_and_it_verifies_the_callback(stack: Stack, signer: Ask, foreigner: Bap):
    person = somebody()
    person.person = {"schema:name": "Zoë ₹ Example"}
    message = Journey(stack, person, bap=foreigner).init()
    raw = json.dumps(message, ensure_ascii=False).encode()
    # libsodium's form of a private key: the seed and the public key.
    key = base64.b64encode(foreigner.private.private_bytes_raw() + base64.b64decode(foreigner.public_key)).decode()
    who = {"subscriberId": foreigner.subscriber_id, "keyId": foreigner.key_id, "privateKey": key}
    signed = {"Authorization": signer(act="sign", body=raw.decode(), **who)["header"]}
    assert foreigner.post(f"{stack.base}/beckn/init", raw + b" ", headers=signed).status == 401
    assert foreigner.post(f"{stack.base}/beckn/init", raw, headers=signed).is_ack
    callback = foreigner.wait_for("on_init", message_id=message["context"]["message_id"])
    assert fulfillment_state(callback.message["order"]) == "PENDING_CONFIRM"

    ours = json.loads(stack.settings["BECKN_IDENTITIES"])[0]["keys"][0]["public_key"]
    told = {"act": "verify", "header": callback.headers["authorization"], "publicKey": ours}
    assert signer(body=callback.raw.decode(), **told) == {"valid": True}
    assert signer(body=callback.raw.decode() + " ", **told) == {"valid": False}
