"""A subject that lives on is never merged itself: every merged subject points straight at it.

The row that lives on is locked, so that two merges at once cannot build a chain of two.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION subjects_refuse_chained_merge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beyond uuid;
BEGIN
    SELECT merged_into_id INTO beyond FROM subjects WHERE id = NEW.merged_into_id FOR UPDATE;
    IF beyond IS NOT NULL THEN
        RAISE EXCEPTION 'subject % is merged itself: merge into the one that lives on', NEW.merged_into_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'subject_merges_are_not_chained';
    END IF;
    IF EXISTS (SELECT 1 FROM subjects WHERE merged_into_id = NEW.id) THEN
        RAISE EXCEPTION 'others are merged into subject %: move them first', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'subject_merges_are_not_chained';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER subject_merges_are_not_chained BEFORE INSERT OR UPDATE OF merged_into_id ON subjects
    FOR EACH ROW WHEN (NEW.merged_into_id IS NOT NULL) EXECUTE FUNCTION subjects_refuse_chained_merge();
"""

BACKWARD = """
DROP TRIGGER subject_merges_are_not_chained ON subjects;
DROP FUNCTION subjects_refuse_chained_merge();
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
