"""A file in place of a device's certificate: asked for, uploaded, seen by two persons, and the application goes on."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from PIL import Image

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from enrollment import documents, keeping_files, lifecycle, reviews
from enrollment.commands import Assistance
from enrollment.facts import DER_CERTIFICATION, METER_OWNERSHIP
from enrollment.models import Document, ReliedCertificate
from enrollment.results import Confirmed, Prepared, Refused
from enrollment.reviews import NothingToReview, NotYours, Reading, Reviewer
from identity.models import Agency, Membership
from tests.enrollment.world import World, code, the_case, the_enrollment
from tests.factories import (
    LONG_AGO,
    MAY_ASSERT_ALL,
    NOON,
    PORTAL,
    SIGNED_IN,
    a_program,
    criterion,
    ten_kw_solar,
)

PDF = b"%PDF-1.7\n" + b"a certificate for 10 kW" * 40
ASHA, RAVI = Reviewer("staff:asha"), Reviewer("staff:ravi")
TAKES_FILES: dict[str, Any] = {
    "criteria": [criterion("DER_CERTIFIED")],
    "required_credentials": [
        {"type": METER_OWNERSHIP, "description": ""},
        {"type": DER_CERTIFICATION, "description": ""},
    ],
    "documents": [{"documentId": "der-certificate", "kind": "DER_CERTIFICATE", "maxBytes": 10 << 20}],
}


@pytest.fixture
def solar_world(bare_world: World, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A program that takes a file for a device without a certificate; the clock stands at NOON."""
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    monkeypatch.setattr(clock, "now", lambda: NOON)
    bare_world.version = a_program(**TAKES_FILES)
    yield bare_world


def a_scan(kind: str, size: tuple[int, int] = (80, 60), **options: Any) -> bytes:
    """A picture as a file."""
    target = BytesIO()
    Image.new("RGB", size, "navy").save(target, kind, **options)
    return target.getvalue()


def apply(world: World, *document_ids: str, **changes: Any) -> Any:
    now = changes.pop("now", world.now)
    given: dict[str, Any] = {"ders": (ten_kw_solar(),), "credentials": [world.ownership()], "documents": document_ids}
    authority = SIGNED_IN if "assisted_by" in changes else MAY_ASSERT_ALL
    return world.prepare(world.application(**given, **changes), authority=authority, now=now)


def asked(result: Any) -> Any:
    assert isinstance(result, Refused), result
    (line,) = result.documents
    return line


def send(line: Any, content: bytes = PDF, **how: Any) -> Any:
    path = line.upload_url.removeprefix("http://testserver").partition("/documents/")[2]
    return Client().post(f"/documents/{path}", content, content_type=how.pop("content_type", "application/pdf"), **how)


def uploaded(world: World) -> str:
    """The id of a file that waits for its review."""
    line = asked(apply(world))
    assert send(line).status_code == 201
    return str(line.document_id)


def look(document_id: str, who: Reviewer, **reading: Any) -> Document:
    return reviews.approve(document_id, who, Reading(**reading), actor=SYSTEM, now=NOON)


# --- the way through -------------------------------------------------------------------------------------------------


def test_p6_4_two_persons_approve_an_upload_and_the_journal_shows_both(solar_world: World, told: list[Any]) -> None:
    line = asked(apply(solar_world))
    assert (line.kind, line.der_id, line.status) == ("DER_CERTIFICATE", "der-solar-001", "ASKED")

    receipt = send(line)
    assert receipt.status_code == 201
    assert receipt.json() | {"message": ""} == {
        "documentId": line.document_id,
        "status": "UPLOADED",
        "sha256": Document.objects.get().sha256,
        "mediaType": "application/pdf",
        "size": len(PDF),
        "scan": "NONE_CONFIGURED",
        "message": "",
    }

    waiting = apply(solar_world, line.document_id)
    assert isinstance(waiting, Prepared) and the_case().state == "IN_REVIEW"
    assert [r.document_id for r in waiting.reviews] == [line.document_id]
    assert [d.status for d in waiting.documents] == ["UNDER_REVIEW"]
    assert code(solar_world.confirm()) == "NOT_POSSIBLE_NOW"

    look(line.document_id, ASHA, capacity_kw=10.0)
    assert lifecycle.retry_waiting(NOON) == 0 and the_case().state == "IN_REVIEW"
    look(line.document_id, RAVI)
    assert lifecycle.retry_waiting(NOON) == 1

    assert the_case().state == "READY"
    (action, result, _) = told[-1]
    assert action == "on_status" and isinstance(result, Prepared) and not result.reviews
    assert isinstance(solar_world.confirm(), Confirmed)
    relied = ReliedCertificate.objects.get(enrollment=the_enrollment())
    assert (relied.der_id, relied.source, relied.credential_id) == ("der-solar-001", "DOCUMENT", line.document_id)

    seen = Event.objects.filter(action__in=["document.reviewed", "document.approved"]).order_by("pk")
    assert [(e.details or {})["reviewer"] for e in seen] == ["staff:asha", "staff:ravi"]


def test_a_refused_file_is_told_with_its_reason_and_the_next_init_asks_again(
    solar_world: World, told: list[Any]
) -> None:
    document_id = uploaded(solar_world)
    apply(solar_world, document_id)

    reviews.refuse(document_id, ASHA, "UNREADABLE", actor=SYSTEM, now=NOON)
    lifecycle.retry_waiting(NOON)

    (action, result, _) = told[-1]
    assert action == "on_status" and code(result) == "DER_NOT_CERTIFIED"
    assert "UNREADABLE" in result.refusal.sentence and the_case().state == "REJECTED"
    assert asked(result).status == "ASKED" and asked(result).document_id != document_id


def test_a_figure_in_the_file_that_is_not_the_declared_one_is_a_capacity_mismatch(
    solar_world: World, told: list[Any]
) -> None:
    document_id = uploaded(solar_world)
    apply(solar_world, document_id)
    look(document_id, ASHA, capacity_kw=8.0)
    look(document_id, RAVI, capacity_kw=8.0)
    lifecycle.retry_waiting(NOON)

    assert told[-1][1].refusal.details["reason"] == "CAPACITY_MISMATCH"


def test_a_file_nobody_named_in_an_init_changes_nothing(solar_world: World) -> None:
    uploaded(solar_world)

    again = asked(apply(solar_world))

    assert (again.status, again.upload_url) == ("UNDER_REVIEW", "")


def test_another_order_s_file_counts_for_nobody_else(solar_world: World) -> None:
    document_id = uploaded(solar_world)

    other = solar_world.application(2, ders=(ten_kw_solar(),), credentials=[solar_world.ownership()])
    other = type(other)(**{**vars(other), "documents": (document_id,)})

    assert code(solar_world.prepare(other)) == "DER_NOT_CERTIFIED"


def test_who_has_not_shown_that_the_meter_is_theirs_is_given_no_upload_address(solar_world: World) -> None:
    result = solar_world.prepare(solar_world.application(ders=(ten_kw_solar(),), credentials=[]))

    assert code(result) == "DER_NOT_CERTIFIED" and result.documents == ()
    assert not Document.objects.exists()


# --- four eyes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def assisted(solar_world: World) -> str:
    """A file that op-1 of the agency ea-1 uploaded for a customer."""
    agency = Agency.objects.create(agency_id="ea-1", name="EA", certified_from=LONG_AGO, participants=[PORTAL])
    Membership.objects.create(agency=agency, operator_id="op-1")
    help_ = Assistance("ea-1", "op-1")
    line = asked(apply(solar_world, assisted_by=help_))
    assert send(line).status_code == 201
    apply(solar_world, line.document_id, assisted_by=help_)
    return str(line.document_id)


def test_p6_4_who_uploaded_cannot_review_nor_can_their_agency(assisted: str) -> None:
    assert Document.objects.get().uploaded_by == "operator:op-1"
    for who in (Reviewer("operator:op-1"), Reviewer("Operator:OP-1 "), Reviewer("operator:op-2", "ea-1")):
        with pytest.raises(NotYours):
            look(assisted, who)
        with pytest.raises(NotYours):
            reviews.refuse(assisted, who, "UNREADABLE", actor=SYSTEM, now=NOON)

    assert look(assisted, Reviewer("operator:op-9", "ea-2")).state == "UPLOADED"
    with pytest.raises(NotYours):
        look(assisted, Reviewer("operator:op-9", "ea-2"))
    assert look(assisted, RAVI).state == "APPROVED"
    with pytest.raises(NothingToReview):
        look(assisted, ASHA)


_AGAINST_THE_PROMISES: tuple[dict[str, Any], ...] = (
    {"first_reviewer": "operator:op-1"},
    {"first_reviewer": "staff:a", "second_reviewer": "operator:op-1"},
    {"first_reviewer": "staff:a", "second_reviewer": "staff:a"},
    {"first_reviewer": "operator:op-2", "first_reviewer_agency": "ea-1"},
    {"second_reviewer": "staff:a"},
    {"state": "APPROVED", "first_reviewer": "staff:a", "decided_at": NOON},
    {"state": "APPROVED", "first_reviewer": "staff:a", "second_reviewer": "staff:b"},
    {"state": "REFUSED", "first_reviewer": "staff:a", "decided_at": NOON},
    {"state": "ASKED"},
)


def test_p6_4_the_database_itself_keeps_four_eyes(assisted: str) -> None:
    for row in _AGAINST_THE_PROMISES:
        with pytest.raises(IntegrityError), transaction.atomic():
            Document.objects.filter(document_id=assisted).update(**row)


def test_two_reviewers_who_read_different_figures_do_not_approve(solar_world: World) -> None:
    document_id = uploaded(solar_world)
    look(document_id, ASHA, capacity_kw=10.0)

    with pytest.raises(NotYours, match="different figures"):
        look(document_id, RAVI, capacity_kw=8.0)


# --- the upload ------------------------------------------------------------------------------------------------------


_NOT_TAKEN: tuple[tuple[bytes, int, str], ...] = (
    (b"MZ\x90\x00 an exe called .pdf", 415, "TYPE_NOT_ACCEPTED"),
    (b"<html>%PDF-1.7", 415, "TYPE_NOT_ACCEPTED"),
    (b"", 400, "EMPTY"),
    (PDF + b"\x00" * (10 << 20), 413, "TOO_LARGE"),
)


def test_what_a_file_is_is_told_by_its_content(solar_world: World) -> None:
    line = asked(apply(solar_world))
    for content, status, why in _NOT_TAKEN:
        answer = send(line, content)

        assert (answer.status_code, answer.json()["code"]) == (status, why)
        assert answer["Content-Type"] == "application/problem+json"
        assert Document.objects.get().state == "ASKED"


def test_a_form_with_one_file_is_taken_as_well(solar_world: World) -> None:
    line = asked(apply(solar_world))
    url = "/documents/" + line.upload_url.rpartition("/")[2]

    assert Client().post(url, {"file": SimpleUploadedFile("any.exe", a_scan("PNG"))}).status_code == 201
    assert Document.objects.get().media_type == "image/png"


def test_the_same_file_again_is_the_same_upload_and_another_is_not_taken(solar_world: World) -> None:
    line = asked(apply(solar_world))
    first, again, other = send(line), send(line), send(line, PDF + b"another")

    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (409, "ALREADY_UPLOADED")
    assert Event.objects.filter(action="document.uploaded").count() == 1


def test_an_upload_address_ends_and_a_made_up_one_never_began(
    solar_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = asked(apply(solar_world))
    assert Client().get("/documents/x").status_code == 405
    assert Client().post("/documents/x", PDF, content_type="application/pdf").status_code == 404

    monkeypatch.setattr(clock, "now", lambda: NOON + documents.LINK_LIFETIME)
    assert send(line).status_code == 410
    fresh = asked(apply(solar_world, now=NOON + timedelta(hours=24, minutes=5)))
    assert fresh.document_id == line.document_id and send(fresh).status_code == 201
    assert send(line).status_code == 404  # the new address took the old one's place


def test_the_scanner_is_asked_where_there_is_one(solar_world: World, settings: Any) -> None:
    line = asked(apply(solar_world))
    settings.DOCUMENT_SCANNER = "sh -c '! grep -q EICAR'"

    assert send(line, PDF + b"EICAR").json()["code"] == "INFECTED"
    settings.DOCUMENT_SCANNER = "no-such-scanner"
    assert send(line).status_code == 503
    settings.DOCUMENT_SCANNER = "sh -c '! grep -q EICAR'"
    assert send(line).json()["scan"] == "CLEAN"


def test_the_bytes_lie_encrypted_for_their_owner_only_and_are_forgotten_in_time(
    solar_world: World, settings: Any
) -> None:
    uploaded(solar_world)
    row = Document.objects.get()
    (path,) = [p for p in Path(settings.DOCUMENTS_DIR).rglob("*") if p.is_file()]

    assert b"certificate" not in path.read_bytes() and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keeping_files.SHELF.read(row.storage_key) == PDF

    later = NOON + timedelta(days=settings.RETENTION_DOCUMENTS_DAYS)
    assert keeping_files.forget_files(later) == 0  # it still waits for its review
    reviews.refuse(row.document_id, ASHA, "UNREADABLE", actor=SYSTEM, now=NOON)
    assert keeping_files.forget_files(later) == 1 and not path.exists()
    assert keeping_files.forget_files(later) == 0


# --- the operator's command ------------------------------------------------------------------------------------------


def said(*arguments: str) -> Any:
    out = StringIO()
    call_command("documents", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_lists_shows_and_approves(solar_world: World, tmp_path: Path) -> None:
    document_id = uploaded(solar_world)

    (listed,) = said("list")
    assert (listed["documentId"], listed["scan"], listed["reviewers"]) == (document_id, "NONE_CONFIGURED", [])
    said("show", document_id, "--to", str(tmp_path / "copy.pdf"), "--unscanned")
    assert (tmp_path / "copy.pdf").read_bytes() == PDF
    assert Event.objects.filter(action="pii.read", object_id=document_id).exists()
    assert said("approve", document_id, "--reviewer", "staff:asha", "--capacity-kw", "10")["status"] == "UPLOADED"
    assert said("approve", document_id, "--reviewer", "staff:ravi")["status"] == "APPROVED"
    assert said("list") == []
