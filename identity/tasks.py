"""What identity does beside the requests."""

from celery import shared_task

from audit import clock
from identity import certification, sessions


@shared_task(name="identity.tasks.upkeep", ignore_result=True)
def upkeep() -> int:
    """Wipe the tokens of sign-ins that are over, forget old links; return how many rows. Safe to run twice at once."""
    return sessions.forget_old(clock.now())


@shared_task(name="identity.tasks.remind", ignore_result=True)
def remind() -> int:
    """Write to agencies whose certificates end; return how many letters that are. Safe to run twice at once."""
    return certification.remind(clock.now())
