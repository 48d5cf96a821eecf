from django.db import migrations


class Migration(migrations.Migration):
    """Rate buckets are written often and may be lost in a crash: no write-ahead log for them."""

    dependencies = [("identity", "0003_ratebucket")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE rate_buckets SET UNLOGGED; ALTER TABLE rate_buckets SET (fillfactor = 50);",
            "ALTER TABLE rate_buckets SET LOGGED;",
        ),
    ]
