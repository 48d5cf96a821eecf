"""What people brought to prove who they are, and the sessions that stand on it."""

import uuid

from django.db import models
from django.db.models import F, Q

from identity.encryption import EncryptedBytesField, EncryptedJSONField, EncryptedTextField
from identity.models.people import User


class ProofUse(models.Model):
    """Where a token was first used: it counts for that participant and order and nowhere else (decision 46).

    pii: none
    """

    digest = models.BinaryField(max_length=32, unique=True)
    participant_id = models.CharField(max_length=255)
    order_id = models.CharField(max_length=255)
    first_used_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "proof_uses"
        indexes = [models.Index(fields=["expires_at"], name="proof_uses_expires_at")]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.order_id}"


class OneTimeCode(models.Model):
    """A code that a utility was asked to send for one participant's order, and what became of it (decision 28).

    Neither number nor code is kept: the number and the account as blind indexes, to count what was sent to them; the
    utility's session sealed, to answer a repeated message alike; a code under way or found right as a keyed digest.
    `checking` is set and committed before the utility is asked about a code, and taken back with its verdict: where
    it is left, nobody knows whether the utility counted.

    pii: session, proof
    """

    class Verdict(models.TextChoices):
        NONE = "", "none yet"
        RIGHT = "RIGHT"
        LOCKED = "LOCKED"
        OVER = "OVER"

    participant_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255, help_text="Of the message that had it sent; unique per participant.")
    order_id = models.CharField(max_length=200)
    utility_id = models.CharField(max_length=128)
    number_index = models.BinaryField(max_length=32)
    account_index = models.BinaryField(max_length=32, null=True)
    session_index = models.BinaryField(max_length=32, null=True, unique=True)
    session = EncryptedTextField(blank=True, default="")
    masked_to = models.CharField(max_length=40, blank=True)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    attempts_left = models.PositiveSmallIntegerField(default=0)
    checking = models.BinaryField(max_length=32, null=True)
    verdict = models.CharField(max_length=6, choices=Verdict.choices, blank=True)
    right_code = models.BinaryField(max_length=32, null=True)
    proof = EncryptedJSONField(null=True)
    verified_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "one_time_codes"
        indexes = [
            models.Index(fields=["number_index", "asked_at"], name="codes_by_number"),
            models.Index(fields=["account_index", "asked_at"], name="codes_by_account"),
            models.Index(fields=["participant_id", "asked_at"], name="codes_by_participant"),
            models.Index(fields=["asked_at"], name="codes_by_age"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["participant_id", "message_id"], name="one_code_per_message"),
            models.CheckConstraint(
                name="a_right_code_has_its_proof",
                condition=Q(verdict="RIGHT", verified_at__isnull=False, right_code__isnull=False, proof__isnull=False)
                | (~Q(verdict="RIGHT") & Q(verified_at=None, right_code=None, proof__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.order_id}"


class JournalKey(models.Model):
    """An Ed25519 key that seals the journal's days: one that no other message is signed with.

    Old ones stay: their seals are checked with them.

    pii: none
    """

    kid = models.CharField(max_length=128, unique=True)
    private_key = EncryptedBytesField(help_text="32 bytes, Ed25519 seed")
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "journal_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["retired_at"],
                condition=Q(retired_at=None),
                nulls_distinct=False,
                name="one_journal_key_signs",
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class RateBucket(models.Model):
    """A token bucket: what is left of it at `at`. The table is unlogged: after a crash everyone starts full.

    pii: none (a source is a network address and is purged after an hour)
    """

    key = models.CharField(max_length=300, primary_key=True)
    tokens = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        db_table = "rate_buckets"

    def __str__(self) -> str:
        return self.key


class OidcSession(models.Model):
    """A sign-in at a provider that a browser's session of ours stands on; its tokens go when it ends.

    The first one of a session is `is_primary`: the session ends with it. `sid` is the provider's own session.
    `claims` are those allowed (`identity.claims`); `tokens` are {access, refresh, id}. One renewal at a time:
    `renewing_until`.

    pii: tokens, claims
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="oidc_sessions")
    session_key = models.CharField(max_length=40, db_index=True)
    is_primary = models.BooleanField(default=True)
    issuer = models.CharField(max_length=255)
    sub = models.CharField(max_length=255)
    sid = models.CharField(max_length=255, blank=True, default="")
    acr = models.CharField(max_length=128, blank=True, default="")
    auth_time = models.DateTimeField(null=True, blank=True)
    claims = EncryptedJSONField(null=True)
    tokens = EncryptedJSONField(null=True)
    access_expires_at = models.DateTimeField(null=True, blank=True)
    renewing_until = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=16, blank=True, default="")

    class Meta:
        db_table = "oidc_sessions"
        indexes = [
            models.Index(fields=["issuer", "sub"], name="oidc_sessions_living", condition=Q(ended_at=None)),
            models.Index(fields=["began_at"], name="oidc_sessions_began_at"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["session_key", "issuer"],
                name="one_living_sign_in_per_session_and_provider",
                condition=Q(ended_at=None),
            ),
            models.CheckConstraint(
                name="ended_sign_in_keeps_no_tokens",
                condition=Q(ended_at=None, ended_by="")
                | (Q(ended_at__isnull=False, tokens__isnull=True, claims__isnull=True) & ~Q(ended_by="")),
                violation_error_message="A sign-in that has ended keeps no tokens.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class AccountLink(models.Model):
    """A second account that is being linked to whoever is signed in (personas P5, link proof).

    Bound to the session, user, issuer and sub that started it and to the issuer it asks: only they can finish it, once,
    and `sub_b` is then the account that was signed in to.

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session_digest = models.CharField(max_length=64, help_text="SHA-256 (hex) of the session's key")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="links_started")
    iss_a = models.CharField(max_length=255)
    sub_a = models.CharField(max_length=255)
    iss_b = models.CharField(max_length=255)
    sub_b = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "account_links"
        indexes = [models.Index(fields=["expires_at"], name="account_links_expires_at")]
        constraints = [
            models.CheckConstraint(
                name="finished_link_names_both_accounts",
                condition=Q(finished_at=None, sub_b="") | (Q(finished_at__isnull=False) & ~Q(sub_b="")),
            ),
            models.CheckConstraint(name="link_ends_after_it_begins", condition=Q(expires_at__gt=F("created_at"))),
        ]

    def __str__(self) -> str:
        return str(self.id)


class LinkReference(models.Model):
    """What a portal sends in `init` in place of tokens: good once, for ten minutes (personas P5, preferred way).

    Of the reference only the digest is kept; `identities` are the sign-ins it stands for as JSON, wiped by its use.

    pii: identities
    """

    digest = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="link_references")
    identities = EncryptedJSONField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    participant_id = models.CharField(max_length=255, blank=True, default="")
    order_id = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        db_table = "link_references"
        indexes = [models.Index(fields=["expires_at"], name="link_references_expires_at")]
        constraints = [
            models.CheckConstraint(
                name="used_link_reference_keeps_no_identities",
                condition=Q(used_at=None) | (Q(used_at__isnull=False, identities__isnull=True) & ~Q(participant_id="")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class LogoutToken(models.Model):
    """A provider's logout token that was acted on, so that it is not a second time.

    pii: none
    """

    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "logout_tokens"
        indexes = [models.Index(fields=["expires_at"], name="logout_tokens_expires_at")]

    def __str__(self) -> str:
        return str(self.pk)
