"""Bringing people to the console: inviting, joining, changing roles, switching off and on again (C14).

Every change waits for the rows of the security officers: of two who switch each other off at once, the second finds
that they are none any more. Nobody changes their own roles, and the last security officer stays one. `by` is the
member who asks, or the actor of a command or a break-glass account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.log import Action, Actor, ActorKind, Channel, record
from identity import letters
from identity.encryption import blind_index
from identity.limits import Budget
from identity.models import StaffMember, User
from identity.providers import STAFF, provider_for
from identity.staff import Role

INVITATION_LASTS = timedelta(days=7)
INVITATIONS = Budget("staff-invitations", per_second=50 / 86_400, burst=50)


class Why(StrEnum):
    LAST_OFFICER = "last-officer"  # somebody has to manage staff
    OWN = "own"  # nobody changes their own roles, or switches themselves off
    NOT_AN_OFFICER = "not-an-officer"  # whoever asks has been switched off, or given other roles, meanwhile
    ADDRESS_TAKEN = "address-taken"  # one human, one row
    NO_ROLE = "no-role"
    HAS_JOINED = "has-joined"
    SWITCHED_OFF = "switched-off"
    TOO_MANY = "too-many"
    NO_INVITATION = "no-invitation"  # unknown, used, over, or replaced by a newer one
    OTHER_PROVIDER = "other-provider"  # whoever joins has signed in elsewhere than staff do
    IS_MEMBER = "is-member"  # works here already, or did


class NotPossible(Exception):
    """What was asked cannot be done; nothing was written."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class Invited:
    """Whom somebody invites; `officer_of` are ids of utilities."""

    name: str
    email: str
    roles: Iterable[Role]
    officer_of: Iterable[str] = ()


def everybody() -> QuerySet[StaffMember]:
    """All members of staff, those who may act first, the oldest first."""
    return StaffMember.objects.select_related("user").order_by("switched_off_at", "added_at", "pk")


def invite(who: Invited, *, link: Callable[[str], str] | None, now: datetime, by: StaffMember | Actor) -> StaffMember:
    """Write down a new member of staff and send them a link that works for seven days, once. Raises NotPossible.

    `link` makes an address of a token, of which only the digest is kept; None where they are bound at once (`bind`).
    """
    roles = _roles(who.roles)
    if link is not None and not INVITATIONS.take(now, "all"):
        raise NotPossible(Why.TOO_MANY)
    with transaction.atomic():
        actor = _allowed(by)
        member = StaffMember(name=who.name.strip(), email=who.email.strip(), roles=roles, added_at=now)
        member.officer_of = sorted(set(who.officer_of))
        member.email_index = index_of(member.email)
        _save_anew(member)
        if link is not None:
            _send(member, link, now)
        _journal(Action.STAFF_INVITED, member, actor, now, roles=roles, **_officer(member))
    return member


def invite_again(member: StaffMember, *, link: Callable[[str], str], now: datetime, by: StaffMember | Actor) -> None:
    """Send a new link; the one before works no more. Raises NotPossible."""
    if not INVITATIONS.take(now, "all"):
        raise NotPossible(Why.TOO_MANY)
    with transaction.atomic():
        actor = _allowed(by)
        kept = _locked(member)
        if kept.user_id is not None:
            raise NotPossible(Why.HAS_JOINED)
        if kept.switched_off_at is not None:
            raise NotPossible(Why.SWITCHED_OFF)
        letters.forget_staffs(kept, now)
        _send(kept, link, now)
        _journal(Action.STAFF_INVITED, kept, actor, now, again=True)


def digest_of(token: str) -> str:
    """Return what is kept of a link's token; "" of what cannot be one."""
    return _digest(token) if 20 <= len(token) <= 100 else ""


def invited_by(digest: str, now: datetime) -> StaffMember | None:
    """Return whom a link (by its digest) invites; None for one that is unknown, used, over or replaced."""
    if not digest:
        return None
    member = StaffMember.objects.filter(invitation_digest=digest, user=None, switched_off_at=None).first()
    is_open = member is not None and member.invitation_ends_at is not None and now < member.invitation_ends_at
    return member if is_open else None


@transaction.atomic
def join(digest: str, user: User, *, now: datetime) -> StaffMember:
    """Make the invited row this user's. Raises NotPossible; the link then works on for whom it was meant."""
    member = invited_by(digest, now)
    if member is None:
        raise NotPossible(Why.NO_INVITATION)
    kept = _locked(member)
    if kept.user_id is not None or kept.invitation_digest != digest or kept.switched_off_at is not None:
        raise NotPossible(Why.NO_INVITATION)
    bind(kept, user, now=now)
    return kept


@transaction.atomic
def bind(member: StaffMember, user: User, *, now: datetime) -> None:
    """Make a row this user's, who has signed in at a provider of staff. Raises NotPossible."""
    provider = provider_for(user.issuer) if user.issuer else None
    if provider is None or provider.kind != STAFF:
        raise NotPossible(Why.OTHER_PROVIDER)
    if StaffMember.objects.filter(user=user).exists():
        raise NotPossible(Why.IS_MEMBER)
    member.user, member.joined_at = user, now
    member.invitation_digest, member.invitation_ends_at = "", None
    member.save(update_fields=["user", "joined_at", "invitation_digest", "invitation_ends_at"])
    actor = Actor(ActorKind.STAFF, str(user.pk), Channel.CONSOLE)
    _journal(Action.STAFF_JOINED, member, actor, now, roles=member.roles)


@transaction.atomic
def change_roles(
    member: StaffMember,
    roles: Iterable[Role],
    *,
    officer_of: Iterable[str] | None = None,
    reason: str = "",
    now: datetime,
    by: StaffMember | Actor,
) -> bool:
    """Give a member other roles; False where they are theirs already. Raises NotPossible."""
    wanted = _roles(roles)
    actor = _allowed(by, about=member)
    kept = _locked(member)
    if kept.switched_off_at is not None:
        raise NotPossible(Why.SWITCHED_OFF)
    before, officer_before = list(kept.roles), list(kept.officer_of)
    utilities = officer_before if officer_of is None else sorted(set(officer_of))
    if (wanted, utilities) == (sorted(before), officer_before):
        return False
    if Role.SECURITY_OFFICER not in wanted:
        _keep_an_officer(kept)
    kept.roles, kept.officer_of = wanted, utilities
    kept.save(update_fields=["roles", "officer_of"])
    told: dict[str, Any] = {"before": before, "roles": wanted, **_why(reason)}
    if utilities != officer_before:
        told |= {"officer_before": officer_before, "officer_of": utilities}
    _journal(Action.STAFF_CHANGED, kept, actor, now, **told)
    return True


@transaction.atomic
def switch_off(member: StaffMember, *, reason: str = "", now: datetime, by: StaffMember | Actor) -> bool:
    """Let a member in no more, from their next request on; False where that is so. Raises NotPossible.

    Of somebody who has not joined yet it takes the invitation back.
    """
    actor = _allowed(by, about=member)
    kept = _locked(member)
    if kept.switched_off_at is not None:
        return False
    _keep_an_officer(kept)
    letters.forget_staffs(kept, now)
    kept.switched_off_at, kept.invitation_digest, kept.invitation_ends_at = now, "", None
    kept.save(update_fields=["switched_off_at", "invitation_digest", "invitation_ends_at"])
    _journal(Action.STAFF_SWITCHED_OFF, kept, actor, now, **_why(reason))
    return True


@transaction.atomic
def switch_on(member: StaffMember, *, reason: str = "", now: datetime, by: StaffMember | Actor) -> bool:
    """Let a member in again with the roles they had; False where that is so. Raises NotPossible."""
    actor = _allowed(by, about=member)
    kept = _locked(member)
    if kept.switched_off_at is None:
        return False
    kept.switched_off_at = None
    _save_anew(kept)
    _journal(Action.STAFF_SWITCHED_ON, kept, actor, now, roles=kept.roles, **_why(reason))
    return True


def forget_letters(member: StaffMember, now: datetime) -> None:
    """Take back the letter to somebody who gets their link in another way."""
    letters.forget_staffs(member, now)


def index_of(email: str) -> bytes | None:
    """The blind index of an address, by which nobody has two rows; None of none."""
    return blind_index(email, purpose="staff-email") if email else None


def _allowed(by: StaffMember | Actor, about: StaffMember | None = None) -> Actor:
    """Lock the security officers and make sure that whoever asks still is one; return how the journal names them."""
    officers = list(
        StaffMember.objects.select_for_update(of=("self",))
        .filter(roles__contains=[Role.SECURITY_OFFICER.value])
        .order_by("pk")
    )
    if isinstance(by, Actor):
        return by
    asks = next((each for each in officers if each.pk == by.pk and _is_one(each)), None)
    if asks is None:
        raise NotPossible(Why.NOT_AN_OFFICER)
    if about is not None and about.pk == asks.pk:
        raise NotPossible(Why.OWN)
    return Actor(ActorKind.STAFF, str(asks.user_id), Channel.CONSOLE)


def _keep_an_officer(member: StaffMember) -> None:
    """Make sure that somebody else manages staff, if this one does. The officers are locked."""
    if not _is_one(member):
        return
    others = StaffMember.objects.filter(roles__contains=[Role.SECURITY_OFFICER.value]).exclude(pk=member.pk)
    if not any(_is_one(each) for each in others):
        raise NotPossible(Why.LAST_OFFICER)


def _is_one(member: StaffMember) -> bool:
    has_role = Role.SECURITY_OFFICER.value in member.roles
    return has_role and member.user_id is not None and member.switched_off_at is None


def _locked(member: StaffMember) -> StaffMember:
    return StaffMember.objects.select_for_update(of=("self",)).get(pk=member.pk)


def _roles(roles: Iterable[Role]) -> list[str]:
    found = sorted({Role(each).value for each in roles})
    if not found:
        raise NotPossible(Why.NO_ROLE)
    return found


def _save_anew(member: StaffMember) -> None:
    try:
        with transaction.atomic():
            member.save()
    except IntegrityError as error:
        if "one_member_of_staff_per_address" in str(error):
            raise NotPossible(Why.ADDRESS_TAKEN) from error
        raise


def _send(member: StaffMember, link: Callable[[str], str], now: datetime) -> None:
    token = secrets.token_urlsafe(32)
    member.invitation_digest = _digest(token)
    member.invited_at, member.invitation_ends_at = now, now + INVITATION_LASTS
    member.save(update_fields=["invitation_digest", "invited_at", "invitation_ends_at"])
    said = {"name": member.name, "link": link(token)}
    letters.to_staff(
        member,
        about=f"invitation:{member.pk}:{member.invitation_digest[:32]}",
        title=_("Your invitation to the console"),
        text=_(
            "Hello %(name)s,\n\nyou are invited to work at the console of Energy Enrollment. Open this link and sign in"
            " with your account of the organisation:\n\n%(link)s\n\nThe link works for seven days, and once. If you did"
            " not expect it, you need do nothing; give it to nobody."
        )
        % said,
        now=now,
    )


def _digest(token: str) -> str:
    return blind_index(token, purpose="staff-invitation").hex()


def _why(reason: str) -> dict[str, str]:
    return {"reason": reason} if reason else {}


def _officer(member: StaffMember) -> dict[str, Any]:
    return {"officer_of": member.officer_of} if member.officer_of else {}


def _journal(action: Action, member: StaffMember, actor: Actor, now: datetime, **details: Any) -> None:
    record(action, actor=actor, at=now, object_type="staff", object_id=str(member.pk), details=details or None)
