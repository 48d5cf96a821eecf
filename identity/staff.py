"""Who works at the console, in which roles, and how far whoever asks has come. What a role may do says
`console.rights`; bringing people in and changing their roles is `identity.staffing`.

Somebody is a member of staff by signing in at a provider of kind STAFF, as strongly as it wants (`minimum_acr`), and by
a row of theirs. Asked with every request: what a security officer changes counts at the next one. A local account is
for emergencies, and nobody's own (`settings.BREAK_GLASS`). Source: issue of the console (1, 8), screens C14.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest

from identity.acr import reaches
from identity.console_sessions import SIGN_IN, SessionStore
from identity.models import StaffMember, User
from identity.providers import STAFF, provider_for

SEEN_EVERY = timedelta(minutes=5)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Role(StrEnum):
    """The roles of staff; somebody may have several, and nobody gives themselves one."""

    VIEWER = "VIEWER"
    CASE_WORKER = "CASE_WORKER"
    APPROVER = "APPROVER"
    PROGRAM_EDITOR = "PROGRAM_EDITOR"
    SECURITY_OFFICER = "SECURITY_OFFICER"
    AUDITOR = "AUDITOR"


class State(StrEnum):
    """How far somebody is on the way to the console."""

    NOBODY = "nobody"  # not signed in here; a portal's session is none
    STRANGER = "stranger"  # signed in at a provider of ours, and no member of staff
    SWITCHED_OFF = "switched-off"
    TOO_WEAK = "too-weak"  # has to take a second step
    MEMBER = "member"
    BREAK_GLASS = "break-glass"  # a local account


@dataclass(frozen=True)
class Standing:
    """Who asks. `member` is whose sign-in it is, also where they may not go on; `acr` and `at` are how and when."""

    state: State
    member: StaffMember | None = None
    acr: str = ""
    at: datetime | None = None

    @property
    def is_in(self) -> bool:
        return self.state in (State.MEMBER, State.BREAK_GLASS)


def standing(request: HttpRequest) -> Standing:
    """Say how far whoever asks has come; asked of the database once a request."""
    session, user = getattr(request, "session", None), getattr(request, "user", None)
    if not isinstance(session, SessionStore) or user is None or not user.is_authenticated:
        return Standing(State.NOBODY)
    key = (session.session_key, user.pk)
    known = getattr(request, "_staff_standing", None)
    if known is None or known[0] != key:
        known = (key, _standing(session, user))
        request._staff_standing = known  # type: ignore[attr-defined]
    found: Standing = known[1]
    return found


def forget_standing(request: HttpRequest) -> None:
    """Have it asked for anew: something about whoever asks has changed."""
    request._staff_standing = None  # type: ignore[attr-defined]


def member_of(request: HttpRequest) -> StaffMember | None:
    """Return the member of staff who asks, None for a local account and for who may not go on."""
    found = standing(request)
    return found.member if found.state is State.MEMBER else None


def roles_of(member: StaffMember) -> frozenset[Role]:
    """Return the roles of a member; one that this version does not know counts for nothing."""
    return frozenset(Role(each) for each in member.roles if each in set(Role))


def called(ids: Iterable[object]) -> dict[str, str]:
    """Return what colleagues are called, by the ids that were given: members' own, or their accounts' (the journal's).

    Who is not known is left out. One query.
    """
    given = {str(each) for each in ids}
    accounts = [int(each) for each in given if each.isascii() and each.isdigit() and len(each) < 19]
    members = [each for each in given if _UUID.fullmatch(each)]
    found: dict[str, str] = {}
    if accounts or members:
        for row in StaffMember.objects.filter(Q(pk__in=members) | Q(user_id__in=accounts)):
            found |= {name: row.name for name in (str(row.pk), str(row.user_id)) if name in given and row.name}
    return found


def is_switched_off(person: str) -> bool:
    """Say whether this member (an id, as acts of two persons name them) works here no more."""
    off = StaffMember.objects.filter(switched_off_at__isnull=False)
    return _UUID.fullmatch(person) is not None and off.filter(pk=person).exists()


def seen(member: StaffMember, now: datetime) -> None:
    """Keep when a member was last here, to five minutes."""
    last = member.last_seen_at
    if last is None or now - last >= SEEN_EVERY:
        StaffMember.objects.filter(pk=member.pk).update(last_seen_at=now)


def arrived(request: HttpRequest, now: datetime) -> None:
    """Keep that a member has signed in, and how strongly."""
    found = standing(request)
    if found.member is not None:
        told = {"acr": found.acr[:128], "signed_in_at": found.at or now, "last_seen_at": now}
        StaffMember.objects.filter(pk=found.member.pk).update(**told)


def _standing(session: SessionStore, user: User) -> Standing:
    if not user.is_active:
        return Standing(State.NOBODY)
    if not user.issuer:
        is_one = settings.BREAK_GLASS and user.is_superuser and user.is_staff
        return Standing(State.BREAK_GLASS) if is_one else Standing(State.NOBODY)
    sign_in: Any = session.get(SIGN_IN)
    provider = provider_for(user.issuer)
    if provider is None or provider.kind != STAFF or not sign_in or sign_in["issuer"] != provider.issuer:
        return Standing(State.NOBODY)
    acr, moment = str(sign_in["acr"]), sign_in["at"]
    at = datetime.fromtimestamp(moment, UTC) if moment is not None else None
    member = StaffMember.objects.filter(user=user).first()
    if member is None:
        return Standing(State.STRANGER, None, acr, at)
    if member.switched_off_at is not None:
        return Standing(State.SWITCHED_OFF, member, acr, at)
    if not reaches(acr, provider.minimum_acr, provider.acr_levels):
        return Standing(State.TOO_WEAK, member, acr, at)
    return Standing(State.MEMBER, member, acr, at)
