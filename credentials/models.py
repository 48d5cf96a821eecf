"""What is kept about keys, credentials, status lists, and the issuers we believe.

The credential rows are the truth about revocation and suspension; a published list is a function of them.
Source: spec credentials.md 2 and 3, domain.md 1; decisions 33, 50, 51.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedBytesField, EncryptedTextField

LIST_SIZE = 131_072
"""Entries per status list; W3C Bitstring Status List v1.0 asks for at least this many, for herd privacy."""


class KeyState(models.TextChoices):
    ANNOUNCED = "ANNOUNCED", _("announced")
    ACTIVE = "ACTIVE", _("active")
    RETIRED = "RETIRED", _("retired")
    REVOKED = "REVOKED", _("revoked")


class IssuerKey(models.Model):
    """One signing key of ours: published from the announcement, signing while active, worthless once revoked.

    `kid` is the RFC 7638 thumbprint, `multikey` the Multikey text (`z…`): both are fragments of the DID document,
    derived from the key and therefore never reused. `private` is PKCS #8 (DER), encrypted at rest.

    pii: none
    """

    kid = models.CharField(max_length=64, unique=True)
    multikey = models.CharField(max_length=80, unique=True)
    algorithm = models.CharField(max_length=16, default="ES256")
    public_jwk = models.JSONField()
    private = EncryptedBytesField()
    state = models.CharField(max_length=12, choices=KeyState.choices, default=KeyState.ANNOUNCED)
    announced_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "issuer_keys"
        ordering = ["announced_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["algorithm"],
                condition=Q(state=KeyState.ACTIVE),
                name="one_active_issuer_key_per_algorithm",
                violation_error_message=_("Another key of this kind is active."),
            ),
            models.CheckConstraint(
                name="issuer_key_state_has_its_moment",
                condition=(
                    (Q(state=KeyState.ANNOUNCED, activated_at=None, revoked_at=None))
                    | Q(state=KeyState.ACTIVE, activated_at__isnull=False, retired_at=None, revoked_at=None)
                    | Q(state=KeyState.RETIRED, retired_at__isnull=False, revoked_at=None)
                    | Q(state=KeyState.REVOKED, revoked_at__isnull=False)
                ),
                violation_error_message=_("The state of a key and the moment it was reached belong together."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kid} {self.state}"


class Kind(models.TextChoices):
    ENROLLMENT = "ENROLLMENT", _("enrolment")
    CONSENT = "CONSENT", _("consent")


class Purpose(models.TextChoices):
    REVOCATION = "revocation", _("revocation")
    SUSPENSION = "suspension", _("suspension")


class StatusList(models.Model):
    """One numbered list of a kind. Its number and an index serve the revocation and the suspension list (decision 33).

    `version` counts publications and never goes back; 0 means not yet published, and such a list issues nothing.
    `sequence` names the PostgreSQL sequence behind the permutation; `permutation_key` is 32 bytes.

    pii: none
    """

    kind = models.CharField(max_length=12, choices=Kind.choices)
    number = models.PositiveIntegerField()
    size = models.PositiveIntegerField(default=LIST_SIZE)
    sequence = models.CharField(max_length=63, unique=True)
    permutation_key = EncryptedBytesField()
    version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "status_lists"
        ordering = ["kind", "number"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "number"], name="one_status_list_per_kind_and_number"),
            models.CheckConstraint(
                name="status_list_is_large_enough_to_hide_in",
                condition=Q(size__gte=LIST_SIZE) & Q(number__gte=1),
                violation_error_message=_("A status list has at least 131,072 entries and a number from 1 on."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class StatusListVersionQuerySet(models.QuerySet["StatusListVersion"]):
    def newest(self) -> StatusListVersionQuerySet:
        """The version that is served now, of each list and purpose."""
        # By id: ordering by the relation itself would take the list's own ordering, and DISTINCT ON must agree.
        newest_first = self.order_by("status_list_id", "purpose", "-version")
        return newest_first.distinct("status_list_id", "purpose")


class StatusListVersion(models.Model):
    """One published list: its bits (gzip, as in `encodedList`) and the signed `vc+jwt`. Versions never go back.

    `digest` is SHA-256 (hex) of the body: its ETag.

    pii: none
    """

    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="versions")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    version = models.PositiveBigIntegerField()
    bits = models.BinaryField()
    body = models.TextField()
    digest = models.CharField(max_length=64)
    kid = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    valid_until = models.DateTimeField()

    objects = StatusListVersionQuerySet.as_manager()

    class Meta:
        db_table = "status_list_versions"
        ordering = ["status_list", "purpose", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["status_list", "purpose", "version"], name="one_body_per_status_list_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status_list_id} {self.purpose} v{self.version}"


class StatusChange(models.Model):
    """A list has to be published again: written with the change itself, removed by the publication that shows it.

    pii: none
    """

    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="changes")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    at = models.DateTimeField()

    class Meta:
        db_table = "status_changes"

    def __str__(self) -> str:
        return f"{self.status_list_id} {self.purpose} since {self.at:%Y-%m-%dT%H:%M:%SZ}"


class IssuedCredential(models.Model):
    """One credential: one id, one status index, however many signed forms (decision 51).

    `url` is its id on the wire and its `jti`. `claims` is `credentialSubject` without `id`. `wire_valid_until` is the
    end as the applicant wrote it (decision 49). `access_digest` is SHA-256 of the token in the credential's link.

    pii: none (a DID, meter and program ids; a credential of ours has no name, address or account number)
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.CharField(max_length=300, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    subject_did = models.CharField(max_length=500, db_index=True)
    claims = models.JSONField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    wire_valid_until = models.CharField(max_length=40, blank=True, default="")
    issued_at = models.DateTimeField()
    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="credentials")
    status_index = models.PositiveIntegerField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=200, blank=True, default="")
    suspended_at = models.DateTimeField(null=True, blank=True)
    supersedes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.RESTRICT, related_name="superseded_by"
    )
    access_digest = models.BinaryField(max_length=32)

    class Meta:
        db_table = "issued_credentials"
        ordering = ["-issued_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["status_list", "status_index"],
                name="status_index_is_given_once",
                violation_error_message=_("This place in the status list is taken."),
            ),
            models.CheckConstraint(
                name="credential_ends_after_it_starts",
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")),
                violation_error_message=_("A credential ends after it starts."),
            ),
            models.CheckConstraint(
                name="revoked_credential_has_its_reason",
                condition=Q(revoked_at=None, revocation_reason="")
                | (Q(revoked_at__isnull=False) & ~Q(revocation_reason="")),
                violation_error_message=_("A revocation needs a reason."),
            ),
        ]
        indexes = [
            models.Index(
                fields=["status_list", "status_index"], condition=Q(revoked_at__isnull=False), name="revoked_by_list"
            ),
            models.Index(
                fields=["status_list", "status_index"],
                condition=Q(suspended_at__isnull=False),
                name="suspended_by_list",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None


class Form(models.TextChoices):
    JWT_1_1 = "JWT_1_1", "VC-JWT, data model 1.1"
    JWT_2_0 = "JWT_2_0", "vc+jwt, data model 2.0"


class SignedForm(models.Model):
    """The kept bytes of one form of a credential and the key that signed them.

    pii: none (what the credential says)
    """

    credential = models.ForeignKey(IssuedCredential, on_delete=models.RESTRICT, related_name="forms")
    form = models.CharField(max_length=12, choices=Form.choices)
    body = models.TextField()
    kid = models.CharField(max_length=64, db_index=True)
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "signed_forms"
        constraints = [
            models.UniqueConstraint(fields=["credential", "form"], name="one_body_per_credential_and_form"),
        ]

    def __str__(self) -> str:
        return f"{self.credential_id} {self.form}"


class TrustEntryQuerySet(models.QuerySet["TrustEntry"]):
    def in_force(self, at: datetime) -> TrustEntryQuerySet:
        """Entries that are not removed and whose own validity covers `at`."""
        return self.filter(
            Q(removed_at=None),
            Q(valid_from=None) | Q(valid_from__lte=at),
            Q(valid_until=None) | Q(valid_until__gt=at),
        )


class TrustEntry(models.Model):
    """Whose credentials are believed, and for what. Empty `utilities`, `programs`, `der_types` mean any (decision 37).

    `keys` is a pinned JWKS; without one the issuer's DID is resolved. `did:example` is believed only pinned.

    pii: none
    """

    issuer = models.CharField(max_length=500, db_index=True)
    types = ArrayField(models.CharField(max_length=100))
    utilities = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    programs = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    der_types = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    keys: Any = models.JSONField(null=True, blank=True)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=40, default="manual")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = TrustEntryQuerySet.as_manager()

    class Meta:
        db_table = "trust_entries"
        ordering = ["issuer", "pk"]
        verbose_name_plural = "trust entries"
        constraints = [
            models.CheckConstraint(
                name="trust_entry_names_a_type",
                condition=Q(types__len__gt=0),
                violation_error_message=_("Trust is given for at least one credential type."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.issuer}: {', '.join(self.types)}"


class PresentedCredential(models.Model):
    """A credential someone showed us and what we found; the body is wiped after a short retention.

    `digest` is SHA-256 of the bytes as they came. `status` is what a later status check needs:
    `{"issuer", "entries": [{"list", "index", "purpose"}]}` or null.

    pii: body
    """

    digest = models.CharField(max_length=64, db_index=True)
    issuer = models.CharField(max_length=500, blank=True, default="")
    type = models.CharField(max_length=100)
    verified = models.BooleanField()
    reason = models.CharField(max_length=40, blank=True, default="")
    status: Any = models.JSONField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField()
    body = EncryptedTextField(null=True, blank=True)
    body_until = models.DateTimeField()

    class Meta:
        db_table = "presented_credentials"
        indexes = [models.Index(fields=["body_until"], condition=Q(body__isnull=False), name="presented_body_due")]
        constraints = [
            models.CheckConstraint(
                name="failed_presentation_has_its_reason",
                condition=Q(verified=True, reason="") | (Q(verified=False) & ~Q(reason="")),
                violation_error_message=_("A credential that failed its check has a reason."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.digest[:12]}"
