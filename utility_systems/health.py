"""Which of the utilities' systems are silent: a row per system, written when a process's circuit opens or closes.

Circuits are a process's own; the row says what the last of them found. Metrics and the console read it.
"""

import logging
from collections.abc import Callable

from django.db import DatabaseError, transaction

from audit import clock
from utility_systems.models import SystemHealth

log = logging.getLogger(__name__)


def watcher(utility_id: str, system: str) -> Callable[[bool], None]:
    """What a circuit calls when it opens (True) or closes."""

    def changed(is_open: bool) -> None:
        words = "is silent and left alone for a while" if is_open else "answers again"
        log.warning("A utility's system %s: utility=%s system=%s", words, utility_id, system)
        try:
            with transaction.atomic():
                SystemHealth.objects.update_or_create(
                    utility_id=utility_id, system=system, defaults={"is_open": is_open, "since": clock.now()}
                )
        except DatabaseError:  # whoever asked the utility must not fail because a figure cannot be written
            log.exception("the state of a utility's system could not be kept")

    return changed
