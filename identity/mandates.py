"""Mandates: a customer's word that an agency may act for them. The one writer of them, and what they are worth.

On the wire a mandate stands in the place of the customer's own sign-in (decision 48), so it says whose word it is,
to which agency and operator, for which program at which utility, for which acts and until when; and it is read anew
for each message. Source: issue 6 point 4, spec personas 9 (EA-3).
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import formats, timezone, translation
from django.utils.translation import gettext as _

from audit.log import Action, Actor, ActorKind, Channel, record
from identity.models import Agency, Mandate, Membership, Subject
from identity.people import living

#: The acts of the wire that an agency needs for a whole enrolment, and to end it again.
ACTIONS = ("select", "init", "confirm", "update", "cancel")
LASTS = timedelta(days=90)
#: Of the words below: another number with every change of what they mean.
TEXT_VERSION = "2026-11"

# Why a mandate does not hold. An agency learns it of its own mandates only: another's is UNKNOWN like one nobody gave.
UNKNOWN, PENDING, REFUSED, REVOKED, EXPIRED = "UNKNOWN", "PENDING", "REFUSED", "REVOKED", "EXPIRED"
NOT_YET, OPERATOR, PROGRAM, UTILITY, ACTION = "NOT_YET", "OPERATOR", "PROGRAM", "UTILITY", "ACTION"
CUSTOMER, AGENCY, OWNER = "CUSTOMER", "AGENCY", "OWNER"  # who takes a mandate back


class NotPossible(Exception):
    """The mandate is not in the state for this, or it is not for this person to do; the text is a code."""


@dataclass(frozen=True)
class MandateText:
    """The words that a customer agrees to, with what they are called and their SHA-256 (hex)."""

    version: str
    digest: str
    paragraphs: tuple[str, ...]


def text(
    agency: Agency,
    operator_name: str,
    program_name: str,
    until: datetime,
    locale: str,
    actions: Sequence[str] = ACTIONS,
) -> MandateText:
    """What the customer reads, or is read, before they agree; in their language as far as we speak it."""
    with translation.override(locale or "en"):
        day = formats.date_format(timezone.localtime(until).date(), "DATE_FORMAT")
        named = {"agency": agency.name or agency.agency_id, "agent": operator_name, "program": program_name, "day": day}
        acts = [words for words in (_act(each) for each in actions) if words]
        paragraphs = (
            _("I allow %(agency)s, through %(agent)s, to act for me in the program “%(program)s”.") % named,
            _("They may: %(acts)s.") % {"acts": "; ".join(acts)},
            _("They may not agree to anything in my place: I answer each question about my data and equipment myself.")
            % named,
            _("This holds until %(day)s and ends by itself then.") % named,
            _(
                "I can take it back at any time: on my account page, by the link in the message that my electricity"
                " company sends me, or by telephone. What was done before then stays, and I can end that, too."
            )
            % named,
        )
    return MandateText(TEXT_VERSION, _digest(paragraphs), paragraphs)


def _act(action: str) -> str:
    words = {
        "select": _("look up which of my meters and equipment can join"),
        "init": _("apply in my name"),
        "confirm": _("send the enrolment off after I have answered"),
        "update": _("change the enrolment"),
        "cancel": _("end it"),
    }
    return words.get(action, "")


@transaction.atomic
def give(
    *,
    subject: Subject,
    agency: Agency,
    operator_id: str,
    utility_id: str,
    program_id: str,
    actions: Sequence[str] = ACTIONS,
    now: datetime,
    lasts: timedelta = LASTS,
    evidence_kind: str,
    evidence_digest: str,
    acr: str = "",
    locale: str = "",
    state: str = Mandate.State.ACTIVE,
    words: MandateText | None = None,
) -> Mandate:
    """Write what the customer has agreed to. `words`: the text they were shown, by `text`.

    One on paper is PENDING, whatever `state` says: a second person looks at it first. Raises ValueError for a mandate
    that names no operator, utility or program: customers agree to something in particular.
    """
    if not (operator_id and utility_id and program_id and evidence_digest):
        raise ValueError("a mandate names operator, utility, program and its evidence")
    if evidence_kind == Mandate.Evidence.DOCUMENT:
        state = Mandate.State.PENDING
    mandate = Mandate.objects.create(
        mandate_id=f"mandate-{uuid.uuid4()}",
        subject=living(subject) or subject,
        agency=agency,
        operator_id=operator_id,
        utility_id=utility_id,
        program_id=program_id,
        actions=list(actions),
        valid_from=now,
        valid_until=now + lasts,
        evidence_kind=evidence_kind,
        evidence_digest=evidence_digest,
        acr=acr,
        text_version=words.version if words else "",
        text_digest=words.digest if words else "",
        locale=locale,
        state=state,
        given_at=now,
    )
    _journal(Action.MANDATE_GIVEN, mandate, _of_agency(mandate), now, operator=operator_id, state=str(state))
    return mandate


def prove(
    mandate_id: str,
    *,
    agency_id: str,
    operator_id: str,
    action: str,
    program_id: str,
    utility_ids: Sequence[str],
    at: datetime,
) -> Mandate | str:
    """Return the mandate if it covers this act, or why it does not. Read anew for each message, with its subject.

    An empty `program_id` is not looked at; of no utilities, neither.
    """
    mandate = (
        Mandate.objects.select_related("subject", "subject__merged_into", "agency")
        .filter(mandate_id=mandate_id, agency__agency_id=agency_id)
        .first()
        if mandate_id and "\x00" not in mandate_id
        else None
    )
    if mandate is None:
        return UNKNOWN
    checks = (
        (mandate.state == Mandate.State.ACTIVE, str(mandate.state)),
        (mandate.valid_from <= at, NOT_YET),
        (at < mandate.valid_until, EXPIRED),
        (mandate.operator_id in ("", operator_id), OPERATOR),
        (not program_id or mandate.program_id in ("", program_id), PROGRAM),
        (bool(mandate.utility_id) and set(utility_ids) <= {mandate.utility_id}, UTILITY),
        (action in mandate.actions, ACTION),
    )
    return next((reason for holds, reason in checks if not holds), mandate)


def is_active(mandate_id: str) -> bool:
    """Whether it still is, now; nobody takes it back before the caller's transaction ends."""
    kept = Mandate.objects.select_for_update(of=("self",)).filter(mandate_id=mandate_id).first()
    return kept is not None and kept.state == Mandate.State.ACTIVE


def on_record(
    subject_did: str,
    *,
    agency_id: str,
    operator_id: str,
    action: str,
    program_id: str,
    utility_ids: Sequence[str],
    at: datetime,
) -> Mandate | str:
    """`prove` for callers who only know the guide's header: a mandate for any operator of the agency, of this customer.

    There is none unless somebody has recorded it without an operator: what customers give here names one.
    """
    if not subject_did or "\x00" in subject_did:
        return UNKNOWN
    people_called_so = Q(subject__did=subject_did) | Q(subject__merged_from__did=subject_did)
    found = Mandate.objects.filter(people_called_so, agency__agency_id=agency_id, operator_id="", state="ACTIVE")
    for mandate_id in found.order_by("-valid_from").values_list("mandate_id", flat=True)[:10]:
        proven = prove(
            mandate_id,
            agency_id=agency_id,
            operator_id=operator_id,
            action=action,
            program_id=program_id,
            utility_ids=utility_ids,
            at=at,
        )
        if isinstance(proven, Mandate):
            return proven
    return UNKNOWN


@transaction.atomic
def revoke(mandate: Mandate, *, by: str, now: datetime, actor: Actor | None = None) -> Mandate:
    """Take a mandate back: nothing counts on it from the next message on. The first time stays.

    `by` is CUSTOMER, AGENCY or OWNER; `actor` is needed for who is neither the customer nor the agency as such.
    """
    kept = _locked(mandate)
    if kept.state not in (Mandate.State.ACTIVE, Mandate.State.PENDING):
        return kept
    before = kept.state
    kept.state, kept.revoked_at, kept.revoked_by = Mandate.State.REVOKED, now, by
    kept.save(update_fields=["state", "revoked_at", "revoked_by"])
    acting = actor or (_of_customer(kept) if by == CUSTOMER else _of_agency(kept))
    _journal(Action.MANDATE_REVOKED, kept, acting, now, by=by, state=str(before))
    return kept


def approve(mandate: Mandate, *, reviewer: Membership | Actor, now: datetime) -> Mandate:
    """A paper mandate counts from now on. `reviewer`: a member, or whom the journal names of the owner's staff.

    Raises NotPossible: OWN (four eyes) or STATE.
    """
    return _reviewed(mandate, Mandate.State.ACTIVE, Action.MANDATE_APPROVED, reviewer, now)


def refuse(mandate: Mandate, *, reviewer: Membership | Actor, now: datetime) -> Mandate:
    """A paper mandate never counts. Raises NotPossible: OWN (four eyes) or STATE."""
    return _reviewed(mandate, Mandate.State.REFUSED, Action.MANDATE_REFUSED, reviewer, now)


def of_person(subject: Subject) -> QuerySet[Mandate]:
    """Every mandate this person has given, newest first."""
    return Mandate.objects.select_related("agency").filter(subject=living(subject)).order_by("-valid_from", "-pk")


@transaction.atomic
def _reviewed(mandate: Mandate, state: str, action: Action, reviewer: Membership | Actor, now: datetime) -> Mandate:
    kept = _locked(mandate)
    if kept.state != Mandate.State.PENDING:
        raise NotPossible("STATE")
    its_own = (kept.agency_id, kept.operator_id)
    if isinstance(reviewer, Membership) and (reviewer.agency_id, reviewer.operator_id) == its_own:
        raise NotPossible("OWN")
    kept.state = state
    kept.save(update_fields=["state"])
    if isinstance(reviewer, Actor):
        _journal(action, kept, reviewer, now)
        return kept
    actor = Actor(ActorKind.AGENCY, reviewer.agency.agency_id, Channel.EA, on_behalf_of=str(kept.subject_id))
    _journal(action, kept, actor, now, operator=reviewer.operator_id)
    return kept


def _locked(mandate: Mandate) -> Mandate:
    return Mandate.objects.select_for_update(of=("self",)).select_related("agency").get(pk=mandate.pk)


def _of_agency(mandate: Mandate) -> Actor:
    return Actor(ActorKind.AGENCY, mandate.agency.agency_id, Channel.EA, on_behalf_of=str(mandate.subject_id))


def _of_customer(mandate: Mandate) -> Actor:
    return Actor(ActorKind.PERSON, str(mandate.subject_id), Channel.PORTAL)


def _journal(action: Action, mandate: Mandate, actor: Actor, now: datetime, **details: str) -> None:
    record(
        action,
        actor=actor,
        at=now,
        subject=str(mandate.subject_id),
        object_type="mandate",
        object_id=mandate.mandate_id,
        details={
            "agency": mandate.agency.agency_id,
            "program": mandate.program_id,
            "utility": mandate.utility_id,
            "evidence": mandate.evidence_kind,
            **details,
        },
    )


def _digest(paragraphs: Sequence[str]) -> str:
    return hashlib.sha256("\n\n".join(paragraphs).encode()).hexdigest()
