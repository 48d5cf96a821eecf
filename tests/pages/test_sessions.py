"""The language of somebody's pages goes along with them, and a sign-in that ends leaves nothing on the screen."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.pages.people import Enrolled
from tests.pages.walking import Walk, a_customer

MINUTES_OF_A_SIGN_IN = 8 * 60


def signed_in(page: Page, enrolled: Enrolled, person: str) -> Walk:
    walk = Walk(page, enrolled.journey.stack)
    page.goto("/enrolments")
    walk.sign_in(person)
    page.wait_for_url("**/enrolments")
    return walk


def language_of(page: Page) -> tuple[str | None, str | None]:
    html = page.locator("html")
    return html.get_attribute("lang"), html.get_attribute("dir")


def test_a_language_is_a_button_and_waits_on_the_next_device_and_a_sign_in_that_ends_leaves_nothing(
    page: Page, browser: Browser, browser_context_args: dict[str, Any], enrolled: Enrolled
) -> None:
    person = a_customer()
    walk = signed_in(page, enrolled, person)
    assert language_of(page) == ("en", None)
    walk.press("اردو")
    assert language_of(page) == ("ur", "rtl") and page.url.endswith("/enrolments")

    elsewhere = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    try:
        other = elsewhere.new_page()
        other_walk = signed_in(other, enrolled, person)
        assert language_of(other) == ("ur", "rtl")
        other_walk.press("English")
        assert language_of(other) == ("en", None)
        # After signing out, Back asks again who somebody is.
        heading = other.get_by_role("heading", level=1).inner_text()
        with other.expect_navigation():
            other.get_by_role("banner").get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("heading", level=1)).to_have_text("You are signed out")
        other.go_back()
        assert heading not in other.content()
    finally:
        elsewhere.close()

    walk.press("English")
    page.clock.install()
    page.goto("/enrolments")
    notice = page.locator("[data-session-ends]")
    page.clock.fast_forward((MINUTES_OF_A_SIGN_IN - 5) * 60_000)
    expect(notice).to_be_hidden()
    page.clock.fast_forward(210_000)
    expect(notice).to_be_visible()
    expect(notice.get_by_role("link")).to_have_attribute("href", "/oidc/sign-in?next=%2Fenrolments")
    walk.picture("P19-session-ends")
    page.clock.fast_forward(120_000)
    page.wait_for_url("**/signed-out-idle**")
    expect(page.get_by_role("heading", level=1)).to_have_text("You were signed out")
    walk.is_clean()
