"""Questions that nobody answered in time, so that nobody stands before "please wait" for ever.

A confirmation is sent again: its order id makes it the same one at the provider, who answers with what it has done
already. Every other question is given up and the person may ask again; an answer that comes after all still counts if
the journey has not changed since. After a change to an enrolment we ask how it stands.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import QuerySet

from beckn.models import Outbox, State
from portals import asking, drafts
from portals.asking import PATIENCE
from portals.callbacks import NO_ANSWER
from portals.models import Application

logger = logging.getLogger(__name__)

MOST = 200
LONGEST = timedelta(hours=1)  # between two confirmations that are sent again
GIVE_UP = timedelta(hours=24)


def look(now: datetime) -> int:
    """Do what is due for questions that wait too long; return for how many. Safe in many processes at once."""
    overdue = Application.objects.filter(asked_at__lt=now - PATIENCE).exclude(trouble=NO_ANSWER)
    count = 0
    for application in overdue.select_related("program__bpp").order_by("asked_at")[:MOST]:
        count += _go_on(application, now)
    return count


def _go_on(application: Application, now: datetime) -> bool:
    """Send again or give up, unless an answer or another worker was faster."""
    asked, is_due = application.asked_message_id, _is_due(application, now)
    done = False

    def change(row: Application) -> None:
        nonlocal done
        if row.asked_message_id != asked or row.asked_action == "":
            return
        done = True
        _act(row, now)

    if is_due:
        drafts.change(application, None, change, now=now)
    return done


def _is_due(application: Application, now: datetime) -> bool:
    """A confirmation that could not be delivered is on its way already; of the others each next one waits longer."""
    if application.asked_action != "confirm":
        return True
    sent = _confirms(application)
    newest = sent.order_by("-pk").first()
    if newest is None or newest.state == State.WAITING:
        return False
    wait = min(LONGEST, PATIENCE * 2 ** min(sent.count() - 1, 10))
    return application.asked_at is not None and now - application.asked_at >= wait


def _act(row: Application, now: datetime) -> None:
    if row.asked_action == "confirm":
        first = _confirms(row).order_by("pk").first()
        if first is None or now - first.created_at < GIVE_UP:
            asking.confirm(row, now=now)
            return
        logger.error("a provider does not answer a confirmation", extra={"application": str(row.pk)})
        row.trouble = NO_ANSWER
        return
    if row.asked_action == "update":
        asking.status(row, now=now)
        return
    logger.warning("nobody answered", extra={"application": str(row.pk), "action": row.asked_action})
    is_draft = row.state == Application.State.DRAFT
    if is_draft and row.asked_action in ("select", "init"):
        row.told = {**row.told, "given_up": {"request": row.asked_message_id, "version": row.version + 1}}
    if is_draft or row.state == Application.State.ENROLLED:
        row.trouble = NO_ANSWER
    row.asked_action, row.asked_message_id, row.asked_at = "", "", None


def _confirms(application: Application) -> QuerySet[Outbox]:
    return Outbox.objects.filter(
        kind=Outbox.Kind.REQUEST,
        action="confirm",
        sender_id=application.portal,
        transaction_id=application.transaction_id,
    )
