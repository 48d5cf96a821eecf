"""People, the agencies that help them, and the proofs they brought."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from identity.encryption import EncryptedBytesField, EncryptedJSONField, EncryptedTextField, blind_index
from identity.inserting import insert_if_new


class UserManager(BaseUserManager["User"]):
    """Users are found by the provider's issuer and `sub`, never by e-mail: an address changes hands."""

    def for_login(self, issuer: str, sub: str) -> "User":
        """Return the user of this provider and `sub`, made now if this is the first sign-in."""
        user, _ = self.get_or_create(issuer=issuer, sub=sub, defaults={"username": f"oidc-{uuid.uuid4().hex}"})
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Make a local break-glass account; people sign in through a provider."""
        user = self.model(username=username, issuer="", sub=username, is_staff=True, is_superuser=True, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who signs in. `username` is a handle without meaning; `issuer` is empty for a local account.

    pii: name, email
    """

    username = models.CharField(max_length=150, unique=True)
    issuer = models.CharField(max_length=255, blank=True, default="")
    sub = models.CharField(max_length=255)
    name = EncryptedTextField(blank=True, default="")
    email = EncryptedTextField(blank=True, default="")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(null=True, blank=True)
    subject = models.ForeignKey("Subject", null=True, blank=True, on_delete=models.PROTECT, related_name="users")

    objects = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = []

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "sub"],
                name="one_user_per_issuer_and_sub",
                violation_error_message="This provider's user exists already.",
            ),
        ]

    def __str__(self) -> str:
        return self.username


class SubjectQuerySet(models.QuerySet["Subject"]):
    def for_did(self, did: str, *, kind: str = "PERSON") -> "Subject":
        """Return the subject of this DID (or opaque id), made now if it is new; of merged ones the one that lives on.

        Safe when many ask at once: the unique index decides, nobody waits for a lock.
        """
        found = self._living(did)
        if found is None:
            made = self.model(did=did, kind=kind)
            found = made if insert_if_new(made, unique=("did",)) else self._living(did)
        assert found is not None
        return found

    def with_email(self, email: str) -> models.QuerySet["Subject"]:
        return self.filter(email_index=blind_index(email, purpose="email"), merged_into=None)

    def with_phone(self, phone: str) -> models.QuerySet["Subject"]:
        return self.filter(phone_index=blind_index(phone, purpose="phone"), merged_into=None)

    def _living(self, did: str) -> "Subject | None":
        found = self.filter(did=did).first()
        return found.merged_into if found and found.merged_into_id else found


class Subject(models.Model):
    """The person or organisation that enrols. `did` is what the network calls them: a DID or an opaque id.

    A merged subject points to the one that lives on, and that one is never merged itself (trigger).

    pii: name, email, phone
    """

    class Kind(models.TextChoices):
        PERSON = "PERSON"
        ORGANISATION = "ORGANISATION"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    did = models.CharField(max_length=512, unique=True, null=True, blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.PERSON)
    name = EncryptedTextField(blank=True, default="")
    email = EncryptedTextField(blank=True, default="")
    phone = EncryptedTextField(blank=True, default="")
    email_index = models.BinaryField(max_length=32, null=True, blank=True)
    phone_index = models.BinaryField(max_length=32, null=True, blank=True)
    locale = models.CharField(max_length=35, blank=True, default="", help_text="BCP 47")
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged_from")

    objects = SubjectQuerySet.as_manager()

    class Meta:
        db_table = "subjects"
        indexes = [
            models.Index(fields=["email_index"], name="subjects_email", condition=Q(email_index__isnull=False)),
            models.Index(fields=["phone_index"], name="subjects_phone", condition=Q(phone_index__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(name="subject_kind_is_known", condition=Q(kind__in=["PERSON", "ORGANISATION"])),
            models.CheckConstraint(name="subject_did_is_not_empty", condition=~Q(did="")),
            models.CheckConstraint(
                name="subject_is_not_merged_into_itself",
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                violation_error_message="A subject cannot be merged into itself.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def remember_contact(self, *, name: str = "", email: str = "", phone: str = "", locale: str = "") -> bool:
        """Keep what is given and new, leave the rest; return whether anything was written."""
        changed = []
        for field, value in (("name", name), ("email", email), ("phone", phone), ("locale", locale)):
            if value and getattr(self, field) != value:
                setattr(self, field, value)
                changed.append(field)
                if field in ("email", "phone"):
                    setattr(self, f"{field}_index", blind_index(value, purpose=field))
                    changed.append(f"{field}_index")
        if changed:
            self.save(update_fields=changed)
        return bool(changed)


class SubjectUtilityLink(models.Model):
    """How a subject is known at a utility: by its sign-in there (`iss`, `sub`), its customer number, or both.

    pii: utility_customer_id
    """

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        ENDED = "ENDED"

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="utility_links")
    utility_id = models.CharField(max_length=128)
    iss = models.CharField(max_length=255, blank=True, default="")
    sub = models.CharField(max_length=255, blank=True, default="")
    utility_customer_id = EncryptedTextField(blank=True, default="")
    customer_index = models.BinaryField(max_length=32, null=True, blank=True)
    acr = models.CharField(max_length=128, blank=True, default="")
    amr = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    auth_time = models.DateTimeField(null=True, blank=True)
    linked_at = models.DateTimeField()
    proof_digest = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 (hex) of the proof")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)

    class Meta:
        db_table = "subject_utility_links"
        constraints = [
            models.UniqueConstraint(
                fields=["utility_id", "iss", "sub"], name="one_link_per_sign_in", condition=~Q(sub="")
            ),
            models.UniqueConstraint(
                fields=["utility_id", "customer_index", "subject"],
                name="one_active_link_per_customer_number",
                condition=Q(status="ACTIVE", customer_index__isnull=False),
            ),
            models.CheckConstraint(
                name="link_sign_in_has_issuer_and_sub", condition=Q(iss="", sub="") | (~Q(iss="") & ~Q(sub=""))
            ),
            models.CheckConstraint(name="link_status_is_known", condition=Q(status__in=["ACTIVE", "ENDED"])),
        ]

    def __str__(self) -> str:
        return f"{self.utility_id} {self.subject_id}"


class Agency(models.Model):
    """An enrolment agency, certified for a time and bound to the participants that may send for it (decision 48).

    Empty `utilities` or `programs` mean any; empty `participants` mean that nobody may. The contact is the
    organisation's public one.

    pii: none
    """

    agency_id = models.CharField(max_length=128, unique=True)
    name = models.CharField(max_length=255)
    contact_email = models.CharField(max_length=255, blank=True, default="")
    contact_phone = models.CharField(max_length=64, blank=True, default="")
    contact_url = models.CharField(max_length=512, blank=True, default="")
    contact_hours = models.CharField(max_length=255, blank=True, default="")
    certified_from = models.DateTimeField()
    certified_until = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: until withdrawn.")
    suspended_at = models.DateTimeField(null=True, blank=True)
    utilities = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    programs = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    participants = ArrayField(models.CharField(max_length=255), default=list, blank=True)

    class Meta:
        db_table = "agencies"
        verbose_name_plural = "agencies"
        indexes = [GinIndex(fields=["participants"], name="agencies_participants")]
        constraints = [
            models.CheckConstraint(name="agency_id_is_not_empty", condition=~Q(agency_id="")),
            models.CheckConstraint(
                name="agency_certificate_ends_after_it_begins",
                condition=Q(certified_until=None) | Q(certified_until__gt=F("certified_from")),
                violation_error_message="A certificate ends after it begins.",
            ),
        ]

    def __str__(self) -> str:
        return self.agency_id

    def is_certified(self, at: datetime) -> bool:
        """Say whether the certificate covers this instant; suspension is another question."""
        return self.certified_from <= at and (self.certified_until is None or at < self.certified_until)


class Membership(models.Model):
    """A person who works for an agency, known by the operator id it gave them.

    pii: none
    """

    class Role(models.TextChoices):
        OPERATOR = "OPERATOR"
        SUPERVISOR = "SUPERVISOR"
        ADMIN = "ADMIN"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="memberships")
    operator_id = models.CharField(max_length=128)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.OPERATOR)
    certified_until = models.DateTimeField(null=True, blank=True, help_text="Exclusive; empty: as the agency.")
    active = models.BooleanField(default=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="memberships")

    class Meta:
        db_table = "agency_memberships"
        constraints = [
            models.UniqueConstraint(fields=["agency", "operator_id"], name="one_membership_per_operator"),
            models.CheckConstraint(
                name="membership_role_is_known", condition=Q(role__in=["OPERATOR", "SUPERVISOR", "ADMIN"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator_id}"

    def is_certified(self, at: datetime) -> bool:
        """Say whether this operator may act at this instant."""
        return self.active and (self.certified_until is None or at < self.certified_until)


class Mandate(models.Model):
    """A subject's word that an agency may act for them: which acts, from when until when, and on what evidence.

    pii: none
    """

    class Evidence(models.TextChoices):
        CREDENTIAL = "CREDENTIAL"
        DOCUMENT = "DOCUMENT"

    class State(models.TextChoices):
        ACTIVE = "ACTIVE"
        REVOKED = "REVOKED"

    mandate_id = models.CharField(max_length=128, unique=True)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="mandates")
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="mandates")
    operator_id = models.CharField(max_length=128, blank=True, default="", help_text="Empty: any operator.")
    actions = ArrayField(models.CharField(max_length=64), default=list)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    evidence_kind = models.CharField(max_length=16, choices=Evidence.choices)
    evidence_digest = models.CharField(max_length=64, help_text="SHA-256 (hex) of the evidence")
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "mandates"
        constraints = [
            models.CheckConstraint(
                name="mandate_ends_after_it_begins",
                condition=Q(valid_until__gt=F("valid_from")),
                violation_error_message="A mandate ends after it begins.",
            ),
            models.CheckConstraint(
                name="revoked_mandate_has_its_moment",
                condition=Q(state="REVOKED", revoked_at__isnull=False) | Q(state="ACTIVE", revoked_at=None),
                violation_error_message="A revoked mandate needs the moment it was revoked.",
            ),
        ]

    def __str__(self) -> str:
        return self.mandate_id

    def covers(self, action: str, *, operator_id: str, at: datetime) -> bool:
        """Say whether this operator may do `action` for the subject at this instant."""
        is_operator = not self.operator_id or self.operator_id == operator_id
        in_time = self.valid_from <= at < self.valid_until
        return self.state == self.State.ACTIVE and is_operator and in_time and action in self.actions


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
