"""Ending, suspending or resuming many enrolments by one act: a program's, an agency's, or what staff has filtered.

It is always somebody's explicit act: a program that closes and an agency that is suspended leave enrolments as they
are. What staff asks for at the console needs a second person (`credentials.bulk.approve`). The set is frozen when it is
asked for, as the enrolments' credentials (`credentials.bulk`); each batch is one transaction with all that belongs to
an ending: state, claims, places, consents, credentials, and a journal line for each person. Whoever placed the orders
is told afterwards, at a pace that leaves room for one person's answer.
Source: issue "bulk revocation", issue of the console (3, 8), onboarding guide 17.7, decisions 8, 52, 62;
docs/decisions/bulk-acts.md.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from audit import log
from audit.log import Action, Actor, Line
from credentials import bulk
from credentials.models import BulkAct, BulkBatch, BulkKind, IssuedCredential
from enrollment import catalog, claims, ending, in_the_way, notices, orders, places, told
from enrollment.models import Consent, ConsentEvent, Enrollment, EnrollmentCase, Program
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, EnrollmentState
from identity.models import Agency

logger = logging.getLogger(__name__)

SIGNED_AGAIN = "The credentials were signed again by another key: replace those that you hold."
_KEEP_OUTLIVING = "keepOutliving"


class NobodyThere(LookupError):
    """There is no such program or agency."""


@dataclass(frozen=True)
class Whose:
    """Whose enrolments: exactly one of the two is named."""

    program_id: str = ""
    agency_id: str = ""

    @property
    def source(self) -> str:
        return f"program:{self.program_id}" if self.program_id else f"agency:{self.agency_id}"

    @property
    def condition(self) -> Q:
        if self.program_id:
            return Q(program_version__program__program_id=self.program_id)
        return Q(case__agency_id=self.agency_id)

    def check(self) -> None:
        """Raise NobodyThere for a name nobody has."""
        if self.program_id and not Program.objects.filter(program_id=self.program_id).exists():
            raise NobodyThere(f"there is no program {self.program_id}")
        known = Agency.objects.filter(agency_id=self.agency_id).exists
        if self.agency_id and not known() and not Enrollment.objects.filter(self.condition).exists():
            raise NobodyThere(f"there is no agency {self.agency_id}")


@dataclass(frozen=True)
class Foreseen:
    """What ending them now would do: `lists` counts credentials by (kind, list number), `baps` orders by portal."""

    enrollments: int
    consents: int
    lists: Mapping[tuple[str, int], int]
    baps: Mapping[str, int]
    is_still_open: bool


# --- asking ----------------------------------------------------------------------------------------------------------


def foresee(whose: Whose, *, now: datetime, keep_outliving: bool = False) -> Foreseen:
    """Say what `ask` would ask for; changes nothing. Raises NobodyThere."""
    whose.check()
    living = Enrollment.objects.filter(whose.condition, state__in=LIVE_ENROLLMENT_STATES)
    consents = _consents(Q(enrollment__in=living.values("pk")), keep_outliving)
    ids = Q(pk__in=living.values("credential")) | Q(pk__in=consents.values("credential"))
    places_in = IssuedCredential.objects.filter(ids).values_list("kind", "status_list__number")
    return Foreseen(
        enrollments=living.count(),
        consents=consents.count(),
        lists=dict(sorted(Counter(places_in).items())),
        baps=dict(sorted(Counter(living.values_list("case__bap_id", flat=True)).items())),
        is_still_open=bool(whose.program_id) and catalog.open_version(whose.program_id, now) is not None,
    )


def ask(whose: Whose, *, reason: str, actor: Actor, now: datetime, keep_outliving: bool = False) -> BulkAct:
    """Ask for the living enrolments to be ended now; those that are confirmed later are not among them.

    `reason` is a code; `keep_outliving` leaves the consents that the program says outlive an enrolment (decision 62).
    Raises NobodyThere.
    """
    whose.check()
    living = Enrollment.objects.filter(whose.condition, state__in=LIVE_ENROLLMENT_STATES)
    return bulk.ask(
        living.values_list("credential_id", flat=True),
        kind=BulkKind.END,
        reason=reason[:60],
        source=whose.source,
        actor=actor,
        now=now,
        options={_KEEP_OUTLIVING: True} if keep_outliving else None,
    )


def _consents(of: Q, keep_outliving: bool) -> QuerySet[Consent]:
    granted = Consent.objects.filter(of, state=ConsentState.GRANTED)
    return granted.filter(outlives_enrollment=False) if keep_outliving else granted


# --- ending ----------------------------------------------------------------------------------------------------------


def end(batch: BulkBatch, now: datetime) -> bulk.Step:
    """End a batch's enrolments that are still living (`credentials.bulk.Doer`)."""
    return lambda: _end(batch, now)


def _end(batch: BulkBatch, now: datetime) -> bulk.Done:
    act, actor = batch.act, bulk.actor_of(batch.act)
    living = [e for e in _locked(batch.ids) if e.state in LIVE_ENROLLMENT_STATES]
    if not living:
        return bulk.Done()
    consents = list(_consents(Q(enrollment__in=living), act.options.get(_KEEP_OUTLIVING, False)))
    credential_ids = [e.credential_id for e in living] + [c.credential_id for c in consents]
    done = bulk.change(credential_ids, kind=BulkKind.REVOKE, at=now, reason=act.reason)
    _revoke(consents, act.reason, actor, now)
    places.give_back_all(living)  # before the claims: a confirm takes both in this order
    claims.end_claims_of([e.pk for e in living], now)
    _cancel(living, Counter(c.enrollment_id for c in consents), act, now)
    told.note_all(living, told.ENDED, now, now, reason=act.reason)
    notices.tell_all(living, "enrollment-ended", now, reason=act.reason)
    bulk.owe(act, [e.credential_id for e in living], now=now)
    return bulk.Done(len(living), done.lists)


def _locked(credential_ids: Collection[UUID]) -> list[Enrollment]:
    """The enrolments of these credentials: cases first, then they, as everywhere; many in the order of the cases."""
    cases = EnrollmentCase.objects.filter(enrollment__credential__in=credential_ids)
    held = list(cases.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))
    rows = Enrollment.objects.select_for_update(of=("self",), no_key=True).filter(case__in=held)
    return list(rows.select_related("program_version").order_by("case_id"))


def _revoke(consents: Sequence[Consent], reason: str, actor: Actor, now: datetime) -> None:
    Consent.objects.filter(pk__in=[c.pk for c in consents]).update(
        state=ConsentState.REVOKED, revoked_at=now, revoke_scheduled_for=None, revocation_reason=reason
    )
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            consent=c,
            event="REVOKED",
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
            detail={"reason": reason, "claimedAt": c.claimed_revoked_at},
        )
        for c in consents
    )


_CANCEL = """
UPDATE program_enrollments e SET state = 'CANCELLED', cancelled_at = %s, end_reason = %s, end_scheduled_for = NULL,
  repair_until = NULL,
  end_log_reference = line.reference
FROM unnest(%s::bigint[], %s::text[]) AS line(id, reference) WHERE e.id = line.id
"""


def _cancel(living: Sequence[Enrollment], consents: Mapping[int, int], act: BulkAct, now: datetime) -> None:
    """A line for each person: what happened to somebody must be found without reading manifests."""
    actor = bulk.actor_of(act)
    events = log.record_all(
        [
            Line(
                Action.ENROLLMENT_CANCELLED,
                actor,
                now,
                subject=str(e.subject_id),
                object_type="enrollment",
                object_id=e.enrollment_id,
                before={"state": e.state},
                after={"state": EnrollmentState.CANCELLED},
                details={"reason": act.reason, "consents_revoked": consents.get(e.pk, 0), "act": str(act.pk)},
            )
            for e in living
        ]
    )
    with connection.cursor() as cursor:
        ids, references = [e.pk for e in living], [event.reference for event in events]
        cursor.execute(_CANCEL, [now, act.reason, ids, references])


# --- suspending and resuming -----------------------------------------------------------------------------------------


def pause(batch: BulkBatch, now: datetime) -> bulk.Step:
    """Suspend a batch's enrolments that are running or to come (`credentials.bulk.Doer`)."""
    return lambda: _pause(batch, now)


def go_on(batch: BulkBatch, now: datetime) -> bulk.Step:
    """Resume a batch's enrolments that are suspended and that nothing keeps from it (`credentials.bulk.Doer`)."""
    return lambda: _go_on(batch, now)


def _pause(batch: BulkBatch, now: datetime) -> bulk.Done:
    act = batch.act
    running = [e for e in _locked(batch.ids) if e.state in (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE)]
    if not running:
        return bulk.Done()
    done = bulk.change([e.credential_id for e in running], kind=BulkKind.SUSPEND, at=now, reason=act.reason)
    _line_for_each(running, Action.ENROLLMENT_SUSPENDED, EnrollmentState.SUSPENDED, act, now)
    Enrollment.objects.filter(pk__in=[e.pk for e in running]).update(
        state=EnrollmentState.SUSPENDED, suspended_at=now, suspension_reason=act.reason[:60]
    )
    told.note_all(running, told.SUSPENDED, now, now, reason=act.reason)
    notices.tell_all(running, "enrollment-suspended", now, reason=act.reason)
    bulk.owe(act, [e.credential_id for e in running], now=now)
    return bulk.Done(len(running), done.lists)


def _go_on(batch: BulkBatch, now: datetime) -> bulk.Done:
    act = batch.act
    locked = _locked(batch.ids)
    kept = in_the_way.of_many(locked)
    resumed = [e for e in locked if e.state == EnrollmentState.SUSPENDED and e.pk not in kept]
    if not resumed:
        return bulk.Done()
    done = bulk.change([e.credential_id for e in resumed], kind=BulkKind.RESUME, at=now)
    for state in (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE):
        is_to_come = state == EnrollmentState.SCHEDULED
        these = [e for e in resumed if (e.period.lower > now) == is_to_come]
        _line_for_each(these, Action.ENROLLMENT_RESUMED, state, act, now)
        Enrollment.objects.filter(pk__in=[e.pk for e in these]).update(
            state=state, suspended_at=None, suspension_reason="", repair_until=None
        )
    told.note_all(resumed, told.RESUMED, now, now)
    notices.tell_all(resumed, "enrollment-resumed", now)
    bulk.owe(act, [e.credential_id for e in resumed], now=now)
    return bulk.Done(len(resumed), done.lists)


def _line_for_each(
    rows: Sequence[Enrollment], action: Action, state: EnrollmentState, act: BulkAct, now: datetime
) -> None:
    log.record_all(
        [
            Line(
                action,
                bulk.actor_of(act),
                now,
                subject=str(e.subject_id),
                object_type="enrollment",
                object_id=e.enrollment_id,
                before={"state": e.state},
                after={"state": state},
                details={"reason": act.reason, "act": str(act.pk)},
            )
            for e in rows
        ]
    )


# --- telling ---------------------------------------------------------------------------------------------------------


def tell(batch: BulkBatch, now: datetime) -> bulk.Step:
    """Tell whoever placed the orders what an act did to these credentials (`credentials.bulk.Doer`).

    Raises NotNow while one of them still has enough to read.
    """
    case_pks = _to_be_told(batch)
    has_room: Callable[[str, datetime], bool] = import_string(settings.NEWS_HAS_ROOM)
    baps = EnrollmentCase.objects.filter(pk__in=case_pks).values_list("bap_id", flat=True).distinct()
    if not all(has_room(bap_id, now) for bap_id in baps):
        raise bulk.NotNow
    return lambda: bulk.Done(sum(_tell(*each, batch.act.reason, now) for each in _held(case_pks)))


def _to_be_told(batch: BulkBatch) -> list[int]:
    """The cases, in one order for everybody; where a consent's enrolment is told as well, that is enough."""
    of_enrollments = Enrollment.objects.filter(credential__in=batch.ids).values_list("case_id", flat=True)
    of_consents = Enrollment.objects.filter(consents__credential__in=batch.ids).exclude(credential__in=batch.ids)
    alone = dict(of_consents.values_list("credential_id", "case_id").distinct())
    same_act = BulkBatch.objects.filter(act=batch.act_id, ids__overlap=list(alone)).values_list("ids", flat=True)
    told_there = {each for ids in same_act for each in ids}
    return sorted({*of_enrollments, *(case for credential, case in alone.items() if credential not in told_there)})


def _held(case_pks: Sequence[int]) -> list[tuple[EnrollmentCase, Enrollment]]:
    """The cases and their enrolments, locked: nobody's news overtakes what is told here."""
    held = EnrollmentCase.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=case_pks)
    cases = {case.pk: case for case in held.select_related("subject", "program_version__program").order_by("pk")}
    rows = Enrollment.objects.select_for_update(of=("self",), no_key=True).filter(case__in=case_pks)
    return [(cases[row.case_id], row) for row in rows.select_related("program_version").order_by("case_id")]


def _tell(case: EnrollmentCase, enrollment: Enrollment, what: str, now: datetime) -> bool:
    try:
        with transaction.atomic():
            return _say(case, enrollment, what, now)
    except Exception:  # what cannot be written for one must not keep it from the others for ever
        logger.exception("an order's news could not be written", extra={"row": case.pk})
        return False


def _say(case: EnrollmentCase, enrollment: Enrollment, what: str, now: datetime) -> bool:
    if what == BulkKind.END and enrollment.state == EnrollmentState.CANCELLED:
        result = replace(ending.ended(case, enrollment, now), reason=enrollment.end_reason)
        enrollment_changed.send(Enrollment, result=result, case=case, action="on_update")
        return True
    if what == BulkKind.PAUSE and enrollment.state == EnrollmentState.SUSPENDED:
        told = Snapshot(orders.of_rows(case, enrollment), now, enrollment.suspension_reason)
        enrollment_changed.send(Enrollment, result=told, case=case, action="on_status")
        return True
    if what == BulkKind.GO_ON and enrollment.state in (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE):
        told = Snapshot(orders.of_rows(case, enrollment), now, "The enrollment goes on.")
        enrollment_changed.send(Enrollment, result=told, case=case, action="on_status")
        return True
    if what == BulkKind.RESIGN and enrollment.state in LIVE_ENROLLMENT_STATES:
        told = Snapshot(orders.of_rows(case, enrollment), now, SIGNED_AGAIN, with_credentials=True)
        enrollment_changed.send(Enrollment, result=told, case=case, action="on_status")
        return True
    return False
