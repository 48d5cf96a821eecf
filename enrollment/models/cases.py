from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.programs import ProgramVersion, choices
from enrollment.states import CaseState
from identity.encryption import EncryptedJSONField
from identity.models import Subject


class EnrollmentCase(models.Model):
    """One application: what a BAP's order is on our side, from the first init to its end.

    `payload` is the applicant's command with the evidence found (enrollment.remembering), kept while the case is
    open and wiped when it ends. `waiting_*` is set while a utility does not answer (decision 40): the next attempt,
    how many were made, since when, and which act waits. `frozen_at`: the customer has said "this was not me"; nothing
    goes on until staff releases it (enrollment.freezing).

    Source: spec domain 1 and 2. pii: payload
    """

    order_id = models.CharField(max_length=200)
    bap_id = models.CharField(max_length=255)
    bap_uri = models.CharField(max_length=2048)
    domain = models.CharField(max_length=100)
    profile = models.CharField(max_length=20, blank=True, help_text=_("In whose words news of it goes out."))
    transaction_ids = ArrayField(models.CharField(max_length=255), default=list)
    channel = models.CharField(max_length=20)
    agency_id = models.CharField(max_length=200, blank=True)
    operator_id = models.CharField(max_length=200, blank=True)
    mandate_id = models.CharField(max_length=200, blank=True, default="")
    subject = models.ForeignKey(Subject, on_delete=models.RESTRICT, null=True, related_name="cases")
    program_version = models.ForeignKey(ProgramVersion, on_delete=models.RESTRICT, null=True, related_name="cases")
    provider_id = models.CharField(max_length=200, blank=True)
    program_id = models.CharField(max_length=200, blank=True)
    fulfillment_id = models.CharField(max_length=200, blank=True)
    batch_id = models.CharField(
        max_length=100, blank=True, default="", help_text=_("What the BAP calls the basket this order came in.")
    )
    meters = ArrayField(models.CharField(max_length=200), default=list)
    ders = ArrayField(models.CharField(max_length=200), default=list)
    state = models.CharField(max_length=12, choices=choices(CaseState))
    refusal_code = models.CharField(max_length=40, blank=True)
    deadline = models.DateTimeField()
    payload = EncryptedJSONField(null=True)
    waiting_act = models.CharField(max_length=10, blank=True, help_text=_("init or confirm"))
    waiting_utility = models.CharField(max_length=200, blank=True)
    waiting_since = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    retry_attempt = models.PositiveSmallIntegerField(default=0)
    frozen_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "enrollment_cases"
        constraints = [
            models.UniqueConstraint(fields=["bap_id", "order_id"], name="one_case_per_bap_and_order"),
            models.CheckConstraint(
                name="waiting_case_knows_its_next_attempt",
                condition=Q(waiting_act="", retry_at=None, waiting_since=None)
                | (~Q(waiting_act="") & Q(retry_at__isnull=False, waiting_since__isnull=False)),
                violation_error_message=_("A case that waits for a utility needs the moment of its next attempt."),
            ),
            models.CheckConstraint(
                name="frozen_case_waits_for_no_utility",
                condition=Q(frozen_at=None) | Q(waiting_act=""),
                violation_error_message=_("A frozen case goes on only when it is released."),
            ),
            models.CheckConstraint(
                name="ready_case_has_subject_and_program",
                condition=~Q(state__in=["READY", "CONFIRMED", "NEEDS_INPUT", "IN_REVIEW"])
                | Q(subject__isnull=False, program_version__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["retry_at"], condition=Q(retry_at__isnull=False), name="case_retries_due"),
            models.Index(fields=["frozen_at"], condition=Q(frozen_at__isnull=False), name="stopped_cases"),
            models.Index(
                fields=["deadline"],
                condition=Q(state__in=["SUBMITTED", "NEEDS_INPUT", "IN_REVIEW", "READY"]),
                name="open_case_deadlines",
            ),
            models.Index(fields=["agency_id", "-id"], condition=~Q(agency_id=""), name="cases_newest_of_agency"),
            models.Index(fields=["channel", "-id"], name="cases_newest_of_channel"),
            models.Index(fields=["order_id"], name="cases_by_order"),
            models.Index(
                fields=["program_id", "state"],
                condition=Q(state__in=["SUBMITTED", "NEEDS_INPUT", "IN_REVIEW", "READY"]),
                name="open_cases_of_a_program",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bap_id} {self.order_id}"

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None

    @property
    def is_waiting_for_a_utility(self) -> bool:
        return self.waiting_act != ""


class CaseCheck(models.Model):
    """One thing that was checked about a case, and what came of it. Append-only (trigger).

    Source: spec domain 1. pii: none
    """

    case = models.ForeignKey(EnrollmentCase, on_delete=models.RESTRICT, related_name="checks")
    kind = models.CharField(max_length=40)
    target = models.CharField(max_length=200, blank=True)
    result = models.CharField(max_length=10, choices=[(r, r) for r in ("PASS", "FAIL", "PENDING", "WAIVED")])
    code = models.CharField(max_length=40, blank=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        db_table = "case_checks"

    def __str__(self) -> str:
        return f"{self.kind} {self.target}: {self.result}"
