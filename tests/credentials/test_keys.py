"""The life of a signing key, and the commands that lead it."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save
from django.test import Client

from audit.log import SYSTEM
from audit.models import Event
from credentials import key_life, keys, publishing, services
from credentials.models import IssuerKey, KeyAlgorithm, KeyState, SignedForm, StatusListVersion
from credentials.verification import Presented, verify_presented
from tests.credentials.conftest import LISTS, NOON, PUBLISHED, consent
from tests.credentials.issuer import Issuer, jwk_of, key_of

pytestmark = pytest.mark.empty_database

DAY = timedelta(days=1)


def run(*words: str) -> Any:
    """Run a command with `--json` and read what it says."""
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def verified(token: str) -> bool:
    return verify_presented([Presented("", "", "VC-JWT", token)], subject_did=None, now=NOON)[0].ok


def test_the_first_key_of_each_algorithm_is_made_once(db: None) -> None:
    made = keys.ensure(now=NOON)
    assert made == keys.ensure(now=NOON)
    assert [(key.algorithm, key.state) for key in made] == [("ES256", "ACTIVE"), ("Ed25519", "ACTIVE")]
    assert [event.action for event in Event.objects.order_by("pk")] == ["key.created", "key.activated"] * 2


def test_a_private_key_is_never_in_clear_in_the_database_nor_printed(db: None, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    for row, scalar_at in zip(keys.ensure(now=NOON), (36, 16), strict=True):  # its place in PKCS #8
        key = IssuerKey.objects.get(pk=row.pk)
        scalar = bytes(key.private or b"")[scalar_at : scalar_at + 32]
        assert len(scalar) == 32
        with connection.cursor() as cursor:
            cursor.execute("SELECT private, issuer_keys::text FROM issuer_keys WHERE id = %s", [row.pk])
            stored, everything = cursor.fetchone()
        assert scalar not in bytes(stored) and scalar.hex() not in everything
        assert scalar.hex() not in repr(keys.active(row.algorithm)) and scalar.hex() not in caplog.text
        assert "d" not in row.public_jwk


def test_an_announced_key_is_published_and_does_not_sign(ready: None) -> None:
    old = {row.kid for row in keys.published()}
    signing = keys.active().kid
    new = keys.announce(now=NOON, actor=SYSTEM)
    assert keys.active().kid == signing
    assert {row.kid for row in keys.published()} == old | {new.kid}


def test_a_rotation_keeps_old_signatures_good_and_signs_with_the_new_key(ready: None) -> None:
    (before,) = services.issue([consent()], now=NOON)
    announced = keys.announce(now=NOON, actor=SYSTEM)
    keys.activate(at_once=True, now=NOON, actor=SYSTEM)
    (after,) = services.issue([consent()], now=NOON)
    assert jwt.get_unverified_header(after.jwt)["kid"].endswith(announced.multikey)
    assert verified(before.jwt) and verified(after.jwt)


def test_revoking_the_active_key_leaves_no_moment_without_one(ready: None) -> None:
    (before,) = services.issue([consent()], now=NOON)
    lost = keys.active().kid
    _, losing = keys.revoke(lost, now=NOON, actor=SYSTEM)
    assert losing == 1 and keys.active().kid != lost
    assert lost not in {row.kid for row in keys.published()}
    assert not verified(before.jwt) and verified(services.issue([consent()], now=NOON)[0].jwt)
    assert SignedForm.objects.filter(kid=lost).count() == 2, "what has to be signed again is found by its kid"


def test_lists_signed_by_a_revoked_key_are_signed_again(ready: None) -> None:
    lost = keys.active().kid
    keys.revoke(lost, now=NOON, actor=SYSTEM)
    assert publishing.publish_stale(NOON) == LISTS
    newest = StatusListVersion.objects.newest()
    assert {version.kid for version in newest} == {keys.active().kid}
    assert publishing.publish_stale(NOON) == 0


@pytest.mark.parametrize(
    ("act", "words"), [("retire", "activate another"), ("activate", "announce"), ("revoke-again", "already revoked")]
)
def test_an_act_that_makes_no_sense_is_refused_in_words(ready: None, act: str, words: str) -> None:
    kid = keys.active().kid
    with pytest.raises(keys.KeyRefused, match=words):
        if act == "retire":
            keys.retire(kid, now=NOON, actor=SYSTEM)
        elif act == "activate":
            keys.activate(kid, now=NOON, actor=SYSTEM)
        else:
            keys.revoke(kid, now=NOON, actor=SYSTEM)
            keys.revoke(kid, now=NOON, actor=SYSTEM)
    with pytest.raises(keys.KeyRefused, match="no key"):
        keys.revoke("unknown", now=NOON, actor=SYSTEM)


def test_the_database_itself_allows_one_active_key(ready: None) -> None:
    announced = keys.announce(now=NOON, actor=SYSTEM)
    with pytest.raises(IntegrityError, match="one_active_issuer_key"), transaction.atomic():
        IssuerKey.objects.filter(pk=announced.pk).update(state=KeyState.ACTIVE, activated_at=NOON)
    with pytest.raises(IntegrityError, match="state_has_its_moment"), transaction.atomic():
        IssuerKey.objects.filter(pk=announced.pk).update(state=KeyState.REVOKED)


def test_a_key_signs_only_when_every_cache_may_know_it(ready: None) -> None:
    new = keys.announce(now=NOON, actor=SYSTEM)
    for seconds in (0, 29):
        with pytest.raises(keys.TooEarly, match="12:00:30") as early:
            keys.activate(new.kid, now=NOON + timedelta(seconds=seconds), actor=SYSTEM)
        assert early.value.ready_at == NOON + timedelta(seconds=30)
    assert keys.active().kid != new.kid
    assert keys.activate(new.kid, now=NOON + timedelta(seconds=30), actor=SYSTEM).kid == new.kid


def test_the_announcement_lasts_as_long_as_our_keys_are_cached(ready: None, client: Client) -> None:
    for address in ("did.json", "jwks.json", "jwt-vc-issuer"):
        assert client.get(f"/.well-known/{address}")["Cache-Control"] == "public, max-age=30"


def test_the_two_algorithms_rotate_apart(ready: None) -> None:
    tokens, proofs = keys.active().kid, keys.active(KeyAlgorithm.ED25519).kid
    keys.announce(KeyAlgorithm.ED25519, now=NOON, actor=SYSTEM)
    with pytest.raises(keys.KeyRefused, match="no announced key ES256"):
        keys.activate(algorithm=KeyAlgorithm.ES256, at_once=True, now=NOON, actor=SYSTEM)
    keys.activate(at_once=True, now=NOON, actor=SYSTEM)
    assert keys.active().kid == tokens and keys.active(KeyAlgorithm.ED25519).kid != proofs


def test_a_lost_key_is_followed_by_the_announced_one_that_verifiers_know(ready: None) -> None:
    lost, spare = keys.active().kid, keys.announce(now=NOON, actor=SYSTEM)
    key_life.revoke(lost, now=NOON, actor=SYSTEM)
    assert keys.active().kid == spare.kid
    assert IssuerKey.objects.filter(algorithm="ES256").count() == 2


def test_no_published_list_ever_carries_the_signature_of_a_revoked_key(ready: None) -> None:
    lost = keys.active().kid
    seen: list[set[str]] = []

    def look(**how: Any) -> None:
        revoked = set(IssuerKey.objects.filter(state=KeyState.REVOKED).values_list("kid", flat=True))
        seen.append(revoked & {version.kid for version in StatusListVersion.objects.newest()})

    post_save.connect(look, sender=IssuerKey)
    try:
        key_life.revoke(lost, now=NOON, actor=SYSTEM)
    finally:
        post_save.disconnect(look, sender=IssuerKey)
    assert len(seen) >= 3 and not any(seen)
    assert key_life.use_of(lost, now=NOON).lists == 0


def test_activating_a_key_signs_every_list_with_it(ready: None) -> None:
    new = keys.announce(now=NOON, actor=SYSTEM)
    key_life.activate(new.kid, at_once=True, now=NOON, actor=SYSTEM)
    assert {version.kid for version in StatusListVersion.objects.newest()} == {new.kid}


def test_what_a_key_has_signed_is_counted_while_it_counts(ready: None) -> None:
    kid = keys.active().kid
    first, second, third = services.issue([consent(), consent(), consent(valid_until=NOON + DAY)], now=NOON)
    assert key_life.use_of(kid, now=NOON).credentials == 3
    services.revoke([first.id], at=NOON, reason="x")
    assert key_life.use_of(kid, now=NOON + 2 * DAY).credentials == 1
    assert second.id != third.id


def test_a_key_is_found_under_both_of_its_names(ready: None) -> None:
    new = keys.announce(now=NOON, actor=SYSTEM)
    assert keys.retire(new.multikey, now=NOON, actor=SYSTEM).kid == new.kid


def test_why_a_key_was_changed_is_in_the_journal_as_a_code(ready: None) -> None:
    lost = keys.active().kid
    keys.revoke(lost, now=NOON, actor=SYSTEM, reason=keys.Reason.COMPROMISED)
    details = Event.objects.get(action="key.revoked").details
    assert details["reason"] == "COMPROMISED" and details["algorithm"] == "ES256"
    with pytest.raises(ValueError):
        keys.announce(now=NOON, actor=SYSTEM, reason="Mr Smith left")
    assert not Event.objects.filter(action="key.announced").exists()


# ── commands ──


def test_the_command_waits_until_every_cache_knows_the_key(ready: None, monkeypatch: Any, capsys: Any) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        IssuerKey.objects.filter(state=KeyState.ANNOUNCED).update(announced_at=NOON)

    monkeypatch.setattr("time.sleep", wait)
    announced = run("keys", "announce")
    assert run("keys", "activate")["kid"] == announced["kid"]
    assert len(waited) == 1 and 25 < waited[0] < 31
    assert "until every cache knows" in capsys.readouterr().err


def test_a_key_of_either_algorithm_is_announced_by_command(ready: None) -> None:
    announced = run("keys", "announce", "--algorithm", "Ed25519", "--reason", "PLANNED")
    assert announced["algorithm"] == "Ed25519"
    assert run("keys", "activate", "--algorithm", "Ed25519", "--now")["kid"] == announced["kid"]
    assert keys.active(KeyAlgorithm.ED25519).kid == announced["kid"]


def test_keys_are_led_from_the_command_line(ready: None) -> None:
    first, _ = run("keys", "list")
    announced = run("keys", "announce")
    assert announced["state"] == "ANNOUNCED"
    assert run("keys", "activate", announced["kid"], "--now")["state"] == "ACTIVE"
    assert [key["state"] for key in run("keys", "list")] == ["RETIRED", "ACTIVE", "ACTIVE"]
    spare = run("keys", "announce")
    assert run("keys", "retire", spare["kid"])["state"] == "RETIRED"
    revoked = run("keys", "revoke", first["kid"])
    assert (revoked["state"], revoked["credentialsLosingTheirSignature"]) == ("REVOKED", 0)
    with pytest.raises(CommandError, match="no key"):
        run("keys", "revoke", "unknown")
    with pytest.raises(CommandError, match="announce"):
        run("keys", "activate")
    actors = set(Event.objects.filter(action="key.revoked").values_list("actor_kind", "channel"))
    assert actors == {("STAFF", "CONSOLE")}


def test_bootstrap_says_whether_it_changed_anything(db: None) -> None:
    first, second = run("bootstrap"), run("bootstrap")
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["activeKeys"] == second["activeKeys"] and second["publishedLists"] == LISTS


def test_status_is_shown_and_published_from_the_command_line(ready: None) -> None:
    (issued,) = services.issue([consent()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    shown = {each["url"]: each for each in run("status", "show")}
    assert len(shown) == PUBLISHED
    mine = shown[issued.status_list_url]
    assert (mine["set"], mine["taken"], mine["pendingChanges"]) == (1, 1, 1)
    assert run("status", "publish") == {"published": LISTS, "created": 0}
    after = {each["url"]: each for each in run("status", "show")}[issued.status_list_url]
    assert after["pendingChanges"] == 0 and after["version"] > mine["version"]


def test_trust_is_led_from_the_command_line(utility: Issuer, db: None, tmp_path: Path) -> None:
    added = run(
        *("trust", "add", "--issuer", utility.did, "--resolve", "--type", "MeterOwnershipCredential"),
        *("--type", "DERCertificationCredential", "--utility", "U-A", "--program", "p1", "--program", "p2"),
        *("--der-type", "SOLAR_PV"),
    )
    assert added["programs"] == ["p1", "p2"] and added["derTypes"] == ["SOLAR_PV"] and not added["pinnedKeys"]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [jwk_of(key_of("RS256"))]}))
    pinned = run("trust", "add", "--issuer", "did:example:u", "--jwks", str(file), "--type", "MeterOwnershipCredential")
    assert pinned["pinnedKeys"]
    assert [each["issuer"] for each in run("trust", "list")] == sorted([utility.did, "did:example:u"])
    assert run("trust", "remove", "--issuer", "did:example:u")["removed"] == 1
    with pytest.raises(CommandError, match="no such entry"):
        run("trust", "remove", "--issuer", "did:example:u")
    actions = Event.objects.filter(action__startswith="trust.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["trust.added", "trust.added", "trust.removed"]


@pytest.mark.parametrize(
    ("jwks", "words"),
    [
        (None, "can be read"),
        ("{", "can be read"),
        ("[]", "JWKS is"),
        ('{"keys":[]}', "JWKS is"),
        ('{"keys":[{"kty":"oct","k":"AAAA"}]}', "cannot be used"),
        ("private", "private key"),
    ],
)
def test_a_jwks_that_cannot_be_used_is_refused(db: None, tmp_path: Path, jwks: str | None, words: str) -> None:
    file = tmp_path / "jwks.json"
    if jwks == "private":
        private = jwt.algorithms.ECAlgorithm.to_jwk(key_of("ES256"), as_dict=True)
        jwks = json.dumps({"keys": [{**private, "key_ops": ["verify"]}]})
    if jwks is not None:
        file.write_text(jwks)
    with pytest.raises(CommandError, match=words):
        run("trust", "add", "--issuer", "did:example:u", "--jwks", str(file), "--type", "MeterOwnershipCredential")


def test_an_issuer_that_cannot_be_resolved_is_not_believed(utility: Issuer, db: None) -> None:
    words = ("trust", "add", "--resolve", "--type", "MeterOwnershipCredential", "--issuer")
    utility.publish_keys(assertionMethod=[])
    with pytest.raises(CommandError, match="no key"):
        run(*words, utility.did)
    utility.stop()
    for did in (utility.did, "did:example:u", "did:web:..", "https://example.org"):
        with pytest.raises(CommandError):
            run(*words, did)
    assert run("trust", "list") == []


def test_a_retired_key_has_its_moment(ready: None) -> None:
    keys.announce(now=NOON, actor=SYSTEM)
    keys.activate(now=NOON + timedelta(days=1), actor=SYSTEM)
    retired = IssuerKey.objects.get(state=KeyState.RETIRED)
    assert retired.retired_at == NOON + timedelta(days=1)
