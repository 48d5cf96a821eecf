"""What a credential and a status list say, in both JWT forms. Pure: dates and ids come in, dictionaries go out.

The table in spec credentials.md 1 is the source of every field. Instants are written as `2026-11-01T00:00:00Z`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from credentials.multikey import jose_name

CONTEXT_V1 = "https://www.w3.org/2018/credentials/v1"
CONTEXT_V2 = "https://www.w3.org/ns/credentials/v2"
CONTEXT_STATUS = "https://www.w3.org/ns/credentials/status/v1"
TYPES = {"ENROLLMENT": "ProgramEnrollmentCredential", "CONSENT": "EnergyConsentCredential"}
DEG = "DEG"
DEG_TYPE = "UtilityProgramEnrollmentCredential"


@dataclass(frozen=True)
class StatusPlace:
    """Where a credential stands: one index, in the revocation list and in the suspension list of one number."""

    revocation_url: str
    suspension_url: str
    index: int

    def entries(self) -> list[dict[str, str]]:
        """The two `credentialStatus` entries (decision 33)."""
        return [self._entry(self.revocation_url, "revocation"), self._entry(self.suspension_url, "suspension")]

    def _entry(self, url: str, purpose: str) -> dict[str, str]:
        return {
            "id": f"{url}#{self.index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": str(self.index),
            "statusListCredential": url,
        }


@dataclass(frozen=True)
class Statement:
    """Everything a credential says, before it takes the shape of one data model."""

    url: str
    kind: str
    issuer: str
    subject_did: str
    claims: Mapping[str, Any]
    valid_from: datetime
    valid_until: str  # as it is written, "" for open-ended
    issued_at: datetime
    status: StatusPlace
    context_urls: tuple[str, ...]
    schema_url: str
    profile: str = ""
    wire_id: str = ""
    issuer_name: str = ""
    issuer_license_number: str = ""

    @property
    def id(self) -> str:
        """The credential's name on the wire: its address with us, unless the profile wants another."""
        return self.wire_id or self.url

    @property
    def types(self) -> list[str]:
        """The schema's type stands last."""
        return ["VerifiableCredential", TYPES[self.kind], *([DEG_TYPE] if self.profile == DEG else [])]

    @property
    def issuer_described(self) -> str | dict[str, str]:
        """The issuer as `issuer` names it: the DID alone, in the DEG profile with name and licence."""
        if self.profile != DEG:
            return self.issuer
        return {"id": self.issuer, "name": self.issuer_name, "licenseNumber": self.issuer_license_number}

    @property
    def subject(self) -> dict[str, Any]:
        return {**self.claims, "id": self.subject_did}

    @property
    def schema(self) -> dict[str, str]:
        return {"id": self.schema_url, "type": "JsonSchema"}


def payload_1_1(statement: Statement) -> dict[str, Any]:
    """The JWT payload of data model 1.1: registered claims, `vc`, and the IETF `status` claim.

    `nbf` is the start and `iat` the issue: answered ACTIVE today, it holds from the start date on (decision 4).
    In the DEG profile the IETF claim is the only one that tells the status: its schema knows no Bitstring entry.
    """
    until = statement.valid_until
    deg = statement.profile == DEG
    vc: dict[str, Any] = {
        "@context": [CONTEXT_V1, *([] if deg else [CONTEXT_STATUS]), *statement.context_urls],
        "id": statement.id,
        "type": statement.types,
        "issuer": statement.issuer_described,
        "issuanceDate": instant(statement.issued_at),
        **({"expirationDate": until} if until else {}),
        "credentialSubject": statement.subject,
        **({} if deg else {"credentialStatus": statement.status.entries()}),
        "credentialSchema": statement.schema,
    }
    return {
        "iss": statement.issuer,
        "sub": statement.subject_did,
        "jti": statement.id,
        "iat": int(statement.issued_at.timestamp()),
        "nbf": int(statement.valid_from.timestamp()),
        **({"exp": int(datetime.fromisoformat(until).timestamp())} if until else {}),
        "vc": vc,
        "status": {"status_list": {"idx": statement.status.index, "uri": statement.status.revocation_url}},
    }


def payload_2_0(statement: Statement) -> dict[str, Any]:
    """The credential of data model 2.0 itself, with `iat`; never a `vc` claim.

    Also in the DEG profile with Bitstring entries: its schema is one of data model 1.1, and a form without a JWT
    around it has no other place to tell its status.
    """
    return {
        "@context": [CONTEXT_V2, *statement.context_urls],
        "id": statement.id,
        "type": statement.types,
        "issuer": statement.issuer_described,
        "validFrom": instant(statement.valid_from),
        **({"validUntil": statement.valid_until} if statement.valid_until else {}),
        "credentialSubject": statement.subject,
        "credentialStatus": statement.status.entries(),
        "credentialSchema": statement.schema,
        "iat": int(statement.issued_at.timestamp()),
    }


def status_list(
    *, url: str, purpose: str, encoded: str, issuer: str, ttl_seconds: int, valid_from: datetime, valid_until: datetime
) -> dict[str, Any]:
    """The payload of a published list, data model 2.0. `ttl` is in milliseconds."""
    return {
        "@context": [CONTEXT_V2],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": instant(valid_from),
        "validUntil": instant(valid_until),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": encoded,
            "ttl": ttl_seconds * 1000,
        },
        "iat": int(valid_from.timestamp()),
    }


def status_list_token(
    *, url: str, issuer: str, bits: int, encoded: str, ttl_seconds: int, issued_at: datetime, valid_until: datetime
) -> dict[str, Any]:
    """The payload of a published list as an IETF Status List Token. `sub` is the `uri` that credentials name."""
    return {
        "iss": issuer,
        "sub": url,
        "iat": int(issued_at.timestamp()),
        "exp": int(valid_until.timestamp()),
        "ttl": ttl_seconds,
        "status_list": {"bits": bits, "lst": encoded},
    }


def header_token(issuer: str, thumbprint: str) -> dict[str, str]:
    """The JOSE header of a Status List Token."""
    return {"typ": "statuslist+jwt", "kid": f"{issuer}#{thumbprint}"}


def header_1_1(issuer: str, multikey: str) -> dict[str, str]:
    """The JOSE header of the 1.1 form; common verifiers of VC-JWT look for the Multikey."""
    return {"typ": "JWT", "kid": f"{issuer}#{multikey}"}


def header_2_0(issuer: str, thumbprint: str) -> dict[str, str]:
    """The JOSE header of the 2.0 form; VC-JOSE-COSE verifiers look for the JsonWebKey."""
    return {"typ": "vc+jwt", "cty": "vc", "kid": f"{issuer}#{thumbprint}"}


def instant(at: datetime) -> str:
    """Return an instant as the network writes it: UTC, whole seconds, Z."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().removesuffix("+00:00") + "Z"


def did_document(issuer: str, keys: Sequence[tuple[str, str, Mapping[str, str]]]) -> dict[str, Any]:
    """The did:web document. `keys` are (thumbprint, Multikey text, public JWK).

    A P-256 key stands there twice, because common verifiers know only one of the two forms. An Ed25519 key signs
    embedded proofs only, whose verifiers ask for a Multikey; many a JWT library stumbles over a JWK of another kind.
    """
    methods: list[dict[str, Any]] = []
    for thumbprint, multikey, jwk in keys:
        as_jwk = {"id": f"{issuer}#{thumbprint}", "type": "JsonWebKey", "controller": issuer, "publicKeyJwk": dict(jwk)}
        as_multikey = {
            "id": f"{issuer}#{multikey}",
            "type": "Multikey",
            "controller": issuer,
            "publicKeyMultibase": multikey,
        }
        methods += [as_jwk, as_multikey] if signs_jwts(jwk) else [as_multikey]
    return {
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/jwk/v1",
            "https://w3id.org/security/multikey/v1",
        ],
        "id": issuer,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def signs_jwts(jwk: Mapping[str, str]) -> bool:
    """Whether a key of ours signs tokens, so that its kid occurs in a header."""
    return jwk["kty"] == "EC"


def jwks(issuer: str, keys: Sequence[tuple[str, str, Mapping[str, str]]]) -> dict[str, Any]:
    """The key set with every kid that occurs in a header of ours."""
    return {
        "keys": [
            {**jwk, "kid": f"{issuer}#{fragment}", "alg": jose_name(jwk), "use": "sig"}
            for thumbprint, multikey, jwk in keys
            if signs_jwts(jwk)
            for fragment in (thumbprint, multikey)
        ]
    }
