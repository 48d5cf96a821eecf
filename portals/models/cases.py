"""What an enrolment agency's portal keeps: its cases, the moments a customer has its device, and its evidence."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedJSONField
from identity.models import Agency, Mandate, Membership, Subject
from portals.models.applications import Application, CatalogProgram


class AssistedCase(models.Model):
    """One customer whom an agency helps into one program (screens A2-A12).

    Who the customer is stands here only after their own proof (`subject`, `mandate`); before, `looked_up` holds what
    they told the agent: `{"account"|"mobile": …, "reason": code}`. `application` is the journey that begins then.
    `reference` is the agency's own. `source`: DESK, HANDED_OVER (a draft of the Utility Portal) or IMPORT.

    pii: looked_up
    """

    class State(models.TextChoices):
        FINDING = "FINDING", _("Customer to be found")
        READING = "READING", _("To be read out")
        PROVING = "PROVING", _("Waits for the customer's agreement")
        REVIEW = "REVIEW", _("Paper mandate in review")
        OPEN = "OPEN", _("In progress")
        CLOSED = "CLOSED", _("Closed")

    class Source(models.TextChoices):
        DESK = "DESK", _("desk")
        HANDED_OVER = "HANDED_OVER", _("handed over by the customer")
        IMPORT = "IMPORT", _("import")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="cases")
    reference = models.CharField(max_length=64, help_text="the agency's own; ours where it gives none")
    opened_by = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+")
    operator = models.ForeignKey(
        Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="cases", help_text="empty: nobody's"
    )
    program = models.ForeignKey(CatalogProgram, on_delete=models.PROTECT, related_name="+")
    utility_id = models.CharField(max_length=128)
    source = models.CharField(max_length=12, choices=Source, default=Source.DESK)
    state = models.CharField(max_length=10, choices=State, default=State.FINDING)
    outcome = models.CharField(max_length=24, blank=True, default="", help_text="ENROLLED, REFUSED, NOT_ME, LEFT, …")
    version = models.PositiveIntegerField(default=0)
    locale = models.CharField(max_length=35, blank=True, default="", help_text="the customer's language")
    looked_up = EncryptedJSONField()
    read_at = models.DateTimeField(null=True, blank=True, help_text="when the five sentences were read out")
    subject = models.ForeignKey(Subject, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    mandate = models.ForeignKey(Mandate, null=True, blank=True, on_delete=models.PROTECT, related_name="cases")
    proved_at = models.DateTimeField(null=True, blank=True)
    application = models.OneToOneField(
        Application, null=True, blank=True, on_delete=models.PROTECT, related_name="assisted_case"
    )
    handed_over = models.ForeignKey(
        Application, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="the draft it goes on"
    )
    declared_at = models.DateTimeField(null=True, blank=True, help_text="when the agent declared (A8)")
    not_me_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "agency_cases"
        ordering = ("-opened_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("agency", "reference"), name="one_case_per_reference_of_an_agency"),
            models.CheckConstraint(
                name="no_assisted_journey_without_the_customers_proof",
                condition=Q(application=None)
                | (Q(subject__isnull=False) & Q(mandate__isnull=False) & Q(proved_at__isnull=False)),
                violation_error_message=_("The customer's own proof comes before anything is done for them."),
            ),
            models.CheckConstraint(
                name="an_open_case_has_its_proof",
                condition=~Q(state="OPEN") | (Q(application__isnull=False) & Q(mandate__isnull=False)),
                violation_error_message=_("A case in progress needs the customer's proof."),
            ),
            models.CheckConstraint(
                name="a_closed_case_has_its_moment",
                condition=Q(state="CLOSED", closed_at__isnull=False) | (~Q(state="CLOSED") & Q(closed_at=None)),
                violation_error_message=_("A closed case needs the moment it was closed."),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=("agency", "operator", "state", "-updated_at"), name="cases_of_a_desk"),
            models.Index(fields=("agency", "-opened_at"), name="cases_of_an_agency"),
            # Looked for every few seconds by each worker: the journeys under way, whatever was imported beside them.
            models.Index(
                fields=("application",),
                name="cases_under_way",
                condition=Q(closed_at=None, application__isnull=False),
            ),
            models.Index(fields=("proved_at",), name="cases_by_proof", condition=Q(proved_at__isnull=False)),
            models.Index(fields=("not_me_at",), name="cases_not_me", condition=Q(not_me_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.reference


class Handover(models.Model):
    """The moment the customer has the device, or a link of ours on their own: what they are asked, and the end of it.

    The agent's session is over while it lasts. `way`: DEVICE (the browser that opened it, by `session_digest`) or
    LINK (whoever has the link's token and proves to be the customer). `asks`: MANDATE, CONSENTS, LEAVE, WITHDRAW.

    pii: none
    """

    class Way(models.TextChoices):
        DEVICE = "DEVICE", _("on this device")
        LINK = "LINK", _("by a link to the customer")

    class Asks(models.TextChoices):
        MANDATE = "MANDATE", _("may the agency help")
        CONSENTS = "CONSENTS", _("what the customer agrees to")
        LEAVE = "LEAVE", _("leaving a program")
        WITHDRAW = "WITHDRAW", _("taking a consent back")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(AssistedCase, on_delete=models.PROTECT, related_name="handovers")
    operator = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+")
    way = models.CharField(max_length=8, choices=Way)
    asks = models.CharField(max_length=10, choices=Asks)
    about = models.CharField(max_length=255, blank=True, default="", help_text="the consent's key, for WITHDRAW")
    token_digest = models.CharField(max_length=64, blank=True, default="", help_text="HMAC (hex) of a link's token")
    session_digest = models.CharField(max_length=64, blank=True, default="", help_text="the browser it was opened in")
    device_digest = models.CharField(max_length=64, blank=True, default="", help_text="the agent's device")
    opened_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    proved_at = models.DateTimeField(null=True, blank=True)
    proof_kind = models.CharField(max_length=16, blank=True, default="", help_text="OIDC or CODE")
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=10, blank=True, default="", help_text="YES, NO or OTHER_PERSON")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "agency_handovers"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("case",), condition=Q(ended_at=None), name="one_living_handover_per_case"),
            models.UniqueConstraint(
                fields=("token_digest",), condition=~Q(token_digest=""), name="a_link_is_one_handovers"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asks} of {self.case_id}"
