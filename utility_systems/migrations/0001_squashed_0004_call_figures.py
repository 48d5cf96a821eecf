"""0001 to 0004 at once, for a database that has none of them (docs/decisions/migrations.md)."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

import identity.encryption
from audit.creating import CreateModels


class Migration(migrations.Migration):
    replaces = [
        ("utility_systems", "0001_initial"),
        ("utility_systems", "0002_der_sources"),
        ("utility_systems", "0003_system_health"),
        ("utility_systems", "0004_call_figures"),
    ]

    initial = True

    dependencies = [
        ("identity", "0001_squashed_0013_told_of_answers"),
    ]

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="Der",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("der_id", models.CharField(max_length=128, unique=True)),
                        ("type", models.CharField(max_length=66)),
                        ("rated_kw", models.FloatField(blank=True, null=True)),
                        ("energy_kwh", models.FloatField(blank=True, null=True)),
                        ("manufacturer", models.CharField(blank=True, default="", max_length=128)),
                        ("model", models.CharField(blank=True, default="", max_length=128)),
                        ("serial_digest", models.CharField(blank=True, default="", max_length=128)),
                        ("commissioned_on", models.DateField(blank=True, null=True)),
                        ("primary_umid", models.CharField(blank=True, default="", max_length=128)),
                        ("secondary_utility_id", models.CharField(blank=True, default="", max_length=128)),
                        ("bidirectional", models.BooleanField(default=False)),
                        ("facts_digest", models.BinaryField(default=b"", max_length=32)),
                        ("changed_at", models.DateTimeField(help_text="When we last heard something new.")),
                    ],
                    options={
                        "db_table": "ders",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("rated_kw", None), ("rated_kw__gte", 0), _connector="OR"),
                                    models.Q(("energy_kwh", None), ("energy_kwh__gte", 0), _connector="OR"),
                                ),
                                name="der_ratings_are_not_negative",
                                violation_error_message="A rating is not negative.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("type", ""), _negated=True), name="der_type_is_not_empty"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Site",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("utility_id", models.CharField(max_length=128)),
                        ("site_ref", models.CharField(max_length=128)),
                        ("address", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("grid_area", models.CharField(blank=True, default="", max_length=128)),
                        ("feeder_id", models.CharField(blank=True, default="", max_length=128)),
                        ("transformer_id", models.CharField(blank=True, default="", max_length=128)),
                    ],
                    options={
                        "db_table": "sites",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("utility_id", "site_ref"), name="one_site_per_utility_reference"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Meter",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("umid", models.CharField(max_length=128, unique=True)),
                        ("utility_id", models.CharField(db_index=True, max_length=128)),
                        (
                            "connection_type",
                            models.CharField(
                                choices=[
                                    ("RESIDENTIAL", "RESIDENTIAL"),
                                    ("COMMERCIAL", "COMMERCIAL"),
                                    ("INDUSTRIAL", "INDUSTRIAL"),
                                    ("AGRICULTURAL", "AGRICULTURAL"),
                                    ("UNKNOWN", "UNKNOWN"),
                                ],
                                default="UNKNOWN",
                                max_length=16,
                            ),
                        ),
                        (
                            "phase",
                            models.CharField(
                                choices=[("SINGLE", "SINGLE"), ("THREE", "THREE"), ("UNKNOWN", "UNKNOWN")],
                                default="UNKNOWN",
                                max_length=16,
                            ),
                        ),
                        ("sanctioned_load_kw", models.FloatField(blank=True, null=True)),
                        ("interval_capable", models.BooleanField(default=False)),
                        ("net_meter", models.BooleanField(default=False)),
                        ("facts_digest", models.BinaryField(default=b"", max_length=32)),
                        (
                            "changed_at",
                            models.DateTimeField(help_text="When we last heard something new from the utility."),
                        ),
                        (
                            "site",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="meters",
                                to="utility_systems.site",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "meters",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("sanctioned_load_kw", None), ("sanctioned_load_kw__gte", 0), _connector="OR"
                                ),
                                name="meter_load_is_not_negative",
                                violation_error_message="A sanctioned load is not negative.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DerCertificate",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("issuer", models.CharField(max_length=255)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("INTERCONNECTION", "INTERCONNECTION"),
                                    ("EQUIPMENT", "EQUIPMENT"),
                                    ("INSTALLER", "INSTALLER"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("capacity_kw", models.FloatField(blank=True, null=True)),
                        ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        ("status_ref", models.CharField(blank=True, default="", max_length=512)),
                        (
                            "der",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="certificates",
                                to="utility_systems.der",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "der_certificates",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("der", "issuer", "kind", "valid"), name="one_certificate_per_kind_and_time"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("valid__isempty", False)), name="certificate_has_a_duration"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["INTERCONNECTION", "EQUIPMENT", "INSTALLER"])),
                                name="certificate_kind_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DerMeterLink",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("umid", models.CharField(db_index=True, max_length=128)),
                        ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("UTILITY_API", "Utility Api"),
                                    ("VC", "Vc"),
                                    ("DOCUMENT", "Document"),
                                    ("MAKER", "Maker"),
                                    ("DECLARED", "Declared"),
                                ],
                                max_length=16,
                            ),
                        ),
                        (
                            "der",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="meter_links",
                                to="utility_systems.der",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "der_meter_links",
                        "constraints": [
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                expressions=[
                                    (
                                        models.Func(
                                            models.F("der_id"),
                                            models.F("der_id"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    (models.F("valid"), "&&"),
                                ],
                                name="one_meter_per_der_per_instant",
                                violation_error_message="This device is behind another meter at that time.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("valid__isempty", False)), name="der_meter_link_has_a_duration"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DerSubjectLink",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("OWNER", "OWNER"),
                                    ("TENANT", "TENANT"),
                                    ("JOINT", "JOINT"),
                                    ("HOLDER", "HOLDER"),
                                    ("OPERATOR", "OPERATOR"),
                                ],
                                default="OWNER",
                                max_length=16,
                            ),
                        ),
                        ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("UTILITY_API", "Utility Api"),
                                    ("VC", "Vc"),
                                    ("DOCUMENT", "Document"),
                                    ("MAKER", "Maker"),
                                    ("DECLARED", "Declared"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("evidence_ref", models.CharField(blank=True, default="", max_length=255)),
                        (
                            "der",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subject_links",
                                to="utility_systems.der",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="der_links",
                                to="identity.subject",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "der_subject_links",
                        "constraints": [
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                condition=models.Q(("role", "OWNER")),
                                expressions=[
                                    (
                                        models.Func(
                                            models.F("der_id"),
                                            models.F("der_id"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    (models.F("valid"), "&&"),
                                ],
                                name="one_owner_per_der_per_instant",
                                violation_error_message="This device has another owner at that time.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("valid__isempty", False)), name="der_link_has_a_duration"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["OWNER", "TENANT", "JOINT", "HOLDER", "OPERATOR"])),
                                name="der_link_role_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MeterNumber",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("number", models.CharField(max_length=128)),
                        ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        (
                            "meter",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="numbers",
                                to="utility_systems.meter",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "meter_numbers",
                        "indexes": [models.Index(fields=["number"], name="meter_numbers_number")],
                        "constraints": [
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                expressions=[
                                    (
                                        models.Func(
                                            models.F("meter_id"),
                                            models.F("meter_id"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    (models.F("valid"), "&&"),
                                ],
                                name="one_number_per_meter_per_instant",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("valid__isempty", False)), name="meter_number_has_a_duration"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MeterSubjectLink",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("OWNER", "OWNER"),
                                    ("TENANT", "TENANT"),
                                    ("JOINT", "JOINT"),
                                    ("HOLDER", "HOLDER"),
                                    ("OPERATOR", "OPERATOR"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("UTILITY_API", "Utility Api"),
                                    ("VC", "Vc"),
                                    ("DOCUMENT", "Document"),
                                    ("MAKER", "Maker"),
                                    ("DECLARED", "Declared"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("evidence_ref", models.CharField(blank=True, default="", max_length=255)),
                        (
                            "meter",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="subject_links",
                                to="utility_systems.meter",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="meter_links",
                                to="identity.subject",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "meter_subject_links",
                        "constraints": [
                            django.contrib.postgres.constraints.ExclusionConstraint(
                                condition=models.Q(("role", "HOLDER")),
                                expressions=[
                                    (
                                        models.Func(
                                            models.F("meter_id"),
                                            models.F("meter_id"),
                                            models.Value("[]"),
                                            function="int8range",
                                        ),
                                        "&&",
                                    ),
                                    (models.F("valid"), "&&"),
                                ],
                                name="one_holder_of_record_per_meter_per_instant",
                                violation_error_message="This meter has another holder of record at that time.",
                            ),
                            models.UniqueConstraint(
                                fields=("meter", "subject", "role", "valid"), name="one_meter_link_per_role_and_time"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("valid__isempty", False)), name="meter_link_has_a_duration"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["OWNER", "TENANT", "JOINT", "HOLDER", "OPERATOR"])),
                                name="meter_link_role_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SystemHealth",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("utility_id", models.CharField(max_length=128)),
                        ("system", models.CharField(max_length=16)),
                        (
                            "is_open",
                            models.BooleanField(help_text="Open: it was silent, and is left alone between tries."),
                        ),
                        ("since", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "utility system",
                        "db_table": "utility_system_health",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("utility_id", "system"), name="one_health_per_utility_system"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CallFigure",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("hour", models.DateTimeField()),
                        ("utility_id", models.CharField(max_length=128)),
                        ("system", models.CharField(max_length=16)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[
                                    ("ANSWERED", "answered"),
                                    ("DECLINED", "declined"),
                                    ("FAILED", "failed"),
                                    ("NOT_ASKED", "not asked"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("bucket", models.SmallIntegerField()),
                        ("count", models.IntegerField(default=0)),
                    ],
                    options={
                        "db_table": "utility_call_figures",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("hour", "utility_id", "system", "outcome", "bucket"),
                                name="one_call_figure_per_hour_and_bucket",
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
