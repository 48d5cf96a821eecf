"""Every address of the console takes what nobody would type, answers it, and breaks nothing."""

from __future__ import annotations

import re

import pytest

from identity.staff import Role
from tests.console.test_roles import address, patterns
from tests.staff import Desk, desk

pytestmark = pytest.mark.django_db
NASTY = (
    "\x00",
    "-1",
    "😀" * 3000,
    "99999999999999999999",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "٣",
    "2026-13-45",
)
NAMES = re.compile(r'<(?:input|select|textarea)[^>]*\bname="([^"]+)"')


@pytest.fixture
def everybody() -> Desk:
    browser = desk(*Role)
    browser.raise_request_exception = False
    return browser


def test_nothing_typed_into_a_search_or_filter_breaks_a_page(everybody: Desk) -> None:
    wrong = []
    for pattern in patterns():
        if "<" in str(pattern.pattern):
            continue
        url = address(pattern)
        names = {*NAMES.findall(everybody.get(url).content.decode()), "before", "after", "p", "o", "e"}
        for nasty in NASTY:
            answer = everybody.get(url, dict.fromkeys(names, nasty))
            if answer.status_code >= 500 or b"<script>alert(1)" in b"".join(answer):
                wrong.append((pattern.name, nasty[:20], answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))


def test_nothing_sent_to_an_act_breaks_it(everybody: Desk) -> None:
    wrong = []
    for pattern in patterns():
        url = address(pattern)
        names = {*NAMES.findall(everybody.get(url).content.decode()), "note", "reason", "q"}
        for nasty in NASTY[::2]:
            answer = everybody.post(url, dict.fromkeys(names - {"csrfmiddlewaretoken"}, nasty))
            if answer.status_code >= 500 or b"<script>alert(1)" in b"".join(answer):
                wrong.append((pattern.name, nasty[:20], answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))


def test_a_nul_that_is_searched_for_is_a_bad_request(everybody: Desk) -> None:
    for url in ("/admin/journal/?actor=%00", "/admin/enrollments/?q=a%00b"):
        assert everybody.get(url).status_code == 400, url
    assert everybody.get("/admin/enrollments/%00/").status_code == 404
    assert everybody.get("/admin/enrollments/?q=%2500").status_code == 200  # a percent sign and two digits
