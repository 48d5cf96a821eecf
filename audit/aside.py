"""Work beside the others: one thread of a process that works off what is due, and holds up nobody.

The sweep and the bell only start it; the worker's own threads, which wait for people's messages, stay free. A process
never has two of them for one kind of work: more hands are more processes.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from celery import current_app
from django.db import connections, transaction

from audit import clock

logger = logging.getLogger(__name__)


class Aside:
    """`work(now)` does a slice of a second or so and returns how much it did; after 0 the thread ends."""

    def __init__(self, name: str, work: Callable[[datetime], int]) -> None:
        self.name = name
        self._work = work
        self._busy = threading.Lock()

    def start(self) -> bool:
        """Begin, unless it is at work already; returns at once."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            threading.Thread(target=self._run, name=self.name, daemon=True).start()
        except BaseException:  # no thread, or we are being ended: whoever comes next must be able to begin
            self._busy.release()
            raise
        return True

    def _run(self) -> None:
        try:
            while self._work(clock.now()):
                pass
        except Exception:  # the next second tries again; a thread that died would be noticed by nobody
            logger.exception("work beside the others failed", extra={"work": self.name})
        finally:
            connections.close_all()
            self._busy.release()


def ring_on_commit(task: str) -> None:
    """Ring for a worker when the transaction has committed; a lost bell costs the second until the sweep."""
    transaction.on_commit(lambda: current_app.send_task(task), robust=True)
