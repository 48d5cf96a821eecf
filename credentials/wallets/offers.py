"""An offer of a credential to a wallet: made for whoever holds the credential's link, taken once, soon over.

The offer is fetched by reference (a QR code is small) and holds the pre-authorised code; the transaction code is told
apart, once, to the person. Both together are an access token. Source: OpenID4VCI 1.0, 4.1, 6 and 13.4 to 13.6.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.db import transaction
from django.utils.translation import gettext_noop

from audit import log
from audit.log import Action, Actor
from credentials import addresses
from credentials.models import IssuedCredential, WalletAccess, WalletOffer
from credentials.wallets import configurations
from credentials.wallets.configurations import GRANT
from credentials.wallets.secrecy import (
    TRANSACTION_CODE_DIGITS,
    digest,
    new_token,
    new_transaction_code,
    transaction_code_index,
)

LIFETIME = timedelta(minutes=15)
ACCESS_LIFETIME = timedelta(minutes=5)
WRONG_CODES = 5
"""So many wrong transaction codes end an offer: one in two hundred thousand is let in who only saw the QR code."""

_DESCRIPTION = "The six digits shown beside the QR code."


class NotOffered(Exception):
    """This credential cannot be put into a wallet (any more); the text says why."""


@dataclass(frozen=True)
class Made:
    """What the person is told, once. `link` opens a wallet, on the same device or as a QR code."""

    link: str = field(repr=False)
    uri: str = field(repr=False)
    transaction_code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Access:
    """An access token: good for one credential."""

    token: str = field(repr=False)
    seconds: int
    configuration_ids: list[str]


@dataclass(frozen=True)
class NotGiven:
    """Why there is no access token: the wire's error code (RFC 6749, 5.2) and a sentence in ASCII."""

    code: str
    description: str


def make(row: IssuedCredential, *, now: datetime, actor: Actor) -> Made:
    """Make an offer, in place of any earlier one that was not taken. NotOffered where the credential is over."""
    why = why_not(row, now)
    if why:
        raise NotOffered(why)
    reference, transaction_code = new_token(), new_transaction_code()
    code = new_token()
    offer = WalletOffer(
        credential=row,
        reference_digest=digest(reference),
        code=code,
        code_digest=digest(code),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    offer.transaction_code_index = transaction_code_index(offer.id, transaction_code)
    with transaction.atomic():
        _take_back(row)
        offer.save(force_insert=True)
        _journal(Action.WALLET_OFFERED, offer, actor, now)
    uri = f"{addresses.base()}/wallet/offers/{reference}"
    link = f"openid-credential-offer://?credential_offer_uri={quote(uri, safe='')}"
    return Made(link, uri, transaction_code, offer.expires_at)


def why_not(row: IssuedCredential, now: datetime) -> str:
    """Return why a credential cannot be put into a wallet, "" where it can. In English; pages translate it."""
    if not configurations.of_row(row):
        return gettext_noop("This credential is not handed to wallets.")
    if row.is_revoked:
        return gettext_noop("This credential has been revoked.")
    if row.valid_until is not None and row.valid_until <= now:
        return gettext_noop("This credential is over.")
    return ""


def read(reference: str, now: datetime) -> dict[str, Any] | None:
    """Return the credential offer object of an open offer, None where there is none (any more). Changes nothing."""
    offer = _offers().filter(reference_digest=digest(reference)).first()
    if offer is None or not _is_open(offer, now):
        return None
    asked = {"input_mode": "numeric", "length": TRANSACTION_CODE_DIGITS, "description": _DESCRIPTION}
    return {
        "credential_issuer": addresses.base(),
        "credential_configuration_ids": [each.id for each in configurations.of_row(offer.credential)],
        "grants": {GRANT: {"pre-authorized_code": offer.code, "tx_code": asked}},
    }


def redeem(code: str, transaction_code: str, *, now: datetime) -> Access | NotGiven:
    """Trade a code and its transaction code for an access token; only one of any number of callers gets it."""
    with transaction.atomic():
        # The row is held while the codes are compared: many guesses at once are counted one by one.
        locked = _offers().select_for_update(of=("self",), no_key=True)
        offer = locked.filter(code_digest=digest(code)).first()
        if offer is None or not _is_open(offer, now):
            return NotGiven("invalid_grant", "The pre-authorized code is unknown, used or expired.")
        if not hmac.compare_digest(
            bytes(offer.transaction_code_index), transaction_code_index(offer.id, transaction_code)
        ):
            return _wrong(offer, now)
        offer.consumed_at = now
        offer.save(update_fields=["consumed_at"])
        token = new_token()
        WalletAccess.objects.create(offer=offer, token_digest=digest(token), expires_at=now + ACCESS_LIFETIME)
    ids = [each.id for each in configurations.of_row(offer.credential)]
    return Access(token, int(ACCESS_LIFETIME.total_seconds()), ids)


def _take_back(row: IssuedCredential) -> None:
    # Locked first: one that a wallet is taking at this moment is taken, and stays.
    untaken = WalletOffer.objects.select_for_update().filter(credential=row, consumed_at=None)
    WalletOffer.objects.filter(pk__in=[offer.pk for offer in untaken]).delete()


def _wrong(offer: WalletOffer, now: datetime) -> NotGiven:
    offer.wrong_codes += 1
    offer.save(update_fields=["wrong_codes"])
    left = WRONG_CODES - offer.wrong_codes
    if left:
        return NotGiven("invalid_grant", f"The transaction code is wrong; {left} more wrong ones end the offer.")
    _journal(Action.WALLET_REFUSED, offer, log.SYSTEM, now)
    return NotGiven("invalid_grant", "The transaction code was wrong too often: the offer is over, ask for a new one.")


def _offers() -> Any:
    return WalletOffer.objects.select_related("credential")


def _is_open(offer: WalletOffer, now: datetime) -> bool:
    return offer.consumed_at is None and offer.expires_at > now and offer.wrong_codes < WRONG_CODES


def _journal(action: Action, offer: WalletOffer, actor: Actor, now: datetime) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        object_type="IssuedCredential",
        object_id=str(offer.credential_id),
        details={"offer": str(offer.id)},
    )
