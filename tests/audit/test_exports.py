"""Signed exports: what a search found or everything, checked without the database, refused after any change."""

import csv
import io
import json
import random
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import archive, checking, clock, exports
from audit.archive import NotAnExport
from audit.checking import Kind
from audit.log import Action, Actor, ActorKind, Channel, record
from audit.models import Event, Export
from audit.readers import Search
from audit.seals import seal_yesterday
from audit.sequencer import link_events
from audit.verification import verify_export
from tests.audit.tampering import a_journal, as_owner

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
AUDITOR = Actor(ActorKind.STAFF, "7", Channel.CONSOLE)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.DOCUMENTS_DIR = tmp_path / "store"


def made(search=Search(), *, now=None):  # noqa: B008 - a frozen value
    row = exports.ask(search, actor=AUDITOR, now=now or clock.now())
    assert exports.work(clock.now()) == 1
    row.refresh_from_db()
    return row


def fetched(row, path):
    path.write_bytes(b"".join(exports.fetched(row, actor=AUDITOR, now=clock.now())))
    return path


def test_an_export_of_everything_holds_the_chain_and_its_seals(tmp_path, client, capsys):
    a_journal(6, at=NOON)
    seal_yesterday(NOON + timedelta(days=1))
    link_events(NOON)
    row = made()
    assert (row.state, row.lines, row.last_seq) == ("DONE", 7, 7)
    file, keys = fetched(row, tmp_path / "journal.zip"), tmp_path / "keys.json"
    keys.write_bytes(client.get("/journal/keys").content)
    report = verify_export(file)
    assert report.ok and (report.links, report.seals) == (7, 1)
    call_command("audit", "verify", export=file, keys=keys)
    assert "holds: 7 links, 1 seals" in capsys.readouterr().out
    with zipfile.ZipFile(file) as parts:
        manifest = json.loads(parts.read("manifest.json"))
        table = list(csv.DictReader(io.StringIO(parts.read("journal.csv").decode())))
    assert manifest["isWhole"] and manifest["askedBy"] == {"kind": "STAFF", "id": "7"}
    assert [cell["seq"] for cell in table] == [str(seq) for seq in range(1, 8)]
    assert table[0]["reference"] == Event.objects.order_by("pk")[0].reference and table[0]["details"] == '{"n":0}'


def test_an_export_of_a_search_holds_what_it_finds_and_nothing_else(tmp_path):
    a_journal(5, at=NOON)
    mine = [record(Action.READ_PII, actor=AUDITOR, at=NOON + timedelta(hours=n), object_id=str(n)) for n in range(4)]
    a_journal(3, at=NOON)
    wanted = Search(actors=(("STAFF", "7"),), actions=("pii.read",), since=NOON + timedelta(hours=1))
    row = made(wanted)
    record(Action.READ_PII, actor=AUDITOR, at=NOON + timedelta(hours=9))
    assert exports.as_search(row.filters) == wanted
    report = verify_export(fetched(row, tmp_path / "part.zip"))
    assert report.ok and report.links == row.lines == 3
    with zipfile.ZipFile(tmp_path / "part.zip") as parts:
        lines = [json.loads(line) for line in parts.read("journal.jsonl").splitlines()]
    assert [line["event"]["public_id"] for line in lines] == [str(event.public_id) for event in mine[1:]]


def test_one_changed_byte_anywhere_is_found(tmp_path):
    a_journal(4, at=NOON)
    file = fetched(made(), tmp_path / "journal.zip")
    whole, draw = file.read_bytes(), random.Random(11)
    places = {*range(60), *range(len(whole) - 300, len(whole)), *draw.sample(range(len(whole)), 300)}
    for place in sorted(places):
        for bit in (1, 0x20):
            changed = bytearray(whole)
            changed[place] ^= bit
            file.write_bytes(changed)
            try:
                report = archive.verify(file)
            except NotAnExport:
                continue
            assert not report.ok, f"byte {place} of {len(whole)}, bit {bit}"


def test_a_file_that_was_changed_is_refused_by_the_command_which_says_why(tmp_path, capsys):
    a_journal(4, at=NOON)
    file = fetched(made(), tmp_path / "journal.zip")
    changed = bytearray(file.read_bytes())
    changed[40] ^= 1
    file.write_bytes(changed)
    with pytest.raises((SystemExit, CommandError)):
        call_command("audit", "verify", export=file)
    file.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(CommandError, match="cannot be read as an export"):
        call_command("audit", "verify", export=file)


def test_whoever_packs_it_anew_with_another_key_is_found_by_a_kept_copy_of_the_keys(tmp_path, client):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from audit.signer import Signature

    a_journal(3, at=NOON)
    row = made()
    kept = archive.read_keys(client.get("/journal/keys").json())
    theirs = Ed25519PrivateKey.generate()
    raw = theirs.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'x' WHERE object_id = '1'")
    about = {**exports._about(row), "keys": {"keys": [{"kid": "journal-x", "x": _text(raw)}]}}
    forged = tmp_path / "forged.zip"
    archive.write(forged, exports._pages(row), about, lambda data: Signature("journal-x", theirs.sign(data)))
    assert Kind.CHANGED in {each.kind for each in archive.verify(forged).findings}, "each line proves itself"
    assert Kind.EXPORT_FORGED in {each.kind for each in archive.verify(forged, keys=kept).findings}


def test_a_line_that_was_changed_before_the_export_is_found_in_it(tmp_path):
    events = a_journal(5, at=NOON)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET subject = 'x' WHERE id = %s", [events[2].pk])
        cursor.execute("DELETE FROM audit_logs WHERE id = %s", [events[4].pk])
    findings = verify_export(fetched(made(), tmp_path / "journal.zip")).findings
    assert [(each.kind, each.seq) for each in findings] == [(Kind.CHANGED, 3), (Kind.MISSING_EVENT, 5)]


def test_a_cell_that_a_spreadsheet_would_calculate_is_text(tmp_path):
    record(Action.MESSAGE_REFUSED, actor=Actor(ActorKind.PARTICIPANT, "=cmd|' /C calc'!A0"), at=NOON)
    link_events(NOON)
    file = fetched(made(), tmp_path / "journal.zip")
    with zipfile.ZipFile(file) as parts:
        (cell,) = csv.DictReader(io.StringIO(parts.read("journal.csv").decode()))
    assert cell["actor_id"].startswith("'=cmd") and verify_export(file).ok


def test_asking_and_each_fetching_is_a_line_and_after_its_time_the_file_is_gone(tmp_path, settings):
    a_journal(2, at=NOON)
    row = made()
    fetched(row, tmp_path / "1.zip")
    steps = Event.objects.filter(action="export").order_by("pk").values_list("details__step", flat=True)
    assert list(steps) == ["asked", "made", "fetched"]
    assert exports.forget(clock.now()) == 0
    Export.objects.filter(pk=row.pk).update(expires_at=clock.now())
    with pytest.raises(KeyError):
        exports.fetched(row, actor=AUDITOR, now=clock.now())
    assert exports.forget(clock.now()) == 1
    assert not [path for path in settings.DOCUMENTS_DIR.rglob("*") if path.is_file()]
    row.refresh_from_db()
    assert not row.is_here and row.sha256, "what it was stays known"


def test_an_export_that_cannot_be_kept_is_tried_again_and_given_up_after_the_third(settings, tmp_path):
    a_journal(2, at=NOON)
    settings.DOCUMENTS_DIR = tmp_path / "file"
    settings.DOCUMENTS_DIR.write_text("in the way")
    row = exports.ask(Search(), actor=AUDITOR, now=clock.now())
    for attempt in range(4):
        assert exports.work(clock.now() + attempt * 2 * exports.LEASE) == 1
    row.refresh_from_db()
    assert (row.state, row.problem) == ("FAILED", "StoreUnavailable")


def test_an_export_of_the_older_kind_is_still_read(tmp_path):
    a_journal(3, at=NOON)
    file = tmp_path / "journal.jsonl"
    call_command("audit", "export", str(file))
    assert verify_export(file).ok
    assert checking.Kind.EXPORT_CHANGED not in {each.kind for each in verify_export(file).findings}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_exports")
        assert cursor.fetchone() == (0,)


def _text(raw):
    import base64

    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
