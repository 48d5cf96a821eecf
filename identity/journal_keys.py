"""The journal's signer in software: an Ed25519 key of its own, encrypted at rest (`audit.signer.Signer`).

A deployment with an HSM names another class in AUDIT_SIGNER.
"""

import base64
import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection, transaction

from audit.log import SYSTEM, Action, record
from audit.signer import Signature
from identity.encryption import DecryptionError
from identity.models import JournalKey

log = logging.getLogger(__name__)
LOCK = 0x0A0D19  # advisory lock number: one process makes the first key


class SoftwareSigner:
    """Signs with the newest key of the journal_keys table; makes the first one when there is none."""

    def sign(self, statement: bytes, *, now: datetime) -> Signature:
        key = JournalKey.objects.filter(retired_at=None).first() or _first_key(now)
        return Signature(key.kid, Ed25519PrivateKey.from_private_bytes(key.private_key).sign(statement))

    def public_keys(self) -> Mapping[str, bytes]:
        """Derive the public keys from the private ones: a key put there by hand does not open, so it is none."""
        keys: dict[str, bytes] = {}
        for kid in JournalKey.objects.order_by("created_at").values_list("kid", flat=True):
            try:
                keys[kid] = _public(JournalKey.objects.get(kid=kid).private_key)
            except DecryptionError as error:
                log.warning("journal key %s is passed over: %s", kid, error)
        return keys


def rotate(now: datetime) -> JournalKey:
    """Retire the present key and make a new one; old seals stay checkable."""
    with transaction.atomic():
        _lock()
        JournalKey.objects.filter(retired_at=None).update(retired_at=now)
        return _create(now)


@transaction.atomic
def _first_key(now: datetime) -> JournalKey:
    _lock()
    return JournalKey.objects.filter(retired_at=None).first() or _create(now)


def _create(now: datetime) -> JournalKey:
    private = Ed25519PrivateKey.generate().private_bytes_raw()
    digest = hashlib.sha256(_public(private)).digest()[:15]
    kid = "journal-" + base64.urlsafe_b64encode(digest).decode()
    record(Action.KEY_CREATED, actor=SYSTEM, at=now, object_type="journal_key", object_id=kid)
    return JournalKey.objects.create(kid=kid, private_key=private, created_at=now)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _public(private: bytes) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
