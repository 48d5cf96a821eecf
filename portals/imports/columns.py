"""What a file may hold, and what is wrong with a line of it. Pure: what is allowed to whom is given.

We ask for the least: whom to write to, at which utility, for which program, under which reference of the agency's own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

REFERENCE, UTILITY, ACCOUNT, MOBILE = "reference", "utility", "account_number", "mobile"
PROGRAM, LANGUAGE = "program", "language"
COLUMNS = (REFERENCE, UTILITY, ACCOUNT, MOBILE, PROGRAM, LANGUAGE)
PERSONAL = (ACCOUNT, MOBILE)
_NEEDED = (REFERENCE, UTILITY, PROGRAM)
_DELIMITERS = (",", ";", "\t")

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF", b"\x1f\x8b")  # spreadsheets, archives

_LONGEST = {REFERENCE: 64, UTILITY: 128, ACCOUNT: 64, MOBILE: 20, PROGRAM: 255, LANGUAGE: 35}
_REFERENCE = re.compile(r"\w[\w./:#-]*")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9/-]{2,63}")
_MOBILE = re.compile(r"\+[1-9][0-9]{7,14}")
_SHOWN = 40  # characters of a wrong value


# --- the header ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """How a file is written: what stands between its columns, and which they are."""

    delimiter: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class HeaderProblem:
    """`column` is the one meant, as we call it or as the file does."""

    code: str
    column: str = ""


class WrongHeader(Exception):
    """The first line is not the one that is expected: nothing of the file is taken."""

    def __init__(self, *problems: HeaderProblem) -> None:
        super().__init__(", ".join(each.code for each in problems))
        self.problems = problems


def layout_of(first: bytes | None) -> Layout:
    """Read the header. Raises WrongHeader."""
    if first is not None and first.startswith(_NOT_TEXT):
        raise WrongHeader(HeaderProblem("NOT_CSV"))
    if first is not None and (first.startswith(_OTHER_BOMS) or b"\x00" in first[:100]):
        raise WrongHeader(HeaderProblem("NOT_UTF8"))
    if first is None:
        raise WrongHeader(HeaderProblem("HEADER_TOO_LONG"))
    try:
        text = first.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise WrongHeader(HeaderProblem("NOT_UTF8")) from None
    if not text.strip(' \t;,"'):
        raise WrongHeader(HeaderProblem("NO_HEADER"))
    read = {delimiter: _names(text, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda each: len(set(read[each]) & set(COLUMNS)))
    names = read[delimiter]
    while names and not names[-1]:
        names.pop()  # a spreadsheet's empty columns to the right
    problems = _problems(names)
    if problems:
        raise WrongHeader(*problems)
    return Layout(delimiter, tuple(names))


def _names(text: str, delimiter: str) -> list[str]:
    try:
        return [each.strip().lower().replace(" ", "_") for each in next(csv.reader([text], delimiter=delimiter))]
    except csv.Error:
        return []


def _problems(names: Sequence[str]) -> list[HeaderProblem]:
    shown = [each[:_SHOWN] for each in names]
    if not set(names) & set(COLUMNS):
        return [HeaderProblem("NO_HEADER")]
    found = [HeaderProblem("MISSING_COLUMN", each) for each in _NEEDED if each not in names]
    if ACCOUNT not in names and MOBILE not in names:
        found.append(HeaderProblem("MISSING_COLUMN", f"{ACCOUNT} / {MOBILE}"))
    found += [HeaderProblem("UNKNOWN_COLUMN", each) for each in dict.fromkeys(shown) if each not in COLUMNS]
    found += [HeaderProblem("DOUBLED_COLUMN", each) for each in COLUMNS if names.count(each) > 1]
    return found


# --- a line ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProgramChoice:
    """A program that may be named; `utilities` empty: of every utility's customers. `is_open`: may be joined now."""

    pk: int
    utilities: frozenset[str]
    is_open: bool
    is_theirs: bool


@dataclass(frozen=True)
class Allowed:
    """What this agency may name at this moment. `utilities` says of each that is known whether it is in their scope."""

    utilities: Mapping[str, bool]
    programs: Mapping[str, ProgramChoice]
    languages: frozenset[str]


@dataclass(frozen=True)
class Good:
    reference: str
    utility_id: str
    program_pk: int
    locale: str
    told: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """Why a line is not taken: a code, the column, and what stands there (masked where it tells of a person)."""

    code: str
    column: str = ""
    value: str = ""
    reference: str = ""


class _Wrong(Exception):
    def __init__(self, code: str, column: str = "") -> None:
        super().__init__(code)
        self.code, self.column = code, column


def read(line: bytes | None, layout: Layout, allowed: Allowed) -> Good | Bad:
    """Say what a line asks for, or the first thing that is wrong with it."""
    values: dict[str, str] = {}
    try:
        values = dict(zip(layout.columns, _fields(line, layout), strict=True))
        return _good(values, allowed)
    except _Wrong as wrong:
        value = values.get(wrong.column, "")
        reference = values.get(REFERENCE, "")
        known = reference if len(reference) <= 64 and _REFERENCE.fullmatch(reference) else ""
        return Bad(wrong.code, wrong.column, shown(wrong.column, value), known)


def shown(column: str, value: str) -> str:
    """A wrong value as it may be shown: of what tells of a person the last two characters."""
    if column in PERSONAL:
        return f"…{value[-2:]}" if len(value) > 4 else "…" if value else ""
    clean = "".join(each if each.isprintable() else "�" for each in value)
    return clean if len(clean) <= _SHOWN else f"{clean[: _SHOWN - 1]}…"


def _fields(line: bytes | None, layout: Layout) -> list[str]:
    if line is None:
        raise _Wrong("LINE_TOO_LONG")
    text = line.decode(errors="replace")  # which column it was in, is found below
    if '"' in text:
        try:
            found = next(csv.reader([text], delimiter=layout.delimiter, strict=True))
        except csv.Error:
            raise _Wrong("QUOTES") from None
    else:
        found = text.split(layout.delimiter)
    width = len(layout.columns)
    if len(found) < width or any(each.strip() for each in found[width:]):
        raise _Wrong("COLUMN_COUNT")
    return [each.strip() for each in found[:width]]


def _good(values: Mapping[str, str], allowed: Allowed) -> Good:
    for column, value in values.items():
        if value and not value.isprintable():
            raise _Wrong("BAD_CHARACTER", column)
        if "�" in value:
            raise _Wrong("BAD_CHARACTER", column)
        if len(value) > _LONGEST[column]:
            raise _Wrong("TOO_LONG", column)
    reference = _given(values, REFERENCE)
    if not _REFERENCE.fullmatch(reference):
        raise _Wrong("NOT_A_REFERENCE", REFERENCE)
    utility_id = _utility(values, allowed)
    told = _customer(values)
    program = _program(values, allowed, utility_id)
    locale = values.get(LANGUAGE, "").lower()
    if locale and locale not in allowed.languages:
        raise _Wrong("UNKNOWN_LANGUAGE", LANGUAGE)
    return Good(reference, utility_id, program.pk, locale, told)


def _given(values: Mapping[str, str], column: str) -> str:
    value = values.get(column, "")
    if not value:
        raise _Wrong("MISSING", column)
    return value


def _utility(values: Mapping[str, str], allowed: Allowed) -> str:
    utility_id = _given(values, UTILITY)
    if utility_id not in allowed.utilities:
        raise _Wrong("UNKNOWN_UTILITY", UTILITY)
    if not allowed.utilities[utility_id]:
        raise _Wrong("UTILITY_NOT_YOURS", UTILITY)
    return utility_id


def _customer(values: Mapping[str, str]) -> dict[str, str]:
    """Whom to write to. The account number is enough where both are given: we keep the least."""
    account, mobile = values.get(ACCOUNT, ""), values.get(MOBILE, "")
    if not account and not mobile:
        raise _Wrong("MISSING", ACCOUNT if ACCOUNT in values else MOBILE)
    if account:
        if not _ACCOUNT.fullmatch(account):
            raise _Wrong("NOT_AN_ACCOUNT", ACCOUNT)
        return {"account": account}
    number = re.sub(r"[ ().-]", "", mobile)
    if not _MOBILE.fullmatch(number):
        raise _Wrong("NOT_A_MOBILE", MOBILE)
    return {"mobile": number}


def _program(values: Mapping[str, str], allowed: Allowed, utility_id: str) -> ProgramChoice:
    program = allowed.programs.get(_given(values, PROGRAM))
    if program is None:
        raise _Wrong("UNKNOWN_PROGRAM", PROGRAM)
    if not program.is_theirs:
        raise _Wrong("PROGRAM_NOT_YOURS", PROGRAM)
    if program.utilities and utility_id not in program.utilities:
        raise _Wrong("PROGRAM_OF_OTHER_UTILITY", PROGRAM)
    if not program.is_open:
        raise _Wrong("PROGRAM_CLOSED", PROGRAM)
    return program
