"""What the utilities told us about meters and DERs, with the time each relation held.

The database keeps two promises: a meter has one holder of record at any instant, a DER is at one meter at any instant.
Both use core range types only, since the embedded PostgreSQL carries no btree_gist.
Source: spec/domain.md 1.
"""

from enum import StrEnum

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from identity.encryption import EncryptedTextField
from utility_systems.ports import CertificateKind, ConnectionType, Phase, Role


class Source(models.TextChoices):
    """Where a fact came from."""

    UTILITY_API = "UTILITY_API"
    VC = "VC"
    DOCUMENT = "DOCUMENT"
    MAKER = "MAKER"
    DECLARED = "DECLARED"


def _choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    return [(word, word) for word in words.__members__]


def _point(column: str) -> Func:
    """A row's key as a range of one, because gist without btree_gist knows ranges and no plain integers."""
    return Func(F(column), F(column), Value("[]"), function="int8range")


class Site(models.Model):
    """A place with one or more meters, under the utility's own id for it.

    pii: address
    """

    utility_id = models.CharField(max_length=128)
    site_ref = models.CharField(max_length=128)
    address = EncryptedTextField(blank=True, default="")
    grid_area = models.CharField(max_length=128, blank=True, default="")
    feeder_id = models.CharField(max_length=128, blank=True, default="")
    transformer_id = models.CharField(max_length=128, blank=True, default="")

    class Meta:
        db_table = "sites"
        constraints = [
            models.UniqueConstraint(fields=["utility_id", "site_ref"], name="one_site_per_utility_reference")
        ]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.site_ref}"


class Meter(models.Model):
    """A metering point by its program-level id (UMID), which stays when the device is replaced.

    `facts_digest` is of the facts as last heard: an equal one means that there is nothing to write.

    pii: none
    """

    umid = models.CharField(max_length=128, unique=True)
    utility_id = models.CharField(max_length=128, db_index=True)
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="meters")
    connection_type = models.CharField(max_length=16, choices=_choices(ConnectionType), default="UNKNOWN")
    phase = models.CharField(max_length=16, choices=_choices(Phase), default="UNKNOWN")
    sanctioned_load_kw = models.FloatField(null=True, blank=True)
    interval_capable = models.BooleanField(default=False)
    net_meter = models.BooleanField(default=False)
    facts_digest = models.BinaryField(max_length=32, default=b"")
    changed_at = models.DateTimeField(help_text="When we last heard something new from the utility.")

    class Meta:
        db_table = "meters"
        constraints = [
            models.CheckConstraint(
                name="meter_load_is_not_negative",
                condition=Q(sanctioned_load_kw=None) | Q(sanctioned_load_kw__gte=0),
                violation_error_message="A sanctioned load is not negative.",
            ),
        ]

    def __str__(self) -> str:
        return self.umid


class MeterNumber(models.Model):
    """The number on the device at this metering point, and when it hung there.

    pii: none
    """

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="numbers")
    number = models.CharField(max_length=128)
    valid = DateTimeRangeField()

    class Meta:
        db_table = "meter_numbers"
        indexes = [models.Index(fields=["number"], name="meter_numbers_number")]
        constraints = [
            ExclusionConstraint(
                name="one_number_per_meter_per_instant",
                index_type="gist",
                expressions=[(_point("meter_id"), RangeOperators.OVERLAPS), (F("valid"), RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(name="meter_number_has_a_duration", condition=Q(valid__isempty=False)),
        ]

    def __str__(self) -> str:
        return self.number


class MeterSubjectLink(models.Model):
    """Who stood in which role to a meter, and when. One HOLDER of record per meter per instant; others may be many.

    pii: none
    """

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="subject_links")
    subject = models.ForeignKey("identity.Subject", on_delete=models.PROTECT, related_name="meter_links")
    role = models.CharField(max_length=16, choices=_choices(Role))
    valid = DateTimeRangeField()
    source = models.CharField(max_length=16, choices=Source.choices)
    evidence_ref = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        db_table = "meter_subject_links"
        constraints = [
            ExclusionConstraint(
                name="one_holder_of_record_per_meter_per_instant",
                index_type="gist",
                expressions=[(_point("meter_id"), RangeOperators.OVERLAPS), (F("valid"), RangeOperators.OVERLAPS)],
                condition=Q(role="HOLDER"),
                violation_error_message="This meter has another holder of record at that time.",
            ),
            models.UniqueConstraint(
                fields=["meter", "subject", "role", "valid"], name="one_meter_link_per_role_and_time"
            ),
            models.CheckConstraint(name="meter_link_has_a_duration", condition=Q(valid__isempty=False)),
            models.CheckConstraint(name="meter_link_role_is_known", condition=Q(role__in=list(Role.__members__))),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.meter_id}"


class Der(models.Model):
    """A device behind a meter: solar, battery, car, charger. `type` is a known word or
    `OTHER:<text>`, which needs review.

    pii: none
    """

    der_id = models.CharField(max_length=128, unique=True)
    type = models.CharField(max_length=66)
    rated_kw = models.FloatField(null=True, blank=True)
    energy_kwh = models.FloatField(null=True, blank=True)
    manufacturer = models.CharField(max_length=128, blank=True, default="")
    model = models.CharField(max_length=128, blank=True, default="")
    serial_digest = models.CharField(max_length=128, blank=True, default="")
    commissioned_on = models.DateField(null=True, blank=True)
    primary_umid = models.CharField(max_length=128, blank=True, default="")
    secondary_utility_id = models.CharField(max_length=128, blank=True, default="")
    bidirectional = models.BooleanField(default=False)
    facts_digest = models.BinaryField(max_length=32, default=b"")
    changed_at = models.DateTimeField(help_text="When we last heard something new.")

    class Meta:
        db_table = "ders"
        constraints = [
            models.CheckConstraint(
                name="der_ratings_are_not_negative",
                condition=(Q(rated_kw=None) | Q(rated_kw__gte=0)) & (Q(energy_kwh=None) | Q(energy_kwh__gte=0)),
                violation_error_message="A rating is not negative.",
            ),
            models.CheckConstraint(name="der_type_is_not_empty", condition=~Q(type="")),
        ]

    def __str__(self) -> str:
        return self.der_id


class DerSubjectLink(models.Model):
    """Who stood in which role to a DER, and when.

    pii: none
    """

    der = models.ForeignKey(Der, on_delete=models.PROTECT, related_name="subject_links")
    subject = models.ForeignKey("identity.Subject", on_delete=models.PROTECT, related_name="der_links")
    role = models.CharField(max_length=16, choices=_choices(Role), default="OWNER")
    valid = DateTimeRangeField()
    source = models.CharField(max_length=16, choices=Source.choices)
    evidence_ref = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        db_table = "der_subject_links"
        constraints = [
            ExclusionConstraint(
                name="one_owner_per_der_per_instant",
                index_type="gist",
                expressions=[(_point("der_id"), RangeOperators.OVERLAPS), (F("valid"), RangeOperators.OVERLAPS)],
                condition=Q(role="OWNER"),
                violation_error_message="This device has another owner at that time.",
            ),
            models.CheckConstraint(name="der_link_has_a_duration", condition=Q(valid__isempty=False)),
            models.CheckConstraint(name="der_link_role_is_known", condition=Q(role__in=list(Role.__members__))),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.der_id}"


class DerMeterLink(models.Model):
    """Which meter a DER is behind, and when: one at any instant.

    pii: none
    """

    der = models.ForeignKey(Der, on_delete=models.CASCADE, related_name="meter_links")
    umid = models.CharField(max_length=128, db_index=True)
    valid = DateTimeRangeField()
    source = models.CharField(max_length=16, choices=Source.choices)

    class Meta:
        db_table = "der_meter_links"
        constraints = [
            ExclusionConstraint(
                name="one_meter_per_der_per_instant",
                index_type="gist",
                expressions=[(_point("der_id"), RangeOperators.OVERLAPS), (F("valid"), RangeOperators.OVERLAPS)],
                violation_error_message="This device is behind another meter at that time.",
            ),
            models.CheckConstraint(name="der_meter_link_has_a_duration", condition=Q(valid__isempty=False)),
        ]

    def __str__(self) -> str:
        return f"{self.der_id} {self.umid}"


class DerCertificate(models.Model):
    """A certificate of a DER as the utility's register (or a credential) states it.

    pii: none
    """

    der = models.ForeignKey(Der, on_delete=models.CASCADE, related_name="certificates")
    issuer = models.CharField(max_length=255)
    kind = models.CharField(max_length=16, choices=_choices(CertificateKind))
    capacity_kw = models.FloatField(null=True, blank=True)
    valid = DateTimeRangeField()
    status_ref = models.CharField(max_length=512, blank=True, default="")

    class Meta:
        db_table = "der_certificates"
        constraints = [
            models.UniqueConstraint(
                fields=["der", "issuer", "kind", "valid"], name="one_certificate_per_kind_and_time"
            ),
            models.CheckConstraint(name="certificate_has_a_duration", condition=Q(valid__isempty=False)),
            models.CheckConstraint(
                name="certificate_kind_is_known", condition=Q(kind__in=list(CertificateKind.__members__))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.der_id}"


class SystemHealth(models.Model):
    """Whether a utility's system answers, as the process found whose circuit opened or closed last.

    pii: none
    """

    utility_id = models.CharField(max_length=128)
    system = models.CharField(max_length=16)
    is_open = models.BooleanField(help_text="Open: it was silent, and is left alone between tries.")
    since = models.DateTimeField()

    class Meta:
        db_table = "utility_system_health"
        verbose_name = "utility system"
        constraints = [models.UniqueConstraint(fields=["utility_id", "system"], name="one_health_per_utility_system")]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.system}"


class CallFigure(models.Model):
    """How many questions to a utility's system were answered how, and how soon, in one hour (`utility_systems.calls`).

    `bucket` is where the answer's time falls; a question that was not asked at all, because the system had been silent,
    took none.

    pii: none
    """

    class Outcome(models.TextChoices):
        ANSWERED = "ANSWERED", "answered"
        DECLINED = "DECLINED", "declined"
        FAILED = "FAILED", "failed"
        NOT_ASKED = "NOT_ASKED", "not asked"

    hour = models.DateTimeField()
    utility_id = models.CharField(max_length=128)
    system = models.CharField(max_length=16)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    bucket = models.SmallIntegerField()
    count = models.IntegerField(default=0)

    class Meta:
        db_table = "utility_call_figures"
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "utility_id", "system", "outcome", "bucket"], name="one_call_figure_per_hour_and_bucket"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour} {self.utility_id} {self.system} {self.outcome}"
