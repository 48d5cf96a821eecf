"""Mandates on paper: a scan comes, and another person than its uploader decides about it (issue 6 points 3 and 6).

Who has signed is not believed: the mandate is the account's holder's, whom the utility names, when it comes and again
when it is approved. Until then nothing can be done by it. Each decision is made once, and says why.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from audit import log
from audit.log import Action, Actor, ActorKind, Channel
from files import scanning
from files.looking import STORE_UNAVAILABLE, NotTaken, look_at, size_refused
from files.showing import GONE, NotShown, Shown, content_of, name_of, scanned_now
from files.store import Shelf, StoreUnavailable
from identity import agents, contacts, keeping, mandates, people
from identity.models import Mandate, Membership, Subject
from portals import reading
from portals.agency import cases, look_ups, timeline
from portals.models import AssistedCase, MandatePaper

SHELF = Shelf("portals.mandate.bytes", folder="mandates")
State, Reason = MandatePaper.State, MandatePaper.Reason
APPROVE, AGAIN, REFUSE = "APPROVE", "AGAIN", "REFUSE"
#: How long a case's paper may be signed, and what it allows lasts from the case's beginning.
LASTS = mandates.LASTS
#: How long a scan is kept whose case ended before anybody looked at it.
UNUSED = timedelta(days=30)
_MOST_AT_ONCE = 200
logger = logging.getLogger(__name__)


class NotYours(Exception):
    """This person may not decide about this paper; the text is a code: OWN, OWNER, NOT_OPENED."""


class Decided(Exception):
    """Somebody has decided already, or the paper is not in a state to be decided: `paper` says how it stands."""

    def __init__(self, paper: MandatePaper) -> None:
        super().__init__(paper.state)
        self.paper = paper


class NotPossible(Exception):
    """It cannot be approved now; the text is a code: HOLDER, UNAVAILABLE, CASE, GONE."""


@dataclass(frozen=True)
class Reviewer:
    """Who looks: a member of the agency, or one of the program owner's staff by user name and key."""

    member: Membership | None = None
    staff: str = ""
    user_pk: int | None = None

    @property
    def name(self) -> str:
        return f"operator:{self.member.operator_id}" if self.member is not None else f"staff:{self.staff}"

    @property
    def actor(self) -> Actor:
        if self.member is not None:
            return agents.actor_of(self.member)
        return Actor(ActorKind.STAFF, str(self.user_pk or ""), Channel.CONSOLE)


# --- the text that is signed -----------------------------------------------------------------------------------------


def until(case: AssistedCase) -> datetime:
    """Until when what is signed holds: the same day whenever it is printed."""
    return case.opened_at + LASTS


def words(case: AssistedCase, member: Membership) -> mandates.MandateText:
    program = reading.program(case.program.item, case.locale)
    return mandates.text(case.agency, member.name or member.operator_id, program.name, until(case), case.locale)


# --- uploading -------------------------------------------------------------------------------------------------------


def problem_of(case: AssistedCase, member: Membership, now: datetime) -> str:
    """Why this case takes no paper now, as a code; "" where it does."""
    if case.state not in (AssistedCase.State.READING, AssistedCase.State.PROVING) or case.not_me_at is not None:
        return "CASE"
    if not cases.is_worked_on_by(case, member):
        return "COLLEAGUE"
    if not _account(case):
        return "NO_ACCOUNT"
    if until(case) <= now:
        return "CASE_TOO_OLD"
    return "REFUSED" if case.papers.filter(state=State.REFUSED).exists() else ""


def upload(case: AssistedCase, member: Membership, content: bytes, *, now: datetime) -> MandatePaper | NotTaken:
    """Keep a scan and have it reviewed; the same bytes again are the same upload. No transaction is open here."""
    same = case.papers.filter(state=State.WAITING).first()
    problem = problem_of(case, member, now)
    if problem and same is None:
        return NotTaken(problem, "This case takes no mandate on paper now.", 409)
    most = settings.DOCUMENT_MAX_BYTES
    looked = size_refused(len(content), most) or look_at(content, max_bytes=most)
    if isinstance(looked, NotTaken):
        return looked
    if same is not None:
        return same if same.sha256 == looked.sha256 else NotTaken("UNDER_REVIEW", "A paper is being reviewed.", 409)
    try:
        _looked_up(case, member, now)
        holder = contacts.holder(case.utility_id, account=_account(case), now=now)
    except look_ups.TooSoon:
        return NotTaken("TOO_SOON", "Too many customers were looked up.", 429)
    except look_ups.Stopped:
        return NotTaken("STOPPED", "This agent looks nobody up now.", 403)
    except contacts.Unavailable:
        return NotTaken("SILENT", "The utility does not answer.", 503)
    if holder is None:
        return NotTaken("NO_HOLDER", "The utility does not name one holder of this account.", 409)
    try:
        key = SHELF.keep(looked.content)
    except StoreUnavailable:
        return STORE_UNAVAILABLE
    row = MandatePaper(
        case=case,
        uploaded_by=member,
        uploaded_at=now,
        by_owner=is_the_owners(case),
        sha256=looked.sha256,
        kept_sha256=looked.kept_sha256,
        size=looked.size,
        media_type=looked.media_type,
        caution=looked.caution,
        scan=looked.scan,
        storage_key=key,
        retention_until=now + timedelta(days=settings.RETENTION_DOCUMENTS_DAYS),
    )
    try:
        with transaction.atomic():
            row.mandate = _mandate(case, member, holder, row.sha256, now)
            # Two uploads at once: the case is locked in there, and the second finds it in review.
            cases.waits_for_review(case, row.mandate, now=now, by=member)
            row.save(force_insert=True)
    except (cases.NotPossible, IntegrityError):
        _forget(key)
        return NotTaken("CASE", "This case takes no mandate on paper now.", 409)
    return row


def _mandate(case: AssistedCase, member: Membership, holder: contacts.Holder, sha256: str, now: datetime) -> Mandate:
    return mandates.give(
        subject=Subject.objects.for_did(holder.did),
        agency=case.agency,
        operator_id=member.operator_id,
        utility_id=case.utility_id,
        program_id=case.program.program_id,
        now=now,
        lasts=until(case) - now,
        evidence_kind=Mandate.Evidence.DOCUMENT,
        evidence_digest=sha256,
        locale=case.locale,
        words=words(case, member),
    )


def _looked_up(case: AssistedCase, member: Membership, now: datetime) -> None:
    """Count asking for the holder as a look-up where nobody was looked up: a file may name any number."""
    if case.source == AssistedCase.Source.IMPORT:
        about = {"account": _account(case), "reason": "FOLLOW_UP"}
        look_ups.look_up(member, case.utility_id, about, program_id=case.program.program_id, now=now)


def is_the_owners(case: AssistedCase) -> bool:
    """Whether the program has its mandates on paper reviewed by its owner's staff and not by the agency (EA-5)."""
    return reading.program(case.program.item).paper_review == "PROVIDER"


def _account(case: AssistedCase) -> str:
    found = case.looked_up.get("account") if isinstance(case.looked_up, dict) else ""
    return found.strip() if isinstance(found, str) else ""


# --- reviewing -------------------------------------------------------------------------------------------------------


def of_case(case: AssistedCase) -> QuerySet[MandatePaper]:
    """What came for a case, the newest first."""
    return case.papers.select_related("uploaded_by", "reviewed_by").order_by("-uploaded_at", "-pk")


def queue(member: Membership) -> QuerySet[MandatePaper]:
    """What waits for a review in this member's agency, the oldest first; also what they may not review themselves."""
    return _related().filter(case__agency=member.agency, state=State.WAITING, by_owner=False)


def decided(member: Membership) -> QuerySet[MandatePaper]:
    return _related().filter(case__agency=member.agency).exclude(state=State.WAITING).order_by("-reviewed_at", "-pk")


def owners_queue() -> QuerySet[MandatePaper]:
    return _related().filter(by_owner=True)


def find(member: Membership, paper_id: UUID) -> MandatePaper | None:
    """A paper of this member's agency; None for any other."""
    return _related().filter(case__agency=member.agency, pk=paper_id).first()


def why_not(paper: MandatePaper, reviewer: Reviewer) -> str:
    """Why this person may not decide about it: OWN, OWNER; "" where they may."""
    if reviewer.member is None:
        is_uploader = reviewer.user_pk is not None and reviewer.user_pk == paper.uploaded_by.user_id
        return "" if paper.by_owner and reviewer.staff and not is_uploader else "OWN" if is_uploader else "OWNER"
    if paper.by_owner:
        return "OWNER"
    user = reviewer.member.user_id
    theirs = reviewer.member.pk == paper.uploaded_by_id or (user is not None and user == paper.uploaded_by.user_id)
    return "OWN" if theirs else ""


def show(paper: MandatePaper, reviewer: Reviewer, *, now: datetime, unscanned: bool = False) -> Shown:
    """The file for its reviewer; who saw it is in the journal. Raises NotShown, NotYours."""
    if reviewer.member is not None and reviewer.member.agency_id != paper.case.agency_id:
        raise NotYours("OWNER")
    if not paper.storage_key:
        raise NotShown("GONE", GONE)
    content = content_of(SHELF, paper.storage_key, paper.kept_sha256)
    if paper.scan != scanning.CLEAN:
        _scan_now(paper, content, unscanned=unscanned)
    with transaction.atomic():
        kept = MandatePaper.objects.select_for_update(of=("self",)).get(pk=paper.pk)
        if reviewer.name not in kept.opened_by:
            kept.opened_by = [*kept.opened_by, reviewer.name]
            kept.save(update_fields=["opened_by"])
        named = {"operator": reviewer.member.operator_id} if reviewer.member else {}
        _note(Action.READ_PII, paper, reviewer.actor, now, what="mandate", **named)
    return Shown(content, paper.media_type, name_of(f"mandate-{paper.case.reference}", paper.media_type))


def _scan_now(paper: MandatePaper, content: bytes, *, unscanned: bool) -> None:
    try:
        found = scanned_now(content, unscanned=unscanned)
    except NotShown as problem:
        if problem.code == "INFECTED":
            MandatePaper.objects.filter(pk=paper.pk).update(scan=scanning.INFECTED, storage_key="")
            _forget(paper.storage_key)
        raise
    if found == scanning.CLEAN:
        MandatePaper.objects.filter(pk=paper.pk).update(scan=found)


def decide(
    paper: MandatePaper, reviewer: Reviewer, verdict: str, *, reason: str = "", note: str = "", now: datetime
) -> MandatePaper:
    """Approve it, ask for another, or refuse it; `reason` is a code. Raises NotYours, Decided, NotPossible.

    Approved, the case's journey begins at once: it is the holder's, as the utility names them now.
    """
    account = _account_of_the_same_holder(paper, now) if verdict == APPROVE else ""
    with transaction.atomic():
        # The case first, as everywhere.
        AssistedCase.objects.select_for_update(of=("self",)).get(pk=paper.case_id)
        kept = _related().select_for_update(of=("self",)).get(pk=paper.pk)
        if kept.state != State.WAITING:
            raise Decided(kept)
        _refuse_the_partial(kept, reviewer, verdict)
        kept.state = {APPROVE: State.APPROVED, AGAIN: State.AGAIN, REFUSE: State.REFUSED}[verdict]
        kept.reviewed_by, kept.reviewed_by_staff = reviewer.member, reviewer.staff if reviewer.member is None else ""
        kept.reviewed_at, kept.reason, kept.note = now, "" if verdict == APPROVE else reason, note.strip()[:1000]
        try:
            _settle(kept, reviewer, verdict, account, now)
        except mandates.NotPossible as problem:
            raise (NotYours("OWN") if str(problem) == "OWN" else NotPossible("MANDATE")) from problem
        except (cases.NotPossible, cases.OtherPerson) as problem:
            raise NotPossible("CASE") from problem
        kept.save()
    return kept


def _settle(paper: MandatePaper, reviewer: Reviewer, verdict: str, account: str, now: datetime) -> None:
    who = reviewer.member or reviewer.actor
    told = {"verdict": verdict, "paper": str(paper.pk), "reason": paper.reason}
    if reviewer.member is not None:
        told["reviewer"] = reviewer.member.operator_id
    if verdict == APPROVE:
        mandate = mandates.approve(paper.mandate, reviewer=who, now=now)
        people.of_paper(str(mandate.subject.did), utility_id=paper.case.utility_id, account=account, now=now)
        timeline.note(Action.ASSISTED_REVIEWED, paper.case, reviewer.member, now, **told)
        cases.proved(paper.case, mandate.subject, mandate, now=now)
        return
    mandates.refuse(paper.mandate, reviewer=who, now=now)
    timeline.note(Action.ASSISTED_REVIEWED, paper.case, reviewer.member, now, **told)
    cases.review_ended(paper.case, now=now)


def _account_of_the_same_holder(paper: MandatePaper, now: datetime) -> str:
    """The account's number as the utility writes it. Raises NotPossible where the account has changed hands since:
    then the paper is somebody else's word."""
    try:
        holder = contacts.holder(paper.case.utility_id, account=_account(paper.case), now=now)
    except contacts.Unavailable as problem:
        raise NotPossible("UNAVAILABLE") from problem
    named = Subject.objects.filter(did=holder.did).first() if holder is not None else None
    if holder is None or named is None or people.living(named) != people.living(paper.mandate.subject):
        raise NotPossible("HOLDER")
    return holder.account


def _refuse_the_partial(paper: MandatePaper, reviewer: Reviewer, verdict: str) -> None:
    if reviewer.member is not None and reviewer.member.agency_id != paper.case.agency_id:
        raise NotYours("OWNER")
    why = why_not(paper, reviewer)
    if why:
        raise NotYours(why)
    if verdict == APPROVE and reviewer.name not in paper.opened_by:
        raise NotYours("NOT_OPENED")
    if verdict == APPROVE and not paper.storage_key:
        raise NotPossible("GONE")


def taken_back(mandate: Mandate, *, now: datetime) -> None:
    """The customer has taken a mandate back that was in review: nothing is left to decide. Caller's transaction."""
    paper = MandatePaper.objects.filter(mandate=mandate, state=State.WAITING).select_related("case").first()
    if paper is None:
        return
    AssistedCase.objects.select_for_update(of=("self",)).get(pk=paper.case_id)
    changed = MandatePaper.objects.filter(pk=paper.pk, state=State.WAITING)
    changed.update(state=State.TAKEN_BACK, reviewed_at=now)
    with contextlib.suppress(cases.NotPossible):
        cases.review_ended(paper.case, now=now)


# --- forgetting ------------------------------------------------------------------------------------------------------


def forget_files(now: datetime) -> int:
    """Delete the bytes whose time is over, except of what waits for its review; the rows stay. Returns how many."""
    over = Q(retention_until__lte=now) & ~Q(state=State.WAITING)
    unused = Q(state=State.WAITING, case__closed_at__lte=now - UNUSED)
    count = 0
    for row in MandatePaper.objects.filter(over | unused).exclude(storage_key="").order_by("pk")[:_MOST_AT_ONCE]:
        try:
            SHELF.forget(row.storage_key)
        except StoreUnavailable:
            break
        count += MandatePaper.objects.filter(pk=row.pk).update(storage_key="", note="")
    # A note outlives no file: also not that of one which was infected or taken back, and went before its time.
    noted = keeping.filled(MandatePaper.objects.filter(over | unused, storage_key=""), "note")
    keys = list(noted.order_by("pk").values_list("pk", flat=True)[:_MOST_AT_ONCE])
    count += MandatePaper.objects.filter(pk__in=keys).update(note="")
    return count + SHELF.forget_orphans(_known, now)


def forget_those_of(subjects: Iterable[UUID]) -> int:
    """Wipe the scans and notes of these people's mandates, which are over; returns how many. Caller's transaction."""
    rows = MandatePaper.objects.filter(mandate__subject__in=subjects)
    keys = list(rows.exclude(storage_key="").values_list("storage_key", flat=True))
    rows.update(storage_key="", note="")
    for key in keys:
        transaction.on_commit(partial(_forget, key), robust=True)
    return len(keys)


def _known(keys: list[str]) -> set[str]:
    return set(MandatePaper.objects.filter(storage_key__in=keys).values_list("storage_key", flat=True))


def _forget(key: str) -> None:
    try:
        SHELF.forget(key)
    except StoreUnavailable:
        logger.warning("a file is left for the upkeep to delete")


def _related() -> QuerySet[MandatePaper]:
    return MandatePaper.objects.select_related(
        "case__agency", "case__program__bpp", "case__operator", "uploaded_by", "reviewed_by", "mandate__subject"
    ).order_by("uploaded_at", "pk")


def _note(action: Action, paper: MandatePaper, actor: Actor, now: datetime, **details: str) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(paper.mandate.subject_id),
        object_type=timeline.CASE,
        object_id=str(paper.case_id),
        details=details,
    )
