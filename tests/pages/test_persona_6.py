"""Persona 6 with certificates, in a real browser: solar plant and battery that the utility has certified."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.bap import http
from tests.pages.walking import Walk
from tests.stack import Stack

PRIYA, TRADING = "priya", "Peer-to-Peer Energy Trading"


@pytest.fixture
def walk(browser: Browser, stack: Stack) -> Iterator[Walk]:
    context = browser.new_context(base_url=stack.base, viewport={"width": 1280, "height": 900})
    yield Walk(context.new_page(), stack)
    context.close()
    happens(stack, "CERTIFICATE_RENEWED")  # Priya's devices are others' in the same stack, too


def test_p6_6_somebody_sells_from_devices_whose_certificates_their_utility_gives(walk: Walk, stack: Stack) -> None:
    page = walk.page
    walk.open("/", "Energy programs")
    walk.follow(TRADING)
    walk.see(TRADING)
    with page.expect_navigation():
        page.get_by_role("button", name="Start now").click()
    walk.sign_in(PRIYA)
    walk.see("Is this your account")
    walk.press("This is me")
    walk.until_answered()
    walk.see("Which meters")
    walk.press("Continue")

    walk.see("Which equipment takes part", "persona-6-equipment")
    expect(page.locator("input[name=ders]:checked")).to_have_count(2)
    expect(page.get_by_text("certified until")).to_have_count(2)
    walk.press("Continue")
    walk.until_answered()
    walk.see("You can join", "persona-6-you-can-join")
    walk.press("Continue")
    while "/consents/" in page.url:
        walk.see("May ")
        page.get_by_label("Yes, I agree").check()
        walk.press("Continue")
    walk.see("Check your answers", "persona-6-check")
    page.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.until_answered()
    walk.see("You are enrolled", "persona-6-enrolled")
    assert walk.typed == 0
    walk.is_clean()

    # The battery's certificate is taken back: the enrolment is paused, and its page says why and what to do.
    happens(stack, "CERTIFICATE_REVOKED")
    home = page.url.replace("/applications/", "/enrolments/").removesuffix("/enrolled")
    page.goto(home)
    for _ in range(100):
        if page.get_by_text("Your enrolment is paused").count():
            break
        page.wait_for_timeout(200)
        page.reload()
    walk.see(TRADING, "persona-6-paused")
    expect(page.get_by_text("The certificate of your device was taken back")).to_be_visible()
    expect(page.get_by_text("Your enrolment was paused")).to_be_visible()
    expect(page.get_by_text("If nothing happens, it ends on")).to_be_visible()

    # She leaves: what the meter and the devices were held for is free again.
    page.goto(f"{home}/leave")
    page.get_by_label("Now").check()
    page.get_by_label(f"I want to leave {TRADING}").check()
    walk.press("Leave the program")
    walk.until_answered()
    expect(page.get_by_role("heading", level=1)).to_contain_text("left")


def happens(stack: Stack, kind: str) -> None:
    news = json.dumps({"kind": kind, "derId": "der-battery-001"}).encode()
    assert http("POST", f"{stack.utility_url()}/happen", news, {"Content-Type": "application/json"}).status < 300
