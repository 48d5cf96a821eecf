import gc
import threading
import time
import weakref
from collections.abc import Mapping

import pytest

from outbound.cache import Cache, seconds_good
from outbound.client import Response, Unreachable


class Origin:
    """What a fetch finds: a body and headers that the test changes; counts how often it was asked and how."""

    def __init__(self) -> None:
        self.body, self.headers, self.status = b"1", {"cache-control": "max-age=10"}, 200
        self.asked: list[Mapping[str, str]] = []
        self.pause = 0.0

    def __call__(self, headers: Mapping[str, str]) -> Response:
        self.asked.append(headers)
        time.sleep(self.pause)
        if "etag" in self.headers and headers.get("If-None-Match") == self.headers["etag"]:
            return Response(304, self.headers, b"")
        return Response(self.status, self.headers, self.body)


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def cache(clock: list[float]) -> Cache:
    return Cache(entries=3, clock=lambda: clock[0])


def get(
    cache: Cache, origin: Origin, url: str = "https://a.example/", *, fresh: bool = False, cap: float = 300
) -> bytes:
    return cache.get(url, accept="*/*", max_age_default=60, max_age_cap=cap, fresh=fresh, fetch=origin).body


def test_an_answer_is_used_for_as_long_as_it_says(cache: Cache, origin: Origin, clock: list[float]) -> None:
    get(cache, origin)
    origin.body = b"2"
    clock[0] += 9.9
    assert get(cache, origin) == b"1"
    clock[0] += 0.2
    assert get(cache, origin) == b"2"


def test_our_own_limit_is_shorter_than_what_the_answer_says(cache: Cache, origin: Origin, clock: list[float]) -> None:
    origin.headers = {"cache-control": "max-age=31536000"}
    get(cache, origin, cap=5)
    clock[0] += 6
    get(cache, origin, cap=5)
    assert len(origin.asked) == 2


def test_an_unchanged_document_is_not_sent_again(cache: Cache, origin: Origin, clock: list[float]) -> None:
    origin.headers = {"cache-control": "max-age=10", "etag": '"a"'}
    get(cache, origin)
    clock[0] += 11
    assert get(cache, origin) == b"1"
    clock[0] += 9
    assert get(cache, origin) == b"1"
    assert [headers.get("If-None-Match") for headers in origin.asked] == [None, '"a"']


def test_a_key_that_is_not_in_the_kept_document_asks_again_at_once(cache: Cache, origin: Origin) -> None:
    get(cache, origin)
    origin.body = b"2"
    assert get(cache, origin, fresh=True) == b"2"
    assert get(cache, origin) == b"2"


def test_errors_are_not_kept_and_do_not_replace_a_good_answer(cache: Cache, origin: Origin, clock: list[float]) -> None:
    origin.status = 500
    get(cache, origin)
    get(cache, origin)
    assert len(origin.asked) == 2
    origin.status, origin.body = 200, b"good"
    get(cache, origin)
    clock[0] += 11
    origin.status, origin.body = 503, b"bad"
    assert get(cache, origin) == b"bad"


def test_a_failed_fetch_is_the_callers_to_see(cache: Cache, origin: Origin, clock: list[float]) -> None:
    get(cache, origin)
    clock[0] += 11

    def gone(headers: Mapping[str, str]) -> Response:
        raise Unreachable("gone", connected=False)

    with pytest.raises(Unreachable):
        cache.get("https://a.example/", accept="*/*", max_age_default=1, max_age_cap=9, fresh=False, fetch=gone)


def test_the_least_used_answers_make_room(cache: Cache, origin: Origin) -> None:
    for name in "abcd":
        get(cache, origin, f"https://{name}.example/")
    get(cache, origin, "https://a.example/")
    assert len(origin.asked) == 5


def test_long_answers_make_room_before_there_are_many(origin: Origin) -> None:
    cache = Cache(entries=100, most_bytes=1000)
    origin.body = b"x" * 400
    for name in "abc":
        get(cache, origin, f"https://{name}.example/")
    for name, asked in (("c", 3), ("b", 3), ("a", 4)):
        get(cache, origin, f"https://{name}.example/")
        assert len(origin.asked) == asked


def test_what_failed_is_remembered_without_what_was_read(cache: Cache) -> None:
    class Body:
        """What a fetch has in hand when it gives up."""

    read: list[weakref.ref[Body]] = []

    def give_up(headers: Mapping[str, str]) -> Response:
        body = Body()
        read.append(weakref.ref(body))
        raise Unreachable("too much", connected=True)

    with pytest.raises(Unreachable, match="too much"):
        cache.get("https://a.example/", accept="*/*", max_age_default=1, max_age_cap=9, fresh=False, fetch=give_up)
    gc.collect()
    assert [each() for each in read] == [None]


def test_many_callers_at_once_make_one_fetch(origin: Origin) -> None:
    cache = Cache()
    origin.pause = 0.1
    threads = [threading.Thread(target=get, args=(cache, origin)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(origin.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"cache-control": "max-age=5"}, 5),
        ({"cache-control": "public, max-age=5"}, 5),
        ({"cache-control": 'max-age="5"'}, 5),
        ({"cache-control": "s-maxage=9, max-age=5"}, 5),
        ({"cache-control": "max-age=5", "age": "3"}, 2),
        ({"cache-control": "max-age=5", "age": "30"}, 0),
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "private, no-cache, max-age=100"}, 0),
        ({"cache-control": "max-age=99999"}, 300),
        ({"cache-control": "public"}, 60),
        ({"cache-control": "max-age=soon"}, 60),
    ],
)
def test_cache_control_is_read_as_it_is_written(headers: dict[str, str], seconds: float) -> None:
    assert seconds_good(headers, 60, 300) == seconds
