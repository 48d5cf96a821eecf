"""Persona 6 without a certificate: a device that only its owner knows of, a scan of its papers, two reviewers.

One customer's way, told in the order of the tests: each goes on where the one before it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.bap import eventually
from tests.pages.people import Enrolled
from tests.pages.test_access import violations
from tests.pages.walking import Walk, a_customer
from tests.stack import Stack

PDF = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n%%EOF"
ACTING = b"%PDF-1.7\n1 0 obj <</S /JavaScript /JS (app.alert(1))>> endobj\n%%EOF"


@pytest.fixture(scope="module")
def walk(browser: Browser, browser_context_args: dict[str, Any], stack: Stack, enrolled: Enrolled) -> Iterator[Walk]:
    """Somebody with solar panels, whose program asks for the certificate as a file; on that page."""
    context = browser.new_context(**{**browser_context_args, "viewport": {"width": 360, "height": 780}})
    walk = Walk(context.new_page(), stack)
    walk.open("/", "Energy programs you can join")
    walk.follow("Peer-to-Peer Energy Trading")
    with walk.page.expect_navigation():
        walk.page.get_by_role("button", name="Start now").click()
    walk.sign_in(a_customer())
    walk.press("This is me")
    walk.until_answered()
    walk.press("Continue")
    walk.until_answered()
    declare_a_device(walk)
    walk.press("Continue")
    walk.until_answered()
    walk.follow("Give the documents")
    walk.see("Give the documents", "P8-documents")
    yield walk
    context.close()


def declare_a_device(walk: Walk) -> None:
    walk.see("Which equipment")
    walk.page.get_by_text("Add equipment that is missing").click()
    walk.page.locator("input[name=type][value=SOLAR_PV]").check()
    walk.type("Its power in kW", "5")
    walk.type("Its serial number", f"SN-{a_customer()}")
    walk.press("Add this equipment")


def a_photograph() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "12 Park Street"
    target = BytesIO()
    Image.new("RGB", (800, 600), "navy").save(target, "JPEG", exif=exif)
    return target.getvalue()


def send(page: Page, name: str, content: bytes | Path) -> None:
    """Choose a file and send it, as somebody does who believes its name."""
    if not page.locator("input[type=file]").is_visible():
        page.get_by_text("Send another file in its place").click()
    chosen: Any = (
        content if isinstance(content, Path) else {"name": name, "mimeType": "application/pdf", "buffer": content}
    )
    page.locator("input[type=file]").set_input_files(chosen)
    with page.expect_navigation(timeout=60_000):
        page.get_by_role("button", name="Send the file").click()


def is_told(page: Page, words: str) -> None:
    """The page says what is wrong, where, and leads there; nothing was kept."""
    assert page.title().startswith("Error: ")
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    alert = page.get_by_role("alert").get_by_role("link")
    expect(alert).to_contain_text(words)
    alert.click()
    expect(page.locator("input[type=file]")).to_be_focused()


def states(stack: Stack) -> list[tuple[Any, ...]]:
    """State, type and size of what the last application was asked for."""
    return stack.sql("SELECT state, media_type, size FROM documents ORDER BY id DESC LIMIT 1")


def test_p8_says_formats_size_and_what_a_good_scan_is_before_anything_is_chosen(walk: Walk) -> None:
    page = walk.page
    expect(page.get_by_text("PDF, JPEG, PNG, up to 10 MB.")).to_be_visible()
    page.get_by_text("What a good photo or scan looks like").click()
    expect(page.get_by_text("all four corners")).to_be_visible()
    assert violations(page) == ""
    walk.press("Continue")
    is_told(page, "Choose a file")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("certificate.pdf", b"MZ\x90\x00 a program", "What counts is what is in the file, not its name"),
        ("certificate.pdf", ACTING, "Print it into a new PDF"),
        ("certificate.jpg", a_photograph()[:-800], "Take it again"),
        ("certificate.pdf", b"", "The file is empty"),
    ],
    ids=["an exe called .pdf", "a script in a PDF", "half a photo", "nothing"],
)
def test_a_file_that_is_not_what_it_should_be_is_told_and_nothing_is_kept(
    walk: Walk, name: str, content: bytes, words: str
) -> None:
    send(walk.page, name, content)
    is_told(walk.page, words)
    assert violations(walk.page) == ""
    assert states(walk.stack) == [("ASKED", "", None)]


def test_fifty_megabytes_are_stopped_by_the_script_and_without_one_answered_by_the_page(
    walk: Walk, browser: Browser, tmp_path: Path
) -> None:
    large = tmp_path / "scan.pdf"
    with large.open("wb") as file:
        file.write(PDF)
        file.truncate(50 << 20)
    page = walk.page
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text("This file is larger than 10 MB")).to_be_visible()
    page.get_by_role("button", name="Send the file").click()
    expect(page.locator("input[type=file]")).to_be_focused()

    state: Any = page.context.storage_state()
    without = browser.new_context(base_url=walk.stack.base, java_script_enabled=False, storage_state=state)
    page = without.new_page()
    page.goto(walk.page.url)
    send(page, "scan.pdf", large)
    expect(page.get_by_role("alert")).to_contain_text("The file is larger than 10 MB")
    without.close()
    assert states(walk.stack) == [("ASKED", "", None)]


def test_a_photograph_is_sent_seen_replaced_and_removed(walk: Walk) -> None:
    page = walk.page
    page.reload()
    send(page, "IMG_2041.jpg", a_photograph())
    walk.see("Give the documents", "P8-documents-sent")
    expect(page.get_by_text("IMG_2041.jpg")).to_be_visible()
    expect(page.get_by_text("No scanner has looked at the file")).to_be_visible()
    assert violations(page) == ""
    assert states(walk.stack) == [("UPLOADED", "image/jpeg", len(a_photograph()))]

    send(page, "certificate.pdf", PDF)
    expect(page.get_by_text("certificate.pdf")).to_be_visible()
    expect(page.get_by_text("IMG_2041.jpg")).to_have_count(0)
    assert states(walk.stack) == [("UPLOADED", "application/pdf", len(PDF))]

    with page.expect_navigation():
        page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("certificate.pdf")).to_have_count(0)
    assert states(walk.stack) == [("ASKED", "", None)]


def test_of_two_tabs_the_older_sends_nothing(walk: Walk) -> None:
    other = walk.page.context.new_page()
    other.goto(walk.page.url)
    send(walk.page, "certificate.pdf", PDF)
    send(other, "another.pdf", PDF + b"other")
    expect(other.get_by_role("heading", level=1)).to_have_text("This page is out of date")
    assert states(walk.stack) == [("UPLOADED", "application/pdf", len(PDF))]
    other.close()


def test_p6_4_two_people_look_at_it_and_the_application_goes_on_by_itself(walk: Walk) -> None:
    page, stack = walk.page, walk.stack
    walk.press("Continue")
    walk.until_answered()
    walk.see("Your documents are being looked at", "P7-in-review")
    ((document_id,),) = stack.sql("SELECT document_id FROM documents ORDER BY id DESC LIMIT 1")
    stack.manage_all(
        ["documents", "approve", document_id, "--reviewer", "staff:asha", "--capacity-kw", "5"],
        ["documents", "approve", document_id, "--reviewer", "staff:ravi"],
    )

    def can_join() -> bool:
        page.reload()
        return page.get_by_role("heading", level=1).inner_text().endswith("You can join")

    eventually(can_join, pause=0.3)
    walk.is_clean()
    token = "SELECT count(*) FROM portal_applications a WHERE a::text LIKE '%%/documents/%%'"
    assert stack.sql(token) == [(0,)], "the upload address is kept encrypted only"
    assert not any("IMG_2041" in text for text in stack.log_texts().values())
