"""The journal's tables (decision 32). Triggers of migration 0002 refuse UPDATE, DELETE and TRUNCATE on its evidence."""

import uuid

from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now


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
            models.Index(fields=["at"], name="audit_logs_at"),
            models.Index(fields=["object_type", "object_id"], name="audit_logs_object"),
            models.Index(fields=["subject", "at"], name="audit_logs_subject", condition=~models.Q(subject="")),
            # An agency's own lines, and each of its people's: pages of them in a journal of millions.
            models.Index(
                fields=["actor_id", "-at", "-id"], name="audit_logs_agency", condition=models.Q(actor_kind="AGENCY")
            ),
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
