"""No cell of a file of ours is executed by the program that opens it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

from portals.csv import response, safe, streamed, text_of


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


def test_rows_without_end_are_written_a_few_at_a_time() -> None:
    read = 0

    def rows() -> Iterator[list[object]]:
        nonlocal read
        for read in range(1, 2_001):
            yield [read, "=1+1"]

    answer = streamed("rows.csv", ["number", "formula"], rows())
    pieces = iter(answer.streaming_content)
    assert next(pieces).decode() == "\ufeffnumber,formula\r\n" and read == 0
    assert next(pieces).decode().splitlines()[1] == "2,'=1+1" and read == 500
    assert sum(piece.count(b"\r\n") for piece in pieces) == 1_500
    assert "no-store" in answer.headers["Cache-Control"]
