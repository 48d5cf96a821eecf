"""Sealing days: the head of the chain at the end of a day, signed and published (decision 32).

Whoever keeps a copy can tell later that the chain up to there is the one that stood then.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from audit import chain
from audit.models import Link, Seal
from audit.signer import signer

LOCK = 0x0A0D18  # advisory lock number of the sealer


@transaction.atomic
def seal_yesterday(now: datetime) -> int:
    """Seal the day before `now` (UTC) unless that is done or nothing was ever linked by then; return the seals made.

    Days that passed while nobody was there are covered by the next seal: it holds for all links up to its own.
    """
    today = now.astimezone(UTC).date()
    day = today - timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    last = Seal.objects.order_by("day").last()
    if last and last.day >= day:
        return 0
    midnight = datetime.combine(today, time(), UTC)
    head = Link.objects.filter(linked_at__lt=midnight).order_by("seq").last()
    if head is None or (last and head.seq < last.last_seq):
        return 0
    statement = chain.canonical(statement_of(day, head, last, now)).decode()
    signature = signer().sign(statement.encode(), now=now)
    Seal.objects.create(
        day=day,
        last_seq=head.seq,
        statement=statement,
        kid=signature.kid,
        signature=signature.value,
        signed_at=now,
    )
    return 1


def statement_of(day: date, head: Link, previous: Seal | None, now: datetime) -> dict[str, Any]:
    """Return what a seal says: whose journal, which day, the last link, and the seal before it."""
    return {
        "journal": settings.PUBLIC_URL,
        "day": day.isoformat(),
        "lastSeq": head.seq,
        "lastHash": bytes(head.hash).hex(),
        "previousSeal": hashlib.sha256(previous.statement.encode()).hexdigest() if previous else "",
        "signedAt": chain.instant(now),
    }


def published(seal: Seal) -> dict[str, Any]:
    """Return a seal as it is published: `signature` is base64url over the bytes of `statement`."""
    return {
        "day": seal.day.isoformat(),
        "lastSeq": seal.last_seq,
        "statement": seal.statement,
        "kid": seal.kid,
        "signature": _base64url(bytes(seal.signature)),
    }


def published_keys(keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the keys as a JWK set."""
    jwks = [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": _base64url(x)} for kid, x in keys.items()]
    return {"keys": jwks}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
