"""What a worker process is beside Celery: it checks that it may start, sweeps, and says that it consumes.

Imported by `config.celery` for its signal receivers; also runs the demo's worker as a thread of the web process.
"""

import logging
import threading
from typing import Any

from celery import Celery, signals

log = logging.getLogger(__name__)
_sweeper: Any = None


@signals.worker_init.connect
def _check(**_: Any) -> None:
    from config import queues
    from config.celery import app
    from config.start import refuse_if_unsafe

    refuse_if_unsafe()
    if "socket_timeout" in queues.broker_transport_options:
        patient = {"socket_timeout": queues.consumer_socket_seconds}
        app.conf.broker_transport_options = {**queues.broker_transport_options, **patient}


@signals.beat_init.connect
def _check_beat(**_: Any) -> None:
    _check()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Django has set logging up, with the mask; Celery shall not put its own in the way."""


@signals.worker_ready.connect
def _begin(sender: Any = None, **_: Any) -> None:
    global _sweeper
    from config import sweeper
    from config.celery import app

    app.has_worker = True
    _sweeper = sweeper.make(list(app.amqp.queues.consume_from))
    _sweeper.start()
    log.info("worker ready")


@signals.worker_shutting_down.connect
def _end(**_: Any) -> None:
    if _sweeper:
        _sweeper.stop()


@signals.task_prerun.connect
def _notice_beat(task: Any = None, **_: Any) -> None:
    from django.conf import settings

    if _sweeper and task is not None and task.name in settings.BEAT:
        _sweeper.heard_beat()


def run_as_thread(app: Celery) -> threading.Thread:
    """Start the demo's worker inside this process; with memory:// no other process could hear the bell."""
    from celery.worker import WorkController

    def work() -> None:
        # Celery's command line sends worker_ready itself; a bare controller only calls back.
        WorkController(app=app, hostname="demo@localhost", ready_callback=lambda _: _begin()).start()

    thread = threading.Thread(target=work, name="worker", daemon=True)
    thread.start()
    return thread
