"""Filling a table fast: rows as COPY text, every column nobody names at its model's default, indexes built at the end.

Foreign keys and triggers are off meanwhile (`session_replication_role`): rows hold by construction, and the bench has
`audit verify` walk the chain afterwards. CHECK constraints work as always.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.db import models
from psycopg import Binary
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import Json, Jsonb

Connection = psycopg.Connection[Any]
CHUNK = 2_000


def connect(url: str) -> Connection:
    """A connection that fills: no triggers, no waiting for the disk."""
    connection = psycopg.connect(url, autocommit=True)
    for setting in (
        "session_replication_role = replica",
        "synchronous_commit = off",
        "maintenance_work_mem = '256MB'",
        "max_parallel_maintenance_workers = 1",
    ):
        connection.execute(f"SET {setting}".encode())
    return connection


def load(connection: Connection, model: type[models.Model], columns: str, lines: Iterable[str]) -> None:
    """COPY lines into the model's table: each has the values of `columns` (names with spaces between), tab-separated.

    Columns not named get their model's default; a sequence behind the key goes on after the highest.
    """
    named = columns.split()
    rest = [field for field in model._meta.local_concrete_fields if field.column not in named and not _is_given(field)]
    tail = "".join(f"\t{as_text(_default(field))}" for field in rest) + "\n"
    names = SQL(", ").join(Identifier(name) for name in [*named, *(str(field.column) for field in rest)])
    table = Identifier(model._meta.db_table)
    rows = iter(lines)
    with connection.cursor() as cursor, cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
        while chunk := list(islice(rows, CHUNK)):
            copy.write((tail.join(chunk) + tail).encode())
    if "id" in named and isinstance(model._meta.pk, models.AutoField):
        connection.execute(
            SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), coalesce(max(id), 1)) FROM {}").format(
                model._meta.db_table, table
            )
        )


@contextmanager
def without_indexes(connection: Connection, *tables: type[models.Model]) -> Iterator[None]:
    """Drop what is not a primary key, and build it again at the end: sorting once is cheaper than a million inserts."""
    again: list[Composed] = []
    for model in tables:
        table = model._meta.db_table
        for name, definition in connection.execute(_CONSTRAINTS, [table]).fetchall():
            where = SQL("ALTER TABLE {} ").format(Identifier(table))
            connection.execute(where + SQL("DROP CONSTRAINT {}").format(Identifier(name)))
            again.append(where + SQL("ADD CONSTRAINT {} ").format(Identifier(name)) + SQL(definition))
        for name, definition in connection.execute(_INDEXES, [table]).fetchall():
            connection.execute(SQL("DROP INDEX {}").format(Identifier(name)))
            again.append(Composed([SQL(definition)]))
    yield
    for statement in again:
        connection.execute(statement)


def as_text(value: Any) -> str:
    """Return a value as COPY's text format spells it."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\\\x" + bytes(value).hex()
    if isinstance(value, (Json, Jsonb)):
        value = json.dumps(value.obj)
    elif isinstance(value, dict):
        value = json.dumps(value)
    elif isinstance(value, datetime):
        value = value.isoformat()
    elif isinstance(value, (list, tuple)):
        value = "{" + ",".join(json.dumps(each) for each in value) + "}"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _is_given(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.AutoField) or field.has_db_default()  # type: ignore[attr-defined]


def _default(field: models.Field[Any, Any]) -> Any:
    value = field.get_db_prep_save(field.get_default(), django_connection)
    return value.obj if isinstance(value, Binary) else value


_CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = %s::regclass AND contype IN ('u', 'x')
   AND NOT EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conindid = pg_constraint.conindid)
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid = %s::regclass AND NOT indisprimary
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
