"""Journeys as rows: found for their own person only, and changed by one tab at a time.

Nobody else's journey can be told from one that is not there. Every form carries the `version` it was made from; a
change that was made from an older one is refused, so that nothing a person said is undone without their seeing it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from identity.models import Subject, User
from portals.models import Application, CatalogProgram


class OutOfDate(Exception):
    """The journey has changed since the page was made: another tab, another device, or the provider's answer."""


class NotTheirs(Exception):
    """There is no such journey for this person."""


def start(
    program: CatalogProgram,
    *,
    subject: Subject,
    user: User,
    portal: str,
    utility_id: str,
    now: datetime,
    batch: str = "",
) -> Application:
    """Begin a journey; nothing is sent. Its order and transaction ids are made here and never change."""
    return Application.objects.create(
        portal=portal,
        subject=subject,
        started_by=user,
        program=program,
        utility_id=utility_id,
        transaction_id=f"txn-{uuid4()}",
        order_id=f"order-{uuid4()}",
        batch_id=batch,
        answers={},
        told={},
        started_at=now,
        updated_at=now,
    )


def of_person(subject: Subject | None) -> QuerySet[Application]:
    """All journeys of a person, the newest first."""
    if subject is None:
        return Application.objects.none()
    return Application.objects.filter(subject=subject).select_related("program__bpp").order_by("-started_at")


def find(subject: Subject | None, application_id: UUID) -> Application:
    """Return a person's journey. Raises NotTheirs."""
    found = of_person(subject).filter(pk=application_id).first()
    if found is None:
        raise NotTheirs
    return found


def change(
    application: Application, version: int | None, how: Callable[[Application], Any], *, now: datetime
) -> Application:
    """Lock the journey, let `how` change it, and save it with its version one higher.

    `version` is what the page was made from; None for what no page asked for (a callback, the clock). `how` runs in
    the transaction, so that an Outbox row it writes commits with the change. Raises OutOfDate.
    """
    with transaction.atomic():
        fresh = (
            Application.objects.select_for_update(of=("self",)).select_related("program__bpp").get(pk=application.pk)
        )
        if version is not None and fresh.version != version:
            raise OutOfDate
        how(fresh)
        fresh.version += 1
        fresh.updated_at = now
        fresh.save()
    return fresh
