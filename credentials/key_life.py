"""What an operator does with a key, from the command line or the console: the act, and the lists it touches.

A list is signed by the key that is active. So lists are signed again right after another key took over, and before a
key's signatures become worthless: there is no moment at which a published list cannot be verified. Source: spec
credentials.md 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from audit.log import Actor
from credentials import keys, publishing
from credentials.keys import Reason
from credentials.models import IssuerKey, KeyState, StatusListVersion, WalletCopy


@dataclass(frozen=True)
class Use:
    """What a key has signed that still counts: living credentials, copies in wallets, lists that are served now."""

    credentials: int
    wallet_copies: int
    lists: int


def use_of(kid: str, *, now: datetime) -> Use:
    """Return what would be worthless if this key were revoked now."""
    newest = StatusListVersion.objects.newest()
    lists = StatusListVersion.objects.filter(pk__in=newest.values("pk")).filter(Q(kid=kid) | Q(json_kid=kid)).count()
    copies = WalletCopy.objects.filter(kid=kid, credential__revoked_at=None)
    living = copies.exclude(credential__valid_until__lte=now)
    return Use(keys.living_credentials_of(kid, now=now), living.count(), lists)


def activate(
    kid: str = "", *, algorithm: str = "", at_once: bool, reason: str = Reason.UNSPECIFIED, now: datetime, actor: Actor
) -> IssuerKey:
    """Let an announced key sign, retire the one before it, and sign every list again. Raises keys.KeyRefused."""
    key = keys.activate(kid, algorithm=algorithm, at_once=at_once, reason=reason, now=now, actor=actor)
    publishing.publish_all(now)
    return key


def revoke(kid: str, *, reason: str = Reason.UNSPECIFIED, now: datetime, actor: Actor) -> tuple[IssuerKey, int]:
    """Withdraw a key and return it with the number of living credentials that are to be signed again.

    Three steps, each whole in itself: another key takes over; every list is signed by it; the key goes. Whoever is
    killed in between asks again. Raises keys.KeyRefused.
    """
    key = keys.get(kid)
    if key.state == KeyState.REVOKED:
        raise keys.KeyRefused("this key is already revoked")
    keys.replace(key.kid, reason=reason, now=now, actor=actor)
    if use_of(key.kid, now=now).lists:
        publishing.publish_all(now)
    return keys.revoke(key.kid, reason=reason, now=now, actor=actor)
