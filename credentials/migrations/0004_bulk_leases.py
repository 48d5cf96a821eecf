"""Bulk work: leases of batches, options of acts, and manifests that stay as they were asked for.

A manifest is evidence: the journal names only its digest, so neither the ids nor the digest may change, and a batch
that is done stays done.
"""

from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION bulk_manifest_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP TRIGGER IF EXISTS bulk_manifest_is_frozen ON bulk_batches;
CREATE TRIGGER bulk_manifest_is_frozen BEFORE UPDATE OR DELETE ON bulk_batches
    FOR EACH ROW EXECUTE FUNCTION bulk_manifest_is_frozen();
"""

BACKWARD = """
DROP TRIGGER IF EXISTS bulk_manifest_is_frozen ON bulk_batches;
DROP FUNCTION IF EXISTS bulk_manifest_is_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0003_forms_wallets_bulk")]

    operations = [
        migrations.AddField("bulkact", "options", models.JSONField(blank=True, default=dict)),
        migrations.AddField("bulkbatch", "leased_until", models.DateTimeField(blank=True, null=True)),
        migrations.AlterField(
            "bulkact",
            "kind",
            models.CharField(
                choices=[
                    ("REVOKE", "revoke"),
                    ("SUSPEND", "suspend"),
                    ("RESUME", "resume"),
                    ("RESIGN", "sign again"),
                    ("END", "end what they belong to"),
                    ("TELL", "tell who was not asked"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddIndex("bulkact", models.Index(fields=["source"], name="bulk_acts_by_source")),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
