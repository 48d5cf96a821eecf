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

from identity.encryption import EncryptedBytesField, EncryptedJSONField, EncryptedTextField

LIST_SIZE = 131_072
"""Entries per status list; W3C Bitstring Status List v1.0 asks for at least this many, for herd privacy."""


class KeyState(models.TextChoices):
    ANNOUNCED = "ANNOUNCED", _("announced")
    ACTIVE = "ACTIVE", _("active")
    RETIRED = "RETIRED", _("retired")
    REVOKED = "REVOKED", _("revoked")


class KeyAlgorithm(models.TextChoices):
    ES256 = "ES256", "ES256 (JWT)"
    ED25519 = "Ed25519", "Ed25519 (Data Integrity)"


class IssuerKey(models.Model):
    """One signing key of ours: published from the announcement, signing while active, worthless once revoked.

    `kid` is the RFC 7638 thumbprint, `multikey` the Multikey text (`z…`): both are fragments of the DID document,
    derived from the key and therefore never reused. `private` is PKCS #8 (DER), encrypted at rest; a key that lives
    in a KMS or HSM has none, but the `provider` that reaches it and that provider's own name for it (`reference`).

    pii: none
    """

    kid = models.CharField(max_length=64, unique=True)
    multikey = models.CharField(max_length=80, unique=True)
    algorithm = models.CharField(max_length=16, choices=KeyAlgorithm.choices, default=KeyAlgorithm.ES256)
    public_jwk = models.JSONField()
    private = EncryptedBytesField(null=True)
    provider = models.CharField(max_length=200, blank=True, default="")
    reference = models.CharField(max_length=500, blank=True, default="")
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
            models.CheckConstraint(
                name="issuer_key_lives_in_one_place",
                condition=Q(private__isnull=False, provider="", reference="")
                | (Q(private__isnull=True) & ~Q(provider="")),
                violation_error_message=_("A key is either kept here, encrypted, or by a provider elsewhere."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kid} {self.state}"


class Kind(models.TextChoices):
    ENROLLMENT = "ENROLLMENT", _("enrolment")
    CONSENT = "CONSENT", _("consent")
    GENERAL = "GENERAL", _("other")  # what an operator issues through the VC API


class Purpose(models.TextChoices):
    """What a Bitstring Status List tells (`statusPurpose`)."""

    REVOCATION = "revocation", _("revocation")
    SUSPENSION = "suspension", _("suspension")


class Publication(models.TextChoices):
    """What is published of one numbered list: a Bitstring list for each purpose, and the IETF token of both."""

    REVOCATION = "revocation", _("revocation")
    SUSPENSION = "suspension", _("suspension")
    TOKEN = "token", _("token of both")


class StatusList(models.Model):
    """One numbered list of a kind. Its number and an index serve the revocation and the suspension list (decision 33).

    `version` counts publications and never goes back; 0 means not yet published, and such a list issues nothing.
    `sequence` names the PostgreSQL sequence behind the permutation; `permutation_key` is 32 bytes. `published_at` is
    when anything of it was last published: from a tenth of a second later on every process serves that.

    pii: none
    """

    kind = models.CharField(max_length=12, choices=Kind.choices)
    number = models.PositiveIntegerField()
    size = models.PositiveIntegerField(default=LIST_SIZE)
    sequence = models.CharField(max_length=63, unique=True)
    permutation_key = EncryptedBytesField()
    version = models.PositiveBigIntegerField(default=0)
    published_at = models.DateTimeField(null=True, blank=True)
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

    def without_json(self) -> StatusListVersionQuerySet:
        """The versions that are served now and have no JSON form yet."""
        newer = StatusListVersion.objects.filter(
            status_list=models.OuterRef("status_list"),
            purpose=models.OuterRef("purpose"),
            version__gt=models.OuterRef("version"),
        )
        # The digest, not the body: a body of kilobytes need not be read to see that it is there.
        missing = self.filter(~Q(purpose=Publication.TOKEN), json_digest="")
        return missing.filter(~models.Exists(newer))


class StatusListVersion(models.Model):
    """One published list: its compressed bits and the signed token. Versions never go back.

    Of a purpose `bits` is gzip as in `encodedList` and `body` a `vc+jwt`; of the token `bits` is zlib as in `lst` and
    `body` a `statuslist+jwt`. `json_body` is the same list as JSON with an embedded proof, written a moment after the
    token (empty until then; always empty for the token). A digest is SHA-256 (hex) of a body: its ETag.

    pii: none
    """

    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="versions")
    purpose = models.CharField(max_length=12, choices=Publication.choices)
    version = models.PositiveBigIntegerField()
    bits = models.BinaryField()
    body = models.TextField()
    digest = models.CharField(max_length=64)
    kid = models.CharField(max_length=64)
    json_body = models.TextField(blank=True, default="")
    json_digest = models.CharField(max_length=64, blank=True, default="")
    json_kid = models.CharField(max_length=64, blank=True, default="")
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
            models.CheckConstraint(
                name="status_list_json_is_whole",
                condition=Q(json_body="", json_digest="", json_kid="")
                | (~Q(json_body="") & ~Q(json_digest="") & ~Q(json_kid="")),
                violation_error_message=_("The JSON form of a list, its digest and its key belong together."),
            ),
        ]
        indexes = [
            models.Index(
                fields=["status_list", "purpose", "version"],
                condition=Q(json_digest="") & ~Q(purpose=Publication.TOKEN),
                name="status_list_json_missing",
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


class Profile(models.TextChoices):
    """The shape a program asks for (spec credentials.md 1)."""

    OWN = "", _("our own")
    DEG = "DEG", _("DEG")


class IssuedCredential(models.Model):
    """One credential: one id, one status index, however many signed forms (decision 51).

    `url` is its address with us and, where `wire_id` is empty, its id on the wire and its `jti`; `wire_id` is the id
    where a profile or an operator wants another one. `claims` is `credentialSubject` without `id`; what of it is
    personal (the consumer number of the DEG profile) stands in `personal_claims` instead. `document` is the whole
    unsigned credential that an operator handed to the VC API, with our status entries; `claims` is empty then.
    `wire_valid_until` is the end as the applicant wrote it (decision 49). `access_digest` is SHA-256 of the token in
    the credential's link. `revoke_at` is a revocation that is planned and not yet done. In the clear there are a DID,
    meter and program ids.

    pii: personal_claims, document
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    url = models.CharField(max_length=300, unique=True)
    wire_id = models.CharField(max_length=500, blank=True, default="", db_index=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    profile = models.CharField(max_length=8, choices=Profile.choices, blank=True, default=Profile.OWN)
    subject_did = models.CharField(max_length=500, db_index=True)
    claims = models.JSONField()
    personal_claims = EncryptedJSONField(null=True)
    document = EncryptedJSONField(null=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    wire_valid_until = models.CharField(max_length=40, blank=True, default="")
    issued_at = models.DateTimeField()
    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="credentials")
    status_index = models.PositiveIntegerField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=200, blank=True, default="")
    revoke_at = models.DateTimeField(null=True, blank=True)
    revoke_at_reason = models.CharField(max_length=200, blank=True, default="")
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
            models.CheckConstraint(
                name="planned_revocation_has_its_reason",
                condition=Q(revoke_at=None, revoke_at_reason="")
                | (Q(revoke_at__isnull=False, revoked_at=None) & ~Q(revoke_at_reason="")),
                violation_error_message=_("A planned revocation needs a reason, and ends when it is done."),
            ),
        ]
        indexes = [
            # The console's list, newest first, whole and by what few of them are.
            models.Index(fields=["-issued_at", "-id"], name="credentials_newest"),
            models.Index(fields=["kind", "-issued_at", "-id"], name="credentials_newest_of_kind"),
            models.Index(fields=["profile", "-issued_at", "-id"], condition=~Q(profile=""), name="credentials_shaped"),
            models.Index(fields=["valid_until"], name="credentials_by_their_end"),
            models.Index(fields=["revoke_at"], condition=Q(revoke_at__isnull=False), name="revocation_due"),
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
    JSON_2_0 = "JSON_2_0", "JSON with an embedded proof, data model 2.0"


class SignedForm(models.Model):
    """The kept bytes of one form of a credential and the key that signed them.

    A form that says something personal (DEG profile, VC API) is kept in `sealed_body`, any other in `body`; read
    `text`.

    pii: sealed_body
    """

    credential = models.ForeignKey(IssuedCredential, on_delete=models.RESTRICT, related_name="forms")
    form = models.CharField(max_length=12, choices=Form.choices)
    body = models.TextField(blank=True, default="")
    sealed_body = EncryptedTextField(null=True)
    kid = models.CharField(max_length=64, db_index=True)
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "signed_forms"
        constraints = [
            models.UniqueConstraint(fields=["credential", "form"], name="one_body_per_credential_and_form"),
            models.CheckConstraint(
                name="signed_form_is_kept_once",
                condition=Q(body="", sealed_body__isnull=False) | (~Q(body="") & Q(sealed_body__isnull=True)),
                violation_error_message=_("A form is kept either in the clear or encrypted."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential_id} {self.form}"

    @property
    def text(self) -> str:
        """The signed form itself."""
        return self.body or str(self.sealed_body)


class BulkKind(models.TextChoices):
    REVOKE = "REVOKE", _("revoke")
    SUSPEND = "SUSPEND", _("suspend")
    RESUME = "RESUME", _("resume")
    RESIGN = "RESIGN", _("sign again")
    END = "END", _("end what they belong to")  # done by the room they belong to, with its own rows
    PAUSE = "PAUSE", _("suspend what they belong to")
    GO_ON = "GO_ON", _("resume what they belong to")
    TELL = "TELL", _("tell who was not asked")  # what an END or RESIGN owes to others, at a pace they can take


class BulkAct(models.Model):
    """One act on many credentials: its set is frozen when it is asked for, and worked off batch by batch.

    `source` names what asked (`program:<id>`, `agency:<id>`, `key:<kid>`, `act:<id>`, `command`); `digest` is SHA-256
    (hex) over the ids in order, each with a line feed. `reason` is a code, never a sentence about a person. `options`
    belong to the kind, as `{"keepOutliving": true}`.

    One that needs a second person has `approve_until`, and is due at no time before another person has approved this
    very digest (`approved_digest`). `asked_by`, `approved_by` and `refused_by` name people of the staff by their ids;
    `refused_by` may be who asked, then it was taken back. What was asked for never changes (trigger).

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=BulkKind.choices)
    source = models.CharField(max_length=300)
    reason = models.CharField(max_length=200, blank=True, default="")
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=255)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    count = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    options = models.JSONField(default=dict, blank=True)
    asked_by = models.CharField(max_length=64, blank=True, default="")
    approve_until = models.DateTimeField(null=True, blank=True)
    approved_by = models.CharField(max_length=64, blank=True, default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_digest = models.CharField(max_length=64, blank=True, default="")
    refused_by = models.CharField(max_length=64, blank=True, default="")
    refused_at = models.DateTimeField(null=True, blank=True)
    refusal_reason = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        db_table = "bulk_acts"
        ordering = ["-asked_at"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(finished_at=None), name="bulk_act_due"),
            models.Index(fields=["source"], name="bulk_acts_by_source"),
            models.Index(fields=["-asked_at"], condition=~Q(kind="TELL"), name="bulk_acts_newest"),
            models.Index(
                fields=["approve_until"],
                condition=Q(approve_until__isnull=False, approved_at=None, refused_at=None),
                name="bulk_acts_to_approve",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="bulk_act_of_two_persons_knows_who_asked",
                condition=Q(approve_until=None, approved_at=None, refused_at=None, due_at__isnull=False)
                | (Q(approve_until__isnull=False) & ~Q(asked_by="")),
                violation_error_message=_("An act that needs a second person says who has asked for it."),
            ),
            models.CheckConstraint(
                name="bulk_act_is_due_when_it_was_approved",
                condition=Q(approve_until=None) | Q(due_at=None, approved_at=None) | Q(approved_at__isnull=False),
                violation_error_message=_("Nothing is done before a second person has approved it."),
            ),
            models.CheckConstraint(
                name="bulk_act_is_approved_by_another_person",
                condition=Q(approved_at=None, approved_by="", approved_digest="")
                | (
                    Q(
                        approved_at__isnull=False,
                        approved_at__lt=F("approve_until"),
                        due_at__isnull=False,
                        approved_digest=F("digest"),
                        refused_at=None,
                    )
                    & ~Q(approved_by="")
                    & ~Q(approved_by=F("asked_by"))
                ),
                violation_error_message=_("Another person approves what was asked for, in time, by its digest."),
            ),
            models.CheckConstraint(
                name="refused_bulk_act_has_its_person_and_reason",
                condition=Q(refused_at=None, refused_by="", refusal_reason="")
                | (Q(refused_at__isnull=False) & ~Q(refused_by="") & ~Q(refusal_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source} {self.count}"


class BulkBatch(models.Model):
    """A part of a bulk act's stored manifest: the ids, their digest, and whether it is done.

    `changed` counts the ids that the act changed (the others were so already), `lists` the status lists it touched.
    `leased_until` is how long the worker that has it now may take; then another one does it.

    pii: none
    """

    act = models.ForeignKey(BulkAct, on_delete=models.RESTRICT, related_name="batches")
    number = models.PositiveIntegerField()
    ids = ArrayField(models.UUIDField())
    digest = models.CharField(max_length=64)
    leased_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    changed = models.PositiveIntegerField(null=True, blank=True)
    lists = ArrayField(models.BigIntegerField(), default=list, blank=True)

    class Meta:
        db_table = "bulk_batches"
        ordering = ["act", "number"]
        constraints = [
            models.UniqueConstraint(fields=["act", "number"], name="one_batch_per_act_and_number"),
            models.CheckConstraint(
                name="done_batch_counts_its_changes",
                condition=Q(done_at=None, changed=None) | Q(done_at__isnull=False, changed__isnull=False),
                violation_error_message=_("A batch that is done says how much it changed."),
            ),
        ]
        indexes = [models.Index(fields=["act", "number"], condition=Q(done_at=None), name="bulk_batch_open")]

    def __str__(self) -> str:
        return f"{self.act_id} {self.number}"


class PublicCheck(models.Model):
    """A look at a published list as a stranger has it, after an act: does it show what was done?

    `about` names the act (`bulk:<id>`, `staff:<id>`). `indexes` are places of the list, a sample where there are many,
    which have to be set or not (`is_set`). A worker fetches the list by HTTP from its public address once it is
    published, and again while it still shows something else; `version` is the one whose bytes it got. `due_at` is the
    next try, null when it is over; over with a `problem` is for somebody to look at.

    pii: none
    """

    about = models.CharField(max_length=80, db_index=True)
    status_list = models.ForeignKey(StatusList, on_delete=models.RESTRICT, related_name="+")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    indexes = ArrayField(models.PositiveIntegerField())
    is_set = models.BooleanField()
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    fetched_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "public_checks"
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="public_checks_due")]

    def __str__(self) -> str:
        return f"{self.about} {self.status_list_id} {self.purpose}"

    @property
    def is_over(self) -> bool:
        return self.due_at is None


class WalletOffer(models.Model):
    """One offer of a credential to a wallet (OpenID4VCI, pre-authorised code): single use, short-lived.

    `reference_digest` is SHA-256 of the token in the offer's address, `code_digest` that of the pre-authorised code,
    which is kept encrypted because the offer is fetched by reference. `transaction_code_index` is a keyed hash.

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credential = models.ForeignKey(IssuedCredential, on_delete=models.RESTRICT, related_name="offers")
    reference_digest = models.BinaryField(max_length=32, unique=True)
    code = EncryptedTextField()
    code_digest = models.BinaryField(max_length=32, unique=True)
    transaction_code_index = models.BinaryField(max_length=32)
    wrong_codes = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "wallet_offers"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="wallet_offer_ends_after_it_starts",
                condition=Q(expires_at__gt=F("created_at")),
                violation_error_message=_("An offer ends after it was made."),
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="wallet_offer_expiry")]

    def __str__(self) -> str:
        return f"offer {self.id}"


class WalletAccess(models.Model):
    """An access token that a consumed offer was exchanged for; good for one issuance of its credential.

    pii: none
    """

    offer = models.OneToOneField(WalletOffer, on_delete=models.CASCADE, related_name="access")
    token_digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "wallet_accesses"

    def __str__(self) -> str:
        return f"access {self.pk}"


class WalletNonce(models.Model):
    """A nonce that a wallet has signed to prove its key is there now: used once, remembered until its time is over.

    Nonces that are given out carry our seal and are not kept: whoever asks for them writes nothing.

    pii: none
    """

    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "wallet_nonces"

    def __str__(self) -> str:
        return f"nonce {self.pk}"


class WalletCopy(models.Model):
    """A form of a credential that was bound to a wallet's key and handed over: same id, same status index.

    `format` is `jwt_vc_json` or `dc+sd-jwt`, `holder_thumbprint` the RFC 7638 thumbprint of the wallet's key. The
    bytes are not kept: the wallet has them.

    pii: none
    """

    credential = models.ForeignKey(IssuedCredential, on_delete=models.RESTRICT, related_name="wallet_copies")
    offer = models.OneToOneField(WalletOffer, null=True, blank=True, on_delete=models.SET_NULL)
    format = models.CharField(max_length=20)
    holder_thumbprint = models.CharField(max_length=64)
    kid = models.CharField(max_length=64, db_index=True)
    issued_at = models.DateTimeField()

    class Meta:
        db_table = "wallet_copies"
        ordering = ["-issued_at"]

    def __str__(self) -> str:
        return f"{self.credential_id} {self.format}"


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
