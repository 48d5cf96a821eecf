"""What is kept of an upload: a picture alone, a PDF that runs nothing; replaced, given back, scanned, shown, gone."""

from __future__ import annotations

import hashlib
import os
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client
from PIL import Image, PngImagePlugin

from audit.log import SYSTEM
from audit.models import Event
from enrollment import keeping_files, reviews
from enrollment.keeping_files import SHELF
from enrollment.models import Document, EnrollmentCase
from enrollment.reviews import NothingToReview, Reading
from files import pdfs, pictures, scanning
from files.showing import NotShown
from tests.enrollment.test_documents import (  # noqa: F401 - fixtures
    ASHA,
    PDF,
    RAVI,
    a_scan,
    apply,
    asked,
    look,
    said,
    send,
    solar_world,
    uploaded,
)
from tests.enrollment.world import World
from tests.factories import NOON

SECRET = b"12 Park Street"


def change(line: Any, method: str, content: bytes = b"") -> Any:
    path = "/documents/" + line.upload_url.rpartition("/")[2]
    return getattr(Client(), method)(path, content, content_type="application/octet-stream")


def kept() -> bytes:
    return SHELF.read(Document.objects.get().storage_key)


def stored(settings: Any) -> list[Path]:
    return [each for each in Path(settings.DOCUMENTS_DIR).rglob("*") if each.is_file()]


# --- pictures --------------------------------------------------------------------------------------------------------


def a_photograph() -> bytes:
    """Taken sideways, 80 × 60, with where and what beside the picture, and something behind its end."""
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[2] = (12.0, 58.0, 17.0)
    return a_scan("JPEG", exif=exif, comment=SECRET) + b"PK\x03\x04" + SECRET


def test_a_photograph_is_kept_upright_and_without_where_when_and_what_hides_behind_it(solar_world: World) -> None:  # noqa: F811
    sent = a_photograph()
    assert SECRET in sent
    receipt = send(asked(apply(solar_world)), sent)
    assert receipt.status_code == 201
    assert receipt.json()["sha256"] == hashlib.sha256(sent).hexdigest(), "of what the sender has in hand"

    assert SECRET not in kept() and b"Exif" not in kept() and b"PK\x03\x04" not in kept()
    picture = Image.open(BytesIO(kept()))
    assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (60, 80), {})
    row = Document.objects.get()
    assert row.kept_sha256 == hashlib.sha256(kept()).hexdigest() != row.sha256


def test_a_png_loses_its_texts_and_its_transparency_becomes_paper(solar_world: World) -> None:  # noqa: F811
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    target = BytesIO()
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).save(target, "PNG", pnginfo=texts)
    assert send(asked(apply(solar_world)), target.getvalue()).status_code == 201
    assert SECRET not in kept()
    assert Image.open(BytesIO(kept())).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA", "YCbCr"])
def test_every_kind_of_picture_is_drawn_again_as_grey_or_colour(mode: str) -> None:
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    target = BytesIO()
    Image.new(mode, (40, 30)).save(target, kind)
    drawn, _ = pictures.redrawn(target.getvalue(), "image/" + kind.lower(), 1 << 20)
    assert Image.open(BytesIO(drawn)).mode in ("L", "RGB")


def test_a_picture_that_grows_when_drawn_again_becomes_a_photograph() -> None:
    noise = BytesIO()
    Image.frombytes("RGB", (120, 120), os.urandom(120 * 120 * 3)).save(noise, "PNG")
    drawn, media_type = pictures.redrawn(noise.getvalue(), "image/png", 30_000)
    assert media_type == "image/jpeg" and len(drawn) < 30_000 < len(noise.getvalue())


def a_bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises far more."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + name + data + struct.pack("!I", zlib.crc32(name + data))

    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )


_SPOILT = (
    (a_bomb(30_000, 30_000), "TOO_MANY_PIXELS"),
    (a_bomb(7_000, 7_000), "TOO_MANY_PIXELS"),
    (a_bomb(200, 200), "UNREADABLE"),
    (a_scan("JPEG", (900, 900))[:-900], "UNREADABLE"),
    (b"\xff\xd8\xff" + b"MZ not a picture at all" * 9, "UNREADABLE"),
    (b"\x89PNG\r\n\x1a\n" + bytes(300), "UNREADABLE"),
)


def test_bombs_and_broken_pictures_are_refused_in_little_time_and_nothing_is_kept(
    solar_world: World,  # noqa: F811
    settings: Any,
) -> None:
    line = asked(apply(solar_world))
    started = time.monotonic()
    for content, why in _SPOILT:
        answer = send(line, content)
        assert (answer.status_code, answer.json()["code"]) == (422, why)
    assert time.monotonic() - started < 5
    assert not stored(settings) and Document.objects.get().state == "ASKED"


# --- PDFs ------------------------------------------------------------------------------------------------------------


def object_stream(text: bytes, name: bytes = b"/ObjStm") -> bytes:
    folded = zlib.compress(text)
    head = b"5 0 obj\n<</Type %s /Filter /FlateDecode /Length %d>>\nstream\r\n" % (name, len(folded))
    return b"%PDF-1.7\n" + head + folded + b"\nendstream endobj\n%%EOF"


_ACTING = (
    (b"%PDF-1.7\n1 0 obj <</Type/Catalog /OpenAction <</S/JavaScript /JS (app.alert(1))>> >>\n%%EOF", "JavaScript"),
    (b"%PDF-1.7\n1 0 obj <</S /J#61vaScript /JS 7 0 R>>\n%%EOF", "JavaScript"),
    (b"%PDF-1.7\n1 0 obj <</S/Launch /F (calc.exe)>>\n%%EOF", "Launch"),
    (b"%PDF-1.7\n1 0 obj <</Names <</EmbeddedFiles 3 0 R>> >>\n%%EOF", "EmbeddedFiles"),
    (b"%PDF-1.7\n1 0 obj <</AcroForm <</XFA [(template) 4 0 R]>> >>\n%%EOF", "XFA"),
    (object_stream(b"1 0 <</S /JavaScript /JS (x)>>"), "JavaScript"),
    (object_stream(b"1 0 <</S /JavaScript /JS (x)>>", b"/Obj#53tm"), "JavaScript"),
)


def test_a_pdf_that_would_do_something_is_refused_with_what_to_do(solar_world: World) -> None:  # noqa: F811
    line = asked(apply(solar_world))
    for content, what in _ACTING:
        with pytest.raises(pdfs.Acts, match=what):
            pdfs.looked_into(content)
    answer = send(line, _ACTING[0][0])
    assert (answer.status_code, answer.json()["code"]) == (422, "ACTIVE_CONTENT")
    assert "Print it to a new PDF" in answer.json()["title"]


def test_an_ordinary_pdf_passes_and_what_could_not_be_read_is_said_to_the_reviewers(solar_world: World) -> None:  # noqa: F811
    assert pdfs.looked_into(object_stream(b"1 0 <</Type /Page>> (JavaScript is a language)")) == ""
    assert pdfs.looked_into(b"%PDF-1.7\n" + os.urandom(3 << 20)) == "", "chance names nothing"
    broken = object_stream(b"x").replace(b"stream\r\n", b"stream\r\n?")
    assert pdfs.looked_into(broken) == pdfs.NOT_LOOKED_INTO

    locked = b"%PDF-1.7\ntrailer <</Root 1 0 R /Encrypt 9 0 R>>\n%%EOF"
    line = asked(apply(solar_world))
    assert send(line, locked).status_code == 201
    assert kept() == locked
    assert said("list")[0]["caution"] == "ENCRYPTED"


def test_a_pdf_folded_many_times_is_read_no_further_than_its_share() -> None:
    bomb = object_stream(bytes(60 << 20))
    assert len(bomb) < 1 << 20
    assert pdfs.looked_into(bomb) == pdfs.NOT_LOOKED_INTO


# --- another one, and none -------------------------------------------------------------------------------------------


def test_until_its_review_a_file_is_replaced_and_the_first_one_is_gone(solar_world: World, settings: Any) -> None:  # noqa: F811
    line = asked(apply(solar_world))
    assert send(line).status_code == 201
    first = stored(settings)
    assert change(line, "put", a_scan("JPEG")).json()["mediaType"] == "image/jpeg"
    assert len(stored(settings)) == 1 and stored(settings) != first
    assert Event.objects.filter(action="document.uploaded").count() == 2

    apply(solar_world, line.document_id)
    assert change(line, "put", PDF).status_code == 201, "nobody has looked at it yet"
    look(line.document_id, ASHA)
    assert change(line, "put", PDF + b"better").json()["code"] == "UNDER_REVIEW"
    assert kept() == PDF


def test_a_file_that_is_taken_back_is_asked_for_again_at_the_same_address(solar_world: World, settings: Any) -> None:  # noqa: F811
    line = asked(apply(solar_world))
    send(line)
    for _ in range(2):
        answer = change(line, "delete")
        assert (answer.status_code, answer.json()) == (200, {"documentId": line.document_id, "status": "ASKED"})
    assert not stored(settings)
    assert Event.objects.filter(action="document.removed").count() == 1
    assert send(line, PDF + b"better").status_code == 201

    apply(solar_world, line.document_id)
    assert change(line, "delete").json()["code"] == "UNDER_REVIEW", "the application rests on it now"


def test_an_address_that_is_over_changes_nothing(solar_world: World) -> None:  # noqa: F811
    line = asked(apply(solar_world))
    send(line)
    Document.objects.update(token_expires_at=NOON)
    assert change(line, "delete").json()["code"] == "EXPIRED"
    assert send(line).status_code == 201, "the same file again is the same upload"
    Document.objects.update(token_expires_at=NOON + timedelta(hours=1))
    EnrollmentCase.objects.update(state="WITHDRAWN")
    assert change(line, "put", PDF + b"other").json()["code"] == "NO_LONGER_NEEDED"


def test_all_files_of_a_case_together_have_thirty_megabytes(solar_world: World) -> None:  # noqa: F811
    line = asked(apply(solar_world))
    send(line)
    row = Document.objects.get()
    row.pk, row.document_id, row.token_digest, row.der_id, row.size = None, "document-x", "0" * 64, "x", 30 << 20
    row.save()
    assert change(line, "put", PDF + b"other").json()["code"] == "CASE_FULL"


# --- the scanner -----------------------------------------------------------------------------------------------------


class _Clamd(socketserver.StreamRequestHandler):
    """As clamd(8) describes INSTREAM: chunks with their length, a zero, and one line for all of it."""

    def handle(self) -> None:
        assert self.rfile.read(10) == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!I", self.rfile.read(4))[0]:
            content += self.rfile.read(size)
            if len(content) > 1 << 20:
                self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
        found = scanning.TEST_FILE in content
        self.wfile.write(b"stream: Eicar-Signature FOUND\0" if found else b"stream: OK\0")


@contextmanager
def a_clamd(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_clamd_is_asked_over_tcp_and_over_its_socket(
    solar_world: World,  # noqa: F811
    settings: Any,
    tmp_path: Path,
) -> None:
    line = asked(apply(solar_world))
    with a_clamd(socketserver.TCPServer(("127.0.0.1", 0), _Clamd)) as server:
        settings.DOCUMENT_SCANNER = f"clamd://127.0.0.1:{server.server_address[1]}"
        assert send(line, PDF + scanning.TEST_FILE).json()["code"] == "INFECTED"
        assert send(line, PDF + bytes(2 << 20)).json()["code"] == "SCANNER_UNAVAILABLE", "too long for it"
        assert said("check") == {"store": "ok", "scanner": "ok"}
        assert send(line).json()["scan"] == "CLEAN"
    with a_clamd(socketserver.UnixStreamServer(str(tmp_path / "clamd.ctl"), _Clamd)):
        settings.DOCUMENT_SCANNER = f"clamd://{tmp_path}/clamd.ctl"
        assert change(line, "put", a_scan("PNG")).json()["scan"] == "CLEAN"
    assert change(line, "put", PDF).json()["code"] == "SCANNER_UNAVAILABLE"
    with pytest.raises(CommandError, match="Uploads do not work"):
        said("check")


def test_a_scanner_that_finds_nothing_in_the_test_file_is_noticed(settings: Any, tmp_path: Path, db: None) -> None:
    settings.DOCUMENTS_DIR = tmp_path
    settings.DOCUMENT_SCANNER = "true"
    with pytest.raises(CommandError):
        said("check")
    settings.DOCUMENT_SCANNER = ""
    assert said("check")["scanner"] == "NONE_CONFIGURED"


# --- who looks -------------------------------------------------------------------------------------------------------


def shown(document_id: str, **how: Any) -> Any:
    return keeping_files.show(document_id, actor=SYSTEM, now=NOON, **how)


def why_not(document_id: str, **how: Any) -> str:
    with pytest.raises(NotShown) as not_shown:
        shown(document_id, **how)
    return not_shown.value.code


def test_no_file_is_shown_before_a_scanner_found_it_clean_unless_somebody_says_so(
    solar_world: World,  # noqa: F811
    settings: Any,
) -> None:
    document_id = uploaded(solar_world)
    assert why_not(document_id) == "UNSCANNED"
    assert not Event.objects.filter(action="pii.read").exists()
    assert shown(document_id, unscanned=True).content == PDF

    settings.DOCUMENT_SCANNER = "no-such-scanner"
    assert why_not(document_id, unscanned=True) == "UNAVAILABLE"
    settings.DOCUMENT_SCANNER = "sh -c 'cat >/dev/null'"
    assert shown(document_id).name == f"{document_id}.pdf"
    assert Document.objects.get().scan == "CLEAN"
    assert Event.objects.filter(action="pii.read", object_id=document_id).count() == 2


def test_a_file_found_infected_later_is_gone_and_can_only_be_refused(solar_world: World, settings: Any) -> None:  # noqa: F811
    document_id = uploaded(solar_world)
    settings.DOCUMENT_SCANNER = "sh -c 'cat >/dev/null; exit 1'"
    assert why_not(document_id, unscanned=True) == "INFECTED"
    assert not stored(settings) and Document.objects.get().scan == "INFECTED"
    with pytest.raises(NothingToReview):
        look(document_id, ASHA)
    assert reviews.refuse(document_id, RAVI, "MALWARE", actor=SYSTEM, now=NOON).state == "REFUSED"


def test_bytes_that_somebody_changed_are_not_shown(solar_world: World, settings: Any) -> None:  # noqa: F811
    document_id = uploaded(solar_world)
    (path,) = stored(settings)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert why_not(document_id, unscanned=True) == "DAMAGED"
    path.unlink()
    assert why_not(document_id, unscanned=True) == "GONE"


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_files_of_an_application_that_ended_unseen_are_forgotten_after_a_month(
    solar_world: World,  # noqa: F811
    settings: Any,
) -> None:
    document_id = uploaded(solar_world)
    EnrollmentCase.objects.update(state="EXPIRED", updated_at=NOON)
    assert keeping_files.forget_files(NOON + timedelta(days=29)) == 0
    assert keeping_files.forget_files(NOON + timedelta(days=31)) == 1
    assert not stored(settings)
    with pytest.raises(NothingToReview, match="no longer kept"):
        reviews.approve(document_id, ASHA, Reading(), actor=SYSTEM, now=NOON)


def test_bytes_without_a_row_are_found_and_forgotten_and_no_others(solar_world: World, settings: Any) -> None:  # noqa: F811
    uploaded(solar_world)
    orphan, fresh = SHELF.keep(b"broken off"), SHELF.keep(b"on its way to its row")
    yesterday = time.time() - 2 * 86_400
    for path in stored(settings):
        if path.name != fresh:
            os.utime(path, (yesterday, yesterday))
    moments = (NOON + timedelta(seconds=settings.BEAT_SECONDS * number) for number in range(256))
    assert sum(keeping_files.forget_files(moment) for moment in moments) == 1
    assert orphan not in {path.name for path in stored(settings)} and len(stored(settings)) == 2
