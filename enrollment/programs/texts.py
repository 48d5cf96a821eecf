"""The words people agree to: only ever added, all languages of a version at once.

A text is evidence from the first moment (a trigger keeps it), so that a slip of the pen is a new version. Every process
remembers which languages a version has: one that is added later would be seen by some and not by others.
Source: screens C9, decision 34.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit import log
from audit.log import Action, Actor
from enrollment.models import ConsentText, Program, ProgramVersion
from enrollment.programs.checking import CODE, TEXT_VERSION
from enrollment.programs.drafting import NotWritten
from enrollment.states import VersionState

MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Words:
    """One language of a text; `is_read` false: a translation that no person has read."""

    body: str
    is_read: bool = True


@dataclass(frozen=True)
class Use:
    """Who asks for a text: numbers of the program's versions, by their state."""

    published: tuple[int, ...] = ()
    retired: tuple[int, ...] = ()
    drafts: tuple[int, ...] = ()

    @property
    def is_used(self) -> bool:
        return bool(self.published or self.retired)


def add(
    program_pk: int,
    consent_type: str,
    version: str,
    words: Mapping[str, Words],
    *,
    reviewed_by: str,
    actor: Actor,
    now: datetime,
) -> list[ConsentText]:
    """Add a version of a text in its languages. Raises NotWritten.

    `reviewed_by` names the role or reference of the approval, "" for none: then production does not publish it.
    """
    kept = {locale: Words(_clean(each.body), each.is_read) for locale, each in words.items() if _clean(each.body)}
    problem = _problem(consent_type, version, kept)
    if problem:
        raise NotWritten(problem)
    with transaction.atomic():
        program = Program.objects.select_for_update().get(pk=program_pk)
        if ConsentText.objects.filter(program=program, consent_type=consent_type, version=version).exists():
            raise NotWritten(_("There is a version of this name already: texts never change, so choose a new one."))
        rows = ConsentText.objects.bulk_create(
            ConsentText(
                program=program,
                consent_type=consent_type,
                version=version,
                locale=locale,
                body=each.body,
                digest="sha256:" + hashlib.sha256(each.body.encode()).hexdigest(),
                reviewed_by=reviewed_by.strip(),
                is_read=each.is_read,
            )
            for locale, each in sorted(kept.items())
        )
        log.record(
            Action.CONSENT_TEXT_ADDED,
            actor=actor,
            at=now,
            object_type="ConsentText",
            object_id=f"{program.program_id}/{consent_type}/{version}"[:255],
            after={row.locale: row.digest for row in rows},
            details={
                "program": program.program_id,
                "type": consent_type,
                "version": version,
                "digests": {row.locale: row.digest for row in rows},
                "reviewed": bool(reviewed_by.strip()),
                "unread": [row.locale for row in rows if not row.is_read],
            },
        )
    return rows


def use_of(program: Program) -> dict[tuple[str, str], Use]:
    """Which versions of the program ask for which (type, version) of its texts."""
    return uses_of([program.pk]).get(program.pk, {})


def uses_of(programs: Collection[int]) -> dict[int, dict[tuple[str, str], Use]]:
    """The same for many programs, by their keys."""
    found: dict[int, dict[tuple[str, str], dict[str, list[int]]]] = {}
    versions = ProgramVersion.objects.filter(program__in=programs).order_by("number")
    for pk, number, state, consents in versions.values_list("program_id", "number", "state", "required_consents"):
        for consent in consents:
            key = (str(consent.get("type", "")), str(consent.get("textVersion", "")))
            numbers = found.setdefault(pk, {}).setdefault(key, {}).setdefault(state, [])
            numbers += [number] if number not in numbers else []
    return {
        pk: {
            key: Use(
                tuple(by_state.get(VersionState.PUBLISHED, ())),
                tuple(by_state.get(VersionState.RETIRED, ())),
                tuple(by_state.get(VersionState.DRAFT, ())),
            )
            for key, by_state in by_text.items()
        }
        for pk, by_text in found.items()
    }


def next_version(names: Collection[str]) -> str:
    """A name for the version after these: one more than the highest number, "1" where there is none."""
    return str(max((int(name) for name in names if name.isascii() and name.isdigit()), default=0) + 1)


def _clean(body: str) -> str:
    """One kind of line end, and no blanks around: what is signed for must not depend on a browser."""
    return body.replace("\r\n", "\n").replace("\r", "\n").strip()


def _problem(consent_type: str, version: str, words: Mapping[str, Words]) -> str:
    if not CODE.match(consent_type):
        return _("The consent's name is capital letters and underscores, for example DATA_COLLECTION.")
    if not TEXT_VERSION.match(version):
        return _("A version's name is up to 40 letters, digits, dots and hyphens, for example 2.")
    if "en" not in words:
        return _("Write the text in English: it is what people read where their own language is missing.")
    if any(len(each.body) > MOST_CHARACTERS for each in words.values()):
        return _("The text is longer than 20,000 characters: nobody would read it.")
    if any("\x00" in each.body for each in words.values()):
        return _("The text holds a character that cannot be kept.")
    return ""
