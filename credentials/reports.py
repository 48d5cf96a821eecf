"""What a verifier is told. Source: spec credentials.md 5; decision 50."""

from __future__ import annotations

from typing import Any

from credentials.claims import TYPES, instant
from credentials.models import IssuedCredential
from credentials.problems import PARSING, Problem
from credentials.verification import Verdict

_BY_REASON = {"REVOKED", "SUSPENDED", "EXPIRED", "NOT_YET_VALID"}
GOOD = "VERIFIED"


def of_issued(row: IssuedCredential, verdict: Verdict) -> dict[str, Any]:
    """The report on a credential of ours for someone who does not hold it: never subject, meters or names."""
    return {
        **_outcome(verdict),
        "credential": {
            "type": verdict.type or TYPES.get(row.kind, ""),
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
    if verdict.passed("signature"):
        report["subject"] = verdict.claims
    return report


def not_found() -> dict[str, Any]:
    """The report on an id that we never gave."""
    detail = "We have not issued a credential with this id. The number of an order or an enrolment proves nothing."
    return _nothing("NOT_FOUND", detail, Problem("about:blank", "Not Found", detail))


def nothing(detail: str) -> dict[str, Any]:
    """The report on a body in which no credential was found."""
    return _nothing("MALFORMED", detail, Problem(PARSING, "PARSING_ERROR", detail))


def _nothing(code: str, detail: str, problem: Problem) -> dict[str, Any]:
    return {
        "verified": False,
        "code": code,
        "checks": [{"name": "format", "ok": False, "detail": detail}],
        "problems": [problem.as_json()],
        "status": "UNKNOWN",
        "form": "",
        "credential": None,
    }


def _outcome(verdict: Verdict) -> dict[str, Any]:
    status = "VALID" if verdict.ok else verdict.reason if verdict.reason in _BY_REASON else "UNKNOWN"
    return {
        "verified": verdict.ok,
        "code": verdict.reason or GOOD,
        "checks": [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in verdict.checks],
        "problems": [each.as_json() for each in verdict.problems],
        "status": status,
        "form": str(verdict.form),
    }
