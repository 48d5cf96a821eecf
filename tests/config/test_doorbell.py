"""A broker that is down costs a second, never an error; without one nothing piles up."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import kombu.transport.redis  # noqa: F401  (what is measured below is not an import)
import pytest
from kombu import Connection, Message

from config import queues
from config.celery import Doorbell
from sandbox.postgres import free_port
from tests.bap import eventually

REDIS = queues.TRANSPORT_OPTIONS["redis"]


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Doorbell:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # to Celery it counts more than what a test says below
    bell = Doorbell("test", set_as_current=False)
    bell.config_from_object("config.queues")
    return bell


def test_without_a_listener_an_in_memory_bell_is_not_rung(bell):
    assert not bell.reaches_a_worker()
    assert bell.send_task("beckn.tasks.process_inbox", args=[1]) is None


def test_a_dead_broker_is_noticed_quickly_and_then_left_alone(bell):
    bell.conf.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    bell.conf.broker_transport_options = REDIS
    started = time.monotonic()
    assert bell.send_task("beckn.tasks.process_inbox", args=[1]) is None
    assert time.monotonic() - started < 2.0
    started = time.monotonic()
    for number in range(100):
        assert bell.send_task("beckn.tasks.process_inbox", args=[number]) is None
    assert time.monotonic() - started < 0.1


def test_a_broker_that_hangs_holds_nobody_up(bell):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        bell.conf.broker_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        bell.conf.broker_transport_options = REDIS
        started = time.monotonic()
        assert bell.send_task("beckn.tasks.process_inbox", args=[1]) is None
        assert time.monotonic() - started < 2.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis that is ours alone."""
    if not shutil.which("redis-server"):
        pytest.skip("no Redis on this machine")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _listens(port))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("answer", [Message.ack, Message.reject])
def test_a_bell_answered_after_its_connection_is_gone_ends_nobody(bell, redis, answer):
    bell.conf.broker_url = redis
    bell.conf.broker_transport_options = REDIS
    assert bell.send_task("beckn.tasks.process_inbox", args=[1])
    with Connection(redis) as connection:
        (inbox,) = (queue for queue in bell.conf.task_queues if queue.name == "inbox")
        taken = inbox(connection.default_channel).get()
    answer(taken)  # as a worker's thread does, that accepts it a moment after the broker was lost


def test_every_kind_of_work_has_its_queue(bell):
    assert {queue.name for queue in bell.conf.task_queues} == {"inbox", "outbox", "bulk", "notices", "imports"}
    router = bell.amqp.router
    assert router.route({}, "beckn.tasks.process_inbox")["queue"].name == "inbox"
    assert router.route({}, "beckn.tasks.deliver_outbox")["queue"].name == "outbox"
    assert router.route({}, "portals.tasks.work_on_imports")["queue"].name == "imports"
    assert router.route({}, "credentials.tasks.upkeep")["queue"].name == "bulk"
