"""A case's timeline: the journal's lines about it (screens A11). Written with each act, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.log import Action, Actor, ActorKind, Channel, record
from audit.models import Event
from identity import agents
from identity.models import Membership, Subject
from portals.models import AssistedCase

CASE = "agency-case"
MOST = 500


@dataclass(frozen=True)
class Entry:
    """One act: when, what (`audit.log.Action`), and who: a colleague by name, the customer, or nobody (the system)."""

    at: datetime
    action: str
    who: str
    is_customer: bool
    details: Mapping[str, Any]


def note(action: Action, case: AssistedCase, member: Membership | None, now: datetime, **details: Any) -> None:
    """Write what an agency's person did with a case, or what happened by itself (`member` None)."""
    if member is not None:
        agents.note(action, member, now, object_type=CASE, object_id=str(case.pk), subject=case.subject, **details)
        return
    actor = Actor(ActorKind.SYSTEM, "agency-portal", Channel.SYSTEM, on_behalf_of=case.agency.agency_id)
    _record(action, case, actor, now, case.subject, details)


def note_customer(action: Action, case: AssistedCase, subject: Subject | None, now: datetime, **details: Any) -> None:
    """Write what the customer did; `subject` None: whoever had the device, before a proof."""
    actor = Actor(ActorKind.PERSON, str(subject.pk) if subject else "unknown", Channel.EA, case.agency.agency_id)
    _record(action, case, actor, now, subject, details)


def of(case: AssistedCase) -> list[Entry]:
    """Everything that happened with a case, in order."""
    lines = list(Event.objects.filter(object_type=CASE, object_id=str(case.pk)).order_by("pk")[:MOST])
    names = {
        each.operator_id: each.name or each.operator_id for each in Membership.objects.filter(agency=case.agency_id)
    }
    return [_entry(line, names) for line in lines]


def _entry(line: Event, names: Mapping[str, str]) -> Entry:
    details = line.details or {}
    operator = str(details.get("operator", ""))
    who = names.get(operator, operator) if line.actor_kind == ActorKind.AGENCY else ""
    return Entry(line.at, line.action, who, line.actor_kind == ActorKind.PERSON, details)


def _record(
    action: Action,
    case: AssistedCase,
    actor: Actor,
    now: datetime,
    subject: Subject | None,
    details: Mapping[str, Any],
) -> None:
    record(
        action,
        actor=actor,
        at=now,
        subject=str(subject.pk) if subject else "",
        object_type=CASE,
        object_id=str(case.pk),
        details=dict(details),
    )
