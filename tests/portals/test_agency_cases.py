"""Cases before the customer's proof: finding them, reading out, codes, help codes; and other people's cases (A2-A5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from audit import clock
from audit.models import Event
from beckn.models import Outbox
from identity.access import TABLE, Who
from identity.models import AgencyLetter, Mandate, Membership, OneTimeCode, RateBucket
from portals import drafts, help_codes
from portals.agency import cases, look_ups
from portals.models import Application, AssistedCase
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import a_case, a_program, a_proved_case
from tests.portals.assisting import ACCOUNT, MOBILE, RIGHT, UTILITY, Utility, a_utility, customer, find, read_out

pytestmark = pytest.mark.django_db


@pytest.fixture
def utility() -> Iterator[Utility]:
    with a_utility() as found:
        yield found


@pytest.fixture
def member() -> Membership:
    return a_member("op-1", email="agent@agency.example")


@pytest.fixture
def agent(member: Membership) -> Client:
    return signed_in_agent(member)


def offer() -> str:
    return f"{a_program().slug}@{UTILITY}"


def text(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined,no-any-return]


def fresh(case: AssistedCase) -> AssistedCase:
    return AssistedCase.objects.get(pk=case.pk)


# --- finding ---------------------------------------------------------------------------------------------------------


def test_a_match_opens_a_case_and_tells_nothing_of_the_customer(agent: Client, utility: Utility):
    customer()
    where, choice = agent.get("/agency/new"), offer()
    assert where.status_code == 200
    assert agent.post("/agency/new", {"offer": choice})["Location"].startswith("/agency/find?offer=")
    answer = find(agent, choice)
    case = AssistedCase.objects.get()
    assert answer["Location"] == f"/agency/cases/{case.pk}/read"
    for page in (f"/agency/cases/{case.pk}", f"/agency/cases/{case.pk}/read", "/agency/"):
        said = text(agent.get(page))
        assert "Asha" not in said and ACCOUNT not in said, page
    assert case.subject is None and case.state == "READING"


@pytest.mark.parametrize(("number", "said"), [("UTIL-CUST-9999", "No match."), (MOBILE, "More than one.")])
def test_without_one_match_there_is_an_answer_and_no_case(number: str, said: str):
    with a_utility(mobiles={MOBILE: ["UTIL-CUST-1", "UTIL-CUST-2"]}):
        page = find(signed_in_agent(a_member("op-1")), offer(), number)
    assert said in text(page) and not AssistedCase.objects.exists()


def test_each_look_up_is_in_the_journal_without_its_number(agent: Client, utility: Utility, member: Membership):
    find(agent, offer())
    line = Event.objects.get(action="customer.looked_up")
    assert line.actor_id == "ea-001" and line.details is not None
    assert {"operator": member.operator_id, "by": "account", "answer": "MATCH", "reason": "AT_DESK"}.items() <= (
        line.details.items()
    )
    assert ACCOUNT not in str(list(Event.objects.values()))


def test_the_same_form_twice_looks_up_once_and_opens_one_case(agent: Client, utility: Utility):
    form = {"offer": offer(), "key": str(uuid4()), "number": ACCOUNT, "reason": "AT_DESK"}
    first, second = agent.post("/agency/find", form), agent.post("/agency/find", form)
    assert first["Location"] == second["Location"]
    assert len(utility.looked_up) == 1 and AssistedCase.objects.count() == 1


def test_a_reason_is_needed_before_anything_is_asked(agent: Client, utility: Utility):
    answer = agent.post("/agency/find", {"offer": offer(), "key": str(uuid4()), "number": ACCOUNT})
    assert answer.status_code == 422 and "Select why you look this customer up" in text(answer)
    assert not utility.looked_up


def test_a_customer_of_a_utility_outside_the_certificate_cannot_be_looked_up(utility: Utility):
    agency = an_agency("ea-002", utilities=["utility-example-002"])
    agent = signed_in_agent(a_member("op-1", agency=agency))
    form = {"offer": offer(), "key": str(uuid4()), "number": ACCOUNT, "reason": "AT_DESK"}
    assert agent.post("/agency/find", form).status_code == 404
    assert not utility.looked_up
    assert offer() not in text(agent.get("/agency/new"))
    with pytest.raises(cases.OutOfScope):
        cases.open_case(a_member("op-2", agency=agency), a_program(), UTILITY, source="DESK", now=clock.now())


def test_who_tries_numbers_is_slowed_then_stopped_and_a_manager_told_who_lets_them_go_on(
    agent: Client, utility: Utility, member: Membership, monkeypatch: pytest.MonkeyPatch
):
    a_member("op-9", role="MANAGER", email="manager@agency.example")
    choice, begun = offer(), clock.now()
    waited = timedelta(0)
    monkeypatch.setattr(clock, "now", lambda: begun + waited)
    for number in range(look_ups.SLOW):
        assert "No match." in text(find(agent, choice, f"UTIL-CUST-90{number}"))
    slowed = find(agent, choice, "UTIL-CUST-909")
    assert slowed.status_code == 429 and "Wait a moment" in text(slowed)
    assert len(utility.looked_up) == look_ups.SLOW
    for missed in range(look_ups.SLOW, look_ups.STOP):
        waited += look_ups.FIRST_WAIT * 2 ** (missed - look_ups.SLOW)
        assert "No match." in text(find(agent, choice, "UTIL-CUST-909"))
    waited += timedelta(minutes=61)
    assert "Your manager has been told" in text(find(agent, choice))
    assert len(utility.looked_up) == look_ups.STOP
    assert {each.to for each in AgencyLetter.objects.all()} == {"manager@agency.example"}
    manager = signed_in_agent(Membership.objects.get(operator_id="op-9"))
    assert "op-1" in text(manager.get("/agency/look-ups"))
    assert agent.post(f"/agency/look-ups/{member.pk}").status_code == 404
    assert manager.post(f"/agency/look-ups/{member.pk}").status_code == 303
    assert find(agent, choice).status_code == 303


def test_look_ups_are_limited_for_an_agent_and_for_an_agency(agent: Client, utility: Utility, member: Membership):
    now = clock.now()
    RateBucket.objects.create(key=f"look-ups-of-agent:{member.pk}", tokens=0, at=now)
    assert find(agent, offer()).status_code == 429
    colleague = a_member("op-2")
    RateBucket.objects.create(key="look-ups-of-agency:ea-001", tokens=0, at=now)
    assert find(signed_in_agent(colleague), offer()).status_code == 429
    assert not utility.looked_up


def test_a_silent_utility_loses_nothing(agent: Client, utility: Utility):
    utility.is_silent = True
    answer = find(agent, offer())
    assert answer.status_code == 503 and f'value="{ACCOUNT}"' in text(answer)


# --- reading out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["en", "hi", "ur"])
def test_five_sentences_are_read_in_the_customers_language(agent: Client, member: Membership, locale: str):
    case = a_case(member, state="READING")
    page = text(agent.get(f"/agency/cases/{case.pk}/read?locale={locale}"))
    assert f'<div lang="{locale}"' in page and page.count("<li>", page.index(f'<div lang="{locale}"')) >= 5
    agent.post(f"/agency/cases/{case.pk}/read", {"locale": locale})
    assert (fresh(case).locale, fresh(case).state) == (locale, "PROVING")


def test_nobody_agrees_before_the_sentences_were_read(agent: Client, member: Membership, utility: Utility):
    case = a_case(member, state="READING", looked_up={"account": ACCOUNT})
    assert agent.get(f"/agency/cases/{case.pk}/proof")["Location"].endswith("/read")
    agent.post(f"/agency/cases/{case.pk}/code", {"send": "1", "number": "1"})
    agent.post(f"/agency/cases/{case.pk}/hand-over", {"asks": "MANDATE"})
    assert not utility.sent and not case.handovers.exists()


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def case(member: Membership) -> AssistedCase:
    return a_case(member, state="PROVING", locale="en", looked_up={"account": ACCOUNT, "reason": "AT_DESK"})


def send(agent: Client, case: AssistedCase, number: int = 1) -> int:
    return agent.post(f"/agency/cases/{case.pk}/code", {"send": "1", "number": str(number)}).status_code


def enter(agent: Client, case: AssistedCase, code: str = RIGHT) -> object:
    return agent.post(f"/agency/cases/{case.pk}/code", {"code": code})


def test_the_code_that_the_customer_tells_begins_the_journey(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    assert send(agent, case) == 303
    asked = utility.sent[0]
    assert (asked.agency, asked.agent, asked.utility_customer_id) == ("Agency ea-001", member.name, ACCOUNT)
    assert asked.program and asked.ending == ACCOUNT[-4:]
    assert enter(agent, case).status_code == 303  # type: ignore[attr-defined]
    done = fresh(case)
    assert done.state == "OPEN" and done.application is not None and done.subject is not None
    assert done.subject.did == "did:example:asha"
    mandate = Mandate.objects.get()
    assert (mandate.evidence_kind, mandate.operator_id, mandate.subject) == ("CODE", "op-1", done.subject)
    assert Outbox.objects.filter(action="select").count() == 1


@pytest.mark.parametrize("number", [{"account": f"MTR-{ACCOUNT}"}, {"mobile": MOBILE}])
def test_a_customer_found_by_a_meter_or_a_mobile_number_proves_to_be_the_one(
    agent: Client, member: Membership, utility: Utility, number: dict[str, str]
):
    case = a_case(member, state="PROVING", looked_up=number)
    send(agent, case)
    assert enter(agent, case).status_code == 303  # type: ignore[attr-defined]
    assert fresh(case).state == "OPEN"


def test_a_wrong_code_proves_nobody_and_says_how_many_tries_are_left(
    agent: Client, case: AssistedCase, utility: Utility
):
    send(agent, case)
    answer = enter(agent, case, "654321")
    assert answer.status_code == 422 and "2 tries are left" in text(answer)  # type: ignore[attr-defined]
    assert fresh(case).application is None and not Mandate.objects.exists()


def test_a_code_is_sent_once_by_one_form_and_again_only_after_a_minute(
    agent: Client, case: AssistedCase, utility: Utility
):
    send(agent, case)
    assert send(agent, case) == 303 and send(agent, case, 2) == 429
    assert len(utility.sent) == 1
    OneTimeCode.objects.update(asked_at=clock.now() - timedelta(seconds=61))
    assert send(agent, case, 2) == 303 and len(utility.sent) == 2


def test_a_code_of_one_case_proves_nothing_in_another(
    agent: Client, case: AssistedCase, utility: Utility, member: Membership
):
    send(agent, case)
    other = a_case(member, state="PROVING", looked_up={"account": ACCOUNT})
    assert enter(agent, other).status_code == 422  # type: ignore[attr-defined]
    enter(agent, case)
    send(agent, other)
    assert fresh(other).application is None
    again = enter(agent, case)
    assert again.status_code == 303 and Mandate.objects.count() == 1  # type: ignore[attr-defined]


def test_a_code_of_somebody_else_than_the_looked_up_proves_nobody(agent: Client, member: Membership):
    case = a_case(member, state="PROVING", looked_up={"account": "UTIL-CUST-2002"})
    with a_utility(accounts={ACCOUNT: "did:example:asha", "UTIL-CUST-2002": "did:example:other"}) as utility:
        send(agent, case)
        # Swapped between the steps: the code was sent to one customer, the case now says another.
        AssistedCase.objects.filter(pk=case.pk).update(looked_up={"account": ACCOUNT})
        answer = enter(agent, case)
        assert answer.status_code == 422 and utility.sent  # type: ignore[attr-defined]
    assert fresh(case).application is None


def test_a_right_code_whose_answer_was_lost_counts_when_it_is_sent_again(
    agent: Client, case: AssistedCase, utility: Utility, monkeypatch: pytest.MonkeyPatch
):
    send(agent, case)
    with monkeypatch.context() as broken:
        broken.setattr(cases, "proved", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            enter(agent, case)
    assert not Mandate.objects.exists()
    assert enter(agent, case).status_code == 303  # type: ignore[attr-defined]
    assert fresh(case).state == "OPEN" and Mandate.objects.count() == 1


def test_the_page_of_the_code_shows_what_is_agreed_to_and_explains_other_numbers(
    agent: Client, case: AssistedCase, utility: Utility
):
    send(agent, case)
    page = text(agent.get(f"/agency/cases/{case.pk}/proof"))
    assert "I allow Agency ea-001" in page and "That is not possible" in page
    assert MOBILE not in page and ACCOUNT not in page


# --- drafts that were handed over ------------------------------------------------------------------------------------


def a_draft(state: str = "DRAFT") -> Application:
    user = customer()
    assert user.subject is not None
    draft = drafts.start(
        a_program(),
        subject=user.subject,
        user=user,
        portal="portal.sandbox.example",
        utility_id=UTILITY,
        now=clock.now(),
    )
    draft.answers = {"meters": ["umid-001"], "consents": {"X": {"granted": True}}}
    draft.told = {"on_init": {"message": {}}}
    draft.state = state
    draft.save()
    return draft


def test_a_draft_handed_over_waits_for_its_customers_agreement_and_goes_on_in_a_new_journey(
    agent: Client, utility: Utility
):
    draft = a_draft()
    _, code = help_codes.make(draft, user=draft.started_by, now=clock.now())
    answer = agent.post("/agency/help-code", {"code": code.lower()})
    case = AssistedCase.objects.get()
    assert answer["Location"] == f"/agency/cases/{case.pk}/proof" and case.source == "HANDED_OVER"
    assert "Asha" not in text(agent.get(answer["Location"]))
    send(agent, case)
    enter(agent, case)
    application = fresh(case).application
    assert application is not None and application.pk != draft.pk
    assert application.answers["meters"] == ["umid-001"] and "consents" not in application.answers
    draft.refresh_from_db()
    assert draft.state == "DROPPED" and draft.asked_action == "cancel"


def test_a_help_code_is_good_once_and_guessing_is_limited(agent: Client, utility: Utility):
    draft = a_draft()
    _, code = help_codes.make(draft, user=draft.started_by, now=clock.now())
    agent.post("/agency/help-code", {"code": code})
    assert agent.post("/agency/help-code", {"code": code}).status_code == 422
    statuses = [agent.post("/agency/help-code", {"code": "2222 2222"}).status_code for _ in range(10)]
    assert statuses[-1] == 429 and AssistedCase.objects.count() == 1


def test_an_agency_out_of_scope_does_not_use_the_code_up(utility: Utility, agent: Client):
    draft = a_draft()
    _, code = help_codes.make(draft, user=draft.started_by, now=clock.now())
    other = signed_in_agent(a_member("op-1", agency=an_agency("ea-002", utilities=["utility-example-002"])))
    assert other.post("/agency/help-code", {"code": code}).status_code == 403
    assert agent.post("/agency/help-code", {"code": code}).status_code == 303


# --- whose cases -----------------------------------------------------------------------------------------------------

PAGES = ("", "/go-on", "/read", "/proof", "/code", "/hand-over", "/consents", "/send-link", "/take-back", "/assign",
         "/take", "/drop-case", "/ask/LEAVE")  # fmt: skip


def test_without_the_customers_proof_no_address_begins_declares_or_confirms_anything(
    agent: Client, case: AssistedCase, utility: Utility
):
    form = {
        "declared": "yes",
        "answer": "yes",
        "account": "me",
        "meters": "umid-001",
        "version": "0",
        "asks": "CONSENTS",
    }
    walked = 0
    for name, who in TABLE.items():
        wanted = get_resolver().reverse_dict.getlist(name)
        parameters = wanted[0][0][0][1] if wanted else []
        if who is not Who.AGENT or "case_id" not in parameters or name in ("agency-drop-case", "agency-assign"):
            continue
        values = {each: {"case_id": case.pk, "asks": "LEAVE"}.get(each, 1) for each in parameters}
        assert agent.post(reverse(name, kwargs=values), form).status_code in (302, 303, 404, 405, 422), name
        walked += 1
    assert walked >= 20
    assert fresh(case).application is None and fresh(case).declared_at is None
    assert not Mandate.objects.exists() and not Application.objects.exists() and not Outbox.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_another_agencys_case_is_like_one_that_is_not_there(member: Membership, method: str, utility: Utility):
    case = a_proved_case(member, subject=customer().subject)
    stranger = signed_in_agent(a_member("op-1", agency=an_agency("ea-002"), role="MANAGER"))
    before = fresh(case).version
    for page in PAGES:
        answer = getattr(stranger, method)(f"/agency/cases/{case.pk}{page}", {"asks": "CONSENTS", "drop": "yes"})
        assert answer.status_code == 404, page
    assert fresh(case).version == before and not case.handovers.exists()
    assert "No case of yours" in text(stranger.get("/agency/", {"reference": case.reference}))


def test_a_colleagues_case_is_a_managers_to_see_and_nobodys_to_act_in(member: Membership, utility: Utility):
    case = a_proved_case(member, subject=customer().subject)
    colleague, manager = signed_in_agent(a_member("op-2")), signed_in_agent(a_member("op-9", role="MANAGER"))
    assert colleague.get(f"/agency/cases/{case.pk}").status_code == 404
    assert manager.get(f"/agency/cases/{case.pk}").status_code == 200
    manager.post(f"/agency/cases/{case.pk}/hand-over", {"asks": "CONSENTS"})
    manager.post(f"/agency/cases/{case.pk}/send-link", {"asks": "CONSENTS"})
    manager.post(f"/agency/cases/{case.pk}/drop-case", {"drop": "yes"})
    assert not case.handovers.exists() and fresh(case).state == "OPEN"


def test_a_case_that_is_nobodys_is_taken_by_one(member: Membership, agent: Client):
    case = a_case(member, operator=None, state="PROVING")
    colleague = signed_in_agent(a_member("op-2"))
    assert case.reference in text(agent.get("/agency/")) and case.reference in text(colleague.get("/agency/"))
    agent.post(f"/agency/cases/{case.pk}/take")
    assert colleague.post(f"/agency/cases/{case.pk}/take").status_code == 404
    assert fresh(case).operator == member


def test_a_dropped_case_gives_its_hold_back_and_is_done_today(agent: Client, member: Membership):
    looked_up = {"account": ACCOUNT, "reason": "AT_DESK"}
    case = a_proved_case(member, journey={"told": {"on_init": {"message": {}}}}, looked_up=looked_up)
    assert "Drop this case" in text(agent.get(f"/agency/cases/{case.pk}"))
    agent.post(f"/agency/cases/{case.pk}/drop-case", {"drop": "yes"})
    done = fresh(case)
    assert (done.state, done.outcome) == ("CLOSED", "LEFT") and done.application is not None
    assert done.looked_up == {}, "what they were looked up by is forgotten"
    assert (done.application.state, done.application.asked_action) == ("DROPPED", "cancel")
    assert "Done in the last 24 hours" in text(agent.get("/agency/"))


def test_a_case_whose_customer_said_not_me_stands_still(agent: Client, member: Membership, utility: Utility):
    case = a_proved_case(member, subject=customer().subject)
    assert case.application is not None
    cases.not_me(case.application, now=clock.now())
    for page in PAGES[1:]:
        agent.post(f"/agency/cases/{case.pk}{page}", {"asks": "CONSENTS", "drop": "no", "locale": "en"})
    assert fresh(case).state == "CLOSED" and not case.handovers.exists()
    assert "this was not them" in text(agent.get(f"/agency/cases/{case.pk}"))


def test_no_page_of_an_agency_answers_a_consent(agent: Client, member: Membership, utility: Utility):
    case = a_proved_case(member, subject=customer().subject)
    assert case.application is not None
    form = {"answer": "yes", "version": str(case.application.version), "digest": "sha256:1"}
    for address in (
        f"/agency/cases/{case.pk}/consents",
        f"/agency/cases/{case.pk}/consents/1",
        f"/applications/{case.application.pk}/consents/1",
        f"/hand-over/{uuid4()}/consents/1",
    ):
        assert agent.post(address, form).status_code in (302, 303, 404, 405), address
    assert not (Application.objects.get(pk=case.application.pk).answers.get("consents"))


def test_the_desk_is_short_of_nothing_when_there_is_nothing_and_turns_pages(agent: Client, member: Membership):
    assert "You have no open case" in text(agent.get("/agency/"))
    for _ in range(21):
        a_case(member)
    first, second = text(agent.get("/agency/")), text(agent.get("/agency/?page=2"))
    assert "Page 1 of 2" in first and "Page 2 of 2" in second


def test_the_timeline_names_who_did_what(agent: Client, member: Membership, utility: Utility):
    find(agent, offer())
    case = AssistedCase.objects.get()
    read_out(agent, case)
    page = text(agent.get(f"/agency/cases/{case.pk}"))
    assert f"{member.name}: began the case" in page and "read the sentences out" in page
