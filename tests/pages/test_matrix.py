"""Persona 2 in a real browser: meters on several sites, all programs, a basket, and what became of each meter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.pages.walking import Walk
from tests.stack import Stack

axe = Axe()
DEVI = "devi"
MATRIX, BASKET, BATCH = "Your meters and the programs", "Your basket", "Your applications"
FLEX, EVENING, COMMUNITY = "Demand Flexibility Program", "Evening Peak Program", "Community Solar"


@pytest.fixture
def desk(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.base, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield context.new_page()
    context.close()


def asked(walk: Walk) -> None:
    """All programs are asked, and all have answered."""
    walk.press("Ask all programs")
    expect(walk.page.locator("#waiting-status")).to_contain_text("As the programs answered", timeout=20_000)


def cell(page: Page, meter: str, program: str) -> str:
    """What the table says about a meter (the end of its number) and a program."""
    head = page.locator("#matrix thead th").all_inner_texts()
    column = next(n for n, text in enumerate(head) if program in text)
    return " ".join(page.locator("#matrix tbody tr", has_text=meter).locator("> *").nth(column).inner_text().split())


def tick(page: Page, meter: str, program: str) -> None:
    page.get_by_label(f"Meter ending {meter}, {program}").check()


def leave(walk: Walk, program: str) -> None:
    """From "My enrolments" out of a program, at once; its meters are free again."""
    walk.open("/enrolments", "My enrolments")
    walk.follow(program)
    walk.see(program)
    walk.follow("Leave this program")
    walk.page.get_by_label("Now").check()
    walk.page.locator("#id_sure").check()
    walk.press("Leave the program")
    expect(walk.page.get_by_role("heading", level=1)).to_contain_text(re.compile(f"left|{program}"))


def test_persona_2_joins_two_programs_with_several_meters_in_one_go(desk: Page, stack: Stack) -> None:
    walk = Walk(desk, stack)
    walk.open("/", "Energy programs you can join")
    walk.follow("Several meters?")
    walk.sign_in(DEVI)
    walk.see(MATRIX, "matrix-first")
    asked(walk)
    walk.see(MATRIX, "matrix")
    assert axe.run(desk, options={"resultTypes": ["violations"]}).violations_count == 0
    assert desk.locator("#matrix tbody th[scope=row]").count() == 4
    assert desk.locator("#matrix tbody th[scope=colgroup]").count() == 3, "three sites"
    assert cell(desk, "0101", FLEX).endswith("Can join")

    # By the keyboard: one stop for Tab, arrow keys from cell to cell, Space ticks (P2-8).
    grid = desk.get_by_role("grid")
    expect(grid.locator("[tabindex='0']")).to_have_count(1)
    grid.locator("[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "Space"):
        desk.keyboard.press(key)
    ticked = desk.locator("[name=cell]:checked")
    expect(ticked).to_have_count(1)
    assert str(ticked.get_attribute("value")).endswith(" umid-102")
    desk.keyboard.press("Space")
    expect(ticked).to_have_count(0)

    # The file says what the page says (P2-9).
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Download the table").click()
    rows = list(csv.reader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert len(rows) == 5 and {row[3] for row in rows[1:]} == {f"umid-10{n}" for n in (1, 2, 3, 4)}
    assert rows[1][rows[0].index(FLEX)] == "Can join"

    # A cell opens its reasons.
    desk.locator("#matrix tbody tr", has_text="0102").get_by_role("link", name="Cannot join").first.click()
    walk.see("Meter ending 0102", "matrix-cell")
    walk.follow("Back")
    tick(desk, "0101", FLEX)
    tick(desk, "0102", FLEX)
    tick(desk, "0103", COMMUNITY)
    walk.press("Put into the basket")
    walk.see(BASKET, "basket")
    expect(desk.get_by_role("button", name="Remove")).to_have_count(3)
    desk.get_by_role("button", name="Remove Meter ending 0102").click()
    expect(desk.get_by_role("button", name="Remove")).to_have_count(2)
    walk.follow("Choose more")
    walk.see(MATRIX)
    assert "In the basket" in cell(desk, "0101", FLEX) and "In the basket" not in cell(desk, "0102", FLEX)
    tick(desk, "0102", FLEX)
    walk.press("Put into the basket")
    walk.see(BASKET)
    walk.press("Apply to 2 programs")

    walk.see(BATCH)
    expect(desk.locator("#waiting-status")).to_have_count(0, timeout=20_000)
    walk.see(BATCH, "batch-questions")
    for _ in range(2):
        if desk.get_by_role("link", name="Answer its questions").count() == 0:
            break
        walk.follow("Answer its questions")
        while "/consents/" in desk.url:
            walk.see("May ")
            desk.get_by_label("Yes, I agree").check()
            walk.press("Continue")
        if "/batches/" not in desk.url:
            walk.follow("All applications")
    walk.see(BATCH, "batch-ready")
    assert axe.run(desk, options={"resultTypes": ["violations"]}).violations_count == 0
    desk.locator("#id_declared").check()
    walk.press("Confirm 2 enrolments")
    expect(desk.locator("#waiting-status")).to_have_count(0, timeout=20_000)
    walk.see(BATCH, "batch-enrolled")
    expect(desk.get_by_text("3 meters are enrolled")).to_be_visible()
    walk.is_clean()

    # The enrolment gets another meter, and loses one again.
    desk.locator("section", has_text=FLEX).get_by_role("link", name="See the enrolment").click()
    walk.see(FLEX)
    walk.follow("Add a meter, or take one out")
    walk.see("Meters in this program", "enrolment-meters")
    assert axe.run(desk, options={"resultTypes": ["violations"]}).violations_count == 0
    walk.press("Add to the program")
    expect(desk.get_by_text("The program needs your agreement for a meter that joins")).to_have_count(2)
    desk.get_by_label("Meter ending 0104").check()
    desk.locator("[name=consents]").first.check()
    walk.press("Add to the program")
    expect(desk.get_by_text("ending 0104")).to_be_visible(timeout=20_000)
    walk.follow("Add a meter, or take one out")
    desk.get_by_label("meter ending 0101").check()
    walk.press("Take out of the program")
    expect(desk.get_by_text("ending 0101")).to_have_count(0, timeout=20_000)
    walk.see(FLEX, "enrolment-after-meters")
    walk.follow("View it, and see whether it is valid")
    expect(desk.get_by_text(re.compile("Valid|valid")).first).to_be_visible()
    walk.is_clean()


def test_the_matrix_works_on_a_phone_without_a_script_and_shows_what_is_in(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(
        base_url=stack.base, viewport={"width": 360, "height": 740}, java_script_enabled=False
    )
    phone = context.new_page()
    walk = Walk(phone, stack)
    phone.goto("/matrix")
    walk.sign_in(DEVI)
    walk.see(MATRIX)
    walk.press("Ask again")
    for _ in range(60):
        if not phone.get_by_text("We are asking the programs").count():
            break
        phone.wait_for_timeout(250)
        phone.goto("/matrix")
    walk.see(MATRIX, "matrix")
    assert "Enrolled" in cell(phone, "0103", COMMUNITY) and "until" in cell(phone, "0103", COMMUNITY)
    assert "Enrolled" in cell(phone, "0102", FLEX) and "In another program" in cell(phone, "0102", EVENING)
    assert "Can join" in cell(phone, "0101", FLEX), "it left"
    walk.open("/matrix?state=ENROLLED&sort=load", MATRIX)
    expect(phone.locator("#matrix tbody th[scope=row]")).to_have_count(3)
    for name in (FLEX, COMMUNITY):
        leave(walk, name)
    context.close()
