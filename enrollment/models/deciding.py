from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.programs import choices
from enrollment.states import Decidable
from identity.encryption import EncryptedTextField
from identity.models import StaffMember


class ReviewLease(models.Model):
    """Who of staff has a case to decide before them: nobody else decides it until `until`, or until they leave it.

    `reference` is the document's id, the paper's or the order's key. `opened_at`: they have had its file.

    Source: screens C13. pii: none
    """

    kind = models.CharField(max_length=10, choices=choices(Decidable))
    reference = models.CharField(max_length=64)
    held_by = models.ForeignKey(StaffMember, on_delete=models.PROTECT, related_name="+")
    taken_at = models.DateTimeField()
    until = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "review_leases"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "reference"],
                name="one_person_has_a_case_before_them",
                violation_error_message=_("Somebody else has this case before them."),
            ),
            models.CheckConstraint(name="review_lease_ends_after_it_began", condition=Q(until__gt=F("taken_at"))),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference} until {self.until:%Y-%m-%d %H:%M}"


class ReviewNote(models.Model):
    """What one of staff wrote down about a case to decide, for colleagues; the applicant never reads it.

    Source: screens C13. pii: text
    """

    kind = models.CharField(max_length=10, choices=choices(Decidable))
    reference = models.CharField(max_length=64)
    by = models.ForeignKey(StaffMember, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = EncryptedTextField()

    class Meta:
        db_table = "review_notes"
        indexes = [
            models.Index(fields=["kind", "reference", "at"], name="review_notes_of_a_case"),
            models.Index(fields=["at"], name="review_notes_by_age"),
        ]

    def __str__(self) -> str:
        return f"note on {self.kind} {self.reference}"
