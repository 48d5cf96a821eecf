"""0001 to 0011 at once, for a database that has none of them (docs/decisions/migrations.md)."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import identity.encryption
from audit.creating import CreateModels


class Migration(migrations.Migration):
    replaces = [
        ("portals", "0001_initial"),
        ("portals", "0002_matrix_and_basket"),
        ("portals", "0003_questions_found_again"),
        ("portals", "0004_assisted"),
        ("portals", "0005_imports"),
        ("portals", "0006_signals"),
        ("portals", "0007_imports_that_fail"),
        ("portals", "0008_mandates_on_paper"),
        ("portals", "0009_device_proofs"),
        ("portals", "0010_cases_under_way"),
        ("portals", "0011_drafts_of_a_program"),
    ]

    initial = True

    dependencies = [
        ("beckn", "0001_squashed_0006_stuck_of_a_participant"),
        ("identity", "0001_squashed_0013_told_of_answers"),
    ]

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="CatalogProgram",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("provider_id", models.CharField(max_length=255)),
                        ("program_id", models.CharField(max_length=255)),
                        (
                            "slug",
                            models.SlugField(
                                help_text="its name in our addresses; never changes", max_length=120, unique=True
                            ),
                        ),
                        ("item", models.JSONField()),
                        ("fetched_at", models.DateTimeField()),
                        ("gone_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "bpp",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="beckn.participant"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_programs",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("bpp", "provider_id", "program_id"), name="a_program_is_copied_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Application",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("portal", models.CharField(help_text="the subscriber id that sends", max_length=255)),
                        ("utility_id", models.CharField(max_length=128)),
                        ("transaction_id", models.CharField(max_length=255)),
                        ("order_id", models.CharField(max_length=200, unique=True)),
                        (
                            "batch_id",
                            models.CharField(
                                blank=True, default="", help_text="orders made from one basket", max_length=64
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("DRAFT", "Draft"),
                                    ("CONFIRMING", "Confirming"),
                                    ("ENROLLED", "Enrolled"),
                                    ("REFUSED", "Refused"),
                                    ("ENDED", "Ended"),
                                    ("DROPPED", "Dropped"),
                                ],
                                default="DRAFT",
                                max_length=10,
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=0)),
                        ("answers", identity.encryption.EncryptedJSONField()),
                        ("told", identity.encryption.EncryptedJSONField()),
                        ("order_number", models.CharField(blank=True, default="", max_length=64)),
                        ("enrollment_id", models.CharField(blank=True, default="", max_length=255)),
                        ("asked_action", models.CharField(blank=True, default="", max_length=32)),
                        ("asked_message_id", models.CharField(blank=True, default="", max_length=255)),
                        ("asked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "trouble",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="a code of portals.callbacks, or the refusal's",
                                max_length=64,
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "started_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="applications",
                                to="identity.subject",
                            ),
                        ),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="applications",
                                to="portals.catalogprogram",
                            ),
                        ),
                        (
                            "agency_id",
                            models.CharField(
                                blank=True, default="", help_text="who assists; empty: nobody", max_length=128
                            ),
                        ),
                        ("mandate_id", models.CharField(blank=True, default="", max_length=128)),
                        ("operator_id", models.CharField(blank=True, default="", max_length=128)),
                    ],
                    options={
                        "db_table": "portal_applications",
                        "ordering": ("-started_at",),
                        "indexes": [
                            models.Index(models.F("subject"), models.F("started_at"), name="applications_of_a_person"),
                            models.Index(models.F("transaction_id"), name="applications_by_transaction"),
                            models.Index(
                                models.F("asked_at"),
                                condition=models.Q(("asked_at__isnull", False)),
                                name="applications_that_wait",
                            ),
                            models.Index(
                                models.F("id"),
                                condition=models.Q(("trouble", "UNCHECKED")),
                                name="applications_in_doubt",
                            ),
                            models.Index(
                                models.F("program"), condition=models.Q(("state", "DRAFT")), name="drafts_of_a_program"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("asked_action", ""), ("asked_at", None)),
                                    models.Q(
                                        models.Q(("asked_action", ""), _negated=True), ("asked_at__isnull", False)
                                    ),
                                    _connector="OR",
                                ),
                                name="what_is_asked_has_its_moment",
                                violation_error_message="A question that is open needs the moment it was asked.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "ENROLLED"), _negated=True),
                                    models.Q(("enrollment_id", ""), _negated=True),
                                    _connector="OR",
                                ),
                                name="an_enrolled_application_names_its_enrolment",
                                violation_error_message="An enrolled application needs the enrolment's id.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("agency_id", ""), ("mandate_id", ""), ("operator_id", "")),
                                    models.Q(
                                        models.Q(("agency_id", ""), _negated=True),
                                        models.Q(("operator_id", ""), _negated=True),
                                        models.Q(("mandate_id", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="an_assisted_application_names_operator_and_mandate",
                                violation_error_message="Who assists names agency, operator and mandate.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ConsentReceipt",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("consent_type", models.CharField(max_length=64)),
                        ("is_granted", models.BooleanField()),
                        ("text_version", models.CharField(max_length=64)),
                        ("text_digest", models.CharField(max_length=100)),
                        ("locale", models.CharField(max_length=35)),
                        ("record", identity.encryption.EncryptedJSONField()),
                        ("answered_at", models.DateTimeField()),
                        ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "application",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="receipts",
                                to="portals.application",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_consent_receipts",
                        "ordering": ("answered_at", "pk"),
                    },
                ),
                migrations.CreateModel(
                    name="HeldCredential",
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
                                choices=[("ENROLLMENT", "enrolment"), ("CONSENT", "consent")], max_length=10
                            ),
                        ),
                        ("consent_type", models.CharField(blank=True, default="", max_length=64)),
                        ("credential_id", models.CharField(max_length=500, unique=True)),
                        ("data", identity.encryption.EncryptedTextField()),
                        ("access_url", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("offer_url", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("verification_url", models.CharField(blank=True, default="", max_length=1000)),
                        ("issued_at", models.DateTimeField()),
                        ("verified_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("replaced_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "application",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="credentials",
                                to="portals.application",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_credentials",
                        "ordering": ("issued_at", "pk"),
                    },
                ),
                migrations.CreateModel(
                    name="HelpCode",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "code_digest",
                            models.CharField(help_text="HMAC-SHA-256 (hex) of the code", max_length=64, unique=True),
                        ),
                        ("made_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("taken_at", models.DateTimeField(blank=True, null=True)),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "application",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="help_codes",
                                to="portals.application",
                            ),
                        ),
                        (
                            "taken_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_help_codes",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at", None)),
                                fields=("application",),
                                name="one_living_help_code_per_application",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BasketItem",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("portal", models.CharField(max_length=255)),
                        ("utility_id", models.CharField(max_length=128)),
                        ("umid", models.CharField(max_length=200)),
                        ("added_at", models.DateTimeField()),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="portals.catalogprogram",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.subject"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_basket_items",
                        "ordering": ("added_at", "pk"),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("portal", "subject", "program", "umid"), name="a_cell_is_in_the_basket_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MatrixAnswer",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("portal", models.CharField(help_text="the subscriber id that asks", max_length=255)),
                        ("utility_id", models.CharField(help_text="whose customer asks", max_length=128)),
                        ("order_id", models.CharField(max_length=200, unique=True)),
                        ("transaction_id", models.CharField(max_length=255)),
                        ("asked_message_id", models.CharField(blank=True, default="", max_length=255)),
                        ("asked_at", models.DateTimeField(blank=True, null=True)),
                        ("answered_at", models.DateTimeField(blank=True, null=True)),
                        ("refusal_code", models.CharField(blank=True, default="", max_length=64)),
                        ("cells", identity.encryption.EncryptedJSONField()),
                        ("unavailable", models.JSONField(default=list, help_text="utilities that did not answer")),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="portals.catalogprogram",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.subject"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "portal_matrix_answers",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("portal", "subject", "program", "utility_id"),
                                name="one_answer_per_person_program_and_utility",
                            )
                        ],
                        "indexes": [models.Index(models.F("asked_message_id"), name="matrix_answers_by_question")],
                    },
                ),
                migrations.CreateModel(
                    name="AssistedCase",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "reference",
                            models.CharField(help_text="the agency's own; ours where it gives none", max_length=64),
                        ),
                        ("utility_id", models.CharField(max_length=128)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("DESK", "desk"),
                                    ("HANDED_OVER", "handed over by the customer"),
                                    ("IMPORT", "import"),
                                ],
                                default="DESK",
                                max_length=12,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("FINDING", "Customer to be found"),
                                    ("READING", "To be read out"),
                                    ("PROVING", "Waits for the customer's agreement"),
                                    ("REVIEW", "Paper mandate in review"),
                                    ("OPEN", "In progress"),
                                    ("CLOSED", "Closed"),
                                ],
                                default="FINDING",
                                max_length=10,
                            ),
                        ),
                        (
                            "outcome",
                            models.CharField(
                                blank=True, default="", help_text="ENROLLED, REFUSED, NOT_ME, LEFT, …", max_length=24
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=0)),
                        (
                            "locale",
                            models.CharField(
                                blank=True, default="", help_text="the customer's language", max_length=35
                            ),
                        ),
                        ("looked_up", identity.encryption.EncryptedJSONField()),
                        (
                            "read_at",
                            models.DateTimeField(
                                blank=True, help_text="when the five sentences were read out", null=True
                            ),
                        ),
                        ("proved_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "declared_at",
                            models.DateTimeField(blank=True, help_text="when the agent declared (A8)", null=True),
                        ),
                        ("not_me_at", models.DateTimeField(blank=True, null=True)),
                        ("opened_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="cases", to="identity.agency"
                            ),
                        ),
                        (
                            "application",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="assisted_case",
                                to="portals.application",
                            ),
                        ),
                        (
                            "handed_over",
                            models.ForeignKey(
                                blank=True,
                                help_text="the draft it goes on",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="portals.application",
                            ),
                        ),
                        (
                            "mandate",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="cases",
                                to="identity.mandate",
                            ),
                        ),
                        (
                            "opened_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.membership"
                            ),
                        ),
                        (
                            "operator",
                            models.ForeignKey(
                                blank=True,
                                help_text="empty: nobody's",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="cases",
                                to="identity.membership",
                            ),
                        ),
                        (
                            "program",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="portals.catalogprogram",
                            ),
                        ),
                        (
                            "subject",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.subject",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_cases",
                        "ordering": ("-opened_at",),
                        "indexes": [
                            models.Index(fields=["agency", "operator", "state", "-updated_at"], name="cases_of_a_desk"),
                            models.Index(fields=["agency", "-opened_at"], name="cases_of_an_agency"),
                            models.Index(
                                condition=models.Q(("proved_at__isnull", False)),
                                fields=["proved_at"],
                                name="cases_by_proof",
                            ),
                            models.Index(
                                condition=models.Q(("not_me_at__isnull", False)),
                                fields=["not_me_at"],
                                name="cases_not_me",
                            ),
                            models.Index(
                                condition=models.Q(("application__isnull", False), ("closed_at", None)),
                                fields=["application"],
                                name="cases_under_way",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agency", "reference"), name="one_case_per_reference_of_an_agency"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("application", None),
                                    models.Q(
                                        ("subject__isnull", False),
                                        ("mandate__isnull", False),
                                        ("proved_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="no_assisted_journey_without_the_customers_proof",
                                violation_error_message="The customer's own proof comes before anything is done for them.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "OPEN"), _negated=True),
                                    models.Q(("application__isnull", False), ("mandate__isnull", False)),
                                    _connector="OR",
                                ),
                                name="an_open_case_has_its_proof",
                                violation_error_message="A case in progress needs the customer's proof.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("closed_at__isnull", False), ("state", "CLOSED")),
                                    models.Q(models.Q(("state", "CLOSED"), _negated=True), ("closed_at", None)),
                                    _connector="OR",
                                ),
                                name="a_closed_case_has_its_moment",
                                violation_error_message="A closed case needs the moment it was closed.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Handover",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "way",
                            models.CharField(
                                choices=[("DEVICE", "on this device"), ("LINK", "by a link to the customer")],
                                max_length=8,
                            ),
                        ),
                        (
                            "asks",
                            models.CharField(
                                choices=[
                                    ("MANDATE", "may the agency help"),
                                    ("CONSENTS", "what the customer agrees to"),
                                    ("LEAVE", "leaving a program"),
                                    ("WITHDRAW", "taking a consent back"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "about",
                            models.CharField(
                                blank=True, default="", help_text="the consent's key, for WITHDRAW", max_length=255
                            ),
                        ),
                        (
                            "token_digest",
                            models.CharField(
                                blank=True, default="", help_text="HMAC (hex) of a link's token", max_length=64
                            ),
                        ),
                        (
                            "session_digest",
                            models.CharField(
                                blank=True, default="", help_text="the browser it was opened in", max_length=64
                            ),
                        ),
                        (
                            "device_digest",
                            models.CharField(blank=True, default="", help_text="the agent's device", max_length=64),
                        ),
                        ("opened_at", models.DateTimeField()),
                        ("ends_at", models.DateTimeField()),
                        ("proved_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "proof_kind",
                            models.CharField(blank=True, default="", help_text="OIDC or CODE", max_length=16),
                        ),
                        ("answered_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "answer",
                            models.CharField(
                                blank=True, default="", help_text="YES, NO or OTHER_PERSON", max_length=10
                            ),
                        ),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="handovers",
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "operator",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.membership"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_handovers",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at", None)),
                                fields=("case",),
                                name="one_living_handover_per_case",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("token_digest", ""), _negated=True),
                                fields=("token_digest",),
                                name="a_link_is_one_handovers",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BulkImport",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "upload_key",
                            models.UUIDField(help_text="of the form it came with: sent twice, it is one import"),
                        ),
                        ("file_name", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("digest", models.CharField(help_text="SHA-256 (hex) of the file", max_length=64)),
                        ("size", models.PositiveIntegerField(help_text="bytes")),
                        ("delimiter", models.CharField(max_length=1)),
                        (
                            "columns",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=32), size=None
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("CHECKING", "Being checked"),
                                    ("CHECKED", "Checked"),
                                    ("IMPORTING", "Being imported"),
                                    ("IMPORTED", "Imported"),
                                    ("CANCELLED", "Cancelled"),
                                    ("STOPPED", "Stopped"),
                                ],
                                default="CHECKING",
                                max_length=10,
                            ),
                        ),
                        ("trouble", models.CharField(blank=True, default="", max_length=32)),
                        (
                            "rows",
                            models.PositiveIntegerField(help_text="lines with something in them, without the header"),
                        ),
                        ("position", models.PositiveIntegerField(default=0)),
                        (
                            "line",
                            models.PositiveIntegerField(
                                default=1, help_text="the last line that was checked; the header is line 1"
                            ),
                        ),
                        ("cursor", models.PositiveIntegerField(default=0)),
                        ("well_formed", models.PositiveIntegerField(default=0)),
                        ("malformed", models.PositiveIntegerField(default=0)),
                        ("new", models.PositiveIntegerField(default=0)),
                        ("changed", models.PositiveIntegerField(default=0)),
                        ("unchanged", models.PositiveIntegerField(default=0)),
                        ("refused", models.PositiveIntegerField(default=0)),
                        ("uploaded_at", models.DateTimeField()),
                        ("checked_at", models.DateTimeField(blank=True, null=True)),
                        ("started_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("released_at", models.DateTimeField(blank=True, null=True)),
                        ("worked_at", models.DateTimeField(help_text="whose turn it is: the one that waits longest")),
                        ("leased_until", models.DateTimeField(blank=True, null=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="imports",
                                to="identity.agency",
                            ),
                        ),
                        (
                            "released_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.membership",
                            ),
                        ),
                        (
                            "started_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.membership",
                            ),
                        ),
                        (
                            "uploaded_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.membership"
                            ),
                        ),
                        ("failures", models.PositiveSmallIntegerField(default=0, help_text="of the chunk in hand")),
                    ],
                    options={
                        "db_table": "agency_imports",
                        "ordering": ("-uploaded_at",),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("CHECKING", "IMPORTING"))),
                                fields=["worked_at"],
                                name="imports_at_work",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("agency", "upload_key"), name="a_form_is_one_import"),
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("CHECKING", "IMPORTING"))),
                                fields=("agency",),
                                name="one_import_at_a_time_per_agency",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state__in", ("IMPORTED", "CANCELLED", "STOPPED")),
                                        ("finished_at__isnull", False),
                                    ),
                                    models.Q(
                                        ("state__in", ("CHECKING", "CHECKED", "IMPORTING")), ("finished_at", None)
                                    ),
                                    _connector="OR",
                                ),
                                name="what_has_ended_has_its_moment",
                                violation_error_message="An import that has ended needs the moment it ended.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("released_at", None), ("released_by", None)),
                                    models.Q(("released_at__isnull", False), ("released_by__isnull", False)),
                                    _connector="OR",
                                ),
                                name="invitations_are_released_by_somebody",
                                violation_error_message="Invitations are released by a person.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ImportPart",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("data", identity.encryption.EncryptedBytesField()),
                        (
                            "bulk_import",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="parts",
                                to="portals.bulkimport",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_import_parts",
                        "constraints": [
                            models.UniqueConstraint(fields=("bulk_import", "number"), name="a_file_has_each_part_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ImportRow",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("reference", models.CharField(blank=True, default="", max_length=64)),
                        ("utility_id", models.CharField(blank=True, default="", max_length=128)),
                        ("locale", models.CharField(blank=True, default="", max_length=35)),
                        (
                            "told",
                            identity.encryption.EncryptedJSONField(help_text='{"account"|"mobile": …}', null=True),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WELL_FORMED", "Well formed"),
                                    ("MALFORMED", "Not taken"),
                                    ("NEW", "New"),
                                    ("CHANGED", "Changed"),
                                    ("UNCHANGED", "Unchanged"),
                                    ("REFUSED", "Refused"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("code", models.CharField(blank=True, default="", max_length=32)),
                        ("column", models.CharField(blank=True, default="", max_length=32)),
                        ("value", identity.encryption.EncryptedTextField(blank=True, default="")),
                        (
                            "bulk_import",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="lines",
                                to="portals.bulkimport",
                            ),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="import_lines",
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "program",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="portals.catalogprogram",
                            ),
                        ),
                        (
                            "has_account",
                            models.BooleanField(default=False, help_text="so that the utility can be asked to write"),
                        ),
                    ],
                    options={
                        "db_table": "agency_import_rows",
                        "constraints": [
                            models.UniqueConstraint(fields=("bulk_import", "number"), name="a_line_is_one_row"),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "MALFORMED"), _negated=True),
                                fields=("bulk_import", "reference"),
                                name="a_file_has_each_reference_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Invitation",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "number",
                            models.PositiveIntegerField(help_text="of the line: they go out in the order of the file"),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "Waits for its day"),
                                    ("SENDING", "Being sent"),
                                    ("SENT", "Sent"),
                                    ("NOT_SENT", "Not sent"),
                                    ("WITHDRAWN", "Withdrawn"),
                                ],
                                default="WAITING",
                                max_length=10,
                            ),
                        ),
                        ("trouble", models.CharField(blank=True, default="", max_length=32)),
                        ("released_at", models.DateTimeField()),
                        ("leased_until", models.DateTimeField(blank=True, null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("sent_at", models.DateTimeField(blank=True, null=True)),
                        ("ends_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="invitations",
                                to="identity.agency",
                            ),
                        ),
                        (
                            "bulk_import",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="invitations",
                                to="portals.bulkimport",
                            ),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="invitations",
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "handover",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="invitation",
                                to="portals.handover",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_invitations",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("WAITING", "SENDING"))),
                                fields=["agency", "released_at", "number"],
                                name="invitations_to_be_sent",
                            ),
                            models.Index(fields=["bulk_import", "state"], name="invitations_of_an_import"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("WAITING", "SENDING"))),
                                fields=("case",),
                                name="one_invitation_on_its_way_per_case",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InvitationDay",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("day", models.DateField()),
                        ("count", models.PositiveIntegerField(default=0)),
                        (
                            "agency",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.agency"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_invitation_days",
                        "constraints": [
                            models.UniqueConstraint(fields=("agency", "day"), name="a_day_is_counted_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CaseLetter",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("made_at", models.DateTimeField()),
                        ("due_at", models.DateTimeField()),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("sent_at", models.DateTimeField(blank=True, null=True)),
                        ("given_up_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "case",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="letter",
                                to="portals.assistedcase",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_case_letters",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("given_up_at", None), ("sent_at", None)),
                                fields=["due_at"],
                                name="case_letters_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sent_at", None), ("given_up_at", None), _connector="OR"),
                                name="case_letter_has_one_end",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CaseSignal",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("CONTACT_CHANGED", "The customer’s registered contact is new"),
                                    ("SAME_DEVICE", "One device has proved many customers"),
                                    ("FAST_CODE", "The code was typed at once"),
                                    ("AT_NIGHT", "Many cases in one night"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("about", models.JSONField(default=dict)),
                        ("found_at", models.DateTimeField()),
                        ("seen_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "decision",
                            models.CharField(
                                blank=True,
                                choices=[("HARMLESS", "Nothing is wrong"), ("WRONG", "Something is wrong")],
                                default="",
                                max_length=8,
                            ),
                        ),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="signals",
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "seen_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.membership",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_case_signals",
                        "ordering": ("-found_at", "pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("decision", "")), fields=["-found_at"], name="signals_open"
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("case", "kind"), name="a_signal_is_raised_once_per_case"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decision", ""), ("seen_at", None), ("seen_by", None)),
                                    models.Q(
                                        models.Q(("decision", ""), _negated=True),
                                        ("seen_by__isnull", False),
                                        ("seen_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="a_decided_signal_names_who_saw_it",
                                violation_error_message="A decision needs the person who made it.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SignalLook",
                    fields=[
                        (
                            "case",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="look",
                                serialize=False,
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "proved_at",
                            models.DateTimeField(
                                help_text="the proof that was looked at; a newer one is looked at again"
                            ),
                        ),
                        ("looked_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "agency_signal_looks",
                    },
                ),
                migrations.CreateModel(
                    name="MandateLink",
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
                        (
                            "mandate",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.mandate"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "mandate_links",
                        "indexes": [models.Index(fields=["expires_at"], name="mandate_links_by_their_end")],
                    },
                ),
                migrations.CreateModel(
                    name="MandatePaper",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "Waits for its review"),
                                    ("APPROVED", "Approved"),
                                    ("AGAIN", "Another one is asked for"),
                                    ("REFUSED", "Refused"),
                                    ("TAKEN_BACK", "Taken back by the customer"),
                                ],
                                default="WAITING",
                                max_length=10,
                            ),
                        ),
                        ("by_owner", models.BooleanField(default=False)),
                        ("uploaded_at", models.DateTimeField()),
                        ("sha256", models.CharField(max_length=64)),
                        ("kept_sha256", models.CharField(max_length=64)),
                        ("size", models.PositiveIntegerField()),
                        ("media_type", models.CharField(max_length=100)),
                        (
                            "caution",
                            models.CharField(
                                blank=True, default="", help_text="ENCRYPTED, NOT_LOOKED_INTO", max_length=20
                            ),
                        ),
                        (
                            "scan",
                            models.CharField(
                                help_text="CLEAN, NONE_CONFIGURED where nobody looked, or INFECTED.", max_length=20
                            ),
                        ),
                        ("storage_key", models.CharField(blank=True, max_length=100)),
                        (
                            "opened_by",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                            ),
                        ),
                        ("reviewed_by_staff", models.CharField(blank=True, default="", max_length=255)),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "reason",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("UNREADABLE", "It cannot be read"),
                                    ("NOT_SIGNED", "It is not signed"),
                                    ("OTHER_PERSON", "The name is not that of the account’s holder"),
                                    ("OTHER_TEXT", "It is not the text of this case, or the text was changed"),
                                    ("TOO_OLD", "The date is missing, or too long ago"),
                                    ("NOT_GENUINE", "The signature does not look genuine"),
                                    ("OTHER", "Something else"),
                                ],
                                default="",
                                max_length=16,
                            ),
                        ),
                        ("note", identity.encryption.EncryptedTextField(blank=True, default="")),
                        ("told_at", models.DateTimeField(blank=True, null=True)),
                        ("retention_until", models.DateTimeField()),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="papers",
                                to="portals.assistedcase",
                            ),
                        ),
                        (
                            "mandate",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.mandate"
                            ),
                        ),
                        (
                            "reviewed_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.membership",
                            ),
                        ),
                        (
                            "uploaded_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.membership"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "mandate_papers",
                        "ordering": ("uploaded_at", "pk"),
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "WAITING")),
                                fields=["uploaded_at"],
                                name="papers_to_review",
                            ),
                            models.Index(
                                condition=models.Q(("storage_key", ""), _negated=True),
                                fields=["retention_until"],
                                name="papers_by_retention",
                            ),
                            models.Index(
                                condition=models.Q(("state", "APPROVED"), ("told_at", None)),
                                fields=["reviewed_at"],
                                name="papers_to_tell_of",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "WAITING")),
                                fields=("case",),
                                name="one_waiting_paper_per_case",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("reviewed_by", None),
                                    models.Q(("reviewed_by", models.F("uploaded_by")), _negated=True),
                                    _connector="OR",
                                ),
                                name="nobody_reviews_the_paper_they_uploaded",
                                violation_error_message="Who uploaded a paper cannot review it.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("reviewed_at", None),
                                        ("reviewed_by", None),
                                        ("reviewed_by_staff", ""),
                                        ("state", "WAITING"),
                                    ),
                                    models.Q(
                                        ("reviewed_at__isnull", False),
                                        ("reviewed_by", None),
                                        ("reviewed_by_staff", ""),
                                        ("state", "TAKEN_BACK"),
                                    ),
                                    models.Q(
                                        ("reviewed_at__isnull", False),
                                        ("state__in", ["APPROVED", "AGAIN", "REFUSED"]),
                                        models.Q(
                                            models.Q(("reviewed_by__isnull", False), ("reviewed_by_staff", "")),
                                            models.Q(
                                                ("reviewed_by", None),
                                                models.Q(("reviewed_by_staff", ""), _negated=True),
                                            ),
                                            _connector="OR",
                                        ),
                                    ),
                                    _connector="OR",
                                ),
                                name="a_decided_paper_has_moment_and_reviewer",
                                violation_error_message="A decision about a paper needs the person who made it.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("by_owner", False), ("reviewed_by_staff", "")),
                                    models.Q(("by_owner", True), ("reviewed_by", None)),
                                    _connector="OR",
                                ),
                                name="the_owners_papers_are_the_owners_to_review",
                                violation_error_message="The program says who reviews its mandates on paper.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state__in", ["AGAIN", "REFUSED"]), _negated=True),
                                    models.Q(("reason", ""), _negated=True),
                                    _connector="OR",
                                ),
                                name="a_paper_that_does_not_do_has_its_reason",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("scan", "INFECTED"), ("state", "APPROVED"), _negated=True),
                                name="an_infected_paper_is_not_approved",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DeviceProof",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("device_digest", models.CharField(max_length=64)),
                        ("at", models.DateTimeField()),
                        (
                            "case",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="device_proofs",
                                to="portals.assistedcase",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "agency_device_proofs",
                        "indexes": [models.Index(fields=["device_digest", "at"], name="device_proofs_of_a_device")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("device_digest", "case"), name="a_device_proves_a_case_once"
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
