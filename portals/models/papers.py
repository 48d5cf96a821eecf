"""Mandates on paper: the scan that an agent uploads, and the second person who looks at it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedTextField
from identity.models import Mandate, Membership
from portals.models.cases import AssistedCase


class MandatePaper(models.Model):
    """A signed mandate as it was uploaded for a case, from then to the decision of another person (four eyes).

    The bytes lie encrypted in the document store under `storage_key`; here stand their digest and size as they came
    and the digest of what is kept. `by_owner`: the program has them reviewed by its owner's staff, not by the agency.
    `opened_by` names who has had the file (`operator:<id>`, `staff:<name>`): nobody approves what they have not seen.
    `reason` is a code, `note` what the uploader reads. `told_at`: the customer was written to.

    Source: issue 6 points 3 and 6, personas EA-5. pii: note
    """

    class State(models.TextChoices):
        WAITING = "WAITING", _("Waits for its review")
        APPROVED = "APPROVED", _("Approved")
        AGAIN = "AGAIN", _("Another one is asked for")
        REFUSED = "REFUSED", _("Refused")
        TAKEN_BACK = "TAKEN_BACK", _("Taken back by the customer")

    class Reason(models.TextChoices):
        UNREADABLE = "UNREADABLE", _("It cannot be read")
        NOT_SIGNED = "NOT_SIGNED", _("It is not signed")
        OTHER_PERSON = "OTHER_PERSON", _("The name is not that of the account’s holder")
        OTHER_TEXT = "OTHER_TEXT", _("It is not the text of this case, or the text was changed")
        TOO_OLD = "TOO_OLD", _("The date is missing, or too long ago")
        NOT_GENUINE = "NOT_GENUINE", _("The signature does not look genuine")
        OTHER = "OTHER", _("Something else")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(AssistedCase, on_delete=models.PROTECT, related_name="papers")
    mandate = models.OneToOneField(Mandate, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    by_owner = models.BooleanField(default=False)
    uploaded_by = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    sha256 = models.CharField(max_length=64)
    kept_sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    media_type = models.CharField(max_length=100)
    caution = models.CharField(max_length=20, blank=True, default="", help_text=_("ENCRYPTED, NOT_LOOKED_INTO"))
    scan = models.CharField(max_length=20, help_text=_("CLEAN, NONE_CONFIGURED where nobody looked, or INFECTED."))
    storage_key = models.CharField(max_length=100, blank=True)
    opened_by = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    reviewed_by = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reviewed_by_staff = models.CharField(max_length=255, blank=True, default="")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=16, choices=Reason, blank=True, default="")
    note = EncryptedTextField(blank=True, default="")
    told_at = models.DateTimeField(null=True, blank=True)
    retention_until = models.DateTimeField()

    class Meta:
        db_table = "mandate_papers"
        ordering = ("uploaded_at", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("case",), condition=Q(state="WAITING"), name="one_waiting_paper_per_case"),
            models.CheckConstraint(
                name="nobody_reviews_the_paper_they_uploaded",
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("uploaded_by")),
                violation_error_message=_("Who uploaded a paper cannot review it."),
            ),
            models.CheckConstraint(
                name="a_decided_paper_has_moment_and_reviewer",
                condition=Q(state="WAITING", reviewed_at=None, reviewed_by=None, reviewed_by_staff="")
                | Q(state="TAKEN_BACK", reviewed_at__isnull=False, reviewed_by=None, reviewed_by_staff="")
                | (
                    Q(state__in=["APPROVED", "AGAIN", "REFUSED"], reviewed_at__isnull=False)
                    & (
                        Q(reviewed_by__isnull=False, reviewed_by_staff="")
                        | (Q(reviewed_by=None) & ~Q(reviewed_by_staff=""))
                    )
                ),
                violation_error_message=_("A decision about a paper needs the person who made it."),
            ),
            models.CheckConstraint(
                name="the_owners_papers_are_the_owners_to_review",
                condition=Q(by_owner=False, reviewed_by_staff="") | Q(by_owner=True, reviewed_by=None),
                violation_error_message=_("The program says who reviews its mandates on paper."),
            ),
            models.CheckConstraint(
                name="a_paper_that_does_not_do_has_its_reason",
                condition=~Q(state__in=["AGAIN", "REFUSED"]) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="an_infected_paper_is_not_approved", condition=~Q(state="APPROVED", scan="INFECTED")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=("uploaded_at",), condition=Q(state="WAITING"), name="papers_to_review"),
            models.Index(fields=("retention_until",), condition=~Q(storage_key=""), name="papers_by_retention"),
            models.Index(
                fields=("reviewed_at",), condition=Q(state="APPROVED", told_at=None), name="papers_to_tell_of"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class MandateLink(models.Model):
    """A way for the customer to take one mandate back without signing in: an address from a message of ours.

    Only the digest of its token is kept.

    pii: none
    """

    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="+")
    token_digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "mandate_links"
        indexes: ClassVar = [models.Index(fields=("expires_at",), name="mandate_links_by_their_end")]

    def __str__(self) -> str:
        return f"link of {self.mandate_id}"
