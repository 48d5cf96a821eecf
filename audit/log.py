"""Writing the journal: `record` one line, or `record_all` of them in one INSERT.

Both belong inside the transaction of the act they tell of. Details hold ids, codes and counts; never a name, number,
address, token or code of a person, and never a DID: the journal is kept longer than personal data may be.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import connection

from audit import chain
from audit.models import Event


class ActorKind(StrEnum):
    PARTICIPANT = "PARTICIPANT"
    AGENCY = "AGENCY"
    PERSON = "PERSON"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


class Channel(StrEnum):
    PORTAL = "PORTAL"
    EA = "EA"
    SDK = "SDK"
    CSR = "CSR"
    BULK = "BULK"
    SYSTEM = "SYSTEM"
    CONSOLE = "CONSOLE"


@dataclass(frozen=True)
class Actor:
    """Who acts: a subscriber id, an agency id, a Subject or User pk, or a part of the system; never a DID or a name.

    `on_behalf_of` is whom the actor speaks for (a Subject pk or an agency id), empty where it is itself. `operator` and
    `mandate` are who of an agency acted, and by what right: in the details of every line of theirs.
    """

    kind: ActorKind
    id: str
    channel: Channel = Channel.SYSTEM
    on_behalf_of: str = ""
    operator: str = ""
    mandate: str = ""


SYSTEM = Actor(ActorKind.SYSTEM, "system", Channel.SYSTEM)


class Action(StrEnum):
    """What can be written in the journal: object, dot, what happened to it (spec/domain.md 5)."""

    MESSAGE_REFUSED = "message.refused"
    MESSAGE_STUCK = "message.stuck"
    MESSAGE_RETRIED = "message.retried"
    MESSAGE_GIVEN_UP = "message.given_up"  # by staff, with a note
    MESSAGE_REPEATED = "message.repeated"  # one that we had taken came again
    MESSAGE_READ = "message.read"  # by staff
    CALLBACK_REFUSED = "callback.refused"

    RATING_RECEIVED = "rating.received"

    CASE_SUBMITTED = "case.submitted"
    CASE_READY = "case.ready"
    CASE_REFUSED = "case.refused"
    CASE_WAITING = "case.waiting"
    CASE_EXPIRED = "case.expired"
    CASE_WITHDRAWN = "case.withdrawn"
    CASE_FROZEN = "case.frozen"
    CASE_RELEASED = "case.released"

    METER_RESOLVED = "meter.resolved"
    DER_RESOLVED = "der.resolved"
    PRESENTED_CHECKED = "presented.checked"
    CONFLICT_CHECKED = "conflict.checked"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"

    ENROLLMENT_CONFIRMED = "enrollment.confirmed"
    ENROLLMENT_REFUSED = "enrollment.refused"
    ENROLLMENT_ACTIVATED = "enrollment.activated"
    ENROLLMENT_SUSPENDED = "enrollment.suspended"
    ENROLLMENT_RESUMED = "enrollment.resumed"
    ENROLLMENT_END_SCHEDULED = "enrollment.end_scheduled"
    ENROLLMENT_END_WITHDRAWN = "enrollment.end_withdrawn"
    ENROLLMENT_METERS_CHANGED = "enrollment.meters_changed"
    ENROLLMENT_CANCELLED = "enrollment.cancelled"
    ENROLLMENT_EXPIRED = "enrollment.expired"

    CONSENT_REQUESTED = "consent.requested"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_REVOKED = "consent.revoked"
    CONSENT_EXPIRED = "consent.expired"

    CREDENTIAL_ISSUED = "credential.issued"
    CREDENTIAL_SUSPENDED = "credential.suspended"
    CREDENTIAL_RESUMED = "credential.resumed"
    CREDENTIAL_REVOKED = "credential.revoked"
    CREDENTIAL_RESIGNED = "credential.resigned"
    CREDENTIAL_REVOCATION_PLANNED = "credential.revocation_planned"
    CREDENTIAL_REVOCATION_WITHDRAWN = "credential.revocation_withdrawn"
    BULK_ASKED = "bulk.asked"
    BULK_APPROVED = "bulk.approved"
    BULK_REFUSED = "bulk.refused"
    BULK_FINISHED = "bulk.finished"
    WALLET_OFFERED = "wallet.offered"
    WALLET_REFUSED = "wallet.refused"
    WALLET_ISSUED = "wallet.issued"
    LIST_CREATED = "list.created"
    LIST_PUBLISHED = "list.published"

    KEY_CREATED = "key.created"
    KEY_ANNOUNCED = "key.announced"
    KEY_ACTIVATED = "key.activated"
    KEY_RETIRED = "key.retired"
    KEY_REVOKED = "key.revoked"
    FIELDS_ROTATED = "fields.rotated"

    TRUST_ADDED = "trust.added"
    TRUST_CHANGED = "trust.changed"
    TRUST_REMOVED = "trust.removed"
    PARTICIPANT_ADDED = "participant.added"
    PARTICIPANT_CHANGED = "participant.changed"
    PARTICIPANT_SUSPENDED = "participant.suspended"
    PARTICIPANT_RESUMED = "participant.resumed"
    AGENCY_ADDED = "agency.added"
    AGENCY_CHANGED = "agency.changed"
    AGENCY_SUSPENDED = "agency.suspended"
    AGENCY_RESUMED = "agency.resumed"
    AGENCY_CERTIFIED = "agency.certified"
    AGENCY_REMINDED = "agency.reminded"  # that a certificate ends
    AGENCY_ENTERED = "agency.entered"  # one of its people signed in
    MEMBER_CERTIFIED = "member.certified"
    MEMBER_INVITED = "member.invited"
    MEMBER_JOINED = "member.joined"
    MEMBER_CHANGED = "member.changed"
    MEMBER_SWITCHED_OFF = "member.switched_off"
    MEMBER_SWITCHED_ON = "member.switched_on"
    MEMBER_SUSPENDED = "member.suspended"
    MEMBER_RESUMED = "member.resumed"
    SIGNAL_RAISED = "signal.raised"
    SIGNAL_DECIDED = "signal.decided"
    MANDATE_GIVEN = "mandate.given"
    MANDATE_APPROVED = "mandate.approved"
    MANDATE_REFUSED = "mandate.refused"
    MANDATE_REVOKED = "mandate.revoked"
    RECHECK_QUEUED = "recheck.queued"
    RECHECK_DONE = "recheck.done"
    CUSTOMER_LOOKED_UP = "customer.looked_up"  # by an agency: a match, none, or several
    LOOK_UPS_STOPPED = "look_ups.stopped"
    LOOK_UPS_RELEASED = "look_ups.released"
    ASSISTED_OPENED = "assisted.opened"
    ASSISTED_FOUND = "assisted.found"
    ASSISTED_READ = "assisted.read"  # the five sentences were read out
    ASSISTED_CODE_SENT = "assisted.code_sent"
    ASSISTED_CODE_REFUSED = "assisted.code_refused"
    ASSISTED_REVIEWED = "assisted.reviewed"
    ASSISTED_PROVED = "assisted.proved"
    ASSISTED_ASSIGNED = "assisted.assigned"
    ASSISTED_DECLARED = "assisted.declared"
    ASSISTED_STOOD_STILL = "assisted.stood_still"
    ASSISTED_NOT_ME = "assisted.not_me"
    ASSISTED_CLOSED = "assisted.closed"
    HANDOVER_OPENED = "handover.opened"
    HANDOVER_SEEN = "handover.seen"  # a link was opened
    HANDOVER_PROVED = "handover.proved"
    HANDOVER_OTHER_PERSON = "handover.other_person"
    HANDOVER_ANSWERED = "handover.answered"
    HANDOVER_ENDED = "handover.ended"
    ASSISTED_CORRECTED = "assisted.corrected"  # by a second file of the agency, before anybody was asked
    IMPORT_UPLOADED = "import.uploaded"
    IMPORT_STARTED = "import.started"
    IMPORT_FINISHED = "import.finished"
    IMPORT_CANCELLED = "import.cancelled"
    IMPORT_STOPPED = "import.stopped"
    IMPORT_RELEASED = "import.released"  # its invitations, by a manager
    INVITATION_SENT = "invitation.sent"
    INVITATION_NOT_SENT = "invitation.not_sent"
    PROGRAM_DRAFTED = "program.drafted"
    PROGRAM_CHANGED = "program.changed"  # a draft
    PROGRAM_DROPPED = "program.dropped"  # a draft
    PROGRAM_PUBLISHED = "program.published"
    PROGRAM_RETIRED = "program.retired"
    CONSENT_TEXT_ADDED = "consent_text.added"
    PROGRAM_CLOSED = "program.closed"
    RULE_CHANGED = "rule.changed"

    SUBJECT_LINKED = "subject.linked"
    SUBJECT_MERGED = "subject.merged"
    PROOF_ACCEPTED = "proof.accepted"
    PROOF_REFUSED = "proof.refused"
    LOGIN = "login"
    LOGIN_BREAK_GLASS = "login.break_glass"  # a local account of the console, which is for emergencies
    ALARM_RAISED = "alarm.raised"
    ALARM_SEEN = "alarm.seen"
    STAFF_INVITED = "staff.invited"
    STAFF_JOINED = "staff.joined"
    STAFF_CHANGED = "staff.changed"
    STAFF_SWITCHED_OFF = "staff.switched_off"
    STAFF_SWITCHED_ON = "staff.switched_on"
    HELP_OFFERED = "help.offered"
    HELP_TAKEN = "help.taken"
    HELP_ENDED = "help.ended"
    READ_PII = "pii.read"
    EXPORT = "export"
    JOURNAL_VERIFIED = "journal.verified"
    REVIEW_CLAIMED = "review.claimed"
    REVIEW_RELEASED = "review.released"
    REVIEW_ASKED_AGAIN = "review.asked_again"
    PERSON_ASKED = "person.asked"  # to have, or to have erased, what is kept of them
    PERSON_ANSWERED = "person.answered"
    PERSON_ERASED = "person.erased"
    DOCUMENT_ASKED = "document.asked"
    DOCUMENT_UPLOADED = "document.uploaded"
    DOCUMENT_REMOVED = "document.removed"
    DOCUMENT_REVIEWED = "document.reviewed"
    DOCUMENT_APPROVED = "document.approved"
    DOCUMENT_REFUSED = "document.refused"
    UTILITY_CHANGED = "utility.changed"
    CREDENTIAL_DISBELIEVED = "credential.disbelieved"  # by our portal: what a provider sent does not hold
    CERTIFICATE_FAILED = "certificate.failed"
    CERTIFICATE_REPAIRED = "certificate.repaired"
    RETENTION_APPLIED = "retention.applied"
    SANDBOX_LOADED = "sandbox.loaded"
    SANDBOX_RESET = "sandbox.reset"


_COLUMNS = (
    "public_id",
    "at",
    "action",
    "actor_kind",
    "actor_id",
    "channel",
    "on_behalf_of",
    "subject",
    "object_type",
    "object_id",
    "before_digest",
    "after_digest",
    "details",
)
_TYPES = ("uuid", "timestamptz", *("text" for _ in _COLUMNS[2:]))
_INSERT = (
    f"INSERT INTO audit_logs ({', '.join(_COLUMNS)})"  # noqa: S608 - our own column names
    f" SELECT {', '.join(_COLUMNS[:-1])}, details::jsonb"
    f" FROM unnest({', '.join(f'%s::{each}[]' for each in _TYPES)}) AS line({', '.join(_COLUMNS)})"
    " RETURNING id, public_id"
)


@dataclass(frozen=True)
class Line:
    """One line to be written. `subject` is a Subject pk as text; `before` and `after` are kept as digests only."""

    action: Action
    actor: Actor
    at: datetime
    subject: str = ""
    object_type: str = ""
    object_id: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None


def record(
    action: Action,
    *,
    actor: Actor,
    at: datetime,
    subject: str = "",
    object_type: str = "",
    object_id: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Event:
    """Write one line and return it; `Event.reference` is the wire's `logReference`."""
    line = Line(action, actor, at, subject, object_type, object_id, before, after, details)
    return record_all([line])[0]


def record_all(lines: Sequence[Line]) -> list[Event]:
    """Write all lines with one INSERT, in the order given; raise ValueError for an instant without a time zone."""
    events = [_event(line) for line in lines]
    if events:
        _insert(events)
    return events


def _insert(events: Sequence[Event]) -> None:
    # Not bulk_create: it opens a transaction of its own for a single row and is five times slower for many.
    columns: list[list[Any]] = [[getattr(event, column) for event in events] for column in _COLUMNS]
    columns[-1] = [None if each is None else json.dumps(each) for each in columns[-1]]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
        ids = {public_id: key for key, public_id in cursor.fetchall()}
    for event in events:
        event.pk, event._state.adding, event._state.db = ids[event.public_id], False, connection.alias


def _event(line: Line) -> Event:
    if line.at.tzinfo is None:
        raise ValueError("the journal takes aware instants only")
    actor = line.actor
    acted = {name: told for name in ("operator", "mandate") if (told := getattr(actor, name))}
    details = {**acted, **(line.details or {})} if acted else line.details
    return Event(
        public_id=uuid.uuid4(),
        at=line.at.astimezone(UTC),
        action=str(line.action),
        actor_kind=str(actor.kind),
        actor_id=chain.storable(str(actor.id))[:255],
        channel=str(actor.channel),
        on_behalf_of=chain.storable(str(actor.on_behalf_of))[:255],
        subject=str(line.subject),
        object_type=line.object_type,
        object_id=chain.storable(str(line.object_id))[:255],
        before_digest=chain.digest(line.before),
        after_digest=chain.digest(line.after),
        details=None if details is None else chain.storable(details),
    )
