"""Who is on the network, and every message that came in or has to go out."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from beckn.fields import MessageField
from identity.encryption import EncryptedJSONField, EncryptedTextField


class Source(models.TextChoices):
    """Where we know a participant or a key from. A registry never overwrites what an operator or the file said."""

    COMMAND = "COMMAND", _("operator command")
    FILE = "FILE", _("participants file")
    REGISTRY = "REGISTRY", _("registry look-up")
    ADAPTER = "ADAPTER", _("verified by the adapter")
    OURS = "OURS", _("one of our own identities")
    SANDBOX = "SANDBOX", _("sandbox fixture")


def default_asserts() -> list[str]:
    """Return for which utilities a new participant may name a person: all in the sandbox, else none (decision 56)."""
    return ["*"] if settings.DEPLOYMENT == "sandbox" else []


class Participant(models.Model):
    """A peer on the network: its registered callback URL, what it may do, and how it likes to be spoken to.

    `asserts_subjects` lists the utilities for which it may name a person without that person's own proof
    (decision 56); "*" means all of them. `strict` leaves our extensions out of its answers (decision 41).
    `held_until` pauses deliveries to a peer that does not answer, so that it holds up nobody else.

    pii: none
    """

    class Type(models.TextChoices):
        BAP = "BAP", _("platform that sends requests")
        BPP = "BPP", _("platform that answers")
        BG = "BG", _("gateway")
        DS = "DS", _("discovery service")

    class MessageIds(models.TextChoices):
        ECHO = "echo", _("callbacks echo the request's message id")
        NEW = "new", _("callbacks carry a new message id")

    subscriber_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=3, choices=Type, default=Type.BAP)
    url = models.CharField(max_length=2048)
    domains = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_reason = models.CharField(max_length=255, blank=True)
    asserts_subjects = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    strict = models.BooleanField(default=False)
    message_ids = models.CharField(max_length=4, choices=MessageIds, default=MessageIds.ECHO)
    held_until = models.DateTimeField(null=True, blank=True)
    failures_in_a_row = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "beckn_participants"
        ordering = ("subscriber_id",)
        verbose_name = _("participant")

    def __str__(self) -> str:
        return self.subscriber_id

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None

    def may_assert(self, utility_id: str) -> bool:
        """Tell whether this participant may name a person of that utility without the person's own proof."""
        return "*" in self.asserts_subjects or utility_id in self.asserts_subjects


class ParticipantKey(models.Model):
    """An Ed25519 key of a participant. Several may be valid at once while one is being replaced.

    `public_key` is base64 of 32 bytes. Keys from a registry are a cache: fresh until `fresh_until`, good enough while
    the registry is down until `stale_until` (24 h after it last confirmed them). Other keys have neither.

    pii: none
    """

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="keys")
    key_id = models.CharField(max_length=255)
    public_key = models.CharField(max_length=64)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=8, choices=Source)
    fresh_until = models.DateTimeField(null=True, blank=True)
    stale_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "beckn_participant_keys"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("participant", "key_id"), name="a_key_id_names_one_key_of_a_participant"),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id}|{self.key_id}"

    def is_valid_at(self, at: datetime) -> bool:
        """Tell whether `at` lies in the key's window (the end is exclusive)."""
        return not (self.valid_from and at < self.valid_from) and not (self.valid_until and at >= self.valid_until)


class RegistryLookup(models.Model):
    """The last look-up of one key in the registry: being asked, missing, or failed, until when (unlogged table).

    One row per (subscriber, key) makes look-ups single-flight over all processes and remembers a "no".

    pii: none
    """

    class State(models.TextChoices):
        ASKING = "ASKING", _("being asked")
        FOUND = "FOUND", _("found")
        MISSING = "MISSING", _("not in the registry")
        FAILED = "FAILED", _("the registry did not answer")

    subscriber_id = models.CharField(max_length=255)
    key_id = models.CharField(max_length=255)
    state = models.CharField(max_length=7, choices=State)
    until = models.DateTimeField()

    class Meta:
        db_table = "beckn_registry_lookups"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("subscriber_id", "key_id"), name="one_lookup_per_key"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id}|{self.key_id} {self.state}"


class State(models.TextChoices):
    """WAITING until done; STUCK when we have given up and staff has to look; DROPPED when they have given up, too."""

    WAITING = "WAITING", _("waiting")
    DONE = "DONE", _("done")
    STUCK = "STUCK", _("stuck")
    DROPPED = "DROPPED", _("given up")


class Inbox(models.Model):
    """A message that was accepted: proven, addressed to us, well formed. Its row is the promise behind the ACK.

    `sender_id` is context.bap_id for requests and context.bpp_id for callbacks to our portals. `body` is the message
    with every secret left out; `sealed` holds those, encrypted, and is wiped as soon as the message is done or after
    24 h (decision 27). `digest` is over the bytes as they came. `lease` names the worker that has it now. A message
    that came again has its `repeats`, the last of them at `repeated_at`.

    pii: sealed
    """

    sender_id = models.CharField(max_length=255)
    action = models.CharField(max_length=32)
    message_id = models.CharField(max_length=255)
    transaction_id = models.CharField(max_length=255)
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="+", db_index=False)
    profile = models.CharField(max_length=32)
    key_id = models.CharField(max_length=255, blank=True)
    digest = models.CharField(max_length=88)
    headers = MessageField(default=dict)
    body = MessageField()
    sealed = EncryptedJSONField(null=True)
    received_at = models.DateTimeField()
    deadline = models.DateTimeField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    incident_id = models.CharField(max_length=36, blank=True)
    our_request = models.ForeignKey("Outbox", null=True, on_delete=models.SET_NULL, related_name="callbacks")
    repeats = models.PositiveIntegerField(default=0, db_default=0)
    repeated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "beckn_inbox"
        verbose_name = _("received message")
        verbose_name_plural = _("received messages")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("sender_id", "action", "message_id"),
                name="a_message_is_taken_once",
                violation_error_message=_("This message was already taken."),
            ),
            models.CheckConstraint(
                name="a_done_message_has_its_moment",
                condition=Q(state="DONE", done_at__isnull=False) | (~Q(state="DONE") & Q(done_at=None)),
                violation_error_message=_("A finished message needs the moment it was finished."),
            ),
        ]
        indexes: ClassVar = [
            models.Index("participant", "due_at", name="inbox_due", condition=Q(state="WAITING")),
            models.Index(
                "participant",
                "lease_until",
                name="inbox_leased",
                condition=Q(state="WAITING", lease_until__isnull=False),
            ),
            models.Index("received_at", name="inbox_by_time"),
            models.Index("transaction_id", name="inbox_by_transaction"),
            models.Index("state", "received_at", name="inbox_stuck", condition=Q(state="STUCK")),
            models.Index("received_at", name="inbox_sealed", condition=Q(sealed__isnull=False)),
            # What staff looks for among millions, newest first.
            models.Index("message_id", name="inbox_by_message"),
            models.Index("participant", "action", "id", name="inbox_of_participant_action"),
            models.Index("participant", "id", name="inbox_of_participant"),
            models.Index("action", "id", name="inbox_of_action"),
            models.Index("state", "id", name="inbox_not_done", condition=~Q(state="DONE")),
            models.Index("id", name="inbox_repeated", condition=Q(repeats__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.message_id}"


class Outbox(models.Model):
    """A message we owe somebody: a callback, a request of one of our portals, our catalogue. Posted by a worker.

    `body` is complete except for what `holes` lists: places whose value is put in when it is sent, from `sealed`
    (wiped once it was taken), from the kept bytes of a credential, or a URL without its token (decision 27).
    `after_lists` are status lists that must be published before it may leave.

    pii: sealed
    """

    class Kind(models.TextChoices):
        ANSWER = "ANSWER", _("answer to a request")
        UNSOLICITED = "UNSOLICITED", _("told without being asked")
        REQUEST = "REQUEST", _("request of one of our portals")
        PUBLICATION = "PUBLICATION", _("our catalogue for a discovery service")

    kind = models.CharField(max_length=11, choices=Kind)
    action = models.CharField(max_length=32)
    sender_id = models.CharField(max_length=255)
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="+", db_index=False)
    uri = models.CharField(max_length=2048)
    transaction_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255)
    in_answer_to = models.ForeignKey(Inbox, null=True, on_delete=models.SET_NULL, related_name="answers_sent")
    body = MessageField()
    holes = MessageField(default=list)
    sealed = EncryptedJSONField(null=True)
    after_lists = MessageField(default=list)
    created_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "beckn_outbox"
        verbose_name = _("message to send")
        verbose_name_plural = _("messages to send")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="a_delivered_message_has_its_moment",
                condition=Q(state="DONE", done_at__isnull=False) | ~Q(state="DONE"),
                violation_error_message=_("A delivered message needs the moment it was delivered."),
            ),
        ]
        indexes: ClassVar = [
            models.Index("participant", "due_at", name="outbox_due", condition=Q(state="WAITING")),
            models.Index(
                "participant",
                "lease_until",
                name="outbox_leased",
                condition=Q(state="WAITING", lease_until__isnull=False),
            ),
            models.Index("created_at", name="outbox_by_time"),
            models.Index("transaction_id", name="outbox_by_transaction"),
            models.Index("message_id", name="outbox_by_message"),
            models.Index("state", "created_at", name="outbox_stuck", condition=Q(state="STUCK")),
            models.Index("created_at", name="outbox_sealed", condition=Q(sealed__isnull=False)),
            models.Index("participant", "action", "id", name="outbox_of_participant_action"),
            models.Index("participant", "id", name="outbox_of_participant"),
            models.Index("action", "id", name="outbox_of_action"),
            models.Index("state", "id", name="outbox_not_done", condition=~Q(state="DONE")),
            models.Index("participant", name="outbox_stuck_of", condition=Q(state="STUCK")),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.message_id}"


class MessageNote(models.Model):
    """What staff did with one message, and why in their own words. Goes with the message.

    `by` is the journal's actor: a member of staff's account, or the operator's command.

    pii: note
    """

    class Act(models.TextChoices):
        RETRIED = "RETRIED", _("tried again")
        GIVEN_UP = "GIVEN_UP", _("given up")

    received = models.ForeignKey(Inbox, null=True, on_delete=models.CASCADE, related_name="notes")
    sent = models.ForeignKey(Outbox, null=True, on_delete=models.CASCADE, related_name="notes")
    act = models.CharField(max_length=8, choices=Act)
    at = models.DateTimeField()
    by = models.CharField(max_length=255)
    note = EncryptedTextField(blank=True, default="")

    class Meta:
        db_table = "beckn_message_notes"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="a_note_is_about_one_message",
                condition=Q(received=None, sent__isnull=False) | Q(received__isnull=False, sent=None),
                violation_error_message=_("A note is about one message."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """A worker's sign of life, written every few seconds; one that ended well takes its row away.

    `name` is the machine's and the process's. `rounds` counts looks at what is due since the start.

    pii: none
    """

    name = models.CharField(max_length=255, unique=True)
    queues = ArrayField(models.CharField(max_length=32), default=list)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    rounds = models.PositiveBigIntegerField(default=0)
    last_round_ms = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "beckn_heartbeats"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
