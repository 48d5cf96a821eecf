"""0001 to 0024 at once, for a database that has none of them (docs/decisions/migrations.md).

Evidence is only added, and what was published stays as it was. Case checks, consent events and consent texts refuse
UPDATE, DELETE and TRUNCATE. A program version that left DRAFT changes in nothing but its state (PUBLISHED to RETIRED).
Whoever publishes or retires, by whatever door: its row in the catalogue's changes is there.
"""

import uuid

import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

import identity.encryption
from audit.creating import CreateModels

APPEND_ONLY = ("case_checks", "consent_events", "consent_texts")

PROMISES = """
CREATE FUNCTION enrollment_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is evidence: rows are only added', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION program_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'DRAFT' THEN
            RAISE EXCEPTION 'a published program version is never deleted'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'DRAFT' AND (
        to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state'
        OR NOT (NEW.state = OLD.state OR (OLD.state = 'PUBLISHED' AND NEW.state = 'RETIRED'))
    ) THEN
        RAISE EXCEPTION 'a published program version does not change; publish a new one'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER program_version_is_immutable BEFORE UPDATE OR DELETE ON program_versions
    FOR EACH ROW EXECUTE FUNCTION program_version_is_immutable();
"""
PROMISES += "".join(
    f"""
CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION enrollment_refuse_change();
CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment_refuse_change();
"""
    for table in APPEND_ONLY
)

NOTE = """
CREATE FUNCTION note_catalog_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO catalog_changes (version_id, state, noted_at)
    VALUES (NEW.id, NEW.state, clock_timestamp()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER note_catalog_change AFTER INSERT OR UPDATE OF state ON program_versions
    FOR EACH ROW WHEN (NEW.state IN ('PUBLISHED', 'RETIRED')) EXECUTE FUNCTION note_catalog_change();
"""

UNDO = "".join(
    f"DROP TRIGGER {table}_only_grows ON {table};DROP TRIGGER {table}_is_not_emptied ON {table};"
    for table in APPEND_ONLY
)
UNDO += """
DROP TRIGGER note_catalog_change ON program_versions;
DROP TRIGGER program_version_is_immutable ON program_versions;
DROP FUNCTION note_catalog_change();
DROP FUNCTION program_version_is_immutable();
DROP FUNCTION enrollment_refuse_change();
"""


class Migration(migrations.Migration):
    replaces = [
        ("enrollment", "0001_initial"),
        ("enrollment", "0002_promises"),
        ("enrollment", "0003_credential_profile"),
        ("enrollment", "0004_documents"),
        ("enrollment", "0005_profile_of_a_case"),
        ("enrollment", "0006_catalog_changes"),
        ("enrollment", "0007_utilities"),
        ("enrollment", "0008_between_utilities"),
        ("enrollment", "0009_when_a_feed_was_read"),
        ("enrollment", "0010_what_people_are_shown"),
        ("enrollment", "0011_orders_of_one_basket"),
        ("enrollment", "0012_files_drawn_again"),
        ("enrollment", "0013_notices_and_frozen_cases"),
        ("enrollment", "0014_people_s_notices_move"),
        ("enrollment", "0015_agencies_mandates_in_orders"),
        ("enrollment", "0016_rechecks"),
        ("enrollment", "0017_cases_to_decide"),
        ("enrollment", "0018_acts_of_staff"),
        ("enrollment", "0019_programs_written_at_the_console"),
        ("enrollment", "0020_figures"),
        ("enrollment", "0021_orders_by_their_id"),
        ("enrollment", "0022_stuck_notices"),
        ("enrollment", "0023_newest_first"),
        ("enrollment", "0024_states_of_a_program"),
    ]

    initial = True

    dependencies = [
        ("credentials", "0001_squashed_0007_newest_first"),
        ("identity", "0001_squashed_0013_told_of_answers"),
        ("utility_systems", "0001_squashed_0004_call_figures"),
    ]

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="Program",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("program_id", models.CharField(max_length=200, unique=True)),
                        ("provider_id", models.CharField(max_length=200)),
                        ("kind", models.CharField(help_text="For example DEMAND_FLEX, P2P, V2G.", max_length=40)),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "programs",
                    },
                ),
                migrations.CreateModel(
                    name="ConflictPair",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("group_a", models.CharField(max_length=40)),
                        ("group_b", models.CharField(max_length=40)),
                        ("verdict", models.CharField(choices=[("DENY", "DENY"), ("ALLOW", "ALLOW")], max_length=5)),
                    ],
                    options={
                        "db_table": "conflict_pairs",
                        "constraints": [
                            models.UniqueConstraint(fields=("group_a", "group_b"), name="a_pair_of_groups_once"),
                            models.CheckConstraint(
                                condition=models.Q(("group_a__lt", models.F("group_b"))),
                                name="pair_of_groups_is_written_in_order",
                                violation_error_message="Write the pair in alphabetical order; it holds both ways.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Consent",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("consent_id", models.CharField(max_length=60, unique=True)),
                        ("consent_type", models.CharField(max_length=60)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("GRANTED", "GRANTED"),
                                    ("REVOKED", "REVOKED"),
                                    ("EXPIRED", "EXPIRED"),
                                    ("SUPERSEDED", "SUPERSEDED"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("is_required", models.BooleanField(default=True)),
                        ("outlives_enrollment", models.BooleanField(default=False)),
                        (
                            "basis",
                            models.CharField(choices=[("EXPLICIT", "EXPLICIT"), ("CONFIRM", "CONFIRM")], max_length=10),
                        ),
                        ("terms", models.JSONField(default=dict)),
                        (
                            "meters",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        (
                            "ders",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        ("text_version", models.CharField(blank=True, max_length=40)),
                        ("text_digest", models.CharField(blank=True, max_length=80)),
                        ("locale", models.CharField(blank=True, max_length=35)),
                        ("granted_at", models.DateTimeField()),
                        ("valid_until", models.DateTimeField(null=True)),
                        ("revoke_scheduled_for", models.DateTimeField(null=True)),
                        ("revoked_at", models.DateTimeField(null=True)),
                        (
                            "claimed_revoked_at",
                            models.CharField(blank=True, help_text="What the BAP said; ours counts.", max_length=40),
                        ),
                        ("revocation_reason", models.CharField(blank=True, max_length=60)),
                        (
                            "credential",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="credentials.issuedcredential",
                            ),
                        ),
                        (
                            "grantor",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="consents",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="consents",
                                to="enrollment.enrollment",
                            ),
                        ),
                        ("from_utility", models.CharField(blank=True, default="", max_length=200)),
                        ("to_utility", models.CharField(blank=True, default="", max_length=200)),
                    ],
                    options={
                        "db_table": "consents",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("revoke_scheduled_for__isnull", False)),
                                fields=["revoke_scheduled_for"],
                                name="consent_revocations_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("revoked_at__isnull", False), ("state", "REVOKED")),
                                    models.Q(models.Q(("state", "REVOKED"), _negated=True), ("revoked_at", None)),
                                    _connector="OR",
                                ),
                                name="revoked_consent_has_its_moment",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "GRANTED")),
                                fields=("enrollment", "consent_type", "from_utility", "to_utility"),
                                name="one_live_consent_per_type_direction_and_enrollment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("from_utility", ""), ("to_utility", "")),
                                    models.Q(
                                        models.Q(("from_utility", ""), _negated=True),
                                        models.Q(("to_utility", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="consent_between_utilities_has_both",
                                violation_error_message="A consent between utilities names both.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ConsentEvent",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("event", models.CharField(max_length=20)),
                        ("at", models.DateTimeField()),
                        ("actor_kind", models.CharField(max_length=20)),
                        ("actor_id", models.CharField(max_length=255)),
                        ("detail", models.JSONField(default=dict)),
                        (
                            "consent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="events",
                                to="enrollment.consent",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "consent_events",
                    },
                ),
                migrations.CreateModel(
                    name="Enrollment",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("enrollment_id", models.CharField(max_length=60, unique=True)),
                        ("order_number", models.CharField(max_length=30, unique=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("SCHEDULED", "SCHEDULED"),
                                    ("ACTIVE", "ACTIVE"),
                                    ("SUSPENDED", "SUSPENDED"),
                                    ("CANCELLED", "CANCELLED"),
                                    ("EXPIRED", "EXPIRED"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("period", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        ("end_as_given", models.CharField(blank=True, max_length=40)),
                        ("enrolled_at", models.DateTimeField()),
                        ("log_reference", models.CharField(blank=True, max_length=60)),
                        ("suspended_at", models.DateTimeField(null=True)),
                        ("suspension_reason", models.CharField(blank=True, max_length=60)),
                        ("end_scheduled_for", models.DateTimeField(null=True)),
                        ("end_keeps_outliving_consents", models.BooleanField(default=False)),
                        ("cancelled_at", models.DateTimeField(null=True)),
                        ("end_reason", models.CharField(blank=True, max_length=60)),
                        ("end_log_reference", models.CharField(blank=True, max_length=60)),
                        (
                            "credential",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="credentials.issuedcredential",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="enrollments",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "case",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="enrollment",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                        (
                            "program_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="enrollments",
                                to="enrollment.programversion",
                            ),
                        ),
                        (
                            "repair_until",
                            models.DateTimeField(
                                help_text="A suspended enrolment that nobody repairs ends then.", null=True
                            ),
                        ),
                    ],
                    options={
                        "db_table": "program_enrollments",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("end_scheduled_for__isnull", False)),
                                fields=["end_scheduled_for"],
                                name="ends_due",
                            ),
                            models.Index(fields=["state", "program_version"], name="enrollments_by_state"),
                            models.Index(
                                models.Func("period", function="lower"),
                                condition=models.Q(("state", "SCHEDULED")),
                                name="scheduled_starts",
                            ),
                            models.Index(
                                models.Func("period", function="upper"),
                                condition=models.Q(("state__in", ["ACTIVE", "SUSPENDED"])),
                                name="live_ends",
                            ),
                            models.Index(
                                condition=models.Q(("repair_until__isnull", False)),
                                fields=["repair_until"],
                                name="enrollments_to_be_repaired",
                            ),
                            models.Index(fields=["state", "-case"], name="enrollments_newest_of_state"),
                            models.Index(fields=["program_version", "-case"], name="enrollments_newest_of_version"),
                            models.Index(fields=["enrolled_at"], name="enrollments_by_day"),
                            models.Index(
                                fields=["program_version", "state", "-case"], name="enrollments_newest_of_both"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("period__isempty", False), ("period__lower_inf", False)),
                                name="enrollment_ends_after_it_starts",
                                violation_error_message="An enrolment ends after it starts.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("cancelled_at__isnull", False), ("state", "CANCELLED")),
                                    models.Q(models.Q(("state", "CANCELLED"), _negated=True), ("cancelled_at", None)),
                                    _connector="OR",
                                ),
                                name="cancelled_enrollment_has_its_moment",
                                violation_error_message="A cancelled enrolment needs the moment it was cancelled.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "SUSPENDED"), _negated=True),
                                    ("suspended_at__isnull", False),
                                    _connector="OR",
                                ),
                                name="suspended_enrollment_has_its_moment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("repair_until", None), ("state", "SUSPENDED"), _connector="OR"),
                                name="only_a_suspended_enrollment_waits_for_repair",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EnrollmentCase",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("order_id", models.CharField(max_length=200)),
                        ("bap_id", models.CharField(max_length=255)),
                        ("bap_uri", models.CharField(max_length=2048)),
                        ("domain", models.CharField(max_length=100)),
                        (
                            "transaction_ids",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=255), default=list, size=None
                            ),
                        ),
                        ("channel", models.CharField(max_length=20)),
                        ("agency_id", models.CharField(blank=True, max_length=200)),
                        ("operator_id", models.CharField(blank=True, max_length=200)),
                        ("provider_id", models.CharField(blank=True, max_length=200)),
                        ("program_id", models.CharField(blank=True, max_length=200)),
                        ("fulfillment_id", models.CharField(blank=True, max_length=200)),
                        (
                            "meters",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        (
                            "ders",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("SUBMITTED", "SUBMITTED"),
                                    ("NEEDS_INPUT", "NEEDS_INPUT"),
                                    ("IN_REVIEW", "IN_REVIEW"),
                                    ("READY", "READY"),
                                    ("CONFIRMED", "CONFIRMED"),
                                    ("REJECTED", "REJECTED"),
                                    ("WITHDRAWN", "WITHDRAWN"),
                                    ("EXPIRED", "EXPIRED"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("refusal_code", models.CharField(blank=True, max_length=40)),
                        ("deadline", models.DateTimeField()),
                        ("payload", identity.encryption.EncryptedJSONField(null=True)),
                        ("waiting_act", models.CharField(blank=True, help_text="init or confirm", max_length=10)),
                        ("waiting_utility", models.CharField(blank=True, max_length=200)),
                        ("waiting_since", models.DateTimeField(null=True)),
                        ("retry_at", models.DateTimeField(null=True)),
                        ("retry_attempt", models.PositiveSmallIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                        (
                            "subject",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="cases",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "program_version",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="cases",
                                to="enrollment.programversion",
                            ),
                        ),
                        (
                            "profile",
                            models.CharField(
                                blank=True, help_text="In whose words news of it goes out.", max_length=20
                            ),
                        ),
                        (
                            "batch_id",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="What the BAP calls the basket this order came in.",
                                max_length=100,
                            ),
                        ),
                        ("frozen_at", models.DateTimeField(null=True)),
                        ("mandate_id", models.CharField(blank=True, default="", max_length=200)),
                    ],
                    options={
                        "db_table": "enrollment_cases",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("retry_at__isnull", False)),
                                fields=["retry_at"],
                                name="case_retries_due",
                            ),
                            models.Index(
                                condition=models.Q(("state__in", ["SUBMITTED", "NEEDS_INPUT", "IN_REVIEW", "READY"])),
                                fields=["deadline"],
                                name="open_case_deadlines",
                            ),
                            models.Index(
                                condition=models.Q(("frozen_at__isnull", False)),
                                fields=["frozen_at"],
                                name="stopped_cases",
                            ),
                            models.Index(
                                condition=models.Q(("agency_id", ""), _negated=True),
                                fields=["agency_id", "-id"],
                                name="cases_newest_of_agency",
                            ),
                            models.Index(fields=["channel", "-id"], name="cases_newest_of_channel"),
                            models.Index(
                                condition=models.Q(("state__in", ["SUBMITTED", "NEEDS_INPUT", "IN_REVIEW", "READY"])),
                                fields=["program_id", "state"],
                                name="open_cases_of_a_program",
                            ),
                            models.Index(fields=["order_id"], name="cases_by_order"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("bap_id", "order_id"), name="one_case_per_bap_and_order"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("retry_at", None), ("waiting_act", ""), ("waiting_since", None)),
                                    models.Q(
                                        models.Q(("waiting_act", ""), _negated=True),
                                        ("retry_at__isnull", False),
                                        ("waiting_since__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="waiting_case_knows_its_next_attempt",
                                violation_error_message="A case that waits for a utility needs the moment of its next attempt.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state__in", ["READY", "CONFIRMED", "NEEDS_INPUT", "IN_REVIEW"]), _negated=True
                                    ),
                                    models.Q(("program_version__isnull", False), ("subject__isnull", False)),
                                    _connector="OR",
                                ),
                                name="ready_case_has_subject_and_program",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("frozen_at", None), ("waiting_act", ""), _connector="OR"),
                                name="frozen_case_waits_for_no_utility",
                                violation_error_message="A frozen case goes on only when it is released.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Claim",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("resource", models.BigIntegerField()),
                        ("conflict_group", models.BigIntegerField()),
                        ("kind", models.CharField(choices=[("METER", "METER"), ("DER", "DER")], max_length=10)),
                        ("reference", models.CharField(max_length=200)),
                        ("group_name", models.CharField(max_length=40)),
                        ("direction", models.CharField(default="BOTH", max_length=10)),
                        ("period", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[("HELD", "HELD"), ("CLAIMED", "CLAIMED"), ("RELEASED", "RELEASED")],
                                max_length=10,
                            ),
                        ),
                        ("hold_expires_at", models.DateTimeField(null=True)),
                        (
                            "program",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="enrollment.program",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "enrollment",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="claims",
                                to="enrollment.enrollment",
                            ),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="claims",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "claims",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ["HELD", "CLAIMED"])),
                                fields=["resource"],
                                name="live_claims_by_resource",
                            ),
                            models.Index(
                                condition=models.Q(("state", "HELD")),
                                fields=["hold_expires_at"],
                                name="holds_by_expiry",
                            ),
                            models.Index(fields=["case"], name="claims_by_case"),
                            models.Index(
                                condition=models.Q(("enrollment__isnull", False)),
                                fields=["enrollment"],
                                name="claims_by_enrollment",
                            ),
                            models.Index(
                                condition=models.Q(("state", "CLAIMED")),
                                fields=["conflict_group", "resource"],
                                include=("period", "program", "case"),
                                name="live_claims_by_group",
                            ),
                        ],
                        "constraints": [
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                condition=models.Q(("state__in", ["HELD", "CLAIMED"])),
                                expressions=[
                                    (
                                        models.Func(
                                            models.F("resource"),
                                            models.F("resource"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    (
                                        models.Func(
                                            models.F("conflict_group"),
                                            models.F("conflict_group"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    ("period", "&&"),
                                ],
                                name="a_resource_is_claimed_once_per_group_and_time",
                                violation_error_message="This meter or device is already taken for that time.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("period__isempty", False), ("period__lower_inf", False)),
                                name="claim_period_is_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "RELEASED"),
                                    models.Q(
                                        ("enrollment", None), ("hold_expires_at__isnull", False), ("state", "HELD")
                                    ),
                                    models.Q(
                                        ("enrollment__isnull", False), ("hold_expires_at", None), ("state", "CLAIMED")
                                    ),
                                    _connector="OR",
                                ),
                                name="a_hold_expires_and_a_claim_has_its_enrollment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("conflict_group__lt", 9223372036854775807), ("resource__lt", 9223372036854775807)
                                ),
                                name="claim_keys_stay_below_the_top",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CaseCheck",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("kind", models.CharField(max_length=40)),
                        ("target", models.CharField(blank=True, max_length=200)),
                        (
                            "result",
                            models.CharField(
                                choices=[
                                    ("PASS", "PASS"),
                                    ("FAIL", "FAIL"),
                                    ("PENDING", "PENDING"),
                                    ("WAIVED", "WAIVED"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("code", models.CharField(blank=True, max_length=40)),
                        ("detail", models.JSONField(default=dict)),
                        ("at", models.DateTimeField()),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="checks",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "case_checks",
                    },
                ),
                migrations.CreateModel(
                    name="EnrollmentDer",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("der_ref", models.CharField(max_length=200)),
                        (
                            "der",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="enrollments",
                                to="utility_systems.der",
                            ),
                        ),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="ders",
                                to="enrollment.enrollment",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "enrollment_ders",
                        "constraints": [
                            models.UniqueConstraint(fields=("enrollment", "der"), name="a_der_once_per_enrollment")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EnrollmentMeter",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("umid", models.CharField(max_length=200)),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="meters",
                                to="enrollment.enrollment",
                            ),
                        ),
                        (
                            "meter",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="enrollments",
                                to="utility_systems.meter",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "enrollment_meters",
                        "constraints": [
                            models.UniqueConstraint(fields=("enrollment", "meter"), name="a_meter_once_per_enrollment")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ProgramVersion",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        (
                            "state",
                            models.CharField(
                                choices=[("DRAFT", "DRAFT"), ("PUBLISHED", "PUBLISHED"), ("RETIRED", "RETIRED")],
                                default="DRAFT",
                                max_length=10,
                            ),
                        ),
                        ("published_at", models.DateTimeField(blank=True, null=True)),
                        ("name", models.CharField(max_length=200)),
                        ("short_description", models.CharField(blank=True, max_length=500)),
                        ("long_description", models.TextField(blank=True)),
                        (
                            "personas",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "utilities",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "regions",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=100), blank=True, default=list, size=None
                            ),
                        ),
                        ("opens_at", models.DateTimeField(blank=True, null=True)),
                        ("closes_at", models.DateTimeField(blank=True, null=True)),
                        ("payment_type", models.CharField(default="NONE", max_length=20)),
                        ("notification", models.CharField(default="NONE", max_length=20)),
                        (
                            "control",
                            models.CharField(
                                choices=[("NONE", "NONE"), ("VOLUNTARY", "VOLUNTARY"), ("DIRECT", "DIRECT")],
                                default="NONE",
                                max_length=10,
                            ),
                        ),
                        ("direction", models.CharField(default="BOTH", max_length=10)),
                        ("conflict_group", models.CharField(max_length=40)),
                        (
                            "partial",
                            models.CharField(
                                choices=[("PER_METER", "PER_METER"), ("ALL_OR_NOTHING", "ALL_OR_NOTHING")],
                                default="PER_METER",
                                max_length=20,
                            ),
                        ),
                        ("default_term_days", models.PositiveIntegerField(default=365)),
                        ("max_term_days", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "max_meters",
                            models.PositiveIntegerField(blank=True, help_text="Cap over all enrolments.", null=True),
                        ),
                        ("hold_minutes", models.PositiveIntegerField(default=30)),
                        (
                            "case_days",
                            models.PositiveIntegerField(
                                default=30, help_text="How long an open case waits for its confirm."
                            ),
                        ),
                        ("criteria", models.JSONField(blank=True, default=list)),
                        ("required_credentials", models.JSONField(blank=True, default=list)),
                        ("required_consents", models.JSONField(blank=True, default=list)),
                        ("documents", models.JSONField(blank=True, default=list)),
                        (
                            "consent_capture",
                            models.CharField(
                                choices=[("EXPLICIT", "EXPLICIT"), ("BY_CONFIRM", "BY_CONFIRM")],
                                default="EXPLICIT",
                                max_length=20,
                            ),
                        ),
                        (
                            "on_required_consent_revoked",
                            models.CharField(
                                choices=[("KEEP", "KEEP"), ("SUSPEND", "SUSPEND"), ("CANCEL", "CANCEL")],
                                default="SUSPEND",
                                max_length=10,
                            ),
                        ),
                        (
                            "support",
                            models.JSONField(
                                blank=True, default=dict, help_text="name, phone, email, url, hours of the owner."
                            ),
                        ),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="versions",
                                to="enrollment.program",
                            ),
                        ),
                        (
                            "credential_profile",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="The credential's shape: empty for our own, or DEG.",
                                max_length=8,
                            ),
                        ),
                        (
                            "secondary_utilities",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200),
                                blank=True,
                                default=list,
                                help_text="Utilities whose devices the program uses behind a meter of theirs; the person signs in there, too.",
                                size=None,
                            ),
                        ),
                        (
                            "presentation",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="What people are shown, by language: name, benefits, one worked example.",
                            ),
                        ),
                        (
                            "change_note",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="What is new in this version, for staff.",
                                max_length=500,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "program_versions",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("program", "number"), name="program_version_number_is_unique"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "PUBLISHED")),
                                fields=("program",),
                                name="one_published_version_per_program",
                                violation_error_message="A program has one published version; retire the old one first.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("published_at", None), ("state", "DRAFT")),
                                    models.Q(
                                        models.Q(("state", "DRAFT"), _negated=True), ("published_at__isnull", False)
                                    ),
                                    _connector="OR",
                                ),
                                name="published_version_has_its_moment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("opens_at", None),
                                    ("closes_at", None),
                                    ("closes_at__gt", models.F("opens_at")),
                                    _connector="OR",
                                ),
                                name="program_closes_after_it_opens",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "DRAFT")),
                                fields=("program",),
                                name="one_draft_per_program",
                                violation_error_message="Somebody is writing a version of this program already.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CapCounter",
                    fields=[
                        (
                            "program",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.RESTRICT,
                                primary_key=True,
                                related_name="cap_counter",
                                serialize=False,
                                to="enrollment.program",
                            ),
                        ),
                        ("used", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "db_table": "cap_counters",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("used__gte", 0)), name="cap_counter_is_not_negative"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ConsentText",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("consent_type", models.CharField(max_length=60)),
                        ("version", models.CharField(max_length=40)),
                        ("locale", models.CharField(max_length=35)),
                        ("body", models.TextField()),
                        ("digest", models.CharField(max_length=80)),
                        (
                            "reviewed_by",
                            models.CharField(
                                blank=True, help_text="Who approved it; production needs one.", max_length=200
                            ),
                        ),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="consent_texts",
                                to="enrollment.program",
                            ),
                        ),
                        (
                            "is_read",
                            models.BooleanField(
                                default=True, help_text="No: a translation that no person has read yet."
                            ),
                        ),
                    ],
                    options={
                        "db_table": "consent_texts",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("program", "consent_type", "version", "locale"),
                                name="one_consent_text_per_version_and_locale",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Document",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("document_id", models.CharField(max_length=60, unique=True)),
                        ("kind", models.CharField(max_length=40)),
                        ("der_id", models.CharField(blank=True, max_length=200)),
                        (
                            "formats",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=100), default=list, size=None
                            ),
                        ),
                        ("max_bytes", models.PositiveIntegerField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("ASKED", "ASKED"),
                                    ("UPLOADED", "UPLOADED"),
                                    ("APPROVED", "APPROVED"),
                                    ("REFUSED", "REFUSED"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("asked_at", models.DateTimeField()),
                        ("token_digest", models.CharField(max_length=64, unique=True)),
                        ("token_expires_at", models.DateTimeField()),
                        ("uploaded_at", models.DateTimeField(null=True)),
                        ("uploaded_by", models.CharField(blank=True, max_length=255)),
                        ("uploaded_by_agency", models.CharField(blank=True, max_length=200)),
                        ("sha256", models.CharField(blank=True, max_length=64)),
                        ("media_type", models.CharField(blank=True, max_length=100)),
                        ("size", models.PositiveIntegerField(null=True)),
                        ("storage_key", models.CharField(blank=True, max_length=100)),
                        (
                            "scan",
                            models.CharField(
                                blank=True,
                                help_text="CLEAN, NONE_CONFIGURED where nobody looked, or INFECTED.",
                                max_length=20,
                            ),
                        ),
                        ("first_reviewer", models.CharField(blank=True, max_length=255)),
                        ("first_reviewer_agency", models.CharField(blank=True, max_length=200)),
                        ("first_reviewed_at", models.DateTimeField(null=True)),
                        ("second_reviewer", models.CharField(blank=True, max_length=255)),
                        ("second_reviewer_agency", models.CharField(blank=True, max_length=200)),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("refusal_reason", models.CharField(blank=True, max_length=60)),
                        ("capacity_kw", models.FloatField(null=True)),
                        ("valid_until", models.DateTimeField(null=True)),
                        ("retention_until", models.DateTimeField(null=True)),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="documents",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                        (
                            "caution",
                            models.CharField(
                                blank=True, default="", help_text="ENCRYPTED, NOT_LOOKED_INTO", max_length=20
                            ),
                        ),
                        ("kept_sha256", models.CharField(blank=True, default="", max_length=64)),
                        ("applicant_text", identity.encryption.EncryptedTextField(null=True)),
                        ("is_final", models.BooleanField(default=False)),
                    ],
                    options={
                        "db_table": "documents",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "UPLOADED")),
                                fields=["uploaded_at"],
                                name="documents_to_review",
                            ),
                            models.Index(
                                condition=models.Q(("state__in", ["APPROVED", "REFUSED"])),
                                fields=["-id"],
                                name="documents_decided",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ["ASKED", "UPLOADED"])),
                                fields=("case", "kind", "der_id"),
                                name="one_open_document_per_case_kind_and_der",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("sha256", ""), ("state", "ASKED"), ("uploaded_at", None), ("uploaded_by", "")
                                    ),
                                    models.Q(
                                        models.Q(("state", "ASKED"), _negated=True),
                                        ("uploaded_at__isnull", False),
                                        models.Q(("sha256", ""), _negated=True),
                                        models.Q(("uploaded_by", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="uploaded_document_has_its_file",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "ASKED"),
                                    models.Q(
                                        models.Q(("first_reviewer", models.F("uploaded_by")), _negated=True),
                                        models.Q(("second_reviewer", models.F("uploaded_by")), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="nobody_reviews_what_they_uploaded",
                                violation_error_message="Who uploaded a document cannot review it.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("uploaded_by_agency", ""),
                                    models.Q(
                                        models.Q(
                                            ("first_reviewer_agency", models.F("uploaded_by_agency")), _negated=True
                                        ),
                                        models.Q(
                                            ("second_reviewer_agency", models.F("uploaded_by_agency")), _negated=True
                                        ),
                                    ),
                                    _connector="OR",
                                ),
                                name="no_agency_reviews_its_own_uploads",
                                violation_error_message="An agency cannot review what its own people uploaded.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("second_reviewer", ""),
                                    models.Q(
                                        models.Q(("first_reviewer", ""), _negated=True),
                                        models.Q(("second_reviewer", models.F("first_reviewer")), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="two_different_persons_review",
                                violation_error_message="The second review is another person's.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "APPROVED"), _negated=True),
                                    models.Q(
                                        models.Q(("first_reviewer", ""), _negated=True),
                                        models.Q(("second_reviewer", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="approved_document_was_seen_by_two",
                                violation_error_message="A document is approved by two persons.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "REFUSED"), _negated=True),
                                    models.Q(
                                        models.Q(("first_reviewer", ""), _negated=True),
                                        models.Q(("refusal_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="refused_document_has_reviewer_and_reason",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decided_at__isnull", False), ("state__in", ["APPROVED", "REFUSED"])),
                                    models.Q(
                                        models.Q(("state__in", ["APPROVED", "REFUSED"]), _negated=True),
                                        ("decided_at", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="decided_document_has_its_moment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("scan", "INFECTED"), ("state", "APPROVED"), _negated=True),
                                name="infected_document_is_not_approved",
                                violation_error_message="A scanner found malware in this document.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("is_final", False), ("state", "REFUSED"), _connector="OR"),
                                name="only_a_refused_document_is_refused_for_good",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReliedCertificate",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("der_id", models.CharField(max_length=200)),
                        ("source", models.CharField(max_length=10)),
                        ("credential_id", models.CharField(blank=True, max_length=500)),
                        ("status", models.JSONField(null=True)),
                        ("valid_until", models.DateTimeField(null=True)),
                        ("relied_since", models.DateTimeField()),
                        ("checked_at", models.DateTimeField()),
                        ("failed_reason", models.CharField(blank=True, max_length=40)),
                        ("failed_at", models.DateTimeField(null=True)),
                        ("reminded_at", models.DateTimeField(null=True)),
                        ("replaced_at", models.DateTimeField(null=True)),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="certificates",
                                to="enrollment.enrollment",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "relied_certificates",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("replaced_at", None)),
                                fields=["checked_at"],
                                name="certificates_to_look_at",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("failed_at", None), ("failed_reason", "")),
                                    models.Q(
                                        models.Q(("failed_reason", ""), _negated=True), ("failed_at__isnull", False)
                                    ),
                                    _connector="OR",
                                ),
                                name="failed_certificate_has_reason_and_moment",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CatalogChange",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("PUBLISHED", "PUBLISHED"), ("RETIRED", "RETIRED")], max_length=10
                            ),
                        ),
                        ("noted_at", models.DateTimeField()),
                        ("announced_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="catalog_changes",
                                to="enrollment.programversion",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "catalog_changes",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("announced_at", None)),
                                fields=["id"],
                                name="catalog_changes_to_announce",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("version", "state"), name="a_version_is_published_and_retired_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UtilityChange",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("utility_id", models.CharField(max_length=128)),
                        ("change_id", models.CharField(max_length=200)),
                        ("kind", models.CharField(max_length=40)),
                        ("umid", models.CharField(blank=True, max_length=200)),
                        ("der_id", models.CharField(blank=True, max_length=200)),
                        ("at", models.DateTimeField()),
                        ("details", models.JSONField(default=dict)),
                        (
                            "came_by",
                            models.CharField(choices=[("POLL", "POLL"), ("WEBHOOK", "WEBHOOK")], max_length=10),
                        ),
                        ("received_at", models.DateTimeField()),
                        ("next_attempt_at", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        ("handled_at", models.DateTimeField(null=True)),
                        ("outcome", models.CharField(blank=True, max_length=20)),
                        ("enrollments", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "db_table": "utility_changes",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("handled_at", None)),
                                fields=["next_attempt_at"],
                                name="utility_changes_due",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("utility_id", "change_id"), name="a_utility_s_change_counts_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("handled_at", None), ("next_attempt_at__isnull", False), ("outcome", "")),
                                    models.Q(
                                        ("handled_at__isnull", False),
                                        ("next_attempt_at", None),
                                        models.Q(("outcome", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="handled_change_has_its_outcome",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UtilityFeed",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("utility_id", models.CharField(max_length=128, unique=True)),
                        ("cursor", models.CharField(blank=True, max_length=200)),
                        ("polled_at", models.DateTimeField(null=True)),
                        ("last_problem", models.CharField(blank=True, default="", max_length=200)),
                        ("read_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "utility_feeds",
                    },
                ),
                migrations.CreateModel(
                    name="UtilityNotice",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("notice_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ("utility_id", models.CharField(max_length=128)),
                        (
                            "kind",
                            models.CharField(choices=[("BILLING", "BILLING"), ("PERSON", "PERSON")], max_length=10),
                        ),
                        ("event", models.CharField(max_length=60)),
                        ("effective_at", models.DateTimeField()),
                        (
                            "meters",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        ("parameters", models.JSONField(default=dict)),
                        (
                            "state",
                            models.CharField(
                                choices=[("WAITING", "WAITING"), ("ACKNOWLEDGED", "ACKNOWLEDGED"), ("STUCK", "STUCK")],
                                max_length=12,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        ("next_attempt_at", models.DateTimeField()),
                        ("last_problem", models.CharField(blank=True, max_length=200)),
                        ("acknowledged_at", models.DateTimeField(null=True)),
                        ("acknowledgement", models.CharField(blank=True, max_length=200)),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="utility_notices",
                                to="enrollment.enrollment",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "utility_notices",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "WAITING")),
                                fields=["next_attempt_at"],
                                name="utility_notices_due",
                            ),
                            models.Index(fields=["enrollment", "utility_id"], name="utility_notices_of_one"),
                            models.Index(
                                condition=models.Q(("state", "STUCK")),
                                fields=["created_at"],
                                name="utility_notices_stuck",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("acknowledged_at__isnull", False), ("state", "ACKNOWLEDGED")),
                                    models.Q(
                                        models.Q(("state", "ACKNOWLEDGED"), _negated=True), ("acknowledged_at", None)
                                    ),
                                    _connector="OR",
                                ),
                                name="acknowledged_notice_has_its_moment",
                                violation_error_message="An acknowledged notice needs the moment of its acknowledgement.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CustomerNotice",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("notice_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ("template", models.CharField(max_length=40)),
                        ("parameters", models.JSONField(default=dict)),
                        ("utility_id", models.CharField(blank=True, max_length=128)),
                        (
                            "meters",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=200), default=list, size=None
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "WAITING"),
                                    ("SENT", "SENT"),
                                    ("NOBODY", "NOBODY"),
                                    ("STUCK", "STUCK"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        ("next_attempt_at", models.DateTimeField()),
                        ("last_problem", models.CharField(blank=True, max_length=200)),
                        ("sent_at", models.DateTimeField(null=True)),
                        (
                            "sent_by",
                            models.CharField(blank=True, help_text="The gateway that took it.", max_length=120),
                        ),
                        (
                            "locale",
                            models.CharField(blank=True, help_text="The language it was sent in.", max_length=35),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="notices",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "customer_notices",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "WAITING")),
                                fields=["next_attempt_at"],
                                name="customer_notices_due",
                            ),
                            models.Index(fields=["case", "template"], name="customer_notices_of_a_case"),
                            models.Index(
                                condition=models.Q(("state", "STUCK")),
                                fields=["created_at"],
                                name="customer_notices_stuck",
                            ),
                            models.Index(fields=["template", "-id"], name="customer_notices_of_a_kind"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("sent_at__isnull", False), ("state", "SENT")),
                                    models.Q(models.Q(("state", "SENT"), _negated=True), ("sent_at", None)),
                                    _connector="OR",
                                ),
                                name="sent_notice_has_its_moment",
                                violation_error_message="A sent notice needs the moment it was sent.",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("template__in", ["application-started", "agency-started"])),
                                fields=("case",),
                                name="an_application_starts_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="NotMeLink",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("token_digest", models.CharField(max_length=64, unique=True)),
                        ("made_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(null=True)),
                        (
                            "notice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="links",
                                to="enrollment.customernotice",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "not_me_links",
                        "indexes": [models.Index(fields=["expires_at"], name="not_me_links_by_their_end")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("used_at", None), ("used_at__lte", models.F("expires_at")), _connector="OR"
                                ),
                                name="not_me_link_is_used_while_it_works",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Recheck",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("agency_id", models.CharField(max_length=200)),
                        ("queued_at", models.DateTimeField()),
                        ("done_at", models.DateTimeField(blank=True, null=True)),
                        ("done_by", models.CharField(blank=True, default="", max_length=64)),
                        (
                            "outcome",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("IN_ORDER", "in order"),
                                    ("CUSTOMER_ASKED", "the customer was asked and agrees"),
                                    ("ENDED", "not what the customer wanted: ended"),
                                ],
                                default="",
                                max_length=20,
                            ),
                        ),
                        ("note", identity.encryption.EncryptedTextField(blank=True, default="")),
                        (
                            "enrollment",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="rechecks",
                                to="enrollment.enrollment",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "enrollment_rechecks",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("done_at", None)), fields=["queued_at"], name="rechecks_to_do"
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("done_at", None)),
                                fields=("enrollment",),
                                name="one_open_recheck_per_enrollment",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("done_at", None), ("done_by", ""), ("outcome", "")),
                                    models.Q(
                                        ("done_at__isnull", False),
                                        models.Q(("done_by", ""), _negated=True),
                                        ("outcome__in", ["IN_ORDER", "CUSTOMER_ASKED", "ENDED"]),
                                    ),
                                    _connector="OR",
                                ),
                                name="a_done_recheck_says_by_whom_and_what",
                                violation_error_message="Who has looked says what came of it.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReviewLease",
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
                                choices=[("DOCUMENT", "DOCUMENT"), ("PAPER", "PAPER"), ("ORDER", "ORDER")],
                                max_length=10,
                            ),
                        ),
                        ("reference", models.CharField(max_length=64)),
                        ("taken_at", models.DateTimeField()),
                        ("until", models.DateTimeField()),
                        ("opened_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "held_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.staffmember"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "review_leases",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("kind", "reference"),
                                name="one_person_has_a_case_before_them",
                                violation_error_message="Somebody else has this case before them.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("until__gt", models.F("taken_at"))),
                                name="review_lease_ends_after_it_began",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReviewNote",
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
                                choices=[("DOCUMENT", "DOCUMENT"), ("PAPER", "PAPER"), ("ORDER", "ORDER")],
                                max_length=10,
                            ),
                        ),
                        ("reference", models.CharField(max_length=64)),
                        ("at", models.DateTimeField()),
                        ("text", identity.encryption.EncryptedTextField()),
                        (
                            "by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.staffmember"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "review_notes",
                        "indexes": [
                            models.Index(fields=["kind", "reference", "at"], name="review_notes_of_a_case"),
                            models.Index(fields=["at"], name="review_notes_by_age"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StaffAct",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("END", "ended"),
                                    ("PLAN_END", "end planned"),
                                    ("STAY", "planned end taken back"),
                                    ("SUSPEND", "suspended"),
                                    ("RESUME", "resumed"),
                                    ("REVOKE_CONSENT", "consent revoked"),
                                    ("RELEASE", "stopped order released"),
                                    ("ASK", "asked for an act on many"),
                                    ("APPROVE", "approved an act on many"),
                                    ("REFUSE", "refused an act on many"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("reason", models.CharField(max_length=60)),
                        ("note", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("by", models.CharField(max_length=255)),
                        ("at", models.DateTimeField()),
                        ("effective_at", models.DateTimeField(null=True)),
                        (
                            "credentials",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(), default=list, size=None
                            ),
                        ),
                        ("log_reference", models.CharField(blank=True, max_length=60)),
                        (
                            "bulk_act",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="staff_acts",
                                to="credentials.bulkact",
                            ),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="staff_acts",
                                to="enrollment.enrollmentcase",
                            ),
                        ),
                        (
                            "consent",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="+",
                                to="enrollment.consent",
                            ),
                        ),
                        (
                            "enrollment",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="staff_acts",
                                to="enrollment.enrollment",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "staff_acts",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("bulk_act", None), ("case__isnull", False)),
                                    models.Q(("bulk_act__isnull", False), ("case", None), ("enrollment", None)),
                                    _connector="OR",
                                ),
                                name="staff_act_is_about_an_order_or_about_many",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True), name="staff_act_has_its_reason"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CaseFigure",
                    fields=[
                        ("case_id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("day", models.DateField()),
                        ("program_id", models.CharField(max_length=200)),
                        ("channel", models.CharField(max_length=20)),
                        ("utility_id", models.CharField(max_length=200)),
                        ("agency_id", models.CharField(max_length=200)),
                        ("stage", models.SmallIntegerField()),
                        ("outcome", models.CharField(help_text="REFUSED, GIVEN_UP, or empty.", max_length=10)),
                        ("code", models.CharField(help_text="Why it was refused.", max_length=40)),
                        ("decided_on", models.DateField(null=True)),
                        ("decided_bucket", models.SmallIntegerField(null=True)),
                        ("joined_on", models.DateField(null=True)),
                        ("left_on", models.DateField(null=True)),
                        ("kw", models.FloatField(default=0)),
                    ],
                    options={
                        "db_table": "figures_cases",
                    },
                ),
                migrations.CreateModel(
                    name="FigureCursor",
                    fields=[
                        ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                        ("seq", models.BigIntegerField(default=0)),
                        ("read_at", models.DateTimeField(null=True)),
                        ("rebuilt_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "figures_cursor",
                    },
                ),
                migrations.CreateModel(
                    name="UnpublishedFigure",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("status_list_id", models.BigIntegerField()),
                        ("at", models.DateTimeField()),
                        ("count", models.IntegerField()),
                    ],
                    options={
                        "db_table": "figures_unpublished",
                    },
                ),
                migrations.CreateModel(
                    name="DailyFigure",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("day", models.DateField()),
                        ("program_id", models.CharField(max_length=200)),
                        ("channel", models.CharField(max_length=20)),
                        ("utility_id", models.CharField(max_length=200)),
                        ("agency_id", models.CharField(max_length=200)),
                        ("started", models.IntegerField(default=0)),
                        ("identified", models.IntegerField(default=0)),
                        ("eligible", models.IntegerField(default=0)),
                        ("consented", models.IntegerField(default=0)),
                        ("confirmed", models.IntegerField(default=0)),
                        ("refused", models.IntegerField(default=0)),
                        ("given_up", models.IntegerField(default=0)),
                        ("joined", models.IntegerField(default=0)),
                        ("ended", models.IntegerField(default=0)),
                        ("joined_kw", models.FloatField(default=0)),
                        ("ended_kw", models.FloatField(default=0)),
                    ],
                    options={
                        "db_table": "figures_daily",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("day", "program_id", "channel", "utility_id", "agency_id"),
                                name="one_daily_figure_per_cell",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DurationFigure",
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
                                choices=[("DECISION", "Decision"), ("PUBLICATION", "Publication")], max_length=12
                            ),
                        ),
                        ("day", models.DateField()),
                        ("program_id", models.CharField(max_length=200)),
                        ("channel", models.CharField(max_length=20)),
                        ("utility_id", models.CharField(max_length=200)),
                        ("bucket", models.SmallIntegerField()),
                        ("count", models.IntegerField(default=0)),
                    ],
                    options={
                        "db_table": "figures_durations",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("kind", "day", "program_id", "channel", "utility_id", "bucket"),
                                name="one_duration_figure_per_cell_and_bucket",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ListFigure",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("day", models.DateField()),
                        ("status_list_id", models.BigIntegerField()),
                        ("kind", models.CharField(max_length=12)),
                        ("number", models.IntegerField()),
                        ("size", models.IntegerField()),
                        ("taken", models.IntegerField()),
                        ("revoked", models.IntegerField()),
                    ],
                    options={
                        "db_table": "figures_lists",
                        "constraints": [
                            models.UniqueConstraint(fields=("day", "status_list_id"), name="one_list_figure_per_day")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RefusalFigure",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("day", models.DateField()),
                        ("program_id", models.CharField(max_length=200)),
                        ("channel", models.CharField(max_length=20)),
                        ("utility_id", models.CharField(max_length=200)),
                        ("agency_id", models.CharField(max_length=200)),
                        ("at_the_door", models.BooleanField(default=False)),
                        ("code", models.CharField(max_length=40)),
                        ("count", models.IntegerField(default=0)),
                    ],
                    options={
                        "db_table": "figures_refusals",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=(
                                    "day",
                                    "program_id",
                                    "channel",
                                    "utility_id",
                                    "agency_id",
                                    "at_the_door",
                                    "code",
                                ),
                                name="one_refusal_figure_per_cell_and_code",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(PROMISES + NOTE, UNDO),
    ]
