"""Acts on many enrolments that staff asks for at the console: what a filter finds is frozen, a second person decides.

The writers behind the console's pages; the work itself is `enrollment.bulk`. Whoever approves is told what has changed
since the set was frozen: what it would no longer touch, and what the filter would find now that is not in it.
Source: issue of the console (3, 8); docs/decisions/bulk-acts.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credentials import bulk
from credentials.models import BulkAct, BulkKind
from enrollment.by_staff import REASONS, Asked, NotPossible
from enrollment.filtering import Filter
from enrollment.models import Consent, Enrollment, StaffAct
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, EnrollmentState
from identity import staff

#: The most that one act takes: more is several acts, or the operator's command.
MOST = 100_000
#: What an act of a kind is done to.
TOUCHES: Mapping[str, tuple[EnrollmentState, ...]] = {
    BulkKind.END: LIVE_ENROLLMENT_STATES,
    BulkKind.PAUSE: (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE),
    BulkKind.GO_ON: (EnrollmentState.SUSPENDED,),
}
WHY: Mapping[str, Mapping[str, Promise]] = {
    BulkKind.END: REASONS[StaffAct.Kind.END],
    BulkKind.PAUSE: REASONS[StaffAct.Kind.SUSPEND],
    BulkKind.GO_ON: REASONS[StaffAct.Kind.RESUME],
}
WHY_NOT: Mapping[str, Promise] = {
    "WRONG_SET": _("These are not the right enrolments"),
    "WRONG_ACT": _("This is not the right thing to do"),
    "NOT_NEEDED": _("It is not needed any more"),
    "ASK_FIRST": _("Somebody has to be asked first"),
}


@dataclass(frozen=True)
class Foreseen:
    """What an act would be done to. `is_more`: there are more than one act takes, and the rest was not counted."""

    count: int
    is_more: bool
    consents: int
    portals: int
    by_state: Mapping[str, int]


@dataclass(frozen=True)
class Since:
    """What has changed since a set was frozen: how many of it are in which state, how many an act would still touch,
    and how many the filter finds now that are not in it (`is_more`: at least so many)."""

    by_state: Mapping[str, int]
    at_asking: Mapping[str, int]
    still: int
    gone: int
    new: int
    is_more: bool


def foresee(kind: str, what: Filter) -> Foreseen:
    """Say what an act would be done to now; changes nothing, and counts no further than one act may go."""
    found = _found(kind, what).order_by()
    count = found[: MOST + 1].count()
    if count > MOST:
        return Foreseen(count=MOST, is_more=True, consents=0, portals=0, by_state={})
    consents = Consent.objects.filter(enrollment__in=found.values("pk"), state=ConsentState.GRANTED)
    by_state: Counter[str] = Counter()
    portals = set()
    for state, bap_id, each in found.values_list("state", "case__bap_id").annotate(Count("pk")):
        by_state[state] += each
        portals.add(bap_id)
    return Foreseen(
        count=count,
        is_more=False,
        consents=consents.count() if kind == BulkKind.END else 0,
        portals=len(portals),
        by_state=dict(sorted(by_state.items())),
    )


def ask(kind: str, what: Filter, asked: Asked, *, person: str, count: int, keep_outliving: bool = False) -> BulkAct:
    """Freeze what the filter finds and ask a second person. `count` is what was shown: another one is refused.

    Raises NotPossible: nobody is meant, more than one act takes, or others than were shown.
    """
    if not person:
        raise NotPossible(_("Only a member of staff with an account of their own can ask for this."))
    if what.is_empty:
        raise NotPossible(_("Narrow the list first: everybody at once is never meant."))
    found = dict(_found(kind, what).order_by().values_list("credential_id", "state")[: MOST + 1])
    ids = list(found)
    if not ids:
        raise NotPossible(_("There is no such enrolment now."))
    if len(ids) > MOST:
        raise NotPossible(_("These are more than one act takes. Narrow the list."))
    if len(ids) != count:
        raise NotPossible(_("Meanwhile other enrolments are meant than were shown. Look at the new number."))
    options: dict[str, Any] = {"filter": what.kept(), "states": dict(sorted(Counter(found.values()).items()))}
    if keep_outliving and kind == BulkKind.END:
        options["keepOutliving"] = True
    with transaction.atomic():
        act = bulk.ask(
            ids,
            kind=kind,
            reason=asked.reason[:60],
            source=f"filter:{what.query}",
            actor=asked.actor,
            now=asked.now,
            options=options,
            asked_by=person,
        )
        _keep(StaffAct.Kind.ASK, act, asked)
    return act


def approve(act: BulkAct, asked: Asked, *, person: str, digest: str) -> None:
    """Let it begin. Raises NotPossible, with why."""
    if staff.is_switched_off(act.asked_by):
        raise NotPossible(_("Whoever asked for it does not work here any more. Refuse it; who needs it asks anew."))
    try:
        with transaction.atomic():
            bulk.approve(act.pk, by=person, digest=digest, actor=asked.actor, now=asked.now)
            _keep(StaffAct.Kind.APPROVE, act, asked)
    except bulk.NotAnotherPerson as same:
        raise NotPossible(_("You have asked for it yourself. Another person has to approve it.")) from same
    except bulk.OtherSet as other:
        raise NotPossible(_("This is not the set that was asked for. Open the page anew.")) from other
    except bulk.NotWaiting as over:
        raise NotPossible(_("It does not wait for anybody any more.")) from over


def refuse(act: BulkAct, asked: Asked, *, person: str) -> None:
    """Refuse it, or take it back where one has asked for it oneself. Raises NotPossible."""
    if not person:
        raise NotPossible(_("Only a member of staff with an account of their own can decide this."))
    try:
        with transaction.atomic():
            bulk.refuse(act.pk, by=person, reason=asked.reason, actor=asked.actor, now=asked.now)
            _keep(StaffAct.Kind.REFUSE, act, asked)
    except bulk.NotWaiting as over:
        raise NotPossible(_("It does not wait for anybody any more.")) from over


def since(act: BulkAct, *, most: int = 10_000) -> Since:
    """Compare the frozen set with what is there now."""
    by_state = _states_of_manifest(act)
    still = sum(by_state.get(state, 0) for state in TOUCHES[act.kind])
    new = _not_in_manifest(act, most) if "filter" in act.options else 0
    return Since(
        by_state=by_state,
        at_asking=act.options.get("states", {}),
        still=still,
        gone=act.count - still,
        new=min(new, most),
        is_more=new > most,
    )


def _found(kind: str, what: Filter) -> QuerySet[Enrollment]:
    return what.rows().filter(state__in=TOUCHES[kind])


_STATES = """
SELECT e.state, count(*) FROM bulk_batches b CROSS JOIN LATERAL unnest(b.ids) AS named(id)
  JOIN program_enrollments e ON e.credential_id = named.id
 WHERE b.act_id = %s GROUP BY e.state ORDER BY e.state
"""
_NAMED = "SELECT unnest(ids) FROM bulk_batches WHERE act_id = %s"


def _states_of_manifest(act: BulkAct) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [act.pk])
        return dict(cursor.fetchall())


def _not_in_manifest(act: BulkAct, most: int) -> int:
    found = _found(act.kind, Filter.of(act.options["filter"])).order_by().values_list("credential_id", flat=True)
    sql, parameters = found.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) AS found(id)"  # noqa: S608 - the query is Django's own
            f" WHERE NOT EXISTS (SELECT 1 FROM ({_NAMED}) AS named(id) WHERE named.id = found.id) LIMIT %s) AS others",
            [*parameters, act.pk, most + 1],
        )
        (count,) = cursor.fetchone()
    return int(count)


def _keep(kind: StaffAct.Kind, act: BulkAct, asked: Asked) -> None:
    StaffAct.objects.create(
        kind=kind, bulk_act=act, reason=asked.reason[:60], note=asked.note, by=asked.actor.id, at=asked.now
    )
