"""`audit verify` finds whatever was done to the journal behind our back, and says where it begins."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit.checking import Kind
from audit.log import SYSTEM, Action, record
from audit.models import Event, Link, Pending, Seal
from audit.seals import seal_yesterday
from audit.sequencer import link_events
from audit.verification import verify_chain
from tests.audit.tampering import a_journal, as_owner, recompute_chain, reference_at

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
NEXT_DAY = NOON + timedelta(days=1)

pytestmark = pytest.mark.django_db


def kinds():
    return [finding.kind for finding in verify_chain().findings]


def test_an_untouched_journal_holds():
    a_journal(10, at=NOON)
    seal_yesterday(NEXT_DAY)
    link_events(NEXT_DAY)
    report = verify_chain()
    assert report.ok
    assert (report.links, report.seals) == (11, 1)  # the seal's key is in the journal too


def test_an_empty_journal_holds():
    assert verify_chain().ok


@pytest.mark.parametrize(
    "change",
    [
        "details = '{\"n\": 99}'",
        "actor_id = 'somebody else'",
        "action = 'enrollment.confirmed'",
        "at = at + interval '1 microsecond'",
        "recorded_at = recorded_at - interval '1 day'",
        "subject = 'x'",
        "after_digest = repeat('a', 64)",
        "public_id = gen_random_uuid()",
        "on_behalf_of = 'x'",
    ],
)
def test_an_edited_line_is_named(change):
    event = a_journal(10, at=NOON)[4]
    with as_owner() as cursor:
        cursor.execute(f"UPDATE audit_logs SET {change} WHERE id = %s", [event.pk])
    first = verify_chain().first_broken
    event.refresh_from_db()
    assert (first.kind, first.seq, first.reference) == (Kind.CHANGED, 5, event.reference)


def test_every_column_of_the_event_is_covered_by_its_link():
    from audit.sequencer import COLUMNS

    assert {field.column for field in Event._meta.local_fields} == {"id", *COLUMNS}


def test_a_deleted_line_is_named_even_when_its_link_went_too():
    events = a_journal(10, at=NOON)
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_logs WHERE id = %s", [events[3].pk])
    assert verify_chain().first_broken.seq == 4
    assert kinds() == [Kind.MISSING_EVENT]
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_links WHERE seq = 4")
    assert verify_chain().first_broken.seq == 4
    assert kinds() == [Kind.MISSING_LINK]


def test_a_deleted_line_is_found_when_the_later_places_were_moved_up():
    events = a_journal(6, at=NOON)
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_links WHERE event_id = %s", [events[2].pk])
        cursor.execute("DELETE FROM audit_logs WHERE id = %s", [events[2].pk])
        for seq in (4, 5, 6):
            cursor.execute("UPDATE audit_links SET seq = seq - 1 WHERE seq = %s", [seq])
    assert verify_chain().first_broken.seq == 3


def test_two_swapped_lines_are_named_with_what_they_were_swapped_for():
    events = a_journal(6, at=NOON)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_links SET event_id = -1 WHERE seq = 2")
        cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 5", [events[1].pk])
        cursor.execute("UPDATE audit_links SET event_id = %s WHERE seq = 2", [events[4].pk])
    report = verify_chain()
    assert [(each.kind, each.seq) for each in report.findings] == [(Kind.SWAPPED, 2), (Kind.SWAPPED, 5)]
    assert events[1].reference in report.first_broken.message


def test_two_links_in_each_others_place_are_found():
    a_journal(6, at=NOON)
    with as_owner() as cursor:
        for old, new in ((3, 100), (4, 3), (100, 4)):
            cursor.execute("UPDATE audit_links SET seq = %s WHERE seq = %s", [new, old])
    report = verify_chain()
    assert report.first_broken.seq == 3
    assert Kind.BROKEN_ORDER in kinds()


def test_a_chain_made_anew_does_not_meet_its_seal():
    events = a_journal(5, at=NOON)
    seal_yesterday(NEXT_DAY)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'nobody' WHERE id = %s", [events[0].pk])
    recompute_chain()
    assert kinds() == [Kind.SEAL_MISMATCH]


def test_a_tail_cut_off_below_a_seal_is_found():
    a_journal(5, at=NOON)
    seal_yesterday(NEXT_DAY)
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_links WHERE seq > 3")
        cursor.execute("DELETE FROM audit_logs WHERE id NOT IN (SELECT event_id FROM audit_links)")
    report = verify_chain()
    assert [(each.kind, each.seq) for each in report.findings] == [(Kind.CUT_TAIL, 4)]


def test_a_seal_that_was_written_by_hand_is_not_signed():
    a_journal(2, at=NOON)
    seal_yesterday(NEXT_DAY)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_seals SET statement = replace(statement, '2026-08-31', '2026-08-30')")
        cursor.execute("UPDATE audit_seals SET statement = statement || ' '")
    assert kinds() == [Kind.SEAL_FORGED]


def test_a_key_put_into_the_table_by_hand_signs_nothing():
    a_journal(2, at=NOON)
    seal_yesterday(NEXT_DAY)
    with as_owner() as cursor:
        cursor.execute("UPDATE journal_keys SET private_key = %s", [bytes(80)])
    assert kinds() == [Kind.SEAL_FORGED]


def test_a_seal_taken_out_of_the_middle_is_missed():
    for days in range(3):
        a_journal(2, at=NOON + timedelta(days=days))
        seal_yesterday(NEXT_DAY + timedelta(days=days))
    assert verify_chain().ok
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_seals WHERE day = '2026-09-02'")
    assert kinds() == [Kind.SEAL_MISSING]


def test_a_day_nobody_sealed_while_the_journal_was_at_work_is_missed():
    a_journal(2, at=NOON)
    a_journal(2, at=NEXT_DAY)
    with as_owner() as cursor:  # long enough ago that beat should have been there
        cursor.execute("UPDATE audit_logs SET recorded_at = recorded_at - interval '1 hour'")
    recompute_chain()
    assert kinds() == [Kind.SEAL_MISSING]
    seal_yesterday(NEXT_DAY)
    assert verify_chain().ok


def test_an_event_that_waits_for_its_link_for_over_a_minute_is_named():
    a_journal(2, at=NOON)
    event = record(Action.LOGIN, actor=SYSTEM, at=NOON)
    assert verify_chain().ok, "it may wait for a moment"
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET recorded_at = recorded_at - interval '61 s' WHERE id = %s", [event.pk])
        cursor.execute("DELETE FROM audit_pending")  # hidden from the sequencer
    finding = verify_chain().findings[0]
    assert (finding.kind, finding.reference) == (Kind.UNLINKED, event.reference)


def test_a_copy_of_the_seals_kept_elsewhere_still_has_to_hold(client, tmp_path):
    a_journal(3, at=NOON)
    seal_yesterday(NEXT_DAY)
    kept = tmp_path / "seals.json"
    kept.write_bytes(client.get("/journal/seals").content)
    call_command("audit", "verify", seals=kept)
    with as_owner() as cursor:
        cursor.execute("DELETE FROM audit_seals")
        cursor.execute("UPDATE audit_logs SET actor_id = 'nobody' WHERE object_id = '0'")
    recompute_chain()
    assert verify_chain().ok, "without the copy nothing shows"
    with pytest.raises(SystemExit):
        call_command("audit", "verify", seals=kept)


def test_the_command_names_the_first_broken_link_and_fails(capsys):
    a_journal(6, at=NOON)
    name = reference_at(3)
    with as_owner() as cursor:
        cursor.execute("UPDATE audit_logs SET actor_id = 'x' WHERE object_id IN ('2', '4')")
    with pytest.raises(SystemExit) as stop:
        call_command("audit", "verify", json=True)
    assert stop.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert (told["firstBroken"]["seq"], told["firstBroken"]["reference"]) == (3, name)
    with pytest.raises(SystemExit):
        call_command("audit", "verify")
    assert "First broken link: 3" in capsys.readouterr().out


def test_the_command_says_that_the_journal_holds(capsys):
    a_journal(3, at=NOON)
    call_command("audit", "verify")
    assert capsys.readouterr().out.strip() == "The journal holds: 3 links, 0 seals."


def test_an_export_can_be_walked_without_the_database(tmp_path, capsys, client):
    a_journal(4, at=NOON)
    seal_yesterday(NEXT_DAY)
    file, keys = tmp_path / "journal.jsonl", tmp_path / "keys.json"
    keys.write_bytes(client.get("/journal/keys").content)
    call_command("audit", "export", str(file))
    call_command("audit", "verify", export=file, keys=keys)
    file.write_text(file.read_text().replace('"n": 2', '"n": 3'))
    with pytest.raises(SystemExit):
        call_command("audit", "verify", export=file)
    assert "First broken link: 3" in capsys.readouterr().out
    file.write_text('{"format": "something else"}\n')
    with pytest.raises(CommandError, match="no export"):
        call_command("audit", "verify", export=file)


def test_a_log_reference_resolves_to_its_event(capsys):
    event = a_journal(2, at=NOON)[1]
    call_command("audit", "show", event.reference, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["reference"], told["action"], told["seq"], told["details"]) == (event.reference, "login", 2, {"n": 1})
    with pytest.raises(CommandError, match="not in the journal"):
        call_command("audit", "show", "log-00000000-0000-0000-0000-000000000000")


def test_seals_are_public_and_checked_with_the_published_keys(client):
    a_journal(3, at=NOON)
    seal_yesterday(NEXT_DAY)
    seals = client.get("/journal/seals").json()["seals"]
    keys = client.get("/journal/keys").json()["keys"]
    assert [seal["day"] for seal in seals] == ["2026-09-01"]
    assert keys[0]["kid"] == seals[0]["kid"]
    assert json.loads(seals[0]["statement"])["lastHash"] == bytes(Link.objects.get(seq=3).hash).hex()
    assert client.get("/journal/seals/2026-09-01").json() == seals[0]
    assert client.get("/journal/seals/2026-09-02").status_code == 404
    assert client.get("/journal/seals/yesterday").status_code == 404
    assert client.post("/journal/seals").status_code == 405
    assert "d" not in keys[0], "the private half stays here"


def test_old_seals_are_checked_with_the_key_that_made_them():
    a_journal(2, at=NOON)
    seal_yesterday(NEXT_DAY)
    call_command("journal_key", "rotate")
    a_journal(2, at=NEXT_DAY)
    seal_yesterday(NEXT_DAY + timedelta(days=1))
    assert Seal.objects.values("kid").distinct().count() == 2
    assert verify_chain().ok


def test_a_day_is_sealed_once_and_a_slept_week_by_one_seal():
    a_journal(2, at=NOON)
    assert seal_yesterday(NOON) == 0, "the day is not over"
    assert [seal_yesterday(NEXT_DAY), seal_yesterday(NEXT_DAY)] == [1, 0]
    a_journal(2, at=NEXT_DAY)
    assert seal_yesterday(NEXT_DAY + timedelta(days=7)) == 1
    assert [str(seal) for seal in Seal.objects.all()] == ["2026-09-01", "2026-09-08"]
    assert verify_chain().ok


def test_linking_again_links_nothing_twice():
    a_journal(3, at=NOON)
    Pending.objects.bulk_create([Pending(event_id=event.pk) for event in Event.objects.all()])
    link_events(NOON)
    assert Link.objects.count() == 3
    assert verify_chain().ok


def test_several_pages_are_walked_like_one():
    a_journal(4_500, at=NOON)
    assert verify_chain().links == 4_500
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(seq) FROM audit_links")
        assert cursor.fetchone() == (4_500, 4_500)
