"""What agencies' figures cost: a scorecard over 100,000 cases, and pages of an agency's own lines among a million.

The rows are made by SQL (generate_series): all cases are one agency's, a fifth of the lines is the measured agency's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit.readers import lines_of_agency
from identity.models import Agency, Membership, Subject, User
from portals.agency import scoring, thresholds
from tests.bench.report import Figure
from tests.portals.agency_cases import a_program

SECTION = "Agencies: scorecard over 100,000 cases, activity among 1,000,000 lines"
CASES, LINES, PEOPLE, ROUNDS = 100_000, 1_000_000, 50, 5

_APPLICATIONS = """
INSERT INTO portal_applications (id, portal, subject_id, started_by_id, program_id, utility_id, transaction_id,
  order_id, agency_id, operator_id, mandate_id, batch_id, state, version, answers, told, order_number, enrollment_id,
  asked_action, asked_message_id, trouble, started_at, updated_at)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'agency.example', %(subject)s, %(user)s,
  %(program)s, 'utility-example-001', 'txn-' || n, 'order-' || n, 'ea-bench', 'op-' || (n %% %(people)s), 'mandate-1',
  '', 'ENROLLED', 1, '\\x00', '\\x00', '', 'enrollment-' || n, '', '', '', %(now)s, %(now)s
FROM generate_series(1, %(cases)s) AS n
"""

_CASES = """
INSERT INTO agency_cases (id, agency_id, reference, opened_by_id, operator_id, program_id, utility_id, source, state,
  outcome, version, locale, looked_up, subject_id, mandate_id, application_id, proved_at, not_me_at, opened_at,
  updated_at, closed_at)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, %(agency)s, 'ref-' || n,
  %(first)s + n %% %(people)s, %(first)s + n %% %(people)s, %(program)s, 'utility-example-001', 'DESK', 'CLOSED',
  CASE n %% 10 WHEN 0 THEN 'REFUSED' WHEN 1 THEN 'LEFT' ELSE 'ENROLLED' END, 1, 'en', '\\x00', %(subject)s,
  %(mandate)s, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, at, CASE WHEN n %% 1000 = 0 THEN at END,
  at, at, at + (n %% 60 + 3) * interval '1 minute'
FROM (SELECT n, %(now)s::timestamptz - n * interval '100 days' / %(cases)s AS at
  FROM generate_series(1, %(cases)s) AS n) AS all_of_them
"""

_LINES = """
INSERT INTO audit_logs (public_id, at, recorded_at, action, actor_kind, actor_id, channel, on_behalf_of, subject,
  object_type, object_id, before_digest, after_digest, details)
SELECT gen_random_uuid(), at, at,
  CASE n %% 3 WHEN 0 THEN 'assisted.opened' WHEN 1 THEN 'assisted.read' ELSE 'export' END,
  CASE WHEN n %% 5 < 2 THEN 'AGENCY' ELSE 'PARTICIPANT' END, 'ea-' || n %% 5, 'EA', '', '', 'agency-case',
  'case-' || n, '', '', jsonb_build_object('operator', 'op-' || (n / 5 %% %(people)s))
FROM (SELECT n, %(now)s::timestamptz - (%(lines)s - n) * interval '400 days' / %(lines)s AS at
  FROM generate_series(1, %(lines)s) AS n) AS all_of_them
"""


def run() -> list[Figure]:
    now = datetime.now(UTC)
    agency = _furnish(now)
    figures = [
        _timed("scorecard of the agency and its 50 people", lambda: scoring.scorecard(agency, now), at_most=2_000),
        _timed("one person's line", lambda: scoring.of_person(agency.memberships.all()[0], now), at_most=1_000),
        _timed("a look at the thresholds", lambda: list(thresholds.due(now)), at_most=1_000),
    ]
    month = now - timedelta(days=300)
    wanted: dict[str, dict[str, Any]] = {
        "the newest page of 200,000 lines of one agency": {},
        "one person's newest page": {"operator": "op-7"},
        "a page of one day a year ago": {"since": month - timedelta(days=1), "until": month},
        "one person's page of that day": {"operator": "op-7", "since": month - timedelta(days=1), "until": month},
        "one act, all time": {"actions": ["assisted.read"]},
    }
    nobodys = {"actions": ["assisted.not_me"]}
    figures += [
        _timed("an act nobody ever did", lambda: lines_of_agency("ea-0", **nobodys), at_most=1_000),  # all 200,000
        _timed("the newest page of an agency of 100 old lines", lambda: lines_of_agency("ea-small"), at_most=50),
    ]
    figures += [
        _timed(name, lambda narrowed=narrowed: lines_of_agency("ea-0", **narrowed), at_most=200)  # type: ignore[misc]
        for name, narrowed in wanted.items()
    ]
    print(_plan("ea-0"), _plan("ea-small"), sep="\n\n", flush=True)
    return figures


def _furnish(now: datetime) -> Agency:
    agency = Agency.objects.create(agency_id="ea-bench", name="Bench", certified_from=now)
    people = [Membership.objects.create(agency=agency, operator_id=f"op-{number}") for number in range(PEOPLE)]
    values: dict[str, Any] = {
        "agency": agency.pk,
        "first": people[0].pk,
        "people": PEOPLE,
        "subject": Subject.objects.for_did("did:example:bench").pk,
        "user": User.objects.create(username="bench").pk,
        "program": a_program().pk,
        "cases": CASES,
        "lines": LINES,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mandates (mandate_id, subject_id, agency_id, operator_id, utility_id, program_id, actions,"
            " valid_from, valid_until, evidence_kind, evidence_digest, acr, text_version, text_digest, locale, state,"
            " revoked_by) VALUES ('mandate-1', %(subject)s, %(agency)s, '', '', '', '{}', %(now)s,"
            " %(now)s::timestamptz + interval '1 day', 'OIDC', '', '', '', '', '', 'ACTIVE', '') RETURNING id",
            values,
        )
        values["mandate"] = cursor.fetchone()[0]
        cursor.execute(_APPLICATIONS, values)
        cursor.execute(_CASES, values)
        cursor.execute("ALTER TABLE audit_logs DISABLE TRIGGER USER")  # no chain is made of what nobody did
        cursor.execute(_LINES, values)
        cursor.execute("UPDATE audit_logs SET actor_id = 'ea-small' WHERE actor_id = 'ea-1' AND id <= 500")
        cursor.execute("ALTER TABLE audit_logs ENABLE TRIGGER USER")
        for table in ("agency_cases", "portal_applications", "audit_logs", "agency_memberships"):
            cursor.execute(f"VACUUM ANALYZE {table}")
    return agency


def _timed(name: str, do: Callable[[], object], *, at_most: float) -> Figure:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        do()
        taken.append((time.perf_counter() - begun) * 1000)
    return Figure(SECTION, name, sorted(taken)[ROUNDS // 2], "ms", at_most=at_most, note=f"median of {ROUNDS}")


def _plan(agency_id: str) -> str:
    """How PostgreSQL finds an agency's newest page."""
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM audit_logs WHERE actor_kind = 'AGENCY' AND actor_id = %s"
            " ORDER BY at DESC, id DESC LIMIT 51",
            [agency_id],
        )
        return "\n".join(row[0] for row in cursor.fetchall())
