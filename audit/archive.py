"""The file that an export of the journal is: one ZIP, signed as a whole, that can be checked without us.

    journal.jsonl   one link a line with its event, in the order of the chain
    journal.csv     the same for a spreadsheet
    manifest.json   what was asked for, counts, the head of the chain, seals, keys, and the SHA-256 of the two
    signature.json  Ed25519 over the bytes of manifest.json, for whoever has unpacked the file

The ZIP's comment is a signature over every byte before it: nothing in the file can be changed, not even what no program
reads. Without `keys` that somebody kept, those of the manifest are believed: the file then only proves to be whole.
Each line holds for itself (its hash covers it, its place and the hash before it); where lines lie side by side, and
always in an export of everything, the chain holds, too, and meets the seals.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit import chain, checking, walking
from audit.chain import Entry
from audit.checking import Finding, Kind, LinkRow, Report, SealRow, Walk
from audit.signer import Signature

FORMAT, FILE_FORMAT = "journal-export/2", "journal-export-file/1"
LINES, TABLE, MANIFEST, SIGNATURE = "journal.jsonl", "journal.csv", "manifest.json", "signature.json"
MEMBERS = (LINES, TABLE, MANIFEST, SIGNATURE)
#: `<kid>\n<signature>`, the kid filled up with spaces: the comment's length is known before it is.
KID_LENGTH = 64
COMMENT_LENGTH = KID_LENGTH + 1 + 86
HEAD = (
    "seq",
    "reference",
    "at",
    "recorded_at",
    "action",
    "actor_kind",
    "actor_id",
    "channel",
    "on_behalf_of",
    "subject",
    "object_type",
    "object_id",
    "before_digest",
    "after_digest",
    "details",
    "hash",
)
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_BLOCK = 1 << 20
_MOST_SHORT = 64 << 20  # bytes of manifest.json and signature.json at most

Sign = Callable[[bytes], Signature]


class NotAnExport(ValueError):
    """The file is no export of a journal, or was changed so that it cannot even be read as one."""


@dataclass(frozen=True)
class Made:
    """What was written: lines, and what the file is now."""

    lines: int
    size: int
    sha256: str
    kid: str


# --- writing ---------------------------------------------------------------------------------------------------------


def write(path: Path, pages: Iterable[Sequence[Any]], about: Mapping[str, Any], sign: Sign) -> Made:
    """Write an export to `path`.

    `pages` are rows as `walking` spells them: place, event's id, previous hash, hash, then the values of `SPELLED`.
    `about` is what the manifest says besides counts and digests.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=path.parent) as table,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
    ):
        count, first, last, lines = _write_lines(archive, table, pages)
        table.seek(0)
        cells = _copy(archive, table)
        counted = {"lines": count, "firstSeq": first, "lastSeq": last, "files": {LINES: lines, TABLE: cells}}
        manifest = {"format": FORMAT, **about, **counted}
        said = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode()
        archive.writestr(MANIFEST, said)
        signature = sign(said)
        own = {"kid": signature.kid, "alg": "Ed25519", "of": MANIFEST, "signature": _base64url(signature.value)}
        archive.writestr(SIGNATURE, json.dumps(own, indent=1))
        archive.comment = b" " * COMMENT_LENGTH
    with path.open("r+b") as file:
        signature = sign(_whole(file, path.stat().st_size - COMMENT_LENGTH))
        file.seek(-COMMENT_LENGTH, io.SEEK_END)
        file.write(_comment(signature))
    size, digest = _digest(path)
    return Made(count, size, digest, signature.kid)


def _write_lines(
    archive: zipfile.ZipFile, table: IO[str], pages: Iterable[Sequence[Any]]
) -> tuple[int, int, int, dict[str, Any]]:
    writer = csv.writer(table)
    writer.writerow(HEAD)
    count = first = last = size = 0
    digest = hashlib.sha256()
    with archive.open(LINES, "w", force_zip64=True) as file:
        for page in pages:
            written = []
            for row in page:
                event = walking.spelled(row[4:]) if row[4 + walking.ID] is not None else b"null"
                written.append(
                    b'{"event":%b,"eventId":%d,"hash":"%b","prevHash":"%b","seq":%d}\n'
                    % (event, row[1], bytes(row[3]).hex().encode(), bytes(row[2]).hex().encode(), row[0])
                )
                writer.writerow(_cells(row[0], json.loads(event), bytes(row[3])))
                first, last, count = first or row[0], row[0], count + 1
            block = b"".join(written)
            file.write(block)
            digest.update(block)
            size += len(block)
    return count, first, last, {"sha256": digest.hexdigest(), "size": size}


def _cells(seq: int, event: Mapping[str, Any] | None, link: bytes) -> list[Any]:
    if event is None:
        return [seq, "", *[""] * (len(HEAD) - 3), link.hex()]
    details = "" if event["details"] is None else chain.canonical(event["details"]).decode()
    told = [_cell(str(event[name])) for name in HEAD[2:-2]]
    return [seq, f"log-{event['public_id']}", *told, _cell(details), link.hex()]


def _cell(text: str) -> str:
    """What a spreadsheet would take for a formula is text."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _copy(archive: zipfile.ZipFile, table: IO[str]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with archive.open(TABLE, "w", force_zip64=True) as file:
        while text := table.read(_BLOCK):
            block = text.encode()
            file.write(block)
            digest.update(block)
            size += len(block)
    return {"sha256": digest.hexdigest(), "size": size}


# --- checking --------------------------------------------------------------------------------------------------------


def is_archive(path: Path) -> bool:
    """Whether the file begins as a ZIP does."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def verify(path: Path, *, keys: Mapping[str, bytes] | None = None, kept_seals: Sequence[SealRow] = ()) -> Report:
    """Check an export: its signatures, its digests, every line, the chain where it is whole. Raises NotAnExport."""
    try:
        return _verify(path, keys, kept_seals)
    except NotAnExport:
        raise
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError, OSError) as problem:
        raise NotAnExport(f"it cannot be read: {problem}") from problem
    except Exception as problem:  # a changed byte makes zlib and struct raise what they like
        raise NotAnExport(f"it cannot be read ({type(problem).__name__})") from problem


def _verify(path: Path, pinned: Mapping[str, bytes] | None, kept_seals: Sequence[SealRow]) -> Report:
    with zipfile.ZipFile(path) as archive:
        if sorted(archive.namelist()) != sorted(MEMBERS):
            raise NotAnExport("its parts are not those of an export of a journal")
        said, signed = _short(archive, MANIFEST), json.loads(_short(archive, SIGNATURE))
        manifest = json.loads(said)
        if manifest["format"] != FORMAT:
            raise NotAnExport(f"its format is {manifest['format']!r}")
        keys = dict(pinned) if pinned is not None else read_keys(manifest["keys"])
        walk = Walk(checking.by_link([*read_seals(manifest), *kept_seals]) if manifest["isWhole"] else {})
        for found in _signatures(path, said, signed, keys):
            walk.findings.append(found)
        for name in (LINES, TABLE):
            if not _is_as_said(archive, name, manifest["files"][name]):
                walk.say(Kind.EXPORT_CHANGED, f"{name} is not the one that was signed")
        _walk_lines(archive, walk, manifest)
    if manifest["isWhole"]:
        checking.conclude(walk, read_seals(manifest), keys, kept_seals=kept_seals)
        head = manifest["head"]
        if walk.seq < head["seq"] or (walk.seq == head["seq"] and walk.hash.hex() != head["hash"]):
            walk.say(
                Kind.CUT_TAIL, f"the chain ended at link {head['seq']}, these lines end at {walk.seq}", walk.seq + 1
            )
    if walk.count != manifest["lines"]:
        walk.say(Kind.EXPORT_CHANGED, f"the manifest speaks of {manifest['lines']} lines, here are {walk.count}")
    return walk.report(len(manifest["seals"]))


def _signatures(path: Path, said: bytes, signed: Mapping[str, Any], keys: Mapping[str, bytes]) -> Iterator[Finding]:
    kid = str(signed["kid"])
    if not _holds(keys.get(kid), said, str(signed["signature"])):
        yield Finding(Kind.EXPORT_FORGED, f"{MANIFEST} is not signed by key {kid}")
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END) - COMMENT_LENGTH
        statement = _whole(file, end)
        file.seek(end)
        comment = file.read()
    name, _, signature = comment.decode("ascii", "replace").partition("\n")
    if len(comment) != COMMENT_LENGTH or name != kid.ljust(KID_LENGTH):
        yield Finding(Kind.EXPORT_FORGED, "the file as a whole is not signed by the key of its manifest")
    elif not _holds(keys.get(kid), statement, signature):
        yield Finding(Kind.EXPORT_CHANGED, "the file is not the one that was signed: a byte of it was changed")


def _holds(key: bytes | None, statement: bytes, signature: str) -> bool:
    try:
        value = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        # The last letter has bits that no decoder looks at: only the one spelling counts.
        if key is None or _base64url(value) != signature:
            return False
        Ed25519PublicKey.from_public_bytes(key).verify(value, statement)
    except (ValueError, InvalidSignature):
        return False
    return True


def _is_as_said(archive: zipfile.ZipFile, name: str, said: Mapping[str, Any]) -> bool:
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return (digest.hexdigest(), size) == (said["sha256"], said["size"])


def _walk_lines(archive: zipfile.ZipFile, walk: Walk, manifest: Mapping[str, Any]) -> None:
    """Every line by itself; in an export of everything also the chain."""
    with archive.open(LINES) as file:
        window: list[LinkRow] = []
        for line in file:
            window.append(link_of(json.loads(line)))
            if len(window) == checking.WINDOW:
                _check(walk, window, is_whole=bool(manifest["isWhole"]))
                window = []
        _check(walk, window, is_whole=bool(manifest["isWhole"]))


def _check(walk: Walk, window: Sequence[LinkRow], *, is_whole: bool) -> None:
    if is_whole:
        checking.check_window(walk, window)
        return
    for row in window:
        if row.seq <= walk.seq:
            walk.say(Kind.BROKEN_ORDER, f"link {row.seq} stands behind link {walk.seq}", row.seq)
        elif row.seq > walk.seq + 1:  # others lie between: it follows what it says it follows
            walk.seq, walk.hash = row.seq - 1, row.prev_hash
        checking.check_window(walk, [row])


def link_of(line: Mapping[str, Any]) -> LinkRow:
    """Read a line of an export."""
    fields = line["event"]
    found = Entry(int(fields["id"]), f"log-{fields['public_id']}", fields) if fields else None
    return LinkRow(
        int(line["seq"]), int(line["eventId"]), bytes.fromhex(line["prevHash"]), bytes.fromhex(line["hash"]), found
    )


def read_seals(manifest: Mapping[str, Any]) -> list[SealRow]:
    return [
        SealRow(str(each["day"]), int(each["lastSeq"]), each["statement"], each["kid"], each["signature"])
        for each in manifest["seals"]
    ]


def read_keys(jwks: Mapping[str, Any]) -> dict[str, bytes]:
    return {str(jwk["kid"]): base64.urlsafe_b64decode(str(jwk["x"]) + "=") for jwk in jwks["keys"]}


def _short(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MOST_SHORT:
        raise NotAnExport(f"{name} is too large")
    return archive.read(name)


def _whole(file: IO[bytes], end: int) -> bytes:
    """The statement that is signed for the file: its digest up to the comment."""
    digest = hashlib.sha256()
    file.seek(0)
    left = end
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    return chain.canonical({"format": FILE_FORMAT, "sha256": digest.hexdigest()})


def _comment(signature: Signature) -> bytes:
    return f"{signature.kid.ljust(KID_LENGTH)}\n{_base64url(signature.value)}".encode()


def _digest(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return path.stat().st_size, digest.hexdigest()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
