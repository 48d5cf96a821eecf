"""Bad days in a real browser, with a program owner that is nobody of ours: each has a page that says what to do."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bap import eventually
from tests.identity.visiting import Visitor
from tests.pages.owner import READY, Json, ProgramOwner, refused, state
from tests.pages.people import Enrolled
from tests.pages.walking import Walk, a_customer
from tests.stack import Stack

LATER = "UPDATE portal_applications SET asked_at = asked_at - interval '2 minutes' WHERE id = %s"


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[ProgramOwner]:
    found = ProgramOwner(stack)
    yield found
    found.leave()


@pytest.fixture
def walk(browser: Browser, stack: Stack, owner: ProgramOwner) -> Iterator[Walk]:
    """Somebody with a telephone, signed in, whom no program owner knows yet."""
    owner.says = {}
    context = browser.new_context(base_url=stack.base, viewport={"width": 360, "height": 740})
    sign_in(context.new_page(), stack, a_customer())
    found = Walk(context.pages[0], stack)
    yield found
    found.is_clean()
    context.close()


def sign_in(page: Page, stack: Stack, person: str) -> None:
    visitor = Visitor(stack)
    visitor.sign_in(person)
    cookie = {"name": f"session{stack.port}", "value": visitor.session, "url": stack.base}
    page.context.add_cookies([cookie])


def begin(walk: Walk, owner: ProgramOwner) -> str:
    """Up to the question which meters; return the journey's id."""
    walk.open(f"/programs/{owner.slug}/start", "Is this your account")
    walk.press("This is me")
    walk.until_answered()
    walk.see("Which meters")
    return urllib.parse.urlsplit(walk.page.url).path.split("/")[2]


def apply(walk: Walk, owner: ProgramOwner) -> str:
    journey = begin(walk, owner)
    walk.press("Continue")
    return journey


def to_the_check(walk: Walk, owner: ProgramOwner) -> str:
    journey = apply(walk, owner)
    walk.until_answered()
    walk.see("You can join")
    walk.press("Continue")
    walk.see("Check your answers")
    return journey


def confirm(walk: Walk) -> None:
    walk.page.locator("#id_declared").check()
    walk.press("Confirm enrolment")


def confirms(owner: ProgramOwner, walk: Walk, journey: str) -> list[Json]:
    order = walk.stack.sql("SELECT order_id FROM portal_applications WHERE id = %s", journey)[0][0]
    sent = [each.message["order"] for each in owner.received("confirm")]
    return [each for each in sent if each["beckn:id"] == order]


def test_a_forged_confirmation_enrols_nobody_and_says_so(walk: Walk, owner: ProgramOwner, enrolled: Enrolled) -> None:
    somebody_elses = enrolled.order["beckn:orderAttributes"]
    owner.says["confirm"] = lambda _: {"beckn:status": "CONFIRMED", "beckn:orderAttributes": somebody_elses}
    journey = to_the_check(walk, owner)
    confirm(walk)

    eventually(
        lambda: walk.stack.sql("SELECT trouble FROM portal_applications WHERE id = %s", journey) == [("FORGED",)]
    )
    walk.open(walk.page.url, "We do not show this enrolment as confirmed", "bad-forged")
    walk.page.goto("/enrolments")
    expect(walk.page.get_by_text("You are enrolled")).to_have_count(0)
    walk.page.goto(f"/applications/{journey}/enrolled")
    walk.see("We do not show this enrolment as confirmed")
    assert walk.stack.sql("SELECT count(*) FROM portal_credentials WHERE application_id = %s", journey) == [(0,)]


def test_an_answer_that_never_comes_leaves_a_button_to_ask_again(walk: Walk, owner: ProgramOwner) -> None:
    owner.says["init"] = lambda _: None
    journey = apply(walk, owner)
    walk.see("We are asking the program", "bad-waiting")
    walk.page.reload()
    walk.see("We are asking the program")

    walk.stack.sql(LATER, journey)
    walk.see("Can you join", "bad-no-answer")  # the page goes on by itself
    expect(walk.page.get_by_text("no answer came")).to_be_visible()
    owner.says.clear()
    walk.press("Ask again")
    walk.until_answered()
    walk.see("You can join")


def test_a_confirmation_whose_answer_was_lost_is_asked_for_again_and_a_meter_taken_meanwhile_is_told(
    walk: Walk, owner: ProgramOwner
) -> None:
    owner.says["confirm"] = lambda _: None
    journey = to_the_check(walk, owner)
    confirm(walk)
    walk.see("We are confirming your enrolment", "bad-confirming")
    expect(walk.page.get_by_text("No answer yet")).to_be_visible()

    taken = refused(
        "ENROLLMENT_CONFLICT", "The meter is in another program.", conflictEndDate="2031-01-01T00:00:00+05:30"
    )
    owner.says["confirm"] = lambda _: taken
    walk.stack.sql(LATER, journey)
    walk.see("This meter is already in a program", "bad-taken-meanwhile")
    first, second = confirms(owner, walk, journey)
    assert first == second
    expect(walk.page.get_by_role("button", name="Start on 1 January 2031 instead")).to_be_visible()
    walk.press("Start on 1 January 2031 instead")
    walk.until_answered()
    walk.see("You can join")  # a new verdict is shown before anything else is asked
    expect(walk.page.get_by_text("You start on 1 January 2031.")).to_be_visible()
    walk.press("Continue")
    walk.see("Check your answers")
    expect(walk.page.get_by_text("1 January 2031")).to_be_visible()


def test_a_program_that_closes_between_two_steps_says_so(walk: Walk, owner: ProgramOwner) -> None:
    journey = begin(walk, owner)
    owner.says["init"] = lambda _: refused("PROGRAM_NOT_AVAILABLE", "Closed.")
    walk.press("Continue")
    walk.until_answered()
    walk.see("The program has closed", "bad-closed")

    owner.says.clear()
    walk.open(f"/applications/{journey}/eligibility", "The program has closed")
    walk.press("Check again")
    walk.until_answered()
    walk.see("You can join")
    walk.press("Continue")
    owner.says["confirm"] = lambda _: refused("PROGRAM_NOT_AVAILABLE", "Closed.")
    walk.see("Check your answers")
    confirm(walk)
    walk.until_answered()
    walk.see("The program has closed")


def test_an_agreement_that_has_changed_before_the_confirmation_is_asked_for_again(
    walk: Walk, owner: ProgramOwner
) -> None:
    to_the_check(walk, owner)
    owner.says["confirm"] = lambda _: refused("CONSENT_REQUIRED", "The text has changed.", status="PENDING")
    confirm(walk)
    walk.until_answered()
    walk.see("Can you join", "bad-version-changed")
    expect(walk.page.get_by_text("The program has changed what it asks you to agree to")).to_be_visible()
    asked = {"requiredConsents": [{"type": "DATA_COLLECTION", "required": True, "textVersion": "2", "texts": []}]}
    owner.says["init"] = lambda _: state("PENDING_CONFIRM", **{"beckn:orderAttributes": asked})
    walk.press("Ask again")
    walk.until_answered()
    assert "/consents/1" in walk.page.url


def test_pressing_twice_and_a_second_tab_send_one_confirmation(walk: Walk, owner: ProgramOwner) -> None:
    owner.says["confirm"] = lambda _: None
    journey = to_the_check(walk, owner)
    page = walk.page
    fields = page.locator("form:has(#id_declared) input")
    form = {
        each.get_attribute("name"): each.get_attribute("value") or ""
        for each in fields.all()
        if each.get_attribute("name")
    }
    answers = [
        page.request.post(page.url, form=form | {"declared": "yes"}, headers={"Referer": page.url}) for _ in range(2)
    ]

    assert [each.status for each in answers] == [200, 200]
    assert all(each.url.endswith("/waiting") for each in answers)
    eventually(lambda: bool(confirms(owner, walk, journey)))
    assert len(confirms(owner, walk, journey)) == 1

    # The other tab still shows the form: it learns how things stand.
    page.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.see("We are confirming your enrolment")
    assert len(confirms(owner, walk, journey)) == 1


def test_a_session_that_has_expired_at_any_step_loses_nothing(
    walk: Walk, owner: ProgramOwner, browser: Browser, stack: Stack
) -> None:
    page, person = walk.page, a_customer()
    sign_in(page, stack, person)
    journey = to_the_check(walk, owner)
    steps = ("account", "meters", "eligibility", "dates", "check", "waiting", "drop")
    signed_out = browser.new_context(base_url=stack.base)
    for step in steps:
        for answer in (
            signed_out.request.get(f"/applications/{journey}/{step}", max_redirects=0),
            signed_out.request.post(f"/applications/{journey}/{step}", form={"version": "1"}, max_redirects=0),
        ):
            # A form without its token is a page that was open for too long, whoever sends it.
            assert answer.status in (302, 409), (step, answer.status)
            assert answer.status == 409 or "/oidc/sign-in" in answer.headers["location"], step
    signed_out.close()

    page.context.clear_cookies(name=f"session{stack.port}")  # the session is over while the page is open
    page.locator("#id_declared").check()
    walk.press("Confirm enrolment")
    walk.sign_in(person, "bad-session-expired")
    walk.see("Check your answers")

    other = browser.new_context(base_url=stack.base, viewport={"width": 1280, "height": 900})  # another device
    sign_in(other.new_page(), stack, person)
    there = Walk(other.pages[0], stack)
    there.open(f"/applications/{journey}/check", "Check your answers")
    assert not confirms(owner, walk, journey)
    other.close()


def test_a_utility_that_does_not_answer_is_said_and_the_journey_goes_on_later(
    walk: Walk, owner: ProgramOwner, stack: Stack
) -> None:
    walk.open(f"/programs/{owner.slug}/start", "Is this your account")
    stack.fault("down")
    try:
        walk.press("This is me")
        walk.see("We could not reach your utility", "bad-utility-down")
    finally:
        stack.fault("none")
    walk.follow("Try again")
    walk.see("Is this your account")
    walk.press("This is me")
    walk.until_answered()
    walk.see("Which meters")


def test_an_owner_that_asks_for_more_than_it_says_is_answered_calmly(walk: Walk, owner: ProgramOwner) -> None:
    owner.says["init"] = lambda _: state(
        "SOMETHING_NEW", **{"beckn:orderAttributes": {"nextSteps": "none", "meters": 7}}
    )
    apply(walk, owner)
    walk.until_answered()
    heading = walk.page.get_by_role("heading", level=1)
    expect(heading).not_to_have_text(re.compile("You can join|problem with the service"))
    walk.picture("bad-strange-answer")
    owner.says["init"] = lambda _: READY
    walk.press("Check again")
    walk.until_answered()
    walk.see("You can join")
