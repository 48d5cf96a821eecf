from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.cases import EnrollmentCase
from enrollment.models.programs import choices
from enrollment.states import DocumentState
from identity.encryption import EncryptedTextField


class Document(models.Model):
    """A file that an application was asked for, from the asking to the decision of two persons.

    The bytes lie encrypted in the object store under `storage_key`; here stand digest and size as they came, the type,
    and the digest of what is kept: pictures are drawn again (`files.pictures`). `caution` says what a reviewer
    ought to know before opening it. The upload address carries a token of which only the digest is kept. Who uploaded
    and who reviewed is written as `subject:<pk>`, `operator:<id>` or `staff:<name>`, in lower case. `capacity_kw` and
    `valid_until` are what the reviewers read in the file. A refused one says in `applicant_text` what its applicant
    reads besides the reason; `is_final`: this order is asked for no other file in its place.

    Source: personas 6 (R-P6.8), decision 26, screens C13. pii: applicant_text
    """

    document_id = models.CharField(max_length=60, unique=True)
    case = models.ForeignKey(EnrollmentCase, on_delete=models.RESTRICT, related_name="documents")
    kind = models.CharField(max_length=40)
    der_id = models.CharField(max_length=200, blank=True)
    formats = ArrayField(models.CharField(max_length=100), default=list)
    max_bytes = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=choices(DocumentState))
    asked_at = models.DateTimeField()
    token_digest = models.CharField(max_length=64, unique=True)
    token_expires_at = models.DateTimeField()

    uploaded_at = models.DateTimeField(null=True)
    uploaded_by = models.CharField(max_length=255, blank=True)
    uploaded_by_agency = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    size = models.PositiveIntegerField(null=True)
    kept_sha256 = models.CharField(max_length=64, blank=True, default="")
    caution = models.CharField(max_length=20, blank=True, default="", help_text=_("ENCRYPTED, NOT_LOOKED_INTO"))
    storage_key = models.CharField(max_length=100, blank=True)
    scan = models.CharField(
        max_length=20, blank=True, help_text=_("CLEAN, NONE_CONFIGURED where nobody looked, or INFECTED.")
    )

    first_reviewer = models.CharField(max_length=255, blank=True)
    first_reviewer_agency = models.CharField(max_length=200, blank=True)
    first_reviewed_at = models.DateTimeField(null=True)
    second_reviewer = models.CharField(max_length=255, blank=True)
    second_reviewer_agency = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    refusal_reason = models.CharField(max_length=60, blank=True)
    applicant_text = EncryptedTextField(null=True)
    is_final = models.BooleanField(default=False)
    capacity_kw = models.FloatField(null=True)
    valid_until = models.DateTimeField(null=True)
    retention_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "documents"
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind", "der_id"],
                condition=Q(state__in=["ASKED", "UPLOADED"]),
                name="one_open_document_per_case_kind_and_der",
            ),
            models.CheckConstraint(
                name="uploaded_document_has_its_file",
                condition=Q(state="ASKED", uploaded_at=None, sha256="", uploaded_by="")
                | (~Q(state="ASKED") & Q(uploaded_at__isnull=False) & ~Q(sha256="") & ~Q(uploaded_by="")),
            ),
            models.CheckConstraint(
                name="nobody_reviews_what_they_uploaded",
                condition=Q(state="ASKED")
                | (~Q(first_reviewer=F("uploaded_by")) & ~Q(second_reviewer=F("uploaded_by"))),
                violation_error_message=_("Who uploaded a document cannot review it."),
            ),
            models.CheckConstraint(
                name="no_agency_reviews_its_own_uploads",
                condition=Q(uploaded_by_agency="")
                | (
                    ~Q(first_reviewer_agency=F("uploaded_by_agency"))
                    & ~Q(second_reviewer_agency=F("uploaded_by_agency"))
                ),
                violation_error_message=_("An agency cannot review what its own people uploaded."),
            ),
            models.CheckConstraint(
                name="two_different_persons_review",
                condition=Q(second_reviewer="") | (~Q(first_reviewer="") & ~Q(second_reviewer=F("first_reviewer"))),
                violation_error_message=_("The second review is another person's."),
            ),
            models.CheckConstraint(
                name="approved_document_was_seen_by_two",
                condition=~Q(state="APPROVED") | (~Q(first_reviewer="") & ~Q(second_reviewer="")),
                violation_error_message=_("A document is approved by two persons."),
            ),
            models.CheckConstraint(
                name="refused_document_has_reviewer_and_reason",
                condition=~Q(state="REFUSED") | (~Q(first_reviewer="") & ~Q(refusal_reason="")),
            ),
            models.CheckConstraint(
                name="only_a_refused_document_is_refused_for_good",
                condition=Q(is_final=False) | Q(state="REFUSED"),
            ),
            models.CheckConstraint(
                name="decided_document_has_its_moment",
                condition=Q(state__in=["APPROVED", "REFUSED"], decided_at__isnull=False)
                | (~Q(state__in=["APPROVED", "REFUSED"]) & Q(decided_at=None)),
            ),
            models.CheckConstraint(
                name="infected_document_is_not_approved",
                condition=~Q(state="APPROVED", scan="INFECTED"),
                violation_error_message=_("A scanner found malware in this document."),
            ),
        ]
        indexes = [
            models.Index(fields=["uploaded_at"], condition=Q(state="UPLOADED"), name="documents_to_review"),
            models.Index(fields=["-id"], condition=Q(state__in=["APPROVED", "REFUSED"]), name="documents_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} {self.state}"


class ReliedCertificate(models.Model):
    """A device's certificate that an enrolment stands on: looked at again daily, and when somebody asks (R-P6.6).

    `status` is what `credentials.verification.recheck_status` takes, null where the certificate names none;
    `source` is CREDENTIAL, UTILITY or DOCUMENT. `failed_*` is set while it does not hold. One that was replaced by
    another is kept and not looked at any more. pii: none
    """

    enrollment = models.ForeignKey("enrollment.Enrollment", on_delete=models.RESTRICT, related_name="certificates")
    der_id = models.CharField(max_length=200)
    source = models.CharField(max_length=10)
    credential_id = models.CharField(max_length=500, blank=True)
    status = models.JSONField(null=True)
    valid_until = models.DateTimeField(null=True)
    relied_since = models.DateTimeField()
    checked_at = models.DateTimeField()
    failed_reason = models.CharField(max_length=40, blank=True)
    failed_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "relied_certificates"
        constraints = [
            models.CheckConstraint(
                name="failed_certificate_has_reason_and_moment",
                condition=Q(failed_reason="", failed_at=None) | (~Q(failed_reason="") & Q(failed_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(fields=["checked_at"], condition=Q(replaced_at=None), name="certificates_to_look_at"),
        ]

    def __str__(self) -> str:
        return f"{self.der_id} {self.source} {self.failed_reason or 'holds'}"
