"""Somebody who walks through the portal with a real browser, and what a page must be like wherever they come.

Counts the pages they see and the fields they type into; with `SCREENS=yes` keeps a picture of each page for a person to
look at (`var/screens/<width>/<name>.png`).
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, Request, expect

from sandbox import generated
from tests.customers import Block
from tests.pages.screens import policy_violations
from tests.signing_in import Provider
from tests.stack import ROOT, Stack

SCREENS = ROOT / "var" / "screens"
#: "yes" takes pictures; "all" takes those in Hindi, too.
PICTURES = os.environ.get("SCREENS", "")
_customers = Block.WALKING.customers()


# What shows the focus: an outline or a shadow of the control, or of the label beside a hidden input.
_FOCUS = """() => {
  const it = document.activeElement, shown = style => style.outlineStyle !== "none" || style.boxShadow !== "none";
  const beside = it.nextElementSibling ? getComputedStyle(it.nextElementSibling, "::before") : getComputedStyle(it);
  return it === document.body || shown(getComputedStyle(it)) || shown(beside);
}"""


def a_customer() -> str:
    """A customer of utility A whom nobody has used: how they sign in."""
    return next(_customers)


@dataclass
class Walk:
    """One person's way, with the mouse or `by_keyboard`.

    `seen` are the headings of our pages in their order, `typed` counts the fields they typed into.
    """

    page: Page
    stack: Stack
    utility: str = generated.UTILITY_A
    by_keyboard: bool = False
    seen: list[str] = field(default_factory=list)
    typed: int = 0
    said: list[str] = field(default_factory=list)
    loads: list[list[Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(f"script: {error}"))
        self.page.on("requestfinished", self._loaded)

    def open(self, path: str, heading: str, name: str = "") -> None:
        self.page.goto(path)
        self.see(heading, name)

    def see(self, heading: str, name: str = "") -> None:
        """The page with this heading is there, fits the screen, and says in its title what its heading says."""
        page = self.page
        heads = page.get_by_role("heading", level=1)
        expect(heads).to_have_text(re.compile(heading), timeout=15_000)
        words = " ".join(heads.inner_text().split())
        self.seen.append(words)
        assert words in page.title(), (words, page.title())
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{page.url} is {wide} px too wide"
        if name:
            self.picture(name)

    def picture(self, name: str) -> None:
        assert self.page.viewport_size
        keep_a_picture(self.page, SCREENS / str(self.page.viewport_size["width"]) / f"{name}.png")

    def press(self, button: str) -> None:
        self.leave_by(self.page.get_by_role("button", name=button, exact=True))

    def follow(self, link: str) -> None:
        self.leave_by(self.page.get_by_role("link", name=link).first)

    def leave_by(self, control: Locator) -> None:
        """Activate what leads to another page."""
        with self.page.expect_navigation():
            if self.by_keyboard:
                self.reach(control)
                self.page.keyboard.press("Enter")
            else:
                control.click()

    def tick(self, box: Locator) -> None:
        """Choose a radio button or tick a box."""
        if self.by_keyboard:
            self.reach(box)
            self.page.keyboard.press("Space")
        else:
            box.check()
        expect(box).to_be_checked()

    def reach(self, control: Locator) -> None:
        """Go to a control with the Tab key alone; where one is can be seen at each stop."""
        for _ in range(80):
            if control.evaluate("it => it === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
            outline = self.page.evaluate(_FOCUS)
            assert outline, f"nobody sees where the focus is: {self.page.evaluate('document.activeElement.outerHTML')}"
        raise AssertionError(f"the Tab key does not lead to {control}")

    def type(self, label: str, text: str) -> None:
        self.typed += 1
        self.page.get_by_label(label).fill(text)

    def sign_in(self, person: str, name: str = "") -> None:
        """From our page that asks for the utility, through the provider's own pages, and back."""
        self.see("Who is your electricity utility", name)
        provider = Provider(self.stack.utility_url(self.utility), self.stack.folder / self.utility)
        assert provider.metadata  # it starts with its first request, which may take a while
        self.page.locator(f"input[name=provider][value='{self.utility}']").check()
        self.press("Continue")
        self.page.fill("input[name=username]", person)
        self.page.fill("input[name=password]", provider.password(person))
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        if self.page.locator("[name=allow]").count():  # asked once for each person
            with self.page.expect_navigation():
                self.page.locator("[name=allow]").last.click()

    def sign_in_agent(self, person: str) -> None:
        """From the agents' sign-in, through their provider's pages with both steps, and back."""
        provider = Provider(self.stack.agencies_url(), self.stack.folder / "agencies")
        assert provider.metadata  # it starts with its first request, which may take a while
        self.press("Continue")
        self.page.fill("input[name=username]", person)
        self.page.fill("input[name=password]", provider.password(person))
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.page.fill("input[name=code]", provider.code_sent_to(person))
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        if self.page.locator("[name=allow]").count():  # asked once for each person
            with self.page.expect_navigation():
                self.page.locator("[name=allow]").last.click()

    def _loaded(self, request: Request) -> None:
        if request.url.startswith(self.stack.base):
            if request.resource_type == "document" and request.method == "GET":
                self.loads.append([])
            if self.loads:
                self.loads[-1].append(request)

    def weights(self) -> list[tuple[int, float]]:
        """(requests, kB that came over the wire) of each page of ours, the first one with nothing kept before."""
        found = []
        for requests in self.loads:
            sizes = [request.sizes() for request in requests]
            size = sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes)
            found.append((len(requests), round(size / 1000, 1)))
        return found

    def until_answered(self, *, has_script: bool = True) -> None:
        """Past the page that waits, where there is one: the script goes on by itself, without one the link does."""
        for _ in range(60):
            if "/waiting" not in self.page.url:
                return
            self.page.wait_for_timeout(250)
            if not has_script:
                self.page.goto(self.page.url)
        raise AssertionError(f"still waiting at {self.page.url}")

    def is_clean(self) -> None:
        """The browser refused nothing, and no script failed."""
        assert policy_violations(self.said) == [] and not [each for each in self.said if each.startswith("script:")]


def keep_a_picture(page: Page, path: Path) -> None:
    """For whoever wants to look; a run that nobody looks at takes none."""
    if PICTURES:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True)


def join(walk: Walk, person: str, program: str, *, names: bool = False, has_script: bool = True) -> float:
    """From the programs to the end, as somebody with one meter does it: every page, nothing typed.

    Returns how many seconds the last button took, from the press to the page that says "You are enrolled".
    """

    def named(name: str) -> str:
        return name if names else ""

    page = walk.page
    walk.open("/", "Energy programs you can join", named("P1-programs"))
    walk.follow(program)
    walk.see(program, named("P2-program"))
    walk.leave_by(page.get_by_role("button", name="Start now"))
    walk.sign_in(person, named("P3-sign-in"))
    walk.see("Is this your account", named("P4-account"))
    walk.press("This is me")
    walk.until_answered(has_script=has_script)
    walk.see("Which meters", named("P5-meters"))
    walk.press("Continue")
    walk.until_answered(has_script=has_script)
    walk.see("You can join", named("P7-you-can-join"))
    walk.press("Continue")
    while "/consents/" in page.url:
        walk.see("May ", named("P9-consent"))
        walk.tick(page.get_by_label("Yes, I agree"))
        walk.press("Continue")
    walk.see("Check your answers", named("P11-check"))
    walk.tick(page.locator("#id_declared"))
    pressed = time.monotonic()
    walk.press("Confirm enrolment")
    walk.until_answered(has_script=has_script)
    walk.see("You are enrolled")
    seconds = time.monotonic() - pressed
    if names:
        walk.picture("P13-enrolled")
    return seconds
