from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credentials.models import IssuedCredential
from enrollment.models.enrollments import Enrollment
from enrollment.models.programs import choices
from enrollment.states import ConsentState
from identity.models import Subject


class Consent(models.Model):
    """What a person allowed, to whom, for what and until when; its words are named by version and digest.

    `basis` says how the grant came: EXPLICIT (named in the message) or CONFIRM (decision 35). `terms` holds the wire's
    `{purposes[], data[], grantee, mode, frequency, limits{}}`. Sharing between utilities is one consent for each
    direction (`from_utility`, `to_utility`), with a credential of its own (personas P5).

    Source: onboarding guide 13 and 17.6, spec domain 1, decisions 6, 34, 35. pii: none
    """

    consent_id = models.CharField(max_length=60, unique=True)
    enrollment = models.ForeignKey(Enrollment, on_delete=models.RESTRICT, related_name="consents")
    consent_type = models.CharField(max_length=60)
    from_utility = models.CharField(max_length=200, blank=True, default="")
    to_utility = models.CharField(max_length=200, blank=True, default="")
    grantor = models.ForeignKey(Subject, on_delete=models.RESTRICT, related_name="consents")
    state = models.CharField(max_length=12, choices=choices(ConsentState))
    is_required = models.BooleanField(default=True)
    outlives_enrollment = models.BooleanField(default=False)
    basis = models.CharField(max_length=10, choices=[("EXPLICIT", "EXPLICIT"), ("CONFIRM", "CONFIRM")])
    terms = models.JSONField(default=dict)
    meters = ArrayField(models.CharField(max_length=200), default=list)
    ders = ArrayField(models.CharField(max_length=200), default=list)
    text_version = models.CharField(max_length=40, blank=True)
    text_digest = models.CharField(max_length=80, blank=True)
    locale = models.CharField(max_length=35, blank=True)
    granted_at = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    revoke_scheduled_for = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    claimed_revoked_at = models.CharField(max_length=40, blank=True, help_text=_("What the BAP said; ours counts."))
    revocation_reason = models.CharField(max_length=60, blank=True)
    credential = models.OneToOneField(IssuedCredential, on_delete=models.RESTRICT, related_name="+")

    class Meta:
        db_table = "consents"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "consent_type", "from_utility", "to_utility"],
                condition=Q(state="GRANTED"),
                name="one_live_consent_per_type_direction_and_enrollment",
            ),
            models.CheckConstraint(
                name="consent_between_utilities_has_both",
                condition=Q(from_utility="", to_utility="") | (~Q(from_utility="") & ~Q(to_utility="")),
                violation_error_message=_("A consent between utilities names both."),
            ),
            models.CheckConstraint(
                name="revoked_consent_has_its_moment",
                condition=Q(state="REVOKED", revoked_at__isnull=False) | (~Q(state="REVOKED") & Q(revoked_at=None)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["revoke_scheduled_for"],
                condition=Q(revoke_scheduled_for__isnull=False),
                name="consent_revocations_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.consent_type} {self.state}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is to: its type and, between utilities, the direction."""
        return self.consent_type, self.from_utility, self.to_utility


class ConsentEvent(models.Model):
    """What happened to a consent, line by line. Append-only (trigger). pii: none"""

    consent = models.ForeignKey(Consent, on_delete=models.RESTRICT, related_name="events")
    event = models.CharField(max_length=20)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=255)
    detail = models.JSONField(default=dict)

    class Meta:
        db_table = "consent_events"

    def __str__(self) -> str:
        return f"{self.event} {self.at:%Y-%m-%d}"
