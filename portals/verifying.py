"""Nothing is shown as enrolled before the credential itself has been checked (issue 5, point 11).

A provider's word is a signed message; what the customer takes away is a credential, and that has to be good by itself:
signed by an issuer we trust for it, about this person, this program and these meters, and not revoked. Asks others
over the network: no transaction open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from credentials import verification
from credentials.verification import Policy, Presented, Verdict
from portals.models import Application
from portals.reading import EnrollmentView, IssuedView

ENROLLMENT = "ProgramEnrollmentCredential"
CONSENT = "EnergyConsentCredential"
DEG = "UtilityProgramEnrollmentCredential"


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
    """The same for consents' credentials, by their id: the one that was named, signed by somebody we trust, about
    this person. A provider has other good credentials of its customer; none of them is a consent for that.
    """
    found = {}
    for each in issued:
        verdict = _verdict(application, each, now)
        if not verdict.ok:
            found[each.credential_id] = Found(verdict.reason or "MALFORMED", verdict.retryable)
        elif verdict.type != CONSENT:
            found[each.credential_id] = Found("OTHER_TYPE")
        elif _uuid(verdict.credential.get("id")) != _uuid(each.credential_id):
            found[each.credential_id] = Found("OTHER_CREDENTIAL")
        else:
            found[each.credential_id] = GOOD
    return found


def live(data: str, now: datetime) -> Verdict:
    """What any verifier would find now, dates and status included."""
    return verification.verify(Presented.of(data), policy=Policy(trust_ourselves=True), now=now)


def _verdict(application: Application, issued: IssuedView, now: datetime) -> Verdict:
    # A credential whose start lies ahead is as good as one that holds already: dates are the page's business.
    policy = Policy(trust_ourselves=True, dates=False, subject_did=application.subject.did or None)
    return verification.verify(Presented.of(issued.data), policy=policy, now=now)


def _otherwise(verdict: Verdict, application: Application, view: EnrollmentView) -> str:
    """What in a good credential is not about this journey; "" where all of it is.

    The shape of the DEG network names the program by its code and neither meters nor enrolment; what a credential does
    not state cannot be held against it, what it states has to be right.
    """
    claims, signed = verdict.claims, verdict.credential
    if verdict.type not in (ENROLLMENT, DEG):
        return "OTHER_TYPE"
    if view.credential is None or _uuid(signed.get("id")) != _uuid(view.credential.credential_id):
        return "OTHER_CREDENTIAL"
    states_all = DEG not in _texts(signed.get("type"))
    if claims.get("programId", claims.get("programCode")) != application.program.program_id:
        return "OTHER_PROGRAM"
    if states_all or "enrollmentId" in claims:
        known = application.enrollment_id or view.enrollment_id
        if claims.get("enrollmentId") != view.enrollment_id or view.enrollment_id != known:
            return "OTHER_ENROLLMENT"
    if (states_all or "meters" in claims) and not _are_the_meters(claims, application, view):
        return "OTHER_METERS"
    if application.subject.did and claims.get("id") not in (None, application.subject.did):
        return "OTHER_PERSON"
    return ""


def _are_the_meters(claims: Mapping[str, Any], application: Application, view: EnrollmentView) -> bool:
    """The credential names the meters that the message does, and none that nobody asked for."""
    answers = application.answers
    enrolled = {line.meter_id for line in view.meters if line.status in ("ENROLLED", "")}
    asked = {*answers.get("meters", ()), *answers.get("adding", ())}
    meters = set(_texts(claims.get("meters")))
    return bool(meters) and meters == enrolled and (meters <= asked or not asked)


def _uuid(credential_id: Any) -> str:
    """The last part of an id: `…/credentials/<uuid>` and `urn:uuid:<uuid>` name the same credential."""
    return str(credential_id).rpartition("/")[2].rpartition(":")[2]


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
