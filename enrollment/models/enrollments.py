from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credentials.models import IssuedCredential
from enrollment.models.cases import EnrollmentCase
from enrollment.models.programs import ProgramVersion, choices
from enrollment.states import LIVE_ENROLLMENT_STATES, EnrollmentState
from identity.models import Subject
from utility_systems.models import Der, Meter


class EnrollmentQuerySet(models.QuerySet["Enrollment"]):
    def live(self) -> EnrollmentQuerySet:
        return self.filter(state__in=LIVE_ENROLLMENT_STATES)


class Enrollment(models.Model):
    """A person's place in a program, for some meters and DERs, over a half-open period (decision 49).

    `end_as_given` keeps the BAP's spelling of the end ("…T23:59:59Z") where it named the last second instead of the
    first instant after; answers and credential repeat it. `end_scheduled_for` is an end that lies in the future
    (decision 52). Open-ended periods have no upper bound.

    Source: onboarding guide 13, spec domain 1 and 2. pii: none
    """

    enrollment_id = models.CharField(max_length=60, unique=True)
    order_number = models.CharField(max_length=30, unique=True)
    case = models.OneToOneField(EnrollmentCase, on_delete=models.RESTRICT, related_name="enrollment")
    subject = models.ForeignKey(Subject, on_delete=models.RESTRICT, related_name="enrollments")
    program_version = models.ForeignKey(ProgramVersion, on_delete=models.RESTRICT, related_name="enrollments")
    state = models.CharField(max_length=10, choices=choices(EnrollmentState))
    period = DateTimeRangeField()
    end_as_given = models.CharField(max_length=40, blank=True)
    enrolled_at = models.DateTimeField()
    log_reference = models.CharField(max_length=60, blank=True)
    credential = models.OneToOneField(IssuedCredential, on_delete=models.RESTRICT, related_name="+")
    suspended_at = models.DateTimeField(null=True)
    suspension_reason = models.CharField(max_length=60, blank=True)
    repair_until = models.DateTimeField(null=True, help_text=_("A suspended enrolment that nobody repairs ends then."))
    end_scheduled_for = models.DateTimeField(null=True)
    end_keeps_outliving_consents = models.BooleanField(default=False)
    cancelled_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=60, blank=True)
    end_log_reference = models.CharField(max_length=60, blank=True)

    objects: ClassVar[models.Manager[Enrollment]] = EnrollmentQuerySet.as_manager()

    class Meta:
        db_table = "program_enrollments"
        constraints = [
            models.CheckConstraint(
                name="enrollment_ends_after_it_starts",
                condition=Q(period__isempty=False) & Q(period__lower_inf=False),
                violation_error_message=_("An enrolment ends after it starts."),
            ),
            models.CheckConstraint(
                name="cancelled_enrollment_has_its_moment",
                condition=Q(state="CANCELLED", cancelled_at__isnull=False)
                | (~Q(state="CANCELLED") & Q(cancelled_at=None)),
                violation_error_message=_("A cancelled enrolment needs the moment it was cancelled."),
            ),
            models.CheckConstraint(
                name="only_a_suspended_enrollment_waits_for_repair",
                condition=Q(repair_until=None) | Q(state="SUSPENDED"),
            ),
            models.CheckConstraint(
                name="suspended_enrollment_has_its_moment",
                condition=~Q(state="SUSPENDED") | Q(suspended_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["end_scheduled_for"], condition=Q(end_scheduled_for__isnull=False), name="ends_due"),
            models.Index(
                fields=["repair_until"], condition=Q(repair_until__isnull=False), name="enrollments_to_be_repaired"
            ),
            models.Index(fields=["state", "program_version"], name="enrollments_by_state"),
            # What staff looks through among a million: the newest applications first, whatever they are narrowed to.
            models.Index(fields=["state", "-case"], name="enrollments_newest_of_state"),
            models.Index(fields=["program_version", "-case"], name="enrollments_newest_of_version"),
            # Together: the suspended ones of a program may all be old, and each index alone would be walked to its end.
            models.Index(fields=["program_version", "state", "-case"], name="enrollments_newest_of_both"),
            models.Index(fields=["enrolled_at"], name="enrollments_by_day"),
            models.Index(
                models.Func("period", function="lower"), condition=Q(state="SCHEDULED"), name="scheduled_starts"
            ),
            models.Index(
                models.Func("period", function="upper"),
                condition=Q(state__in=["ACTIVE", "SUSPENDED"]),
                name="live_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.order_number


class EnrollmentMeter(models.Model):
    """One meter of an enrolment. pii: none"""

    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, related_name="meters")
    meter = models.ForeignKey(Meter, on_delete=models.RESTRICT, related_name="enrollments")
    umid = models.CharField(max_length=200)

    class Meta:
        db_table = "enrollment_meters"
        constraints = [models.UniqueConstraint(fields=["enrollment", "meter"], name="a_meter_once_per_enrollment")]

    def __str__(self) -> str:
        return self.umid


class EnrollmentDer(models.Model):
    """One DER of an enrolment. pii: none"""

    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, related_name="ders")
    der = models.ForeignKey(Der, on_delete=models.RESTRICT, related_name="enrollments")
    der_ref = models.CharField(max_length=200)

    class Meta:
        db_table = "enrollment_ders"
        constraints = [models.UniqueConstraint(fields=["enrollment", "der"], name="a_der_once_per_enrollment")]

    def __str__(self) -> str:
        return self.der_ref
