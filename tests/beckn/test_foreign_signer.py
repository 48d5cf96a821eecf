"""A Beckn signer that we did not write signs to us and verifies what we send back.

The package is installed from the lock in tests/interop (hashes, no registry address). Needs Node; CI must have it.
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beckn import identities, tasks
from tests.bap import Bap
from tests.beckn.conftest import encode, is_ack, message

HERE = Path(__file__).resolve().parent.parent / "interop"


@pytest.fixture(scope="module")
def signer() -> Any:
    """A function that gives one task to the foreign package."""
    npm = shutil.which("npm")
    if not shutil.which("node") or not npm:
        assert not os.environ.get("CI"), "CI must bring Node for the foreign signer"
        pytest.skip("no Node on this machine: the foreign signer cannot run")
    if not (HERE / "node_modules" / "ondc-crypto-sdk-nodejs").is_dir():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=HERE, check=True, capture_output=True, timeout=180)

    def do(**task: Any) -> dict[str, Any]:
        done = subprocess.run(
            ["node", "signer.mjs"], cwd=HERE, input=json.dumps(task).encode(), capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return dict(json.loads(done.stdout))

    return do


def libsodium_form(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


def test_it_signs_to_us_and_verifies_our_callback(signer: Any, bap: Bap, post: Any) -> None:
    raw = encode(message(bap, content={"intent": {"descriptor": {"name": "Zoë pays ₹5/kWh"}}}))
    who = {"subscriberId": bap.subscriber_id, "keyId": bap.key_id, "privateKey": libsodium_form(bap.private)}
    header = signer(act="sign", body=raw.decode(), **who)["header"]
    assert is_ack(post(bap, raw, authorization=header))
    assert post(bap, raw + b" ", authorization=header).status_code == 401

    tasks.drain()
    callback = bap.wait_for("on_search")
    ours = identities.owner().keys[0].public_key
    told = {"act": "verify", "header": callback.headers["authorization"], "publicKey": ours}
    assert signer(body=callback.raw.decode(), **told) == {"valid": True}
    assert signer(body=callback.raw.decode() + " ", **told) == {"valid": False}
