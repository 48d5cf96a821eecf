"""0001 to 0005 at once, for a database that has none of them (docs/decisions/migrations.md).

The journal only grows: the database refuses every change, and queues every new line for the chain. Statement triggers,
so that a change of no rows is refused like one of many.
"""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.fields.json
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

from audit.creating import CreateModels

REFUSE = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the journal only grows', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_logs_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_links_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_seals_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

QUEUE = """
CREATE FUNCTION audit_queue_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (event_id) SELECT id FROM new_events;
    RETURN NULL;
END $$;

CREATE TRIGGER audit_logs_wait_for_link AFTER INSERT ON audit_logs
    REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION audit_queue_events();
"""

UNDO = """
DROP TRIGGER audit_logs_only_grow ON audit_logs;
DROP TRIGGER audit_links_only_grow ON audit_links;
DROP TRIGGER audit_seals_only_grow ON audit_seals;
DROP TRIGGER audit_logs_wait_for_link ON audit_logs;
DROP FUNCTION audit_refuse_change();
DROP FUNCTION audit_queue_events();
"""


class Migration(migrations.Migration):
    replaces = [
        ("audit", "0001_initial"),
        ("audit", "0002_append_only"),
        ("audit", "0003_an_agencys_lines"),
        ("audit", "0004_searched_and_checked"),
        ("audit", "0005_refusals_by_code_and_sender"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="Pending",
                    fields=[
                        ("event_id", models.BigIntegerField(primary_key=True, serialize=False)),
                    ],
                    options={
                        "verbose_name_plural": "pending",
                        "db_table": "audit_pending",
                    },
                ),
                migrations.CreateModel(
                    name="Seal",
                    fields=[
                        ("day", models.DateField(primary_key=True, serialize=False)),
                        ("last_seq", models.BigIntegerField()),
                        ("statement", models.TextField()),
                        ("kid", models.CharField(max_length=128)),
                        ("signature", models.BinaryField()),
                        ("signed_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "audit_seals",
                        "ordering": ["day"],
                    },
                ),
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ("at", models.DateTimeField(help_text="When it happened, by our clock.")),
                        (
                            "recorded_at",
                            models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                        ),
                        ("action", models.CharField(max_length=64)),
                        ("actor_kind", models.CharField(max_length=16)),
                        ("actor_id", models.CharField(max_length=255)),
                        ("channel", models.CharField(max_length=16)),
                        ("on_behalf_of", models.CharField(blank=True, default="", max_length=255)),
                        ("subject", models.CharField(blank=True, default="", max_length=64)),
                        ("object_type", models.CharField(blank=True, default="", max_length=64)),
                        ("object_id", models.CharField(blank=True, default="", max_length=255)),
                        ("before_digest", models.CharField(blank=True, default="", max_length=64)),
                        ("after_digest", models.CharField(blank=True, default="", max_length=64)),
                        ("details", models.JSONField(blank=True, null=True)),
                    ],
                    options={
                        "db_table": "audit_logs",
                        "ordering": ["id"],
                        "indexes": [
                            models.Index(
                                models.F("actor_id"),
                                django.db.models.fields.json.KeyTextTransform("operator", "details"),
                                models.OrderBy(models.F("at"), descending=True),
                                models.OrderBy(models.F("id"), descending=True),
                                condition=models.Q(("actor_kind", "AGENCY")),
                                name="audit_logs_operator",
                            ),
                            models.Index(
                                django.db.models.fields.json.KeyTextTransform("of_agency", "details"),
                                models.F("at"),
                                condition=models.Q(("details__has_key", "of_agency"), ("object_type", "document")),
                                name="audit_logs_evidence",
                            ),
                            models.Index(fields=["at", "id"], name="audit_logs_time"),
                            models.Index(fields=["object_type", "object_id", "at", "id"], name="audit_logs_object"),
                            models.Index(
                                condition=models.Q(("subject", ""), _negated=True),
                                fields=["subject", "at", "id"],
                                name="audit_logs_subject",
                            ),
                            models.Index(fields=["action", "at", "id"], name="audit_logs_action"),
                            models.Index(fields=["actor_kind", "actor_id", "at", "id"], name="audit_logs_actor"),
                            models.Index(fields=["channel", "at", "id"], name="audit_logs_channel"),
                            models.Index(
                                condition=models.Q(("action", "message.refused")),
                                fields=["-id"],
                                name="audit_logs_refused",
                            ),
                            models.Index(
                                django.db.models.fields.json.KeyTextTransform("code", "details"),
                                models.OrderBy(models.F("id"), descending=True),
                                condition=models.Q(("action", "message.refused")),
                                name="audit_logs_refused_for",
                            ),
                            models.Index(
                                django.db.models.functions.comparison.Coalesce(
                                    django.db.models.fields.json.KeyTextTransform("claims", "details"),
                                    "actor_id",
                                    output_field=models.TextField(),
                                ),
                                models.OrderBy(models.F("id"), descending=True),
                                condition=models.Q(("action", "message.refused")),
                                name="audit_logs_refused_of",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Link",
                    fields=[
                        ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("prev_hash", models.BinaryField(max_length=32)),
                        ("hash", models.BinaryField(max_length=32)),
                        ("linked_at", models.DateTimeField()),
                        (
                            "event",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT, related_name="link", to="audit.event"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "audit_links",
                        "ordering": ["seq"],
                        "indexes": [models.Index(fields=["linked_at"], name="audit_links_linked_at")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("seq__gte", 1)), name="link_places_count_from_one"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Check",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "day",
                            models.DateField(help_text="The day (UTC) that was checked; empty: everything.", null=True),
                        ),
                        ("asked_by_kind", models.CharField(max_length=16)),
                        ("asked_by", models.CharField(max_length=255)),
                        ("asked_at", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "waiting"),
                                    ("RUNNING", "at work"),
                                    ("DONE", "done"),
                                    ("FAILED", "given up"),
                                ],
                                default="WAITING",
                                max_length=7,
                            ),
                        ),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("walked", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("first_seq", models.BigIntegerField(default=0)),
                        ("last_seq", models.BigIntegerField(default=0)),
                        ("head", models.CharField(blank=True, default="", max_length=64)),
                        ("seals", models.PositiveIntegerField(default=0)),
                        ("findings", models.JSONField(default=list)),
                        ("seconds", models.FloatField(default=0)),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "db_table": "audit_checks",
                        "ordering": ["-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at__isnull", False), ("state__in", ["DONE", "FAILED"])),
                                    models.Q(("finished_at", None), ("state__in", ["WAITING", "RUNNING"])),
                                    _connector="OR",
                                ),
                                name="finished_check_has_its_moment",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "WAITING")),
                                fields=("state",),
                                name="one_check_waits_at_a_time",
                                violation_error_message="A check is waiting already.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Export",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("asked_by_kind", models.CharField(max_length=16)),
                        ("asked_by", models.CharField(max_length=255)),
                        ("asked_at", models.DateTimeField()),
                        ("filters", models.JSONField(default=dict)),
                        ("last_seq", models.BigIntegerField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "waiting"),
                                    ("RUNNING", "at work"),
                                    ("DONE", "done"),
                                    ("FAILED", "given up"),
                                ],
                                default="WAITING",
                                max_length=7,
                            ),
                        ),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("walked", models.BigIntegerField(default=0)),
                        ("lines", models.BigIntegerField(default=0)),
                        ("size", models.BigIntegerField(default=0)),
                        ("sha256", models.CharField(blank=True, default="", max_length=64)),
                        (
                            "parts",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=100), default=list, size=None
                            ),
                        ),
                        ("kid", models.CharField(blank=True, default="", max_length=128)),
                        ("problem", models.CharField(blank=True, default="", max_length=100)),
                        ("finished_at", models.DateTimeField(null=True)),
                        ("expires_at", models.DateTimeField(null=True)),
                        ("fetched", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "db_table": "audit_exports",
                        "ordering": ["-asked_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ["WAITING", "RUNNING"])),
                                fields=["asked_at"],
                                name="audit_exports_due",
                            ),
                            models.Index(
                                condition=models.Q(("parts", []), _negated=True),
                                fields=["expires_at"],
                                name="audit_exports_kept",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at__isnull", False), ("state__in", ["DONE", "FAILED"])),
                                    models.Q(("finished_at", None), ("state__in", ["WAITING", "RUNNING"])),
                                    _connector="OR",
                                ),
                                name="finished_export_has_its_moment",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(REFUSE + QUEUE, UNDO),
    ]
