"""Taking a file: its first line is understood or nothing of it is kept; then it is cut into encrypted parts.

Read twice from where the request's body lies, a piece at a time: a file is never whole in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from audit.aside import ring_on_commit
from audit.log import Action
from identity import agents
from identity.models import Agency, Membership
from portals.imports.columns import HeaderProblem, Layout, WrongHeader, layout_of
from portals.imports.lines import is_blank, lines
from portals.models import BulkImport, ImportPart

TASK = "portals.tasks.work_on_imports"
PART_BYTES = 256 << 10
MOST_ROWS = 100_000
AT_WORK = (BulkImport.State.CHECKING, BulkImport.State.IMPORTING)


class NotTaken(Exception):
    """Why a file is not taken: NO_FILE, TOO_LARGE, NO_ROWS, TOO_MANY_ROWS, or BUSY while another one is at work."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class _Looked:
    layout: Layout
    rows: int
    size: int
    digest: str


def take(member: Membership, file: IO[bytes], *, name: str, key: UUID, now: datetime) -> BulkImport:
    """Keep the file, to be checked by a worker; the same form sent twice is one import.

    Raises WrongHeader and NotTaken: nothing is kept then.
    """
    known = BulkImport.objects.filter(agency=member.agency, upload_key=key).first()
    if known is not None:
        return known
    looked = _look(file)
    if BulkImport.objects.filter(agency=member.agency, state__in=AT_WORK).exists():
        raise NotTaken("BUSY")
    try:
        with transaction.atomic():
            return _keep(member, file, looked, name=name, key=key, now=now)
    except IntegrityError:
        # Another tab was faster: with this form, or with another.
        twin = BulkImport.objects.filter(agency=member.agency, upload_key=key).first()
        if twin is None:
            raise NotTaken("BUSY") from None
        return twin


def same_before(found: BulkImport) -> BulkImport | None:
    """An earlier import of the very same file."""
    same = BulkImport.objects.filter(agency=found.agency_id, digest=found.digest, uploaded_at__lt=found.uploaded_at)
    return same.filter(state=BulkImport.State.IMPORTED).order_by("-uploaded_at").first()


def of_agency(agency: Agency) -> Any:
    """An agency's imports, the newest first: nobody else's can be found."""
    return BulkImport.objects.filter(agency=agency).select_related("uploaded_by", "started_by", "released_by")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PART_BYTES):
        yield piece


def _look(file: IO[bytes]) -> _Looked:
    digest, size, rows = hashlib.sha256(), 0, 0
    layout: Layout | None = None

    def noted() -> Iterator[bytes]:
        nonlocal size
        for piece in _pieces(file):
            digest.update(piece)
            size += len(piece)
            if size > settings.IMPORT_MAX_BYTES:
                raise NotTaken("TOO_LARGE")
            yield piece

    for _, line in lines(noted()):
        if layout is None:
            layout = layout_of(line)
        elif not is_blank(line):
            rows += 1
            if rows > MOST_ROWS:
                raise NotTaken("TOO_MANY_ROWS")
    if layout is None:
        raise WrongHeader(HeaderProblem("NO_HEADER"))
    if not rows:
        raise NotTaken("NO_ROWS")
    return _Looked(layout, rows, size, digest.hexdigest())


def _keep(member: Membership, file: IO[bytes], looked: _Looked, *, name: str, key: UUID, now: datetime) -> BulkImport:
    made = BulkImport.objects.create(
        agency=member.agency,
        uploaded_by=member,
        upload_key=key,
        file_name=name[-80:],
        digest=looked.digest,
        size=looked.size,
        delimiter=looked.layout.delimiter,
        columns=list(looked.layout.columns),
        rows=looked.rows,
        uploaded_at=now,
        worked_at=now,
    )
    for number, piece in enumerate(_pieces(file)):
        ImportPart.objects.create(bulk_import=made, number=number, data=piece)
    note(Action.IMPORT_UPLOADED, made, member, now, rows=made.rows, digest=made.digest)
    ring_on_commit(TASK)
    return made


def note(action: Action, found: BulkImport, member: Membership, now: datetime, **details: Any) -> None:
    """Write what somebody did with an import. Belongs into the transaction of the act."""
    agents.note(action, member, now, object_type="import", object_id=str(found.pk), **details)
