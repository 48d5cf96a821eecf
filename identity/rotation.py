"""Writing every encrypted column anew under the newest key, while others go on reading and writing.

Each batch takes only rows nobody else holds, changes a value only if it is still the one that was read, and commits.
What is done is recognised by its key id, so a run that was stopped is simply started again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from identity.encryption import EncryptedField, SealedField, encrypted_fields, newest_header, reseal

BATCH = 500
PASSES = 5


@dataclass(frozen=True)
class Rotated:
    """One column: how many values were written anew, and how many are still under an older key."""

    field: str
    rewritten: int
    remaining: int


def rotate_fields(*, batch: int = BATCH, tell: Callable[[str, int], None] | None = None) -> Iterator[Rotated]:
    """Rotate all columns one after the other; `tell(column, rewritten so far)` hears of every batch.

    Raises DecryptionError when a value does not open; what was done before stays done.
    """
    for field in encrypted_fields():
        yield _rotate(field, batch, tell or (lambda field, done: None))


def remaining(field: EncryptedField | SealedField) -> int:
    """Return how many values of a column are not under the newest key."""
    table, _, column = _names(field)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {_outdated(column)}", _newest())  # noqa: S608 - quoted names
        return int(cursor.fetchone()[0])


def _rotate(field: EncryptedField | SealedField, batch: int, tell: Callable[[str, int], None]) -> Rotated:
    rewritten = 0
    for _ in range(PASSES):  # a row another transaction held is met again in the next pass
        for done in _one_pass(field, batch):
            rewritten += done
            tell(_label(field), rewritten)
        left = remaining(field)
        if not left:
            break
    return Rotated(_label(field), rewritten, left)


def _one_pass(field: EncryptedField | SealedField, batch: int) -> Iterator[int]:
    last: object = None
    while True:
        seen, done, last = _one_batch(field, batch, last)
        yield done
        if seen < batch:
            return


@transaction.atomic
def _one_batch(field: EncryptedField | SealedField, batch: int, last: object) -> tuple[int, int, object]:
    """Rewrite up to `batch` values with a key above `last`; return (rows seen, values rewritten, highest key)."""
    table, key, column = _names(field)
    after = f"AND {key} > %s" if last is not None else ""
    parameters: list[Any] = [*_newest(), *([last] if last is not None else []), batch]
    with connection.cursor() as cursor:
        # SKIP LOCKED: we wait for nobody, so we cannot be half of a deadlock.
        cursor.execute(
            f"SELECT {key}, {column} FROM {table} WHERE {_outdated(column)} {after}"  # noqa: S608 - quoted names
            f" ORDER BY {key} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
            parameters,
        )
        rows = [(row_key, bytes(value)) for row_key, value in cursor.fetchall()]
        done = 0
        for row_key, value in rows:
            cursor.execute(
                f"UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s",  # noqa: S608 - quoted names
                [reseal(value, context=field.context), row_key, value],
            )
            done += cursor.rowcount
    return len(rows), done, rows[-1][0] if rows else last


def _outdated(column: str) -> str:
    # Empty bytes are an empty text, which is not encrypted.
    return f"length({column}) > 0 AND substring({column} from 1 for %s) <> %s"


def _newest() -> list[Any]:
    header = newest_header()
    return [len(header), header]


def _names(field: EncryptedField | SealedField) -> tuple[str, str, str]:
    quote, meta = connection.ops.quote_name, field.model._meta
    assert meta.pk is not None
    assert meta.pk.column is not None and field.column is not None
    return quote(meta.db_table), quote(meta.pk.column), quote(field.column)


def _label(field: EncryptedField | SealedField) -> str:
    return f"{field.model._meta.label_lower}.{field.name}"
