"""Nothing is shown as enrolled before the credential itself has been checked (issue 5, point 11).

A provider's word is a signed message; what the customer takes away is a credential, and that has to be good by itself:
signed by an issuer we trust for it, about this person, this program and these meters, and not revoked. Asks others
over the network: no transaction open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from credentials import verification
from credentials.verification import Policy, Presented, Verdict
from portals.models import Application
from portals.reading import EnrollmentView, IssuedView

ENROLLMENT = "ProgramEnrollmentCredential"


@dataclass(frozen=True)
class Found:
    """`problem` "" means good. `is_open`: nobody could say; it is asked again later."""

    problem: str = ""
    is_open: bool = False


GOOD = Found()


def of_enrollment(application: Application, view: EnrollmentView, now: datetime) -> Found:
    """Whether the enrolment's credential is what the provider says it is, for this very journey."""
    issued = view.credential
    if issued is None or not issued.data:
        return Found("NO_CREDENTIAL")
    verdict = _verdict(application, issued, now)
    if not verdict.ok:
        return Found(verdict.reason or "MALFORMED", is_open=verdict.retryable)
    problem = _otherwise(verdict, application, view)
    return Found(problem) if problem else GOOD


def of_consents(application: Application, issued: Sequence[IssuedView], now: datetime) -> dict[str, Found]:
    """The same for consents' credentials, by their id: signed by somebody we trust, about this person."""
    found = {}
    for each in issued:
        verdict = _verdict(application, each, now)
        found[each.credential_id] = GOOD if verdict.ok else Found(verdict.reason or "MALFORMED", verdict.retryable)
    return found


def live(data: str, now: datetime) -> Verdict:
    """What any verifier would find now, dates and status included."""
    return verification.verify(Presented.of(data), policy=Policy(trust_ourselves=True), now=now)


def _verdict(application: Application, issued: IssuedView, now: datetime) -> Verdict:
    # A credential whose start lies ahead is as good as one that holds already: dates are the page's business.
    policy = Policy(trust_ourselves=True, dates=False, subject_did=application.subject.did or None)
    return verification.verify(Presented.of(issued.data), policy=policy, now=now)


def _otherwise(verdict: Verdict, application: Application, view: EnrollmentView) -> str:
    """What in a good credential is not about this journey; "" where all of it is."""
    claims = verdict.claims
    enrolled = {line.meter_id for line in view.meters if line.status in ("ENROLLED", "")}
    asked = set(application.answers.get("meters", ()))
    meters = set(_texts(claims.get("meters")))
    if verdict.type != ENROLLMENT:
        return "OTHER_TYPE"
    if claims.get("enrollmentId") != view.enrollment_id:
        return "OTHER_ENROLLMENT"
    if claims.get("programId") != application.program.program_id:
        return "OTHER_PROGRAM"
    if not meters or meters != enrolled or not (meters <= asked or not asked):
        return "OTHER_METERS"
    if application.subject.did and claims.get("id") not in (None, application.subject.did):
        return "OTHER_PERSON"
    return ""


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
