"""Issuers and holders that sign embedded proofs and presentations. They know the standards, nothing of ours.

The canonical form is PyLD's own, asked without the product's strictness, and JCS by hand for documents without numbers.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import base58
from pyld import jsonld as pyld

from credentials.data_integrity.contexts import known_context
from tests.wallet import Wallet, did_key, ed25519

V2 = "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"


def _load(url: str, options: Any = None) -> dict[str, Any]:
    raw = known_context(url)
    assert raw is not None, url
    return {"contextUrl": None, "documentUrl": url, "document": json.loads(raw), "tag": "static"}


def _rdfc(document: dict[str, Any]) -> bytes:
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": _load}
    return pyld.normalize(document, options).encode()


def _jcs(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def proof_of(
    document: dict[str, Any],
    by: Wallet,
    *,
    suite: str = "eddsa-rdfc-2022",
    method: str = "",
    purpose: str = "assertionMethod",
    **options: Any,
) -> dict[str, Any]:
    """A proof of a document; `options` are laid over the proof's own members."""
    own = {
        "type": "DataIntegrityProof",
        "cryptosuite": suite,
        "created": "2026-10-15T11:00:00Z",
        "verificationMethod": method or by.kid,
        "proofPurpose": purpose,
        **options,
    }
    config = {**own, "@context": document["@context"]}
    canonical = _jcs if suite == "eddsa-jcs-2022" else _rdfc
    if suite == "eddsa-jcs-2022":
        own = config
    digests = b"".join(hashlib.sha256(canonical(each)).digest() for each in (config, document))
    return {**own, "proofValue": "z" + base58.b58encode(by.private.sign(digests)).decode()}


def secured(document: dict[str, Any], by: Wallet, **options: Any) -> dict[str, Any]:
    return {**document, "proof": proof_of(document, by, **options)}


def somebody(secret: str = "") -> Wallet:
    """A did:key with an Ed25519 key; always the same one for the same word."""
    return did_key(ed25519(secret))


def credential(issuer: str, **changes: Any) -> dict[str, Any]:
    """A credential of data model 2.0 without a proof; None takes a member away."""
    whole = {
        "@context": [V2, EXAMPLES],
        "id": "https://issuer.example/credentials/1",
        "type": ["VerifiableCredential", "ExampleDegreeCredential"],
        "issuer": issuer,
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:user-12345", "name": "A"},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}
