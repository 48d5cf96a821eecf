"""Fifteen minutes in which somebody who helps may take over a draft, by a code that the customer reads out to them.

Only the code's digest is kept: the page that made it is the only place it stands. Who has taken a draft over sees it
until the customer, who can at any time, takes it back. Whoever asks `take` limits how often it may be tried.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from audit.log import Action, record
from identity.encryption import blind_index
from identity.models import User
from identity.sessions import actor_of
from portals.models import Application, HelpCode

LIVES = timedelta(minutes=15)
# Read out over the telephone: no vowels, and nothing that sounds or looks like something else.
ALPHABET = "2346789CDFGHJKMPQRTVWXY"
LENGTH = 8  # 23**8: 78 billion
OPEN = (Application.State.DRAFT, Application.State.CONFIRMING)


class NotADraft(Exception):
    """There is nothing to help with: the journey is over."""


class NoSuchCode(Exception):
    """The code is wrong, used, over, or taken back: which of them is nobody's business."""


def make(application: Application, *, user: User, now: datetime) -> tuple[HelpCode, str]:
    """Return a new code and its row; the one before ends. The code is told only now. Raises NotADraft."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    with transaction.atomic():
        locked = Application.objects.select_for_update(of=("self",)).get(pk=application.pk)
        if locked.state not in OPEN:
            raise NotADraft
        _living(locked).update(ended_at=now)
        row = HelpCode.objects.create(
            application=locked, code_digest=_digest(code), made_at=now, expires_at=now + LIVES
        )
        record(Action.HELP_OFFERED, actor=actor_of(user), at=now, **_about(locked))
    return row, for_reading(code)


def current(application: Application, now: datetime) -> HelpCode | None:
    """The code that may still be taken, or was taken and not ended."""
    row = _living(application).select_related("taken_by").first()
    if row is None or (row.taken_at is None and row.expires_at <= now):
        return None
    return row


def end(application: Application, *, user: User, now: datetime) -> bool:
    """Take the draft back; return whether anybody could have had it."""
    with transaction.atomic():
        ended = _living(application).update(ended_at=now)
        if ended:
            record(Action.HELP_ENDED, actor=actor_of(user), at=now, **_about(application))
    return bool(ended)


def take(typed: str, *, user: User, now: datetime) -> HelpCode:
    """Let `user` help with the draft whose code was read out to them. Good once. Raises NoSuchCode."""
    wanted = _digest("".join(each for each in typed.upper() if each.isalnum()))
    with transaction.atomic():
        row = (
            HelpCode.objects.select_for_update(of=("self",))
            .select_related("application__program")
            .filter(code_digest=wanted, ended_at=None, taken_at=None, expires_at__gt=now)
            .first()
        )
        if row is None or row.application.state not in OPEN or row.application.started_by_id == user.pk:
            raise NoSuchCode
        row.taken_at, row.taken_by = now, user
        row.save(update_fields=["taken_at", "taken_by"])
        record(Action.HELP_TAKEN, actor=actor_of(user), at=now, **_about(row.application))
    return row


def is_helped_by(application: Application, user: User) -> bool:
    """Whether this user has taken the draft over and may still see it."""
    return application.state in OPEN and _living(application).filter(taken_by=user).exists()


def for_reading(code: str) -> str:
    """In two groups, as it is read out."""
    return f"{code[: LENGTH // 2]} {code[LENGTH // 2 :]}"


def _living(application: Application) -> QuerySet[HelpCode]:
    return HelpCode.objects.filter(application=application, ended_at=None)


def _digest(code: str) -> str:
    return blind_index(code, purpose="help-code").hex()


def _about(application: Application) -> dict[str, Any]:
    return {
        "subject": str(application.subject_id),
        "object_type": "application",
        "object_id": str(application.pk),
    }
