"""A mandate on paper with real browsers: the agent, a colleague who reviews it, and the customer who takes it back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from sandbox import generated
from tests.customers import Block
from tests.identity.visiting import Visitor
from tests.pages.test_assisting import Agent, agent, begun, is_clean, messages, person, phone  # noqa: F401 - fixtures
from tests.pages.walking import Walk
from tests.stack import Stack

_customers = Block.PAPERS.customers()
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <<>>\n%%EOF\n"


@pytest.fixture
def reviewer(browser: Browser, stack: Stack) -> Iterator[Walk]:
    """A colleague of the agent's, on a small telephone and without JavaScript."""
    visitor = Visitor(stack)
    visitor.sign_in_agent("reviewer")
    viewport = {"width": 360, "height": 740}
    context: BrowserContext = person(browser, stack, viewport=viewport, java_script_enabled=True)
    context.add_cookies([{"name": f"session{stack.port}", "value": visitor.session, "url": stack.base}])
    yield Walk(context.new_page(), stack)
    context.close()


def test_a_paper_is_signed_uploaded_reviewed_by_a_colleague_and_taken_back_by_its_customer(
    agent: Agent,  # noqa: F811
    reviewer: Walk,
    phone: Walk,  # noqa: F811
    stack: Stack,
) -> None:
    customer, page = next(_customers), agent.page
    begun(agent, customer)
    agent.follow("Print or upload the form")
    agent.see("The customer’s agreement on paper", "A5-paper")
    agent.follow("Print the text")
    agent.see("Mandate", "A5-paper-print")
    expect(page.get_by_text("They may not agree to anything in my place")).to_be_visible()
    agent.follow("Back")
    agent.press("Send the file")
    agent.see("The customer’s agreement on paper", "A5-paper-error")
    expect(page).to_have_title(re.compile("^Error:"))
    page.get_by_label("Choose the file").set_input_files(
        {"name": "m.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    agent.press("Send the file")
    agent.see("The customer’s agreement on paper", "A5-paper-waits")
    expect(page.get_by_text("Waits for its review")).to_be_visible()
    reference = re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}", page.locator(".govuk-caption-l").inner_text())
    assert reference

    other = reviewer.page
    reviewer.open("/agency/review", "Mandates to review", "review-queue")
    is_clean(other)
    reviewer.follow(reference[0])
    reviewer.see("Review a mandate on paper", "review")
    is_clean(other)
    other.get_by_label("I know that no scanner").check()
    with other.expect_download() as download:
        other.get_by_role("button", name="Download the file").click()
    assert download.value.path().read_bytes() == PDF
    other.get_by_label("Approve: the customer has signed").check()
    reviewer.press("Decide")
    reviewer.see("Review a mandate on paper", "review-approved")
    expect(other.get_by_text("Approved", exact=True)).to_be_visible()

    page.reload()
    agent.follow("Back to the case")
    agent.see("Case", "A11-paper")
    expect(page.get_by_text("Approved", exact=True)).to_be_visible()
    agent.follow("Go on")
    agent.until_answered()
    if "/account" in page.url:
        agent.leave_by(page.locator("main button.govuk-button").first)
        agent.until_answered()
    agent.see("Which of the customer's meters", "A6-paper-meters")
    expect(page.get_by_text("You are enrolling")).to_be_visible()

    link = letter_to(stack, customer)
    phone.open(link, "Shall the agency no longer act for you", "mandate-link")
    phone.page.goto("/my-data/mandates")
    phone.sign_in(customer)
    phone.see("Who may act for you", "mandates")
    phone.follow("Take it back")
    phone.see("Shall the agency no longer act for you", "mandate-take-back")
    phone.press("Take it back")
    phone.see("Who may act for you", "mandate-taken-back")
    expect(phone.page.get_by_text("Nobody may act for you.")).to_be_visible()

    page.goto(page.url)
    agent.see("Case", "A11-taken-back")
    agent.follow("Go on")
    agent.see("The customer's agreement", "A5-again")
    expect(page.get_by_text("has taken it back")).to_be_visible()


def letter_to(stack: Stack, customer: str) -> str:
    """The address that came to the registered contact of whoever is said to have signed."""
    for _ in range(40):
        found = [each for each in messages(stack) if each["template"] == "mandate-on-paper" and customer in str(each)]
        if found:
            link = re.search(r"/mandates/[\w-]+", str(found[0]))
            assert link
            return link[0]
        time.sleep(0.25)
    raise AssertionError(f"nobody wrote to {customer} of {generated.UTILITY_A}")
