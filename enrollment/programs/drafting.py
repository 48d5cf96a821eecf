"""Writing a draft: begun from what is published or from nothing, saved in parts, thrown away. One draft a program.

A draft is nobody's business but staff's: nothing outside reads it, and it may be saved half done.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit import log
from audit.log import Action, Actor
from enrollment.models import CapCounter, ConsentText, EnrollmentCase, Program, ProgramVersion
from enrollment.programs.checking import PROGRAM_ID
from enrollment.programs.content import content_of, digest_of, fields
from enrollment.states import VersionState


class NotWritten(Exception):
    """Nothing was written; the text says why, for whoever wrote it."""


class Overtaken(NotWritten):
    """Somebody else has changed it since it was read."""

    def __init__(self) -> None:
        super().__init__(_("Somebody else has changed this draft since you opened it. Look at it again, then save."))


def new_program(
    program_id: str, *, provider_id: str, kind: str, name: str, actor: Actor, now: datetime
) -> ProgramVersion:
    """Make a program that nobody sees yet, with its first draft. Raises NotWritten."""
    if not PROGRAM_ID.match(program_id):
        raise NotWritten(_("The program's id is 3 to 200 letters, digits, dots, hyphens, colons and underscores."))
    for text, problem in (
        (provider_id, _("Say which provider offers it.")),
        (kind, _("Say of which kind it is.")),
        (name, _("Give the program a name.")),
    ):
        if not text.strip():
            raise NotWritten(problem)
    with transaction.atomic():
        if Program.objects.filter(program_id=program_id).exists():
            raise NotWritten(_("There is a program of this id already."))
        program = Program.objects.create(program_id=program_id, provider_id=provider_id, kind=kind, created_at=now)
        version = ProgramVersion.objects.create(program=program, number=1, name=name, conflict_group="")
        _journal(Action.PROGRAM_DRAFTED, version, actor, now, after=version)
    return version


def new_draft(program_pk: int, *, actor: Actor, now: datetime, start: int | None = None) -> ProgramVersion:
    """Begin the next version as a copy of the published one, or of the version `start`. Raises NotWritten."""
    with transaction.atomic():
        program = Program.objects.select_for_update().get(pk=program_pk)
        versions = program.versions.order_by("-number")
        if versions.filter(state=VersionState.DRAFT).exists():
            raise NotWritten(_("Somebody is writing a version of this program already."))
        chosen = versions.filter(pk=start) if start is not None else versions.filter(state=VersionState.PUBLISHED)
        source = chosen.first() or versions.first()
        if source is None:
            raise NotWritten(_("There is no version to begin with."))
        said = {name: deepcopy(value) for name, value in content_of(source).items()} | {"change_note": ""}
        version = ProgramVersion.objects.create(program=program, number=next_number(program), **said)
        _journal(Action.PROGRAM_DRAFTED, version, actor, now, after=version, details={"from": source.number})
    return version


def save(version_pk: int, values: Mapping[str, Any], *, seen: str, actor: Actor, now: datetime) -> ProgramVersion:
    """Write these fields of the draft; `seen` is the digest of what the writer had before them.

    Raises Overtaken, and NotWritten for what cannot be kept at all. What only keeps a version from being published is
    kept: `checking.problems_of` says it.
    """
    unknown = set(values) - set(fields())
    if unknown:
        raise ValueError(f"a version has no fields {sorted(unknown)}")
    with transaction.atomic():
        version = locked_draft(version_pk)
        if digest_of(version) != seen:
            raise Overtaken
        before = content_of(version)
        changed = [name for name, value in values.items() if before[name] != value]
        if not changed:
            return version
        for name in changed:
            setattr(version, name, values[name])
        _refuse_what_cannot_be_kept(version, changed)
        version.save(update_fields=changed)
        _journal(Action.PROGRAM_CHANGED, version, actor, now, before=before, after=version, details={"fields": changed})
    return version


def drop(version_pk: int, *, seen: str, actor: Actor, now: datetime) -> Program | None:
    """Throw a draft away, and the program with it where it never was anything else; return what is left of it."""
    with transaction.atomic():
        version = locked_draft(version_pk)
        if digest_of(version) != seen:
            raise Overtaken
        program = version.program
        _journal(Action.PROGRAM_DROPPED, version, actor, now, before=content_of(version))
        version.delete()
        is_used = (
            program.versions.exists()
            or ConsentText.objects.filter(program=program).exists()
            or CapCounter.objects.filter(program=program).exists()
            or EnrollmentCase.objects.filter(program_id=program.program_id).exists()
        )
        if is_used:
            return program
        try:
            with transaction.atomic():
                program.delete()
        except IntegrityError:  # something else names it: it stays, without a version
            return program
    return None


def next_number(program: Program) -> int:
    return (program.versions.order_by("-number").values_list("number", flat=True).first() or 0) + 1


def locked_draft(version_pk: int) -> ProgramVersion:
    """Return the draft and hold it until the transaction ends. Raises NotWritten where it is one no longer."""
    versions = ProgramVersion.objects.select_for_update(of=("self",)).select_related("program")
    version = versions.filter(pk=version_pk, state=VersionState.DRAFT).first()
    if version is None:
        raise NotWritten(_("This is no draft any more: it was published or thrown away."))
    return version


def _refuse_what_cannot_be_kept(version: ProgramVersion, changed: list[str]) -> None:
    if version.opens_at and version.closes_at and version.closes_at <= version.opens_at:
        raise NotWritten(_("The program closes before it opens."))
    try:
        version.clean_fields(exclude=[f.name for f in version._meta.fields if f.name not in changed or not f.choices])
    except ValidationError as problem:
        raise NotWritten(" ".join(problem.messages)) from problem


def _journal(
    action: Action,
    version: ProgramVersion,
    actor: Actor,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: ProgramVersion | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        object_type="ProgramVersion",
        object_id=str(version.pk),
        before=before,
        after=content_of(after) if after is not None else None,
        details={"program": version.program.program_id, "number": version.number, **(details or {})},
    )
