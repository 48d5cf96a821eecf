"""Enrolment agencies: may this one send this message, and how operators of the service change them (decision 48)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from audit.log import Action, Actor, record
from identity.models import Agency, Membership


class Reason(StrEnum):
    NOT_BOUND = "NOT_BOUND"  # also what is said of an agency nobody knows
    SUSPENDED = "SUSPENDED"
    NOT_CERTIFIED = "NOT_CERTIFIED"
    UTILITY_NOT_COVERED = "UTILITY_NOT_COVERED"
    PROGRAM_NOT_COVERED = "PROGRAM_NOT_COVERED"
    OPERATOR_NOT_CERTIFIED = "OPERATOR_NOT_CERTIFIED"


@dataclass(frozen=True)
class AgencyRefusal:
    """Why an agency may not do this (EA_NOT_CERTIFIED on the wire), with a sentence for its operator."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Operator:
    """A member to be added: certified until an instant (exclusive), or as long as the agency. Without a role they keep
    the one they have, and somebody new is an agent."""

    operator_id: str
    certified_until: datetime | None = None
    role: str = ""


@dataclass(frozen=True)
class Details:
    """What `add` writes. Empty `utilities` and `programs` mean any, empty `participants` mean that nobody may send."""

    name: str
    certified_from: datetime
    certified_until: datetime | None = None
    utilities: Sequence[str] = ()
    programs: Sequence[str] = ()
    participants: Sequence[str] = ()
    operators: Sequence[Operator] = ()
    contact: Mapping[str, str] = field(default_factory=dict)  # email, phone, url, hours
    portal: Mapping[str, Any] = field(default_factory=dict)  # portal_id, sign_in_issuer, minimum_acr, daily_invitations


class UnknownAgency(LookupError):
    """There is no agency of this id."""


def check(
    agency_id: str,
    *,
    operator_id: str,
    participant_id: str,
    utility_ids: Sequence[str],
    program_id: str,
    at: datetime,
) -> AgencyRefusal | Agency:
    """Return the agency if it may send this for `participant_id` now, or why it may not. Read anew for each message.

    An empty `operator_id` (callers who know only the guide's header) or `program_id` is not checked.
    """
    agency = Agency.objects.filter(agency_id=agency_id).first()
    if agency is None or participant_id not in agency.participants:
        return AgencyRefusal(Reason.NOT_BOUND, "This participant may not send for the agency it names.")
    refusal = _refused(agency, utility_ids, program_id, at)
    if refusal is None and operator_id:
        refusal = _refused_operator(agency, operator_id, at)
    return refusal or agency


def agencies_bound_to(participant_id: str) -> set[str]:
    """Return the ids of the agencies this participant may send for, whatever their state."""
    return set(Agency.objects.filter(participants__contains=[participant_id]).values_list("agency_id", flat=True))


def must_name_an_agency(participant_id: str) -> bool:
    """Say whether a message of this participant has to name an agency: it is there for agencies only."""
    return bool(agencies_bound_to(participant_id))


@transaction.atomic
def add(agency_id: str, details: Details, *, actor: Actor, at: datetime) -> Agency:
    """Write an agency and its operators, new or anew; operators that are not named are taken off the list.

    A suspension stays: only `resume` ends it. Counts from the next message on.
    """
    agency = Agency.objects.select_for_update().filter(agency_id=agency_id).first()
    before = facts(agency) if agency else None
    agency = agency or Agency(agency_id=agency_id)
    agency.name = details.name
    if not agency.certified_by:  # else it is the utility's to say (identity.certification)
        agency.certified_from, agency.certified_until = details.certified_from, details.certified_until
    agency.utilities, agency.programs = sorted(set(details.utilities)), sorted(set(details.programs))
    agency.participants = sorted(set(details.participants))
    for key in ("email", "phone", "url", "hours"):
        setattr(agency, f"contact_{key}", details.contact.get(key, ""))
    for key, value in details.portal.items():
        setattr(agency, key, value)
    if agency.portal_id and agency.portal_id not in agency.participants:
        agency.participants = sorted([*agency.participants, agency.portal_id])
    agency.save()
    _write_operators(agency, details.operators, at)
    action = Action.AGENCY_CHANGED if before else Action.AGENCY_ADDED
    _journal(action, agency, actor, at, before)
    return agency


def suspend(agency_id: str, *, reason: str, actor: Actor, at: datetime, by: str = "OWNER", code: str = "") -> Agency:
    """Refuse the agency's messages from now on; the first suspension's moment stays. Raises UnknownAgency.

    `by`: OWNER, UTILITY (its certifying one) or THRESHOLD; `code` is the reason as its people read it. What follows
    (cases, orders, what is looked at again) does `settings.AGENCY_SUSPENDED_LISTENERS`, in the same transaction.
    """
    return _set_suspended(agency_id, at, Action.AGENCY_SUSPENDED, reason, actor, at, by, code or reason)


def resume(agency_id: str, *, reason: str, actor: Actor, at: datetime) -> Agency:
    """End a suspension. What it closed stays closed; thresholds count from now on. Raises UnknownAgency."""
    return _set_suspended(agency_id, None, Action.AGENCY_RESUMED, reason, actor, at)


def suspend_member(member: Membership, *, reason: str, actor: Actor, at: datetime, by: str = "OWNER") -> bool:
    """Stop one of an agency's people from now on, for a reason (a code); False where they are stopped already."""
    return _set_member_suspended(member, at, Action.MEMBER_SUSPENDED, reason, actor, at, by)


def resume_member(member: Membership, *, reason: str, actor: Actor, at: datetime) -> bool:
    """End the suspension of one of an agency's people; False where there is none.

    The agency cannot do this itself: who runs the service, or its certifying utility, does.
    """
    return _set_member_suspended(member, None, Action.MEMBER_RESUMED, reason, actor, at)


def called(agency_id: str, operator_id: str) -> tuple[str, str]:
    """Return what customers read of an agency and its operator; of one without a name, the operator's id."""
    member = (
        Membership.objects.select_related("agency").filter(agency__agency_id=agency_id, operator_id=operator_id).first()
    )
    if member is not None:
        return member.agency.name, member.name or operator_id
    agency = Agency.objects.filter(agency_id=agency_id).first()
    return (agency.name if agency else agency_id), operator_id


def facts(agency: Agency) -> dict[str, Any]:
    """Return an agency with its operators as plain JSON, as commands print it and the journal digests it."""
    members = agency.memberships.order_by("operator_id") if agency.pk else Membership.objects.none()
    return {
        "agencyId": agency.agency_id,
        "name": agency.name,
        "certifiedFrom": agency.certified_from.isoformat(),
        "certifiedUntil": _text(agency.certified_until),
        "certifiedBy": agency.certified_by,
        "suspendedAt": _text(agency.suspended_at),
        "utilities": list(agency.utilities),
        "programs": list(agency.programs),
        "participants": list(agency.participants),
        "contact": {
            "email": agency.contact_email,
            "phone": agency.contact_phone,
            "url": agency.contact_url,
            "hours": agency.contact_hours,
        },
        "operators": [
            {
                "operatorId": member.operator_id,
                "role": member.role,
                "certifiedUntil": _text(member.certified_until),
                "active": member.active,
            }
            for member in members
        ],
    }


def _refused(agency: Agency, utility_ids: Sequence[str], program_id: str, at: datetime) -> AgencyRefusal | None:
    if agency.suspended_at is not None and agency.suspended_at <= at:
        return AgencyRefusal(Reason.SUSPENDED, "The agency is suspended.")
    if not agency.is_certified(at):
        return AgencyRefusal(Reason.NOT_CERTIFIED, "The agency's certificate does not cover today.")
    if agency.utilities and not set(utility_ids) <= set(agency.utilities):
        return AgencyRefusal(Reason.UTILITY_NOT_COVERED, "The agency is not certified for this utility.")
    if agency.programs and program_id and program_id not in agency.programs:
        return AgencyRefusal(Reason.PROGRAM_NOT_COVERED, "The agency is not certified for this program.")
    return None


def _refused_operator(agency: Agency, operator_id: str, at: datetime) -> AgencyRefusal | None:
    member = Membership.objects.filter(agency=agency, operator_id=operator_id).first()
    if member is None or not member.is_certified(at):
        return AgencyRefusal(Reason.OPERATOR_NOT_CERTIFIED, "The agency's operator is not certified today.")
    return None


def _write_operators(agency: Agency, operators: Sequence[Operator], at: datetime) -> None:
    others = Membership.objects.filter(agency=agency).exclude(operator_id__in=[each.operator_id for each in operators])
    others.filter(active=True).update(active=False, switched_off_at=at)
    for each in operators:
        said = {"certified_until": each.certified_until, "active": True, "switched_off_at": None}
        role = {"role": each.role} if each.role else {}
        Membership.objects.update_or_create(agency=agency, operator_id=each.operator_id, defaults=said | role)


@transaction.atomic
def _set_suspended(
    agency_id: str,
    suspended_at: datetime | None,
    action: Action,
    reason: str,
    actor: Actor,
    at: datetime,
    by: str = "",
    code: str = "",
) -> Agency:
    agency = Agency.objects.select_for_update().filter(agency_id=agency_id).first()
    if agency is None:
        raise UnknownAgency(agency_id)
    if (agency.suspended_at is None) != (suspended_at is None):
        before = facts(agency)
        agency.suspended_at, agency.suspended_by, agency.suspension_reason = suspended_at, by, code[:60]
        agency.save(update_fields=["suspended_at", "suspended_by", "suspension_reason"])
        details = {key: value for key, value in (("reason", reason), ("by", by if by != "OWNER" else "")) if value}
        _journal(action, agency, actor, at, before, details or None)
        for listener in settings.AGENCY_SUSPENDED_LISTENERS if suspended_at is not None else ():
            import_string(listener)(agency, at)
    return agency


@transaction.atomic
def _set_member_suspended(
    member: Membership,
    suspended_at: datetime | None,
    action: Action,
    reason: str,
    actor: Actor,
    at: datetime,
    by: str = "",
) -> bool:
    kept = Membership.objects.select_for_update(of=("self",)).select_related("agency").get(pk=member.pk)
    if (kept.suspended_at is None) == (suspended_at is None):
        return False
    before = {"suspendedAt": _text(kept.suspended_at)}
    kept.suspended_at, kept.suspension_reason = suspended_at, reason[:60] if suspended_at else ""
    kept.save(update_fields=["suspended_at", "suspension_reason"])
    member.suspended_at, member.suspension_reason = kept.suspended_at, kept.suspension_reason
    record(
        action,
        actor=actor,
        at=at,
        object_type="membership",
        object_id=str(kept.pk),
        before=before,
        after={"suspendedAt": _text(kept.suspended_at)},
        details={
            "agency": kept.agency.agency_id,
            "operator": kept.operator_id,
            "reason": reason[:60],
            **({"by": by} if by else {}),
        },
    )
    return True


def _journal(
    action: Action,
    agency: Agency,
    actor: Actor,
    at: datetime,
    before: Mapping[str, Any] | None,
    details: Mapping[str, Any] | None = None,
) -> None:
    record(
        action,
        actor=actor,
        at=at,
        object_type="agency",
        object_id=agency.agency_id,
        before=before,
        after=facts(agency),
        details=details,
    )


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
