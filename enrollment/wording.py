"""The words of a notice to a customer: subject and text, in their language. Reads files once, and nothing else.

One file for each language (`enrollment/words/<locale>.toml`), written as a whole rather than sentence by sentence; a
language that no person has read says so in every notice. Source: issue 5 (8), screens "Words".
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from babel import Locale
from babel.dates import format_date

FOLDER = Path(__file__).with_name("words")
DEFAULT = "en"
_RIGHT_TO_LEFT = frozenset({"ur"})
_DATES = {"en": "en_GB"}  # 21 November 2026, as on our pages


@dataclass(frozen=True)
class Words:
    """What is written, and in which language (BCP 47)."""

    locale: str
    subject: str
    text: str


@dataclass(frozen=True)
class Frame:
    """What stands below the text: the address to say "this was not me" with its end, and whom to ask.

    `is_assisted`: an agency acts, whose mandate can be taken back there, too.
    """

    link: str = ""
    until: datetime | None = None
    help_name: str = ""
    help_phone: str = ""
    help_hours: str = ""
    is_assisted: bool = False


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@lru_cache(maxsize=32)
def book(locale: str) -> Mapping[str, Any]:
    """Everything that is written in one of `languages()`."""
    return tomllib.loads((FOLDER / f"{locale}.toml").read_text(encoding="utf-8"))


def language_for(wish: str) -> str:
    """The language we have for a BCP 47 tag: `hi-IN` is `hi`; English for what we do not speak."""
    main = wish.replace("_", "-").split("-")[0].lower()
    return main if main in languages() else DEFAULT


def reason(code: str, locale: str) -> str:
    """The sentence for a reason's code; "" for one that we have none for."""
    return str(book(locale)["reasons"].get(code, ""))


def compose(template: str, locale: str, facts: Mapping[str, str | datetime], frame: Frame) -> Words:
    """Write a notice. `facts`: `program`, `number`, `at` and the like; instants are told as days, in their own zone.

    Raises KeyError for a template that does not exist.
    """
    words = book(locale)
    said = words["notices"][template]
    filled = {key: _told(value, locale) for key, value in facts.items()}
    filled["because"] = reason(str(facts.get("reason", "")), locale)
    return Words(
        locale,
        _fill(said["subject"], filled),
        "\n\n".join(part for part in (_fill(said["text"], filled), *_below(words["frame"], frame, locale)) if part),
    )


def _below(said: Mapping[str, str], frame: Frame, locale: str) -> list[str]:
    below = []
    if frame.link and frame.until is not None:
        asked = "not_me_agency" if frame.is_assisted else "not_me"
        below.append(_fill(said[asked], {"link": frame.link, "until": _told(frame.until, locale)}))
    if frame.help_phone:
        # Isolated: from right to left the groups of a number would change places.
        marks = ("\u2066", "\u2069") if locale in _RIGHT_TO_LEFT else ("", "")
        told = {"name": frame.help_name, "phone": frame.help_phone.join(marks), "hours": frame.help_hours}
        below.append(_fill(said["help"], told))
    return [*below, said["unread"]]


def _fill(text: str, filled: Mapping[str, str]) -> str:
    whole = Template(text).safe_substitute(
        {**dict.fromkeys(("because", "number", "at", "until", "allowed", "said"), ""), **filled}
    )
    return " ".join(whole.split())  # a reason that we have no sentence for leaves a gap


def _told(value: str | datetime, locale: str) -> str:
    if isinstance(value, datetime):
        return str(format_date(value.date(), format="long", locale=Locale.parse(_DATES.get(locale, locale))))
    return value
