"""A real identity provider over HTTP on this machine: discovery, keys, introspection, and tokens in every bad shape."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "weak": rsa.generate_private_key(65537, 1024),
}


@dataclass(frozen=True)
class Client:
    client_id: str
    participant_id: str


@dataclass(frozen=True)
class ProviderSettings:
    """What `config.env.OidcProvider` gives."""

    issuer: str
    utilities: tuple[str, ...] = ("utility-example-001",)
    client_id: str = ""
    client_secret: str = ""
    audiences: tuple[str, ...] = ()
    clients: tuple[Client, ...] = (Client("portal-client", "portal.example.com"),)
    minimum_acr: str = ""
    jwks_url: str = ""
    slug: str = ""
    name: str = ""
    kind: str = "UTILITY"
    scopes: tuple[str, ...] = ()
    acr_levels: tuple[str, ...] = ()


@dataclass
class IdentityProvider:
    issuer: str
    published: dict[str, Any] = field(default_factory=dict)
    known_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_broken: bool = False
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)  # what a code or a refresh token is worth, once
    forms: list[dict[str, str]] = field(default_factory=list)  # what the token endpoint was asked
    metadata: dict[str, Any] = field(default_factory=dict)

    def publish(self, kid: str, key: Any, **extra: Any) -> None:
        names = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}
        name = next(name for kind, name in names.items() if isinstance(key, kind))
        jwk = json.loads(get_default_algorithms()[name].to_jwk(key.public_key()))
        self.published[kid] = {**jwk, **({"kid": kid} if kid else {}), **extra}

    def claims(self, now: datetime, **changes: Any) -> dict[str, Any]:
        said = {
            "iss": self.issuer,
            "sub": "user-12345",
            "aud": "portal-client",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=10)).timestamp()),
            "acr": "2",
            "did": "did:example:user-12345",
            "meter_ids": ["umid-001"],
            "utility_customer_ids": ["CUST-123456"],
            "name": "Rajesh Kumar",
            "aadhaar_number": "1234 5678 9012",
        }
        return {name: value for name, value in {**said, **changes}.items() if value is not None}

    def token(
        self,
        now: datetime,
        *,
        alg: str = "RS256",
        key: Any = None,
        kid: str | None = None,
        typ: str = "JWT",
        **changes: Any,
    ) -> str:
        headers = {"typ": typ, **({"kid": kid if kid is not None else alg} if kid != "" else {})}
        return jwt.encode(self.claims(now, **changes), key or KEYS[alg], algorithm=alg, headers=headers)


def raw(header: dict[str, Any], payload: bytes, signature: bytes = b"x") -> str:
    parts = [json.dumps(header).encode(), payload, signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@contextmanager
def running() -> Iterator[IdentityProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            if provider.is_broken:
                self.answer(503, {})
            elif self.path == "/.well-known/openid-configuration":
                paths = {"jwks_uri": "/keys", "introspection_endpoint": "/introspect"}
                paths |= {"authorization_endpoint": "/authorize", "token_endpoint": "/token"}
                said = {"issuer": provider.issuer, **{n: provider.issuer + p for n, p in paths.items()}}
                self.answer(200, said | provider.metadata)
            else:
                self.answer(200, {"keys": list(provider.published.values())})

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            form = {name: values[0] for name, values in asked.items()}
            if self.path == "/introspect":
                self.answer(200, provider.known_tokens.get(form["token"], {"active": False}))
                return
            provider.forms.append(form)
            grant = provider.grants.pop(form.get("code") or form.get("refresh_token", ""), None)
            self.answer(503 if provider.is_broken else 200 if grant else 400, grant or {"error": "invalid_grant"})

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
    for alg in ("RS256", "ES256", "EdDSA", "weak"):
        provider.publish(alg, KEYS[alg])
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
