"""What this room keeps of people, and how long: applications, their files, and the evidence of enrolments.

Also what is kept of utilities' answers, which are remembered for enrolments only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from enrollment import keeping_files, not_me_links
from enrollment.models import (
    CaseCheck,
    Claim,
    Consent,
    CustomerNotice,
    Document,
    Enrollment,
    EnrollmentCase,
    EnrollmentMeter,
    NotMeLink,
    Recheck,
    ReviewNote,
    StaffAct,
    UtilityNotice,
)
from enrollment.states import (
    LIVE_ENROLLMENT_STATES,
    OPEN_CASE_STATES,
    ClaimState,
    ConsentState,
    Decidable,
    DocumentState,
)
from files.store import StoreUnavailable
from identity import keeping
from identity.keeping import Block, Ground, How, Kind, Person, Room, Section
from utility_systems.models import DerSubjectLink, MeterSubjectLink, Site

LIVE = tuple(LIVE_ENROLLMENT_STATES)
#: An application says at its end itself what it needs no more; this is for one that an error left behind.
AFTER_DEADLINE = timedelta(days=1)


# --- what goes -------------------------------------------------------------------------------------------------------


def _left_behind(now: datetime) -> QuerySet[EnrollmentCase]:
    """Answers of applications that have ended or should have; one that its customer has stopped waits for staff."""
    over = ~Q(state__in=OPEN_CASE_STATES) | Q(deadline__lt=now - AFTER_DEADLINE)
    return EnrollmentCase.objects.filter(over, payload__isnull=False, frozen_at=None)


def _payloads(now: datetime) -> int:
    return keeping.wipe(_left_behind(now), payload=None)


def _oldest_payload() -> datetime | None:
    return keeping.first(EnrollmentCase.objects.filter(payload__isnull=False, frozen_at=None), "deadline")


def _oldest_file() -> datetime | None:
    decided = Document.objects.exclude(storage_key="").exclude(state=DocumentState.UPLOADED)
    until = keeping.first(decided, "retention_until")
    return until - timedelta(days=settings.RETENTION_DOCUMENTS_DAYS) if until else None


def _notes(now: datetime) -> int:
    before = now - keeping.of_people()
    count = keeping.wipe(keeping.filled(Recheck.objects.filter(done_at__lt=before), "note"), note="")
    count += keeping.wipe(keeping.filled(StaffAct.objects.filter(at__lt=before), "note"), note="")
    return count + keeping.delete(ReviewNote.objects.filter(at__lt=before))


def _oldest_note() -> datetime | None:
    moments = (
        keeping.first(keeping.filled(Recheck.objects.all(), "note"), "done_at"),
        keeping.first(keeping.filled(StaffAct.objects.all(), "note"), "at"),
        keeping.first(ReviewNote.objects.all(), "at"),
    )
    return min((each for each in moments if each is not None), default=None)


def _review_texts(now: datetime) -> int:
    decided = Document.objects.filter(decided_at__lt=now - keeping.of_people(), applicant_text__isnull=False)
    return keeping.wipe(decided, applicant_text=None)


def _unused_sites(before: datetime) -> QuerySet[Site]:
    """Places with an address at which nobody is, or was a short while ago, enrolled."""
    there = EnrollmentMeter.objects.filter(meter__site=OuterRef("pk"))
    recent = Q(enrollment__state__in=LIVE) | Q(enrollment__cancelled_at__gte=before)
    recent |= Q(enrollment__state="EXPIRED", enrollment__period__endswith__gte=before)
    return keeping.filled(Site.objects.exclude(Exists(there.filter(recent))), "address")


def _addresses(now: datetime) -> int:
    return keeping.wipe(_unused_sites(now - keeping.of_people()), address="")


KINDS = (
    Kind(
        code="enrollment.applications",
        name=_("What applicants told us and what their utility attested, while it is being decided"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the application’s last day; once it is decided, at once"),
        period=lambda: AFTER_DEADLINE,
        covers=("enrollment.enrollmentcase.payload",),
        stays=_("That somebody applied, what was checked and what came of it, by pseudonym."),
        let_go=_payloads,
        oldest=_oldest_payload,
    ),
    Kind(
        code="enrollment.files",
        name=_("Files that applicants uploaded"),
        ground=Ground.PROOF,
        how=How.DELETE,
        since=_("the upload; what waits for its review is kept till then"),
        period=keeping.days("RETENTION_DOCUMENTS_DAYS"),
        stays=_("Digest, size, who looked at it and what they decided."),
        let_go=keeping_files.forget_files,
        oldest=_oldest_file,
        every=timedelta(seconds=1),
    ),
    Kind(
        code="enrollment.not-me-links",
        name=_("Addresses by which customers say “this was not me”"),
        ground=Ground.SECURITY,
        how=How.DELETE,
        since=_("the address’s end"),
        period=lambda: not_me_links.REMEMBERED,
        let_go=not_me_links.forget,
        oldest=lambda: keeping.first(NotMeLink.objects.all(), "expires_at"),
    ),
    Kind(
        code="enrollment.notes",
        name=_("What staff noted about enrolments, orders and files"),
        ground=Ground.PROOF,
        how=How.WIPE,
        since=_("the note"),
        period=keeping.of_people,
        covers=("enrollment.recheck.note", "enrollment.staffact.note", "enrollment.reviewnote.text"),
        stays=_("Who acted, when, and the reason as a code."),
        let_go=_notes,
        oldest=_oldest_note,
    ),
    Kind(
        code="enrollment.review-texts",
        name=_("What applicants were told about files that did not do"),
        ground=Ground.PROOF,
        how=How.WIPE,
        since=_("the decision"),
        period=keeping.of_people,
        covers=("enrollment.document.applicant_text",),
        stays=_("The decision, and its reason as a code."),
        let_go=_review_texts,
        oldest=lambda: keeping.first(Document.objects.filter(applicant_text__isnull=False), "decided_at"),
    ),
    Kind(
        code="enrollment.addresses",
        name=_("Addresses of meters"),
        ground=Ground.CONTRACT,
        how=How.WIPE,
        since=_("the last enrolment there ended"),
        period=keeping.of_people,
        covers=("utility_systems.site.address",),
        stays=_("The meter’s id and its place in the grid."),
        let_go=_addresses,
    ),
    Kind(
        code="enrollment.evidence",
        name=_("Enrolments, consents, what was checked, claims on meters, notices that were sent"),
        ground=Ground.PROOF,
        how=How.STAYS,
        since=_("the enrolment"),
        period=lambda: None,
        stays=_(
            "Pseudonyms, meters’ ids, dates and codes; no name, address or number. They prove to both sides who agreed"
            " to what, and that nobody was enrolled twice."
        ),
        oldest=lambda: Enrollment.objects.order_by("pk").values_list("enrolled_at", flat=True).first(),
    ),
)


# --- one person ------------------------------------------------------------------------------------------------------


def _uses(before: datetime) -> Iterable[Exists]:
    mine = Enrollment.objects.filter(subject=OuterRef("pk"))
    over = Q(state="EXPIRED", period__endswith__gte=before)
    yield Exists(mine.filter(Q(state__in=LIVE) | Q(cancelled_at__gte=before) | over))
    cases = EnrollmentCase.objects.filter(subject=OuterRef("pk")).exclude(state="CONFIRMED")
    yield Exists(cases.filter(Q(state__in=OPEN_CASE_STATES) | Q(updated_at__gte=before)))
    yield Exists(Consent.objects.filter(grantor=OuterRef("pk"), state=ConsentState.GRANTED))


def _cases(person: Person) -> QuerySet[EnrollmentCase]:
    return EnrollmentCase.objects.filter(subject__in=person.ids).order_by("pk")


def _enrollments(person: Person) -> QuerySet[Enrollment]:
    return Enrollment.objects.filter(subject__in=person.ids).order_by("pk")


def _held(person: Person) -> Iterable[Section]:
    cases = _cases(person).prefetch_related("checks", "documents", "notices")
    yield Section("Your applications", [_case(each) for each in cases])
    rows = _enrollments(person).select_related("program_version__program").prefetch_related("meters", "ders")
    yield Section("Your enrolments", [_enrollment(each) for each in rows])
    consents = Consent.objects.filter(grantor__in=person.ids).select_related("enrollment").prefetch_related("events")
    yield Section("Your consents", [_consent(each) for each in consents.order_by("pk")])
    links = MeterSubjectLink.objects.filter(subject__in=person.ids).select_related("meter__site").order_by("pk")
    yield Section("Meters your utility says are yours", [_meter(each) for each in links])
    devices = DerSubjectLink.objects.filter(subject__in=person.ids).select_related("der").order_by("pk")
    yield Section(
        "Devices that were yours",
        [
            {
                "device": each.der.der_id,
                "type": each.der.type,
                "kW": each.der.rated_kw,
                "role": each.role,
                "from": each.valid.lower,
                "until": each.valid.upper,
                "says": each.source,
            }
            for each in devices
        ],
    )


def _case(each: EnrollmentCase) -> Mapping[str, Any]:
    return {
        "order": each.order_id,
        "through": each.bap_id,
        "agency": each.agency_id,
        "program": each.program_id,
        "began": each.created_at,
        "state": each.state,
        "refused because": each.refusal_code,
        "you told us, and your utility attested": each.payload or {},
        "checked": [
            {"what": check.kind, "of": check.target, "result": check.result, "code": check.code, "at": check.at}
            for check in each.checks.all()
        ],
        "files": [
            {"kind": file.kind, "state": file.state, "uploaded": file.uploaded_at, "sha256": file.sha256}
            for file in each.documents.all()
        ],
        "you were written": [
            {"about": notice.template, "sent": notice.sent_at, "state": notice.state} for notice in each.notices.all()
        ],
    }


def _enrollment(each: Enrollment) -> Mapping[str, Any]:
    return {
        "reference": each.order_number,
        "enrolment": each.enrollment_id,
        "program": each.program_version.program.program_id,
        "version": each.program_version.number,
        "state": each.state,
        "from": each.period.lower,
        "until": each.period.upper,
        "enrolled on": each.enrolled_at,
        "ended on": each.cancelled_at,
        "because": each.end_reason,
        "meters": [meter.umid for meter in each.meters.all()],
        "devices": [der.der_ref for der in each.ders.all()],
    }


def _consent(each: Consent) -> Mapping[str, Any]:
    return {
        "consent": each.consent_id,
        "of enrolment": each.enrollment.order_number,
        "to": each.consent_type,
        "terms": each.terms,
        "state": each.state,
        "given": each.granted_at,
        "until": each.valid_until,
        "withdrawn": each.revoked_at,
        "text": each.text_version,
        "text's digest": each.text_digest,
        "language": each.locale,
        "history": [{"what": event.event, "at": event.at} for event in each.events.all()],
    }


def _meter(each: MeterSubjectLink) -> Mapping[str, Any]:
    return {
        "meter": each.meter.umid,
        "utility": each.meter.utility_id,
        "address": each.meter.site.address if each.meter.site else "",
        "load (kW)": each.meter.sanctioned_load_kw,
        "role": each.role,
        "from": each.valid.lower,
        "until": each.valid.upper,
    }


def _blocks(person: Person, now: datetime) -> Iterable[Block]:
    for enrolled in _enrollments(person).filter(state__in=LIVE)[:20]:
        yield Block("ENROLLMENT", enrolled.order_number)
    for case in _cases(person).filter(state__in=OPEN_CASE_STATES)[:20]:
        yield Block("CASE", case.order_id)
    granted = Consent.objects.filter(grantor__in=person.ids, state=ConsentState.GRANTED)
    for consent in granted.exclude(enrollment__state__in=LIVE).order_by("pk")[:20]:
        yield Block("CONSENT", consent.consent_id)


def _erase(person: Person, now: datetime) -> Mapping[str, int]:
    files = list(
        Document.objects.filter(case__subject__in=person.ids)
        .exclude(storage_key="")
        .values_list("storage_key", flat=True)
    )
    Document.objects.filter(storage_key__in=files).update(storage_key="")
    transaction.on_commit(lambda: _forget(files), robust=True)
    payloads = _cases(person).filter(payload__isnull=False).order_by().update(payload=None)
    notes = _erase_notes(person)
    addresses = _erase_addresses(person)
    links = MeterSubjectLink.objects.filter(subject__in=person.ids).delete()[0]
    links += DerSubjectLink.objects.filter(subject__in=person.ids).delete()[0]
    gone = NotMeLink.objects.filter(notice__case__subject__in=person.ids).delete()[0]
    return {"FILE": len(files), "ANSWERS": payloads, "NOTE": notes, "METER": links, "LINK": gone, "ADDRESS": addresses}


def _erase_addresses(person: Person) -> int:
    """The addresses of the meters they had, but where somebody else is enrolled, or lives."""
    theirs = Q(meters__enrollments__enrollment__subject__in=person.ids) | Q(
        meters__subject_links__subject__in=person.ids
    )
    there = EnrollmentMeter.objects.filter(meter__site=OuterRef("pk"), enrollment__state__in=LIVE)
    others = MeterSubjectLink.objects.filter(meter__site=OuterRef("pk")).exclude(subject__in=person.ids)
    sites = keeping.filled(Site.objects.filter(theirs), "address").exclude(Exists(there) | Exists(others))
    keys = set(sites.values_list("pk", flat=True))
    return Site.objects.filter(pk__in=keys).update(address="")


def _erase_notes(person: Person) -> int:
    count = 0
    for model, mine in (
        (Recheck, {"enrollment__subject__in": person.ids}),
        (StaffAct, {"case__subject__in": person.ids}),
    ):
        rows = model._default_manager.filter(**mine)
        keys = list(keeping.filled(rows, "note").values_list("pk", flat=True))
        count += model._default_manager.filter(pk__in=keys).update(note="")
    files = Document.objects.filter(case__subject__in=person.ids)
    orders = [str(key) for key in _cases(person).values_list("pk", flat=True)]
    about = Q(kind=Decidable.DOCUMENT, reference__in=files.values("document_id"))
    about |= Q(kind=Decidable.ORDER, reference__in=orders)
    about |= Q(kind=Decidable.PAPER, reference__in=person.papers)
    count += ReviewNote.objects.filter(about).delete()[0]
    return count + files.filter(applicant_text__isnull=False).update(applicant_text=None)


def _forget(files: list[str]) -> None:
    """What the store does not take away now is found by the search for files without a row."""
    for key in files:
        try:
            keeping_files.SHELF.forget(key)
        except StoreUnavailable:
            return


def _stays(person: Person) -> Mapping[str, int]:
    cases = _cases(person)
    return {
        "ENROLLMENT": _enrollments(person).count(),
        "CONSENT": Consent.objects.filter(grantor__in=person.ids).count(),
        "CASE": cases.count(),
        "CHECK": CaseCheck.objects.filter(case__subject__in=person.ids).count(),
        "NOTICE": CustomerNotice.objects.filter(case__subject__in=person.ids).count()
        + UtilityNotice.objects.filter(enrollment__subject__in=person.ids).count(),
        "CLAIM": Claim.objects.filter(case__subject__in=person.ids).exclude(state=ClaimState.HELD).count(),
    }


def _transactions(ids: tuple[UUID, ...]) -> Iterable[str]:
    rows = EnrollmentCase.objects.filter(subject__in=ids)
    return {each for several in rows.values_list("transaction_ids", flat=True) for each in several}


ROOM = Room(
    "enrollment",
    KINDS,
    uses=_uses,
    transactions=_transactions,
    held=_held,
    blocks=_blocks,
    erase=_erase,
    stays=_stays,
)
