"""The words of the pages in three languages: complete, with the same placeholders, and chosen without a script."""

from __future__ import annotations

import importlib.util
from http.cookies import SimpleCookie
from pathlib import Path
from types import ModuleType

import pytest
from django.test import Client
from django.utils import translation
from django.utils.formats import date_format

from audit import clock

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    """`locale/messages.py`; what Django reads is compiled as `make` does."""
    spec = importlib.util.spec_from_file_location("messages", ROOT / "locale" / "messages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.compile_all()
    for language in module.LANGUAGES:  # an earlier test may have made Django read an older file
        translation.trans_real._translations.pop(language, None)  # type: ignore[attr-defined]
    return module


def test_every_word_of_the_pages_is_in_every_language_with_its_placeholders(messages: ModuleType) -> None:
    assert list(messages.check()) == []


def test_what_has_changed_is_noticed_and_nothing_is_guessed(messages: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "hi" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    text = (ROOT / "locale" / "hi" / "LC_MESSAGES" / "django.po").read_text()
    broken = text.replace('msgid "Sign out"', 'msgid "Sign out now"').replace("%(reference)s", "%(number)s", 1)
    (folder / "django.po").write_text(broken)
    messages.HERE, here = tmp_path, messages.HERE
    try:
        updated = messages.updated("hi", messages.wanted()).decode()
    finally:
        messages.HERE = here
    entry = updated.partition('msgid "Sign out"')[2].partition("\n\n")[0]
    assert entry.strip() == 'msgstr ""'


@pytest.mark.parametrize(("language", "direction"), [("en", ""), ("hi", ""), ("ur", ' dir="rtl"')])
def test_a_page_says_its_language_and_runs_its_way(
    messages: ModuleType, client: Client, language: str, direction: str
) -> None:
    client.cookies = SimpleCookie({"language": language})
    page = client.get("/cookies").content.decode()
    assert f'<html lang="{language}"{direction} class' in page
    assert ("main.rtl.css" in page) == bool(direction)
    assert ('class="unread"' in page) == (language != "en")
    for other in {"en", "hi", "ur"} - {language}:
        assert f'name="language" value="{other}" lang="{other}"' in page


def test_a_language_is_chosen_by_a_form_and_only_to_a_page_of_ours(client: Client) -> None:
    chosen = client.post("/language", {"language": "ur", "next": "/privacy"})
    assert (chosen.status_code, chosen["Location"]) == (303, "/privacy")
    cookie = chosen.cookies["language"]
    assert cookie.value == "ur" and cookie["samesite"] == "Lax" and cookie["httponly"]
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", ""):
        assert client.post("/language", {"language": "hi", "next": elsewhere})["Location"] == "/"
    unknown = Client().post("/language", {"language": "../../x", "next": "/privacy"})
    assert unknown.status_code == 303 and not unknown.cookies


def test_days_are_written_in_the_language_of_the_page(messages: ModuleType) -> None:
    day = clock.now().replace(year=2026, month=11, day=22)
    with translation.override("hi"):
        assert date_format(day) == "22 नवंबर 2026"
    with translation.override("ur"):
        assert date_format(day) == "22 نومبر 2026"
    with translation.override("en"):
        assert date_format(day) == "22 November 2026"


def test_the_console_speaks_english_only(client: Client) -> None:
    client.cookies = SimpleCookie({"language": "ur"})
    page = client.get("/admin/sign-in").content.decode()
    assert 'lang="en"' in page and 'dir="ltr"' in page
