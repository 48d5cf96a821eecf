"""0001 to 0007 at once, for a database that has none of them (docs/decisions/migrations.md).

Promises that no constraint can express: a revocation is final, a place is for ever, a list never goes back. A manifest is
evidence: the journal names only its digest, so neither the ids nor the digest may change, and a batch that is done stays
done. What was asked for is what is approved: nothing of an act may change between the two.
"""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import identity.encryption
from audit.creating import CreateModels

KEEP = """
CREATE FUNCTION issued_credential_keeps_its_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL
       AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at OR NEW.revocation_reason <> OLD.revocation_reason) THEN
        RAISE EXCEPTION 'credential % is revoked: that is final', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status_list_id <> OLD.status_list_id OR NEW.status_index <> OLD.status_index OR NEW.url <> OLD.url THEN
        RAISE EXCEPTION 'credential % keeps its id and its place in the list', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER issued_credential_keeps_its_word BEFORE UPDATE ON issued_credentials
    FOR EACH ROW EXECUTE FUNCTION issued_credential_keeps_its_word();

CREATE FUNCTION status_list_never_goes_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version < OLD.version OR NEW.size <> OLD.size OR NEW.sequence <> OLD.sequence
       OR NEW.kind <> OLD.kind OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'status list % never goes back, shrinks, grows or moves', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER status_list_never_goes_back BEFORE UPDATE ON status_lists
    FOR EACH ROW EXECUTE FUNCTION status_list_never_goes_back();
"""

FREEZE = """
CREATE FUNCTION bulk_manifest_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a manifest is evidence: it is kept' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.ids <> OLD.ids OR NEW.digest <> OLD.digest OR NEW.act_id <> OLD.act_id OR NEW.number <> OLD.number
       OR (OLD.done_at IS NOT NULL AND NEW.done_at IS DISTINCT FROM OLD.done_at) THEN
        RAISE EXCEPTION 'batch % of act % keeps what was asked for', OLD.number, OLD.act_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bulk_manifest_is_frozen BEFORE UPDATE OR DELETE ON bulk_batches
    FOR EACH ROW EXECUTE FUNCTION bulk_manifest_is_frozen();

CREATE FUNCTION bulk_act_keeps_what_was_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.kind, NEW.source, NEW.reason, NEW.actor_kind, NEW.actor_id, NEW.asked_at, NEW.count, NEW.digest, NEW.options,
        NEW.asked_by)
       IS DISTINCT FROM
       (OLD.kind, OLD.source, OLD.reason, OLD.actor_kind, OLD.actor_id, OLD.asked_at, OLD.count, OLD.digest, OLD.options,
        OLD.asked_by)
       OR NEW.approve_until IS DISTINCT FROM OLD.approve_until
       OR (OLD.approved_at IS NOT NULL AND (NEW.approved_at, NEW.approved_by) IS DISTINCT FROM (OLD.approved_at,
           OLD.approved_by))
       OR (OLD.refused_at IS NOT NULL AND (NEW.refused_at, NEW.refused_by) IS DISTINCT FROM (OLD.refused_at,
           OLD.refused_by)) THEN
        RAISE EXCEPTION 'act % keeps what was asked for and who decided', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bulk_act_keeps_what_was_asked BEFORE UPDATE ON bulk_acts
    FOR EACH ROW EXECUTE FUNCTION bulk_act_keeps_what_was_asked();
"""

# PostgreSQL would spend a millisecond to find that signed bodies and gzipped bits do not shrink.
UNCOMPRESSED = """
ALTER TABLE status_list_versions
    ALTER COLUMN bits SET STORAGE EXTERNAL,
    ALTER COLUMN body SET STORAGE EXTERNAL,
    ALTER COLUMN json_body SET STORAGE EXTERNAL;
"""

UNDO = """
DROP TRIGGER bulk_act_keeps_what_was_asked ON bulk_acts;
DROP FUNCTION bulk_act_keeps_what_was_asked();
DROP TRIGGER bulk_manifest_is_frozen ON bulk_batches;
DROP FUNCTION bulk_manifest_is_frozen();
DROP TRIGGER status_list_never_goes_back ON status_lists;
DROP FUNCTION status_list_never_goes_back();
DROP TRIGGER issued_credential_keeps_its_word ON issued_credentials;
DROP FUNCTION issued_credential_keeps_its_word();
"""


class Migration(migrations.Migration):
    replaces = [
        ("credentials", "0001_initial"),
        ("credentials", "0002_promises"),
        ("credentials", "0003_forms_wallets_bulk"),
        ("credentials", "0004_bulk_leases"),
        ("credentials", "0005_status_list_json"),
        ("credentials", "0006_two_persons_and_looks"),
        ("credentials", "0007_newest_first"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="IssuerKey",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("kid", models.CharField(max_length=64, unique=True)),
                        ("multikey", models.CharField(max_length=80, unique=True)),
                        (
                            "algorithm",
                            models.CharField(
                                choices=[("ES256", "ES256 (JWT)"), ("Ed25519", "Ed25519 (Data Integrity)")],
                                default="ES256",
                                max_length=16,
                            ),
                        ),
                        ("public_jwk", models.JSONField()),
                        ("private", identity.encryption.EncryptedBytesField(null=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("ANNOUNCED", "announced"),
                                    ("ACTIVE", "active"),
                                    ("RETIRED", "retired"),
                                    ("REVOKED", "revoked"),
                                ],
                                default="ANNOUNCED",
                                max_length=12,
                            ),
                        ),
                        ("announced_at", models.DateTimeField()),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        ("retired_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("provider", models.CharField(blank=True, default="", max_length=200)),
                        ("reference", models.CharField(blank=True, default="", max_length=500)),
                    ],
                    options={
                        "db_table": "issuer_keys",
                        "ordering": ["announced_at", "pk"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "ACTIVE")),
                                fields=("algorithm",),
                                name="one_active_issuer_key_per_algorithm",
                                violation_error_message="Another key of this kind is active.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("activated_at", None), ("revoked_at", None), ("state", "ANNOUNCED")),
                                    models.Q(
                                        ("activated_at__isnull", False),
                                        ("retired_at", None),
                                        ("revoked_at", None),
                                        ("state", "ACTIVE"),
                                    ),
                                    models.Q(("retired_at__isnull", False), ("revoked_at", None), ("state", "RETIRED")),
                                    models.Q(("revoked_at__isnull", False), ("state", "REVOKED")),
                                    _connector="OR",
                                ),
                                name="issuer_key_state_has_its_moment",
                                violation_error_message="The state of a key and the moment it was reached belong together.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("private__isnull", False), ("provider", ""), ("reference", "")),
                                    models.Q(("private__isnull", True), models.Q(("provider", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="issuer_key_lives_in_one_place",
                                violation_error_message="A key is either kept here, encrypted, or by a provider elsewhere.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PresentedCredential",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("digest", models.CharField(db_index=True, max_length=64)),
                        ("issuer", models.CharField(blank=True, default="", max_length=500)),
                        ("type", models.CharField(max_length=100)),
                        ("verified", models.BooleanField()),
                        ("reason", models.CharField(blank=True, default="", max_length=40)),
                        ("status", models.JSONField(blank=True, null=True)),
                        ("valid_until", models.DateTimeField(blank=True, null=True)),
                        ("checked_at", models.DateTimeField()),
                        ("body", identity.encryption.EncryptedTextField(blank=True, null=True)),
                        ("body_until", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "presented_credentials",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("body__isnull", False)),
                                fields=["body_until"],
                                name="presented_body_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("reason", ""), ("verified", True)),
                                    models.Q(("verified", False), models.Q(("reason", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="failed_presentation_has_its_reason",
                                violation_error_message="A credential that failed its check has a reason.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StatusList",
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
                                choices=[("ENROLLMENT", "enrolment"), ("CONSENT", "consent"), ("GENERAL", "other")],
                                max_length=12,
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("size", models.PositiveIntegerField(default=131072)),
                        ("sequence", models.CharField(max_length=63, unique=True)),
                        ("permutation_key", identity.encryption.EncryptedBytesField()),
                        ("version", models.PositiveBigIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                        ("published_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "db_table": "status_lists",
                        "ordering": ["kind", "number"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("kind", "number"), name="one_status_list_per_kind_and_number"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("size__gte", 131072), ("number__gte", 1)),
                                name="status_list_is_large_enough_to_hide_in",
                                violation_error_message="A status list has at least 131,072 entries and a number from 1 on.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StatusChange",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "purpose",
                            models.CharField(
                                choices=[("revocation", "revocation"), ("suspension", "suspension")], max_length=12
                            ),
                        ),
                        ("at", models.DateTimeField()),
                        (
                            "status_list",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="changes",
                                to="credentials.statuslist",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "status_changes",
                    },
                ),
                migrations.CreateModel(
                    name="IssuedCredential",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("url", models.CharField(max_length=300, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("ENROLLMENT", "enrolment"), ("CONSENT", "consent"), ("GENERAL", "other")],
                                max_length=12,
                            ),
                        ),
                        ("subject_did", models.CharField(db_index=True, max_length=500)),
                        ("claims", models.JSONField()),
                        ("valid_from", models.DateTimeField()),
                        ("valid_until", models.DateTimeField(blank=True, null=True)),
                        ("wire_valid_until", models.CharField(blank=True, default="", max_length=40)),
                        ("issued_at", models.DateTimeField()),
                        ("status_index", models.PositiveIntegerField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("revocation_reason", models.CharField(blank=True, default="", max_length=200)),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        ("access_digest", models.BinaryField(max_length=32)),
                        (
                            "supersedes",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="superseded_by",
                                to="credentials.issuedcredential",
                            ),
                        ),
                        (
                            "status_list",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="credentials",
                                to="credentials.statuslist",
                            ),
                        ),
                        ("document", identity.encryption.EncryptedJSONField(null=True)),
                        ("personal_claims", identity.encryption.EncryptedJSONField(null=True)),
                        (
                            "profile",
                            models.CharField(
                                blank=True, choices=[("", "our own"), ("DEG", "DEG")], default="", max_length=8
                            ),
                        ),
                        ("revoke_at", models.DateTimeField(blank=True, null=True)),
                        ("revoke_at_reason", models.CharField(blank=True, default="", max_length=200)),
                        ("wire_id", models.CharField(blank=True, db_index=True, default="", max_length=500)),
                    ],
                    options={
                        "db_table": "issued_credentials",
                        "ordering": ["-issued_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("revoked_at__isnull", False)),
                                fields=["status_list", "status_index"],
                                name="revoked_by_list",
                            ),
                            models.Index(
                                condition=models.Q(("suspended_at__isnull", False)),
                                fields=["status_list", "status_index"],
                                name="suspended_by_list",
                            ),
                            models.Index(
                                condition=models.Q(("revoke_at__isnull", False)),
                                fields=["revoke_at"],
                                name="revocation_due",
                            ),
                            models.Index(fields=["-issued_at", "-id"], name="credentials_newest"),
                            models.Index(fields=["kind", "-issued_at", "-id"], name="credentials_newest_of_kind"),
                            models.Index(
                                condition=models.Q(("profile", ""), _negated=True),
                                fields=["profile", "-issued_at", "-id"],
                                name="credentials_shaped",
                            ),
                            models.Index(fields=["valid_until"], name="credentials_by_their_end"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("status_list", "status_index"),
                                name="status_index_is_given_once",
                                violation_error_message="This place in the status list is taken.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("valid_until", None), ("valid_until__gt", models.F("valid_from")), _connector="OR"
                                ),
                                name="credential_ends_after_it_starts",
                                violation_error_message="A credential ends after it starts.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("revocation_reason", ""), ("revoked_at", None)),
                                    models.Q(
                                        ("revoked_at__isnull", False),
                                        models.Q(("revocation_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="revoked_credential_has_its_reason",
                                violation_error_message="A revocation needs a reason.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("revoke_at", None), ("revoke_at_reason", "")),
                                    models.Q(
                                        ("revoke_at__isnull", False),
                                        ("revoked_at", None),
                                        models.Q(("revoke_at_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="planned_revocation_has_its_reason",
                                violation_error_message="A planned revocation needs a reason, and ends when it is done.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StatusListVersion",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "purpose",
                            models.CharField(
                                choices=[
                                    ("revocation", "revocation"),
                                    ("suspension", "suspension"),
                                    ("token", "token of both"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("version", models.PositiveBigIntegerField()),
                        ("bits", models.BinaryField()),
                        ("body", models.TextField()),
                        ("digest", models.CharField(max_length=64)),
                        ("kid", models.CharField(max_length=64)),
                        ("signed_at", models.DateTimeField()),
                        ("valid_until", models.DateTimeField()),
                        (
                            "status_list",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="versions",
                                to="credentials.statuslist",
                            ),
                        ),
                        ("json_body", models.TextField(blank=True, default="")),
                        ("json_digest", models.CharField(blank=True, default="", max_length=64)),
                        ("json_kid", models.CharField(blank=True, default="", max_length=64)),
                    ],
                    options={
                        "db_table": "status_list_versions",
                        "ordering": ["status_list", "purpose", "-version"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("json_digest", ""), models.Q(("purpose", "token"), _negated=True)),
                                fields=["status_list", "purpose", "version"],
                                name="status_list_json_missing",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("status_list", "purpose", "version"), name="one_body_per_status_list_version"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("json_body", ""), ("json_digest", ""), ("json_kid", "")),
                                    models.Q(
                                        models.Q(("json_body", ""), _negated=True),
                                        models.Q(("json_digest", ""), _negated=True),
                                        models.Q(("json_kid", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="status_list_json_is_whole",
                                violation_error_message="The JSON form of a list, its digest and its key belong together.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TrustEntry",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("issuer", models.CharField(db_index=True, max_length=500)),
                        (
                            "types",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=100), size=None
                            ),
                        ),
                        (
                            "utilities",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "programs",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "der_types",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=100), blank=True, default=list, size=None
                            ),
                        ),
                        ("keys", models.JSONField(blank=True, null=True)),
                        ("valid_from", models.DateTimeField(blank=True, null=True)),
                        ("valid_until", models.DateTimeField(blank=True, null=True)),
                        ("source", models.CharField(default="manual", max_length=40)),
                        ("added_at", models.DateTimeField()),
                        ("removed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name_plural": "trust entries",
                        "db_table": "trust_entries",
                        "ordering": ["issuer", "pk"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("types__len__gt", 0)),
                                name="trust_entry_names_a_type",
                                violation_error_message="Trust is given for at least one credential type.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SignedForm",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "form",
                            models.CharField(
                                choices=[
                                    ("JWT_1_1", "VC-JWT, data model 1.1"),
                                    ("JWT_2_0", "vc+jwt, data model 2.0"),
                                    ("JSON_2_0", "JSON with an embedded proof, data model 2.0"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("body", models.TextField(blank=True, default="")),
                        ("kid", models.CharField(db_index=True, max_length=64)),
                        ("signed_at", models.DateTimeField()),
                        (
                            "credential",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="forms",
                                to="credentials.issuedcredential",
                            ),
                        ),
                        ("sealed_body", identity.encryption.EncryptedTextField(null=True)),
                    ],
                    options={
                        "db_table": "signed_forms",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("credential", "form"), name="one_body_per_credential_and_form"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("body", ""), ("sealed_body__isnull", False)),
                                    models.Q(models.Q(("body", ""), _negated=True), ("sealed_body__isnull", True)),
                                    _connector="OR",
                                ),
                                name="signed_form_is_kept_once",
                                violation_error_message="A form is kept either in the clear or encrypted.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BulkAct",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("REVOKE", "revoke"),
                                    ("SUSPEND", "suspend"),
                                    ("RESUME", "resume"),
                                    ("RESIGN", "sign again"),
                                    ("END", "end what they belong to"),
                                    ("PAUSE", "suspend what they belong to"),
                                    ("GO_ON", "resume what they belong to"),
                                    ("TELL", "tell who was not asked"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("source", models.CharField(max_length=300)),
                        ("reason", models.CharField(blank=True, default="", max_length=200)),
                        ("actor_kind", models.CharField(max_length=16)),
                        ("actor_id", models.CharField(max_length=255)),
                        ("asked_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("count", models.PositiveIntegerField()),
                        ("digest", models.CharField(max_length=64)),
                        ("options", models.JSONField(blank=True, default=dict)),
                        ("approve_until", models.DateTimeField(blank=True, null=True)),
                        ("approved_at", models.DateTimeField(blank=True, null=True)),
                        ("approved_by", models.CharField(blank=True, default="", max_length=64)),
                        ("approved_digest", models.CharField(blank=True, default="", max_length=64)),
                        ("asked_by", models.CharField(blank=True, default="", max_length=64)),
                        ("refusal_reason", models.CharField(blank=True, default="", max_length=60)),
                        ("refused_at", models.DateTimeField(blank=True, null=True)),
                        ("refused_by", models.CharField(blank=True, default="", max_length=64)),
                    ],
                    options={
                        "db_table": "bulk_acts",
                        "ordering": ["-asked_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("finished_at", None)), fields=["due_at"], name="bulk_act_due"
                            ),
                            models.Index(fields=["source"], name="bulk_acts_by_source"),
                            models.Index(
                                condition=models.Q(("kind", "TELL"), _negated=True),
                                fields=["-asked_at"],
                                name="bulk_acts_newest",
                            ),
                            models.Index(
                                condition=models.Q(
                                    ("approve_until__isnull", False), ("approved_at", None), ("refused_at", None)
                                ),
                                fields=["approve_until"],
                                name="bulk_acts_to_approve",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("approve_until", None),
                                        ("approved_at", None),
                                        ("due_at__isnull", False),
                                        ("refused_at", None),
                                    ),
                                    models.Q(
                                        ("approve_until__isnull", False), models.Q(("asked_by", ""), _negated=True)
                                    ),
                                    _connector="OR",
                                ),
                                name="bulk_act_of_two_persons_knows_who_asked",
                                violation_error_message="An act that needs a second person says who has asked for it.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("approve_until", None),
                                    models.Q(("approved_at", None), ("due_at", None)),
                                    ("approved_at__isnull", False),
                                    _connector="OR",
                                ),
                                name="bulk_act_is_due_when_it_was_approved",
                                violation_error_message="Nothing is done before a second person has approved it.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("approved_at", None), ("approved_by", ""), ("approved_digest", "")),
                                    models.Q(
                                        ("approved_at__isnull", False),
                                        ("approved_at__lt", models.F("approve_until")),
                                        ("approved_digest", models.F("digest")),
                                        ("due_at__isnull", False),
                                        ("refused_at", None),
                                        models.Q(("approved_by", ""), _negated=True),
                                        models.Q(("approved_by", models.F("asked_by")), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="bulk_act_is_approved_by_another_person",
                                violation_error_message="Another person approves what was asked for, in time, by its digest.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("refusal_reason", ""), ("refused_at", None), ("refused_by", "")),
                                    models.Q(
                                        ("refused_at__isnull", False),
                                        models.Q(("refused_by", ""), _negated=True),
                                        models.Q(("refusal_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="refused_bulk_act_has_its_person_and_reason",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BulkBatch",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("ids", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                        ("digest", models.CharField(max_length=64)),
                        ("done_at", models.DateTimeField(blank=True, null=True)),
                        ("changed", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "lists",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "act",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="batches",
                                to="credentials.bulkact",
                            ),
                        ),
                        ("leased_until", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "db_table": "bulk_batches",
                        "ordering": ["act", "number"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("done_at", None)), fields=["act", "number"], name="bulk_batch_open"
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("act", "number"), name="one_batch_per_act_and_number"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("changed", None), ("done_at", None)),
                                    models.Q(("changed__isnull", False), ("done_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="done_batch_counts_its_changes",
                                violation_error_message="A batch that is done says how much it changed.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WalletAccess",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("token_digest", models.BinaryField(max_length=32, unique=True)),
                        ("expires_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "offer",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="access",
                                to="credentials.walletoffer",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "wallet_accesses",
                    },
                ),
                migrations.CreateModel(
                    name="WalletCopy",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("format", models.CharField(max_length=20)),
                        ("holder_thumbprint", models.CharField(max_length=64)),
                        ("kid", models.CharField(db_index=True, max_length=64)),
                        ("issued_at", models.DateTimeField()),
                        (
                            "credential",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="wallet_copies",
                                to="credentials.issuedcredential",
                            ),
                        ),
                        (
                            "offer",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                to="credentials.walletoffer",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "wallet_copies",
                        "ordering": ["-issued_at"],
                    },
                ),
                migrations.CreateModel(
                    name="WalletNonce",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("expires_at", models.DateTimeField(db_index=True)),
                    ],
                    options={
                        "db_table": "wallet_nonces",
                    },
                ),
                migrations.CreateModel(
                    name="WalletOffer",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("reference_digest", models.BinaryField(max_length=32, unique=True)),
                        ("code", identity.encryption.EncryptedTextField()),
                        ("code_digest", models.BinaryField(max_length=32, unique=True)),
                        ("transaction_code_index", models.BinaryField(max_length=32)),
                        ("wrong_codes", models.PositiveSmallIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("consumed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "credential",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="offers",
                                to="credentials.issuedcredential",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "wallet_offers",
                        "ordering": ["-created_at"],
                        "indexes": [models.Index(fields=["expires_at"], name="wallet_offer_expiry")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                                name="wallet_offer_ends_after_it_starts",
                                violation_error_message="An offer ends after it was made.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PublicCheck",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("about", models.CharField(db_index=True, max_length=80)),
                        (
                            "purpose",
                            models.CharField(
                                choices=[("revocation", "revocation"), ("suspension", "suspension")], max_length=12
                            ),
                        ),
                        (
                            "indexes",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.PositiveIntegerField(), size=None
                            ),
                        ),
                        ("is_set", models.BooleanField()),
                        ("asked_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField(blank=True, null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("fetched_at", models.DateTimeField(blank=True, null=True)),
                        ("version", models.PositiveBigIntegerField(blank=True, null=True)),
                        ("problem", models.CharField(blank=True, default="", max_length=300)),
                        (
                            "status_list",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="credentials.statuslist",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "public_checks",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("due_at__isnull", False)),
                                fields=["due_at"],
                                name="public_checks_due",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(KEEP + FREEZE + UNCOMPRESSED, UNDO),
    ]
