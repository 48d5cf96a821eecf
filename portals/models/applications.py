"""What a portal keeps: a copy of the catalogue, each customer's journeys, and the credentials it holds for them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedJSONField, EncryptedTextField
from identity.models import Subject, User


class CatalogProgram(models.Model):
    """A program as a provider's `on_search` described it, copied so that people can browse before they sign in.

    `item` is the catalogue's item as it came (wire spec 7). A program that is missing from the newest answer of its
    provider is `gone_at` then: it is shown to nobody any more, but journeys that began with it go on.

    pii: none
    """

    bpp = models.ForeignKey("beckn.Participant", on_delete=models.PROTECT, related_name="+")
    provider_id = models.CharField(max_length=255)
    program_id = models.CharField(max_length=255)
    slug = models.SlugField(max_length=120, unique=True, help_text="its name in our addresses; never changes")
    item = models.JSONField()
    fetched_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_programs"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("bpp", "provider_id", "program_id"), name="a_program_is_copied_once"),
        ]

    def __str__(self) -> str:
        return self.slug


class Application(models.Model):
    """One customer's journey to one program: a draft row that outlives browsers, sessions and devices.

    `answers` is what the customer has said so far (see `portals.journey`), `told` the provider's newest answer for
    each action, `{"on_init": {"message": …, "error": …}}`. `version` goes up with every change, and every form
    carries the one it was made from: of two tabs the later does not undo the earlier. What we wait for is
    `asked_action`, by the message id of our request. With an agency (`agency_id`) it is an assisted one: each message
    names agency, operator and mandate, and no sign-in of the customer's (decision 48).

    pii: answers, told
    """

    class State(models.TextChoices):
        DRAFT = "DRAFT", _("Draft")
        CONFIRMING = "CONFIRMING", _("Confirming")
        ENROLLED = "ENROLLED", _("Enrolled")
        REFUSED = "REFUSED", _("Refused")
        ENDED = "ENDED", _("Ended")
        DROPPED = "DROPPED", _("Dropped")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    portal = models.CharField(max_length=255, help_text="the subscriber id that sends")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="applications")
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    program = models.ForeignKey(CatalogProgram, on_delete=models.PROTECT, related_name="applications")
    utility_id = models.CharField(max_length=128)
    transaction_id = models.CharField(max_length=255)
    order_id = models.CharField(max_length=200, unique=True)
    agency_id = models.CharField(max_length=128, blank=True, default="", help_text="who assists; empty: nobody")
    operator_id = models.CharField(max_length=128, blank=True, default="")
    mandate_id = models.CharField(max_length=128, blank=True, default="")
    batch_id = models.CharField(max_length=64, blank=True, default="", help_text="orders made from one basket")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    version = models.PositiveIntegerField(default=0)
    answers = EncryptedJSONField()
    told = EncryptedJSONField()
    order_number = models.CharField(max_length=64, blank=True, default="")
    enrollment_id = models.CharField(max_length=255, blank=True, default="")
    asked_action = models.CharField(max_length=32, blank=True, default="")
    asked_message_id = models.CharField(max_length=255, blank=True, default="")
    asked_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(
        max_length=64, blank=True, default="", help_text="a code of portals.callbacks, or the refusal's"
    )
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_applications"
        ordering = ("-started_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="what_is_asked_has_its_moment",
                condition=Q(asked_action="", asked_at=None) | (~Q(asked_action="") & Q(asked_at__isnull=False)),
                violation_error_message=_("A question that is open needs the moment it was asked."),
            ),
            models.CheckConstraint(
                name="an_assisted_application_names_operator_and_mandate",
                condition=Q(agency_id="", operator_id="", mandate_id="")
                | (~Q(agency_id="") & ~Q(operator_id="") & ~Q(mandate_id="")),
                violation_error_message=_("Who assists names agency, operator and mandate."),
            ),
            models.CheckConstraint(
                name="an_enrolled_application_names_its_enrolment",
                condition=~Q(state="ENROLLED") | ~Q(enrollment_id=""),
                violation_error_message=_("An enrolled application needs the enrolment's id."),
            ),
        ]
        indexes: ClassVar = [
            models.Index("subject", "started_at", name="applications_of_a_person"),
            models.Index("transaction_id", name="applications_by_transaction"),
            models.Index("asked_at", name="applications_that_wait", condition=Q(asked_at__isnull=False)),
            # How many drafts a program strands that closes.
            models.Index("program", name="drafts_of_a_program", condition=Q(state="DRAFT")),
            # Looked for every few seconds by each worker; hardly ever one is there.
            models.Index("id", name="applications_in_doubt", condition=Q(trouble="UNCHECKED")),
        ]

    def __str__(self) -> str:
        return str(self.id)


class HeldCredential(models.Model):
    """A credential the portal holds for its customer, verified before it was kept (issue 5 point 11).

    `data` are the signed bytes, `access_url` the link that opens its page, `offer_url` what a wallet takes: all three
    open the credential to whoever has them. `replaced_at`: the provider has issued another in its place.

    pii: data
    """

    class Kind(models.TextChoices):
        ENROLLMENT = "ENROLLMENT", _("enrolment")
        CONSENT = "CONSENT", _("consent")

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="credentials")
    kind = models.CharField(max_length=10, choices=Kind)
    consent_type = models.CharField(max_length=64, blank=True, default="")
    credential_id = models.CharField(max_length=500, unique=True)
    data = EncryptedTextField()
    access_url = EncryptedTextField(blank=True, default="")
    offer_url = EncryptedTextField(blank=True, default="")
    verification_url = models.CharField(max_length=1000, blank=True, default="")
    issued_at = models.DateTimeField()
    verified_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_credentials"
        ordering = ("issued_at", "pk")

    def __str__(self) -> str:
        return self.credential_id


class ConsentReceipt(models.Model):
    """What a customer was shown and answered about one consent, kept as it was at that moment (ISO/IEC TS 27560).

    `record` has the names of that document; `text_digest` is the digest of the very text that was on the screen.

    pii: record
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="receipts")
    consent_type = models.CharField(max_length=64)
    is_granted = models.BooleanField()
    text_version = models.CharField(max_length=64)
    text_digest = models.CharField(max_length=100)
    locale = models.CharField(max_length=35)
    record = EncryptedJSONField()
    answered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_consent_receipts"
        ordering = ("answered_at", "pk")

    def __str__(self) -> str:
        return f"{self.consent_type} {self.answered_at:%Y-%m-%d}"


class HelpCode(models.Model):
    """Fifteen minutes in which somebody who helps may take over a draft; only the code's digest is kept.

    `taken_by` is who entered it; the customer ends it (`ended_at`) whenever they like.

    pii: none
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="help_codes")
    code_digest = models.CharField(max_length=64, unique=True, help_text="HMAC-SHA-256 (hex) of the code")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    taken_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "portal_help_codes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("application",), condition=Q(ended_at=None), name="one_living_help_code_per_application"
            ),
        ]

    def __str__(self) -> str:
        return f"help with {self.application_id}"


class MatrixAnswer(models.Model):
    """What a program owner last answered about all meters of a person at one utility, for one program.

    The cells of the meter × program matrix, kept with their time so that the page asks nobody (persona 2). `cells` is
    `eligibility[]` of the wire as it came; `asked_at` is set while an answer is awaited.

    pii: cells
    """

    portal = models.CharField(max_length=255, help_text="the subscriber id that asks")
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    program = models.ForeignKey(CatalogProgram, on_delete=models.PROTECT, related_name="+")
    utility_id = models.CharField(max_length=128, help_text="whose customer asks")
    order_id = models.CharField(max_length=200, unique=True)
    transaction_id = models.CharField(max_length=255)
    asked_message_id = models.CharField(max_length=255, blank=True, default="")
    asked_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    refusal_code = models.CharField(max_length=64, blank=True, default="")
    cells = EncryptedJSONField()
    unavailable = models.JSONField(default=list, help_text="utilities that did not answer")

    class Meta:
        db_table = "portal_matrix_answers"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("portal", "subject", "program", "utility_id"), name="one_answer_per_person_program_and_utility"
            ),
        ]
        indexes: ClassVar = [models.Index("asked_message_id", name="matrix_answers_by_question")]

    def __str__(self) -> str:
        return self.order_id


class BasketItem(models.Model):
    """A cell of the matrix that a person has put into their basket: this meter into that program.

    pii: none
    """

    portal = models.CharField(max_length=255)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    program = models.ForeignKey(CatalogProgram, on_delete=models.PROTECT, related_name="+")
    utility_id = models.CharField(max_length=128)
    umid = models.CharField(max_length=200)
    added_at = models.DateTimeField()

    class Meta:
        db_table = "portal_basket_items"
        ordering = ("added_at", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("portal", "subject", "program", "umid"), name="a_cell_is_in_the_basket_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.umid} into {self.program_id}"
