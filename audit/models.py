"""The journal's tables (decision 32). Triggers of migration 0002 refuse UPDATE, DELETE and TRUNCATE on its evidence."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """One thing that happened: who did what to which object, and on whose behalf.

    Written in the transaction of the act it tells of, so the two exist together or not at all. Digests are the
    SHA-256 (hex) of the canonical JSON of the object before and after, empty where there was none.

    pii: none
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(help_text="When it happened, by our clock.")
    # The database's own clock, never moved by CLOCK_OFFSET: tells how long an event has waited for its link.
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    action = models.CharField(max_length=64)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=255)
    channel = models.CharField(max_length=16)
    on_behalf_of = models.CharField(max_length=255, blank=True, default="")
    subject = models.CharField(max_length=64, blank=True, default="")
    object_type = models.CharField(max_length=64, blank=True, default="")
    object_id = models.CharField(max_length=255, blank=True, default="")
    before_digest = models.CharField(max_length=64, blank=True, default="")
    after_digest = models.CharField(max_length=64, blank=True, default="")
    details = models.JSONField(null=True, blank=True)

    class Meta:
        db_table = "audit_logs"
        ordering = ["id"]
        indexes = [
            # What an auditor searches by, each in the order of time: a page costs a page in a journal of millions.
            models.Index(fields=["at", "id"], name="audit_logs_time"),
            models.Index(fields=["object_type", "object_id", "at", "id"], name="audit_logs_object"),
            models.Index(fields=["subject", "at", "id"], name="audit_logs_subject", condition=~models.Q(subject="")),
            models.Index(fields=["action", "at", "id"], name="audit_logs_action"),
            models.Index(fields=["actor_kind", "actor_id", "at", "id"], name="audit_logs_actor"),
            models.Index(fields=["channel", "at", "id"], name="audit_logs_channel"),
            models.Index(fields=["-id"], name="audit_logs_refused", condition=models.Q(action="message.refused")),
            models.Index(
                KeyTextTransform("code", "details"),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_logs_refused_for",
                condition=models.Q(action="message.refused"),
            ),
            # Who sent it: whom the message names itself, where nobody was proven.
            models.Index(
                Coalesce(KeyTextTransform("claims", "details"), "actor_id", output_field=models.TextField()),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_logs_refused_of",
                condition=models.Q(action="message.refused"),
            ),
            models.Index(
                KeyTextTransform("transaction_id", "details"),
                name="audit_logs_refused_within",
                condition=models.Q(action="message.refused"),
            ),
            # Each of an agency's people's lines.
            models.Index(
                "actor_id",
                KeyTextTransform("operator", "details"),
                models.OrderBy(models.F("at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_logs_operator",
                condition=models.Q(actor_kind="AGENCY"),
            ),
            # What was decided about files that an agency's people had uploaded (its scorecard).
            models.Index(
                KeyTextTransform("of_agency", "details"),
                "at",
                name="audit_logs_evidence",
                condition=models.Q(object_type="document", details__has_key="of_agency"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.action}"

    @property
    def reference(self) -> str:
        """The public id of the event, as the wire's `logReference` carries it (decision 20)."""
        return f"log-{self.public_id}"


class Pending(models.Model):
    """An event that waits for its link. A trigger on audit_logs writes it, the sequencer takes it away.

    A queue of its own, because neither the highest linked id nor a time tells which events are still to be linked:
    a lower id may be committed later.

    pii: none
    """

    event_id = models.BigIntegerField(primary_key=True)

    class Meta:
        db_table = "audit_pending"
        verbose_name_plural = "pending"

    def __str__(self) -> str:
        return str(self.event_id)


class Link(models.Model):
    """The place of an event in the chain: `hash` covers the previous hash, the place and every field of the event.

    Places (`seq`) count from 1 without a gap.

    pii: none
    """

    seq = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="link")
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    linked_at = models.DateTimeField()

    class Meta:
        db_table = "audit_links"
        ordering = ["seq"]
        indexes = [models.Index(fields=["linked_at"], name="audit_links_linked_at")]
        constraints = [models.CheckConstraint(name="link_places_count_from_one", condition=models.Q(seq__gte=1))]

    def __str__(self) -> str:
        return f"{self.seq}"


class Seal(models.Model):
    """The signed head of the chain at the end of a day (UTC), published where anyone can keep a copy.

    A chain that was recomputed or cut after the seal no longer meets it. `statement` is the exact text that was signed.

    pii: none
    """

    day = models.DateField(primary_key=True)
    last_seq = models.BigIntegerField()
    statement = models.TextField()
    kid = models.CharField(max_length=128)
    signature = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "audit_seals"
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.day}"


class WorkState(models.TextChoices):
    WAITING = "WAITING", _("waiting")
    RUNNING = "RUNNING", _("at work")
    DONE = "DONE", _("done")
    FAILED = "FAILED", _("given up")


class Check(models.Model):
    """One walk over the chain, or over a day of it, that somebody asked for, and what it found. Kept for good.

    `findings` are `{kind, seq, reference, message}`, the first in the order of the chain first. `walked` of `total`
    links is how far it is; the worker that holds it says so until `lease_until`.

    pii: none
    """

    day = models.DateField(null=True, help_text="The day (UTC) that was checked; empty: everything.")
    asked_by_kind = models.CharField(max_length=16)
    asked_by = models.CharField(max_length=255)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=WorkState, default=WorkState.WAITING)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    walked = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    first_seq = models.BigIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True, default="")
    seals = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)
    seconds = models.FloatField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_checks"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="finished_check_has_its_moment",
                condition=models.Q(state__in=["DONE", "FAILED"], finished_at__isnull=False)
                | models.Q(state__in=["WAITING", "RUNNING"], finished_at=None),
            ),
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state="WAITING"),
                name="one_check_waits_at_a_time",
                violation_error_message=_("A check is waiting already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.day or 'all'} {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (WorkState.DONE, WorkState.FAILED)

    @property
    def holds(self) -> bool:
        return self.state == WorkState.DONE and not self.findings

    @property
    def percent(self) -> int:
        return min(100, self.walked * 100 // self.total) if self.total else 0


class Export(models.Model):
    """A signed copy of journal lines that somebody asked for, made by a worker, to be fetched until `expires_at`.

    `filters` are those of the search it was asked from, empty for the whole; `last_seq` is the end of the chain when it
    was asked for: what is linked later is not in it. `parts` are the keys under which the keeper holds the file, in
    their order; empty again when it was forgotten. `sha256` (hex) and `size` are the file's.

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    asked_by_kind = models.CharField(max_length=16)
    asked_by = models.CharField(max_length=255)
    asked_at = models.DateTimeField()
    filters = models.JSONField(default=dict)
    last_seq = models.BigIntegerField()
    state = models.CharField(max_length=7, choices=WorkState, default=WorkState.WAITING)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    walked = models.BigIntegerField(default=0)
    lines = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    parts = ArrayField(models.CharField(max_length=100), default=list)
    kid = models.CharField(max_length=128, blank=True, default="")
    problem = models.CharField(max_length=100, blank=True, default="")
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    fetched = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "audit_exports"
        ordering = ["-asked_at"]
        constraints = [
            models.CheckConstraint(
                name="finished_export_has_its_moment",
                condition=models.Q(state__in=["DONE", "FAILED"], finished_at__isnull=False)
                | models.Q(state__in=["WAITING", "RUNNING"], finished_at=None),
            )
        ]
        indexes = [
            models.Index(
                fields=["asked_at"], condition=models.Q(state__in=["WAITING", "RUNNING"]), name="audit_exports_due"
            ),
            models.Index(fields=["expires_at"], condition=~models.Q(parts=[]), name="audit_exports_kept"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in (WorkState.DONE, WorkState.FAILED)

    @property
    def is_here(self) -> bool:
        """Whether it can be fetched."""
        return self.state == WorkState.DONE and bool(self.parts)
