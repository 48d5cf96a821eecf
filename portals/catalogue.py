"""The copy of the catalogue that people browse before they sign in: asked for by `search`, kept as it came.

A worker asks every provider on the network that we know, every ten minutes and when somebody wants it at once
(`manage.py catalogue refresh`). What a provider no longer names is gone for new journeys. Source: decision 25.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.text import slugify

from beckn import client, identities
from beckn.door import Door
from beckn.messages import Received
from beckn.models import Outbox, Participant
from portals import reading
from portals.asking import DOMAIN
from portals.models import CatalogProgram

logger = logging.getLogger(__name__)

MOST = 500  # programs taken over from one provider
_LOOK_EVERY = 5.0  # seconds of this process between two looks at whether it is time
_LOCK = 0x706F7274  # any number of our own
_looked_at = float("-inf")


def is_due(now: datetime) -> bool:
    """Whether the catalogue is older than it should be. Cheap: most calls ask nobody."""
    global _looked_at
    if time.monotonic() - _looked_at < _LOOK_EVERY:
        return False
    _looked_at = time.monotonic()
    every = timedelta(seconds=settings.PORTAL_CATALOGUE_SECONDS)
    return not _searches().filter(created_at__gt=now - every).exists()


def refresh(now: datetime, *, if_due: bool = False) -> int:
    """Ask all providers; return how many are asked. Of several workers at once one asks."""
    portal = identities.portal()
    every = timedelta(seconds=settings.PORTAL_CATALOGUE_SECONDS)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if if_due and _searches().filter(created_at__gt=now - every).exists():
            return 0
        providers = list(Participant.objects.filter(type=Participant.Type.BPP, suspended_at=None).order_by("pk"))
        for provider in providers:
            client.send(
                sender_id=portal.subscriber_id,
                to=provider,
                action="search",
                message={"intent": {"includeClosed": True}},
                domain=DOMAIN,
                now=now,
            )
    return len(providers)


def take(message: Received, *, door: Door, now: datetime) -> None:
    """Copy the programs of an on_search; those its provider names no more are gone."""
    catalogs = message.message.get("catalogs")
    if not isinstance(catalogs, list) or message.body.get("error"):
        logger.warning("a provider answered no catalogue", extra={"participant": message.participant.subscriber_id})
        return
    items = [(reading.program(item), item) for item in reading.catalog_items(message.message)[:MOST]]
    with transaction.atomic():
        door.done(message, now=now)
        Participant.objects.select_for_update().get(pk=message.participant.pk)  # two answers at once take turns
        known = {
            (row.provider_id, row.program_id): row
            for row in CatalogProgram.objects.filter(bpp=message.participant).select_for_update()
        }
        named = set()
        for view, item in items:
            named.add((view.provider_id, view.program_id))
            _keep(message.participant, known.get((view.provider_id, view.program_id)), view, item, now)
        gone = [row.pk for key, row in known.items() if key not in named and row.gone_at is None]
        CatalogProgram.objects.filter(pk__in=gone).update(gone_at=now)


def _keep(
    bpp: Participant, row: CatalogProgram | None, view: reading.ProgramView, item: Mapping[str, Any], now: datetime
) -> None:
    if row is None:
        CatalogProgram.objects.create(
            bpp=bpp,
            provider_id=view.provider_id[:255],
            program_id=view.program_id[:255],
            slug=_slug(view.program_id),
            item=dict(item),
            fetched_at=now,
        )
        return
    row.item, row.fetched_at, row.gone_at = dict(item), now, None
    row.save(update_fields=["item", "fetched_at", "gone_at"])


def _slug(program_id: str) -> str:
    """A program's name in our addresses; two programs of one name are told apart by a number."""
    base = slugify(program_id)[:100] or "program"
    taken = set(CatalogProgram.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    names = (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _searches() -> Any:
    ours = identities.portal().subscriber_id
    return Outbox.objects.filter(kind=Outbox.Kind.REQUEST, action="search", sender_id=ours)
