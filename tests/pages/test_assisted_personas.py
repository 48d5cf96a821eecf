"""Personas 2 and 6 with an agent beside them: several meters of one customer, and a solar plant that is certified.

The customer answers on the agent's own device, or on a telephone; the agent is never in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.customers import Block
from tests.pages.test_assisting import (
    FLEX,
    Agent,
    agent,  # noqa: F401 - a fixture
    agent_signs_in,
    answered,
    at_the_provider,
    code_of,
    left_alone,
    link_of,
    person,
    signs_in,
)
from tests.stack import Stack

DEVI, DEVIS_ACCOUNT = "devi", "CUST-101000"
TRADING, METERING = "Peer-to-Peer Energy Trading", "Net Metering"
_customers = Block.ASSISTED_PERSONAS.customers()


@pytest.fixture
def telephone(browser: Browser, stack: Stack) -> Iterator[Agent]:
    """The customer's own, whose pages are looked at like the agent's."""
    context = person(browser, stack, viewport={"width": 360, "height": 740})
    found = Agent(context.new_page(), stack)
    yield found
    found.is_clean()
    context.close()


def test_a_customer_with_several_meters_joins_with_two_of_them_and_answers_everything_on_the_agents_device(
    agent: Agent,  # noqa: F811
    telephone: Agent,
) -> None:
    page = agent.page
    begun(agent, FLEX, DEVIS_ACCOUNT)
    in_the_customers_hands(agent)
    agent.see("May this agency help you", "persona-2-mandate")
    agent.tick(page.get_by_label("Yes, I agree"))
    agent.press("Answer, and sign out")
    given_back(agent)

    agent.see("Which of the customer's meters", "persona-2-meters")
    expect(page.locator("input[name=meters]")).to_have_count(4)
    expect(page.locator("input[name=meters]:checked")).to_have_count(4)
    for ending in ("0101", "0104"):
        page.locator(".govuk-checkboxes__item", has_text=f"ending {ending}").locator("input").uncheck()
    agent.press("Continue")
    agent.until_answered()
    agent.see("can join", "persona-2-can-join")
    expect(page.get_by_text("The program has looked at 2 meters")).to_be_visible()
    agent.press("Continue")

    agent.see("The customer's consents", "persona-2-consents")
    in_the_customers_hands(agent)
    agent.see("What you agree to", "persona-2-overview")
    agent.follow("Begin")
    while re.search(r"/consents/\d+$", page.url):
        agent.see("May ", "persona-2-consent")
        agent.tick(page.get_by_label("Yes, I agree"))
        agent.press("Continue")
    agent.see("What you agree to")
    agent.press("Finish, and sign out")
    given_back(agent)

    declared(agent, "persona-2")
    for ending in ("0102", "0103"):
        expect(page.get_by_text(f"Meter number ending {ending}")).to_be_visible()
    for ending in ("0101", "0104"):
        expect(page.get_by_text(f"ending {ending}")).to_have_count(0)
    left_alone(telephone, DEVI)


def test_the_owner_of_a_solar_plant_sells_from_it_and_its_certificate_is_found_without_being_asked_for(
    agent: Agent,  # noqa: F811
    telephone: Agent,
    stack: Stack,
) -> None:
    customer, page = next(_customers), agent.page
    begun(agent, TRADING, f"CUST-{customer}")
    agreed_by_code(agent, TRADING, customer)
    agent.see("Which of the customer's meters", "persona-6-meters-assisted")
    agent.press("Continue")
    agent.until_answered()
    agent.see("Which of the customer's equipment", "persona-6-equipment-assisted")
    expect(page.locator("input[name=ders]:checked")).to_have_count(1)
    expect(page.locator("#device-1")).to_contain_text("10 kW · Surya Panels SP-400 · certified until")
    agent.press("Continue")
    agent.until_answered()
    agent.see("can join", "persona-6-can-join-assisted")
    expect(page.get_by_text("Every device that takes part is certified")).to_be_visible()
    expect(page.get_by_text("what data would flow")).to_be_visible()
    agent.press("Continue")
    agent.see("The customer's consents", "persona-6-consents-assisted")
    agent.press("Send a link")
    agent.see("The customer's consents")
    answered(telephone, link_of(stack, customer), customer)
    gone_on_from_consents(agent)
    declared(agent, "persona-6-assisted")


def test_net_metering_asks_the_owner_of_a_solar_plant_for_no_consent_and_the_agent_comes_to_the_end_without_one(
    agent: Agent,  # noqa: F811
) -> None:
    customer, page = next(_customers), agent.page
    begun(agent, METERING, f"CUST-{customer}")
    agreed_by_code(agent, METERING, customer)
    agent.see("Which of the customer's meters", "net-metering-meters")
    agent.press("Continue")
    agent.until_answered()
    agent.see("can join", "net-metering-can-join")
    expect(page.get_by_text("what data would flow")).to_have_count(0)
    agent.press("Continue")
    declared(agent, "net-metering")
    expect(page.get_by_text(f"Meter number ending {customer[-4:]}")).to_be_visible()


# --- steps -----------------------------------------------------------------------------------------------------------


def begun(agent: Agent, program: str, account: str) -> None:  # noqa: F811
    """From the desk to the customer's agreement, about any program."""
    page = agent.page
    agent.open("/agency/new", "Which program")
    agent.tick(page.get_by_label(re.compile(f"^{program} ")).first)
    agent.press("Continue")
    agent.see("Find the customer")
    agent.type("Account number or registered mobile number", account)
    agent.tick(page.get_by_label("The customer is here with me"))
    agent.press("Find")
    agent.see("Read this to the customer")
    agent.press("I have read this")
    agent.see("The customer's agreement")


def in_the_customers_hands(agent: Agent) -> None:  # noqa: F811
    """The agent is signed out, and the customer signs in at their utility."""
    agent.press("Hand the device over")
    at_the_provider(agent)
    agent.see("Sign in to answer")
    expect(agent.page.get_by_text("You are enrolling")).to_have_count(0)
    agent.leave_by(agent.page.get_by_role("button", name=re.compile("^Sign in at ")))
    signs_in(agent, DEVI)


def given_back(agent: Agent) -> None:  # noqa: F811
    """The customer is signed out; whoever has the device now is nobody, until the agent signs in with both steps."""
    page = agent.page
    at_the_provider(agent)
    agent.see("Give the device back")
    given = page.url
    page.goto("/agency/")
    agent.see("Sign in")
    page.goto(given)
    agent.follow("I am Anita Rao")
    agent.press("Continue")
    agent_signs_in(agent)
    as_far_as_meters(agent)


def agreed_by_code(agent: Agent, program: str, customer: str) -> None:  # noqa: F811
    agent.press("Send a code")
    agent.type("Code that the customer tells you", code_of(agent.stack, customer, program))
    agent.press("The customer agrees")
    as_far_as_meters(agent)


def as_far_as_meters(agent: Agent) -> None:  # noqa: F811
    agent.until_answered()
    if "/account" in agent.page.url:
        agent.see("account")
        agent.leave_by(agent.page.locator("main button.govuk-button").first)
        agent.until_answered()


def gone_on_from_consents(agent: Agent) -> None:  # noqa: F811
    """The page asks by itself, and goes on."""
    page = agent.page
    for _ in range(60):
        if "/consents" not in page.url:
            return
        page.wait_for_timeout(250)
    raise AssertionError(page.content())


def declared(agent: Agent, name: str) -> None:  # noqa: F811
    """The agent's own statement, and the end."""
    page = agent.page
    agent.see("Check", f"{name}-check")
    agent.tick(page.locator("#id_declared"))
    agent.press("Confirm enrolment")
    agent.until_answered()
    agent.see("The customer is enrolled", f"{name}-enrolled")
