"""The machine's own Chromium against the real service: web process, workers and utilities of the shared stack.

Playwright keeps an event loop in the main thread, which Django's database refuses to share: its fixtures live as long
as this package's tests and no longer, and no test here touches the database through Django.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Playwright, sync_playwright

from tests.pages.people import Enrolled, enrol
from tests.stack import Stack

#: The same engine without windows first: it does the same for a third of the work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium; without one the tests are skipped, in CI they fail."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and os.environ.get("CI"):
        pytest.fail("There is no Chromium: .ci/run installs it.")
    if path is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    return path


@pytest.fixture(scope="package")
def enrolled(stack: Stack) -> Enrolled:
    """Somebody who has enrolled, with the addresses of their credential."""
    return enrol(stack)


@pytest.fixture(scope="package")
def playwright(chromium: str, enrolled: Enrolled) -> Iterator[Playwright]:
    """In place of the plugin's, which would keep its event loop until all tests are over."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser_type(playwright: Playwright, browser_name: str) -> BrowserType:
    assert browser_name == "chromium", "these tests know one browser: the machine's own"
    return playwright.chromium


@pytest.fixture(scope="package")
def browser(browser_type: BrowserType, browser_type_launch_args: dict[str, Any], chromium: str) -> Iterator[Browser]:
    options = [*_OPTIONS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
    running = browser_type.launch(**{**browser_type_launch_args, "executable_path": chromium, "args": options})
    yield running
    running.close()


@pytest.fixture(scope="package")
def browser_context_args(stack: Stack) -> dict[str, Any]:
    """A telephone, 320 px wide, as small as they come."""
    return {"base_url": stack.base, "viewport": {"width": 320, "height": 640}, "locale": "en-GB", "timezone_id": "UTC"}
