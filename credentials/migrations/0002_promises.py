"""Promises that no constraint can express: a revocation is final, a place is for ever, a list never goes back.

Signed bodies and gzipped bits are kept uncompressed: PostgreSQL would spend a millisecond to find that they do not shrink.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION issued_credential_keeps_its_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL
       AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at OR NEW.revocation_reason <> OLD.revocation_reason) THEN
        RAISE EXCEPTION 'credential % is revoked: that is final', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status_list_id <> OLD.status_list_id OR NEW.status_index <> OLD.status_index OR NEW.url <> OLD.url THEN
        RAISE EXCEPTION 'credential % keeps its id and its place in the list', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER issued_credential_keeps_its_word BEFORE UPDATE ON issued_credentials
    FOR EACH ROW EXECUTE FUNCTION issued_credential_keeps_its_word();

CREATE FUNCTION status_list_never_goes_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version < OLD.version OR NEW.size <> OLD.size OR NEW.sequence <> OLD.sequence
       OR NEW.kind <> OLD.kind OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'status list % never goes back, shrinks, grows or moves', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER status_list_never_goes_back BEFORE UPDATE ON status_lists
    FOR EACH ROW EXECUTE FUNCTION status_list_never_goes_back();

ALTER TABLE status_list_versions ALTER COLUMN bits SET STORAGE EXTERNAL, ALTER COLUMN body SET STORAGE EXTERNAL;
"""

BACKWARD = """
DROP TRIGGER status_list_never_goes_back ON status_lists;
DROP FUNCTION status_list_never_goes_back();
DROP TRIGGER issued_credential_keeps_its_word ON issued_credentials;
DROP FUNCTION issued_credential_keeps_its_word();
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
