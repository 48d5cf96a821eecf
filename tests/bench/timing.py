"""Measuring: how long single calls take, how many fit into a second, and what other processes have used."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of unsorted values; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def each_ms(calls: Iterable[Callable[[], object]]) -> list[float]:
    """Return the milliseconds of every call."""
    taken = []
    for call in calls:
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def per_second(call: Callable[[], object], *, seconds: float = 1.0, rounds: int = 5) -> float:
    """Return how many calls fit into a second: the median over a few rounds, so that one hiccup does not count."""
    call()
    rates = []
    with no_garbage_collection():
        for _ in range(rounds):
            count, begun = 0, time.perf_counter()
            until = begun + seconds / rounds
            while (now := time.perf_counter()) < until:
                call()
                count += 1
            rates.append(count / (now - begun))
    return statistics.median(rates)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Comparisons of microseconds should not depend on whose turn the collector came in."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
