"""The device in the customer's hands, and links to them: the customer's own proof, and no way around it (A5, A7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from audit import clock
from audit.models import Event
from beckn.models import Outbox
from identity.models import Mandate, Membership, OidcSession, User
from portals.agency import cases, handovers
from portals.models import Application, AssistedCase, Handover
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import a_case, a_program, a_proved_case
from tests.portals.assisting import (
    ACCOUNT,
    UTILITY,
    Utility,
    a_utility,
    customer,
    fields,
    hand_over,
    sign_in_here,
)
from tests.portals.consent_journeys import READINGS

pytestmark = pytest.mark.django_db
OTHER_PLACES = (
    "/agency/",
    "/agency/new",
    "/agency/sign-in",
    "/enrolments",
    "/",
    "/admin/",
    "/oidc/account",
    "/oidc/sign-in",
)


@pytest.fixture
def utility() -> Iterator[Utility]:
    with a_utility() as found:
        yield found


@pytest.fixture
def member() -> Membership:
    return a_member("op-1")


@pytest.fixture
def agent(member: Membership) -> Client:
    return signed_in_agent(member)


@pytest.fixture
def case(member: Membership) -> AssistedCase:
    return a_case(member, state="PROVING", looked_up={"account": ACCOUNT, "reason": "AT_DESK"})


def fresh(case: AssistedCase) -> AssistedCase:
    return AssistedCase.objects.get(pk=case.pk)


def acts(case: AssistedCase) -> list[str]:
    return list(Event.objects.filter(object_id=str(case.pk)).order_by("pk").values_list("action", flat=True))


def agree(browser: Client, address: str, answer: str = "yes") -> None:
    page = browser.get(address)
    assert page.status_code == 200, page
    assert browser.post(f"{address}/answer", {"answer": answer, **fields(page)}).status_code == 303


def test_the_customers_yes_on_the_agents_device_begins_the_journey(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    assert agent.get(f"{address}/arrived").status_code == 303
    agree(agent, address)

    done = fresh(case)
    application = done.application
    assert application is not None and done.state == "OPEN" and done.subject == application.subject
    assert (application.agency_id, application.operator_id) == ("ea-001", member.operator_id)
    mandate = Mandate.objects.get(mandate_id=application.mandate_id)
    assert (mandate.evidence_kind, mandate.state, mandate.acr) == ("OIDC", "ACTIVE", "1")
    assert mandate.text_digest and mandate.program_id == case.program.program_id
    sent = Outbox.objects.get(action="select", transaction_id=application.transaction_id)
    assert sent.sender_id == done.agency.portal_id
    assert [each for each in acts(case) if each.startswith(("handover", "assisted"))] == [
        "handover.opened",
        "handover.proved",
        "handover.answered",
        "assisted.proved",
        "handover.ended",
    ]


def test_handing_over_leaves_nothing_of_the_agents_in_the_browser(
    agent: Client, case: AssistedCase, member: Membership
):
    before = agent.session.session_key
    hand_over(agent, case)
    assert agent.session.session_key != before
    assert "_auth_user_id" not in agent.session
    assert not OidcSession.objects.filter(user=member.user, ended_at=None).exists()


def test_a_handed_over_browser_opens_nothing_but_the_handover(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    for place in (*OTHER_PLACES, f"/agency/cases/{case.pk}", f"/agency/cases/{case.pk}/proof"):
        assert agent.get(place)["Location"] == address, place
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    for place in (*OTHER_PLACES, f"/agency/cases/{case.pk}", "/matrix", "/my-data"):
        assert agent.get(place)["Location"] == address, place


@pytest.mark.parametrize("lost", ["handed_over", "session"])
def test_a_browser_that_loses_one_of_its_marks_is_still_held(
    agent: Client, case: AssistedCase, utility: Utility, lost: str
):
    address = hand_over(agent, case)
    if lost == "handed_over":
        sign_in_here(agent, customer())
        agent.get(f"{address}/arrived")
    names = [each for each in agent.cookies if each.startswith(lost)]
    for name in names:
        del agent.cookies[name]
    assert names
    assert agent.get("/enrolments")["Location"] == address
    assert agent.get("/agency/")["Location"] == address


def test_before_the_customer_has_signed_in_the_pages_say_nothing_of_them(agent: Client, case: AssistedCase):
    customer()
    address = hand_over(agent, case)
    for page in (address, f"{address}/back", f"{address}/answer", f"{address}/consents/1"):
        answer = agent.get(page, follow=True)
        text = answer.content.decode()
        assert "Asha" not in text and ACCOUNT not in text, page
    assert agent.post(f"{address}/answer", {"answer": "yes"}).status_code == 303
    assert fresh(case).application is None and not Mandate.objects.exists()


def test_p4_2_somebody_else_who_signs_in_answers_and_sees_nothing_and_the_agent_is_told(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    address = hand_over(agent, case)
    sign_in_here(agent, customer("did:example:other", "UTIL-CUST-2002", "Other Person"))
    assert agent.get(f"{address}/arrived").status_code == 303
    page = agent.get(address)
    assert "This is about somebody else" in page.content.decode() and "Other" not in page.content.decode()
    assert "_auth_user_id" not in agent.session
    agent.post(f"{address}/answer", {"answer": "yes"})
    assert fresh(case).application is None
    assert "handover.other_person" in acts(case)

    agent.post(f"{address}/finish")
    told = signed_in_agent(member).get(f"/agency/cases/{case.pk}/proof").content.decode()
    assert "Somebody else signed in" in told


def test_a_sign_in_at_another_utility_is_nobodys_word_for_this_ones_customer(
    agent: Client, case: AssistedCase, utility: Utility
):
    address, user = hand_over(agent, case), customer()
    others = next(each.issuer for each in settings.OIDC_PROVIDERS if each.utilities and UTILITY not in each.utilities)
    for issuer in (others, "urn:one-time-code:utility-example-002"):
        User.objects.filter(pk=user.pk).update(issuer=issuer)
        user.refresh_from_db()
        sign_in_here(agent, user)
        agent.get(f"{address}/arrived")
        assert "This is about somebody else" in agent.get(address).content.decode(), issuer
        agent.post(f"{address}/answer", {"answer": "yes"})
    assert fresh(case).application is None and not Mandate.objects.exists()


def test_the_right_customer_may_sign_in_after_somebody_else(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    sign_in_here(agent, customer("did:example:other", "UTIL-CUST-2002"))
    agent.get(f"{address}/arrived")
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    agree(agent, address)
    assert fresh(case).state == "OPEN"


def test_p4_4_a_no_is_kept_and_begins_nothing(agent: Client, case: AssistedCase, utility: Utility, member: Membership):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    agree(agent, address, "no")
    assert fresh(case).application is None and not Mandate.objects.exists()
    assert "The customer said no" in signed_in_agent(member).get(f"/agency/cases/{case.pk}/proof").content.decode()


def test_the_answer_sent_twice_counts_once(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    form = {"answer": "yes", **fields(agent.get(address))}
    agent.post(f"{address}/answer", form)
    assert agent.post(f"{address}/answer", form)["Location"] == f"{address}/back"
    assert Mandate.objects.count() == Application.objects.count() == 1


def test_words_that_changed_since_they_were_read_are_not_agreed_to(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    assert agent.post(f"{address}/answer", {"answer": "yes", "digest": "0" * 64}).status_code == 409
    assert not Mandate.objects.exists()


def test_the_agent_comes_back_only_by_a_new_sign_in(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    agree(agent, address)
    assert "_auth_user_id" not in agent.session
    assert "Give the device back" in agent.get(f"{address}/back").content.decode()
    # The agent's own session at their provider is an old one: it does not do.
    signed_in_agent(member, agent, auth_time=clock.now() - timedelta(hours=1))
    there = agent.get(f"/agency/cases/{case.pk}")
    assert there.status_code == 303 and "fresh=1" in there["Location"]
    agent.logout()
    signed_in_agent(member, agent)
    assert agent.get(f"/agency/cases/{case.pk}").status_code == 200
    assert agent.get("/agency/").status_code == 200


def test_the_customers_session_ends_with_the_step_and_serves_nobody_after(
    agent: Client, case: AssistedCase, utility: Utility
):
    address = hand_over(agent, case)
    user = customer()
    sign_in_here(agent, user)
    agent.get(f"{address}/arrived")
    name = next(each for each in agent.cookies if each.startswith("session"))
    stolen = agent.cookies[name].value
    agree(agent, address)
    thief = Client()
    thief.cookies[name] = stolen
    assert thief.get("/enrolments")["Location"].startswith("/oidc/sign-in")
    assert not OidcSession.objects.filter(user=user, ended_at=None).exists()


def test_a_session_key_known_before_the_handover_is_worth_nothing_in_it(
    agent: Client, case: AssistedCase, utility: Utility
):
    name = next(each for each in agent.cookies if each.startswith("session"))
    known = [agent.cookies[name].value]
    address = hand_over(agent, case)
    known.append(agent.cookies[name].value)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    assert "May this agency help you?" in agent.get(address).content.decode()
    for value in known:
        thief = Client()
        thief.cookies[name] = value
        assert thief.get(address).status_code == 404


def test_a_handover_that_takes_too_long_ends_by_itself_with_the_customers_session(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    form = {"answer": "yes", **fields(agent.get(address))}
    Handover.objects.update(ends_at=clock.now() - timedelta(seconds=1))
    agent.post(f"{address}/answer", form)
    assert fresh(case).application is None
    assert "_auth_user_id" not in agent.session
    assert "handover.ended" in acts(case)
    assert "ended without an answer" in signed_in_agent(member).get(f"/agency/cases/{case.pk}/proof").content.decode()


def test_overdue_handovers_are_ended_by_the_sweep(case: AssistedCase, member: Membership):
    row = handovers.open(case, member, way="DEVICE", asks="MANDATE", now=clock.now() - timedelta(minutes=31))
    assert handovers.end_overdue(clock.now()) == 1
    assert Handover.objects.get(pk=row.pk).ended_at is not None


def test_another_browser_cannot_step_into_a_handover(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    theirs = Client()
    sign_in_here(theirs, customer())
    for page in (address, f"{address}/arrived", f"{address}/answer"):
        assert theirs.get(page).status_code == 404, page
    assert theirs.post(f"{address}/answer", {"answer": "yes"}).status_code == 404


def test_an_agency_that_is_stopped_meanwhile_gets_no_mandate(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case)
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    form = {"answer": "yes", **fields(agent.get(address))}
    an_agency("ea-001", suspended_at=clock.now())
    assert agent.post(f"{address}/answer", form).status_code == 403
    assert not Mandate.objects.exists()


def test_a_handover_for_one_question_answers_no_other(agent: Client, utility: Utility, member: Membership):
    case = open_case(member)
    address = hand_over(agent, case, "CONSENTS")
    sign_in_here(agent, customer())
    agent.get(f"{address}/arrived")
    assert "What you agree to" in agent.get(address).content.decode()
    assert agent.post(f"{address}/answer", {"answer": "yes"})["Location"] == address
    assert agent.get(f"/applications/{case.application_id}/meters")["Location"] == address
    agent.post(f"{address}/finish")
    row = case.handovers.get()
    assert row.ended_at is not None and row.answer == "", "given back with a question open is no answer"
    assert Mandate.objects.count() == 1

    other = a_case(member, state="PROVING", looked_up={"account": ACCOUNT})
    mine = signed_in_agent(a_member("op-2"))
    AssistedCase.objects.filter(pk=other.pk).update(operator=Membership.objects.get(operator_id="op-2"))
    address = hand_over(mine, other)
    sign_in_here(mine, customer())
    mine.get(f"{address}/arrived")
    assert mine.get(f"{address}/consents/1").status_code == 404


# --- links -----------------------------------------------------------------------------------------------------------


def open_case(member: Membership) -> AssistedCase:
    """A case whose customer is asked for a consent."""
    order = {"beckn:orderAttributes": {"requiredConsents": [READINGS]}}
    told = {"on_init": {"message": {"order": order}, "at": clock.now().isoformat()}}
    return a_proved_case(member, subject=customer().subject, journey={"told": told})


def sent_link(agent: Client, case: AssistedCase, utility: Utility) -> str:
    assert agent.post(f"/agency/cases/{case.pk}/send-link", {"asks": "CONSENTS"}).status_code == 303
    found = re.search(r"/hand-over/link/[\w-]+", utility.written[-1]["text"])
    assert found
    return found[0]


def test_a_link_goes_to_the_registered_contact_and_only_its_digest_is_kept(
    agent: Client, member: Membership, utility: Utility
):
    case = open_case(member)
    link = sent_link(agent, case, utility)
    assert utility.written[-1]["account"] == ACCOUNT
    row = case.handovers.get()
    token = link.rpartition("/")[2]
    assert row.token_digest == handovers.digest_of(token)
    assert token not in str(list(Event.objects.values()))


def test_p4_5_a_link_opens_nothing_before_the_sign_in_and_works_once(
    agent: Client, member: Membership, utility: Utility
):
    case = open_case(member)
    link = sent_link(agent, case, utility)
    phone, thief = Client(), Client()
    assert "Asha" not in phone.get(link).content.decode()
    assert phone.get(link).status_code == 200  # looking at it uses nothing
    address = phone.post(link)["Location"]
    assert "Asha" not in phone.get(address).content.decode()
    assert thief.post(link).status_code == 410 and thief.get(link).status_code == 410
    assert thief.get(address).status_code == 404


def test_a_link_that_was_taken_back_replaced_or_is_too_old_opens_nothing(
    agent: Client, member: Membership, utility: Utility
):
    case = open_case(member)
    first = sent_link(agent, case, utility)
    Handover.objects.update(opened_at=clock.now() - timedelta(minutes=2))
    second = sent_link(agent, case, utility)
    assert Client().post(first).status_code == 410
    agent.post(f"/agency/cases/{case.pk}/take-back")
    assert Client().post(second).status_code == 410
    third = sent_link(agent, case, utility)
    Handover.objects.filter(ended_at=None).update(ends_at=clock.now())
    assert Client().post(third).status_code == 410


def test_a_link_pressed_twice_is_sent_once_and_an_unsent_one_is_told(
    agent: Client, member: Membership, utility: Utility
):
    case = open_case(member)
    sent_link(agent, case, utility)
    agent.post(f"/agency/cases/{case.pk}/send-link", {"asks": "CONSENTS"})
    assert len(utility.written) == 1
    agent.post(f"/agency/cases/{case.pk}/take-back")
    utility.is_silent = True
    answer = agent.post(f"/agency/cases/{case.pk}/send-link", {"asks": "CONSENTS"}, follow=True)
    assert "No link was sent" in answer.content.decode()
    assert not Handover.objects.filter(ended_at=None).exists()


# --- cases that change hands -----------------------------------------------------------------------------------------


def test_a_case_handed_to_a_colleague_waits_for_the_customers_agreement_to_them(
    agent: Client, member: Membership, utility: Utility
):
    case = open_case(member)
    colleague = a_member("op-2")
    assert agent.post(f"/agency/cases/{case.pk}/assign", {"to": str(colleague.pk)}).status_code == 303
    assert fresh(case).state == "PROVING" and fresh(case).operator == colleague
    theirs = signed_in_agent(colleague)
    address = hand_over(theirs, case)
    sign_in_here(theirs, customer())
    theirs.get(f"{address}/arrived")
    agree(theirs, address)
    done = fresh(case)
    assert done.application is not None and done.application.pk == case.application_id
    assert done.application.operator_id == "op-2" and done.state == "OPEN"


def test_a_mandate_of_somebody_else_begins_no_journey(member: Membership, case: AssistedCase):
    strangers = a_proved_case(member)
    assert strangers.mandate is not None
    subject = customer().subject
    assert subject is not None
    with pytest.raises(cases.NotPossible):
        cases.proved(case, subject, strangers.mandate, now=clock.now())
    assert a_program() and fresh(case).application is None
