"""Whoever has enrolled: the link of their credential, a file of it, a sheet of paper, a wallet."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys import NET_METERING
from tests.pages.people import Enrolled, enrol
from tests.pages.screens import offer, offered, press, receipt
from tests.stack import Stack

A4 = {"width": 794, "height": 1123}  # at 96 px an inch
MILLIMETRE = 96 / 25.4


def sheets(page: Page) -> int:
    """How many sheets of A4 a page takes."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", prefer_css_page_size=True)))


def test_the_link_shows_what_others_see_and_what_the_credential_says(page: Page, enrolled: Enrolled) -> None:
    page.goto(enrolled.link)
    expect(page.locator(".panel")).to_contain_text("This credential is valid.")
    expect(page.get_by_text("Demand Flexibility Program")).to_be_visible()
    expect(page.get_by_text(enrolled.journey.person.umid, exact=True)).to_be_visible()
    page.get_by_role("link", name="See what they see").click()
    assert page.url.endswith(enrolled.verification)


def test_without_its_token_the_link_opens_nothing_and_says_what_to_do(page: Page, enrolled: Enrolled) -> None:
    for link in (enrolled.page, enrolled.link[:-1], f"{enrolled.page}/receipt"):
        response = page.goto(link)
        assert response is not None and response.status == 404
        expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing at this address")
        expect(page.get_by_text("copy all of it")).to_be_visible()
        expect(page.get_by_role("main").get_by_role("link", name="Check a credential")).to_be_visible()


def test_it_is_taken_along_as_the_very_bytes_that_were_issued(page: Page, enrolled: Enrolled) -> None:
    page.goto(enrolled.link)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it as a file").click()
    assert download.value.suggested_filename == f"credential-{enrolled.id}.jwt"
    assert Path(download.value.path()).read_text() == enrolled.jwt
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it in the newer form").click()
    assert Path(download.value.path()).read_text().count(".") == 2
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it as JSON with its proof").click()
    assert json.loads(Path(download.value.path()).read_text())["proof"]["cryptosuite"] == "eddsa-rdfc-2022"


def test_its_text_is_copied_whole(page: Page, context: BrowserContext, enrolled: Enrolled) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(enrolled.link)
    page.get_by_text("The credential as text").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == enrolled.jwt


def test_a_receipt_has_no_key_to_the_credential_on_it(page: Page, enrolled: Enrolled) -> None:
    receipt(page, enrolled)
    assert enrolled.token not in page.url  # browsers print a page's address on the sheet
    assert enrolled.token not in page.content()
    person = enrolled.journey.person
    assert person.did not in page.content() and person.umid not in page.content()
    expect(page.get_by_text(f"ending {person.umid[-4:]}")).to_be_visible()


def test_a_receipt_is_one_sheet_that_a_camera_and_a_hand_can_read(page: Page, enrolled: Enrolled) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(A4)
    receipt(page, enrolled)
    expect(page.get_by_role("button", name="Print this page")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("button", name="Print this page")).to_be_hidden()
    expect(page.get_by_role("link", name="Check a credential")).to_be_hidden()
    box = page.locator("img.code").bounding_box()
    assert box is not None and box["width"] >= 40 * MILLIMETRE
    assert page.locator("body").evaluate("each => getComputedStyle(each).color") == "rgb(0, 0, 0)"
    assert page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(255, 255, 255)"
    assert sheets(page) == 1


def test_a_page_whose_address_holds_the_key_leaves_no_margin_to_print_it_in(page: Page, enrolled: Enrolled) -> None:
    for visit in (lambda: page.goto(enrolled.link), lambda: offer(page, enrolled)):
        visit()
        assert enrolled.token in page.url
        assert page.locator("body").evaluate("each => getComputedStyle(each).page") == "auto"
        page.emulate_media(media="print")
        assert page.locator("body").evaluate("each => getComputedStyle(each).page") == "keyed"
        page.emulate_media(media="screen")


def test_another_profile_has_the_same_pages_and_keeps_the_account_off_paper(page: Page, stack: Stack) -> None:
    metered = enrol(stack, NET_METERING)
    consumer = metered.journey.person.customer_id
    page.goto(metered.link)
    expect(page.locator(".panel")).to_contain_text("This credential is valid.")
    expect(page.get_by_text("Enrolment in an energy program")).to_be_visible()
    expect(page.get_by_text(consumer, exact=True)).to_be_visible()
    press(page, "Make a receipt to print")
    expect(page.get_by_role("heading", level=1)).to_have_text("Receipt for your enrolment")
    expect(page.get_by_text("Net Metering")).to_be_visible()
    assert consumer not in page.content()
    page.goto(metered.verification)
    expect(page.get_by_role("heading", level=1)).to_have_text("This credential is valid.")
    assert consumer not in page.content()


def test_the_print_button_prints(page: Page, enrolled: Enrolled) -> None:
    page.add_init_script("window.print = () => { window.printed = true }")
    receipt(page, enrolled)
    page.get_by_role("button", name="Print this page").click()
    assert page.evaluate("window.printed")


def test_a_wallet_is_offered_the_credential_once_and_another_time_on_wish(page: Page, enrolled: Enrolled) -> None:
    offered(page, enrolled)
    first = page.get_by_role("link", name="Open the wallet on this phone").get_attribute("href")
    assert str(first).startswith("openid-credential-offer://?credential_offer_uri=")
    assert re.fullmatch(r"\d{6}", page.locator(".secret [aria-hidden]").inner_text())
    expect(page.get_by_text("for 15 minutes")).to_be_visible()
    assert enrolled.token not in page.url
    press(page, "Make a new one")
    second = page.get_by_role("link", name="Open the wallet on this phone").get_attribute("href")
    assert second != first
