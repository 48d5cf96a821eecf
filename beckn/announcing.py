"""Telling a discovery service which programs there are (`DISCOVERY_URL`): one message whenever one changed.

The whole catalogue each time, retired programs in it as inactive items: whoever missed one message has lost nothing
with the next, and one that has not left yet is replaced by it. A row first (`catalog_changes`), an Outbox row second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from beckn import identities, outgoing
from beckn.messages import wire_instant
from beckn.models import Outbox, Participant, State
from beckn.profiles import pilot_catalog
from enrollment import announcing

ACTION = "catalog_publish"
DOMAIN = "beckn.one:deg:p2p-enrollment:2.0.0"


def sweep(now: datetime) -> int:
    """Write the message that is due, if any; return how many changes it tells of. Safe in many processes at once."""
    if not settings.DISCOVERY_URL:
        return 0
    with transaction.atomic():
        changes = announcing.take_changes()
        if not changes:
            return 0
        service = _service(now)
        _replace_what_has_not_left(service, now)
        outgoing.write(
            kind=Outbox.Kind.PUBLICATION,
            participant=service,
            uri=service.url,
            context=_context(service, now),
            body={"catalogs": _catalogs()},
            secret_paths=(),
            now=now,
        )
        announcing.mark_announced(changes, now)
    return len(changes)


def _catalogs() -> list[dict[str, Any]]:
    programs = announcing.standing()
    return pilot_catalog.catalogs(programs.published, retired=programs.retired)


def _service(now: datetime) -> Participant:
    """The discovery service as a participant: it has no key here, so it can send us nothing in its name."""
    service, _ = Participant.objects.get_or_create(
        subscriber_id=settings.DISCOVERY_ID,
        defaults={"type": Participant.Type.DS, "url": settings.DISCOVERY_URL, "source": "OURS"}
        | {"asserts_subjects": [], "created_at": now, "updated_at": now},
    )
    if service.url != settings.DISCOVERY_URL:
        service.url, service.updated_at = settings.DISCOVERY_URL, now
        service.save(update_fields=["url", "updated_at"])
    return service


def _replace_what_has_not_left(service: Participant, now: datetime) -> None:
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    older = Outbox.objects.filter(free, participant=service, action=ACTION, state__in=(State.WAITING, State.STUCK))
    older.update(
        state=State.DONE, done_at=now, last_error="replaced by a newer catalogue", lease=None, lease_until=None
    )


def _context(service: Participant, now: datetime) -> dict[str, str]:
    us = identities.owner()
    return {
        "version": "2.0.0",
        "action": ACTION,
        "domain": DOMAIN,
        "timestamp": wire_instant(now),
        "message_id": str(uuid4()),
        "transaction_id": str(uuid4()),
        "bpp_id": us.subscriber_id,
        "bpp_uri": us.uri,
        "ttl": outgoing.TTL,
    }
