"""The conflict check and a whole confirm with 1,000,000 claims in the table."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection

from audit import log
from enrollment import claims, services
from enrollment.commands import Authority, ConfirmEnrollment, MeterRef, OrderRef, PrepareEnrollment, PresentedCredential
from enrollment.conflicts import Wanted, resource_key
from enrollment.models import Program, ProgramVersion
from enrollment.results import Confirmed, Prepared
from tests.bench import customers
from tests.bench.customers import Customer
from tests.bench.report import Figure
from tests.bench.timing import each_ms, percentile
from utility_systems import registry

SECTION = "With 1,000,000 claims in the table"
CLAIMS = 1_000_000
METERS_EACH = 10
FIRST_TAKEN = 100_001  # load-100001 … are enrolled; those before are free
GROUP = "FLEX"
CHECKS = 4000
CONFIRMS = 150
WARM_UP = 20
BAP = "bench.example"


def run() -> list[Figure]:
    utility = os.environ["BENCH_UTILITY"]
    people = customers.fetch(utility, customers.names(1, 2 * (CONFIRMS + WARM_UP)))
    few = _confirms(people[: CONFIRMS + WARM_UP])
    begun = time.perf_counter()
    _fill()
    filled = time.perf_counter() - begun
    figures = [*_checks(), *_confirm_figures(_confirms(people[CONFIRMS + WARM_UP :]), few)]
    return [*figures, Figure(SECTION, "filling the table (COPY, exclusion constraint, indexes)", filled, "s")]


# --- a million enrolments --------------------------------------------------------------------------------------------


def _fill() -> None:
    """Customers with ten enrolled meters each, as `confirm` would have left them; the claims by COPY.

    Foreign keys are not checked row by row (they hold by construction, but for the credentials, which nothing here
    reads); constraints and indexes all work.
    """
    version = ProgramVersion.objects.get(program__program_id=customers.PROGRAM, state="PUBLISHED")
    now = datetime.now(UTC)
    values = {"version": version.pk, "now": now, "last": CLAIMS // METERS_EACH, "bap": BAP}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET synchronous_commit = off")  # filling is not what is measured
        for statement in (_SUBJECTS, _CASES, _ENROLLMENTS):
            cursor.execute(statement, values)
    with psycopg.connect(os.environ["DATABASE_URL"]) as raw:
        raw.execute("SET session_replication_role = replica")
        raw.execute("SET synchronous_commit = off")
        with raw.cursor().copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in _claim_rows(version.program_id, now):
                copy.write_row(row)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("VACUUM (ANALYZE) claims, program_enrollments, enrollment_cases, subjects")
        cursor.execute("CHECKPOINT")


# Ids made of the customer's number, so that the claims can name them without asking.
_UUID = "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid"
_OFFSET = 10_000_000
_SUBJECTS = f"""
INSERT INTO subjects (id, did, kind, name, email, phone, locale)
SELECT {_UUID}, 'did:example:many-' || n, 'PERSON', '', '', '', '' FROM generate_series(1, %(last)s) AS n
"""
_CASES = f"""
INSERT INTO enrollment_cases (id, order_id, bap_id, bap_uri, domain, transaction_ids, channel, agency_id, operator_id,
  subject_id, program_version_id, provider_id, program_id, fulfillment_id, meters, ders, state, refusal_code, deadline,
  waiting_act, waiting_utility, retry_attempt, created_at, updated_at)
SELECT {_OFFSET} + n, 'order-' || n, %(bap)s, '', 'energy.enrollment', '{{}}', 'PORTAL', '', '', {_UUID}, %(version)s,
  'vpp-program-flex-001', 'program-flex-demand-response-001', '', '{{}}', '{{}}', 'CONFIRMED', '',
  %(now)s, '', '', 0, %(now)s, %(now)s FROM generate_series(1, %(last)s) AS n
"""
_ENROLLMENTS = f"""
INSERT INTO program_enrollments (id, enrollment_id, order_number, case_id, subject_id, program_version_id, state,
  period, end_as_given, enrolled_at, log_reference, credential_id, suspension_reason, end_keeps_outliving_consents,
  end_reason, end_log_reference)
SELECT {_OFFSET} + n, 'enrollment-' || gen_random_uuid(), 'ENR-0000-' || n, {_OFFSET} + n, {_UUID}, %(version)s,
  'ACTIVE', tstzrange(%(now)s, %(now)s + interval '365 days'), '', %(now)s, '', gen_random_uuid(), '', false, '', ''
  FROM generate_series(1, %(last)s) AS n
"""
_COPY = """
COPY claims (resource, conflict_group, kind, reference, group_name, direction, period, state, case_id, enrollment_id,
  subject_id, program_id) FROM STDIN
"""
_TYPES = ["int8", "int8", "text", "text", "text", "text", "text", "text", "int8", "int8", "text", "int8"]


def _claim_rows(program_pk: int, now: datetime) -> Iterator[Sequence[Any]]:
    group = resource_key("GROUP", GROUP)
    for number in range(FIRST_TAKEN, FIRST_TAKEN + CLAIMS):
        owner = (number - FIRST_TAKEN) // METERS_EACH + 1
        start = now - timedelta(days=owner % 300)
        period = f"[{start.isoformat()},{(start + timedelta(days=365)).isoformat()})"
        yield (
            *(resource_key("METER", f"load-{number}"), group, "METER", f"load-{number}", GROUP, "IMPORT", period),
            *("CLAIMED", _OFFSET + owner, _OFFSET + owner, f"00000000-0000-4000-8000-{owner:012d}", program_pk),
        )


# --- the conflict check ----------------------------------------------------------------------------------------------


def _checks() -> list[Figure]:
    """Half of the asked meters are taken, half are free; the statement is prepared, as is the primary-key SELECT."""
    program_pk = Program.objects.get(program_id=customers.PROGRAM).pk
    meters = _some_meters()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as raw:
        by_key = _by_primary_key(raw)
        check = _prepared_check(raw)
        each_ms(_on(by_key, range(1, 200)))
        each_ms(_on(check, meters[:200]))
        # In turns, so that whatever else the machine does meets both.
        keys = _claim_ids(raw)
        selects, checks = _in_turns(_on(by_key, keys), _on(check, meters))
        inside_key = _inside(raw, "SELECT * FROM claims WHERE id = %(id)s", [{"id": each} for each in keys[:300]])
        inside_check = _inside(raw, claims.incumbents_sql(1), [_parameters(each) for each in meters[:300]])
    ours = each_ms(_on(_as_the_product_asks(program_pk), meters[:1500]))
    ratio = median(checks) / median(selects)
    return [
        Figure(SECTION, "primary-key SELECT, p50", median(selects), "ms", note="prepared, round trip included"),
        Figure(SECTION, "primary-key SELECT, p99", percentile(selects, 99), "ms", note="in turns with the check"),
        Figure(SECTION, "conflict check, p50", median(checks), "ms", note="the same"),
        Figure(SECTION, "conflict check, p99", percentile(checks, 99), "ms", at_most=1.0),
        Figure(SECTION, "conflict check against primary-key SELECT, p50", ratio, "×", at_most=3.0),
        Figure(
            SECTION,
            "the same inside PostgreSQL (planning and execution), p50",
            median(inside_check) / median(inside_key),
            "×",
            note=f"{median(inside_check):.3f} ms to {median(inside_key):.3f} ms, EXPLAIN ANALYZE",
        ),
        Figure(SECTION, "conflict check as the service asks it, p50", median(ours), "ms", note="through Django"),
        Figure(SECTION, "conflict check as the service asks it, p99", percentile(ours, 99), "ms"),
    ]


def _some_meters() -> list[str]:
    chance = random.Random(3)
    taken = [f"load-{chance.randrange(FIRST_TAKEN, FIRST_TAKEN + CLAIMS)}" for _ in range(CHECKS // 2)]
    free = [f"load-{chance.randrange(10_000_000, 99_000_000)}" for _ in range(CHECKS // 2)]
    mixed = taken + free
    chance.shuffle(mixed)
    return mixed


def _claim_ids(raw: psycopg.Connection[Any]) -> list[int]:
    """As scattered over the table as the meters are over its index."""
    bounds = raw.execute("SELECT min(id), max(id) FROM claims").fetchone()
    assert bounds is not None
    return random.Random(2).choices(range(bounds[0], bounds[1] + 1), k=CHECKS)


def _by_primary_key(raw: psycopg.Connection[Any]) -> Callable[[Any], object]:
    cursor = raw.cursor()

    def ask(key: int) -> object:
        return cursor.execute("SELECT * FROM claims WHERE id = %s", [key], prepare=True).fetchall()

    return ask


def _prepared_check(raw: psycopg.Connection[Any]) -> Callable[[Any], object]:
    cursor = raw.cursor()

    def ask(meter: str) -> object:
        return cursor.execute(claims.incumbents_sql(1).encode(), _parameters(meter), prepare=True).fetchall()

    return ask


_NOW = datetime.now(UTC)
_NOBODY = "00000000-0000-4000-8000-000000000000"


def _parameters(meter: str) -> dict[str, Any]:
    resources = [resource_key("METER", meter)]
    return claims.check_parameters(resources, _claimant(0), _NOW, _NOW + timedelta(days=365), _NOW)


def _claimant(program_pk: int) -> claims.Claimant:
    return claims.Claimant(1, UUID(_NOBODY), program_pk)


def _as_the_product_asks(program_pk: int) -> Callable[[Any], object]:
    claimant, zone = _claimant(program_pk), registry.zone(settings.UTILITIES[0].id)

    def ask(meter: str) -> object:
        wanted = [Wanted("METER", meter, GROUP)]
        return claims.incumbents(wanted, claimant, _NOW, _NOW + timedelta(days=365), zone=zone, now=_NOW)

    return ask


def _inside(raw: psycopg.Connection[Any], statement: str, parameters: Sequence[dict[str, Any]]) -> list[float]:
    """Milliseconds as PostgreSQL itself measures them, without the way there and back."""
    taken = []
    cursor = psycopg.ClientCursor(raw)
    for values in parameters:
        plan = cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}".encode(), values).fetchone()
        assert plan is not None
        taken.append(plan[0][0]["Planning Time"] + plan[0][0]["Execution Time"])
    return taken


def _on(ask: Callable[[Any], object], values: Sequence[Any]) -> list[Callable[[], object]]:
    return [lambda value=value: ask(value) for value in values]


def _in_turns(
    first: Sequence[Callable[[], object]], second: Sequence[Callable[[], object]]
) -> tuple[list[float], list[float]]:
    taken = each_ms(call for pair in zip(first, second, strict=True) for call in pair)
    return taken[0::2], taken[1::2]


# --- a whole confirm -------------------------------------------------------------------------------------------------


def _confirms(people: Sequence[Customer]) -> list[float]:
    """Prepare every order (not measured), then confirm it: milliseconds each, the utility's answer included."""
    for person in people:
        _prepare(person)
    return each_ms(lambda person=person: _confirm(person) for person in people)[WARM_UP:]


_AUTHORITY = Authority(BAP, ("*",))
_ACTOR = log.Actor(log.ActorKind.PARTICIPANT, BAP, log.Channel.PORTAL)


def _order(person: Customer) -> OrderRef:
    uri = "http://127.0.0.1:9/beckn"
    return OrderRef(BAP, f"order-{person.name}", uri, f"txn-{person.name}", "energy.enrollment")


def _prepare(person: Customer) -> None:
    command = PrepareEnrollment(
        order=_order(person),
        program_id=customers.PROGRAM,
        provider_id=customers.PROVIDER,
        fulfillment_id="fulfillment-1",
        subject_did=person.did,
        meters=(MeterRef(person.name, customers.UTILITY, person.account),),
        credentials=tuple(
            PresentedCredential(each["credentialId"], each["type"], each["format"], each["credentialData"], position=at)
            for at, each in enumerate(person.credentials)
        ),
    )
    result = services.prepare(
        command, authority=_AUTHORITY, actor=_ACTOR, now=datetime.now(UTC), also_write=lambda _: None
    )
    if not isinstance(result, Prepared):
        raise RuntimeError(f"{person.name} was not prepared: {result}")


def _confirm(person: Customer) -> None:
    result = services.confirm(
        ConfirmEnrollment(_order(person), person.did),
        authority=_AUTHORITY,
        actor=_ACTOR,
        now=datetime.now(UTC),
        also_write=lambda _: None,
    )
    if not isinstance(result, Confirmed):
        raise RuntimeError(f"{person.name} was not confirmed: {result}")


def _confirm_figures(many: list[float], few: list[float]) -> list[Figure]:
    return [
        Figure(SECTION, "confirm, p50", median(many), "ms", note=f"{median(few):.2f} ms in an empty table"),
        Figure(SECTION, "confirm, p99", percentile(many, 99), "ms", note=f"{percentile(few, 99):.2f} ms"),
    ]
