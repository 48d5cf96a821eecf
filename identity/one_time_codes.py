"""One-time codes through a utility: having one sent, and proving a customer with it.

Each step that asks the utility is written down before it is asked and after it answered, so that no message sent twice
and no crash makes us ask twice (decision 28). A code counts for the participant and order it was sent for. Sending is
limited; guessing is locked by the utility for the session alone, so nobody locks out a stranger.
Source: spec wire.md 4, decisions 27 and 28, issue 4 point 9.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction

from identity.codes import CodeRequest, CodeService, CodeVerdict
from identity.encryption import blind_index
from identity.models import OneTimeCode

OTP_INVALID = "OTP_INVALID"
OTP_EXPIRED = "OTP_EXPIRED"
TOO_MANY = "TOO_MANY"

#: How often a code may be sent, within which time: to one number through one participant, to one number or account
#: through anybody, and through one participant at all.
PER_NUMBER_AND_PARTICIPANT = (5, timedelta(hours=1))
PER_NUMBER = (20, timedelta(days=1))
PER_ACCOUNT = (20, timedelta(days=1))
PER_PARTICIPANT = (10_000, timedelta(days=1))
#: A proven code goes on proving its customer in its order for so long: a refused confirm may be sent again.
PROVES_FOR = timedelta(minutes=30)
KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Sent:
    """A code is on its way, if anybody has this number: nobody can tell from here."""

    nguid: str = field(repr=False)
    expires_at: datetime
    masked_to: str


@dataclass(frozen=True)
class Proven:
    """Whose code it was, by the utility that sent it."""

    subject_did: str = field(repr=False)
    utility_id: str
    utility_customer_id: str = field(repr=False)
    verified_at: datetime


@dataclass(frozen=True)
class Unproven:
    """Why nothing is proven or sent: OTP_INVALID, OTP_EXPIRED or TOO_MANY, and a sentence."""

    code: str
    message: str
    attempts_left: int | None = None
    retry_after_seconds: int | None = None


# --- sending ---------------------------------------------------------------------------------------------------------


def send(
    service: CodeService, asked: CodeRequest, *, participant_id: str, order_id: str, message_id: str, now: datetime
) -> Sent | Unproven:
    """Have a code sent for this order; the same message again gets the same answer and no second code.

    No transaction may be open. Raises what the service raises when it does not answer; the try counts as one.
    """
    row, is_new = _reserve(service.utility_id, asked, participant_id, order_id, message_id, now)
    if row is None:
        return Unproven(TOO_MANY, "Too many codes were asked for. Try again later.", retry_after_seconds=3600)
    if not is_new and row.session:
        return Sent(row.session, row.expires_at, row.masked_to)
    session = service.request_code(asked)
    row.session, row.session_index = session.nguid, _index_of_session(session.nguid)
    row.expires_at, row.attempts_left, row.masked_to = session.expires_at, session.attempts, _masked(asked.mobile)
    row.save(update_fields=["session", "session_index", "expires_at", "attempts_left", "masked_to"])
    return Sent(session.nguid, session.expires_at, row.masked_to)


def _masked(mobile: str) -> str:
    """Where it went, in the sender's own words: the utility's might tell numbers that it knows from others."""
    return f"{mobile[:3]}XXXXXX{mobile[-4:]}" if mobile else ""


def _reserve(
    utility_id: str, asked: CodeRequest, participant_id: str, order_id: str, message_id: str, now: datetime
) -> tuple[OneTimeCode | None, bool]:
    """Write down that a code is asked for, unless there were too many: (row, whether it is new)."""
    known = OneTimeCode.objects.filter(participant_id=participant_id, message_id=message_id).first()
    if known is not None:
        return known, False
    account_id = asked.utility_customer_id.strip().casefold()  # another spelling is no other account
    named = asked.mobile or f"account {account_id}{asked.meter_number.strip().casefold()}"
    number = blind_index(named, purpose="one-time-code-number")
    account = blind_index(account_id, purpose="one-time-code-account") if account_id else None
    with transaction.atomic():
        _one_at_a_time(number, account)
        if not _may_send(number, account, participant_id, now):
            return None, False
        row = OneTimeCode.objects.create(
            participant_id=participant_id,
            message_id=message_id,
            order_id=order_id,
            utility_id=utility_id,
            number_index=number,
            account_index=account,
            asked_at=now,
            expires_at=now,
        )
    return row, True


def _one_at_a_time(*indexes: bytes | None) -> None:
    """Until the transaction ends nobody else counts what was sent there: many at once would all be the fifth."""
    # In sorted order, so that nobody deadlocks.
    keys = sorted(int.from_bytes(each[:8], "big", signed=True) for each in indexes if each)
    with connection.cursor() as cursor:
        for key in keys:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _may_send(number: bytes, account: bytes | None, participant_id: str, now: datetime) -> bool:
    rows = OneTimeCode.objects
    limits = [
        (rows.filter(number_index=number, participant_id=participant_id), PER_NUMBER_AND_PARTICIPANT),
        (rows.filter(number_index=number), PER_NUMBER),
        (rows.filter(participant_id=participant_id), PER_PARTICIPANT),
    ]
    if account is not None:
        limits.append((rows.filter(account_index=account), PER_ACCOUNT))
    return all(
        found.filter(asked_at__gt=now - span).values_list("pk")[most - 1 : most].count() == 0
        for found, (most, span) in limits
    )


# --- proving ---------------------------------------------------------------------------------------------------------


def prove(
    service_of: Callable[[str], CodeService],
    *,
    nguid: str,
    code: str,
    mobile: str,
    participant_id: str,
    order_id: str,
    now: datetime,
) -> Proven | Unproven:
    """Whose code this is, or why that is not proven. `service_of` gives a utility's service by its id.

    No transaction may be open. Raises what the service raises when it does not answer: then nothing is lost.
    """
    digest = blind_index(f"{nguid} {code}", purpose="one-time-code")
    row = _begin(nguid, digest, mobile, participant_id, order_id, now)
    if not isinstance(row, OneTimeCode):
        return row
    try:
        verdict = service_of(row.utility_id).verify_code(nguid, code)
    except Exception:  # whatever it is, the code may be asked again; the caller is told
        OneTimeCode.objects.filter(pk=row.pk, checking=digest).update(checking=None)
        raise
    return _keep(row, digest, verdict, now)


def _begin(
    nguid: str, digest: bytes, mobile: str, participant_id: str, order_id: str, now: datetime
) -> OneTimeCode | Proven | Unproven:
    """Commit that the utility is about to be asked about this code; or the answer that needs no asking."""
    with transaction.atomic():
        row = OneTimeCode.objects.select_for_update().filter(session_index=_index_of_session(nguid)).first()
        if row is None or (row.participant_id, row.order_id) != (participant_id, order_id):
            return _over()
        if mobile and blind_index(mobile, purpose="one-time-code-number") != bytes(row.number_index):
            return Unproven(OTP_INVALID, "The code was sent to another number.", row.attempts_left)
        if row.verdict == OneTimeCode.Verdict.RIGHT:
            return _proven_before(row, digest, now)
        if row.verdict == OneTimeCode.Verdict.LOCKED:
            return _locked()
        if row.verdict == OneTimeCode.Verdict.OVER or row.expires_at <= now:
            return _over()
        if row.checking is not None and bytes(row.checking) == digest:
            # Asked before and never heard: a code counts once, so only a new one can be sure.
            row.verdict, row.checking = OneTimeCode.Verdict.OVER, None
            row.save(update_fields=["verdict", "checking"])
            return _over()
        row.checking = digest
        row.save(update_fields=["checking"])
    return row


def _keep(row: OneTimeCode, digest: bytes, verdict: CodeVerdict, now: datetime) -> Proven | Unproven:
    row.checking, row.attempts_left = None, verdict.attempts_left
    if verdict.is_right:
        row.verdict, row.right_code, row.verified_at = OneTimeCode.Verdict.RIGHT, digest, now
        row.proof = {"subject": verdict.subject_did, "account": verdict.utility_customer_id}
        row.session = ""
    elif verdict.is_over or verdict.is_locked:
        row.verdict = OneTimeCode.Verdict.OVER if verdict.is_over else OneTimeCode.Verdict.LOCKED
    _save_unless_proven(row)
    if verdict.is_right:
        return _proof_of(row)
    if verdict.is_over:
        return _over()
    if verdict.is_locked:
        return _locked()
    return Unproven(OTP_INVALID, "The code is wrong.", verdict.attempts_left)


def _save_unless_proven(row: OneTimeCode) -> None:
    """A slower answer about a wrong code does not undo the right one that was sent beside it."""
    with transaction.atomic():
        now_kept = OneTimeCode.objects.select_for_update().get(pk=row.pk)
        if now_kept.verdict != OneTimeCode.Verdict.RIGHT:
            row.save(
                update_fields=["checking", "attempts_left", "verdict", "right_code", "verified_at", "proof", "session"]
            )


def _proven_before(row: OneTimeCode, digest: bytes, now: datetime) -> Proven | Unproven:
    assert row.right_code is not None and row.verified_at is not None
    if bytes(row.right_code) != digest:
        return Unproven(OTP_INVALID, "The code is wrong.", 0)
    return _proof_of(row) if now < row.verified_at + PROVES_FOR else _over()


def _proof_of(row: OneTimeCode) -> Proven:
    assert row.verified_at is not None and row.proof is not None
    return Proven(row.proof["subject"], row.utility_id, row.proof["account"], row.verified_at)


def _locked() -> Unproven:
    return Unproven(OTP_INVALID, "The code was wrong too often and is locked. Send init to have a new one sent.", 0)


def _over() -> Unproven:
    return Unproven(OTP_EXPIRED, "This code is over. Send init to have a new one sent.")


def _index_of_session(nguid: str) -> bytes:
    return blind_index(nguid, purpose="one-time-code-session")


def purge(now: datetime) -> int:
    """Forget codes that are two days old: they count for no limit any more; return how many."""
    return OneTimeCode.objects.filter(asked_at__lt=now - KEPT).delete()[0]
