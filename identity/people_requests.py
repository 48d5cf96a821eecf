"""A person's wish to have, or to have erased, what is kept of them: asked, answered, refused, taken back.

A copy is one file of everything that every room keeps (`identity.keeping.Room.held`). Erasure takes away what may go
and keeps the evidence of enrolments; it waits until nothing of the person lives any more. Source: issue 7 (9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import translation

from audit import log
from audit.log import Action, Actor
from identity import copies, keeping
from identity.encryption import blind_index
from identity.keeping import Block, Section
from identity.models import PersonRequest, Subject, SubjectUtilityLink

Kind, State, Proof, Refusal = (
    PersonRequest.Kind,
    PersonRequest.State,
    PersonRequest.Proof,
    PersonRequest.Refusal,
)
#: How long a copy can be fetched; then it is forgotten, and another one can be asked for.
COPY_LASTS = timedelta(days=30)
BY_PERSON = "PERSON"
#: More people than that under one address or number are for somebody to tell apart by another one.
MOST_FOUND = 20


class AskedAlready(Exception):
    """The same is open for this person: `request` is it."""

    def __init__(self, request: PersonRequest) -> None:
        super().__init__(str(request.public_id))
        self.request = request


class Closed(Exception):
    """It has been answered, refused or taken back meanwhile."""


class StillLiving(Exception):
    """Nothing is erased while something of the person lives; `blocks` says what has to end first."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__(", ".join(each.code for each in blocks))
        self.blocks = blocks


@dataclass(frozen=True)
class Overview:
    """What there is of a person, without saying what it says: headings with counts."""

    sections: Sequence[tuple[str, int]]
    blocks: Sequence[Block]
    stays: Mapping[str, int]


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(
    subject: Subject, kind: str, *, actor: Actor, now: datetime, proof: str = Proof.SIGN_IN, taken_by: str = ""
) -> PersonRequest:
    """Take a request: the person's own, signed in, or by staff (`taken_by`), who say how they made sure who asks.

    Raises AskedAlready where the same is open.
    """
    kept = subject.merged_into or subject
    row = PersonRequest(
        subject=kept,
        kind=Kind(kind),
        proof=Proof(proof),
        taken_by=taken_by,
        asked_at=now,
        due_at=now + timedelta(days=settings.PEOPLE_ANSWER_DAYS),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _note(Action.PERSON_ASKED, row, actor, now, kind=row.kind, proof=row.proof)
    except IntegrityError:
        found = PersonRequest.objects.filter(subject=kept, kind=kind, state=State.OPEN).first()
        if found is None:
            raise
        raise AskedAlready(found) from None
    return row


def withdraw(public_id: UUID, *, by: str, actor: Actor, now: datetime) -> PersonRequest:
    """The person no longer wants it. Raises Closed."""
    with transaction.atomic():
        row = _open(public_id)
        _close(row, State.WITHDRAWN, by, now)
        _note(Action.PERSON_ANSWERED, row, actor, now, kind=row.kind, outcome="WITHDRAWN")
    return row


def of_person(subject: Subject | None) -> QuerySet[PersonRequest]:
    """What somebody has asked, the newest first."""
    if subject is None:
        return PersonRequest.objects.none()
    ids = keeping.person_of(subject).ids
    return PersonRequest.objects.filter(subject__in=ids).defer("file").order_by("-pk")


def find(text: str) -> list[Subject]:
    """Whom an e-mail address, a telephone number, a customer number or the network's name for them belongs to."""
    text = text.strip()
    if not text:
        return []
    found = list(Subject.objects.filter(did=text)[:1])
    if "@" in text:
        found += Subject.objects.with_email(text)[:MOST_FOUND]
    elif any(each.isdigit() for each in text):
        found += Subject.objects.with_phone(text)[:MOST_FOUND]
        number = blind_index(text, purpose="utility_customer_id")
        links = SubjectUtilityLink.objects.filter(customer_index=number, status="ACTIVE").select_related("subject")
        found += [each.subject for each in links[:MOST_FOUND]]
    kept = [each.merged_into or each for each in found]
    return list({each.pk: each for each in kept}.values())


# --- looking ---------------------------------------------------------------------------------------------------------


def overview(subject: Subject, now: datetime) -> Overview:
    """What there is of somebody, what keeps it from being erased, and what stays in any case."""
    person = keeping.person_of(subject)
    sections = [(str(each.title), len(each.rows)) for each in _sections(person)]
    return Overview([each for each in sections if each[1]], blocks_of(subject, now), _stays(person))


def blocks_of(subject: Subject, now: datetime) -> list[Block]:
    """What has to end before anything of this person is erased."""
    person = keeping.person_of(subject)
    return [each for room in keeping.rooms() if room.blocks is not None for each in room.blocks(person, now)]


def stays_of(subject: Subject) -> Mapping[str, int]:
    """What an erasure leaves, and why: codes with counts."""
    return _stays(keeping.person_of(subject))


# --- answering -------------------------------------------------------------------------------------------------------


def give_copy(public_id: UUID, *, by: str, actor: Actor, now: datetime, note: str = "") -> PersonRequest:
    """Answer with a file of everything, in the person's language where they have one. Raises Closed."""
    with transaction.atomic():
        row = _open(public_id, Kind.EXPORT)
        person = keeping.person_of(row.subject)
        with translation.override(row.subject.locale or settings.LANGUAGE_CODE):
            sections = _sections(person)
            row.file = copies.pack(sections, str(row.public_id), now)
            counted = [[str(each.title), len(each.rows)] for each in sections if each.rows]
        row.file_sha256, row.file_until = hashlib.sha256(row.file).hexdigest(), now + COPY_LASTS
        row.answer, row.note = {"sections": counted, "went": [], "stays": []}, note
        _close(row, State.ANSWERED, by, now)
        _note(
            Action.PERSON_ANSWERED,
            row,
            actor,
            now,
            kind=row.kind,
            outcome="ANSWERED",
            rows=sum(each[1] for each in counted),
            sha256=row.file_sha256,
        )
    return row


def erase(public_id: UUID, *, by: str, actor: Actor, now: datetime, note: str = "") -> PersonRequest:
    """Take away what may go of this person, and say what went and what stays and why.

    Raises Closed, and StillLiving while an enrolment, an application or a consent lives.
    """
    with transaction.atomic():
        row = _open(public_id, Kind.ERASURE)
        person = _held_still(row.subject)
        if blocks := blocks_of(row.subject, now):
            raise StillLiving(blocks)
        went: dict[str, int] = {}
        for room in keeping.rooms():
            if room.erase is not None:
                went |= {code: count for code, count in room.erase(person, now).items() if count}
        stays = _stays(person)
        row.answer = {"sections": [], "went": list(map(list, went.items())), "stays": list(map(list, stays.items()))}
        row.note = note
        _close(row, State.ANSWERED, by, now)
        _note(Action.PERSON_ERASED, row, actor, now, went=went, stays=stays)
    return row


def refuse(public_id: UUID, refusal: str, *, by: str, actor: Actor, now: datetime, note: str = "") -> PersonRequest:
    """Say no, and why. Raises Closed."""
    with transaction.atomic():
        row = _open(public_id)
        row.refusal, row.note = Refusal(refusal), note
        _close(row, State.REFUSED, by, now)
        _note(Action.PERSON_ANSWERED, row, actor, now, kind=row.kind, outcome="REFUSED", reason=row.refusal)
    return row


def fetch(row: PersonRequest, *, actor: Actor, now: datetime) -> bytes:
    """The copy, for whoever has asked or hands it over; that they had it is written down. Raises Closed without one."""
    kept = PersonRequest.objects.get(pk=row.pk)
    if kept.file is None or kept.file_until is None or kept.file_until <= now:
        raise Closed
    _note(Action.EXPORT, kept, actor, now, what="copy-of-everything", sha256=kept.file_sha256)
    return bytes(kept.file)


# --- parts -----------------------------------------------------------------------------------------------------------


def _held_still(subject: Subject) -> keeping.Person:
    """The person, whom nobody enrols until the transaction ends: under none of their records (or we wait for them)."""
    ids = keeping.person_of(subject).ids
    list(Subject.objects.select_for_update(of=("self",)).filter(pk__in=[*ids, subject.pk]).order_by("pk"))
    subject.refresh_from_db()
    person = keeping.person_of(subject)
    return person if set(person.ids) <= {*ids, subject.pk} else _held_still(subject)  # merged before we held them


def _sections(person: keeping.Person) -> list[Section]:
    """Everything, the person themselves first: the rooms from the lowest up."""
    return [section for room in reversed(keeping.rooms()) if room.held is not None for section in room.held(person)]


def _stays(person: keeping.Person) -> dict[str, int]:
    found: dict[str, int] = {}
    for room in keeping.rooms():
        if room.stays is not None:
            found |= {code: count for code, count in room.stays(person).items() if count}
    return found


def _open(public_id: UUID, kind: str = "") -> PersonRequest:
    row = PersonRequest.objects.select_for_update(of=("self",)).select_related("subject").get(public_id=public_id)
    if row.state != State.OPEN or (kind and row.kind != kind):
        raise Closed
    return row


def _close(row: PersonRequest, state: str, by: str, now: datetime) -> None:
    row.state, row.closed_at, row.closed_by = State(state), now, by
    row.save()


def _note(action: Action, row: PersonRequest, actor: Actor, now: datetime, **details: Any) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        subject=str(row.subject_id),
        object_type="person_request",
        object_id=str(row.public_id),
        details=details,
    )
