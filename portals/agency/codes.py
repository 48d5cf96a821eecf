"""A code to the customer's registered contact, which they tell the agent (A5's second way).

The utility sends it, and its message names agency, agent, program and the number's end. It counts for one case, one
question and the agent whom it names. Sending twice by one form sends once; the same code again, for another case,
proves nobody.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from identity import contacts, one_time_codes
from identity.codes import CodeRequest, CodeService
from identity.models import Mandate, Membership, OneTimeCode, Subject
from identity.oidc import by_meter
from identity.oidc.endings import SignInFailed
from identity.people import living
from portals import reading
from portals.models import AssistedCase

AGAIN_AFTER = timedelta(seconds=60)
TOO_SOON, UNAVAILABLE, NOBODY = "TOO_SOON", "UNAVAILABLE", "NOBODY"
_Verdict = OneTimeCode.Verdict


@dataclass(frozen=True)
class Waiting:
    """The code that was sent last: when it ends, from when another one may be sent, how many tries are left."""

    sent_at: datetime
    ends_at: datetime
    again_at: datetime
    count: int
    attempts_left: int
    is_over: bool
    masked_to: str

    def may_send(self, now: datetime) -> bool:
        return now >= self.again_at


@dataclass(frozen=True)
class Proved:
    """Whose code it was, with the digest of this evidence."""

    subject: Subject
    digest: str


@dataclass(frozen=True)
class NotProved:
    """Why not: OTP_INVALID, OTP_EXPIRED, TOO_MANY, TOO_SOON, UNAVAILABLE or NOBODY; and the tries left."""

    code: str
    attempts_left: int | None = None


def waiting(case: AssistedCase, question: str, now: datetime) -> Waiting | None:
    """The newest code of this case for this question."""
    rows = _rows(case, question)
    row = rows.first()
    if row is None:
        return None
    is_over = row.verdict in (_Verdict.LOCKED, _Verdict.OVER) or row.expires_at <= now
    ends_at, again_at = row.expires_at, row.asked_at + AGAIN_AFTER
    return Waiting(row.asked_at, ends_at, again_at, rows.count(), row.attempts_left, is_over, row.masked_to)


def send(case: AssistedCase, member: Membership, question: str, *, number: int, now: datetime) -> NotProved | bool:
    """Have the `number`th code of this question sent; True: it is on its way. No transaction open.

    The number is the form's: the same form twice sends one code.
    """
    before = waiting(case, question, now)
    count = before.count if before else 0
    if number <= count:
        return True
    if before is not None and not before.may_send(now):
        return NotProved(TOO_SOON)
    account, mobile = _to(case)
    if not account and not mobile:
        return NotProved(NOBODY)
    try:
        is_meter = bool(account) and not contacts.is_account(case.utility_id, account)
    except contacts.Unavailable:
        return NotProved(UNAVAILABLE)
    name = member.name or member.operator_id
    asked = CodeRequest(
        mobile=mobile,
        utility_customer_id="" if is_meter else account,
        meter_number=account if is_meter else "",
        requested_by=settings.ISSUER_NAME or settings.PUBLIC_URL,
        program=reading.program(case.program.item, case.locale or "en").name,
        locale=case.locale or "en",
        agency=case.agency.name,
        agent=name,
        ending=(account or mobile)[-4:],
    )
    try:
        sent = one_time_codes.send(
            _service(case.utility_id),
            asked,
            participant_id=_door(case),
            order_id=_order(case, question),
            message_id=f"{_order(case, question)}:{count + 1}",
            now=now,
        )
    except import_string(settings.CODE_SERVICE_DOWN):
        return NotProved(UNAVAILABLE)
    return NotProved(sent.code) if isinstance(sent, one_time_codes.Unproven) else True


def enter(case: AssistedCase, question: str, code: str, *, now: datetime) -> Proved | NotProved:
    """Whose code this is. No transaction open."""
    row = _rows(case, question).first()
    if row is None:
        return NotProved(one_time_codes.OTP_EXPIRED)
    found: one_time_codes.Proven | one_time_codes.Unproven | None = _proven_before(row, now)
    if found is None and row.session:
        try:
            found = one_time_codes.prove(
                _service,
                nguid=row.session,
                code=code,
                mobile="",
                participant_id=_door(case),
                order_id=row.order_id,
                now=now,
            )
        except import_string(settings.CODE_SERVICE_DOWN):
            return NotProved(UNAVAILABLE)
    if found is None:
        return NotProved(one_time_codes.OTP_EXPIRED)
    if isinstance(found, one_time_codes.Unproven):
        return NotProved(found.code, found.attempts_left)
    try:
        subject = living(by_meter.holder(found, now=now).subject)
    except SignInFailed:
        return NotProved(NOBODY)
    return Proved(subject, _digest(row)) if subject is not None else NotProved(NOBODY)


def _proven_before(row: OneTimeCode, now: datetime) -> one_time_codes.Proven | None:
    """A right code whose answer was lost on its way: it proves once, for this case and question, and no second time."""
    if row.verdict != _Verdict.RIGHT or row.verified_at is None or row.proof is None:
        return None
    if is_used(_digest(row)) or now >= row.verified_at + one_time_codes.PROVES_FOR or ":MANDATE" not in row.order_id:
        return None
    return one_time_codes.Proven(row.proof["subject"], row.utility_id, row.proof["account"], row.verified_at)


def is_used(digest: str) -> bool:
    """Whether this evidence has made a mandate. Ask it with the case locked: of two presses at once one counts."""
    return Mandate.objects.filter(evidence_digest=digest).exists()


def _to(case: AssistedCase) -> tuple[str, str]:
    """The account or the registered mobile number that a code goes to."""
    subject = case.subject or (case.handed_over.subject if case.handed_over else None)
    if subject is not None:
        return next(iter(contacts.accounts(case.utility_id, subject)), ""), ""
    looked_up = case.looked_up
    return str(looked_up.get("account") or ""), str(looked_up.get("mobile") or "")


def _rows(case: AssistedCase, question: str) -> QuerySet[OneTimeCode]:
    rows = OneTimeCode.objects.filter(participant_id=_door(case), order_id=_order(case, question))
    return rows.order_by("-asked_at", "-pk")


def _order(case: AssistedCase, question: str) -> str:
    return f"case:{case.pk}:{question}:{case.operator_id or ''}"[:200]


def _door(case: AssistedCase) -> str:
    """In the place of a participant: the agency."""
    return f"agency:{case.agency.agency_id}"


def _digest(row: OneTimeCode) -> str:
    # Of what never changes: by it a code that has counted is known, however often it comes.
    return hashlib.sha256(f"{row.participant_id} {row.message_id}".encode()).hexdigest()


def _service(utility_id: str) -> CodeService:
    found: CodeService = import_string(settings.CODE_SERVICE)(utility_id)
    return found
