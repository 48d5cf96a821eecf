"""Ringing for a worker. Only the name of the task is known here; the row is the truth and the sweep finds it anyway."""

from celery import current_app
from django.db import transaction


def nudge(task: str, row_id: int) -> None:
    """Ask for one row to be looked at now; a broker that is down costs nothing but the second until the sweep."""
    current_app.send_task(task, args=[row_id])


def nudge_on_commit(task: str, row_id: int) -> None:
    transaction.on_commit(lambda: nudge(task, row_id), robust=True)
