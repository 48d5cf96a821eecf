"""Staff and a customer side by side: a program from its first word to the last revocation, and an auditor's afternoon.

One program of its own for all of it: what is ended here is nobody else's.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sandbox import generated
from tests.bap import eventually
from tests.customers import Block
from tests.identity.visiting import Visitor
from tests.pages.walking import Walk, join
from tests.signing_in import Provider
from tests.stack import Stack

PROGRAM, GROUP = "Night Storage Program", "NIGHT_STORAGE"
_customers = Block.CONSOLE.customers()
axe = Axe()
Staff = Callable[[str], "Desk"]


class Desk(Walk):
    """A member of staff at the console."""

    def see(self, heading: str, name: str = "") -> None:
        super().see(heading, name)
        found = axe.run(self.page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def send(self, button: str) -> None:
        """Press a button of the page's own form."""
        with self.page.expect_navigation():
            self.page.get_by_role("main").get_by_role("button", name=button, exact=True).click()


@pytest.fixture(scope="module")
def cookies(stack: Stack) -> dict[str, str]:
    return {}


@pytest.fixture
def staff(browser: Browser, stack: Stack, cookies: dict[str, str]) -> Iterator[Staff]:
    """A desk of somebody of the sandbox's staff, signed in at their provider with both steps."""
    opened: list[tuple[BrowserContext, Desk]] = []

    def desk(person: str) -> Desk:
        if person not in cookies:
            visitor = Visitor(stack)
            visitor.sign_in_staff(person)
            name = f"console{stack.port}"
            cookies[person] = next(str(each.value) for each in visitor.jar if each.name == name)
        context = browser.new_context(base_url=stack.base, viewport={"width": 1280, "height": 900}, locale="en-GB")
        context.add_cookies([{"name": f"console{stack.port}", "value": cookies[person], "url": stack.base}])
        context.set_default_timeout(15_000)
        opened.append((context, Desk(context.new_page(), stack)))
        return opened[-1][1]

    yield desk
    for context, walk in opened:
        walk.is_clean()
        context.close()


@pytest.fixture
def customer(browser: Browser, stack: Stack) -> Iterator[Callable[[], Walk]]:
    """A customer's telephone; each has one of their own."""
    assert Provider(stack.utility_url(), stack.folder / generated.UTILITY_A).metadata  # it starts with being asked
    opened: list[BrowserContext] = []

    def phone() -> Walk:
        opened.append(browser.new_context(base_url=stack.base, viewport={"width": 360, "height": 740}))
        return Walk(opened[-1].new_page(), stack)

    yield phone
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def published(stack: Stack) -> dict[str, str]:
    """What the first test leaves to the others."""
    return {}


def test_a_program_is_published_somebody_joins_and_what_is_revoked_is_seen_by_whoever_checks(
    staff: Staff, customer: Callable[[], Walk], published: dict[str, str]
) -> None:
    publish(staff("editor"), published)
    phone = customer()
    join(phone, next(_customers), PROGRAM)
    number = phone.page.get_by_text(re.compile(r"ENR-\d{4}-\d+")).first.inner_text()
    reference = re.search(r"ENR-\d{4}-\d+", number)
    assert reference
    published["reference"] = reference[0]

    worker = staff("caseworker")
    worker.open("/admin/enrollments/", "Enrolments", "C2-enrolments")
    worker.page.locator("#q").fill(reference[0])
    with worker.page.expect_navigation():
        worker.page.keyboard.press("Enter")
    worker.see(reference[0], "C3-enrolment")
    address = verify_address(worker.page)
    stranger = customer()
    stranger.open(address, "not yet valid")  # it begins with the next meter reading
    worker.leave_by(worker.page.get_by_role("link", name="End", exact=True))
    worker.see("End this enrolment", "C4-consequences")
    worker.page.locator("#id_reason").select_option(index=1)
    worker.fill("Type the reference again:", "ENR-2020-000001")
    worker.send("End the enrolment")
    worker.see("End this enrolment")
    expect(worker.page.get_by_role("alert")).to_contain_text("not the reference")
    worker.page.locator("#id_reason").select_option(index=1)
    worker.fill("Type the reference again:", reference[0])
    worker.send("End the enrolment")
    eventually(lambda: shows(worker.page, "Every list was fetched and looked at"), seconds=30)
    worker.see(".", "C4-result")
    expect(worker.page.get_by_text("cannot be undone")).to_be_visible()
    stranger.open(address, "revoked", "C4-verify-revoked")
    phone.open("/enrolments", "enrolments")
    expect(phone.page.get_by_text("Ended").first).to_be_visible()


def publish(editor: Desk, published: dict[str, str]) -> None:
    """From an empty form to the catalogue."""
    page = editor.page
    editor.open("/admin/programs/new/", "Write a new program", "C7-new")
    page.locator("#id_name").fill(PROGRAM)
    page.locator("#id_program_id").fill("program-night-storage-001")
    page.locator("#id_provider_id").fill("vpp-program-flex-001")
    page.locator("#id_kind").fill("DEMAND_FLEX")
    editor.send("Begin the draft")
    editor.see(PROGRAM, "C7-draft")
    section(editor, "words")
    page.locator("#id_short_description").fill("Paid for storing at night.")
    page.locator("#id_support_phone").fill("+91 11 5555 0100")
    editor.send("Save")
    section(editor, "who")
    page.get_by_label(generated.UTILITY_A).first.check()
    editor.send("Save")
    section(editor, "control")
    page.locator("#id_conflict_group").fill(GROUP)
    editor.send("Save")
    editor.see(PROGRAM, "C7-written")
    published["version"] = page.url
    editor.follow("Try on a meter")
    editor.see("Try")
    page.go_back()
    editor.follow("Publish this version")
    editor.see("Publish", "C7-publish")
    page.locator("#id_reason").fill("The first version.")
    editor.send("Publish version 1")
    editor.see(PROGRAM, "C7-published")
    expect(page.get_by_text("It never changes")).to_be_visible()
    eventually(lambda: shown_to_customers(editor), seconds=30)


def section(editor: Desk, key: str) -> None:
    with editor.page.expect_navigation():
        editor.page.locator(f"section[aria-labelledby='{key}'] a.button").first.click()


def shown_to_customers(editor: Desk) -> bool:
    return PROGRAM in str(editor.stack.get("/", accept="text/html").raw)


def verify_address(page: Page) -> str:
    """Where anybody checks the credential of the enrolment that a page of the console shows."""
    link = page.get_by_role("main").locator("a[href*='/issuedcredential/']").last.get_attribute("href") or ""
    return f"/verify/{link.rstrip('/').rpartition('/')[2]}"


def shows(page: Page, text: str) -> bool:
    page.reload()
    return bool(page.get_by_text(text).count())


def test_many_are_ended_by_two_people(staff: Staff, customer: Callable[[], Walk], published: dict[str, str]) -> None:
    if "version" not in published:
        pytest.skip("the program was not published")
    for _ in range(2):
        join(customer(), next(_customers), PROGRAM)
    worker = staff("caseworker")
    worker.open("/admin/enrollments/?program=program-night-storage-001", "Enrolments")
    worker.page.get_by_text("Act on all of these").click()
    worker.leave_by(worker.page.get_by_role("link", name="End all of these", exact=True))
    worker.see("End all of these", "C4-many")
    worker.page.locator("#id_reason").select_option(index=1)
    worker.page.locator("#id_count").fill("2")
    worker.send("Ask a second person")
    worker.see("2", "C4-asked")
    expect(worker.page.get_by_text("You have asked for this")).to_be_visible()
    expect(worker.page.get_by_role("link", name="Look at it and approve")).to_have_count(0)
    address = worker.page.url
    digest = worker.page.locator("code").first.inner_text()

    late = customer()
    join(late, next(_customers), PROGRAM)
    approver = staff("approver")
    approver.open("/admin/", "Home", "C1-home")
    approver.open(address, "2", "C4-to-approve")
    approver.follow("Look at it and approve")
    approver.see(".", "C4-approving")
    expect(approver.page.get_by_text(digest)).to_be_visible()
    expect(approver.page.get_by_text("1 enrolment matches now and is not in the set")).to_be_visible()
    approver.send("Approve: it begins at once")
    expect(approver.page.get_by_role("alert")).to_contain_text("Type the number")
    approver.page.locator("#id_count").fill("2")
    approver.send("Approve: it begins at once")
    expect(approver.page.get_by_text("Approved. It is worked off from now on.")).to_be_visible()
    approver.see(": 2")
    eventually(lambda: shows(approver.page, "Every list was fetched and looked at"), seconds=40)
    approver.see(".", "C4-many-done")
    late.open("/enrolments", "enrolments")
    expect(late.page.get_by_text(PROGRAM).first).to_be_visible()
    expect(late.page.get_by_text("Ended")).to_have_count(0)  # who joined after the asking is not in the set


def test_an_auditor_reads_the_story_and_takes_a_copy_that_holds_without_us(
    staff: Staff, stack: Stack, published: dict[str, str], tmp_path: Path
) -> None:
    if "reference" not in published:
        pytest.skip("nobody has joined")
    auditor = staff("auditor")
    page = auditor.page
    auditor.open(f"/admin/journal/story/?of={published['reference']}", "story", "C11-story")
    for each in ("on_confirm", "Credential issued", "Credential revoked"):
        expect(page.get_by_text(each).first).to_be_visible()
    auditor.send("Show what the messages say")
    auditor.see("story", "C11-story-open")
    auditor.open("/admin/journal/", "Journal", "C11-journal")
    auditor.send("Export the whole journal")
    eventually(lambda: shows(page, "Fetch the file"), seconds=40)
    auditor.see(".", "C11-export")
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Fetch the file").click()
    file = tmp_path / "journal.zip"
    fetched.value.save_as(file)
    assert {"journal.csv", "journal.jsonl", "manifest.json"} <= set(zipfile.ZipFile(file).namelist())
    good = stack.manage("audit", "verify", "--export", str(file), "--json", check=False)
    assert good.returncode == 0 and json.loads(good.stdout)["ok"], good.stdout + good.stderr
    changed = tmp_path / "changed.zip"
    rewritten(file, changed)
    bad = stack.manage("audit", "verify", "--export", str(changed), check=False)
    assert bad.returncode != 0, bad.stdout


def rewritten(good: Path, changed: Path) -> None:
    """The same archive with one byte of one line changed, and packed again as if nothing had happened."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = bytearray(source.read(name))
            if name == "journal.jsonl":
                data[len(data) // 2] ^= 1
            target.writestr(name, bytes(data))
