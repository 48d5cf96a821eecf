"""0001 to 0013 at once, for a database that has none of them (docs/decisions/migrations.md).

A subject that lives on is never merged itself: every merged subject points straight at it. The row that lives on is
locked, so that two merges at once cannot build a chain of two. Rate buckets are written often and may be lost in a
crash: no write-ahead log for them.
"""

import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import identity.encryption
from audit.creating import CreateModels

MERGES = """
CREATE FUNCTION subjects_refuse_chained_merge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beyond uuid;
BEGIN
    SELECT merged_into_id INTO beyond FROM subjects WHERE id = NEW.merged_into_id FOR UPDATE;
    IF beyond IS NOT NULL THEN
        RAISE EXCEPTION 'subject % is merged itself: merge into the one that lives on', NEW.merged_into_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'subject_merges_are_not_chained';
    END IF;
    IF EXISTS (SELECT 1 FROM subjects WHERE merged_into_id = NEW.id) THEN
        RAISE EXCEPTION 'others are merged into subject %: move them first', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'subject_merges_are_not_chained';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER subject_merges_are_not_chained BEFORE INSERT OR UPDATE OF merged_into_id ON subjects
    FOR EACH ROW WHEN (NEW.merged_into_id IS NOT NULL) EXECUTE FUNCTION subjects_refuse_chained_merge();
"""

UNDO = """
DROP TRIGGER subject_merges_are_not_chained ON subjects;
DROP FUNCTION subjects_refuse_chained_merge();
"""


class Migration(migrations.Migration):
    replaces = [
        ("identity", "0001_initial"),
        ("identity", "0002_merges"),
        ("identity", "0003_ratebucket"),
        ("identity", "0004_unlogged"),
        ("identity", "0005_one_time_codes"),
        ("identity", "0006_sign_ins"),
        ("identity", "0007_agencies"),
        ("identity", "0008_agency_letters"),
        ("identity", "0009_letters_of_suspension"),
        ("identity", "0010_staff_members"),
        ("identity", "0011_staff_doors"),
        ("identity", "0012_kept_and_asked"),
        ("identity", "0013_told_of_answers"),
    ]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="Agency",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("agency_id", models.CharField(max_length=128, unique=True)),
                        ("name", models.CharField(max_length=255)),
                        ("contact_email", models.CharField(blank=True, default="", max_length=255)),
                        ("contact_phone", models.CharField(blank=True, default="", max_length=64)),
                        ("contact_url", models.CharField(blank=True, default="", max_length=512)),
                        ("contact_hours", models.CharField(blank=True, default="", max_length=255)),
                        ("certified_from", models.DateTimeField()),
                        (
                            "certified_until",
                            models.DateTimeField(blank=True, help_text="Exclusive; empty: until withdrawn.", null=True),
                        ),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "utilities",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=128), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "programs",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=128), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "participants",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "certificate_digest",
                            models.CharField(
                                blank=True, default="", help_text="SHA-256 of the document", max_length=64
                            ),
                        ),
                        ("certificate_reference", models.CharField(blank=True, default="", max_length=200)),
                        (
                            "certified_by",
                            models.CharField(
                                blank=True, default="", help_text="The utility that certifies it.", max_length=128
                            ),
                        ),
                        (
                            "daily_invitations",
                            models.PositiveIntegerField(
                                default=500, help_text="How many invitations may go out a day."
                            ),
                        ),
                        (
                            "minimum_acr",
                            models.CharField(
                                blank=True, default="", help_text="What their sign-in reaches.", max_length=128
                            ),
                        ),
                        (
                            "portal_id",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="The subscriber id its portal here signs as.",
                                max_length=255,
                            ),
                        ),
                        (
                            "sign_in_issuer",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="The OIDC provider its people sign in at.",
                                max_length=255,
                            ),
                        ),
                        (
                            "suspended_by",
                            models.CharField(
                                blank=True, default="", help_text="UTILITY, OWNER or THRESHOLD", max_length=64
                            ),
                        ),
                        (
                            "suspension_reason",
                            models.CharField(blank=True, default="", help_text="a code", max_length=60),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "agencies",
                        "db_table": "agencies",
                        "indexes": [
                            django.contrib.postgres.indexes.GinIndex(
                                fields=["participants"], name="agencies_participants"
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("agency_id", ""), _negated=True), name="agency_id_is_not_empty"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("certified_until", None),
                                    ("certified_until__gt", models.F("certified_from")),
                                    _connector="OR",
                                ),
                                name="agency_certificate_ends_after_it_begins",
                                violation_error_message="A certificate ends after it begins.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="JournalKey",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("kid", models.CharField(max_length=128, unique=True)),
                        ("private_key", identity.encryption.EncryptedBytesField(help_text="32 bytes, Ed25519 seed")),
                        ("created_at", models.DateTimeField()),
                        ("retired_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "db_table": "journal_keys",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("retired_at", None)),
                                fields=("retired_at",),
                                name="one_journal_key_signs",
                                nulls_distinct=False,
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ProofUse",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("participant_id", models.CharField(max_length=255)),
                        ("order_id", models.CharField(max_length=255)),
                        ("first_used_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "proof_uses",
                        "indexes": [models.Index(fields=["expires_at"], name="proof_uses_expires_at")],
                    },
                ),
                migrations.CreateModel(
                    name="Subject",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("did", models.CharField(blank=True, max_length=512, null=True, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("PERSON", "Person"), ("ORGANISATION", "Organisation")],
                                default="PERSON",
                                max_length=16,
                            ),
                        ),
                        ("name", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("email", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("phone", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("email_index", models.BinaryField(blank=True, max_length=32, null=True)),
                        ("phone_index", models.BinaryField(blank=True, max_length=32, null=True)),
                        ("locale", models.CharField(blank=True, default="", help_text="BCP 47", max_length=35)),
                        (
                            "merged_into",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="merged_from",
                                to="identity.subject",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "subjects",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("email_index__isnull", False)),
                                fields=["email_index"],
                                name="subjects_email",
                            ),
                            models.Index(
                                condition=models.Q(("phone_index__isnull", False)),
                                fields=["phone_index"],
                                name="subjects_phone",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["PERSON", "ORGANISATION"])),
                                name="subject_kind_is_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("did", ""), _negated=True), name="subject_did_is_not_empty"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("merged_into", None),
                                    models.Q(("merged_into", models.F("id")), _negated=True),
                                    _connector="OR",
                                ),
                                name="subject_is_not_merged_into_itself",
                                violation_error_message="A subject cannot be merged into itself.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Mandate",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("mandate_id", models.CharField(max_length=128, unique=True)),
                        (
                            "operator_id",
                            models.CharField(blank=True, default="", help_text="Empty: any operator.", max_length=128),
                        ),
                        (
                            "actions",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=64), default=list, size=None
                            ),
                        ),
                        ("valid_from", models.DateTimeField()),
                        ("valid_until", models.DateTimeField()),
                        (
                            "evidence_kind",
                            models.CharField(
                                choices=[
                                    ("OIDC", "their own sign-in"),
                                    ("CODE", "a code to their registered contact"),
                                    ("CREDENTIAL", "a credential"),
                                    ("DOCUMENT", "a signed paper"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("evidence_digest", models.CharField(help_text="SHA-256 (hex) of the evidence", max_length=64)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("PENDING", "to be reviewed"),
                                    ("ACTIVE", "active"),
                                    ("REFUSED", "refused"),
                                    ("REVOKED", "revoked"),
                                ],
                                default="ACTIVE",
                                max_length=16,
                            ),
                        ),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="mandates",
                                to="identity.agency",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="mandates",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "acr",
                            models.CharField(
                                blank=True, default="", help_text="How strongly they had signed in.", max_length=128
                            ),
                        ),
                        ("given_at", models.DateTimeField(blank=True, null=True)),
                        ("locale", models.CharField(blank=True, default="", max_length=35)),
                        (
                            "program_id",
                            models.CharField(blank=True, default="", help_text="Empty: any program.", max_length=255),
                        ),
                        (
                            "revoked_by",
                            models.CharField(
                                blank=True, default="", help_text="CUSTOMER, AGENCY, OWNER", max_length=16
                            ),
                        ),
                        (
                            "text_digest",
                            models.CharField(
                                blank=True, default="", help_text="SHA-256 (hex) of the words", max_length=64
                            ),
                        ),
                        ("text_version", models.CharField(blank=True, default="", max_length=64)),
                        (
                            "utility_id",
                            models.CharField(
                                blank=True, default="", help_text="Which knows the customer.", max_length=128
                            ),
                        ),
                    ],
                    options={
                        "db_table": "mandates",
                        "indexes": [models.Index(fields=["subject", "state"], name="mandates_of_a_person")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("valid_until__gt", models.F("valid_from"))),
                                name="mandate_ends_after_it_begins",
                                violation_error_message="A mandate ends after it begins.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("revoked_at__isnull", False), ("state", "REVOKED")),
                                    models.Q(models.Q(("state", "REVOKED"), _negated=True), ("revoked_at", None)),
                                    _connector="OR",
                                ),
                                name="revoked_mandate_has_its_moment",
                                violation_error_message="A revoked mandate needs the moment it was revoked.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["PENDING", "ACTIVE", "REFUSED", "REVOKED"])),
                                name="mandate_state_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="User",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                        (
                            "is_superuser",
                            models.BooleanField(
                                default=False,
                                help_text="Designates that this user has all permissions without explicitly assigning them.",
                                verbose_name="superuser status",
                            ),
                        ),
                        ("username", models.CharField(max_length=150, unique=True)),
                        ("issuer", models.CharField(blank=True, default="", max_length=255)),
                        ("sub", models.CharField(max_length=255)),
                        ("name", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("email", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("is_staff", models.BooleanField(default=False)),
                        ("is_active", models.BooleanField(default=True)),
                        ("date_joined", models.DateTimeField(blank=True, null=True)),
                        (
                            "subject",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="users",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "groups",
                            models.ManyToManyField(
                                blank=True,
                                help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.group",
                                verbose_name="groups",
                            ),
                        ),
                        (
                            "user_permissions",
                            models.ManyToManyField(
                                blank=True,
                                help_text="Specific permissions for this user.",
                                related_name="user_set",
                                related_query_name="user",
                                to="auth.permission",
                                verbose_name="user permissions",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "users",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("issuer", "sub"),
                                name="one_user_per_issuer_and_sub",
                                violation_error_message="This provider's user exists already.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SubjectUtilityLink",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("utility_id", models.CharField(max_length=128)),
                        ("iss", models.CharField(blank=True, default="", max_length=255)),
                        ("sub", models.CharField(blank=True, default="", max_length=255)),
                        ("utility_customer_id", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("customer_index", models.BinaryField(blank=True, max_length=32, null=True)),
                        ("acr", models.CharField(blank=True, default="", max_length=128)),
                        (
                            "amr",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=32), blank=True, default=list, size=None
                            ),
                        ),
                        ("auth_time", models.DateTimeField(blank=True, null=True)),
                        ("linked_at", models.DateTimeField()),
                        (
                            "proof_digest",
                            models.CharField(
                                blank=True, default="", help_text="SHA-256 (hex) of the proof", max_length=64
                            ),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[("ACTIVE", "Active"), ("ENDED", "Ended")], default="ACTIVE", max_length=16
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="utility_links",
                                to="identity.subject",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "subject_utility_links",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("sub", ""), _negated=True),
                                fields=("utility_id", "iss", "sub"),
                                name="one_link_per_sign_in",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("customer_index__isnull", False), ("status", "ACTIVE")),
                                fields=("utility_id", "customer_index", "subject"),
                                name="one_active_link_per_customer_number",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("iss", ""), ("sub", "")),
                                    models.Q(
                                        models.Q(("iss", ""), _negated=True), models.Q(("sub", ""), _negated=True)
                                    ),
                                    _connector="OR",
                                ),
                                name="link_sign_in_has_issuer_and_sub",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("status__in", ["ACTIVE", "ENDED"])), name="link_status_is_known"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("operator_id", models.CharField(max_length=128)),
                        (
                            "role",
                            models.CharField(
                                choices=[("AGENT", "Agent"), ("REVIEWER", "Reviewer"), ("MANAGER", "Manager")],
                                default="AGENT",
                                max_length=16,
                            ),
                        ),
                        (
                            "certified_until",
                            models.DateTimeField(blank=True, help_text="Exclusive; empty: as the agency.", null=True),
                        ),
                        ("active", models.BooleanField(default=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="memberships",
                                to="identity.agency",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "email",
                            identity.encryption.EncryptedTextField(
                                blank=True, default="", help_text="Where the invitation went."
                            ),
                        ),
                        (
                            "invitation_digest",
                            models.CharField(
                                blank=True, default="", help_text="HMAC of the link's token", max_length=64
                            ),
                        ),
                        ("invitation_ends_at", models.DateTimeField(blank=True, null=True)),
                        ("invited_at", models.DateTimeField(blank=True, null=True)),
                        ("joined_at", models.DateTimeField(blank=True, null=True)),
                        ("last_seen_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "name",
                            identity.encryption.EncryptedTextField(
                                blank=True, default="", help_text="What customers and colleagues read."
                            ),
                        ),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "suspension_reason",
                            models.CharField(blank=True, default="", help_text="a code", max_length=60),
                        ),
                        ("trained_on", models.DateField(blank=True, null=True)),
                        (
                            "switched_off_at",
                            models.DateTimeField(
                                blank=True, help_text="When a manager, or the list, ended it.", null=True
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_memberships",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "operator_id"), name="one_membership_per_operator"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("user__isnull", False)),
                                fields=("agency", "user"),
                                name="one_membership_per_user_and_agency",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("invitation_digest", ""), _negated=True),
                                fields=("invitation_digest",),
                                name="an_invitation_is_one_persons",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["AGENT", "REVIEWER", "MANAGER"])),
                                name="membership_role_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RateBucket",
                    fields=[
                        ("key", models.CharField(max_length=300, primary_key=True, serialize=False)),
                        ("tokens", models.FloatField()),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "rate_buckets",
                    },
                ),
                migrations.CreateModel(
                    name="OneTimeCode",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("participant_id", models.CharField(max_length=255)),
                        (
                            "message_id",
                            models.CharField(
                                help_text="Of the message that had it sent; unique per participant.", max_length=255
                            ),
                        ),
                        ("order_id", models.CharField(max_length=200)),
                        ("utility_id", models.CharField(max_length=128)),
                        ("number_index", models.BinaryField(max_length=32)),
                        ("account_index", models.BinaryField(max_length=32, null=True)),
                        ("session_index", models.BinaryField(max_length=32, null=True, unique=True)),
                        ("session", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("masked_to", models.CharField(blank=True, max_length=40)),
                        ("asked_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("attempts_left", models.PositiveSmallIntegerField(default=0)),
                        ("checking", models.BinaryField(max_length=32, null=True)),
                        (
                            "verdict",
                            models.CharField(
                                blank=True,
                                choices=[("", "none yet"), ("RIGHT", "Right"), ("LOCKED", "Locked"), ("OVER", "Over")],
                                max_length=6,
                            ),
                        ),
                        ("right_code", models.BinaryField(max_length=32, null=True)),
                        ("proof", identity.encryption.EncryptedJSONField(null=True)),
                        ("verified_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "one_time_codes",
                        "indexes": [
                            models.Index(fields=["number_index", "asked_at"], name="codes_by_number"),
                            models.Index(fields=["account_index", "asked_at"], name="codes_by_account"),
                            models.Index(fields=["participant_id", "asked_at"], name="codes_by_participant"),
                            models.Index(fields=["asked_at"], name="codes_by_age"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("participant_id", "message_id"), name="one_code_per_message"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("proof__isnull", False),
                                        ("right_code__isnull", False),
                                        ("verdict", "RIGHT"),
                                        ("verified_at__isnull", False),
                                    ),
                                    models.Q(
                                        models.Q(("verdict", "RIGHT"), _negated=True),
                                        ("proof__isnull", True),
                                        ("right_code", None),
                                        ("verified_at", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="a_right_code_has_its_proof",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LogoutToken",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("expires_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "logout_tokens",
                        "indexes": [models.Index(fields=["expires_at"], name="logout_tokens_expires_at")],
                    },
                ),
                migrations.CreateModel(
                    name="AccountLink",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "session_digest",
                            models.CharField(help_text="SHA-256 (hex) of the session's key", max_length=64),
                        ),
                        ("iss_a", models.CharField(max_length=255)),
                        ("sub_a", models.CharField(max_length=255)),
                        ("iss_b", models.CharField(max_length=255)),
                        ("sub_b", models.CharField(blank=True, default="", max_length=255)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="links_started",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "account_links",
                        "indexes": [models.Index(fields=["expires_at"], name="account_links_expires_at")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at", None), ("sub_b", "")),
                                    models.Q(("finished_at__isnull", False), models.Q(("sub_b", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="finished_link_names_both_accounts",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                                name="link_ends_after_it_begins",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LinkReference",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("identities", identity.encryption.EncryptedJSONField(null=True)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        ("participant_id", models.CharField(blank=True, default="", max_length=255)),
                        ("order_id", models.CharField(blank=True, default="", max_length=255)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="link_references",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "link_references",
                        "indexes": [models.Index(fields=["expires_at"], name="link_references_expires_at")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("used_at", None),
                                    models.Q(
                                        ("identities__isnull", True),
                                        ("used_at__isnull", False),
                                        models.Q(("participant_id", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="used_link_reference_keeps_no_identities",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OidcSession",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("session_key", models.CharField(db_index=True, max_length=40)),
                        ("is_primary", models.BooleanField(default=True)),
                        ("issuer", models.CharField(max_length=255)),
                        ("sub", models.CharField(max_length=255)),
                        ("sid", models.CharField(blank=True, default="", max_length=255)),
                        ("acr", models.CharField(blank=True, default="", max_length=128)),
                        ("auth_time", models.DateTimeField(blank=True, null=True)),
                        ("claims", identity.encryption.EncryptedJSONField(null=True)),
                        ("tokens", identity.encryption.EncryptedJSONField(null=True)),
                        ("access_expires_at", models.DateTimeField(blank=True, null=True)),
                        ("renewing_until", models.DateTimeField(blank=True, null=True)),
                        ("began_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        ("ended_by", models.CharField(blank=True, default="", max_length=16)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="oidc_sessions",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "oidc_sessions",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("ended_at", None)),
                                fields=["issuer", "sub"],
                                name="oidc_sessions_living",
                            ),
                            models.Index(fields=["began_at"], name="oidc_sessions_began_at"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at", None)),
                                fields=("session_key", "issuer"),
                                name="one_living_sign_in_per_session_and_provider",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("ended_at", None), ("ended_by", "")),
                                    models.Q(
                                        ("claims__isnull", True),
                                        ("ended_at__isnull", False),
                                        ("tokens__isnull", True),
                                        models.Q(("ended_by", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="ended_sign_in_keeps_no_tokens",
                                violation_error_message="A sign-in that has ended keeps no tokens.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AgencyLetter",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("INVITATION", "Invitation"),
                                    ("CERTIFICATE", "A certificate ends"),
                                    ("SUSPENDED", "A suspension"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("about", models.CharField(max_length=200, unique=True)),
                        ("to", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("title", models.CharField(max_length=200)),
                        ("text", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("made_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField()),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("sent_at", models.DateTimeField(blank=True, null=True)),
                        ("given_up_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="letters",
                                to="identity.agency",
                            ),
                        ),
                        (
                            "membership",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="letters",
                                to="identity.membership",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_letters",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("given_up_at", None), ("sent_at", None)),
                                fields=["due_at"],
                                name="agency_letters_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sent_at", None), ("given_up_at", None), _connector="OR"),
                                name="agency_letter_has_one_end",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StaffMember",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "roles",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=20), blank=True, default=list, size=None
                            ),
                        ),
                        ("added_at", models.DateTimeField()),
                        ("switched_off_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "user",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="staff_member",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("acr", models.CharField(blank=True, default="", max_length=128)),
                        (
                            "email",
                            identity.encryption.EncryptedTextField(
                                blank=True, default="", help_text="Where the invitation went."
                            ),
                        ),
                        ("email_index", models.BinaryField(blank=True, max_length=32, null=True)),
                        (
                            "invitation_digest",
                            models.CharField(
                                blank=True, default="", help_text="HMAC of the link's token", max_length=64
                            ),
                        ),
                        ("invitation_ends_at", models.DateTimeField(blank=True, null=True)),
                        ("invited_at", models.DateTimeField(blank=True, null=True)),
                        ("joined_at", models.DateTimeField(blank=True, null=True)),
                        ("last_seen_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "name",
                            identity.encryption.EncryptedTextField(
                                blank=True, default="", help_text="What colleagues read."
                            ),
                        ),
                        (
                            "officer_of",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=128),
                                blank=True,
                                default=list,
                                help_text="Ids of utilities.",
                                size=None,
                            ),
                        ),
                        (
                            "signed_in_at",
                            models.DateTimeField(
                                blank=True, help_text="When they last proved it at the provider.", null=True
                            ),
                        ),
                    ],
                    options={
                        "db_table": "staff_members",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("email_index__isnull", False), ("switched_off_at", None)),
                                fields=("email_index",),
                                name="one_member_of_staff_per_address",
                                violation_error_message="Somebody who works here has this address already.",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("invitation_digest", ""), _negated=True),
                                fields=("invitation_digest",),
                                name="an_invitation_is_one_member_of_staffs",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "roles__contained_by",
                                        [
                                            "VIEWER",
                                            "CASE_WORKER",
                                            "APPROVER",
                                            "PROGRAM_EDITOR",
                                            "SECURITY_OFFICER",
                                            "AUDITOR",
                                        ],
                                    )
                                ),
                                name="roles_of_staff_are_known",
                                violation_error_message="There is no such role.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Alarm",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("BREAK_GLASS", "Somebody signed in with a break-glass account"),
                                    ("JOURNAL", "The journal does not hold"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("raised_at", models.DateTimeField()),
                        ("told", models.JSONField(blank=True, default=dict)),
                        ("seen_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "seen_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.staffmember",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "alarms",
                        "indexes": [
                            models.Index(condition=models.Q(("seen_at", None)), fields=["-id"], name="alarms_not_seen")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("seen_at", None), ("seen_by", None)),
                                    models.Q(("seen_at__isnull", False), ("seen_by__isnull", False)),
                                    _connector="OR",
                                ),
                                name="a_seen_alarm_was_seen_by_somebody",
                                violation_error_message="Somebody has to have seen it.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ConsoleSession",
                    fields=[
                        (
                            "session_key",
                            models.CharField(
                                max_length=40, primary_key=True, serialize=False, verbose_name="session key"
                            ),
                        ),
                        ("session_data", models.TextField(verbose_name="session data")),
                        ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                    ],
                    options={
                        "verbose_name": "session",
                        "verbose_name_plural": "sessions",
                        "db_table": "console_sessions",
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="StaffLetter",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("about", models.CharField(max_length=200, unique=True)),
                        ("to", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("title", models.CharField(max_length=200)),
                        ("text", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("made_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField()),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("sent_at", models.DateTimeField(blank=True, null=True)),
                        ("given_up_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "member",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="letters",
                                to="identity.staffmember",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "staff_letters",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("given_up_at", None), ("sent_at", None)),
                                fields=["due_at"],
                                name="staff_letters_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sent_at", None), ("given_up_at", None), _connector="OR"),
                                name="staff_letter_has_one_end",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="KeptKind",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("code", models.CharField(max_length=64, unique=True)),
                        ("due_at", models.DateTimeField()),
                        ("leased_until", models.DateTimeField(null=True)),
                        ("ran_at", models.DateTimeField(help_text="When nothing was left that had to go.", null=True)),
                        ("removed", models.PositiveBigIntegerField(default=0)),
                        (
                            "last_removed",
                            models.PositiveBigIntegerField(default=0, help_text="In the last run that ended."),
                        ),
                        ("running", models.PositiveBigIntegerField(default=0, help_text="In the run that goes on.")),
                        ("reported", models.PositiveBigIntegerField(default=0)),
                        ("reported_at", models.DateTimeField(null=True)),
                        ("oldest_at", models.DateTimeField(null=True)),
                        ("failures", models.PositiveIntegerField(default=0)),
                        ("problem", models.CharField(blank=True, default="", max_length=200)),
                    ],
                    options={
                        "db_table": "kept_kinds",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("reported__lte", models.F("removed"))),
                                name="no_more_is_reported_than_went",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("failures", 0), ("problem", "")),
                                    models.Q(("failures__gt", 0), models.Q(("problem", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="a_failed_run_says_why",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PersonRequest",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("EXPORT", "a copy of everything"), ("ERASURE", "erasure")], max_length=8
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("OPEN", "open"),
                                    ("ANSWERED", "answered"),
                                    ("REFUSED", "refused"),
                                    ("WITHDRAWN", "withdrawn"),
                                ],
                                default="OPEN",
                                max_length=9,
                            ),
                        ),
                        (
                            "proof",
                            models.CharField(
                                choices=[
                                    ("SIGN_IN", "their own sign-in"),
                                    ("CALL_BACK", "called back at the number their utility has"),
                                    ("DOCUMENT", "showed an identity document"),
                                    ("LETTER", "a signed letter, answered to the address their utility has"),
                                ],
                                max_length=9,
                            ),
                        ),
                        (
                            "taken_by",
                            models.CharField(
                                blank=True, default="", help_text="A member of staff's id.", max_length=64
                            ),
                        ),
                        ("asked_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField()),
                        ("closed_at", models.DateTimeField(null=True)),
                        (
                            "closed_by",
                            models.CharField(
                                blank=True, default="", help_text="A member of staff's id, or PERSON.", max_length=64
                            ),
                        ),
                        (
                            "refusal",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("NOT_PROVEN", "It could not be made sure who asked."),
                                    ("STILL_ENROLLED", "They are still enrolled and do not want to leave."),
                                    ("TOO_OFTEN", "The same was answered a short while ago."),
                                ],
                                default="",
                                max_length=16,
                            ),
                        ),
                        ("answer", identity.encryption.EncryptedJSONField(null=True)),
                        (
                            "note",
                            identity.encryption.EncryptedTextField(
                                blank=True, default="", help_text="What staff wrote to the person."
                            ),
                        ),
                        ("file", identity.encryption.EncryptedBytesField(null=True)),
                        ("file_sha256", models.CharField(blank=True, default="", max_length=64)),
                        ("file_until", models.DateTimeField(null=True)),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="requests",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "told_at",
                            models.DateTimeField(
                                help_text="When the person was written to, or found to have no address.", null=True
                            ),
                        ),
                    ],
                    options={
                        "db_table": "person_requests",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "OPEN")), fields=["due_at"], name="person_requests_open"
                            ),
                            models.Index(fields=["state", "-id"], name="person_requests_by_state"),
                            models.Index(
                                condition=models.Q(("file__isnull", False)),
                                fields=["file_until"],
                                name="person_requests_with_file",
                            ),
                            models.Index(
                                condition=models.Q(("state__in", ["ANSWERED", "REFUSED"]), ("told_at", None)),
                                fields=["closed_at"],
                                name="person_requests_to_tell_of",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "OPEN")),
                                fields=("subject", "kind"),
                                name="one_open_request_per_person_and_kind",
                                violation_error_message="This person has asked for that already.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("closed_at", None), ("closed_by", ""), ("state", "OPEN")),
                                    models.Q(
                                        ("closed_at__isnull", False),
                                        ("state__in", ["ANSWERED", "REFUSED", "WITHDRAWN"]),
                                        models.Q(("closed_by", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="a_closed_request_says_when_and_by_whom",
                                violation_error_message="Who answers a request is written down.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "REFUSED"), models.Q(("refusal", ""), _negated=True)),
                                    models.Q(models.Q(("state", "REFUSED"), _negated=True), ("refusal", "")),
                                    _connector="OR",
                                ),
                                name="a_refused_request_says_why",
                                violation_error_message="A refusal says why.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("proof", "SIGN_IN"), ("taken_by", "")),
                                    models.Q(
                                        models.Q(("taken_by", ""), _negated=True),
                                        models.Q(("proof", "SIGN_IN"), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="whom_staff_takes_a_request_of_has_shown_who_they_are",
                                violation_error_message="Say how you made sure who asked.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("file__isnull", True),
                                    models.Q(
                                        ("file_until__isnull", False),
                                        ("kind", "EXPORT"),
                                        models.Q(("file_sha256", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="an_exported_file_has_its_digest_and_its_end",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("due_at__gt", models.F("asked_at"))),
                                name="a_request_is_due_after_it_was_asked",
                            ),
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(MERGES, UNDO),
        migrations.RunSQL(
            "ALTER TABLE rate_buckets SET UNLOGGED; ALTER TABLE rate_buckets SET (fillfactor = 50);",
            "ALTER TABLE rate_buckets SET LOGGED;",
        ),
    ]
