"""What keeps a suspended enrolment from going on, whoever asks for it: reads only.

A customer's "this was not me", a consent that the program needs and that was withdrawn, a device's certificate that
does not hold. Each is ended by who it belongs to, and then the enrolment goes on by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum

from enrollment.consents import key_of
from enrollment.models import Consent, Enrollment, EnrollmentCase, ReliedCertificate
from enrollment.states import ConsentState, OnConsentRevoked


class Obstacle(StrEnum):
    NOT_ME = "NOT_ME"
    CONSENT = "CONSENT"
    CERTIFICATE = "CERTIFICATE"


def of(enrollment: Enrollment) -> Obstacle | None:
    """The first thing in this enrolment's way, None where it may go on."""
    return of_many([enrollment]).get(enrollment.pk)


def of_many(enrollments: Sequence[Enrollment]) -> Mapping[int, Obstacle]:
    """What is in the way, by the enrolment's key; those in whose way nothing is are left out. Three queries."""
    pks = [e.pk for e in enrollments]
    stopped = EnrollmentCase.objects.filter(pk__in=[e.case_id for e in enrollments], frozen_at__isnull=False)
    frozen = set(stopped.values_list("pk", flat=True))
    failing = ReliedCertificate.objects.filter(enrollment__in=pks, replaced_at=None).exclude(failed_reason="")
    failed = set(failing.values_list("enrollment_id", flat=True))
    granted: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    for consent in Consent.objects.filter(enrollment__in=pks, state=ConsentState.GRANTED):
        granted[consent.enrollment_id].add(consent.key)
    found: dict[int, Obstacle] = {}
    for each in enrollments:
        if each.case_id in frozen:
            found[each.pk] = Obstacle.NOT_ME
        elif _required(each) - granted[each.pk]:
            found[each.pk] = Obstacle.CONSENT
        elif each.pk in failed:
            found[each.pk] = Obstacle.CERTIFICATE
    return found


def _required(enrollment: Enrollment) -> set[tuple[str, str, str]]:
    """The consents without which it does not run: none where the program goes on without them (decision 8)."""
    if enrollment.program_version.on_required_consent_revoked == OnConsentRevoked.KEEP:
        return set()
    asked = enrollment.program_version.required_consents
    return {key_of(each) for each in asked if each.get("required", True)}
