"""What one process fills; apart from `__main__`, which a spawned process cannot import."""

from __future__ import annotations

import sys
import time
from datetime import datetime

import django


def fill(name: str, scale: float, now: datetime, url: str) -> None:
    django.setup()
    from tests.bench.population import copying, journal, people, traffic
    from tests.bench.population.plan import Plan

    plan, connection = Plan.of(scale, now), copying.connect(url)
    begun = time.monotonic()
    if name == "first":
        people.furnish(plan)
        people.make_lists(plan)
        traffic.furnish(plan)
    elif name == "journal":
        journal.load_journal(connection, plan)
    else:
        people.load_enrollments(connection, plan)
        traffic.load_messages(connection, plan)
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
