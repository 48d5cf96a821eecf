"""The enrolments of a program in one state, the newest first, among a million."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("enrollment", "0023_newest_first")]

    operations = [
        migrations.AddIndex(
            model_name="enrollment",
            index=models.Index(fields=["program_version", "state", "-case"], name="enrollments_newest_of_both"),
        ),
    ]
