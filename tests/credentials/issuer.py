"""An issuer that is not ours: its own keys, DID document and status list, served over HTTP on loopback.

It signs with PyJWT directly, not with the code under test.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from credentials import asking, issuers
from outbound.cache import default_cache

V1 = "https://www.w3.org/2018/credentials/v1"
V2 = "https://www.w3.org/ns/credentials/v2"
Document = bytes | Callable[[BaseHTTPRequestHandler], None]


def forget_everything_fetched() -> None:
    """Ports come round again: what this process remembers of another issuer at the same address must not count."""
    default_cache().clear()
    issuers._looked.clear()
    asking._failures.clear()


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_of(algorithm: str) -> Any:
    if algorithm in ("RS256", "PS256"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())


def jwk_of(private: Any) -> dict[str, str]:
    public = private.public_key()
    if isinstance(private, rsa.RSAPrivateKey):
        return jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True)
    return jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)


class Issuer:
    """did:web on a free loopback port. `documents` maps paths to bodies, or to functions that answer as they like."""

    def __init__(self, algorithm: str = "ES256") -> None:
        forget_everything_fetched()
        self.algorithm = algorithm
        self.private = key_of(algorithm)
        self.kid = "key-1"
        self.documents: dict[str, Document] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.did = f"did:web:127.0.0.1%3A{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.publish_keys()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish_keys(self, **changes: Any) -> None:
        """Serve the DID document; `changes` replace its members."""
        name = f"{self.did}#{self.kid}"
        jwk = {name: value for name, value in jwk_of(self.private).items() if name != "key_ops"}
        method = {"id": name, "type": "JsonWebKey", "controller": self.did, "publicKeyJwk": jwk}
        document = {"id": self.did, "verificationMethod": [method], "assertionMethod": [name], **changes}
        self.documents["/.well-known/did.json"] = json.dumps(document).encode()

    def sign(self, payload: dict[str, Any], *, header: dict[str, Any] | None = None, key: Any = None) -> str:
        headers = {"typ": "JWT", "kid": f"{self.did}#{self.kid}", **(header or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(payload, key or self.private, algorithm=self.algorithm, headers=headers)

    def payload(self, credential_type: str, subject: dict[str, Any], **vc: Any) -> dict[str, Any]:
        """A 1.1 payload as a utility would make it."""
        return {
            "iss": self.did,
            "sub": subject.get("id"),
            "iat": 1704067200,
            "vc": {
                "@context": [V1],
                "type": ["VerifiableCredential", credential_type],
                "credentialSubject": subject,
                **vc,
            },
        }

    def credential(self, credential_type: str, subject: dict[str, Any], **vc: Any) -> str:
        return self.sign(self.payload(credential_type, subject, **vc))

    def status(self, index: int = 5, purpose: str = "revocation") -> dict[str, str]:
        """An entry of this issuer's list."""
        url = f"{self.url}/status/1"
        return {
            "id": f"{url}#{index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": str(index),
            "statusListCredential": url,
        }

    def publish_list(self, *indexes: int, purpose: str = "revocation", ttl: int = 60_000, **changes: Any) -> None:
        """Serve the status list with these entries set, as `vc+jwt`; `changes` replace members of the credential."""
        bits = bytearray(16_384)
        for index in indexes:
            bits[index // 8] |= 128 >> index % 8
        self.documents["/status/1"] = self.list_of(b64url(gzip.compress(bytes(bits))), purpose, ttl, **changes)

    def list_of(self, encoded: str, purpose: str = "revocation", ttl: int = 60_000, **changes: Any) -> bytes:
        url = f"{self.url}/status/1"
        credential = {
            "@context": [V2],
            "id": url,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.did,
            "validFrom": "2024-01-01T00:00:00Z",
            "credentialSubject": {
                "id": f"{url}#list",
                "type": "BitstringStatusList",
                "statusPurpose": purpose,
                "encodedList": "u" + encoded,
                "ttl": ttl,
            },
            **changes,
        }
        return self.sign(credential, header={"typ": "vc+jwt"}).encode()

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                document = issuer.documents.get(self.path)
                if callable(document):
                    document(self)
                    return
                body = document or b"nothing here"
                self.send_response(200 if document else 404)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def hang(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that does not come."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def redirect(location: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def seconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp())
