"""What is asked of a check, and what it answers. Pure values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from credentials import tokens
from credentials.problems import Problem


class HeldForm(StrEnum):
    """The form in which a credential was presented."""

    JWT_1_1 = "VC-JWT 1.1"
    JWT_2_0 = "vc+jwt"
    EMBEDDED = "embedded proof"
    SD_JWT = "dc+sd-jwt"
    UNKNOWN = ""


@dataclass(frozen=True)
class Presented:
    """One credential as a message carries it. `type` "" means: whatever it is.

    `data` is a text (JWT, SD-JWT, JSON) or a JSON object that was read already: an EnvelopedVerifiableCredential or a
    credential with an embedded proof.
    """

    credential_id: str
    type: str
    format: str
    data: str | Mapping[str, Any]
    der_id: str = ""

    @classmethod
    def of(cls, data: str | Mapping[str, Any]) -> Presented:
        """A credential of which nothing was said."""
        return cls("", "", "", data)

    @property
    def text(self) -> str:
        """The bytes as they came; of an object that was read already, its JSON, "" where that is too deep to write."""
        if not isinstance(self.data, Mapping):
            return self.data
        try:
            return json.dumps(self.data, sort_keys=True, default=str)
        except (RecursionError, TypeError, ValueError):
            return ""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `text`."""
        return hashlib.sha256(str(self.text).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Policy:
    """What has to hold besides the signature.

    `trust`: the issuer must be trusted for this type and scope; `trust_ourselves` lets us state whatever we signed and
    keep a row of. Without `trust`, signature, dates and status are checked of any issuer that the trust list has, that
    is its own key (did:key, did:jwk), or, with `strangers`, that answers for its did:web. `network_only`: nothing but
    what a message of the network may carry, a JWT with one subject. `strict`: the data model's own rules are checked of
    every form (of one with an embedded proof they always are). `subject_did` is whose it must be, None leaves it open.
    `purpose` is what an embedded proof must have been made for; `challenge` and `domain` are what it must name, where
    they are given (`nonce` and `aud` of a presentation that is a JWT). All waiting for others together takes at most
    `wait_seconds`.
    """

    trust: bool = True
    strangers: bool = False
    trust_ourselves: bool = False
    network_only: bool = False
    strict: bool = False
    subject_did: str | None = None
    dates: bool = True
    status: bool = True
    purpose: str = "assertionMethod"
    challenge: str | None = None
    domain: str | None = None
    wait_seconds: float = 12.0
    maximum_bytes: int = tokens.MAXIMUM_BYTES


@dataclass(frozen=True)
class Check:
    """One step: its name (format, issuer, signature, trust, dates, status, holder), and why it failed."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What was found. `claims` is `credentialSubject`; of a failed credential it proves nothing.

    `reason` is "" or one of `Reason`; `retryable` tells that another try later may end otherwise (an issuer could not
    be reached). `status_entry` is what `recheck_status` takes: {"issuer", "credential", "entries": [{"list", "index",
    "purpose"}]}, None where the credential names no status. `digest` is SHA-256 (hex) of the bytes as they came.
    `trusted_utilities` and the like are the scope of the trust that was used; empty means any. `problems` are the same
    failure in the words of the specifications (RFC 9457); `credential` is what was signed.
    """

    credential_id: str
    type: str
    ok: bool
    reason: str
    digest: str
    claims: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    status_entry: dict[str, Any] | None = None
    detail: str = ""
    retryable: bool = False
    checks: tuple[Check, ...] = ()
    trusted_utilities: tuple[str, ...] = ()
    trusted_programs: tuple[str, ...] = ()
    trusted_der_types: tuple[str, ...] = ()
    form: str = ""
    problems: tuple[Problem, ...] = ()
    credential: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def passed(self, check: str) -> bool:
        """Whether a named check was made and passed."""
        return any(each.name == check and each.ok for each in self.checks)


@dataclass(frozen=True)
class Recheck:
    """The status of a credential that was verified before. `reason` "" means: still good."""

    reason: str
    retryable: bool = False

    @property
    def ok(self) -> bool:
        return not self.reason
