from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from enrollment.criteria import CRITERIA
from enrollment.states import ConsentCapture, Control, OnConsentRevoked, Partial, VersionState


def choices(states: type) -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in states]  # type: ignore[attr-defined]


class Program(models.Model):
    """A digital energy program: the name that the network knows. What it asks for is in its versions.

    Source: onboarding guide 4 and 9. pii: none
    """

    program_id = models.CharField(max_length=200, unique=True)
    provider_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=40, help_text=_("For example DEMAND_FLEX, P2P, V2G."))
    created_at = models.DateTimeField()

    class Meta:
        db_table = "programs"

    def __str__(self) -> str:
        return self.program_id


class ProgramVersionQuerySet(models.QuerySet["ProgramVersion"]):
    def published(self) -> ProgramVersionQuerySet:
        return self.filter(state=VersionState.PUBLISHED)

    def open_at(self, instant: datetime) -> ProgramVersionQuerySet:
        return self.published().filter(
            Q(opens_at=None) | Q(opens_at__lte=instant), Q(closes_at=None) | Q(closes_at__gt=instant)
        )

    def open_or_to_open(self, instant: datetime) -> ProgramVersionQuerySet:
        """Open at the instant, opening later, or closed with a word of when it opens again."""
        is_told = Q(presentation__has_key="reopensAt")
        return self.published().filter(Q(closes_at=None) | Q(closes_at__gt=instant) | is_told)


class ProgramVersion(models.Model):
    """What a program asks for and gives, as published: an enrolment keeps the version it joined under.

    `criteria` is a list of `{kind, parameters, text}` (kinds: enrollment.criteria.CRITERIA);
    `required_credentials` of `{type, description, derTypes?}`; `required_consents` of
    `{type, description, purposes[], data[], grantee, frequency, mode, validity, textVersion, outlivesEnrollment?,
    fromUtility?, toUtility?}`;
    `documents` of `{documentId, kind, formats[], maxBytes}`. A published version is immutable (a trigger keeps it).
    Criteria may carry `texts`, credentials and consents `descriptions`: the same sentence by locale. `presentation`
    is what people are shown, `{minutes, texts: {locale: {name, shortDesc, longDesc, benefits[], example: {text,
    isExample}, reviewed}}, reopensAt?}`; `reviewed` false is a translation that no person has read.

    Source: spec domain 1, decisions 34, 35, 54. pii: none
    """

    program = models.ForeignKey(Program, on_delete=models.RESTRICT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=choices(VersionState), default=VersionState.DRAFT.value)
    published_at = models.DateTimeField(null=True, blank=True)

    name = models.CharField(max_length=200)
    short_description = models.CharField(max_length=500, blank=True)
    long_description = models.TextField(blank=True)
    personas = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    utilities = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    secondary_utilities = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text=_(
            "Utilities whose devices the program uses behind a meter of theirs; the person signs in there, too."
        ),
    )
    regions = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    opens_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)

    payment_type = models.CharField(max_length=20, default="NONE")
    notification = models.CharField(max_length=20, default="NONE")
    control = models.CharField(max_length=10, choices=choices(Control), default=Control.NONE.value)
    direction = models.CharField(max_length=10, default="BOTH")
    conflict_group = models.CharField(max_length=40)
    partial = models.CharField(max_length=20, choices=choices(Partial), default=Partial.PER_METER.value)

    default_term_days = models.PositiveIntegerField(default=365)
    max_term_days = models.PositiveIntegerField(null=True, blank=True)
    max_meters = models.PositiveIntegerField(null=True, blank=True, help_text=_("Cap over all enrolments."))
    hold_minutes = models.PositiveIntegerField(default=30)
    case_days = models.PositiveIntegerField(default=30, help_text=_("How long an open case waits for its confirm."))

    criteria = models.JSONField(default=list, blank=True)
    required_credentials = models.JSONField(default=list, blank=True)
    required_consents = models.JSONField(default=list, blank=True)
    documents = models.JSONField(default=list, blank=True)
    consent_capture = models.CharField(
        max_length=20, choices=choices(ConsentCapture), default=ConsentCapture.EXPLICIT.value
    )
    on_required_consent_revoked = models.CharField(
        max_length=10, choices=choices(OnConsentRevoked), default=OnConsentRevoked.SUSPEND.value
    )
    presentation = models.JSONField(
        default=dict, blank=True, help_text=_("What people are shown, by language: name, benefits, one worked example.")
    )
    support = models.JSONField(default=dict, blank=True, help_text=_("name, phone, email, url, hours of the owner."))
    credential_profile = models.CharField(
        max_length=8, blank=True, default="", help_text=_("The credential's shape: empty for our own, or DEG.")
    )
    change_note = models.CharField(
        max_length=500, blank=True, default="", help_text=_("What is new in this version, for staff.")
    )

    objects: ClassVar[models.Manager[ProgramVersion]] = ProgramVersionQuerySet.as_manager()

    class Meta:
        db_table = "program_versions"
        constraints = [
            models.UniqueConstraint(fields=["program", "number"], name="program_version_number_is_unique"),
            models.UniqueConstraint(
                fields=["program"],
                condition=Q(state="PUBLISHED"),
                name="one_published_version_per_program",
                violation_error_message=_("A program has one published version; retire the old one first."),
            ),
            models.UniqueConstraint(
                fields=["program"],
                condition=Q(state="DRAFT"),
                name="one_draft_per_program",
                violation_error_message=_("Somebody is writing a version of this program already."),
            ),
            models.CheckConstraint(
                name="published_version_has_its_moment",
                condition=Q(state="DRAFT", published_at=None) | (~Q(state="DRAFT") & Q(published_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="program_closes_after_it_opens",
                condition=Q(opens_at=None) | Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.refuse_unknown_criteria()
        super().save(*args, **kwargs)

    def is_open_at(self, instant: datetime) -> bool:
        """Does it take applications then? Its state is not looked at."""
        has_opened = self.opens_at is None or self.opens_at <= instant
        return has_opened and (self.closes_at is None or instant < self.closes_at)

    def refuse_unknown_criteria(self) -> None:
        """Raise ValidationError where a published version asks for something that nobody would check."""
        unknown = [c for c in self.criteria if not isinstance(c, dict) or c.get("kind") not in CRITERIA]
        if self.state == VersionState.PUBLISHED and unknown:
            raise ValidationError({"criteria": _("Each criterion has a kind of the closed list.")})


class CatalogChange(models.Model):
    """That a version was published or retired, and whether a discovery service was told (`beckn.announcing`).

    Written by a trigger on `program_versions`, so that nobody who publishes can forget it. `noted_at` is the database's
    own clock: it orders the rows and decides nothing. pii: none
    """

    version = models.ForeignKey(ProgramVersion, on_delete=models.RESTRICT, related_name="catalog_changes")
    state = models.CharField(max_length=10, choices=[(s, s) for s in ("PUBLISHED", "RETIRED")])
    noted_at = models.DateTimeField()
    announced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "catalog_changes"
        constraints = [
            models.UniqueConstraint(fields=["version", "state"], name="a_version_is_published_and_retired_once")
        ]
        indexes = [models.Index(fields=["id"], condition=Q(announced_at=None), name="catalog_changes_to_announce")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.state}"


class ConsentText(models.Model):
    """The exact words a person is shown before consenting; a grant echoes the digest of these bytes (decision 34).

    `body` is served as it is; `digest` is `sha256:<hex>` of its UTF-8 bytes. Insert-only; `reviewed_by` names the
    role or reference of the legal approval, without which production does not start (decision 60). `is_read` false is
    a translation that no person has read: readers are told so. pii: none
    """

    program = models.ForeignKey(Program, on_delete=models.RESTRICT, related_name="consent_texts")
    consent_type = models.CharField(max_length=60)
    version = models.CharField(max_length=40)
    locale = models.CharField(max_length=35)
    body = models.TextField()
    digest = models.CharField(max_length=80)
    reviewed_by = models.CharField(max_length=200, blank=True, help_text=_("Who approved it; production needs one."))
    is_read = models.BooleanField(default=True, help_text=_("No: a translation that no person has read yet."))

    class Meta:
        db_table = "consent_texts"
        constraints = [
            models.UniqueConstraint(
                fields=["program", "consent_type", "version", "locale"], name="one_consent_text_per_version_and_locale"
            )
        ]

    def __str__(self) -> str:
        return f"{self.program} {self.consent_type} {self.version} {self.locale}"


class CapCounter(models.Model):
    """How many meters a capped program has enrolled: guarded, so that a cap is never passed (decision 45). pii: none"""

    program = models.OneToOneField(Program, on_delete=models.RESTRICT, primary_key=True, related_name="cap_counter")
    used = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "cap_counters"
        constraints = [models.CheckConstraint(name="cap_counter_is_not_negative", condition=Q(used__gte=0))]

    def __str__(self) -> str:
        return f"{self.program}: {self.used}"
