"""An agency's cases, from the customer that is to be found to the end. The one writer of `AssistedCase`.

What comes before the customer's own proof is kept apart from what comes after it: until `proved` there is no journey,
no name and no meter, and nothing is sent. Each function is one act in one transaction with its line in the journal;
an act that was done already is done once, so that a form sent twice changes nothing. Source: issue 6 points 2 to 4.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from audit.log import Action
from identity import agents, contacts
from identity.models import Agency, Mandate, Membership, Subject
from identity.people import living
from portals import asking, drafts, help_codes
from portals.agency import scope, timeline
from portals.models import Application, AssistedCase, CatalogProgram, Handover

State, Source = AssistedCase.State, AssistedCase.Source
#: Before the customer has agreed.
BEFORE_PROOF = (State.FINDING, State.READING, State.PROVING, State.REVIEW)
NOT_ME, LEFT, SUSPENDED = "NOT_ME", "LEFT", "AGENCY_SUSPENDED"


class NotTheirs(Exception):
    """There is no such case for this member."""


class OutOfScope(Exception):
    """The agency is not certified for this program or this utility's customers."""


class NotPossible(Exception):
    """The case does not stand where this could be done; the text is a code: CLOSED, FROZEN, NOT_YET, MANDATE."""


class OtherPerson(Exception):
    """Somebody else has proved who they are than the one this case is about."""


# --- finding ---------------------------------------------------------------------------------------------------------


def of_agency(agency: Agency) -> QuerySet[AssistedCase]:
    """All cases of an agency, the newest first."""
    related = ("agency", "operator", "opened_by", "program__bpp", "subject", "mandate", "application")
    return AssistedCase.objects.filter(agency=agency).select_related(*related)


def of_member(member: Membership) -> QuerySet[AssistedCase]:
    """The cases this member may see: managers and reviewers all of their agency's, agents their own and nobody's."""
    found = of_agency(member.agency)
    if member.role in (Membership.Role.MANAGER, Membership.Role.REVIEWER):
        return found
    return found.filter(Q(operator=member) | Q(operator=None))


def find(member: Membership, case_id: UUID) -> AssistedCase:
    """Return a case. Raises NotTheirs."""
    found = of_member(member).filter(pk=case_id).first()
    if found is None:
        raise NotTheirs
    return found


def is_worked_on_by(case: AssistedCase, member: Membership) -> bool:
    """Whether this member may act in the case: seeing a colleague's is not acting in it."""
    return case.operator_id == member.pk


# --- before the proof ------------------------------------------------------------------------------------------------


def open_case(
    member: Membership,
    program: CatalogProgram,
    utility_id: str,
    *,
    source: str,
    now: datetime,
    reference: str = "",
    looked_up: Mapping[str, Any] | None = None,
    handed_over: Application | None = None,
    key: UUID | None = None,
) -> AssistedCase:
    """Begin a case; nothing is sent. `key`: the form's own id of it, so that one form opens one case.

    It waits for the customer to be found, for the sentences where they are (`looked_up`), or for the customer's
    agreement where they handed a draft over. Raises OutOfScope.
    """
    if not scope.covers(member.agency, program, utility_id):
        raise OutOfScope
    with transaction.atomic():
        Membership.objects.select_for_update(of=("self",)).get(pk=member.pk)  # of two presses the second finds the case
        before = AssistedCase.objects.filter(pk=key).first() if key else None
        if before is not None:
            if before.agency_id != member.agency_id or before.opened_by_id != member.pk:
                raise NotTheirs
            return find(member, before.pk)
        case = AssistedCase(
            agency=member.agency,
            reference=reference or new_reference(),
            opened_by=member,
            operator=None if source == Source.IMPORT else member,
            program=program,
            utility_id=utility_id,
            source=source,
            state=_first_state(source, looked_up),
            looked_up=dict(looked_up or {}),
            handed_over=handed_over,
            locale=(handed_over.subject.locale if handed_over else "")[:35],
            opened_at=now,
            updated_at=now,
            **({"pk": key} if key else {}),
        )
        case.save(force_insert=True)
        told = {"program": program.program_id, "utility": utility_id, "source": str(source)}
        timeline.note(Action.ASSISTED_OPENED, case, member, now, **told, reason=_reason(case))
    return case


def looked(case: AssistedCase, looked_up: Mapping[str, Any], *, by: Membership, now: datetime) -> AssistedCase:
    """Keep what the customer was found by. Raises NotPossible."""
    with transaction.atomic():
        kept = _open(case)
        if kept.state not in (State.FINDING, State.READING, State.PROVING) or kept.application_id:
            raise NotPossible("NOT_YET")
        kept.looked_up, kept.subject = dict(looked_up), None
        kept.state = State.READING if kept.read_at is None else State.PROVING
        _save(kept, now)
        timeline.note(Action.ASSISTED_FOUND, kept, by, now, reason=_reason(kept))
    return kept


def read(case: AssistedCase, locale: str, *, by: Membership, now: datetime) -> AssistedCase:
    """The five sentences were read out, in this language. Raises NotPossible."""
    with transaction.atomic():
        kept = _open(case)
        if kept.state == State.FINDING:
            raise NotPossible("NOT_YET")
        if kept.read_at is None or kept.locale != locale:
            kept.read_at, kept.locale = now, locale[:35]
            kept.state = State.PROVING if kept.state == State.READING else kept.state
            _save(kept, now)
            timeline.note(Action.ASSISTED_READ, kept, by, now, locale=locale[:35])
    return kept


def waits_for_review(
    case: AssistedCase, mandate: Mandate, *, now: datetime, by: Membership | None = None
) -> AssistedCase:
    """A paper mandate lies with the reviewers. Raises NotPossible."""
    with transaction.atomic():
        kept = _open(case)
        if kept.state not in (State.READING, State.PROVING, State.REVIEW):
            raise NotPossible("NOT_YET")
        kept.state, kept.mandate = State.REVIEW, mandate
        _save(kept, now)
        timeline.note(Action.DOCUMENT_UPLOADED, kept, by, now, mandate=mandate.mandate_id)
    return kept


def review_ended(case: AssistedCase, *, now: datetime) -> AssistedCase:
    """The paper did not do: the customer's agreement is waited for again. Raises NotPossible."""
    with transaction.atomic():
        kept = _open(case)
        if kept.state == State.REVIEW:
            kept.state, kept.mandate = State.PROVING, kept.mandate if kept.application_id else None
            _save(kept, now)
            timeline.note(Action.ASSISTED_REVIEWED, kept, None, now)
    return kept


# --- the proof -------------------------------------------------------------------------------------------------------


def is_expected(case: AssistedCase, subject: Subject, *, now: datetime) -> bool:
    """Whether this person is the one the case is about, as far as anybody can tell. No transaction open.

    Raises contacts.Unavailable where only the utility can tell and does not answer.
    """
    person = living(subject)
    known = living(case.subject) or (living(case.handed_over.subject) if case.handed_over else None)
    if known is not None:
        return person == known
    account, mobile = _text(case.looked_up.get("account")), _text(case.looked_up.get("mobile"))
    theirs = contacts.accounts(case.utility_id, subject)
    if account:
        wanted = account.strip().casefold()
        if any(each.strip().casefold() == wanted for each in theirs):
            return True
        return contacts.has_meter(case.utility_id, subject, account, now=now)  # a meter's number does, too
    if mobile:
        return any(contacts.match(case.utility_id, account=each, mobile=mobile) == contacts.MATCH for each in theirs)
    return bool(theirs)


def proved(case: AssistedCase, subject: Subject, mandate: Mandate, *, now: datetime) -> Application:
    """Begin the journey: the customer has agreed, `mandate` says so. The program owner is asked in the same commit.

    Of a case that changed hands the journey goes on under the new mandate. Raises NotPossible and OtherPerson.
    """
    person = living(subject) or subject
    with transaction.atomic():
        kept = _open(case)
        if kept.application is not None and kept.mandate_id == mandate.pk and kept.state == State.OPEN:
            return kept.application
        if kept.subject is not None and living(kept.subject) != person:
            raise OtherPerson
        member = _mandated(kept, mandate, person, now)
        kept.subject, kept.mandate, kept.proved_at, kept.operator = person, mandate, now, member
        kept.state = State.OPEN
        kept.application = _journey(kept, member, now)
        _save(kept, now)
        timeline.note(
            Action.ASSISTED_PROVED, kept, member, now, mandate=mandate.mandate_id, evidence=str(mandate.evidence_kind)
        )
    return kept.application


def _mandated(case: AssistedCase, mandate: Mandate, person: Subject, now: datetime) -> Membership:
    """Who the customer has agreed to. Raises NotPossible where the mandate does not fit, or they may not act."""
    fits = (
        mandate.agency_id == case.agency_id
        and living(mandate.subject) == person
        and mandate.state == Mandate.State.ACTIVE
        and mandate.utility_id in ("", case.utility_id)
        and mandate.program_id in ("", case.program.program_id)
    )
    named = Membership.objects.filter(agency=case.agency, operator_id=mandate.operator_id).first()
    member = named or case.operator
    if not fits or member is None or (case.operator is not None and member != case.operator):
        raise NotPossible("MANDATE")
    if agents.blocked(member, now) is not None:  # read anew: stopped while a paper waited, or while the page was open
        raise NotPossible("MANDATE")
    return member


def _journey(case: AssistedCase, member: Membership, now: datetime) -> Application:
    assert case.mandate is not None and case.subject is not None
    mandate_id = case.mandate.mandate_id
    if case.application is not None:

        def under_the_new_one(row: Application) -> None:
            row.operator_id, row.mandate_id = member.operator_id, mandate_id

        return drafts.change(case.application, None, under_the_new_one, now=now)
    user = member.user or case.opened_by.user
    if user is None:
        raise NotPossible("MANDATE")
    begun = drafts.start(
        case.program,
        subject=case.subject,
        user=user,
        portal=case.agency.portal_id,
        utility_id=case.utility_id,
        now=now,
    )

    def ask(row: Application) -> None:
        row.agency_id, row.operator_id, row.mandate_id = case.agency.agency_id, member.operator_id, mandate_id
        row.answers = {**_taken_over(case), "account": True, "locale": case.locale or "en"}
        asking.select(row, token="", now=now)

    application = drafts.change(begun, None, ask, now=now)
    if case.handed_over is not None:
        _drop(case.handed_over, now)
    return application


def _taken_over(case: AssistedCase) -> dict[str, Any]:
    """What the customer had answered in the draft that they handed over; consents they answer themselves, again."""
    if case.handed_over is None:
        return {}
    kept = ("meters", "ders", "starts_on", "ends_on")
    return {key: value for key, value in case.handed_over.answers.items() if key in kept}


def _drop(draft: Application, now: datetime) -> None:
    """The draft's place is taken by the case's journey; what the provider held for it is given back."""

    def drop(row: Application) -> None:
        if row.state != Application.State.DRAFT:
            return
        if row.told.get("on_init"):
            asking.cancel(row, now=now)
        row.state, row.finished_at = Application.State.DROPPED, now

    dropped = drafts.change(draft, None, drop, now=now)
    help_codes.end(dropped, user=dropped.started_by, now=now)


# --- the end, and other hands ----------------------------------------------------------------------------------------


def declared(case: AssistedCase, *, by: Membership, now: datetime) -> AssistedCase:
    """The agent has declared (A8). Raises NotPossible."""
    with transaction.atomic():
        kept = _open(case)
        if kept.state != State.OPEN or not is_worked_on_by(kept, by):
            raise NotPossible("NOT_YET")
        kept.declared_at = now
        _save(kept, now)
        timeline.note(Action.ASSISTED_DECLARED, kept, by, now)
    return kept


def close(case: AssistedCase, outcome: str, now: datetime, *, by: Membership | None = None) -> AssistedCase:
    """End a case; a journey that was not confirmed ends with it. The first outcome stays.

    What its customer was looked up by is forgotten: from the proof on they are known, and without one they never were.
    Raises NotPossible where it is to be dropped while its enrolment is being confirmed.
    """
    with transaction.atomic():
        kept = _locked(case)
        if kept.state == State.CLOSED:
            return kept
        is_confirming = kept.application is not None and kept.application.state == Application.State.CONFIRMING
        if outcome == LEFT and is_confirming:
            raise NotPossible("NOT_YET")  # the program owner may enrol them all the same
        kept.state, kept.outcome, kept.closed_at, kept.looked_up = State.CLOSED, outcome, now, {}
        _save(kept, now)
        Handover.objects.filter(case=kept, ended_at=None).update(ended_at=now)
        is_draft = kept.application is not None and kept.application.state == Application.State.DRAFT
        if is_draft and outcome != NOT_ME:  # a frozen one stays as it is
            assert kept.application is not None
            _drop(kept.application, now)
        timeline.note(Action.ASSISTED_CLOSED, kept, by, now, outcome=outcome)
    return kept


def assign(case: AssistedCase, to: Membership | None, *, by: Membership | None, now: datetime) -> AssistedCase:
    """Give a case to a colleague, or to nobody; `by` None: the system does.

    The customer has agreed to one agent by name: with another one their agreement is waited for again, and the
    journey stands still until then. Raises NotPossible.
    """
    with transaction.atomic():
        kept = _open(case)
        if to is not None and (to.agency_id != kept.agency_id or agents.blocked(to, now) is not None):
            raise NotPossible("MEMBER")
        if kept.operator_id == (to.pk if to else None):
            return kept
        kept.operator = to
        if to is not None and kept.application_id and kept.state in (State.OPEN, State.PROVING):
            kept.state = State.OPEN if _holds(kept.mandate, to, now) else State.PROVING
        _save(kept, now)
        Handover.objects.filter(case=kept, ended_at=None, way=Handover.Way.DEVICE).update(ended_at=now)
        timeline.note(Action.ASSISTED_ASSIGNED, kept, by, now, to=to.operator_id if to else "")
    return kept


def take(case: AssistedCase, member: Membership, *, now: datetime) -> AssistedCase:
    """Take a case that is nobody's. Raises NotPossible where a colleague was faster."""
    with transaction.atomic():
        kept = _open(case)
        if kept.operator_id not in (None, member.pk):
            raise NotPossible("TAKEN")
        return assign(kept, member, by=member, now=now)


def not_me(application: Application, *, now: datetime) -> AssistedCase | None:
    """The customer has said that this was not them: the case stands still for good. None without a case."""
    with transaction.atomic():
        case = AssistedCase.objects.filter(application=application).first()
        if case is None:
            return None
        kept = _locked(case)
        if kept.not_me_at is not None:
            return kept
        kept.not_me_at = now
        _save(kept, now)
        timeline.note_customer(Action.ASSISTED_NOT_ME, kept, kept.subject, now)
        return close(kept, NOT_ME, now)


def taken_back(mandate: Mandate, *, now: datetime) -> int:
    """The customer has taken this mandate back: the journeys under it stand still until they agree anew."""
    count = 0
    with transaction.atomic():
        for case in AssistedCase.objects.filter(mandate=mandate, state__in=(State.OPEN, State.REVIEW)).order_by("pk"):
            kept = _locked(case)
            if kept.mandate_id != mandate.pk or kept.state not in (State.OPEN, State.REVIEW):
                continue
            kept.state = State.PROVING
            _save(kept, now)
            Handover.objects.filter(case=kept, ended_at=None).update(ended_at=now)
            timeline.note_customer(Action.MANDATE_REVOKED, kept, mandate.subject, now, mandate=mandate.mandate_id)
            count += 1
    return count


def stands_still(case: AssistedCase, reason: str, *, now: datetime) -> AssistedCase:
    """The customer's mandate is over: their agreement is waited for again. `reason` as `mandates.prove` says it."""
    with transaction.atomic():
        kept = _locked(case)
        if kept.state == State.OPEN and kept.mandate_id == case.mandate_id:
            kept.state = State.PROVING
            _save(kept, now)
            Handover.objects.filter(case=kept, ended_at=None).update(ended_at=now)
            timeline.note(Action.ASSISTED_STOOD_STILL, kept, None, now, reason=reason)
    return kept


def settle(application: Application, *, now: datetime) -> None:
    """Close the case of a journey that has ended: enrolled, refused for good, or dropped."""
    states = Application.State
    outcomes = {states.ENROLLED: "ENROLLED", states.REFUSED: "REFUSED", states.ENDED: "ENDED", states.DROPPED: LEFT}
    outcome = outcomes.get(states(application.state))
    case = AssistedCase.objects.filter(application=application).exclude(state=State.CLOSED).first()
    if case is not None and outcome is not None:
        close(case, outcome, now)


def settle_all(now: datetime) -> int:
    """Close what ended while nobody looked: a process died, a customer ended their journey alone; return how many."""
    ended = (Application.State.ENROLLED, Application.State.REFUSED, Application.State.ENDED, Application.State.DROPPED)
    rows = AssistedCase.objects.filter(closed_at=None, application__isnull=False, application__state__in=ended)
    found = list(rows.select_related("application").order_by("pk")[:200])
    for case in found:
        if case.application is not None:
            settle(case.application, now=now)
    return len(found)


def new_reference() -> str:
    """A reference that can be read out and is easily told from another."""
    code = "".join(secrets.choice(help_codes.ALPHABET) for _ in range(help_codes.LENGTH))
    return f"{code[:4]}-{code[4:]}"


def _holds(mandate: Mandate | None, member: Membership, now: datetime) -> bool:
    if mandate is None or mandate.state != Mandate.State.ACTIVE or not mandate.valid_from <= now < mandate.valid_until:
        return False
    return mandate.operator_id in ("", member.operator_id)


def _first_state(source: str, looked_up: Mapping[str, Any] | None) -> str:
    if source in (Source.HANDED_OVER, Source.IMPORT):
        return State.PROVING
    return State.READING if looked_up else State.FINDING


def _locked(case: AssistedCase) -> AssistedCase:
    rows = AssistedCase.objects.select_for_update(of=("self",))
    return rows.select_related(
        "agency", "operator__user", "opened_by__user", "program__bpp", "subject", "mandate", "application__program__bpp"
    ).get(pk=case.pk)


def _open(case: AssistedCase) -> AssistedCase:
    kept = _locked(case)
    if kept.not_me_at is not None:
        raise NotPossible("FROZEN")
    if kept.state == State.CLOSED:
        raise NotPossible("CLOSED")
    return kept


def _save(case: AssistedCase, now: datetime) -> None:
    case.version += 1
    case.updated_at = now
    case.save()


def _reason(case: AssistedCase) -> str:
    return _text(case.looked_up.get("reason"))[:40]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
