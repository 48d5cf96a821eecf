"""The worker's queue, which is a doorbell: rows are the truth, and the sweep finds whatever no bell announced.

Source: decision 29, dependencies.md "broker".
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.transport.virtual import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
log = logging.getLogger(__name__)

SILENT_SECONDS = 5.0  # after a failed ring: nobody waits for a dead broker at every message


class Doorbell(Celery):
    """A Celery app whose sending never fails and never waits long: a lost message is found by the sweep."""

    has_worker = False  # true in a process that consumes; memory:// reaches nobody else
    _silent_until = 0.0

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        """Ring, or return None where nobody would hear it."""
        if not self.reaches_a_worker() or time.monotonic() < self._silent_until:
            return None
        try:
            return super().send_task(name, *args, **options)
        except Exception as problem:  # kombu raises what its transport raises; none of it may undo a commit
            self._silent_until = time.monotonic() + SILENT_SECONDS
            log.warning("broker unreachable, the sweep will find the work", extra={"problem": type(problem).__name__})
            return None

    def reaches_a_worker(self) -> bool:
        return self.has_worker or not str(self.conf.broker_url or "").startswith("memory:")


# Bells that were taken and not yet answered need not be put back: the sweep finds their rows. Putting them back on a
# broker that has just died ends the worker (kombu 5.7: its closed transport has no address any more).
Channel.do_restore = False


def _where_connected(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a bell only on the connection that brought it: a thread may accept it when that is gone already, and then
    its ack would end the worker in the same way."""

    def answered(channel: Channel, *arguments: Any, **options: Any) -> Any:
        return None if channel.closed else answer(channel, *arguments, **options)

    return answered


Channel.basic_ack = _where_connected(Channel.basic_ack)  # type: ignore[method-assign]
Channel.basic_reject = _where_connected(Channel.basic_reject)  # type: ignore[method-assign]

app = Doorbell("energy-credentials")
app.set_default()  # current_app is per thread, and web threads are not the one that imported us
app.config_from_object("config.queues")
app.autodiscover_tasks()

from config import worker  # noqa: E402, F401  (its signal receivers)
