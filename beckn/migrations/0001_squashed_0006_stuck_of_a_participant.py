"""0001 to 0006 at once, for a database that has none of them (docs/decisions/migrations.md).

Registry look-ups are written often and may be lost in a crash: no write-ahead log for them.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import beckn.fields
import identity.encryption
from audit.creating import CreateModels


class Migration(migrations.Migration):
    replaces = [
        ("beckn", "0001_initial"),
        ("beckn", "0002_unlogged"),
        ("beckn", "0003_buckets_move_out"),
        ("beckn", "0004_publications"),
        ("beckn", "0005_what_staff_looks_for"),
        ("beckn", "0006_stuck_of_a_participant"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateModels(
            models=[
                migrations.CreateModel(
                    name="Inbox",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("sender_id", models.CharField(max_length=255)),
                        ("action", models.CharField(max_length=32)),
                        ("message_id", models.CharField(max_length=255)),
                        ("transaction_id", models.CharField(max_length=255)),
                        ("profile", models.CharField(max_length=32)),
                        ("key_id", models.CharField(blank=True, max_length=255)),
                        ("digest", models.CharField(max_length=88)),
                        ("headers", beckn.fields.MessageField(default=dict)),
                        ("body", beckn.fields.MessageField()),
                        ("sealed", identity.encryption.EncryptedJSONField(null=True)),
                        ("received_at", models.DateTimeField()),
                        ("deadline", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "waiting"),
                                    ("DONE", "done"),
                                    ("STUCK", "stuck"),
                                    ("DROPPED", "given up"),
                                ],
                                default="WAITING",
                                max_length=7,
                            ),
                        ),
                        ("due_at", models.DateTimeField()),
                        ("lease", models.UUIDField(null=True)),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("done_at", models.DateTimeField(null=True)),
                        ("last_error", models.CharField(blank=True, max_length=500)),
                        ("incident_id", models.CharField(blank=True, max_length=36)),
                        (
                            "our_request",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="callbacks",
                                to="beckn.outbox",
                            ),
                        ),
                        (
                            "participant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="beckn.participant",
                            ),
                        ),
                        ("repeated_at", models.DateTimeField(null=True)),
                        ("repeats", models.PositiveIntegerField(db_default=0, default=0)),
                    ],
                    options={
                        "verbose_name": "received message",
                        "verbose_name_plural": "received messages",
                        "db_table": "beckn_inbox",
                        "indexes": [
                            models.Index(
                                models.F("participant"),
                                models.F("due_at"),
                                condition=models.Q(("state", "WAITING")),
                                name="inbox_due",
                            ),
                            models.Index(
                                models.F("participant"),
                                models.F("lease_until"),
                                condition=models.Q(("lease_until__isnull", False), ("state", "WAITING")),
                                name="inbox_leased",
                            ),
                            models.Index(models.F("received_at"), name="inbox_by_time"),
                            models.Index(models.F("transaction_id"), name="inbox_by_transaction"),
                            models.Index(
                                models.F("state"),
                                models.F("received_at"),
                                condition=models.Q(("state", "STUCK")),
                                name="inbox_stuck",
                            ),
                            models.Index(
                                models.F("received_at"),
                                condition=models.Q(("sealed__isnull", False)),
                                name="inbox_sealed",
                            ),
                            models.Index(models.F("message_id"), name="inbox_by_message"),
                            models.Index(
                                models.F("participant"),
                                models.F("action"),
                                models.F("id"),
                                name="inbox_of_participant_action",
                            ),
                            models.Index(models.F("participant"), models.F("id"), name="inbox_of_participant"),
                            models.Index(models.F("action"), models.F("id"), name="inbox_of_action"),
                            models.Index(
                                models.F("state"),
                                models.F("id"),
                                condition=models.Q(("state", "DONE"), _negated=True),
                                name="inbox_not_done",
                            ),
                            models.Index(models.F("id"), condition=models.Q(("repeats__gt", 0)), name="inbox_repeated"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("sender_id", "action", "message_id"),
                                name="a_message_is_taken_once",
                                violation_error_message="This message was already taken.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("done_at__isnull", False), ("state", "DONE")),
                                    models.Q(models.Q(("state", "DONE"), _negated=True), ("done_at", None)),
                                    _connector="OR",
                                ),
                                name="a_done_message_has_its_moment",
                                violation_error_message="A finished message needs the moment it was finished.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Participant",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("subscriber_id", models.CharField(max_length=255, unique=True)),
                        (
                            "type",
                            models.CharField(
                                choices=[
                                    ("BAP", "platform that sends requests"),
                                    ("BPP", "platform that answers"),
                                    ("BG", "gateway"),
                                    ("DS", "discovery service"),
                                ],
                                default="BAP",
                                max_length=3,
                            ),
                        ),
                        ("url", models.CharField(max_length=2048)),
                        (
                            "domains",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                            ),
                        ),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("COMMAND", "operator command"),
                                    ("FILE", "participants file"),
                                    ("REGISTRY", "registry look-up"),
                                    ("ADAPTER", "verified by the adapter"),
                                    ("OURS", "one of our own identities"),
                                    ("SANDBOX", "sandbox fixture"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("suspended_at", models.DateTimeField(blank=True, null=True)),
                        ("suspended_reason", models.CharField(blank=True, max_length=255)),
                        (
                            "asserts_subjects",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                            ),
                        ),
                        ("strict", models.BooleanField(default=False)),
                        (
                            "message_ids",
                            models.CharField(
                                choices=[
                                    ("echo", "callbacks echo the request's message id"),
                                    ("new", "callbacks carry a new message id"),
                                ],
                                default="echo",
                                max_length=4,
                            ),
                        ),
                        ("held_until", models.DateTimeField(blank=True, null=True)),
                        ("failures_in_a_row", models.PositiveIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "participant",
                        "db_table": "beckn_participants",
                        "ordering": ("subscriber_id",),
                    },
                ),
                migrations.CreateModel(
                    name="Outbox",
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
                                    ("ANSWER", "answer to a request"),
                                    ("UNSOLICITED", "told without being asked"),
                                    ("REQUEST", "request of one of our portals"),
                                    ("PUBLICATION", "our catalogue for a discovery service"),
                                ],
                                max_length=11,
                            ),
                        ),
                        ("action", models.CharField(max_length=32)),
                        ("sender_id", models.CharField(max_length=255)),
                        ("uri", models.CharField(max_length=2048)),
                        ("transaction_id", models.CharField(max_length=255)),
                        ("message_id", models.CharField(max_length=255)),
                        ("body", beckn.fields.MessageField()),
                        ("holes", beckn.fields.MessageField(default=list)),
                        ("sealed", identity.encryption.EncryptedJSONField(null=True)),
                        ("after_lists", beckn.fields.MessageField(default=list)),
                        ("created_at", models.DateTimeField()),
                        ("give_up_at", models.DateTimeField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("WAITING", "waiting"),
                                    ("DONE", "done"),
                                    ("STUCK", "stuck"),
                                    ("DROPPED", "given up"),
                                ],
                                default="WAITING",
                                max_length=7,
                            ),
                        ),
                        ("due_at", models.DateTimeField()),
                        ("lease", models.UUIDField(null=True)),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("done_at", models.DateTimeField(null=True)),
                        ("sent_at", models.DateTimeField(null=True)),
                        ("last_status", models.PositiveSmallIntegerField(null=True)),
                        ("last_error", models.CharField(blank=True, max_length=500)),
                        (
                            "in_answer_to",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="answers_sent",
                                to="beckn.inbox",
                            ),
                        ),
                        (
                            "participant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="beckn.participant",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "message to send",
                        "verbose_name_plural": "messages to send",
                        "db_table": "beckn_outbox",
                        "indexes": [
                            models.Index(
                                models.F("participant"),
                                models.F("due_at"),
                                condition=models.Q(("state", "WAITING")),
                                name="outbox_due",
                            ),
                            models.Index(
                                models.F("participant"),
                                models.F("lease_until"),
                                condition=models.Q(("lease_until__isnull", False), ("state", "WAITING")),
                                name="outbox_leased",
                            ),
                            models.Index(models.F("created_at"), name="outbox_by_time"),
                            models.Index(models.F("transaction_id"), name="outbox_by_transaction"),
                            models.Index(models.F("message_id"), name="outbox_by_message"),
                            models.Index(
                                models.F("state"),
                                models.F("created_at"),
                                condition=models.Q(("state", "STUCK")),
                                name="outbox_stuck",
                            ),
                            models.Index(
                                models.F("created_at"),
                                condition=models.Q(("sealed__isnull", False)),
                                name="outbox_sealed",
                            ),
                            models.Index(
                                models.F("participant"),
                                models.F("action"),
                                models.F("id"),
                                name="outbox_of_participant_action",
                            ),
                            models.Index(models.F("participant"), models.F("id"), name="outbox_of_participant"),
                            models.Index(models.F("action"), models.F("id"), name="outbox_of_action"),
                            models.Index(
                                models.F("state"),
                                models.F("id"),
                                condition=models.Q(("state", "DONE"), _negated=True),
                                name="outbox_not_done",
                            ),
                            models.Index(
                                models.F("participant"), condition=models.Q(("state", "STUCK")), name="outbox_stuck_of"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("done_at__isnull", False), ("state", "DONE")),
                                    models.Q(("state", "DONE"), _negated=True),
                                    _connector="OR",
                                ),
                                name="a_delivered_message_has_its_moment",
                                violation_error_message="A delivered message needs the moment it was delivered.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ParticipantKey",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("key_id", models.CharField(max_length=255)),
                        ("public_key", models.CharField(max_length=64)),
                        ("valid_from", models.DateTimeField(blank=True, null=True)),
                        ("valid_until", models.DateTimeField(blank=True, null=True)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("COMMAND", "operator command"),
                                    ("FILE", "participants file"),
                                    ("REGISTRY", "registry look-up"),
                                    ("ADAPTER", "verified by the adapter"),
                                    ("OURS", "one of our own identities"),
                                    ("SANDBOX", "sandbox fixture"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("fresh_until", models.DateTimeField(blank=True, null=True)),
                        ("stale_until", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField()),
                        (
                            "participant",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="keys", to="beckn.participant"
                            ),
                        ),
                    ],
                    options={
                        "db_table": "beckn_participant_keys",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("participant", "key_id"), name="a_key_id_names_one_key_of_a_participant"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RegistryLookup",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("subscriber_id", models.CharField(max_length=255)),
                        ("key_id", models.CharField(max_length=255)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("ASKING", "being asked"),
                                    ("FOUND", "found"),
                                    ("MISSING", "not in the registry"),
                                    ("FAILED", "the registry did not answer"),
                                ],
                                max_length=7,
                            ),
                        ),
                        ("until", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "beckn_registry_lookups",
                        "constraints": [
                            models.UniqueConstraint(fields=("subscriber_id", "key_id"), name="one_lookup_per_key")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Heartbeat",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("name", models.CharField(max_length=255, unique=True)),
                        (
                            "queues",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=32), default=list, size=None
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("seen_at", models.DateTimeField()),
                        ("rounds", models.PositiveBigIntegerField(default=0)),
                        ("last_round_ms", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "db_table": "beckn_heartbeats",
                        "ordering": ("name",),
                    },
                ),
                migrations.CreateModel(
                    name="MessageNote",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "act",
                            models.CharField(
                                choices=[("RETRIED", "tried again"), ("GIVEN_UP", "given up")], max_length=8
                            ),
                        ),
                        ("at", models.DateTimeField()),
                        ("by", models.CharField(max_length=255)),
                        ("note", identity.encryption.EncryptedTextField(blank=True, default="")),
                        (
                            "received",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notes",
                                to="beckn.inbox",
                            ),
                        ),
                        (
                            "sent",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notes",
                                to="beckn.outbox",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "beckn_message_notes",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("received", None), ("sent__isnull", False)),
                                    models.Q(("received__isnull", False), ("sent", None)),
                                    _connector="OR",
                                ),
                                name="a_note_is_about_one_message",
                                violation_error_message="A note is about one message.",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE beckn_registry_lookups SET UNLOGGED;", "ALTER TABLE beckn_registry_lookups SET LOGGED;"
        ),
    ]
