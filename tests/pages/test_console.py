"""The console in a browser: signing in, a key's life by keyboard, and every page for every pair of eyes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.pages.people import Enrolled
from tests.pages.screens import policy_violations
from tests.pages.test_access import violations
from tests.stack import ROOT, Stack

PASSWORD = "a long password for the night shift"
CREDENTIALS = "/admin/credentials"
# A page's address; where an arrow follows, the page that the first row of its list leads to, or the link of that name.
PAGES = {
    "home": "/admin/",
    "enrolments": "/admin/enrollments/",
    "enrolment": "/admin/enrollments/ → row",
    "asking for many": "/admin/enrollments/many/?kind=PAUSE&state=ACTIVE",
    "acts on many": "/admin/bulk-acts/",
    "cases to decide": "/admin/cases-to-decide/",
    "re-checks": "/admin/enrollment/recheck/",
    "requests": "/admin/person-requests/",
    "what customers are told": "/admin/enrollment/customernotice/",
    "programs": "/admin/programs/",
    "program": "/admin/programs/ → row",
    "new program": "/admin/programs/new/",
    "closing": "/admin/programs/ → row → Close",
    "consent texts": "/admin/consent-texts/",
    "consent text": "/admin/consent-texts/ → row",
    "conflict rules": "/admin/conflict-rules/",
    "pair": "/admin/conflict-rules/pair/?a=FLEX&b=TRADE",
    "agencies": "/admin/identity/agency/",
    "agency": "/admin/identity/agency/ → row",
    "keys": f"{CREDENTIALS}/issuerkey/",
    "key": f"{CREDENTIALS}/issuerkey/ → row",
    "announce": f"{CREDENTIALS}/issuerkey/announce/",
    "revoke": f"{CREDENTIALS}/issuerkey/ → row → Revoke this key",
    "lists": f"{CREDENTIALS}/statuslist/",
    "publish": f"{CREDENTIALS}/statuslist/publish/",
    "credentials": f"{CREDENTIALS}/issuedcredential/",
    "credential": f"{CREDENTIALS}/issuedcredential/ → row",
    "received": "/admin/inbox/",
    "message": "/admin/inbox/?state=DONE → row",
    "to send": "/admin/outbox/",
    "refused": "/admin/refused/",
    "participants": "/admin/participants/",
    "participant": "/admin/participants/ → row",
    "utility systems": "/admin/utility_systems/systemhealth/",
    "what utilities are told": "/admin/enrollment/utilitynotice/",
    "what utilities have told us": "/admin/enrollment/utilitychange/",
    "figures": "/admin/figures/",
    "figures of enrolments": "/admin/figures/ → Enrolments and capacity",
    "figures of times": "/admin/figures/ → Times",
    "figures of utilities": "/admin/figures/ → Utilities",
    "figures of lists": "/admin/figures/ → Status lists",
    "operations": "/admin/operations/",
    "journal": "/admin/journal/",
    "line": "/admin/journal/ → row",
    "story": "/admin/enrollments/ → row → The whole story, with every message",
    "checks": "/admin/journal/checks/",
    "exports": "/admin/journal/exports/",
    "kept data": "/admin/kept-data/",
    "staff": "/admin/staff/",
    "inviting": "/admin/staff/invite/",
    "alarms": "/admin/staff/alarms/",
    "password": "/admin/password_change/",
}
DARK = ("home", "enrolment", "figures", "story", "key", "cases to decide")  # one of each make


@pytest.fixture(scope="module")
def signed_in(stack: Stack, browser: Browser) -> StorageState:
    """A member of staff made by the command that operators use, who has signed in once."""
    done = subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", "chief"],
        cwd=ROOT,
        env=stack.variables(DJANGO_SUPERUSER_PASSWORD=PASSWORD),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    context = browser.new_context(base_url=stack.base)
    page = context.new_page()
    page.goto("/admin/break-glass")
    page.get_by_label("Username").fill("chief")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def desk(stack: Stack, browser: Browser, signed_in: StorageState) -> Page:
    context = browser.new_context(
        base_url=stack.base,
        storage_state=signed_in,
        viewport={"width": 1280, "height": 900},
        locale="en-GB",
        reduced_motion="reduce",  # colours that fade from light to dark have no contrast on the way
    )
    return context.new_page()


def show(page: Page, name: str) -> None:
    address, *ways = PAGES[name].split(" → ")
    page.goto(address)
    for way in ways:
        main = page.get_by_role("main")
        link = main.locator("tbody a").first if way == "row" else main.get_by_role("link", name=way).first
        with page.expect_navigation():
            link.click()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_console_is_for_everybody(name: str, desk: Page, enrolled: Enrolled) -> None:
    said: list[str] = []
    desk.on("console", lambda message: said.append(message.text))
    show(desk, name)
    assert policy_violations(said) == []  # before axe looks: it styles a field that has the focus
    keep_a_picture(desk, name)
    expect(desk.get_by_role("heading", level=1)).to_have_count(1)
    expect(desk.get_by_role("heading", name="There is nothing at this address")).to_have_count(0)
    expect(desk.get_by_role("button", name="Sign out")).to_be_visible()
    assert violations(desk) == "", name
    if name in DARK:
        desk.emulate_media(color_scheme="dark")
        keep_a_picture(desk, f"{name}-dark")
        assert violations(desk, runOnly=["color-contrast"]) == ""
        desk.emulate_media(color_scheme="light")
    desk.set_viewport_size({"width": 360, "height": 740})
    keep_a_picture(desk, f"{name}-narrow")
    wide = desk.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{desk.url} is {wide} px too wide for a phone"
    desk.context.close()


def test_a_key_is_announced_and_activated_in_the_browser(desk: Page) -> None:
    desk.goto(PAGES["keys"])
    desk.get_by_role("link", name="Announce a key").click()
    desk.get_by_label("Kind of key").select_option("ES256")
    desk.get_by_label("Reason").select_option("PLANNED")
    desk.get_by_role("button", name="Announce a key").click()
    expect(desk.get_by_text("It can be activated in half a minute")).to_be_visible()
    row = desk.locator("tbody tr").filter(has_text="announced").first
    kid = row.locator("th a").inner_text()
    row.locator("th a").click()
    desk.get_by_role("link", name="Activate this key").click()
    desk.get_by_role("button", name="Activate this key").click()
    expect(desk.get_by_text("There is a problem")).to_be_visible()
    assert desk.title().startswith("Error:")
    desk.get_by_label("Reason").select_option("PLANNED")
    desk.get_by_label("Type the key's name again").fill(kid)
    desk.get_by_label("Do not wait for caches").check()
    desk.get_by_role("button", name="Activate this key").click()
    expect(desk.get_by_text("signs from now on")).to_be_visible()
    expect(desk.locator("tbody tr").filter(has_text=kid)).to_contain_text("active")
    desk.context.close()


def keep_a_picture(page: Page, name: str) -> None:
    """For whoever changes these pages and wants to look at them: CONSOLE_PICTURES names a folder."""
    if folder := os.environ.get("CONSOLE_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
