"""What identity does beside the requests."""

from celery import shared_task

from audit import clock
from identity import certification, retaining


@shared_task(name="identity.tasks.let_go", ignore_result=True)
def let_go() -> int:
    """Let go of what is kept no longer, of every room; return how much. Safe to run twice at once."""
    return retaining.work(clock.now())


@shared_task(name="identity.tasks.remind", ignore_result=True)
def remind() -> int:
    """Write to agencies whose certificates end; return how many letters that are. Safe to run twice at once."""
    return certification.remind(clock.now())
