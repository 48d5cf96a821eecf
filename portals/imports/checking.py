"""Looking at a file's lines, a chunk at a time: whether they are well formed, and nothing of whom they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import cast

from django.conf import settings
from django.db import connection

from identity.encryption import EncryptedField
from portals.imports.allowed import allowed
from portals.imports.columns import REFERENCE, Bad, Good, Layout, read
from portals.imports.lines import is_blank, lines
from portals.imports.uploading import PART_BYTES
from portals.models import BulkImport, ImportPart, ImportRow

Line = tuple[int, Good | Bad]


def check_chunk(found: BulkImport, now: datetime) -> None:
    """Look at the next lines and write what they are, with how far we are. Caller's transaction, the import locked."""
    layout, may = Layout(found.delimiter, tuple(found.columns)), allowed(found.agency, now)
    looked: list[Line] = []
    start, position, number, is_over = found.position, found.position, found.line, True
    is_header = start == 0
    for end, line in lines(_parts(found, start)):
        if is_header:
            is_header, position = False, end
            continue
        if len(looked) == settings.IMPORT_CHUNK_ROWS:
            is_over = False
            break
        position, number = start + end, number + 1
        if not is_blank(line):
            looked.append((number, read(line, layout, may)))
    looked = _without_doubles(found, looked)
    _write(found, looked)
    bad = sum(isinstance(each, Bad) for _, each in looked)
    found.position, found.line = position, number
    found.malformed += bad
    found.well_formed += len(looked) - bad
    if is_over:
        found.state, found.checked_at = BulkImport.State.CHECKED, now
        ImportPart.objects.filter(bulk_import=found).delete()  # the rows have all that is needed


def _parts(found: BulkImport, position: int) -> Iterator[bytes]:
    """The file from this byte on, a part at a time."""
    first = position // PART_BYTES
    parts = ImportPart.objects.filter(bulk_import=found, number__gte=first).order_by("number")
    for number in parts.values_list("number", flat=True):
        data: bytes = parts.get(number=number).data
        yield data[position % PART_BYTES :] if number == first else data


#: By the index of the promise that a file has each reference once, hence its very words. A join: measured in the bench,
#: where `reference = ANY(…)` made the check slower with each chunk.
_EARLIER = """
SELECT earlier.reference FROM unnest(%s::text[]) AS wanted (reference) JOIN agency_import_rows AS earlier
  ON earlier.bulk_import_id = %s AND earlier.reference = wanted.reference AND NOT (earlier.state = 'MALFORMED')
"""


def _without_doubles(found: BulkImport, looked: Sequence[Line]) -> list[Line]:
    """A reference that stands twice counts where it stands first."""
    references = [each.reference for _, each in looked if isinstance(each, Good)]
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, (references, found.pk))
        known = {row[0] for row in cursor.fetchall()}
    told: list[Line] = []
    for number, each in looked:
        if isinstance(each, Good):
            if each.reference in known:
                each = Bad("DOUBLE_REFERENCE", REFERENCE, each.reference, each.reference)
            else:
                known.add(each.reference)
        told.append((number, each))
    return told


_COLUMNS = (
    *("bulk_import_id", "number", "reference", "utility_id", "program_id", "locale", "told", "has_account"),
    *("state", "code", "column", "value", "case_id"),
)


def _write(found: BulkImport, looked: Sequence[Line]) -> None:
    """With COPY: a file of a hundred thousand lines is written in a second or two."""
    if not looked:
        return
    with connection.cursor() as cursor, cursor.copy(_copy()) as rows:
        for number, each in looked:
            rows.write_row(_values(found, number, each))


@lru_cache(maxsize=1)
def _copy() -> str:
    table, quote = ImportRow._meta.db_table, connection.ops.quote_name
    return f"COPY {quote(table)} ({', '.join(quote(each) for each in _COLUMNS)}) FROM STDIN"


def _values(found: BulkImport, number: int, each: Good | Bad) -> tuple[object, ...]:
    told, value = _field("told"), _field("value")
    if isinstance(each, Good):
        sealed, state = told.close(each.told), ImportRow.State.WELL_FORMED
        about = (each.reference, each.utility_id, each.program_pk, each.locale, sealed, "account" in each.told)
        return (found.pk, number, *about, state, "", "", b"", None)
    state = ImportRow.State.MALFORMED
    return (
        *(found.pk, number, each.reference, "", None, "", None, False),
        *(state, each.code, each.column, value.close(each.value), None),
    )


def _field(name: str) -> EncryptedField:
    return cast(EncryptedField, ImportRow._meta.get_field(name))
