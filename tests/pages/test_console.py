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
PAGES = {
    "home": "/admin/",
    "keys": f"{CREDENTIALS}/issuerkey/",
    "key": "row of keys",
    "announce": f"{CREDENTIALS}/issuerkey/announce/",
    "revoke": "revoking",
    "lists": f"{CREDENTIALS}/statuslist/",
    "utility systems": "/admin/utility_systems/systemhealth/",
    "publish": f"{CREDENTIALS}/statuslist/publish/",
    "credentials": f"{CREDENTIALS}/issuedcredential/",
    "credential": "row of credentials",
    "password": "/admin/password_change/",
}


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


def show(page: Page, name: str, enrolled: Enrolled) -> None:
    if name == "key" or name == "revoke":
        page.goto(PAGES["keys"])
        page.locator("tbody th a").first.click()
        if name == "revoke":
            page.get_by_role("link", name="Revoke this key").click()
    elif name == "credential":
        page.goto(f"{PAGES['credentials']}{enrolled.id}/")
    else:
        page.goto(PAGES[name])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_console_is_for_everybody(name: str, desk: Page, enrolled: Enrolled) -> None:
    said: list[str] = []
    desk.on("console", lambda message: said.append(message.text))
    show(desk, name, enrolled)
    assert policy_violations(said) == []  # before axe looks: it styles a field that has the focus
    keep_a_picture(desk, name)
    expect(desk.get_by_role("heading", level=1)).to_have_count(1)
    assert violations(desk) == "", name
    desk.emulate_media(color_scheme="dark")
    keep_a_picture(desk, f"{name}-dark")
    assert violations(desk, runOnly=["color-contrast"]) == ""
    desk.emulate_media(color_scheme="light")
    desk.set_viewport_size({"width": 360, "height": 740})
    keep_a_picture(desk, f"{name}-narrow")
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
