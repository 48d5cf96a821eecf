"""What an agency's people have done, as the journal has it (A14): whose lines somebody may see, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from audit.log import Action
from audit.readers import Lines, ReadLine, lines_of_agency
from identity.models import Agency, Membership
from portals import houses
from portals.agency.timeline import CASE
from portals.models import AssistedCase

#: So many lines a file holds, the newest; who needs more takes a shorter period.
MOST_EXPORTED = 50_000
A_READ = 1_000

#: What each act is called; one without words is shown by its code.
WORDS = {
    Action.AGENCY_ENTERED: _("Signed in"),
    Action.CUSTOMER_LOOKED_UP: _("Looked a customer up"),
    Action.LOOK_UPS_STOPPED: _("Was stopped from looking customers up"),
    Action.LOOK_UPS_RELEASED: _("Let a colleague look customers up again"),
    Action.ASSISTED_OPENED: _("Opened a case"),
    Action.ASSISTED_FOUND: _("Found the customer"),
    Action.ASSISTED_READ: _("Read the sentences to the customer"),
    Action.ASSISTED_CODE_SENT: _("Had a code sent to the customer"),
    Action.ASSISTED_CODE_REFUSED: _("Typed a wrong code"),
    Action.ASSISTED_REVIEWED: _("Decided about a paper"),
    Action.ASSISTED_PROVED: _("Has the customer’s agreement"),
    Action.ASSISTED_ASSIGNED: _("Gave a case to a colleague, or took one"),
    Action.ASSISTED_DECLARED: _("Declared and confirmed"),
    Action.ASSISTED_CLOSED: _("Closed a case"),
    Action.ASSISTED_CORRECTED: _("Corrected a case by a file"),
    Action.HANDOVER_OPENED: _("Handed the device over, or sent a link"),
    Action.HANDOVER_ENDED: _("Took the device back"),
    Action.MANDATE_GIVEN: _("Kept the customer’s agreement"),
    Action.MANDATE_APPROVED: _("Approved an agreement on paper"),
    Action.MANDATE_REFUSED: _("Refused an agreement on paper"),
    Action.MANDATE_REVOKED: _("Ended an agreement"),
    Action.DOCUMENT_UPLOADED: _("Uploaded a document"),
    Action.DOCUMENT_REMOVED: _("Took a document back"),
    Action.READ_PII: _("Opened a customer’s document"),
    Action.SIGNAL_DECIDED: _("Decided about a signal"),
    Action.IMPORT_UPLOADED: _("Uploaded a file of customers"),
    Action.IMPORT_STARTED: _("Started an import"),
    Action.IMPORT_FINISHED: _("An import was finished"),
    Action.IMPORT_CANCELLED: _("Cancelled an import"),
    Action.IMPORT_STOPPED: _("Stopped an import"),
    Action.IMPORT_RELEASED: _("Released invitations"),
    Action.INVITATION_SENT: _("Invited a customer"),
    Action.INVITATION_NOT_SENT: _("Could not send an invitation"),
    Action.MEMBER_INVITED: _("Invited a colleague"),
    Action.MEMBER_JOINED: _("Joined the agency"),
    Action.MEMBER_CHANGED: _("Changed a colleague’s role"),
    Action.MEMBER_SWITCHED_OFF: _("Switched a colleague off"),
    Action.MEMBER_SWITCHED_ON: _("Switched a colleague on"),
    Action.CASE_SUBMITTED: _("Applied for the customer"),
    Action.CASE_READY: _("The application was found good"),
    Action.CASE_REFUSED: _("The application was refused"),
    Action.CASE_WAITING: _("The application waits for the utility"),
    Action.CASE_WITHDRAWN: _("Took an application back"),
    Action.ENROLLMENT_CONFIRMED: _("The customer was enrolled"),
    Action.ENROLLMENT_REFUSED: _("The enrolment was refused"),
    Action.ENROLLMENT_CANCELLED: _("Ended an enrolment for the customer"),
    Action.CONSENT_REVOKED: _("Took a consent back for the customer"),
    Action.EXPORT: _("Took a file of this activity"),
}


@dataclass(frozen=True)
class Asked:
    """What of the activity is wanted; nothing narrows nothing. Days are the agency's, both inclusive."""

    begins: date | None = None
    ends: date | None = None
    operator: str = ""
    action: str = ""
    case: AssistedCase | None = None
    is_nothing: bool = False  # asked for a case that is not there

    def as_details(self) -> dict[str, Any]:
        """For the journal: what was asked, by ids only."""
        told = {
            "from": self.begins.isoformat() if self.begins else "",
            "until": self.ends.isoformat() if self.ends else "",
            "person": self.operator,
            "act": self.action,
            "case": str(self.case.pk) if self.case else "",
        }
        return {key: value for key, value in told.items() if value}


def zone_of(agency: Agency) -> str:
    """The agency's days are those of the utility that certifies it, or of its first one."""
    wanted = agency.certified_by or next(iter(agency.utilities), "")
    return houses.house_of(wanted).time_zone


def sees_all(member: Membership) -> bool:
    """Managers see everybody's lines, others their own."""
    return member.role == Membership.Role.MANAGER


def lines(member: Membership, asked: Asked, *, older: int | None = None, most: int = 50) -> Lines:
    """A page of what this member may see."""
    if asked.is_nothing:
        return Lines((), None)
    zone = zone_of(member.agency)
    return lines_of_agency(
        member.agency.agency_id,
        operator=asked.operator if sees_all(member) else member.operator_id,
        actions=(asked.action,) if asked.action else (),
        since=_midnight(asked.begins, zone) if asked.begins else None,
        until=_midnight(asked.ends + timedelta(days=1), zone) if asked.ends else None,
        about=(CASE, str(asked.case.pk)) if asked.case else None,
        older=older,
        most=most,
    )


def all_lines(member: Membership, asked: Asked) -> Iterator[ReadLine]:
    """Every line, read a thousand at a time; at most MOST_EXPORTED."""
    older: int | None = None
    for _turn in range(MOST_EXPORTED // A_READ):
        found = lines(member, asked, older=older, most=A_READ)
        yield from found.lines
        if found.older is None:
            return
        older = found.older


def references(agency: Agency, found: tuple[ReadLine, ...]) -> dict[str, AssistedCase]:
    """The cases that lines are about, by their ids as the journal has them."""
    wanted = {line.object_id for line in found if line.object_type == CASE}
    keys = [key for key in map(_uuid, wanted) if key is not None]
    return {str(case.pk): case for case in AssistedCase.objects.filter(agency=agency, pk__in=keys)}


def words_of(action: str) -> str:
    """What an act is called."""
    known = {str(each): words for each, words in WORDS.items()}
    return str(known.get(action, action))


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone or "UTC"))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
