"""Every screen, for somebody with a small telephone, large letters, a screen reader, no mouse, or no script."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.pages.people import Enrolled
from tests.pages.screens import SCREENS, enter, policy_violations

axe = Axe()
# What WCAG 1.4.12 lets a reader set, whatever the page says.
SPACED = """
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
p { margin-block-end: 2em !important }
"""
OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')]
    .filter(each => each.getBoundingClientRect().right > width + 1 && getComputedStyle(each).position !== 'absolute')
    .map(each => each.outerHTML.slice(0, 80));
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll('button, a.button, summary, textarea')]
  .filter(each => each.offsetParent && each.getBoundingClientRect().height < 24)
  .map(each => each.outerHTML.slice(0, 80))"""


def violations(page: Page, **options: object) -> str:
    return str(axe.run(page, options={"resultTypes": ["violations"], **options}).generate_snapshot())


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_for_everybody(name: str, page: Page, enrolled: Enrolled) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    SCREENS[name](page, enrolled)
    # A screen reader finds its way: one heading of the first rank, a title of its own, a language, one main part.
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    heading = page.get_by_role("heading", level=1).inner_text()
    assert heading.strip(". ") in page.title() and page.title().endswith("Energy programs")
    assert page.locator("html").get_attribute("lang") == "en"
    assert violations(page) == ""
    # 320 px wide, which is also 1280 px at 400 %: nothing has to be pushed sideways.
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(SMALL_TARGETS) == []
    # Dark, where only colours differ.
    page.emulate_media(color_scheme="dark")
    assert violations(page, runOnly=["color-contrast"]) == ""
    # Nothing of it is inline or from elsewhere.
    assert policy_violations(said) == []


@pytest.mark.parametrize("name", ["ask-mistaken", "answer", "credential", "offered"])
def test_wider_spacing_cuts_nothing_off(name: str, page: Page, enrolled: Enrolled) -> None:
    SCREENS[name](page, enrolled)
    page.evaluate("css => document.styleSheets[0].insertRule(`@layer reader { ${css} }`)", SPACED)
    assert page.evaluate("getComputedStyle(document.querySelector('main p')).wordSpacing") != "0px"
    assert page.evaluate(OVERFLOWING) == []


def test_all_of_the_asking_is_done_with_the_keyboard(page: Page, enrolled: Enrolled) -> None:
    page.goto("/verify")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Number, link, or the credential itself")).to_be_focused()
    page.keyboard.type(enrolled.number)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Or a file that you were sent")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("This credential is valid.")


@pytest.mark.parametrize("name", ["ask", "answer", "credential", "offered"])
def test_whatever_the_keyboard_reaches_is_seen_to_be_reached(name: str, page: Page, enrolled: Enrolled) -> None:
    SCREENS[name](page, enrolled)
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const each = document.activeElement, box = each.getBoundingClientRect(), style = getComputedStyle(each);
                const seen = box.width > 1 && box.bottom > 0 && box.top < innerHeight;
                return {what: each.outerHTML.slice(0, 100), body: each === document.body,
                        seen: seen && (parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== 'none')};
            }"""
        )
        if focus["body"] or focus["what"] in reached:
            break
        assert focus["seen"], focus["what"]
        reached.add(focus["what"])
    there = page.locator("a[href], button, input:not([type=hidden]), textarea, summary")
    assert len(reached) == there.and_(page.locator(":visible")).count()


def test_a_mistake_is_read_out_first_and_leads_to_its_field(page: Page, enrolled: Enrolled) -> None:
    enter(page, "")
    assert page.title().startswith("Error: ")
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    page.get_by_role("alert").get_by_role("link").click()
    field = page.get_by_label("Number, link, or the credential itself")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    described = str(field.get_attribute("aria-describedby")).split()
    assert "Enter the number" in page.locator(f"#{described[-1]}").inner_text()


def test_without_a_script_everything_works_and_nothing_useless_is_shown(browser: Browser, enrolled: Enrolled) -> None:
    context = browser.new_context(base_url=enrolled.journey.stack.base, java_script_enabled=False)
    page = context.new_page()
    enter(page, enrolled.number)
    expect(page.get_by_role("heading", level=1)).to_have_text("This credential is valid.")
    enter(page, "ENR-2026-000123")
    expect(page.get_by_role("alert")).to_contain_text("order or enrolment number")
    SCREENS["receipt"](page, enrolled)
    expect(page.get_by_text("To check this receipt")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)  # printing by button needs a script
    SCREENS["offered"](page, enrolled)
    expect(page.get_by_role("link", name="Open the wallet on this phone")).to_be_visible()
    context.close()


def test_high_contrast_keeps_the_answer_and_the_code(page: Page, enrolled: Enrolled) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(enrolled.verification)
    panel = page.locator(".panel")
    assert panel.evaluate("each => parseFloat(getComputedStyle(each).borderTopWidth)") >= 2
    assert panel.evaluate("each => getComputedStyle(each).borderTopColor !== getComputedStyle(each).backgroundColor")
    expect(page.locator("img.code")).to_have_css("forced-color-adjust", "none")
