"""How much one may ask: token buckets in PostgreSQL, one statement each, shared by all processes.

Which budgets there are, the rooms that spend them say (`beckn.limits`, `credentials.limits`).
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from identity.models import RateBucket

KEPT = timedelta(hours=1)

# An INSERT takes the first token of a full bucket; later ones refill it for the time that has passed. No row comes back
# when less than one token is there, and then nothing is written.
_TAKE = """
INSERT INTO rate_buckets AS b (key, tokens, at) VALUES (%(key)s, %(burst)s - 1, %(now)s)
ON CONFLICT (key) DO UPDATE SET at = EXCLUDED.at, tokens = -1 + LEAST(%(burst)s::float8,
  b.tokens + %(rate)s * GREATEST(0, EXTRACT(EPOCH FROM EXCLUDED.at - b.at)))
WHERE LEAST(%(burst)s::float8, b.tokens + %(rate)s * GREATEST(0, EXTRACT(EPOCH FROM EXCLUDED.at - b.at))) >= 1
RETURNING tokens
"""


@dataclass(frozen=True)
class Budget:
    """A kind of bucket: `per_second` tokens flow in, at most `burst` are kept."""

    name: str
    per_second: float
    burst: float

    def take(self, now: datetime, who: str = "") -> bool:
        """Take one token of `who`; False when there is none. Commits at once, so call it outside a transaction."""
        values: dict[str, Any] = {
            "key": f"{self.name}:{who}"[:300],
            "burst": self.burst,
            "rate": self.per_second,
            "now": now,
        }
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, values)
            return cursor.fetchone() is not None

    @property
    def retry_after_seconds(self) -> int:
        return max(1, ceil(1 / self.per_second))


def source_of(request: HttpRequest) -> str:
    """Return the sender's address, an IPv6 one as its /64 network."""
    address = address_of(request)
    if address is None:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def address_of(request: HttpRequest) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the sender's address. X-Forwarded-For counts only as far as our own proxies (PROXY_NETWORKS) wrote it."""
    hops = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if each.strip()]
    address = _address(request.META.get("REMOTE_ADDR", ""))
    while address is not None and hops and is_in(address, settings.PROXY_NETWORKS):
        address = _address(hops.pop())
    return address


def is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: object) -> bool:
    """Tell whether the address lies in one of the networks (texts)."""
    assert isinstance(networks, (list, tuple))
    return any(address in ipaddress.ip_network(each, strict=False) for each in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def forget_old(now: datetime) -> int:
    """Delete buckets nobody has touched for an hour; they are full again by now."""
    return RateBucket.objects.filter(at__lt=now - KEPT).delete()[0]
