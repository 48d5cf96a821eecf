"""Checking credentials that others present: the one function behind enrolment, `/verify` and the VC API.

`verify` takes a credential in any form and a `Policy` that says what has to hold besides its signature;
`verify_presentation` judges a presentation and all it shows; `verifying/` holds the parts. They ask others over the
network, so never call them inside a transaction.
Source: spec credentials.md 4 and 5; domain.md 6; decisions 21, 36, 37, 53.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from credentials import tokens, trust
from credentials.asking import Busy, Deadline, Waiting
from credentials.models import IssuedCredential, TrustEntry
from credentials.problems import Problem, problem_of
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import judging
from credentials.verifying.examination import check_status, own_types
from credentials.verifying.presentations import PresentationVerdict, verify_presentation
from credentials.verifying.values import Check, HeldForm, Policy, Presented, Recheck, Verdict

__all__ = [
    "Busy",
    "Check",
    "HeldForm",
    "Policy",
    "PresentationVerdict",
    "Presented",
    "Problem",
    "Reason",
    "Recheck",
    "Verdict",
    "recheck_status",
    "verify",
    "verify_kept",
    "verify_presentation",
    "verify_presented",
]


def verify(presented: Presented, *, policy: Policy, now: datetime, waiting: Waiting = nullcontext) -> Verdict:
    """Check one credential in whichever form it comes. Garbage of any kind is a failed verdict, never an exception.

    `waiting` is held while another issuer is asked; what it raises (`asking.Busy`) comes out here.
    """
    deadline = Deadline(policy.wait_seconds, waiting=waiting)
    return judging.verdicts([presented], policy=policy, deadline=deadline, now=now)[0]


def verify_kept(row: IssuedCredential, text: str, *, policy: Policy, now: datetime) -> Verdict:
    """Check a credential of ours, which nobody presents, by a form that we keep.

    What had ended when its key was lost is not signed again. That it has ended we know without its signature, and say
    so: "cannot be checked" would sound as if it might be good tomorrow. The same where its content was forgotten
    and `text` is empty.
    """
    if text:
        verdict = verify(Presented.of(text), policy=policy, now=now)
        if verdict.reason != Reason.UNKNOWN_KEY:
            return verdict
    else:
        verdict = Verdict(row.wire_id or row.url, "", False, Reason.UNKNOWN_KEY, "", issuer=settings.ISSUER_DID)
    if row.revoked_at is not None:
        return _ended(verdict, "status", Disbelieved(Reason.REVOKED, "the credential was revoked"))
    if row.valid_until is not None and row.valid_until <= now:
        return _ended(verdict, "dates", Disbelieved(Reason.EXPIRED, "the credential is over"))
    return verdict


def _ended(verdict: Verdict, step: str, failed: Disbelieved) -> Verdict:
    return replace(
        verdict,
        reason=failed.reason,
        detail=failed.detail,
        checks=(*(each for each in verdict.checks if each.ok), Check(step, False, failed.detail)),
        problems=(problem_of(failed, own_types=own_types()),),
    )


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
