"""Many processes issue, revoke, suspend, resume and publish at once; then everything is compared with the rows.

    python -m tests.storm SECONDS PROCESSES

Runs against the database of its environment, which must be migrated, and prints one JSON document: what was done, and
`problems`, empty where no index was given twice, no change was lost and every published list equals the rows. One
further process watches what a verifier sees meanwhile. Used by tests and by the bench.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import django

NEARLY_FULL = 300  # places that the first list still has, so that everybody comes to its end


@dataclass
class Account:
    """What one process did."""

    done: Counter[str] = field(default_factory=Counter)
    issued: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def act(seed: int, seconds: float) -> Account:
    """Do one thing after the other until the time is over: issue most often, then change, then publish."""
    from audit import clock
    from credentials import publishing, services

    chance, account, living = random.Random(seed), Account(), list[services.Issued]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        what = chance.choices(("issue", "revoke", "suspend", "resume", "publish"), (4, 3, 2, 1, 2))[0]
        now = clock.now()
        if what == "publish":
            account.done["published"] += publishing.publish_due(now)
        elif what == "issue" or not living:
            issued = services.issue([_new(chance, now) for _ in range(chance.randint(1, 3))], now=now)
            living += issued
            account.issued += [str(each.id) for each in issued]
            account.done["issued"] += len(issued)
        else:
            one = chance.choice(living)
            if what == "revoke":
                services.revoke([one.id], at=now, reason="storm")
                account.revoked.append(str(one.id))
                living.remove(one)
            else:
                getattr(services, what)([one.id], at=now)
            account.done[what] += 1
    return account


def _new(chance: random.Random, now: Any) -> Any:
    from credentials.services import NewCredential

    claims = {"consentId": "consent-1", "consentType": "DATA_COLLECTION", "purposes": ["SETTLEMENT"]}
    return NewCredential("CONSENT", f"did:example:storm-{chance.random()}", claims, now, now + timedelta(days=1))


def watch(seconds: float) -> Account:
    """See that for a reader no version goes back and no revocation disappears, in whichever form."""
    from credentials.models import Publication, StatusListVersion

    account, versions, seen = Account(), dict[tuple[int, str, bool], int](), dict[tuple[int, str, bool], set[int]]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for as_json in (False, True):
            rows = StatusListVersion.objects.exclude(json_digest="") if as_json else StatusListVersion.objects
            newest = rows.filter(status_list__kind="CONSENT").newest()  # type: ignore[attr-defined]
            for row in newest.exclude(purpose=Publication.SUSPENSION):
                key = (row.status_list_id, row.purpose, as_json)
                revoked = _marked(row.json_body if as_json else row.body, as_json)
                if row.version < versions.get(key, 0):
                    account.problems.append(f"{key}: version {versions[key]} was followed by {row.version}")
                if lost := seen.get(key, set()) - revoked:
                    account.problems.append(f"{key}: {sorted(lost)[:5]} were revoked and are no more")
                versions[key], seen[key] = row.version, revoked
                account.done["looked"] += 1
    return account


def _marked(body: str, as_json: bool) -> set[int]:
    """The revoked entries of a published list, as a verifier decodes them."""
    from credentials import bitstring, token_list
    from credentials.multikey import from_b64url

    said = json.loads(body if as_json else from_b64url(body.split(".")[1]))
    if "status_list" in said:
        packed = token_list.decode(said["status_list"]["lst"], said["status_list"]["bits"])
        return {
            index
            for byte, value in enumerate(packed)
            if value & 0x55
            for index in range(byte * 4, byte * 4 + 4)
            if token_list.status_at(packed, index) == token_list.INVALID
        }
    bits = bitstring.decode_list(said["credentialSubject"]["encodedList"])
    return {index for byte, value in enumerate(bits) if value for index in range(byte * 8, byte * 8 + 8)
            if bitstring.bit_at(bits, index)}  # fmt: skip


def compare(accounts: Sequence[Account]) -> list[str]:
    """Return what differs between what was done, the rows, and what is published."""
    from audit import clock
    from credentials import bitstring, publishing, token_list
    from credentials.models import IssuedCredential, Publication, StatusChange, StatusList, StatusListVersion
    from credentials.multikey import from_b64url

    publishing.publish_due(clock.now())
    rows: list[Any] = list(
        IssuedCredential.objects.values("pk", "status_list", "status_index", "revoked_at", "suspended_at")
    )
    problems = [problem for account in accounts for problem in account.problems]
    if len({(row["status_list"], row["status_index"]) for row in rows}) != len(rows):
        problems.append("an index was given twice")
    if {str(row["pk"]) for row in rows} != {each for account in accounts for each in account.issued}:
        problems.append("the rows are not what was issued")
    revoked = {str(row["pk"]) for row in rows if row["revoked_at"]}
    if revoked != {each for account in accounts for each in account.revoked}:
        problems.append("the rows are not what was revoked")
    if StatusChange.objects.exists() or StatusListVersion.objects.without_json().exists():
        problems.append("something is still waiting")
    for status_list in StatusList.objects.filter(kind="CONSENT"):
        of_list = [row for row in rows if row["status_list"] == status_list.pk]
        bits = {
            purpose: bitstring.pack_bits([row["status_index"] for row in of_list if row[column]], status_list.size)
            for purpose, column in (("revocation", "revoked_at"), ("suspension", "suspended_at"))
        }
        for purpose, expected in bits.items():
            version = publishing.latest(status_list, purpose)
            assert version is not None
            token = json.loads(from_b64url(version.body.split(".")[1]))
            for form, said in (("token", token), ("JSON", json.loads(version.json_body))):
                if bitstring.decode_list(said["credentialSubject"]["encodedList"]) != expected:
                    problems.append(f"{status_list} {purpose} {form} is not the rows")
        version = publishing.latest(status_list, Publication.TOKEN)
        assert version is not None
        said = json.loads(from_b64url(version.body.split(".")[1]))["status_list"]
        if token_list.decode(said["lst"], said["bits"]) != token_list.pack(bits["revocation"], bits["suspension"]):
            problems.append(f"{status_list} IETF token is not the rows")
    return problems


def main() -> None:
    seconds, processes = float(sys.argv[1]), int(sys.argv[2])
    django.setup()
    _prepare()
    # Forked before anything opens a connection: Django starts once, not nine times.
    with ProcessPoolExecutor(processes + 1, mp_context=multiprocessing.get_context("fork")) as pool:
        working = [pool.submit(act, seed, seconds) for seed in range(processes)]
        watching = pool.submit(watch, seconds)
        accounts = [each.result() for each in [*working, watching]]
    done: Counter[str] = sum((account.done for account in accounts), Counter())
    print(json.dumps({"seconds": seconds, "processes": processes, "done": done, "problems": compare(accounts)}))


def _prepare() -> None:
    from django.db import connection, connections

    from credentials import bootstrap
    from credentials.models import StatusList

    bootstrap.ensure()
    first = StatusList.objects.get(kind="CONSENT", number=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(%s::regclass, %s)", [first.sequence, first.size - NEARLY_FULL - 1])
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # a pool's sockets must not be shared by those who are forked now


if __name__ == "__main__":
    main()
