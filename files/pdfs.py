"""What a PDF would do besides showing pages: run a script, start a program, send a form, carry other files.

No PDF library reads hostile bytes here. The names of such acts are looked for in the file as it lies, with their
escapes undone (`/J#61vaScript`), and in the compressed parts where newer writers keep their objects. Somebody who
knows this file can hide an act from it; therefore a PDF is also never shown in our pages, only handed to a reviewer as
an attachment (docs/decisions/documents.md).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

_ACTS = re.compile(
    rb"/(JavaScript|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData|XFA(?=\s?[\[\d<]))(?![A-Za-z0-9])"
)
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb">>\s{0,8}stream\r?\n")
_DICTIONARY_BYTES = 4096
_MOST_UNFOLDED = 32 << 20

ENCRYPTED, NOT_LOOKED_INTO = "ENCRYPTED", "NOT_LOOKED_INTO"


class Acts(Exception):
    """The file would do something when it is opened; `name` is what."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def looked_into(content: bytes) -> str:
    """ "" where nothing was found, else why not all of it could be read: ENCRYPTED, NOT_LOOKED_INTO. Raises Acts."""
    _refuse_acts(content)
    whole, left = True, _MOST_UNFOLDED
    for part in _object_streams(content):
        try:
            decoder = zlib.decompressobj()
            clear = decoder.decompress(part, left + 1)
        except zlib.error:
            whole = False
            continue
        _refuse_acts(clear)
        left -= len(clear)
        if left < 0:
            return NOT_LOOKED_INTO
    if re.search(rb"/Encrypt(?![A-Za-z0-9])", _plain(content)):
        return ENCRYPTED
    return "" if whole else NOT_LOOKED_INTO


def _refuse_acts(text: bytes) -> None:
    found = _ACTS.search(_plain(text))
    if found is not None:
        raise Acts(found[1].decode())


def _plain(text: bytes) -> bytes:
    """With the escapes in names undone."""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text) if b"#" in text else text


def _object_streams(content: bytes) -> Iterator[bytes]:
    """The bytes of each stream that says it holds objects."""
    for match in _STREAM.finditer(content):
        start = max(0, match.start() - _DICTIONARY_BYTES)
        dictionary = _plain(content[start : match.start()].rpartition(b" obj")[2])
        if b"/ObjStm" in dictionary:
            end = content.find(b"endstream", match.end())
            yield content[match.end() : end if end >= 0 else len(content)]
