"""Publishing the status lists: never losing a change, never going back in version.

A change is a row written with the act that made it. Publishing reads the version, then the changes, then the
credential rows, each a later snapshot than the one before; signs with no transaction open (a KMS may be far away);
and writes only if nobody published in between, deleting exactly the changes it had seen. Whoever is killed between
reading and writing leaves the changes for the next. Source: spec credentials.md 3; decisions 29, 33.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from audit import clock, log
from audit.log import Action
from credentials import addresses, bitstring, claims, keys, policy
from credentials.models import Purpose, StatusChange, StatusList, StatusListVersion
from credentials.own_output import sign_and_check

_ATTEMPTS = 20


class NotPublished(Exception):
    """Others kept publishing the same list; the changes are still there and the next second tries again."""


@dataclass(frozen=True)
class _Reading:
    """A list as it stood: version first, then changes, then bits."""

    status_list: StatusList
    changes: list[int]
    bits: dict[str, bytes]


@dataclass(frozen=True)
class _Signed:
    purpose: str
    compressed: bytes
    body: str
    kid: str
    valid_until: datetime


def publish_due(now: datetime) -> int:
    """Publish every list with a change that is not yet visible; return how many lists were published."""
    due = StatusChange.objects.order_by().values_list("status_list", flat=True).distinct()
    return sum(_publish(list_id, now=now) for list_id in due)


def publish_all(now: datetime) -> int:
    """Sign and publish every list again, changed or not; return how many."""
    ids = StatusList.objects.order_by("pk").values_list("pk", flat=True)
    return sum(_publish(list_id, now=now, every_purpose=True) for list_id in list(ids))


def publish_stale(now: datetime) -> int:
    """Sign again what is half over, not yet published, from the future, or signed by a key that was revoked."""
    return sum(_publish(list_id, now=now, every_purpose=True) for list_id in stale(now))


def ensure_published(list_ids: Iterable[int]) -> None:
    """Return when every change of these lists that was committed before the call is visible to the world.

    Raises NotPublished if other publishers kept winning (nothing is lost).
    """
    now = clock.now()
    for list_id in sorted(set(list_ids)):
        if StatusChange.objects.filter(status_list=list_id).exists():
            _publish(list_id, now=now)


def latest(status_list: StatusList | int, purpose: str) -> StatusListVersion | None:
    """Return the published version of a list and purpose, None before the first."""
    return StatusListVersion.objects.filter(status_list=status_list, purpose=purpose).order_by("-version").first()


def stale(now: datetime) -> list[int]:
    """Return the ids of the lists that have to be signed again although no bit changed."""
    good_keys = {key.kid for key in keys.published()}
    half_over = now + policy.list_validity() / 2
    fresh: dict[int, int] = {}
    for list_id, kid, signed_at, valid_until in StatusListVersion.objects.newest().values_list(
        "status_list", "kid", "signed_at", "valid_until"
    ):
        if kid in good_keys and valid_until > half_over and signed_at <= now:
            fresh[list_id] = fresh.get(list_id, 0) + 1
    every = StatusList.objects.order_by("pk").values_list("pk", flat=True)
    return [list_id for list_id in every if fresh.get(list_id, 0) < len(Purpose.values)]


def forget_old_versions(now: datetime) -> int:
    """Delete versions that are over and replaced: the credential rows are the truth, a verifier holds no older list."""
    return (
        StatusListVersion.objects.filter(valid_until__lt=now)
        .exclude(pk__in=StatusListVersion.objects.newest().values("pk"))
        .delete()[0]
    )


def _publish(list_id: int, *, now: datetime, every_purpose: bool = False) -> bool:
    for _ in range(_ATTEMPTS):
        reading = _read(list_id, every_purpose=every_purpose)
        if not reading.bits:
            return False
        signed = _sign(reading, now=now)
        if _write(reading, signed, now=now):
            return True
    raise NotPublished(f"status list {list_id}: others publish it without a pause")


def _read(list_id: int, *, every_purpose: bool) -> _Reading:
    status_list = StatusList.objects.get(pk=list_id)
    changes = list(StatusChange.objects.filter(status_list=list_id).values_list("pk", "purpose"))
    first = status_list.version == 0
    purposes = Purpose.values if every_purpose or first else sorted({purpose for _, purpose in changes})
    bits = {purpose: bitstring.pack_bits(_indexes(list_id, purpose), status_list.size) for purpose in purposes}
    return _Reading(status_list, [pk for pk, _ in changes], bits)


_SET = {
    Purpose.REVOCATION.value: "SELECT array_agg(status_index) FROM issued_credentials"
    " WHERE status_list_id = %s AND revoked_at IS NOT NULL",
    Purpose.SUSPENSION.value: "SELECT array_agg(status_index) FROM issued_credentials"
    " WHERE status_list_id = %s AND suspended_at IS NOT NULL",
}


def _indexes(list_id: int, purpose: str) -> Sequence[int]:
    with connection.cursor() as cursor:
        cursor.execute(_SET[purpose], [list_id])
        return cursor.fetchone()[0] or []


def _sign(reading: _Reading, *, now: datetime) -> list[_Signed]:
    key = keys.active()
    issuer = settings.ISSUER_DID
    valid_until = now + policy.list_validity()
    signed = []
    for purpose, bits in reading.bits.items():
        compressed = bitstring.compress(bits)
        payload = claims.status_list(
            url=addresses.status_list(reading.status_list.kind, purpose, reading.status_list.number),
            purpose=purpose,
            encoded=bitstring.encode_compressed(compressed),
            issuer=issuer,
            ttl_seconds=policy.list_ttl_seconds(),
            valid_from=now,
            valid_until=valid_until,
        )
        body = sign_and_check(payload, claims.header_2_0(issuer, key.kid), key)
        signed.append(_Signed(purpose, compressed, body, key.kid, valid_until))
    return signed


def _write(reading: _Reading, signed: Sequence[_Signed], *, now: datetime) -> bool:
    """Publish if nobody else did since the reading; False means: read again."""
    pk, before = reading.status_list.pk, reading.status_list.version
    version = before + len(signed)
    with transaction.atomic():
        # Takes the row, judges the version and raises it in one statement. An UPDATE of no key column does not wait
        # for the key shares that issuing and revoking hold on this row by their foreign keys.
        if not StatusList.objects.filter(pk=pk, version=before).update(version=version):
            return False
        StatusListVersion.objects.bulk_create(
            StatusListVersion(
                status_list_id=pk,
                purpose=each.purpose,
                version=number,
                bits=each.compressed,
                body=each.body,
                digest=hashlib.sha256(each.body.encode()).hexdigest(),
                kid=each.kid,
                signed_at=now,
                valid_until=each.valid_until,
            )
            for number, each in enumerate(signed, start=before + 1)
        )
        if reading.changes:
            StatusChange.objects.filter(pk__in=reading.changes).delete()
        log.record(
            Action.LIST_PUBLISHED,
            actor=log.SYSTEM,
            at=now,
            object_type="StatusList",
            object_id=str(pk),
            details={"version": version, "purposes": [each.purpose for each in signed]},
        )
    return True
