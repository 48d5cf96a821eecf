"""Whether a utility knows a customer (A3): match, no match, more than one, and nothing else of them.

Each look-up is a line in the journal, by which it is also watched: who finds nobody again and again tries numbers. They
wait longer and longer, and then are stopped until a manager, who is told, lets them go on. Source: issue 6 point 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from audit.log import Action
from audit.models import Event
from identity import agents, contacts, letters
from identity.limits import Budget
from identity.models import Agency, AgencyLetter, Membership

OF_AGENT = Budget("look-ups-of-agent", per_second=1 / 30, burst=40)
OF_AGENCY = Budget("look-ups-of-agency", per_second=1 / 3, burst=400)
WATCHED = timedelta(hours=1)
#: Look-ups of the last hour that found nobody: from SLOW on each next one waits, at STOP there is none.
SLOW, STOP = 5, 10
FIRST_WAIT = timedelta(seconds=30)  # doubled with each one
STOPPED_FOR = timedelta(hours=24)


class TooSoon(Exception):
    """Not now: `seconds` to wait. Nothing was asked."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Stopped(Exception):
    """This agent looks nobody up until a manager lets them go on. Nothing was asked."""


def look_up(
    member: Membership, utility_id: str, looked_up: Mapping[str, str], *, program_id: str, now: datetime
) -> str:
    """Ask the utility; return contacts.MATCH, NO_MATCH or SEVERAL. No transaction open.

    Raises TooSoon, Stopped, and contacts.Unavailable.
    """
    allow(member, now)
    by = "mobile" if "mobile" in looked_up else "account"
    answer = contacts.match(utility_id, **{by: looked_up[by]})
    with transaction.atomic():
        # One after the other for a person: of many at once each counts those before it.
        list(Membership.objects.select_for_update(of=("self",)).filter(pk__in=_of_person(member)).order_by("pk"))
        agents.note(
            Action.CUSTOMER_LOOKED_UP,
            member,
            now,
            object_type="membership",
            object_id=str(member.pk),
            utility=utility_id,
            program=program_id,
            by=by,
            reason=looked_up.get("reason", "")[:40],
            answer=answer,
        )
        if _missed(member, now) >= STOP:
            _stop(member, now)
    return answer


def allow(member: Membership, now: datetime) -> None:
    """Say whether one more look-up may be made. Raises TooSoon and Stopped."""
    if is_stopped(member, now):
        raise Stopped
    missed = _missed(member, now)
    if missed >= SLOW:
        last = _lines(_of_person(member), Action.CUSTOMER_LOOKED_UP).order_by("-pk").first()
        wait = FIRST_WAIT * 2 ** (missed - SLOW)
        if last is not None and now - last.at < wait:
            raise TooSoon(int((wait - (now - last.at)).total_seconds()) + 1)
    for budget, who in ((OF_AGENT, str(_of_person(member)[0])), (OF_AGENCY, member.agency.agency_id)):
        if not budget.take(now, who):
            raise TooSoon(budget.retry_after_seconds)


def is_stopped(member: Membership, now: datetime) -> bool:
    """Whether this person was stopped within the day, in whichever agency, and not released there since."""
    return any(_is_stopped_there(each, now) for each in _of_person(member))


def stopped_of(agency: Agency, now: datetime) -> list[Membership]:
    """The agents of an agency who are stopped now, for its managers."""
    lines = Event.objects.filter(
        actor_id=agency.agency_id, action=Action.LOOK_UPS_STOPPED, at__gt=now - STOPPED_FOR, object_type="membership"
    )
    keys = [int(each) for each in lines.values_list("object_id", flat=True).distinct() if each.isdecimal()]
    members = Membership.objects.filter(agency=agency, pk__in=keys).select_related("agency").order_by("operator_id")
    return [each for each in members if _is_stopped_there(each.pk, now)]


def release(member: Membership, *, by: Membership, now: datetime) -> None:
    """Let an agent look customers up again; what was counted before counts no more."""
    with transaction.atomic():
        if _is_stopped_there(member.pk, now):
            about = {"released": member.operator_id}
            key = str(member.pk)
            agents.note(
                Action.LOOK_UPS_RELEASED, by, now, object_type="membership", object_id=key, subject=None, **about
            )


def _stop(member: Membership, now: datetime) -> None:
    if _is_stopped_there(member.pk, now):
        return
    agents.note(Action.LOOK_UPS_STOPPED, member, now, object_type="membership", object_id=str(member.pk))
    text = _(
        "%(agent)s (%(operator)s) looked customers up %(count)s times within an hour and found nobody. They can look up"
        " nobody for 24 hours. Talk to them; if all is well, let them go on here:\n%(address)s"
    ) % {
        "agent": member.name,
        "operator": member.operator_id,
        "count": STOP,
        "address": settings.PUBLIC_URL + reverse("agency-look-ups"),
    }
    letters.to_managers(
        member.agency,
        kind=AgencyLetter.Kind.SUSPENDED,
        about=f"look-ups:{member.pk}:{now:%Y%m%d%H%M%S}",
        title=_("An agent's look-ups were stopped"),
        text=text,
        now=now,
    )


def _missed(member: Membership, now: datetime) -> int:
    """How often this person has found nobody within the hour: in each of their agencies since its last release."""
    return sum(_missed_there(each, now) for each in _of_person(member))


def _missed_there(key: int, now: datetime) -> int:
    released = _lines([key], Action.LOOK_UPS_RELEASED).order_by("-pk").first()
    since = max(now - WATCHED, released.at) if released else now - WATCHED
    found = _lines([key], Action.CUSTOMER_LOOKED_UP).filter(at__gt=since)
    return found.exclude(details__answer=contacts.MATCH).count()


def _is_stopped_there(key: int, now: datetime) -> bool:
    newest = _lines([key], Action.LOOK_UPS_STOPPED, Action.LOOK_UPS_RELEASED).filter(at__gt=now - STOPPED_FOR)
    last = newest.order_by("-pk").first()
    return last is not None and last.action == Action.LOOK_UPS_STOPPED


def _of_person(member: Membership) -> list[int]:
    """All memberships of whoever this is: choosing another of one's agencies begins no new count."""
    if member.user_id is None:
        return [member.pk]
    return list(Membership.objects.filter(user=member.user_id).order_by("pk").values_list("pk", flat=True))


def _lines(keys: Sequence[int], *actions: str) -> QuerySet[Event]:
    return Event.objects.filter(
        object_type="membership", object_id__in=[str(each) for each in keys], action__in=actions
    )
