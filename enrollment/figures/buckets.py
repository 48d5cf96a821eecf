"""Times are kept as how many fell into which bucket: of those, a median can be told for any set of days. Pure.

Bounds are seconds, and a bucket holds what is shorter than its bound. A percentile is told within its bucket by even
spreading, so that it is wrong by a part of the bucket's width at most.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
#: From the first message to the decision: people think, utilities answer, reviewers come back on Monday.
DECISION: Sequence[float] = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 40.0),
    *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 60 * _DAY),
)
#: From a revocation to the list that shows it.
PUBLICATION: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)


def bucket_of(seconds: float, bounds: Sequence[float]) -> int:
    """Return where a time falls: 0 below the first bound, len(bounds) from the last one on."""
    return bisect_right(bounds, seconds)


def percentile(counts: Mapping[int, int], percent: float, bounds: Sequence[float]) -> float | None:
    """Return the seconds under which `percent` of all times lie; None of none, the last bound where it lies beyond."""
    total = sum(count for count in counts.values() if count > 0)
    if total <= 0:
        return None
    wanted, passed = total * percent / 100, 0
    for bucket in sorted(counts):
        count = counts[bucket]
        if count > 0 and passed + count >= wanted:
            if bucket >= len(bounds):
                return bounds[-1]
            low = bounds[bucket - 1] if bucket else 0.0
            return low + (bounds[bucket] - low) * (wanted - passed) / count
        passed += max(count, 0)
    return bounds[-1]
