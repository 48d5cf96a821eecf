"""What production refuses of the network's side, one test each (decision 60)."""

import pytest

from audit import clock
from beckn import checks, participants
from beckn.models import Source
from config.env import BecknIdentity, BecknKey
from tests.bap import Bap
from tests.beckn.test_signatures import KEY_2, SEED_2


@pytest.fixture(autouse=True)
def production(settings):
    settings.DEPLOYMENT = "production"
    settings.BECKN_TTL_POLICY = "nack"
    settings.BECKN_IDENTITIES = [
        each.model_copy(update={"uri": f"https://{each.subscriber_id}/beckn"}) for each in settings.BECKN_IDENTITIES
    ]


def found() -> list[str]:
    return [message.id for message in checks.settings_are_fit_for_production()]


def found_in_database() -> list[str]:
    return [message.id for message in checks.participants_are_fit_for_production(databases=["default"])]


def add(**more) -> None:
    peer = Bap()
    values = {"subscriber_id": "bap.example", "url": "https://bap.example/beckn", "key_id": "k", "now": clock.now()}
    participants.add(**{"public_key": peer.public_key, **values, **more})


def test_a_deployment_that_is_fit_is_not_refused(db):
    add()
    assert found() == []
    assert found_in_database() == []


def test_unsigned_mode_is_refused(settings):
    settings.BECKN_REQUIRE_SIGNATURE = False
    assert found() == ["beckn.E001"]


def test_a_ttl_policy_that_is_off_is_refused(settings):
    settings.BECKN_TTL_POLICY = "off"
    assert found() == ["beckn.E002"]


def test_a_published_test_key_of_our_own_is_refused(settings):
    key = BecknKey(key_id="k", seed=SEED_2, public_key=Bap().public_key)
    us = BecknIdentity(subscriber_id="us.example", role="owner", uri="https://us.example/beckn", keys=(key,))
    settings.BECKN_IDENTITIES = [us]
    assert found() == ["beckn.E003"]


def test_an_address_of_ours_without_tls_is_refused(settings):
    plain = settings.BECKN_IDENTITIES[0].model_copy(update={"uri": "http://us.example"})
    settings.BECKN_IDENTITIES = [plain]
    assert found() == ["beckn.E004"]


def test_a_sandbox_participant_is_refused(db):
    add(source=Source.SANDBOX)
    assert found_in_database() == ["beckn.E005"]


def test_a_participant_with_a_published_test_key_is_refused(db):
    add(public_key=KEY_2)
    assert found_in_database() == ["beckn.E006"]


def test_a_callback_address_without_tls_is_refused(db):
    add(url="http://bap.example/beckn")
    assert found_in_database() == ["beckn.E007"]


def test_a_sandbox_is_left_alone(db, settings):
    settings.DEPLOYMENT, settings.BECKN_TTL_POLICY = "sandbox", "off"
    add(source=Source.SANDBOX, public_key=KEY_2)
    assert found() == found_in_database() == []
