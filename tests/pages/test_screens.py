"""Every screen of the portal, once: what each must be in every language and width, and a picture for a person to see.

One customer walks from the programs to leaving; each page on the way is loaded again in Urdu and in Hindi, narrow and
wide, light and dark. `SCREENS=yes` keeps pictures, in `var/screens/<width>/<screen>[-<language>].png`. Whether the way
itself is right is the business of the personas' tests.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.pages.screens import policy_violations
from tests.pages.walking import PICTURES, SCREENS, Walk, a_customer, keep_a_picture
from tests.stack import Stack

NARROW, WIDE = 360, 1280
DIRECTIONS = {"en": "ltr", "hi": "ltr", "ur": "rtl"}
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FLEX, EVENING, PEER = "Demand Flexibility Program", "Evening Peak Program", "Peer-to-Peer Energy Trading"

#: All of them take as long again: `SCREENS=all` is for whoever wants to look at Hindi, too.
EVERY_PICTURE = PICTURES == "all"
#: Hindi runs as English does and is a little longer; Urdu is longer still and turns the page round.
OTHERS = ("ur", "hi") if EVERY_PICTURE else ("ur",)

axe = Axe()

#: The screens of `screens.md` with their states, as `Gallery.tour` comes by.
NAMES = (
    "P1-programs",
    "P1-of-a-utility",
    "P2-program",
    "P2-program-closed",
    "P3-sign-in",
    "P3-cancelled",
    "P3-no-account",
    "P3-account-inactive",
    "P3-provider-down",
    "P14-empty",
    "P4-account",
    "P5-meters",
    "P5-mistaken",
    "P7-you-can-join",
    "P10-dates",
    "P9-consent",
    "P9-mistaken",
    "P14-draft",
    "resume",
    "help-code",
    "drop",
    "P11-check",
    "P11-mistaken",
    "P13-enrolled",
    "P14-enrolments",
    "P15-enrolment",
    "credential",
    "receipt",
    "my-data",
    "my-data-copy",
    "my-data-erasure",
    "my-data-request",
    "P16-withdraw",
    "P17-leave",
    "P17-mistaken",
    "P5-taken",
    "matrix",
    "basket",
    "P6-equipment",
    "P7-documents-needed",
    "P8-documents",
    "P17-left",
    "P14-ended",
    "P19-accessibility",
    "P19-privacy",
    "P19-cookies",
    "P19-idle",
    "P19-not-found",
)


@dataclass
class Gallery:
    """What was wrong with each screen; "" is nothing. A screen that was not come by is not in it."""

    walk: Walk
    other: Page
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> Page:
        return self.walk.page

    def look(self, name: str, *, again: bool = True) -> None:
        """Look at the page that is open. `again`: it may be loaded again, in the other languages, in another tab."""
        found = self._look_in(self.page, "en", name)
        for language in OTHERS if again else ():
            self._speak(language)
            self.other.goto(self.page.url)
            found += self._look_in(self.other, language, name)
        self._speak("en")
        self.page.bring_to_front()  # a tab behind another one draws a frame a second, and a click waits for two
        self.wrong[name] = "\n".join(found)

    def _speak(self, language: str) -> None:
        cookie = {"name": "language", "value": language, "url": self.walk.stack.base}
        self.page.context.add_cookies([cookie])  # type: ignore[list-item]

    def _look_in(self, page: Page, language: str, name: str) -> list[str]:
        found = []
        heads = page.locator("h1")
        if heads.count() != 1 or " ".join(heads.first.inner_text().split()) not in page.title():
            found.append(f"{language}: headings {heads.all_inner_texts()}, title {page.title()!r}")
        html = page.locator("html")
        if (html.get_attribute("lang"), html.get_attribute("dir") or "ltr") != (language, DIRECTIONS[language]):
            found.append(f"{language}: says it is {html.get_attribute('lang')} {html.get_attribute('dir')}")
        # All of it once; contrast in the dark as well, and what a language adds to the page.
        page.emulate_media(color_scheme="dark" if language == "ur" else "light")
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate(TOO_WIDE) > 0:
                found.append(f"{language}: {page.evaluate(TOO_WIDE)} px too wide at {width}")
            if EVERY_PICTURE or language == "en" or (language, width) == ("ur", NARROW):
                self._picture(page, name, language, width)
        if language != "hi":
            only = {"runOnly": ["color-contrast", "region"]} if language == "ur" else {}
            seen = axe.run(page, options={"resultTypes": ["violations"], **only})
            if seen.violations_count:
                nodes = [
                    f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
                    for each in seen.response["violations"]
                    for node in each["nodes"][:3]
                ]
                found.append("\n".join([f"{language}:", *nodes]))
        page.emulate_media(color_scheme="light")
        return found

    def _picture(self, page: Page, name: str, language: str, width: int) -> None:
        path = SCREENS / str(width) / (f"{name}.png" if language == "en" else f"{name}-{language}.png")
        keep_a_picture(page, path)

    def visit(self, name: str, path: str) -> None:
        self.page.goto(path)
        self.look(name)

    # --- the way

    def tour(self) -> None:
        self.before_signing_in()
        self.joining()
        self.enrolled()
        self.more_programs()
        self.small_print()

    def before_signing_in(self) -> None:
        walk = self.walk
        self.visit("P1-programs", "/")
        self.visit("P1-of-a-utility", "/?utility=utility-example-002")
        walk.open("/", "Energy programs")
        walk.follow("Pump Hours")
        self.look("P2-program-closed")
        walk.open("/", "Energy programs")
        walk.follow(FLEX)
        self.look("P2-program")
        self.visit("P3-sign-in", "/oidc/sign-in")
        for name, end in (
            ("cancelled", "cancelled"),
            ("no-account", "no-account"),
            ("account-inactive", "inactive"),
            ("provider-down", "unavailable"),
        ):
            self.visit(f"P3-{name}", f"/oidc/ended/{end}")

    def joining(self) -> None:
        walk, page = self.walk, self.page
        page.goto("/oidc/sign-in?next=/enrolments")
        walk.sign_in(a_customer())
        self.look("P14-empty")
        self.start(FLEX)
        self.look("P4-account")
        walk.press("This is me")
        walk.until_answered()
        self.look("P5-meters")
        page.locator("input[name=meters]").first.uncheck()
        walk.press("Continue")
        self.look("P5-mistaken", again=False)
        page.locator("input[name=meters]").first.check()
        walk.press("Continue")
        walk.until_answered()
        self.look("P7-you-can-join")
        walk.press("Continue")
        consent = page.url
        self.look("P9-consent")
        walk.press("Continue")
        self.look("P9-mistaken", again=False)
        journey = page.url.partition("/consents/")[0]
        self.visit("resume", journey)
        self.visit("drop", f"{journey}/drop")
        self.visit("help-code", f"{journey}/help")
        self.visit("P14-draft", "/enrolments")
        page.goto(consent)
        page.get_by_label("Yes, I agree").check()
        walk.press("Continue")
        walk.see("Check your answers")
        self.look("P11-check")
        self.visit("P10-dates", f"{journey}/dates")
        walk.open(f"{journey}/check", "Check your answers")
        walk.press("Confirm enrolment")
        self.look("P11-mistaken", again=False)
        page.locator("#id_declared").check()
        walk.press("Confirm enrolment")
        walk.until_answered()
        walk.see("You are enrolled")
        self.look("P13-enrolled")

    def start(self, program: str) -> None:
        self.walk.open("/", "Energy programs")
        self.walk.follow(program)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Start now").click()

    def enrolled(self) -> None:
        walk, page = self.walk, self.page
        self.visit("P14-enrolments", "/enrolments")
        walk.follow("View")
        home = self.home = page.url
        self.look("P15-enrolment")
        self.visit("credential", f"{home}/credential")
        page.goto(home)
        page.locator("a[href*='/receipts/']").first.click(timeout=5000)
        self.look("receipt")
        self.visit("my-data", "/my-data")
        self.visit("my-data-copy", "/my-data/ask/copy")
        self.visit("my-data-erasure", "/my-data/ask/erasure")
        walk.press("Ask for erasure")
        self.look("my-data-request")
        self.visit("P16-withdraw", f"{home}/consents/1/withdraw")
        self.visit("P17-leave", f"{home}/leave")
        walk.press("Leave the program")
        self.look("P17-mistaken", again=False)

    def more_programs(self) -> None:
        walk, page = self.walk, self.page
        self.start(EVENING)
        walk.press("This is me")
        walk.until_answered()
        self.look("P5-taken")
        page.goto("/matrix")
        walk.press("Ask all programs")
        time.sleep(3)  # its answers come one by one, and the page says so meanwhile
        self.visit("matrix", "/matrix")
        self.visit("basket", "/basket")
        self.start(PEER)
        walk.press("This is me")
        walk.until_answered()
        walk.press("Continue")
        walk.until_answered()
        self.look("P6-equipment")
        page.get_by_text("Add equipment that is missing").click()
        page.locator("input[name=type][value=SOLAR_PV]").check()
        page.get_by_label("Its power in kW").fill("5")
        page.get_by_label("Its serial number").fill("SN-1")
        walk.press("Add this equipment")
        walk.press("Continue")
        walk.until_answered()
        self.look("P7-documents-needed")
        walk.follow("Give the documents")
        self.look("P8-documents")
        page.goto(f"{self.home}/leave")
        page.get_by_label(re.compile("^Now")).check()
        page.get_by_label(f"I want to leave {FLEX}").check()
        walk.press("Leave the program")
        walk.see("You have left")
        self.look("P17-left")
        self.visit("P14-ended", "/enrolments")

    def small_print(self) -> None:
        for name in ("accessibility", "privacy", "cookies"):
            self.visit(f"P19-{name}", f"/{name}")
        self.visit("P19-idle", "/signed-out-idle")
        self.visit("P19-not-found", "/no/such/place")


@pytest.fixture(scope="module")
def gallery(browser: Browser, stack: Stack) -> Iterator[Gallery]:
    context = browser.new_context(base_url=stack.base, viewport={"width": NARROW, "height": 800}, locale="en-GB")
    found = Gallery(Walk(context.new_page(), stack), context.new_page())
    try:
        found.tour()
    except Exception as stopped:  # the screens that were come by are judged all the same
        found.stopped = stopped  # type: ignore[attr-defined]
    yield found
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_is_for_everybody_in_every_language(name: str, gallery: Gallery) -> None:
    assert name in gallery.wrong, getattr(gallery, "stopped", "the way does not come by it")
    assert gallery.wrong[name] == ""


def test_nothing_is_inline_or_from_elsewhere(gallery: Gallery) -> None:
    assert policy_violations(gallery.walk.said) == []
