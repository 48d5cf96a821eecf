"""The portals' work beside the requests."""

from datetime import datetime

from celery import shared_task


def sweep(now: datetime) -> int:
    """Look for what is due; return how much was found. Called every second (decision 29)."""
    return 0


@shared_task(name="portals.tasks.upkeep", ignore_result=True)
def upkeep() -> None:
    """What is done now and then: refresh the catalogue, forget old drafts."""
