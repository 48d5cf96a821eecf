"""What follows an enrolment, in a real browser: consents taken back and given again, the credential, leaving."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.identity.visiting import Visitor
from tests.pages.walking import Walk, a_customer, join
from tests.stack import Stack

FLEX, EVENING = "Demand Flexibility Program", "Evening Peak Program"
CONSENT = "Collecting your energy data"


@pytest.fixture
def phone(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A telephone in the hand."""
    context = browser.new_context(base_url=stack.base, viewport={"width": 360, "height": 740})
    yield context.new_page()
    context.close()


@pytest.fixture
def plain(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A desk's screen, without JavaScript."""
    context = browser.new_context(
        base_url=stack.base, viewport={"width": 1280, "height": 900}, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


def test_a_customer_takes_a_consent_back_gives_it_again_changes_their_mind_and_leaves(
    phone: Page, stack: Stack
) -> None:
    walk = Walk(phone, stack)
    join(walk, a_customer(), FLEX)
    walk.open("/enrolments", "My enrolments", "P14-enrolments")
    walk.follow("View")
    home = phone.url
    walk.see(FLEX, "P15-enrolment")
    the_credential_is_taken_along(walk, home)
    receipts_are_kept(walk, home)
    the_journal_is_told(walk)

    walk.open(home, FLEX)
    walk.follow("Withdraw")
    walk.see("Withdraw this consent", "P16-withdraw")
    assert phone.locator("input[name=answer]:checked").count() == 0  # nothing is pre-chosen
    walk.press("Continue")
    walk.see("Withdraw this consent", "P16-withdraw-mistaken")
    expect(phone).to_have_title(re.compile("^Error:"))
    phone.get_by_label("Yes, withdraw it").check()
    walk.press("Continue")
    expect(phone.get_by_text("Your consent is withdrawn.")).to_be_visible(timeout=15_000)
    walk.see(FLEX, "P15-consent-withdrawn")
    walk.follow("See the receipt")
    walk.see("Consent receipt", "receipt-withdrawn")
    expect(phone.get_by_text("No longer in force since")).to_be_visible()
    walk.open(f"{home}/credential?consent=1", "Your credential")
    expect(phone.locator(".panel")).to_contain_text("This credential was revoked.")

    walk.open(home, FLEX)
    walk.follow("Agree again")
    walk.see("May ", "P9-again")
    assert phone.locator("input[name=answer]:checked").count() == 0
    phone.get_by_label("Yes, I agree").check()
    walk.press("Continue")
    expect(phone.get_by_text("Your consent is in force again.")).to_be_visible(timeout=15_000)

    leave(walk, home, "At the end of", "P17-leave")
    walk.see("You are leaving", "P17-leaving")
    walk.press("Stay after all")
    expect(phone.get_by_text("You stay in the program.")).to_be_visible(timeout=15_000)
    leave(walk, home, "Now")
    walk.see("You have left", "P17-left")
    expect(phone.get_by_text("Revoked on")).to_be_visible()
    walk.open(f"{home}/credential", "Your credential", "credential-revoked")
    expect(phone.locator(".panel")).to_contain_text("This credential was revoked.")
    # Back, and a second time, do nothing and say how it stands.
    for path in ("/leave", "/consents/1/withdraw", "/stay"):
        walk.open(f"{home}{path}", FLEX)
    expect(phone.get_by_text("This enrolment has ended.")).to_be_visible()
    walk.is_clean()


def leave(walk: Walk, home: str, when: str, name: str = "") -> None:
    walk.open(f"{home}/leave", "Leave this program", name)
    assert walk.page.locator("input[name=when]:checked").count() == 0
    walk.page.get_by_label(re.compile(f"^{when}")).check()
    walk.page.get_by_label(f"I want to leave {FLEX}").check()
    walk.press("Leave the program")


def test_without_a_script_a_required_consent_is_refused_explained_given_and_taken_back(
    plain: Page, stack: Stack
) -> None:
    walk, person = Walk(plain, stack), a_customer()
    to_the_consent(walk, person)
    help_is_a_code_that_is_read_out_once_and_taken_back(walk)
    expect(plain.get_by_text("every 15 minutes")).to_be_visible()  # the very data that will flow
    expect(plain.get_by_text(re.compile("Meter ending"))).to_be_visible()
    walk.press("Continue")
    expect(plain.get_by_role("link", name="Select yes if you agree, no if you do not")).to_be_visible()
    plain.get_by_label("No", exact=True).check()
    walk.press("Continue")
    walk.see("You cannot join without this consent", "P9-no")
    walk.follow("Read it again and change your answer")
    plain.get_by_label("Yes, I agree").check()
    walk.press("Continue")
    walk.see("Check your answers")
    plain.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.until_answered(has_script=False)
    walk.see("You are enrolled")

    walk.open("/enrolments", "My enrolments", "P14-with-a-consent")
    walk.follow("View")
    home = plain.url
    walk.open(f"{home}/consents/1/withdraw", "Withdraw this consent")
    expect(plain.get_by_text("Your enrolment is paused until you agree again")).to_be_visible()
    plain.get_by_label("Yes, withdraw it").check()
    walk.press("Continue")
    reload_until(plain, "You have withdrawn a consent that the program needs.")
    walk.see(EVENING, "P15-paused")
    walk.open(f"{home}/consents/1/grant", "May ")
    plain.get_by_label("Yes, I agree").check()
    walk.press("Continue")
    reload_until(plain, "In force since")
    expect(plain.get_by_text("Your enrolment is paused.")).to_have_count(0)
    somebody_else_sees_nothing(stack, home)
    walk.is_clean()


def to_the_consent(walk: Walk, person: str) -> None:
    walk.open("/", "Energy programs")
    walk.follow(EVENING)
    with walk.page.expect_navigation():
        walk.page.get_by_role("button", name="Start now").click()
    walk.sign_in(person)
    for heading, button in (("Is this your", "This is me"), ("Which meters", "Continue"), ("You can join", "Continue")):
        walk.see(heading)
        walk.press(button)
        walk.until_answered(has_script=False)
    walk.see("May ")


def reload_until(page: Page, text: str) -> None:
    """Without a script the page says how it stands when it is opened again."""
    for _ in range(40):
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(250)
        page.goto(page.url)
    raise AssertionError(f"{text!r} never came at {page.url}")


def somebody_else_sees_nothing(stack: Stack, home: str) -> None:
    other = Visitor(stack)
    other.sign_in(a_customer())
    journey = home.replace("/enrolments/", "/applications/")
    paths = ("", "/credential", "/credential/file", "/credential/qr", "/leave", "/left", "/consents/1/withdraw")
    for address in (*(home + path for path in paths), f"{journey}/consents/1", f"{journey}/help"):
        assert other.get(address).status == 404, address


def the_credential_is_taken_along(walk: Walk, home: str) -> None:
    page = walk.page
    walk.open(f"{home}/credential", "Your credential", "credential")
    expect(page.locator(".panel")).to_contain_text(re.compile("This credential is (valid|not yet valid)."))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it as a file").click()
    assert download.value.suggested_filename.startswith("ENR-")
    assert Path(download.value.path()).read_text().count(".") == 2
    walk.follow("Show the code large")
    walk.see("Scan to check", "credential-qr")


def receipts_are_kept(walk: Walk, home: str) -> None:
    page = walk.page
    walk.open(home, FLEX)
    walk.follow("Receipt")
    walk.see("Consent receipt", "receipt")
    expect(page.get_by_text("Grievance officer")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download for machines (JSON)").click()
    record = json.loads(Path(download.value.path()).read_text())
    assert record["receipt_metadata"]["schema_version"] == "ISO/IEC TS 27560:2023"
    assert record["pii_processing"]["privacy_notice_digest"] in page.content()


def the_journal_is_told(walk: Walk) -> None:
    page = walk.page
    walk.open("/my-data", "Who used my data", "my-data")
    expect(page.get_by_text("Your utility was asked for your meters").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these lines (CSV)").click()
    assert "enrollment.confirmed" in Path(download.value.path()).read_text()


def help_is_a_code_that_is_read_out_once_and_taken_back(walk: Walk) -> None:
    page, back = walk.page, walk.page.url
    walk.open(re.sub("/consents/.*", "/help", back), "Get help with this", "help")
    walk.press("Make a code")
    walk.see("Get help with this", "help-code")
    code = page.locator(".spoken [aria-hidden]").inner_text()
    assert re.fullmatch("[2-9A-Z]{4} [2-9A-Z]{4}", code)
    page.goto(page.url)
    assert code not in page.content()
    unused = page.get_by_text("You have a code that nobody has used yet.")
    expect(unused).to_be_visible()
    walk.press("Take it back")
    expect(unused).to_have_count(0)
    walk.open(back, "May ")
