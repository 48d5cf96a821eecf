"""A program whose credential has the shape of the DEG network: the portal knows it, and holds it like any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.pages.walking import Walk, a_customer
from tests.stack import Stack

NET_METERING = "Net Metering"


@pytest.fixture
def walk(browser: Browser, stack: Stack) -> Iterator[Walk]:
    context = browser.new_context(base_url=stack.base, viewport={"width": 360, "height": 740})
    yield Walk(context.new_page(), stack)
    context.close()


def test_a_credential_that_names_the_customers_number_is_verified_before_it_is_shown(walk: Walk, stack: Stack) -> None:
    page = walk.page
    walk.open("/", "Energy programs")
    walk.follow(NET_METERING)
    walk.see(NET_METERING)
    with page.expect_navigation():
        page.get_by_role("button", name="Start now").click()
    walk.sign_in(a_customer())
    walk.see("Is this your account")
    walk.press("This is me")
    for _ in range(8):
        walk.until_answered()
        if "/check" in page.url:
            break
        if "/consents/" in page.url:
            page.get_by_label("Yes, I agree").check()
        walk.press("Continue")
    walk.see("Check your answers")
    page.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.until_answered()
    walk.see("You are enrolled")
    newest = "SELECT profile FROM issued_credentials WHERE profile <> '' ORDER BY issued_at DESC LIMIT 1"
    assert stack.sql(newest) == [("DEG",)]
