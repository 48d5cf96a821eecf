"""Agencies' people sign in at their own provider, over HTTP, as a browser does it: both steps, every time anew where
it has to be, and nobody's customer by it."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.bap import http
from tests.identity.visiting import AGENCIES, A, Visitor
from tests.stack import Stack

MEMBER = (
    "SELECT a.agency_id, m.operator_id FROM agency_memberships m JOIN agencies a ON a.id = m.agency_id"
    " JOIN oidc_sessions o ON o.user_id = m.user_id WHERE o.session_key = %s AND o.ended_at IS NULL ORDER BY 1"
)
PAGE = "/agency/members"


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def test_an_agent_signs_in_with_both_steps_and_is_nobodys_customer(visitor: Visitor) -> None:
    asked = parse_qs(urlsplit(visitor.begin(AGENCIES, page="/agency/sign-in")).query)
    assert asked["acr_values"] == ["2"]
    page = visitor.sign_in_agent("op-1")
    assert page.status == 200, page
    assert visitor.stack.sql(MEMBER, visitor.session) == [("ea-001", "op-1")]
    subject = (
        "SELECT u.subject_id, o.acr FROM users u JOIN oidc_sessions o ON o.user_id = u.id WHERE o.session_key = %s"
    )
    assert visitor.stack.sql(subject, visitor.session) == [(None, "2")]
    assert visitor.get("/oidc/account").to == "/agency/"
    assert visitor.get("/enrolments").to.startswith("/oidc/sign-in")


def test_a_lapsed_agent_is_told_so_and_gets_no_further(visitor: Visitor) -> None:
    page = visitor.sign_in_agent("op-2", next=PAGE)
    assert page.to == "/agency/blocked"
    blocked = visitor.get("/agency/blocked")
    assert (blocked.status, blocked.heading) == (403, "Your certificate as an agent has ended")
    assert "30 June 2024" in blocked.text or "1 July 2024" in blocked.text


def test_somebody_of_the_provider_without_a_membership_is_told_what_to_do(visitor: Visitor) -> None:
    page = visitor.sign_in_agent("newcomer", next=PAGE)
    asked = visitor.get(page.to)
    assert (asked.status, asked.heading) == (403, "You are not a member of an agency here")


def test_who_works_for_two_agencies_chooses(visitor: Visitor) -> None:
    page = visitor.sign_in_agent("both")
    page = visitor.get(page.to)
    assert page.to.startswith("/agency/choose")
    choosing = visitor.get(page.to)
    assert "Sandbox Enrolment Agency" in choosing.text and "Second Enrolment Agency" in choosing.text
    [(pk,)] = visitor.stack.sql(
        "SELECT m.id FROM agency_memberships m JOIN agencies a ON a.id = m.agency_id"
        " WHERE a.agency_id = 'ea-002' AND m.operator_id = 'op-5'"
    )
    assert visitor.post("/agency/choose", agency=str(pk)).to == "/agency/"
    assert "Second Enrolment Agency" in visitor.get("/agency/choose").text


def test_a_second_factor_is_asked_for_again_though_the_provider_still_knows_the_agent(visitor: Visitor) -> None:
    visitor.sign_in_agent("op-1")
    times = "SELECT auth_time FROM oidc_sessions WHERE session_key = %s AND ended_at IS NULL"
    [(before,)] = visitor.stack.sql(times, visitor.session)
    sent = visitor.post("/agency/step-up", next="/agency/blocked")
    asked = parse_qs(urlsplit(sent.to).query)
    assert (asked["prompt"], asked["acr_values"], asked["max_age"]) == (["login"], ["2"], ["300"])
    codes = len(_outbox(visitor))
    back = visitor.at(AGENCIES).sign_in(sent.to, "op-1")
    assert len(_outbox(visitor)) == codes + 1, "password and code, not the provider's cookie"
    assert visitor.get(back).to == "/agency/blocked"
    [(after,)] = visitor.stack.sql(times, visitor.session)
    assert after >= before


def test_a_colleague_cannot_take_the_second_step_for_an_agent(visitor: Visitor) -> None:
    visitor.sign_in_agent("op-1")
    sent = visitor.post("/agency/step-up")
    back = Visitor(visitor.stack).at(AGENCIES).sign_in(sent.to, "reviewer")
    assert visitor.get(back).ending == "other-person"
    assert visitor.stack.sql(MEMBER, visitor.session) == [("ea-001", "op-1")]


def test_an_old_sign_in_of_the_provider_is_none_where_a_new_one_was_asked_for(visitor: Visitor) -> None:
    """The browser leaves the prompt out, and the provider's cookie answers without asking anybody."""
    visitor.sign_in_agent("op-1")
    time.sleep(6)  # longer than two clocks may differ (identity.oidc.backend.SAME_MOMENT)
    sent = visitor.post("/agency/step-up")
    silent = sent.to.replace("&prompt=login", "").replace("&max_age=300", "")
    back = visitor.at(AGENCIES).sign_in(silent, "op-1")
    assert visitor.get(back).ending == "too-weak"


def test_a_customers_sign_in_ends_the_agents_and_the_other_way_round(visitor: Visitor) -> None:
    visitor.sign_in_agent("op-1")
    visitor.sign_in("rajesh", A)
    assert visitor.get(PAGE).to.startswith("/agency/sign-in")
    visitor.sign_in_agent("op-1")
    assert visitor.get("/enrolments").to.startswith("/oidc/sign-in")


def _outbox(visitor: Visitor) -> list[dict[str, object]]:
    headers = {"Accept": "application/json"}
    return list(http("GET", f"{visitor.stack.agencies_url()}/outbox", headers=headers).body["messages"])
