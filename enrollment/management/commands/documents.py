"""manage.py documents list · show ID --to FILE · approve ID · refuse ID --reason CODE: four eyes on uploaded files.

`check` asks the store and the scanner whether they work.
"""

import os
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from audit import clock
from credentials.management.changing import code
from credentials.management.reporting import Reporting, operator
from enrollment import keeping_files, reviews
from enrollment.keeping_files import SHELF
from enrollment.models import Document
from enrollment.reviews import NothingToReview, NotYours, Reading, Reviewer
from files import scanning
from files.showing import NotShown
from files.store import StoreUnavailable


class Command(Reporting):
    help = "The files people uploaded in place of a certificate: two persons approve one, neither its uploader."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listed = acts.add_parser("list", help="those that wait for a review, oldest first")
        listed.add_argument("--all", action="store_true", help="also those asked for, approved and refused")
        show = acts.add_parser("show", help="write a file's bytes to look at; journalled")
        show.add_argument("document")
        show.add_argument("--to", type=Path, required=True, metavar="FILE", help="a file that does not exist yet")
        show.add_argument("--unscanned", action="store_true", help="even if no scanner is configured that has seen it")
        check = acts.add_parser("check", help="keep, read and forget a file; let the scanner find one to be found")
        check.add_argument("--json", action="store_true", help="print one JSON document")
        approve = acts.add_parser("approve", help="say that the file is what it should be; the second one decides")
        approve.add_argument("document")
        approve.add_argument("--capacity-kw", type=float, default=None, help="the power that the file states")
        approve.add_argument("--valid-until", type=_instant, default=None, help="2027-01-01T00:00:00Z")
        refuse = acts.add_parser("refuse", help="say that it is not; one person is enough")
        refuse.add_argument("document")
        refuse.add_argument("--reason", type=code, required=True, help=f"a code: {', '.join(reviews.REASONS)}")
        refuse.add_argument(
            "--text", default="", help="what the applicant reads about the next file; no names, no numbers"
        )
        refuse.add_argument("--for-good", action="store_true", help="no other file is asked for, the application ends")
        for act in (approve, refuse):
            act.add_argument("--reviewer", default="", metavar="WHO", help="operator:op-1; default: who runs this")
            act.add_argument("--agency", default="", metavar="ID", help="the reviewer's agency, if any")
        for act in (listed, show, approve, refuse):
            act.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['act']}")(options)
        except (NotYours, NothingToReview) as refused:
            raise CommandError(str(refused)) from refused

    def _list(self, options: dict[str, Any]) -> None:
        rows = Document.objects.select_related("case").order_by("asked_at", "pk")
        found = [_told(row) for row in (rows if options["all"] else rows.filter(state="UPLOADED"))]
        lines = [
            f"{d['documentId']}  {d['kind']} {d['derId']}  {d['status']}  {d['program']}  {d['size'] or '-'} bytes  "
            f"scan: {d['scan'] or '-'}  {d['caution']}  reviewed by: {', '.join(d['reviewers']) or 'nobody yet'}"
            for d in found
        ]
        self.say(options, found, *(lines or ["Nothing waits for a review."]))

    def _show(self, options: dict[str, Any]) -> None:
        try:
            shown = keeping_files.show(
                options["document"], actor=operator(), now=clock.now(), unscanned=options["unscanned"]
            )
        except NotShown as problem:
            more = " Add --unscanned to see it nevertheless." if problem.code == "UNSCANNED" else ""
            raise CommandError(f"{problem}{more}") from problem
        try:
            handle = os.open(options["to"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as problem:
            raise CommandError(f"{options['to']} cannot be written ({problem.strerror}).") from problem
        with os.fdopen(handle, "wb") as file:
            file.write(shown.content)
        row = Document.objects.select_related("case").get(document_id=options["document"])
        self.say(options, {**_told(row), "file": str(options["to"])}, f"{row.media_type}, {len(shown.content)} bytes")

    def _check(self, options: dict[str, Any]) -> None:
        told = {"store": _store_works(), "scanner": _scanner_works()}
        self.say(options, told, *(f"{name}: {what}" for name, what in told.items()))
        if told["store"] != "ok" or told["scanner"] not in ("ok", scanning.NONE_CONFIGURED):
            raise CommandError("Uploads do not work.")

    def _approve(self, options: dict[str, Any]) -> None:
        reading = Reading(options["capacity_kw"], options["valid_until"])
        row = reviews.approve(options["document"], _reviewer(options), reading, actor=operator(), now=clock.now())
        decided = "approved by two" if row.state == "APPROVED" else "approved by one; a second person is needed"
        self.say(options, _told(row), f"{row.document_id}: {decided}")

    def _refuse(self, options: dict[str, Any]) -> None:
        try:
            row = reviews.refuse(
                options["document"],
                _reviewer(options),
                options["reason"],
                text=options["text"],
                is_final=options["for_good"],
                actor=operator(),
                now=clock.now(),
            )
        except ValueError as problem:
            raise CommandError(str(problem)) from problem
        self.say(options, _told(row), f"{row.document_id}: refused ({row.refusal_reason})")


def _store_works() -> str:
    content = os.urandom(32)
    try:
        key = SHELF.keep(content)
        same = SHELF.read(key) == content
        SHELF.forget(key)
    except (StoreUnavailable, KeyError) as problem:
        return f"does not answer ({problem})"
    return "ok" if same else "gives back something else"


def _scanner_works() -> str:
    """Whether it calls a harmless file clean, and finds what every scanner finds."""
    try:
        if scanning.scan(b"nothing in here") == scanning.NONE_CONFIGURED:
            return scanning.NONE_CONFIGURED
        scanning.scan(scanning.TEST_FILE)
    except scanning.Infected:
        return "ok"
    except scanning.ScannerUnavailable as problem:
        return f"does not answer ({problem})"
    return "calls the test file clean"


def _reviewer(options: dict[str, Any]) -> Reviewer:
    return Reviewer(options["reviewer"] or f"staff:{operator().id}", options["agency"])


def _told(row: Document) -> dict[str, Any]:
    return {
        "documentId": row.document_id,
        "kind": row.kind,
        "derId": row.der_id,
        "status": row.state,
        "program": row.case.program_id,
        "mediaType": row.media_type,
        "size": row.size,
        "scan": row.scan,
        "caution": row.caution,
        "uploadedAt": row.uploaded_at.isoformat() if row.uploaded_at else None,
        "uploadedBy": row.uploaded_by,
        "reviewers": [who for who in (row.first_reviewer, row.second_reviewer) if who],
        "capacityKw": row.capacity_kw,
        "reason": row.refusal_reason,
        "forGood": row.is_final,
    }


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("an instant has a time zone: 2027-01-01T00:00:00Z")
    return value
