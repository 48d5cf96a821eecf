"""A file's bytes as lines and columns, whoever made the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portals.imports.columns import Allowed, Bad, Good, Layout, ProgramChoice, WrongHeader, layout_of, read
from portals.imports.lines import LONGEST, is_blank, lines

MAY = Allowed(
    utilities={"north": True, "south": False},
    programs={
        "flex": ProgramChoice(1, frozenset({"north"}), is_open=True, is_theirs=True),
        "sun": ProgramChoice(2, frozenset(), is_open=False, is_theirs=True),
        "wind": ProgramChoice(3, frozenset(), is_open=True, is_theirs=False),
        "other": ProgramChoice(4, frozenset({"south"}), is_open=True, is_theirs=True),
    },
    languages=frozenset({"en", "hi"}),
)
WHOLE = Layout(",", ("reference", "utility", "account_number", "mobile", "program", "language"))


def looked(text: str | bytes) -> Good | Bad:
    return read(text.encode() if isinstance(text, str) else text, WHOLE, MAY)


@given(st.binary(max_size=400).map(lambda each: each.replace(b"x", b"\r\n")), st.integers(1, 50))
def test_the_lines_of_a_file_are_the_same_however_it_is_cut(content: bytes, size: int):
    whole = list(lines([content]))
    cut = list(lines([content[at : at + size] for at in range(0, len(content), size)]))
    assert cut == whole
    assert [line for _, line in whole] == content.splitlines()
    for end, _ in whole:  # going on behind any line gives the lines after it
        rest = [line for _, line in lines([content[end:]])]
        assert rest == [line for at, line in whole if at > end]


def test_an_endless_line_is_one_line_that_is_too_long_and_is_never_held():
    parts = (b"a" * 65_536 for _ in range(400))
    assert list(lines([b"first\n", *parts, b"\nlast"])) == [
        (6, None if LONGEST < 5 else b"first"),
        (6 + 400 * 65_536 + 1, None),
        (6 + 400 * 65_536 + 5, b"last"),
    ]


def test_what_a_spreadsheet_leaves_of_an_empty_row_is_no_row():
    assert all(is_blank(each) for each in (b"", b";;;;;", b" , ,,", b'"",""', b"\t\t"))
    assert not is_blank(b"A-1,,,") and not is_blank(None)


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [
        (b"\xef\xbb\xbfreference;utility;account_number;program", ";"),
        (b"Reference,Utility,Account number,Program,,", ","),
        (b'"reference"\t"utility"\t"mobile"\t"program"', "\t"),
    ],
)
def test_headers_of_excel_and_others_are_understood(first: bytes, delimiter: str):
    assert layout_of(first).delimiter == delimiter and len(layout_of(first).columns) == 4


@pytest.mark.parametrize(
    ("first", "problems"),
    [
        (b"reference,utility,program", [("MISSING_COLUMN", "account_number / mobile")]),
        (b"reference,mobile,program,name", [("MISSING_COLUMN", "utility"), ("UNKNOWN_COLUMN", "name")]),
        (b"reference,utility,utility,mobile,program", [("DOUBLED_COLUMN", "utility")]),
        (b"A-1,north,ACC-1,flex", [("NO_HEADER", "")]),
        (b";;;", [("NO_HEADER", "")]),
        ("reference;utility".encode("utf-16"), [("NOT_UTF8", "")]),
        ("référence,utility,mobile,program".encode("latin-1"), [("NOT_UTF8", "")]),
        (b"PK\x03\x04\x14\x00\x06\x00", [("NOT_CSV", "")]),
        (None, [("HEADER_TOO_LONG", "")]),
    ],
)
def test_a_header_that_is_not_ours_says_which_column_and_why(first: bytes | None, problems: list[tuple[str, str]]):
    with pytest.raises(WrongHeader) as raised:
        layout_of(first)
    assert [(each.code, each.column) for each in raised.value.problems] == problems


def test_a_good_line_asks_for_the_least():
    assert looked("A-1,north,ACC-100,+91 98123-45678,flex,HI") == Good("A-1", "north", 1, "hi", {"account": "ACC-100"})
    assert looked('"A-1", north ,,+91 98123-45678,flex,') == Good("A-1", "north", 1, "", {"mobile": "+919812345678"})


@pytest.mark.parametrize(
    ("line", "code", "column", "value"),
    [
        (",north,ACC-1,,flex,", "MISSING", "reference", ""),
        ("=cmd|' /C calc'!A0,north,ACC-1,,flex,", "NOT_A_REFERENCE", "reference", "=cmd|' /C calc'!A0"),
        (f"{'A' * 65},north,ACC-1,,flex,", "TOO_LONG", "reference", f"{'A' * 39}…"),
        ("A-1,west,ACC-1,,flex,", "UNKNOWN_UTILITY", "utility", "west"),
        ("A-1,south,ACC-1,,flex,", "UTILITY_NOT_YOURS", "utility", "south"),
        ("A-1,north,,,flex,", "MISSING", "account_number", ""),
        ("A-1,north,1.2E+11,,flex,", "NOT_AN_ACCOUNT", "account_number", "…11"),
        ("A-1,north,,0981234567,flex,", "NOT_A_MOBILE", "mobile", "…67"),
        ("A-1,north,ACC-1,,moon,", "UNKNOWN_PROGRAM", "program", "moon"),
        ("A-1,north,ACC-1,,wind,", "PROGRAM_NOT_YOURS", "program", "wind"),
        ("A-1,north,ACC-1,,sun,", "PROGRAM_CLOSED", "program", "sun"),
        ("A-1,north,ACC-1,,other,", "PROGRAM_OF_OTHER_UTILITY", "program", "other"),
        ("A-1,north,ACC-1,,flex,xx", "UNKNOWN_LANGUAGE", "language", "xx"),
        ("A-1,north,AC\x00C-1,,flex,", "BAD_CHARACTER", "account_number", "…-1"),
        ("A-1,north,ACC-1,flex", "COLUMN_COUNT", "", ""),
        ("A-1,north,ACC-1,,flex,,one more", "COLUMN_COUNT", "", ""),
        ('A-1,north,"ACC-1,,flex,', "QUOTES", "", ""),
        ('A-1,north,"ACC"-1,,flex,', "QUOTES", "", ""),
        ("A-1,north,ACC-1,,fléx,".encode("latin-1"), "BAD_CHARACTER", "program", "fl�x"),
    ],
)
def test_a_wrong_line_says_code_column_and_value(line: str | bytes, code: str, column: str, value: str):
    found = looked(line)
    assert isinstance(found, Bad)
    assert (found.code, found.column, found.value) == (code, column, value)


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line: bytes):
    assert isinstance(looked(line), Good | Bad)
