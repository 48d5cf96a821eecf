"""The journal only grows: the database refuses every change, and queues every new line for the chain.

Statement triggers, so that a change of no rows is refused like one of many.
"""

from django.db import migrations

REFUSE = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the journal only grows', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_logs_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_links_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_seals_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

QUEUE = """
CREATE FUNCTION audit_queue_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (event_id) SELECT id FROM new_events;
    RETURN NULL;
END $$;

CREATE TRIGGER audit_logs_wait_for_link AFTER INSERT ON audit_logs
    REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION audit_queue_events();
"""

UNDO = """
DROP TRIGGER audit_logs_only_grow ON audit_logs;
DROP TRIGGER audit_links_only_grow ON audit_links;
DROP TRIGGER audit_seals_only_grow ON audit_seals;
DROP TRIGGER audit_logs_wait_for_link ON audit_logs;
DROP FUNCTION audit_refuse_change();
DROP FUNCTION audit_queue_events();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE + QUEUE, UNDO)]
