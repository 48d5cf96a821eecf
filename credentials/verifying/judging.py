"""Several credentials under one policy: one look at the trust list, one time limit for all that has to be asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from credentials import trust
from credentials.asking import Deadline
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import reading
from credentials.verifying.examination import Examination
from credentials.verifying.reading import Held
from credentials.verifying.values import Policy, Presented, Verdict

MAXIMUM_SECONDS = 2.0  # of this thread's processor time for all of them: one alone may cost most of it


def verdicts(items: Sequence[Presented], *, policy: Policy, deadline: Deadline, now: datetime) -> list[Verdict]:
    """Return the verdict on each, in the order given; those for which no time is left are not looked at."""
    began = time.thread_time()

    def is_time_left() -> bool:
        return time.thread_time() - began < MAXIMUM_SECONDS

    read = [held_or_why(item, policy) if is_time_left() else _too_much for item in items]
    known = trust.entries_for([held.content.issuer for held in read if isinstance(held, Held)], at=now)
    found = []
    for item, held in zip(items, read, strict=True):
        looked_at = held if is_time_left() else _too_much
        found.append(Examination(item, looked_at, policy=policy, known=known, deadline=deadline, now=now).verdict())
    return found


def held_or_why(item: Presented, policy: Policy) -> Held | Disbelieved:
    """Return what was read, or why nothing was."""
    try:
        return reading.read(item, policy)
    except Disbelieved as failed:
        return failed


_too_much = Disbelieved(Reason.MALFORMED, "what was presented before it cost too much to check")
