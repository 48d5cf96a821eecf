"""A credential in the form a wallet asks for, bound to the key it has just proven: same id, same status index.

What is handed over is not kept; that it was, is. Source: OpenID4VCI 1.0, 8 and A; SD-JWT VC, 3.2; decision 51.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import log
from audit.log import Action
from credentials import addresses, claims, keys
from credentials.models import IssuedCredential, KeyAlgorithm, WalletAccess, WalletCopy
from credentials.own_output import sign_and_check, sign_credential
from credentials.services import statement_of
from credentials.wallets import configurations, nonces, offers, proofs, sd_jwt
from credentials.wallets.configurations import Configuration, Format
from credentials.wallets.proofs import Proof, ProofRefused
from credentials.wallets.secrecy import digest

_TAKEN = frozenset({"iss", "nbf", "exp", "iat", "jti", "cnf", "vct", "status", "_sd", "_sd_alg"})


class NoAccess(Exception):
    """The access token is unknown, used or over."""


class Refused(Exception):
    """No credential for this request. `code` is the wire's error code; the text is ASCII."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True)
class Wanted:
    """What the wallet asked for."""

    configuration_id: str
    proof: object


def hand_over(access_token: str, wanted: Wanted, *, now: datetime) -> str:
    """Return the credential; the token and the nonce are used up with it, and by nothing else.

    Raises NoAccess, or Refused: then the wallet may try again with the same token.
    """
    with transaction.atomic():
        access = _access(access_token, now)
        row = access.offer.credential
        configuration = _configuration(row, wanted.configuration_id)
        why = offers.why_not(row, now)
        if why:
            raise Refused("credential_request_denied", why)
        proof = _proven(wanted.proof, now)
        text, kid = _signed(row, configuration, proof, now)
        access.used_at = now
        access.save(update_fields=["used_at"])
        _record(access, configuration, proof, kid, now)
    return text


def sd_jwt_claims(row: IssuedCredential, proof: Proof, configuration: Configuration, now: datetime) -> dict[str, Any]:
    """Everything an SD-JWT VC of this credential says, nothing hidden yet.

    Of the enrolment `status` is written `enrollmentStatus`: in a JWT `status` says where the list is.
    """
    statement = statement_of(row)
    own = {("enrollmentStatus" if name == "status" else name): value for name, value in statement.claims.items()}
    taken = sorted(_TAKEN & set(own))
    if taken:
        raise ValueError(f"a claim may not be called {taken[0]}")
    return {
        **own,
        "iss": addresses.base(),
        "sub": row.subject_did,
        "jti": statement.id,
        "iat": int(now.timestamp()),
        "nbf": int(statement.valid_from.timestamp()),
        **({"exp": int(datetime.fromisoformat(statement.valid_until).timestamp())} if statement.valid_until else {}),
        "vct": configuration.offered.vct,
        "cnf": {"jwk": proof.jwk},
        "status": {"status_list": {"idx": statement.status.index, "uri": statement.status.revocation_url}},
    }


def _access(token: str, now: datetime) -> WalletAccess:
    locked = WalletAccess.objects.select_for_update(of=("self",), no_key=True)
    found = (
        locked.select_related("offer__credential__status_list")
        .filter(token_digest=digest(token), used_at=None, expires_at__gt=now)
        .first()
    )
    if found is None:
        raise NoAccess
    return found


def _configuration(row: IssuedCredential, wanted: str) -> Configuration:
    for each in configurations.of_row(row):
        if each.id == wanted:
            return each
    raise Refused("unknown_credential_configuration", "This credential is not offered in that configuration.")


def _proven(proof: object, now: datetime) -> Proof:
    try:
        found = proofs.read(proof, audience=addresses.base(), now=now)
    except ProofRefused as refused:
        raise Refused(refused.code, str(refused)) from None
    if not nonces.spend(found.nonce):
        raise Refused("invalid_nonce", "The nonce has been used: get a new one.")
    return found


def _signed(row: IssuedCredential, configuration: Configuration, proof: Proof, now: datetime) -> tuple[str, str]:
    key = keys.active(KeyAlgorithm.ES256)
    if configuration.format == Format.JWT:
        statement = replace(statement_of(row), subject_did=proof.did)
        header = claims.header_1_1(settings.ISSUER_DID, key.multikey)
        return sign_credential(claims.payload_1_1(statement), header, key), key.kid
    offered = configuration.offered
    payload, disclosures = sd_jwt.encode(
        sd_jwt_claims(row, proof, configuration, now), hide=offered.hidden, hide_elements=offered.hidden_elements
    )
    header = {"typ": Format.SD_JWT.value, "kid": f"{settings.ISSUER_DID}#{key.kid}"}
    return sd_jwt.join(sign_and_check(payload, header, key), disclosures), key.kid


def _record(access: WalletAccess, configuration: Configuration, proof: Proof, kid: str, now: datetime) -> None:
    copy = WalletCopy.objects.create(
        credential=access.offer.credential,
        offer=access.offer,
        format=configuration.format.value,
        holder_thumbprint=proof.thumbprint,
        kid=kid,
        issued_at=now,
    )
    log.record(
        Action.WALLET_ISSUED,
        actor=log.SYSTEM,
        at=now,
        object_type="IssuedCredential",
        object_id=str(copy.credential_id),
        details={"offer": str(access.offer_id), "format": copy.format, "kid": kid},
    )
