"""Acts on many that need a second person, and looks at the published lists from outside.

What was asked for is what is approved: nothing of an act may change between the two (trigger); by whom it is approved,
and that nothing is due before, are constraints.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION bulk_act_keeps_what_was_asked() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP TRIGGER IF EXISTS bulk_act_keeps_what_was_asked ON bulk_acts;
CREATE TRIGGER bulk_act_keeps_what_was_asked BEFORE UPDATE ON bulk_acts
    FOR EACH ROW EXECUTE FUNCTION bulk_act_keeps_what_was_asked();
"""

BACKWARD = """
DROP TRIGGER IF EXISTS bulk_act_keeps_what_was_asked ON bulk_acts;
DROP FUNCTION IF EXISTS bulk_act_keeps_what_was_asked();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0005_status_list_json"),
    ]

    operations = [
        migrations.CreateModel(
            name="PublicCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("about", models.CharField(db_index=True, max_length=80)),
                (
                    "purpose",
                    models.CharField(
                        choices=[("revocation", "revocation"), ("suspension", "suspension")], max_length=12
                    ),
                ),
                (
                    "indexes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), size=None),
                ),
                ("is_set", models.BooleanField()),
                ("asked_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                ("version", models.PositiveBigIntegerField(blank=True, null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=300)),
            ],
            options={
                "db_table": "public_checks",
            },
        ),
        migrations.AddField(
            model_name="bulkact",
            name="approve_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="approved_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="approved_by",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="approved_digest",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="asked_by",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="refusal_reason",
            field=models.CharField(blank=True, default="", max_length=60),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="refused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="bulkact",
            name="refused_by",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AlterField(
            model_name="bulkact",
            name="due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="bulkact",
            name="kind",
            field=models.CharField(
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
        migrations.AddIndex(
            model_name="bulkact",
            index=models.Index(
                condition=models.Q(("kind", "TELL"), _negated=True), fields=["-asked_at"], name="bulk_acts_newest"
            ),
        ),
        migrations.AddIndex(
            model_name="bulkact",
            index=models.Index(
                condition=models.Q(("approve_until__isnull", False), ("approved_at", None), ("refused_at", None)),
                fields=["approve_until"],
                name="bulk_acts_to_approve",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("approve_until", None), ("approved_at", None), ("due_at__isnull", False), ("refused_at", None)
                    ),
                    models.Q(("approve_until__isnull", False), models.Q(("asked_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="bulk_act_of_two_persons_knows_who_asked",
                violation_error_message="An act that needs a second person says who has asked for it.",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approve_until", None),
                    models.Q(("approved_at", None), ("due_at", None)),
                    ("approved_at__isnull", False),
                    _connector="OR",
                ),
                name="bulk_act_is_due_when_it_was_approved",
                violation_error_message="Nothing is done before a second person has approved it.",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkact",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="bulkact",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddField(
            model_name="publiccheck",
            name="status_list",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT, related_name="+", to="credentials.statuslist"
            ),
        ),
        migrations.AddIndex(
            model_name="publiccheck",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="public_checks_due"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
