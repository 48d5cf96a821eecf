"""Several credentials under one policy: one look at the trust list, one time limit for all that has to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from credentials import trust
from credentials.asking import Deadline
from credentials.reasons import Disbelieved
from credentials.verifying import reading
from credentials.verifying.examination import Examination
from credentials.verifying.reading import Held
from credentials.verifying.values import Policy, Presented, Verdict


def verdicts(items: Sequence[Presented], *, policy: Policy, deadline: Deadline, now: datetime) -> list[Verdict]:
    """Return the verdict on each, in the order given."""
    read = [held_or_why(item, policy) for item in items]
    known = trust.entries_for([held.content.issuer for held in read if isinstance(held, Held)], at=now)
    return [
        Examination(item, held, policy=policy, known=known, deadline=deadline, now=now).verdict()
        for item, held in zip(items, read, strict=True)
    ]


def held_or_why(item: Presented, policy: Policy) -> Held | Disbelieved:
    """Return what was read, or why nothing was."""
    try:
        return reading.read(item, policy)
    except Disbelieved as failed:
        return failed
