"""What is forgotten of wallets: offers that are over, tokens, used nonces. That a copy was handed over stays."""

from __future__ import annotations

from datetime import datetime, timedelta

from credentials.models import WalletNonce, WalletOffer

_KEPT = timedelta(hours=1)  # well beyond the life of a token that was taken at an offer's last moment
_BATCH = 5000


def forget(now: datetime) -> int:
    """Delete what can be of no more use, tokens with their offers; return how many rows. Safe to run twice at once."""
    over = list(WalletOffer.objects.filter(expires_at__lte=now - _KEPT).values_list("pk", flat=True)[:_BATCH])
    offers, _ = WalletOffer.objects.filter(pk__in=over).delete()
    nonces, _ = WalletNonce.objects.filter(expires_at__lte=now - _KEPT).delete()
    return offers + nonces
