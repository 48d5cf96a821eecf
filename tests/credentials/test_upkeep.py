"""What the worker does by the clock, and what production refuses."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import jwt
import pytest
from django.core import checks as system_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from audit import clock, log
from credentials import bootstrap, claims, keys, publishing, services, tasks, trust
from credentials.checks import issuer_is_found_at_our_address, sandbox_only, trust_is_fit_for_production
from credentials.models import KeyAlgorithm, PresentedCredential, Publication, StatusList, StatusListVersion
from credentials.presented import forget_bodies, remember
from credentials.verification import Presented, verify_presented
from tests.credentials.conftest import LISTS, NOON, PUBLISHED, enrollment

pytestmark = pytest.mark.empty_database


def at(seconds: float) -> override_settings:
    """The clock moved by that much."""
    return override_settings(CLOCK_OFFSET=seconds)


def test_the_sweep_publishes_what_has_changed(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    assert tasks.sweep(NOON) == 0
    services.revoke([issued.id], at=NOON, reason="x")
    assert (tasks.sweep(NOON), tasks.sweep(NOON)) == (1, 0)


def test_lists_are_signed_again_long_before_they_are_over(db: None) -> None:
    bootstrap.ensure()
    assert tasks.upkeep() == 0
    with at(3 * 3600 + 60):
        assert tasks.upkeep() == LISTS
        assert tasks.upkeep() == 0
        for version in StatusListVersion.objects.newest():
            payload = jwt.decode(version.body, options={"verify_signature": False})
            if version.purpose == Publication.TOKEN:
                assert payload["exp"] > clock.now().timestamp() > payload["iat"]
            else:
                assert payload["validUntil"] > claims.instant(clock.now()) and version.json_body
            assert version.valid_until > clock.now()


def test_a_worker_that_slept_a_day_has_everything_in_order_after_one_round(db: None) -> None:
    bootstrap.ensure()
    with at(86_400):
        assert tasks.upkeep() == LISTS
        assert not StatusListVersion.objects.filter(valid_until__lt=clock.now()).exists(), "what is over is forgotten"
        assert StatusListVersion.objects.count() == PUBLISHED


def test_a_clock_that_is_set_back_leaves_no_list_from_the_future(db: None) -> None:
    with at(86_400):
        bootstrap.ensure()
    assert tasks.upkeep() == LISTS
    for status_list in StatusList.objects.all():
        assert publishing.latest(status_list, "revocation").signed_at <= clock.now()  # type: ignore[union-attr]


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_lists_by_a_key_that_was_revoked_are_signed_again_in_every_form(db: None, algorithm: str) -> None:
    bootstrap.ensure()
    lost = keys.active(algorithm).kid
    keys.revoke(lost, now=clock.now(), actor=log.SYSTEM)
    assert tasks.upkeep() == LISTS
    newest = list(StatusListVersion.objects.newest())
    assert lost not in {kid for version in newest for kid in (version.kid, version.json_kid)}
    by_json_key = {version.json_kid for version in newest if version.purpose != Publication.TOKEN}
    assert by_json_key == {keys.active(KeyAlgorithm.ED25519).kid}
    assert tasks.upkeep() == 0


def test_lists_that_were_published_before_there_was_a_token_get_one(db: None) -> None:
    """A deployment that is brought up to date: its lists have neither token nor JSON yet."""
    bootstrap.ensure()
    StatusListVersion.objects.filter(purpose=Publication.TOKEN).delete()
    StatusListVersion.objects.update(json_body="", json_digest="", json_kid="")
    assert tasks.upkeep() == LISTS
    newest = StatusListVersion.objects.newest()
    assert sum(version.purpose == Publication.TOKEN for version in newest) == LISTS
    assert not StatusListVersion.objects.without_json().exists()


def test_replaced_versions_go_after_ten_minutes_and_the_newest_stay(db: None) -> None:
    bootstrap.ensure()
    publishing.publish_all(clock.now())
    assert StatusListVersion.objects.count() == 2 * PUBLISHED
    with at(9 * 60):
        tasks.upkeep()
        assert StatusListVersion.objects.count() == 2 * PUBLISHED
    with at(11 * 60):
        tasks.upkeep()
        assert StatusListVersion.objects.count() == PUBLISHED


def test_a_full_list_is_closed_kept_fresh_and_followed_by_a_new_one(db: None) -> None:
    bootstrap.ensure()
    first = StatusList.objects.get(kind="ENROLLMENT", number=1)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval('{first.sequence}', {first.size + 5})")
        cursor.execute(f"SELECT nextval('{StatusList.objects.get(kind='ENROLLMENT', number=2).sequence}')")
    assert tasks.upkeep() == 1
    first.refresh_from_db()
    assert first.closed_at is not None
    assert StatusList.objects.get(kind="ENROLLMENT", number=3).version > 0
    with at(4 * 3600):
        assert tasks.upkeep() == LISTS + 1


def test_bodies_of_presented_credentials_are_wiped_in_time(db: None) -> None:
    bootstrap.ensure()
    items = [Presented("", "", "", "something a stranger sent")]
    now = clock.now()
    remember(items, verify_presented(items, subject_did=None, now=now), now=now)
    assert forget_bodies(now) == 0
    assert PresentedCredential.objects.filter(body__isnull=False).exists()
    assert forget_bodies(now + timedelta(days=31)) == 1
    assert not PresentedCredential.objects.filter(body__isnull=False).exists()


# ── production (decision 60) ──


@pytest.mark.parametrize(
    ("issuer", "source", "only"),
    [
        ("did:web:issuer.utility.in", "manual", False),
        ("did:web:issuer.utility.in:programs:a", "manual", False),
        ("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", "manual", False),
        ("did:web:issuer.utility.in", "sandbox", True),
        ("did:example:utility-credential-issuer", "manual", True),
        ("did:web:127.0.0.1%3A8001", "manual", True),
        ("did:web:issuer.utility.in%3A8001", "manual", True),
        ("did:web:localhost", "manual", True),
        ("did:web:10.1.2.3", "manual", True),
    ],
)
def test_which_issuers_are_for_a_sandbox_only(issuer: str, source: str, only: bool) -> None:
    assert sandbox_only(issuer, source) is only


def test_production_refuses_to_start_with_a_sandboxs_trust(db: None) -> None:
    trust.add("did:web:127.0.0.1%3A8001", types=["MeterOwnershipCredential"], source="sandbox", now=NOON)
    trust.add("did:web:issuer.utility.in", types=["MeterOwnershipCredential"], now=NOON)
    assert trust_is_fit_for_production(databases=["default"]) == []
    with override_settings(DEPLOYMENT="production"):
        (problem,) = trust_is_fit_for_production(databases=["default"])
        assert problem.id == "credentials.E001" and "127.0.0.1%3A8001" in problem.msg
        found = system_checks.run_checks(tags=["database"], databases=["default"])
        assert "credentials.E001" in {each.id for each in found}
        trust.remove("did:web:127.0.0.1%3A8001", now=NOON)
        assert trust_is_fit_for_production(databases=["default"]) == []


@pytest.mark.parametrize(
    ("did", "problems"),
    [
        ("did:web:credentials.example.org", 0),
        ("did:web:elsewhere.example.org", 1),
        ("did:web:credentials.example.org:issuers:a", 1),
        ("did:example:vpp-program-owner", 0),
    ],
)
def test_a_did_that_leads_elsewhere_is_told_at_the_start(did: str, problems: int) -> None:
    with override_settings(ISSUER_DID=did, PUBLIC_URL="https://credentials.example.org"):
        assert len(issuer_is_found_at_our_address()) == problems


def test_production_takes_no_sandbox_issuer_from_the_command_line(db: None) -> None:
    words = ("trust", "add", "--issuer", "did:web:127.0.0.1%3A8001", "--resolve", "--type", "MeterOwnershipCredential")
    with override_settings(DEPLOYMENT="production"), pytest.raises(CommandError, match="sandbox"):
        call_command(*words, stdout=StringIO())
