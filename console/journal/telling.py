"""The story of one enrolment: everything that is kept about it, in the order of time.

Messages in and out with who signed them and what they say (secrets and personal data masked), what was checked and
found, consents, credentials with their place in the status lists, letters, documents, and the journal's own lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from audit import readers
from audit.log import ActorKind
from audit.models import Event
from beckn.models import Inbox, Outbox
from console import words as network_words
from console.enrollments import names
from console.journal import words
from console.messages import reasons
from console.messages.payload import masked_payload
from console.notices import said_of, subject_of
from console.programs.wording import condition_name
from credentials import addresses, bulk
from credentials.models import IssuedCredential, PublicCheck, StatusListVersion
from enrollment.models import (
    CaseCheck,
    Consent,
    ConsentText,
    CustomerNotice,
    Document,
    Enrollment,
    EnrollmentCase,
    UtilityNotice,
)

MOST = 300  # of each kind
_GOOD, _LATE, _BAD = "console-good", "console-late", "console-over"


@dataclass(frozen=True)
class Told:
    """One thing that happened: `kind` is what it is of, `state` a class for how it went, `body` a masked message."""

    at: datetime
    kind: str
    title: str
    facts: Sequence[tuple[str, Any]] = ()
    link: str = ""
    state: str = ""
    body: str = ""
    rank: int = 5  # among things of one instant: what came in first, then what was made of it


@dataclass
class Story:
    """What is told of one case. `cut` names the kinds of which there is more than is shown."""

    case: EnrollmentCase
    enrollment: Enrollment | None
    entries: list[Told] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    credentials: list[IssuedCredential] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)


def cases_of(reference: str) -> list[EnrollmentCase]:
    """Return the cases that a reference of any kind means: several where two portals gave an order the same id."""
    reference = reference.strip()
    if not reference or len(reference) > 512:
        return []
    rows = EnrollmentCase.objects.select_related("subject", "program_version__program").defer("payload")
    kind, _, key = reference.partition(":")
    if kind == "case":
        return list(rows.filter(pk=int(key))) if key.isascii() and key.isdigit() and len(key) < 19 else []
    if reference.startswith("log-"):
        return _of_line(reference)
    found = list(rows.filter(_by_enrollment(reference))[:1])
    if not found:
        found = list(rows.filter(order_id=reference).order_by("-pk")[:20])
    if not found and (credential := addresses.read_typed(reference)):
        of_it = Q(enrollment__credential=credential) | Q(enrollment__consents__credential=credential)
        keys = EnrollmentCase.objects.filter(of_it).values_list("pk", flat=True)[:1]
        found = list(rows.filter(pk__in=list(keys)))
    return found or list(rows.filter(pk__in=list(_others(reference))))


def story_of(case: EnrollmentCase, *, with_bodies: bool = False) -> Story:
    """Return everything that is kept about a case, the oldest first; `with_bodies`: also what its messages say."""
    rows = Enrollment.objects.select_related("credential__status_list")
    enrollment = rows.filter(case=case).first()
    told = Story(case, enrollment)
    if enrollment is not None:
        told.consents = list(
            Consent.objects.filter(enrollment=enrollment)
            .select_related("credential__status_list")
            .prefetch_related("events")
            .order_by("pk")
        )
        told.credentials = _credentials(enrollment, told.consents)
    documents = list(Document.objects.filter(case=case).order_by("pk")[:MOST])
    parts: list[Iterable[Told]] = [
        _messages(told, Inbox, with_bodies=with_bodies),
        _messages(told, Outbox, with_bodies=with_bodies),
        _refused(case),
        _checks(told),
        _consents(told),
        _lists(told),
        _notices(told),
        _lines(told, documents),
    ]
    for part in parts:
        told.entries += part
    told.entries.sort(key=lambda each: (each.at, each.rank))
    return told


# --- finding it ------------------------------------------------------------------------------------------------------


def _by_enrollment(reference: str) -> Q:
    named = Q(order_number=reference.upper()) | Q(enrollment_id=reference)
    return Q(pk__in=list(Enrollment.objects.filter(named).values_list("case", flat=True)[:1]))


def _others(reference: str) -> Iterator[int]:
    """By a consent, a document, or a transaction of messages."""
    yield from Consent.objects.filter(consent_id=reference).values_list("enrollment__case", flat=True)[:1]
    yield from Document.objects.filter(document_id=reference).values_list("case", flat=True)[:1]


def _of_line(reference: str) -> list[EnrollmentCase]:
    """By a line of the journal, through the object that it is about."""
    try:
        line = Event.objects.filter(public_id=UUID(reference.removeprefix("log-"))).first()
    except ValueError:
        return []
    if line is None or line.object_type not in words.TOLD_IN_STORIES:
        return []
    return cases_of(f"case:{line.object_id}" if line.object_type == "case" else line.object_id)


# --- what is told ----------------------------------------------------------------------------------------------------


def _messages(told: Story, model: type[Inbox] | type[Outbox], *, with_bodies: bool) -> Iterator[Told]:
    """The messages of the case's transactions that are about its order, or about no order at all."""
    case = told.case
    if not case.transaction_ids:
        return
    rows: Any = model._default_manager.filter(transaction_id__in=case.transaction_ids)
    rows = rows.filter(participant__subscriber_id=case.bap_id).select_related("participant").defer("sealed")
    found = list(rows.order_by("pk")[: MOST + 1])
    if len(found) > MOST:
        told.cut.append(gettext("messages"))
    for row in found[:MOST]:
        if (order := _order_in(row.body)) and order != case.order_id:
            continue
        said = masked_payload(row.body) if with_bodies else ""
        yield _received(row, said) if isinstance(row, Inbox) else _sent(row, said)


def _received(row: Inbox, said: str) -> Told:
    facts = [
        (gettext("From"), row.sender_id),
        (gettext("Signature"), _verdict(row)),
        (gettext("Message"), row.message_id),
        (gettext("Digest"), row.digest),
        (gettext("State"), row.get_state_display()),
    ]
    if row.last_error:
        facts.append((gettext("Trouble"), reasons.error_of(row.last_error, is_ours=False)))
    return Told(
        row.received_at,
        gettext("Message received"),
        reasons.action_name(row.action),
        facts,
        reverse("admin:received-message", args=[row.pk]),
        {"DONE": _GOOD, "STUCK": _BAD}.get(row.state, _LATE),
        said,
        rank=0,
    )


def _sent(row: Outbox, said: str) -> Told:
    facts = [
        (gettext("To"), row.participant.subscriber_id),
        (gettext("Signature"), gettext("signed by us, as %(sender)s") % {"sender": row.sender_id}),
        (gettext("Message"), row.message_id),
        (gettext("State"), row.get_state_display()),
        (gettext("Attempts"), row.attempts),
    ]
    if row.sent_at:
        facts.append((gettext("Delivered (UTC)"), f"{row.sent_at:%Y-%m-%d %H:%M:%S}"))
    if row.last_error:
        facts.append((gettext("Trouble"), reasons.error_of(row.last_error, is_ours=True)))
    return Told(
        row.created_at,
        gettext("Message to send"),
        reasons.action_name(row.action),
        facts,
        reverse("admin:sent-message", args=[row.pk]),
        {"DONE": _GOOD, "STUCK": _BAD}.get(row.state, _LATE),
        said,
        rank=7,
    )


def _verdict(row: Inbox) -> str:
    """What was found out about the signature when the message came: without that it would not be here."""
    if row.key_id:
        return gettext("holds: checked when it came, with key %(key)s of %(who)s") % {
            "key": row.key_id,
            "who": row.participant.subscriber_id,
        }
    if settings.BECKN_MODE == "adapter":
        return gettext("checked by the network's adapter, which vouches for the sender")
    return gettext("none: this deployment took messages without one")


def _refused(case: EnrollmentCase) -> Iterator[Told]:
    """Messages of its transactions that were refused at the door: they exist as lines only."""
    if not case.transaction_ids:
        return
    for row in readers.refused_within(case.transaction_ids, most=50):
        details = row.details or {}
        yield Told(
            row.at,
            gettext("Message refused"),
            str(details.get("action", "")) or gettext("at the door"),
            [(gettext("Why"), reasons.words_of(details)), (gettext("Message"), details.get("message_id", ""))],
            reverse("admin:journal-line", args=[row.public_id]),
            _BAD,
            rank=0,
        )


def _checks(told: Story) -> Iterator[Told]:
    rows = list(CaseCheck.objects.filter(case=told.case).order_by("pk")[: MOST + 1])
    if len(rows) > MOST:
        told.cut.append(gettext("findings"))
    for row in rows[:MOST]:
        facts = [(gettext("Of"), row.target)] if row.target else []
        facts += [(gettext("Code"), row.code)] if row.code and row.kind != "CRITERION" else []
        facts += [(gettext("met by") if key == "met" else key, value) for key, value in words.details_of(row.detail)]
        title = f"{_checked(row)}: {words.RESULTS.get(row.result, row.result)}"
        state = {"PASS": _GOOD, "FAIL": _BAD}.get(row.result, _LATE)
        yield Told(row.at, gettext("Checked"), title, facts, state=state, rank=3)


def _checked(row: CaseCheck) -> str:
    """What was checked."""
    if row.kind == "CRITERION":
        return gettext("Condition “%(name)s”") % {"name": condition_name(row.code)}
    return network_words.check(row.kind)


def _consents(told: Story) -> Iterator[Told]:
    texts = _texts(told)
    for consent in told.consents:
        text = texts.get((consent.consent_type, consent.text_version, consent.text_digest))
        link = ""
        if text is not None:
            place = [text.program_id, text.consent_type, text.version]
            link = reverse("admin:consent-text", args=place)
        for event in consent.events.all():
            facts = [
                (gettext("Consent"), consent.consent_id),
                (gettext("By"), f"{words.ACTORS.get(event.actor_kind, event.actor_kind)} {event.actor_id}"),
                (gettext("Words"), f"{consent.text_version} ({consent.locale})" if consent.text_version else "–"),
                (gettext("Digest of the words"), consent.text_digest or "–"),
                *words.details_of({key: each for key, each in event.detail.items() if key != "textDigest"}),
            ]
            title = f"{network_words.consent(consent.consent_type)}: {event.event.lower()}"
            state = _GOOD if event.event == "GRANTED" else _LATE
            yield Told(event.at, gettext("Consent"), title, facts, link, state, rank=5)


def _texts(told: Story) -> Mapping[tuple[str, str, str], ConsentText]:
    version = told.case.program_version
    if version is None or not told.consents:
        return {}
    digests = {consent.text_digest for consent in told.consents if consent.text_digest}
    rows = ConsentText.objects.filter(program=version.program_id, digest__in=digests).defer("body")
    return {(row.consent_type, row.version, row.digest): row for row in rows}


def _credentials(enrollment: Enrollment, consents: Sequence[Consent]) -> list[IssuedCredential]:
    """Its credentials and those that they took the place of."""
    found: dict[UUID, IssuedCredential] = {}
    named: list[UUID | None] = [enrollment.credential_id, *(consent.credential_id for consent in consents)]
    # From each to what it replaced: seldom issued anew, and one OR over all of it would read every credential there is.
    while (wanted := {key for key in named if key is not None} - found.keys()) and len(found) < MOST:
        rows = IssuedCredential.objects.filter(pk__in=wanted).select_related("status_list")
        found |= {row.pk: row for row in rows.defer("claims", "personal_claims", "document")}
        named = [row.supersedes_id for row in found.values()]
    return sorted(found.values(), key=lambda row: row.issued_at)


def _lists(told: Story) -> Iterator[Told]:
    """The credentials, their place in the lists, and when the lists said so."""
    for row in told.credentials:
        place = gettext("list %(list)s, index %(index)s") % {
            "list": f"{row.status_list.get_kind_display()} {row.status_list.number}",
            "index": row.status_index,
        }
        link = reverse("admin:credentials_issuedcredential_change", args=[row.pk])
        what = words.in_short(f"{row.get_kind_display()} {row.pk}")
        facts = [
            (gettext("Id"), str(row.pk)),
            (gettext("Status"), place),
            (gettext("Valid from"), f"{row.valid_from:%Y-%m-%d %H:%M} UTC"),
        ]
        if row.valid_until:
            facts.append((gettext("Valid until"), f"{row.valid_until:%Y-%m-%d %H:%M} UTC"))
        yield Told(row.issued_at, gettext("Credential issued"), what, facts, link, _GOOD, rank=5)
        for at, done, purpose in (
            (row.revoked_at, gettext("Credential revoked"), "revocation"),
            (row.suspended_at, gettext("Credential suspended"), "suspension"),
        ):
            if at is not None:
                more = [(gettext("Reason"), row.revocation_reason)] if row.revoked_at == at else []
                yield Told(at, done, what, [(gettext("Status"), place), *more], link, _BAD, rank=5)
                yield from _published(row, purpose, at, place)
        for act in bulk.acts_on(row.pk) if row.revoked_at or row.suspended_at else ():
            about: list[tuple[str, Any]] = [
                (gettext("Reason"), act.reason),
                (gettext("How many"), act.count),
                (gettext("Digest of the set"), act.digest),
            ]
            link_of_act = reverse("admin:bulk-act", args=[act.pk])
            yield Told(act.asked_at, gettext("Act on many"), names.of_kind(act), about, link_of_act, rank=4)
    yield from _looks(told)


def _published(row: IssuedCredential, purpose: str, at: datetime, place: str) -> Iterator[Told]:
    """The first publication after the change that is still kept."""
    versions = StatusListVersion.objects.filter(status_list=row.status_list_id, purpose=purpose, signed_at__gte=at)
    first = versions.defer("bits", "body", "json_body").order_by("version").first()
    if first is not None:
        took = (first.signed_at - at).total_seconds()
        facts = [
            (gettext("Status"), place),
            (gettext("Version"), first.version),
            (gettext("After"), gettext("%(seconds).1f s") % {"seconds": took}),
            (gettext("Digest"), first.digest),
        ]
        link = reverse("admin:credentials_statuslist_changelist")
        yield Told(first.signed_at, gettext("List published"), purpose, facts, link, _GOOD, rank=8)


def _looks(told: Story) -> Iterator[Told]:
    """What our own look at the public list found, after acts of staff."""
    places = {(row.status_list_id, row.status_index) for row in told.credentials if row.revoked_at or row.suspended_at}
    if not places:
        return
    named = reduce(or_, (Q(status_list=each, indexes__contains=[index]) for each, index in places))
    for row in PublicCheck.objects.filter(named).exclude(fetched_at=None).order_by("pk")[:20]:
        facts = [(gettext("Version"), row.version), (gettext("Found"), row.problem or gettext("the list says so"))]
        state = _BAD if row.problem else _GOOD
        title = gettext("the public list was fetched")
        yield Told(row.fetched_at or row.asked_at, gettext("Look from outside"), title, facts, state=state, rank=9)


def _notices(told: Story) -> Iterator[Told]:
    states = {"SENT": _GOOD, "ACKNOWLEDGED": _GOOD, "STUCK": _BAD}
    for row in CustomerNotice.objects.filter(case=told.case).order_by("pk")[:MOST]:
        facts = [(gettext("State"), names.NOTICES.get(row.state, row.state))]
        if row.sent_at:
            facts.append((gettext("Sent (UTC)"), f"{row.sent_at:%Y-%m-%d %H:%M:%S}"))
        if row.locale:
            facts.append((gettext("Language"), row.locale))
        link = reverse("admin:enrollment_customernotice_change", args=[row.pk])
        state = states.get(row.state, _LATE)
        yield Told(
            row.created_at,
            gettext("Customer told"),
            subject_of(row.template, told.case.program_version),
            facts,
            link,
            state,
            rank=8,
        )
    if told.enrollment is None:
        return
    for notice in UtilityNotice.objects.filter(enrollment=told.enrollment).order_by("pk")[:MOST]:
        facts = [
            (gettext("Utility"), notice.utility_id),
            (gettext("State"), names.NOTICES.get(notice.state, notice.state)),
        ]
        link = reverse("admin:enrollment_utilitynotice_change", args=[notice.pk])
        state = states.get(notice.state, _LATE)
        yield Told(notice.created_at, gettext("Utility told"), said_of(notice), facts, link, state, rank=8)


def _lines(told: Story, documents: Sequence[Document]) -> Iterator[Told]:
    """What the journal says of all these things."""
    case, enrollment = told.case, told.enrollment
    objects = [("case", str(case.pk)), ("order", case.order_id)]
    objects += [("enrollment", enrollment.enrollment_id)] if enrollment is not None else []
    objects += [("IssuedCredential", str(row.pk)) for row in told.credentials]
    objects += [("document", row.document_id) for row in documents]
    found = readers.lines_about(objects, most=MOST + 1)
    if len(found) > MOST:
        told.cut.append(gettext("lines of the journal"))
    # The same id of an order may be another portal's.
    people = names.of_users([line.actor_id for line in found if line.actor_kind == ActorKind.STAFF])
    for line in islice(found, MOST):
        if line.object_type == "order" and line.actor_kind == ActorKind.PARTICIPANT and line.actor_id != case.bap_id:
            continue
        shown = words.shown(line, people)
        facts = [
            (gettext("By"), shown.who),
            (gettext("Through"), shown.channel),
            (gettext("Object"), shown.object),
            *shown.details,
        ]
        link = reverse("admin:journal-line", args=[line.public_id])
        yield Told(line.at, gettext("Journal"), shown.what, facts, link, rank=6)


def _order_in(body: Any) -> str:
    """The order that a message names, in whatever profile's spelling; "" where it names none."""
    order = body.get("message", {}).get("order") if isinstance(body, dict) else None
    if not isinstance(order, dict):
        return ""
    return str(order.get("beckn:id") or order.get("id") or "")
