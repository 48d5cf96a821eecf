"""A shop assistant, a clerk or a neighbour who wants to know whether a credential is good."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import segno
from playwright.sync_api import Page, expect

from tests.pages.people import Enrolled, enrol
from tests.pages.screens import as_json, enter, press, receipt, tampered
from tests.stack import Stack

# The modules of the picture as it stands on the screen, row by row, without its white border.
MODULES = """([img, border]) => {
  const side = img.naturalWidth && new DOMParser().parseFromString(
    decodeURIComponent(img.src.slice(img.src.indexOf(',') + 1)), 'image/svg+xml'
  ).documentElement.viewBox.baseVal.width;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side * 4;
  const pen = canvas.getContext('2d');
  pen.drawImage(img, 0, 0, side * 4, side * 4);
  const black = (row, column) => pen.getImageData(column * 4 + 2, row * 4 + 2, 1, 1).data[0] < 128 ? 1 : 0;
  const inside = [...Array(side - 2 * border).keys()].map(each => each + border);
  return inside.map(row => inside.map(column => black(row, column)));
}"""


def answer(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def code_of(text: str) -> list[list[int]]:
    return [list(row) for row in segno.make(text, error="m", micro=False).matrix]


def shown_code(page: Page) -> list[list[int]]:
    image = page.locator("img.code").element_handle()
    return list(page.evaluate(MODULES, [image, 4]))


def test_the_code_on_a_receipt_opens_the_answer(page: Page, enrolled: Enrolled) -> None:
    receipt(page, enrolled)
    address = enrolled.told["verificationUrl"]
    assert shown_code(page) == code_of(address)
    page.goto(address)
    assert answer(page) == "This credential is valid."
    assert shown_code(page) == code_of(address)


def test_the_number_on_a_receipt_is_typed_as_people_type(page: Page, enrolled: Enrolled) -> None:
    receipt(page, enrolled)
    number = page.locator(".number").inner_text()
    assert number.split() == enrolled.number.split()
    for typed in (
        number,
        number.upper(),
        number.replace("0", "O").replace("1", "l"),
        number.replace(" ", "-"),
        enrolled.id,
    ):
        enter(page, typed)
        assert answer(page) == "This credential is valid."
        assert page.url.endswith(enrolled.verification)


@pytest.mark.parametrize("of", ["credentialUrl", "verificationUrl", "credentialId"])
def test_a_link_that_was_sent_is_pasted(of: str, page: Page, enrolled: Enrolled) -> None:
    for link in (enrolled.told[of], enrolled.told[of].partition("://")[2]):
        enter(page, f" {link}\n")
        assert page.url.endswith(enrolled.verification)
        assert enrolled.token not in page.content()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter the number, the link, or the credential itself."),
        ("ENR-2026-000123", "It does not show that a credential is good"),
        ("865a 84b2 af47 4f50 b698 a024 867e a24", "The number has 32 characters, this one has 31."),
        ("g65a 84b2 af47 4f50 b698 a024 867e a24b", "only the digits 0 to 9 and the letters a to f"),
        ("https://elsewhere.example/verify/865a84b2-af47-4f50-b698-a024867ea24b", "This link is not one of ours."),
        ("Rajesh Kumar", "neither a number, nor a link, nor a credential"),
        ('{"hello": "there"}', "There is no credential in this text."),
    ],
)
def test_what_cannot_be_checked_is_told_in_plain_words(typed: str, sentence: str, page: Page) -> None:
    enter(page, typed)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.get_by_label("Number, link, or the credential itself")).to_have_value(typed)


def test_an_order_number_in_the_address_shows_nothing_either(page: Page) -> None:
    page.goto("/verify/ENR-2026-000123")
    assert answer(page) == "We do not know this credential."
    expect(page.locator("#credential-mistake")).to_contain_text("order or enrolment number")


def test_a_number_we_never_gave_can_be_mended(page: Page, enrolled: Enrolled) -> None:
    wrong = enrolled.number[:-1] + ("0" if enrolled.number[-1] != "0" else "1")
    enter(page, wrong)
    assert answer(page) == "We do not know this credential."
    field = page.get_by_label("Number, link, or the credential itself")
    expect(field).to_have_value(wrong)
    field.fill(enrolled.number)
    press(page, "Check")
    assert answer(page) == "This credential is valid."


def test_the_answer_names_nobody_but_the_credential_itself_does(page: Page, enrolled: Enrolled) -> None:
    page.goto(enrolled.verification)
    person = enrolled.journey.person
    assert person.did not in page.content() and person.umid not in page.content()
    in_lines = "\n".join(enrolled.jwt[at : at + 76] for at in range(0, len(enrolled.jwt), 76))  # as mail breaks it
    enter(page, in_lines)
    assert answer(page) == "This credential is valid."
    expect(page.get_by_text(person.umid, exact=True)).to_be_visible()
    expect(page.get_by_text(person.did)).to_be_visible()


def test_a_file_is_checked_as_well(page: Page, enrolled: Enrolled, tmp_path: Path) -> None:
    for name, content in {
        "credential.jwt": enrolled.jwt,
        "on_confirm.json": json.dumps({"message": {"order": enrolled.order}}),
    }.items():
        (tmp_path / name).write_text(content)
        page.goto("/verify")
        page.get_by_label("Or a file that you were sent").set_input_files(tmp_path / name)
        press(page, "Check")
        assert answer(page) == "This credential is valid."


def test_a_file_that_is_too_large_is_told_so(page: Page, tmp_path: Path) -> None:
    (tmp_path / "film.json").write_bytes(b"x" * 300_000)
    page.goto("/verify")
    page.get_by_label("Or a file that you were sent").set_input_files(tmp_path / "film.json")
    press(page, "Check")
    assert answer(page) == "This is too large"


def test_a_forged_credential_is_called_so_and_what_it_claims_a_claim(page: Page, enrolled: Enrolled) -> None:
    enter(page, tampered(enrolled.jwt))
    assert answer(page) == "This credential is not genuine."
    expect(page.get_by_role("heading", name="What it claims")).to_be_visible()
    assert enrolled.journey.person.umid not in page.locator("main").inner_text()


def test_who_left_the_program_is_seen_to_have_left(page: Page, stack: Stack) -> None:
    leaver = enrol(stack)
    page.goto(leaver.verification)
    assert answer(page) == "This credential is valid."
    leaver.leave()
    page.reload()
    assert answer(page) == "This credential was revoked."
    expect(page.get_by_text("It still holds: neither withdrawn nor suspended: no")).to_be_visible()
    assert as_json(page, leaver.verification)["code"] == "REVOKED"
    page.goto(leaver.link)
    expect(page.locator(".panel")).to_contain_text("This credential was revoked.")
    expect(page.get_by_role("link", name="Put it into a wallet on your phone")).to_have_count(0)
    receipt(page, leaver)
    expect(page.locator(".panel")).to_contain_text("This credential was revoked.")


def test_a_consent_is_told_in_words_not_in_codes(page: Page, enrolled: Enrolled) -> None:
    enter(page, enrolled.consent)
    assert answer(page) == "This credential is valid."
    expect(page.get_by_text("Consent to the use of energy data")).to_be_visible()
    expect(page.get_by_text("Meter readings may be collected")).to_be_visible()
    assert not re.search(r"\b[A-Z]{3,}_[A-Z]+\b", page.locator("main dl").all_inner_texts()[1])


def test_an_answer_is_never_kept_by_the_browser(page: Page, enrolled: Enrolled) -> None:
    for path in (enrolled.verification, enrolled.link):
        response = page.goto(path)
        assert response is not None and "no-store" in response.headers["cache-control"]
