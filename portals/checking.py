"""A held credential as anybody who is shown it would find it now: signature, issuer, dates, live status."""

from __future__ import annotations

from datetime import datetime

from credentials.verification import Policy, Presented, Verdict, verify
from portals.models import HeldCredential

# Somebody waits for the page. Our own deployment may be the issuer, too.
_POLICY = Policy(trust_ourselves=True, wait_seconds=4.0)
_TONES = {
    "VERIFIED": "good",
    "NOT_YET_VALID": "wait",
    "SUSPENDED": "wait",
    "STATUS_UNAVAILABLE": "wait",
    "UNKNOWN_KEY": "wait",
}


def as_a_verifier(held: HeldCredential, now: datetime) -> Verdict:
    """What a verifier finds. May ask the issuer: no transaction open."""
    return verify(Presented.of(held.data), policy=_POLICY, now=now)


def code_of(verdict: Verdict) -> str:
    """VERIFIED, or the reason."""
    return "VERIFIED" if verdict.ok else str(verdict.reason)


def tone_of(code: str) -> str:
    return _TONES.get(code, "bad")
