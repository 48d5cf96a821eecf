"""What identity does beside the requests."""

from celery import shared_task

from audit import clock
from identity import sessions


@shared_task(name="identity.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Wipe the tokens of sign-ins that are over, forget old links; return how many rows. Safe to run twice at once."""
    return sessions.forget_old(clock.now())
