"""Customers are told: at each change of their application or enrolment, by a row of the same transaction.

`tell` and its like are called by the writers, inside their transaction. `deliver` sends what is due with no
transaction open, again and again for a week; those of one case leave in the order they were written. What somebody is
just being answered on the screen is not written to them as well, but for the first application and the enrolment
itself: of those must hear whose name somebody else has used. Orders confirmed from one basket make one notice.
Source: issue 5 (8), spec domain 5, personas P2-4, decision 57.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from enrollment import known, not_me_links, wording
from enrollment.codes import Code
from enrollment.gateways import Gateway, Message, NotSent, gateway
from enrollment.models import CustomerNotice, Document, Enrollment, EnrollmentCase, EnrollmentMeter
from enrollment.results import Prepared, Refused, Result
from enrollment.states import CaseState, DocumentState
from identity.models import Agency, Mandate
from utility_systems import registry
from utility_systems.models import Meter

STARTED, CONFIRMED = "application-started", "enrollment-confirmed"
#: The first word of an application that an agency has made.
AGENCY_STARTED = "agency-started"
#: What carries no address to stop things with: nothing is left to be stopped, or it is stopped already.
WITHOUT_LINK = frozenset(
    {
        "not-me-received",
        "not-me-released",
        "not-me-ended",
        "application-expired",
        "enrollment-expired",
        "mandate-taken-back",
        "agency-suspended",
    }
)
#: How long orders of one basket wait for each other, to be told in one notice.
BASKET_PAUSE = timedelta(seconds=20)
#: How long one attempt may take before another worker may try; how often, and when we stop trying by ourselves.
LEASE = timedelta(minutes=2)
FIRST_PAUSE, LONGEST_PAUSE, GIVE_UP_AFTER = timedelta(seconds=10), timedelta(hours=1), timedelta(days=7)
MOST_AT_ONCE, SECONDS_AT_ONCE = 50, 2.0

#: Parameters that are instants, and what the words call them.
_NAMES_OF_INSTANTS = {"at": "at", "repairUntil": "until", "mandateUntil": "allowed"}
#: A utility and the meters by which it knows the customer.
Whose = tuple[str, Sequence[str]]


# --- writing ---------------------------------------------------------------------------------------------------------


def tell(case: EnrollmentCase, template: str, now: datetime, *, whose: Whose | None = None, **parameters: str) -> None:
    """Have the case's customer told. `parameters` are ids, codes and instants (ISO 8601). Caller's transaction.

    Of an agency that acts for them they hear with the first word of the application, and with the enrolment (EA-4).
    """
    if case.agency_id and template in (STARTED, CONFIRMED):
        template = AGENCY_STARTED if template == STARTED else template
        parameters = {**parameters, **_of_the_agency(case)}
    pause = BASKET_PAUSE if template == CONFIRMED and case.batch_id else timedelta()
    _row(case.pk, template, now, whose or _whose(case), parameters, now + pause).save(force_insert=True)


def _of_the_agency(case: EnrollmentCase) -> dict[str, str]:
    """Which agency acts, and until when the customer has allowed it. Who of its people it was stays with them."""
    mandate = Mandate.objects.filter(mandate_id=case.mandate_id, agency__agency_id=case.agency_id).first()
    until = {"mandateUntil": mandate.valid_until.isoformat()} if mandate is not None else {}
    return {"agency": case.agency_id, **until}


def tell_enrolled(enrollment: Enrollment, template: str, now: datetime, **parameters: str) -> None:
    """`tell` for an enrolment that stands. Caller's transaction."""
    tell_all([enrollment], template, now, **parameters)


def tell_all(enrollments: Sequence[Enrollment], template: str, now: datetime, **parameters: str) -> None:
    """`tell_enrolled` for many. Caller's transaction."""
    by_enrollment: dict[int, tuple[str, list[str]]] = {}  # many enrolments, one question
    meters = EnrollmentMeter.objects.filter(enrollment__in=[e.pk for e in enrollments]).order_by("pk")
    for pk, utility_id, umid in meters.values_list("enrollment_id", "meter__utility_id", "umid"):
        first, umids = by_enrollment.setdefault(pk, (utility_id, []))
        if utility_id == first:
            umids.append(umid)
    CustomerNotice.objects.bulk_create(
        _row(e.case_id, template, now, by_enrollment.get(e.pk, ("", ())), parameters, now) for e in enrollments
    )


def _row(
    case_id: int,
    template: str,
    now: datetime,
    whose: Whose,
    parameters: Mapping[str, str],
    next_attempt_at: datetime,
) -> CustomerNotice:
    utility_id, umids = whose
    return CustomerNotice(
        case_id=case_id,
        template=template,
        parameters=dict(parameters),
        utility_id=utility_id,
        meters=list(umids),
        state="WAITING",
        created_at=now,
        next_attempt_at=next_attempt_at,
    )


def _whose(case: EnrollmentCase) -> Whose:
    """Who knows the customer of a case: the utility of its first meter that we know."""
    rows = Meter.objects.filter(umid__in=case.meters).order_by("pk").values_list("utility_id", "umid")
    by_utility: dict[str, list[str]] = {}
    for utility_id, umid in rows:
        by_utility.setdefault(utility_id, []).append(umid)
    if by_utility:
        return next(iter(by_utility.items()))
    offered = case.program_version.utilities if case.program_version is not None else []
    return (offered[0], case.meters) if len(offered) == 1 else ("", case.meters)


def about_an_init(case: EnrollmentCase, result: Result, now: datetime) -> None:
    """After an init that its sender is being answered: the first word of an application. Caller's transaction."""
    if case.subject_id is None or case.state in (CaseState.REJECTED, CaseState.CONFIRMED):
        return
    if case.is_waiting_for_a_utility:
        if case.retry_attempt == 1:  # the first time that it is silent
            tell(case, "application-waiting", now, whose=(case.waiting_utility, case.meters))
    elif not CustomerNotice.objects.filter(case=case).exists():
        tell(case, STARTED, now)


def about_later(case: EnrollmentCase, result: Result, now: datetime) -> None:
    """After a check that went on by itself: what its applicant, who is not there, has to know. Caller's transaction."""
    if case.subject_id is None:
        return
    if isinstance(result, Refused):
        if result.refusal.code is Code.DER_NOT_CERTIFIED and _was_told_by_its_reviewer(case):
            return
        if Document.objects.filter(case=case, state=DocumentState.ASKED).exists():
            tell(case, "application-needs-documents", now)
        else:
            tell(case, "application-refused", now, reason=result.refusal.code.value)
    elif isinstance(result, Prepared):
        told = {
            CaseState.READY: "application-ready",
            CaseState.NEEDS_INPUT: "application-needs-input",
            CaseState.IN_REVIEW: "application-in-review",
        }
        template = told.get(CaseState(case.state))
        if template is not None:
            tell(case, template, now)


def _was_told_by_its_reviewer(case: EnrollmentCase) -> bool:
    """Whether the file decided last was refused with words that say all: what is wanted instead, or that it is over."""
    last = Document.objects.filter(case=case, decided_at__isnull=False).order_by("-decided_at", "-pk").first()
    return last is not None and last.state == DocumentState.REFUSED and (last.is_final or bool(last.applicant_text))


def preview(case: EnrollmentCase, template: str, locale: str, *, said: str = "", **parameters: str) -> wording.Words:
    """What a notice would say, in one of `wording.languages()`; `said` in place of what the document will keep."""
    row = CustomerNotice(case=case, template=template, parameters=dict(parameters), utility_id=_whose(case)[0])
    return _words([row], locale, None, said=said)


# --- sending ---------------------------------------------------------------------------------------------------------


def deliver(now: datetime) -> int:
    """Send what is due; whom a silent utility knows waits for the next round."""
    began, sent = time.monotonic(), 0
    silent: set[str] = set()
    while sent < MOST_AT_ONCE and time.monotonic() - began < SECONDS_AT_ONCE:
        rows = _take(now, silent)
        if not rows:
            return sent
        sent += 1
        by = gateway()
        try:
            locale = _send(rows, by, now)
        except NotSent as problem:
            silent.add(rows[0].utility_id)
            _try_later(rows, str(problem), now)
        else:
            _sent(rows, by, locale, now)
    return sent


def _take(now: datetime, silent: set[str]) -> list[CustomerNotice]:
    """The next row that is due and has no elder before it, with the others of its basket; leased."""
    elder = CustomerNotice.objects.filter(state="WAITING", case=OuterRef("case"), pk__lt=OuterRef("pk"))
    due = CustomerNotice.objects.filter(state="WAITING", next_attempt_at__lte=now).filter(~Exists(elder))
    due = due.exclude(utility_id__in=silent)
    with transaction.atomic():
        row = (
            due.select_for_update(skip_locked=True, of=("self",))
            .select_related("case__subject", "case__program_version__program", "case__enrollment")
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if row is None:
            return []
        rows = [row, *_of_its_basket(row, now)]
        CustomerNotice.objects.filter(pk__in=[each.pk for each in rows]).update(next_attempt_at=now + LEASE)
    return rows


def _of_its_basket(row: CustomerNotice, now: datetime) -> list[CustomerNotice]:
    if row.template != CONFIRMED or not row.case.batch_id:
        return []
    others = CustomerNotice.objects.filter(
        state="WAITING",
        template=CONFIRMED,
        utility_id=row.utility_id,
        case__bap_id=row.case.bap_id,
        case__batch_id=row.case.batch_id,
        case__subject=row.case.subject_id,
        next_attempt_at__lte=now + BASKET_PAUSE,
    )
    return list(
        others.exclude(pk=row.pk)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("case__subject", "case__program_version__program", "case__enrollment")
        .order_by("pk")
    )


def _send(rows: Sequence[CustomerNotice], by: Gateway, now: datetime) -> str:
    """Write the words and hand them over; returns the language, "" where nobody is there. Raises NotSent."""
    row, case = rows[0], rows[0].case
    subject = case.subject
    if subject is None:
        return ""
    locale = wording.language_for(subject.locale)
    has_link = by.reaches_registered_contact and row.template not in WITHOUT_LINK and not case.is_frozen
    link = not_me_links.make(row, now) if has_link else None
    words = _words(rows, locale, link)
    message = Message(
        notice_id=str(row.notice_id),
        template=row.template,
        locale=locale,
        subject=words.subject,
        text=words.text,
        parameters=dict(row.parameters),
        not_me_url=link.url if link else "",
        utility_id=row.utility_id,
        meters=tuple(row.meters),
        contact_email=subject.email,
        contact_phone=subject.phone,
    )
    person = known.as_(subject, row.utility_id, since=case.created_at)
    return locale if by.send(message, person) else ""


def _words(
    rows: Sequence[CustomerNotice], locale: str, link: not_me_links.Made | None, *, said: str = ""
) -> wording.Words:
    row = rows[0]
    version = row.case.program_version
    support = version.support if version is not None else {}
    frame = wording.Frame(
        link=link.url if link else "",
        until=link.until.astimezone(_zone(row)) if link else None,
        help_name=str(support.get("name", "")),
        help_phone=str(support.get("phone", "")),
        help_hours=str(support.get("hours", "")),
        is_assisted=bool(row.case.agency_id),
    )
    facts: dict[str, str | datetime] = dict(_facts(row, locale))
    if said:
        facts["said"] = said
    template = row.template
    if len(rows) > 1:
        template = f"{CONFIRMED}-several"
        all_of_them = [_facts(each, locale) for each in rows]
        facts["count"] = str(len(rows))
        facts["list"] = ", ".join(f"{each['number']} ({each['program']})" for each in all_of_them)
        template += "-agency" if "agency" in facts else ""
    elif template == CONFIRMED and "agency" in facts:
        template = f"{CONFIRMED}-agency"
    elif template == AGENCY_STARTED and "allowed" in facts:
        template = f"{AGENCY_STARTED}-allowed"
    elif template == "enrollment-suspended" and "until" in facts:
        template = "enrollment-suspended-until"
    return wording.compose(template, locale, facts, frame)


def _facts(row: CustomerNotice, locale: str) -> Mapping[str, Any]:
    """What a notice's words name: the program in the customer's language, the number, days in the utility's zone."""
    case, version = row.case, row.case.program_version
    enrollment = getattr(case, "enrollment", None)
    shown = version.presentation.get("texts", {}).get(locale, {}) if version is not None else {}
    facts: dict[str, Any] = {
        "program": shown.get("name") or (version.name if version is not None else case.program_id),
        "number": enrollment.order_number if enrollment is not None else "",
    }
    for name, value in row.parameters.items():
        facts[_NAMES_OF_INSTANTS.get(name, name)] = _told(name, value, row)
    if case.agency_id:
        facts["agency"] = _agency(case.agency_id)
    if "document" in row.parameters:
        facts["said"] = _said_of(str(row.parameters["document"]))
    if "consent" in row.parameters and version is not None:
        facts["consent"] = _consent(version.required_consents, str(row.parameters["consent"]), locale)
    return facts


def _consent(asked: Sequence[Mapping[str, Any]], key: str, locale: str) -> str:
    """What a consent allows, in one sentence without its full stop; `key` as `consent_key` makes it."""
    for consent in asked:
        if consent_key((consent["type"], consent.get("fromUtility", ""), consent.get("toUtility", ""))) == key:
            return str(consent.get("descriptions", {}).get(locale) or consent.get("description", "")) or key
    return key


def consent_key(key: tuple[str, str, str]) -> str:
    """A consent's key as a notice's parameter: its type, and the direction between utilities."""
    return "|".join(part for part in key if part)


def _said_of(document_id: str) -> str:
    """What a reviewer has written to the applicant about their file; it stands with the file, not in the notice."""
    found = Document.objects.filter(document_id=document_id).first()
    return (found.applicant_text or "") if found is not None else ""


def _agency(agency_id: str) -> str:
    return Agency.objects.filter(agency_id=agency_id).values_list("name", flat=True).first() or agency_id


def _told(name: str, value: str, row: CustomerNotice) -> str | datetime:
    return datetime.fromisoformat(value).astimezone(_zone(row)) if name in _NAMES_OF_INSTANTS else value


def _zone(row: CustomerNotice) -> Any:
    try:
        return registry.zone(row.utility_id)
    except registry.UnknownUtility:
        return UTC


def _sent(rows: Sequence[CustomerNotice], by: Gateway, locale: str, now: datetime) -> None:
    for row in rows:
        CustomerNotice.objects.filter(pk=row.pk).update(
            state="SENT" if locale else "NOBODY",
            sent_at=now if locale else None,
            sent_by=type(by).__name__ if locale else "",
            locale=locale,
            attempts=row.attempts + 1,
            last_problem="",
        )


def _try_later(rows: Sequence[CustomerNotice], problem: str, now: datetime) -> None:
    for row in rows:
        is_over = now - row.created_at >= GIVE_UP_AFTER
        CustomerNotice.objects.filter(pk=row.pk).update(
            state="STUCK" if is_over else "WAITING",
            attempts=row.attempts + 1,
            next_attempt_at=now + min(FIRST_PAUSE * 2 ** min(row.attempts, 20), LONGEST_PAUSE),
            last_problem=problem[:200],
        )


def try_again(now: datetime, *, utility_id: str = "") -> int:
    """Have what is stuck or waiting tried at once; returns how many."""
    rows = CustomerNotice.objects.filter(state__in=["STUCK", "WAITING"])
    if utility_id:
        rows = rows.filter(utility_id=utility_id)
    return rows.update(state="WAITING", next_attempt_at=now)
