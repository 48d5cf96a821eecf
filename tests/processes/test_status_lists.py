"""Status lists under many processes at once, and as a verifier with caches sees them from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from credentials import bitstring, token_list
from tests.bap import eventually, http
from tests.conftest import database_url
from tests.journeys import Journey
from tests.processes.scenes import somebody
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.processes
MAX_AGE, TTL = 1, 2
FORMS = ("application/vc+jwt", "application/vc", "application/statuslist+jwt")


@pytest.fixture(scope="module")
def short_lived(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """Two web processes; lists may be cached for a second and kept for two."""
    environment = {"STATUS_LIST_MAX_AGE_SECONDS": str(MAX_AGE), "STATUS_LIST_TTL_SECONDS": str(TTL)}
    return stack_of_this_module(web_workers=2, environment=environment)


def enrolled(stack: Stack) -> tuple[Journey, str, dict[str, Any]]:
    """A new enrolment: its journey, its id, and the revocation entry of its credential."""
    journey = Journey(stack, somebody())
    attributes = journey.enroll()["beckn:orderAttributes"]
    claims = jwt.decode(attributes["credential"]["credentialData"], options={"verify_signature": False})
    return journey, attributes["enrollmentId"], claims["vc"]["credentialStatus"][0]


def says_revoked(body: bytes, index: int) -> bool:
    """What a list in any form says of an entry."""
    said = json.loads(body) if body.startswith(b"{") else jwt.decode(body, options={"verify_signature": False})
    if "status_list" in said:
        packed = token_list.decode(said["status_list"]["lst"], said["status_list"]["bits"])
        return token_list.status_at(packed, index) == token_list.INVALID
    return bitstring.bit_at(bitstring.decode_list(said["credentialSubject"]["encodedList"]), index)


def test_what_a_callback_announces_is_shown_by_every_web_process_in_every_form(short_lived: Stack):
    for _ in range(3):
        journey, enrollment_id, entry = enrolled(short_lived)
        url, index = entry["statusListCredential"], int(entry["statusListIndex"])
        for form in FORMS:  # so that both processes have something old to show
            for _ in range(6):
                assert not says_revoked(http("GET", url, headers={"Accept": form}).raw, index)
        answer = journey.ask(journey.unenroll(enrollment_id))
        assert answer["beckn:orderAttributes"]["unenrollment"]["enrollmentCredentialStatus"]["revoked"] is True, answer
        for _ in range(6):
            for form in FORMS:
                assert says_revoked(http("GET", url, headers={"Accept": form}).raw, index), form


@dataclass
class Cache:
    """An HTTP cache between verifiers and us: it keeps what it has for as long as `max-age` says, and no longer."""

    stack: Stack
    kept: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    def get(self, url: str) -> bytes:
        body, until = self.kept.get(url, (b"", 0.0))
        if time.monotonic() >= until:
            asked_at, answer = time.monotonic(), http("GET", url)
            found = re.search(r"max-age=(\d+)", answer.headers["cache-control"])
            assert found
            body, until = self.kept[url] = answer.raw, asked_at + int(found[1])
        return body


@dataclass
class Verifier:
    """One that keeps a list for as long as its `ttl` allows, from when it got it."""

    cache: Cache
    kept: tuple[bytes, float] = (b"", 0.0)

    def believes(self, entry: dict[str, Any]) -> bool:
        if time.monotonic() >= self.kept[1]:
            body = self.cache.get(entry["statusListCredential"])
            ttl = jwt.decode(body, options={"verify_signature": False})["credentialSubject"]["ttl"]
            self.kept = body, time.monotonic() + ttl / 1000
        return not says_revoked(self.kept[0], int(entry["statusListIndex"]))


def test_a_verifier_with_caches_believes_a_revoked_credential_no_longer_than_documented(short_lived: Stack):
    """docs/integration.md: two seconds to be published everywhere, then max-age, then ttl; at the worst moments."""
    journey, enrollment_id, entry = enrolled(short_lived)
    cache = Cache(short_lived)
    cache.get(entry["statusListCredential"])  # a moment before the revocation
    over_at = cache.kept[entry["statusListCredential"]][1]
    journey.send(journey.unenroll(enrollment_id))
    time.sleep(max(0.0, over_at - time.monotonic() - 0.1))  # and a moment before the cache would ask again
    verifier = Verifier(cache)
    assert verifier.believes(entry)
    eventually(lambda: not verifier.believes(entry), seconds=15, pause=0.01)
    doubted_at = datetime.now(UTC)
    ((revoked_at,),) = short_lived.sql(
        "SELECT revoked_at FROM issued_credentials WHERE status_index = %s AND status_list_id IN"
        " (SELECT id FROM status_lists WHERE kind = 'ENROLLMENT' AND number = 1)",
        int(entry["statusListIndex"]),
    )
    believed = (doubted_at - revoked_at).total_seconds()
    assert TTL < believed <= 2 + MAX_AGE + TTL, believed


def test_eight_processes_issue_revoke_and_publish_for_ten_seconds_and_every_list_equals_the_rows(fresh_database: str):
    done = subprocess.run(
        [sys.executable, "-m", "tests.storm", "10", "8"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(fresh_database), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    storm = json.loads(done.stdout)
    assert storm["problems"] == []
    assert storm["done"]["issued"] > 400, "the first list came to its end"
    assert min(storm["done"][what] for what in ("revoke", "suspend", "resume", "published", "looked")) > 20, storm
