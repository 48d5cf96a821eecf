from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.enrollments import Enrollment


class UtilityNotice(models.Model):
    """Something a utility has to be told: of an enrolment (to its billing), or to pass on to its customer.

    Written in the transaction of what it tells of and sent afterwards, again and again until the utility acknowledges;
    those of one enrolment and utility leave in the order they were written. `parameters` holds ids and dates only.
    BILLING: `event` is STARTED, CHANGED, SUSPENDED, RESUMED or ENDED; PERSON: the notice's template.

    Source: onboarding guide 8, issue 4 (7), decision 57. pii: none
    """

    notice_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, related_name="utility_notices")
    utility_id = models.CharField(max_length=128)
    kind = models.CharField(max_length=10, choices=[("BILLING", "BILLING"), ("PERSON", "PERSON")])
    event = models.CharField(max_length=60)
    effective_at = models.DateTimeField()
    meters = ArrayField(models.CharField(max_length=200), default=list)
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=[(s, s) for s in ("WAITING", "ACKNOWLEDGED", "STUCK")])
    created_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_problem = models.CharField(max_length=200, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledgement = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "utility_notices"
        constraints = [
            models.CheckConstraint(
                name="acknowledged_notice_has_its_moment",
                condition=Q(state="ACKNOWLEDGED", acknowledged_at__isnull=False)
                | (~Q(state="ACKNOWLEDGED") & Q(acknowledged_at=None)),
                violation_error_message=_("An acknowledged notice needs the moment of its acknowledgement."),
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="WAITING"), name="utility_notices_due"),
            models.Index(fields=["created_at"], condition=Q(state="STUCK"), name="utility_notices_stuck"),
            models.Index(fields=["enrollment", "utility_id"], name="utility_notices_of_one"),
        ]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.event} {self.state}"


class UtilityFeed(models.Model):
    """How far we have read a utility's feed of changes, when we last asked, and when it last answered. pii: none"""

    utility_id = models.CharField(max_length=128, unique=True)
    cursor = models.CharField(max_length=200, blank=True)
    polled_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    last_problem = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "utility_feeds"

    def __str__(self) -> str:
        return f"{self.utility_id} {self.cursor}"


class UtilityChange(models.Model):
    """One change that a utility told us, once, whichever way and however often it came.

    `outcome` says in a word what followed (ENDED, SUSPENDED, RESUMED, RECHECKED, NOTHING). pii: none
    """

    utility_id = models.CharField(max_length=128)
    change_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)
    umid = models.CharField(max_length=200, blank=True)
    der_id = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    details = models.JSONField(default=dict)
    came_by = models.CharField(max_length=10, choices=[("POLL", "POLL"), ("WEBHOOK", "WEBHOOK")])
    received_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    handled_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    enrollments = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "utility_changes"
        constraints = [
            models.UniqueConstraint(fields=["utility_id", "change_id"], name="a_utility_s_change_counts_once"),
            models.CheckConstraint(
                name="handled_change_has_its_outcome",
                condition=Q(handled_at=None, outcome="", next_attempt_at__isnull=False)
                | (Q(handled_at__isnull=False, next_attempt_at=None) & ~Q(outcome="")),
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(handled_at=None), name="utility_changes_due"),
        ]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.kind} {self.change_id}"
