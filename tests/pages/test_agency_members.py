"""Agencies' people with a real browser: signing in with both steps, and a manager's members, on a small telephone."""

from __future__ import annotations

import re
import time
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.identity.visiting import Visitor
from tests.pages.people import Enrolled
from tests.pages.screens import policy_violations
from tests.pages.walking import Walk

axe = Axe()


def test_a_manager_signs_in_invites_somebody_and_takes_the_invitation_back(page: Page, enrolled: Enrolled) -> None:
    stack = enrolled.journey.stack
    walk = Walk(page, stack)
    page.goto("/agency/members")
    walk.see("Sign in as an enrolment agent", "agency-sign-in")
    walk.sign_in_agent("manager")
    walk.see("Members", "agency-members")
    expect(page.get_by_text("Sandbox Enrolment Agency")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Agency certified until \d+ \w+ 202\d"))).to_be_visible()
    page.get_by_role("link", name="Invite somebody").click()
    walk.see("Whom do you invite?", "agency-invite")
    walk.press("Send the invitation")
    expect(page).to_have_title(re.compile("^Error: Whom do you invite"))
    walk.see("Whom do you invite?", "agency-invite-error")
    page.get_by_label("Name").fill("Lata Verma")
    page.get_by_label("E-mail address").fill("lata@agency.sandbox.example")
    page.get_by_label("Operator id").fill("op-77")
    page.get_by_label("Agent: enrols customers with them").check()
    walk.press("Send the invitation")
    walk.see("Lata Verma", "agency-member-invited")
    link = _link_in(stack.folder / "mail")
    newcomer = Visitor(stack)
    assert newcomer.get(link).heading == "Join Sandbox Enrolment Agency"
    page.get_by_role("link", name="Take the invitation back").click()
    walk.see("Switch off the access of Lata Verma?", "agency-member-off")
    walk.press("Switch off")
    expect(page.get_by_text("They come in no more")).to_be_visible()
    assert newcomer.get(link).heading == "This invitation does not work any more"
    assert policy_violations(walk.said) == []


def test_the_pages_of_the_sign_in_and_of_who_is_blocked_have_no_barriers(page: Page, enrolled: Enrolled) -> None:
    walk = Walk(page, enrolled.journey.stack)
    page.goto("/agency/sign-in")
    _no_barriers(page)
    walk.sign_in_agent("op-2")
    page.goto("/agency/blocked")
    walk.see("Your certificate as an agent has ended", "agency-blocked")
    _no_barriers(page)
    with page.expect_navigation():
        page.get_by_role("main").get_by_role("button", name="Sign out").click()
    walk.see("You are signed out")
    page.goto("/agency/sign-in")
    walk.sign_in_agent("both")
    walk.see("Which agency do you work for now?", "agency-choose")
    _no_barriers(page)


def _no_barriers(page: Page) -> None:
    found = axe.run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_snapshot()


def _link_in(folder: Path) -> str:
    """The newest invitation in the sandbox's mail."""

    for _ in range(150):
        texts = [each.read_text() for each in sorted(folder.glob("*.log"), key=lambda each: each.stat().st_mtime)]
        found = [link for text in texts for link in re.findall(r"(/agency/join\?t=[\w-]+)", text.replace("=\n", ""))]
        if found:
            return found[-1]
        time.sleep(0.2)
    raise AssertionError(f"no invitation in {folder}")
