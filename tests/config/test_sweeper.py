"""The sweep finds due work without any broker, and one room's trouble does not stop the others."""

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import OperationalError

from config import sweeper
from config.sweeper import Sweeper

calls: list[str] = []


def finds_two(now: datetime) -> int:
    assert now.tzinfo is UTC
    calls.append("finds_two")
    return 2


def breaks(now: datetime) -> int:
    raise RuntimeError("a bug in one room")


def has_no_database(now: datetime) -> int:
    raise OperationalError("gone")


def rings() -> None:
    calls.append("rings")


@pytest.fixture(autouse=True)
def forget() -> None:
    calls.clear()


def make(*sweeps: str, beat_pause: float = 3600.0) -> Sweeper:
    return Sweeper([f"{__name__}.{name}" for name in sweeps], [f"{__name__}.rings"], pause=0.01, beat_pause=beat_pause)


@pytest.mark.django_db
def test_a_round_asks_every_room_even_if_others_fail():
    assert make("breaks", "has_no_database", "finds_two").round() == 2
    assert calls == ["finds_two"]


@pytest.mark.django_db
def test_the_jobs_of_a_silent_beat_are_done_by_the_sweeper_once_per_pause():
    silent = make(beat_pause=0.0)
    silent.round()
    assert calls == ["rings"]
    heard = make(beat_pause=3600.0)
    heard.round()
    assert calls == ["rings"]


def test_every_sweep_and_beat_job_of_the_settings_exists():
    apart = [name for names in settings.SWEEPS_OF_QUEUES.values() for name in names]
    missing = [name for name in (*settings.SWEEPS, *apart, *settings.BEAT) if not sweeper.find(name)]
    assert missing == []


def test_a_worker_sweeps_only_for_the_queues_that_it_consumes():
    files, messages = ["portals.tasks.sweep_imports"], list(settings.SWEEPS)
    assert list(sweeper.make(["imports"]).sweeps) == files and not sweeper.make(["imports"]).beat
    others = sweeper.make(["inbox", "outbox", "bulk", "notices"])
    assert list(others.sweeps) == messages and others.beat
    assert list(sweeper.make(["inbox", "imports"]).sweeps) == list(sweeper.make().sweeps) == [*messages, *files]
