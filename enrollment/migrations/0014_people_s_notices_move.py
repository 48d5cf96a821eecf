"""Notices for people that utilities have not passed on yet move to their own table; running it again moves none."""

from django.db import migrations

FORWARD = """
INSERT INTO customer_notices
    (notice_id, case_id, template, parameters, utility_id, meters, state, created_at, attempts, next_attempt_at,
     last_problem, sent_by, locale)
SELECT n.notice_id, e.case_id, n.event, n.parameters, n.utility_id, n.meters, n.state, n.created_at, n.attempts,
       n.next_attempt_at, n.last_problem, '', ''
FROM utility_notices n JOIN program_enrollments e ON e.id = n.enrollment_id
WHERE n.kind = 'PERSON' AND n.state <> 'ACKNOWLEDGED'
ON CONFLICT (notice_id) DO NOTHING;
DELETE FROM utility_notices WHERE kind = 'PERSON' AND state <> 'ACKNOWLEDGED';
"""


class Migration(migrations.Migration):
    dependencies = [("enrollment", "0013_notices_and_frozen_cases")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
