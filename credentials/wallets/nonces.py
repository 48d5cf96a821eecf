"""Nonces a wallet signs, so that its proof cannot be an old one. Whoever asks for one writes nothing with us.

A nonce carries its own end and our seal; kept are only those that were used, until they would have ended anyway.
Source: OpenID4VCI 1.0, 7.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta

from credentials.models import WalletNonce
from credentials.wallets.secrecy import digest
from identity.encryption import blind_index
from identity.inserting import insert_if_new

LIFETIME = timedelta(minutes=5)
_LONGEST = 200


def new(now: datetime) -> str:
    """Return a fresh nonce; good for one credential, for five minutes, with every process of ours."""
    content = f"{int((now + LIFETIME).timestamp()):x}.{secrets.token_hex(16)}"
    return f"{content}.{_seal(content)}"


def is_good(nonce: str, now: datetime) -> bool:
    """Whether we made it and its time is not over; whether it was used, `spend` finds out."""
    content, _, seal = nonce.rpartition(".")
    if len(nonce) > _LONGEST or not nonce.isascii() or not hmac.compare_digest(seal, _seal(content)):
        return False
    return now < _end(nonce)


def spend(nonce: str) -> bool:
    """Use a good nonce up, inside the caller's transaction; False where somebody has used it before."""
    return insert_if_new(WalletNonce(digest=digest(nonce), expires_at=_end(nonce)), unique=("digest",))


def _end(nonce: str) -> datetime:
    return datetime.fromtimestamp(int(nonce.partition(".")[0], 16), UTC)


def _seal(content: str) -> str:
    return blind_index(content, purpose="wallet nonce").hex()
