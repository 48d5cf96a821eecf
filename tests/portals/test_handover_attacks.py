"""Whoever holds the device tries to be the customer: an old sign-in, a code told on the telephone, a colleague's code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from audit import clock
from identity.models import Mandate, Membership
from portals.models import AssistedCase, Handover
from tests.agencies import a_member, signed_in_agent
from tests.identity import idp
from tests.portals.agency_cases import a_case
from tests.portals.assisting import ACCOUNT, UTILITY, Utility, a_utility, hand_over

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def north() -> Iterator[idp.IdentityProvider]:
    with idp.running() as provider:
        yield provider


@pytest.fixture
def utility() -> Iterator[Utility]:
    with a_utility() as found:
        yield found


@pytest.fixture
def member() -> Membership:
    return a_member("op-1")


@pytest.fixture
def case(member: Membership) -> AssistedCase:
    return a_case(member, state="PROVING", looked_up={"account": ACCOUNT, "reason": "AT_DESK"})


@pytest.mark.parametrize("age", [None, 3600, 0])
def test_only_a_sign_in_made_now_on_the_device_is_the_customers(
    north: idp.IdentityProvider, member: Membership, case: AssistedCase, utility: Utility, settings: Any, age: int | None
) -> None:
    """The provider may still know the customer from an earlier step, and the agent strike `prompt` from the address."""
    agents = [each for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY"]
    own = idp.ProviderSettings(north.issuer, (UTILITY,), client_id="portal", slug="north", name="North")
    settings.OIDC_PROVIDERS = [own, *agents]
    browser = signed_in_agent(member)
    address = hand_over(browser, case)
    sent = browser.post(f"{address}/sign-in", {"provider": "north"})
    asked = {name: each[0] for name, each in parse_qs(urlsplit(sent["Location"]).query).items()}
    assert asked["prompt"] == "login"
    now = clock.now()
    said = {"did": "did:example:asha", "utility_customer_ids": [ACCOUNT], "aud": "portal", "nonce": asked["nonce"]}
    at = None if age is None else int((now - timedelta(seconds=age)).timestamp())
    token = north.token(now, **said, auth_time=at)
    north.grants["a-code"] = {"access_token": "opaque", "expires_in": 300, "id_token": token}
    back = browser.get("/oidc/callback/north", {"code": "a-code", "state": asked["state"]})
    browser.get(f"{address}/arrived")
    is_proved = case.handovers.get().proved_at is not None
    assert is_proved == (age == 0), back["Location"]
    assert ("_auth_user_id" in browser.session) == is_proved
