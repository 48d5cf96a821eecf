"""An agency's file with a real browser: sent, checked, imported, released; on a small telephone, without barriers."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.customers import Block
from tests.importing import HEADER, line
from tests.pages.people import Enrolled
from tests.pages.screens import policy_violations
from tests.pages.walking import Walk

axe = Axe()


def test_a_manager_sends_a_file_corrects_it_imports_it_and_releases_its_invitations(
    page: Page, enrolled: Enrolled, tmp_path: Path
) -> None:
    stack = enrolled.journey.stack
    stack.manage("catalogue", "refresh")
    walk = Walk(page, stack)
    page.goto("/agency/imports")
    walk.sign_in_agent("manager")
    walk.see("Import many customers from a file", "agency-imports")
    _no_barriers(page)
    first = Block.IMPORTS + 100
    _send(page, tmp_path, "reference,utility,name\r\nA-1,x,y")
    walk.see("Import many customers from a file", "agency-imports-error")
    expect(page.get_by_text("Nothing of the file was taken.")).to_be_visible()
    _no_barriers(page)
    rows = [line(number, "PAGE") for number in range(first, first + 3)]
    _send(page, tmp_path, "\r\n".join([HEADER, *rows, "PAGE-1,west,CUST-1,moon,"]))
    walk.see("Checked: some rows are not taken", "agency-import-checked")
    expect(page.get_by_text("UNKNOWN_UTILITY")).to_be_visible()
    _no_barriers(page)
    walk.press("Import for real")
    walk.see("Imported", "agency-import-imported")
    page.get_by_role("link", name="Look at the invitations and release them").click()
    walk.see("Release the invitations?", "agency-import-release")
    _no_barriers(page)
    walk.press("Release 3 invitations")
    walk.see("Imported")
    page.reload()
    expect(page.get_by_text("could not be sent")).to_be_visible()
    assert policy_violations(walk.said) == []


def _send(page: Page, folder: Path, content: str) -> None:
    file = folder / "customers.csv"
    file.write_text(content)
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Send and check").click()


def _no_barriers(page: Page) -> None:
    found = axe.run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_snapshot()
