"""Acts on many credentials by real workers: killed, resumed, beside people who enrol; and what portals hear of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from credentials import bitstring
from tests.bap import eventually, http
from tests.journeys import P2P, Journey, Json
from tests.processes.scenes import no_trouble, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

MANY = 40_000
BATCHES = MANY // 2000


@pytest.fixture(scope="module")
def busy(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """One worker that a test may kill."""
    return stack_of_this_module(workers=1, broker="auto", environment={"LEASE_SECONDS": "6"})


_FILL = """
INSERT INTO issued_credentials (id, url, wire_id, kind, profile, subject_did, claims, valid_from, wire_valid_until,
    issued_at, status_list_id, status_index, revocation_reason, revoke_at_reason, access_digest)
SELECT uuid, %s || uuid, '', 'GENERAL', '', 'did:example:many', '{}', now(), '', now(),
    (SELECT id FROM status_lists WHERE kind = 'GENERAL' AND number = 1), place, '', '', sha256(uuid::text::bytea)
  FROM (SELECT gen_random_uuid() AS uuid, place FROM generate_series(%s::int, %s::int) AS place) AS places
RETURNING id
"""


def issue_many(stack: Stack, folder: Path, first: int = 0) -> Path:
    """Rows as an operator's credentials have them, and a file that names them all."""
    rows = stack.sql(_FILL, f"{stack.base}/credentials/", first, first + MANY - 1)
    file = folder / f"ids-{first}"
    file.write_text("".join(f"{pk}\n" for (pk,) in rows))
    return file


def done(stack: Stack, act: str) -> int:
    ((count,),) = stack.sql("SELECT count(*) FROM bulk_batches WHERE act_id = %s AND done_at IS NOT NULL", act)
    return int(count)


def is_finished(stack: Stack, act: str) -> bool:
    ((at,),) = stack.sql("SELECT finished_at FROM bulk_acts WHERE id = %s", act)
    return at is not None


def bits_set(stack: Stack, address: str = "/status/credential-list") -> int:
    token = stack.get(address, Accept="application/vc+jwt").raw.decode()
    listed = jwt.decode(token, options={"verify_signature": False})
    return sum(byte.bit_count() for byte in bitstring.decode_list(listed["credentialSubject"]["encodedList"]))


def command(stack: Stack, *arguments: str) -> Json:
    said: Json = json.loads(stack.manage(*arguments, "--json").stdout)
    return said


def test_a_worker_killed_in_the_middle_of_a_bulk_revocation_loses_nothing_and_does_no_batch_twice(
    busy: Stack, tmp_path: Path
):
    file = issue_many(busy, tmp_path)
    act = command(busy, "status", "revoke", "--file", str(file), "--reason", "PROJECT_OVER")["id"]
    eventually(lambda: done(busy, act) >= 2, pause=0.01)
    busy.kill("worker-1")
    at_the_kill = done(busy, act)
    assert 2 <= at_the_kill < BATCHES and not is_finished(busy, act)
    ((revoked,),) = busy.sql("SELECT count(*) FROM issued_credentials WHERE revoked_at IS NOT NULL")
    assert revoked == at_the_kill * 2000, "a batch is done wholly or not at all"

    busy.restart("worker-1")
    eventually(lambda: is_finished(busy, act), seconds=90)
    assert bits_set(busy) == MANY, "finished means published"
    lines = busy.sql(
        "SELECT details->>'batch' FROM audit_logs WHERE action = 'credential.revoked' AND object_id = %s", act
    )
    assert sorted(int(number) for (number,) in lines) == list(range(1, BATCHES + 1))
    shown = command(busy, "bulk", "show", act)
    assert (shown["changed"], shown["isOver"]) == (MANY, True)


def test_the_manifest_of_an_act_is_what_its_digest_says(busy: Stack, tmp_path: Path):
    import hashlib

    act = command(busy, "bulk", "list")[0]
    manifest = busy.manage("bulk", "show", act["id"], "--manifest").stdout
    assert hashlib.sha256(manifest.encode()).hexdigest() == act["digest"]
    assert len(manifest.splitlines()) == act["count"] == MANY


def test_people_enrol_while_a_bulk_act_is_at_work(busy: Stack, tmp_path: Path):
    file = issue_many(busy, tmp_path, first=MANY)
    with no_trouble(busy):
        act = command(busy, "status", "suspend", "--file", str(file), "--reason", "UNDER_REVIEW")["id"]
        eventually(lambda: done(busy, act) >= 1, pause=0.01)
        assert Journey(busy, somebody()).enroll()["beckn:status"] == "CONFIRMED"
        assert not is_finished(busy, act), "nobody waited for its end"
        eventually(lambda: is_finished(busy, act), seconds=90)
    assert bits_set(busy, "/status/credential-suspension") == MANY


def test_a_program_that_ends_ends_its_enrolments_and_every_portal_hears_of_each(busy: Stack):
    journeys = [Journey(busy, somebody(), program=P2P) for _ in range(3)]
    enrolled = [journey.enroll()["beckn:orderAttributes"] for journey in journeys]
    other = Journey(busy, somebody())
    other.enroll()
    with no_trouble(busy):
        seen = command(busy, "enrollments", "end", "--program", P2P[1], "--reason", "PROGRAM_ENDED", "--dry-run")
        assert seen["enrollments"] == 3 and sum(seen["portals"].values()) == 3
        act = command(busy, "enrollments", "end", "--program", P2P[1], "--reason", "PROGRAM_ENDED")["id"]
        for journey, attributes in zip(journeys, enrolled, strict=True):
            told = busy.bap.wait_for("on_update", transaction_id=journey.transaction_id).message["order"]
            assert told["beckn:status"] == "CANCELLED"
            ending: Any = told["beckn:orderAttributes"]["unenrollment"]
            assert (ending["status"], ending["reason"]) == ("CANCELLED", "PROGRAM_ENDED")
            assert ending["enrollmentCredentialStatus"]["revoked"]
            credential = attributes["credential"]["credentialData"]
            assert verdict(busy, credential)["code"] == "REVOKED"
        eventually(lambda: command(busy, "bulk", "show", act)["isOver"])
    assert other.ask(other.status())["beckn:status"] == "ACTIVE"


def test_a_lost_key_leaves_nobody_with_a_worthless_credential(busy: Stack):
    journey = Journey(busy, somebody())
    before = journey.enroll()["beckn:orderAttributes"]["credential"]
    assert verdict(busy, before["credentialData"])["verified"]
    (key,) = (
        each for each in command(busy, "keys", "list") if each["state"] == "ACTIVE" and each["algorithm"] == "ES256"
    )
    listed = command(busy, "keys", "losing", key["kid"])["credentials"]
    assert before["credentialId"] in {each["url"] for each in listed}
    with no_trouble(busy):
        busy.manage("keys", "revoke", key["kid"], "--reason", "COMPROMISED")
        assert not verdict(busy, before["credentialData"])["verified"]
        told = busy.bap.wait_for("on_status", transaction_id=journey.transaction_id).message["order"]
    after = told["beckn:orderAttributes"]["credential"]
    assert after["credentialId"] == before["credentialId"]
    assert after["statusListIndex"] == before["statusListIndex"]
    assert verdict(busy, after["credentialData"])["verified"]
    assert said_by(after["credentialData"]) == said_by(before["credentialData"])
    assert command(busy, "keys", "losing", key["kid"])["credentials"] == []


def said_by(token: str) -> Json:
    said: Json = jwt.decode(token, options={"verify_signature": False})
    return said


def verdict(stack: Stack, token: str) -> Json:
    answer = http(
        "POST",
        f"{stack.base}/verify",
        token.encode(),
        {"Content-Type": "application/jwt", "Accept": "application/json"},
    )
    return answer.body
