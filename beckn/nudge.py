"""Ringing for a worker. Only the name of the task is known here; the row is the truth and the sweep finds it anyway."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from django.db import transaction

_thread = threading.local()


def nudge(task: str, row_id: int) -> None:
    """Ask for one row to be looked at now; a broker that is down costs nothing but the second until the sweep."""
    bells: list[tuple[str, int]] | None = getattr(_thread, "bells", None)
    if bells is not None:
        bells.append((task, row_id))
    else:
        current_app.send_task(task, args=[row_id])


def nudge_on_commit(task: str, row_id: int) -> None:
    transaction.on_commit(lambda: nudge(task, row_id), robust=True)


@contextmanager
def bells_kept() -> Iterator[list[tuple[str, int]]]:
    """Collect what this thread rings meanwhile as (task, row), for a worker that may do it without the broker."""
    bells: list[tuple[str, int]] = []
    _thread.bells = bells
    try:
        yield bells
    finally:
        _thread.bells = None
