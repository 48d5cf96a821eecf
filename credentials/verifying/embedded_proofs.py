"""The embedded proofs of a document, credential or presentation: what they claim, before a key is asked for. Pure.

A set of proofs is worth what each of them is worth: all have to verify. Source: Data Integrity 1.0, 4.4 and 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from credentials import problems
from credentials.data_integrity import proofs
from credentials.data_integrity.jsonld import BadJsonLd
from credentials.multikey import PublicKey
from credentials.reasons import Disbelieved, Reason
from credentials.verifying.values import Policy

MAXIMUM_PROOFS = 4  # each one is a canonicalisation of the whole document


@dataclass(frozen=True)
class EmbeddedProof:
    """One proof as a signature: `kid` is its verification method."""

    document: Mapping[str, Any]
    proof: proofs.Proof

    @property
    def kid(self) -> str:
        return self.proof.verification_method

    @property
    def algorithm(self) -> str:
        return "EdDSA"

    @property
    def is_plain_json(self) -> bool:
        """Whether what was signed is the JSON text alone, without the meaning that JSON-LD gives to it."""
        return self.proof.cryptosuite == proofs.JCS

    @property
    def ends(self) -> datetime | None:
        return self.proof.expires

    def made_by(self, key: PublicKey) -> bool:
        """Whether the key made this proof; Disbelieved where nobody can say what was signed."""
        try:
            return proofs.verify_proof(self.document, self.proof, key)
        except BadJsonLd as error:
            raise Disbelieved(Reason.MALFORMED, str(error), problem=problems.PROOF_TRANSFORMATION) from error


def read(document: Mapping[str, Any], policy: Policy) -> Sequence[EmbeddedProof]:
    """Return the proofs; Disbelieved where there is none, or one was made for something else than the policy wants."""
    if document.get("proof") in (None, [], ""):
        raise _refused(Reason.MALFORMED, "the document carries no proof")
    try:
        found = proofs.read_proofs(document)
    except Disbelieved as failed:
        raise _refused(failed.reason, failed.detail, failed.problem) from failed
    if len(found) > MAXIMUM_PROOFS:
        raise _refused(Reason.MALFORMED, f"more than {MAXIMUM_PROOFS} proofs")
    for proof in found:
        _check_purpose(proof, policy)
    return [EmbeddedProof(document, proof) for proof in found]


def _check_purpose(proof: proofs.Proof, policy: Policy) -> None:
    if proof.purpose != policy.purpose:
        raise _refused(Reason.BAD_SIGNATURE, f"the proof was not made for {policy.purpose}")
    if policy.challenge is not None and proof.challenge != policy.challenge:
        raise _refused(Reason.BAD_SIGNATURE, "the proof was made for another challenge", problems.INVALID_CHALLENGE)
    if policy.domain is not None and policy.domain not in proof.domain:
        raise _refused(Reason.BAD_SIGNATURE, "the proof was made for another domain", problems.INVALID_DOMAIN)


def _refused(reason: Reason, detail: str, problem: str = "") -> Disbelieved:
    return Disbelieved(reason, detail, problem=problem or problems.PROOF_VERIFICATION)
