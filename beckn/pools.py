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
        self._name, self._threads = name, threads
        self._claim, self._work = claim, work
        self._free = threading.Semaphore(threads)
        self._executor: ThreadPoolExecutor | None = None

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

    def _reserve(self) -> int:
        count = 0
        while count < self._threads and self._free.acquire(blocking=False):
            count += 1
        return count

    def _start(self, row: Row) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
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
