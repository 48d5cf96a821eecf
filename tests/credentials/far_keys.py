"""Signing keys in another process, as a KMS or HSM has them: it makes keys, says their public half, and signs.

`python -m tests.credentials.far_keys SOCKET` is the box; `Provider` reaches it through the Unix socket that
FAR_KEYS_SOCKET names, or `box` in the deployment's folder. One JSON line asks, one answers. There is no way to get a
private key out of it.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

PROVIDER = "tests.credentials.far_keys.Provider"
ADDRESS = "FAR_KEYS_SOCKET"


class Provider:
    """All that the product knows of the box."""

    def create(self, algorithm: str) -> Any:
        from credentials.key_providers import Made

        answer = ask({"make": algorithm})
        return Made(answer["reference"], answer["jwk"])

    def signer(self, reference: str) -> FarSigner:
        return FarSigner(reference)


class FarSigner:
    def __init__(self, reference: str) -> None:
        self.reference = reference

    @property
    def public_jwk(self) -> Mapping[str, str]:
        jwk: Mapping[str, str] = ask({"public": self.reference})["jwk"]
        return jwk

    def sign(self, message: bytes) -> bytes:
        return base64.b64decode(ask({"sign": self.reference, "message": base64.b64encode(message).decode()})["value"])


def ask(question: dict[str, str]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(3)
        line.connect(_address())
        line.sendall(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(line.makefile("rb").readline())
    if "error" in answer:
        raise OSError(answer["error"])
    return answer


def _address() -> str:
    from django.conf import settings

    return os.environ.get(ADDRESS) or str(settings.VAR_DIR / "box")


class Box:
    """The other process."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "box")
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "tests.credentials.far_keys", self.address])
        until = time.monotonic() + 20
        while not Path(self.address).exists() and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        Path(self.address).unlink(missing_ok=True)


def serve(address: str) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    keys: dict[str, Any] = {}

    def b64url(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def public(key: Any) -> dict[str, str]:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return {"kty": "OKP", "crv": "Ed25519", "x": b64url(key.public_key().public_bytes_raw())}
        numbers = key.public_key().public_numbers()
        x, y = (b64url(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def sign(key: Any, message: bytes) -> bytes:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def answer(question: dict[str, str]) -> dict[str, str | dict[str, str]]:
        if "make" in question:
            reference = f"far/{uuid4()}"
            ed = question["make"] == "Ed25519"
            keys[reference] = ed25519.Ed25519PrivateKey.generate() if ed else ec.generate_private_key(ec.SECP256R1())
            return {"reference": reference, "jwk": public(keys[reference])}
        key = keys.get(question.get("public") or question.get("sign") or "")
        if key is None:
            return {"error": "no such key"}
        if "public" in question:
            return {"jwk": public(key)}
        return {"value": base64.b64encode(sign(key, base64.b64decode(question["message"]))).decode()}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(json.dumps(answer(json.loads(self.rfile.readline()))).encode() + b"\n")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(address, Handler) as server:
        threading.Thread(target=_end_with_the_parent, daemon=True).start()
        server.serve_forever()


def _end_with_the_parent() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
