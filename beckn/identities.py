"""Our own names on the network and the keys we sign with (decision 47).

Keys overlap while one is replaced: the newest valid one signs, the older ones stay in the registry until `valid_until`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings

from beckn import signatures

OWNER, PORTAL, AGENCY = "owner", "portal", "agency"


class NoSigningKey(Exception):
    """None of an identity's keys is valid now; nothing can be sent until one is configured."""


def all_of_them() -> Iterator[Any]:
    """Yield our identities (`config.env.BecknIdentity`)."""
    yield from settings.BECKN_IDENTITIES


def owner() -> Any:
    """Return the identity under which we answer requests (the first with the role owner)."""
    return next(identity for identity in settings.BECKN_IDENTITIES if identity.role == OWNER)


def portal() -> Any:
    """Return the identity under which the Utility Portal asks (the first with the role portal)."""
    return next(identity for identity in settings.BECKN_IDENTITIES if identity.role == PORTAL)


def by_id(subscriber_id: str) -> Any | None:
    return next((each for each in settings.BECKN_IDENTITIES if each.subscriber_id == subscriber_id), None)


def is_owner(subscriber_id: str) -> bool:
    identity = by_id(subscriber_id)
    return identity is not None and identity.role == OWNER


def is_portal(subscriber_id: str) -> bool:
    identity = by_id(subscriber_id)
    return identity is not None and identity.role in (PORTAL, AGENCY)


def signing_key(subscriber_id: str, now: datetime) -> Any:
    """Return the newest key of ours that is valid at `now`. Raises NoSigningKey."""
    identity = by_id(subscriber_id)
    valid = [key for key in identity.keys if _is_valid(key, now)] if identity else []
    if not valid:
        raise NoSigningKey(f"no key of {subscriber_id} is valid at {now.isoformat()}")
    return max(valid, key=lambda key: (key.valid_from is not None, key.valid_from or now))


def sign(body: bytes, subscriber_id: str, now: datetime) -> str:
    """Return the Authorization header for exactly these bytes, in our name. Raises NoSigningKey."""
    key = signing_key(subscriber_id, now)
    return signatures.sign(body, subscriber_id=subscriber_id, key_id=key.key_id, seed=key.seed, created=now)


def _is_valid(key: Any, now: datetime) -> bool:
    return not (key.valid_from and now < key.valid_from) and not (key.valid_until and now >= key.valid_until)
