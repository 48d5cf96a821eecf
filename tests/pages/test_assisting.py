"""An agent and a customer side by side, each with a browser: from the desk to the enrolment (screens A2-A9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from sandbox import generated
from tests.bap import http
from tests.customers import Block
from tests.identity.visiting import AGENCIES, Visitor
from tests.pages.walking import Walk
from tests.signing_in import Provider
from tests.stack import Stack

FLEX = "Demand Flexibility Program"
_customers = Block.ASSISTING.customers()
axe = Axe()


@dataclass
class Agent(Walk):
    """An agent at the desk: counts what they press, a field that is typed into as one, and the characters beside."""

    presses: int = 0
    characters: int = 0

    def leave_by(self, control: Locator) -> None:
        self.presses += 1
        super().leave_by(control)

    def tick(self, box: Locator) -> None:
        self.presses += 1
        super().tick(box)

    def type(self, label: str, text: str) -> None:
        self.presses += 1
        self.characters += len(text)
        super().type(label, text)

    def see(self, heading: str, name: str = "") -> None:
        super().see(heading, name)
        is_clean(self.page)


def is_clean(page: Page) -> None:
    found = axe.run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def person(browser: Browser, stack: Stack, **how: Any) -> BrowserContext:
    return browser.new_context(base_url=stack.base, **how)


@pytest.fixture
def agent(browser: Browser, stack: Stack) -> Iterator[Agent]:
    """Anita Rao at her desk, signed in with both steps."""
    visitor = Visitor(stack)
    visitor.sign_in_agent("op-1")
    context = person(browser, stack, viewport={"width": 1280, "height": 900})
    assert Provider(stack.utility_url(), stack.folder / generated.UTILITY_A).metadata  # it starts with being asked
    context.add_cookies([{"name": f"session{stack.port}", "value": visitor.session, "url": stack.base}])
    found = Agent(context.new_page(), stack)
    yield found
    found.is_clean()
    context.close()


@pytest.fixture
def phone(browser: Browser, stack: Stack) -> Iterator[Walk]:
    """The customer's own telephone, without JavaScript."""
    context = person(browser, stack, viewport={"width": 360, "height": 740}, java_script_enabled=False)
    yield Walk(context.new_page(), stack)
    context.close()


def test_a_standard_case_from_the_desk_to_the_enrolment_with_the_customers_phone_beside(
    agent: Agent, phone: Walk, stack: Stack
) -> None:
    customer, page = next(_customers), agent.page
    begun(agent, customer)
    agent.see("The customer's agreement", "A5-agreement")
    agent.press("Send a code")
    agent.see("The customer's agreement", "A5-code")
    agent.type("Code that the customer tells you", code_of(stack, customer))
    agent.press("The customer agrees")
    agent.until_answered()
    joined_as_far_as_consents(agent)
    agent.see("The customer's consents", "A7-consents")
    agent.press("Send a link")
    agent.see("The customer's consents", "A7-waiting-room")
    answered(phone, link_of(stack, customer), customer)
    for _ in range(40):  # the page asks by itself, and goes on
        if "/consents" not in page.url:
            break
        page.wait_for_timeout(250)
        if page.get_by_role("link", name="Continue").count():
            agent.follow("Continue")
    agent.see("Check", "A8-check")
    agent.tick(page.locator("#id_declared"))
    agent.press("Confirm enrolment")
    agent.until_answered()
    agent.see("enrolled", "A9-enrolled")
    expect(page.get_by_text("ENR-")).to_be_visible()
    print(
        f"standard assisted case: {agent.presses} key presses (a field counts as one), {len(agent.seen)} pages,"
        f" {agent.typed} fields with {agent.characters} characters"
    )
    assert agent.presses <= 25, agent.seen
    case = page.url.removeprefix(stack.base).removesuffix("/enrolled")
    agent.open("/agency/", "Desk", "A2-desk-done")
    line = page.get_by_role("row").filter(has=page.locator(f"a[href='{case}']"))
    expect(line.get_by_role("cell", name="Enrolled")).to_be_visible()
    left_alone(phone, customer)


def test_the_customer_agrees_on_the_agents_device_and_the_agent_comes_back_by_both_steps(
    agent: Agent, stack: Stack
) -> None:
    customer, page = next(_customers), agent.page
    begun(agent, customer)
    agent.press("Hand the device over")
    at_the_provider(agent)
    agent.see("Sign in to answer", "A5-in-hand")
    held = page.url
    for place in ("/agency/", "/enrolments", "/"):
        page.goto(place)
        assert page.url == held, place
    page.go_back()
    expect(page.get_by_text("You are enrolling")).to_have_count(0)
    page.goto(held)
    page.get_by_role("button", name=re.compile("^Sign in at ")).click()
    signs_in(agent, customer)
    agent.see("May this agency help you", "A5-mandate")
    agent.tick(page.get_by_label("Yes, I agree"))
    agent.press("Answer, and sign out")
    at_the_provider(agent)
    agent.see("Give the device back", "A5-give-back")
    page.goto("/enrolments")
    agent.see("Who is your electricity utility")
    page.goto(f"{held}/back")
    agent.follow("I am Anita Rao")
    agent.press("Continue")
    agent_signs_in(agent)
    agent.until_answered()
    agent.see("Which of the customer's meters", "A6-meters")
    expect(page.get_by_text("You are enrolling")).to_be_visible()


# --- steps -----------------------------------------------------------------------------------------------------------


def begun(agent: Agent, customer: str) -> None:
    """From the desk to the customer's agreement."""
    page = agent.page
    agent.open("/agency/", "Desk", "A2-desk")
    agent.follow("New enrolment")
    agent.see("Which program", "A2-new")
    agent.tick(page.get_by_label(re.compile(f"^{FLEX} ")).first)
    agent.press("Continue")
    agent.see("Find the customer", "A3-find")
    agent.type("Account number or registered mobile number", f"CUST-{customer}")
    agent.tick(page.get_by_label("The customer is here with me"))
    agent.press("Find")
    agent.see("Read this to the customer", "A4-read")
    agent.press("I have read this")


def joined_as_far_as_consents(agent: Agent) -> None:
    """A6: what the portal asks of anybody, asked of the agent."""
    page = agent.page
    if "/account" in page.url:
        agent.see("account", "A6-account")
        agent.leave_by(page.locator("main button.govuk-button").first)
        agent.until_answered()
    agent.see("Which of the customer's meters", "A6-meters")
    agent.press("Continue")
    agent.until_answered()
    agent.see("can join", "A6-can-join")
    agent.press("Continue")


def answered(phone: Walk, link: str, customer: str) -> None:
    """The customer's own answers, on their own telephone and by their own sign-in."""
    page = phone.page
    phone.open(link, "An agency asks you something", "A7-link")
    phone.press("Continue")
    phone.see("Sign in to answer", "A7-sign-in")
    page.get_by_role("button", name=re.compile("^Sign in at ")).click()
    signs_in(phone, customer)
    phone.see("What you agree to", "A7-overview")
    phone.follow("Begin")
    while re.search(r"/consents/\d+$", page.url):
        phone.see("May ", "A7-consent")
        phone.tick(page.get_by_label("Yes, I agree"))
        phone.press("Continue")
    phone.see("What you agree to")
    phone.press("Finish, and sign out")
    at_the_provider(phone)
    phone.see("You can close this page", "A7-closed")
    page.goto("/enrolments")
    phone.see("Who is your electricity utility")


def signs_in(walk: Walk, customer: str) -> None:
    """On the pages of the customer's utility."""
    page, stack = walk.page, walk.stack
    provider = Provider(stack.utility_url(), stack.folder / generated.UTILITY_A)
    page.fill("input[name=username]", customer)
    page.fill("input[name=password]", provider.password(customer))
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")
    if page.locator("[name=allow]").count():
        with page.expect_navigation():
            page.locator("[name=allow]").last.click()


def left_alone(phone: Walk, customer: str) -> None:
    """The customer finds in their own account what an agency began, and leaves it without the agency."""
    page = phone.page
    page.goto("/enrolments")
    phone.sign_in(customer)
    phone.see("My enrolments")
    phone.follow("View")
    phone.see(FLEX)
    expect(page.get_by_text("An enrolment agency began to apply with you")).to_be_attached()
    phone.open(f"{page.url}/leave", "Leave this program")
    page.get_by_label("Now").check()
    page.get_by_label("I want to leave").check()
    phone.press("Leave the program")
    home = page.url
    for _ in range(40):
        if page.get_by_role("heading", name="You have left").count():
            return
        page.wait_for_timeout(250)
        page.goto(home)
    raise AssertionError(page.content())


def agent_signs_in(walk: Walk) -> None:
    """On the pages of the agencies' provider, with password and code."""
    page, stack = walk.page, walk.stack
    provider = Provider(stack.agencies_url(), stack.folder / AGENCIES)
    page.fill("input[name=username]", "op-1")
    page.fill("input[name=password]", provider.password("op-1"))
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")
    page.fill("input[name=code]", provider.code_sent_to("op-1"))
    with page.expect_navigation():
        page.locator("input[name=code]").press("Enter")
    if page.locator("[name=allow]").count():
        with page.expect_navigation():
            page.locator("[name=allow]").last.click()


def at_the_provider(walk: Walk) -> None:
    """Past the provider's page that asks whether to sign out, where it has one."""
    page = walk.page
    page.wait_for_load_state()
    if not page.url.startswith(walk.stack.base) and page.locator("[name=allow]").count():
        with page.expect_navigation():
            page.locator("[name=allow]").last.click()


def code_of(stack: Stack, customer: str, program: str = FLEX) -> str:
    """The code that came to the customer's registered contact, with the names of who asks."""
    to = f"the contact of CUST-{customer}"
    found = [each for each in messages(stack) if each["to"] == to and each["template"] == "one-time-code"]
    said = str(found[0])
    assert "Anita Rao" in said and program in said, said
    return str(found[0]["parameters"]["code"])


def link_of(stack: Stack, customer: str) -> str:
    """The link that came to the customer's registered contact."""
    found = [str(each) for each in messages(stack) if each["template"] == "handover-link" and customer in str(each)]
    link = re.search(r"/hand-over/link/[\w-]+", found[0])
    assert link
    return link[0]


def messages(stack: Stack) -> list[dict[str, Any]]:
    answer = http("GET", f"{stack.utility_url()}/outbox", headers={"Accept": "application/json"})
    return list(answer.body["messages"])
