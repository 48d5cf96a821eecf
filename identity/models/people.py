"""Who signs in, the person they are on the network, and how utilities know them."""

import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from identity.encryption import EncryptedTextField, blind_index
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

    def held_for_did(self, did: str) -> "Subject":
        """`for_did`, and until the caller's transaction ends nobody erases or merges this person.

        A foreign key alone is looked at by the end of a transaction: too late for whoever erases meanwhile.
        """
        for _attempt in range(2):
            row = next(iter(self.raw("SELECT * FROM subjects WHERE did = %s FOR KEY SHARE", [did])), None)
            if row is not None and row.merged_into_id:
                row = next(iter(self.raw("SELECT * FROM subjects WHERE id = %s FOR KEY SHARE", [row.merged_into_id])))
            if row is not None:
                return row
            self.for_did(did)
        raise self.model.DoesNotExist

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
