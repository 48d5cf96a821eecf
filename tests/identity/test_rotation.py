"""`fields rotate` while the service goes on."""

import json
import threading
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit.models import Event
from identity.encryption import encrypted_fields, key_id, seal
from identity.models import JournalKey, Subject, User
from identity.rotation import remaining, rotate_fields
from tests.identity.keys import INDEX, NEW, OLD

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def keys(settings):
    settings.FIELD_KEYS, settings.INDEX_KEY = [OLD], INDEX


def people(count):
    Subject.objects.bulk_create(
        [Subject(did=f"did:example:{number}", name=f"name {number}", email=f"{number}@x") for number in range(count)]
    )


def keys_in_use(column="name"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM subjects WHERE length({column}) > 0")
        return {key_id(row[0]) for row in cursor.fetchall()}


def names():
    return {subject.did: subject.name for subject in Subject.objects.all()}


def test_every_value_is_written_anew_and_still_says_the_same(settings, capsys):
    people(25)
    User.objects.create(username="u", sub="u", email="u@example.com")
    before = names()
    settings.FIELD_KEYS = [NEW, OLD]
    call_command("fields", "rotate", batch=10)
    told = capsys.readouterr().out
    assert "identity.subject.name: 25" in told
    assert "51 values" in told
    settings.FIELD_KEYS = [NEW]  # the old key may go now
    assert (names(), keys_in_use(), keys_in_use("email")) == (before, {"new-2"}, {"new-2"})
    assert User.objects.get().email == "u@example.com"
    assert Event.objects.get(action="fields.rotated").details == {"rewritten": 51, "remaining": 0}


def test_it_answers_in_json_and_a_second_run_finds_nothing(settings, capsys):
    people(3)
    settings.FIELD_KEYS = [NEW, OLD]
    call_command("fields", "rotate", json=True)
    first = json.loads(capsys.readouterr().out)
    assert (first["key"], first["rewritten"], first["remaining"]) == ("new-2", 6, 0)
    call_command("fields", "rotate", json=True)
    assert json.loads(capsys.readouterr().out)["rewritten"] == 0
    assert Event.objects.filter(action="fields.rotated").count() == 1


def test_every_encrypted_column_of_every_model_is_walked(settings):
    """Also the columns of the other rooms: what is in the registry is rotated, whatever its key or context."""
    JournalKey.objects.create(kid="j", private_key=bytes(32), created_at="2026-09-01T00:00Z")
    settings.FIELD_KEYS = [NEW, OLD]
    walked = {rotated.field for rotated in rotate_fields()}
    assert walked == {f"{field.model._meta.label_lower}.{field.name}" for field in encrypted_fields()}
    assert bytes(JournalKey.objects.get().private_key) == bytes(32)
    assert all(remaining(field) == 0 for field in encrypted_fields())


def test_a_run_that_was_stopped_is_taken_up_where_it_ended(settings):
    people(30)
    settings.FIELD_KEYS = [NEW, OLD]

    class PulledPlug(Exception):
        pass

    def stop(column, rewritten):
        if column == "identity.subject.name" and rewritten >= 20:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        list(rotate_fields(batch=10, tell=stop))
    assert keys_in_use() == {"old-1", "new-2"}
    assert sum(each.rewritten for each in rotate_fields(batch=10) if each.field == "identity.subject.name") == 10
    assert keys_in_use() == {"new-2"}


def test_nothing_that_is_written_meanwhile_is_lost(settings):
    people(200)
    settings.FIELD_KEYS = [NEW, OLD]
    written, stop = {}, threading.Event()

    def write(offset):
        number = offset
        while not stop.is_set():
            did = f"did:example:{number % 200}"
            Subject.objects.filter(did=did).update(name=f"written {number}")
            written[did] = f"written {number}"
            number += 4
        connection.close()

    writers = [threading.Thread(target=write, args=[offset]) for offset in range(4)]
    for writer in writers:
        writer.start()
    totals = []
    while len(written) < 200 or len(totals) < 3:
        totals.append(list(rotate_fields(batch=20)))
    stop.set()
    for writer in writers:
        writer.join()
    assert totals[-1] and all(each.remaining == 0 for each in totals[-1])
    now = names()
    assert {did: now[did] for did in written} == written
    assert keys_in_use() == {"new-2"}


def test_a_writer_that_still_uses_the_old_key_is_caught_up_with(settings):
    """A process that was started with the old settings may write between two passes."""
    people(5)
    settings.FIELD_KEYS = [NEW, OLD]
    list(rotate_fields())
    settings.FIELD_KEYS = [OLD, NEW]
    Subject.objects.filter(did="did:example:3").update(name="late")
    settings.FIELD_KEYS = [NEW, OLD]
    assert sum(each.rewritten for each in rotate_fields()) == 1
    assert names()["did:example:3"] == "late"


def test_a_row_that_somebody_holds_is_passed_over_and_said_to_be_left(settings, capsys):
    people(3)
    settings.FIELD_KEYS = [NEW, OLD]
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Subject.objects.select_for_update().get(did="did:example:1")
            held.set()
            done.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with pytest.raises(SystemExit):
        call_command("fields", "rotate", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rewritten"], told["remaining"]) == (4, 2)
    done.set()
    holder.join()
    call_command("fields", "rotate", json=True)
    assert json.loads(capsys.readouterr().out)["rewritten"] == 2


def test_a_value_that_does_not_open_is_named_and_stops_the_run(settings):
    people(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subjects SET name = %s WHERE did = 'did:example:1'", [seal("x", context="elsewhere")])
    settings.FIELD_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match=r"identity\.subject\.name does not open"):
        call_command("fields", "rotate")


def test_private_keys_and_sealed_messages_of_the_other_rooms_stay_usable(settings):
    from beckn import participants
    from beckn.models import Inbox
    from credentials import bootstrap, keys
    from credentials.models import IssuerKey, StatusList

    bootstrap.ensure(NOON)
    sender = participants.add(subscriber_id="bap.example.com", url="https://bap.example.com", now=NOON)
    Inbox.objects.create(
        sender_id=sender.subscriber_id,
        participant=sender,
        body={"message": {}},
        sealed={"/message/order/token": "secret"},
        received_at=NOON,
        deadline=NOON,
        due_at=NOON,
    )
    permutations = dict(StatusList.objects.values_list("pk", "permutation_key"))
    settings.FIELD_KEYS = [NEW, OLD]
    rewritten = {each.field: each.rewritten for each in rotate_fields()}
    assert rewritten["credentials.issuerkey.private"] == IssuerKey.objects.count() > 0
    assert rewritten["beckn.inbox.sealed"] == 1
    settings.FIELD_KEYS = [NEW]
    assert keys.active().kid == IssuerKey.objects.get(algorithm="ES256", state="ACTIVE").kid
    assert dict(StatusList.objects.values_list("pk", "permutation_key")) == permutations
    assert Inbox.objects.get().sealed == {"/message/order/token": "secret"}
