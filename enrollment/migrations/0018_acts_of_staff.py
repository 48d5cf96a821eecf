"""What staff did to orders, with notes; and indexes for looking through a million enrolments."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import identity.encryption


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0006_two_persons_and_looks"),
        ("enrollment", "0017_cases_to_decide"),
    ]

    operations = [
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
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None),
                ),
                ("log_reference", models.CharField(blank=True, max_length=60)),
            ],
            options={
                "db_table": "staff_acts",
            },
        ),
        migrations.AddIndex(
            model_name="enrollment",
            index=models.Index(fields=["state", "-case"], name="enrollments_newest_of_state"),
        ),
        migrations.AddIndex(
            model_name="enrollment",
            index=models.Index(fields=["program_version", "-case"], name="enrollments_newest_of_version"),
        ),
        migrations.AddIndex(
            model_name="enrollment",
            index=models.Index(fields=["enrolled_at"], name="enrollments_by_day"),
        ),
        migrations.AddIndex(
            model_name="enrollmentcase",
            index=models.Index(
                condition=models.Q(("agency_id", ""), _negated=True),
                fields=["agency_id", "-id"],
                name="cases_newest_of_agency",
            ),
        ),
        migrations.AddIndex(
            model_name="enrollmentcase",
            index=models.Index(fields=["channel", "-id"], name="cases_newest_of_channel"),
        ),
        migrations.AddField(
            model_name="staffact",
            name="bulk_act",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="staff_acts",
                to="credentials.bulkact",
            ),
        ),
        migrations.AddField(
            model_name="staffact",
            name="case",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="staff_acts",
                to="enrollment.enrollmentcase",
            ),
        ),
        migrations.AddField(
            model_name="staffact",
            name="consent",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="+",
                to="enrollment.consent",
            ),
        ),
        migrations.AddField(
            model_name="staffact",
            name="enrollment",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="staff_acts",
                to="enrollment.enrollment",
            ),
        ),
        migrations.AddConstraint(
            model_name="staffact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("bulk_act", None), ("case__isnull", False)),
                    models.Q(("bulk_act__isnull", False), ("case", None), ("enrollment", None)),
                    _connector="OR",
                ),
                name="staff_act_is_about_an_order_or_about_many",
            ),
        ),
        migrations.AddConstraint(
            model_name="staffact",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="staff_act_has_its_reason"
            ),
        ),
    ]
