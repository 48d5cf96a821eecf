"""The meter × program matrix of one person: asked once per program and utility, the answers kept with their time (P2).

Each question is a `select` with the customer's own sign-in. The page is made of what is kept (`portals.grid`) and asks
nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Q, QuerySet

from beckn import client
from beckn.door import Door
from beckn.messages import Received
from beckn.models import Outbox
from identity.models import Subject
from portals import asking, grid, reading
from portals.models import BasketItem, CatalogProgram, MatrixAnswer

#: Programs one person is shown at once; more are narrowed by utility.
MOST_PROGRAMS = 40
#: An open question is not asked again for so long; after it the page says that nobody answered.
PATIENCE = grid.PATIENCE
#: What somebody's meters could join is no news after that long: it is asked for again.
KEPT = timedelta(days=30)


@dataclass(frozen=True)
class SignIn:
    """A person at one utility: their token, and what the utility's own API told of their meters."""

    utility_id: str
    token: str
    meters: Sequence[Mapping[str, Any]] = ()


# --- asking and taking -----------------------------------------------------------------------------------------------


def programs(now: datetime) -> list[CatalogProgram]:
    """What is on offer now, by name."""
    rows = CatalogProgram.objects.filter(gone_at=None).select_related("bpp").order_by("slug")
    return [row for row in rows if reading.program(row.item).is_open(now)][:MOST_PROGRAMS]


def is_offered(row: CatalogProgram, utility_id: str) -> bool:
    """Is the program for this utility's customers?"""
    wanted = reading.program(row.item).utilities
    return not wanted or utility_id in wanted


def ask(subject: Subject, portal: str, sign_ins: Sequence[SignIn], now: datetime) -> int:
    """Ask every program owner about all meters of the person; returns how many were asked.

    One transaction; a worker posts. A question that is still open is not asked again.
    """
    offered, asked = programs(now), 0
    with transaction.atomic():
        for sign_in in sign_ins:
            known = list(sign_in.meters)
            for program in offered:
                if not is_offered(program, sign_in.utility_id):
                    continue
                row = _row(subject, portal, program, sign_in.utility_id)
                if row.asked_at is not None and now - row.asked_at < PATIENCE:
                    continue
                # What the utility told of the meters stands once, with the first program's answer.
                row.cells, known = {**row.cells, "known": known}, []
                _send(row, sign_in.token, now)
                asked += 1
    return asked


def _row(subject: Subject, portal: str, program: CatalogProgram, utility_id: str) -> MatrixAnswer:
    found, _ = MatrixAnswer.objects.select_for_update(of=("self",)).get_or_create(
        portal=portal,
        subject=subject,
        program=program,
        utility_id=utility_id,
        defaults={"order_id": f"order-{uuid4()}", "transaction_id": f"txn-{uuid4()}", "cells": {}},
    )
    return found


def _send(row: MatrixAnswer, token: str, now: datetime) -> None:
    order = {
        "@context": asking.CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": row.order_id,
        "beckn:provider": {"beckn:id": row.program.provider_id},
        "beckn:items": [{"beckn:id": row.program.program_id}],
        "beckn:orderAttributes": {
            "@context": asking.CONTEXT,
            "@type": "EnergyEnrollment",
            **asking.proof(row.program.bpp, token),
        },
    }
    sent = client.send(
        sender_id=row.portal,
        to=row.program.bpp,
        action="select",
        message={"order": order},
        domain=asking.DOMAIN,
        now=now,
        transaction_id=row.transaction_id,
    )
    row.asked_message_id, row.asked_at = sent.message_id, now
    row.save()


def take(message: Received, *, our_request: Outbox | None, door: Door, now: datetime) -> bool:
    """Keep an `on_select` that answers a question of the matrix; False where it answers none."""
    if message.action != "on_select" or our_request is None:
        return False
    rows = MatrixAnswer.objects.filter(
        portal=str(message.context.get("bap_id", "")),
        program__bpp=message.participant,
        asked_message_id=our_request.message_id,
    )
    with transaction.atomic():
        row = rows.select_for_update(of=("self",)).first()
        if row is None:
            return False
        told: dict[str, Any] = {"message": message.message, "at": now.isoformat()}
        error = message.body.get("error") or _error_of(message.message)
        if isinstance(error, Mapping):
            told["error"] = error
        row.cells = {**row.cells, "told": told}
        row.refusal_code = str(error.get("code", ""))[:64] if isinstance(error, Mapping) else ""
        row.unavailable = list(reading.selected(told).unavailable_utilities)
        row.asked_at, row.answered_at = None, now
        row.save()
        door.done(message, now=now)
    return True


def _error_of(message: Mapping[str, Any]) -> Any:
    order = message.get("order")
    return order.get("error") if isinstance(order, Mapping) else None


def forget(now: datetime) -> int:
    """Delete answers and baskets that nobody has come back to; return how many."""
    before = now - KEPT
    old = Q(answered_at__lt=before, asked_at=None) | Q(asked_at__lt=before)
    count, _ = MatrixAnswer.objects.filter(old).delete()
    return count + BasketItem.objects.filter(added_at__lt=before).delete()[0]


def answers(subject: Subject | None, portal: str) -> QuerySet[MatrixAnswer]:
    """What is kept for a person."""
    if subject is None:
        return MatrixAnswer.objects.none()
    rows = MatrixAnswer.objects.filter(portal=portal, subject=subject, program__gone_at=None)
    return rows.select_related("program__bpp").order_by("program__slug", "utility_id")


def known_of(rows: Iterable[MatrixAnswer], utility_id: str) -> list[Mapping[str, Any]]:
    """What the utility itself told of the person's meters there: address, site, number."""
    return [each for row in rows if row.utility_id == utility_id for each in grid.maps(row.cells.get("known"))]
