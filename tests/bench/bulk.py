"""Bulk acts at the size of a state utility: credentials revoked, enrolments ended, a lost key's forms signed again.

Two worker processes do what the sweep of a worker does for credentials, once a second, and so publish lists meanwhile.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from audit import log
from credentials import bulk, keys, services
from credentials.models import BulkAct, BulkKind, IssuedCredential, StatusList
from enrollment import bulk as endings
from enrollment.models import ProgramVersion
from tests.bench import customers
from tests.bench.report import Figure

SECTION = "Bulk acts, two workers"
WORKERS = 2
REVOKED = 100_000
ENDED = 5_000
RESIGNED = 2_000
TARGET_SECONDS = 20.0
VISIBLE_SECONDS = 2.0  # what docs/integration.md promises, whoever else is being revoked
BAP = "bulk.bench.example"
_OPERATOR = log.Actor(log.ActorKind.STAFF, "bench", log.Channel.CONSOLE)


def run() -> list[Figure]:
    with _workers() as together:
        return [*_revoke(together), *_end(together), *_sign_again(together)]


# --- workers ---------------------------------------------------------------------------------------------------------

#: Waits until an act is over; returns the seconds until it was finished, and until all were told. Asks another
#: question as often as it looks.
Together = Callable[..., tuple[float, float]]


@contextmanager
def _workers() -> Iterator[Together]:
    running = [subprocess.Popen([sys.executable, "-m", "tests.bench.bulk_worker"]) for _ in range(WORKERS)]
    time.sleep(5)  # Django starts; a worker runs already when somebody asks

    def wait(question: Callable[[], bool]) -> float:
        until = time.perf_counter() + 120
        while not question():
            if time.perf_counter() > until or any(each.poll() is not None for each in running):
                raise RuntimeError("the workers did not finish")
            time.sleep(0.05)
        return time.perf_counter()

    def together(act: UUID, meanwhile: Callable[[], object] = lambda: None) -> tuple[float, float]:
        def is_finished() -> bool:
            meanwhile()
            return BulkAct.objects.filter(pk=act, finished_at__isnull=False).exists()

        begun = time.perf_counter()
        finished = wait(is_finished)
        return finished - begun, wait(lambda: bulk.progress_of(act).is_over) - begun

    try:
        yield together
    finally:
        for each in running:
            each.kill()


# --- revoking --------------------------------------------------------------------------------------------------------


def _revoke(together: Together) -> list[Figure]:
    """Three fifths in a list of enrolments, two fifths in one of consents; the first lists are for what is issued."""
    ids = [*_fill("ENROLLMENT", REVOKED * 3 // 5), *_fill("CONSENT", REVOKED * 2 // 5)]
    begun = time.perf_counter()
    act = bulk.ask(ids, kind=BulkKind.REVOKE, reason="BENCH", source="command", actor=_OPERATOR, now=datetime.now(UTC))
    asked = time.perf_counter() - begun
    waited: list[float] = []
    finished, _ = together(act.pk, lambda: waited.append(_unpublished_seconds()))
    revoked = IssuedCredential.objects.filter(revoked_at__isnull=False).count()
    if revoked != REVOKED:
        raise RuntimeError(f"{revoked} credentials are revoked instead of {REVOKED}")
    name = f"revoking {REVOKED:,} credentials until every list is published"
    return [
        Figure(SECTION, f"freezing a set of {REVOKED:,}", asked, "s"),
        Figure(SECTION, name, asked + finished, "s", at_most=TARGET_SECONDS, note="the freezing included"),
        Figure(SECTION, "credentials revoked", REVOKED / finished, "/s"),
        Figure(SECTION, "a revocation not yet in every form, at most", max(waited), "s", at_most=VISIBLE_SECONDS),
    ]


def _unpublished_seconds() -> float:
    """Return how old the oldest revocation is that some form of its list does not show: those of a version whose JSON
    is missing are as old as what waited when it was signed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM clock_timestamp() - min(at)) FROM (
                SELECT at FROM status_changes UNION ALL
                SELECT (SELECT min(revoked_at) FROM issued_credentials AS c WHERE c.status_list_id = v.status_list_id
                         AND revoked_at > (SELECT coalesce(max(signed_at), '-infinity') FROM status_list_versions AS w
                              WHERE w.status_list_id = v.status_list_id AND w.purpose = v.purpose
                                AND w.json_digest <> ''))
                  FROM status_list_versions AS v WHERE json_digest = '' AND purpose <> 'token') AS waiting
            """
        )
        return float(cursor.fetchone()[0] or 0)


def _fill(kind: str, count: int) -> list[UUID]:
    status_list = StatusList.objects.get(kind=kind, number=2)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO issued_credentials (id, url, wire_id, kind, profile, subject_did, claims, valid_from,
                wire_valid_until, issued_at, status_list_id, status_index, revocation_reason, revoke_at_reason,
                access_digest)
            SELECT uuid, %(base)s || uuid, '', %(kind)s, '', 'did:example:load-' || place, %(claims)s, %(now)s, '',
                %(now)s, %(list)s, place, '', '', sha256(uuid::text::bytea)
              FROM (SELECT gen_random_uuid() AS uuid, place FROM generate_series(%(last)s - %(count)s, %(last)s - 1)
                    AS place ORDER BY random()) AS places
            RETURNING id
            """,
            {
                "base": f"{settings.PUBLIC_URL}/credentials/",
                "kind": kind,
                "claims": '{"programId": "program-flex-demand-response-001", "meters": ["load-000001"]}',
                "now": datetime.now(UTC),
                "list": status_list.pk,
                "last": status_list.size,
                "count": count,
            },
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute("ANALYZE issued_credentials")
    return ids


# --- ending enrolments -----------------------------------------------------------------------------------------------

_OFFSET = 20_000_000
_UUID = "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid"
_CREDENTIALS = """
INSERT INTO issued_credentials (id, url, wire_id, kind, profile, subject_did, claims, valid_from, wire_valid_until,
  issued_at, status_list_id, status_index, revocation_reason, revoke_at_reason, access_digest)
SELECT uuid, %(base)s || uuid, '', %(kind)s, '', 'did:example:many-' || n, '{{}}', %(now)s, '', %(now)s, %(list)s, n,
  '', '', sha256(uuid::text::bytea)
  FROM (SELECT n, ('{prefix}-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid AS uuid
          FROM generate_series(1, %(last)s) AS n) AS places
"""
_ENROLLMENTS = (
    f"""
INSERT INTO subjects (id, did, kind, name, email, phone, locale)
SELECT {_UUID}, 'did:example:many-' || n, 'PERSON', '', '', '', '' FROM generate_series(1, %(last)s) AS n
""",
    f"""
INSERT INTO enrollment_cases (id, order_id, bap_id, bap_uri, domain, transaction_ids, channel, agency_id, operator_id,
  subject_id, program_version_id, provider_id, program_id, fulfillment_id, meters, ders, state, refusal_code, deadline,
  waiting_act, waiting_utility, retry_attempt, created_at, updated_at)
SELECT {_OFFSET} + n, 'order-' || n, %(bap)s, '', 'energy.enrollment', '{{}}', 'PORTAL', '', '', {_UUID}, %(version)s,
  'vpp-program-flex-001', 'program-flex-demand-response-001', '', '{{}}', '{{}}', 'CONFIRMED', '',
  %(now)s, '', '', 0, %(now)s, %(now)s FROM generate_series(1, %(last)s) AS n
""",
    f"""
INSERT INTO program_enrollments (id, enrollment_id, order_number, case_id, subject_id, program_version_id, state,
  period, end_as_given, enrolled_at, log_reference, credential_id, suspension_reason, end_keeps_outliving_consents,
  end_reason, end_log_reference)
SELECT {_OFFSET} + n, 'enrollment-' || n, 'ENR-0000-' || n, {_OFFSET} + n, {_UUID}, %(version)s, 'ACTIVE',
  tstzrange(%(now)s, %(now)s + interval '365 days'), '', %(now)s, '',
  ('0000000e-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '', false, '', ''
  FROM generate_series(1, %(last)s) AS n
""",
    f"""
INSERT INTO consents (consent_id, enrollment_id, consent_type, grantor_id, state, is_required, outlives_enrollment,
  basis, terms, meters, ders, text_version, text_digest, locale, granted_at, claimed_revoked_at, revocation_reason,
  credential_id)
SELECT 'consent-' || n, {_OFFSET} + n, 'DATA_COLLECTION', {_UUID}, 'GRANTED', true, false, 'CONFIRM', '{{}}', '{{}}',
  '{{}}', '', '', '', %(now)s, '', '', ('0000000c-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
  FROM generate_series(1, %(last)s) AS n
""",
    f"""
INSERT INTO claims (resource, conflict_group, kind, reference, group_name, direction, period, state, case_id,
  enrollment_id, subject_id, program_id)
SELECT 5000000000 + n, 7, 'METER', 'many-' || n, 'FLEX', 'BOTH', tstzrange(%(now)s, %(now)s + interval '365 days'),
  'CLAIMED', {_OFFSET} + n, {_OFFSET} + n, {_UUID}, %(program)s FROM generate_series(1, %(last)s) AS n
""",
)


def _end(together: Together) -> list[Figure]:
    """Enrolments with a meter and a consent each, of a portal that is registered: all that an ending writes."""
    _enroll(ENDED)
    act = endings.ask(
        endings.Whose(program_id=customers.PROGRAM), reason="BENCH", actor=_OPERATOR, now=datetime.now(UTC)
    )
    finished, told = together(act.pk)
    name = f"ending {ENDED:,} enrolments, two credentials each, until every list is published"
    return [
        Figure(SECTION, name, finished, "s"),
        Figure(SECTION, "enrolments ended", ENDED / finished, "/s"),
        Figure(SECTION, "orders told of", ENDED / max(told - finished, 0.05), "/s", note="rows written after the end"),
    ]


def _enroll(count: int) -> None:
    from beckn import participants

    now = datetime.now(UTC) - timedelta(days=1)
    participants.add(subscriber_id=BAP, url="http://127.0.0.1:9/beckn", key_id="k", public_key="A" * 43 + "=", now=now)
    version = ProgramVersion.objects.get(program__program_id=customers.PROGRAM, state="PUBLISHED")
    values = {"now": now, "last": count, "bap": BAP, "version": version.pk, "program": version.program_id}
    with connection.cursor() as cursor:
        for kind, prefix in (("ENROLLMENT", "0000000e"), ("CONSENT", "0000000c")):
            status_list = StatusList.objects.get(kind=kind, number=2).pk
            more = {"base": f"{settings.PUBLIC_URL}/credentials/", "kind": kind, "list": status_list}
            cursor.execute(_CREDENTIALS.format(prefix=prefix), {**values, **more})
        for statement in _ENROLLMENTS:
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE issued_credentials, program_enrollments, enrollment_cases, consents, claims")


# --- a lost key ------------------------------------------------------------------------------------------------------


def _sign_again(together: Together) -> list[Figure]:
    now = datetime.now(UTC)
    new = services.NewCredential(
        kind="CONSENT",
        subject_did="did:example:many",
        claims={"consentId": "consent-1", "consentType": "DATA_COLLECTION", "purposes": ["SETTLEMENT"]},
        valid_from=now,
        valid_until=now + timedelta(days=365),
    )
    for _ in range(RESIGNED // 500):
        services.issue([new] * 500, now=now)
    kid = keys.active().kid
    keys.revoke(kid, now=datetime.now(UTC), actor=_OPERATOR)
    act = BulkAct.objects.get(kind=BulkKind.RESIGN)
    finished, _ = together(act.pk)
    forms = act.count * len(services.SignedForm.objects.filter(credential__in=act.batches.first().ids[:1]))
    note = f"{act.count:,} credentials, {forms:,} forms in {finished:.1f} s"
    return [Figure(SECTION, "credentials of a lost key signed again", act.count / finished, "/s", note=note)]
