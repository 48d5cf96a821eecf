"""Making cases of well-formed rows, a chunk at a time, by the agency's reference: a second file doubles nothing.

A reference whose customer was asked already, or whose case is somebody's, is refused: it says so in its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection

from audit.log import Action
from portals.agency import case_batches
from portals.agency.case_batches import Wanted
from portals.imports import inviting, uploading
from portals.models import AssistedCase, BulkImport, CatalogProgram, ImportRow
from portals.models.imports import BulkImport as Import

State = ImportRow.State


def case_chunk(found: BulkImport, now: datetime) -> None:
    """Make cases of the next rows and write what became of each. Caller's transaction, the import locked."""
    rows = list(
        ImportRow.objects.filter(bulk_import=found, state=State.WELL_FORMED, number__gt=found.cursor).order_by(
            "number"
        )[: settings.IMPORT_CHUNK_ROWS]
    )
    if rows:
        _make(found, rows, now)
        found.cursor = rows[-1].number
    if len(rows) < settings.IMPORT_CHUNK_ROWS:
        found.state, found.finished_at = Import.State.IMPORTED, now
        assert found.started_by is not None
        counts = {each: getattr(found, each) for each in ("new", "changed", "unchanged", "refused", "malformed")}
        uploading.note(Action.IMPORT_FINISHED, found, found.started_by, now, **counts)


def _make(found: BulkImport, rows: Sequence[ImportRow], now: datetime) -> None:
    member = found.started_by or found.uploaded_by
    known = case_batches.held(found.agency, [row.reference for row in rows])
    gone = set(
        CatalogProgram.objects.filter(pk__in={row.program_id for row in rows}, gone_at__isnull=False).values_list(
            "pk", flat=True
        )
    )
    new: list[Wanted] = []
    corrections: list[tuple[AssistedCase, Wanted]] = []
    for row in rows:
        wanted = Wanted(row.reference, row.program_id or 0, row.utility_id, row.locale, row.told or {})
        case = known.get(row.reference)
        if row.program_id in gone:
            _refuse(row, "PROGRAM_CLOSED", "program")
        elif case is None:
            row.state = State.NEW
            new.append(wanted)
        elif not case_batches.may_be_corrected(case):
            _refuse(row, "CASE_CLOSED" if case.state == AssistedCase.State.CLOSED else "CASE_IN_PROGRESS", "reference")
        elif case_batches.says_so(case, wanted):
            row.state = State.UNCHANGED
        else:
            row.state = State.CHANGED
            corrections.append((case, wanted))
    made = case_batches.open_many(member, new, now, import_id=str(found.pk))
    inviting.withdraw([case.pk for case, _ in corrections], now)  # what was asked of them is no longer so
    case_batches.correct_many(member, corrections, now, import_id=str(found.pk))
    cases = known | made
    for row in rows:
        row.case = cases.get(row.reference)
    _write(rows)
    for row in rows:
        setattr(found, row.state.lower(), getattr(found, row.state.lower()) + 1)


def _refuse(row: ImportRow, code: str, column: str) -> None:
    row.state, row.code, row.column = State.REFUSED, code, column


_UPDATE = """
UPDATE agency_import_rows r SET state = line.state, code = line.code, "column" = line.about, case_id = line.case_id,
  told = NULL
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::uuid[]) AS line(id, state, code, about, case_id)
WHERE r.id = line.id
"""


def _write(rows: Sequence[ImportRow]) -> None:
    """Whom a row names stands in its case from now on, and only there."""
    # What is refused does not lead to a case that may be a colleague's.
    cases = [row.case_id if row.state != State.REFUSED else None for row in rows]
    keys, states = [row.pk for row in rows], [str(row.state) for row in rows]
    codes, columns = [row.code for row in rows], [row.column for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, (keys, states, codes, columns, cases))
