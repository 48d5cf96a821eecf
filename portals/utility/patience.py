"""A short wait after a question was sent, so that an answer that comes at once needs no page in between.

Holds a thread of the web process, hence only for a moment, only after something was sent, and only so many at once.
Everybody else gets the waiting page at once.
"""

from __future__ import annotations

import threading
import time

from django.db import connection

from portals.models import Application

LONGEST = 2.5  # seconds
STEP = 0.05
_places = threading.BoundedSemaphore(2)


def wait_a_moment(application: Application, longest: float = LONGEST) -> Application:
    """Return the journey with the provider's answer if that comes within a moment, else as it stands.

    No transaction open.
    """
    if not application.asked_action or connection.in_atomic_block or not _places.acquire(blocking=False):
        return application
    until = time.monotonic() + longest
    try:
        while application.asked_action and time.monotonic() < until:
            time.sleep(STEP)
            application.refresh_from_db(fields=["asked_action", "version"])
    finally:
        _places.release()
    application.refresh_from_db()
    return application
