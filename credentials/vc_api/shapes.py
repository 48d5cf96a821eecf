"""The JSON of the VC API: requests read strictly, answers in the words of the specifications.

Source: VC API 0.3; RFC 9457; VCDM 2.0 7.1; spec credentials.md 5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from credentials import claims, problems, strict_json
from credentials.general import IssuedDocument
from credentials.models import Form
from credentials.problems import Problem
from credentials.verification import Check, Policy, Verdict

MAXIMUM_BODY = 256 * 1024
WAIT_SECONDS = 4.0
_JSON = ("", "application/json", "application/ld+json")
_EVERYTHING = ("proof", "credentialStatus", "validity")
_LONGEST_OPTION = 500


class BadRequest(Exception):
    """The request cannot be read; `status` and `problem` are the answer."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = Problem(kind, kind.rpartition("#")[2], detail)


@dataclass(frozen=True)
class Options:
    """What a caller of a verify address asks for. `checks`: of proof (always), credentialStatus and validity."""

    checks: tuple[str, ...]
    purpose: str
    challenge: str | None
    domain: str | None

    def policy(self) -> Policy:
        """Any issuer that proves itself: this address vouches for nobody, it checks."""
        return Policy(
            trust=False,
            strangers=True,
            strict=True,
            dates="validity" in self.checks,
            status="credentialStatus" in self.checks,
            purpose=self.purpose,
            challenge=self.challenge,
            domain=self.domain,
            wait_seconds=WAIT_SECONDS,
            maximum_bytes=MAXIMUM_BODY,
        )


def read_body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in the body; BadRequest with 413, 415 or 400 otherwise."""
    if (request.content_type or "").lower() not in _JSON:
        raise BadRequest(415, problems.PARSING, "Send application/json.")
    length = request.headers.get("Content-Length", "0")
    if (length.isdigit() and int(length) > MAXIMUM_BODY) or len(request.body) > MAXIMUM_BODY:
        raise BadRequest(413, problems.PARSING, f"The body may have {MAXIMUM_BODY} bytes.")
    try:
        found = strict_json.read(request.body)
        if isinstance(found, dict):
            strict_json.check_bounds(found)
    except strict_json.NotReadable as error:
        raise BadRequest(400, problems.PARSING, f"The body cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise BadRequest(400, problems.PARSING, "The body is no JSON object.")
    return found


def member(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a member that has to be an object."""
    found = body.get(name)
    if not isinstance(found, dict):
        raise BadRequest(400, problems.MALFORMED_VALUE, f"{name} is missing or no object.")
    return found


def secured(body: Mapping[str, Any], name: str) -> str | dict[str, Any]:
    """Return what is to be verified: an object, or the text of a token."""
    found = body.get(name)
    if not isinstance(found, dict | str) or not found:
        raise BadRequest(400, problems.MALFORMED_VALUE, f"{name} is missing or neither an object nor a token.")
    return found


def read_options(body: Mapping[str, Any], *, purpose: str) -> Options:
    """Return the options; those we do not know are left alone. No `checks`, or an empty list, means all of them."""
    named = body.get("options", {})
    options = {} if named is None else named
    if not isinstance(options, dict):
        raise BadRequest(400, problems.MALFORMED_VALUE, "options is no object.")
    checks = options.get("checks") or _EVERYTHING
    if not isinstance(checks, list | tuple) or not all(isinstance(each, str) for each in checks):
        raise BadRequest(400, problems.MALFORMED_VALUE, "options.checks is no list of texts.")
    return Options(
        checks=tuple(checks),
        purpose=_text(options, "expectedProofPurpose") or purpose,
        challenge=_text(options, "challenge"),
        domain=_text(options, "domain"),
    )


def issued(made: IssuedDocument) -> HttpResponse:
    """201 with the credential, or with its envelope where it is a token (VCDM 2.0, 4.13.2)."""
    if made.form is Form.JSON_2_0:
        credential = json.loads(made.text)
    else:
        credential = {
            "@context": [claims.CONTEXT_V2],
            "id": f"data:application/vc+jwt,{made.text}",
            "type": "EnvelopedVerifiableCredential",
        }
    return JsonResponse({"verifiableCredential": credential}, status=201)


def verified(verdict: Verdict, *, now: datetime) -> HttpResponse:
    """200 or 400, with what was checked and what is wrong."""
    return _answer(verdict.ok, verdict.checks, verdict.problems, warnings=_dates(verdict, now))


def verified_presentation(
    ok: bool, checks: Sequence[Check], found: Sequence[Problem], credentials: Sequence[Verdict], *, now: datetime
) -> HttpResponse:
    """The same of a presentation; `credentialResults` tells each credential in it, in its order."""
    results = [{"verified": each.ok, "problemDetails": _as_json(each.problems)} for each in credentials]
    warnings = [warning for each in credentials for warning in _dates(each, now)]
    return _answer(ok, checks, found, warnings=warnings, credentialResults=results)


def refused(status: int, problem: Problem) -> HttpResponse:
    """RFC 9457 problem details."""
    body = {**problem.as_json(), "status": status}
    return JsonResponse(body, status=status, content_type="application/problem+json")


def not_verified(error: BadRequest) -> HttpResponse:
    """The answer of a verify address to a body in which there is nothing to verify."""
    return _answer(False, (), [error.problem], status=error.status)


def _answer(
    ok: bool,
    checks: Sequence[Check],
    found: Sequence[Problem],
    *,
    warnings: Sequence[Problem] = (),
    status: int = 0,
    **more: Any,
) -> HttpResponse:
    body = {
        "verified": ok,
        "checks": [each.name for each in checks],
        "warnings": _as_json(warnings),
        "errors": _as_json(found),
        "problemDetails": _as_json(found),
        **more,
    }
    return JsonResponse(body, status=status or (200 if ok else 400))


def _dates(verdict: Verdict, now: datetime) -> list[Problem]:
    """What a caller who did not ask for the dates should know of them all the same."""
    if not verdict.ok:
        return []
    if verdict.valid_until is not None and verdict.valid_until <= now:
        return [Problem(problems.RANGE, "RANGE_ERROR", "The credential is over.")]
    if verdict.valid_from is not None and verdict.valid_from > now:
        return [Problem(problems.RANGE, "RANGE_ERROR", "The credential holds only from a later moment on.")]
    return []


def _as_json(found: Sequence[Problem]) -> list[dict[str, str]]:
    return [each.as_json() for each in found]


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is not None and (not isinstance(value, str) or not value or len(value) > _LONGEST_OPTION):
        raise BadRequest(400, problems.MALFORMED_VALUE, f"options.{name} is no text.")
    return value
