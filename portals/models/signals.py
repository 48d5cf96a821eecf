"""What looks odd about a case, for somebody to look at; and what its customer is told when its agency has to stop."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identity.models import Membership
from portals.models.cases import AssistedCase


class CaseSignal(models.Model):
    """Something about a case that a second person should look at. It says nothing of anybody's guilt, and stops nobody.

    `about` are the figures it was seen by: seconds, days, counts. `decision` is what a person made of it.

    pii: none
    """

    class Kind(models.TextChoices):
        CONTACT_CHANGED = "CONTACT_CHANGED", _("The customer’s registered contact is new")
        SAME_DEVICE = "SAME_DEVICE", _("One device has proved many customers")
        FAST_CODE = "FAST_CODE", _("The code was typed at once")
        AT_NIGHT = "AT_NIGHT", _("Many cases in one night")

    class Decision(models.TextChoices):
        HARMLESS = "HARMLESS", _("Nothing is wrong")
        WRONG = "WRONG", _("Something is wrong")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(AssistedCase, on_delete=models.CASCADE, related_name="signals")
    kind = models.CharField(max_length=16, choices=Kind)
    about = models.JSONField(default=dict)
    found_at = models.DateTimeField()
    seen_by = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    seen_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=8, choices=Decision, blank=True, default="")

    class Meta:
        db_table = "agency_case_signals"
        ordering = ("-found_at", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("case", "kind"), name="a_signal_is_raised_once_per_case"),
            models.CheckConstraint(
                name="a_decided_signal_names_who_saw_it",
                condition=Q(decision="", seen_by=None, seen_at=None)
                | (~Q(decision="") & Q(seen_by__isnull=False) & Q(seen_at__isnull=False)),
                violation_error_message=_("A decision needs the person who made it."),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=("-found_at",), name="signals_open", condition=Q(decision=""))]

    def __str__(self) -> str:
        return f"{self.kind} {self.case_id}"


class SignalLook(models.Model):
    """That a case's proof was looked at for signals, so that it is looked at once.

    pii: none
    """

    case = models.OneToOneField(AssistedCase, on_delete=models.CASCADE, related_name="look", primary_key=True)
    proved_at = models.DateTimeField(help_text="the proof that was looked at; a newer one is looked at again")
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "agency_signal_looks"

    def __str__(self) -> str:
        return f"{self.case_id}"


class DeviceProof(models.Model):
    """That a case's customer proved themselves in a browser: by a sign-in there, or by a code typed there.

    Of the browser only a keyed digest is kept (`portals.agency.devices`).

    pii: none
    """

    case = models.ForeignKey(AssistedCase, on_delete=models.CASCADE, related_name="device_proofs")
    device_digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        db_table = "agency_device_proofs"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("device_digest", "case"), name="a_device_proves_a_case_once"),
        ]
        indexes: ClassVar = [models.Index(fields=("device_digest", "at"), name="device_proofs_of_a_device")]

    def __str__(self) -> str:
        return f"{self.case_id}"


class CaseLetter(models.Model):
    """That a customer is to be told that their agency cannot help further; the words are made when it goes out.

    It goes through the utility, to the contact that is registered there (identity.contacts).

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.OneToOneField(AssistedCase, on_delete=models.CASCADE, related_name="letter")
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "agency_case_letters"
        constraints: ClassVar = [
            models.CheckConstraint(name="case_letter_has_one_end", condition=Q(sent_at=None) | Q(given_up_at=None)),
        ]
        indexes: ClassVar = [
            models.Index(fields=("due_at",), name="case_letters_due", condition=Q(sent_at=None, given_up_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}"
