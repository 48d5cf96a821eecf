"""What is made to be guessed by nobody, and what is kept of it: digests only."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

from identity.encryption import blind_index

TRANSACTION_CODE_DIGITS = 6


def new_token() -> str:
    """Return 256 bits as text."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def new_transaction_code() -> str:
    """Return six digits: short enough to be typed, and tried only a few times (`offers.WRONG_CODES`)."""
    return f"{secrets.randbelow(10**TRANSACTION_CODE_DIGITS):0{TRANSACTION_CODE_DIGITS}d}"


def transaction_code_index(offer_id: UUID, code: str) -> bytes:
    """Return what is kept of a transaction code: a keyed hash, another one for each offer.

    A plain digest of six digits would be undone by trying them all.
    """
    return blind_index(f"{offer_id} {code}", purpose="wallet transaction code")
