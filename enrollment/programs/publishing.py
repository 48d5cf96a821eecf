"""Publishing a draft, closing a program, retiring it: one commit each, in which at most one version is published.

What was published says the same for ever, so that closing is a new version, too: the same words with a last day.
Enrolments keep the version they joined under, open applications the one they began with. Source: screens C7.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from audit import log
from audit.log import Action, Actor
from enrollment import deg
from enrollment.documents import MAX_BYTES
from enrollment.models import ConsentText, Program, ProgramVersion
from enrollment.programs import rules, stranding
from enrollment.programs.checking import Problem, Surroundings, blocking, problems_of, sentences
from enrollment.programs.content import content_of, digest_of
from enrollment.programs.drafting import NotWritten, Overtaken, locked_draft, next_number
from enrollment.states import VersionState
from utility_systems import registry


class NotPublishable(NotWritten):
    """The draft has problems; nothing was written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(" ".join(sentences(problems)))
        self.problems = problems


@dataclass(frozen=True)
class Published:
    """The version that holds now, and the one whose place it took."""

    version: ProgramVersion
    former: ProgramVersion | None


def surroundings(program: Program, now: datetime) -> Surroundings:
    """What the program's drafts are judged against here and now."""
    texts: dict[tuple[str, str], dict[str, bool]] = {}
    rows = ConsentText.objects.filter(program=program).order_by("locale")
    for consent_type, number, locale, reviewed_by in rows.values_list(
        "consent_type", "version", "locale", "reviewed_by"
    ):
        texts.setdefault((consent_type, number), {})[locale] = reviewed_by != ""
    return Surroundings(
        now=now,
        texts=texts,
        utilities=registry.utility_ids(),
        most_bytes=MAX_BYTES,
        is_issuer_licensed=deg.is_ready(),
        must_be_reviewed=settings.DEPLOYMENT == "production",
    )


def problems(version: ProgramVersion, now: datetime) -> tuple[Problem, ...]:
    """What keeps a draft from being published, and what deserves a thought."""
    return problems_of(version, surroundings(version.program, now))


def published(program: Program) -> ProgramVersion | None:
    return program.versions.filter(state=VersionState.PUBLISHED).first()


def publish(version_pk: int, *, seen: str, simulated: str, reason: str, actor: Actor, now: datetime) -> Published:
    """Let the draft hold from now on; the version that did is retired in the same commit.

    `seen` is the digest of the draft that was read, `simulated` that of the simulation that was shown ("" for none).
    `reason` is what is new, for staff.
    Raises NotPublishable, Overtaken, rules.NotSimulated, NotWritten.
    """
    if not reason.strip():
        raise NotWritten(_("Say what is new in this version."))
    with transaction.atomic():
        program = _locked(ProgramVersion.objects.values_list("program_id", flat=True).filter(pk=version_pk).first())
        version = locked_draft(version_pk)
        if digest_of(version) != seen:
            raise Overtaken
        found = blocking(problems(version, now))
        if found:
            raise NotPublishable(found)
        shown = rules.simulate_group(version, now)
        if (shown.digest if shown is not None else "") != simulated:
            raise rules.NotSimulated
        former = published(program)
        version.change_note = reason.strip()[:500]
        _retire(former, actor, now, {"by": "publishing"})
        # Somebody may have closed the program meanwhile, which made a version of its own: later is higher.
        highest = next_number(program) - 1
        version.number = version.number if version.number == highest else highest + 1
        details: dict[str, Any] = {"former": former.number if former is not None else None}
        if shown is not None:
            details |= {
                "conflict_group": version.conflict_group,
                "would_conflict": shown.shown,
                "simulation": shown.digest,
            }
        _make_it_hold(version, Action.PROGRAM_PUBLISHED, actor, now, former, details)
    return Published(version, former)


def close(
    program_pk: int,
    *,
    at: datetime,
    seen: str,
    reason: str,
    actor: Actor,
    now: datetime,
    reopens_at: datetime | None = None,
) -> Published:
    """Let the program take nobody from `at` on (a past moment is now): the published version again, with its last day.

    `seen` is the digest of the published version that was read. Raises NotWritten.
    """
    closes_at = max(at, now)
    if not reason.strip():
        raise NotWritten(_("Say why the program is closed."))
    if reopens_at is not None and reopens_at <= closes_at:
        raise NotWritten(_("It opens again after it has closed."))
    with transaction.atomic():
        program = _locked(program_pk)
        former = published(program)
        if former is None:
            raise NotWritten(_("The program has no published version: there is nothing to close."))
        if digest_of(former) != seen:
            raise NotWritten(_("Another version was published since you opened this page. Look at it first."))
        if former.closes_at is not None and former.closes_at <= now:
            raise NotWritten(_("The program is closed already."))
        if former.opens_at is not None and closes_at <= former.opens_at:
            raise NotWritten(_("The program has not opened by then: publish a version that opens later, or retire it."))
        said = {name: deepcopy(value) for name, value in content_of(former).items()}
        said["closes_at"], said["change_note"] = closes_at, reason[:500]
        shown = {key: value for key, value in (said["presentation"] or {}).items() if key != "reopensAt"}
        said["presentation"] = shown | ({"reopensAt": _instant(reopens_at)} if reopens_at is not None else {})
        stranded = stranding.of(program)
        version = ProgramVersion(program=program, number=next_number(program), **said)
        details = {
            "former": former.number,
            "closes_at": _instant(closes_at),
            "open_cases": stranded.open_cases.shown,
            "enrolled": stranded.enrolled.shown,
            "reason": reason[:500],
        }
        _retire(former, actor, now, {"by": "closing"})
        _make_it_hold(version, Action.PROGRAM_CLOSED, actor, now, former, details)
    return Published(version, former)


def retire(program_pk: int, *, seen: str, reason: str, actor: Actor, now: datetime) -> ProgramVersion:
    """Take the program out of the catalogue: no version of it is published any more. Raises NotWritten."""
    if not reason.strip():
        raise NotWritten(_("Say why the program is retired."))
    with transaction.atomic():
        program = _locked(program_pk)
        former = published(program)
        if former is None:
            raise NotWritten(_("The program has no published version: it is retired already."))
        if digest_of(former) != seen:
            raise NotWritten(_("Another version was published since you opened this page. Look at it first."))
        stranded = stranding.of(program)
        counts = {"open_cases": stranded.open_cases.shown, "enrolled": stranded.enrolled.shown}
        _retire(former, actor, now, {"by": "staff", "reason": reason[:500], **counts})
    return former


def _locked(program_pk: int | None) -> Program:
    program = Program.objects.select_for_update().filter(pk=program_pk or 0).first()
    if program is None:
        raise NotWritten(_("There is no such program any more."))
    return program


def _retire(version: ProgramVersion | None, actor: Actor, now: datetime, details: dict[str, Any]) -> None:
    if version is None:
        return
    version.state = VersionState.RETIRED
    version.save(update_fields=["state"])
    _journal(Action.PROGRAM_RETIRED, version, actor, now, None, details)


def _make_it_hold(
    version: ProgramVersion,
    action: Action,
    actor: Actor,
    now: datetime,
    former: ProgramVersion | None,
    details: dict[str, Any],
) -> None:
    version.state, version.published_at = VersionState.PUBLISHED, now
    version.save()
    _journal(action, version, actor, now, former, details)


def _journal(
    action: Action,
    version: ProgramVersion,
    actor: Actor,
    now: datetime,
    former: ProgramVersion | None,
    details: dict[str, Any],
) -> None:
    log.record(
        action,
        actor=actor,
        at=now,
        object_type="ProgramVersion",
        object_id=str(version.pk),
        before=content_of(former) if former is not None else None,
        after=content_of(version),
        details={"program": version.program.program_id, "number": version.number, **details},
    )


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
