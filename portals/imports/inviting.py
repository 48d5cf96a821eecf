"""Invitations: released by a manager, sent to the contact that the utility has registered, so many a day.

The day's count is a row that only ever goes up to the quota: two workers cannot overrun it. A message is asked for with
the invitation's id and its link is always the same, so that after a crash it goes out once more and not twice. The link
is a handover (`portals.agency.handovers`): it shows nothing before the customer's own sign-in.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _

from audit import clock
from audit.log import Action
from identity import agents, contacts
from identity.models import Agency, Membership
from portals import reading
from portals.agency import cases, handovers, timeline
from portals.imports import links, uploading
from portals.models import AssistedCase, BulkImport, Handover, ImportRow, Invitation, InvitationDay

logger = logging.getLogger(__name__)
State = Invitation.State
ON_ITS_WAY = (State.WAITING, State.SENDING)
LASTS = timedelta(days=14)
TEMPLATE = "agency-invitation"
#: Until the utility is asked once more; then it is given up.
PAUSES = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60, 240))
DECLINED = "DECLINED"  # the case's outcome
_IN_HAND = timedelta(minutes=2)


class NotReleased(Exception):
    """Nothing was released; the text is a code: NOT_IMPORTED or NOBODY."""


@dataclass(frozen=True)
class Foreseen:
    """What a release would do: how many go out, how many cannot or need not, and until which day (UTC)."""

    count: int
    without_account: int
    on_their_way: int
    a_day: int
    left_today: int
    last_day: date | None


# --- releasing -------------------------------------------------------------------------------------------------------

_WHO = """
  FROM agency_import_rows r JOIN agency_imports i ON i.id = r.bulk_import_id JOIN agency_cases c ON c.id = r.case_id
 WHERE i.id = %(import)s AND r.state IN ('NEW', 'CHANGED', 'UNCHANGED') AND r.has_account
   AND c.state = 'PROVING' AND c.subject_id IS NULL AND c.operator_id IS NULL AND c.not_me_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM agency_invitations v WHERE v.case_id = c.id
                     AND (v.state IN ('WAITING', 'SENDING') OR (v.state = 'SENT' AND v.ends_at > %(now)s)))
   AND NOT EXISTS (SELECT 1 FROM agency_handovers h WHERE h.case_id = c.id AND h.asks = 'MANDATE' AND h.answer = 'NO')
"""
_COUNT = f"SELECT count(*) {_WHO}"
_RELEASE = f"""
INSERT INTO agency_invitations (id, agency_id, bulk_import_id, case_id, number, state, trouble, released_at, attempts)
SELECT gen_random_uuid(), i.agency_id, i.id, c.id, r.number, 'WAITING', '', %(now)s, 0 {_WHO}
ON CONFLICT DO NOTHING
"""


def foresee(found: BulkImport, now: datetime) -> Foreseen:
    """Say what a release would do; changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"import": found.pk, "now": now})
        count = int(cursor.fetchone()[0])
    mine = found.lines.filter(state__in=(ImportRow.State.NEW, ImportRow.State.CHANGED, ImportRow.State.UNCHANGED))
    waiting = Invitation.objects.filter(agency=found.agency_id, state=State.WAITING).count()
    a_day, left = found.agency.daily_invitations, left_today(found.agency, now)
    more = math.ceil(max(0, waiting + count - left) / a_day) if a_day else None
    return Foreseen(
        count=count,
        without_account=mine.filter(has_account=False).count(),
        on_their_way=mine.filter(case__invitations__state__in=ON_ITS_WAY).distinct().count(),
        a_day=a_day,
        left_today=left,
        last_day=None if more is None else _day(now) + timedelta(days=more),
    )


def release(found: BulkImport, member: Membership, now: datetime) -> int:
    """Let the import's invitations go out; returns how many. Raises NotReleased. The caller has asked for a manager."""
    with transaction.atomic():
        kept = BulkImport.objects.select_for_update(of=("self",), no_key=True).get(pk=found.pk)
        if kept.state != BulkImport.State.IMPORTED:
            raise NotReleased("NOT_IMPORTED")
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, {"import": kept.pk, "now": now})
            count = cursor.rowcount
        if not count:
            raise NotReleased("NOBODY")
        kept.released_at, kept.released_by = now, member
        kept.save(update_fields=["released_at", "released_by"])
        uploading.note(Action.IMPORT_RELEASED, kept, member, now, count=count)
    return count


def withdraw(case_pks: Collection[UUID], now: datetime) -> int:
    """Take invitations of these cases back, also links that are out. Caller's transaction."""
    if not case_pks:
        return 0
    living = Invitation.objects.filter(case__in=case_pks)
    for row in Handover.objects.filter(invitation__in=living, ended_at=None).select_related("case__agency"):
        handovers.end(row, now=now, why="WITHDRAWN")
    return living.filter(Q(state__in=ON_ITS_WAY) | Q(state=State.SENT, ends_at__gt=now)).update(state=State.WITHDRAWN)


def settle(now: datetime) -> int:
    """Close the cases of customers who have said No, and forget whom they named; return how many."""
    refused = Invitation.objects.filter(state=State.SENT, handover__answer=handovers.NO)
    closed = [each.case for each in refused.filter(case__state=AssistedCase.State.PROVING).select_related("case")[:200]]
    for case in closed:
        cases.close(case, DECLINED, now)
        AssistedCase.objects.filter(pk=case.pk).update(looked_up={})
    return len(closed)


def stop(found: BulkImport, now: datetime) -> int:
    """Send no more of this import's; those that are out hold. Returns how many. Caller's transaction."""
    return Invitation.objects.filter(bulk_import=found, state=State.WAITING).update(state=State.WITHDRAWN)


# --- sending ---------------------------------------------------------------------------------------------------------


def is_due(now: datetime) -> bool:
    return Invitation.objects.filter(_due(now)).exists()


def send(*, seconds: float) -> int:
    """Send what may go out today, one of each agency in turn; returns how many went out."""
    began, count = time.monotonic(), 0
    while True:
        due = Invitation.objects.filter(_due(clock.now())).order_by().values_list("agency", flat=True).distinct()
        sent = 0
        for agency in Agency.objects.filter(pk__in=list(due)).order_by("pk"):
            if time.monotonic() - began >= seconds:
                return count + sent
            sent += _send_one(agency)
        if not sent:
            return count
        count += sent


def left_today(agency: Agency, now: datetime) -> int:
    gone = InvitationDay.objects.filter(agency=agency, day=_day(now)).values_list("count", flat=True).first()
    return max(0, agency.daily_invitations - (gone or 0))


def _due(now: datetime) -> Q:
    return Q(state=State.WAITING) | Q(state=State.SENDING, leased_until__lte=now)


def _send_one(agency: Agency) -> int:
    """Send the agency's next invitation; 0 where nothing may go out now."""
    invitation = _claim(agency, clock.now())
    if invitation is None:
        return 0
    is_taken = _write(invitation)
    with transaction.atomic():
        _note(invitation, is_taken, clock.now())
    return 1


def _claim(agency: Agency, now: datetime) -> Invitation | None:
    """Take the next one of the agency's, within its day's quota, with its handover opened."""
    if (agency.suspended_at is not None and agency.suspended_at <= now) or not agency.is_certified(now):
        return None
    while True:
        with transaction.atomic():
            rows = Invitation.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
            found = rows.filter(_due(now), agency=agency).order_by("released_at", "number").first()
            if found is None:
                return None
            if not _is_wanted(found):
                Invitation.objects.filter(pk=found.pk).update(state=State.WITHDRAWN)
                continue
            member = _who(found, now)
            if member is None:
                Invitation.objects.filter(pk=found.pk).update(state=State.NOT_SENT, trouble="MEMBER_BLOCKED")
                continue
            if found.handover is None:
                if not _count(agency, now):
                    return None
                _open(found, member, now)
            found.state, found.leased_until = State.SENDING, now + _IN_HAND
            found.attempts += 1
            found.save()
            return found


def _is_wanted(found: Invitation) -> bool:
    """Whether the case still waits for its customer, and for nobody else; it stays so while we hold it."""
    cases_here = AssistedCase.objects.select_for_update(of=("self",), no_key=True).select_related("program")
    case = cases_here.get(pk=found.case_id)
    is_open = case.state == AssistedCase.State.PROVING and case.subject_id is None and case.not_me_at is None
    is_living = found.handover is None or found.handover.ended_at is None
    is_offered = case.program.gone_at is None
    return is_open and is_living and is_offered and case.operator_id is None and bool(case.looked_up.get("account"))


def _who(found: Invitation, now: datetime) -> Membership | None:
    """For whom the customer is asked: who imported, or else the manager who released, if they may act."""
    asks = [found.bulk_import.started_by, found.bulk_import.released_by]
    return next((each for each in asks if each is not None and agents.blocked(each, now) is None), None)


_ONE_MORE = """
INSERT INTO agency_invitation_days AS d (agency_id, day, count) VALUES (%(agency)s, %(day)s, 1)
ON CONFLICT (agency_id, day) DO UPDATE SET count = d.count + 1 WHERE d.count < %(most)s RETURNING count
"""


def _count(agency: Agency, now: datetime) -> bool:
    """Count one more of today's, unless the quota is reached; of two workers the second waits for the first."""
    quota = Agency.objects.values_list("daily_invitations", flat=True).get(pk=agency.pk)
    if not quota:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_ONE_MORE, {"agency": agency.pk, "day": _day(now), "most": quota})
        return cursor.fetchone() is not None


def _open(found: Invitation, member: Membership, now: datetime) -> None:
    found.handover = handovers.open(
        found.case,
        member,
        way=Handover.Way.LINK,
        asks=Handover.Asks.MANDATE,
        now=now,
        lasts=LASTS,
        token=links.token_of(found),
    )
    found.ends_at = now + LASTS


def _write(found: Invitation) -> bool:
    """Ask the utility to write to its customer; no transaction is open."""
    case, handover = found.case, found.handover
    assert handover is not None and found.ends_at is not None
    locale = case.locale or "en"
    program = reading.program(case.program.item, locale).name
    agency = case.agency.name or case.agency.agency_id
    title, text = words(agency, program, links.address_of(found), found.ends_at, locale)
    return contacts.write(
        case.utility_id,
        account=str(case.looked_up.get("account", "")),
        template=TEMPLATE,
        locale=locale,
        parameters={"agency": agency, "program": program, "link": links.address_of(found)},
        title=title,
        text=text,
        notice_id=str(found.pk),
    )


def words(agency: str, program: str, link: str, until: datetime, locale: str) -> tuple[str, str]:
    """The message's title and text, in the customer's language as far as we speak it. Never the agency's words."""
    with translation.override(locale):
        day = formats.date_format(timezone.localtime(until).date(), "DATE_FORMAT")
        named = {"agency": agency, "program": program, "link": link, "day": day}
        title = _("%(agency)s asks whether it may help you join %(program)s") % named
        text = _(
            "%(agency)s, an enrolment agency, asks whether it may help you join the program “%(program)s”. It has not"
            " been told who you are, and nothing happens without your answer.\n\n"
            "To read what it asks and to say yes or no, open this link and sign in as you do with your electricity"
            " company: %(link)s\n\n"
            "The link works once, until %(day)s. If you do not want this, you need not do anything."
        )
        return title, text % named


def _note(found: Invitation, is_taken: bool, now: datetime) -> None:
    """Keep what came of it. Whether there is such a customer, the utility tells nobody."""
    mine = Invitation.objects.filter(pk=found.pk, state=State.SENDING)
    about = {"invitation": str(found.pk), "import": str(found.bulk_import_id)}
    if is_taken:
        if mine.update(state=State.SENT, sent_at=now, leased_until=None, trouble=""):
            timeline.note(Action.INVITATION_SENT, found.case, None, now, **about)
    elif found.attempts > len(PAUSES):
        if mine.update(state=State.NOT_SENT, trouble="UTILITY_SILENT", leased_until=None):
            timeline.note(Action.INVITATION_NOT_SENT, found.case, None, now, **about)
        assert found.handover is not None
        handovers.end(found.handover, now=now, why="NOT_SENT")
    else:
        mine.update(leased_until=now + PAUSES[found.attempts - 1], trouble="UTILITY_SILENT")


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
