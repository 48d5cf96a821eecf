from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credentials.models import BulkAct
from enrollment.models.cases import EnrollmentCase
from enrollment.models.consents import Consent
from enrollment.models.enrollments import Enrollment
from identity.encryption import EncryptedTextField


class StaffAct(models.Model):
    """What somebody of the program owner's staff did to an order, or to many: the reason as a code, and their note.

    The journal has what happened; here stands what colleagues are to know about it, encrypted, and which credentials
    the act changed, whose lists are then looked at (`credentials.PublicCheck`, about `staff:<id>`). `by` is the actor
    as the journal names it. Acts on many name their `bulk_act` instead of an order.

    Source: issue of the console (3), screens C4. pii: note
    """

    class Kind(models.TextChoices):
        END = "END", _("ended")
        PLAN_END = "PLAN_END", _("end planned")
        STAY = "STAY", _("planned end taken back")
        SUSPEND = "SUSPEND", _("suspended")
        RESUME = "RESUME", _("resumed")
        REVOKE_CONSENT = "REVOKE_CONSENT", _("consent revoked")
        RELEASE = "RELEASE", _("stopped order released")
        ASK = "ASK", _("asked for an act on many")
        APPROVE = "APPROVE", _("approved an act on many")
        REFUSE = "REFUSE", _("refused an act on many")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    case = models.ForeignKey(EnrollmentCase, on_delete=models.RESTRICT, null=True, related_name="staff_acts")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, null=True, related_name="staff_acts")
    consent = models.ForeignKey(Consent, on_delete=models.RESTRICT, null=True, related_name="+", db_index=False)
    bulk_act = models.ForeignKey(BulkAct, on_delete=models.RESTRICT, null=True, related_name="staff_acts")
    reason = models.CharField(max_length=60)
    note = EncryptedTextField(blank=True, default="")
    by = models.CharField(max_length=255)
    at = models.DateTimeField()
    effective_at = models.DateTimeField(null=True)
    credentials = ArrayField(models.UUIDField(), default=list)
    log_reference = models.CharField(max_length=60, blank=True)

    class Meta:
        db_table = "staff_acts"
        constraints = [
            models.CheckConstraint(
                name="staff_act_is_about_an_order_or_about_many",
                condition=Q(case__isnull=False, bulk_act=None) | Q(case=None, enrollment=None, bulk_act__isnull=False),
            ),
            models.CheckConstraint(name="staff_act_has_its_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%dT%H:%M:%SZ}"
