"""Keys that live elsewhere: a process that makes keys, says their public half and signs is all that issuing needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from audit.log import SYSTEM
from credentials import bootstrap, forms, key_life, key_providers, keys, publishing, services
from credentials.key_providers import Made, UnfitKey
from credentials.models import Form, IssuedCredential, IssuerKey, KeyAlgorithm, SignedForm, StatusListVersion
from credentials.verification import Policy, Presented, verify
from tests.credentials import far_keys
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.far_keys import ADDRESS, PROVIDER, Box

pytestmark = pytest.mark.empty_database


@pytest.fixture
def box(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    made = Box(tmp_path_factory.mktemp("b"))
    monkeypatch.setenv(ADDRESS, made.address)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def nothing_opened() -> Iterator[None]:
    """Keys of another test's box are closed."""
    keys._opened.cache_clear()
    yield
    keys._opened.cache_clear()


@pytest.fixture
def far(db: None, box: Box, settings: Any) -> Box:
    """A deployment whose keys were made in the box."""
    settings.ISSUER_KEY_PROVIDERS = [PROVIDER]
    bootstrap.ensure(NOON)
    return box


def good(form: Any) -> bool:
    return verify(Presented.of(form), policy=Policy(), now=NOON).ok


def test_a_box_that_signs_and_names_its_public_key_is_enough_for_every_form_and_list(far: Box) -> None:
    (issued,) = services.issue([consent()], now=NOON)
    row = IssuedCredential.objects.get(pk=issued.id)
    assert good(issued.jwt)
    assert good(SignedForm.objects.get(credential=row, form=Form.JWT_2_0).text)
    assert good(json.loads(forms.text_of(row, Form.JSON_2_0)))
    services.revoke([issued.id], at=NOON, reason="x")
    assert publishing.publish_due(NOON) == 1
    assert not good(issued.jwt)
    assert {version.kid for version in StatusListVersion.objects.newest()} == {keys.active().kid}


def test_no_private_key_of_it_is_with_us(far: Box) -> None:
    for row in IssuerKey.objects.all():
        assert (row.private, row.provider) == (None, PROVIDER) and row.reference.startswith("far/")
        assert set(row.public_jwk) <= {"kty", "crv", "x", "y"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM issuer_keys WHERE private IS NOT NULL")
        assert cursor.fetchone() == (0,)


def test_a_deployment_goes_over_to_it_by_rotating_and_back(ready: None, box: Box, settings: Any) -> None:
    (before,) = services.issue([consent()], now=NOON)
    settings.ISSUER_KEY_PROVIDERS = [PROVIDER, "software"]
    there = keys.announce(now=NOON, actor=SYSTEM)
    key_life.activate(there.kid, at_once=True, now=NOON, actor=SYSTEM)
    (far_one,) = services.issue([consent()], now=NOON)
    settings.ISSUER_KEY_PROVIDERS = ["software", PROVIDER]
    back = keys.announce(now=NOON, actor=SYSTEM)
    assert services.issue([consent()], now=NOON)  # the active one is still far, and named
    key_life.activate(back.kid, at_once=True, now=NOON, actor=SYSTEM)
    settings.ISSUER_KEY_PROVIDERS = ["software"]
    box.stop()
    (after,) = services.issue([consent()], now=NOON)
    assert [key.provider for key in IssuerKey.objects.filter(algorithm="ES256")] == ["", PROVIDER, ""]
    assert good(before.jwt) and good(far_one.jwt) and good(after.jwt)


def test_when_the_box_is_silent_nothing_is_issued_and_nothing_half_written(far: Box) -> None:
    services.issue([consent()], now=NOON)
    far.stop()
    with pytest.raises(OSError):
        services.issue([enrollment(), consent()], now=NOON)
    assert IssuedCredential.objects.count() == 1 and SignedForm.objects.count() == 2


def test_a_lost_key_of_the_box_is_replaced_and_revoked_there_as_here(far: Box, client: Client) -> None:
    services.issue([consent()], now=NOON)
    lost = keys.active()
    _, losing = key_life.revoke(lost.kid, now=NOON, actor=SYSTEM)
    assert losing == 1 and keys.active().kid != lost.kid
    assert lost.multikey not in client.get("/.well-known/did.json").content.decode()


class Odd:
    """A provider that is not what it says."""

    made = Made("odd/1", {})
    signature = b"\0" * 64

    def create(self, algorithm: str) -> Made:
        return self.made

    def signer(self, reference: str) -> Any:
        return self

    def sign(self, message: bytes) -> bytes:
        return self.signature


P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # RFC 7515, A.3


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Made("odd/1", P256), "not that of the public key"),
        (Made("odd/1", {**P256, "d": "AAAA"}), "not that of the public key"),
        (Made("odd/1", {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}), "OKP"),
        (Made("odd/1", {"kty": "oct", "k": "AAAA"}), "cannot use"),
        (Made("", P256), "0 characters"),
        (Made("x" * 501, P256), "501 characters"),
    ],
)
def test_a_key_that_is_not_what_was_asked_for_never_becomes_ours(
    ready: None, settings: Any, monkeypatch: pytest.MonkeyPatch, made: Made, words: str
) -> None:
    monkeypatch.setattr(Odd, "made", made)
    settings.ISSUER_KEY_PROVIDERS = ["tests.credentials.test_key_providers.Odd"]
    before = IssuerKey.objects.count()
    with pytest.raises(UnfitKey, match=words):
        keys.announce(now=NOON, actor=SYSTEM)
    assert IssuerKey.objects.count() == before


def test_a_provider_that_the_settings_do_not_name_is_not_even_imported(far: Box, settings: Any) -> None:
    settings.ISSUER_KEY_PROVIDERS = ["software"]
    keys._opened.cache_clear()
    with pytest.raises(UnfitKey, match="does not name"):
        keys.active()
    IssuerKey.objects.filter(algorithm=KeyAlgorithm.ES256).update(provider="os.system")
    with pytest.raises(UnfitKey, match=r"os\.system"):
        keys.active()


def test_the_commands_name_where_a_key_lives(far: Box, capsys: Any) -> None:
    call_command("keys", "list", "--json")
    for told in json.loads(capsys.readouterr().out):
        assert told["provider"] == PROVIDER and told["reference"].startswith("far/")


def test_what_the_box_offers_is_the_whole_interface() -> None:
    public = {name for name in vars(far_keys.Provider) if not name.startswith("_")}
    assert public == {name for name in vars(key_providers.KeyProvider) if not name.startswith("_")}
