"""Whoever holds the device tries to be the customer: an old sign-in, a code told on the telephone, a colleague's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from audit import clock
from audit.models import Event
from files.looking import NotTaken
from identity.models import Mandate, Membership, OidcSession, RateBucket
from portals.agency import cases, look_ups, papers
from portals.mandates import take_back
from portals.models import AssistedCase
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.identity import idp
from tests.portals.agency_cases import a_case, a_mandate, a_proved_case
from tests.portals.assisting import ACCOUNT, RIGHT, UTILITY, Utility, a_utility, customer, hand_over
from tests.portals.test_mandate_papers import PDF

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


def at_the_provider(browser: Client, address: str) -> dict[str, str]:
    """Choose the utility on a handed-over device; return what its provider is asked."""
    sent = browser.post(f"{address}/sign-in", {"provider": "north"})
    return {name: each[0] for name, each in parse_qs(urlsplit(sent["Location"]).query).items()}


def come_back(
    browser: Client, north: idp.IdentityProvider, asked: dict[str, str], *, now: datetime, age: int | None = 0
) -> str:
    """Come back as the customer, who signed in `age` seconds ago; return where the browser is sent then."""
    said: dict[str, Any] = {"did": "did:example:asha", "utility_customer_ids": [ACCOUNT], "aud": "portal"}
    at = None if age is None else int((now - timedelta(seconds=age)).timestamp())
    token = north.token(now, **said, nonce=asked["nonce"], auth_time=at)
    north.grants["a-code"] = {"access_token": "opaque", "expires_in": 300, "id_token": token}
    return browser.get("/oidc/callback/north", {"code": "a-code", "state": asked["state"]})["Location"]


@pytest.mark.parametrize("age", [None, 3600, 0])
def test_only_a_sign_in_made_now_on_the_device_is_the_customers(
    north: idp.IdentityProvider,
    member: Membership,
    case: AssistedCase,
    utility: Utility,
    settings: Any,
    age: int | None,
) -> None:
    """The provider may still know the customer from an earlier step, and the agent strike `prompt` from the address."""
    agents = [each for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY"]
    own = idp.ProviderSettings(north.issuer, (UTILITY,), client_id="portal", slug="north", name="North")
    settings.OIDC_PROVIDERS = [own, *agents]
    browser = signed_in_agent(member)
    address = hand_over(browser, case)
    asked = at_the_provider(browser, address)
    assert asked["prompt"] == "login"
    back = come_back(browser, north, asked, now=clock.now(), age=age)
    browser.get(f"{address}/arrived")
    is_proved = case.handovers.get().proved_at is not None
    assert is_proved == (age == 0), back
    assert ("_auth_user_id" in browser.session) == is_proved


@pytest.mark.parametrize("is_back_before", [True, False])
def test_a_device_taken_back_while_the_customer_signs_in_keeps_nothing_of_them(
    north: idp.IdentityProvider,
    member: Membership,
    case: AssistedCase,
    utility: Utility,
    settings: Any,
    is_back_before: bool,
) -> None:
    """From another device, in the moment in which the customer is at their provider, or on the way back from it."""
    agents = [each for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY"]
    own = idp.ProviderSettings(north.issuer, (UTILITY,), client_id="portal", slug="north", name="North")
    settings.OIDC_PROVIDERS = [own, *agents]
    browser, second = signed_in_agent(member), signed_in_agent(member)
    address = hand_over(browser, case)
    asked = at_the_provider(browser, address)
    if is_back_before:
        come_back(browser, north, asked, now=clock.now())
    assert second.post(f"/agency/cases/{case.pk}/take-back").status_code == 303
    if not is_back_before:
        assert come_back(browser, north, asked, now=clock.now()).startswith("/oidc/ended/used")
    left = browser.get(f"{address}/arrived")
    assert left["Location"] in (address, f"{address}/back"), left["Location"]
    assert "_auth_user_id" not in browser.session
    assert browser.get("/enrolments")["Location"].startswith("/oidc/sign-in")
    assert not OidcSession.objects.filter(issuer=north.issuer, ended_at=None).exists()
    assert browser.get("/agency/sign-in").status_code == 200, "and the agent may come back"


def test_a_code_asked_for_on_a_handed_over_device_names_who_has_handed_it_over(
    member: Membership, case: AssistedCase, utility: Utility
) -> None:
    """Told on the telephone it would open the customer's agreements to whoever holds the device."""
    browser = signed_in_agent(member)
    hand_over(browser, case)
    assert browser.post("/oidc/meter", {"provider": UTILITY, "number": f"MTR-{ACCOUNT}"}).status_code == 303
    [asked] = utility.sent
    assert (asked.agency, asked.agent) == (case.agency.name, member.name)
    assert asked.program and asked.ending == ACCOUNT[-4:]
    assert Client().post("/oidc/meter", {"provider": UTILITY, "number": f"MTR-{ACCOUNT}"}).status_code == 303
    assert (utility.sent[-1].agency, utility.sent[-1].agent) == ("", ""), "nobody helps who is alone"


def test_a_code_that_was_sent_in_one_agents_name_agrees_to_no_other(
    member: Membership, case: AssistedCase, utility: Utility
) -> None:
    sender, colleague = signed_in_agent(member), a_member("op-2")
    assert sender.post(f"/agency/cases/{case.pk}/code", {"send": "", "number": "1"}).status_code == 303
    cases.assign(case, colleague, by=member, now=clock.now())
    theirs = signed_in_agent(colleague)
    assert theirs.post(f"/agency/cases/{case.pk}/code", {"code": RIGHT}).status_code == 422
    assert not Mandate.objects.exists()
    assert theirs.post(f"/agency/cases/{case.pk}/code", {"send": "", "number": "1"}).status_code == 303
    assert [each.agent for each in utility.sent] == [member.name, colleague.name]
    assert theirs.post(f"/agency/cases/{case.pk}/code", {"code": RIGHT}).status_code == 303
    assert Mandate.objects.get().operator_id == colleague.operator_id


def test_nobody_who_was_stopped_meanwhile_gets_a_journey(
    member: Membership, case: AssistedCase, utility: Utility
) -> None:
    """As of a paper that waited for its review: the case is nobody's then, and the paper names who was stopped."""
    subject = customer().subject
    assert subject is not None
    mandate = a_mandate(member, subject, evidence="DOCUMENT", now=clock.now())
    AssistedCase.objects.filter(pk=case.pk).update(operator=None)
    Membership.objects.filter(pk=member.pk).update(suspended_at=clock.now())
    with pytest.raises(cases.NotPossible):
        cases.proved(case, subject, mandate, now=clock.now())
    assert AssistedCase.objects.get(pk=case.pk).application is None


def test_whose_case_it_is_no_more_declares_nothing(member: Membership) -> None:
    case = a_proved_case(member)
    cases.assign(case, None, by=None, now=clock.now())
    with pytest.raises(cases.NotPossible):
        cases.declared(case, by=member, now=clock.now())


def test_who_works_for_two_agencies_has_no_more_look_ups_by_changing_between_them(
    member: Membership, utility: Utility
) -> None:
    other = a_member("op-1", agency=an_agency("ea-002"), user=member.user)
    stranger, now = a_member("op-3"), clock.now()

    def miss(who: Membership, at: datetime) -> None:
        looked_up = {"account": "UTIL-CUST-9099", "reason": "AT_DESK"}
        assert look_ups.look_up(who, UTILITY, looked_up, program_id="p", now=at) == "NO_MATCH"

    for number in range(look_ups.SLOW):
        miss((member, other)[number % 2], now)
    for who in (member, other):
        with pytest.raises(look_ups.TooSoon):
            look_ups.allow(who, now)
    for missed in range(look_ups.SLOW, look_ups.STOP):
        now += look_ups.FIRST_WAIT * 2 ** (missed - look_ups.SLOW)
        miss((member, other)[missed % 2], now)
    assert look_ups.is_stopped(member, now) and look_ups.is_stopped(other, now)
    look_ups.allow(stranger, now)
    where = member if look_ups.stopped_of(member.agency, now) else other
    elsewhere = other if where == member else member
    look_ups.release(elsewhere, by=a_member("op-9", role="MANAGER", agency=elsewhere.agency), now=now)
    assert look_ups.is_stopped(elsewhere, now), "only where they were stopped they are let go on"
    look_ups.release(where, by=a_member("op-8", role="MANAGER", agency=where.agency), now=now)
    assert not look_ups.is_stopped(elsewhere, now)


def test_a_number_of_a_file_is_tried_out_by_no_paper(member: Membership, utility: Utility) -> None:
    """Nobody looked it up: asking who holds it is a look-up, in the journal, counted and stopped as any other."""
    now = clock.now()
    for number in range(look_ups.SLOW):
        case = a_case(member, state="PROVING", source="IMPORT", looked_up={"account": f"UTIL-CUST-90{number}"})
        taken = papers.upload(case, member, PDF, now=now)
        assert isinstance(taken, NotTaken) and taken.code == "NO_HOLDER"
    assert Event.objects.filter(action="customer.looked_up", object_id=str(member.pk)).count() == look_ups.SLOW
    case = a_case(member, state="PROVING", source="IMPORT", looked_up={"account": ACCOUNT})
    taken = papers.upload(case, member, PDF, now=now)
    assert isinstance(taken, NotTaken) and taken.code == "TOO_SOON"
    assert len(utility.looked_up) == look_ups.SLOW


def test_a_code_agrees_once_also_when_the_customer_has_taken_their_word_back_since(
    member: Membership, case: AssistedCase, utility: Utility
) -> None:
    agent = signed_in_agent(member)
    agent.post(f"/agency/cases/{case.pk}/code", {"send": "", "number": "1"})
    assert agent.post(f"/agency/cases/{case.pk}/code", {"code": RIGHT}).status_code == 303
    take_back(Mandate.objects.get(), now=clock.now())
    assert AssistedCase.objects.get(pk=case.pk).state == "PROVING"
    for code in (RIGHT, "000000"):
        assert agent.post(f"/agency/cases/{case.pk}/code", {"code": code}).status_code == 422, code
    assert Mandate.objects.count() == 1
    assert AssistedCase.objects.get(pk=case.pk).state == "PROVING"


@pytest.mark.parametrize("address", ["/hand-over/link/", "/mandates/", "/not-me/"])
def test_the_log_has_no_address_that_opens_anything(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="web"):
        Client().get(f"{address}a-secret-token-of-a-letter")
    paths = [getattr(each, "path", "") for each in caplog.records if each.name == "web"]
    assert paths and all(each.startswith(address) and "secret" not in each for each in paths), paths


def test_a_case_whose_enrolment_is_being_confirmed_is_not_dropped(member: Membership) -> None:
    """It would be done all the same, and the agency's figures would say that the customer had left."""
    case = a_proved_case(member, journey={"state": "CONFIRMING"})
    signed_in_agent(member).post(f"/agency/cases/{case.pk}/drop-case", {"drop": "yes"})
    assert AssistedCase.objects.get(pk=case.pk).state == "OPEN"


def test_codes_to_the_numbers_of_a_file_are_limited_as_look_ups_are(member: Membership, utility: Utility) -> None:
    agent, key = signed_in_agent(member), f"{look_ups.OF_AGENT.name}:{member.pk}"
    case = a_case(member, state="PROVING", source="IMPORT", looked_up={"account": ACCOUNT})
    RateBucket.objects.create(key=key, tokens=0, at=clock.now() + timedelta(hours=1))
    assert agent.post(f"/agency/cases/{case.pk}/code", {"send": "", "number": "1"}).status_code == 429
    assert not utility.sent
    RateBucket.objects.filter(key=key).delete()
    assert agent.post(f"/agency/cases/{case.pk}/code", {"send": "", "number": "1"}).status_code == 303
    assert len(utility.sent) == 1 and not utility.looked_up, "and whether there is such a customer, nobody was asked"
