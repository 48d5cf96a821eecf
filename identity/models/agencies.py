"""Enrolment agencies, the people who work for them, and the customers' word that they may act."""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedTextField
from identity.models.letters import Letter, due
from identity.models.people import Subject, User


class Agency(models.Model):
    """An enrolment agency, certified for a time and bound to the participants that may send for it (decision 48).

    Empty `utilities` or `programs` mean any; empty `participants` mean that nobody may. The contact is the
    organisation's public one.

    pii: none
    """

    agency_id = models.CharField(max_length=128, unique=True)
    name = models.CharField(max_length=255)
    contact_email = models.CharField(max_length=255, blank=True, default="")
    contact_phone = models.CharField(max_length=64, blank=True, default="")
    contact_url = models.CharField(max_length=512, blank=True, default="")
    contact_hours = models.CharField(max_length=255, blank=True, default="")
    certified_from = models.DateTimeField()
    certified_until = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: until withdrawn.")
    suspended_at = models.DateTimeField(null=True, blank=True)
    utilities = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    programs = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    participants = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    portal_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="The subscriber id its portal here signs as.",
    )
    sign_in_issuer = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="The OIDC provider its people sign in at.",
    )
    minimum_acr = models.CharField(max_length=128, blank=True, default="", help_text="What their sign-in reaches.")
    certified_by = models.CharField(max_length=128, blank=True, default="", help_text="The utility that certifies it.")
    certificate_reference = models.CharField(max_length=200, blank=True, default="")
    certificate_digest = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 of the document")
    suspended_by = models.CharField(max_length=64, blank=True, default="", help_text="UTILITY, OWNER or THRESHOLD")
    suspension_reason = models.CharField(max_length=60, blank=True, default="", help_text="a code")
    daily_invitations = models.PositiveIntegerField(default=500, help_text="How many invitations may go out a day.")

    class Meta:
        db_table = "agencies"
        verbose_name_plural = "agencies"
        indexes = [GinIndex(fields=["participants"], name="agencies_participants")]
        constraints = [
            models.CheckConstraint(name="agency_id_is_not_empty", condition=~Q(agency_id="")),
            models.CheckConstraint(
                name="agency_certificate_ends_after_it_begins",
                condition=Q(certified_until=None) | Q(certified_until__gt=F("certified_from")),
                violation_error_message="A certificate ends after it begins.",
            ),
        ]

    def __str__(self) -> str:
        return self.agency_id

    @property
    def last_moment(self) -> datetime | None:
        """The last second of the certificate, for pages: its end is exclusive."""
        return self.certified_until - timedelta(seconds=1) if self.certified_until else None

    def is_certified(self, at: datetime) -> bool:
        """Say whether the certificate covers this instant; suspension is another question."""
        return self.certified_from <= at and (self.certified_until is None or at < self.certified_until)


class Membership(models.Model):
    """A person who works for an agency, known by the operator id it gave them.

    Invited first (`invitation_*`), theirs from the sign-in at the agency's provider on (`user`, `joined_at`).

    pii: name, email
    """

    class Role(models.TextChoices):
        AGENT = "AGENT", _("Agent")
        REVIEWER = "REVIEWER", _("Reviewer")
        MANAGER = "MANAGER", _("Manager")

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="memberships")
    operator_id = models.CharField(max_length=128)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.AGENT)
    name = EncryptedTextField(blank=True, default="", help_text="What customers and colleagues read.")
    email = EncryptedTextField(blank=True, default="", help_text="Where the invitation went.")
    certified_until = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: as the agency.")
    trained_on = models.DateField(null=True, blank=True)
    active = models.BooleanField(default=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspension_reason = models.CharField(max_length=60, blank=True, default="", help_text="a code")
    switched_off_at = models.DateTimeField(null=True, blank=True, help_text="When a manager, or the list, ended it.")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="memberships")
    invitation_digest = models.CharField(max_length=64, blank=True, default="", help_text="HMAC of the link's token")
    invited_at = models.DateTimeField(null=True, blank=True)
    invitation_ends_at = models.DateTimeField(null=True, blank=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "agency_memberships"
        constraints = [
            models.UniqueConstraint(fields=["agency", "operator_id"], name="one_membership_per_operator"),
            models.UniqueConstraint(
                fields=["agency", "user"], name="one_membership_per_user_and_agency", condition=Q(user__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["invitation_digest"], name="an_invitation_is_one_persons", condition=~Q(invitation_digest="")
            ),
            models.CheckConstraint(
                name="membership_role_is_known", condition=Q(role__in=["AGENT", "REVIEWER", "MANAGER"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator_id}"

    @property
    def last_moment(self) -> datetime | None:
        """The last second of the operator's own certificate, for pages."""
        return self.certified_until - timedelta(seconds=1) if self.certified_until else None

    def is_certified(self, at: datetime) -> bool:
        """Say whether this operator may act at this instant."""
        is_in_time = self.certified_until is None or at < self.certified_until
        return self.active and self.suspended_at is None and is_in_time


class AgencyLetter(Letter):
    """Something an agency's people are written by e-mail: kept first, then sent, and its words wiped once it has gone.

    `about` says once and for all what it tells: no two rows tell the same.

    pii: to, text
    """

    class Kind(models.TextChoices):
        INVITATION = "INVITATION", _("Invitation")
        CERTIFICATE = "CERTIFICATE", _("A certificate ends")
        SUSPENDED = "SUSPENDED", _("A suspension")

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="letters")
    membership = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="letters")
    kind = models.CharField(max_length=16, choices=Kind.choices)

    class Meta:
        db_table = "agency_letters"
        indexes = [due("agency_letters_due")]
        constraints = [
            models.CheckConstraint(name="agency_letter_has_one_end", condition=Q(sent_at=None) | Q(given_up_at=None)),
        ]

    def __str__(self) -> str:
        return self.about


class Mandate(models.Model):
    """A subject's word that an agency may act for them: which acts, from when until when, and on what evidence.

    `actions` are actions of the wire (`init`, `confirm`, …). `text_*` is what the customer agreed to, word for word by
    its digest. Acts count only while it is ACTIVE: one on paper is PENDING until a second person has looked at it.

    pii: none
    """

    class Evidence(models.TextChoices):
        OIDC = "OIDC", _("their own sign-in")
        CODE = "CODE", _("a code to their registered contact")
        CREDENTIAL = "CREDENTIAL", _("a credential")
        DOCUMENT = "DOCUMENT", _("a signed paper")

    class State(models.TextChoices):
        PENDING = "PENDING", _("to be reviewed")
        ACTIVE = "ACTIVE", _("active")
        REFUSED = "REFUSED", _("refused")
        REVOKED = "REVOKED", _("revoked")

    mandate_id = models.CharField(max_length=128, unique=True)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="mandates")
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="mandates")
    operator_id = models.CharField(max_length=128, blank=True, default="", help_text="Empty: any operator.")
    utility_id = models.CharField(max_length=128, blank=True, default="", help_text="Which knows the customer.")
    program_id = models.CharField(max_length=255, blank=True, default="", help_text="Empty: any program.")
    actions = ArrayField(models.CharField(max_length=64), default=list)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    evidence_kind = models.CharField(max_length=16, choices=Evidence.choices)
    evidence_digest = models.CharField(max_length=64, help_text="SHA-256 (hex) of the evidence")
    acr = models.CharField(max_length=128, blank=True, default="", help_text="How strongly they had signed in.")
    text_version = models.CharField(max_length=64, blank=True, default="")
    text_digest = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 (hex) of the words")
    locale = models.CharField(max_length=35, blank=True, default="")
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    given_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=16, blank=True, default="", help_text="CUSTOMER, AGENCY, OWNER")

    class Meta:
        db_table = "mandates"
        indexes = [models.Index(fields=["subject", "state"], name="mandates_of_a_person")]
        constraints = [
            models.CheckConstraint(
                name="mandate_ends_after_it_begins",
                condition=Q(valid_until__gt=F("valid_from")),
                violation_error_message="A mandate ends after it begins.",
            ),
            models.CheckConstraint(
                name="revoked_mandate_has_its_moment",
                condition=Q(state="REVOKED", revoked_at__isnull=False) | (~Q(state="REVOKED") & Q(revoked_at=None)),
                violation_error_message="A revoked mandate needs the moment it was revoked.",
            ),
            models.CheckConstraint(
                name="mandate_state_is_known", condition=Q(state__in=["PENDING", "ACTIVE", "REFUSED", "REVOKED"])
            ),
        ]

    def __str__(self) -> str:
        return self.mandate_id

    def covers(self, action: str, *, operator_id: str, at: datetime) -> bool:
        """Say whether this operator may do `action` for the subject at this instant."""
        is_operator = not self.operator_id or self.operator_id == operator_id
        in_time = self.valid_from <= at < self.valid_until
        return self.state == self.State.ACTIVE and is_operator and in_time and action in self.actions
