"""The JSON form of a status list comes a moment after its token: what is missing is found without reading the rest.

Its body is kept uncompressed like the token's: PostgreSQL would spend a millisecond to find that it does not shrink.
"""

from django.db import migrations, models

FORWARD = "ALTER TABLE status_list_versions ALTER COLUMN json_body SET STORAGE EXTERNAL"


class Migration(migrations.Migration):
    dependencies = [("credentials", "0004_bulk_leases")]

    operations = [
        migrations.AddField(
            model_name="statuslist",
            name="published_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="statuslistversion",
            index=models.Index(
                condition=models.Q(("json_digest", ""), models.Q(("purpose", "token"), _negated=True)),
                fields=["status_list", "purpose", "version"],
                name="status_list_json_missing",
            ),
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
