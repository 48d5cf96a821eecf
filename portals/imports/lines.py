"""A file's bytes as lines, however long somebody has made one. Pure.

A line is a row: no column of ours holds a line break, so a quote that is never closed costs one row and not the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Bytes of the longest line that is looked at; ours have a hundred.
LONGEST = 4096
_NOTHING = b" \t;,\"'\xef\xbb\xbf\xc2\xa0"


def lines(parts: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield for each line where it ends (its break included) and what it holds; None for one that is too long."""
    rest, end, is_skipping = b"", 0, False
    for part in parts:
        pieces = (rest + part).splitlines(keepends=True)
        # A carriage return at the end may be half of a break.
        rest = pieces.pop() if pieces and not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            end += len(piece)
            content = piece.rstrip(b"\r\n")
            yield end, None if is_skipping or len(content) > LONGEST else content
            is_skipping = False
        if len(rest) > LONGEST and not rest.endswith(b"\r"):
            end, rest, is_skipping = end + len(rest), b"", True
    if rest or is_skipping:
        content = rest.rstrip(b"\r")
        yield end + len(rest), None if is_skipping or len(content) > LONGEST else content


def is_blank(line: bytes | None) -> bool:
    """Whether there is nothing in it but what a spreadsheet leaves in an empty row."""
    return line is not None and not line.strip(_NOTHING)
