"""The bulk half of `portals.agency.cases`: an import's cases, opened and corrected many at a time.

Only cases that came of an import, that nobody has proved anything in, are touched: whoever is behind them has not been
asked yet. All belongs into the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from audit import log
from audit.log import Action, Actor, ActorKind, Channel
from identity import agents
from identity.models import Agency, Membership
from portals.agency import cases
from portals.models import AssistedCase, Handover

State, Source = AssistedCase.State, AssistedCase.Source
AT_ONCE = 500


@dataclass(frozen=True)
class Wanted:
    """What a case is to be, by the agency's own reference. `looked_up`: {"account"|"mobile": …}."""

    reference: str
    program_pk: int
    utility_id: str
    locale: str
    looked_up: Mapping[str, str]


def held(agency: Agency, references: Collection[str]) -> dict[str, AssistedCase]:
    """The agency's cases of these references, locked in one order for everybody."""
    rows = AssistedCase.objects.select_for_update(of=("self",), no_key=True).filter(
        agency=agency, reference__in=references
    )
    return {row.reference: row for row in rows.order_by("pk")}


def may_be_corrected(case: AssistedCase) -> bool:
    """Whether nobody has done anything with it since it was imported."""
    is_untouched = case.state == State.PROVING and case.subject_id is None and case.operator_id is None
    return case.source == Source.IMPORT and is_untouched


def says_so(case: AssistedCase, wanted: Wanted) -> bool:
    """Whether the case is already as it is wanted."""
    is_same = (case.program_id, case.utility_id, case.locale) == (wanted.program_pk, wanted.utility_id, wanted.locale)
    return is_same and dict(case.looked_up) == dict(wanted.looked_up)


def open_many(
    member: Membership, wanted: Sequence[Wanted], now: datetime, *, import_id: str
) -> dict[str, AssistedCase]:
    """Open a case for each; none of their references may have one. Each waits for its customer's own agreement."""
    made = [
        AssistedCase(
            agency=member.agency,
            reference=each.reference,
            opened_by=member,
            program_id=each.program_pk,
            utility_id=each.utility_id,
            source=Source.IMPORT,
            state=State.PROVING,
            locale=each.locale,
            looked_up=dict(each.looked_up),
            opened_at=now,
            updated_at=now,
        )
        for each in wanted
    ]
    _insert(made)
    _note(Action.ASSISTED_OPENED, made, member, now, import_id=import_id, source=str(Source.IMPORT))
    return {each.reference: each for each in made}


def correct_many(
    member: Membership, corrections: Sequence[tuple[AssistedCase, Wanted]], now: datetime, *, import_id: str
) -> None:
    """Make cases what is wanted; each is locked and `may_be_corrected`."""
    for case, wanted in corrections:
        case.program_id, case.utility_id, case.locale = wanted.program_pk, wanted.utility_id, wanted.locale
        case.looked_up, case.updated_at = dict(wanted.looked_up), now
        case.version += 1
    changed = [case for case, _ in corrections]
    fields = ["program", "utility_id", "locale", "looked_up", "updated_at", "version"]
    AssistedCase.objects.bulk_update(changed, fields, batch_size=AT_ONCE)
    _note(Action.ASSISTED_CORRECTED, changed, member, now, import_id=import_id)


def close_of_suspended(now: datetime) -> int:
    """Close the next cases of suspended agencies' imports that nobody has proved anything in; return how many.

    Links that are out end with them, and whom they name is forgotten. The others follow in `portals.agency.suspension`.
    """
    suspended = Agency.objects.filter(suspended_at__lte=now).order_by("pk")
    return sum(_close_untouched(agency, now) for agency in suspended)


def _close_untouched(agency: Agency, now: datetime) -> int:
    with transaction.atomic():
        rows = AssistedCase.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        found = rows.filter(agency=agency, source=Source.IMPORT, state=State.PROVING, subject=None, operator=None)
        keys = list(found.filter(not_me_at=None).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        if not keys:
            return 0
        closed = {"state": State.CLOSED, "outcome": cases.SUSPENDED, "closed_at": now, "updated_at": now}
        AssistedCase.objects.filter(pk__in=keys).update(**closed, looked_up={})
        Handover.objects.filter(case__in=keys, ended_at=None).update(ended_at=now)
        actor = Actor(ActorKind.SYSTEM, "agency-portal", Channel.SYSTEM, on_behalf_of=agency.agency_id)
        about: dict[str, Any] = {"object_type": "agency-case", "details": {"outcome": cases.SUSPENDED}}
        log.record_all([log.Line(Action.ASSISTED_CLOSED, actor, now, object_id=str(key), **about) for key in keys])
    return len(keys)


def _insert(made: Sequence[AssistedCase]) -> None:
    """With COPY: an INSERT of many rows has PostgreSQL read thousands of parameters."""
    if not made:
        return
    fields = AssistedCase._meta.local_concrete_fields
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    with connection.cursor() as cursor, cursor.copy(f"COPY agency_cases ({columns}) FROM STDIN") as rows:
        for each in made:
            rows.write_row([field.get_db_prep_save(field.pre_save(each, True), connection) for field in fields])


def _note(action: Action, cases: Sequence[AssistedCase], member: Membership, now: datetime, **details: Any) -> None:
    actor, about = agents.actor_of(member), {"operator": member.operator_id, **details}
    log.record_all(
        [
            log.Line(action, actor, now, object_type="agency-case", object_id=str(each.pk), details=about)
            for each in cases
        ]
    )
