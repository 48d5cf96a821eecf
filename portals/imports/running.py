"""What people do with an import: have it made cases, or cancel it."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from audit.aside import ring_on_commit
from audit.log import Action
from identity.models import Membership
from portals.imports import inviting, uploading
from portals.models import BulkImport, ImportRow
from portals.models.imports import BulkImport as Import

State = Import.State


class NotPossible(Exception):
    """The import does not stand where this could be done; the text is a code: BUSY, NOTHING or STATE."""


def start(found: BulkImport, member: Membership, now: datetime) -> BulkImport:
    """Import for real. A second press changes nothing. Raises NotPossible."""
    try:
        with transaction.atomic():
            kept = _locked(found)
            if kept.state in (State.IMPORTING, State.IMPORTED):
                return kept
            if kept.state != State.CHECKED:
                raise NotPossible("STATE")
            if not kept.well_formed:
                raise NotPossible("NOTHING")
            kept.state, kept.started_at, kept.started_by, kept.worked_at = State.IMPORTING, now, member, now
            kept.save()
            uploading.note(Action.IMPORT_STARTED, kept, member, now, rows=kept.well_formed)
            ring_on_commit(uploading.TASK)
    except IntegrityError:
        raise NotPossible("BUSY") from None
    return kept


def cancel(found: BulkImport, member: Membership, now: datetime) -> BulkImport:
    """Do no more of it: cases that were made stay, invitations that are not out are taken back. Raises NotPossible."""
    with transaction.atomic():
        kept = _locked(found)
        if kept.state == State.CANCELLED:
            return kept
        if kept.state in (State.CHECKING, State.CHECKED, State.IMPORTING):
            kept.state, kept.finished_at, kept.leased_until = State.CANCELLED, now, None
            kept.parts.all().delete()
            kept.lines.filter(state=ImportRow.State.WELL_FORMED).update(told=None)
            kept.save()
            uploading.note(Action.IMPORT_CANCELLED, kept, member, now, cases=kept.new + kept.changed)
        elif kept.state == State.IMPORTED:
            withdrawn = inviting.stop(kept, now)
            if not withdrawn:
                raise NotPossible("STATE")
            uploading.note(Action.IMPORT_CANCELLED, kept, member, now, invitations=withdrawn)
        else:
            raise NotPossible("STATE")
    return kept


def _locked(found: BulkImport) -> BulkImport:
    rows = BulkImport.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("agency", "started_by").get(pk=found.pk)
