"""A few threads beside the sweeper: they start with what it claimed and go on while there is more.

So a worker works at full speed without any broker, and looks for new work only once a second when there is none.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import connections

from beckn.traces import trace

log = logging.getLogger(__name__)
Row = TypeVar("Row")


class Pool(Generic[Row]):
    """`claim(most)` takes up to so many due rows and returns them; `work(row)` does one, wholly or not at all."""

    def __init__(self, name: str, threads: int, claim: Callable[[int], list[Row]], work: Callable[[Row], None]) -> None:
        self._threads = threads
        self._claim, self._work = claim, work
        self._free = threading.Semaphore(threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)  # starts its threads when there is work

    def sweep(self) -> int:
        """Claim no more than there are idle threads and start them; return how many rows. Does not wait."""
        places = self._reserve()
        claimed: list[Row] = []
        try:
            claimed = self._claim(places) if places else []
        finally:
            if places > len(claimed):
                self._free.release(places - len(claimed))
        for row in claimed:
            self._start(row)
        return len(claimed)

    def offer(self, take: Callable[[], Row | None]) -> bool:
        """Let an idle thread take one row and do it; False, and nothing happens, when none is idle."""
        if not self._free.acquire(blocking=False):
            return False
        self._executor.submit(self._run_offered, take)
        return True

    def _run_offered(self, take: Callable[[], Row | None]) -> None:
        try:
            row = take()
            if row is not None:
                self._work(row)
        except Exception as problem:  # as below: the lease runs out and the row is taken again
            log.error("an offered message failed outside its own handling", extra=trace(problem))
        finally:
            connections.close_all()
            self._free.release()

    def _reserve(self) -> int:
        count = 0
        while count < self._threads and self._free.acquire(blocking=False):
            count += 1
        return count

    def _start(self, row: Row) -> None:
        self._executor.submit(self._run, row)

    def _run(self, row: Row) -> None:
        try:
            todo = [row]
            while todo:
                self._work(todo[0])
                todo = self._claim(1)
        except Exception as problem:  # the lease runs out and the row is taken again; nothing else would report it
            log.error("a swept message failed outside its own handling", extra=trace(problem))
        finally:
            connections.close_all()
            self._free.release()
