"""What suspends by itself: too many customers who say "this was not me", too much evidence that others refuse.

Looked at by the worker now and then, once however many look: the suspension is the row's own, and only who makes it
tells of it. Counted from the last lifting on, so that who was let in again is not out at the next look. Each figure is
a setting; 0 switches it off (docs/operations.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from audit.log import SYSTEM, Action
from audit.models import Event
from identity import agencies, letters
from identity.models import Agency, Membership
from portals.agency import scoring
from portals.agency.scoring import Counts

NOT_ME, EVIDENCE = "NOT_ME", "EVIDENCE_REJECTED"
THRESHOLD, LETTER = "THRESHOLD", "SUSPENDED"

# Who might be over a threshold: whoever customers have disowned, or whose paper or document was refused, lately.
_CANDIDATES = """
SELECT DISTINCT c.agency_id, COALESCE(NULLIF(a.operator_id, ''), o.operator_id, b.operator_id)
FROM agency_cases c
JOIN agency_memberships b ON b.id = c.opened_by_id
LEFT JOIN agency_memberships o ON o.id = c.operator_id
LEFT JOIN portal_applications a ON a.id = c.application_id
WHERE c.not_me_at >= %(since)s
UNION
SELECT u.agency_id, u.operator_id FROM mandate_papers p JOIN agency_memberships u ON u.id = p.uploaded_by_id
WHERE p.state IN ('AGAIN', 'REFUSED') AND p.reviewed_at >= %(since)s
UNION
SELECT g.id, e.details ->> 'of_operator' FROM audit_logs e JOIN agencies g ON g.agency_id = e.details ->> 'of_agency'
WHERE e.object_type = 'document' AND e.details ? 'of_agency' AND e.at >= %(since)s AND e.action = 'document.refused'
"""


@dataclass(frozen=True)
class Found:
    """Who is over a threshold, for which reason, and by which figures. Without `member` it is the whole agency."""

    agency: Agency
    member: Membership | None
    reason: str
    counts: Counts


def suspend_if_due(now: datetime) -> int:
    """Suspend whoever is over a threshold; return how many were. Safe to run twice at once."""
    return sum(_suspend(each, now) for each in due(now))


def due(now: datetime) -> Iterator[Found]:
    """Who is over a threshold now and not suspended; of an agency that is, nobody in particular."""
    since = now - timedelta(days=settings.AGENCY_THRESHOLD_DAYS)
    for agency, operators in _candidates(since).items():
        if agency.suspended_at is not None:
            continue
        of_all = scoring.counted_since(agency, "", _since_lifted("agency", agency.agency_id, since))
        if reason := _agency_is_over(of_all):
            yield Found(agency, None, reason, of_all)
            continue
        for member in Membership.objects.filter(agency=agency, operator_id__in=operators, suspended_at=None):
            began = _since_lifted("membership", str(member.pk), since)
            theirs = scoring.counted_since(agency, member.operator_id, began)
            if reason := _person_is_over(theirs):
                yield Found(agency, member, reason, theirs)


def _candidates(since: datetime) -> dict[Agency, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"since": since})
        rows = cursor.fetchall()
    known = Agency.objects.in_bulk({agency_id for agency_id, _ in rows})
    found: dict[Agency, set[str]] = {}
    for agency_id, operator in rows:
        found.setdefault(known[agency_id], set()).add(operator or "")
    return found


def _agency_is_over(counts: Counts) -> str:
    least, share, rejected = (
        settings.AGENCY_LEAST_CASES,
        settings.AGENCY_NOT_ME_SHARE,
        settings.AGENCY_REJECTED_SHARE,
    )
    if share and counts.started >= least and counts.not_me_share >= share:
        return NOT_ME
    return EVIDENCE if rejected and counts.evidence >= least and counts.rejected_share >= rejected else ""


def _person_is_over(counts: Counts) -> str:
    most, share = settings.AGENCY_NOT_ME_OF_AN_AGENT, settings.AGENCY_REJECTED_SHARE
    if most and counts.not_me >= most:
        return NOT_ME
    is_enough = counts.evidence >= settings.AGENCY_LEAST_EVIDENCE
    return EVIDENCE if share and is_enough and counts.rejected_share >= share else ""


def _since_lifted(object_type: str, object_id: str, since: datetime) -> datetime:
    """What was counted before a suspension was lifted does not count again."""
    lifted = Event.objects.filter(
        object_type=object_type, object_id=object_id, action__in=[Action.MEMBER_RESUMED, Action.AGENCY_RESUMED]
    )
    at = lifted.order_by("-at").values_list("at", flat=True).first()
    return max(since, at) if at is not None else since


@transaction.atomic
def _suspend(found: Found, now: datetime) -> bool:
    agency, member = found.agency, found.member
    if member is None:
        kept = agencies.suspend(
            agency.agency_id, reason=found.reason, code=found.reason, by=THRESHOLD, actor=SYSTEM, at=now
        )
        if kept.suspended_at != now or kept.suspended_by != THRESHOLD:
            return False  # somebody else was faster
    elif not agencies.suspend_member(member, reason=found.reason, by=THRESHOLD, actor=SYSTEM, at=now):
        return False
    about = f"suspended:{member.pk if member else agency.agency_id}:{now:%Y%m%dT%H%M%S}"
    letters.to_managers(agency, kind=LETTER, about=about, title=_title(found), text=_text(found), now=now)
    return True


def _title(found: Found) -> str:
    if found.member is None:
        return _("%(agency)s is suspended") % {"agency": found.agency.name}
    return _("%(operator)s of %(agency)s is suspended") % {
        "operator": found.member.operator_id,
        "agency": found.agency.name,
    }


def _text(found: Found) -> str:
    """For the managers. Ids and figures only: e-mail is read by whoever has the machine."""
    named = {
        "days": settings.AGENCY_THRESHOLD_DAYS,
        "not_me": found.counts.not_me,
        "rejected": found.counts.rejected,
        "evidence": found.counts.evidence,
        "operator": found.member.operator_id if found.member else "",
    }
    if found.reason == NOT_ME:
        why = _("In the last %(days)d days %(not_me)d customers have said “this was not me”.") % named
    else:
        why = _("In the last %(days)d days %(rejected)d of %(evidence)d pieces of evidence were refused.") % named
    if found.member is None:
        what = _(
            "Nobody of your agency can begin or go on with a case. Its customers have been told how to go on without"
            " it. Enrolments stay; those of the last 30 days are looked at again."
        )
    else:
        what = (
            _(
                "%(operator)s can no longer begin or go on with a case. Their open cases are nobody’s now: colleagues"
                " find them on the desk. Enrolments stay."
            )
            % named
        )
    who = _("It can be lifted by the utility that certifies your agency, or by those who run this service.")
    return f"{why}\n\n{what}\n\n{who}\n"
