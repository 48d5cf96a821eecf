"""The VC API as its callers see it: an operator with a token, and anybody who verifies."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from django.test import Client

from credentials import multikey
from credentials.data_integrity import proofs
from credentials.keys import SigningKey
from credentials.signing import SoftwareSigner

V2 = "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
TOKEN = "the-issuing-machine"
TOKENS = ("issuing-machine:" + hashlib.sha256(TOKEN.encode()).hexdigest(),)
MADE = datetime(2026, 10, 15, 12, 0, tzinfo=UTC)
Document = dict[str, Any]


def document(
    contexts: Sequence[Any] = (V2,), types: Sequence[str] = ("VerifiableCredential",), **members: Any
) -> Document:
    """A credential to issue; a member that is `...` is left out."""
    every = {
        "@context": list(contexts),
        "type": list(types),
        "issuer": "did:example:somebody",
        "credentialSubject": {"id": "did:example:subject"},
        **members,
    }
    return {name: value for name, value in every.items() if value is not ...}


class VcApi:
    """Requests to the VC API of this process."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def post(self, path: str, body: Any, *, token: str = TOKEN, **headers: str) -> Any:
        named = {"Authorization": f"Bearer {token}"} if token else {}
        text = body if isinstance(body, str) else json.dumps(body)
        return self.client.post(path, text, content_type="application/json", headers={**named, **headers})

    def issue(self, credential: Any, *, jwt: bool = False) -> Any:
        return self.post("/jwt/credentials/issue" if jwt else "/credentials/issue", {"credential": credential})

    def issued(self, credential: Mapping[str, Any], *, jwt: bool = False) -> Document:
        """The issued credential, or its envelope."""
        answer = self.issue(credential, jwt=jwt)
        assert answer.status_code == 201, answer.content
        return answer.json()["verifiableCredential"]

    def verify(self, credential: Any, **options: Any) -> Any:
        return self.post("/credentials/verify", {"verifiableCredential": credential, "options": options}, token="")

    def verify_presentation(self, presentation: Any, **options: Any) -> Any:
        return self.post(
            "/presentations/verify", {"verifiablePresentation": presentation, "options": options}, token=""
        )

    def set_status(self, credential_id: Any, purpose: str, *, status: Any = True, **entry: Any) -> Any:
        named = {"type": "BitstringStatusListEntry", "statusPurpose": purpose, **entry}
        return self.post(
            "/credentials/status", {"credentialId": credential_id, "credentialStatus": named, "status": status}
        )


class Wallet:
    """A holder or issuer that is not us: a did:key of its own."""

    def __init__(self) -> None:
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key()
        jwk = multikey.jwk_of(public)
        text = multikey.multikey_of(public)
        self.did = f"did:key:{text}"
        self._key = SigningKey(multikey.thumbprint(jwk), text, "Ed25519", SoftwareSigner(private, jwk), public)

    def sign(self, unsigned: Mapping[str, Any], **options: Any) -> Document:
        return proofs.add_proof(unsigned, key=self._key, issuer=self.did, **{"created": MADE, **options})

    def credential(self, **members: Any) -> Document:
        return self.sign(document(**{"issuer": self.did, **members}))

    def presentation(
        self,
        *credentials: Any,
        contexts: Sequence[Any] = (V2,),
        challenge: str = "1f44d55f",
        domain: str = "verifier.example",
        **members: Any,
    ) -> Document:
        unsigned = {"@context": list(contexts), "type": ["VerifiablePresentation"], **members}
        if credentials:
            unsigned["verifiableCredential"] = [copy.deepcopy(each) for each in credentials]
        return self.sign(unsigned, purpose="authentication", challenge=challenge, domain=domain)
