from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from enrollment.models.cases import EnrollmentCase
from enrollment.models.enrollments import Enrollment
from enrollment.models.programs import Program, choices
from enrollment.states import ClaimState
from identity.models import Subject


def _as_range(column: str) -> Func:
    return Func(F(column), F(column), Value("[]"), function="int8range")


class Claim(models.Model):
    """A resource held or claimed by a case for a period: what makes two enrolments exclude each other.

    `resource` and `conflict_group` are the integer keys of enrollment.conflicts.resource_key; `reference` says in words
    what `resource` is (a UMID or DER id). The exclusion constraint uses core range types only: an embedded
    PostgreSQL carries no btree_gist.

    Source: spec conflicts, concurrency; decision 45. pii: none
    """

    resource = models.BigIntegerField()
    conflict_group = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=[("METER", "METER"), ("DER", "DER")])
    reference = models.CharField(max_length=200)
    group_name = models.CharField(max_length=40)
    direction = models.CharField(max_length=10, default="BOTH")
    period = DateTimeRangeField()
    state = models.CharField(max_length=10, choices=choices(ClaimState))
    hold_expires_at = models.DateTimeField(null=True)
    case = models.ForeignKey(EnrollmentCase, on_delete=models.RESTRICT, related_name="claims", db_index=False)
    enrollment = models.ForeignKey(
        Enrollment, on_delete=models.RESTRICT, null=True, related_name="claims", db_index=False
    )
    subject = models.ForeignKey(Subject, on_delete=models.RESTRICT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, on_delete=models.RESTRICT, related_name="+", db_index=False)

    class Meta:
        db_table = "claims"
        constraints = [
            ExclusionConstraint(
                name="a_resource_is_claimed_once_per_group_and_time",
                expressions=[
                    (_as_range("resource"), RangeOperators.OVERLAPS),
                    (_as_range("conflict_group"), RangeOperators.OVERLAPS),
                    ("period", RangeOperators.OVERLAPS),
                ],
                condition=Q(state__in=["HELD", "CLAIMED"]),
                violation_error_message=_("This meter or device is already taken for that time."),
            ),
            models.CheckConstraint(
                name="claim_period_is_not_empty",
                # An empty period overlaps nothing, so it would slip past the exclusion constraint.
                condition=Q(period__isempty=False) & Q(period__lower_inf=False),
            ),
            models.CheckConstraint(
                name="a_hold_expires_and_a_claim_has_its_enrollment",
                condition=Q(state="RELEASED")
                | Q(state="HELD", hold_expires_at__isnull=False, enrollment=None)
                | Q(state="CLAIMED", hold_expires_at=None, enrollment__isnull=False),
            ),
            models.CheckConstraint(
                name="claim_keys_stay_below_the_top",
                # int8range(x, x, '[]') overflows at 2^63 - 1.
                condition=Q(resource__lt=2**63 - 1, conflict_group__lt=2**63 - 1),
            ),
        ]
        indexes = [
            models.Index(
                fields=["resource"], condition=Q(state__in=["HELD", "CLAIMED"]), name="live_claims_by_resource"
            ),
            models.Index(
                # Two groups side by side, from the index alone: what a change of the rules would find among the living.
                fields=["conflict_group", "resource"],
                include=["period", "program", "case"],
                condition=Q(state="CLAIMED"),
                name="live_claims_by_group",
            ),
            models.Index(fields=["hold_expires_at"], condition=Q(state="HELD"), name="holds_by_expiry"),
            models.Index(fields=["case"], name="claims_by_case"),
            models.Index(fields=["enrollment"], condition=Q(enrollment__isnull=False), name="claims_by_enrollment"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference} {self.group_name} {self.state}"


class ConflictPair(models.Model):
    """Whether two conflict groups may meet on one resource; a missing pair means they may (rule R3). pii: none"""

    group_a = models.CharField(max_length=40)
    group_b = models.CharField(max_length=40)
    verdict = models.CharField(max_length=5, choices=[("DENY", "DENY"), ("ALLOW", "ALLOW")])

    class Meta:
        db_table = "conflict_pairs"
        constraints = [
            models.UniqueConstraint(fields=["group_a", "group_b"], name="a_pair_of_groups_once"),
            models.CheckConstraint(
                name="pair_of_groups_is_written_in_order",
                condition=Q(group_a__lt=F("group_b")),
                violation_error_message=_("Write the pair in alphabetical order; it holds both ways."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_a} × {self.group_b}: {self.verdict}"
