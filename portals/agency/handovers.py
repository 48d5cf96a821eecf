"""The moments in which the customer answers: on the agent's device, or by a link of ours on their own.

While a device is handed over nothing of the agent's is in that browser: their session has ended, and the browser is
known by a secret of its own (`session_digest`), which `gate` holds to the handover's pages until it is over. A link is
good once, for the browser that opens it first. Neither shows anything before the customer has signed in and is the one
the case is about. The one writer of `Handover`. Source: issue 6 point 3, screens A5 and A7.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.log import Action
from identity.encryption import blind_index
from identity.models import Membership, Subject
from portals.agency import timeline
from portals.models import AssistedCase, Handover

COOKIE = "handed_over"
MARK = "handover"  # in the session, too: a browser that loses one of the two is still held
LASTS = {Handover.Way.DEVICE: timedelta(minutes=30), Handover.Way.LINK: timedelta(hours=24)}
YES, NO, OTHER_PERSON = "YES", "NO", "OTHER"
#: An answer counts for what the agent does next, not for another day.
COUNTS_FOR = timedelta(minutes=30)


class Over(Exception):
    """The handover has ended, was used, or never was: which of them is nobody's business."""


# --- opening ---------------------------------------------------------------------------------------------------------


def open(
    case: AssistedCase,
    member: Membership,
    *,
    way: str,
    asks: str,
    now: datetime,
    about: str = "",
    lasts: timedelta | None = None,
    token: str = "",
    device: str = "",
) -> Handover:
    """Open a handover; the one before of this case ends. A link's `token` is the caller's, only its digest is kept.

    `device`: what names the agent's device (`portals.agency.devices`).
    """
    with transaction.atomic():
        AssistedCase.objects.select_for_update(of=("self",)).get(pk=case.pk)
        for before in Handover.objects.filter(case=case, ended_at=None):
            end(before, now=now, why="REPLACED", by=member)
        row = Handover.objects.create(
            case=case,
            operator=member,
            way=way,
            asks=asks,
            about=about,
            token_digest=digest_of(token) if token else "",
            device_digest=device,
            opened_at=now,
            ends_at=now + (lasts or LASTS[Handover.Way(way)]),
        )
        timeline.note(Action.HANDOVER_OPENED, case, member, now, way=str(way), asks=str(asks), handover=str(row.pk))
    return row


def new_token() -> str:
    """A link's token, or a browser's secret."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a link's token."""
    return blind_index(token, purpose="handover-link").hex()


def bind(row: Handover, *, now: datetime) -> str:
    """Give the handover to one browser, once; return the secret that the browser is known by. Raises Over."""
    secret = new_token()
    with transaction.atomic():
        kept = _locked(row.pk)
        if kept.session_digest or not is_living(kept, now):
            raise Over
        kept.session_digest = _browser(secret)
        kept.save(update_fields=["session_digest"])
        if kept.way == Handover.Way.LINK:
            timeline.note_customer(Action.HANDOVER_SEEN, kept.case, None, now, handover=str(kept.pk))
    return secret


def by_token(token: str) -> Handover | None:
    """The handover of a link."""
    if not token or not token.isascii():
        return None
    return _rows().filter(token_digest=digest_of(token)).first()


# --- which browser ---------------------------------------------------------------------------------------------------


def of_browser(request: HttpRequest) -> Handover | None:
    """The handover this browser is held to, living or over; None for any other browser."""
    name, secret, *_ = [*request.COOKIES.get(COOKIE, "").split("."), "", ""]
    row = by_id(name)
    if row is not None and secret and row.session_digest == _browser(secret):
        return row
    return by_id(request.session.get(MARK, "")) if hasattr(request, "session") else None


def is_living(row: Handover, now: datetime) -> bool:
    return row.ended_at is None and now < row.ends_at


def living(case: AssistedCase, now: datetime) -> Handover | None:
    """The case's handover that is under way; one whose time is over ends by being looked at."""
    row = _rows().filter(case=case, ended_at=None).first()
    if row is not None and not is_living(row, now):
        end(row, now=now, why="TIME")
        return None
    return row


def last(case: AssistedCase) -> Handover | None:
    """The newest one, which tells the agent how it ended."""
    return _rows().filter(case=case).order_by("-opened_at", "-pk").first()


# --- the customer ----------------------------------------------------------------------------------------------------


def proved(row: Handover, subject: Subject | None, *, is_expected: bool, kind: str, now: datetime) -> bool:
    """Keep who has signed in; return whether it is the one the case is about. Raises Over."""
    with transaction.atomic():
        kept = _locked(row.pk)
        if not is_living(kept, now):
            raise Over
        if not is_expected:
            kept.answer, kept.answered_at, kept.proved_at = OTHER_PERSON, now, None
            kept.save(update_fields=["answer", "answered_at", "proved_at"])
            timeline.note_customer(Action.HANDOVER_OTHER_PERSON, kept.case, None, now, handover=str(kept.pk))
            return False
        if kept.proved_at is None:
            if kept.answer == OTHER_PERSON:
                kept.answer, kept.answered_at = "", None
            kept.proved_at, kept.proof_kind = now, kind
            kept.save(update_fields=["proved_at", "proof_kind", "answer", "answered_at"])
            timeline.note_customer(
                Action.HANDOVER_PROVED, kept.case, subject, now, handover=str(kept.pk), evidence=kind
            )
    return True


def answered(row: Handover, answer: str, subject: Subject, *, now: datetime) -> Handover:
    """Keep the customer's Yes or No; the first one stays. Raises Over."""
    with transaction.atomic():
        kept = _locked(row.pk)
        if not is_living(kept, now) or kept.proved_at is None:
            raise Over
        if kept.answer not in (YES, NO):
            kept.answer, kept.answered_at = answer, now
            kept.save(update_fields=["answer", "answered_at"])
            timeline.note_customer(
                Action.HANDOVER_ANSWERED, kept.case, subject, now, asks=kept.asks, answer=answer, handover=str(kept.pk)
            )
    return kept


def fresh_yes(case: AssistedCase, asks: str, *, about: str = "", now: datetime) -> Handover | None:
    """The customer's own Yes to this, not older than half an hour; None without one."""
    since = now - COUNTS_FOR
    found = _rows().filter(case=case, asks=asks, about=about, answer=YES, answered_at__gte=since)
    return found.order_by("-answered_at").first()


# --- the end ---------------------------------------------------------------------------------------------------------


def end(row: Handover, *, now: datetime, why: str, by: Membership | None = None) -> Handover:
    """End a handover. `why`: DONE, BACK (given back unanswered), TIME, REPLACED, AGENT. The first end stays."""
    with transaction.atomic():
        kept = _locked(row.pk)
        if kept.ended_at is None:
            kept.ended_at = now
            kept.save(update_fields=["ended_at"])
            timeline.note(Action.HANDOVER_ENDED, kept.case, by, now, why=why, asks=kept.asks, handover=str(kept.pk))
    return kept


def end_overdue(now: datetime) -> int:
    """End what has taken too long; return how many. Safe in many processes at once."""
    overdue = list(Handover.objects.filter(ended_at=None, ends_at__lte=now).order_by("ends_at")[:200])
    for row in overdue:
        end(row, now=now, why="TIME")
    return len(overdue)


def _rows() -> QuerySet[Handover]:
    of_case = ("agency", "program__bpp", "subject", "application", "handed_over", "operator")
    return Handover.objects.select_related("operator__agency", *(f"case__{each}" for each in of_case))


def by_id(name: object) -> Handover | None:
    """A handover by its id."""
    try:
        return _rows().filter(pk=UUID(str(name))).first() if name else None
    except ValueError:
        return None


def _locked(key: UUID) -> Handover:
    return _rows().select_for_update(of=("self",)).get(pk=key)


def _browser(secret: str) -> str:
    return blind_index(secret, purpose="handover-browser").hex()
