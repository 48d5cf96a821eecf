"""What a program owner may have of our customers, and where it may send us."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from audit import clock
from beckn.models import Outbox, Participant
from portals import asking, trust
from sandbox.generated import OWNER
from tests.portals.conftest import Provider, begin, change

pytestmark = pytest.mark.django_db


def owner(url: str = "https://owner.example/beckn", subscriber_id: str = "owner.example") -> Participant:
    return Participant(subscriber_id=subscriber_id, url=url)


def shown_to(provider: Provider) -> bool:
    """Whether the question that was sent carries the customer's sign-in."""
    with transaction.atomic():
        change(begin(provider), lambda row: asking.select(row, token="a-token", now=clock.now()))
    return "userAuth" in Outbox.objects.filter(action="select").latest("pk").body["message"]["order"].get(
        "beckn:orderAttributes", {}
    )


def test_a_customers_sign_in_is_shown_to_our_own_owner_and_to_those_that_the_deployment_names(settings: Any):
    settings.PORTAL_TRUSTED_OWNERS = ["trusted.example"]

    assert trust.may_see_sign_in(owner(subscriber_id=OWNER))
    assert trust.may_see_sign_in(owner(subscriber_id="trusted.example"))
    assert not trust.may_see_sign_in(owner())


def test_any_other_owner_on_the_network_is_asked_without_it(provider: Provider, settings: Any):
    assert not shown_to(provider)

    settings.PORTAL_TRUSTED_OWNERS = [provider.peer.subscriber_id]
    assert shown_to(provider)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9999/metadata",
        "https://10.0.0.7/internal",
        "http://localhost/admin/",
        "https://owner.example:8443/beckn",
        "https://user@owner.example/beckn",
        "file:///etc/passwd",
        "//owner.example/x",
        "not an address",
    ],
)
def test_no_owner_sends_us_to_a_host_of_ours(url: str, settings: Any):
    settings.ALLOWED_OUTBOUND = ["127.0.0.1", "10.0.0.0/8"]

    assert not trust.may_be_asked(url, owner())


def test_an_owners_own_host_and_the_public_internet_may_be_asked(settings: Any):
    assert trust.may_be_asked("https://owner.example/documents/1", owner())
    assert trust.may_be_asked("https://93.184.216.34/texts/1", owner())
