"""Advisory locks of this package: they last until the transaction ends and cost no row."""

from enum import IntEnum

from django.db import connection

_SPACE = 0x63726564  # "cred": the first half of the lock number, so that no other package's locks are met


class Lock(IntEnum):
    KEYS = 1
    LISTS = 2


def hold(lock: Lock) -> None:
    """Wait for the lock and hold it until the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, lock.value])
