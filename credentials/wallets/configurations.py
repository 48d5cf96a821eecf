"""What a wallet may ask of us, as we tell it: the credential configurations, and the three documents that name them.

Nothing stands here that does not work: no deferred or batch issuance, no notification, no encryption beside TLS, no
authorisation code, no key attestation. Source: OpenID4VCI 1.0, 12 and A; SD-JWT VC, type metadata; RFC 8414.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings

from credentials import addresses
from credentials.claims import DEG_TYPE, TYPES
from credentials.models import IssuedCredential, Kind, Profile
from credentials.wallets import proofs

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
DETAILS = "openid_credential"
LOCALE = "en"


class Format(StrEnum):
    """The credential formats, by their identifiers in OpenID4VCI."""

    JWT = "jwt_vc_json"
    SD_JWT = "dc+sd-jwt"


@dataclass(frozen=True)
class Claim:
    """A claim as a wallet shows it. `hidden`: the holder may keep it back (of an array: each element by itself)."""

    name: str
    label: str
    is_array: bool = False
    hidden: bool = False
    always: bool = False

    @property
    def path(self) -> list[str | None]:
        return [self.name, None] if self.is_array else [self.name]


@dataclass(frozen=True)
class Offered:
    """A credential type wallets can have: its claims, in the order in which they are shown."""

    type: str
    types: tuple[str, ...]
    name: str
    description: str
    claims: tuple[Claim, ...]

    @property
    def vct(self) -> str:
        return f"{addresses.base()}/vct/{self.type}-v1"

    @property
    def hidden(self) -> list[str]:
        return [claim.name for claim in self.claims if claim.hidden and not claim.is_array]

    @property
    def hidden_elements(self) -> list[str]:
        return [claim.name for claim in self.claims if claim.hidden and claim.is_array]


@dataclass(frozen=True)
class Configuration:
    """One entry of `credential_configurations_supported`."""

    id: str
    format: Format
    offered: Offered


SUBJECT = Claim("sub", "Identity on the energy network", hidden=True)
ENROLLMENT = Offered(
    TYPES["ENROLLMENT"],
    ("VerifiableCredential", TYPES["ENROLLMENT"]),
    "Program enrolment",
    "The holder takes part in an energy program with these meters and devices.",
    (
        Claim("programName", "Program"),
        Claim("programId", "Program code", always=True),
        Claim("enrollmentId", "Enrolment", always=True),
        Claim("meters", "Meter", is_array=True, hidden=True),
        Claim("ders", "Device", is_array=True, hidden=True),
        Claim("roles", "Role", is_array=True),
        Claim("constraints", "Constraints"),
        Claim("startDate", "Start", always=True),
        Claim("endDate", "End"),
        SUBJECT,
    ),
)
DEG = Offered(
    DEG_TYPE,
    ("VerifiableCredential", TYPES["ENROLLMENT"], DEG_TYPE),
    "Utility program enrolment",
    "A customer of a utility takes part in an energy program.",
    (
        Claim("programName", "Program", always=True),
        Claim("programCode", "Program code", always=True),
        Claim("consumerNumber", "Customer number", hidden=True, always=True),
        Claim("enrollmentDate", "Enrolled on", always=True),
        Claim("validUntil", "Until"),
        SUBJECT,
    ),
)
_OFFERED = {Profile.OWN: ENROLLMENT, Profile.DEG: DEG}
_SUFFIXES = {Format.JWT: "jwt_vc_json", Format.SD_JWT: "dc_sd_jwt"}


def of_row(row: IssuedCredential) -> list[Configuration]:
    """Return the configurations a wallet may have this credential in; none for a credential that is not offered."""
    if row.kind != Kind.ENROLLMENT or Profile(row.profile) not in _OFFERED:
        return []
    return _configurations(_OFFERED[Profile(row.profile)])


def everything() -> list[Configuration]:
    """Return all configurations there are."""
    return [each for offered in _OFFERED.values() for each in _configurations(offered)]


def issuer_metadata() -> dict[str, Any]:
    """The document at /.well-known/openid-credential-issuer."""
    base = addresses.base()
    return {
        "credential_issuer": base,
        "credential_endpoint": f"{base}/wallet/credential",
        "nonce_endpoint": f"{base}/wallet/nonce",
        "display": [{"name": issuer_name(), "locale": LOCALE}],
        "credential_configurations_supported": {each.id: _entry(each) for each in everything()},
    }


def server_metadata() -> dict[str, Any]:
    """The document at /.well-known/oauth-authorization-server: we are our own authorisation server."""
    base = addresses.base()
    return {
        "issuer": base,
        "token_endpoint": f"{base}/wallet/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": [GRANT],
        "authorization_details_types_supported": [DETAILS],
        "pre-authorized_grant_anonymous_access_supported": True,
    }


def type_metadata(name: str) -> dict[str, Any] | None:
    """The document at a `vct` address, None where there is no such type. `name` is its last segment."""
    offered = next((each for each in _OFFERED.values() if each.vct.rpartition("/")[2] == name), None)
    if offered is None:
        return None
    return {
        "vct": offered.vct,
        "name": offered.type,
        "description": offered.description,
        "display": [{"locale": LOCALE, "name": offered.name, "description": offered.description}],
        "claims": [_claim(claim) for claim in offered.claims],
    }


def issuer_name() -> str:
    """Return the name a person knows us by."""
    return str(getattr(settings, "ISSUER_NAME", "") or "Energy Enrollment")


def _configurations(offered: Offered) -> list[Configuration]:
    return [Configuration(f"{offered.type}_{suffix}", format, offered) for format, suffix in _SUFFIXES.items()]


def _entry(configuration: Configuration) -> dict[str, Any]:
    offered, is_jwt = configuration.offered, configuration.format == Format.JWT
    shown: Sequence[Claim] = [claim for claim in offered.claims if not (is_jwt and claim is SUBJECT)]
    inside = ["credentialSubject"] if is_jwt else []
    return {
        "format": configuration.format.value,
        **({"credential_definition": {"type": list(offered.types)}} if is_jwt else {"vct": offered.vct}),
        "cryptographic_binding_methods_supported": list(proofs.METHODS) if is_jwt else ["jwk"],
        "credential_signing_alg_values_supported": ["ES256"],
        "proof_types_supported": {"jwt": {"proof_signing_alg_values_supported": list(proofs.ALGORITHMS)}},
        "credential_metadata": {
            "display": [{"name": offered.name, "locale": LOCALE, "description": offered.description}],
            "claims": [
                {
                    "path": [*inside, *claim.path],
                    "mandatory": claim.always,
                    "display": [{"name": claim.label, "locale": LOCALE}],
                }
                for claim in shown
            ],
        },
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "path": claim.path,
        "display": [{"locale": LOCALE, "label": claim.label}],
        "mandatory": claim.always,
        "sd": "always" if claim.hidden else "never",
    }
