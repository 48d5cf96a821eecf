"""The page of operations and the figures for machines: workers, queues, what does not answer, what ends soon."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audit import clock
from audit.log import SYSTEM
from beckn import workers
from beckn.models import Heartbeat, Participant
from config import sweeper
from console.operations import endings
from identity import agencies
from identity.staff import Role
from sandbox import certificates
from tests.console.messages.rows import came, owed, peer
from tests.console.messages.test_messages import text_of
from tests.staff import desk

pytestmark = pytest.mark.django_db


def test_operations_tell_workers_queues_and_who_does_not_answer() -> None:
    now = clock.now()
    see = desk(Role.VIEWER)
    assert "No worker has given a sign of life" in text_of(see.get("/admin/operations/"))
    workers.beat("one:1", ["inbox", "outbox"], started_at=now, rounds=1, round_ms=3, now=now)
    workers.beat("two:2", [], started_at=now, rounds=1, round_ms=3, now=now - timedelta(hours=1))
    silent = peer("silent.example", valid_until=now + timedelta(days=3))
    Participant.objects.filter(pk=silent.pk).update(failures_in_a_row=7, held_until=now + timedelta(seconds=30))
    came(silent, state="WAITING", at=now - timedelta(hours=2)), owed(silent, state="STUCK")
    agencies.add("ea-1", agencies.Details("An agency", now - timedelta(days=9)), actor=SYSTEM, at=now)
    agencies.suspend("ea-1", reason="complaints", actor=SYSTEM, at=now)
    told = text_of(see.get("/admin/operations/"))
    assert "one:1 lives" in told and "two:2 silent: it has died, or hangs" in told
    assert "Nobody takes the work of these queues" in told and "notices" in told
    assert "Messages received late: is a worker running? 1" in told
    assert "Messages to send somebody has to look 0 – 1" in told
    assert "silent.example a participant, 7 attempts in a row" in told
    assert "silent.example a participant's key 2 days" in told
    assert "ea-1 : suspended: complaints" in told


def test_metrics_tell_the_same(client: Client) -> None:
    now = clock.now()
    workers.beat("one:1", [], started_at=now, rounds=1, round_ms=3, now=now)
    someone = peer("one.example", valid_until=now + timedelta(days=3))
    came(someone, state="WAITING", at=now - timedelta(hours=2)), owed(someone, state="STUCK")
    answer = client.get("/metrics").content.decode()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer)
        for sample in family.samples
    }
    assert found["workers_alive",] == 1 and found["queues_without_worker",] == 0
    assert found["work_stuck", "outbox"] == 1 and found["work_waiting", "inbox"] == 1
    assert 7100 < found["work_oldest_due_seconds", "inbox"] < 7300
    assert 0 < found["ending_seconds", "one.example", "participant"] < 3 * 86_400
    assert found["console_news", "true"] >= 2


@pytest.mark.django_db(transaction=True)  # a sweeper closes old connections
def test_a_sweeper_gives_signs_of_life_every_few_seconds() -> None:
    worker = sweeper.Sweeper([], [], pause=0.01, beat_pause=3600, queues=["inbox"])
    worker.round()
    row = Heartbeat.objects.get()
    assert row.queues == ["inbox"] and row.rounds == 1 and workers.is_alive(row, clock.now())
    assert not workers.is_alive(row, clock.now() + timedelta(minutes=2))
    worker.round()
    assert Heartbeat.objects.get().seen_at == row.seen_at  # not with every look
    workers.gone(row.name)
    assert workers.forget_old(clock.now() + timedelta(days=2)) == 0 and workers.last_seen() is None


def test_the_end_of_a_certificate_for_mutual_tls_is_read_and_a_file_that_is_none_counts_as_over(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("not a certificate")
    assert endings.end_of_certificate(str(tmp_path / "none.pem")).year == 1970
    assert endings.end_of_certificate(str(tmp_path / "missing.pem")).year == 1970
    pair = certificates.Authority(tmp_path).sign("ours", lasts=timedelta(days=3))
    assert (endings.end_of_certificate(str(pair.certificate)) - clock.now()).days in (2, 3)
