"""A Beckn signer that we did not write understands us, and we understand it: npm's ondc-crypto-sdk-nodejs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bap import Bap
from tests.journeys import Journey, fulfillment_state
from tests.processes.scenes import somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

HERE = Path(__file__).resolve().parent / "node"
THERE = HERE.parents[2] / "build" / "foreign-signer"  # not kept in git


class Signer:
    """The package, one Node process for each question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sign(self, raw: bytes, bap: Bap) -> str:
        """The Authorization header for this body, with the package's own times (an hour)."""
        # libsodium's form of a private key: the seed and the public key.
        pair = bap.private.private_bytes_raw() + base64.b64decode(bap.public_key)
        return str(
            self._ask(
                what="sign",
                body=raw.decode(),
                privateKey=base64.b64encode(pair).decode(),
                subscriberId=bap.subscriber_id,
                subscriberUniqueKeyId=bap.key_id,
            )
        )

    def verifies(self, header: str, raw: bytes, public_key: str) -> bool:
        return bool(self._ask(what="verify", header=header, body=raw.decode(), publicKey=public_key))

    def _ask(self, **question: str) -> Any:
        command = ["node", "signer.js"]
        text = json.dumps(question)
        done = subprocess.run(command, cwd=self._folder, input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def signer() -> Signer:
    """Installed from the lock file, whose hashes npm checks. Without Node this is skipped, but never in CI."""
    if not (shutil.which("node") and shutil.which("npm")):
        unavailable("no Node.js on this machine")
    THERE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "signer.js"):
        shutil.copy(HERE / name, THERE / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=THERE, capture_output=True, text=True, timeout=300)
    if done.returncode:
        unavailable(f"npm ci failed: {done.stderr[-1000:]}")
    return Signer(THERE)


def unavailable(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def foreigner(stack: Stack) -> Iterator[Bap]:
    bap = stack.new_bap("foreign.test.example")
    bap.start()
    stack.register(bap)
    yield bap
    bap.stop()


def test_a_message_it_signed_is_taken_and_it_verifies_our_callback(stack: Stack, signer: Signer, foreigner: Bap):
    person = somebody()
    person.person = {"schema:name": "Zoë ₹ Example"}
    message = Journey(stack, person, bap=foreigner).init()
    raw = json.dumps(message, ensure_ascii=False).encode()
    header = signer.sign(raw, foreigner)
    answer = foreigner.post(f"{stack.base}/beckn/init", raw, headers={"Authorization": header})
    assert answer.is_ack, answer.raw
    callback = foreigner.wait_for("on_init", message_id=message["context"]["message_id"])
    assert fulfillment_state(callback.message["order"]) == "PENDING_CONFIRM"

    owner_key = json.loads(stack.settings["BECKN_IDENTITIES"])[0]["keys"][0]["public_key"]
    assert signer.verifies(callback.headers["authorization"], callback.raw, owner_key)
    assert not signer.verifies(callback.headers["authorization"], callback.raw + b" ", owner_key)
    assert not signer.verifies(callback.headers["authorization"], callback.raw, foreigner.public_key)


def test_a_message_changed_after_it_signed_is_refused(stack: Stack, signer: Signer, foreigner: Bap):
    raw = json.dumps(Journey(stack, somebody(), bap=foreigner).status()).encode()
    header = signer.sign(raw, foreigner)
    answer = foreigner.post(f"{stack.base}/beckn/status", raw + b" ", headers={"Authorization": header})
    assert (answer.status, answer.body["error"]["code"]) == (401, "SIGNATURE_INVALID")
