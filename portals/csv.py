"""The one writer of CSV files: what a spreadsheet would take for a formula is text in every cell (issue 5 point 12)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: in full width
_NOTHING = " \n\v\f\x85\xa0\u3000\u200b\u2028\u2029\ufeff"
_MARK = "\ufeff"  # without it Excel takes UTF-8 for the machine's own code page


def safe(value: Any) -> str:
    """One cell's text: with an apostrophe before what a spreadsheet would execute, also behind spaces.

    Numbers stay numbers: -3.5 is no formula.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = "" if value is None else str(value).replace("\x00", "")
    # Whatever is white or of no width before it: some programs pass over it.
    return f"'{text}" if text.startswith(_FORMULAS) or text.lstrip(_NOTHING).startswith(_FORMULAS) else text


def text_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The whole file as text: a line of headings, then the rows (RFC 4180)."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([safe(each) for each in header])
    writer.writerows([safe(each) for each in row] for row in rows)
    return written.getvalue()


def response(filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """The file as a download; it is somebody's own data and kept by no cache."""
    answer = HttpResponse(_MARK + text_of(header, rows), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def streamed(filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """The same for rows without end: a few at a time are read and written."""

    def written() -> Iterator[str]:
        yield _MARK + text_of(header, [])
        for some in batched(rows, 500):
            yield text_of(some[0], some[1:])

    answer = StreamingHttpResponse(written(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def batched(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    found = iter(rows)
    while some := list(islice(found, size)):
        yield some
