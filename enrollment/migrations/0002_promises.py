"""What the database itself keeps: evidence is only added, and what was published stays as it was.

Case checks, consent events and consent texts refuse UPDATE, DELETE and TRUNCATE. A program version that left DRAFT
changes in nothing but its state (PUBLISHED to RETIRED). Runs twice without harm.
"""

from django.db import migrations

APPEND_ONLY = ("case_checks", "consent_events", "consent_texts")

FORWARD = """
CREATE OR REPLACE FUNCTION enrollment_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is evidence: rows are only added', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE FUNCTION program_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'DRAFT' THEN
            RAISE EXCEPTION 'a published program version is never deleted'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'DRAFT' AND (
        to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state'
        OR NOT (NEW.state = OLD.state OR (OLD.state = 'PUBLISHED' AND NEW.state = 'RETIRED'))
    ) THEN
        RAISE EXCEPTION 'a published program version does not change; publish a new one'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS program_version_is_immutable ON program_versions;
CREATE TRIGGER program_version_is_immutable BEFORE UPDATE OR DELETE ON program_versions
    FOR EACH ROW EXECUTE FUNCTION program_version_is_immutable();
"""
FORWARD += "".join(
    f"""
DROP TRIGGER IF EXISTS {table}_only_grows ON {table};
CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION enrollment_refuse_change();
DROP TRIGGER IF EXISTS {table}_is_not_emptied ON {table};
CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment_refuse_change();
"""
    for table in APPEND_ONLY
)

BACKWARD = "DROP TRIGGER IF EXISTS program_version_is_immutable ON program_versions;" + "".join(
    f"DROP TRIGGER IF EXISTS {table}_only_grows ON {table};DROP TRIGGER IF EXISTS {table}_is_not_emptied ON {table};"
    for table in APPEND_ONLY
)


class Migration(migrations.Migration):
    dependencies = [("enrollment", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
