"""A whole deployment whose issuer keys live in another process: it works, and waits while that process is silent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bap import eventually
from tests.credentials.far_keys import PROVIDER, Box
from tests.journeys import RAJESH, Journey, fulfillment_state
from tests.processes.scenes import somebody
from tests.stack import Stack
from tests.test_confirm_path import bit, verified

pytestmark = pytest.mark.processes


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    folder = tmp_path / "stack"
    folder.mkdir()
    made = Box(folder)
    yield made
    os.kill(made.process.pid, signal.SIGCONT)
    made.stop()


@pytest.fixture
def far(make_stack: Callable[..., Stack], box: Box) -> Stack:
    return make_stack(workers=1, environment={"ISSUER_KEY_PROVIDERS": PROVIDER, "LEASE_SECONDS": "6"})


def test_a_deployment_needs_of_its_keys_only_signatures_and_waits_while_there_are_none(far: Stack, box: Box) -> None:
    assert far.sql("SELECT count(*) FROM issuer_keys WHERE private IS NOT NULL OR provider <> %s", PROVIDER) == [(0,)]
    journey = Journey(far, RAJESH)
    told: dict[str, Any] = journey.enroll()["beckn:orderAttributes"]["credential"]
    assert verified(far, told["credentialData"])["jti"] == told["credentialId"]

    other = Journey(far, somebody())
    assert fulfillment_state(other.ask(other.init())) == "PENDING_CONFIRM"
    os.kill(box.process.pid, signal.SIGSTOP)  # a KMS that has hung: it takes calls and answers none
    message = other.confirm()
    assert other.bap.send(far.base, message).is_ack
    eventually(
        lambda: "Timeout" in "".join(far.log_texts().values()) or "timed out" in "".join(far.log_texts().values())
    )
    assert far.sql("SELECT count(*) FROM program_enrollments") == [(1,)], "nothing is written without its credential"
    os.kill(box.process.pid, signal.SIGCONT)
    answer = other.bap.wait_for("on_confirm", seconds=90, message_id=message["context"]["message_id"])
    assert answer.body["message"]["order"]["beckn:status"] == "CONFIRMED"

    ended = journey.ask(journey.unenroll(far.sql("SELECT enrollment_id FROM program_enrollments ORDER BY id")[0][0]))
    status = ended["beckn:orderAttributes"]["unenrollment"]["enrollmentCredentialStatus"]
    assert bit(far, status["statusListUrl"], status["statusListIndex"]) == 1
