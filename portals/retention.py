"""Drafts that nobody goes on with are forgotten: what was answered in them is personal and serves nobody any more.

Nothing was enrolled by them and no consent was given: a Yes counts from the confirm that carries it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.log import Action
from portals.agency import timeline
from portals.models import Application, AssistedCase, ConsentReceipt, HelpCode

AT_ONCE = 200
FORGOTTEN_CASE = "FORGOTTEN"  # the outcome of an agency's case that nobody went on with
FORGOTTEN = (Application.State.DRAFT, Application.State.DROPPED, Application.State.REFUSED)


def forget(now: datetime) -> int:
    """Delete what was left for longer than RETENTION_DRAFTS_DAYS; return how many. Safe to run twice at once."""
    before = now - timedelta(days=settings.RETENTION_DRAFTS_DAYS)
    count = 0
    while found := _some(before, now):
        count += found
    while found := _some_cases(before, now):
        count += found
    return count


def _some_cases(before: datetime, now: datetime) -> int:
    """Cases that nobody went on with before a journey began: what the customer was found by goes, the case is closed.

    Those of files are the imports' (`portals.imports.keeping`).
    """
    with transaction.atomic():
        rows = AssistedCase.objects.select_for_update(skip_locked=True, of=("self",)).select_related(
            "agency", "subject"
        )
        lying = rows.filter(application=None, updated_at__lt=before).exclude(state=AssistedCase.State.CLOSED)
        found = list(lying.exclude(source=AssistedCase.Source.IMPORT).order_by("pk")[:AT_ONCE])
        for case in found:
            _close(case, now)
            case.looked_up = {}
            case.save()
    return len(found)


def _some(before: datetime, now: datetime) -> int:
    with transaction.atomic():
        old = Application.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state__in=FORGOTTEN, updated_at__lt=before, asked_at=None, enrollment_id="", credentials=None
        )
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        _let_go_of_cases(keys, now)
        ConsentReceipt.objects.filter(application__in=keys).delete()
        HelpCode.objects.filter(application__in=keys).delete()
        Application.objects.filter(pk__in=keys).delete()
    return len(keys)


def _let_go_of_cases(keys: list[UUID], now: datetime) -> None:
    """An agency's case outlives its journey, for its scorecard; what its customer was found by goes with it."""
    for case in AssistedCase.objects.select_for_update(of=("self",)).filter(application__in=keys).order_by("pk"):
        if case.state != AssistedCase.State.CLOSED:
            _close(case, now)
        case.application, case.looked_up = None, {}
        case.save()
    AssistedCase.objects.filter(handed_over__in=keys).update(handed_over=None)


def _close(case: AssistedCase, now: datetime) -> None:
    case.state, case.outcome, case.closed_at = AssistedCase.State.CLOSED, FORGOTTEN_CASE, now
    timeline.note(Action.ASSISTED_CLOSED, case, None, now, outcome=FORGOTTEN_CASE)
