"""A wallet in a test's hand: a key, proofs signed with it, and the HTTP of OpenID4VCI; none of the code under test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.test import Client

from audit import clock
from tests.credentials.issuer import b64url, jwk_of, key_of

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"


@dataclass
class Wallet:
    """One wallet with one key; every step may be changed to do it wrongly."""

    client: Client
    algorithm: str = "ES256"
    key: Any = None
    answers: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = self.key or key_of(self.algorithm)

    @property
    def jwk(self) -> dict[str, str]:
        found = jwk_of(self.key)
        return {name: found[name] for name in ("kty", "crv", "x", "y") if name in found}

    @property
    def did(self) -> str:
        return "did:jwk:" + b64url(json.dumps(self.jwk).encode())

    def open(self, link: str) -> Any:
        """Follow an offer's link to the offer object."""
        assert link.startswith("openid-credential-offer://?")
        (uri,) = parse_qs(urlsplit(link).query)["credential_offer_uri"]
        return self.client.get(uri.removeprefix(settings.PUBLIC_URL))

    def token(self, code: str, transaction_code: str, **more: str) -> Any:
        form = {"grant_type": GRANT, "pre-authorized_code": code, "tx_code": transaction_code, **more}
        body = urlencode({name: value for name, value in form.items() if value != ""})
        return self.client.post("/wallet/token", body, content_type="application/x-www-form-urlencoded")

    def nonce(self) -> str:
        return str(self.client.post("/wallet/nonce").json()["c_nonce"])

    def proof(self, nonce: str, *, at: datetime | None = None, header: Any = None, payload: Any = None) -> str:
        """The proof; None in `header` or `payload` takes a member away."""
        made = {"typ": "openid4vci-proof+jwt", "jwk": self.jwk, **(header or {})}
        says = {"aud": settings.PUBLIC_URL, "iat": int((at or clock.now()).timestamp()), "nonce": nonce}
        says |= payload or {}
        made, says = ({k: v for k, v in each.items() if v is not None} for each in (made, says))
        return jwt.encode(says, self.key, algorithm=self.algorithm, headers=made)

    def ask(self, token: str, configuration_id: str, *proofs: str, **more: Any) -> Any:
        """Ask for the credential with these proofs, one with a fresh nonce where none is given."""
        body = {
            "credential_configuration_id": configuration_id,
            "proofs": {"jwt": list(proofs) or [self.proof(self.nonce())]},
            **more,
        }
        body = {name: value for name, value in body.items() if value is not None}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.post("/wallet/credential", json.dumps(body), "application/json", headers=headers)


def p384() -> Any:
    return ec.generate_private_key(ec.SECP384R1())
