"""Rows, the file, the command and a registry: who is believed, for how long, and what it costs to ask."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import clock
from beckn import participants, registry
from beckn.models import Participant, ParticipantKey, RegistryLookup
from tests.bap import Bap
from tests.beckn.conftest import encode, is_ack, journalled, message, nack, nothing_kept, register
from tests.beckn.registry_server import RegistryServer

HOUR = timedelta(hours=1)


@pytest.fixture
def directory(settings) -> Iterator[RegistryServer]:
    server = RegistryServer()
    settings.BECKN_REGISTRY = server.url
    yield server
    server.stop()


@pytest.fixture
def stranger(db, directory) -> Bap:
    """A participant that only the registry knows."""
    peer = Bap(subscriber_id="registered.example", port=9)
    directory.knows(peer)
    return peer


def age(**values) -> None:
    ParticipantKey.objects.update(**values)
    RegistryLookup.objects.update(until=clock.now() - HOUR)
    participants.forget()


def test_an_unknown_key_is_looked_up_once_and_then_remembered(stranger, directory, post):
    for _ in range(3):
        assert is_ack(post(stranger, message(stranger)))
    assert directory.asked == [(stranger.subscriber_id, stranger.key_id)]
    row = participants.registered(stranger.subscriber_id)
    assert (row.source, row.url, row.asserts_subjects) == ("REGISTRY", stranger.uri, ["*"])
    assert journalled("participant.added")[0]["source"] == "REGISTRY"


def test_a_dedi_directory_is_asked_by_its_own_address(stranger, directory, post, settings):
    settings.BECKN_REGISTRY = f"dedi+{directory.url}/subscribers"
    assert is_ack(post(stranger, message(stranger)))


def test_a_no_is_remembered_for_a_minute(stranger, directory, post):
    directory.entries = []
    for _ in range(3):
        assert nack(post(stranger, message(stranger)))[:2] == (401, "KEY_UNKNOWN")
    assert len(directory.asked) == 1
    assert nothing_kept()
    directory.knows(stranger)
    RegistryLookup.objects.update(until=clock.now())
    assert is_ack(post(stranger, message(stranger)))


@pytest.mark.parametrize(
    "entry",
    [
        {"status": "UNSUBSCRIBED"},
        {"status": "EXPIRED"},
        {"key_id": "another"},
        {"signing_public_key": "AAAA"},
        {"url": "javascript:alert(1)"},
        {"valid_until": "2020-01-01T00:00:00Z"},
        {"valid_from": "2094-01-01T00:00:00Z"},
    ],
)
def test_an_entry_that_is_not_good_now_proves_nothing(stranger, directory, post, entry):
    directory.knows(stranger, **entry)
    assert nack(post(stranger, message(stranger)))[0] == 401
    assert nothing_kept()


@pytest.mark.parametrize("mode", ["down", "html"])
def test_a_registry_that_is_down_is_not_a_bad_signature(stranger, directory, post, mode):
    directory.mode = mode
    answer = post(stranger, message(stranger))
    assert nack(answer)[:2] == (503, "REGISTRY_UNAVAILABLE")
    assert int(answer["Retry-After"]) > 0
    assert nack(post(stranger, message(stranger)))[0] == 503
    assert len(directory.asked) == 1, "a registry that is down is left alone for a moment"


@pytest.mark.parametrize("url", ["https://a\x00b/", "https://user@a.example/", "https://a.example/?q=1", "ftp://a/", 7])
def test_an_entry_without_a_usable_address_is_no_entry(stranger, directory, post, url):
    directory.knows(stranger, url=url)
    assert nack(post(stranger, message(stranger)))[:2] == (401, "KEY_UNKNOWN")


def test_a_domain_that_no_row_could_hold_does_not_stop_the_message(stranger, directory, post):
    directory.knows(stranger, domain="a\x00b")
    assert is_ack(post(stranger, message(stranger)))
    assert participants.registered(stranger.subscriber_id).domains == []


def test_nonsense_in_the_list_is_no_entry(stranger, directory, post):
    directory.mode = "list-of-nonsense"
    assert nack(post(stranger, message(stranger)))[:2] == (401, "KEY_UNKNOWN")


def test_a_known_key_is_good_for_a_day_while_the_registry_is_down_and_not_longer(stranger, directory, post):
    assert is_ack(post(stranger, message(stranger)))
    directory.mode = "down"
    now = clock.now()
    age(fresh_until=now - HOUR, stale_until=now + HOUR)
    assert is_ack(post(stranger, message(stranger)))
    age(fresh_until=now - HOUR, stale_until=now - timedelta(seconds=1))
    assert nack(post(stranger, message(stranger)))[:2] == (503, "REGISTRY_UNAVAILABLE")
    key = ParticipantKey.objects.get()
    directory.mode = "well"
    age()
    assert is_ack(post(stranger, message(stranger)))
    key.refresh_from_db()
    assert timedelta(hours=23) < key.stale_until - clock.now() <= timedelta(hours=24)


def test_a_key_that_left_the_registry_is_refused_when_it_is_no_longer_fresh(stranger, directory, post):
    assert is_ack(post(stranger, message(stranger)))
    directory.entries = []
    age(fresh_until=clock.now() - HOUR)
    assert nack(post(stranger, message(stranger)))[:2] == (401, "KEY_UNKNOWN")


def test_an_operators_word_stands_against_the_registry(directory, bap, post):
    thief = Bap(key_id="thiefs-key", port=bap.port)
    directory.knows(thief)
    assert nack(post(thief, message(thief)))[:2] == (401, "KEY_UNKNOWN")
    assert directory.asked == []


def test_look_ups_have_a_budget(directory, post, monkeypatch, db, settings):
    monkeypatch.setattr(registry, "BUDGET", registry.limits.Budget("registry", 0.001, 3))
    strangers = [Bap(subscriber_id=f"s{number}.example", port=9) for number in range(6)]
    answers = [nack(post(each, message(each)))[0] for each in strangers]
    assert answers == [401, 401, 401, 503, 503, 503]
    assert len(directory.asked) == 3


@pytest.mark.django_db(transaction=True)
def test_many_messages_of_one_stranger_ask_the_registry_once(directory):
    stranger = Bap(subscriber_id="popular.example", port=9)
    directory.knows(stranger)
    directory.mode, directory.seconds = "slow", 0.5
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(participants.find(stranger.subscriber_id, stranger.key_id, now=clock.now()))
        except registry.Unavailable as problem:
            found.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(directory.asked) == 1
    known = [each for each in found if isinstance(each, participants.KnownKey)]
    assert len(known) == 2, "one asked, one waited; the others were told to come again instead of blocking a thread"
    assert len(found) == 8


def test_unknown_keys_of_one_address_are_slowed_down_and_others_are_not(bap, post, settings):
    settings.BECKN_RATES = {"source": (0.1, 3)}
    stranger = Bap(subscriber_id="nobody.example", port=9)
    answers = [post(stranger, message(stranger)) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1]["Retry-After"] == "10"
    assert nack(answers[-1])[1] == "RATE_LIMITED"
    assert post(stranger, message(stranger), REMOTE_ADDR="192.0.2.7").status_code == 401
    assert is_ack(post(bap, message(bap))), "who proves itself has a bucket of its own"


def test_bad_signatures_under_a_good_name_do_not_use_up_its_bucket(bap, post, settings):
    settings.BECKN_RATES = {"source": (0.1, 100), "participant": (0.1, 2)}
    thief = Bap(port=bap.port)
    for _ in range(5):
        assert post(thief, message(thief)).status_code == 401
    assert [post(bap, message(bap)).status_code for _ in range(3)] == [200, 200, 429]


def test_a_bucket_fills_again(bap, post, settings, monkeypatch):
    settings.BECKN_RATES = {"participant": (1, 2)}
    assert [post(bap, message(bap)).status_code for _ in range(3)] == [200, 200, 429]
    settings.CLOCK_OFFSET = bap.offset = 1.5
    assert [post(bap, message(bap)).status_code for _ in range(2)] == [200, 429]


def test_refusals_do_not_fill_the_journal(bap, post, settings):
    settings.BECKN_RATES = {"source": (1000, 1000), "journal": (0.001, 4)}
    thief = Bap(port=bap.port)
    for _ in range(10):
        post(thief, message(thief))
    assert len(journalled("message.refused")) == 4


def test_addresses_behind_our_own_proxy_are_told_apart(bap, post, settings):
    settings.BECKN_RATES = {"source": (0.1, 1)}
    settings.PROXY_NETWORKS = ["10.0.0.0/8"]
    stranger = Bap(subscriber_id="nobody.example", port=9)

    def status(forwarded: str) -> int:
        headers = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
        return post(stranger, message(stranger), **headers).status_code

    assert status("192.0.2.1") == 401
    assert status("192.0.2.1") == 429
    assert status("192.0.2.2") == 401
    assert status("192.0.2.77, 192.0.2.1") == 429, "what a stranger writes in front does not count"


def test_keys_overlap_while_one_is_being_replaced(bap, post):
    old, new = bap, Bap(key_id="new-key", port=bap.port)
    now = clock.now()
    register(new, valid_from=now - HOUR)
    register(old, valid_until=now + HOUR)
    assert is_ack(post(old, message(old)))
    assert is_ack(post(new, message(new)))
    register(old, valid_until=now)
    answer = post(old, message(old))
    assert nack(answer)[:2] == (401, "SIGNATURE_INVALID")
    assert "not valid now" in answer.json()["error"]["message"]
    assert is_ack(post(new, message(new)))


def test_the_file_is_read_when_it_has_changed(bap, post, settings, tmp_path):
    path = tmp_path / "participants.json"
    settings.BECKN_PARTICIPANTS_FILE = str(path)
    peer = Bap(subscriber_id="from-file.example", port=9)
    path.write_text("[]")
    assert nack(post(peer, message(peer)))[0] == 401
    entry = {"subscriber_id": peer.subscriber_id, "key_id": peer.key_id, "public_key": peer.public_key, "url": peer.uri}
    path.write_text(json.dumps([{"nonsense": 1}, entry]))
    time.sleep(0.01)
    assert is_ack(post(peer, message(peer)))
    assert participants.registered(peer.subscriber_id).source == "FILE"


def test_the_command_adds_lists_and_suspends(db, post, capsys):
    peer = Bap(subscriber_id="by-command.example", port=9)
    call_command(
        "participant",
        "add",
        *("--subscriber-id", peer.subscriber_id, "--key-id", peer.key_id, "--public-key", peer.public_key),
        *("--url", peer.uri, "--type", "BAP", "--asserts-subjects", "utility-example-001", "--strict", "--json"),
    )
    added = json.loads(capsys.readouterr().out)
    assert added["asserts_subjects"] == ["utility-example-001"]
    assert added["strict"] is True
    assert is_ack(post(peer, message(peer)))
    call_command("participant", "suspend", peer.subscriber_id)
    assert nack(post(peer, message(peer)))[0] == 403
    capsys.readouterr()
    call_command("participant", "list", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert [row["subscriber_id"] for row in listed if row["suspended_at"]] == [peer.subscriber_id]
    assert journalled("participant.suspended") == [None]
    with pytest.raises(CommandError):
        call_command("participant", "suspend", "--subscriber-id", "nobody.example")
    with pytest.raises(CommandError, match="32"):
        call_command(
            "participant", "add", "--subscriber-id", "x", "--key-id", "k", "--public-key", "AAAA", "--url", "https://x"
        )


def test_who_may_name_a_person_is_everybody_in_the_sandbox_and_nobody_in_production(db, settings):
    peer = Bap(subscriber_id="one.example", port=9)
    register(peer)
    assert participants.registered("one.example").may_assert("utility-example-001")
    settings.DEPLOYMENT = "production"
    register(Bap(subscriber_id="two.example", port=9))
    assert not participants.registered("two.example").may_assert("utility-example-001")
    register(Bap(subscriber_id="two.example", port=9), asserts_subjects=["utility-example-002"])
    two = participants.registered("two.example")
    assert [two.may_assert(f"utility-example-00{number}") for number in (1, 2)] == [False, True]


def test_our_own_identities_are_participants_like_the_others(db):
    participants.sync(now=clock.now())
    participants.sync(now=clock.now())
    kinds = dict(Participant.objects.values_list("subscriber_id", "type"))
    assert sorted(kinds.values()) == ["BAP", "BAP", "BAP", "BPP"], "the owner, its portal, two agencies"
    assert len(journalled("participant.added")) == 4


def test_a_registry_moment_is_read_with_its_zone():
    entry = registry.read_entry(
        {
            "subscriber_id": "s",
            "ukId": "k",
            "subscriber_url": "https://s.example/",
            "type": "bap",
            "signing_public_key": Bap().public_key,
            "valid_from": "2026-01-01T05:30:00+05:30",
            "status": "SUBSCRIBED",
        },
        "s",
        "k",
    )
    assert entry is not None
    assert (entry.valid_from, entry.url, entry.type) == (datetime(2026, 1, 1, tzinfo=UTC), "https://s.example", "BAP")


def test_a_replayed_message_is_acknowledged_but_done_once(bap, post):
    raw = encode(message(bap))
    header = bap.authorization(raw)
    for _ in range(2):
        assert is_ack(post(bap, raw, authorization=header))
    late = bap.authorization(raw, created=int(time.time()) - 3700, lifetime=3600)
    assert nack(post(bap, raw, authorization=late))[0] == 401
