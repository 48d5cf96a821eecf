"""A journey with an agent beside the customer: the portal's pages, in a case, under the customer's mandate.

Who may act, what is sent, what is never sent twice, and what an agent has no address for (A6, A8-A10, A12).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from audit import clock
from beckn.models import Outbox
from identity import mandates
from identity.models import Membership
from portals import asking, drafts, viewing
from portals.agency import about, cases
from portals.models import Application, AssistedCase, CaseSignal, ConsentReceipt
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.assisted import UTILITY, a_case, a_customer, a_mandate, a_program, answered
from tests.portals.consent_journeys import READINGS
from tests.portals.test_pages import browser, heading, text

pytestmark = pytest.mark.django_db
STEPS = ("account", "meters", "equipment", "eligibility", "documents", "dates", "check", "waiting")
ENDS = ("enrolled", "receipt", "refused", "ending")


def at(case: AssistedCase, step: str) -> str:
    return reverse(f"agency-{step}", args=[case.pk])


def journey_of(case: AssistedCase) -> Application:
    return Application.objects.get(pk=str(case.application_id))


def sent(action: str) -> list[Outbox]:
    return list(Outbox.objects.filter(action=action, kind=Outbox.Kind.REQUEST).order_by("pk"))


def attributes(row: Outbox) -> dict[str, Any]:
    found: dict[str, Any] = row.body["message"]["order"]["beckn:orderAttributes"]
    return found


@pytest.fixture
def member() -> Membership:
    return a_member()


@pytest.fixture
def agent(member: Membership) -> Client:
    return signed_in_agent(member)


@pytest.fixture
def case(member: Membership) -> AssistedCase:
    return answered(a_case(member))


def declared(agent: Client, case: AssistedCase, **more: str) -> Any:
    form = {"version": str(journey_of(case).version), "declared": "yes"}
    return agent.post(at(case, "check"), form | more)


def enrol(case: AssistedCase) -> None:
    Application.objects.filter(pk=str(case.application_id)).update(
        state="ENROLLED", enrollment_id="enrollment-1", order_number="ENR-2026-000077"
    )
    cases.settle(journey_of(case), now=clock.now())


# --- the same pages, in other words -----------------------------------------------------------------------------------


def test_every_page_says_whom_it_is_about_by_a_short_name_and_the_accounts_end(agent: Client, case: AssistedCase):
    for step in ("meters", "dates", "check"):
        page = agent.get(at(case, step))
        assert page.status_code == 200, step
        assert "You are enrolling Asha R., account ending 1234" in text(page) and "Leave this case" in text(page)
        assert "Rao" not in text(page) and "ACC-778" not in page.content.decode()


@pytest.mark.parametrize(
    ("name", "short"), [("Asha Rao", "Asha R."), ("Asha", "Asha"), ("", ""), ("Maria del Carmen Ruiz", "Maria R.")]
)
def test_a_name_is_shortened_to_the_first_name_and_an_initial(name: str, short: str):
    assert about.short(name) == short


def test_the_pages_speak_of_the_customer_and_name_the_step(agent: Client, case: AssistedCase):
    meters = agent.get(at(case, "meters"))
    assert "Which of the customer's meters should join?" in text(meters)
    assert "Step 3 of 5: What to enrol" in text(meters)
    assert "Step 5 of 5: Check and declare" in text(agent.get(at(case, "check")))
    assert "When does the customer want to start?" in text(agent.get(at(case, "dates")))


def test_no_page_of_a_case_leads_into_the_customers_own_portal(agent: Client, case: AssistedCase):
    for step in STEPS:
        page = agent.get(at(case, step))
        if page.status_code == 200:
            assert "/applications/" not in page.content.decode(), step
            assert 'href=""' not in page.content.decode(), step


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_every_message_names_agency_operator_and_mandate_and_no_sign_in(agent: Client, case: AssistedCase):
    row, mandate = journey_of(case), case.mandate
    assert mandate is not None
    first = {"version": str(row.version), "meters": "umid-001"}
    assert agent.post(at(case, "account"), {"version": str(row.version), "account": "me"}).status_code == 303
    row = journey_of(case)
    drafts.change(row, None, lambda fresh: stop_asking(fresh), now=clock.now())
    assert agent.post(at(case, "eligibility"), first | {"version": str(journey_of(case).version), "again": "1"})
    drafts.change(row, None, lambda fresh: stop_asking(fresh), now=clock.now())
    answered(case)
    assert declared(agent, case)["Location"] == at(case, "waiting")
    messages = [*sent("select"), *sent("init"), *sent("confirm")]
    assert [each.action for each in messages] == ["select", "select", "init", "confirm"]
    for each in messages:
        assert each.sender_id == "agency-portal.sandbox.example"
        assert attributes(each)["assistedBy"] == {
            "agencyId": "ea-001",
            "operatorId": "op-1",
            "mandateId": mandate.mandate_id,
        }
        assert "userAuth" not in attributes(each)


def stop_asking(row: Application) -> None:
    row.asked_action, row.asked_message_id, row.asked_at = "", "", None


def test_the_customer_is_written_to_in_their_language_not_in_the_agents(member: Membership):
    case = a_case(member)
    cases.AssistedCase.objects.filter(pk=case.pk).update(locale="hi")
    agent = signed_in_agent(member)
    drafts.change(journey_of(case), None, stop_asking, now=clock.now())
    agent.post(at(case, "account"), {"version": str(journey_of(case).version), "account": "me"})
    assert journey_of(case).answers["locale"] == "hi"
    assert attributes(sent("select")[-1])["customer"] == {"locale": "hi"}


def test_the_statement_is_kept_word_for_word_when_the_program_has_one_of_its_own(agent: Client, case: AssistedCase):
    program = case.program
    texts = {"en": {"agentStatements": ["I was in the room with the customer."]}}
    program.item = {"beckn:id": "program-1", "beckn:itemAttributes": {"presentation": {"texts": texts}}}
    program.save()
    assert "I was in the room with the customer." in text(agent.get(at(case, "check")))
    declared(agent, case)
    kept = journey_of(case).answers["statement"]
    assert (kept["sentences"], kept["operator"]) == (["I was in the room with the customer."], "op-1")
    assert AssistedCase.objects.get(pk=case.pk).declared_at is not None


def test_the_statement_is_kept_word_for_word_when_it_is_ours(agent: Client, case: AssistedCase):
    shown = text(agent.get(at(case, "check")))
    declared(agent, case)
    sentences = journey_of(case).answers["statement"]["sentences"]
    assert len(sentences) == 4 and all(each in shown for each in sentences)


# --- twice, two tabs, a lost answer -----------------------------------------------------------------------------------


def test_confirm_pressed_twice_is_declared_and_sent_once(agent: Client, case: AssistedCase):
    version = str(journey_of(case).version)
    first, second = (declared(agent, case, version=version) for _ in range(2))
    assert [first["Location"], second["Location"]] == [at(case, "waiting")] * 2
    assert len(sent("confirm")) == 1


def test_the_older_of_two_tabs_undoes_nothing(agent: Client, case: AssistedCase):
    seen = str(journey_of(case).version)
    assert agent.post(at(case, "dates"), {"version": seen, "when": "today"}).status_code == 303
    saved = journey_of(case).answers["starts_on"]
    late = agent.post(at(case, "dates"), {"version": seen, "when": "later", "starts_on": "2031-05-05"})
    assert late.status_code == 409 and journey_of(case).answers["starts_on"] == saved
    assert at(case, "check") in late.content.decode()


def test_a_confirm_of_an_older_page_is_neither_sent_nor_declared(agent: Client, case: AssistedCase):
    seen = str(journey_of(case).version)
    agent.post(at(case, "dates"), {"version": seen, "when": "today"})
    assert declared(agent, case, version=seen).status_code == 409
    assert not sent("confirm") and AssistedCase.objects.get(pk=case.pk).declared_at is None


def test_a_form_whose_answer_was_lost_can_be_sent_again(agent: Client, case: AssistedCase):
    form = {"version": str(journey_of(case).version), "when": "today"}
    assert agent.post(at(case, "dates"), form).status_code == 303
    assert agent.post(at(case, "dates"), form).status_code == 409  # shown how it stands; saved once
    assert agent.get(at(case, "check")).status_code == 200


# --- the agent's own factor -------------------------------------------------------------------------------------------


def test_without_a_fresh_factor_nothing_is_confirmed(member: Membership, case: AssistedCase):
    old = signed_in_agent(member, auth_time=clock.now() - timedelta(minutes=6))
    page = old.get(at(case, "check"))
    assert "Confirm that it is you" in text(page) and "Confirm enrolment" not in text(page)
    answer = declared(old, case)
    assert answer.status_code == 303 and answer["Location"].startswith("/agency/step-up")
    assert not sent("confirm") and AssistedCase.objects.get(pk=case.pk).declared_at is None


def test_without_the_statement_nothing_is_confirmed(agent: Client, case: AssistedCase):
    answer = declared(agent, case, declared="")
    assert answer.status_code == 422 and "Error:" in answer.content.decode()
    assert not sent("confirm")


def test_a_case_with_an_open_signal_waits_for_a_colleague_where_the_deployment_says_so(
    agent: Client, case: AssistedCase, settings: Any
):
    settings.SIGNALS_HOLD = True
    CaseSignal.objects.create(case=case, kind=CaseSignal.Kind.values[0], about={}, found_at=clock.now())
    answer = declared(agent, case)
    assert answer.status_code == 409 and "has to look at this case first" in text(answer)
    assert not sent("confirm")


# --- what an agent can never do ---------------------------------------------------------------------------------------


def test_no_address_lets_an_agent_answer_a_consent(agent: Client, member: Membership):
    case = answered(a_case(member), consents=False)
    row, yes = journey_of(case), {"answer": "yes", "digest": READINGS["texts"][0]["digest"]}
    form = yes | {"version": str(row.version), "declared": "yes"}
    for name in ("portal-consent", "portal-consent-no", "portal-grant"):
        address = reverse(name, args=[row.pk, 1])
        for method in (agent.get, agent.post):
            assert method(address, form).status_code in (302, 303, 403, 404), name
    for step in (*STEPS, *ENDS, "consents", "case"):
        agent.post(at(case, step), form)
    assert not ConsentReceipt.objects.exists() and journey_of(case).answers["consents"] == {}
    assert not sent("confirm")


def test_a_journey_whose_consents_wait_leads_the_agent_to_the_waiting_room(agent: Client, member: Membership):
    case = answered(a_case(member), consents=False)
    assert agent.get(at(case, "check"))["Location"] == at(case, "consents")
    assert "/consents/1" not in agent.get(at(case, "dates")).get("Location", "")


def test_before_the_proof_no_page_of_the_journey_shows_or_sends_anything(agent: Client, member: Membership):
    case = cases.open_case(member, a_program(), UTILITY, source="DESK", now=clock.now(), looked_up={"account": "x"})
    for step in (*STEPS, *ENDS):
        for answer in (agent.get(at(case, step)), agent.post(at(case, step), {"version": "0", "declared": "yes"})):
            assert (answer.status_code, answer["Location"]) == (303, at(case, "case")), step
    assert not Outbox.objects.exists()


def test_another_agencys_case_and_a_colleagues_are_not_there(case: AssistedCase):
    stranger = signed_in_agent(a_member("op-1", agency=an_agency("ea-other")))
    colleague = signed_in_agent(a_member("op-9"))
    for step in (*STEPS, *ENDS):
        for other in (stranger, colleague):
            gone = [method(at(case, step), {"version": "0"}).status_code for method in (other.get, other.post)]
            assert gone == [404, 404], step
    assert not sent("confirm")


def test_a_manager_sees_the_case_and_does_not_act_in_it(case: AssistedCase):
    manager = signed_in_agent(a_member("op-8", role="MANAGER"))
    assert declared(manager, case)["Location"] == at(case, "case")
    assert manager.get(at(case, "meters"))["Location"] == at(case, "case")
    assert not sent("confirm")


def test_the_customers_own_browser_has_no_address_of_the_agents(case: AssistedCase):
    customer = browser(journey_of(case))
    for step in STEPS:
        assert customer.get(at(case, step)).status_code in (302, 303, 403)


def test_a_journey_put_in_place_of_the_customers_is_not_there(agent: Client, member: Membership, case: AssistedCase):
    """Between two steps the case's rows are turned to another customer: nothing of either is shown or sent."""
    other = a_case(member, a_customer("Bela Sen", "ACC-5550000"))
    theirs = other.application_id
    AssistedCase.objects.filter(pk=other.pk).update(application=None, state="PROVING")
    AssistedCase.objects.filter(pk=case.pk).update(application=theirs)
    for step in ("meters", "check"):
        assert agent.get(at(case, step)).status_code == 404
        assert agent.post(at(case, step), {"version": "1", "declared": "yes"}).status_code == 404
    AssistedCase.objects.filter(pk=case.pk).update(subject=other.subject)
    assert agent.get(at(case, "check")).status_code == 404  # the journey is theirs now, the mandate is not
    assert not sent("confirm")


@pytest.mark.parametrize("changes", [{"utilities": ["utility-example-009"]}, {"programs": ["program-other"]}])
def test_outside_the_certificate_nothing_is_sent_and_the_page_says_why(
    agent: Client, case: AssistedCase, changes: dict[str, Any]
):
    an_agency(**changes)
    for answer in (agent.get(at(case, "check")), declared(agent, case)):
        assert answer.status_code == 403 and "certificate does not reach this case" in text(answer)
    assert not sent("confirm")


def test_a_mandate_taken_back_between_two_steps_stops_the_next_and_is_asked_for_again(
    agent: Client, case: AssistedCase
):
    assert case.mandate is not None and agent.get(at(case, "check")).status_code == 200
    mandates.revoke(case.mandate, by=mandates.CUSTOMER, now=clock.now())
    assert declared(agent, case)["Location"] == at(case, "proof")
    assert not sent("confirm")
    assert AssistedCase.objects.get(pk=case.pk).state == AssistedCase.State.PROVING
    assert agent.get(at(case, "proof")).status_code == 200  # and no circle of pages


def test_a_mandate_that_has_run_out_is_asked_for_again(agent: Client, member: Membership, case: AssistedCase):
    assert case.mandate is not None
    case.mandate.valid_from -= timedelta(days=200)
    case.mandate.valid_until = clock.now() - timedelta(seconds=1)
    case.mandate.save()
    assert agent.get(at(case, "meters"))["Location"] == at(case, "proof")
    cases.proved(case, case.subject, a_mandate(member, case.subject), now=clock.now())  # type: ignore[arg-type]
    assert agent.get(at(case, "check")).status_code == 200
    fresh = AssistedCase.objects.get(pk=case.pk)
    assert journey_of(case).mandate_id == fresh.mandate.mandate_id  # type: ignore[union-attr]


def test_a_suspended_agent_with_an_open_session_gets_no_further(agent: Client, member: Membership, case: AssistedCase):
    Membership.objects.filter(pk=member.pk).update(suspended_at=clock.now())
    assert declared(agent, case).status_code in (302, 303)
    assert not sent("confirm")


def test_a_frozen_case_opens_no_page_of_the_journey(agent: Client, case: AssistedCase):
    cases.not_me(journey_of(case), now=clock.now())
    for step in (*STEPS, *ENDS):
        assert agent.get(at(case, step))["Location"] == at(case, "case")
    assert declared(agent, case)["Location"] == at(case, "case")
    assert not sent("confirm")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_the_enrolled_page_has_the_reference_the_paper_and_the_next_one_but_not_the_credential(
    agent: Client, case: AssistedCase
):
    enrol(case)
    page = agent.get(at(case, "enrolled"))
    assert heading(page) == "The customer is enrolled" and "ENR-2026-000077" in text(page)
    for way in ("New enrolment", "Back to desk", "Receipt on paper", "wants to leave"):
        assert way in text(page)
    assert "redential" not in text(page) and "/credential" not in page.content.decode().partition("<body")[2]
    paper = agent.get(at(case, "receipt"))
    assert "Agency ea-001" in text(paper) and "Asha R." in text(paper) and "ending 1234" in text(paper)
    assert agent.get(at(case, "meters"))["Location"] == at(case, "case")


def test_a_refusal_has_one_text_for_the_customer_and_one_for_the_agent(agent: Client, member: Membership):
    case = answered(a_case(member), state="REFUSED")
    row = journey_of(case)
    order = row.told["on_init"]["message"]["order"]
    order["error"] = {"code": "NOT_ELIGIBLE", "message": "Own words.", "details": {}}
    Application.objects.filter(pk=row.pk).update(told=row.told, state="REFUSED")
    page = agent.get(at(case, "refused"))
    assert "To tell the customer" in text(page) and "For you" in text(page)
    assert "NOT_ELIGIBLE" in text(page) and row.order_id in text(page) and case.reference in text(page)
    assert "Appeal" in text(page)


@pytest.mark.parametrize("code", ["MANDATE_REQUIRED", "EA_NOT_CERTIFIED"])
def test_an_owner_that_does_not_accept_the_agency_is_told_to_the_agent(agent: Client, member: Membership, code: str):
    case = a_case(member)

    def refused(row: Application) -> None:
        stop_asking(row)
        row.told = {"on_select": {"message": {}, "error": {"code": code, "message": "No."}}}

    drafts.change(journey_of(case), None, refused, now=clock.now())
    page = agent.get(at(case, "meters"))
    assert page.status_code == 200 and code in text(page) and "To tell the customer" in text(page)


def test_what_a_customer_wants_to_end_is_asked_of_the_customer(agent: Client, case: AssistedCase):
    enrol(case)
    page = agent.get(at(case, "ending"))
    assert "What does the customer want to end?" in heading(page)
    assert reverse("agency-ask", args=[case.pk, "LEAVE"]) in page.content.decode()
    row = journey_of(case)
    for name in ("portal-leave", "portal-stay"):
        assert agent.post(reverse(name, args=[row.pk]), {"version": str(row.version), "when": "now", "sure": "on"})
    assert not sent("update")


# --- the customer alone -----------------------------------------------------------------------------------------------


def test_the_customer_leaves_what_an_agency_began_by_themselves(case: AssistedCase):
    """In their own portal they find it like any other enrolment of theirs; whoever else does not."""
    enrol(case)
    row = journey_of(case)
    customer = browser()
    customer_user = row.subject.users.create(username=uuid4().hex, sub=uuid4().hex)
    assert customer.get(reverse("portal-leave", args=[row.pk])).status_code == 404
    customer.force_login(customer_user, backend="identity.oidc.backend.Backend")
    page = customer.get(reverse("portal-leave", args=[row.pk]))
    assert page.status_code == 200 and "You are enrolling" not in text(page)


def test_ending_something_by_their_own_sign_in_names_no_agency(case: AssistedCase, settings: Any):
    enrol(case)
    row = journey_of(case)
    settings.PORTAL_TRUSTED_OWNERS = [row.program.bpp.subscriber_id]
    drafts.change(row, None, lambda fresh: asking.leave(fresh, token="theirs", now=clock.now()), now=clock.now())
    told = attributes(sent("update")[-1])
    assert "userAuth" in told and "assistedBy" not in told
    drafts.change(row, None, stop_asking, now=clock.now())
    drafts.change(row, None, lambda fresh: asking.leave(fresh, now=clock.now()), now=clock.now())
    assert "assistedBy" in attributes(sent("update")[-1])


def test_the_receipt_on_paper_is_in_the_customers_language(agent: Client, case: AssistedCase):
    enrol(case)
    AssistedCase.objects.filter(pk=case.pk).update(locale="hi")
    assert '<html lang="hi"' in agent.get(at(case, "receipt")).content.decode()
    assert '<html lang="en"' in agent.get(at(case, "enrolled")).content.decode()


def test_the_customers_own_history_says_that_an_agency_helped(case: AssistedCase):
    enrol(case)
    assert [(each.what, each.by) for each in viewing.enrolment(journey_of(case), clock.now()).history][-1] == (
        "BEGUN",
        "AGENCY",
    )


def test_an_account_that_is_somebody_elses_leads_out_of_the_case_and_sends_nothing(agent: Client, member: Membership):
    case = a_case(member)
    drafts.change(journey_of(case), None, stop_asking, now=clock.now())
    assert "Is this the customer's account?" in text(agent.get(at(case, "account")))
    form = {"version": str(journey_of(case).version), "account": "other"}
    page = agent.post(at(case, "account"), form)
    assert page.status_code == 200 and at(case, "case") in page.content.decode()
    assert len(sent("select")) == 1  # the one that began the journey


def test_the_waiting_page_tells_its_script_where_the_case_goes_on(agent: Client, case: AssistedCase):
    declared(agent, case)
    asked = agent.get(at(case, "waiting"), headers={"accept": "application/json"})
    assert asked.json() == {"waiting": True, "long": False}
    enrol(case)
    drafts.change(journey_of(case), None, stop_asking, now=clock.now())
    told = agent.get(at(case, "waiting"), headers={"accept": "application/json"})
    assert told.status_code == 303 or told.json()["next"] == at(case, "enrolled")
