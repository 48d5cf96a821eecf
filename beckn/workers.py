"""Which workers live: each writes a row every few seconds, and takes it away when it ends well.

A row that is older than a minute is a worker that died or hangs; it is forgotten after a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from celery import current_app

from beckn.models import Heartbeat

EVERY_SECONDS = 5.0
SILENT = timedelta(minutes=1)
FORGOTTEN = timedelta(days=1)


def beat(name: str, queues: Sequence[str], *, started_at: datetime, rounds: int, round_ms: int, now: datetime) -> None:
    """Say that this worker lives, what it consumes, and how long its last look at what is due took."""
    told = {"queues": sorted(queues), "started_at": started_at, "seen_at": now}
    Heartbeat.objects.update_or_create(name=name[:255], defaults={**told, "rounds": rounds, "last_round_ms": round_ms})


def gone(name: str) -> None:
    """Take the row of a worker that ends well away."""
    Heartbeat.objects.filter(name=name[:255]).delete()


def forget_old(now: datetime) -> int:
    return Heartbeat.objects.filter(seen_at__lt=now - FORGOTTEN).delete()[0]


def all_of_them() -> list[Heartbeat]:
    return list(Heartbeat.objects.order_by("name"))


def is_alive(heartbeat: Heartbeat, now: datetime) -> bool:
    return heartbeat.seen_at > now - SILENT


def queues_without_one(living: Sequence[Heartbeat]) -> list[str]:
    """The queues whose work none of these takes; a worker that names none takes all."""
    if any(not each.queues for each in living):
        return []
    taken = {queue for each in living for queue in each.queues}
    return sorted({queue.name for queue in current_app.conf.task_queues or ()} - taken)


def last_seen() -> datetime | None:
    """The newest sign of life of any worker; None where there is none."""
    found: datetime | None = Heartbeat.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()
    return found
