"""No cell of a file of ours is executed by the program that opens it."""

from __future__ import annotations

import csv
import io

import pytest

from portals.csv import response, safe, text_of


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n@x", '=HYPERLINK("x")'])
def test_what_a_spreadsheet_would_execute_is_text(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(("value", "cell"), [("Asha", "Asha"), (-3.5, "-3.5"), (None, ""), ("a=b", "a=b"), ("", "")])
def test_the_rest_stays_as_it_is(value: object, cell: str) -> None:
    assert safe(value) == cell


def test_a_file_is_read_again_as_it_was_written() -> None:
    rows = [('=x, with "quotes"', "line\nbreak"), ("नमस्ते", 7)]
    read = list(csv.reader(io.StringIO(text_of(("one", "two"), rows))))
    assert read == [["one", "two"], ['\'=x, with "quotes"', "line\nbreak"], ["नमस्ते", "7"]]


def test_it_is_a_download_that_no_cache_keeps() -> None:
    answer = response("lines.csv", ("one",), [])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="lines.csv"'
    assert "no-store" in answer.headers["Cache-Control"] and answer.content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("before", ["\xa0", "\v", "\u3000", "\u200b", "\ufeff", " \n\xa0"])
@pytest.mark.parametrize("formula", ["=1+1", "@SUM(A1)", "\uff1d1+1"])
def test_what_nobody_sees_before_a_formula_does_not_hide_it(before: str, formula: str) -> None:
    assert safe(before + formula) == f"'{before}{formula}" and safe(formula).startswith("'")
