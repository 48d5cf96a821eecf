"""What one version says otherwise than another, field by field and in lines that can be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any

from enrollment.models import ProgramVersion
from enrollment.programs.content import FIELDS, Section


@dataclass(frozen=True)
class Difference:
    """One field, or one entry of it: what stood there and what stands there now, "" where nothing does.

    `name` is of the model's field; `entry` names which criterion, consent or credential of a list is meant.
    """

    section: Section
    name: str
    entry: str
    before: str
    after: str

    @property
    def is_new(self) -> bool:
        return self.before == ""

    @property
    def is_gone(self) -> bool:
        return self.after == ""


def between(before: ProgramVersion, after: ProgramVersion) -> tuple[Difference, ...]:
    """Every difference, in the order of the sections."""
    return tuple(
        difference
        for section, names in FIELDS.items()
        for name in names
        if name != "change_note"
        for difference in _of_field(section, name, getattr(before, name), getattr(after, name))
    )


#: By what the entries of a list are told apart: the same entry in both versions is compared, not removed and added.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "criteria": ("kind",),
    "required_credentials": ("type",),
    "required_consents": ("type", "fromUtility", "toUtility"),
    "documents": ("documentId",),
}


def _of_field(section: Section, name: str, before: Any, after: Any) -> Iterable[Difference]:
    if before == after:
        return
    if name in _KEYS:
        old, new = _by_key(before, _KEYS[name]), _by_key(after, _KEYS[name])
        for key in dict.fromkeys((*old, *new)):
            if old.get(key) != new.get(key):
                yield from _of_entry(section, name, key, old.get(key, {}), new.get(key, {}))
    elif isinstance(before, Mapping) or isinstance(after, Mapping):
        yield from _of_entry(section, name, "", before or {}, after or {})
    else:
        yield Difference(section, name, "", said(before), said(after))


def _by_key(entries: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name = " ".join(str(entry[key]) for key in keys if entry.get(key))
        number = sum(1 for each in found if each == name or each.startswith(f"{name} ("))
        found[f"{name} ({number + 1})" if number else name] = entry
    return found


def _of_entry(
    section: Section, name: str, entry: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterable[Difference]:
    """Entry by entry as a whole where one is missing, else only what differs in it."""
    old, new = _flat(before), _flat(after)
    if entry and (not old or not new):
        yield Difference(section, name, entry, _lines(old), _lines(new))
        return
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) != new.get(path):
            where = ": ".join(part for part in (entry, path) if part)
            yield Difference(section, name, where, old.get(path, ""), new.get(path, ""))


def _flat(value: Mapping[str, Any], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, each in value.items():
        at = f"{path}.{key}" if path else str(key)
        if isinstance(each, Mapping):
            found |= _flat(each, at)
        else:
            found[at] = said(each)
    return found


def _lines(flat: Mapping[str, str]) -> str:
    return "\n".join(f"{path}: {text}" for path, text in flat.items() if text)


def said(value: Any) -> str:
    """A value as a person reads it; "" for nothing."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(said(each) for each in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {said(each)}" for key, each in value.items())
    return str(value)


@dataclass(frozen=True)
class Piece:
    """A run of words of a text: SAME, GONE or NEW."""

    kind: str
    text: str


def words_between(before: str, after: str) -> tuple[Piece, ...]:
    """Two texts word by word, as one text with what went and what came."""
    old, new = _words(before), _words(after)
    pieces: list[Piece] = []
    is_long = max(len(old), len(new)) > _LONG
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=is_long).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("SAME", "".join(old[i1:i2])))
            continue
        if i2 > i1:
            pieces.append(Piece("GONE", "".join(old[i1:i2])))
        if j2 > j1:
            pieces.append(Piece("NEW", "".join(new[j1:j2])))
    return tuple(pieces)


#: Words and the marks between them, each with the blanks behind it; vowel signs stay with their letters.
_WORD = re.compile(r"[.,;:!?()।۔،]\s*|[^\s.,;:!?()।۔،]+\s*|\s+")
#: Of more words than that, those on every line are no anchors: comparing all with all would take seconds.
_LONG = 1000


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
