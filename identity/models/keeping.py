"""What is kept of people: how far each kind of it has been let go, and what people ask about theirs."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedBytesField, EncryptedJSONField, EncryptedTextField
from identity.models.people import Subject


class KeptKind(models.Model):
    """How it stands with one kind of kept data (`identity.keeping.Kind`), written by the job that lets it go.

    The row says when the job is due, so that a night missed is caught up. `oldest_at` is the instant from which the
    period of the oldest one still kept counts. `removed` counts all that ever went, `reported` what the journal knows
    of. `leased_until` is how long the worker that is at it may take.

    pii: none
    """

    code = models.CharField(max_length=64, unique=True)
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    ran_at = models.DateTimeField(null=True, help_text="When nothing was left that had to go.")
    removed = models.PositiveBigIntegerField(default=0)
    last_removed = models.PositiveBigIntegerField(default=0, help_text="In the last run that ended.")
    running = models.PositiveBigIntegerField(default=0, help_text="In the run that goes on.")
    reported = models.PositiveBigIntegerField(default=0)
    reported_at = models.DateTimeField(null=True)
    oldest_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "kept_kinds"
        constraints = [
            models.CheckConstraint(name="no_more_is_reported_than_went", condition=Q(reported__lte=F("removed"))),
            models.CheckConstraint(
                name="a_failed_run_says_why", condition=Q(failures=0, problem="") | (Q(failures__gt=0) & ~Q(problem=""))
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PersonRequest(models.Model):
    """A person's wish to have, or to have erased, what is kept of them, and what they were answered.

    Asked by the person, signed in (`proof` SIGN_IN), or taken by a member of staff (`taken_by`) who says how they made
    sure who it was. `answer` is what the person reads: `{"sections": [[title, count]], "went": [[what, count]],
    "stays": [[what, why]]}`. `file` is a ZIP with everything, good until `file_until`.

    pii: answer, note, file
    """

    class Kind(models.TextChoices):
        EXPORT = "EXPORT", _("a copy of everything")
        ERASURE = "ERASURE", _("erasure")

    class State(models.TextChoices):
        OPEN = "OPEN", _("open")
        ANSWERED = "ANSWERED", _("answered")
        REFUSED = "REFUSED", _("refused")
        WITHDRAWN = "WITHDRAWN", _("withdrawn")

    class Proof(models.TextChoices):
        SIGN_IN = "SIGN_IN", _("their own sign-in")
        CALL_BACK = "CALL_BACK", _("called back at the number their utility has")
        DOCUMENT = "DOCUMENT", _("showed an identity document")
        LETTER = "LETTER", _("a signed letter, answered to the address their utility has")

    class Refusal(models.TextChoices):
        NOT_PROVEN = "NOT_PROVEN", _("It could not be made sure who asked.")
        STILL_ENROLLED = "STILL_ENROLLED", _("They are still enrolled and do not want to leave.")
        TOO_OFTEN = "TOO_OFTEN", _("The same was answered a short while ago.")

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    proof = models.CharField(max_length=9, choices=Proof)
    taken_by = models.CharField(max_length=64, blank=True, default="", help_text="A member of staff's id.")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=64, blank=True, default="", help_text="A member of staff's id, or PERSON.")
    refusal = models.CharField(max_length=16, choices=Refusal, blank=True, default="")
    answer = EncryptedJSONField(null=True)
    note = EncryptedTextField(blank=True, default="", help_text="What staff wrote to the person.")
    file = EncryptedBytesField(null=True)
    file_sha256 = models.CharField(max_length=64, blank=True, default="")
    file_until = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When the person was written to, or found to have no address.")

    class Meta:
        db_table = "person_requests"
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "kind"],
                condition=Q(state="OPEN"),
                name="one_open_request_per_person_and_kind",
                violation_error_message=_("This person has asked for that already."),
            ),
            models.CheckConstraint(
                name="a_closed_request_says_when_and_by_whom",
                condition=Q(state="OPEN", closed_at=None, closed_by="")
                | (Q(state__in=["ANSWERED", "REFUSED", "WITHDRAWN"], closed_at__isnull=False) & ~Q(closed_by="")),
                violation_error_message=_("Who answers a request is written down."),
            ),
            models.CheckConstraint(
                name="a_refused_request_says_why",
                condition=(Q(state="REFUSED") & ~Q(refusal="")) | (~Q(state="REFUSED") & Q(refusal="")),
                violation_error_message=_("A refusal says why."),
            ),
            models.CheckConstraint(
                name="whom_staff_takes_a_request_of_has_shown_who_they_are",
                condition=Q(taken_by="", proof="SIGN_IN") | (~Q(taken_by="") & ~Q(proof="SIGN_IN")),
                violation_error_message=_("Say how you made sure who asked."),
            ),
            models.CheckConstraint(
                name="an_exported_file_has_its_digest_and_its_end",
                condition=Q(file__isnull=True) | (Q(kind="EXPORT", file_until__isnull=False) & ~Q(file_sha256="")),
            ),
            models.CheckConstraint(name="a_request_is_due_after_it_was_asked", condition=Q(due_at__gt=F("asked_at"))),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="OPEN"), name="person_requests_open"),
            models.Index(fields=["state", "-id"], name="person_requests_by_state"),
            models.Index(
                fields=["closed_at"],
                condition=Q(state__in=["ANSWERED", "REFUSED"], told_at=None),
                name="person_requests_to_tell_of",
            ),
            models.Index(fields=["file_until"], condition=Q(file__isnull=False), name="person_requests_with_file"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"
