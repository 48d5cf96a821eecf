from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.enrollments import Enrollment
from identity.encryption import EncryptedTextField


class Recheck(models.Model):
    """An enrolment that somebody of the program owner's is to look at again: its agency was suspended soon after.

    The mark changes nothing of the enrolment. `done_by` is a member of staff's id. Source: issue 6 point 8, EA-7.

    pii: note
    """

    class Outcome(models.TextChoices):
        IN_ORDER = "IN_ORDER", _("in order")
        CUSTOMER_ASKED = "CUSTOMER_ASKED", _("the customer was asked and agrees")
        ENDED = "ENDED", _("not what the customer wanted: ended")

    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, related_name="rechecks")
    agency_id = models.CharField(max_length=200)
    queued_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.CharField(max_length=64, blank=True, default="")
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True, default="")
    note = EncryptedTextField(blank=True, default="")

    class Meta:
        db_table = "enrollment_rechecks"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"], name="one_open_recheck_per_enrollment", condition=Q(done_at=None)
            ),
            models.CheckConstraint(
                name="a_done_recheck_says_by_whom_and_what",
                condition=Q(done_at=None, done_by="", outcome="")
                | (Q(done_at__isnull=False) & ~Q(done_by="") & Q(outcome__in=["IN_ORDER", "CUSTOMER_ASKED", "ENDED"])),
                violation_error_message=_("Who has looked says what came of it."),
            ),
        ]
        indexes = [models.Index(fields=["queued_at"], condition=Q(done_at=None), name="rechecks_to_do")]

    def __str__(self) -> str:
        return f"{self.agency_id} {self.enrollment_id}"
