"""Checking credentials that others present: the one function behind enrolment, `/verify` and the VC API.

`verify` takes a credential in any form and a `Policy` that says what has to hold besides its signature;
`verify_presentation` judges a presentation and all it shows; `verifying/` holds the parts. They ask others over the
network, so never call them inside a transaction.
Source: spec credentials.md 4 and 5; domain.md 6; decisions 21, 36, 37, 53.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from credentials import tokens, trust
from credentials.asking import Deadline
from credentials.models import TrustEntry
from credentials.problems import Problem
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import judging
from credentials.verifying.examination import SELF_SAID, check_status
from credentials.verifying.presentations import PresentationVerdict, verify_presentation
from credentials.verifying.reading import Held
from credentials.verifying.values import Check, HeldForm, Policy, Presented, Recheck, Verdict

__all__ = [
    "Check",
    "HeldForm",
    "Policy",
    "PresentationVerdict",
    "Presented",
    "Problem",
    "Reason",
    "Recheck",
    "Verdict",
    "asks_others",
    "recheck_status",
    "verify",
    "verify_presentation",
    "verify_presented",
]


def verify(presented: Presented, *, policy: Policy, now: datetime) -> Verdict:
    """Check one credential in whichever form it comes. Garbage of any kind is a failed verdict, never an exception."""
    return judging.verdicts([presented], policy=policy, deadline=Deadline(policy.wait_seconds), now=now)[0]


def verify_presented(
    items: Sequence[Presented],
    *,
    subject_did: str | None,
    now: datetime,
    wait_seconds: float = 12.0,
    maximum_bytes: int = tokens.MAXIMUM_BYTES,
) -> list[Verdict]:
    """Check each credential of a message, in the order given: JWTs of issuers we trust, and no other form.

    `subject_did` is whose they must be; None leaves the holder open. All of them together wait at most `wait_seconds`
    for others; what is not answered by then is retryable. A longer one than `maximum_bytes` is MALFORMED: a message
    carries short ones, ours of 500 meters is longer.
    """
    policy = Policy(network_only=True, subject_did=subject_did, wait_seconds=wait_seconds, maximum_bytes=maximum_bytes)
    return judging.verdicts(items, policy=policy, deadline=Deadline(wait_seconds), now=now)


def asks_others(item: Presented, *, policy: Policy) -> bool:
    """Whether checking this credential may have to wait for another issuer's answers."""
    held = judging.held_or_why(item, policy)
    if not isinstance(held, Held) or held.content.issuer == settings.ISSUER_DID:
        return False
    self_said = held.content.issuer.startswith(SELF_SAID)
    return not self_said or "credentialStatus" in held.content.credential or held.content.token_status is not None


def recheck_status(entries: Sequence[Mapping[str, Any] | None], *, now: datetime) -> list[Recheck]:
    """Look up again the status of credentials verified before (`Verdict.status_entry`); None is always good."""
    known = trust.entries_for([each["issuer"] for each in entries if each], at=now)
    deadline = Deadline()
    return [_recheck(each, known, deadline, now) for each in entries]


def _recheck(
    entry: Mapping[str, Any] | None, known: Mapping[str, list[TrustEntry]], deadline: Deadline, now: datetime
) -> Recheck:
    if entry is None:
        return Recheck("")
    try:
        check_status(entry, known[entry["issuer"]], deadline, now)
    except Disbelieved as failed:
        return Recheck(failed.reason, failed.retryable)
    return Recheck("")
