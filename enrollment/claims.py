"""Holding and claiming meters and DERs: the only place that reads or writes the claims table.

Every function here wants an open transaction, and `lock` called first: plain concurrent INSERTs into an exclusion
constraint deadlock, with waits of seconds (measured). Source: spec conflicts, concurrency; decisions 31, 45.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F, Func, Q, QuerySet, Value

from enrollment.conflicts import Incumbent, Wanted, resource_key
from enrollment.models import Claim, ConflictPair, Enrollment, EnrollmentCase
from enrollment.states import ClaimState


@dataclass(frozen=True)
class Claimant:
    """Who wants the resources. `case_id` None: nobody yet (a question without a hold)."""

    case_id: int | None
    subject_id: UUID
    program_pk: int


def lock(wanted: Iterable[Wanted]) -> None:
    """Take the resources' advisory locks until the transaction ends, in sorted order so that nobody deadlocks."""
    keys = sorted({w.resource for w in wanted})
    if keys:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", [keys])


def release_what_may_be_released(wanted: Sequence[Wanted], claimant: Claimant, now: datetime) -> None:
    """Drop holds that stand in nobody's way any more (decision 31).

    These are expired holds, the case's own, and holds of the same subject for the same program under another order.
    A hold is a courtesy: the case it belonged to stays READY and is checked again at its confirm.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM claims WHERE state = 'HELD' AND (case_id = %(case)s OR (resource = ANY(%(resources)s) AND (
                hold_expires_at <= %(now)s OR (subject_id = %(subject)s AND program_id = %(program)s))))
            """,
            {
                "case": claimant.case_id,
                "resources": [w.resource for w in wanted],
                "now": now,
                "subject": claimant.subject_id,
                "program": claimant.program_pk,
            },
        )


@lru_cache(maxsize=64)
def incumbents_sql(count: int) -> str:
    """The conflict check for `count` resources (`r0`, `r1`, …), on the claims table alone.

    One parameter a resource, not `= ANY(array)`: PostgreSQL plans the array form anew at every call, which costs ten
    times what the look-up does. What the claims belong to is read only where there are any (`_WORDS_SQL`).
    """
    places = ", ".join(f"%(r{n})s" for n in range(count))
    return f"""
    SELECT c.id, c.kind, c.reference, c.group_name, lower(c.period), upper(c.period), c.state = 'HELD',
           c.subject_id = %(subject)s
      FROM claims c
     WHERE c.resource IN ({places}) AND c.state IN ('HELD', 'CLAIMED')
       AND c.period && tstzrange(%(start)s, %(end)s)
       AND NOT (c.state = 'HELD' AND (c.hold_expires_at <= %(now)s OR c.case_id IS NOT DISTINCT FROM %(case)s))
    """  # noqa: S608 - only numbered placeholders are put in


_WORDS_SQL = """
    SELECT c.id, p.program_id, coalesce(e.enrollment_id, ''), v.conflict_group
      FROM claims c JOIN programs p ON p.id = c.program_id LEFT JOIN program_enrollments e ON e.id = c.enrollment_id
      JOIN enrollment_cases k ON k.id = c.case_id JOIN program_versions v ON v.id = k.program_version_id
     WHERE c.id = ANY(%s)
"""


def check_parameters(
    resources: Sequence[int], claimant: Claimant, starts_at: datetime, ends_at: datetime | None, now: datetime
) -> dict[str, Any]:
    """The parameters of `incumbents_sql(len(resources))`."""
    named: dict[str, Any] = {f"r{n}": resource for n, resource in enumerate(resources)}
    asked = {"subject": claimant.subject_id, "start": starts_at, "end": ends_at, "now": now, "case": claimant.case_id}
    return named | asked


def incumbents(
    wanted: Sequence[Wanted],
    claimant: Claimant,
    starts_at: datetime,
    ends_at: datetime | None,
    *,
    zone: ZoneInfo,
    now: datetime,
) -> list[Incumbent]:
    """Live claims on the wanted resources that overlap [starts_at, ends_at), with dates in the utility's zone."""
    resources = sorted({w.resource for w in wanted})
    with connection.cursor() as cursor:
        cursor.execute(incumbents_sql(len(resources)), check_parameters(resources, claimant, starts_at, ends_at, now))
        found = sorted(cursor.fetchall())
        if not found:
            return []
        cursor.execute(_WORDS_SQL, [[row[0] for row in found]])
        words = {pk: (program, enrollment, group) for pk, program, enrollment, group in cursor.fetchall()}
    # A hold may have been let go between the two questions: its owner's cancel takes no lock.
    return [_incumbent(row, words[row[0]], zone) for row in found if row[0] in words]


def _incumbent(row: tuple[Any, ...], words: tuple[str, str, str], zone: ZoneInfo) -> Incumbent:
    _, kind, reference, group, start, end, is_hold, is_same_subject = row
    program_id, enrollment_id, program_group = words
    return Incumbent(
        kind=kind,
        reference=reference,
        group=group,
        starts_at=start.astimezone(zone),
        ends_at=end.astimezone(zone) if end else None,
        is_hold=is_hold,
        is_same_subject=is_same_subject,
        program_id=program_id,
        enrollment_id=enrollment_id,
        program_group=program_group,
    )


def denied_groups(group: str) -> frozenset[str]:
    """Conflict groups that may not meet `group` on one resource (rule R3); read under the lock."""
    pairs = ConflictPair.objects.filter(Q(group_a=group) | Q(group_b=group), verdict="DENY")
    return frozenset(b if a == group else a for a, b in pairs.values_list("group_a", "group_b"))


@dataclass(frozen=True)
class Side:
    """Living claims of one conflict group: perhaps only of one program, of all others, or of programs of a group."""

    group: str
    program_pk: int | None = None
    not_program_pk: int | None = None
    program_group: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Together:
    """Two cases whose enrolments have one resource at the same time."""

    case_pk: int
    other_case_pk: int
    program_pk: int
    other_program_pk: int


def living_together(sides: Sequence[tuple[Side, Side]], now: datetime, *, most: int) -> list[Together]:
    """Return pairs of living claims, one of each side, on one resource at one time; at most `most`, in no order.

    Both sides are read in the order of resources from one index, so that a million claims take a part of a second.
    """
    if not sides:
        return []
    named: dict[str, Any] = {"now": now, "most": most}
    parts = [_together_sql(place, mine, other, named) for place, (mine, other) in enumerate(sides)]
    with connection.cursor() as cursor:
        # Both sides come sorted out of the index; hashing half a million rows would take three times as long.
        cursor.execute("SET LOCAL enable_hashjoin = off")
        cursor.execute(f"{' UNION ALL '.join(parts)} LIMIT %(most)s", named)
        return [Together(*row) for row in cursor.fetchall()]


def _together_sql(place: int, mine: Side, other: Side, named: dict[str, Any]) -> str:
    """One pair of sides as a query in brackets; its parameters are put into `named`."""
    joins, conditions = "", ""
    for alias, side in (("a", mine), ("b", other)):
        named[f"{alias}_group_{place}"] = resource_key("GROUP", side.group)
        for column, operator, value in (
            ("program_id", "=", side.program_pk),
            ("program_id", "<>", side.not_program_pk),
            ("kind", "=", side.kind or None),
        ):
            if value is not None:
                name = f"{alias}_{column}_{'is' if operator == '=' else 'not'}_{place}"
                named[name] = value
                conditions += f" AND {alias}.{column} {operator} %({name})s"
        if side.program_group:
            named[f"{alias}_program_group_{place}"] = side.program_group
            joins += f" JOIN enrollment_cases {alias}k ON {alias}k.id = {alias}.case_id"
            joins += f" JOIN program_versions {alias}v ON {alias}v.id = {alias}k.program_version_id"
            conditions += f" AND {alias}v.conflict_group = %({alias}_program_group_{place})s"
    return f"""
    (SELECT a.case_id, b.case_id, a.program_id, b.program_id
       FROM claims a JOIN claims b ON b.resource = a.resource {joins}
      WHERE a.conflict_group = %(a_group_{place})s AND a.state = 'CLAIMED'
        AND b.conflict_group = %(b_group_{place})s AND b.state = 'CLAIMED'
        AND (upper_inf(a.period) OR upper(a.period) > %(now)s)
        AND (upper_inf(b.period) OR upper(b.period) > %(now)s)
        AND a.period && b.period AND a.case_id <> b.case_id {conditions}
      LIMIT %(most)s)
    """  # noqa: S608 - only our own names and placeholders are put in


def hold(
    wanted: Sequence[Wanted], case: EnrollmentCase, starts_at: datetime, ends_at: datetime | None, until: datetime
) -> None:
    """Reserve the resources for the case until `until`."""
    _insert(wanted, case, starts_at, ends_at, state=ClaimState.HELD, hold_expires_at=until)


def claim(
    wanted: Sequence[Wanted],
    enrollment: Enrollment,
    case: EnrollmentCase,
    starts_at: datetime,
    ends_at: datetime | None,
) -> None:
    """Take the resources for the enrolment's period; raises IntegrityError where somebody has them."""
    _insert(wanted, case, starts_at, ends_at, state=ClaimState.CLAIMED, enrollment=enrollment)


def _insert(
    wanted: Sequence[Wanted],
    case: EnrollmentCase,
    starts_at: datetime,
    ends_at: datetime | None,
    *,
    state: ClaimState,
    enrollment: Enrollment | None = None,
    hold_expires_at: datetime | None = None,
) -> None:
    assert case.program_version is not None and case.subject_id is not None
    Claim.objects.bulk_create(
        Claim(
            resource=w.resource,
            conflict_group=w.group_key,
            kind=w.kind,
            reference=w.reference,
            group_name=w.group,
            direction=case.program_version.direction,
            period=DateTimeTZRange(starts_at, ends_at, "[)"),
            state=state,
            hold_expires_at=hold_expires_at,
            case=case,
            enrollment=enrollment,
            subject_id=case.subject_id,
            program_id=case.program_version.program_id,
        )
        for w in sorted(wanted, key=lambda w: w.resource)
    )


def drop_holds(case: EnrollmentCase) -> int:
    return Claim.objects.filter(case=case, state=ClaimState.HELD).delete()[0]


def prolong_holds(case: EnrollmentCase, until: datetime) -> None:
    Claim.objects.filter(case=case, state=ClaimState.HELD).update(hold_expires_at=until)


def end_claims(enrollment: Enrollment, at: datetime) -> None:
    """Free the resources of one enrolment from `at` on."""
    end_claims_of([enrollment.pk], at)


def end_claims_on(enrollment: Enrollment, references: Sequence[str], at: datetime) -> None:
    """Free these meters and DERs of one enrolment from `at` on; its others stay claimed."""
    _end(Claim.objects.filter(enrollment=enrollment, reference__in=references), at)


def end_claims_of(enrollment_pks: Sequence[int], at: datetime) -> None:
    """Free the resources from `at` on: claims that began before are cut there, later ones are released.

    A cut claim stays CLAIMED for the time it covered; an end before the start releases it whole (decision 52).
    """
    _end(Claim.objects.filter(enrollment__in=enrollment_pks), at)


def _end(claims: QuerySet[Claim], at: datetime) -> None:
    mine = claims.filter(state=ClaimState.CLAIMED)
    mine.filter(period__startswith__gte=at).update(state=ClaimState.RELEASED)
    mine.filter(Q(period__endswith__gt=at) | Q(period__upper_inf=True), period__startswith__lt=at).update(
        period=Func(
            Func(F("period"), function="lower"),
            Value(at),
            Value("[)"),
            function="tstzrange",
            output_field=Claim._meta.get_field("period"),
        )
    )


def restore_claims(enrollment: Enrollment, wanted: Sequence[Wanted], upper: datetime | None) -> None:
    """Claim up to `upper` again, after an end was moved. Lock the resources and look for incumbents first.

    `upper` lies after the enrolment's start; `wanted` is what it consists of now. A meter that left and came back has
    two claims, of which the newer one counts.
    """
    mine = Claim.objects.filter(enrollment=enrollment, resource__in=[w.resource for w in wanted])
    newest = mine.order_by("resource", "conflict_group", "-pk").distinct("resource", "conflict_group")
    Claim.objects.filter(pk__in=list(newest.values_list("pk", flat=True))).update(
        state=ClaimState.CLAIMED,
        period=Func(
            Func(F("period"), function="lower"),
            Value(upper),
            Value("[)"),
            function="tstzrange",
            output_field=Claim._meta.get_field("period"),
        ),
    )
