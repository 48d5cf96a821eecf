"""The places of a capped program: a guarded counter row, so that a cap is never passed (decision 45)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db.models import F

from enrollment.codes import Code, Refusal
from enrollment.models import CapCounter, Enrollment, EnrollmentMeter, ProgramVersion


def are_left(version: ProgramVersion, count: int) -> bool:
    """Are there so many places now? Holds nothing: whoever confirms first has them."""
    if version.max_meters is None:
        return True
    used = CapCounter.objects.filter(program_id=version.program_id).values_list("used", flat=True).first()
    return (used or 0) + count <= version.max_meters


def take(version: ProgramVersion, count: int) -> bool:
    """Count the meters against the program's cap; False when it would be passed. Caller's transaction."""
    if version.max_meters is None:
        return True
    CapCounter.objects.get_or_create(program_id=version.program_id)
    return (
        CapCounter.objects.filter(program_id=version.program_id, used__lte=version.max_meters - count).update(
            used=F("used") + count
        )
        == 1
    )


def give_back(enrollment: Enrollment) -> None:
    """Let another take the places of an enrolment that is over. Caller's transaction."""
    if enrollment.program_version.max_meters is not None:
        give_back_some(enrollment.program_version, enrollment.meters.count())


def give_back_some(version: ProgramVersion, count: int) -> None:
    """Let another take the places of meters that left an enrolment. Caller's transaction."""
    if version.max_meters is not None and count:
        CapCounter.objects.filter(program_id=version.program_id, used__gte=count).update(used=F("used") - count)


def give_back_all(enrollments: Iterable[Enrollment]) -> None:
    """The same for many at once; their versions' rows are loaded. Caller's transaction."""
    capped = {e.pk: e.program_version.program_id for e in enrollments if e.program_version.max_meters is not None}
    meters = EnrollmentMeter.objects.filter(enrollment__in=capped).values_list("enrollment_id", flat=True)
    counts = Counter(capped[pk] for pk in meters)
    for program_pk, count in sorted(counts.items()):  # in one order for everybody
        CapCounter.objects.filter(program_id=program_pk, used__gte=count).update(used=F("used") - count)


def none_left() -> Refusal:
    return Refusal(
        Code.CAPACITY_FULL, "The program has no free place now.", field="program", details={"waitlist": False}
    )
