"""Several processes at once, with real connections and real commits."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connections, transaction

from credentials import bitstring, bootstrap, keys, publishing, services
from credentials.models import (
    IssuedCredential,
    IssuerKey,
    KeyState,
    Purpose,
    StatusChange,
    StatusList,
    StatusListVersion,
)
from credentials.verification import Presented, verify_presented
from tests.credentials.conftest import LISTS, NOON, PUBLISHED, consent, enrollment

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)` to `work(number - 1)` in threads that start together, each with its own connection."""
    start = threading.Barrier(number)

    def run(position: int) -> Any:
        close_old_connections()
        try:
            start.wait(10)
            return work(position)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@pytest.fixture
def bootstrapped() -> Iterator[None]:
    bootstrap.ensure(NOON)
    yield
    connections.close_all()


def test_eight_first_starts_at_once_end_in_one_key_of_each_algorithm_and_two_lists_of_each_kind() -> None:
    at_once(8, lambda _: bootstrap.ensure(NOON))
    assert sorted(IssuerKey.objects.values_list("algorithm", "state")) == [("ES256", "ACTIVE"), ("Ed25519", "ACTIVE")]
    assert StatusList.objects.count() == LISTS
    assert not StatusList.objects.filter(version=0).exists()
    assert StatusListVersion.objects.values("status_list", "purpose").distinct().count() == PUBLISHED


def test_sixteen_threads_issuing_fifty_each_give_eight_hundred_places(bootstrapped: None) -> None:
    def issue_fifty(_: int) -> list[services.Issued]:
        return [issued for _ in range(50) for issued in services.issue([enrollment()], now=NOON)]

    issued = [each for part in at_once(16, issue_fifty) for each in part]
    assert len(issued) == IssuedCredential.objects.count() == 800
    assert len({each.status_list_index for each in issued}) == 800
    assert {each.status_list_url.rpartition("/")[2] for each in issued} == {"enrollment-list"}


def test_a_list_that_fills_up_under_load_repeats_nothing(bootstrapped: None) -> None:
    first = StatusList.objects.get(kind="CONSENT", number=1)
    with connections["default"].cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE {first.sequence} RESTART {first.size - 37}")
    at_once(8, lambda _: [services.issue([consent(), consent()], now=NOON) for _ in range(10)])
    by_list = [IssuedCredential.objects.filter(status_list__number=number).count() for number in (1, 2)]
    assert sum(by_list) == 160 and by_list[0] == 37
    assert IssuedCredential.objects.values("status_list", "status_index").distinct().count() == 160


def test_publishers_and_revokers_at_once_lose_nothing_and_never_go_back(bootstrapped: None) -> None:
    issued = services.issue([consent() for _ in range(120)], now=NOON)
    done = threading.Event()

    def work(position: int) -> int:
        if position < 4:
            for each in issued[position * 30 : position * 30 + 30]:
                services.revoke([each.id], at=NOON, reason="race")
                services.suspend([each.id], at=NOON)
            return 0
        if position == 4:
            return _watch(done)
        count = 0
        while not done.is_set():
            count += publishing.publish_due(NOON)
        return count

    threading.Timer(4, done.set).start()
    results = at_once(7, work)
    publishing.publish_due(NOON)
    assert not StatusChange.objects.exists()
    status_list = StatusList.objects.get(kind="CONSENT", number=1)
    version = publishing.latest(status_list, Purpose.REVOCATION)
    assert version is not None
    rows = IssuedCredential.objects.filter(revoked_at__isnull=False).values_list("status_index", flat=True)
    assert bitstring.compress(bitstring.pack_bits(rows, status_list.size)) == bytes(version.bits)
    assert len(rows) == 120
    assert sum(results[5:]) > 0


def _watch(done: threading.Event) -> int:
    """See that neither the version nor the number of revoked credentials ever goes back for a reader."""
    seen, revoked = 0, 0
    status_list = StatusList.objects.get(kind="CONSENT", number=1)
    while not done.is_set():
        version = publishing.latest(status_list, Purpose.REVOCATION)
        assert version is not None and version.version >= seen
        now_revoked = sum(byte.bit_count() for byte in bitstring._gunzip(bytes(version.bits), 1 << 20))
        assert now_revoked >= revoked
        seen, revoked = version.version, now_revoked
    return 0


def test_a_publisher_killed_between_reading_and_writing_loses_nothing(bootstrapped: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    # What a killed publisher has done: read and signed, never written.
    reading = publishing._read(issued.status_list_id, everything=False)
    publishing._sign(reading, now=NOON)
    assert StatusChange.objects.exists()
    assert publishing.publish_due(NOON) == 1
    version = publishing.latest(issued.status_list_id, Purpose.REVOCATION)
    assert version is not None
    assert bitstring.bit_at(bitstring._gunzip(bytes(version.bits), 1 << 20), int(issued.status_list_index))


def test_a_slow_publisher_never_overwrites_a_newer_list(bootstrapped: None) -> None:
    one, other = services.issue([enrollment(), enrollment()], now=NOON)
    services.revoke([one.id], at=NOON, reason="x")
    slow = publishing._read(one.status_list_id, everything=False)
    signed = publishing._sign(slow, now=NOON)
    services.revoke([other.id], at=NOON, reason="x")
    assert publishing.publish_due(NOON) == 1
    newest = publishing.latest(one.status_list_id, Purpose.REVOCATION)
    assert not publishing._write(slow, signed, now=NOON)
    assert publishing.latest(one.status_list_id, Purpose.REVOCATION) == newest


def test_a_change_that_comes_while_a_list_is_written_waits_for_the_next_one(bootstrapped: None) -> None:
    one, other = services.issue([enrollment(), enrollment()], now=NOON)
    services.revoke([one.id], at=NOON, reason="x")
    reading = publishing._read(one.status_list_id, everything=False)
    services.revoke([other.id], at=NOON, reason="x")
    assert publishing._write(reading, publishing._sign(reading, now=NOON), now=NOON)
    assert StatusChange.objects.count() == 1
    publishing.ensure_published([one.status_list_id])
    assert not StatusChange.objects.exists()


def test_issuing_does_not_wait_for_a_publication_nor_a_publication_for_issuing(bootstrapped: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="x")
    with transaction.atomic():
        services.issue([enrollment()], now=NOON)  # holds a key share of the list's row until the end
        (published,) = at_once(1, lambda _: publishing.publish_due(NOON))
        assert published == 1
    with transaction.atomic():
        StatusList.objects.select_for_update(no_key=True).get(pk=issued.status_list_id)
        assert at_once(1, lambda _: services.issue([enrollment()], now=NOON))[0]


def test_a_revocation_that_is_rolled_back_publishes_nothing(bootstrapped: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.revoke([issued.id], at=NOON, reason="x")
        _ = 1 / 0
    assert publishing.publish_due(NOON) == 0
    assert not services.entries([issued.id])[0].revoked


def test_two_who_rotate_at_once_end_in_one_active_key(bootstrapped: None) -> None:
    for _ in range(3):
        keys.announce(now=NOON, actor=services.log.SYSTEM)

    def rotate(_: int) -> str:
        return keys.activate(at_once=True, now=NOON + timedelta(seconds=1), actor=services.log.SYSTEM).kid

    assert len(set(at_once(3, rotate))) == 3
    states = [row.state for row in IssuerKey.objects.filter(algorithm="ES256")]
    assert states.count(KeyState.ACTIVE) == 1 and states.count(KeyState.RETIRED) == 3


def test_issuing_goes_on_while_keys_rotate(bootstrapped: None) -> None:
    def work(position: int) -> list[services.Issued]:
        if position:
            return [issued for _ in range(15) for issued in services.issue([consent()], now=NOON)]
        for _ in range(5):
            keys.announce(now=NOON, actor=services.log.SYSTEM)
            keys.activate(at_once=True, now=NOON, actor=services.log.SYSTEM)
        return []

    issued = [each for part in at_once(4, work) for each in part]
    shown = [Presented("", "EnergyConsentCredential", "VC-JWT", each.jwt) for each in issued]
    assert [verdict.reason for verdict in verify_presented(shown, subject_did=None, now=NOON)] == [""] * 45


def test_the_same_credential_revoked_by_many_is_revoked_once(bootstrapped: None) -> None:
    issued = services.issue([enrollment(), consent(), consent()], now=NOON)
    ids = [each.id for each in issued]

    def revoke(position: int) -> list[services.StatusEntry]:
        order = ids if position % 2 else ids[::-1]  # opposite orders must not deadlock
        return services.revoke(order, at=NOON + timedelta(seconds=position), reason=f"by {position}")

    moments = {entry.revoked_at for entries in at_once(8, revoke) for entry in entries}
    assert len(moments) == 1
