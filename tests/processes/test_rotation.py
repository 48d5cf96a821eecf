"""Keys are replaced while people enrol: no message is lost, and each is good under the key it names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox import generated
from tests.bap import Bap, Callback, eventually, is_signed_by
from tests.journeys import Journey, Json, fulfillment_state
from tests.processes.scenes import Traffic, at_once, no_trouble, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def turning(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """Two workers that are restarted one after the other, as an operator would."""
    return stack_of_this_module(workers=2, broker="auto", environment={"LEASE_SECONDS": "6"})


class TwoKeyedBap(Bap):
    """A participant that goes over to another key between two messages."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.take(self.key_id, self.private)

    def take(self, key_id: str, key: Ed25519PrivateKey) -> None:
        self._pair = (key_id, key)

    def authorization(self, raw: bytes, *, created: int | None = None, lifetime: int = 300) -> str:
        signer = Bap(self.subscriber_id, offset=self.offset)
        signer.key_id, signer.private = self._pair
        return signer.authorization(raw, created=created, lifetime=lifetime)


def key_id_of(callback: Callback) -> str:
    found = re.search(r'keyId="[^|"]+\|([^|"]+)\|ed25519"', callback.headers["authorization"])
    assert found, callback.headers
    return found[1]


def restart_with(stack: Stack, *, names: tuple[str, ...], **settings: str) -> None:
    stack.settings |= settings
    generated.write(stack.settings_file, stack.settings)
    for name in names:
        stack.children[name].ask_to_stop()  # all at once: a worker takes a moment to finish what it has
    for name in names:
        stack.restart(name)


def test_our_signing_key_is_replaced_under_load_and_every_callback_names_the_key_it_is_good_under(turning: Stack):
    identities = json.loads(turning.settings["BECKN_IDENTITIES"])
    (old,) = identities[0]["keys"]
    new = generated.identity("new", "owner", "http://new")["keys"][0]
    assert isinstance(new, dict)
    known = {key["key_id"]: key["public_key"] for key in (old, new)}
    before = len(turning.bap.callbacks)

    def used() -> list[str]:
        return [key_id_of(callback) for callback in turning.bap.callbacks[before:]]

    with no_trouble(turning, but_from="celery"), Traffic(turning) as traffic:
        traffic.wait_for_more()
        now = datetime.now(UTC)
        identities[0]["keys"] = [
            old | {"valid_until": (now + timedelta(hours=1)).isoformat()},
            new | {"valid_from": (now + timedelta(seconds=6)).isoformat()},
        ]
        restart_with(turning, names=("worker-1", "worker-2"), BECKN_IDENTITIES=json.dumps(identities))
        traffic.wait_until(lambda: new["key_id"] in used())
        traffic.wait_for_more()
    eventually(turning.idle)
    assert set(used()) == set(known)
    for callback in turning.bap.callbacks[before:]:
        assert is_signed_by(callback, known[key_id_of(callback)])
    assert set(used()[-4:]) == {new["key_id"]}  # from its moment on the new one signs, wherever the worker is


def test_issuer_keys_are_replaced_by_two_operators_at_once_under_load_and_nothing_is_lost(turning: Stack):
    """Both algorithms turn twice from two processes, and the first key is lost in the end."""
    first = {key["kid"]: key for key in listed(turning)}
    before = len(turning.bap.callbacks)
    with no_trouble(turning), Traffic(turning) as traffic:
        traffic.wait_for_more()
        for algorithm in ("ES256", "Ed25519"):
            rotate = [
                ["keys", "announce", "--algorithm", algorithm],
                ["keys", "activate", "--algorithm", algorithm, "--now"],
            ]
            at_once([partial(turning.manage_all, *rotate)] * 2)
        traffic.wait_for_more()
        lost = next(kid for kid, key in first.items() if (key["state"], key["algorithm"]) == ("ACTIVE", "ES256"))
        turning.manage("keys", "revoke", lost, "--reason", "COMPROMISED")
        traffic.wait_for_more()
    eventually(turning.idle)

    now = {key["kid"]: key for key in listed(turning)}
    for algorithm in ("ES256", "Ed25519"):
        ours = [key for key in now.values() if key["algorithm"] == algorithm]
        assert [key["state"] for key in ours].count("ACTIVE") == 1
        assert len(ours) == 3 and not any(key["state"] == "ANNOUNCED" for key in ours)
    assert now[lost]["state"] == "REVOKED"
    assert lost not in turning.get("/.well-known/did.json").raw.decode()

    eventually(lambda: next(key for key in listed(turning) if key["kid"] == lost)["credentials"] == 0, seconds=60)
    ids = [row[0] for row in turning.sql("SELECT id FROM issued_credentials")]
    signers = {row[0] for row in turning.sql("SELECT DISTINCT kid FROM signed_forms")}
    assert ids and signers <= {kid for kid, key in now.items() if key["state"] != "REVOKED"}
    told = [
        c.body["message"]["order"]["beckn:orderAttributes"].get("credential") for c in issued_since(turning, before)
    ]
    checked = [turning.get(urlsplit(each["verificationUrl"]).path, accept="application/json").body for each in told]
    assert told and {each["code"] for each in checked} <= {"VERIFIED", "NOT_YET_VALID"}
    lists = turning.sql(
        "SELECT DISTINCT ON (status_list_id, purpose) kid FROM status_list_versions"
        " ORDER BY status_list_id, purpose, version DESC"
    )
    assert lost not in {row[0] for row in lists}


def listed(stack: Stack) -> list[Json]:
    found: list[Json] = json.loads(stack.manage("keys", "list", "--json").stdout)
    return found


def issued_since(stack: Stack, position: int) -> list[Callback]:
    return [c for c in stack.bap.callbacks[position:] if c.body["context"]["action"] == "on_confirm"]


def test_a_participants_key_is_replaced_under_load_and_the_old_one_ends(turning: Stack):
    bap = TwoKeyedBap("turning.test.example", bpp_id=generated.OWNER, bpp_uri=f"{turning.base}/beckn")
    second = Ed25519PrivateKey.generate()
    bap.start()
    try:
        turning.register(bap)
        with no_trouble(turning), Traffic(turning, bap=bap) as traffic:
            traffic.wait_for_more()
            with as_if_its_key_were(bap, "second", second):
                turning.register(bap)  # both are good now
            traffic.wait_for_more()
            bap.take("second", second)
            traffic.wait_for_more(4)  # at least one of them began after the change
            turning.register(bap, "--valid-until", datetime.now(UTC).isoformat())
            traffic.wait_for_more()
        kept = turning.sql("SELECT DISTINCT key_id FROM beckn_inbox WHERE sender_id = %s", bap.subscriber_id)
        assert {key_id for (key_id,) in kept} == {bap.key_id, "second"}

        bap.take(bap.key_id, bap.private)
        message = Journey(turning, somebody(), bap=bap).message("status", {})
        eventually(lambda: bap.send(turning.base, message).status == 401)
        assert bap.send(turning.base, message).body["error"]["code"] == "SIGNATURE_INVALID"
    finally:
        bap.stop()


@contextmanager
def as_if_its_key_were(bap: Bap, key_id: str, key: Ed25519PrivateKey) -> Iterator[None]:
    """For registering: what it signs with is another matter."""
    before = bap.key_id, bap.private
    bap.key_id, bap.private = key_id, key
    try:
        yield
    finally:
        bap.key_id, bap.private = before


def test_the_key_of_personal_data_is_replaced_while_messages_run(turning: Stack):
    old, new = turning.settings["FIELD_KEYS"], generated.named_key("fields-2")
    everything = ("worker-1", "worker-2", "web")
    early = Journey(turning, somebody())
    assert fulfillment_state(early.ask(early.init())) == "PENDING_CONFIRM"
    with no_trouble(turning, but_from="celery"), Traffic(turning, threads=2) as traffic:
        traffic.wait_for_more(1)
        restart_with(turning, names=everything, FIELD_KEYS=f"{old} {new}")  # everybody can open what it closes
        traffic.wait_for_more(1)
        restart_with(turning, names=everything, FIELD_KEYS=f"{new} {old}")  # from now on it closes
        traffic.wait_for_more(1)
        said: Json = json.loads(turning.manage("fields", "rotate", "--json").stdout)
        assert sum(each["rewritten"] for each in said["fields"]) > 0
        restart_with(turning, names=everything, FIELD_KEYS=new)  # the old one is gone
        traffic.wait_for_more()
        assert early.ask(early.confirm())["beckn:status"] == "CONFIRMED"
    eventually(turning.idle)
    again: Json = json.loads(turning.manage("fields", "rotate", "--json").stdout)
    assert sum(each["rewritten"] for each in again["fields"]) == 0
    assert turning.manage("audit", "verify").returncode == 0
