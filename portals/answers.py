"""Telling people that what they asked about their data is answered: through their utility, at the contact it has.

What the answer says is read signed in; the message says only that it is there.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from identity import contacts
from identity.models import PersonRequest, Subject, SubjectUtilityLink

#: How many at once, and how long we try with a utility that does not answer.
AT_ONCE, GIVE_UP_AFTER = 20, timedelta(days=7)
#: After so long a silent utility is asked again in so many seconds of each minute only.
SOON, SECONDS_OF_A_MINUTE = timedelta(minutes=2), 6
_TOLD = (PersonRequest.State.ANSWERED, PersonRequest.State.REFUSED)


def tell(now: datetime) -> int:
    """Write to those whose request was answered or refused; returns how many."""
    due = PersonRequest.objects.select_related("subject__merged_into").filter(
        state__in=_TOLD, told_at=None, closed_at__gt=now - GIVE_UP_AFTER
    )
    if now.second >= SECONDS_OF_A_MINUTE:
        due = due.filter(closed_at__gt=now - SOON)
    count = 0
    silent: set[str] = set()
    for row in due.defer("file", "answer", "note").order_by("closed_at", "pk")[:AT_ONCE]:
        utility_id = _utility_of(row)
        if utility_id in silent:
            continue
        if utility_id and not _written(row, utility_id):
            silent.add(utility_id)
            continue
        count += PersonRequest.objects.filter(pk=row.pk, told_at=None).update(told_at=now)
    return count


def _whose(row: PersonRequest) -> Subject:
    """Whose request it is: their record may have been merged into another since."""
    return row.subject.merged_into or row.subject


def _utility_of(row: PersonRequest) -> str:
    """Who knows the person now; "" where nobody does: then they read it when they sign in, or staff hands it over."""
    links = SubjectUtilityLink.objects.filter(subject=_whose(row), status="ACTIVE").order_by("-linked_at")
    return links.values_list("utility_id", flat=True).first() or ""


def _written(row: PersonRequest, utility_id: str) -> bool:
    whose = _whose(row)
    locale = whose.locale or "en"
    link = f"{settings.PUBLIC_URL}{reverse('portal-my-data-request', args=[row.public_id])}"
    with translation.override(locale):
        title = _("What you asked about your data is answered")
        text = _("Sign in to read the answer: %(link)s") % {"link": link}
    return contacts.write(
        utility_id,
        subject=whose,
        template="data-request-answered",
        locale=locale,
        parameters={"answerUrl": link},
        title=title,
        text=text,
        notice_id=str(row.public_id),
    )
