"""Embedded proofs: DataIntegrityProof with the cryptosuites `eddsa-rdfc-2022` and `eddsa-jcs-2022`.

What is signed are two digests: of the proof's own options and of the document without its proof, each made canonical
the way the cryptosuite says. Whose key it is, and whether it may be believed, is for the caller.
Source: W3C Data Integrity 1.0 and Data Integrity EdDSA Cryptosuites 1.0; spec credentials.md 5 and 6.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import base58
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from credentials.claims import instant
from credentials.data_integrity.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2
from credentials.data_integrity.jsonld import BadJsonLd, digest
from credentials.keys import SigningKey
from credentials.multikey import PublicKey
from credentials.reasons import Disbelieved, Reason
from credentials.signing import OwnOutputInvalid, is_signed_by

TYPE = "DataIntegrityProof"
RDFC = "eddsa-rdfc-2022"
JCS = "eddsa-jcs-2022"
CRYPTOSUITES = (RDFC, JCS)
MAXIMUM_PROOFS = 10
_SIGNATURE_BYTES = 64
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})")


@dataclass(frozen=True)
class Proof:
    """One proof of a document, read and not yet verified.

    `value` is the signature, 64 bytes; `options` is the proof as it stands without its value; `previous` are the
    proofs, as they stand, that this one signs as well (`previousProof`).
    """

    type: str
    cryptosuite: str
    verification_method: str
    purpose: str
    created: datetime | None
    value: bytes
    options: Mapping[str, Any]
    challenge: str
    domain: tuple[str, ...]
    expires: datetime | None
    previous: tuple[Mapping[str, Any], ...] = ()


def add_proof(
    document: Mapping[str, Any],
    *,
    key: SigningKey,
    issuer: str,
    created: datetime,
    purpose: str = "assertionMethod",
    cryptosuite: str = RDFC,
    challenge: str = "",
    domain: str = "",
) -> dict[str, Any]:
    """Return the document with a proof by an Ed25519 key of `issuer`; proofs it has already stay beside the new one.

    A document of data model 1.1 gets the context that defines proofs, if it lacks it. Raises BadJsonLd where the
    document cannot be signed without leaving something of it unsigned, and OwnOutputInvalid where the key, wherever
    it lives, answered with something that is not its signature.
    """
    if key.algorithm != "Ed25519":
        raise ValueError(f"{cryptosuite} signs with Ed25519, not with {key.algorithm}")
    unsecured = _with_proof_context({name: value for name, value in document.items() if name != "proof"})
    options: dict[str, Any] = {
        "type": TYPE,
        "cryptosuite": cryptosuite,
        "created": instant(created),
        "verificationMethod": f"{issuer}#{key.multikey}",
        "proofPurpose": purpose,
        **({"challenge": challenge} if challenge else {}),
        **({"domain": domain} if domain else {}),
    }
    if cryptosuite == JCS:
        options["@context"] = unsecured.get("@context")
    digests = _to_sign(unsecured, options)
    signature = key.signer.sign(digests)
    if not is_signed_by(key.public, digests, signature):
        raise OwnOutputInvalid("our own proof does not verify")
    proof = {**options, "proofValue": "z" + base58.b58encode(signature).decode("ascii")}
    before = document.get("proof", [])
    proofs = [*(before if isinstance(before, list) else [before]), proof]
    return {**unsecured, "proof": proofs if len(proofs) > 1 else proof}


def read_proofs(document: Mapping[str, Any]) -> list[Proof]:
    """Return the document's proofs, at least one.

    Raises Disbelieved: ALG_NOT_ALLOWED for a cryptosuite we do not check, BAD_SIGNATURE for a value that can be no
    signature, MALFORMED for anything else that is wrong.
    """
    found = document.get("proof")
    each = found if isinstance(found, list) else [found]
    proofs = [proof for proof in each if isinstance(proof, Mapping)]
    if not proofs or len(proofs) != len(each) or len(proofs) > MAXIMUM_PROOFS:
        raise _malformed(f"a proof is an object, and there are 1 to {MAXIMUM_PROOFS} of them")
    return [_read(proof, proofs) for proof in proofs]


def verify_proof(document: Mapping[str, Any], proof: Proof, key: PublicKey) -> bool:
    """Whether the key made this proof of this document.

    Raises BadJsonLd where the document cannot be made canonical: nobody can say then what was signed.
    """
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return False
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    if proof.previous:
        unsecured["proof"] = list(proof.previous)  # a chain: the earlier proofs are part of what is signed
    if proof.cryptosuite == JCS and "@context" in proof.options:
        own = proof.options["@context"]
        if not _begins_with(unsecured.get("@context"), own):
            return False
        unsecured["@context"] = own
    try:
        key.verify(proof.value, _to_sign(unsecured, proof.options))
    except InvalidSignature:
        return False
    return True


def _to_sign(unsecured: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """Digest of the canonical options, then digest of the canonical document: 64 bytes (EdDSA cryptosuites, 3.2.4)."""
    if options["cryptosuite"] == JCS:
        return b"".join(hashlib.sha256(_jcs(each)).digest() for each in (options, unsecured))
    if "@context" not in unsecured:
        raise BadJsonLd("the document names no context")
    return digest({**options, "@context": unsecured["@context"]}) + digest(unsecured)


def _jcs(document: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise BadJsonLd("the document has no canonical JSON") from error


def _with_proof_context(document: dict[str, Any]) -> dict[str, Any]:
    contexts = document.get("@context")
    each = contexts if isinstance(contexts, list) else [contexts]
    if CREDENTIALS_V1 not in each or CREDENTIALS_V2 in each or DATA_INTEGRITY_V2 in each:
        return document
    return {**document, "@context": [*each, DATA_INTEGRITY_V2]}


def _begins_with(contexts: Any, first: Any) -> bool:
    """Whether the document's contexts begin with all of the proof's, in their order (EdDSA cryptosuites, 3.3.2)."""
    there = contexts if isinstance(contexts, list) else [contexts]
    wanted = first if isinstance(first, list) else [first]
    # As text: in Python 1 equals True.
    return json.dumps(there[: len(wanted)], sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _read(proof: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> Proof:
    if proof.get("type") != TYPE:
        raise _malformed(f"the proof is no {TYPE}")
    cryptosuite = proof.get("cryptosuite")
    if not isinstance(cryptosuite, str) or cryptosuite not in CRYPTOSUITES:
        raise Disbelieved(Reason.ALG_NOT_ALLOWED, "the cryptosuite is not one of " + ", ".join(CRYPTOSUITES))
    if "id" in proof and not _is_url(proof["id"]):
        raise _malformed("the id of the proof is no URL")
    return Proof(
        type=TYPE,
        cryptosuite=cryptosuite,
        verification_method=_url(proof, "verificationMethod"),
        purpose=_text(proof, "proofPurpose"),
        created=_moment(proof, "created"),
        value=_value(proof),
        options={name: value for name, value in proof.items() if name != "proofValue"},
        challenge=_text(proof, "challenge") if "challenge" in proof else "",
        domain=_domain(proof),
        expires=_moment(proof, "expires"),
        previous=tuple(_previous(proof, every)),
    )


def _previous(proof: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The proofs a chain's proof builds on, in the order it names them; each has to be there (Data Integrity, 4.5)."""
    named = proof.get("previousProof", [])
    for each in named if isinstance(named, list) else [named]:
        found = [other for other in every if other is not proof and isinstance(each, str) and other.get("id") == each]
        if len(found) != 1:
            raise _malformed("previousProof names no proof of this document")
        yield found[0]


def _value(proof: Mapping[str, Any]) -> bytes:
    text = _text(proof, "proofValue")
    if not text.startswith("z") or len(text) > 100:
        raise Disbelieved(Reason.BAD_SIGNATURE, "proofValue is no base58btc Multibase")
    try:
        value = base58.b58decode(text[1:])
    except ValueError as error:
        raise Disbelieved(Reason.BAD_SIGNATURE, "proofValue is no base58btc Multibase") from error
    if len(value) != _SIGNATURE_BYTES:
        raise Disbelieved(Reason.BAD_SIGNATURE, f"{len(value)} bytes are no Ed25519 signature")
    return value


def _text(proof: Mapping[str, Any], name: str) -> str:
    value = proof.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed(f"{name} of the proof is missing or no text")
    return value


def _url(proof: Mapping[str, Any], name: str) -> str:
    value = _text(proof, name)
    if not _is_url(value):
        raise _malformed(f"{name} of the proof is no URL")
    return value


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 2000 and _URL.fullmatch(value) is not None


def _moment(proof: Mapping[str, Any], name: str) -> datetime | None:
    if name not in proof:
        return None
    value = proof[name]
    try:
        if isinstance(value, str) and _DATE_TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _malformed(f"{name} of the proof is no moment") from error
    raise _malformed(f"{name} of the proof is no moment with a time zone")


def _domain(proof: Mapping[str, Any]) -> tuple[str, ...]:
    value = proof.get("domain", [])
    each = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and one for one in each):
        raise _malformed("domain of the proof is no text")
    return tuple(each)


def _malformed(detail: str) -> Disbelieved:
    return Disbelieved(Reason.MALFORMED, detail)
