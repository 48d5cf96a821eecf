"""Who works for which agency: the person behind a request, whether they may act now, and how the journal names them.

Somebody is an agency's by signing in at the provider that the agency is bound to (`Agency.sign_in_issuer`), as strongly
as it wants, and by a membership that is theirs. Asked with every request: what a manager or a utility changes counts at
the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from audit.log import Action, Actor, ActorKind, Channel, record
from audit.models import Event
from identity import sessions
from identity.acr import reaches
from identity.models import Agency, Membership, OidcSession, Subject
from identity.providers import is_agencys, provider_for

DESK = "/agency/"
FRESH = timedelta(minutes=5)
SEEN_EVERY = timedelta(minutes=5)
CHOSEN = "agency"  # in the session: the membership that was chosen, where somebody has several


class State(StrEnum):
    """How far somebody is on the way to their desk."""

    NOBODY = "nobody"  # not signed in, or as a customer
    NO_AGENCY = "no-agency"  # signed in at an agency's provider, and a member of none
    SEVERAL = "several"  # has to choose
    TOO_WEAK = "too-weak"  # has to take a second step
    MEMBER = "member"


class Why(StrEnum):
    AGENCY_SUSPENDED = "agency-suspended"
    AGENCY_NOT_YET = "agency-not-yet"
    AGENCY_LAPSED = "agency-lapsed"
    SWITCHED_OFF = "switched-off"
    SUSPENDED = "suspended"
    NOT_CERTIFIED = "not-certified"  # nobody has certified them yet
    LAPSED = "lapsed"


class Ask(StrEnum):
    """Whom to ask: the certifying utility, those who run this service, or the agency's managers."""

    UTILITY = "utility"
    OWNER = "owner"
    AGENCY = "agency"


@dataclass(frozen=True)
class Block:
    """Why somebody may not act now, since when (None: not kept), and whom to ask."""

    reason: Why
    since: datetime | None
    contact: Ask


@dataclass(frozen=True)
class Standing:
    """Who asks: `member` from SEVERAL on once one is chosen, `memberships` all of theirs at this provider."""

    state: State
    member: Membership | None = None
    memberships: Sequence[Membership] = ()


def of(request: HttpRequest) -> Membership | None:
    """Return the agency's member who asks: signed in strongly enough, switched on, their agency chosen.

    Whether they are stopped for another reason says `blocked`.
    """
    found = standing(request)
    is_in = found.state is State.MEMBER and found.member is not None and found.member.active
    return found.member if is_in else None


def standing(request: HttpRequest) -> Standing:
    """Say how far whoever asks has come; asked of the database once a request."""
    key = (request.session.session_key, request.user.pk, request.session.get(CHOSEN))
    known = getattr(request, "_standing", None)
    if known is None or known[0] != key:
        known = (key, _standing(request))
        request._standing = known  # type: ignore[attr-defined]
    found: Standing = known[1]
    return found


def is_one(request: HttpRequest) -> bool:
    """Say whether the browser is signed in at an agency's provider: then it is no customer's."""
    return bool(request.user.is_authenticated and is_agencys(request.user.issuer))


def is_at(request: HttpRequest, agency: Agency) -> bool:
    """Say whether the browser is signed in where this agency's people are, as strongly as it wants; member or not."""
    row = _sign_in(request)
    return row is not None and row.issuer == agency.sign_in_issuer and _is_strong(row, agency)


def blocked(membership: Membership, now: datetime) -> Block | None:
    """Return why this member may not act now; the agency's own trouble first, for it is everybody's."""
    agency = membership.agency
    if agency.suspended_at is not None and agency.suspended_at <= now:
        is_utilitys = agency.suspended_by == "UTILITY"
        return Block(Why.AGENCY_SUSPENDED, agency.suspended_at, Ask.UTILITY if is_utilitys else Ask.OWNER)
    if not agency.is_certified(now):
        is_early = now < agency.certified_from
        contact = Ask.UTILITY if agency.certified_by else Ask.OWNER
        if is_early:
            return Block(Why.AGENCY_NOT_YET, None, contact)
        return Block(Why.AGENCY_LAPSED, agency.certified_until, contact)
    if not membership.active:
        return Block(Why.SWITCHED_OFF, membership.switched_off_at, Ask.AGENCY)
    if membership.suspended_at is not None:
        # Their own managers cannot lift it (identity.agencies.resume_member).
        return Block(Why.SUSPENDED, membership.suspended_at, Ask.UTILITY if agency.certified_by else Ask.OWNER)
    if not membership.is_certified(now):
        if membership.trained_on is None:
            certifier = Ask.UTILITY if agency.certified_by else Ask.OWNER
            return Block(Why.NOT_CERTIFIED, membership.certified_until, certifier)
        return Block(Why.LAPSED, membership.certified_until, Ask.AGENCY)
    return None


def has_fresh_factor(request: HttpRequest, now: datetime, within: timedelta = FRESH) -> bool:
    """Say whether the member has proven both factors within this time."""
    member, row = of(request), _sign_in(request)
    if member is None or row is None or row.auth_time is None:
        return False
    return now - row.auth_time <= within


def step_up_address(next_path: str) -> str:
    """Where somebody who is signed in proves again that it is them."""
    return f"{reverse('agency-step-up')}?{urlencode({'next': next_path})}"


def begin_fresh_address(next_path: str) -> str:
    """Where somebody signs in anew, whatever session the provider still has. Whoever comes back has to be checked
    with `has_fresh_factor`: an address can be changed by hand."""
    return f"{reverse('agency-sign-in')}?{urlencode({'fresh': '1', 'next': next_path})}"


def actor_of(membership: Membership, subject: Subject | None = None) -> Actor:
    """The agency and its operator, for the journal."""
    behalf = str(subject.pk) if subject is not None else ""
    agency_id, operator_id = membership.agency.agency_id, membership.operator_id
    return Actor(ActorKind.AGENCY, agency_id, Channel.EA, on_behalf_of=behalf, operator=operator_id)


def note(
    action: Action,
    membership: Membership,
    now: datetime,
    *,
    object_type: str,
    object_id: str,
    subject: Subject | None = None,
    **details: Any,
) -> Event:
    """Write a line of what an agency's person did. Belongs into the transaction of the act."""
    return record(
        action,
        actor=actor_of(membership, subject),
        at=now,
        subject=str(subject.pk) if subject is not None else "",
        object_type=object_type,
        object_id=object_id,
        details={"operator": membership.operator_id, **details},
    )


def arrived(request: HttpRequest, now: datetime) -> None:
    """Keep that somebody has signed in; who has several agencies arrives when they choose one."""
    found = standing(request)
    if found.member is not None:
        entered(found.member, now)


def choose(request: HttpRequest, membership: Membership, now: datetime) -> None:
    """Work for this agency from now on, in this session."""
    request.session[CHOSEN] = membership.pk
    entered(membership, now)


def entered(membership: Membership, now: datetime) -> None:
    Membership.objects.filter(pk=membership.pk).update(last_seen_at=now)
    note(Action.AGENCY_ENTERED, membership, now, object_type="membership", object_id=str(membership.pk))


def seen(membership: Membership, now: datetime) -> None:
    """Keep when a member was last here, to five minutes."""
    last = membership.last_seen_at
    if last is None or now - last >= SEEN_EVERY:
        Membership.objects.filter(pk=membership.pk).update(last_seen_at=now)


def _standing(request: HttpRequest) -> Standing:
    row = _sign_in(request)
    if row is None:
        return Standing(State.NOBODY)
    theirs = list(
        Membership.objects.filter(user_id=row.user_id, agency__sign_in_issuer=row.issuer)
        .select_related("agency")
        .order_by("agency__name", "pk")
    )
    if not theirs:
        return Standing(State.NO_AGENCY)
    chosen = request.session.get(CHOSEN)
    member = theirs[0] if len(theirs) == 1 else next((each for each in theirs if each.pk == chosen), None)
    if member is None:
        return Standing(State.SEVERAL, None, theirs)
    return Standing(State.MEMBER if _is_strong(row, member.agency) else State.TOO_WEAK, member, theirs)


def _sign_in(request: HttpRequest) -> OidcSession | None:
    """The session's own sign-in, if it is one at an agency's provider."""
    if not is_one(request):
        return None
    row = next(iter(sessions.of(request)), None)
    is_theirs = row is not None and row.user_id == request.user.pk and is_agencys(row.issuer)
    return row if is_theirs else None


def _is_strong(row: OidcSession, agency: Agency) -> bool:
    provider = provider_for(row.issuer)
    if provider is None:
        return False
    least = [provider.minimum_acr, agency.minimum_acr]
    return all(reaches(row.acr, each, provider.acr_levels) for each in least)
