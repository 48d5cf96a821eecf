"""Persona 1 in a real browser: from the programs to "You are enrolled", and the ways on from a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox import generated
from tests.pages.walking import Walk, a_customer, join
from tests.stack import Stack

FLEX, EVENING = "Demand Flexibility Program", "Evening Peak Program"


@pytest.fixture
def phone(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A telephone in the hand, on a network of 400 kbit/s that takes a tenth of a second each way."""
    context = browser.new_context(base_url=stack.base, viewport={"width": 360, "height": 740})
    page = context.new_page()
    slow = {"offline": False, "latency": 100, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    yield page
    context.close()


@pytest.fixture
def plain(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A desk's screen, without JavaScript."""
    context = browser.new_context(
        base_url=stack.base, viewport={"width": 1280, "height": 900}, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


def test_persona_1_joins_on_a_phone_by_keyboard_in_ten_pages_and_types_nothing(phone: Page, stack: Stack) -> None:
    walk = Walk(phone, stack, by_keyboard=True)
    seconds = join(walk, a_customer(), FLEX, names=True)
    expect(phone.get_by_text("ENR-")).to_be_visible()
    expect(phone.get_by_role("link", name="View credential")).to_be_visible()
    weights = walk.weights()
    requests, kilobytes = max(each[0] for each in weights), max(each[1] for each in weights)
    print(
        f"persona 1 at 400 kbit/s: {len(walk.seen)} pages, {walk.typed} typed fields,"
        f" confirm to enrolled {seconds:.1f} s, first page {weights[0][1]} kB,"
        f" heaviest {kilobytes} kB, at most {requests} requests a page"
    )
    assert len(walk.seen) <= 10 and walk.typed == 0, walk.seen
    assert kilobytes < 60 and requests <= 8, weights
    walk.is_clean()
    # Back after the end is calm: the questions are over, and nothing is sent a second time.
    phone.go_back()
    expect(phone.get_by_role("heading", level=1)).to_have_text(re.compile("You are enrolled|Check your answers"))
    phone.goto(phone.url)
    walk.see("You are enrolled")
    # And after the sign-out Back shows nothing of it.
    address = phone.url
    walk.press("Sign out")
    phone.go_back()
    expect(phone.get_by_text("ENR-")).to_have_count(0)
    phone.goto(address)
    walk.see("Who is your electricity utility")


def test_persona_1_joins_without_a_script_and_hears_what_is_in_the_way_of_a_second_program(
    plain: Page, stack: Stack
) -> None:
    walk, person = Walk(plain, stack), a_customer()
    join(walk, person, FLEX, names=True, has_script=False)
    walk.open("/", "Energy programs")
    walk.follow(EVENING)
    with plain.expect_navigation():
        plain.get_by_role("button", name="Start now").click()
    walk.see("Is this your account")
    walk.press("This is me")
    walk.until_answered(has_script=False)
    walk.see("Which meters", "P5-meter-taken")
    box = plain.locator("#id_meters")
    if box.is_enabled():  # a provider that says nothing before the application says it then
        walk.press("Continue")
        walk.until_answered(has_script=False)
        walk.see("already in a program", "P18-conflict")
        expect(plain.get_by_role("button", name="Start on ")).to_be_visible()
        expect(plain.get_by_role("link", name=f"Leave {FLEX}")).to_be_visible()
    else:
        expect(plain.get_by_text("Already in another program until")).to_be_visible()
        expect(plain.get_by_role("link", name=f"Leave {FLEX}")).to_be_visible()
        plain.get_by_role("button", name=re.compile("^Start on .* instead$")).click()
        walk.until_answered(has_script=False)
        walk.see("You can join", "P7-later")
        walk.press("Continue")
        walk.see("May ")
    walk.is_clean()


def test_a_customer_whose_utility_has_no_api_for_customers_joins_by_the_sign_in_alone(
    browser: Browser, stack: Stack
) -> None:
    # 320 px: as at 400 % zoom. The provider finds the meter by the token in its own messages to the utility.
    context = browser.new_context(base_url=stack.base, viewport={"width": 320, "height": 640})
    walk = Walk(context.new_page(), stack, utility=generated.UTILITY_B)
    join(walk, "chandra", "Community Solar", names=True)
    assert walk.typed == 0 and len(walk.seen) <= 10, walk.seen
    expect(walk.page.get_by_text("Site farm-020")).to_be_visible()
    walk.is_clean()
    context.close()
