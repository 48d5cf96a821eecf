"""Signing in with a real browser: through the provider's own pages and back, under our own policy."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.identity.visiting import A
from tests.pages.people import Enrolled
from tests.pages.screens import policy_violations, press
from tests.signing_in import Provider


def test_a_person_signs_in_at_their_utility_and_out_again_everywhere(page: Page, enrolled: Enrolled) -> None:
    stack, said = enrolled.journey.stack, list[str]()
    page.on("console", lambda message: said.append(message.text))
    provider = Provider(stack.utility_url(A), stack.folder / A)
    assert provider.metadata  # it starts with its first request, which may take a while
    page.goto("/oidc/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Who is your electricity utility?")
    page.get_by_label("North Grid").check()
    press(page, "Continue")
    assert page.url.startswith(stack.utility_url(A))
    page.fill("input[name=username]", "chandra")
    page.fill("input[name=password]", provider.password("chandra"))
    with page.expect_navigation():
        page.keyboard.press("Enter")
    if page.locator("[name=allow]").count():  # asked once for each person
        with page.expect_navigation():
            page.locator("[name=allow]").last.click()
    page.wait_for_url(f"{stack.base}/oidc/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    with page.expect_navigation():
        page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    page.goto("/oidc/account")
    assert "/oidc/sign-in" in page.url
    assert policy_violations(said) == []


def test_every_bad_end_says_what_happened_and_what_to_do(page: Page, enrolled: Enrolled) -> None:
    seen = set()
    for ending in (
        *("cancelled", "no-account", "inactive", "unavailable", "expired", "used", "wrong-provider"),
        *("not-believed", "too-weak", "other-person", "link-over", "too-many"),
    ):
        page.goto(f"/oidc/ended/{ending}")
        heading = page.get_by_role("heading", level=1).inner_text()
        assert page.title() == f"{heading} – Energy programs" and page.locator("main p").count() >= 2, ending
        seen.add(heading)
    assert len(seen) == 12
