"""An agency's people: inviting, joining, changing a role, switching off and on again (A13).

What changes who manages an agency waits for the agency's row: of two managers who switch each other off at once, the
second one finds that they are none any more. A new member may not act before a utility has certified them
(`identity.certification`): a manager brings people in and certifies nobody.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.log import Action, Actor, record
from identity import agents, letters
from identity.encryption import blind_index
from identity.limits import Budget
from identity.models import Agency, AgencyLetter, Membership, User

INVITATION_LASTS = timedelta(days=7)
INVITATIONS = Budget("agency-invitations", per_second=50 / 86_400, burst=50)  # of one agency, to its own people
Role = Membership.Role


class Why(StrEnum):
    LAST_MANAGER = "last-manager"  # somebody has to manage the agency
    NOT_A_MANAGER = "not-a-manager"  # whoever asks has been switched off, or given another role, meanwhile
    OPERATOR_TAKEN = "operator-taken"
    HAS_JOINED = "has-joined"  # an invitation has been used already
    TOO_MANY = "too-many"
    NO_INVITATION = "no-invitation"  # unknown, used, over, or replaced by a newer one
    OTHER_PROVIDER = "other-provider"  # whoever joins has signed in elsewhere than the agency's people do
    IS_MEMBER = "is-member"  # of this agency, already


class NotPossible(Exception):
    """What was asked cannot be done; nothing was written."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class Invited:
    """Whom somebody invites. `name` is what customers and colleagues will read."""

    operator_id: str
    name: str
    email: str
    role: str = Role.AGENT


def of_agency(agency: Agency) -> QuerySet[Membership]:
    return agency.memberships.select_related("agency").order_by("-active", "operator_id")


def invite(
    agency: Agency, who: Invited, *, link: Callable[[str], str], now: datetime, by: Membership | Actor
) -> Membership:
    """Write down a new member and send them a link that works for seven days, once.

    `link` makes an address of a token; only the token's digest is kept. Raises NotPossible.
    """
    _spend(agency, now)
    with transaction.atomic():
        actor = _allowed(agency, by, now)
        if Membership.objects.filter(agency=agency, operator_id=who.operator_id).exists():
            raise NotPossible(Why.OPERATOR_TAKEN)
        member = Membership(agency=agency, operator_id=who.operator_id, name=who.name, email=who.email, role=who.role)
        member.certified_until = now  # a certificate is the utility's to give
        _send(member, link, now)
        _journal(Action.MEMBER_INVITED, member, actor, by, now, role=who.role)
    return member


def invite_again(member: Membership, *, link: Callable[[str], str], now: datetime, by: Membership | Actor) -> None:
    """Send a new link; the one before works no more. Raises NotPossible."""
    _spend(member.agency, now)
    with transaction.atomic():
        actor = _allowed(member.agency, by, now)
        kept = _locked(member)
        if kept.user_id is not None or not kept.email:
            raise NotPossible(Why.HAS_JOINED)
        letters.forget(kept, now)
        _send(kept, link, now)
        _journal(Action.MEMBER_INVITED, kept, actor, by, now, again=True)


def digest_of(token: str) -> str:
    """Return what is kept of a link's token; "" of what cannot be one."""
    return _digest(token) if 20 <= len(token) <= 100 else ""


def invited_by(digest: str, now: datetime) -> Membership | None:
    """Return whom a link (by its digest) invites; None for one that is unknown, used, over or replaced."""
    if not digest:
        return None
    found = Membership.objects.select_related("agency").filter(invitation_digest=digest, user=None, active=True)
    member = found.first()
    is_open = member is not None and member.invitation_ends_at is not None and now < member.invitation_ends_at
    return member if is_open else None


@transaction.atomic
def join(digest: str, user: User, *, now: datetime) -> Membership:
    """Make the invited membership this user's. Raises NotPossible; the link then works on for whom it was meant."""
    member = invited_by(digest, now)
    if member is None:
        raise NotPossible(Why.NO_INVITATION)
    kept = _locked(member)
    if kept.user_id is not None or kept.invitation_digest != digest or not kept.active:
        raise NotPossible(Why.NO_INVITATION)
    if not member.agency.sign_in_issuer or user.issuer != member.agency.sign_in_issuer:
        raise NotPossible(Why.OTHER_PROVIDER)
    if Membership.objects.filter(agency=member.agency, user=user).exists():
        raise NotPossible(Why.IS_MEMBER)
    kept.user, kept.joined_at, kept.last_seen_at = user, now, now
    kept.invitation_digest, kept.invitation_ends_at = "", None
    kept.save(update_fields=["user", "joined_at", "last_seen_at", "invitation_digest", "invitation_ends_at"])
    agents.note(Action.MEMBER_JOINED, kept, now, object_type="membership", object_id=str(kept.pk), role=kept.role)
    return kept


@transaction.atomic
def change_role(member: Membership, role: str, *, now: datetime, by: Membership | Actor) -> bool:
    """Give a member another role; False where it is theirs already. Raises NotPossible."""
    actor = _allowed(member.agency, by, now)
    kept = _locked(member)
    before = kept.role
    if role == before:
        return False
    if role != Role.MANAGER:
        _keep_a_manager(kept, now)
    kept.role = Role(role)
    kept.save(update_fields=["role"])
    _journal(Action.MEMBER_CHANGED, kept, actor, by, now, before=before, role=role)
    return True


@transaction.atomic
def switch_off(member: Membership, *, now: datetime, by: Membership | Actor) -> bool:
    """Let a member in no more, from their next request on; False where that is so. Raises NotPossible.

    Of somebody who has not joined yet it takes the invitation back.
    """
    actor = _allowed(member.agency, by, now)
    kept = _locked(member)
    if not kept.active:
        return False
    _keep_a_manager(kept, now)
    letters.forget(kept, now)
    kept.active, kept.switched_off_at = False, now
    kept.invitation_digest, kept.invitation_ends_at = "", None
    kept.save(update_fields=["active", "switched_off_at", "invitation_digest", "invitation_ends_at"])
    _journal(Action.MEMBER_SWITCHED_OFF, kept, actor, by, now)
    return True


@transaction.atomic
def switch_on(member: Membership, *, now: datetime, by: Membership | Actor) -> bool:
    """Let a member in again; a suspension and an ended certificate stay. False where that is so. Raises NotPossible."""
    actor = _allowed(member.agency, by, now)
    kept = _locked(member)
    if kept.active:
        return False
    kept.active, kept.switched_off_at = True, None
    kept.save(update_fields=["active", "switched_off_at"])
    _journal(Action.MEMBER_SWITCHED_ON, kept, actor, by, now)
    return True


def _allowed(agency: Agency, by: Membership | Actor, now: datetime) -> Actor:
    """Lock the agency and make sure that whoever asks still manages it; return how the journal names them."""
    Agency.objects.select_for_update().get(pk=agency.pk)
    if isinstance(by, Actor):
        return by
    asks = Membership.objects.select_related("agency").get(pk=by.pk)
    if asks.agency_id != agency.pk or asks.role != Role.MANAGER or agents.blocked(asks, now) is not None:
        raise NotPossible(Why.NOT_A_MANAGER)
    return agents.actor_of(asks)


def _keep_a_manager(member: Membership, now: datetime) -> None:
    """Make sure that somebody else manages the agency, if this one does. The agency is locked."""
    if not _manages(member, now):
        return
    others = member.agency.memberships.filter(role=Role.MANAGER).exclude(pk=member.pk)
    if not any(_manages(each, now) for each in others):
        raise NotPossible(Why.LAST_MANAGER)


def _manages(member: Membership, now: datetime) -> bool:
    return member.role == Role.MANAGER and member.user_id is not None and member.is_certified(now)


def _locked(member: Membership) -> Membership:
    return Membership.objects.select_for_update(of=("self",)).select_related("agency").get(pk=member.pk)


def _spend(agency: Agency, now: datetime) -> None:
    if not INVITATIONS.take(now, agency.agency_id):
        raise NotPossible(Why.TOO_MANY)


def _send(member: Membership, link: Callable[[str], str], now: datetime) -> None:
    token = secrets.token_urlsafe(32)
    member.invitation_digest = _digest(token)
    member.invited_at, member.invitation_ends_at = now, now + INVITATION_LASTS
    member.save()
    said = {"name": member.name, "agency": member.agency.name, "link": link(token)}
    letters.write(
        member.agency,
        membership=member,
        kind=AgencyLetter.Kind.INVITATION,
        about=f"invitation:{member.pk}:{member.invitation_digest[:32]}",
        to=member.email,
        title=_("Your invitation to work for %(agency)s") % said,
        text=_(
            "Hello %(name)s,\n\n%(agency)s invites you to enrol customers with it. Open this link and sign in with"
            " your account at the agency:\n\n%(link)s\n\nThe link works for seven days, and once. If you did not"
            " expect it, you need do nothing; give it to nobody."
        )
        % said,
        now=now,
    )


def _digest(token: str) -> str:
    return blind_index(token, purpose="agency-invitation").hex()


def _journal(
    action: Action, member: Membership, actor: Actor, by: Membership | Actor, now: datetime, **details: Any
) -> None:
    operator = {"operator": by.operator_id} if isinstance(by, Membership) else {}
    record(
        action,
        actor=actor,
        at=now,
        object_type="membership",
        object_id=str(member.pk),
        details={**operator, "agency": member.agency.agency_id, "member": member.operator_id, **details},
    )
