"""What a security officer has to look at: raised once, shown at the console until one has, written to all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.log import Action, Actor, record
from identity import letters
from identity.models import Alarm, StaffMember

logger = logging.getLogger(__name__)


def ring(kind: str, *, actor: Actor, now: datetime, told: Mapping[str, Any]) -> Alarm:
    """Raise an alarm: its row, a line of the journal, a letter to each security officer, and a line of the log.

    `told` holds ids, codes and counts, never a name. Belongs into the transaction of what it tells of.
    """
    with transaction.atomic():
        alarm = Alarm.objects.create(kind=kind, raised_at=now, told=dict(told))
        record(
            Action.ALARM_RAISED,
            actor=actor,
            at=now,
            object_type="alarm",
            object_id=str(alarm.pk),
            details={"kind": kind, **told},
        )
        for officer in security_officers():
            letters.to_staff(
                officer,
                about=f"alarm:{alarm.pk}:{officer.pk}",
                title=_("Console: %(what)s") % {"what": alarm.get_kind_display()},
                text=_(
                    "%(what)s, on %(day)s at %(time)s UTC.\n\nSign in to the console, see what was done with it, and"
                    " mark the alarm as seen: it stays on the first page until somebody has.\n\nYou get this"
                    " message because you are a security officer."
                )
                % {"what": alarm.get_kind_display(), "day": f"{now:%Y-%m-%d}", "time": f"{now:%H:%M}"},
                now=now,
            )
    logger.warning("an alarm was raised", extra={"alarm": alarm.pk, "kind": kind, **told})
    return alarm


def open_alarms() -> QuerySet[Alarm]:
    """What nobody has seen yet, the newest first."""
    return Alarm.objects.filter(seen_at=None).order_by("-pk")


def see(pk: int, *, by: StaffMember, actor: Actor, now: datetime) -> bool:
    """Mark an alarm as seen; False where it was before. A person does: a break-glass account cannot quieten its own."""
    with transaction.atomic():
        if not Alarm.objects.filter(pk=pk, seen_at=None).update(seen_at=now, seen_by=by):
            return False
        record(Action.ALARM_SEEN, actor=actor, at=now, object_type="alarm", object_id=str(pk))
    return True


def security_officers() -> QuerySet[StaffMember]:
    """Those who have joined and may act."""
    rows = StaffMember.objects.filter(roles__contains=["SECURITY_OFFICER"], switched_off_at=None, user__is_active=True)
    return rows.order_by("added_at", "pk")
