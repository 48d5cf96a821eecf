"""Persona 3 in a real browser: a car behind the home's meter, and the permission to control it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.walking import Walk
from tests.stack import Stack

FARID, SMART = "farid", "Smart Charging"


@pytest.fixture
def walk(browser: Browser, stack: Stack) -> Iterator[Walk]:
    """A telephone whose browser runs no scripts."""
    context = browser.new_context(
        base_url=stack.base, viewport={"width": 360, "height": 740}, java_script_enabled=False
    )
    yield Walk(context.new_page(), stack)
    context.close()


def agree(walk: Walk, answer: str, name: str = "") -> None:
    walk.see("May ", name)
    walk.page.get_by_label(answer, exact=answer == "No").check()
    walk.press("Continue")


def test_p3_3_somebody_joins_with_their_car_and_a_no_to_control_is_explained_and_can_be_taken_back(
    walk: Walk, stack: Stack
) -> None:
    page = walk.page
    walk.open("/", "Energy programs")
    walk.follow(SMART)
    walk.see(SMART, "persona-3-program")
    with page.expect_navigation():
        page.get_by_role("button", name="Start now").click()
    walk.sign_in(FARID)
    walk.see("Is this your account")
    walk.press("This is me")
    walk.until_answered(has_script=False)
    walk.see("Which meters")
    walk.press("Continue")

    walk.see("Which equipment takes part", "persona-3-equipment")
    boxes = page.locator("input[name=ders]")
    expect(
        page.get_by_role("checkbox", name="Electric car that can feed back")
    ).to_be_checked()  # nothing to type, nothing to tick
    expect(boxes).to_have_count(3)
    page.get_by_role("checkbox", name="Car charger").uncheck()
    walk.press("Continue")
    walk.until_answered(has_script=False)
    walk.see("You can join", "persona-3-you-can-join")
    walk.press("Continue")

    agree(walk, "Yes, I agree", "persona-3-data")
    agree(walk, "No", "persona-3-control")
    walk.see("You cannot join without this consent")
    walk.open("/enrolments", "My enrolments")  # a no ends nothing: the journey is there and goes on
    walk.follow("Continue")
    if "/consents/" not in page.url:
        walk.follow(re.compile("Control", re.IGNORECASE))  # type: ignore[arg-type]
    agree(walk, "Yes, I agree")
    walk.see("Check your answers", "persona-3-check")
    expect(page.get_by_text("Electric car that can feed back")).to_be_visible()
    expect(page.get_by_text("Car charger")).to_have_count(0)
    page.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.until_answered(has_script=False)
    walk.see("You are enrolled", "persona-3-enrolled")

    assert walk.typed == 0
    taking_part = "SELECT d.der_id FROM enrollment_ders e JOIN ders d ON d.id = e.der_id WHERE d.der_id LIKE %s"
    assert stack.sql(taking_part, "der-ev%-200") == [("der-ev-200",)]
    walk.is_clean()
