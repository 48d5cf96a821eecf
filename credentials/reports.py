"""What a verifier is told. Source: spec credentials.md 5; decision 50."""

from __future__ import annotations

from typing import Any

from credentials.claims import TYPES, instant
from credentials.models import IssuedCredential
from credentials.verification import Verdict

_BY_REASON = {"REVOKED", "SUSPENDED", "EXPIRED", "NOT_YET_VALID"}
GOOD = "VERIFIED"


def of_issued(row: IssuedCredential, verdict: Verdict) -> dict[str, Any]:
    """The report on a credential of ours for someone who does not hold it: never subject, meters or names."""
    return {
        **_outcome(verdict),
        "credential": {
            "type": TYPES[row.kind],
            "issuer": verdict.issuer,
            "validFrom": instant(row.valid_from),
            "validUntil": row.wire_valid_until or (instant(row.valid_until) if row.valid_until else None),
        },
    }


def of_presented(verdict: Verdict) -> dict[str, Any]:
    """The report for someone who holds the credential: with its subject, once the signature is proven."""
    report = {
        **_outcome(verdict),
        "credential": {
            "type": verdict.type,
            "issuer": verdict.issuer,
            "validFrom": instant(verdict.valid_from) if verdict.valid_from else None,
            "validUntil": instant(verdict.valid_until) if verdict.valid_until else None,
        },
    }
    if any(check.name == "signature" and check.ok for check in verdict.checks):
        report["subject"] = verdict.claims
    return report


def not_found() -> dict[str, Any]:
    """The report on an id that we never gave."""
    return _nothing("NOT_FOUND", "We have not issued a credential with this id.")


def nothing(detail: str) -> dict[str, Any]:
    """The report on a body in which no credential was found."""
    return _nothing("MALFORMED", detail)


def _nothing(code: str, detail: str) -> dict[str, Any]:
    checks = [{"name": "format", "ok": False, "detail": detail}]
    return {"verified": False, "code": code, "checks": checks, "status": "UNKNOWN", "credential": None}


def _outcome(verdict: Verdict) -> dict[str, Any]:
    status = "VALID" if verdict.ok else verdict.reason if verdict.reason in _BY_REASON else "UNKNOWN"
    return {
        "verified": verdict.ok,
        "code": verdict.reason or GOOD,
        "checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in verdict.checks],
        "status": status,
    }
