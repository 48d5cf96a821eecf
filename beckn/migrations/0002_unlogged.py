from django.db import migrations


class Migration(migrations.Migration):
    """Rate buckets and registry look-ups are written often and may be lost in a crash: no write-ahead log for them."""

    dependencies = [("beckn", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE beckn_rate_buckets SET UNLOGGED; ALTER TABLE beckn_rate_buckets SET (fillfactor = 50);",
            "ALTER TABLE beckn_rate_buckets SET LOGGED;",
        ),
        migrations.RunSQL(
            "ALTER TABLE beckn_registry_lookups SET UNLOGGED;", "ALTER TABLE beckn_registry_lookups SET LOGGED;"
        ),
    ]
