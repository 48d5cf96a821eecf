"""E-mail to an agency's people and to staff: a row first, then the message, and its words are wiped once it has gone.

Source: issue 6 points 1 and 10. Nothing here reaches customers: those are written to by their utility.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F

from identity.inserting import insert_if_new
from identity.models import Agency, AgencyLetter, Membership, StaffLetter, StaffMember

logger = logging.getLogger(__name__)
FIRST_PAUSE = timedelta(minutes=1)  # doubled with each try
MOST_TRIES = 10  # some 17 hours
AT_ONCE = 20
LOOK_EVERY = 5.0  # seconds of this process
_looked_at = float("-inf")
KINDS: tuple[type[AgencyLetter] | type[StaffLetter], ...] = (AgencyLetter, StaffLetter)


def write(
    agency: Agency,
    *,
    kind: str,
    about: str,
    to: str,
    title: str,
    text: str,
    now: datetime,
    membership: Membership | None = None,
) -> bool:
    """Keep a letter to be sent; False if this was told before (`about`), or there is no address.

    Belongs into the transaction of what it tells of.
    """
    if not to:
        return False
    row = AgencyLetter(
        agency=agency,
        membership=membership,
        kind=kind,
        about=about,
        to=to,
        title=title,
        text=text,
        made_at=now,
        due_at=now,
    )
    return insert_if_new(row, unique=("about",))


def to_managers(agency: Agency, *, kind: str, about: str, title: str, text: str, now: datetime) -> int:
    """Write to the agency's public address and to each of its managers, once each; return to how many."""
    addresses = [agency.contact_email, *(each.email for each in _managers(agency))]
    named = list(dict.fromkeys(each.casefold() for each in addresses if each))
    return sum(
        write(agency, kind=kind, about=f"{about}:{number}", to=to, title=title, text=text, now=now)
        for number, to in enumerate(named)
    )


def sweep(now: datetime) -> int:
    """Send what is due; return how many. Called every second by each worker, looks every five."""
    global _looked_at
    if time.monotonic() - _looked_at < LOOK_EVERY:
        return 0
    _looked_at = time.monotonic()
    return send_due(now)


def send_due(now: datetime) -> int:
    """Send what is due; safe in many processes at once. No transaction open."""
    return sum(_send(row, now) for kind in KINDS for row in _claimed(kind, now))


def to_staff(member: StaffMember, *, about: str, title: str, text: str, now: datetime) -> bool:
    """Keep a letter to a member of staff; False if this was told before, or there is no address."""
    if not member.email:
        return False
    row = StaffLetter(member=member, about=about, to=member.email, title=title, text=text, made_at=now, due_at=now)
    return insert_if_new(row, unique=("about",))


def forget_staffs(member: StaffMember, now: datetime) -> None:
    """Take back what has not gone to a member of staff."""
    unsent = StaffLetter.objects.filter(member=member, sent_at=None, given_up_at=None)
    unsent.update(given_up_at=now, to="", text="")


def forget(membership: Membership, now: datetime) -> None:
    """Take back what has not gone yet: an invitation that was replaced or withdrawn."""
    unsent = AgencyLetter.objects.filter(membership=membership, sent_at=None, given_up_at=None)
    unsent.update(given_up_at=now, to="", text="")


def _claimed(kind: type[AgencyLetter] | type[StaffLetter], now: datetime) -> list[Any]:
    """Take some for a while: who crashes with one leaves it to the next."""
    with transaction.atomic():
        due = kind._default_manager.filter(sent_at=None, given_up_at=None, due_at__lte=now)
        rows = list(due.select_for_update(skip_locked=True).order_by("due_at")[:AT_ONCE])
        for row in rows:
            pause = FIRST_PAUSE * 2 ** min(row.tries, MOST_TRIES)
            kind._default_manager.filter(pk=row.pk).update(due_at=now + pause, tries=F("tries") + 1)
            row.tries += 1
    return rows


def _send(row: AgencyLetter | StaffLetter, now: datetime) -> bool:
    unsent = type(row)._default_manager.filter(pk=row.pk, sent_at=None, given_up_at=None)
    try:
        EmailMessage(row.title, row.text, to=[row.to], headers={"Auto-Submitted": "auto-generated"}).send()
    except OSError as problem:  # smtplib's errors are among them
        logger.warning(
            "a letter was not sent",
            extra={"letter": row.pk, "kind": row._meta.model_name, "problem": type(problem).__name__},
        )
        if row.tries >= MOST_TRIES:
            logger.error("a letter is given up", extra={"letter": row.pk, "kind": row._meta.model_name})
            unsent.update(given_up_at=now, to="", text="")
        return False
    unsent.update(sent_at=now, to="", text="")
    return True


def _managers(agency: Agency) -> list[Membership]:
    """Those who have joined and may act."""
    rows = agency.memberships.filter(role=Membership.Role.MANAGER, active=True, suspended_at=None)
    return list(rows.exclude(user=None).order_by("pk"))
