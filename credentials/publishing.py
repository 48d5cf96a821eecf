"""Publishing the status lists: never losing a change, never going back in version.

A change is a row written with the act that made it. Publishing reads the version, the changes and the credential rows
in one statement, which is one snapshot; signs with no transaction open (a KMS may be far away); and writes only if
nobody published in between, deleting exactly the changes it had seen. Whoever is killed between reading and writing
leaves the changes for the next.

That first step makes both tokens, `vc+jwt` and `statuslist+jwt`, at once. The JSON form with its embedded proof follows
in a second step, because JSON-LD takes its time; whoever is killed between the two leaves it for the next as well.
Source: spec credentials.md 3; decisions 29, 33.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from audit import clock, log
from audit.log import Action
from credentials import addresses, bitstring, claims, keys, policy, served, token_list
from credentials.data_integrity.proofs import add_proof
from credentials.keys import SigningKey
from credentials.models import (
    KeyAlgorithm,
    Publication,
    Purpose,
    StatusChange,
    StatusList,
    StatusListVersion,
)
from credentials.multikey import from_b64url
from credentials.own_output import sign_and_check

_ATTEMPTS = 20
_RECENT = timedelta(seconds=2)  # far longer than from writing a row to its commit


class NotPublished(Exception):
    """Others kept publishing the same list; the changes are still there and the next second tries again."""


@dataclass(frozen=True)
class _Reading:
    """A list as it stood at one moment, and what of it is to be published."""

    list_id: int
    kind: str
    number: int
    version: int
    changes: list[int]
    publications: list[str]
    bits: dict[str, bytes]


@dataclass(frozen=True)
class _Signed:
    publication: str
    compressed: bytes
    body: str
    kid: str
    valid_until: datetime


def publish_due(now: datetime) -> int:
    """Publish every list with a change that is not yet visible, then what JSON is missing.

    Returns how many lists were published.
    """
    due = StatusChange.objects.order_by().values_list("status_list", flat=True).distinct()
    published = sum(_publish(list_id, now=now) for list_id in due)
    _add_json(StatusListVersion.objects.without_json(), now=now)
    return published


def publish_all(now: datetime) -> int:
    """Sign and publish every list again, changed or not; return how many."""
    return _publish_whole(StatusList.objects.order_by("pk").values_list("pk", flat=True), now=now)


def publish_stale(now: datetime) -> int:
    """Sign again what is half over, not yet published, from the future, or signed by a key that was revoked."""
    return _publish_whole(stale(now), now=now)


def _publish_whole(list_ids: Iterable[int], *, now: datetime) -> int:
    published = 0
    for list_id in list(list_ids):
        published += _publish(list_id, now=now, everything=True)
        _add_json_of(list_id, now=now)
    return published


def ensure_published(list_ids: Iterable[int]) -> None:
    """Return when every change of these lists that was committed before the call is visible to the world.

    In every form, whichever process answers. Raises NotPublished if other publishers kept winning (nothing is lost).
    """
    wanted = sorted(set(list_ids))
    for list_id in wanted:
        now = clock.now()
        if StatusChange.objects.filter(status_list=list_id).exists():
            _publish(list_id, now=now)
        _add_json_of(list_id, now=now)
    _wait_for_every_process(wanted)


def _wait_for_every_process(list_ids: Sequence[int]) -> None:
    """Wait until what was published a moment ago is served everywhere: a process keeps what it had (`served`)."""
    now = clock.now()
    just_now = StatusList.objects.filter(pk__in=list_ids, published_at__gt=now - _RECENT, published_at__lte=now)
    if just_now.exists():
        time.sleep(served.KEPT_SECONDS)


def latest(status_list: StatusList | int, purpose: str) -> StatusListVersion | None:
    """Return the published version of a list and purpose, None before the first."""
    return StatusListVersion.objects.filter(status_list=status_list, purpose=purpose).order_by("-version").first()


def stale(now: datetime) -> list[int]:
    """Return the ids of the lists that have to be signed again although no bit changed."""
    good_keys = {"", *(key.kid for key in keys.published())}  # "" is JSON that is on its way
    half_over = now + policy.list_validity() / 2
    fresh: dict[int, int] = {}
    for list_id, kid, json_kid, signed_at, valid_until in StatusListVersion.objects.newest().values_list(
        "status_list", "kid", "json_kid", "signed_at", "valid_until"
    ):
        if kid in good_keys and json_kid in good_keys and valid_until > half_over and signed_at <= now:
            fresh[list_id] = fresh.get(list_id, 0) + 1
    every = StatusList.objects.order_by("pk").values_list("pk", flat=True)
    return [list_id for list_id in every if fresh.get(list_id, 0) < len(Publication.values)]


def forget_old_versions(now: datetime) -> int:
    """Delete replaced versions after a while: the credential rows are the truth, and no address serves an old list."""
    return (
        StatusListVersion.objects.filter(signed_at__lt=now - policy.replaced_list_retention())
        .exclude(pk__in=StatusListVersion.objects.newest().values("pk"))
        .delete()[0]
    )


def _publish(list_id: int, *, now: datetime, everything: bool = False) -> bool:
    for _ in range(_ATTEMPTS):
        reading = _read(list_id, everything=everything)
        if not reading.publications:
            return False
        signed = _sign(reading, now=now)
        if _write(reading, signed, now=now):
            return True
    raise NotPublished(f"status list {list_id}: others publish it without a pause")


_READ = """
    SELECT kind, number, size, version,
        (SELECT array_agg(id) FROM status_changes WHERE status_list_id = list.id),
        (SELECT array_agg(DISTINCT purpose) FROM status_changes WHERE status_list_id = list.id),
        (SELECT array_agg(status_index) FROM issued_credentials
            WHERE status_list_id = list.id AND revoked_at IS NOT NULL),
        (SELECT array_agg(status_index) FROM issued_credentials
            WHERE status_list_id = list.id AND suspended_at IS NOT NULL)
    FROM status_lists AS list WHERE id = %s
"""


def _read(list_id: int, *, everything: bool = False) -> _Reading:
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list_id])
        kind, number, size, version, changes, purposes, revoked, suspended = cursor.fetchone()
    changed = Purpose.values if everything or version == 0 else sorted(purposes or [])
    bits = {
        Purpose.REVOCATION.value: bitstring.pack_bits(revoked or [], size),
        Purpose.SUSPENSION.value: bitstring.pack_bits(suspended or [], size),
    }
    publications = [*changed, Publication.TOKEN.value] if changed else []
    return _Reading(list_id, kind, number, version, changes or [], publications, bits)


def _sign(reading: _Reading, *, now: datetime) -> list[_Signed]:
    key = keys.active()
    return [
        _token(reading, key, now) if each == Publication.TOKEN else _bitstring(reading, each, key, now)
        for each in reading.publications
    ]


def _bitstring(reading: _Reading, purpose: str, key: SigningKey, now: datetime) -> _Signed:
    valid_until = now + policy.list_validity()
    compressed = bitstring.compress(reading.bits[purpose])
    payload = claims.status_list(
        url=addresses.status_list(reading.kind, purpose, reading.number),
        purpose=purpose,
        encoded=bitstring.encode_compressed(compressed),
        issuer=settings.ISSUER_DID,
        ttl_seconds=policy.list_ttl_seconds(),
        valid_from=now,
        valid_until=valid_until,
    )
    body = sign_and_check(payload, claims.header_2_0(settings.ISSUER_DID, key.kid), key)
    return _Signed(purpose, compressed, body, key.kid, valid_until)


def _token(reading: _Reading, key: SigningKey, now: datetime) -> _Signed:
    valid_until = now + policy.list_validity()
    compressed = token_list.compress(
        token_list.pack(reading.bits[Purpose.REVOCATION], reading.bits[Purpose.SUSPENSION])
    )
    payload = claims.status_list_token(
        url=addresses.status_list(reading.kind, Purpose.REVOCATION, reading.number),
        issuer=settings.ISSUER_DID,
        bits=token_list.BITS,
        encoded=token_list.encode_compressed(compressed),
        ttl_seconds=policy.list_ttl_seconds(),
        issued_at=now,
        valid_until=valid_until,
    )
    body = sign_and_check(payload, claims.header_token(settings.ISSUER_DID, key.kid), key)
    return _Signed(Publication.TOKEN.value, compressed, body, key.kid, valid_until)


def _write(reading: _Reading, signed: Sequence[_Signed], *, now: datetime) -> bool:
    """Publish if nobody else did since the reading; False means: read again."""
    pk, before = reading.list_id, reading.version
    version = before + len(signed)
    with transaction.atomic():
        # Takes the row, judges the version and raises it in one statement. An UPDATE of no key column does not wait
        # for the key shares that issuing and revoking hold on this row by their foreign keys.
        if not StatusList.objects.filter(pk=pk, version=before).update(version=version, published_at=clock.now()):
            return False
        StatusListVersion.objects.bulk_create(
            StatusListVersion(
                status_list_id=pk,
                purpose=each.publication,
                version=number,
                bits=each.compressed,
                body=each.body,
                digest=_digest(each.body),
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
            details={"version": version, "purposes": [each.publication for each in signed]},
        )
    served.forget()
    return True


def _add_json_of(list_id: int, *, now: datetime) -> None:
    _add_json(StatusListVersion.objects.filter(status_list=list_id).without_json(), now=now)


def _add_json(missing: Iterable[StatusListVersion], *, now: datetime) -> None:
    """Give each version its JSON form: the same list as its token says, with a proof instead of a signature around it.

    Any number of processes may do it at once, the first is kept. A version that was replaced meanwhile still gets it:
    it holds every change that was there when somebody began to wait for it.
    """
    for version in missing:
        key = keys.active(KeyAlgorithm.ED25519)
        document = add_proof(_said_by(version.body), key=key, issuer=settings.ISSUER_DID, created=now)
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        with transaction.atomic():
            StatusListVersion.objects.filter(pk=version.pk, json_digest="").update(
                json_body=body, json_digest=_digest(body), json_kid=key.kid
            )
            StatusList.objects.filter(pk=version.status_list_id).update(published_at=clock.now())
        served.forget()


def _said_by(token: str) -> Mapping[str, Any]:
    """Return the list in a `vc+jwt` of ours, without `iat`: that is the token's own claim."""
    payload: dict[str, Any] = json.loads(from_b64url(token.split(".")[1]))
    del payload["iat"]
    return payload


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
