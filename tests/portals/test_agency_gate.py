"""The gate of the agencies' portal (A1): who comes in, what stops somebody, and that it does at the next request.

The addresses are those of the access table: one that is added is walked from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from audit import clock
from audit.models import Event
from identity import agents, links
from identity.access import TABLE, Who
from identity.models import Agency, Membership, OidcSession, Subject, User
from tests.agencies import a_member, an_agency, provider, sign_in, signed_in_agent

pytestmark = pytest.mark.django_db
BACKEND = "identity.oidc.backend.Backend"


def addresses() -> Iterator[tuple[str, str]]:
    """(name, address) of every page that is for agents, with ids of nothing."""
    for name, who in TABLE.items():
        if who is not Who.AGENT:
            continue
        found = get_resolver().reverse_dict.getlist(name)
        if not found:  # a name without an address: that is for tests/identity/test_access.py to say
            continue
        wanted = found[0][0][0][1]
        values = {each: uuid4() if each.endswith("_id") else 1 for each in wanted}
        for kwargs in (values, dict.fromkeys(wanted, 1), dict.fromkeys(wanted, "LEAVE"), values | {"asks": "LEAVE"}):
            try:
                yield name, reverse(name, kwargs=kwargs)
                break
            except Exception:
                continue


def everything(client: Client, method: str = "get") -> dict[str, Any]:
    return {name: getattr(client, method)(address) for name, address in addresses()}


def assert_all_lead_to(answers: dict[str, Any], address: str) -> None:
    assert answers
    for name, answer in answers.items():
        assert answer.status_code in (302, 303), (name, answer.status_code)
        assert answer["Location"].startswith(address), (name, answer["Location"])


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_has_not_signed_in_gets_no_further_than_the_sign_in(method: str):
    assert_all_lead_to(everything(Client(), method), "/agency/sign-in")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_customer_is_no_agent_and_staff_is_none_either(method: str):
    customer = User.objects.create(username="c", sub="c", subject=Subject.objects.create(did="did:example:c"))
    for user in (customer, User.objects.create_superuser("operator", "a long enough password")):
        client = Client()
        client.force_login(user, backend=BACKEND)
        assert_all_lead_to(everything(client, method), "/agency/sign-in")


def test_a_sign_in_with_one_step_opens_nothing_and_is_asked_for_the_second():
    client = signed_in_agent(a_member(), acr="1")
    assert_all_lead_to(everything(client), "/agency/sign-in")
    page = client.get("/agency/sign-in?next=/agency/x")
    assert (page.status_code, page["Location"]) == (303, "/agency/step-up?next=%2Fagency%2Fx")
    assert b"both steps" in client.get("/agency/step-up").content


def test_an_agency_may_want_more_than_its_provider():
    member = a_member(agency=an_agency(minimum_acr="3"))
    assert_all_lead_to(everything(signed_in_agent(member)), "/agency/sign-in")
    assert agents.standing(_request(signed_in_agent(member, acr="3"))).state is agents.State.MEMBER


SUSPENSIONS: dict[str, tuple[type, dict[str, Any], str, str]] = {
    "agency suspended": (Agency, {"suspended_at": -1, "suspended_by": "UTILITY"}, "agency is suspended", "North Grid"),
    "agency suspended by us": (Agency, {"suspended_at": -1, "suspended_by": "OWNER"}, "suspended", "who run this"),
    "agency not certified yet": (Agency, {"certified_from": 1}, "not certified yet", "North Grid"),
    "agency's certificate over": (Agency, {"certified_until": -1}, "certificate has ended", "North Grid"),
    "member suspended": (Membership, {"suspended_at": -1}, "You are suspended", "North Grid"),
    "member switched off": (Membership, {"active": False, "switched_off_at": -1}, "switched off", "+91 80 0000 0100"),
    "member's certificate over": (
        Membership,
        {"certified_until": -1, "trained_on": "2024-01-15"},
        "as an agent has ended",
        "A manager",
    ),
}


@pytest.mark.parametrize("what", SUSPENSIONS)
def test_who_is_stopped_with_an_open_session_is_told_at_the_next_request_and_does_nothing_more(what: str):
    model, changes, title, contact = SUSPENSIONS[what]
    member = a_member()
    client = signed_in_agent(member)
    assert client.get("/agency/sign-in")["Location"] == "/agency/", "nothing stops them yet"
    now = clock.now()
    said = {key: now + timedelta(hours=value) if type(value) is int else value for key, value in changes.items()}
    model._default_manager.filter(pk=member.agency_id if model is Agency else member.pk).update(**said)  # type: ignore[attr-defined]
    for method in ("get", "post"):
        assert_all_lead_to(everything(client, method), "/agency/blocked")
    page = client.get("/agency/blocked")
    text = page.content.decode()
    assert page.status_code == 403
    assert title in text and contact in text
    assert "Since" in text or "Until" in text
    assert "not known" not in text


def test_who_is_not_stopped_is_not_kept_on_the_page_of_those_who_are():
    assert signed_in_agent(a_member()).get("/agency/blocked")["Location"] == "/agency/"


def test_the_agencys_people_are_nobodys_customers():
    member = a_member()
    client = signed_in_agent(member)
    for address in ("/my-data", "/enrolments", "/matrix"):
        answer = client.get(address)
        assert answer.status_code in (302, 404), (address, answer.status_code)
    assert client.get(reverse("portal-enrolments"))["Location"].startswith("/oidc/sign-in")
    assert client.get(reverse("oidc-link"))["Location"].startswith("/oidc/sign-in")
    assert client.get(reverse("oidc-account"))["Location"] == "/agency/"
    assert client.post(reverse("oidc-link"), {"provider": "utility-example-001"}).status_code == 302
    with pytest.raises(links.LinkOver):
        links.start(_request(client), provider(), now=clock.now())
    assert member.user is not None and User.objects.get(pk=member.user.pk).subject is None


def test_customers_are_not_offered_the_agencies_sign_in_and_cannot_choose_it():
    client = Client()
    assert "Agencies" not in client.get("/oidc/sign-in").content.decode()
    assert client.post("/oidc/sign-in", {"provider": "agencies"}).status_code == 422
    page = client.get("/agency/sign-in").content.decode()
    assert "North Grid" not in page and "Agencies" in page


def test_a_user_without_a_membership_is_told_what_to_do():
    user = User.objects.create(username="n", issuer=provider().issuer, sub="n")
    client = sign_in(user, Client())
    assert_all_lead_to(everything(client), "/agency/sign-in")
    page = client.get("/agency/sign-in")
    assert page.status_code == 403
    assert "Ask a manager of your agency for an invitation" in page.content.decode()


def test_a_membership_at_an_agency_with_another_provider_opens_nothing():
    member = a_member(agency=an_agency("ea-009", sign_in_issuer="https://elsewhere.example"))
    assert_all_lead_to(everything(signed_in_agent(member)), "/agency/sign-in")


def test_who_works_for_two_agencies_chooses_and_can_change():
    first = a_member()
    second = a_member(agency=an_agency("ea-002"), user=first.user)
    stranger = a_member("op-9", agency=an_agency("ea-003"))
    client = signed_in_agent(first)
    assert_all_lead_to(everything(client), "/agency/sign-in")
    assert client.get("/agency/sign-in")["Location"].startswith("/agency/choose")
    assert client.post("/agency/choose", {"agency": stranger.pk}).status_code == 422
    assert client.post("/agency/choose", {}).status_code == 422
    chosen = client.post("/agency/choose", {"agency": second.pk, "next": "/agency/x"})
    assert chosen["Location"] == "/agency/x"
    assert agents.of(_request(client)) == second
    client.post("/agency/choose", {"agency": first.pk})
    assert agents.of(_request(client)) == first
    lines = Event.objects.filter(action="agency.entered").order_by("pk").values_list("actor_id", flat=True)
    assert list(lines) == ["ea-002", "ea-001"]


def test_a_suspension_of_one_agency_leaves_the_other_one_open():
    first = a_member()
    second = a_member(agency=an_agency("ea-002", suspended_at=clock.now()), user=first.user)
    client = signed_in_agent(first)
    client.post("/agency/choose", {"agency": second.pk})
    assert "Work for another agency" in client.get("/agency/blocked").content.decode()
    client.post("/agency/choose", {"agency": first.pk})
    assert agents.of(_request(client)) == first


def test_a_factor_is_fresh_for_five_minutes():
    now = clock.now()
    for minutes, is_fresh in ((0, True), (5, True), (6, False)):
        client = signed_in_agent(a_member(f"op-{minutes}"), auth_time=now - timedelta(minutes=minutes))
        assert agents.has_fresh_factor(_request(client), now) is is_fresh, minutes
    without = signed_in_agent(a_member("op-none"), auth_time=None)
    assert agents.has_fresh_factor(_request(without), now) is False


def test_when_somebody_was_last_here_is_kept_to_five_minutes():
    member = a_member()
    now = clock.now()
    agents.seen(member, now)
    member.refresh_from_db()
    agents.seen(member, now + timedelta(minutes=2))
    member.refresh_from_db()
    assert member.last_seen_at == now
    agents.seen(member, now + timedelta(minutes=5))
    member.refresh_from_db()
    assert member.last_seen_at == now + timedelta(minutes=5)


def test_an_agencys_name_and_certificate_stand_on_its_pages():
    client = signed_in_agent(a_member(agency=an_agency(name="Fair Help", certified_until=clock.now())))
    text = client.get("/agency/blocked").content.decode()
    assert "Fair Help" in text


def test_signing_in_anew_is_a_question_of_its_own():
    member = a_member()
    client = signed_in_agent(member, auth_time=clock.now() - timedelta(minutes=20))
    page = client.get(agents.begin_fresh_address("/agency/x"))
    assert page.status_code == 200 and "Sign in again" in page.content.decode()
    assert 'name="fresh" value="1"' in page.content.decode()
    fresh = signed_in_agent(a_member("op-2"))
    assert fresh.get(agents.begin_fresh_address("/agency/x"))["Location"] == "/agency/x"


def test_next_leads_to_nobody_elses_pages():
    client = signed_in_agent(a_member())
    assert client.get("/agency/sign-in?next=https://evil.example/")["Location"] == "/agency/"
    assert client.get("/agency/sign-in?next=//evil.example/")["Location"] == "/agency/"


def _request(client: Client) -> Any:
    """A request as this browser would send it."""
    from django.contrib.auth import get_user
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.session = client.session
    request.user = get_user(request)
    return request


def test_a_sign_in_that_ended_at_the_provider_ends_here():
    member = a_member()
    client = signed_in_agent(member)
    OidcSession.objects.update(ended_at=clock.now(), ended_by="PROVIDER", tokens=None, claims=None)
    assert_all_lead_to(everything(client), "/agency/sign-in")


def test_who_signs_out_is_led_back_to_the_agents_sign_in_and_a_sign_in_that_failed_too():
    client = signed_in_agent(a_member())
    client.post("/oidc/sign-out")
    assert 'href="/agency/sign-in"' in client.get("/oidc/signed-out").content.decode()
    for ending in ("too-weak", "cancelled", "other-person", "used", "unavailable"):
        page = Client().get(f"/oidc/ended/{ending}?next=/agency/x").content.decode()
        assert 'href="/agency/sign-in?next=%2Fagency%2Fx"' in page, ending
    assert "ask a manager of your agency" in Client().get("/oidc/ended/cancelled?next=/agency/").content.decode()
    assert "agency" not in Client().get("/oidc/ended/cancelled").content.decode()
